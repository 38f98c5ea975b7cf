/* The parameters of an ARIMA of known order, by exact maximum likelihood.
 *
 * sigma and the mean are profiled out (the mean by generalised least squares: a series of ones goes through the same
 * filter), so the search is over coefficients alone. It runs in partial autocorrelations, within -1..1 each, of the four
 * polynomials: a box that is exactly the stationary and invertible region (Barndorff-Nielsen & Schou 1973; Monahan 1984).
 * -2 loglik / n is then, up to a constant, the log of
 *
 *     sum (v[t] / sqrt F[t])^2  *  (product of F[t])^(1/n),
 *
 * a sum of squares: Box and Jenkins's own form, which Levenberg and Marquardt's method minimises in a few steps. A likelihood
 * may have several maxima; the final fit therefore begins at several places, the same ones always.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/err.h"
#include "math/levenberg.h"
#include "math/linear.h"
#include "math/moments.h"
#include "models/arima.h"

#define AR_PARTIAL_MAX 0.99999 /* a unit root belongs into d; the MA part may reach it */
#define STEPS_MAX 200
#define TOLERANCE_FINAL 1e-13
#define TOLERANCE_FIRST 1e-3 /* of the tries from several starts */
#define LOG_TWO_PI 1.8378770664093454836
#define ERROR_STEP 3e-4 /* of the second differences; of a mean, in units of its deviation */
#define ERROR_TRIES 4   /* each with a step a quarter as wide, where a likelihood ends nearby */

/* Everything that one likelihood needs. The series is differenced, centred when it has a mean, and divided by `scale`. */
struct fitting {
    const struct arima_order *order;
    struct arma_filter *filter;
    struct arma arma;
    struct arima trial;
    struct arma_series series, ones; /* ones: values NULL without a mean */
    double centre, scale;
    double mean, log_sum; /* of the last evaluation, in units of scale */
};

int arima_check_order(const struct arima_order *order)
{
    size_t lags = order->p > order->q ? order->p : order->q, seasonal = order->P > order->Q ? order->P : order->Q;

    if (lags > ARIMA_LAGS_MAX || seasonal > ARIMA_LAGS_MAX)
        return err_set(E_INPUT, "an ARIMA order has at most %d lags of each kind", ARIMA_LAGS_MAX);
    if (order->period < 1 || order->period > ARIMA_EXPANDED_MAX ||
        lags + seasonal * order->period > ARIMA_EXPANDED_MAX)
        return err_set(E_INPUT, "period and orders reach back more than %d values", ARIMA_EXPANDED_MAX);
    if (order->period == 1 && (order->D > 0 || seasonal > 0))
        return err_set(E_INPUT, "seasonal orders need a period above 1");
    if (order->d + order->D > 3)
        return err_set(E_INPUT, "differencing more than three times is no model");
    if (order->has_mean && order->d + order->D > 1)
        return err_set(E_INPUT, "a mean after differencing twice is no model");
    return 0;
}

size_t arima_difference(const struct arima_order *order, const double *values, size_t count, double *differenced)
{
    memmove(differenced, values, count * sizeof *values);
    for (size_t i = 0; i < order->d + order->D; i++) {
        size_t lag = i < order->d ? 1 : order->period;

        count = count > lag ? count - lag : 0;
        for (size_t t = 0; t < count; t++)
            differenced[t] = differenced[t + lag] - differenced[t];
    }
    return count;
}

void arima_name(const struct arima_order *order, char *text, size_t size)
{
    char season[48] = "";
    const char *mean = !order->has_mean ? "" : order->d + order->D == 0 ? " with mean" : " with drift";

    if (order->period > 1)
        snprintf(season, sizeof season, "(%zu,%zu,%zu)[%zu]", order->P, order->D, order->Q, order->period);
    snprintf(text, size, "ARIMA(%zu,%zu,%zu)%s%s", order->p, order->d, order->q, season, mean);
}

static size_t count_coefficients(const struct arima_order *order)
{
    return order->p + order->q + order->P + order->Q;
}

