/* Renders forecasts. Field order is the order in which a person asks: what is this, when, how much, how sure, says who,
 * and can it be trusted.
 */
#include "publish/doc_forecast.h"

#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/json.h"
#include "market/candle.h"

#define LEVEL_MEDIAN 12

static void render_times(struct json *json, const struct forecast_page *page);
static void render_curve(struct json *json, const struct forecast_page *page);
static void render_model(struct json *json, const struct forecast_page *page);
static void render_skill(struct json *json, const struct accuracy_view *accuracy);
static void render_coverage(struct json *json, const struct accuracy_view *accuracy);
static void render_ledger(struct json *json, const struct batch_view *batch);
static uint64_t bits_of(double value);
static uint32_t curve_flags(const struct forecast_page *page);

void forecast_key(int64_t horizon_s, char key[FORECAST_KEY_SIZE])
{
    const char *name = horizon_name(horizon_s);
    snprintf(key, FORECAST_KEY_SIZE, "%s/%s", FORECAST_LIST_KEY, name != NULL ? name : "?");
}

const char *horizon_name(int64_t horizon_s)
{
    for (size_t i = 0; i < HORIZON_COUNT; i++)
        if (horizons[i].seconds == horizon_s)
            return horizons[i].name;
    return NULL;
}

void doc_forecast_render(const struct forecast_page *page, bool stale, struct strbuf *out)
{
    struct json json;
    json_init(&json, out);
    json_open(&json, '{');
    json_put_text(&json, "id", page->forecast->id);
    json_put_text(&json, "symbol", page->feed->symbol);
    json_put_text(&json, "horizon", horizon_name(page->forecast->horizon_s));
    json_put_i64(&json, "horizon_s", page->forecast->horizon_s);
    render_times(&json, page);
    render_curve(&json, page);
    render_model(&json, page);
    render_skill(&json, page->accuracy);
    render_coverage(&json, page->accuracy);
    json_put_bool(&json, "stale", stale);
    json_put_bool(&json, "degraded", page->batch->degraded || page->feed->degraded);
    json_key(&json, "sources");
    json_raw(&json, page->batch->sources, strlen(page->batch->sources));
    parts_feed(&json, page->feed);
    render_ledger(&json, page->batch);
    json_close(&json, '}');
}

void doc_forecast_list_render(const struct str *documents, size_t count, struct strbuf *out)
{
    strbuf_add_text(out, "{\"forecasts\":[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            strbuf_add_char(out, ',');
        strbuf_add(out, documents[i].ptr, documents[i].len);
    }
    strbuf_add_text(out, "]}");
}

void doc_forecast_curve(const struct forecast_page *page, struct btcf_dist_curve *curve)
{
    *curve = (struct btcf_dist_curve){
        .issued_at_ms = page->batch->issued_at,
        .target_at_ms = page->forecast->target_at,
        .stale_at_ms = page->deadlines.stale_at_ms,
        .expires_at_ms = page->deadlines.expires_at_ms,
        .origin_price = bits_of(page->batch->origin_price),
        .horizon_s = (uint32_t)page->forecast->horizon_s,
        .level_count = VIEW_LEVEL_COUNT,
        .flags = curve_flags(page),
    };
    for (size_t i = 0; i < VIEW_LEVEL_COUNT; i++) {
        curve->level[i] = bits_of(view_levels[i]);
        curve->value[i] = bits_of(page->forecast->quantiles[i]);
    }
}

void doc_forecast_event_render(const struct forecast_page *page, struct strbuf *out)
{
    struct json json;
    char key[FORECAST_KEY_SIZE];
    forecast_key(page->forecast->horizon_s, key);
    json_init(&json, out);
    json_open(&json, '{');
    json_put_text(&json, "id", page->forecast->id);
    json_put_text(&json, "symbol", page->feed->symbol);
    json_put_text(&json, "horizon", horizon_name(page->forecast->horizon_s));
    parts_time(&json, "issued_at", page->batch->issued_at);
    parts_time(&json, "target_at", page->forecast->target_at);
    json_put_number(&json, "origin_price", page->batch->origin_price, PRICE_DECIMALS);
    json_put_number(&json, "median", page->forecast->quantiles[LEVEL_MEDIAN], PRICE_DECIMALS);
    json_key(&json, "intervals");
    parts_intervals(&json, page->forecast->quantiles);
    json_put_number(&json, "prob_up", page->forecast->prob_up, 4);
    json_put_text(&json, "method", page->forecast->method);
    json_put_text(&json, "feed", page->feed->name);
    json_put_text(&json, "url", key);
    json_close(&json, '}');
}

