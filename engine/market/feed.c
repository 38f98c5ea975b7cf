/* Feeds: rows with a clock. The clock is three numbers (market0, wall0, speed), so every process computes the same
 * market time from its own wall clock and nobody has to tick.
 *
 *     wall    12:00:00            12:00:10            12:00:20
 *     market  2025-03-01 00:00    2025-03-01 01:00    2025-03-01 02:00        speed 360
 */
#include "market/feed.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/arena.h"
#include "core/err.h"
#include "store/db.h"

#define ARENA_MAX (1 << 20)

/* Columns in the order of struct feed. */
static const char sql_load_active[] =
    "SELECT feed, symbol, provider, state, market0_ms, wall0_ms, begin_ms, end_ms, speed, degraded, origin, note "
    "FROM feed WHERE symbol = $1 AND is_active";
static const char sql_load_by_origin[] =
    "SELECT feed, symbol, provider, state, market0_ms, wall0_ms, begin_ms, end_ms, speed, degraded, origin, note "
    "FROM feed WHERE symbol = $1 AND origin = $2 ORDER BY is_active DESC, wall0_ms DESC LIMIT 1";
static const char sql_deactivate[] =
    "UPDATE feed SET is_active = false WHERE symbol = $1 AND is_active AND feed <> $2";
static const char sql_activate[] =
    "INSERT INTO feed (feed, symbol, provider, state, market0_ms, wall0_ms, begin_ms, end_ms, speed, degraded, origin, "
    "note, is_active) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, true) "
    "ON CONFLICT (feed) DO UPDATE SET symbol = excluded.symbol, provider = excluded.provider, state = excluded.state, "
    "market0_ms = excluded.market0_ms, wall0_ms = excluded.wall0_ms, begin_ms = excluded.begin_ms, "
    "end_ms = excluded.end_ms, speed = excluded.speed, degraded = excluded.degraded, origin = excluded.origin, "
    "note = excluded.note, is_active = true";
/* The same arithmetic as feed_market_ms, in the statement, so that it is computed from the row as it is now. */
static const char sql_pause[] =
    "UPDATE feed SET state = CASE WHEN state = 'running' THEN 'paused' ELSE state END, "
    "market0_ms = CASE WHEN state = 'running' "
    "THEN least(coalesce(end_ms, 9223372036854775807), market0_ms + floor(($2 - wall0_ms) * speed)::bigint) "
    "ELSE market0_ms END, wall0_ms = CASE WHEN state = 'running' THEN $2 ELSE wall0_ms END WHERE feed = $1";
static const char sql_resume[] = "UPDATE feed SET wall0_ms = CASE WHEN state = 'paused' THEN $2 ELSE wall0_ms END, "
                                 "state = CASE WHEN state = 'paused' THEN 'running' ELSE state END WHERE feed = $1";
static const char sql_end[] =
    "UPDATE feed SET state = 'ended', market0_ms = coalesce(end_ms, market0_ms) WHERE feed = $1";
static const char sql_set_clock[] =
    "UPDATE feed SET market0_ms = $2, wall0_ms = $3 WHERE feed = $1 AND state = 'running'";

int64_t feed_market_ms(const struct feed *feed, int64_t wall_ms)
{
    if (strcmp(feed->state, "running") != 0)
        return feed->market0_ms;
    double ahead = floor((double)(wall_ms - feed->wall0_ms) * feed->speed);
    /* Compared as doubles: a clock that has run far past the end must not overflow the sum. */
    if (feed->end_ms != INT64_MAX && ahead >= (double)(feed->end_ms - feed->market0_ms))
        return feed->end_ms;
    return feed->market0_ms + (int64_t)ahead;
}

int64_t feed_wall_ms(const struct feed *feed, int64_t market_ms)
{
    return feed->wall0_ms + (int64_t)ceil((double)(market_ms - feed->market0_ms) / feed->speed);
}

static void copy_text(char *dst, size_t size, const char *src)
{
    snprintf(dst, size, "%s", src);
}

