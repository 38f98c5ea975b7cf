/* A series taken apart into trend, season and rest. */
#ifndef MATH_DECOMPOSE_H
#define MATH_DECOMPOSE_H

#include "core/arena.h"
#include "core/base.h"

/* Classical decomposition: the trend is a centred moving average over one period, the season the mean (over cycles) of what is
 * left at each of its places, normalised to mean 0 (additive) or 1 (multiplicative: ratios instead of differences).
 * indices: `period` of them, the first belongs to values[0]. count >= 2 period, period >= 2. */
void decompose_classical(const double *values, size_t count, size_t period, bool is_multiplicative, double *indices);

/* STL (Cleveland, Cleveland, McRae & Terpenning 1990, J. of Official Statistics 6, 3-73): seasonal window 11, the trend's
 * by the authors' rule, two inner passes, no robustness weights. count values each. count >= 2 period, period >= 2. */
void decompose_stl(struct arena *arena, const double *values, size_t count, size_t period, double *seasonal,
                   double *trend);

#endif
