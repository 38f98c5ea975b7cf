/* rw-emp: the random walk with the shape that returns really had.
 *
 * The quantiles of the h-step log return are those of the last `window` overlapping h-step returns ("historical
 * simulation"; Hendricks 1996, "Evaluation of value-at-risk models using historical data", FRBNY Economic Policy Review
 * 2(1), 39-69). No distribution is assumed and nothing scales with sqrt(h), so fat tails and their thinning with the
 * horizon are right by construction. It reacts slowly to volatility, and it keeps the drift of its window unless
 * mirrored.
 *
 *     returns of the newest origins:   r[i] = log P[i+h] - log P[i],   i + h <= now
 */
#include "math/quantile.h"
#include "models/plain.h"

#define WINDOW_HOURLY 2160
#define WINDOW_DAILY 500
/* Overlapping returns are few facts: at least this many, and this many lengths of the horizon. */
#define RETURNS_MIN 100
#define HORIZONS_MIN 4

static struct model_need rw_emp_need(const struct model_params *params, int64_t step_ms, size_t steps)
{
    size_t window = plain_window(params, step_ms, WINDOW_HOURLY, WINDOW_DAILY);
    size_t least = HORIZONS_MIN * steps > RETURNS_MIN ? HORIZONS_MIN * steps : RETURNS_MIN;

    return (struct model_need){.min = (least < window ? least : window) + steps, .used = window + steps};
}

static int rw_emp_one(struct arena *arena, const struct model_state *state, const struct series *series, size_t steps,
                      struct quantile_curve *curve)
{
    struct model_need need = rw_emp_need(&state->params, series->step_ms, steps);

    if (plain_check_length("rw-emp", series, need, steps) < 0)
        return -1;
    struct series recent = series_tail(series, need.used);
    size_t count = recent.count - steps;
    double *returns = arena_array(arena, count, sizeof *returns);
    for (size_t i = 0; i < count; i++)
        returns[i] = recent.log_close[i + steps] - recent.log_close[i];

    quantiles_select(returns, count, quantile_levels, QUANTILE_COUNT, curve->log_return);
    if (plain_check_width("rw-emp", curve, recent.count) < 0)
        return -1;
    return quantile_curve_finish(curve, state->params.mirrored);
}

extern const struct model model_rw_emp;

static int rw_emp_fit(struct arena *arena, const struct model_task *task, struct model_state **state)
{
    return plain_fit(arena, &model_rw_emp, task, state);
}

static void rw_emp_forecast(struct arena *arena, const struct model_state *state, const struct model_task *task,
                            struct model_answer *answers)
{
    plain_forecast(arena, state, task, rw_emp_one, answers);
}

const struct model model_rw_emp = {
    .name = "rw-emp",
    .summary = "empirical quantiles of past returns over the same horizon",
    .state_version = 1,
    .need = rw_emp_need,
    .fit = rw_emp_fit,
    .forecast = rw_emp_forecast,
};