/* Lags of the four polynomials in the order of the coefficients; MA parts are the odd ones. */
#define POLYNOMIALS 4
static void get_lags(const struct arima_order *order, size_t lags[POLYNOMIALS])
{
    lags[0] = order->p;
    lags[1] = order->q;
    lags[2] = order->P;
    lags[3] = order->Q;
}

static void coefficients_from_partial(const struct arima_order *order, const double *partial, double *coefficients)
{
    size_t lags[POLYNOMIALS], at = 0;

    get_lags(order, lags);
    for (size_t i = 0; i < POLYNOMIALS; at += lags[i++]) {
        arma_from_partial(partial + at, lags[i], coefficients + at);
        for (size_t k = 0; i % 2 == 1 && k < lags[i]; k++)
            coefficients[at + k] = -coefficients[at + k];
    }
}

/* The way back, for one polynomial in the sign of phi; what is not within the unit circle ends on its edge. */
static void partial_from_lags(double *lags, size_t count)
{
    double before[ARIMA_LAGS_MAX];

    for (size_t m = count; m > 0; m--) {
        double last = fmin(fmax(lags[m - 1], -AR_PARTIAL_MAX), AR_PARTIAL_MAX);

        memcpy(before, lags, m * sizeof *lags);
        lags[m - 1] = last;
        for (size_t i = 0; i + 1 < m; i++)
            lags[i] = (before[i] + last * before[m - 2 - i]) / (1.0 - last * last);
    }
}

/* Partial autocorrelations of `start`, cut or filled with zeros to the order that is searched. */
static void partial_from_fit(const struct arima_order *order, const struct arima *start, double *partial)
{
    size_t from[POLYNOMIALS], to[POLYNOMIALS], from_at = 0, to_at = 0;

    get_lags(&start->order, from);
    get_lags(order, to);
    for (size_t i = 0; i < POLYNOMIALS; from_at += from[i], to_at += to[i++]) {
        double lags[ARIMA_LAGS_MAX];

        for (size_t k = 0; k < from[i]; k++)
            lags[k] = i % 2 == 1 ? -start->coefficients[from_at + k] : start->coefficients[from_at + k];
        partial_from_lags(lags, from[i]);
        for (size_t k = 0; k < to[i]; k++)
            partial[to_at + k] = k < from[i] ? lags[k] : 0.0;
    }
}

/* Whitened residuals at the coefficients in `trial`, without the mean's share; the mean as well when it is free. */
static bool whiten(struct fitting *fitting, const double *fixed_mean)
{
    struct arma_series *ones = fitting->ones.values != NULL ? &fitting->ones : NULL;
    double across = 0.0, square = 0.0;

    arma_expand(&fitting->trial, &fitting->arma);
    if (!arma_whiten(fitting->filter, &fitting->arma, &fitting->series, ones, &fitting->log_sum))
        return false;
    if (ones == NULL)
        return true;
    for (size_t t = 0; fixed_mean == NULL && t < fitting->series.count; t++) {
        across += ones->whitened[t] * fitting->series.whitened[t];
        square += ones->whitened[t] * ones->whitened[t];
    }
    fitting->mean = fixed_mean != NULL ? *fixed_mean : across / square;
    for (size_t t = 0; t < fitting->series.count; t++)
        fitting->series.whitened[t] -= fitting->mean * ones->whitened[t];
    return isfinite(fitting->mean);
}

static double sum_of_squares(const struct arma_series *series)
{
    double sum = 0.0;

    for (size_t t = 0; t < series->count; t++)
        sum += series->whitened[t] * series->whitened[t];
    return sum;
}

static bool make_residuals(void *arg, const double *partial, double *residuals)
{
    struct fitting *fitting = arg;

    coefficients_from_partial(fitting->order, partial, fitting->trial.coefficients);
    fitting->series.whitened = residuals;
    if (!whiten(fitting, NULL))
        return false;
    double factor = exp(fitting->log_sum / (2.0 * (double)fitting->series.count));
    for (size_t t = 0; t < fitting->series.count; t++)
        residuals[t] *= factor;
    return true;
}

