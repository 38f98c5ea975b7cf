/* ets, theta: exponential smoothing of the log price as a forecaster uses it.
 *
 *     log(P[t+h] / P[t]) ~ N(mean[h] - log P[t], v[h]),   mean and v of ets_forecast or theta_forecast
 *
 * Classics of forecasting competitions, here as yardsticks: smoothing has nothing to say about volatility, and the best level
 * to smooth a price to is, very nearly, the last price (alpha of .96 to 1). ets chooses by AICc among level, trend and damped
 * trend with additive errors: a logarithm has no zero that an M error could be relative to. docs/MODELS.md has both measured.
 *
 * Parameters are those of the refit; at an origin the recursion runs on from the beginning of the training window, and the
 * variance is that of its errors there. What keeps a strange window from strange ranges stands in classical.h.
 */
#include <math.h>

#include "core/err.h"
#include "models/classical.h"
#include "models/ets.h"
#include "models/series.h"
#include "models/theta.h"

#define STATE_VERSION 1

/* Everything of eight bytes: a state is compared and stored as bytes. */
struct smoothing_state {
    struct model_state head;
    double alpha, beta, phi;
    double level, slope; /* before the first point of the training window */
    double drift;        /* of theta */
    uint64_t has_trend, is_damped;
};

static struct smoothing_state *make_state(struct arena *arena, const struct model *model,
                                          const struct model_task *task, const struct ets *ets, size_t points)
{
    struct smoothing_state *made = model_state_make(arena, model, task, points, sizeof *made);

    made->alpha = ets->alpha;
    made->beta = ets->beta;
    made->phi = ets->phi;
    made->level = ets->first.level;
    made->slope = ets->first.slope;
    made->has_trend = ets->form.has_trend;
    made->is_damped = ets->form.is_damped;
    return made;
}

/* -- fits ---------------------------------------------------------------------------------------------------------- */

extern const struct model model_ets, model_theta;

static int ets_model_fit(struct arena *arena, const struct model_task *task, struct model_state **state)
{
    static const struct ets_form forms[] = {
        {.period = 1}, {.has_trend = true, .period = 1}, {.has_trend = true, .is_damped = true, .period = 1}};
    struct ets_fit best = {.aicc = INFINITY}, fit;
    struct ets_data data;
    struct series view;

    if (classical_window("ets", task, task->params, &view) < 0)
        return -1;
    if (ets_prepare(arena, view.log_close, view.count, 1, &data) < 0)
        return err_wrap("ets");
    for (size_t i = 0; i < BTCF_LENGTH(forms); i++) {
        if (ets_estimate(&data, &forms[i], &fit) < 0)
            return err_wrap("ets");
        if (fit.aicc < best.aicc)
            best = fit;
    }
    if (!isfinite(best.aicc))
        return err_set(E_INPUT, "ets: %zu closes are too few to choose a form", view.count);
    *state = &make_state(arena, &model_ets, task, &best.ets, view.count)->head;
    return 0;
}

static int theta_model_fit(struct arena *arena, const struct model_task *task, struct model_state **state)
{
    struct smoothing_state *made;
    struct theta theta;
    struct series view;

    if (classical_window("theta", task, task->params, &view) < 0)
        return -1;
    if (theta_estimate(arena, view.log_close, view.count, 1, &theta) < 0)
        return err_wrap("theta");
    made = make_state(arena, &model_theta, task, &theta.smoothing, view.count);
    made->drift = theta.drift;
    *state = &made->head;
    return 0;
}

/* -- forecasts ----------------------------------------------------------------------------------------------------- */

/* The series from the beginning of the state's training window to the origin. */
static struct series view_since(const struct model_state *state, const struct series *series)
{
    int64_t later = (series->end_ms - state->fitted_ms) / series->step_ms;

    return series_tail(series, (size_t)state->points + (later > 0 ? (size_t)later : 0));
}

