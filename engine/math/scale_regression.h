/* Regression of the size of something on a log-linear scale: the beta that minimises
 *
 *     sum_i y[i] exp(-x[i] beta) + x[i] beta  +  ridge rows / 2 sum_k beta[k]^2 (k > 0),   y >= 0
 *
 * which is the likelihood of y being exponential with mean exp(x beta), hence of a Laplace-distributed return. It is the
 * quasi-likelihood of any y with that mean (Gourieroux, Monfort & Trognon 1984, Econometrica 52, 681-700), and like all of
 * its family consistent whatever the distribution; of |r| it is far less upset by outliers than least squares on squares,
 * and unlike least squares on logarithms it takes zeros. The function is convex: Newton's method finds its one minimum.
 */
#ifndef MATH_SCALE_REGRESSION_H
#define MATH_SCALE_REGRESSION_H

#include "core/arena.h"
#include "core/base.h"

#define SCALE_REGRESSION_WIDTH_MAX 16

struct scale_problem {
    size_t rows, width;           /* width 1..SCALE_REGRESSION_WIDTH_MAX, the first column is the constant 1 */
    const double *const *columns; /* width - 1 arrays of `rows` finite numbers, best centred: without the constant */
    const double *y;              /* sizes, finite, none negative */
    double ridge;                 /* weight of one row's worth of shrinkage to 0; 0: none */
};

/* beta[0] belongs to the constant. E_INPUT when all sizes are 0 or the columns are not independent (and ridge is 0). */
int scale_regression(struct arena *arena, const struct scale_problem *problem, double *beta) BTCF_MUST_CHECK;

#endif
