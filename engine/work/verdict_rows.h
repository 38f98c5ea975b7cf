/* Decisions and what they rest on: rows of verdict. A row for each change of mind; the newest one holds. */
#ifndef WORK_VERDICT_ROWS_H
#define WORK_VERDICT_ROWS_H

#include "core/base.h"
#include "market/candle.h"

struct arena;
struct db;

struct verdict_row {
    const char *feed, *kind; /* "champion", "quarantine", "drift" */
    int64_t horizon_s;
    const char *model, *state, *previous, *reason; /* previous: "" where there is none */
    double p;                                      /* negative: the decision was not made by a p-value */
    size_t n;
    double n_effective;
    int64_t decided_at; /* market time */
};

int verdict_save(struct db *db, const struct verdict_row *row, int64_t wall_ms) BTCF_MUST_CHECK;

/* Who is champion at each of the published horizons; NULL where nobody has been chosen yet. Names live in the arena. */
int verdict_champions(struct db *db, struct arena *arena, const char *feed,
                      const char *models[HORIZON_COUNT]) BTCF_MUST_CHECK;

/* When drift was last found at a horizon; 0: never. */
int verdict_last_drift(struct db *db, struct arena *arena, const char *feed, int64_t horizon_s,
                       int64_t *decided_at) BTCF_MUST_CHECK;

#endif
