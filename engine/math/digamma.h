/* The logarithmic derivative of the gamma function. */
#ifndef MATH_DIGAMMA_H
#define MATH_DIGAMMA_H

/* psi(x) = d log Gamma(x) / dx for x > 0, to about 1e-14 absolute; NaN otherwise. */
double digamma(double x);

#endif
