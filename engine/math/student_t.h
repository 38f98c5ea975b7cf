/* Student's t in units of its own standard deviation: the law of innovations whose variance must be 1 (Bollerslev 1987,
 * Review of Economics and Statistics 69, 542-547). nu > 2 degrees of freedom.
 *
 *     f(z) = Gamma((nu+1)/2) / (Gamma(nu/2) sqrt(pi (nu-2))) (1 + z^2 / (nu-2))^(-(nu+1)/2)
 *
 * The law for an nu is made once and asked often; math/beta.h has the law in its textbook units.
 */
#ifndef MATH_STUDENT_T_H
#define MATH_STUDENT_T_H

#include "core/base.h"

struct student_t {
    double nu;
    double log_constant;    /* log f(0) */
    double log_constant_nu; /* its derivative by nu */
};

/* nu > 2. */
struct student_t student_t_make(double nu);

/* log f(z); by_z and by_nu, its derivatives, may be NULL. */
double student_t_log_density(const struct student_t *law, double z, double *by_z, double *by_nu);

/* P(Z <= z), and the z with P(Z <= z) = p, 0 < p < 1. */
double student_t_cdf(double z, double nu);
double student_t_quantile(double p, double nu);

/* Quantiles of |Z| at (i + 1/2) / count, ascending: `count` equally likely values that stand for the law. Exact to 1e-9
 * relative; much cheaper than `count` calls of the above. */
void student_t_halves(double nu, double *values, size_t count);

#endif
