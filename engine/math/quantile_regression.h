/* Linear quantile regression (Koenker & Bassett 1978, Econometrica 46, 33-50): for each level t the beta that minimises
 *
 *     sum_i pinball_t(y[i] - x[i] beta),   pinball_t(u) = u (t - [u < 0])
 *
 * by the Frisch-Newton interior point method on the bounded dual, with Portnoy and Koenker's preprocessing (1997,
 * Statistical Science 12, 279-300): rows that lie clearly above or below the quantile are glued into one each. There is no
 * intercept but what the caller puts into x. A weighted regression is one whose rows (x and y) were multiplied by the
 * weights.
 *
 *     struct quantile_problem problem = {.rows = n, .width = 6, .columns = columns, .y = y};
 *     if (quantile_regression(arena, &problem, 0.9, beta) < 0) ...
 *
 * Deterministic; no randomness in the choice of the first sample.
 */
#ifndef MATH_QUANTILE_REGRESSION_H
#define MATH_QUANTILE_REGRESSION_H

#include "core/arena.h"
#include "core/base.h"

#define QUANTILE_REGRESSION_WIDTH_MAX 16

struct quantile_problem {
    size_t rows, width;           /* width 1..QUANTILE_REGRESSION_WIDTH_MAX, rows > width */
    const double *const *columns; /* width arrays of `rows` numbers, all finite */
    const double *y;
};

/* The optimum to about 1e-9 of the objective; where it is not unique, one of them. The arena is scratch. E_INPUT when the
 * columns are not independent. */
int quantile_regression(struct arena *arena, const struct quantile_problem *problem, double level,
                        double *beta) BTCF_MUST_CHECK;

/* The mean pinball loss of y - x beta. */
double quantile_loss(const struct quantile_problem *problem, double level, const double *beta);

#endif
