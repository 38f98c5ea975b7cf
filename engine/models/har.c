/* har, har-log: Corsi's heterogeneous autoregression of realised variance, as an estimator for any series.
 *
 *     x[t+1] = const + d x[t] + w mean(x[t-W+1 .. t]) + m mean(x[t-M+1 .. t]) + e[t+1]
 *
 * (Corsi 2009, J. of Financial Econometrics 7, 174-196), with W = 5 and M = 22 points unless --order says otherwise; har-log
 * takes logarithms first. Least squares; beside the usual standard errors those of Newey & West (1987, Econometrica 55,
 * 703-708) with Bartlett weights over NEWEY_WEST_LAGS lags and no small-sample factor. Rows whose windows touch a missing
 * value are left out. The forecasting model that grew out of it is har_log.c.
 *
 * Forecasts run the equation forward. It is an autoregression of order M, so the error of h steps has variance
 * s^2 (psi[0]^2 + .. + psi[h-1]^2); har-log answers in the series' units, with the mean of the log-normal law.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/err.h"
#include "core/str.h"
#include "math/linear.h"
#include "math/normal.h"
#include "models/estimate.h"

#define WIDTH 4
#define NEWEY_WEST_LAGS 5
#define WEEK 5
#define MONTH 22
#define WINDOW_MAX 1000
#define TWO_PI 6.283185307179586476925

struct har {
    size_t week, month;
    bool is_log;
    size_t rows;
    double *x, *y; /* rows of WIDTH, and their targets */
    double beta[WIDTH], variance;
};

static int parse_order(const char *order, struct har *har)
{
    int64_t first, second;
    struct str rest = str_of(order == NULL ? "" : order), word = str_cut(&rest, ',');

    if (order == NULL)
        return 0;
    if (rest.ptr == NULL || str_parse_i64(word, &first) < 0 || str_parse_i64(rest, &second) < 0 || first < 2 ||
        second <= first || second > WINDOW_MAX)
        return err_set(E_INPUT, "the order of a HAR is two windows such as 5,22, not \"%s\"; at most %d", order,
                       WINDOW_MAX);
    har->week = (size_t)first;
    har->month = (size_t)second;
    return 0;
}

/* The values as they are regressed: NaN stays NaN. */
static int take_values(const double *values, size_t count, bool is_log, double *taken)
{
    for (size_t i = 0; i < count; i++) {
        if (is_log && values[i] <= 0.0)
            return err_set(E_INPUT, "value %zu is %g, which has no logarithm", i + 1, values[i]);
        taken[i] = is_log ? log(values[i]) : values[i];
    }
    return 0;
}

static double mean_before(const double *values, size_t last, size_t window)
{
    double sum = 0.0;

    for (size_t i = last + 1 - window; i <= last; i++)
        sum += values[i];
    return sum / (double)window;
}

/* The regressors at point t; false when one of them, being NaN, is missing. */
static bool fill_row(const struct har *har, const double *values, size_t t, double row[WIDTH])
{
    row[0] = 1.0;
    row[1] = values[t];
    row[2] = mean_before(values, t, har->week);
    row[3] = mean_before(values, t, har->month);
    return isfinite(row[3]) && isfinite(row[2]) && isfinite(row[1]);
}

static int fill_rows(struct arena *arena, const double *values, size_t count, struct har *har)
{
    har->x = arena_array(arena, (count + 1) * WIDTH, sizeof *har->x);
    har->y = arena_array(arena, count + 1, sizeof *har->y);
    for (size_t t = har->month - 1; t + 1 < count; t++)
        if (fill_row(har, values, t, har->x + har->rows * WIDTH) && isfinite(values[t + 1]))
            har->y[har->rows++] = values[t + 1];
    if (har->rows > 2 * WIDTH)
        return 0;
    return err_set(E_INPUT, "%zu values give %zu rows with windows of %zu and %zu; %d are the least", count,
                   har->rows, har->week, har->month, 2 * WIDTH + 1);
}

