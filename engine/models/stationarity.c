/* See the header. */
#include "models/stationarity.h"

#include <math.h>
#include <string.h>

#include "math/decompose.h"
#include "math/moments.h"

bool is_constant(const double *values, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (fabs(values[i] - values[0]) > 1e-12 * fmax(fabs(values[0]), 1e-300))
            return false;
    return true;
}

double kpss_statistic(const double *values, size_t count)
{
    double n = (double)count, mean = mean_of(values, count), sum = 0.0, squares = 0.0, variance = 0.0;
    size_t lags = (size_t)(3.0 * sqrt(n) / 13.0);

    for (size_t t = 0; t < count; t++) {
        sum += values[t] - mean;
        squares += sum * sum;
        variance += (values[t] - mean) * (values[t] - mean);
    }
    for (size_t lag = 1; lag <= lags && lag < count; lag++) {
        double covariance = 0.0;

        for (size_t t = lag; t < count; t++)
            covariance += (values[t] - mean) * (values[t - lag] - mean);
        variance += 2.0 * (1.0 - (double)lag / ((double)lags + 1.0)) * covariance;
    }
    return variance > 0.0 ? squares / (n * variance) : 0.0;
}

static double variance_of(const double *values, size_t count)
{
    double deviation = deviation_of(values, count);

    return deviation * deviation;
}

double seasonal_strength(struct arena *arena, const double *values, size_t count, size_t period)
{
    double *seasonal = arena_array(arena, count, sizeof *seasonal), *rest = arena_array(arena, count, sizeof *rest);

    decompose_stl(arena, values, count, period, seasonal, rest);
    for (size_t t = 0; t < count; t++) {
        rest[t] = values[t] - rest[t] - seasonal[t];
        seasonal[t] += rest[t];
    }
    double whole = variance_of(seasonal, count);
    return whole > 0.0 ? fmax(0.0, fmin(1.0, 1.0 - variance_of(rest, count) / whole)) : 0.0;
}

size_t differences_needed(struct arena *arena, const double *values, size_t count, size_t max)
{
    double *differenced = arena_array(arena, count, sizeof *differenced);
    size_t taken = 0;

    memcpy(differenced, values, count * sizeof *values);
    while (taken < max && count > 2 && !is_constant(differenced, count) &&
           kpss_statistic(differenced, count) > KPSS_LIMIT) {
        count--;
        for (size_t t = 0; t < count; t++)
            differenced[t] = differenced[t + 1] - differenced[t];
        taken++;
    }
    return taken;
}
