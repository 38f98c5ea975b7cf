/* One form's parameters: a gradient search in variables that make the bounds a box.
 *
 *     alpha in [.0001, .9999]      beta = .0001 + u (alpha - .0001)      gamma = .0001 + w (.9999 - alpha)
 *     phi = .8 + .18 r             u, w, r in [0, 1]                     initial states: distance from a first guess
 *
 * These are the usual bounds; that the model is also admissible (its forecasts forget the past: the roots of the discount
 * matrix lie within the unit circle) is checked at each point, which only forms with a season can fail.
 *
 * The likelihood has several tops: one search begins where R's does, with slow smoothing and states from a decomposition and a
 * line through the first values; others with fast smoothing. The best end counts. Values are divided by their mean size first: a
 * fit of the same series in other units is the same fit.
 */
#include <math.h>
#include <string.h>

#include "core/err.h"
#include "math/decompose.h"
#include "math/optimise.h"
#include "models/ets.h"

#define SMOOTHING_MIN 1e-4
#define SMOOTHING_MAX 0.9999
#define PHI_MIN 0.8
#define PHI_MAX 0.98
#define ROOT_MAX (1.0 + 1e-6)
#define SEASON_MIN 0.01 /* of an index to begin with that multiplies */
#define SPARE_POINTS 4  /* a form needs this many values more than it has parameters */
#define CYCLES_MIN 2
#define EVALUATIONS_MAX 400
#define TOLERANCE 1e-10
#define VALUE_SIZE_MAX 1e150

/* -- preparation --------------------------------------------------------------------------------------------------- */

static int check_values(const double *values, size_t count)
{
    bool varies = false;

    if (count < SPARE_POINTS || count > ETS_POINTS_MAX)
        return err_set(E_INPUT, "exponential smoothing takes %d to %d values, not %zu", SPARE_POINTS, ETS_POINTS_MAX,
                       count);
    for (size_t i = 0; i < count; i++) {
        if (!(fabs(values[i]) < VALUE_SIZE_MAX))
            return err_set(E_INPUT, "value %zu of %zu is not a number below %g in size", i + 1, count,
                           VALUE_SIZE_MAX);
        varies = varies || values[i] > values[0] || values[i] < values[0];
    }
    return varies ? 0 : err_set(E_INPUT, "all %zu values are the same: they stand still", count);
}

static void find_seasons(struct ets_data *data)
{
    decompose_classical(data->values, data->count, data->period, false, data->added);
    decompose_classical(data->values, data->count, data->period, true, data->times);
    data->has_season = true;
    for (size_t i = 0; i < data->period; i++)
        data->times[i] = isfinite(data->times[i]) ? fmax(data->times[i], SEASON_MIN) : 1.0;
}

int ets_prepare(struct arena *arena, const double *values, size_t count, size_t period, struct ets_data *data)
{
    double *scaled = arena_array(arena, count, sizeof *scaled), size = 0.0;

    if (check_values(values, count) < 0)
        return -1;
    *data = (struct ets_data){.values = scaled, .count = count, .is_positive = true};
    for (size_t i = 0; i < count; i++) {
        size += fabs(values[i]) / (double)count;
        data->is_positive = data->is_positive && values[i] > 0.0;
    }
    data->unit = size;
    for (size_t i = 0; i < count; i++)
        scaled[i] = values[i] / size;
    data->period = period >= 2 && period <= ETS_PERIOD_MAX && count >= CYCLES_MIN * period ? period : 1;
    if (data->period > 1)
        find_seasons(data);
    data->trace = ets_trace_make(arena, count);
    return 0;
}

/* -- where a search begins ----------------------------------------------------------------------------------------- */

struct start {
    double alpha; /* 0: R's slow one, 0.2 / period */
    double trend; /* u of the story above */
    bool is_flat; /* the first states are the first value without a slope */
};
static const struct start starts[] = {{0.0, 0.1, false}, {0.7, 0.1, false}, {0.3, 0.1, true}, {0.8, 0.9, false}};

static double without_season(const struct ets_data *data, enum ets_season season, size_t t)
{
    if (season == ETS_SEASON_ADDED)
        return data->values[t] - data->added[t % data->period];
    return season == ETS_SEASON_TIMES ? data->values[t] / data->times[t % data->period] : data->values[t];
}

/* Level and slope of the line through the first values. */
static void fit_line(const struct ets_data *data, const struct ets_form *form, struct ets_states *first)
{
    size_t count = form->period > 5 ? 2 * form->period : 10;
    double mean = 0.0, moment = 0.0, square = 0.0;

    if (count > data->count)
        count = data->count;
    double middle = 0.5 * ((double)count + 1.0);
    for (size_t t = 0; t < count; t++) {
        double x = (double)(t + 1) - middle, y = without_season(data, form->season, t);

        mean += y / (double)count;
        moment += x * y;
        square += x * x;
    }
    first->slope = form->has_trend ? moment / square : 0.0;
    first->level = mean - middle * first->slope;
}

