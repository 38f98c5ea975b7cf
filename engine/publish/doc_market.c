/* Renders what is known of the market. Each candle carries both of its ends, so that nobody has to guess which one a
 * time means, and where it came from. Single exchanges' last prices are not shown: redistribution is theirs to allow.
 */
#include "publish/doc_market.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/json.h"
#include "market/candle.h"

#define VOLUME_DECIMALS 8
#define SPREAD_DECIMALS 6

static int compare_doubles(const void *a, const void *b);
static struct price_view price_of_close(const struct candles_view *hourly);
static void render_candle(struct json *json, const struct candle_view *candle, int64_t interval_s);

struct price_view price_of(const struct provider_view *providers, size_t count, const struct candles_view *hourly)
{
    struct price_view view = {.is_consensus = true};
    double prices[VIEW_PROVIDERS_MAX];
    /* A feed's providers deliver one quote currency; the newest candle names it. */
    const char *quote = hourly->count > 0 ? hourly->rows[hourly->count - 1].quote : "";
    for (size_t i = 0; i < count; i++)
        if (providers[i].last_price > 0 && providers[i].last_price_market_ms > view.at)
            view.at = providers[i].last_price_market_ms;
    for (size_t i = 0; i < count && view.source_count < VIEW_PROVIDERS_MAX; i++) {
        if (!(providers[i].last_price > 0) || view.at - providers[i].last_price_market_ms > PRICE_AGE_MAX_MS)
            continue;
        prices[view.source_count] = providers[i].last_price;
        view.sources[view.source_count].source = providers[i].provider;
        view.sources[view.source_count++].quote = quote;
    }
    struct price_view close = price_of_close(hourly);
    if (view.source_count == 0 || close.at > view.at)
        return close;
    size_t n = view.source_count;
    qsort(prices, n, sizeof(prices[0]), compare_doubles);
    view.price = n % 2 == 1 ? prices[n / 2] : (prices[n / 2 - 1] + prices[n / 2]) / 2;
    return view;
}

void doc_price_render(const struct feed *feed, const struct price_view *price, const struct deadlines *deadlines,
                      bool stale, struct strbuf *out)
{
    struct json json;
    json_init(&json, out);
    json_open(&json, '{');
    json_put_text(&json, "symbol", feed->symbol);
    json_key(&json, "price");
    if (price->price > 0)
        json_number(&json, price->price, PRICE_DECIMALS);
    else
        json_none(&json);
    parts_time(&json, "at", price->at);
    json_put_text(&json, "method", price->is_consensus ? "median of last prices" : "close of the newest 1h candle");
    json_key(&json, "sources");
    json_open(&json, '[');
    for (size_t i = 0; i < price->source_count; i++) {
        json_open(&json, '{');
        json_put_text(&json, "source", price->sources[i].source);
        json_put_text(&json, "quote", price->sources[i].quote[0] != '\0' ? price->sources[i].quote : NULL);
        json_close(&json, '}');
    }
    json_close(&json, ']');
    parts_life(&json, feed, deadlines, stale);
    json_close(&json, '}');
}

void doc_price_event_render(const struct feed *feed, const struct price_view *price, struct strbuf *out)
{
    struct json json;
    json_init(&json, out);
    json_open(&json, '{');
    json_put_text(&json, "symbol", feed->symbol);
    json_put_number(&json, "price", price->price, PRICE_DECIMALS);
    parts_time(&json, "at", price->at);
    json_put_text(&json, "feed", feed->name);
    json_close(&json, '}');
}

void doc_candles_render(const struct feed *feed, const struct candles_view *candles,
                        const struct deadlines *deadlines, bool stale, struct strbuf *out)
{
    struct json json;
    json_init(&json, out);
    json_open(&json, '{');
    json_put_text(&json, "symbol", feed->symbol);
    json_put_text(&json, "interval", interval_name(candles->interval_s));
    parts_life(&json, feed, deadlines, stale);
    json_key(&json, "candles");
    json_open(&json, '[');
    for (size_t i = 0; i < candles->count; i++)
        render_candle(&json, &candles->rows[i], candles->interval_s);
    json_close(&json, ']');
    json_close(&json, '}');
}

void doc_candle_event_render(const struct feed *feed, const struct candles_view *candles, struct strbuf *out)
{
    struct json json;
    json_init(&json, out);
    json_open(&json, '{');
    json_put_text(&json, "symbol", feed->symbol);
    json_put_text(&json, "interval", interval_name(candles->interval_s));
    json_put_text(&json, "feed", feed->name);
    json_key(&json, "candle");
    render_candle(&json, &candles->rows[candles->count - 1], candles->interval_s);
    json_close(&json, '}');
}

static struct price_view price_of_close(const struct candles_view *hourly)
{
    struct price_view view = {0};
    if (hourly->count == 0)
        return view;
    const struct candle_view *last = &hourly->rows[hourly->count - 1];
    view.price = last->close;
    view.at = last->open_time + hourly->interval_s * MS_PER_S;
    view.source_count = 1;
    view.sources[0].source = last->source;
    view.sources[0].quote = last->quote;
    return view;
}

static void render_candle(struct json *json, const struct candle_view *candle, int64_t interval_s)
{
    json_open(json, '{');
    parts_time(json, "open_time", candle->open_time);
    parts_time(json, "close_time", candle->open_time + interval_s * MS_PER_S);
    json_put_number(json, "open", candle->open, PRICE_DECIMALS);
    json_put_number(json, "high", candle->high, PRICE_DECIMALS);
    json_put_number(json, "low", candle->low, PRICE_DECIMALS);
    json_put_number(json, "close", candle->close, PRICE_DECIMALS);
    json_put_number(json, "volume", candle->volume, VOLUME_DECIMALS);
    json_put_bool(json, "is_closed", true);
    json_put_bool(json, "is_filled", candle->is_filled);
    json_put_i64(json, "revision", candle->revision);
    json_put_text(json, "source", candle->source);
    json_put_i64(json, "source_count", candle->source_count);
    json_put_text(json, "quote", candle->quote);
    json_put_number(json, "spread", candle->spread, SPREAD_DECIMALS);
    json_close(json, '}');
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}