/* Centre and scale: the largest value becomes 1, so that no series is too large or too small for the arithmetic. */
static int normalise(struct fitting *fitting, double *values, size_t count)
{
    for (size_t t = 0; t < count; t++)
        if (!isfinite(values[t]))
            return err_set(E_INPUT, "the values, or their differences, are not finite");
    fitting->centre = fitting->order->has_mean ? mean_of(values, count) : 0.0;
    for (size_t t = 0; t < count; t++) {
        values[t] -= fitting->centre;
        fitting->scale = fmax(fitting->scale, fabs(values[t]));
    }
    if (!isfinite(fitting->centre) || !isfinite(fitting->scale))
        return err_set(E_INPUT, "the values are too large");
    for (size_t t = 0; t < count && fitting->scale > 0.0; t++)
        values[t] /= fitting->scale;
    return 0;
}

static bool stands_still(const double *values, size_t count)
{
    double deviation = deviation_of(values, count);

    return !(deviation > 1e-12);
}

static int begin_fitting(struct arena *arena, const struct arima_data *data, const struct arima_order *order,
                         struct fitting *fitting)
{
    if (arima_check_order(order) < 0)
        return -1;
    if (data->count > ARIMA_POINTS_MAX)
        return err_set(E_INPUT, "arima takes at most %d values and has %zu", ARIMA_POINTS_MAX, data->count);
    double *values = arena_array(arena, data->count + 1, sizeof *values);
    size_t count = arima_difference(order, data->values, data->count, values);
    size_t least = count_coefficients(order) + order->has_mean + 3;
    if (count < least)
        return err_set(E_INPUT, "this order needs %zu values after differencing and has %zu", least, count);
    size_t p = order->p + order->P * order->period, q = order->q + order->Q * order->period;
    *fitting = (struct fitting){
        .order = order,
        .filter = arma_filter_make(arena, p, q),
        .trial = {.order = *order},
        .series = {.count = count, .values = values, .whitened = arena_array(arena, count, sizeof(double))},
    };
    if (normalise(fitting, values, count) < 0)
        return -1;
    if (stands_still(values, count))
        return err_set(E_INPUT, "the %zu values stand still after differencing", count);
    if (order->has_mean) {
        double *ones = arena_array(arena, count, sizeof *ones);
        for (size_t t = 0; t < count; t++)
            ones[t] = 1.0;
        fitting->ones = (struct arma_series){count, ones, arena_array(arena, count, sizeof(double))};
    }
    return 0;
}

static int search_from(struct arena *arena, struct fitting *fitting, double *partial, double tolerance,
                       struct levenberg_result *result)
{
    double lower[ARIMA_COUNT_MAX], upper[ARIMA_COUNT_MAX];
    size_t lags[POLYNOMIALS], at = 0;

    get_lags(fitting->order, lags);
    for (size_t i = 0; i < POLYNOMIALS; i++)
        for (size_t k = 0; k < lags[i]; k++, at++) {
            upper[at] = i % 2 == 1 ? 1.0 : AR_PARTIAL_MAX;
            lower[at] = -upper[at];
        }
    struct levenberg_problem problem = {
        .count = at,
        .rows = fitting->series.count,
        .residuals = make_residuals,
        .arg = fitting,
        .lower = lower,
        .upper = upper,
        .steps_max = STEPS_MAX,
        .tolerance = tolerance,
    };
    return levenberg_solve(arena, &problem, partial, result);
}

/* First AR and MA partial autocorrelations of the starts that are tried beside the one that was given. */
static const double starts[][2] = {{0.6, 0.5}, {0.1, 0.0}, {-0.6, 0.3}, {0.3, -0.6}};

/* The best of several short searches, then to the end from there. */
static int search_all(struct arena *arena, struct fitting *fitting, double *partial, double tolerance,
                      struct levenberg_result *result)
{
    size_t count = count_coefficients(fitting->order), lags[POLYNOMIALS];
    double best = INFINITY, trial[ARIMA_COUNT_MAX], best_partial[ARIMA_COUNT_MAX] = {0};

