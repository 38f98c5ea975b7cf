/* Two searches, one after the other.
 *
 * 1. L-BFGS on the standardised series, from the best of a few starts, in coordinates of one size (log omega, log(nu - 2),
 *    log xi). It finds the hill and most of the way up: five digits.
 * 2. Newton's method in the parameters as they are reported, on the series as it was given. The Hessian is made of
 *    central differences of the analytic gradient and kept for several steps: it only has to point the right way. This gives
 *    all digits that the arithmetic has.
 *
 * The Hessian behind the standard errors is made once more at the end, with the five-point rule, whose error is of fourth
 * order.
 *
 * A parameter that the first search leaves at the edge of its range (alpha = 0: no news) stays there.
 */
#include "models/garch_fit.h"

#include <math.h>
#include <string.h>

#include "core/err.h"
#include "math/linear.h"
#include "math/moments.h"
#include "math/optimise.h"

#define EVALUATIONS_MAX 300
#define TOLERANCE 1e-9
#define NEWTON_STEPS_MAX 24
#define HESSIAN_STEPS 4  /* Newton steps between two Hessians */
#define STEP_SMALL 1e-11 /* relative: Newton has arrived */
#define STEP_ENOUGH 1e-6 /* relative: good to six digits; a kink (egarch's |z|) may not allow more */
#define HALVINGS_MAX 12
#define VALUE_NOISE 1e-12    /* relative rounding error of a log-likelihood */
#define DIFFERENCE 1e-4      /* relative step of differences */
#define PARAMETER_SMALL 1e-3 /* below this, "relative" means relative to this */
#define EDGE 1e-6

/* The search's box; log omega, log(nu - 2) and log xi in the places of omega, nu and xi (omega itself for egarch). */
struct box {
    double lower[GARCH_SLOTS], upper[GARCH_SLOTS];
};

static const struct box box_linear = {{-10, -25, 0, -5, 0, 0.1, -4.6, -2}, {10, 5, 5, 5, 0.99999, 5, 6.2, 2}};
static const struct box box_power = {{-10, -25, 0, -0.999, 0, 0.1, -4.6, -2}, {10, 5, 5, 0.999, 0.99999, 5, 6.2, 2}};
static const struct box box_exponential = {{-10, -5, -5, -5, -0.99999, 0.1, -4.6, -2},
                                           {10, 5, 5, 5, 0.99999, 5, 6.2, 2}};

/* Starts: news and memory; the rest follows. */
static const double starts[][2] = {{0.05, 0.90}, {0.10, 0.80}, {0.15, 0.83}, {0.03, 0.96}, {0.20, 0.60}};

struct problem {
    struct garch_form form;
    struct garch_data data;
    size_t free_count;
    size_t free[GARCH_SLOTS]; /* their slots */
};

static const struct box *box_of(const struct garch_form *form)
{
    return form->recursion == GARCH_EGARCH   ? &box_exponential
           : form->recursion == GARCH_APARCH ? &box_power
                                             : &box_linear;
}

static bool is_log(const struct garch_form *form, size_t slot)
{
    return slot == GARCH_NU || slot == GARCH_XI || (slot == GARCH_OMEGA && form->recursion != GARCH_EGARCH);
}

/* Coordinates of the search to parameters. */
static void place(const struct garch_form *form, const double *at, double *theta)
{
    for (size_t i = 0; i < GARCH_SLOTS; i++)
        theta[i] = is_log(form, i) ? exp(at[i]) : at[i];
    theta[GARCH_NU] += 2.0;
}

/* Minus the mean term: of order one, whatever the length. */
static double objective(void *arg, const double *at, double *gradient)
{
    const struct problem *problem = arg;
    double theta[GARCH_SLOTS], by[GARCH_SLOTS], n = (double)problem->data.count;
    const struct garch_trace trace = {.gradient = by};

    place(&problem->form, at, theta);
    double value = garch_log_likelihood(&problem->form, &problem->data, theta, &trace);
    for (size_t i = 0; gradient != NULL && i < GARCH_SLOTS; i++) {
        double inner = !is_log(&problem->form, i) ? 1.0 : i == GARCH_NU ? theta[i] - 2.0 : theta[i];

        gradient[i] = garch_uses(&problem->form, i) ? -by[i] * inner / n : 0.0;
    }
    return -value / n;
}

static void make_start(const struct garch_form *form, double news, double memory, double *at)
{
    memset(at, 0, GARCH_SLOTS * sizeof *at);
    at[GARCH_ALPHA] = news;
    at[GARCH_BETA] = memory;
    at[GARCH_OMEGA] = log(1.0 - news - memory);
    at[GARCH_DELTA] = 1.5;
    at[GARCH_NU] = log(3.0);
    if (form->recursion == GARCH_EGARCH) { /* log h moves by half as much, and remembers all of it */
        at[GARCH_OMEGA] = at[GARCH_ALPHA] = 0.0;
        at[GARCH_GAMMA] = 2.0 * news;
        at[GARCH_BETA] = news + memory;
    }
}

