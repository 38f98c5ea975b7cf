/* Role ingest: providers -> checked candles -> rows, and a forecast job for every hour that closes.
 *
 * Live, it looks at the exchanges every provider_poll_ms and shortly after each hour. In a replay or simulation it stores
 * hour by hour as the market's clock gets there. Each hour is one transaction with its job, so no close is ever skipped
 * or merged with the next, however fast the market runs; and the market does not run away from the forecasts: an hour
 * waits (for a while) until the one before it was forecast from, and a clock that got ahead is set back to what is stored.
 *
 * A provider that fails is ingest's business (market/ingest.c); a database that fails ends the round, and the next one
 * begins with a new connection.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/err.h"
#include "core/log.h"
#include "core/retry.h"
#include "jobs/queue.h"
#include "market/candles.h"
#include "market/feed.h"
#include "market/feed_setup.h"
#include "market/ingest.h"
#include "net/https.h"
#include "roles/role.h"
#include "store/component.h"
#include "store/db.h"

#define ARENA_MAX (64 << 20)
#define HOUR_S 3600
#define FORECAST_PRIORITY 10
#define FORECAST_AGE_MAX_MS MS_PER_HOUR /* a live close older than this has no forecast any more */
#define AFTER_HOUR_MS 3000              /* exchanges need a moment to close an hour */
#define CATCH_UP_MS 200                 /* between two rounds that fetch the past */
#define PACE_MS 50                      /* shortest pause between two rounds */
#define FORECAST_PATIENCE_MS 3000       /* how long an hour of a replay waits for the forecast of the one before */
#define PAUSE_MAX_MS 1000
#define TELL_EVERY_MS 10000
#define RETRY_BASE_MS 200
#define RETRY_MAX_MS 5000

static const char sql_forecast_pending[] =
    "SELECT 1 FROM job WHERE kind = 'forecast' AND unique_key = $1 AND state IN ('queued', 'running')";

struct ingest_role {
    const struct role_context *context;
    const struct settings *settings;
    struct db *db, *progress_db; /* progress is told outside of the transaction that makes a feed */
    struct https *https;
    struct ingest ingest;
    struct backoff backoff;
    struct rng rng;
    int64_t last_close_ms; /* of the newest stored hour */
    double last_close;     /* 0: none */
    int64_t waiting_since; /* monotonic; 0: not waiting for a forecast */
    int64_t tell_again_ms; /* monotonic */
    const char *told;      /* the component row's state; NULL: not yet */
    bool is_behind;        /* more hours are ready to be fetched */
};

static int start(struct ingest_role *role);
static int run_round(struct ingest_role *role);
static void recover(struct ingest_role *role);
static int64_t next_pause_ms(const struct ingest_role *role);
static void stop(struct ingest_role *role);

int ingest_run(const struct role_context *context)
{
    struct ingest_role role = {.context = context, .settings = context->settings, .last_close_ms = INT64_MIN};
    int rc = start(&role);

    if (rc == 0)
        role_ready(context);
    while (rc == 0 && !role_is_stopping()) {
        if (run_round(&role) < 0)
            recover(&role);
        role_pause(context, next_pause_ms(&role));
    }
    stop(&role);
    return rc;
}

static bool is_cancelled(void *arg)
{
    role_beat(arg);
    return role_is_stopping();
}

static int tell(struct ingest_role *role, struct db *db, const struct component *component)
{
    struct component row = *component;

    row.name = role->context->name;
    return component_save(db, &row, clock_wall_ms());
}

static void on_progress(void *arg, const char *what, int64_t done, int64_t total)
{
    struct ingest_role *role = arg;
    struct component component = {.state = "loading", .detail = what, .done = done, .total = total};

    role_beat(role->context);
    if (tell(role, role->progress_db, &component) < 0)
        log_failure("ingest.progress", "telling progress");
}

