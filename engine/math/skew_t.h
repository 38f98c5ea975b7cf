/* The skewed Student t with mean 0 and variance 1.
 *
 * Fernandez & Steel (1998, JASA 93, 359-371) stretch the right half of a symmetric law by xi and shrink the left one by
 * it; Lambert & Laurent (2001) and Wuertz's fGarch bring the result back to mean 0 and variance 1:
 *
 *     f(z) = 2 s / (xi + 1/xi) g((s z + m) xi^-+1),   - where s z + m >= 0, + where it is negative
 *     m = M (xi - 1/xi),   s^2 = (1 - M^2)(xi^2 + 1/xi^2) + 2 M^2 - 1,   M = E|T| of the standardised t density g
 *
 * Hansen (1994, International Economic Review 35, 705-730) writes the same law with -1 < lambda < 1: the two halves are stretched
 * by 1 - lambda and 1 + lambda, so xi^2 = (1 + lambda) / (1 - lambda). A test holds his own formula against ours.
 */
#ifndef MATH_SKEW_T_H
#define MATH_SKEW_T_H

#include "math/student_t.h"

struct skew_t {
    struct student_t symmetric;
    double xi;
    double mean, mean_nu, mean_xi;                         /* m and its derivatives */
    double scale, scale_nu, scale_xi;                      /* s and its derivatives */
    double log_constant, log_constant_nu, log_constant_xi; /* of f but for g(0) */
};

/* nu > 2, xi > 0; xi = 1 is the symmetric law. */
struct skew_t skew_t_make(double nu, double xi);

/* Derivatives of log f(z). */
struct skew_t_gradient {
    double z, nu, xi;
};

/* log f(z); gradient may be NULL. */
double skew_t_log_density(const struct skew_t *law, double z, struct skew_t_gradient *gradient);

double skew_t_cdf(const struct skew_t *law, double z);
double skew_t_quantile(const struct skew_t *law, double p);

/* Hansen's lambda to our xi. */
double skew_t_xi(double lambda);

#endif
