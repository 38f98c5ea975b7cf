/* The candles that are known in a feed: closed ones only, with where each came from and what it was before.
 *
 * One row per (feed, interval, open time). A candle that arrives again with other numbers is a revision: its earlier
 * state is kept in candle_revision and its revision and change numbers grow; arriving unchanged it does nothing.
 * 4h and 1d are built from 1h on UTC boundaries, in the same transaction. An hour that no source has is filled with a
 * flat candle at the last close (is_filled) once a later hour proves the gap, and replaced if the truth turns up.
 */
#ifndef MARKET_CANDLES_H
#define MARKET_CANDLES_H

#include "core/base.h"
#include "market/candle.h"

struct arena;
struct db;
struct db_rows;

#define CANDLES_LOAD_MAX 4000000 /* candles of one load */
#define CANDLES_FILL_MAX 72      /* hours of one gap that are filled; a longer gap stays a gap */

struct candle_query {
    const char *feed;
    int64_t interval_s;
    int64_t from_ms;  /* first open time; INT64_MIN: from the beginning */
    int64_t end_ms;   /* candles whose close instant (open time + interval) is <= end_ms */
    size_t count_max; /* only the newest so many; 0: all */
};

/* Ascending by time, in the arena. E_LIMIT when there are more than CANDLES_LOAD_MAX. */
int candles_load(struct db *db, struct arena *arena, const struct candle_query *query, struct candle **candles,
                 size_t *count) BTCF_MUST_CHECK;

/* Rows of (open_time, open, high, low, close, volume) as candles in the arena, with room for one more. */
struct candle *candles_of_rows(struct arena *arena, const struct db_rows *rows);

/* Close instant of the newest candle; INT64_MIN when there is none. */
int candles_last_close_ms(struct db *db, const char *feed, int64_t interval_s, int64_t *close_ms) BTCF_MUST_CHECK;

/* Candles of one feed and interval that have passed candle_check, ascending, each time once. */
struct candle_batch {
    const char *feed;
    int64_t interval_s;
    const char *source, *quote;
    int source_count;      /* how many sources agreed */
    double spread;         /* (max - min) / median of their closes */
    int64_t known_wall_ms; /* when we learned of them */
    const struct candle *candles;
    size_t count;
};

struct candle_changes {
    size_t inserted, revised, filled;
};

/* Stores the batch and, for 1h, the gaps before it and the 4h and 1d candles that it completes or changes. Call it
 * inside a transaction; NOTIFY 'candle' goes out with its commit. Adds to *changes. */
int candles_save(struct db *db, const struct candle_batch *batch, struct candle_changes *changes) BTCF_MUST_CHECK;

/* Pure: the candles of `interval_s` whose whole span lies at or before closed_ms, made from ascending finer ones. `out`
 * has room for `count`. Returns how many were made. A bucket without any candle is left out. */
size_t candle_aggregate(const struct candle *candles, size_t count, int64_t interval_s, int64_t closed_ms,
                        struct candle *out);

#endif
