/* Renders the service's own state. A number that is not known is null, never a guess. */
#include "publish/doc_status.h"

#include <string.h>

#include "core/clock.h"
#include "core/json.h"
#include "market/candle.h"

#define SHARE_DECIMALS 5

static void render_component(struct json *json, const struct component_view *component);
static void render_provider(struct json *json, const struct provider_view *provider);
static void render_head(struct json *json, const struct feed *feed);

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