static void guess_states(const struct ets_data *data, const struct ets_form *form, bool is_flat,
                         struct ets_states *first)
{
    *first = (struct ets_states){0};
    if (form->season != ETS_SEASON_NONE)
        memcpy(first->season, form->season == ETS_SEASON_TIMES ? data->times : data->added, sizeof first->season);
    if (is_flat)
        first->level = without_season(data, form->season, 0);
    else
        fit_line(data, form, first);
}

/* -- the search ---------------------------------------------------------------------------------------------------- */

struct search {
    const struct ets_data *data;
    struct ets_form form;
    struct ets_states guess;
    double state_unit; /* one unit of a variable that is a state */
};

static size_t variable_count(const struct ets_form *form)
{
    size_t count = 2 + 2 * (size_t)form->has_trend + (size_t)form->is_damped;

    return form->season == ETS_SEASON_NONE ? count
                                           : count + form->period; /* gamma; one season follows from the rest */
}

static void model_of(const struct search *search, const double *x, struct ets *ets)
{
    const struct ets_form *form = &search->form;
    double unit = search->state_unit, others = 0.0;

    *ets = (struct ets){.form = *form, .phi = 1.0, .first = search->guess};
    ets->alpha = *x++;
    if (form->has_trend)
        ets->beta = SMOOTHING_MIN + *x++ * (ets->alpha - SMOOTHING_MIN);
    if (form->season != ETS_SEASON_NONE)
        ets->gamma = SMOOTHING_MIN + *x++ * (SMOOTHING_MAX - ets->alpha);
    if (form->is_damped)
        ets->phi = PHI_MIN + *x++ * (PHI_MAX - PHI_MIN);
    ets->first.level += unit * *x++;
    if (form->has_trend)
        ets->first.slope += unit * *x++;
    if (form->season == ETS_SEASON_NONE)
        return;
    for (size_t i = 1; i < form->period; i++) {
        ets->first.season[i] += unit * *x++;
        others += ets->first.season[i];
    }
    ets->first.season[0] = (form->season == ETS_SEASON_TIMES ? (double)form->period : 0.0) - others;
}

/* The chain rule of model_of. */
static void gradient_of(const struct search *search, const double *x, const struct ets_gradient *by, double *gradient)
{
    const struct ets_form *form = &search->form;
    double unit = search->state_unit, alpha = x[0], *by_alpha = gradient++;

    *by_alpha = by->alpha;
    x++;
    if (form->has_trend) {
        *by_alpha += *x++ * by->beta;
        *gradient++ = by->beta * (alpha - SMOOTHING_MIN);
    }
    if (form->season != ETS_SEASON_NONE) {
        *by_alpha -= *x++ * by->gamma;
        *gradient++ = by->gamma * (SMOOTHING_MAX - alpha);
    }
    if (form->is_damped)
        *gradient++ = by->phi * (PHI_MAX - PHI_MIN);
    *gradient++ = unit * by->first.level;
    if (form->has_trend)
        *gradient++ = unit * by->first.slope;
    for (size_t i = 1; form->season != ETS_SEASON_NONE && i < form->period; i++)
        *gradient++ = unit * (by->first.season[i] - by->first.season[0]);
}

/* Roots of the characteristic polynomial of the discount matrix, by Schur's and Cohn's step down. Without a trend its root 1,
 * which belongs to the way of writing, is divided out. */
static bool is_admissible(const struct ets *ets)
{
    double c[ETS_PERIOD_MAX + 2], alpha = ets->alpha, beta = ets->beta, gamma = ets->gamma, phi = ets->phi;
    size_t degree = ets->form.period + 1;

    if (ets->form.season == ETS_SEASON_NONE)
        return true; /* the usual bounds lie within */
    for (size_t i = 2; i < degree; i++)
        c[i] = alpha + beta - alpha * phi;
    c[0] = 1.0;
    c[1] = alpha + beta - phi;
    c[degree - 1] += gamma - 1.0;
    c[degree] = phi * (1.0 - alpha - gamma);
    if (!ets->form.has_trend) {
        for (size_t i = 1; i <= degree; i++)
            c[i] += c[i - 1];
        degree--;
    }
    double power = 1.0;
    for (size_t i = 1; i <= degree; i++)
        c[i] *= power /= ROOT_MAX;
    for (size_t k = degree; k > 0; k--) {
        double last = c[k], rest = 1.0 - last * last;

        if (!(rest > 0.0))
            return false;
        for (size_t i = 1, j = k - 1; i <= j; i++, j--) {
            double low = c[i], high = c[j];

            c[i] = (low - last * high) / rest;
            c[j] = (high - last * low) / rest;
        }
    }
    return true;
}

static double deviance_at(void *arg, const double *x, double *gradient)
{
    const struct search *search = arg;
    const struct ets_data *data = search->data;
    struct ets_gradient by;
    struct ets_run run;
    struct ets ets;

    model_of(search, x, &ets);
    if (!is_admissible(&ets) || !ets_filter(&ets, data->values, data->count, data->trace, &run))
        return NAN;
    if (gradient != NULL) {
        ets_differentiate(&ets, data->values, data->count, data->trace, &run, &by);
        gradient_of(search, x, &by, gradient);
    }
    return run.deviance;
}