    get_lags(fitting->order, lags);
    memcpy(trial, partial, count * sizeof *trial);
    for (size_t s = 0; s <= BTCF_LENGTH(starts); s++) {
        size_t at = 0;
        for (size_t i = 0; s > 0 && i < POLYNOMIALS; at += lags[i++])
            for (size_t k = 0; k < lags[i]; k++)
                trial[at + k] = k == 0 ? starts[s - 1][i % 2] : 0.0;
        if (search_from(arena, fitting, trial, TOLERANCE_FIRST, result) < 0)
            err_clear();
        else if (result->sum < best) {
            best = result->sum;
            memcpy(best_partial, trial, count * sizeof *trial);
        }
    }
    memcpy(partial, best_partial, count * sizeof *partial);
    return search_from(arena, fitting, partial, tolerance > 0.0 ? tolerance : TOLERANCE_FINAL, result);
}

/* Log-likelihood from what the last evaluation left. */
static double likelihood_of(const struct fitting *fitting)
{
    double n = (double)fitting->series.count, sum = sum_of_squares(&fitting->series);

    return -0.5 * (n * (LOG_TWO_PI + log(sum / n) + 1.0) + fitting->log_sum) - n * log(fitting->scale);
}

static int take_result(struct fitting *fitting, struct arima_fit *fit)
{
    double n = (double)fitting->series.count, sum = sum_of_squares(&fitting->series);
    double k = (double)(count_coefficients(fitting->order) + fitting->order->has_mean + 1);

    if (!(sum > 0.0))
        return err_set(E_INPUT, "the model fits without any error: the series is no random one");
    fit->arima = fitting->trial;
    fit->arima.mean = fitting->order->has_mean ? fitting->mean * fitting->scale + fitting->centre : 0.0;
    fit->arima.sigma2 = sum / (n - k + 1.0) * fitting->scale * fitting->scale;
    fit->count_used = fitting->series.count;
    fit->parameter_count = (size_t)k;
    fit->loglik = likelihood_of(fitting);
    fit->aic = -2.0 * fit->loglik + 2.0 * k;
    fit->aicc = n - k - 1.0 > 0.0 ? fit->aic + 2.0 * k * (k + 1.0) / (n - k - 1.0) : INFINITY;
    fit->bic = fit->aic + k * (log(n) - 2.0);
    if (!isfinite(fit->loglik) || !isfinite(fit->arima.sigma2))
        return err_set(E_INPUT, "the values are too large or too small for a likelihood");
    return 0;
}

int arima_estimate(struct arena *arena, const struct arima_data *data, const struct arima_order *order,
                   const struct arima_fit *start, double tolerance, struct arima_fit *fit)
{
    struct fitting *fitting = arena_alloc(arena, sizeof *fitting);
    struct levenberg_result result = {.converged = true};
    double partial[ARIMA_COUNT_MAX] = {0};
    int status = 0;

    *fit = (struct arima_fit){0};
    if (begin_fitting(arena, data, order, fitting) < 0)
        return -1;
    if (start != NULL)
        partial_from_fit(order, &start->arima, partial);
    if (count_coefficients(order) > 0)
        status = search_all(arena, fitting, partial, tolerance, &result);
    if (status < 0)
        return -1;
    double *whitened = arena_array(arena, fitting->series.count, sizeof *whitened);
    coefficients_from_partial(order, partial, fitting->trial.coefficients);
    fitting->series.whitened = whitened;
    if (!whiten(fitting, NULL))
        return err_set(E_INPUT, "the likelihood cannot be computed");
    fit->converged = result.converged;
    return take_result(fitting, fit);
}

/* -- standard errors ----------------------------------------------------------------------------------------------- */

/* Log-likelihood at coefficients and mean (in units of scale) as they are; NaN where there is none. */
static double likelihood_at(struct fitting *fitting, const double *x, size_t count)
{
    memcpy(fitting->trial.coefficients, x, count * sizeof *x);
    return whiten(fitting, fitting->order->has_mean ? &x[count] : NULL) ? likelihood_of(fitting) : NAN;
}

