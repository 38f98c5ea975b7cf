/* The contract of a forecast model, and the table of all of them.
 *
 * A model turns a series of past closes into quantiles of the log return over the next h steps. It is pure: same
 * series, same parameters, same seed give the same bits. It never reads a clock, a file, the network or the database,
 * and cannot see beyond the end of the series that it is handed: that is how look-ahead is made impossible, so callers
 * must cut the series at the origin.
 *
 * Life of a model in a walk-forward or in the engine:
 *     fit(series up to a refit instant, steps of all horizons) -> state      seldom: on the grid of refit_s
 *     forecast(state, series up to each origin, steps) -> answers           at each origin
 * Refit instants are the multiples of refit_s since 1970, whoever asks: a walk that begins elsewhere, a restarted engine
 * and the backtest use the same states (eval/fits.h keeps them).
 *
 * A state is ONE block of memory without pointers, `head` first, so that it can be stored as bytes and loaded by another
 * process of the same release.
 *
 * A forecast with a state that was fitted on the same series depends on nothing before the last `need().used` points, bit
 * for bit; with an older state, on nothing before that many points before the state's refit instant.
 */
#ifndef MODELS_MODEL_H
#define MODELS_MODEL_H

#include "core/arena.h"
#include "core/base.h"

struct series;

/* The 25 levels of every curve that btcf makes, in order. */
#define QUANTILE_COUNT 25
extern const double quantile_levels[QUANTILE_COUNT];
/* Index of the median. */
#define QUANTILE_MEDIAN 12

/* Horizons that one fit or forecast may ask for. */
#define MODEL_STEPS_MAX 16
#define MODEL_PARAMETERS_MAX 64

/* One forecast: quantiles of log(price at target / price at origin) at quantile_levels, non-decreasing and finite. */
struct quantile_curve {
    double log_return[QUANTILE_COUNT];
};

struct model_params {
    size_t window; /* points used; 0: the model's own choice for the interval */
    double lambda; /* decay of exponential weights; 0: own choice */
    uint64_t seed;
    bool mirrored; /* make the curve symmetric about zero drift: (q(p) - q(1-p)) / 2 */
};

/* Points of history: with fewer than `min` the model refuses, more than `used` change nothing. */
struct model_need {
    size_t min, used;
};

/* Head of every state; what the model learned follows it in the same block. */
struct model_state {
    uint64_t bytes;   /* of the whole block */
    uint32_t version; /* the model's state_version */
    uint32_t step_count;
    struct model_params params;
    int64_t step_ms;
    int64_t fitted_ms;               /* end of the series that it was fitted on */
    uint64_t points;                 /* of that series that were used; 0: nothing was learned */
    uint64_t data_hash;              /* FNV-1a over their closes */
    uint32_t steps[MODEL_STEPS_MAX]; /* horizons that it can answer for, ascending; 0 of them: any */
};

/* A learned number with its name, for /v1/models and the registry. */
struct model_parameter {
    char name[32]; /* "alpha", "24h.q0.9.rv" */
    double value;
};

/* What a fit or a forecast is asked for. */
struct model_task {
    const struct series *series;       /* ends at the refit instant, or at the origin */
    const struct model_params *params; /* of a forecast: not looked at, the state has its own */
    const size_t *steps;               /* horizons in steps of the series, ascending */
    size_t count;                      /* 1..MODEL_STEPS_MAX */
};

/* The answer for one horizon. */
struct model_answer {
    struct quantile_curve curve; /* good when there is no refusal */
    const char *refusal;         /* NULL, or why the data cannot serve this horizon; lives in the arena */
};

struct model {
    const char *name;    /* "rw-emp": lower case, stable, used in files and on the wire */
    const char *summary; /* one sentence for /v1/models and docs */
    uint32_t state_version;
    int64_t refit_s; /* distance of refit instants; 0: nothing is learned, fit is free */
    /* For a forecast of `steps` steps of `step_ms`. */
    struct model_need (*need)(const struct model_params *params, int64_t step_ms, size_t steps);
    /* Fits for all horizons of the task. One that cannot be fitted is refused by `forecast` later; E_INPUT with a reason
     * when none can. The state lives in the arena, made by model_state_make. */
    int (*fit)(struct arena *arena, const struct model_task *task, struct model_state **state) BTCF_MUST_CHECK;
    /* An answer for each horizon of the task (a subset of those that the state was fitted for), seen from the series'
     * end. Never a curve that is not finite. The series ends at or after the state's fitted_ms. */
    void (*forecast)(struct arena *arena, const struct model_state *state, const struct model_task *task,
                     struct model_answer *answers);
    /* What was learned, at most `max` of them; returns how many. NULL when nothing is. */
    size_t (*parameters)(const struct model_state *state, struct model_parameter *out, size_t max);
    /* Whether a state loaded from bytes, whose head was checked, is whole (indices in range, numbers finite). NULL: any. */
    bool (*is_whole)(const struct model_state *state);
};

/* All models, in the order in which tables list them; ends with NULL. */
extern const struct model *const models[];

/* By name, or NULL. */
const struct model *model_find(const char *name);

/* Makes a state of `bytes` >= sizeof(struct model_state), zeroed, its head filled in; the newest `points` of the series
 * count as training data. */
void *model_state_make(struct arena *arena, const struct model *model, const struct model_task *task, size_t points,
                       size_t bytes);

/* Bytes as they were stored (state->bytes of them) back to a state, copied into the arena. E_INPUT when they are not a
 * whole state of this version of the model. */
int model_state_load(struct arena *arena, const struct model *model, const void *bytes, size_t len,
                     struct model_state **state) BTCF_MUST_CHECK;

/* Index of `steps` among the state's, or state->step_count when it was not fitted for them. */
size_t model_state_index(const struct model_state *state, size_t steps);

/* An answer that refuses, with the pending error's text as its reason; clears the error. */
void model_answer_refuse(struct arena *arena, struct model_answer *answer);

/* Fit on the series and forecast one horizon: for tests and tools. E_INPUT when refused. */
int model_ask(struct arena *arena, const struct model *model, const struct series *series,
              const struct model_params *params, size_t steps, struct quantile_curve *curve) BTCF_MUST_CHECK;

/* Sorts out crossing, mirrors when asked, checks finiteness. E_INPUT when a value is not finite. */
int quantile_curve_finish(struct quantile_curve *curve, bool mirrored) BTCF_MUST_CHECK;

#endif
