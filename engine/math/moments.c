/* Moments of arrays. Two passes rather than running sums of squares: closes of 60,000 whose returns are 1e-4 leave no
 * digits to a difference of squares.
 */
#include "math/moments.h"

#include <math.h>

#define LAG_PER_OVERLAP 1.5

double mean_of(const double *values, size_t count)
{
    double sum = 0.0;

    for (size_t i = 0; i < count; i++)
        sum += values[i];
    return sum / (double)count;
}

double deviation_of(const double *values, size_t count)
{
    double mean = mean_of(values, count), sum = 0.0;

    for (size_t i = 0; i < count; i++)
        sum += (values[i] - mean) * (values[i] - mean);
    return sqrt(sum / (double)count);
}

static double autocovariance(const double *values, size_t count, double mean, size_t lag)
{
    double sum = 0.0;

    for (size_t i = lag; i < count; i++)
        sum += (values[i] - mean) * (values[i - lag] - mean);
    return sum / (double)count;
}

double mean_variance_overlapping(const double *values, size_t count, double overlap)
{
    size_t lag_max = (size_t)fmax(LAG_PER_OVERLAP * overlap, pow((double)count, 1.0 / 3.0));
    double mean = mean_of(values, count), variance = autocovariance(values, count, mean, 0);

    for (size_t lag = 1; lag <= lag_max && lag < count; lag++) {
        double weight = 1.0 - (double)lag / (double)(lag_max + 1);

        variance += 2.0 * weight * autocovariance(values, count, mean, lag);
    }
    return fmax(variance, 0.0) / (double)count;
}
