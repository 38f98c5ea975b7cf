/* Minimisation of smooth and of rough functions, with a named budget.
 *
 * The quasi-Newton method is NLopt's L-BFGS (Nocedal 1980; Liu & Nocedal 1989), the derivative-free one its Sbplx (Rowan
 * 1990), both inside box bounds. Deterministic: same start and function, same steps. A function that cannot be computed
 * at a point returns a not-finite value there; the search steps back from it.
 */
#ifndef MATH_OPTIMISE_H
#define MATH_OPTIMISE_H

#include "core/base.h"

#define OPTIMISE_COUNT_MAX 128

struct optimise_problem {
    size_t count; /* of variables, at most OPTIMISE_COUNT_MAX */
    /* Value at x; also the gradient when `gradient` is not NULL (the simplex method never asks). */
    double (*value)(void *arg, const double *x, double *gradient);
    void *arg;
    const double *lower, *upper; /* bounds, NULL for none; +-INFINITY in single places */
    int evaluations_max;         /* a line search that has begun is finished */
    double tolerance;            /* relative, on the value; 0: as far as the arithmetic goes */
};

struct optimise_result {
    double value;
    int evaluations;
    bool converged; /* false: the budget ended the search; x is the best point seen */
};

/* From x to the best point found, in place. E_INPUT when the value at the start is not finite. */
int optimise_lbfgs(const struct optimise_problem *problem, double *x, struct optimise_result *result) BTCF_MUST_CHECK;
/* `step` is the first step in each direction, NULL for a tenth of |x| or 0.1. */
int optimise_simplex(const struct optimise_problem *problem, const double *step, double *x,
                     struct optimise_result *result) BTCF_MUST_CHECK;

#endif
