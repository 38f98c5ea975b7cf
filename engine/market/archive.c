/* The archive: which of the imported series to use, and hours from it. */
#include "market/archive.h"

#include <stdio.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/err.h"
#include "market/candles.h"
#include "store/db.h"

#define ARENA_MAX (1 << 20)
#define HOUR_S 3600

/* Reads the whole index of the symbol (archive_candle_pkey, index only). */
static const char sql_choose[] =
    "SELECT source, quote, interval_s, count(*), min(open_time), max(open_time) + interval_s::bigint * 1000 "
    "FROM archive_candle WHERE symbol = $1 AND interval_s <= 3600 GROUP BY source, quote, interval_s "
    "ORDER BY count(*) * interval_s DESC, interval_s DESC, source, quote LIMIT 1";
/* Columns in the order of struct candle. Index: archive_candle_pkey. */
static const char sql_load[] =
    "SELECT open_time, open, high, low, close, volume FROM archive_candle WHERE symbol = $1 AND source = $2 "
    "AND quote = $3 AND interval_s = $4::integer AND open_time >= $5 AND open_time < $6 ORDER BY open_time LIMIT $7";

int archive_choose(struct db *db, const char *symbol, struct archive_series *series)
{
    struct arena *arena = arena_create("archive", ARENA_MAX);
    struct db_rows rows;
    int rc = db_query(db, arena, sql_choose, &rows, DB_TEXT(symbol), DB_END);

    if (rc == 0 && rows.count == 0)
        rc = err_set(E_MISSING, "no candles of %s of an hour or less were imported", symbol);
    if (rc == 0) {
        snprintf(series->source, sizeof(series->source), "%s", db_text(&rows, 0, 0));
        snprintf(series->quote, sizeof(series->quote), "%s", db_text(&rows, 0, 1));
        series->interval_s = db_i64(&rows, 0, 2);
        series->row_count = db_i64(&rows, 0, 3);
        series->first_ms = db_i64(&rows, 0, 4);
        series->end_ms = db_i64(&rows, 0, 5);
    }
    arena_free(&arena);
    return rc;
}

int archive_load_hours(struct db *db, struct arena *arena, const struct archive_query *query, struct candle **out,
                       size_t *count)
{
    int64_t rows_max = ARCHIVE_HOURS_MAX * (HOUR_S / query->interval_s);
    struct db_rows rows;

    if (db_query(db, arena, sql_load, &rows, DB_TEXT(query->symbol), DB_TEXT(query->source), DB_TEXT(query->quote),
                 DB_I64(query->interval_s), DB_I64(query->from_ms), DB_I64(query->end_ms), DB_I64(rows_max + 1),
                 DB_END) < 0)
        return err_wrap("while reading the archive of %s", query->symbol);
    if (rows.count > (size_t)rows_max)
        return err_set(E_LIMIT, "the archive of %s has more than %d hours in one piece", query->symbol,
                       ARCHIVE_HOURS_MAX);

    struct candle *candles = candles_of_rows(arena, &rows);
    /* Aggregated in place: what is written never passes what is read. */
    *count = candle_aggregate(candles, rows.count, HOUR_S, query->end_ms, candles);
    *out = candles;
    return 0;
}
