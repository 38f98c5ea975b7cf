/* Means and variances of plain arrays, each in one fixed order of summation so that results repeat bit for bit. */
#ifndef MATH_MOMENTS_H
#define MATH_MOMENTS_H

#include "core/base.h"

/* Arithmetic mean; count >= 1. */
double mean_of(const double *values, size_t count);

/* Population standard deviation: sqrt(sum (x - mean)^2 / n), two passes, denominator n (ddof 0). count >= 1. */
double deviation_of(const double *values, size_t count);

/* Variance of the mean of an autocorrelated sequence: Bartlett's kernel (Newey & West 1987) with
 * lag = max(1.5 x overlap, n^(1/3)), at most n - 1:
 *     (g0 + 2 sum_l (1 - l / (lag + 1)) g_l) / n,   g_l = sum (x_t - mean)(x_t-l - mean) / n
 * `overlap`: how many neighbours share a part of what they measure (1: none). Never negative. count >= 1. */
double mean_variance_overlapping(const double *values, size_t count, double overlap);

#endif
