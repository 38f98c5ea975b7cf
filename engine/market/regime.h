/* How the market is, against how it has been: realised volatility today and its place among the last year's. Pure.
 *
 * Realised volatility over n days is the square root of the mean square of n daily log returns, per square root of a year
 * of 365 days. Its rank is the share of the days of the last year (those with a full window) on which it was lower.
 */
#ifndef MARKET_REGIME_H
#define MARKET_REGIME_H

#include "core/base.h"

#define REGIME_YEAR 365 /* days that today is compared with */
#define REGIME_FAST 7   /* days of the volatility that names the regime */
#define REGIME_SLOW 30
#define REGIME_DAYS_MIN 120 /* days with a full window; fewer are no history to be compared with */
/* Ranks from which on the regime is normal, and turbulent. */
#define REGIME_NORMAL 0.25
#define REGIME_TURBULENT 0.80

struct regime {
    const char *name;  /* "calm", "normal", "turbulent"; NULL: too little history */
    size_t days;       /* compared with */
    double fast, slow; /* volatility; NaN: too little history */
    double fast_rank;  /* 0..1; NaN */
    double drawdown;   /* 1 - close / highest close of the last year, 0..1 */
};

/* closes: daily, ascending, the newest last; all positive. */
struct regime regime_of(const double *closes, size_t count);

#endif