/* E_INPUT when the closes lie beyond what the recursion can follow. */
static int look_ahead(struct arena *arena, const struct model_state *state, const struct model_task *task,
                      bool is_theta, struct classical_path *path)
{
    const struct smoothing_state *learned = (const struct smoothing_state *)state;
    size_t reach = classical_reach(task);
    struct series view = view_since(state, task->series);
    double *means = arena_array(arena, reach, sizeof *means);
    double *variances = arena_array(arena, reach, sizeof *variances);
    const struct ets ets = {
        .form = {.has_trend = learned->has_trend, .is_damped = learned->is_damped, .period = 1},
        .alpha = learned->alpha,
        .beta = learned->beta,
        .phi = learned->phi,
        .first = {.level = learned->level, .slope = learned->slope},
    };
    struct ets_run run;

    *path = (struct classical_path){means, variances};
    if (!ets_filter(&ets, view.log_close, view.count, ets_trace_make(arena, view.count), &run))
        return err_set(E_INPUT, "the closes lie beyond what smoothing can follow");
    double sigma2 = run.square_sum / (double)view.count;
    if (is_theta) {
        const struct theta theta = {.smoothing = ets,
                                    .level = run.last.level,
                                    .drift = learned->drift,
                                    .sigma2 = sigma2,
                                    .count = view.count,
                                    .period = 1};
        theta_forecast(&theta, reach, means, variances);
    } else {
        const struct ets_outlook outlook = {&ets, &run.last, view.count, sigma2};
        ets_forecast(arena, &outlook, reach, means, variances);
    }
    return 0;
}

static void smoothing_forecast(struct arena *arena, const struct model_state *state, const struct model_task *task,
                               bool is_theta, struct model_answer *answers)
{
    struct classical_path path;
    bool is_good = look_ahead(arena, state, task, is_theta, &path) == 0;

    classical_answer(arena, state, task, is_good ? &path : NULL, answers);
}

static void ets_model_forecast(struct arena *arena, const struct model_state *state, const struct model_task *task,
                               struct model_answer *answers)
{
    smoothing_forecast(arena, state, task, false, answers);
}

static void theta_model_forecast(struct arena *arena, const struct model_state *state, const struct model_task *task,
                                 struct model_answer *answers)
{
    smoothing_forecast(arena, state, task, true, answers);
}

static size_t smoothing_parameters(const struct model_state *state, struct model_parameter *out, size_t max)
{
    const struct smoothing_state *learned = (const struct smoothing_state *)state;
    const struct model_parameter all[] = {
        {"alpha", learned->alpha}, {"beta", learned->beta}, {"phi", learned->phi}, {"drift", learned->drift}};
    const bool is_shown[] = {true, learned->has_trend, learned->is_damped,
                             !(learned->drift >= 0.0 && learned->drift <= 0.0)};
    size_t count = 0;

    for (size_t i = 0; i < BTCF_LENGTH(all) && count < max; i++)
        if (is_shown[i])
            out[count++] = all[i];
    return count;
}

static bool smoothing_is_whole(const struct model_state *state)
{
    const struct smoothing_state *learned = (const struct smoothing_state *)state;

    return state->bytes == sizeof *learned && learned->alpha > 0.0 && learned->alpha <= 1.0 && learned->beta >= 0.0 &&
           learned->beta <= 1.0 && learned->phi > 0.0 && learned->phi <= 1.0 && isfinite(learned->level) &&
           isfinite(learned->slope) && isfinite(learned->drift) && learned->has_trend <= 1 &&
           learned->is_damped <= 1 && state->points >= 1 && state->points <= ETS_POINTS_MAX;
}

const struct model model_ets = {
    .name = "ets",
    .summary = "exponential smoothing of the log price, with or without a trend, by maximum likelihood",
    .state_version = STATE_VERSION,
    .refit_s = CLASSICAL_REFIT_S,
    .need = classical_need,
    .fit = ets_model_fit,
    .forecast = ets_model_forecast,
    .parameters = smoothing_parameters,
    .is_whole = smoothing_is_whole,
};

const struct model model_theta = {
    .name = "theta",
    .summary = "Theta: simple exponential smoothing of the log price with half the slope of the window",
    .state_version = STATE_VERSION,
    .refit_s = CLASSICAL_REFIT_S,
    .need = classical_need,
    .fit = theta_model_fit,
    .forecast = theta_model_forecast,
    .parameters = smoothing_parameters,
    .is_whole = smoothing_is_whole,
};