static void render_times(struct json *json, const struct forecast_page *page)
{
    parts_time(json, "issued_at", page->batch->issued_at);
    parts_time(json, "data_as_of", page->batch->data_as_of);
    parts_time(json, "target_at", page->forecast->target_at);
    parts_time(json, "published_at", page->batch->created_wall_ms);
    parts_time(json, "stale_at", page->deadlines.stale_at_ms);
    parts_time(json, "expires_at", page->deadlines.expires_at_ms);
}

static void render_curve(struct json *json, const struct forecast_page *page)
{
    const struct forecast_view *forecast = page->forecast;
    json_put_number(json, "origin_price", page->batch->origin_price, PRICE_DECIMALS);
    json_put_number(json, "median", forecast->quantiles[LEVEL_MEDIAN], PRICE_DECIMALS);
    json_put_number(json, "mean", forecast->mean, PRICE_DECIMALS);
    json_key(json, "quantiles");
    parts_quantiles(json, forecast->quantiles);
    json_key(json, "intervals");
    parts_intervals(json, forecast->quantiles);
    json_put_number(json, "prob_up", forecast->prob_up, 4);
    json_put_number(json, "volatility", forecast->volatility, 4);
}

static void render_model(struct json *json, const struct forecast_page *page)
{
    const struct forecast_view *forecast = page->forecast;
    json_put_text(json, "method", forecast->method);
    json_key(json, "model");
    json_open(json, '{');
    json_put_text(json, "name", forecast->model);
    json_put_text(json, "version", forecast->model_version);
    json_key(json, "weights");
    json_raw(json, forecast->weights, strlen(forecast->weights));
    parts_time(json, "trained_at", forecast->trained_at);
    json_key(json, "calibration");
    json_raw(json, forecast->calibration, strlen(forecast->calibration));
    json_close(json, '}');
    json_key(json, "baseline");
    if (page->baseline == NULL) {
        json_none(json);
        return;
    }
    json_open(json, '{');
    json_put_text(json, "name", page->baseline->model);
    json_key(json, "quantiles");
    parts_quantiles(json, page->baseline->quantiles);
    json_close(json, '}');
}

/* Null figures say "not known yet"; they are never left out, so that clients need no second shape. */
static void render_skill(struct json *json, const struct accuracy_view *accuracy)
{
    json_key(json, "skill");
    json_open(json, '{');
    json_key(json, "crps_vs_baseline");
    if (accuracy == NULL)
        json_none(json);
    else
        json_number(json, accuracy->skill, 5);
    json_key(json, "interval_95");
    if (accuracy == NULL) {
        json_none(json);
    } else {
        json_open(json, '[');
        json_number(json, accuracy->skill_low, 5);
        json_number(json, accuracy->skill_high, 5);
        json_close(json, ']');
    }
    json_key(json, "window");
    if (accuracy == NULL) {
        json_none(json);
    } else {
        char window[32];
        snprintf(window, sizeof(window), "%lldd", (long long)(accuracy->window_s * MS_PER_S / MS_PER_DAY));
        json_text(json, window);
    }
    json_put_i64(json, "n", accuracy == NULL ? 0 : accuracy->n);
    json_put_number(json, "n_effective", accuracy == NULL ? 0 : accuracy->n_effective, 1);
    json_close(json, '}');
}

static void render_coverage(struct json *json, const struct accuracy_view *accuracy)
{
    json_key(json, "coverage");
    json_open(json, '{');
    for (size_t i = 0; i < VIEW_INTERVAL_COUNT; i++) {
        json_key(json, parts_interval_table[i].name);
        if (accuracy == NULL)
            json_none(json);
        else
            json_number(json, accuracy->coverage[i], 4);
    }
    json_close(json, '}');
    json_key(json, "coverage_95");
    json_open(json, '{');
    for (size_t i = 0; i < VIEW_INTERVAL_COUNT; i++) {
        json_key(json, parts_interval_table[i].name);
        if (accuracy == NULL) {
            json_none(json);
            continue;
        }
        json_open(json, '[');
        json_number(json, accuracy->coverage_low[i], 4);
        json_number(json, accuracy->coverage_high[i], 4);
        json_close(json, ']');
    }
    json_close(json, '}');
}

static void render_ledger(struct json *json, const struct batch_view *batch)
{
    json_key(json, "ledger");
    json_open(json, '{');
    json_put_i64(json, "seq", batch->ledger_seq);
    json_put_text(json, "hash", batch->ledger_hash);
    json_close(json, '}');
}

static uint32_t curve_flags(const struct forecast_page *page)
{
    const char *method = page->forecast->method;
    uint32_t flags = strcmp(method, "baseline") == 0 ? BTCF_CURVE_BASELINE
                     : strcmp(method, "model") == 0  ? BTCF_CURVE_MODEL
                                                     : 0;
    return flags | (page->batch->degraded || page->feed->degraded ? BTCF_CURVE_DEGRADED : 0);
}

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}
