/* Following a feed: see history.h. The kept candles are the newest ones of one feed, each with the number of its last
 * change.
 *
 *     tail     what opened after the newest kept candle: as a rule one row
 *     revised  does a kept candle's row have a change number above all that are kept? An index look-up
 *     all      the whole window: when something was revised, or comes from a source that is not known yet
 *     digest   count, sum of change numbers and sources of all rows in the window, between two jobs
 *
 * A number that was taken early and committed late hides from the second question. The digest finds it: a row that was
 * revised, inserted late or removed has another change number or changes their count, so equal digests mean equal rows.
 * But it reads the whole window, for which a forecast should not wait; feeds have one writer, so nothing hides in practice.
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
#define REVISED_MAX 1000 /* changes that are looked at; more are taken for a revision. LIMIT in SQL_REVISED */

/* Columns: open_time open high low close volume change. Index: candle's primary key, backwards. */
static const char SQL_ALL[] =
    "SELECT open_time, open, high, low, close, volume, change FROM (SELECT * FROM candle WHERE feed = $1"
    " AND interval_s = $2::integer AND open_time <= $3 ORDER BY open_time DESC LIMIT $4) newest ORDER BY open_time";
/* The same, then source and quote. */
static const char SQL_TAIL[] =
    "SELECT open_time, open, high, low, close, volume, change, source, quote FROM candle WHERE feed = $1"
    " AND interval_s = $2::integer AND open_time > $5 AND open_time <= $3 ORDER BY open_time LIMIT $4";
/* Columns: how many rows of any feed have changed, how many of them are kept. Index: candle_change, from its end: ordered
 * and limited inside, or the planner prefers to read the whole window. */
static const char SQL_REVISED[] =
    "SELECT count(*), count(*) FILTER (WHERE feed = $1 AND interval_s = $2::integer AND open_time >= $3"
    " AND open_time <= $4) FROM (SELECT feed, interval_s, open_time FROM candle WHERE change > $5"
    " ORDER BY change DESC LIMIT 1000) changed";
/* Columns: source quote count changes real. Index: candle's primary key. */
static const char SQL_DIGEST[] =
    "SELECT source, quote, count(*), sum(change)::bigint, bool_or(NOT is_filled) FROM candle WHERE feed = $1"
    " AND interval_s = $2::integer AND open_time >= $3 AND open_time <= $4 GROUP BY source, quote"
    " ORDER BY source, quote LIMIT 1000";

/* The newest `count` candles of the feed, from `first` on. */
struct history_cache {
    char feed[FEED_NAME_SIZE];
    struct history_query query; /* the last one; its feed is the text above */
    size_t first, count, room;
    struct candle *candles;
    int64_t *changes;
    char sources[SOURCES_BYTES_MAX]; /* as of the last digest */
};

static int load_all(struct db *db, struct history_cache *cache);
static int load_tail(struct db *db, struct history_cache *cache, bool *is_known);
static int is_revised(struct db *db, const struct history_cache *cache);
static int compare(struct db *db, struct history_cache *cache);
static bool knows_source(const struct history_cache *cache, const char *source, const char *quote);
static void make_room(struct history_cache *cache, size_t more);
static void add_rows(struct history_cache *cache, const struct db_rows *rows);
static void keep_newest(struct history_cache *cache);
static void render_source(struct json *json, const char *source, const char *quote);
static int render_sources(struct history_cache *cache, const struct db_rows *rows);
static int64_t last_open_ms(const struct history_cache *cache);

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
    bool is_other =
        strcmp(cache->feed, query->feed) != 0 || cache->count == 0 || cache->query.points != query->points;
    bool is_known = false;
    if (strcmp(cache->feed, query->feed) != 0)
        snprintf(cache->feed, sizeof(cache->feed), "%s", query->feed);
    cache->query = *query;
    cache->query.feed = cache->feed;
    int revised = is_other ? 1 : is_revised(db, cache);
    if (revised < 0 || (revised == 0 && load_tail(db, cache, &is_known) < 0))
        return err_wrap("while following %s", query->feed);
    if (!is_known && (load_all(db, cache) < 0 || compare(db, cache) < 0))
        return err_wrap("while loading the history of %s", query->feed);
    *sources = arena_strdup(arena, cache->sources);
    return history_lay_out(arena, query, cache->candles + cache->first, cache->count, series);
}

int history_check(struct db *db, struct history_cache *cache)
{
    if (cache->count == 0)
        return 0;
    int same = compare(db, cache);
    if (same == 0)
        same = load_all(db, cache);
    return same < 0 ? err_wrap("while checking the history of %s", cache->feed) : 0;
}

static int load_all(struct db *db, struct history_cache *cache)
{
    struct arena *arena = arena_create("history.all", HISTORY_ARENA_BYTES);
    struct db_rows rows;
    cache->first = cache->count = 0;
    int result = db_query(db, arena, SQL_ALL, &rows, DB_TEXT(cache->feed), DB_I64(HISTORY_STEP_S),
                          DB_I64(last_open_ms(cache)), DB_I64((int64_t)cache->query.points), DB_END);
    if (result == 0)
        add_rows(cache, &rows);
    arena_free(&arena);
    return result;
}

