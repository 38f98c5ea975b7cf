/* Renders the service's own state. A number that is not known is null, never a guess; the scoreboard shows the models
 * that lose as well as those that win.
 */
#include "publish/doc_status.h"

#include <string.h>

#include "core/clock.h"
#include "core/json.h"
#include "market/candle.h"
#include "publish/doc_forecast.h"

#define CRPS_DECIMALS 5
#define SHARE_DECIMALS 5

static void render_component(struct json *json, const struct component_view *component);
static void render_provider(struct json *json, const struct provider_view *provider);
static void render_head(struct json *json, const struct feed *feed);
static void render_model(struct json *json, const struct batch_view *batch, const struct forecast_view *first);
static bool is_first_of_model(const struct batch_view *batch, size_t i);
static void render_line(struct json *json, const struct accuracy_view *line);
static void render_pair(struct json *json, double low, double high);

const char *status_word(const struct status_page *page)
{
    if (page->batch->id == 0)
        return "starting";
    if (page->feed->degraded || page->batch->degraded || strcmp(page->feed->state, "ended") == 0)
        return "degraded";
    for (size_t i = 0; i < page->component_count; i++)
        if (strcmp(page->components[i].state, "failed") == 0)
            return "degraded";
    return "ok";
}

void doc_status_render(const struct status_page *page, struct strbuf *out)
{
    struct json json;
    json_init(&json, out);
    json_open(&json, '{');
    json_put_text(&json, "status", status_word(page));
    render_head(&json, page->feed);
    json_key(&json, "clock");
    json_open(&json, '{');
    parts_time(&json, "market_time", page->feed->market0_ms);
    parts_time(&json, "wall_time", page->feed->wall0_ms);
    json_put_number(&json, "speed", feed_is_running(page->feed) ? page->feed->speed : 0, 3);
    json_close(&json, '}');
    parts_time(&json, "data_as_of", page->newest_candle_at);
    parts_time(&json, "forecast_issued_at", page->batch->issued_at);
    parts_time(&json, "forecast_published_at", page->batch->created_wall_ms);
    json_key(&json, "components");
    json_open(&json, '[');
    for (size_t i = 0; i < page->component_count; i++)
        render_component(&json, &page->components[i]);
    json_close(&json, ']');
    json_key(&json, "providers");
    json_open(&json, '[');
    for (size_t i = 0; i < page->provider_count; i++)
        render_provider(&json, &page->providers[i]);
    json_close(&json, ']');
    json_close(&json, '}');
}

void doc_status_event_render(const struct status_page *page, struct strbuf *out)
{
    struct json json;
    json_init(&json, out);
    json_open(&json, '{');
    json_put_text(&json, "status", status_word(page));
    json_put_text(&json, "symbol", page->feed->symbol);
    json_put_text(&json, "feed", page->feed->name);
    json_put_text(&json, "feed_state", page->feed->state);
    json_put_bool(&json, "degraded", page->feed->degraded);
    json_close(&json, '}');
}

void doc_models_render(const struct feed *feed, const struct batch_view *batch, struct strbuf *out)
{
    struct json json;
    json_init(&json, out);
    json_open(&json, '{');
    render_head(&json, feed);
    json_put_text(&json, "release", batch->release);
    parts_time(&json, "issued_at", batch->issued_at);
    json_key(&json, "models");
    json_open(&json, '[');
    for (size_t i = 0; i < batch->count; i++)
        if (is_first_of_model(batch, i))
            render_model(&json, batch, &batch->forecasts[i]);
    json_close(&json, ']');
    json_close(&json, '}');
}

void doc_accuracy_render(const struct feed *feed, const struct accuracy_view *lines, size_t count, struct strbuf *out)
{
    struct json json;
    json_init(&json, out);
    json_open(&json, '{');
    render_head(&json, feed);
    json_put_text(&json, "unit",
                  "CRPS and errors are percent of the price at the origin; skill is 1 - crps / crps_baseline");
    int64_t updated_wall_ms = 0;
    for (size_t i = 0; i < count; i++)
        if (lines[i].updated_wall_ms > updated_wall_ms)
            updated_wall_ms = lines[i].updated_wall_ms;
    parts_time(&json, "updated_at", updated_wall_ms);
    json_put_i64(&json, "window_days", count > 0 ? lines[0].window_s * MS_PER_S / MS_PER_DAY : 0);
    json_key(&json, "horizons");
    json_open(&json, '{');
    for (size_t h = 0; h < HORIZON_COUNT; h++) {
        json_key(&json, horizons[h].name);
        json_open(&json, '[');
        for (size_t i = 0; i < count; i++)
            if (lines[i].horizon_s == horizons[h].seconds && strcmp(lines[i].origin, "all") != 0)
                render_line(&json, &lines[i]);
        json_close(&json, ']');
    }
    json_close(&json, '}');
    json_close(&json, '}');
}

