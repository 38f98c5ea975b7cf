/* What the registered classical models (arima; made for ets and theta as well) share: their window of log closes, and a normal curve that is kept
 * from exploding. */
#ifndef MODELS_CLASSICAL_H
#define MODELS_CLASSICAL_H

#include "core/arena.h"
#include "core/base.h"
#include "models/model.h"

#define CLASSICAL_REFIT_S (7 * 86400)

struct series;

struct model_need classical_need(const struct model_params *params, int64_t step_ms, size_t steps);

/* The newest `need.used` log closes of the task. E_INPUT when there are fewer than need.min, or they stand still. */
int classical_window(const char *model, const struct model_task *task, const struct model_params *params,
                     struct series *window) BTCF_MUST_CHECK;

/* Normal quantiles of a log return. The deviation is cut to 5% .. 400% a year (by the square root of time) and the mean to half
 * a deviation: a trend read from a window is noise at these horizons, and a smoothed one can run away. */
struct classical_outlook {
    double mean, variance; /* of log(price at target / price at origin) */
    double years;          /* to the target */
};
int classical_curve(const struct classical_outlook *outlook, bool mirrored,
                    struct quantile_curve *curve) BTCF_MUST_CHECK;

/* Curves for all horizons of the task from means of the log price and variances 1, 2, ... steps ahead, or the pending error
 * to every horizon as its refusal when `path` is NULL. */
struct classical_path {
    const double *means, *variances;
};
void classical_answer(struct arena *arena, const struct model_state *state, const struct model_task *task,
                      const struct classical_path *path, struct model_answer *answers);

/* Steps of the longest horizon of a task. */
size_t classical_reach(const struct model_task *task);

#endif
