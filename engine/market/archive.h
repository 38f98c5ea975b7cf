/* What was imported. For a replay this is also the future, so only two read it: setting up a feed, up to the feed's
 * start, and the provider replay, up to the market's now. */
#ifndef MARKET_ARCHIVE_H
#define MARKET_ARCHIVE_H

#include "core/base.h"
#include "market/candle.h"

struct arena;
struct db;

#define ARCHIVE_NAME_SIZE 33

/* One series of the archive. */
struct archive_series {
    char source[ARCHIVE_NAME_SIZE], quote[ARCHIVE_NAME_SIZE];
    int64_t interval_s;
    int64_t row_count;
    int64_t first_ms, end_ms; /* first open time, last close instant */
};

/* The series of `symbol` that hourly candles are best made from: the one that covers most hours, among those of an hour
 * or finer; of equals the coarser one. E_MISSING when nothing of the kind was imported. */
int archive_choose(struct db *db, const char *symbol, struct archive_series *series) BTCF_MUST_CHECK;

struct archive_query {
    const char *symbol;
    const char *source, *quote;
    int64_t interval_s;
    int64_t from_ms, end_ms; /* from <= open, close <= end; whole hours */
};

/* Hourly candles, ascending, in the arena; made from finer ones if need be. E_LIMIT for more than ARCHIVE_HOURS_MAX. */
#define ARCHIVE_HOURS_MAX 2000000
int archive_load_hours(struct db *db, struct arena *arena, const struct archive_query *query, struct candle **candles,
                       size_t *count) BTCF_MUST_CHECK;

#endif
