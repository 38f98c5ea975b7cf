/* See the header. Loess here is local polynomial regression of degree 0 or 1 with tricube weights on evenly spaced points,
 * computed at every point (the published program interpolates between some of them to save time).
 */
#include "math/decompose.h"

#include <math.h>
#include <string.h>

#define SEASONAL_WINDOW 11
#define INNER_PASSES 2

/* -- classical ----------------------------------------------------------------------------------------------------- */

/* The centred moving average at t: with an even period its two ends count half. */
static double centred_average(const double *values, size_t t, size_t period)
{
    size_t half = period / 2;
    double sum = 0.0;

    for (size_t i = t - half; i <= t + half; i++)
        sum += values[i];
    if (period % 2 == 0)
        sum -= 0.5 * (values[t - half] + values[t + half]);
    return sum / (double)period;
}

void decompose_classical(const double *values, size_t count, size_t period, bool is_multiplicative, double *indices)
{
    size_t half = period / 2;
    double total = 0.0;

    for (size_t place = 0; place < period; place++) {
        double sum = 0.0;
        size_t seen = 0;

        for (size_t t = place; t + half < count; t += period) {
            if (t < half)
                continue;
            double trend = centred_average(values, t, period);
            sum += is_multiplicative ? values[t] / trend : values[t] - trend;
            seen++;
        }
        indices[place] = sum / (double)seen;
        total += indices[place];
    }
    for (size_t place = 0; place < period; place++) {
        if (is_multiplicative)
            indices[place] /= total / (double)period;
        else
            indices[place] -= total / (double)period;
    }
}

/* -- STL ----------------------------------------------------------------------------------------------------------- */

struct loess {
    size_t window; /* points that count, odd */
    int degree;    /* 0 or 1 */
};

static double tricube(double distance, double reach)
{
    double share = distance / reach;

    if (share >= 0.999)
        return 0.0;
    double left = 1.0 - share * share * share;
    return share <= 0.001 ? 1.0 : left * left * left;
}

/* The smooth of y[0..count-1], standing `stride` apart, at position x, which may lie outside. */
static double loess_at(const double *y, size_t count, size_t stride, struct loess loess, double x)
{
    double half = (double)(loess.window / 2), first = floor(x) - half,
           last_first = (double)count - (double)loess.window;
    size_t width = loess.window < count ? loess.window : count;
    double begin = fmax(0.0, fmin(first, last_first)), end = begin + (double)(width - 1);
    double reach = fmax(x - begin, end - x), sum = 0.0, moment = 0.0, square = 0.0, value = 0.0;

    if (loess.window > count)
        reach += (double)((loess.window - count) / 2);
    for (size_t i = 0; i < width; i++) {
        double at = begin + (double)i, weight = tricube(fabs(at - x), reach);

        sum += weight;
        moment += weight * at;
        square += weight * at * at;
    }
    if (!(sum > 0.0))
        return y[(size_t)fmin(fmax(x, 0.0), (double)(count - 1)) * stride];
    double mean = moment / sum, spread = square / sum - mean * mean, slope = 0.0;
    if (loess.degree == 1 && sqrt(fmax(spread, 0.0)) > 0.001 * ((double)count - 1.0))
        slope = (x - mean) / spread;
    for (size_t i = 0; i < width; i++) {
        double at = begin + (double)i, weight = tricube(fabs(at - x), reach) / sum;

        value += weight * (1.0 + slope * (at - mean)) * y[(size_t)at * stride];
    }
    return value;
}

/* Each place of the season smoothed by itself, one cycle longer at both ends: count + 2 period values. */
static void smooth_cycles(const double *detrended, size_t count, size_t period, double *cycles)
{
    struct loess loess = {SEASONAL_WINDOW, 0};

    for (size_t place = 0; place < period; place++) {
        size_t length = (count - place + period - 1) / period;

        for (size_t i = 0; i < length + 2; i++)
            cycles[place + i * period] = loess_at(detrended + place, length, period, loess, (double)i - 1.0);
    }
}

static size_t moving_average(const double *values, size_t count, size_t width, double *averages)
{
    double sum = 0.0;

    for (size_t i = 0; i < width; i++)
        sum += values[i];
    for (size_t i = 0; i + width <= count; i++) {
        averages[i] = sum / (double)width;
        if (i + width < count)
            sum += values[i + width] - values[i];
    }
    return count - width + 1;
}

static size_t next_odd(size_t value)
{
    return value % 2 == 0 ? value + 1 : value;
}

void decompose_stl(struct arena *arena, const double *values, size_t count, size_t period, double *seasonal,
                   double *trend)
{
    size_t extended = count + 2 * period;
    double *detrended = arena_array(arena, count, sizeof *detrended);
    double *cycles = arena_array(arena, extended, sizeof *cycles), *low = arena_array(arena, extended, sizeof *low);
    double *spare = arena_array(arena, extended, sizeof *spare);
    struct loess low_pass = {next_odd(period), 1};
    struct loess trend_pass = {next_odd((size_t)ceil(1.5 * (double)period / (1.0 - 1.5 / (double)SEASONAL_WINDOW))),
                               1};

    memset(trend, 0, count * sizeof *trend);
    for (int pass = 0; pass < INNER_PASSES; pass++) {
        for (size_t t = 0; t < count; t++)
            detrended[t] = values[t] - trend[t];
        smooth_cycles(detrended, count, period, cycles);
        size_t length = moving_average(cycles, extended, period, spare);
        length = moving_average(spare, length, period, low);
        length = moving_average(low, length, 3, spare);
        for (size_t t = 0; t < count; t++)
            seasonal[t] = cycles[t + period] - loess_at(spare, length, 1, low_pass, (double)t);
        for (size_t t = 0; t < count; t++)
            detrended[t] = values[t] - seasonal[t];
        for (size_t t = 0; t < count; t++)
            trend[t] = loess_at(detrended, count, 1, trend_pass, (double)t);
    }
}
