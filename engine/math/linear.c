/* See the header. LAPACK works on column-major matrices; symmetric ones need no turning. */
#include "math/linear.h"

#include <math.h>
#include <string.h>

#include <lapacke.h>

#include "core/err.h"

#define RANK_MIN 1e-12

int linear_solve_spd(double *a, size_t n, double *b)
{
    lapack_int info = LAPACKE_dposv(LAPACK_ROW_MAJOR, 'U', (lapack_int)n, 1, a, (lapack_int)n, b, 1);

    return info == 0 ? 0 : err_set(E_INPUT, "a matrix of %zu rows is not positive definite", n);
}

int linear_inverse_symmetric(struct arena *arena, const double *a, size_t n, double *inverse)
{
    lapack_int *pivots = arena_array(arena, n, sizeof *pivots), order = (lapack_int)n;

    memcpy(inverse, a, n * n * sizeof *a);
    if (LAPACKE_dsytrf(LAPACK_ROW_MAJOR, 'U', order, inverse, order, pivots) != 0 ||
        LAPACKE_dsytri(LAPACK_ROW_MAJOR, 'U', order, inverse, order, pivots) != 0)
        return err_set(E_INPUT, "a matrix of %zu rows is singular", n);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i; k++)
            inverse[i * n + k] = inverse[k * n + i];
    return 0;
}

int linear_least_squares(struct arena *arena, const double *x, const double *y, size_t rows, size_t width,
                         double *beta)
{
    lapack_int rank = 0, *pivots = arena_array(arena, width, sizeof *pivots);
    double *left = arena_array(arena, rows * width, sizeof *left);
    double *right = arena_array(arena, rows > width ? rows : width, sizeof *right);

    memcpy(left, x, rows * width * sizeof *x);
    memcpy(right, y, rows * sizeof *y);
    lapack_int info = LAPACKE_dgelsy(LAPACK_ROW_MAJOR, (lapack_int)rows, (lapack_int)width, 1, left,
                                     (lapack_int)width, right, 1, pivots, RANK_MIN, &rank);
    if (info != 0 || (size_t)rank < width)
        return err_set(E_INPUT, "%zu columns of %zu rows are not independent", width, rows);
    memcpy(beta, right, width * sizeof *beta);
    return 0;
}
