/* Candles in the store. One statement does insert, revision and nothing, so that a repeated delivery (every poll of an
 * exchange repeats most of the last one) costs one round trip and no row version.
 *
 * The batch travels as float8 arrays; open times are milliseconds below 2^53 and pass through a double unharmed.
 */
#include "market/candles.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/err.h"
#include "store/db.h"

#define BATCH_MAX 2000 /* candles of one statement */
#define ARENA_MAX (16 << 20)
#define HOUR_S 3600

/* Columns in the order of struct candle. Index: candle_pkey, read backwards for the limit. */
static const char sql_load[] =
    "SELECT open_time, open, high, low, close, volume FROM ("
    "SELECT open_time, open, high, low, close, volume FROM candle WHERE feed = $1 AND interval_s = $2::integer "
    "AND open_time >= $3 AND open_time <= $4 ORDER BY open_time DESC LIMIT $5) newest ORDER BY open_time";
static const char sql_last[] = "SELECT max(open_time) FROM candle WHERE feed = $1 AND interval_s = $2::integer";
static const char sql_last_before[] =
    "SELECT open_time, close FROM candle WHERE feed = $1 AND interval_s = $2::integer AND open_time < $3 "
    "ORDER BY open_time DESC LIMIT 1";

/* A filled candle takes only a free place; a true one takes the place of a filled one even at the same price. */
static const char sql_save[] =
    "WITH input AS (SELECT t::bigint AS open_time, o, h, l, c, v "
    "FROM unnest($1::float8[], $2::float8[], $3::float8[], $4::float8[], $5::float8[], $6::float8[]) "
    "AS given (t, o, h, l, c, v)), "
    "replaced AS (INSERT INTO candle_revision (feed, interval_s, open_time, revision, open, high, low, close, volume, "
    "source, replaced_wall_ms) SELECT k.feed, k.interval_s, k.open_time, k.revision, k.open, k.high, k.low, k.close, "
    "k.volume, k.source, $13 FROM candle k JOIN input i ON i.open_time = k.open_time "
    "WHERE k.feed = $7 AND k.interval_s = $8::integer AND NOT $14 AND "
    "(k.open, k.high, k.low, k.close, k.volume, k.is_filled) IS DISTINCT FROM (i.o, i.h, i.l, i.c, i.v, $14)) "
    "INSERT INTO candle AS k (feed, interval_s, open_time, open, high, low, close, volume, source, quote, source_count, "
    "spread, known_wall_ms, is_filled) SELECT $7, $8::integer, open_time, o, h, l, c, v, $9, $10, $11::integer, $12, $13, "
    "$14 FROM input ORDER BY open_time "
    "ON CONFLICT (feed, interval_s, open_time) DO UPDATE SET open = excluded.open, high = excluded.high, "
    "low = excluded.low, close = excluded.close, volume = excluded.volume, source = excluded.source, "
    "quote = excluded.quote, source_count = excluded.source_count, spread = excluded.spread, "
    "known_wall_ms = excluded.known_wall_ms, is_filled = excluded.is_filled, revision = k.revision + 1, "
    "change = nextval('change_seq') WHERE NOT excluded.is_filled AND (k.open, k.high, k.low, k.close, k.volume, k.is_filled) "
    "IS DISTINCT FROM (excluded.open, excluded.high, excluded.low, excluded.close, excluded.volume, excluded.is_filled) "
    "RETURNING revision";

static int save_rows(struct db *db, struct arena *arena, const struct candle_batch *batch, bool is_filled,
                     struct candle_changes *changes);
static int fill_gaps(struct db *db, struct arena *arena, const struct candle_batch *batch,
                     struct candle_changes *changes);
static int build_coarser(struct db *db, struct arena *arena, const struct candle_batch *batch, int64_t interval_s);

int candles_load(struct db *db, struct arena *arena, const struct candle_query *query, struct candle **out,
                 size_t *count)
{
    size_t limit = query->count_max == 0 ? CANDLES_LOAD_MAX + 1 : query->count_max;
    struct db_rows rows;

    if (db_query(db, arena, sql_load, &rows, DB_TEXT(query->feed), DB_I64(query->interval_s), DB_I64(query->from_ms),
                 DB_I64(query->end_ms - query->interval_s * MS_PER_S), DB_I64((int64_t)limit), DB_END) < 0)
        return err_wrap("while loading candles of %s", query->feed);
    if (rows.count > CANDLES_LOAD_MAX)
        return err_set(E_LIMIT, "%s has more than %d candles of %lld s", query->feed, CANDLES_LOAD_MAX,
                       (long long)query->interval_s);

    struct candle *candles = candles_of_rows(arena, &rows);
    *out = candles;
    *count = rows.count;
    return 0;
}

