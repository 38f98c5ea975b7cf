/* The past as models see it: the stored 1h candles of a feed as a series that ends at an origin. */
#ifndef WORK_HISTORY_H
#define WORK_HISTORY_H

#include "core/base.h"

struct arena;
struct candle;
struct db;
struct series;

/* Forecasts are made from and scored against candles of this length. */
#define HISTORY_STEP_S 3600
#define HISTORY_ARENA_BYTES (64u << 20) /* rows on their way into a series */
/* Distance of two live issues, and of two walk-forward origins. */
#define ISSUE_STRIDE_S 3600
#define WALK_STRIDE_S (6 * 3600)

struct history_query {
    const char *feed;
    int64_t end_ms; /* the origin */
    size_t points;  /* the newest so many; 0: all */
};

/* E_MISSING when no candle closes at end_ms: a series that ended earlier would be forecast from without a word. */
int history_load(struct db *db, struct arena *arena, const struct history_query *query,
                 struct series *series) BTCF_MUST_CHECK;

/* Candles that were loaded for a query as a series; E_MISSING as history_load. For this folder. */
int history_lay_out(struct arena *arena, const struct history_query *query, const struct candle *candles,
                    size_t count, struct series *series) BTCF_MUST_CHECK;

/* The hours of one feed as a worker keeps them from one job to the next, so that an hour that closes costs one row instead
 * of all of them. */
struct history_cache;
struct history_cache *history_cache_create(void);
void history_cache_free(struct history_cache **cache);

/* As history_load and history_sources together, bit for bit; query->points must not be 0. The cache turns to query->feed
 * when it held another. What was revised since the last time has everything loaded again. */
int history_follow(struct db *db, struct arena *arena, struct history_cache *cache, const struct history_query *query,
                   struct series *series, const char **sources) BTCF_MUST_CHECK;

/* Between two jobs: compares all that is kept with the table, and loads it again where they differ. */
int history_check(struct db *db, struct history_cache *cache) BTCF_MUST_CHECK;

/* Where the candles of that series came from: a JSON array of {"source", "quote"}. */
int history_sources(struct db *db, struct arena *arena, const struct history_query *query,
                    const char **sources) BTCF_MUST_CHECK;

#endif
