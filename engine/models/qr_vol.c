/* qr-vol: quantiles of the size of the move as linear combinations of realised volatilities.
 *
 *     Q_t(|r[i,h]|) = s[i] sum_k b_k(t) m_k[i],    t = 2p - 1 for the curve's level p > 1/2, mirrored below
 *
 * Quantile regression (Koenker & Bassett 1978, Econometrica 46, 33-50) of moves on the five measures of models/moves.h,
 * without intercept, one for each level and horizon, as Zikes & Barunik do for returns (2016, J. of Financial Econometrics
 * 14, 185-226); s is the pattern of the week over the h steps. Being homogeneous of degree one in prices' variability, it
 * learns the shape of the distribution and the persistence of volatility at once, and lets tails follow other windows than
 * the middle does. |r| at level 2p - 1 uses both sides of the return for one quantile: half the noise, and no drift.
 *
 * A combination that comes out negative, which only a market unlike all in the window brings about, counts as zero; levels
 * that cross are put in order (Chernozhukov, Fernandez-Val & Galichon 2010).
 */
#include <stdio.h>

#include "core/err.h"
#include "math/quantile_regression.h"
#include "models/move_model.h"

#define WINDOW_HOURLY 8760
#define WINDOW_DAILY 2000
#define REFIT_S INT64_C(1209600)

extern const struct model model_qr_vol;

/* What is learned: for each level the coefficients of the measures. */
static int qr_vol_learn(struct arena *arena, const struct move_rows *rows, bool is_daily, double *learned)
{
    const struct quantile_problem problem = {
        .rows = rows->count, .width = MOVE_MEASURES, .columns = rows->measures, .y = rows->sizes};
    double levels[MOVE_LEVELS], total = 0.0;

    (void)is_daily;
    for (size_t i = 0; i < rows->count; i++)
        total += rows->sizes[i];
    if (!(total > 0.0))
        return err_set(E_INPUT, "qr-vol: the last %zu closes stand still", rows->count);
    moves_levels(levels);
    for (size_t i = 0; i < MOVE_LEVELS; i++)
        if (quantile_regression(arena, &problem, levels[i], learned + i * MOVE_MEASURES) < 0)
            return err_wrap("qr-vol: at the level %g", levels[i]);
    return 0;
}

static void qr_vol_sizes(const double *learned, const struct move_now *now, double sizes[MOVE_LEVELS])
{
    for (size_t i = 0; i < MOVE_LEVELS; i++) {
        sizes[i] = 0.0;
        for (size_t k = 0; k < MOVE_MEASURES; k++)
            sizes[i] += learned[i * MOVE_MEASURES + k] * now->measures[k];
    }
}

static const struct move_method method = {
    .model = &model_qr_vol,
    .window_hourly = WINDOW_HOURLY,
    .window_daily = WINDOW_DAILY,
    .learned_count = MOVE_LEVELS * MOVE_MEASURES,
    .learn = qr_vol_learn,
    .sizes = qr_vol_sizes,
};

static struct model_need qr_vol_need(const struct model_params *params, int64_t step_ms, size_t steps)
{
    return move_model_need(&method, params, step_ms, steps);
}

static int qr_vol_fit(struct arena *arena, const struct model_task *task, struct model_state **state)
{
    return move_model_fit(&method, arena, task, state);
}

static void qr_vol_forecast(struct arena *arena, const struct model_state *state, const struct model_task *task,
                            struct model_answer *answers)
{
    move_model_forecast(&method, arena, state, task, answers);
}

/* The coefficients of two levels say what there is to see: of the median size, and of the one that one move in ten passes. */
static size_t qr_vol_parameters(const struct model_state *state, struct model_parameter *out, size_t max)
{
    static const size_t shown[] = {4, 8}; /* levels 0.5 and 0.9 of moves_levels() */
    double levels[MOVE_LEVELS];
    size_t count = 0;

    moves_levels(levels);
    for (size_t h = 0; h < state->step_count; h++) {
        const double *learned = move_model_learned(&method, state, h);

        for (size_t i = 0; learned != NULL && i < BTCF_LENGTH(shown) * MOVE_MEASURES && count < max; i++) {
            size_t level = shown[i / MOVE_MEASURES], k = i % MOVE_MEASURES;

            snprintf(out[count].name, sizeof out[count].name, "%u.q%.2g.b%zu", state->steps[h], levels[level], k + 1);
            out[count++].value = learned[level * MOVE_MEASURES + k];
        }
    }
    return count;
}

static bool qr_vol_is_whole(const struct model_state *state)
{
    return move_model_is_whole(&method, state);
}

const struct model model_qr_vol = {
    .name = "qr-vol",
    .summary = "quantile regression of the size of moves on realised volatility over five windows",
    .state_version = 1,
    .refit_s = REFIT_S,
    .need = qr_vol_need,
    .fit = qr_vol_fit,
    .forecast = qr_vol_forecast,
    .parameters = qr_vol_parameters,
    .is_whole = qr_vol_is_whole,
};