/* The feed as it is now, and what is known of it. A feed that someone else activated is taken up. */
static int load_feed(struct ingest_role *role)
{
    struct provider_context context = {.settings = role->settings, .db = role->db, .https = role->https};
    struct candle_query newest = {.interval_s = HOUR_S, .from_ms = INT64_MIN, .end_ms = INT64_MAX, .count_max = 1};
    struct candle *candles;
    struct feed feed;
    size_t count;

    if (feed_load_active(role->db, role->settings->symbol, &feed) < 0)
        return -1;
    if (strcmp(feed.name, role->ingest.feed.name) != 0 && ingest_init(&role->ingest, &feed, &context) < 0)
        return -1;
    role->ingest.feed = feed;
    role->ingest.context.feed = &role->ingest.feed;

    struct arena *arena = arena_create("ingest.newest", ARENA_MAX);
    newest.feed = feed.name;
    int rc = candles_load(role->db, arena, &newest, &candles, &count);
    if (rc == 0) {
        int64_t history_ms = clock_wall_ms() - FEED_HISTORY_DAYS * MS_PER_DAY;

        role->last_close = count == 1 ? candles[0].close : 0;
        role->last_close_ms =
            count == 1 ? candles[0].open_time_ms + MS_PER_HOUR : time_floor(history_ms, MS_PER_HOUR);
    }
    arena_free(&arena);
    return rc;
}

static bool is_live(const struct ingest_role *role)
{
    return !role->ingest.feed.degraded;
}

/* A job for the close at close_ms, under the key that work/plan.c uses too. */
static int add_forecast(struct ingest_role *role, int64_t close_ms)
{
    char key[FEED_NAME_SIZE + 32], payload[FEED_NAME_SIZE + 64];
    const char *feed = role->ingest.feed.name;
    struct job_request request = {
        .kind = "forecast", .lane = "fast", .unique_key = key, .payload = payload, .priority = FORECAST_PRIORITY};

    snprintf(key, sizeof(key), "%s@%" PRId64, feed, close_ms);
    snprintf(payload, sizeof(payload), "{\"feed\":\"%s\",\"issued_at\":%" PRId64 "}", feed, close_ms);
    return queue_add(role->db, &request, clock_wall_ms(), NULL);
}

static int start(struct ingest_role *role)
{
    const struct settings *settings = role->settings;
    struct feed_setup setup = {.settings = settings, .on_progress = on_progress, .arg = role};
    struct feed feed;

    backoff_init(&role->backoff, RETRY_BASE_MS, RETRY_MAX_MS);
    rng_init(&role->rng, (uint64_t)clock_mono_ms());
    if (db_open(&role->db, settings->database_url, role->context->id, settings->database_timeout_ms) < 0 ||
        db_open(&role->progress_db, settings->database_url, role->context->id, settings->database_timeout_ms) < 0)
        return -1;
    role->https = https_create(is_cancelled, (void *)(uintptr_t)role->context);
    setup.db = role->db;
    setup.https = role->https;
    if (feed_setup(&setup, &feed) < 0)
        return -1;
    db_close(&role->progress_db);
    log_info("ingest.feed", "%s: %s", feed.name, feed.note);
    if (load_feed(role) < 0)
        return -1;
    /* A feed that has just been made is forecast from at once. */
    bool is_fresh =
        role->last_close > 0 && feed_market_ms(&feed, clock_wall_ms()) - role->last_close_ms < MS_PER_HOUR;
    return is_fresh && strcmp(feed.state, "ended") != 0 ? add_forecast(role, role->last_close_ms) : 0;
}

/* In a replay or simulation: has the hour before been forecast from, or been waited for long enough? */
static int may_go_on(struct ingest_role *role, struct arena *arena, bool *may)
{
    char key[FEED_NAME_SIZE + 32];
    struct db_rows rows;

    *may = true;
    if (is_live(role) || role->last_close_ms < role->ingest.feed.begin_ms)
        return 0;
    snprintf(key, sizeof(key), "%s@%" PRId64, role->ingest.feed.name, role->last_close_ms);
    if (db_query(role->db, arena, sql_forecast_pending, &rows, DB_TEXT(key), DB_END) < 0)
        return -1;
    if (role->waiting_since == 0)
        role->waiting_since = clock_mono_ms();
    *may = rows.count == 0 || clock_mono_ms() - role->waiting_since > FORECAST_PATIENCE_MS;
    if (*may)
        role->waiting_since = 0;
    return 0;
}

