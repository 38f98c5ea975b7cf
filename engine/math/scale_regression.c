/* Newton's method on a convex function; see the header.
 *
 * Far from the minimum exp(-x beta) is huge in single rows, so a step may change no row's log scale by more than STEP_MAX: a
 * trust region in the only units that matter. Eight steps are usual.
 */
#include "math/scale_regression.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/err.h"
#include "math/linear.h"

#define WIDTH_MAX SCALE_REGRESSION_WIDTH_MAX
#define ITERATIONS_MAX 100
#define STEP_MAX 2.0
#define STEP_DONE 1e-11 /* in log scale: as far as the sums are exact */

static void apply(const struct scale_problem *problem, const double *beta, double *out)
{
    for (size_t i = 0; i < problem->rows; i++)
        out[i] = beta[0];
    for (size_t k = 1; k < problem->width; k++)
        for (size_t i = 0; i < problem->rows; i++)
            out[i] += beta[k] * problem->columns[k - 1][i];
}

/* Sums of weight x_k x_m and of gain x_k, constant first. */
static void add_up(const struct scale_problem *problem, const double *weight, double *hessian, double *slope)
{
    size_t width = problem->width, rows = problem->rows;

    memset(hessian, 0, width * width * sizeof *hessian);
    memset(slope, 0, width * sizeof *slope);
    for (size_t i = 0; i < rows; i++) {
        hessian[0] += weight[i];
        slope[0] += weight[i] - 1.0;
    }
    for (size_t k = 1; k < width; k++) {
        const double *column = problem->columns[k - 1];

        for (size_t i = 0; i < rows; i++) {
            hessian[k] += weight[i] * column[i];
            slope[k] += (weight[i] - 1.0) * column[i];
        }
        for (size_t m = k; m < width; m++) {
            const double *other = problem->columns[m - 1];
            double sum = 0.0;

            for (size_t i = 0; i < rows; i++)
                sum += weight[i] * column[i] * other[i];
            hessian[k * width + m] = sum;
        }
    }
}

static double largest(const double *values, size_t count)
{
    double most = 0.0;

    for (size_t i = 0; i < count; i++)
        most = fmax(most, fabs(values[i]));
    return most;
}

int scale_regression(struct arena *arena, const struct scale_problem *problem, double *beta)
{
    size_t width = problem->width, rows = problem->rows;
    double hessian[WIDTH_MAX * WIDTH_MAX], step[WIDTH_MAX], mean = 0.0;
    double *weight = arena_array(arena, rows, sizeof *weight), *move = arena_array(arena, rows, sizeof *move);

    assert(width >= 1 && width <= WIDTH_MAX && rows > width);
    for (size_t i = 0; i < rows; i++)
        mean += problem->y[i] / (double)rows;
    if (!(mean > 0.0))
        return err_set(E_INPUT, "all %zu sizes are 0", rows);
    memset(beta, 0, width * sizeof *beta);
    beta[0] = log(mean);
    for (int i = 0; i < ITERATIONS_MAX; i++) {
        apply(problem, beta, move);
        for (size_t r = 0; r < rows; r++)
            weight[r] = problem->y[r] * exp(-move[r]);
        add_up(problem, weight, hessian, step);
        for (size_t k = 1; k < width; k++) {
            hessian[k * width + k] += problem->ridge * (double)rows;
            step[k] -= problem->ridge * (double)rows * beta[k];
        }
        if (linear_solve_spd(hessian, width, step) < 0)
            return err_wrap("while a scale was regressed on %zu columns", width);
        apply(problem, step, move);
        double most = largest(move, rows), share = most > STEP_MAX ? STEP_MAX / most : 1.0;
        for (size_t k = 0; k < width; k++)
            beta[k] += share * step[k];
        if (most < STEP_DONE)
            return 0;
    }
    return 0; /* the budget ended: still the best point seen, as the function falls at every step */
}
