/* Realised volatility: how far each step of a series moved, point by point, and what a past point could know of it.
 *
 *     volatility_make(arena, &recent, &vol);                                columns, one entry per point
 *     volatility_means(vol.range, vol.count, 24, day);                      day[i]: mean variance of points i-23 .. i
 *     double v = volatility_mean(vol.range, as_of, 168);                    the same, at one point
 *
 * No look-ahead: entry i of every column is made of points 0 .. i and nothing later; functions of one instant take
 * `as_of`, the index of the last point that may be used. Variances are per step, of log returns.
 *
 * Gaps. A filled step (series.h) has no price of its own: its variance is the mean of the candles of the WEEK_HOURS
 * points before it, so an outage teaches nothing. The first candle after it is measured by its own open and range, or,
 * with closes alone, by the return over the gap divided by the steps that it covers. An entry depends on nothing before
 * the VOLATILITY_MEMORY points that precede it.
 *
 * Pure arithmetic, one order of summation.
 */
#ifndef MODELS_VOLATILITY_H
#define MODELS_VOLATILITY_H

#include "core/arena.h"
#include "core/base.h"

struct series;

/* Points before a point that its own column entries depend on; models count them into need().used. */
#define VOLATILITY_MEMORY 169

struct volatility {
    size_t count;
    const double *log_return; /* that ends at the point; 0 at the first and at filled points */
    const double *squared;    /* squared return per step covered: closes alone */
    const double *range;      /* the sharpest measure that the source allows (see volatility_make) */
};

/* The columns of a series. `range` is, in order of preference: the realised variance from finer candles that the series
 * brought along; with open, high and low the mean of Garman-Klass and squared return; else `squared`. */
void volatility_make(struct arena *arena, const struct series *series, struct volatility *volatility);

/* Of the candle at point i alone: its entries in the columns, as far as they do not need the candles before it. A filled
 * point, and the first, have none: returns false. */
struct volatility_point {
    double log_return, squared, range;
};
bool volatility_point(const struct series *series, size_t i, struct volatility_point *point);

/* Variance of one candle from its range, none negative: Parkinson (1980, J. of Business 53, 61-65), Garman & Klass (1980,
 * ibid., 67-78), and Rogers & Satchell (1991, Annals of Applied Probability 1, 504-512), which drift does not bias. Arguments
 * are logarithms of prices. */
double variance_parkinson(double high, double low);
double variance_garman_klass(double open, double high, double low, double close);
double variance_rogers_satchell(double open, double high, double low, double close);

/* Mean of values[as_of - window + 1 .. as_of], of fewer where there are fewer. */
double volatility_mean(const double *values, size_t as_of, size_t window);

/* The same at every point, out[i] with as_of i; in one pass. `out` may not be `values`. */
void volatility_means(const double *values, size_t count, size_t window, double *out);

/* Exponentially weighted mean: out[i] = lambda out[i-1] + (1 - lambda) values[i], started at the mean of the first `burn`
 * (1..count) values, which all of out[0 .. burn-1] show: those are not to be used. `out` may not be `values`. */
void volatility_ewma(const double *values, size_t count, double lambda, size_t burn, double *out);

#endif
