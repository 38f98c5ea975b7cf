/* The contract of a forecast model, and the table of all of them.
 *
 * A model turns a series of past closes into quantiles of the log return over the next h steps. It is pure: same
 * series, same parameters, same seed give the same bits. It never reads a clock, a file, the network or the database,
 * and cannot see beyond the end of the series that it is handed: that is how look-ahead is made impossible, so callers
 * must cut the series at the origin.
 *
 * Life of a model in a walk-forward or in the engine:
 *     fit(series up to the refit origin, params) -> state      seldom
 *     forecast(state, series up to each origin, h) -> curve    at each origin
 * A state may be saved as bytes and loaded again (state_version changes when its layout does).
 *
 * A forecast depends on nothing before the last `need().used` points, bit for bit: an engine that loads that many
 * candles publishes what the walk-forward over the whole history scored.
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

struct model_state; /* private to each model */

struct model {
    const char *name;    /* "rw-emp": lower case, stable, used in files and on the wire */
    const char *summary; /* one sentence for /v1/models and docs */
    uint32_t state_version;
    /* For a forecast of `steps` steps of `step_ms`. */
    struct model_need (*need)(const struct model_params *params, int64_t step_ms, size_t steps);
    /* Fits on the series. Models without parameters return a state that only holds params. E_INPUT with a reason when
     * the data cannot serve. State lives in the arena. */
    int (*fit)(struct arena *arena, const struct series *series, const struct model_params *params, size_t steps_max,
               struct model_state **state) BTCF_MUST_CHECK;
    /* Curve for `steps` (>= 1) ahead of the series' end. E_INPUT with a reason when the data cannot serve (too short,
     * constant); never a curve that is not finite. */
    int (*forecast)(struct arena *arena, const struct model_state *state, const struct series *series, size_t steps,
                    struct quantile_curve *curve) BTCF_MUST_CHECK;
};

/* All models, in the order in which tables list them; ends with NULL. */
extern const struct model *const models[];

/* By name, or NULL. */
const struct model *model_find(const char *name);

/* Sorts out crossing, mirrors when asked, checks finiteness. E_INPUT when a value is not finite. */
int quantile_curve_finish(struct quantile_curve *curve, bool mirrored) BTCF_MUST_CHECK;

#endif
