/* Intake: what is newest is read from the tables at each round, so there is no state that a crash could make untrue.
 *
 * Each hour is one transaction with its job: no close is ever skipped or merged with the next, however fast the market
 * runs. Nor does the market run away from the forecasts: in a replay an hour waits (for a while) until the one before it
 * was forecast from, and a clock that got ahead is set back to what is stored.
 */
#include "work/intake.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/err.h"
#include "core/log.h"
#include "core/settings.h"
#include "jobs/queue.h"
#include "market/candles.h"
#include "market/feed_setup.h"
#include "store/db.h"

#define ARENA_MAX (16 << 20)
#define HOUR_S 3600
#define KEY_SIZE (FEED_NAME_SIZE + 32)
#define FORECAST_PRIORITY 10
#define FORECAST_AGE_MAX_MS MS_PER_HOUR /* a live close older than this has no forecast any more */
#define FORECAST_PATIENCE_MS 3000       /* how long an hour of a replay waits for the forecast of the one before */

static const char sql_forecast_pending[] =
    "SELECT 1 FROM job WHERE kind = 'forecast' AND unique_key = $1 AND state IN ('queued', 'running')";

static int add_forecast(struct intake *intake, int64_t close_ms);
static int may_go_on(struct intake *intake, struct arena *arena, bool *may);
static int store_harvest(struct intake *intake, const struct ingest_harvest *harvest, int64_t now_ms);
static bool was_asked(const struct ingest *ingest);
static bool has_answered(const struct ingest *ingest);

bool intake_is_live(const struct intake *intake)
{
    return !intake->ingest.feed.degraded;
}

int intake_load(struct intake *intake)
{
    struct candle_query newest = {.interval_s = HOUR_S, .from_ms = INT64_MIN, .end_ms = INT64_MAX, .count_max = 1};
    struct candle *candles;
    struct feed feed;
    size_t count;

    if (feed_load_active(intake->context.db, intake->context.settings->symbol, &feed) < 0)
        return -1;
    if (strcmp(feed.name, intake->ingest.feed.name) != 0 && ingest_init(&intake->ingest, &feed, &intake->context) < 0)
        return -1;
    intake->ingest.feed = feed;
    intake->ingest.context.feed = &intake->ingest.feed;

    struct arena *arena = arena_create("ingest.newest", ARENA_MAX);
    newest.feed = feed.name;
    int rc = candles_load(intake->context.db, arena, &newest, &candles, &count);
    if (rc == 0) {
        int64_t history_ms = clock_wall_ms() - FEED_HISTORY_DAYS * MS_PER_DAY;

        intake->last_close = count == 1 ? candles[0].close : 0;
        intake->last_close_ms =
            count == 1 ? candles[0].open_time_ms + MS_PER_HOUR : time_floor(history_ms, MS_PER_HOUR);
    }
    arena_free(&arena);
    return rc;
}

int intake_begin(struct intake *intake)
{
    const struct feed *feed = &intake->ingest.feed;
    bool is_fresh =
        intake->last_close > 0 && feed_market_ms(feed, clock_wall_ms()) - intake->last_close_ms < MS_PER_HOUR;

    return is_fresh && strcmp(feed->state, "ended") != 0 ? add_forecast(intake, intake->last_close_ms) : 0;
}

/* Live, all that has closed; in a replay or simulation the next hour only, as each waits for its forecast. */
int intake_round(struct intake *intake, struct arena *arena, int64_t now_ms)
{
    struct ingest_round round = {
        .last_close_ms = intake->last_close_ms, .last_close = intake->last_close, .now_ms = now_ms};
    struct ingest_harvest harvest;
    bool may;

    intake->is_behind = intake->has_answer = false;
    if (may_go_on(intake, arena, &may) < 0)
        return -1;
    if (!may)
        return 0;
    if (ingest_collect(&intake->ingest, arena, &round, &harvest) < 0) {
        char text[ERR_TEXT_MAX]; /* noting the state of the sources may make an error of its own */

        snprintf(text, sizeof(text), "%s", err_text());
        return ingest_save_sources(intake->context.db, &intake->ingest) < 0 ? -1 : err_set(E_UPSTREAM, "%s", text);
    }
    if (!intake_is_live(intake) && harvest.count > 1)
        harvest.count = 1;
    if (store_harvest(intake, &harvest, now_ms) < 0 || ingest_save_sources(intake->context.db, &intake->ingest) < 0)
        return -1;
    intake->has_answer = has_answered(&intake->ingest);
    bool may_have_more = harvest.count > 0 || !was_asked(&intake->ingest);
    intake->is_behind = may_have_more && intake->last_close_ms + MS_PER_HOUR <= now_ms;
    /* The clock waits for the data: readers are not shown a market time of which nothing is known. */
    if (intake->is_behind && !intake_is_live(intake))
        return feed_set_clock(intake->context.db, intake->ingest.feed.name, intake->last_close_ms, clock_wall_ms());
    return 0;
}

