/* Renders the scoreboard. Losing models stay on it; what is not known is null. Lines over live and walk-forward scores
 * together ("all") are for the bodies of forecasts and are not shown.
 */
#include "publish/doc_accuracy.h"

#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/json.h"
#include "market/candle.h"
#include "publish/doc_forecast.h"
#include "publish/parts.h"

#define CRPS_DECIMALS 5
#define SHARE_DECIMALS 5

static const struct {
    const char *name;
    int64_t seconds;
} windows[] = {{"30d", 30 * 86400}, {"90d", 90 * 86400}, {"365d", VIEW_WINDOW_S}};

static void render_head(struct json *json, const struct feed *feed, const struct accuracy_view *lines, size_t count);
static void render_standing(struct json *json, const struct accuracy_view *line);
static void render_coverage(struct json *json, const struct accuracy_view *line, bool with_interval);
static void render_rest(struct json *json, const struct accuracy_view *line);
static void render_pair(struct json *json, const char *key, double low, double high);

void accuracy_key(int64_t horizon_s, char key[ACCURACY_KEY_SIZE])
{
    const char *name = horizon_name(horizon_s);
    snprintf(key, ACCURACY_KEY_SIZE, "%s/%s", ACCURACY_KEY, name != NULL ? name : "?");
}

void doc_accuracy_render(const struct feed *feed, const struct accuracy_view *lines, size_t count, struct strbuf *out)
{
    struct json json;
    json_init(&json, out);
    json_open(&json, '{');
    render_head(&json, feed, lines, count);
    json_put_i64(&json, "window_days", VIEW_WINDOW_S * MS_PER_S / MS_PER_DAY);
    json_key(&json, "horizons");
    json_open(&json, '{');
    for (size_t h = 0; h < HORIZON_COUNT; h++) {
        json_key(&json, horizons[h].name);
        json_open(&json, '[');
        for (size_t i = 0; i < count; i++) {
            if (lines[i].horizon_s != horizons[h].seconds || lines[i].window_s != VIEW_WINDOW_S ||
                strcmp(lines[i].origin, "all") == 0)
                continue;
            json_open(&json, '{');
            render_standing(&json, &lines[i]);
            render_coverage(&json, &lines[i], false);
            json_close(&json, '}');
        }
        json_close(&json, ']');
    }
    json_close(&json, '}');
    json_close(&json, '}');
}

void doc_accuracy_horizon_render(const struct feed *feed, const struct accuracy_view *lines, size_t count,
                                 int64_t horizon_s, struct strbuf *out)
{
    struct json json;
    json_init(&json, out);
    json_open(&json, '{');
    render_head(&json, feed, lines, count);
    json_put_text(&json, "horizon", horizon_name(horizon_s));
    json_key(&json, "pinball_levels");
    json_open(&json, '[');
    for (size_t i = 0; i < VIEW_PINBALL_MAX; i++)
        json_number(&json, view_pinball_levels[i], 3);
    json_close(&json, ']');
    json_key(&json, "windows");
    json_open(&json, '{');
    for (size_t w = 0; w < BTCF_LENGTH(windows); w++) {
        json_key(&json, windows[w].name);
        json_open(&json, '[');
        for (size_t i = 0; i < count; i++) {
            if (lines[i].horizon_s != horizon_s || lines[i].window_s != windows[w].seconds ||
                strcmp(lines[i].origin, "all") == 0)
                continue;
            json_open(&json, '{');
            render_standing(&json, &lines[i]);
            render_coverage(&json, &lines[i], true);
            render_rest(&json, &lines[i]);
            json_close(&json, '}');
        }
        json_close(&json, ']');
    }
    json_close(&json, '}');
    json_close(&json, '}');
}

static void render_head(struct json *json, const struct feed *feed, const struct accuracy_view *lines, size_t count)
{
    json_put_text(json, "symbol", feed->symbol);
    json_put_bool(json, "degraded", feed->degraded);
    parts_feed(json, feed);
    json_put_text(json, "unit",
                  "CRPS, losses, widths and errors are percent of the price at the origin; skill is 1 - crps / "
                  "crps_baseline");
    int64_t updated_wall_ms = 0;
    for (size_t i = 0; i < count; i++)
        if (lines[i].updated_wall_ms > updated_wall_ms)
            updated_wall_ms = lines[i].updated_wall_ms;
    parts_time(json, "updated_at", updated_wall_ms);
}

static void render_standing(struct json *json, const struct accuracy_view *line)
{
    json_put_text(json, "model", line->model);
    json_put_text(json, "origin", line->origin);
    json_put_i64(json, "n", line->n);
    json_put_number(json, "n_effective", line->n_effective, 1);
    json_put_number(json, "crps", line->crps, CRPS_DECIMALS);
    json_put_number(json, "crps_baseline", line->crps_baseline, CRPS_DECIMALS);
    json_put_number(json, "skill", line->skill, SHARE_DECIMALS);
    render_pair(json, "skill_95", line->skill_low, line->skill_high);
    json_put_number(json, "dm_p", line->dm_p, SHARE_DECIMALS);
}

static void render_coverage(struct json *json, const struct accuracy_view *line, bool with_interval)
{
    json_key(json, "coverage");
    json_open(json, '{');
    for (size_t i = 0; i < VIEW_INTERVAL_COUNT; i++) {
        json_key(json, parts_interval_table[i].name);
        json_open(json, '{');
        json_put_number(json, "measured", line->coverage[i], SHARE_DECIMALS);
        if (with_interval)
            render_pair(json, "interval_95", line->coverage_low[i], line->coverage_high[i]);
        json_close(json, '}');
    }
    json_close(json, '}');
}

static void render_rest(struct json *json, const struct accuracy_view *line)
{
    parts_time(json, "first_issued_at", line->first_issued_at);
    parts_time(json, "last_target_at", line->last_target_at);
    json_key(json, "pinball");
    json_open(json, '[');
    for (size_t i = 0; i < line->pinball_count; i++)
        json_number(json, line->pinball[i], CRPS_DECIMALS);
    json_close(json, ']');
    json_put_number(json, "width_90", line->width_90, CRPS_DECIMALS);
    json_put_number(json, "width_90_baseline", line->width_90_baseline, CRPS_DECIMALS);
    json_key(json, "pit");
    json_open(json, '[');
    for (size_t i = 0; i < VIEW_PIT_BINS; i++)
        json_i64(json, (int64_t)line->pit[i]);
    json_close(json, ']');
    json_put_number(json, "pit_ks_p", line->pit_ks_p, SHARE_DECIMALS);
    json_put_number(json, "median_error", line->median_error, CRPS_DECIMALS);
    json_put_number(json, "mase", line->mase, SHARE_DECIMALS);
    json_key(json, "direction");
    if (!line->has_direction) {
        json_none(json);
        return;
    }
    json_open(json, '{');
    json_put_number(json, "right", line->direction, SHARE_DECIMALS);
    render_pair(json, "interval_95", line->direction_low, line->direction_high);
    json_close(json, '}');
}

static void render_pair(struct json *json, const char *key, double low, double high)
{
    json_key(json, key);
    json_open(json, '[');
    json_number(json, low, SHARE_DECIMALS);
    json_number(json, high, SHARE_DECIMALS);
    json_close(json, ']');
}
