/* A series: past candles on a full grid, oldest first, as every model sees them.
 *
 * Invariants after series_make: count >= 1; point i closed at end_ms - (count - 1 - i) * step_ms; closes are finite and
 * positive; log_close[i] == log(close[i]). A step without a candle repeats the last close (open, high and low as well)
 * with volume 0 and is_filled 1: the rule of the scorer. Arrays are borrowed from the arena that made them; a head or a
 * view shares them. NaN policy lives here: no model ever meets one.
 */
#ifndef MODELS_SERIES_H
#define MODELS_SERIES_H

#include "core/arena.h"
#include "core/base.h"

/* Longest grid that series_make builds: 1m candles for nineteen years. A larger span is a wrong time, not a history. */
#define SERIES_POINTS_MAX ((size_t)10000000)

struct series {
    int64_t step_ms; /* distance of two points */
    int64_t end_ms;  /* closing instant of the last point: the origin */
    size_t count;
    const double *close;                      /* price, > 0 */
    const double *log_close;                  /* log(close): made once, shared by all models */
    const double *open, *high, *low, *volume; /* NULL when the source lacks them */
    const double *realised; /* variance of the log return over the step, from finer candles inside it;
                                               * NULL when there were none (see series_bars) */
    const uint8_t *is_filled;
};

/* Candles as they are stored: parallel arrays, ascending by opening time. open, high, low and volume may be NULL. */
struct series_source {
    size_t count;
    const int64_t *open_ms;
    const double *open, *high, *low, *close, *volume;
};

/* Lays the candles on a grid of `step_ms` that begins at the first one. E_INPUT, naming the candle by its number from 0
 * and its time, when there is none, times are unordered, repeated or off the grid, a close is not finite and positive,
 * or another value is not finite. */
int series_make(struct arena *arena, const struct series_source *source, int64_t step_ms,
                struct series *series) BTCF_MUST_CHECK;

/* The series cut so that it ends at point `count` (1..series->count): the view at an earlier origin. */
struct series series_head(const struct series *series, size_t count);

/* The last `count` points, or all when there are fewer. */
struct series series_tail(const struct series *series, size_t count);

/* How many points have closed at `origin_ms`: the count to give to series_head. 0 when none. */
size_t series_count_at(const struct series *series, int64_t origin_ms);

/* Groups of `per_bar` points that END with the series' last point become one bar each: open of the first, high, low,
 * close of the last, sum of volume; is_filled when all its points are; realised is the variance of the points that are
 * not filled (volatility_point), scaled up to the whole bar. At most `bars_max` bars, the newest; points before the first
 * whole bar are left out. 24-hour bars end at the origin, whatever hour that is. E_INPUT when there is no whole bar. */
int series_bars(struct arena *arena, const struct series *series, size_t per_bar, size_t bars_max,
                struct series *bars) BTCF_MUST_CHECK;

#endif
