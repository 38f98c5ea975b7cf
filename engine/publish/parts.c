/* See parts.h. Everything here is a pure function of its arguments. */
#include "publish/parts.h"

#include <stdio.h>
#include <string.h>

#include "core/clock.h"

const double view_pinball_levels[VIEW_PINBALL_MAX] = {0.025, 0.05, 0.1, 0.2, 0.3,  0.4,  0.5,
                                                      0.6,   0.7,  0.8, 0.9, 0.95, 0.975};
const double view_levels[VIEW_LEVEL_COUNT] = {0.005, 0.01, 0.025, 0.05, 0.1,   0.15, 0.2,  0.25, 0.3,
                                              0.35,  0.4,  0.45,  0.5,  0.55,  0.6,  0.65, 0.7,  0.75,
                                              0.8,   0.85, 0.9,   0.95, 0.975, 0.99, 0.995};

const struct parts_interval parts_interval_table[VIEW_INTERVAL_COUNT] = {
    {"50", 7, 17}, {"80", 4, 20}, {"90", 3, 21}, {"95", 2, 22}};

static int64_t min_i64(int64_t a, int64_t b);
static int64_t max_i64(int64_t a, int64_t b);
static const char *feed_notice(const struct feed *feed);

struct deadlines deadlines_of(const struct feed *feed, int64_t issued_at, int64_t target_at, int64_t cadence_ms,
                              int64_t now_wall_ms)
{
    if (feed_is_sandbox(feed))
        return (struct deadlines){.stale_at_ms = SANDBOX_END_MS, .expires_at_ms = SANDBOX_END_MS};
    if (!feed_is_running(feed)) {
        int64_t from_ms = time_floor(now_wall_ms, HOLD_RENEW_MS);
        return (struct deadlines){.stale_at_ms = from_ms + HOLD_STALE_MS, .expires_at_ms = from_ms + HOLD_EXPIRY_MS};
    }
    int64_t due_wall_ms = feed_wall_ms(feed, issued_at + cadence_ms);
    int64_t last_ms = min_i64(target_at, issued_at + EXPIRY_MARKET_MAX_MS);
    return (struct deadlines){
        .stale_at_ms = feed_wall_ms(feed, issued_at + cadence_ms + cadence_ms / 4),
        .expires_at_ms = max_i64(feed_wall_ms(feed, last_ms), due_wall_ms + EXPIRY_WALL_MIN_MS),
    };
}

bool feed_is_running(const struct feed *feed)
{
    return strcmp(feed->state, "running") == 0;
}

bool feed_is_sandbox(const struct feed *feed)
{
    return strcmp(feed_kind(feed), "sandbox") == 0;
}

const char *feed_kind(const struct feed *feed)
{
    if (strncmp(feed->name, "replay", 6) == 0)
        return "replay";
    if (strncmp(feed->name, "simulate", 8) == 0)
        return "simulated";
    if (strncmp(feed->name, "sandbox", 7) == 0)
        return "sandbox";
    return "live";
}

void parts_feed(struct json *json, const struct feed *feed)
{
    json_key(json, "feed");
    json_open(json, '{');
    json_put_text(json, "name", feed->name);
    json_put_text(json, "kind", feed_kind(feed));
    json_put_text(json, "provider", feed->provider);
    json_put_text(json, "state", feed->state);
    json_put_number(json, "speed", feed->speed, 3);
    json_close(json, '}');
    json_put_text(json, "notice", feed_notice(feed));
    if (feed_is_sandbox(feed))
        json_put_bool(json, "sandbox", true);
}

void parts_quantiles(struct json *json, const double quantiles[VIEW_LEVEL_COUNT])
{
    json_open(json, '{');
    for (size_t i = 0; i < VIEW_LEVEL_COUNT; i++) {
        char level[16];
        snprintf(level, sizeof(level), "%g", view_levels[i]);
        json_put_number(json, level, quantiles[i], PRICE_DECIMALS);
    }
    json_close(json, '}');
}

void parts_intervals(struct json *json, const double quantiles[VIEW_LEVEL_COUNT])
{
    json_open(json, '{');
    for (size_t i = 0; i < VIEW_INTERVAL_COUNT; i++) {
        json_key(json, parts_interval_table[i].name);
        json_open(json, '{');
        json_put_number(json, "low", quantiles[parts_interval_table[i].low], PRICE_DECIMALS);
        json_put_number(json, "high", quantiles[parts_interval_table[i].high], PRICE_DECIMALS);
        json_close(json, '}');
    }
    json_close(json, '}');
}

void parts_time(struct json *json, const char *key, int64_t unix_ms)
{
    json_key(json, key);
    if (unix_ms == 0)
        json_none(json);
    else
        json_time(json, unix_ms);
}

static const char *feed_notice(const struct feed *feed)
{
    const char *kind = feed_kind(feed);
    if (strcmp(kind, "live") == 0 && !feed->degraded)
        return NULL;
    if (feed->note[0] != '\0')
        return feed->note;
    if (strcmp(kind, "replay") == 0)
        return strcmp(feed->state, "ended") == 0
                   ? "Replayed history that has come to its end: this is not the live market."
                   : "Replayed history: this is not the live market.";
    if (strcmp(kind, "simulated") == 0)
        return "Simulated prices, made up by a seeded generator: this is not a market.";
    if (strcmp(kind, "sandbox") == 0)
        return "Sandbox data for tests: this is not a market.";
    return NULL;
}

static int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t max_i64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

void parts_life(struct json *json, const struct feed *feed, const struct deadlines *deadlines, bool stale)
{
    parts_time(json, "stale_at", deadlines->stale_at_ms);
    json_put_bool(json, "stale", stale);
    json_put_bool(json, "degraded", feed->degraded);
    parts_feed(json, feed);
}