static int climb(struct problem *problem, double *at)
{
    struct box box = *box_of(&problem->form);
    const struct optimise_problem search = {.count = GARCH_SLOTS,
                                            .value = objective,
                                            .arg = problem,
                                            .lower = box.lower,
                                            .upper = box.upper,
                                            .evaluations_max = EVALUATIONS_MAX,
                                            .tolerance = TOLERANCE};
    struct optimise_result result;
    double best = INFINITY, trial[GARCH_SLOTS];

    for (size_t i = 0; i < BTCF_LENGTH(starts); i++) {
        make_start(&problem->form, starts[i][0], starts[i][1], trial);
        double value = objective(problem, trial, NULL);
        if (i == 0 || value < best) {
            best = value;
            memcpy(at, trial, sizeof trial);
        }
    }
    for (size_t i = 0; i < GARCH_SLOTS; i++)
        if (!garch_uses(&problem->form, i))
            box.lower[i] = box.upper[i] = at[i];
    return optimise_lbfgs(&search, at, &result);
}

/* Which parameters Newton may move. */
static void choose_free(struct problem *problem, const double *at)
{
    const struct box *box = box_of(&problem->form);

    problem->free_count = 0;
    for (size_t i = 0; i < GARCH_SLOTS; i++)
        if (garch_uses(&problem->form, i) && at[i] > box->lower[i] + EDGE && at[i] < box->upper[i] - EDGE)
            problem->free[problem->free_count++] = i;
}

/* Parameters of the standardised series (x - mean) / deviation to those of x. */
static void unscale(const struct garch_form *form, double mean, double deviation, double *theta)
{
    theta[GARCH_MU] = mean + deviation * theta[GARCH_MU];
    if (form->recursion == GARCH_EGARCH)
        theta[GARCH_OMEGA] += (1.0 - theta[GARCH_BETA]) * 2.0 * log(deviation);
    else
        theta[GARCH_OMEGA] *= pow(deviation, form->recursion == GARCH_APARCH ? theta[GARCH_DELTA] : 2.0);
}

static bool is_inside(const struct garch_form *form, const double *theta)
{
    bool is_positive = form->recursion == GARCH_EGARCH || (theta[GARCH_OMEGA] > 0.0 && theta[GARCH_ALPHA] >= 0.0);

    return is_positive && fabs(theta[GARCH_BETA]) < 1.0 &&
           (form->recursion != GARCH_APARCH || fabs(theta[GARCH_GAMMA]) < 1.0) && theta[GARCH_DELTA] > 0.0 &&
           theta[GARCH_NU] > 2.0 && theta[GARCH_XI] > 0.0;
}

static double evaluate(const struct problem *problem, const double *theta, double *gradient)
{
    const struct garch_trace trace = {.gradient = gradient};

    return is_inside(&problem->form, theta) ? garch_log_likelihood(&problem->form, &problem->data, theta, &trace)
                                            : NAN;
}

static double size_of(double parameter)
{
    return fmax(fabs(parameter), PARAMETER_SMALL);
}

/* Minus the Hessian over the free parameters, free_count squared; the five-point rule when `is_fine`. */
static void make_information(const struct problem *problem, const double *theta, bool is_fine, double *information)
{
    size_t n = problem->free_count;
    double up[GARCH_SLOTS], down[GARCH_SLOTS], far_up[GARCH_SLOTS], far_down[GARCH_SLOTS], moved[GARCH_SLOTS];

    for (size_t i = 0; i < n; i++) {
        size_t slot = problem->free[i];
        double step = DIFFERENCE * size_of(theta[slot]);

        memcpy(moved, theta, sizeof moved);
        moved[slot] = theta[slot] + step;
        evaluate(problem, moved, up);
        moved[slot] = theta[slot] - step;
        evaluate(problem, moved, down);
        if (is_fine) {
            moved[slot] = theta[slot] + 2.0 * step;
            evaluate(problem, moved, far_up);
            moved[slot] = theta[slot] - 2.0 * step;
            evaluate(problem, moved, far_down);
        }
        for (size_t k = 0; k < n; k++) {
            size_t by = problem->free[k];
            double near = up[by] - down[by];

            information[i * n + k] =
                is_fine ? -(8.0 * near - far_up[by] + far_down[by]) / (12.0 * step) : -near / (2.0 * step);
        }
    }
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i; k++)
            information[i * n + k] = information[k * n + i] = 0.5 * (information[i * n + k] + information[k * n + i]);
}

/* One step of Newton's, halved until the likelihood does not fall. Returns its size, relative; 0 when none was possible. */
static double newton_step(const struct problem *problem, const double *information, double *theta, double *gradient,
                          double *value)
{
    size_t n = problem->free_count;
    double matrix[GARCH_SLOTS * GARCH_SLOTS], step[GARCH_SLOTS], moved[GARCH_SLOTS], slope[GARCH_SLOTS];

    memcpy(matrix, information, n * n * sizeof *matrix);
    for (size_t i = 0; i < n; i++)
        step[i] = gradient[problem->free[i]];
    if (linear_solve_spd(matrix, n, step) < 0) {
        err_clear();
        return 0.0;
    }
    for (int halving = 0; halving <= HALVINGS_MAX; halving++) {
        double size = 0.0;

        memcpy(moved, theta, sizeof moved);
        for (size_t i = 0; i < n; i++) {
            moved[problem->free[i]] += step[i];
            size = fmax(size, fabs(step[i]) / size_of(theta[problem->free[i]]));
            step[i] *= 0.5;
        }
        double reached = evaluate(problem, moved, slope);
        if (isfinite(reached) && reached >= *value - VALUE_NOISE * fabs(*value)) {
            memcpy(theta, moved, sizeof moved);
            memcpy(gradient, slope, sizeof slope);
            *value = reached;
            return size;
        }
    }
    return 0.0;
}