static void read_row(const struct db_rows *rows, struct feed *feed)
{
    memset(feed, 0, sizeof(*feed));
    copy_text(feed->name, sizeof(feed->name), db_text(rows, 0, 0));
    copy_text(feed->symbol, sizeof(feed->symbol), db_text(rows, 0, 1));
    copy_text(feed->provider, sizeof(feed->provider), db_text(rows, 0, 2));
    copy_text(feed->state, sizeof(feed->state), db_text(rows, 0, 3));
    feed->market0_ms = db_i64(rows, 0, 4);
    feed->wall0_ms = db_i64(rows, 0, 5);
    feed->begin_ms = db_is_null(rows, 0, 6) ? INT64_MIN : db_i64(rows, 0, 6);
    feed->end_ms = db_is_null(rows, 0, 7) ? INT64_MAX : db_i64(rows, 0, 7);
    feed->speed = db_f64(rows, 0, 8);
    feed->degraded = db_bool(rows, 0, 9);
    copy_text(feed->origin, sizeof(feed->origin), db_text(rows, 0, 10));
    copy_text(feed->note, sizeof(feed->note), db_text(rows, 0, 11));
}

int feed_load_active(struct db *db, const char *symbol, struct feed *feed)
{
    struct arena *arena = arena_create("feed", ARENA_MAX);
    struct db_rows rows;
    int rc = db_query(db, arena, sql_load_active, &rows, DB_TEXT(symbol), DB_END);

    if (rc == 0 && rows.count == 0)
        rc = err_set(E_MISSING, "there is no active feed of %s", symbol);
    if (rc == 0)
        read_row(&rows, feed);
    arena_free(&arena);
    return rc;
}

int feed_load_by_origin(struct db *db, const char *symbol, const char *origin, struct feed *feed)
{
    struct arena *arena = arena_create("feed", ARENA_MAX);
    struct db_rows rows;
    int rc = db_query(db, arena, sql_load_by_origin, &rows, DB_TEXT(symbol), DB_TEXT(origin), DB_END);

    if (rc == 0 && rows.count == 0)
        rc = err_set(E_MISSING, "no feed of %s was made from this", symbol);
    if (rc == 0)
        read_row(&rows, feed);
    arena_free(&arena);
    return rc;
}

int feed_activate(struct db *db, const struct feed *feed)
{
    struct db_param begin = feed->begin_ms == INT64_MIN ? DB_NULL : DB_I64(feed->begin_ms);
    struct db_param end = feed->end_ms == INT64_MAX ? DB_NULL : DB_I64(feed->end_ms);

    if (db_exec(db, sql_deactivate, NULL, DB_TEXT(feed->symbol), DB_TEXT(feed->name), DB_END) < 0 ||
        db_exec(db, sql_activate, NULL, DB_TEXT(feed->name), DB_TEXT(feed->symbol), DB_TEXT(feed->provider),
                DB_TEXT(feed->state), DB_I64(feed->market0_ms), DB_I64(feed->wall0_ms), begin, end,
                DB_F64(feed->speed), DB_BOOL(feed->degraded), DB_TEXT(feed->origin), DB_TEXT(feed->note), DB_END) < 0)
        return err_wrap("while activating the feed %s", feed->name);
    return 0;
}

/* 0 when the statement met the one feed it names. */
static int must_touch_one(int rc, int64_t affected, const char *name)
{
    if (rc == 0 && affected != 1)
        return err_set(E_MISSING, "there is no feed %s", name);
    return rc;
}

int feed_pause(struct db *db, const char *name, int64_t wall_ms)
{
    int64_t affected = 0;
    int rc = db_exec(db, sql_pause, &affected, DB_TEXT(name), DB_I64(wall_ms), DB_END);

    return must_touch_one(rc, affected, name);
}

int feed_resume(struct db *db, const char *name, int64_t wall_ms)
{
    int64_t affected = 0;
    int rc = db_exec(db, sql_resume, &affected, DB_TEXT(name), DB_I64(wall_ms), DB_END);

    return must_touch_one(rc, affected, name);
}

int feed_end(struct db *db, const char *name)
{
    int64_t affected = 0;
    int rc = db_exec(db, sql_end, &affected, DB_TEXT(name), DB_END);

    return must_touch_one(rc, affected, name);
}

int feed_set_clock(struct db *db, const char *name, int64_t market_ms, int64_t wall_ms)
{
    int64_t affected = 0;
    int rc = db_exec(db, sql_set_clock, &affected, DB_TEXT(name), DB_I64(market_ms), DB_I64(wall_ms), DB_END);

    return must_touch_one(rc, affected, name);
}