/* One transaction: the hours, the newest one's job, and what the providers' state is now. */
static int store(struct ingest_role *role, const struct ingest_hour *hours, size_t count, bool with_job)
{
    struct candle_changes changes = {0};
    const struct ingest_hour *newest = &hours[count - 1];
    int64_t close_ms = newest->candle.open_time_ms + MS_PER_HOUR;

    if (db_begin(role->db) < 0)
        return -1;
    if (ingest_save(role->db, &role->ingest.feed, hours, count, &changes) < 0 ||
        (with_job && add_forecast(role, close_ms) < 0) || db_commit(role->db) < 0) {
        db_rollback(role->db);
        return err_wrap("while storing hours of %s", role->ingest.feed.name);
    }
    role->last_close_ms = close_ms;
    role->last_close = newest->candle.close;
    if (changes.filled > 0)
        log_warn("ingest.gap", "%zu hours without a candle before %" PRId64 " were filled", changes.filled,
                 newest->candle.open_time_ms);
    return 0;
}

/* Hours too old to be forecast from go in together, every other one by itself. */
static int store_harvest(struct ingest_role *role, const struct ingest_harvest *harvest, int64_t now_ms)
{
    size_t old = 0;

    while (is_live(role) && old < harvest->count &&
           harvest->hours[old].candle.open_time_ms + MS_PER_HOUR <= now_ms - FORECAST_AGE_MAX_MS)
        old++;
    if (old > 0 && store(role, harvest->hours, old, false) < 0)
        return -1;
    for (size_t i = old; i < harvest->count; i++)
        if (store(role, &harvest->hours[i], 1, true) < 0)
            return -1;
    return 0;
}

/* Of the sources: was any asked in this round, has any answered? */
static bool was_asked(const struct ingest *ingest)
{
    for (size_t i = 0; i < ingest->source_count; i++)
        if (ingest->sources[i].was_asked)
            return true;
    return false;
}

static bool has_answered(const struct ingest *ingest)
{
    for (size_t i = 0; i < ingest->source_count; i++)
        if (ingest->sources[i].has_answered)
            return true;
    return false;
}

/* Live, all that has closed; in a replay or simulation the next hour only, as each waits for its forecast. */
static int collect_and_store(struct ingest_role *role, struct arena *arena, int64_t now_ms)
{
    struct ingest_round round = {
        .last_close_ms = role->last_close_ms, .last_close = role->last_close, .now_ms = now_ms};
    struct ingest_harvest harvest;

    if (ingest_collect(&role->ingest, arena, &round, &harvest) < 0) {
        char text[ERR_TEXT_MAX];

        snprintf(text, sizeof(text), "%s",
                 err_text()); /* noting the state of the sources makes an error of its own */
        return ingest_save_sources(role->db, &role->ingest) < 0 ? -1 : err_set(E_UPSTREAM, "%s", text);
    }
    if (!is_live(role) && harvest.count > 1)
        harvest.count = 1;
    if (store_harvest(role, &harvest, now_ms) < 0 || ingest_save_sources(role->db, &role->ingest) < 0)
        return -1;
    bool may_have_more = harvest.count > 0 || !was_asked(&role->ingest);
    role->is_behind = may_have_more && role->last_close_ms + MS_PER_HOUR <= now_ms;
    /* The clock waits for the data: readers are not shown a market time of which nothing is known. */
    if (role->is_behind && !is_live(role))
        return feed_set_clock(role->db, role->ingest.feed.name, role->last_close_ms, clock_wall_ms());
    return 0;
}

/* Replaces the component row when it would say something else, and now and then as a sign of life. */
static int tell_state(struct ingest_role *role, const char *state, const char *detail)
{
    struct component component = {.state = state, .detail = detail};

    if (role->told != NULL && strcmp(role->told, state) == 0 && clock_mono_ms() < role->tell_again_ms)
        return 0;
    role->told = state;
    role->tell_again_ms = clock_mono_ms() + TELL_EVERY_MS;
    return tell(role, role->db, &component);
}