/* A job for the close at close_ms, under the key that work/plan.c uses too. */
static int add_forecast(struct intake *intake, int64_t close_ms)
{
    char key[FEED_NAME_SIZE + 32], payload[FEED_NAME_SIZE + 64];
    const char *feed = intake->ingest.feed.name;
    struct job_request request = {
        .kind = "forecast", .lane = "fast", .unique_key = key, .payload = payload, .priority = FORECAST_PRIORITY};

    snprintf(key, sizeof(key), "%s@%" PRId64, feed, close_ms);
    snprintf(payload, sizeof(payload), "{\"feed\":\"%s\",\"issued_at\":%" PRId64 "}", feed, close_ms);
    return queue_add(intake->context.db, &request, clock_wall_ms(), NULL);
}

/* In a replay or simulation: has the hour before been forecast from, or been waited for long enough? */
static int may_go_on(struct intake *intake, struct arena *arena, bool *may)
{
    char key[FEED_NAME_SIZE + 32];
    struct db_rows rows;

    *may = true;
    if (intake_is_live(intake) || intake->last_close_ms < intake->ingest.feed.begin_ms)
        return 0;
    snprintf(key, sizeof(key), "%s@%" PRId64, intake->ingest.feed.name, intake->last_close_ms);
    if (db_query(intake->context.db, arena, sql_forecast_pending, &rows, DB_TEXT(key), DB_END) < 0)
        return -1;
    if (intake->waiting_since == 0)
        intake->waiting_since = clock_mono_ms();
    *may = rows.count == 0 || clock_mono_ms() - intake->waiting_since > FORECAST_PATIENCE_MS;
    if (*may)
        intake->waiting_since = 0;
    return 0;
}

/* One transaction: the hours, the newest one's job, and what the providers' state is now. */
static int store(struct intake *intake, const struct ingest_hour *hours, size_t count, bool with_job)
{
    struct candle_changes changes = {0};
    const struct ingest_hour *newest = &hours[count - 1];
    int64_t close_ms = newest->candle.open_time_ms + MS_PER_HOUR;

    if (db_begin(intake->context.db) < 0)
        return -1;
    if (ingest_save(intake->context.db, &intake->ingest.feed, hours, count, &changes) < 0 ||
        (with_job && add_forecast(intake, close_ms) < 0) || db_commit(intake->context.db) < 0) {
        db_rollback(intake->context.db);
        return err_wrap("while storing hours of %s", intake->ingest.feed.name);
    }
    intake->last_close_ms = close_ms;
    intake->last_close = newest->candle.close;
    if (changes.filled > 0)
        log_warn("ingest.gap", "%zu hours without a candle before %" PRId64 " were filled", changes.filled,
                 newest->candle.open_time_ms);
    return 0;
}

/* Hours too old to be forecast from go in together, every other one by itself. */
static int store_harvest(struct intake *intake, const struct ingest_harvest *harvest, int64_t now_ms)
{
    size_t old = 0;

    while (intake_is_live(intake) && old < harvest->count &&
           harvest->hours[old].candle.open_time_ms + MS_PER_HOUR <= now_ms - FORECAST_AGE_MAX_MS)
        old++;
    if (old > 0 && store(intake, harvest->hours, old, false) < 0)
        return -1;
    for (size_t i = old; i < harvest->count; i++)
        if (store(intake, &harvest->hours[i], 1, true) < 0)
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
