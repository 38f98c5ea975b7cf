/* See history.h. Candles are stored as rows and wanted as columns; this file turns them. */
#include "work/history.h"

#include <inttypes.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/err.h"
#include "market/candles.h"
#include "models/series.h"
#include "store/db.h"

/* Index: primary key (feed, interval_s, open_time). The hours of one feed come from a handful of sources. */
static const char SQL_SOURCES[] =
    "SELECT coalesce(jsonb_agg(jsonb_build_object('source', source, 'quote', quote) ORDER BY source, quote), '[]')::text"
    " FROM (SELECT DISTINCT source, quote FROM candle WHERE feed = $1 AND interval_s = $2 AND open_time >= $3"
    " AND open_time < $4 AND NOT is_filled) used";

static struct series_source columns_of(struct arena *arena, const struct candle *candles, size_t count);

int history_load(struct db *db, struct arena *arena, const struct history_query *query, struct series *series)
{
    struct candle *candles;
    size_t count;
    struct candle_query wanted = {.feed = query->feed,
                                  .interval_s = HISTORY_STEP_S,
                                  .from_ms = INT64_MIN,
                                  .end_ms = query->end_ms,
                                  .count_max = query->points};
    if (candles_load(db, arena, &wanted, &candles, &count) < 0)
        return err_wrap("while loading the history of %s", query->feed);
    return history_lay_out(arena, query, candles, count, series);
}

int history_lay_out(struct arena *arena, const struct history_query *query, const struct candle *candles,
                    size_t count, struct series *series)
{
    if (count == 0 || candles[count - 1].open_time_ms + HISTORY_STEP_S * MS_PER_S != query->end_ms)
        return err_set(E_MISSING, "%s has no 1h candle that closes at %" PRId64, query->feed, query->end_ms);
    struct series_source source = columns_of(arena, candles, count);
    if (series_make(arena, &source, HISTORY_STEP_S * MS_PER_S, series) < 0)
        return err_wrap("while laying out the history of %s", query->feed);
    return 0;
}

int history_sources(struct db *db, struct arena *arena, const struct history_query *query, const char **sources)
{
    struct db_rows rows;
    int64_t span_ms = (int64_t)query->points * HISTORY_STEP_S * MS_PER_S;
    int64_t from_ms = query->points == 0 ? INT64_MIN : query->end_ms - span_ms;
    if (db_query(db, arena, SQL_SOURCES, &rows, DB_TEXT(query->feed), DB_I64(HISTORY_STEP_S), DB_I64(from_ms),
                 DB_I64(query->end_ms), DB_END) < 0)
        return err_wrap("while looking up the sources of %s", query->feed);
    *sources = db_text(&rows, 0, 0);
    return 0;
}

static struct series_source columns_of(struct arena *arena, const struct candle *candles, size_t count)
{
    int64_t *open_ms = arena_array(arena, count, sizeof(*open_ms));
    double *open = arena_array(arena, count, sizeof(*open));
    double *high = arena_array(arena, count, sizeof(*high));
    double *low = arena_array(arena, count, sizeof(*low));
    double *close = arena_array(arena, count, sizeof(*close));
    double *volume = arena_array(arena, count, sizeof(*volume));
    for (size_t i = 0; i < count; i++) {
        open_ms[i] = candles[i].open_time_ms;
        open[i] = candles[i].open;
        high[i] = candles[i].high;
        low[i] = candles[i].low;
        close[i] = candles[i].close;
        volume[i] = candles[i].volume;
    }
    return (struct series_source){
        .count = count, .open_ms = open_ms, .open = open, .high = high, .low = low, .close = close, .volume = volume};
}
