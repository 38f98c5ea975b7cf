/* Empirical quantiles of type 7 (Hyndman & Fan 1996, "Sample quantiles in statistical packages"; the default of R and
 * numpy): level p of n sorted values x[0..n-1] stands at h = (n - 1) p, linear between x[floor h] and the next.
 *
 *     values 1 2 3 4, level 0.5: h = 1.5, the quantile 2.5
 */
#ifndef MATH_QUANTILE_H
#define MATH_QUANTILE_H

#include "core/base.h"

#define QUANTILE_LEVELS_MAX 64

/* Puts the quantiles at `levels` (ascending, within 0..1; at most QUANTILE_LEVELS_MAX) into `results`. `values` must be
 * finite and come back in another order: only the ranks that are asked for are put in place, which for 25 levels of
 * 8760 values is several times faster than a sort. count >= 1. */
void quantiles_select(double *values, size_t count, const double *levels, size_t level_count, double *results);

/* The quantile of ascending values. */
double quantile_sorted(const double *sorted, size_t count, double level);

#endif
