/* Small dense linear algebra on LAPACK (one thread). Matrices are row-major, `count` rows of `width`, no padding. */
#ifndef MATH_LINEAR_H
#define MATH_LINEAR_H

#include "core/arena.h"
#include "core/base.h"

/* Solves A x = b for a symmetric positive definite A (n x n, upper triangle read, destroyed); b becomes x.
 * E_INPUT when A is not positive definite. */
int linear_solve_spd(double *a, size_t n, double *b) BTCF_MUST_CHECK;

/* Inverse of a symmetric, perhaps indefinite, A (n x n) into `inverse`. E_INPUT when singular. */
int linear_inverse_symmetric(struct arena *arena, const double *a, size_t n, double *inverse) BTCF_MUST_CHECK;

/* Least squares by Householder QR: minimises |X beta - y| over `rows` x `width` X. E_INPUT when X has no full rank (a
 * pivot below 1e-12 of the largest). X and y are kept. */
int linear_least_squares(struct arena *arena, const double *x, const double *y, size_t rows, size_t width,
                         double *beta) BTCF_MUST_CHECK;

#endif