void doc_quality_render(const struct feed *feed, const struct quality_view *intervals, size_t interval_count,
                        const struct provider_view *providers, size_t provider_count, struct strbuf *out)
{
    struct json json;
    json_init(&json, out);
    json_open(&json, '{');
    render_head(&json, feed);
    json_put_i64(&json, "window_days", VIEW_QUALITY_DAYS);
    json_key(&json, "intervals");
    json_open(&json, '[');
    for (size_t i = 0; i < interval_count; i++) {
        const struct quality_view *quality = &intervals[i];
        json_open(&json, '{');
        json_put_text(&json, "interval", interval_name(quality->interval_s));
        json_put_i64(&json, "expected", quality->expected);
        json_put_i64(&json, "present", quality->present);
        json_put_i64(&json, "filled", quality->filled);
        json_put_i64(&json, "revised", quality->revised);
        json_put_i64(&json, "multi_source", quality->multi_source);
        json_key(&json, "completeness");
        if (quality->expected > 0)
            json_number(&json, (double)(quality->present - quality->filled) / (double)quality->expected,
                        SHARE_DECIMALS);
        else
            json_none(&json);
        json_put_number(&json, "spread_max", quality->spread_max, 6);
        json_put_number(&json, "spread_mean", quality->spread_mean, 6);
        json_close(&json, '}');
    }
    json_close(&json, ']');
    json_key(&json, "providers");
    json_open(&json, '[');
    for (size_t i = 0; i < provider_count; i++)
        render_provider(&json, &providers[i]);
    json_close(&json, ']');
    json_close(&json, '}');
}

static void render_head(struct json *json, const struct feed *feed)
{
    json_put_text(json, "symbol", feed->symbol);
    json_put_bool(json, "degraded", feed->degraded);
    parts_feed(json, feed);
}

static void render_component(struct json *json, const struct component_view *component)
{
    json_open(json, '{');
    json_put_text(json, "name", component->name);
    json_put_text(json, "state", component->state);
    json_put_text(json, "detail", component->detail);
    json_put_i64(json, "done", component->done);
    json_put_i64(json, "total", component->total);
    parts_time(json, "updated_at", component->updated_wall_ms);
    json_close(json, '}');
}

/* The text of a provider's last error stays inside: it may quote addresses. */
static void render_provider(struct json *json, const struct provider_view *provider)
{
    json_open(json, '{');
    json_put_text(json, "provider", provider->provider);
    json_put_text(json, "state", provider->state);
    parts_time(json, "last_ok_at", provider->last_ok_wall_ms);
    parts_time(json, "last_error_at", provider->last_error_wall_ms);
    json_put_i64(json, "fetched", provider->fetched);
    json_put_i64(json, "refused", provider->refused);
    json_put_i64(json, "failures", provider->failures);
    json_close(json, '}');
}

static bool is_first_of_model(const struct batch_view *batch, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (strcmp(batch->forecasts[j].model, batch->forecasts[i].model) == 0)
            return false;
    return true;
}

static void render_model(struct json *json, const struct batch_view *batch, const struct forecast_view *first)
{
    json_open(json, '{');
    json_put_text(json, "name", first->model);
    json_put_text(json, "kind", first->method);
    json_put_text(json, "version", first->model_version);
    parts_time(json, "trained_at", first->trained_at);
    json_key(json, "horizons");
    json_open(json, '{');
    for (size_t i = 0; i < batch->count; i++) {
        const struct forecast_view *forecast = &batch->forecasts[i];
        const char *name = horizon_name(forecast->horizon_s);
        if (strcmp(forecast->model, first->model) != 0 || name == NULL)
            continue;
        json_key(json, name);
        json_open(json, '{');
        json_put_bool(json, "served", forecast->served);
        json_key(json, "weights");
        json_raw(json, forecast->weights, strlen(forecast->weights));
        json_close(json, '}');
    }
    json_close(json, '}');
    json_close(json, '}');
}

static void render_line(struct json *json, const struct accuracy_view *line)
{
    json_open(json, '{');
    json_put_text(json, "model", line->model);
    json_put_text(json, "origin", line->origin);
    json_put_i64(json, "n", line->n);
    json_put_number(json, "n_effective", line->n_effective, 1);
    parts_time(json, "first_issued_at", line->first_issued_at);
    parts_time(json, "last_target_at", line->last_target_at);
    json_put_number(json, "crps", line->crps, CRPS_DECIMALS);
    json_put_number(json, "crps_baseline", line->crps_baseline, CRPS_DECIMALS);
    json_put_number(json, "skill", line->skill, SHARE_DECIMALS);
    json_key(json, "skill_95");
    render_pair(json, line->skill_low, line->skill_high);
    json_put_number(json, "dm_p", line->dm_p, SHARE_DECIMALS);
    json_key(json, "coverage");
    json_open(json, '{');
    for (size_t i = 0; i < VIEW_INTERVAL_COUNT; i++) {
        json_key(json, parts_interval_table[i].name);
        json_open(json, '{');
        json_put_number(json, "measured", line->coverage[i], SHARE_DECIMALS);
        json_key(json, "interval_95");
        render_pair(json, line->coverage_low[i], line->coverage_high[i]);
        json_close(json, '}');
    }
    json_close(json, '}');
    json_key(json, "pit");
    json_open(json, '[');
    for (size_t i = 0; i < VIEW_PIT_BINS; i++)
        json_i64(json, (int64_t)line->pit[i]);
    json_close(json, ']');
    json_put_number(json, "median_error", line->median_error, CRPS_DECIMALS);
    json_put_number(json, "mase", line->mase, SHARE_DECIMALS);
    json_close(json, '}');
}

static void render_pair(struct json *json, double low, double high)
{
    json_open(json, '[');
    json_number(json, low, SHARE_DECIMALS);
    json_number(json, high, SHARE_DECIMALS);
    json_close(json, ']');
}