struct candle *candles_of_rows(struct arena *arena, const struct db_rows *rows)
{
    struct candle *candles = arena_array(arena, rows->count + 1, sizeof(*candles));
    for (size_t i = 0; i < rows->count; i++)
        candles[i] = (struct candle){.open_time_ms = db_i64(rows, i, 0),
                                     .open = db_f64(rows, i, 1),
                                     .high = db_f64(rows, i, 2),
                                     .low = db_f64(rows, i, 3),
                                     .close = db_f64(rows, i, 4),
                                     .volume = db_f64(rows, i, 5)};
    return candles;
}

int candles_last_close_ms(struct db *db, const char *feed, int64_t interval_s, int64_t *close_ms)
{
    struct arena *arena = arena_create("candles.last", ARENA_MAX);
    struct db_rows rows;
    int rc = db_query(db, arena, sql_last, &rows, DB_TEXT(feed), DB_I64(interval_s), DB_END);

    if (rc == 0)
        *close_ms = db_is_null(&rows, 0, 0) ? INT64_MIN : db_i64(&rows, 0, 0) + interval_s * MS_PER_S;
    arena_free(&arena);
    return rc;
}

int candles_save(struct db *db, const struct candle_batch *batch, struct candle_changes *changes)
{
    struct candle_changes before = *changes;
    struct candle_batch part = *batch;

    for (size_t done = 0; done < batch->count; done += part.count) {
        struct arena *arena = arena_create("candles.save", ARENA_MAX);

        part.candles = batch->candles + done;
        part.count = batch->count - done < BATCH_MAX ? batch->count - done : BATCH_MAX;
        int rc = 0;
        if (part.interval_s == HOUR_S)
            rc = fill_gaps(db, arena, &part, changes);
        if (rc == 0)
            rc = save_rows(db, arena, &part, false, changes);
        if (rc == 0 && part.interval_s == HOUR_S)
            rc = build_coarser(db, arena, &part, 4 * HOUR_S);
        if (rc == 0 && part.interval_s == HOUR_S)
            rc = build_coarser(db, arena, &part, 24 * HOUR_S);
        arena_free(&arena);
        if (rc < 0)
            return err_wrap("while storing candles of %s", batch->feed);
    }
    if (memcmp(&before, changes, sizeof(before)) != 0)
        return db_script(db, "NOTIFY candle");
    return 0;
}

static int save_rows(struct db *db, struct arena *arena, const struct candle_batch *batch, bool is_filled,
                     struct candle_changes *changes)
{
    size_t n = batch->count;
    double *columns = arena_array(arena, 6 * n + 1, sizeof(*columns));
    struct db_rows rows;

    for (size_t i = 0; i < n; i++) {
        const struct candle *candle = &batch->candles[i];

        columns[i] = (double)candle->open_time_ms;
        columns[n + i] = candle->open;
        columns[2 * n + i] = candle->high;
        columns[3 * n + i] = candle->low;
        columns[4 * n + i] = candle->close;
        columns[5 * n + i] = candle->volume;
    }
    if (db_query(db, arena, sql_save, &rows, DB_F64_ARRAY(columns, n), DB_F64_ARRAY(columns + n, n),
                 DB_F64_ARRAY(columns + 2 * n, n), DB_F64_ARRAY(columns + 3 * n, n), DB_F64_ARRAY(columns + 4 * n, n),
                 DB_F64_ARRAY(columns + 5 * n, n), DB_TEXT(batch->feed), DB_I64(batch->interval_s),
                 DB_TEXT(batch->source), DB_TEXT(batch->quote), DB_I64(batch->source_count), DB_F64(batch->spread),
                 DB_I64(batch->known_wall_ms), DB_BOOL(is_filled), DB_END) < 0)
        return -1;
    for (size_t i = 0; i < rows.count; i++) {
        if (db_i64(&rows, i, 0) > 1)
            changes->revised++;
        else if (is_filled)
            changes->filled++;
        else
            changes->inserted++;
    }
    return 0;
}

