/* rw-gauss: the Gaussian random walk, the yardstick that every other model is measured against.
 *
 *     log(P[t+h] / P[t]) ~ N(0, h s^2),   s = standard deviation (denominator n) of the last `window` one-step returns
 *
 * Bachelier (1900) in logarithms (Osborne 1959, "Brownian motion in the stock market", Operations Research 7, 145-173).
 * Zero mean: a drift estimated from a window is noise at these horizons. This is the base of the project's scorer to the
 * last digit, window included: 168 hours or 365 days, the best of the windows tried on the development data. It has the
 * wrong shape (BTC returns have more small and more huge moves than a normal), which is what the others win with.
 */
#include <math.h>

#include "math/moments.h"
#include "math/normal.h"
#include "models/plain.h"

#define WINDOW_HOURLY 168
#define WINDOW_DAILY 365
#define RETURNS_MIN 30

static struct model_need rw_gauss_need(const struct model_params *params, int64_t step_ms, size_t steps)
{
    size_t window = plain_window(params, step_ms, WINDOW_HOURLY, WINDOW_DAILY);

    (void)steps;
    return (struct model_need){.min = (window < RETURNS_MIN ? window : RETURNS_MIN) + 1, .used = window + 1};
}

static int rw_gauss_one(struct arena *arena, const struct model_state *state, const struct series *series,
                        size_t steps, struct quantile_curve *curve)
{
    struct model_need need = rw_gauss_need(&state->params, series->step_ms, steps);

    if (plain_check_length("rw-gauss", series, need, steps) < 0)
        return -1;
    struct series recent = series_tail(series, need.used);
    size_t count = recent.count - 1;
    double *returns = arena_array(arena, count, sizeof *returns);
    for (size_t i = 0; i < count; i++)
        returns[i] = recent.log_close[i + 1] - recent.log_close[i];

    double scale = deviation_of(returns, count) * sqrt((double)steps);
    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        curve->log_return[i] = scale * normal_quantile(quantile_levels[i]);
    if (plain_check_width("rw-gauss", curve, recent.count) < 0)
        return -1;
    return quantile_curve_finish(curve, state->params.mirrored);
}

extern const struct model model_rw_gauss;

static int rw_gauss_fit(struct arena *arena, const struct model_task *task, struct model_state **state)
{
    return plain_fit(arena, &model_rw_gauss, task, state);
}

static void rw_gauss_forecast(struct arena *arena, const struct model_state *state, const struct model_task *task,
                              struct model_answer *answers)
{
    plain_forecast(arena, state, task, rw_gauss_one, answers);
}

const struct model model_rw_gauss = {
    .name = "rw-gauss",
    .summary = "Gaussian random walk without drift; the baseline",
    .state_version = 1,
    .need = rw_gauss_need,
    .fit = rw_gauss_fit,
    .forecast = rw_gauss_forecast,
};
