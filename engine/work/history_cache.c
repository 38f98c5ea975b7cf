/* Following a feed: see history.h. The kept candles are the newest ones of one feed, each with the number of its last
 * change. Three statements at most:
 *
 *     tail     what opened after the newest kept candle           as a rule one row
 *     digest   count, sum of change numbers and sources of all rows in the window, as they are now
 *     all      the whole window, when the digest is not that of the kept candles
 *
 * A row that was revised, inserted late or removed has another change number or changes their count, so equal digests
 * mean equal rows. The tempting alternative, "whatever has a change number above the highest that I saw", misses
 * numbers that were taken early and committed late.
 */
#include "work/history.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/err.h"
#include "core/json.h"
#include "core/str.h"
#include "market/candle.h"
#include "market/feed.h"
#include "models/series.h"
#include "store/db.h"

#define KEPT_SPARE 4096 /* candles that may come before the array is moved together */
#define SOURCES_BYTES_MAX 4096

/* Columns: open_time open high low close volume change. Index: candle's primary key, backwards. */
static const char SQL_ALL[] =
    "SELECT open_time, open, high, low, close, volume, change FROM (SELECT * FROM candle WHERE feed = $1"
    " AND interval_s = $2::integer AND open_time <= $3 ORDER BY open_time DESC LIMIT $4) newest ORDER BY open_time";
static const char SQL_TAIL[] =
    "SELECT open_time, open, high, low, close, volume, change FROM candle WHERE feed = $1 AND interval_s = $2::integer"
    " AND open_time > $5 AND open_time <= $3 ORDER BY open_time LIMIT $4";
/* Columns: source quote count changes real. Index: candle's primary key. */
static const char SQL_DIGEST[] =
    "SELECT source, quote, count(*), sum(change)::bigint, bool_or(NOT is_filled) FROM candle WHERE feed = $1"
    " AND interval_s = $2::integer AND open_time >= $3 AND open_time <= $4 GROUP BY source, quote"
    " ORDER BY source, quote LIMIT 1000";

/* The newest `count` candles of the feed, from `first` on. */
struct history_cache {
    char feed[FEED_NAME_SIZE];
    size_t first, count, room;
    struct candle *candles;
    int64_t *changes;
};

static int load_all(struct db *db, struct history_cache *cache, const struct history_query *query);
static int load_tail(struct db *db, struct history_cache *cache, const struct history_query *query);
static int compare(struct db *db, struct arena *arena, const struct history_cache *cache,
                   const struct history_query *query, const char **sources);
static void make_room(struct history_cache *cache, size_t more);
static void add_rows(struct history_cache *cache, const struct db_rows *rows);
static void keep_newest(struct history_cache *cache, size_t points);
static const char *render_sources(struct arena *arena, const struct db_rows *rows);
static int64_t last_open_ms(const struct history_query *query);

struct history_cache *history_cache_create(void)
{
    struct history_cache *cache = calloc(1, sizeof(*cache));
    if (cache == NULL)
        abort();
    return cache;
}

void history_cache_free(struct history_cache **cache)
{
    if (*cache == NULL)
        return;
    free((*cache)->candles);
    free((*cache)->changes);
    free(*cache);
    *cache = NULL;
}

int history_follow(struct db *db, struct arena *arena, struct history_cache *cache, const struct history_query *query,
                   struct series *series, const char **sources)
{
    bool is_other = strcmp(cache->feed, query->feed) != 0 || cache->count == 0;
    int same = -1;
    if (!is_other && load_tail(db, cache, query) < 0)
        return err_wrap("while following %s", query->feed);
    if (!is_other && (same = compare(db, arena, cache, query, sources)) < 0)
        return err_wrap("while following %s", query->feed);
    if (same != 1 && (load_all(db, cache, query) < 0 || compare(db, arena, cache, query, sources) < 0))
        return err_wrap("while loading the history of %s", query->feed);
    return history_lay_out(arena, query, cache->candles + cache->first, cache->count, series);
}

static int load_all(struct db *db, struct history_cache *cache, const struct history_query *query)
{
    struct arena *arena = arena_create("history.all", HISTORY_ARENA_BYTES);
    struct db_rows rows;
    cache->first = cache->count = 0;
    int result = db_query(db, arena, SQL_ALL, &rows, DB_TEXT(query->feed), DB_I64(HISTORY_STEP_S),
                          DB_I64(last_open_ms(query)), DB_I64((int64_t)query->points), DB_END);
    if (result == 0) {
        snprintf(cache->feed, sizeof(cache->feed), "%s", query->feed);
        add_rows(cache, &rows);
    }
    arena_free(&arena);
    return result;
}

