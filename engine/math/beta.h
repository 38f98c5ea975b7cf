/* The incomplete beta function and what rests on it: Student's t and the exact binomial interval. */
#ifndef MATH_BETA_H
#define MATH_BETA_H

/* I_x(a, b), the distribution function of Beta(a, b) at x; a, b > 0. About 1e-13 relative. */
double beta_cdf(double x, double a, double b);

/* The x with I_x(a, b) = p; by bisection, to 1e-15 absolute. */
double beta_quantile(double p, double a, double b);

/* P(T > t) for Student's t with `freedom` > 0 degrees of freedom. */
double student_tail(double t, double freedom);

/* The t with P(T > t) = tail, 0 < tail < 1. */
double student_quantile_upper(double tail, double freedom);

/* Exact interval for a share (Clopper & Pearson 1934, Biometrika 26, 404-413): `hits` of `trials`, both may be
 * fractional (an effective number of trials); level 0.95 leaves 2.5% on each side. trials > 0, 0 <= hits <= trials. */
void binomial_interval(double hits, double trials, double level, double *low, double *high);

#endif