static double residual(const struct har *har, size_t row)
{
    double e = har->y[row];

    for (size_t k = 0; k < WIDTH; k++)
        e -= har->beta[k] * har->x[row * WIDTH + k];
    return e;
}

/* out += scale * sum_t z[t] z[t-lag]' with z = x e, and its transpose when lag > 0. */
static void add_moments(const struct har *har, size_t lag, double scale, double out[WIDTH * WIDTH])
{
    for (size_t t = lag; t < har->rows; t++) {
        double weight = scale * residual(har, t) * residual(har, t - lag);

        for (size_t i = 0; i < WIDTH; i++)
            for (size_t k = 0; k < WIDTH; k++) {
                double product = weight * har->x[t * WIDTH + i] * har->x[(t - lag) * WIDTH + k];

                out[i * WIDTH + k] += product;
                if (lag > 0)
                    out[k * WIDTH + i] += product;
            }
    }
}

/* Diagonal of bread x meat x bread. */
static double sandwich(const double *bread, const double *meat, size_t at)
{
    double sum = 0.0;

    for (size_t i = 0; i < WIDTH; i++)
        for (size_t k = 0; k < WIDTH; k++)
            sum += bread[at * WIDTH + i] * meat[i * WIDTH + k] * bread[k * WIDTH + at];
    return sum;
}

static int add_errors(struct arena *arena, const struct har *har, struct estimate *estimate)
{
    static const char *const names[WIDTH] = {"const", "d", "w", "m"};
    double normal[WIDTH * WIDTH] = {0}, bread[WIDTH * WIDTH], meat[WIDTH * WIDTH] = {0};

    for (size_t t = 0; t < har->rows; t++)
        for (size_t i = 0; i < WIDTH * WIDTH; i++)
            normal[i] += har->x[t * WIDTH + i / WIDTH] * har->x[t * WIDTH + i % WIDTH];
    if (linear_inverse_symmetric(arena, normal, WIDTH, bread) < 0)
        return -1;
    for (size_t lag = 0; lag <= NEWEY_WEST_LAGS && lag < har->rows; lag++)
        add_moments(har, lag, 1.0 - (double)lag / (NEWEY_WEST_LAGS + 1), meat);
    for (size_t k = 0; k < WIDTH; k++) {
        struct estimate_parameter *parameter = estimate_add(estimate, names[k], har->beta[k]);

        parameter->se_hessian = sqrt(har->variance * bread[k * WIDTH + k]);
        parameter->se_robust = sqrt(sandwich(bread, meat, k));
    }
    return 0;
}

static void add_criteria(const struct har *har, double squares, struct estimate *estimate)
{
    double n = (double)har->rows, k = WIDTH + 1; /* the variance is estimated, too */

    estimate->sigma2 = har->variance;
    estimate->loglik = -0.5 * n * (log(TWO_PI * squares / n) + 1.0);
    estimate->aic = 2.0 * k - 2.0 * estimate->loglik;
    estimate->aicc = estimate->aic + 2.0 * k * (k + 1.0) / (n - k - 1.0);
    estimate->bic = k * log(n) - 2.0 * estimate->loglik;
}

/* Weight of the value `lag` steps back in the equation, lag 1..month. */
static double lag_weight(const struct har *har, size_t lag)
{
    return (lag == 1 ? har->beta[1] : 0.0) + (lag <= har->week ? har->beta[2] / (double)har->week : 0.0) +
           har->beta[3] / (double)har->month;
}