static int load_tail(struct db *db, struct history_cache *cache, const struct history_query *query)
{
    struct arena *arena = arena_create("history.tail", HISTORY_ARENA_BYTES);
    struct db_rows rows;
    int result = db_query(db, arena, SQL_TAIL, &rows, DB_TEXT(query->feed), DB_I64(HISTORY_STEP_S),
                          DB_I64(last_open_ms(query)), DB_I64((int64_t)query->points),
                          DB_I64(cache->candles[cache->first + cache->count - 1].open_time_ms), DB_END);
    if (result == 0) {
        add_rows(cache, &rows);
        keep_newest(cache, query->points);
    }
    arena_free(&arena);
    return result;
}

/* 1: the table holds exactly the kept candles; 0: it does not. *sources is filled in both cases. */
static int compare(struct db *db, struct arena *arena, const struct history_cache *cache,
                   const struct history_query *query, const char **sources)
{
    struct db_rows rows;
    int64_t count = 0, changes = 0, kept_changes = 0;
    /* A short history may have grown backwards. */
    int64_t first_ms = cache->count >= query->points ? cache->candles[cache->first].open_time_ms : INT64_MIN;
    if (db_query(db, arena, SQL_DIGEST, &rows, DB_TEXT(query->feed), DB_I64(HISTORY_STEP_S), DB_I64(first_ms),
                 DB_I64(last_open_ms(query)), DB_END) < 0)
        return -1;
    for (size_t i = 0; i < rows.count; i++) {
        count += db_i64(&rows, i, 2);
        changes += db_i64(&rows, i, 3);
    }
    for (size_t i = 0; i < cache->count; i++)
        kept_changes += cache->changes[cache->first + i];
    *sources = render_sources(arena, &rows);
    return count == (int64_t)cache->count && changes == kept_changes;
}

static void make_room(struct history_cache *cache, size_t more)
{
    size_t needed = cache->first + cache->count + more;
    if (needed <= cache->room)
        return;
    cache->room = needed + KEPT_SPARE;
    cache->candles = realloc(cache->candles, cache->room * sizeof(*cache->candles));
    cache->changes = realloc(cache->changes, cache->room * sizeof(*cache->changes));
    if (cache->candles == NULL || cache->changes == NULL)
        abort();
}

static void add_rows(struct history_cache *cache, const struct db_rows *rows)
{
    make_room(cache, rows->count);
    for (size_t i = 0; i < rows->count; i++) {
        size_t at = cache->first + cache->count++;
        cache->candles[at] = (struct candle){.open_time_ms = db_i64(rows, i, 0),
                                             .open = db_f64(rows, i, 1),
                                             .high = db_f64(rows, i, 2),
                                             .low = db_f64(rows, i, 3),
                                             .close = db_f64(rows, i, 4),
                                             .volume = db_f64(rows, i, 5)};
        cache->changes[at] = db_i64(rows, i, 6);
    }
}

/* Forgets all but the newest `points`; the arrays are moved together once in KEPT_SPARE candles. */
static void keep_newest(struct history_cache *cache, size_t points)
{
    if (cache->count > points) {
        cache->first += cache->count - points;
        cache->count = points;
    }
    if (cache->first < KEPT_SPARE)
        return;
    memmove(cache->candles, cache->candles + cache->first, cache->count * sizeof(*cache->candles));
    memmove(cache->changes, cache->changes + cache->first, cache->count * sizeof(*cache->changes));
    cache->first = 0;
}

static const char *render_sources(struct arena *arena, const struct db_rows *rows)
{
    struct strbuf text;
    struct json json;
    strbuf_init(&text, SOURCES_BYTES_MAX);
    json_init(&json, &text);
    json_open(&json, '[');
    for (size_t i = 0; i < rows->count; i++) {
        if (!db_bool(rows, i, 4))
            continue;
        json_open(&json, '{');
        json_put_text(&json, "quote", db_text(rows, i, 1));
        json_put_text(&json, "source", db_text(rows, i, 0));
        json_close(&json, '}');
    }
    json_close(&json, ']');
    const char *copy = strbuf_failed(&text) ? "[]" : arena_strdup(arena, text.ptr);
    strbuf_release(&text);
    return copy;
}

static int64_t last_open_ms(const struct history_query *query)
{
    return query->end_ms - HISTORY_STEP_S * MS_PER_S;
}