static int end_replay(struct ingest_role *role)
{
    log_info("ingest.ended", "%s has come to the end of its history", role->ingest.feed.name);
    return feed_end(role->db, role->ingest.feed.name);
}

static int run_round_in(struct ingest_role *role, struct arena *arena)
{
    const struct feed *feed = &role->ingest.feed;
    bool may;

    role->is_behind = false;
    if (load_feed(role) < 0)
        return -1;
    if (strcmp(feed->state, "ended") == 0)
        return tell_state(role, "ended", "the history is at its end; the market stands still");
    if (strcmp(feed->state, "running") != 0)
        return tell_state(role, "ok", "the feed is paused");

    int64_t now_ms = feed_market_ms(feed, clock_wall_ms());
    if (!is_live(role) && role->last_close_ms >= feed->end_ms)
        return end_replay(role);
    if (!is_live(role) && role->last_close_ms + MS_PER_HOUR > now_ms)
        return tell_state(role, "ok", feed->note);
    if (may_go_on(role, arena, &may) < 0)
        return -1;
    if (!may)
        return 0;
    if (collect_and_store(role, arena, now_ms) < 0)
        return -1;
    return has_answered(&role->ingest) ? tell_state(role, "ok", feed->note) : 0;
}

static int run_round(struct ingest_role *role)
{
    struct arena *arena = arena_create("ingest.round", ARENA_MAX);
    int rc = run_round_in(role, arena);

    arena_free(&arena);
    if (rc == 0)
        backoff_reset(&role->backoff);
    return rc;
}

/* Logs what failed, tells it where readers see it, and gets a lost connection back. */
static void recover(struct ingest_role *role)
{
    /* Everybody may read the row; what exactly an exchange or the database said is for the log. */
    const char *detail = err_kind() == E_UPSTREAM || err_kind() == E_TIMEOUT ? "no provider of candles answers"
                                                                             : "candles cannot be stored";

    if (role_is_stopping())
        return;
    log_failure("ingest.round", "fetching and storing candles");
    role_pause(role->context, backoff_next_ms(&role->backoff, &role->rng));
    if (!db_is_open(role->db) && db_reconnect(role->db) < 0) {
        log_failure("ingest.store", "connecting again");
        return;
    }
    if (tell_state(role, "failed", detail) < 0)
        log_failure("ingest.store", "telling the state");
}

/* Until the market's clock shows the next whole hour. */
static int64_t until_next_hour_ms(const struct ingest_role *role, int64_t wall_ms)
{
    const struct feed *feed = &role->ingest.feed;
    int64_t next_ms = time_floor(feed_market_ms(feed, wall_ms), MS_PER_HOUR) + MS_PER_HOUR;

    return feed_wall_ms(feed, next_ms < feed->end_ms ? next_ms : feed->end_ms) - wall_ms;
}

static int64_t next_pause_ms(const struct ingest_role *role)
{
    int64_t wall_ms = clock_wall_ms(), poll_ms = role->settings->provider_poll_ms;

    if (role->ingest.feed.name[0] == '\0' || role->waiting_since != 0)
        return PACE_MS;
    if (role->is_behind)
        return is_live(role) ? CATCH_UP_MS : 0;
    if (strcmp(role->ingest.feed.state, "running") != 0)
        return PAUSE_MAX_MS;

    int64_t pause_ms =
        is_live(role) ? until_next_hour_ms(role, wall_ms) + AFTER_HOUR_MS : until_next_hour_ms(role, wall_ms);
    int64_t pause_max_ms = is_live(role) ? poll_ms : PAUSE_MAX_MS;
    if (pause_ms > pause_max_ms)
        pause_ms = pause_max_ms;
    return pause_ms > PACE_MS ? pause_ms : PACE_MS;
}

/* The market of a replay stands still while nobody looks after it. */
static void stop(struct ingest_role *role)
{
    const char *feed = role->ingest.feed.name;

    if (db_is_open(role->db) && feed[0] != '\0' && !is_live(role) && feed_pause(role->db, feed, clock_wall_ms()) < 0)
        log_failure("ingest.pause", "stopping the market's clock");
    https_free(&role->https);
    db_close(&role->progress_db);
    db_close(&role->db);
}