/* Runs the equation forward over a path that begins with the last `month` values; psi alike over one shock. */
static void run_forward(const struct har *har, double *path, double *psi, size_t horizon)
{
    psi[0] = 1.0;
    for (size_t h = 0; h < horizon; h++) {
        path[har->month + h] = har->beta[0];
        for (size_t lag = 1; lag <= har->month; lag++)
            path[har->month + h] += lag_weight(har, lag) * path[har->month + h - lag];
        for (size_t lag = 1; h > 0 && lag <= har->month && lag <= h; lag++)
            psi[h] += lag_weight(har, lag) * psi[h - lag];
    }
}

static int add_forecasts(struct arena *arena, const struct har *har, const double *values, size_t count,
                         size_t horizon, struct estimate *estimate)
{
    double *path = arena_array(arena, har->month + horizon, sizeof *path), *columns[5], variance = 0.0;
    double *psi = arena_array(arena, horizon + 1, sizeof *psi), ends[WIDTH];

    if (horizon == 0)
        return 0;
    if (!fill_row(har, values, count - 1, ends))
        return err_set(E_INPUT, "a value is missing among the last %zu, so nothing can be forecast", har->month);
    memcpy(path, values + count - har->month, har->month * sizeof *path);
    run_forward(har, path, psi, horizon);
    for (size_t i = 0; i < 5; i++)
        columns[i] = arena_array(arena, horizon, sizeof *columns[i]);
    for (size_t h = 0; h < horizon; h++) {
        variance += har->variance * psi[h] * psi[h];
        const double z[5] = {0.0, -normal_quantile(0.9), normal_quantile(0.9), -normal_quantile(0.975),
                             normal_quantile(0.975)};
        for (size_t i = 0; i < 5; i++) {
            double at = path[har->month + h] + z[i] * sqrt(variance);

            columns[i][h] = !har->is_log ? at : exp(i == 0 ? at + variance / 2.0 : at);
        }
    }
    estimate->forecast_count = horizon;
    estimate->mean = columns[0];
    estimate->low_80 = columns[1];
    estimate->high_80 = columns[2];
    estimate->low_95 = columns[3];
    estimate->high_95 = columns[4];
    return 0;
}

static int run(struct arena *arena, const double *values, size_t count, const struct estimate_options *options,
               struct har *har, struct estimate *estimate)
{
    double squares = 0.0, *taken = arena_array(arena, count + 1, sizeof *taken);

    if (parse_order(options->order, har) < 0 || take_values(values, count, har->is_log, taken) < 0 ||
        fill_rows(arena, taken, count, har) < 0 ||
        linear_least_squares(arena, har->x, har->y, har->rows, WIDTH, har->beta) < 0)
        return -1;
    for (size_t t = 0; t < har->rows; t++)
        squares += residual(har, t) * residual(har, t);
    har->variance = squares / (double)(har->rows - WIDTH);
    estimate_begin(estimate, har->rows);
    estimate->converged = true;
    snprintf(estimate->form, sizeof estimate->form, "HAR(1,%zu,%zu)%s", har->week, har->month,
             har->is_log ? " in logarithms" : "");
    add_criteria(har, squares, estimate);
    if (add_errors(arena, har, estimate) < 0)
        return -1;
    return add_forecasts(arena, har, taken, count, options->horizon, estimate);
}

static int har_run(struct arena *arena, const double *values, size_t count, const struct estimate_options *options,
                   struct estimate *estimate)
{
    struct har har = {.week = WEEK, .month = MONTH};

    return run(arena, values, count, options, &har, estimate);
}

static int har_log_run(struct arena *arena, const double *values, size_t count,
                       const struct estimate_options *options, struct estimate *estimate)
{
    struct har har = {.week = WEEK, .month = MONTH, .is_log = true};

    return run(arena, values, count, options, &har, estimate);
}

const struct estimator estimator_har = {
    .name = "har",
    .summary = "heterogeneous autoregression of a realised variance, by least squares",
    .takes_missing = true,
    .run = har_run,
};

const struct estimator estimator_har_log = {
    .name = "har-log",
    .summary = "the same in logarithms",
    .takes_missing = true,
    .run = har_log_run,
};
