/* The Kolmogorov-Smirnov test of uniformity, for probability integral transforms. */
#ifndef MATH_KOLMOGOROV_H
#define MATH_KOLMOGOROV_H

#include "core/arena.h"
#include "core/base.h"

/* Two-sided p-value that `values` (within 0..1; they come back sorted) are independent draws from the uniform
 * distribution. The arena is scratch (2 MB at most). count >= 1. */
double kolmogorov_uniform_p(struct arena *arena, double *values, size_t count);

/* P(D_n >= d) for the statistic of n uniform draws. Exact to 7 digits up to n = KOLMOGOROV_EXACT_MAX, beyond that the
 * limit law with Stephens's correction. */
#define KOLMOGOROV_EXACT_MAX 4000
double kolmogorov_tail(struct arena *arena, size_t n, double d);

#endif
