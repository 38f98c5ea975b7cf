/* Coinbase Exchange: GET /products/BTC-USD/candles?granularity=3600&start=..&end=..
 *
 *     [[1736640000,94300.1,94750.0,94500.5,94610.2,312.53], ...]     time, LOW, HIGH, open, close, volume; newest first
 *
 * Low comes before high and both before open. Hours without a trade are missing. The newest row may be of the hour that
 * is still open. At most 300 rows per call, or the call is refused.
 */
#include <jansson.h>
#include <string.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/err.h"
#include "core/settings.h"
#include "market/provider.h"

#define CANDLES_MAX 300
#define PAUSE_MS 250 /* documented: 10 a second; "should not be polled frequently" */
#define COLUMN_COUNT 6

static int parse_row(const json_t *row, struct candle *candle)
{
    double numbers[COLUMN_COUNT];

    if (!json_is_array(row) || json_array_size(row) != COLUMN_COUNT || !json_is_integer(json_array_get(row, 0)))
        return -1;
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        if (!json_is_number(json_array_get(row, i)))
            return -1;
        numbers[i] = json_number_value(json_array_get(row, i));
    }
    json_int_t time_s = json_integer_value(json_array_get(row, 0));
    if (time_s < 0 || time_s > INT64_MAX / MS_PER_S)
        return -1;
    *candle = (struct candle){.open_time_ms = time_s * MS_PER_S,
                              .low = numbers[1],
                              .high = numbers[2],
                              .open = numbers[3],
                              .close = numbers[4],
                              .volume = numbers[5]};
    return 0;
}

int coinbase_parse_candles(struct str body, struct arena *arena, struct candle_list *out)
{
    json_error_t error;
    json_t *root = json_loadb(body.ptr, body.len, JSON_REJECT_DUPLICATES, &error);
    int rc = 0;

    if (!json_is_array(root))
        rc = err_set(E_UPSTREAM, "the answer is not a list of candles");
    else if (json_array_size(root) > PROVIDER_CANDLES_MAX)
        rc = err_set(E_UPSTREAM, "the answer has %zu rows", json_array_size(root));
    if (rc == 0)
        out->candles = arena_array(arena, json_array_size(root) + 1, sizeof(*out->candles));
    for (size_t i = 0; rc == 0 && i < json_array_size(root); i++)
        if (parse_row(json_array_get(root, i), &out->candles[out->count++]) < 0)
            rc = err_set(E_UPSTREAM, "row %zu is not [time, low, high, open, close, volume]", i);
    json_decref(root);
    return rc;
}

static int fetch_candles(const struct provider_context *context, const struct provider_request *request,
                         struct arena *arena, struct candle_list *out)
{
    char start[TIME_TEXT_SIZE], end[TIME_TEXT_SIZE];
    struct str body;

    time_format(request->from_ms, start);
    time_format(request->to_ms - 1000, end); /* `end` is inclusive, and one bucket more than 300 is refused */
    const char *path = arena_printf(arena, "/products/%s/candles?granularity=%lld&start=%s&end=%s", request->symbol,
                                    (long long)request->interval_s, start, end);
    if (provider_get(context, arena, context->settings->provider_url_coinbase, path, &body) < 0)
        return -1;
    return coinbase_parse_candles(body, arena, out);
}

int coinbase_parse_ticker(struct str body, double *price)
{
    json_t *root = json_loadb(body.ptr, body.len, JSON_REJECT_DUPLICATES, NULL);
    const char *text = json_string_value(json_object_get(root, "price"));
    int rc = 0;

    if (text == NULL || str_parse_double(str_of(text), price) < 0 || *price <= 0)
        rc = err_set(E_UPSTREAM, "the ticker has no price");
    json_decref(root);
    return rc;
}

static int fetch_ticker(const struct provider_context *context, const char *symbol, struct arena *arena,
                        struct ticker *ticker)
{
    const char *path = arena_printf(arena, "/products/%s/ticker", symbol);
    struct str body;

    if (provider_get(context, arena, context->settings->provider_url_coinbase, path, &body) < 0)
        return -1;
    ticker->market_ms = clock_wall_ms();
    return coinbase_parse_ticker(body, &ticker->price);
}

const struct provider provider_coinbase = {
    .name = "coinbase",
    .is_exchange = true,
    .candles_max = CANDLES_MAX,
    .pause_ms = PAUSE_MS,
    .fetch_candles = fetch_candles,
    .fetch_ticker = fetch_ticker,
};
