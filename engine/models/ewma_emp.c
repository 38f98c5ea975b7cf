/* ewma-emp: today's volatility times the shape that standardised returns had.
 *
 *     v[t] = L v[t-1] + (1 - L) r[t]^2                         the RiskMetrics scale (J.P. Morgan 1996), L = 0.97
 *     z[i] = (log P[i+h] - log P[i]) / sqrt(v[i] h)            what came of each past origin i, in units of its scale
 *     quantile(p) = sqrt(v[now] h) * empirical quantile of the last `window` z at p
 *
 * That is filtered historical simulation (Barone-Adesi, Giannopoulos & Vosper 1999, J. of Futures Markets 19, 583-602)
 * with the EWMA as its filter and direct h-step residuals instead of simulated paths. It wins where volatility is
 * persistent against the horizon (hours to a day) and loses at weeks, where the scale of this hour says little and
 * sqrt(h) lets it shout.
 *
 * The recursion begins `burn` returns before the oldest residual, at their mean square; L^burn is below 1e-6, so the
 * forecast does not depend on where history begins.
 *
 * A market that stood still (an exchange down for days, all steps filled) would drive v towards 0 and z towards
 * infinity: v never counts below SCALE_FLOOR^2 of the mean square of all returns used.
 */
#include <math.h>

#include "math/quantile.h"
#include "models/plain.h"

#define LAMBDA 0.97
#define WINDOW_HOURLY 8760
#define WINDOW_DAILY 1000
#define RESIDUALS_MIN 250
#define BURN_MIN 50
#define BURN_WEIGHT 1e-6 /* what is left of the recursion's start where the first residual stands */
#define SCALE_FLOOR 0.01

static double lambda_of(const struct model_params *params)
{
    return params->lambda > 0.0 ? params->lambda : LAMBDA;
}

static size_t burn_of(const struct model_params *params)
{
    size_t burn = (size_t)ceil(log(BURN_WEIGHT) / log(lambda_of(params)));

    return burn > BURN_MIN ? burn : BURN_MIN;
}

static struct model_need ewma_emp_need(const struct model_params *params, int64_t step_ms, size_t steps)
{
    size_t window = plain_window(params, step_ms, WINDOW_HOURLY, WINDOW_DAILY);
    size_t least = window < RESIDUALS_MIN ? window : RESIDUALS_MIN;

    return (struct model_need){.min = BURN_MIN + least + steps, .used = burn_of(params) + window + steps};
}

static double mean_square(const double *returns, size_t count)
{
    double sum = 0.0;

    for (size_t i = 0; i < count; i++)
        sum += returns[i] * returns[i];
    return sum / (double)count;
}

/* In place: returns[i] becomes the scale (a standard deviation) known at the close of that return. */
static void make_scales(double *returns, size_t count, size_t burn, double lambda)
{
    double floor_square = SCALE_FLOOR * SCALE_FLOOR * mean_square(returns, count);
    double variance = mean_square(returns, burn);

    for (size_t i = 0; i < count; i++) {
        variance = lambda * variance + (1.0 - lambda) * returns[i] * returns[i];
        returns[i] = sqrt(fmax(variance, floor_square));
    }
}

static int ewma_emp_one(struct arena *arena, const struct model_state *state, const struct series *series,
                        size_t steps, struct quantile_curve *curve)
{
    struct model_need need = ewma_emp_need(&state->params, series->step_ms, steps);

    if (plain_check_length("ewma-emp", series, need, steps) < 0)
        return -1;
    struct series recent = series_tail(series, need.used);
    size_t least = need.min - steps - BURN_MIN, burn = burn_of(&state->params);
    if (burn + least + steps > recent.count)
        burn = recent.count - least - steps; /* a short history shortens the burn-in first */

    /* scales[i] belongs to point i + 1, the end of return i. */
    double *scales = arena_array(arena, recent.count - 1, sizeof *scales);
    for (size_t i = 0; i + 1 < recent.count; i++)
        scales[i] = recent.log_close[i + 1] - recent.log_close[i];
    make_scales(scales, recent.count - 1, burn, lambda_of(&state->params));
    double now = scales[recent.count - 2];
    if (now <= 0.0)
        return plain_refuse_still("ewma-emp", recent.count);

    /* Residuals of the origins burn .. count - 1 - steps; the scale at origin i stands at i - 1. */
    size_t count = recent.count - steps - burn;
    double *residuals = arena_array(arena, count, sizeof *residuals);
    for (size_t i = 0, origin = burn; i < count; i++, origin++)
        residuals[i] = (recent.log_close[origin + steps] - recent.log_close[origin]) / scales[origin - 1];
    quantiles_select(residuals, count, quantile_levels, QUANTILE_COUNT, curve->log_return);
    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        curve->log_return[i] *= now; /* sqrt(h) stands on both sides and cancels */
    if (plain_check_width("ewma-emp", curve, recent.count) < 0)
        return -1;
    return quantile_curve_finish(curve, state->params.mirrored);
}

extern const struct model model_ewma_emp;

static int ewma_emp_fit(struct arena *arena, const struct model_task *task, struct model_state **state)
{
    return plain_fit(arena, &model_ewma_emp, task, state);
}

static void ewma_emp_forecast(struct arena *arena, const struct model_state *state, const struct model_task *task,
                              struct model_answer *answers)
{
    plain_forecast(arena, state, task, ewma_emp_one, answers);
}

const struct model model_ewma_emp = {
    .name = "ewma-emp",
    .summary = "exponentially weighted volatility with empirical quantiles of standardised returns",
    .state_version = 1,
    .need = ewma_emp_need,
    .fit = ewma_emp_fit,
    .forecast = ewma_emp_forecast,
};
