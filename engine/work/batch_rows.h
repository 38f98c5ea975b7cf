/* Storing an issue: one row in batch, one per forecast, and which of them is served. */
#ifndef WORK_BATCH_ROWS_H
#define WORK_BATCH_ROWS_H

#include "core/base.h"
#include "eval/issue.h"

struct db;

struct batch_row {
    const char *feed, *release, *sources, *data_hash;
    const char *id_prefix; /* public ids are this, model and horizon; NULL: random */
    int64_t issued_at, created_wall_ms;
    bool degraded;
    const struct calibration *calibrations; /* that the ensembles were made with */
    size_t calibration_count;
};

/* Did a batch of this feed and origin get stored? */
int batch_exists(struct db *db, struct arena *arena, const char *feed, int64_t issued_at,
                 bool *exists) BTCF_MUST_CHECK;

/* At horizons_s[i] the forecast of models[i] is served; when it could not be made, the baseline's, else the ensemble's. */
struct batch_choice {
    const int64_t *horizons_s;
    const char *const *models;
    size_t count;
};

/* Inserts the batch with its forecasts, in the caller's transaction. E_INPUT when a horizon has neither ensemble
 * nor baseline. */
int batch_save(struct db *db, const struct batch_row *row, const struct issue *issue,
               const struct batch_choice *choice, int64_t *batch_id) BTCF_MUST_CHECK;

#endif
