/* The Theta method, and `theta` for `btcf fit`; the header has the equations. */
#include "models/theta.h"

#include <math.h>
#include <stdio.h>

#include "core/err.h"
#include "math/decompose.h"
#include "math/moments.h"
#include "models/estimate.h"

#define SEASON_Z 1.6448536269514722 /* of the test at 5%, one-sided */
#define INDEX_MIN 1e-4              /* an index this small cannot be divided by */
#define ALPHA_MIN 1e-10

/* -- season -------------------------------------------------------------------------------------------------------- */

static double moment_at(const double *values, size_t count, double mean, size_t lag)
{
    double sum = 0.0;

    for (size_t t = lag; t < count; t++)
        sum += (values[t] - mean) * (values[t - lag] - mean);
    return sum;
}

/* Whether the autocorrelation at one period is more than chance, given those before it (Bartlett's variance). */
static bool is_seasonal(const double *values, size_t count, size_t period)
{
    double mean = mean_of(values, count), whole = moment_at(values, count, mean, 0), squares = 0.0;

    if (period < 2 || count <= 2 * period || !(whole > 0.0))
        return false;
    for (size_t lag = 1; lag < period; lag++) {
        double correlation = moment_at(values, count, mean, lag) / whole;
        squares += correlation * correlation;
    }
    double deviation = sqrt((1.0 + 2.0 * squares) / (double)count);
    return fabs(moment_at(values, count, mean, period) / whole) > SEASON_Z * deviation;
}

static bool are_divisors(const double *indices, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(indices[i]) || !(fabs(indices[i]) >= INDEX_MIN))
            return false;
    return true;
}

/* Leaves the period at 1 where there is no season to take out. */
static void find_season(struct arena *arena, const double *values, size_t count, size_t period, struct theta *theta)
{
    double *indices;

    theta->period = 1;
    theta->indices = NULL;
    if (!is_seasonal(values, count, period))
        return;
    indices = arena_array(arena, period, sizeof *indices);
    decompose_classical(values, count, period, true, indices);
    if (!are_divisors(indices, period))
        return;
    theta->period = period;
    theta->indices = indices;
}

/* -- the method ---------------------------------------------------------------------------------------------------- */

static double slope_of(const double *values, size_t count)
{
    double middle = 0.5 * (double)(count - 1), moment = 0.0, square = 0.0;

    for (size_t t = 0; t < count; t++) {
        double x = (double)t - middle;
        moment += x * values[t];
        square += x * x;
    }
    return moment / square;
}

int theta_estimate(struct arena *arena, const double *values, size_t count, size_t period, struct theta *theta)
{
    const struct ets_form form = {.period = 1};
    double *adjusted = arena_array(arena, count, sizeof *adjusted);
    struct ets_data data;
    struct ets_fit fit;

    if (ets_prepare(arena, values, count, 1, &data) < 0) /* refuses what nothing can be made of */
        return -1;
    find_season(arena, values, count, period, theta);
    for (size_t t = 0; t < count; t++)
        adjusted[t] = theta->period > 1 ? values[t] / theta->indices[t % theta->period] : values[t];
    if (ets_prepare(arena, adjusted, count, 1, &data) < 0 || ets_estimate(&data, &form, &fit) < 0)
        return -1;
    theta->smoothing = fit.ets;
    theta->level = fit.last.level;
    theta->drift = 0.5 * slope_of(adjusted, count);
    theta->sigma2 = fit.sigma2;
    theta->count = count;
    return 0;
}

void theta_forecast(const struct theta *theta, size_t horizon, double *means, double *variances)
{
    double alpha = fmax(theta->smoothing.alpha, ALPHA_MIN);
    double behind = (1.0 - pow(1.0 - alpha, (double)theta->count)) / alpha; /* what smoothing lags behind a line */

    for (size_t h = 0; h < horizon; h++) {
        double season = theta->period > 1 ? theta->indices[(theta->count + h) % theta->period] : 1.0;

        means[h] = season * (theta->level + theta->drift * ((double)h + behind));
        variances[h] = theta->sigma2 * (1.0 + (double)h * alpha * alpha);
    }
}

/* -- the estimator ------------------------------------------------------------------------------------------------- */

static int run(struct arena *arena, const double *values, size_t count, const struct estimate_options *options,
               struct estimate *estimate)
{
    size_t horizon = options->horizon;
    struct theta theta;

    if (options->order != NULL)
        return err_set(E_INPUT, "theta has no order to choose");
    if (estimate_check_values(values, count) < 0 || theta_estimate(arena, values, count, options->period, &theta) < 0)
        return -1;
    estimate_begin(estimate, count);
    estimate->sigma2 = theta.sigma2;
    estimate->converged = true;
    snprintf(estimate->form, sizeof estimate->form, theta.period > 1 ? "Theta[%zu]" : "Theta", theta.period);
    estimate_add(estimate, "alpha", theta.smoothing.alpha);
    estimate_add(estimate, "drift", theta.drift);
    estimate_add(estimate, "l", theta.smoothing.first.level);
    if (horizon == 0)
        return 0;
    double *means = arena_array(arena, horizon, sizeof *means);
    double *deviations = arena_array(arena, horizon, sizeof *deviations);
    theta_forecast(&theta, horizon, means, deviations);
    for (size_t h = 0; h < horizon; h++)
        deviations[h] = sqrt(deviations[h]);
    estimate_forecast(arena, estimate, means, deviations, horizon);
    return 0;
}

const struct estimator estimator_theta = {
    .name = "theta",
    .summary = "simple exponential smoothing with half the slope of the whole, seasons tested for and divided out",
    .run = run,
};
