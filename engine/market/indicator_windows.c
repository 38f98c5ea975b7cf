/* See the header. */
#include "market/indicator_windows.h"

#include <math.h>

#define YEAR_S 31536000.0 /* 365 days: Bitcoin never closes */

double window_mean(const double *values, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += values[i];
    return sum / (double)n;
}

double window_deviation(const double *values, size_t n, double mean)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (values[i] - mean) * (values[i] - mean);
    return sqrt(sum / (double)n);
}

double window_volatility(const double *closes, size_t n, int64_t interval_s)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        double change = log(closes[i + 1] / closes[i]);

        sum += change * change;
    }
    return sqrt(sum / (double)n * YEAR_S / (double)interval_s);
}

double rsi_of(double gain, double loss)
{
    if (!(loss > 0))
        return gain > 0 ? 100 : 50;
    return 100 - 100 / (1 + gain / loss);
}

double true_range(double high, double low, double last_close)
{
    return fmax(high, last_close) - fmin(low, last_close);
}

/* Lowest low and highest high of n candles. */
static void range_of(const double *highs, const double *lows, size_t n, double *low, double *high)
{
    *low = lows[0];
    *high = highs[0];
    for (size_t i = 1; i < n; i++) {
        *low = fmin(*low, lows[i]);
        *high = fmax(*high, highs[i]);
    }
}

double stochastic_of(const double *highs, const double *lows, double close)
{
    double low, high;

    range_of(highs, lows, STOCHASTIC_PERIOD, &low, &high);
    return high > low ? 100 * (close - low) / (high - low) : 50;
}

double midpoint_at(const double *highs, const double *lows, size_t at, size_t n)
{
    double low, high;

    if (at + 1 < n)
        return NAN;
    range_of(highs + at + 1 - n, lows + at + 1 - n, n, &low, &high);
    return (low + high) / 2;
}

double volume_sign(double last_close, double close)
{
    return (close > last_close) - (close < last_close);
}
