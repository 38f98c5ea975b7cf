/* garch, garch-t, gjr-t, garch-fhs, gas-t: conditional variance as a forecaster uses it.
 *
 *     x_t = r_t / sqrt(s_t)                         returns without the pattern of the week (models/season.h)
 *     x_t = sqrt(h_t) z_t,   h_{t+1} = omega + (alpha + gamma [x_t < 0]) x_t^2 + beta h_t
 *     R   = sum over the next steps of sqrt(s_t h_t) z_t                     simulated, 8192 paths
 *
 * The pattern is taken out first because what a plain GARCH learns from hours is the difference between night and New York's
 * morning: alpha .23, beta .77, and a volatile week is forgotten by the evening (Andersen & Bollerslev 1997, J. of
 * Empirical Finance 4, 115-158).
 *
 * garch and garch-t fit and draw with the normal and Student's t law, gjr-t adds leverage; garch-fhs fits by Gaussian
 * quasi-likelihood, which finds the right recursion whatever the law (Bollerslev & Wooldridge 1992), and draws from the
 * standardised residuals themselves, signs made equally likely.
 *
 * gas-t lets the variance follow what the t law's score makes of each hour's measured variance (from its high and low where
 * the source has them: volatility.h): h_{t+1} = omega + alpha u_t + beta h_t, u_t = (nu + 1) m_t h_t / ((nu - 2) h_t + m_t).
 * The score weighs news down the wilder it is (Creal, Koopman & Lucas 2013, J. of Applied Econometrics 28, 777-795; Harvey &
 * Chakravarty 2008), the range knows an hour better than its two ends do (Shephard & Sheppard 2010's HEAVY). Innovations
 * are past hours: size of the residual and news of the same hour, drawn together.
 *
 * Time awareness: a filled step is no observation and is left out; the first candle after a gap counts with what it is
 * known to have moved per step (volatility_point). The recursion runs over the training window and on to the origin.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "math/normal.h"
#include "math/student_t.h"
#include "models/garch_simulate.h"
#include "models/plain.h"
#include "models/season.h"
#include "models/volatility.h"

#define WINDOW_HOURLY 8760
#define WINDOW_DAILY 2000
#define RETURNS_MIN 500
#define REFIT_S INT64_C(604800)
#define SIZES 2048 /* quantiles that stand for a parametric law */
#define STATE_VERSION 2

/* What tells the five apart. */
struct member {
    const struct model *model;
    struct garch_form form;
    bool is_historical; /* innovations are past residuals, with the news of their steps in score */
};

struct garch_state {
    struct model_state head;
    struct season season;
    struct garch_bounded fit;
    uint64_t size_count;
    double sizes[]; /* size_count of them, ascending; in score as many news behind them */
};

/* Returns and measured variances without their pattern, filled steps left out. */
struct returns {
    double *values, *measures;
    size_t count;
};

/* A residual's size, and the news of its step. */
struct residual {
    double size, news;
};

static struct model_need garch_need(const struct model_params *params, int64_t step_ms, size_t steps)
{
    size_t window = plain_window(params, step_ms, WINDOW_HOURLY, WINDOW_DAILY);

    (void)steps;
    return (struct model_need){.min = (RETURNS_MIN < window ? RETURNS_MIN : window) + 1, .used = window + 1};
}

/* The view begins with the last point before the first return. */
static struct returns take_returns(struct arena *arena, const struct series *view, const struct season *season)
{
    struct returns returns = {.values = arena_array(arena, view->count, sizeof *returns.values),
                              .measures = arena_array(arena, view->count, sizeof *returns.measures)};

    for (size_t i = 1; i < view->count; i++) {
        struct volatility_point point;
        int64_t close_ms = view->end_ms - (int64_t)(view->count - 1 - i) * view->step_ms;

        if (!volatility_point(view, i, &point))
            continue;
        double factor = season_at(season, close_ms);
        returns.values[returns.count] = copysign(sqrt(point.squared / factor), point.log_return);
        returns.measures[returns.count++] = point.range / factor;
    }
    return returns;
}

static void learn_season(struct arena *arena, const struct series *view, struct season *season)
{
    struct season_clock clock = {view->count, view->end_ms, view->step_ms};
    struct volatility volatility;

    volatility_make(arena, view, &volatility);
    season_learn(season, volatility.squared, &clock, view->count - 1, view->count - 1);
}

/* What the recursion sees of them: measures are for score alone. */
static struct garch_data data_of(const struct garch_form *form, const struct returns *returns)
{
    return (struct garch_data){.values = returns->values,
                               .count = returns->count,
                               .measures = form->recursion == GARCH_SCORE ? returns->measures : NULL};
}

