/* Kraken: GET /0/public/OHLC?pair=XBTUSD&interval=60&since=..
 *
 *     {"error":[],"result":{"XXBTZUSD":[[1736640000,"94500.5","94750.0","94300.1","94610.2","94555.7","312.53",4821],..],
 *      "last":1736726400}}                                  time, open, high, low, close, VWAP, volume, trades; ascending
 *
 * The pair's key is not the name that was asked for, so the member beside "last" is taken. The last row is always of the
 * hour that is still open. Errors come with status 200. Only the newest 720 rows can be had, whatever `since` says.
 */
#include <jansson.h>
#include <string.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/err.h"
#include "core/settings.h"
#include "market/provider.h"

#define CANDLES_MAX 720
#define PAUSE_MS 2000 /* one call a second is the safe rule; half of that */
#define COLUMN_COUNT 8
#define PAIR_SIZE 32

/* "BTC-USD" -> "XBTUSD": Kraken calls bitcoin XBT. */
static void pair_of(const char *symbol, char pair[PAIR_SIZE])
{
    size_t n = 0;

    if (strncmp(symbol, "BTC-", 4) == 0)
        pair[n++] = 'X', pair[n++] = 'B', pair[n++] = 'T', symbol += 3;
    for (; *symbol != '\0' && n < PAIR_SIZE - 1; symbol++)
        if (*symbol != '-')
            pair[n++] = *symbol;
    pair[n] = '\0';
}

/* The answer's "result", or NULL with the error frame: Kraken's own error text when it sent one. */
static const json_t *find_result(const json_t *root)
{
    const json_t *errors = json_object_get(root, "error"), *result = json_object_get(root, "result");

    if (json_array_size(errors) > 0) {
        const char *text = json_string_value(json_array_get(errors, 0));

        err_set(E_UPSTREAM, "it answered: %.100s", text == NULL ? "an error without a text" : text);
        return NULL;
    }
    if (!json_is_object(result)) {
        err_set(E_UPSTREAM, "the answer has no result");
        return NULL;
    }
    return result;
}

/* The member that is not "last". */
static json_t *find_pair(const json_t *result)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)result, key, value) if (strcmp(key, "last") != 0) return value;
    return NULL;
}

static int parse_field(const json_t *row, size_t column, double *value)
{
    const char *text = json_string_value(json_array_get(row, column));

    return text == NULL ? -1 : str_parse_double(str_of(text), value);
}

static int parse_row(const json_t *row, struct candle *candle)
{
    if (!json_is_array(row) || json_array_size(row) != COLUMN_COUNT || !json_is_integer(json_array_get(row, 0)))
        return -1;
    json_int_t time_s = json_integer_value(json_array_get(row, 0));
    if (time_s < 0 || time_s > INT64_MAX / MS_PER_S)
        return -1;
    candle->open_time_ms = time_s * MS_PER_S;
    if (parse_field(row, 1, &candle->open) < 0 || parse_field(row, 2, &candle->high) < 0 ||
        parse_field(row, 3, &candle->low) < 0 || parse_field(row, 4, &candle->close) < 0)
        return -1;
    return parse_field(row, 6, &candle->volume); /* 5 is the volume-weighted average price */
}

int kraken_parse_candles(struct str body, struct arena *arena, struct candle_list *out)
{
    json_t *root = json_loadb(body.ptr, body.len, JSON_REJECT_DUPLICATES, NULL);
    const json_t *result = find_result(root);
    json_t *rows = result == NULL ? NULL : find_pair(result);
    int rc = result == NULL ? -1 : 0;

    if (rc == 0 && !json_is_array(rows))
        rc = err_set(E_UPSTREAM, "the result has no candles");
    else if (rc == 0 && json_array_size(rows) > PROVIDER_CANDLES_MAX)
        rc = err_set(E_UPSTREAM, "the answer has %zu rows", json_array_size(rows));
    if (rc == 0)
        out->candles = arena_array(arena, json_array_size(rows) + 1, sizeof(*out->candles));
    for (size_t i = 0; rc == 0 && i < json_array_size(rows); i++)
        if (parse_row(json_array_get(rows, i), &out->candles[out->count++]) < 0)
            rc = err_set(E_UPSTREAM, "row %zu is not [time, open, high, low, close, vwap, volume, count]", i);
    json_decref(root);
    return rc;
}

static int fetch_candles(const struct provider_context *context, const struct provider_request *request,
                         struct arena *arena, struct candle_list *out)
{
    char pair[PAIR_SIZE];
    struct str body;

    pair_of(request->symbol, pair);
    /* `since` is exclusive. */
    const char *path =
        arena_printf(arena, "/0/public/OHLC?pair=%s&interval=%lld&since=%lld", pair,
                     (long long)(request->interval_s / 60), (long long)(request->from_ms / MS_PER_S - 1));
    if (provider_get(context, arena, context->settings->provider_url_kraken, path, &body) < 0)
        return -1;
    return kraken_parse_candles(body, arena, out);
}

/* {"error":[],"result":{"XXBTZUSD":{"c":["94610.2","0.001"],...}}}: c is the last trade, its price first. */
int kraken_parse_ticker(struct str body, double *price)
{
    json_t *root = json_loadb(body.ptr, body.len, JSON_REJECT_DUPLICATES, NULL);
    const json_t *result = find_result(root);
    const json_t *last = result == NULL ? NULL : json_object_get(find_pair(result), "c");
    int rc = result == NULL ? -1 : 0;

    if (rc == 0 && (parse_field(last, 0, price) < 0 || *price <= 0))
        rc = err_set(E_UPSTREAM, "the ticker has no price");
    json_decref(root);
    return rc;
}

static int fetch_ticker(const struct provider_context *context, const char *symbol, struct arena *arena,
                        struct ticker *ticker)
{
    char pair[PAIR_SIZE];
    struct str body;

    pair_of(symbol, pair);
    const char *path = arena_printf(arena, "/0/public/Ticker?pair=%s", pair);
    if (provider_get(context, arena, context->settings->provider_url_kraken, path, &body) < 0)
        return -1;
    ticker->market_ms = clock_wall_ms();
    return kraken_parse_ticker(body, &ticker->price);
}

const struct provider provider_kraken = {
    .name = "kraken",
    .is_exchange = true,
    .candles_max = CANDLES_MAX,
    .history_s = CANDLES_MAX * INT64_C(3600),
    .pause_ms = PAUSE_MS,
    .fetch_candles = fetch_candles,
    .fetch_ticker = fetch_ticker,
};
