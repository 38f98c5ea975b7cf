/* Columns of realised volatility; see the header.
 *
 * Means over windows come from running sums. Those lose digits where one value dwarfs all others (a price times 1000 for
 * one tick), and a difference of two sums may then be a hair below zero: it counts as zero.
 */
#include "models/volatility.h"

#include <assert.h>
#include <math.h>

#include "models/series.h"

#define LOG2 0.69314718055994530942
#define FILL_WINDOW (VOLATILITY_MEMORY - 1) /* candles whose mean stands in for a step without one: a week of hours */

double variance_parkinson(double high, double low)
{
    return (high - low) * (high - low) / (4.0 * LOG2);
}

double variance_garman_klass(double open, double high, double low, double close)
{
    double range = high - low, move = close - open;

    /* A candle whose close lies outside its own range makes the difference negative. */
    return fmax(0.5 * range * range - (2.0 * LOG2 - 1.0) * move * move, 0.0);
}

double variance_rogers_satchell(double open, double high, double low, double close)
{
    return fmax((high - close) * (high - open) + (low - close) * (low - open), 0.0);
}

/* Log range measures need positive prices with high and low around; a broken candle is measured by its return alone. */
static bool has_range(const struct series *series, size_t i)
{
    return series->open != NULL && series->high != NULL && series->low != NULL && series->open[i] > 0.0 &&
           series->low[i] > 0.0 && series->high[i] >= series->low[i];
}

/* How the candle at i moved: its return, and the steps that it covers. After a gap the candle's own open to close is one
 * step; with closes alone the return covers the gap, too. */
static double move_at(const struct series *series, size_t i, double *steps)
{
    size_t gap = 1;

    *steps = 1.0;
    if (i == 0)
        return 0.0;
    if (!series->is_filled[i - 1])
        return series->log_close[i] - series->log_close[i - 1];
    if (has_range(series, i))
        return series->log_close[i] - log(series->open[i]);
    while (gap < i && series->is_filled[i - gap])
        gap++;
    *steps = (double)gap;
    return series->log_close[i] - series->log_close[i - 1];
}

static double range_at(const struct series *series, size_t i, double squared)
{
    if (series->realised != NULL)
        return series->realised[i];
    if (!has_range(series, i))
        return squared;
    double range =
        variance_garman_klass(log(series->open[i]), log(series->high[i]), log(series->low[i]), series->log_close[i]);
    return 0.5 * (range + squared);
}

/* Running sums over the candles that are there, for the means that stand in for those that are not. */
struct tally {
    double *squared, *range; /* sums over points 0 .. i - 1 */
    size_t *seen;
};

static double stand_in(const double *sums, const size_t *seen, size_t i)
{
    size_t from = i > FILL_WINDOW ? i - FILL_WINDOW : 0;

    return seen[i] > seen[from] ? fmax((sums[i] - sums[from]) / (double)(seen[i] - seen[from]), 0.0) : 0.0;
}

bool volatility_point(const struct series *series, size_t i, struct volatility_point *point)
{
    double steps;

    *point = (struct volatility_point){0};
    if (i == 0 || series->is_filled[i])
        return false;
    point->log_return = move_at(series, i, &steps);
    point->squared = point->log_return * point->log_return / steps;
    point->range = range_at(series, i, point->squared);
    return true;
}

void volatility_make(struct arena *arena, const struct series *series, struct volatility *volatility)
{
    size_t count = series->count;
    double *log_return = arena_array(arena, count, sizeof *log_return);
    double *squared = arena_array(arena, count, sizeof *squared), *range = arena_array(arena, count, sizeof *range);
    struct tally tally = {arena_array(arena, count + 1, sizeof *tally.squared),
                          arena_array(arena, count + 1, sizeof *tally.range),
                          arena_array(arena, count + 1, sizeof *tally.seen)};

    for (size_t i = 0; i < count; i++) {
        struct volatility_point point;
        bool is_there = volatility_point(series, i, &point);

        log_return[i] = point.log_return;
        squared[i] = is_there ? point.squared : stand_in(tally.squared, tally.seen, i);
        range[i] = is_there ? point.range : stand_in(tally.range, tally.seen, i);
        tally.squared[i + 1] = tally.squared[i] + point.squared;
        tally.range[i + 1] = tally.range[i] + point.range;
        tally.seen[i + 1] = tally.seen[i] + is_there;
    }
    *volatility = (struct volatility){count, log_return, squared, range};
}

double volatility_mean(const double *values, size_t as_of, size_t window)
{
    size_t from = as_of + 1 > window ? as_of + 1 - window : 0;
    double sum = 0.0;

    for (size_t i = from; i <= as_of; i++)
        sum += values[i];
    return sum / (double)(as_of + 1 - from);
}

void volatility_means(const double *values, size_t count, size_t window, double *out)
{
    double sum = 0.0;

    assert(window >= 1);
    for (size_t i = 0; i < count; i++) {
        sum += values[i];
        if (i >= window)
            sum -= values[i - window];
        sum = sum > 0.0 ? sum : 0.0;
        out[i] = sum / (double)(i + 1 < window ? i + 1 : window);
    }
}

void volatility_ewma(const double *values, size_t count, double lambda, size_t burn, double *out)
{
    assert(burn >= 1 && burn <= count);
    double mean = volatility_mean(values, burn - 1, burn);

    for (size_t i = 0; i < burn; i++)
        out[i] = mean;
    for (size_t i = burn; i < count; i++)
        out[i] = lambda * out[i - 1] + (1.0 - lambda) * values[i];
}