static int compare_residuals(const void *a, const void *b)
{
    const struct residual *x = a, *y = b;

    if (x->size < y->size || x->size > y->size)
        return x->size < y->size ? -1 : 1;
    return (x->news > y->news) - (x->news < y->news);
}

/* Past innovations as a table. */
static void fill_residuals(struct arena *arena, const struct garch_bounded *fit, const struct garch_data *data,
                           double *sizes, double *news)
{
    double *variances = arena_array(arena, data->count, sizeof *variances);
    struct residual *residuals = arena_array(arena, data->count, sizeof *residuals);

    garch_bounded_filter(fit, data, variances);
    for (size_t t = 0; t < data->count; t++) {
        residuals[t].size = fabs(data->values[t]) / sqrt(variances[t]);
        if (data->measures != NULL)
            residuals[t].news = garch_bounded_news(fit, data->measures[t] / variances[t]);
    }
    qsort(residuals, data->count, sizeof *residuals, compare_residuals);
    for (size_t t = 0; t < data->count; t++) {
        sizes[t] = residuals[t].size;
        if (data->measures != NULL)
            news[t] = residuals[t].news;
    }
}

/* Quantiles of |Z| for the normal law, their mean square made 1. */
static void fill_normal(double *sizes, size_t count)
{
    double square = 0.0;

    for (size_t i = 0; i < count; i++) {
        sizes[i] = normal_quantile(0.5 + 0.5 * ((double)i + 0.5) / (double)count);
        square += sizes[i] * sizes[i];
    }
    for (size_t i = 0; i < count; i++)
        sizes[i] /= sqrt(square / (double)count);
}

static int fit_member(struct arena *arena, const struct member *member, const struct model_task *task,
                      struct model_state **state)
{
    const char *name = member->model->name;
    struct model_need need = member->model->need(task->params, task->series->step_ms, task->steps[task->count - 1]);
    struct series view = series_tail(task->series, need.used);
    struct season season;
    struct garch_bounded fit;

    if (plain_check_length(name, task->series, need, task->steps[task->count - 1]) < 0)
        return -1;
    learn_season(arena, &view, &season);
    struct returns returns = take_returns(arena, &view, &season);
    struct garch_data data = data_of(&member->form, &returns);
    if (data.count < need.min / 2)
        return err_set(E_INPUT, "%s: only %zu of the last %zu points have a candle", name, data.count, view.count);
    if (garch_bounded_fit(arena, &member->form, &data, &fit) < 0)
        return plain_refuse_still(name, view.count);

    size_t size_count = member->is_historical ? data.count : SIZES, columns = data.measures != NULL ? 2 : 1;
    struct garch_state *made = model_state_make(arena, member->model, task, view.count,
                                                sizeof *made + columns * size_count * sizeof *made->sizes);
    made->season = season;
    made->fit = fit;
    made->size_count = size_count;
    if (member->is_historical)
        fill_residuals(arena, &fit, &data, made->sizes, made->sizes + size_count);
    else if (member->form.law == GARCH_STUDENT)
        student_t_halves(fit.nu, made->sizes, size_count);
    else
        fill_normal(made->sizes, size_count);
    *state = &made->head;
    return 0;
}

/* The series from the beginning of the state's training window to the origin. */
static struct series view_since(const struct garch_state *state, const struct series *series)
{
    int64_t begin_ms = state->head.fitted_ms - (int64_t)state->head.points * state->head.step_ms;
    int64_t points = (series->end_ms - begin_ms) / series->step_ms;

    return series_tail(series, points < 1 ? 1 : (size_t)points);
}

/* Standard deviations of the next steps' returns in the units of the fit. */
static double *make_factors(struct arena *arena, const struct garch_state *state, const struct series *series,
                            size_t steps)
{
    double *factors = arena_array(arena, steps, sizeof *factors);

    for (size_t i = 0; i < steps; i++)
        factors[i] = sqrt(season_at(&state->season, series->end_ms + (int64_t)(i + 1) * series->step_ms));
    return factors;
}

static void forecast_member(struct arena *arena, const struct model_state *state, const struct model_task *task,
                            struct model_answer *answers)
{
    const struct garch_state *learned = (const struct garch_state *)(const void *)state;
    struct series view = view_since(learned, task->series);
    struct returns returns = take_returns(arena, &view, &learned->season);
    const struct garch_form form = {.recursion = learned->fit.is_score ? GARCH_SCORE : GARCH_PLAIN};
    struct garch_data data = data_of(&form, &returns);
    size_t longest = task->steps[task->count - 1];
    struct quantile_curve curves[MODEL_STEPS_MAX];