static bool polish(const struct problem *problem, double *theta)
{
    double information[GARCH_SLOTS * GARCH_SLOTS], gradient[GARCH_SLOTS], size = INFINITY;
    double value = evaluate(problem, theta, gradient);

    for (int step = 0; step < NEWTON_STEPS_MAX && size > STEP_SMALL && problem->free_count > 0; step++) {
        if (step % HESSIAN_STEPS == 0)
            make_information(problem, theta, false, information);
        double moved = newton_step(problem, information, theta, gradient, &value);
        if (!(moved > 0.0))
            break;
        size = moved;
    }
    return size < STEP_ENOUGH;
}

/* S'S over the free parameters. */
static void make_outer_product(const struct problem *problem, const double *scores, double *product)
{
    size_t n = problem->free_count;

    memset(product, 0, n * n * sizeof *product);
    for (size_t t = 0; t < problem->data.count; t++)
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < n; k++)
                product[i * n + k] +=
                    scores[t * GARCH_SLOTS + problem->free[i]] * scores[t * GARCH_SLOTS + problem->free[k]];
}

static double root(double variance)
{
    return variance > 0.0 && isfinite(variance) ? sqrt(variance) : NAN;
}

/* (V P V) at [i][i] */
static double sandwich(const double *inverse, const double *product, size_t n, size_t i)
{
    double sum = 0.0;

    for (size_t j = 0; j < n; j++)
        for (size_t k = 0; k < n; k++)
            sum += inverse[i * n + j] * product[j * n + k] * inverse[k * n + i];
    return sum;
}

static void make_errors(struct arena *arena, const struct problem *problem, struct garch_fit *fit)
{
    size_t n = problem->free_count;
    double information[GARCH_SLOTS * GARCH_SLOTS], product[GARCH_SLOTS * GARCH_SLOTS];
    double inverse[GARCH_SLOTS * GARCH_SLOTS], inverse_product[GARCH_SLOTS * GARCH_SLOTS];
    double *variances = arena_array(arena, problem->data.count + 1, sizeof *variances);
    const struct garch_trace trace = {.scores =
                                          arena_array(arena, problem->data.count * GARCH_SLOTS, sizeof *trace.scores),
                                      .variances = variances};

    for (size_t i = 0; i < GARCH_SLOTS; i++)
        fit->errors[i] = (struct garch_errors){NAN, NAN, NAN};
    fit->loglik = garch_log_likelihood(&problem->form, &problem->data, fit->theta, &trace);
    fit->next_variance = variances[problem->data.count];
    make_information(problem, fit->theta, true, information);
    make_outer_product(problem, trace.scores, product);
    bool has_inverse = n > 0 && linear_inverse_symmetric(arena, information, n, inverse) == 0;
    bool has_product = n > 0 && linear_inverse_symmetric(arena, product, n, inverse_product) == 0;
    err_clear();
    for (size_t i = 0; i < n; i++) {
        struct garch_errors *errors = &fit->errors[problem->free[i]];

        if (has_product)
            errors->opg = root(inverse_product[i * n + i]);
        if (!has_inverse)
            continue;
        errors->hessian = root(inverse[i * n + i]);
        errors->robust = root(sandwich(inverse, product, n, i));
    }
}

int garch_fit(struct arena *arena, const struct garch_form *form, const double *values, size_t count,
              struct garch_fit *fit)
{
    double *scaled = arena_array(arena, count, sizeof *scaled), at[GARCH_SLOTS];
    struct problem problem = {
        .form = *form,
        .data = {.values = scaled, .count = count, .scratch = arena_array(arena, 2 * count, sizeof *scaled)}};

    if (count < GARCH_FIT_MIN)
        return err_set(E_INPUT, "%zu observations are too few; it takes %d", count, GARCH_FIT_MIN);
    double mean = mean_of(values, count), deviation = deviation_of(values, count);
    if (!(deviation > 0.0) || !isfinite(deviation))
        return err_set(E_INPUT, "%zu observations have the deviation %g", count, deviation);
    for (size_t t = 0; t < count; t++)
        scaled[t] = (values[t] - mean) / deviation;
    if (climb(&problem, at) < 0)
        return -1;
    choose_free(&problem, at);
    place(form, at, fit->theta);
    unscale(form, mean, deviation, fit->theta);
    problem.data.values = values;
    fit->converged = polish(&problem, fit->theta);
    make_errors(arena, &problem, fit);
    return isfinite(fit->loglik) ? 0 : err_set(E_INPUT, "the likelihood of %zu observations has no maximum", count);
}
