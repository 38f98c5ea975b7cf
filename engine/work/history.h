/* The past as models see it: the stored 1h candles of a feed as a series that ends at an origin. */
#ifndef WORK_HISTORY_H
#define WORK_HISTORY_H

#include "core/base.h"

struct arena;
struct db;
struct series;

/* Forecasts are made from and scored against candles of this length. */
#define HISTORY_STEP_S 3600
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

/* Where the candles of that series came from: a JSON array of {"source", "quote"}. */
int history_sources(struct db *db, struct arena *arena, const struct history_query *query,
                    const char **sources) BTCF_MUST_CHECK;

#endif
