/* har-log: log-linear in realised volatility over the last hour, six hours, day, week and month.
 *
 *     |r[i,h]| = scale[i] e[i],    log scale[i] = b0 + sum_k b_k log m_k[i]        one regression per horizon h
 *     quantile(p) = scale[now] * empirical quantile of the last e at 2p - 1        for p > 1/2, mirrored below
 *
 * The cascade of windows is that of Corsi's HAR (2009, J. of Financial Econometrics 7, 174-196), in logarithms, direct for
 * each horizon; the m_k come from ranges and are free of the pattern of the week, which the forecast puts back
 * (models/moves.h). The usual fit, least squares on the logarithm of the next h steps' realised variance, aims beside the
 * mark: how variance over h steps maps to the move over them changes with the market. So the scale is fitted to the moves
 * themselves, by the quasi-likelihood of an exponential |r| (math/scale_regression.h). docs/MODELS.md has both measured.
 */
#include <math.h>
#include <stdio.h>

#include "core/err.h"
#include "math/moments.h"
#include "math/quantile.h"
#include "math/scale_regression.h"
#include "models/move_model.h"

#define WINDOW_HOURLY 26280 /* three years */
#define WINDOW_DAILY 3000
#define SHAPE_HOURLY 8760 /* the shape is that of the last year, or of the last 2000 days */
#define SHAPE_DAILY 2000
#define RIDGE 0.02 /* against five measures of nearly the same thing */
#define WIDTH (MOVE_MEASURES + 1)

/* What is learned for a horizon: WIDTH coefficients, of the constant and of log measures, then the shape. */
#define LEARNED (WIDTH + MOVE_LEVELS)

extern const struct model model_har_log;

/* Logarithms about their means, for a regression that is well conditioned. */
static const double *centred_logs(struct arena *arena, const double *values, size_t count, double *mean)
{
    double *logs = arena_array(arena, count, sizeof *logs);

    for (size_t i = 0; i < count; i++)
        logs[i] = log(values[i]);
    *mean = mean_of(logs, count);
    for (size_t i = 0; i < count; i++)
        logs[i] -= *mean;
    return logs;
}

/* Quantiles of the newest `keep` sizes in units of their scales. */
static void learn_shape(struct arena *arena, const struct scale_problem *problem, const double *beta, size_t keep,
                        double *shape)
{
    size_t from = problem->rows > keep ? problem->rows - keep : 0, count = problem->rows - from;
    double *residuals = arena_array(arena, count, sizeof *residuals), levels[MOVE_LEVELS];

    for (size_t i = 0; i < count; i++) {
        double log_scale = beta[0];

        for (size_t k = 1; k < WIDTH; k++)
            log_scale += beta[k] * problem->columns[k - 1][from + i];
        residuals[i] = problem->y[from + i] * exp(-log_scale);
    }
    moves_levels(levels);
    quantiles_select(residuals, count, levels, MOVE_LEVELS, shape);
}

static int har_log_learn(struct arena *arena, const struct move_rows *rows, bool is_daily, double *learned)
{
    const double *columns[MOVE_MEASURES];
    double means[MOVE_MEASURES], *beta = learned;

    for (size_t k = 0; k < MOVE_MEASURES; k++)
        columns[k] = centred_logs(arena, rows->measures[k], rows->count, &means[k]);
    const struct scale_problem problem = {
        .rows = rows->count, .width = WIDTH, .columns = columns, .y = rows->sizes, .ridge = RIDGE};
    if (scale_regression(arena, &problem, beta) < 0)
        return err_wrap("har-log: the closes stand still");
    learn_shape(arena, &problem, beta, is_daily ? SHAPE_DAILY : SHAPE_HOURLY, learned + WIDTH);
    for (size_t k = 0; k < MOVE_MEASURES; k++) /* of logarithms as they are */
        beta[0] -= beta[k + 1] * means[k];
    return 0;
}

static void har_log_sizes(const double *learned, const struct move_now *now, double sizes[MOVE_LEVELS])
{
    double log_scale = learned[0];

    for (size_t k = 0; k < MOVE_MEASURES; k++)
        log_scale += learned[k + 1] * log(now->measures[k]);
    for (size_t i = 0; i < MOVE_LEVELS; i++)
        sizes[i] = exp(log_scale) * learned[WIDTH + i];
}

static const struct move_method method = {
    .model = &model_har_log,
    .window_hourly = WINDOW_HOURLY,
    .window_daily = WINDOW_DAILY,
    .learned_count = LEARNED,
    .learn = har_log_learn,
    .sizes = har_log_sizes,
};

static struct model_need har_log_need(const struct model_params *params, int64_t step_ms, size_t steps)
{
    return move_model_need(&method, params, step_ms, steps);
}

static int har_log_fit(struct arena *arena, const struct model_task *task, struct model_state **state)
{
    return move_model_fit(&method, arena, task, state);
}

static void har_log_forecast(struct arena *arena, const struct model_state *state, const struct model_task *task,
                             struct model_answer *answers)
{
    move_model_forecast(&method, arena, state, task, answers);
}

static size_t har_log_parameters(const struct model_state *state, struct model_parameter *out, size_t max)
{
    size_t count = 0;

    for (size_t h = 0; h < state->step_count; h++) {
        const double *learned = move_model_learned(&method, state, h);

        for (size_t k = 0; learned != NULL && k < WIDTH && count < max; k++) {
            snprintf(out[count].name, sizeof out[count].name, "%u.b%zu", state->steps[h], k);
            out[count++].value = learned[k];
        }
    }
    return count;
}

static bool har_log_is_whole(const struct model_state *state)
{
    return move_model_is_whole(&method, state);
}

const struct model model_har_log = {
    .name = "har-log",
    .summary = "log-linear regression of the size of moves on realised volatility over five windows",
    .state_version = 1,
    .refit_s = INT64_C(604800),
    .need = har_log_need,
    .fit = har_log_fit,
    .forecast = har_log_forecast,
    .parameters = har_log_parameters,
    .is_whole = har_log_is_whole,
};