/* *is_known: all that came has a source that the others have. */
static int load_tail(struct db *db, struct history_cache *cache, bool *is_known)
{
    struct arena *arena = arena_create("history.tail", HISTORY_ARENA_BYTES);
    struct db_rows rows;
    int64_t newest_ms = cache->candles[cache->first + cache->count - 1].open_time_ms;
    int result =
        db_query(db, arena, SQL_TAIL, &rows, DB_TEXT(cache->feed), DB_I64(HISTORY_STEP_S),
                 DB_I64(last_open_ms(cache)), DB_I64((int64_t)cache->query.points), DB_I64(newest_ms), DB_END);
    *is_known = result == 0;
    for (size_t i = 0; result == 0 && i < rows.count; i++)
        *is_known = *is_known && knows_source(cache, db_text(&rows, i, 7), db_text(&rows, i, 8));
    if (result == 0) {
        add_rows(cache, &rows);
        keep_newest(cache);
    }
    arena_free(&arena);
    return result;
}

static int is_revised(struct db *db, const struct history_cache *cache)
{
    struct arena *arena = arena_create("history.revised", HISTORY_ARENA_BYTES);
    struct db_rows rows;
    const struct candle *kept = cache->candles + cache->first;
    const int64_t *changes = cache->changes + cache->first;
    int64_t newest = 0;
    for (size_t i = 0; i < cache->count; i++)
        newest = changes[i] > newest ? changes[i] : newest;
    int result =
        db_query(db, arena, SQL_REVISED, &rows, DB_TEXT(cache->feed), DB_I64(HISTORY_STEP_S),
                 DB_I64(kept[0].open_time_ms), DB_I64(kept[cache->count - 1].open_time_ms), DB_I64(newest), DB_END);
    if (result == 0)
        result = db_i64(&rows, 0, 1) > 0 || db_i64(&rows, 0, 0) >= REVISED_MAX;
    arena_free(&arena);
    return result;
}

/* 1: the table holds exactly the kept candles; 0: it does not. The sources are those of the table in both cases. */
static int compare(struct db *db, struct history_cache *cache)
{
    struct arena *arena = arena_create("history.compare", HISTORY_ARENA_BYTES);
    struct db_rows rows = {0};
    int64_t count = 0, changes = 0, kept_changes = 0;
    /* A short history may have grown backwards. */
    bool is_full = cache->count > 0 && cache->count >= cache->query.points;
    int64_t first_ms = is_full ? cache->candles[cache->first].open_time_ms : INT64_MIN;
    int result = db_query(db, arena, SQL_DIGEST, &rows, DB_TEXT(cache->feed), DB_I64(HISTORY_STEP_S),
                          DB_I64(first_ms), DB_I64(last_open_ms(cache)), DB_END);
    for (size_t i = 0; result == 0 && i < rows.count; i++) {
        count += db_i64(&rows, i, 2);
        changes += db_i64(&rows, i, 3);
    }
    for (size_t i = 0; i < cache->count; i++)
        kept_changes += cache->changes[cache->first + i];
    if (result == 0)
        result = render_sources(cache, &rows);
    arena_free(&arena);
    return result < 0 ? -1 : count == (int64_t)cache->count && changes == kept_changes;
}

static bool knows_source(const struct history_cache *cache, const char *source, const char *quote)
{
    struct strbuf text;
    struct json json;
    strbuf_init(&text, SOURCES_BYTES_MAX);
    json_init(&json, &text);
    render_source(&json, source, quote);
    bool is_known = !strbuf_failed(&text) && strstr(cache->sources, text.ptr) != NULL;
    strbuf_release(&text);
    return is_known;
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
static void keep_newest(struct history_cache *cache)
{
    size_t points = cache->query.points;
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

static void render_source(struct json *json, const char *source, const char *quote)
{
    json_open(json, '{');
    json_put_text(json, "quote", quote);
    json_put_text(json, "source", source);
    json_close(json, '}');
}

/* Rows as of SQL_DIGEST; a source that only stands for filled hours is none. */
static int render_sources(struct history_cache *cache, const struct db_rows *rows)
{
    struct strbuf text;
    struct json json;
    strbuf_init(&text, SOURCES_BYTES_MAX);
    json_init(&json, &text);
    json_open(&json, '[');
    for (size_t i = 0; i < rows->count; i++)
        if (db_bool(rows, i, 4))
            render_source(&json, db_text(rows, i, 0), db_text(rows, i, 1));
    json_close(&json, ']');
    bool is_cut = strbuf_failed(&text) || text.len >= sizeof(cache->sources);
    if (!is_cut)
        memcpy(cache->sources, text.ptr, text.len + 1);
    strbuf_release(&text);
    return is_cut ? err_set(E_LIMIT, "%s comes from more sources than have room in a forecast", cache->feed) : 0;
}

static int64_t last_open_ms(const struct history_cache *cache)
{
    return cache->query.end_ms - HISTORY_STEP_S * MS_PER_S;
}
