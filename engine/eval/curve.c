/* Closed-form integrals over a piecewise-linear quantile function with exponential tails; see the header. */
#include "eval/curve.h"

#include <math.h>

#define LAST (QUANTILE_COUNT - 1)
#define WIDTH_TINY 1e-9 /* below this (e^b - e^a) / (b - a) is e^a to all digits that matter */

/* Scale s of the upper tail. */
static double upper_scale(const struct quantile_curve *curve)
{
    double drop = log((1.0 - quantile_levels[LAST - 1]) / (1.0 - quantile_levels[LAST]));

    return fmin((curve->log_return[LAST] - curve->log_return[LAST - 1]) / drop, CURVE_TAIL_SCALE_MAX);
}

static double lower_scale(const struct quantile_curve *curve)
{
    double drop = log(quantile_levels[1] / quantile_levels[0]);

    return fmin((curve->log_return[1] - curve->log_return[0]) / drop, CURVE_TAIL_SCALE_MAX);
}

double curve_mean_factor(const struct quantile_curve *curve)
{
    const double *q = curve->log_return;
    double sum = quantile_levels[0] * exp(q[0]) / (1.0 + lower_scale(curve)) +
                 (1.0 - quantile_levels[LAST]) * exp(q[LAST]) / (1.0 - upper_scale(curve));

    for (size_t i = 0; i < LAST; i++) {
        double width = q[i + 1] - q[i];
        double mean = width < WIDTH_TINY ? exp(q[i]) : exp(q[i]) * expm1(width) / width;

        sum += (quantile_levels[i + 1] - quantile_levels[i]) * mean;
    }
    return sum;
}

double curve_deviation(const struct quantile_curve *curve)
{
    const double *q = curve->log_return;
    double low = lower_scale(curve), high = upper_scale(curve);
    double mass_low = quantile_levels[0], mass_high = 1.0 - quantile_levels[LAST];
    double mean = mass_low * (q[0] - low) + mass_high * (q[LAST] + high);
    double square = mass_low * (q[0] * q[0] - 2.0 * q[0] * low + 2.0 * low * low) +
                    mass_high * (q[LAST] * q[LAST] + 2.0 * q[LAST] * high + 2.0 * high * high);

    for (size_t i = 0; i < LAST; i++) {
        double mass = quantile_levels[i + 1] - quantile_levels[i], a = q[i], b = q[i + 1];

        mean += mass * (a + b) / 2.0;
        square += mass * (a * a + a * b + b * b) / 3.0;
    }
    return sqrt(fmax(square - mean * mean, 0.0));
}

double curve_probability_above(const struct quantile_curve *curve, double log_return)
{
    const double *q = curve->log_return;
    size_t at = 0; /* how many quantiles are not above */

    while (at < QUANTILE_COUNT && q[at] <= log_return)
        at++;
    if (at == 0) {
        double scale = lower_scale(curve);

        return scale > 0.0 ? 1.0 - quantile_levels[0] * exp((log_return - q[0]) / scale) : 1.0;
    }
    if (at == QUANTILE_COUNT) {
        double scale = upper_scale(curve);

        return scale > 0.0 ? (1.0 - quantile_levels[LAST]) * exp((q[LAST] - log_return) / scale) : 0.0;
    }
    double share = (log_return - q[at - 1]) / (q[at] - q[at - 1]);
    return 1.0 - (quantile_levels[at - 1] + share * (quantile_levels[at] - quantile_levels[at - 1]));
}
