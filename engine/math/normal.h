/* The standard normal distribution. */
#ifndef MATH_NORMAL_H
#define MATH_NORMAL_H

/* P(Z <= x), to the last digits in both tails (through erfc). */
double normal_cdf(double x);

/* The x with P(Z <= x) = p for 0 < p < 1, relative error below 1e-15: algorithm AS 241, PPND16 (Wichura 1988, "The
 * percentage points of the normal distribution", Applied Statistics 37(3), 477-484). -inf at 0, +inf at 1, NaN outside.
 * normal_quantile(1 - p) is -normal_quantile(p) up to the rounding of 1 - p. */
double normal_quantile(double p);

#endif