    const struct garch_outlook outlook = {
        .fit = &learned->fit,
        .variance = garch_bounded_filter(&learned->fit, &data, NULL),
        .sizes = learned->sizes,
        .news = learned->fit.is_score ? learned->sizes + learned->size_count : NULL,
        .size_count = learned->size_count,
        .factors = make_factors(arena, learned, task->series, longest),
        .seed = state->params.seed,
        .stream = (uint64_t)task->series->end_ms,
    };
    garch_simulate(arena, &outlook, task->steps, task->count, curves);
    for (size_t i = 0; i < task->count; i++) {
        answers[i] = (struct model_answer){.curve = curves[i]};
        if (quantile_curve_finish(&answers[i].curve, state->params.mirrored) < 0 ||
            plain_check_width("garch", &answers[i].curve, view.count) < 0)
            model_answer_refuse(arena, &answers[i]);
    }
}

static size_t garch_parameters(const struct model_state *state, struct model_parameter *out, size_t max)
{
    const struct garch_bounded *fit = &((const struct garch_state *)(const void *)state)->fit;
    const struct model_parameter all[] = {
        {"omega", fit->omega}, {"alpha", fit->alpha}, {"gamma", fit->gamma}, {"beta", fit->beta}, {"nu", fit->nu},
    };
    size_t count = 0;

    for (size_t i = 0; i < BTCF_LENGTH(all) && count < max; i++)
        if (all[i].value > 0.0 || all[i].value < 0.0) /* a form has no parameter that is exactly 0 */
            out[count++] = all[i];
    return count;
}

static bool garch_is_whole(const struct model_state *state)
{
    const struct garch_state *learned = (const struct garch_state *)(const void *)state;
    const struct garch_bounded *fit = &learned->fit;
    uint64_t columns = state->bytes >= sizeof *learned && fit->is_score ? 2 : 1;

    if (state->bytes < sizeof *learned || learned->size_count < 1 || learned->size_count > GARCH_SIZES_MAX ||
        state->bytes != sizeof *learned + columns * learned->size_count * sizeof *learned->sizes)
        return false;
    if (learned->season.cells < 1 || learned->season.cells > SEASON_CELLS_MAX || learned->season.step_ms <= 0)
        return false;
    for (size_t i = 0; i < learned->season.cells; i++)
        if (!(learned->season.factor[i] > 0.0) || !isfinite(learned->season.factor[i]))
            return false;
    for (size_t i = 0; i < columns * learned->size_count; i++)
        if (!(learned->sizes[i] >= 0.0) || !isfinite(learned->sizes[i]))
            return false;
    return fit->omega > 0.0 && isfinite(fit->omega) && isfinite(fit->alpha) && isfinite(fit->gamma) &&
           isfinite(fit->beta) && fit->alpha + 0.5 * fit->gamma + fit->beta < 1.0 && isfinite(fit->mean_square);
}

#define MEMBER(id, text, line, model_recursion, model_law, historical)                                               \
    extern const struct model model_##id;                                                                            \
    static const struct member member_##id = {&model_##id, {model_recursion, model_law}, historical};                \
    static int id##_fit(struct arena *arena, const struct model_task *task, struct model_state **state)              \
    {                                                                                                                \
        return fit_member(arena, &member_##id, task, state);                                                         \
    }                                                                                                                \
    const struct model model_##id = {.name = text,                                                                   \
                                     .summary = line,                                                                \
                                     .state_version = STATE_VERSION,                                                 \
                                     .refit_s = REFIT_S,                                                             \
                                     .need = garch_need,                                                             \
                                     .fit = id##_fit,                                                                \
                                     .forecast = forecast_member,                                                    \
                                     .parameters = garch_parameters,                                                 \
                                     .is_whole = garch_is_whole};

MEMBER(garch, "garch", "GARCH(1,1) with normal innovations, simulated", GARCH_PLAIN, GARCH_NORMAL, false)
MEMBER(garch_t, "garch-t", "GARCH(1,1) with Student t innovations, simulated", GARCH_PLAIN, GARCH_STUDENT, false)
MEMBER(gjr_t, "gjr-t", "GARCH with leverage and Student t innovations, simulated", GARCH_GJR, GARCH_STUDENT, false)
MEMBER(garch_fhs, "garch-fhs", "GARCH(1,1) by quasi-likelihood, simulated from its own residuals", GARCH_PLAIN,
       GARCH_NORMAL, true)
MEMBER(gas_t, "gas-t", "variance driven by the t score of each step's range, simulated from its own residuals",
       GARCH_SCORE, GARCH_STUDENT, true)
