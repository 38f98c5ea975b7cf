/* See the header. Each step solves (J'J + damping diag(J'J)) step = -J'r over the free variables; a step that does not
 * improve raises the damping tenfold and costs one evaluation, one that does lowers it.
 */
#include "math/levenberg.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/err.h"
#include "math/linear.h"

#define DIFFERENCE 1e-6 /* step of the differences, relative to the variable or to SCALE_MIN */
#define SCALE_MIN 1e-2
#define DAMPING_FIRST 1e-3
#define DAMPING_MIN 1e-10
#define DAMPING_MAX 1e10
#define DAMPING_FACTOR 10.0
#define DIAGONAL_MIN 1e-14 /* of the largest diagonal element: a variable that moves nothing stays where it is */

struct search {
    const struct levenberg_problem *problem;
    double *x, *trial, *residuals, *moved;
    double *jacobian; /* count columns of `rows` */
    double *normal, *system, *step, gradient[LEVENBERG_COUNT_MAX];
    size_t free[LEVENBERG_COUNT_MAX], free_count;
    double sum, damping;
};

static double lower_of(const struct levenberg_problem *problem, size_t i)
{
    return problem->lower != NULL ? problem->lower[i] : -INFINITY;
}

static double upper_of(const struct levenberg_problem *problem, size_t i)
{
    return problem->upper != NULL ? problem->upper[i] : INFINITY;
}

static double product(const double *a, const double *b, size_t count)
{
    double sum = 0.0;

    for (size_t i = 0; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}

/* The sum of squares at x, its residuals left in `residuals`; INFINITY where there is none. */
static double evaluate(const struct levenberg_problem *problem, const double *x, double *residuals)
{
    if (!problem->residuals(problem->arg, x, residuals))
        return INFINITY;
    double sum = product(residuals, residuals, problem->rows);
    return isfinite(sum) ? sum : INFINITY;
}

/* One column of the Jacobian, by a step that stays inside the box; zeros when neither side can be computed. */
static void make_column(struct search *search, size_t i)
{
    const struct levenberg_problem *problem = search->problem;
    double *column = search->jacobian + i * problem->rows, x = search->x[i];
    double step = DIFFERENCE * fmax(fabs(x), SCALE_MIN);

    if (x + step > upper_of(problem, i))
        step = -step;
    for (int side = 0; side < 2; side++, step = -step) {
        search->x[i] = x + step;
        double width = search->x[i] - x;
        bool is_good = isfinite(evaluate(problem, search->x, search->moved));
        search->x[i] = x;
        if (!is_good)
            continue;
        for (size_t row = 0; row < problem->rows; row++)
            column[row] = (search->moved[row] - search->residuals[row]) / width;
        return;
    }
    memset(column, 0, problem->rows * sizeof *column);
}

/* Jacobian, J'J, J'r, and which variables may move. */
static void linearise(struct search *search)
{
    const struct levenberg_problem *problem = search->problem;
    size_t n = problem->count, rows = problem->rows;

    search->free_count = 0;
    for (size_t i = 0; i < n; i++) {
        make_column(search, i);
        const double *column = search->jacobian + i * rows;
        search->gradient[i] = product(column, search->residuals, rows);
        for (size_t k = 0; k <= i; k++)
            search->normal[k * n + i] = product(search->jacobian + k * rows, column, rows);
        bool is_held = (search->x[i] <= lower_of(problem, i) && search->gradient[i] >= 0.0) ||
                       (search->x[i] >= upper_of(problem, i) && search->gradient[i] <= 0.0);
        if (!is_held)
            search->free[search->free_count++] = i;
    }
}

/* The damped step over the free variables into `trial`, cut at the bounds. */
static int make_trial(struct search *search)
{
    const struct levenberg_problem *problem = search->problem;
    size_t n = problem->count, free_count = search->free_count;
    double largest = 0.0;

    for (size_t i = 0; i < free_count; i++)
        largest = fmax(largest, search->normal[search->free[i] * (n + 1)]);
    for (size_t i = 0; i < free_count; i++) {
        for (size_t k = i; k < free_count; k++)
            search->system[i * free_count + k] = search->normal[search->free[i] * n + search->free[k]];
        double *diagonal = &search->system[i * (free_count + 1)];
        *diagonal += search->damping * fmax(*diagonal, DIAGONAL_MIN * largest) + DIAGONAL_MIN * largest;
        search->step[i] = -search->gradient[search->free[i]];
    }
    if (linear_solve_spd(search->system, free_count, search->step) < 0)
        return -1;
    memcpy(search->trial, search->x, n * sizeof *search->trial);
    for (size_t i = 0; i < free_count; i++) {
        size_t at = search->free[i];
        search->trial[at] = fmin(fmax(search->x[at] + search->step[i], lower_of(problem, at)), upper_of(problem, at));
    }
    return 0;
}

/* Tries steps with more and more damping until one improves. What it gained, or 0 when none does. */
static double improve(struct search *search)
{
    for (; search->damping <= DAMPING_MAX; search->damping *= DAMPING_FACTOR) {
        if (make_trial(search) < 0) {
            err_clear(); /* more damping makes it definite */
            continue;
        }
        double sum = evaluate(search->problem, search->trial, search->moved);
        if (!(sum < search->sum))
            continue;

        double gain = search->sum - sum, *residuals = search->residuals;
        memcpy(search->x, search->trial, search->problem->count * sizeof *search->x);
        search->residuals = search->moved;
        search->moved = residuals;
        search->sum = sum;
        search->damping = fmax(search->damping / DAMPING_FACTOR, DAMPING_MIN);
        return gain;
    }
    return 0.0;
}

int levenberg_solve(struct arena *arena, const struct levenberg_problem *problem, double *x,
                    struct levenberg_result *result)
{
    size_t n = problem->count, rows = problem->rows;
    struct search search = {
        .problem = problem,
        .x = x,
        .trial = arena_array(arena, n, sizeof(double)),
        .residuals = arena_array(arena, rows, sizeof(double)),
        .moved = arena_array(arena, rows, sizeof(double)),
        .jacobian = arena_array(arena, n * rows, sizeof(double)),
        .normal = arena_array(arena, n * n, sizeof(double)),
        .system = arena_array(arena, n * n, sizeof(double)),
        .step = arena_array(arena, n, sizeof(double)),
        .damping = DAMPING_FIRST,
    };

    assert(n >= 1 && n <= LEVENBERG_COUNT_MAX);
    *result = (struct levenberg_result){0};
    search.sum = evaluate(problem, x, search.residuals);
    if (!isfinite(search.sum))
        return err_set(E_INPUT, "the model cannot be computed at the start of the search");
    while (!result->converged && result->steps < problem->steps_max) {
        linearise(&search);
        double gain = search.free_count == 0 ? 0.0 : improve(&search);
        result->steps++;
        result->converged = gain <= problem->tolerance * search.sum;
    }
    result->sum = search.sum;
    return 0;
}