/* Flat candles for the hours between `last` and `next`, onto filled[*n]; none when the gap is longer than we fill. */
static void fill_between(int64_t last_open_ms, double last_close, int64_t next_open_ms, struct candle *filled,
                         size_t *n)
{
    int64_t missing = (next_open_ms - last_open_ms) / MS_PER_HOUR - 1;

    if (missing > CANDLES_FILL_MAX)
        return;
    for (int64_t i = 1; i <= missing; i++)
        filled[(*n)++] = (struct candle){.open_time_ms = last_open_ms + i * MS_PER_HOUR,
                                         .open = last_close,
                                         .high = last_close,
                                         .low = last_close,
                                         .close = last_close};
}

/* Fills inside the batch and between what is stored and its first candle. A late candle from before the newest stored
 * one finds its neighbours filled or there already. */
static int fill_gaps(struct db *db, struct arena *arena, const struct candle_batch *batch,
                     struct candle_changes *changes)
{
    struct candle_batch gap = *batch;
    struct db_rows rows;

    if (db_query(db, arena, sql_last_before, &rows, DB_TEXT(batch->feed), DB_I64(batch->interval_s),
                 DB_I64(batch->candles[0].open_time_ms), DB_END) < 0)
        return -1;
    bool has_last = rows.count == 1;
    int64_t last_open_ms = has_last ? db_i64(&rows, 0, 0) : 0;
    double last_close = has_last ? db_f64(&rows, 0, 1) : 0;
    struct candle *filled = arena_array(arena, CANDLES_FILL_MAX, sizeof(*filled));
    gap.candles = filled;

    for (size_t i = 0; i < batch->count; i++) {
        const struct candle *next = &batch->candles[i];

        gap.count = 0;
        if (has_last)
            fill_between(last_open_ms, last_close, next->open_time_ms, filled, &gap.count);
        if (gap.count > 0 && save_rows(db, arena, &gap, true, changes) < 0)
            return -1;
        has_last = true;
        last_open_ms = next->open_time_ms;
        last_close = next->close;
    }
    return 0;
}

/* Candles of `interval_s` from the first bucket that the batch touches, or that is not built yet, to the last one that
 * is closed: closed means that an hour at or behind its end is known. */
static int build_coarser(struct db *db, struct arena *arena, const struct candle_batch *batch, int64_t interval_s)
{
    int64_t built_ms, closed_ms, step_ms = interval_s * MS_PER_S;
    int64_t from_ms = time_floor(batch->candles[0].open_time_ms, step_ms);
    struct candle *hours;
    size_t hour_count;

    if (candles_last_close_ms(db, batch->feed, interval_s, &built_ms) < 0 ||
        candles_last_close_ms(db, batch->feed, HOUR_S, &closed_ms) < 0)
        return -1;
    if (built_ms != INT64_MIN && built_ms < from_ms)
        from_ms = built_ms;
    int64_t last_ms = batch->candles[batch->count - 1].open_time_ms;
    struct candle_query query = {.feed = batch->feed,
                                 .interval_s = HOUR_S,
                                 .from_ms = from_ms,
                                 .end_ms = time_floor(last_ms, step_ms) + step_ms};
    if (candles_load(db, arena, &query, &hours, &hour_count) < 0)
        return -1;

    struct candle *made = arena_array(arena, hour_count + 1, sizeof(*made));
    struct candle_batch coarse = *batch;
    struct candle_changes ignored = {0};
    coarse.interval_s = interval_s;
    coarse.candles = made;
    coarse.count = candle_aggregate(hours, hour_count, interval_s, closed_ms, made);
    return coarse.count == 0 ? 0 : save_rows(db, arena, &coarse, false, &ignored);
}

size_t candle_aggregate(const struct candle *candles, size_t count, int64_t interval_s, int64_t closed_ms,
                        struct candle *out)
{
    int64_t step_ms = interval_s * MS_PER_S;
    size_t made = 0;

    for (size_t i = 0; i < count; i++) {
        const struct candle *candle = &candles[i];
        int64_t open_time_ms = time_floor(candle->open_time_ms, step_ms);

        if (open_time_ms + step_ms > closed_ms)
            break;
        if (made == 0 || out[made - 1].open_time_ms != open_time_ms) {
            out[made] = *candle;
            out[made++].open_time_ms = open_time_ms;
            continue;
        }
        struct candle *sum = &out[made - 1];
        sum->high = fmax(sum->high, candle->high);
        sum->low = fmin(sum->low, candle->low);
        sum->close = candle->close;
        sum->volume += candle->volume;
    }
    return made;
}
