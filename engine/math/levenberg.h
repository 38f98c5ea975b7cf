/* Least squares for a nonlinear model inside a box: Levenberg (1944), Marquardt (1963, J. SIAM 11, 431-441), with a Jacobian by
 * differences.
 *
 * Minimises sum r_i(x)^2 over lower <= x <= upper. Exact likelihoods of ARIMA and ETS are such sums when each innovation is
 * divided by its deviation and all are multiplied by the geometric mean of the deviations, and then converge in a handful
 * of steps. Variables that sit on a bound and are pushed outwards are left out of a step; what is on a bound stays
 * exactly on it. Deterministic.
 */
#ifndef MATH_LEVENBERG_H
#define MATH_LEVENBERG_H

#include "core/arena.h"
#include "core/base.h"

#define LEVENBERG_COUNT_MAX 64

struct levenberg_problem {
    size_t count, rows; /* variables (1..LEVENBERG_COUNT_MAX) and residuals */
    /* Residuals at x; false when there are none there: the search steps back. */
    bool (*residuals)(void *arg, const double *x, double *residuals);
    void *arg;
    const double *lower, *upper; /* +-INFINITY in single places; NULL: no bounds at all */
    int steps_max;
    double tolerance; /* ends when a step gains less than this share of the sum */
};

struct levenberg_result {
    double sum; /* of squares */
    int steps;
    bool converged; /* false: steps_max ended the search; x is the best point seen */
};

/* From x to the best point found, in place. E_INPUT when there are no finite residuals at the start. */
int levenberg_solve(struct arena *arena, const struct levenberg_problem *problem, double *x,
                    struct levenberg_result *result) BTCF_MUST_CHECK;

#endif
