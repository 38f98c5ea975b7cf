/* Renders indicators and risk. A figure that cannot be known yet is null, never left out. Risk figures are those that the
 * worker answers at .../risk, because both are made by shm/dist.h of the same levels.
 */
#include "publish/doc_indicators.h"

#include <math.h>

#include "core/clock.h"
#include "core/json.h"
#include "market/candle.h"
#include "publish/doc_forecast.h"
#include "shm/dist.h"

#define SHARE_DECIMALS 6

static const struct {
    const char *name;
    double level;
} risk_levels[] = {{"0.95", 0.95}, {"0.99", 0.99}};

static void put_number(struct json *json, const char *key, double value, int decimals)
{
    json_key(json, key);
    if (isfinite(value))
        json_number(json, value, decimals);
    else
        json_none(json);
}

static void render_part(struct json *json, const struct board_part *part)
{
    json_open(json, '{');
    parts_time(json, "as_of", part->state.count > 0 ? part->last_open + part->interval_s * MS_PER_S : 0);
    json_put_i64(json, "candles", (int64_t)part->state.count);
    put_number(json, "close", part->state.count > 0 ? part->state.close[INDICATORS_MEMORY - 1] : NAN, PRICE_DECIMALS);
    for (size_t i = 0; i < INDICATOR_COUNT; i++)
        put_number(json, indicator_names[i].name, part->state.count > 0 ? indicator_value(&part->row, i) : NAN,
                   indicator_names[i].decimals);
    json_close(json, '}');
}

void doc_indicators_render(const struct feed *feed, const struct board *board, const struct deadlines *life,
                           bool stale, struct strbuf *out)
{
    struct json json;

    json_init(&json, out);
    json_open(&json, '{');
    json_put_text(&json, "symbol", feed->symbol);
    parts_life(&json, feed, life, stale);
    json_key(&json, "intervals");
    json_open(&json, '{');
    for (size_t i = 0; i < BOARD_INTERVAL_COUNT; i++) {
        if (board->parts[i].interval_s == 0)
            continue;
        json_key(&json, interval_name(board->parts[i].interval_s));
        render_part(&json, &board->parts[i]);
    }
    json_close(&json, '}');
    json_close(&json, '}');
}

static void render_regime(struct json *json, const struct regime *regime)
{
    json_key(json, "regime");
    json_open(json, '{');
    json_put_text(json, "name", regime->name);
    put_number(json, "volatility_7d", regime->fast, 4);
    put_number(json, "volatility_30d", regime->slow, 4);
    put_number(json, "rank", regime->fast_rank, 4);
    json_put_i64(json, "compared_days", (int64_t)regime->days);
    put_number(json, "drawdown", regime->drawdown, 4);
    json_close(json, '}');
}

/* Loss of one bitcoin at the level, as a share of the origin price: value at risk, and the mean of what lies beyond. */
static void render_loss(struct json *json, const struct btcf_dist *dist, double origin, double level, bool is_long)
{
    struct btcf_dist_risk risk = btcf_dist_risk(dist, origin, level, is_long);

    json_open(json, '{');
    put_number(json, "value_at_risk", risk.at_risk / origin, SHARE_DECIMALS);
    put_number(json, "expected_shortfall", risk.shortfall / origin, SHARE_DECIMALS);
    json_close(json, '}');
}

static void render_side(struct json *json, const char *side, const struct btcf_dist *dist, double origin)
{
    json_key(json, side);
    json_open(json, '{');
    for (size_t i = 0; i < BTCF_LENGTH(risk_levels); i++) {
        json_key(json, risk_levels[i].name);
        render_loss(json, dist, origin, risk_levels[i].level, side[0] == 'l');
    }
    json_close(json, '}');
}

static bool dist_of(const struct forecast_view *forecast, struct btcf_dist *dist)
{
    struct btcf_dist_curve curve = {.level_count = VIEW_LEVEL_COUNT};

    for (size_t i = 0; i < VIEW_LEVEL_COUNT; i++) {
        curve.level[i] = btcf_dist_bits(view_levels[i]);
        curve.value[i] = btcf_dist_bits(forecast->quantiles[i]);
    }
    return btcf_dist_init(dist, &curve);
}

/* One entry per horizon that is served. */
static void render_term_structure(struct json *json, const struct batch_view *batch)
{
    json_key(json, "term_structure");
    json_open(json, '[');
    for (size_t i = 0; i < HORIZON_COUNT; i++) {
        const struct forecast_view *served = batch_find_served(batch, horizons[i].seconds);
        struct btcf_dist dist;

        if (served == NULL || !dist_of(served, &dist))
            continue;
        json_open(json, '{');
        json_put_text(json, "horizon", horizons[i].name);
        parts_time(json, "target_at", served->target_at);
        put_number(json, "volatility", served->volatility, 4);
        json_put_text(json, "method", served->method);
        render_side(json, "long", &dist, batch->origin_price);
        render_side(json, "short", &dist, batch->origin_price);
        json_close(json, '}');
    }
    json_close(json, ']');
}

/* Volatility of the longest horizon over that of one day: above 1, the market is expected to become wilder. */
static void render_slope(struct json *json, const struct batch_view *batch)
{
    const struct forecast_view *day = batch_find_served(batch, MS_PER_DAY / MS_PER_S);
    const struct forecast_view *month = batch_find_served(batch, horizons[HORIZON_COUNT - 1].seconds);
    bool known = day != NULL && month != NULL && day->volatility > 0;

    put_number(json, "slope", known ? month->volatility / day->volatility : NAN, 4);
}

void doc_risk_render(const struct risk_page *page, bool stale, struct strbuf *out)
{
    const struct indicator_row *hourly = &page->board->parts[0].row;
    bool has_hours = page->board->parts[0].state.count > 0;
    struct json json;

    json_init(&json, out);
    json_open(&json, '{');
    json_put_text(&json, "symbol", page->feed->symbol);
    parts_time(&json, "issued_at", page->batch->issued_at);
    parts_life(&json, page->feed, &page->life, stale);
    json_put_text(&json, "unit", "volatility per square root of a year; losses as shares of the price at issued_at");
    render_regime(&json, &page->board->regime);
    json_key(&json, "realised");
    json_open(&json, '{');
    put_number(&json, "24h", has_hours ? hourly->volatility_24 : NAN, 4);
    put_number(&json, "7d", has_hours ? hourly->volatility_168 : NAN, 4);
    put_number(&json, "30d", has_hours ? hourly->volatility_720 : NAN, 4);
    json_close(&json, '}');
    render_slope(&json, page->batch);
    render_term_structure(&json, page->batch);
    json_close(&json, '}');
}