/* The root mean square of moves over one period: what a state can be wrong by. */
static double typical_move(const struct ets_data *data)
{
    double sum = 0.0;

    for (size_t t = data->period; t < data->count; t++) {
        double move = data->values[t] - data->values[t - data->period];
        sum += move * move;
    }
    return fmax(sqrt(sum / (double)(data->count - data->period)), 1e-9);
}

/* One search; false when it cannot begin. x: the best point. */
static bool search_from(struct search *search, const struct start *start, double *x, struct optimise_result *result)
{
    const struct ets_form *form = &search->form;
    double lower[ETS_VARIABLES_MAX], upper[ETS_VARIABLES_MAX];
    size_t count = variable_count(form), bounded = 0;

    guess_states(search->data, form, start->is_flat, &search->guess);
    for (size_t i = 0; i < count; i++) {
        lower[i] = -INFINITY;
        upper[i] = INFINITY;
        x[i] = 0.0;
    }
    lower[0] = SMOOTHING_MIN;
    upper[0] = SMOOTHING_MAX;
    x[bounded++] = start->alpha > 0.0 ? start->alpha : 0.2 / (double)form->period;
    if (form->has_trend)
        x[bounded++] = start->trend;
    if (form->season != ETS_SEASON_NONE)
        x[bounded++] = 0.05;
    if (form->is_damped)
        x[bounded++] = 0.9;
    for (size_t i = 1; i < bounded; i++) {
        lower[i] = 0.0;
        upper[i] = 1.0;
    }
    const struct optimise_problem problem = {.count = count,
                                             .value = deviance_at,
                                             .arg = search,
                                             .lower = lower,
                                             .upper = upper,
                                             .evaluations_max = EVALUATIONS_MAX,
                                             .tolerance = TOLERANCE};
    if (optimise_lbfgs(&problem, x, result) == 0)
        return true;
    err_clear();
    return false;
}

/* -- the fit ------------------------------------------------------------------------------------------------------- */

static void scale_states(struct ets_states *states, double unit, enum ets_season season)
{
    states->level *= unit;
    states->slope *= unit;
    for (size_t i = 0; season == ETS_SEASON_ADDED && i < ETS_PERIOD_MAX; i++)
        states->season[i] *= unit;
}

static void finish(const struct ets_data *data, const struct ets *ets, bool converged, struct ets_fit *fit)
{
    double n = (double)data->count, k = (double)variable_count(&ets->form) + 1.0;
    struct ets_run run;
    bool runs = ets_filter(ets, data->values, data->count, data->trace, &run);

    *fit =
        (struct ets_fit){.ets = *ets, .last = run.last, .parameter_count = (size_t)k, .converged = converged && runs};
    double deviance = run.deviance + 2.0 * n * log(data->unit);
    fit->loglik = -0.5 * deviance;
    fit->aic = deviance + 2.0 * k;
    fit->aicc = fit->aic + 2.0 * k * (k + 1.0) / (n - k - 1.0);
    fit->bic = deviance + log(n) * k;
    fit->sigma2 = run.square_sum / (n - k + 1.0);
    if (!ets->form.is_relative)
        fit->sigma2 *= data->unit * data->unit;
    scale_states(&fit->ets.first, data->unit, ets->form.season);
    scale_states(&fit->last, data->unit, ets->form.season);
}

static int check_form(const struct ets_data *data, const struct ets_form *form)
{
    if (form->is_relative && !data->is_positive)
        return err_set(E_INPUT, "a form with M needs values above zero");
    if (form->season != ETS_SEASON_NONE && (!data->has_season || form->period != data->period))
        return err_set(E_INPUT, "a season needs a period of 2 to %d and two whole cycles", ETS_PERIOD_MAX);
    if (data->count <= variable_count(form) + SPARE_POINTS - 2)
        return err_set(E_INPUT, "%zu values are too few for %zu parameters", data->count, variable_count(form));
    return 0;
}

int ets_estimate(const struct ets_data *data, const struct ets_form *form, struct ets_fit *fit)
{
    struct search search = {.data = data, .form = *form};
    struct optimise_result best = {.value = INFINITY}, result;
    double x[ETS_VARIABLES_MAX];
    struct ets ets;

    if (check_form(data, form) < 0)
        return -1;
    search.state_unit = typical_move(data);
    for (size_t i = 0; i < BTCF_LENGTH(starts); i++) {
        if (!search_from(&search, &starts[i], x, &result) || !(result.value < best.value))
            continue;
        best = result;
        model_of(&search, x, &ets);
    }
    if (!isfinite(best.value))
        return err_set(E_INPUT, "the values lie beyond what this form can follow");
    finish(data, &ets, best.converged, fit);
    return 0;
}
