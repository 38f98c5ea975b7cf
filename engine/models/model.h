/* The contract of a forecast model, and the table of all of them.
 *
 * A model turns a series of past closes into quantiles of the log return over the next h steps. It is pure: same
 * series, same parameters, same seed give the same bits. It never reads a clock, a file, the network or the database,
 * and cannot see beyond the end of the series that it is handed: that is how look-ahead is made impossible, so callers
 * must cut the series at the origin.
 *
 * Life of a model in a walk-forward or in the engine:
 *     fit(type, series up to the refit origin, params) -> state      seldom
 *     forecast(state, series up to each origin, h)   -> quantiles    at each origin
 * A state may be saved as bytes and loaded again (state_version changes when its layout does).
 */
#ifndef MODELS_MODEL_H
#define MODELS_MODEL_H

#include "core/arena.h"
#include "core/base.h"

/* The 25 levels of every curve that btcf makes, in order. */
#define QUANTILE_COUNT 25
extern const double quantile_levels[QUANTILE_COUNT];
/* Index of the median. */
#define QUANTILE_MEDIAN 12

/* Past candles on a full grid, oldest first. Arrays are borrowed. A step without a candle repeats the last close with
 * volume 0 and is_filled 1 (the rule of the scorer); arrays other than close may be NULL when the source lacks them. */
struct series {
    int64_t step_ms; /* distance of two points */
    int64_t end_ms;  /* closing instant of the last point: the origin */
    size_t count;
    const double *close;     /* price, > 0 */
    const double *log_close; /* log(close): made once by series_make, shared by all models */
    const double *open, *high, *low, *volume;
    const uint8_t *is_filled;
};

/* The series cut so that it ends at point `count`: the view at an earlier origin. */
struct series series_head(const struct series *series, size_t count);

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

struct model_state; /* private to each model */

struct model {
    const char *name;    /* "rw-emp": lower case, stable, used in files and on the wire */
    const char *summary; /* one sentence for /v1/models and docs */
    uint32_t state_version;
    /* Fewest points needed to forecast `steps` ahead. */
    size_t (*lookback)(const struct model_params *params, int64_t step_ms, size_t steps);
    /* Fits on the series. Models without parameters return a state that only holds params. E_INPUT with a reason when
     * the data cannot serve (too short, constant, not finite). State lives in the arena. */
    int (*fit)(struct arena *arena, const struct series *series, const struct model_params *params, size_t steps_max,
               struct model_state **state);
    /* Curve for `steps` ahead of the series' end. E_INPUT with a reason as above; never a curve that is not finite. */
    int (*forecast)(struct arena *arena, const struct model_state *state, const struct series *series, size_t steps,
                    struct quantile_curve *curve);
};

/* All models, in the order in which tables list them; ends with NULL. */
extern const struct model *const models[];

/* By name, or NULL. */
const struct model *model_find(const char *name);

/* Sorts out crossing, checks finiteness, and mirrors when asked. E_INPUT when a value is not finite. */
int quantile_curve_finish(struct quantile_curve *curve, bool mirrored) BTCF_MUST_CHECK;

#endif
