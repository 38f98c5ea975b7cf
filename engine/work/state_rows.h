/* The registry of fitted states: rows of model_version. Written when a model was trained, never changed, read by whoever
 * forecasts.
 */
#ifndef WORK_STATE_ROWS_H
#define WORK_STATE_ROWS_H

#include "core/base.h"
#include "models/model.h"

struct arena;
struct db;
struct fits;

/* What came of one model at one step: a state, or the reason why there is none. */
struct state_row {
    const char *feed, *cause; /* cause: "schedule" or "drift" */
    const struct model *model;
    int64_t step_ms, fitted_ms;
    const struct model_state *state; /* NULL: refusal says why */
    const char *refusal;
    double fit_ms; /* how long it took */
};

/* *added is false when the registry has it already. E_LIMIT for a state larger than STATE_BYTES_MAX. */
#define STATE_BYTES_MAX ((size_t)4 << 20)
int state_rows_save(struct db *db, struct arena *arena, const struct state_row *row, int64_t wall_ms,
                    bool *added) BTCF_MUST_CHECK;

/* Who the models of this release are: rows of model. */
int state_rows_save_models(struct db *db) BTCF_MUST_CHECK;

/* Which rows were put into a cache of states already. */
#define STATE_SLOTS_MAX 64 /* models times steps */
struct state_slots {
    size_t count;
    struct {
        const struct model *model;
        int64_t step_s, id;
    } slot[STATE_SLOTS_MAX];
};

/* Puts into `fits` the newest state of each model and step that this release has trained on the feed at or before
 * origin_ms; those that `slots` names are not read again. A state that cannot be read back is logged and left out: an
 * older one, or a new fit, serves. */
int state_rows_load(struct db *db, const char *feed, int64_t origin_ms, struct state_slots *slots,
                    struct fits *fits) BTCF_MUST_CHECK;

#endif