static double second_difference(struct fitting *fitting, double *x, size_t count, const double *steps, size_t i,
                                size_t k)
{
    double corners[2][2], xi = x[i], xk = x[k];

    for (int a = 0; a < 2; a++)
        for (int b = 0; b < 2; b++) {
            x[i] = xi;
            x[k] = xk;
            x[i] += a == 0 ? -steps[i] : steps[i];
            x[k] += b == 0 ? -steps[k] : steps[k];
            corners[a][b] = likelihood_at(fitting, x, count);
        }
    x[i] = xi;
    x[k] = xk;
    return (corners[1][1] - corners[1][0] - corners[0][1] + corners[0][0]) / (4.0 * steps[i] * steps[k]);
}

/* The negative inverse of the Hessian by second differences of these widths; -1 when there is none. */
static int make_variances(struct arena *arena, struct fitting *fitting, double *x, const double *steps,
                          double *variances)
{
    size_t count = count_coefficients(fitting->order), total = count + fitting->order->has_mean;
    double *hessian = arena_array(arena, total * total, sizeof *hessian);

    for (size_t i = 0; i < total; i++)
        for (size_t k = i; k < total; k++) {
            double value = -second_difference(fitting, x, count, steps, i, k);

            if (!isfinite(value))
                return err_set(E_INPUT, "the likelihood ends near its maximum");
            hessian[i * total + k] = hessian[k * total + i] = value;
        }
    return linear_inverse_symmetric(arena, hessian, total, variances);
}

void arima_errors(struct arena *arena, const struct arima_data *data, const struct arima_fit *fit, double *errors)
{
    const struct arima_order *order = &fit->arima.order;
    struct fitting *fitting = arena_alloc(arena, sizeof *fitting);
    size_t count = count_coefficients(order), total = count + order->has_mean;
    double x[ARIMA_COUNT_MAX + 1], steps[ARIMA_COUNT_MAX + 1];
    double *variances = arena_array(arena, total * total + 1, sizeof *variances);
    int status = -1;

    for (size_t i = 0; i < total; i++)
        errors[i] = NAN;
    if (total == 0 || begin_fitting(arena, data, order, fitting) < 0) {
        err_clear();
        return;
    }
    memcpy(x, fit->arima.coefficients, count * sizeof *x);
    x[count] = (fit->arima.mean - fitting->centre) / fitting->scale;
    for (int try = 0; status < 0 && try < ERROR_TRIES; try++) {
        err_clear();
        for (size_t i = 0; i < count; i++)
            steps[i] = ldexp(ERROR_STEP, -2 * try);
        steps[count] = ERROR_STEP * sqrt(fit->arima.sigma2) / fitting->scale;
        status = make_variances(arena, fitting, x, steps, variances);
    }
    err_clear();
    for (size_t i = 0; status == 0 && i < total; i++)
        errors[i] = sqrt(variances[i * (total + 1)]) * (i == count ? fitting->scale : 1.0); /* NaN below 0 */
}

/* Roots of 1 - sum lags[i] z^i all beyond `modulus`: the same as a stationary AR with lags[i] modulus^i. */
static bool polynomial_beyond(const double *lags, size_t count, double modulus, double sign)
{
    double row[ARIMA_LAGS_MAX], before[ARIMA_LAGS_MAX], power = sign;

    for (size_t i = 0; i < count; i++)
        row[i] = lags[i] * (power *= modulus);
    for (size_t m = count; m > 0; m--) {
        double last = row[m - 1];

        if (!(fabs(last) < 1.0))
            return false;
        memcpy(before, row, m * sizeof *row);
        for (size_t i = 0; i + 1 < m; i++)
            row[i] = (before[i] + last * before[m - 2 - i]) / (1.0 - last * last);
    }
    return true;
}

bool arima_roots_beyond(const struct arima *arima, double modulus)
{
    double seasonal = pow(modulus, (double)arima->order.period);
    size_t lags[POLYNOMIALS], at = 0;

    get_lags(&arima->order, lags);
    for (size_t i = 0; i < POLYNOMIALS; at += lags[i++])
        if (!polynomial_beyond(arima->coefficients + at, lags[i], i < 2 ? modulus : seasonal,
                               i % 2 == 1 ? -1.0 : 1.0))
            return false;
    return true;
}
