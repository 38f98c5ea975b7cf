/* Least squares with known solutions: in the open, on a bound, where a model is not everywhere defined, and where nothing is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/err.h"
#include "math/levenberg.h"
#include "near.h"

#define ARENA_MAX ((size_t)1 << 20)

static struct arena *arena;

static int begin(void **state)
{
    (void)state;
    arena = arena_create("test", ARENA_MAX);
    err_clear();
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

/* Rosenbrock's valley as two residuals; its least point is (1, 1). */
static bool valley(void *arg, const double *x, double *residuals)
{
    (void)arg;
    residuals[0] = 10.0 * (x[1] - x[0] * x[0]);
    residuals[1] = 1.0 - x[0];
    return true;
}

/* y = a exp(-b t), b > 0, through points of a = 2, b = 0.5. */
static bool decay(void *arg, const double *x, double *residuals)
{
    (void)arg;
    if (!(x[1] > 0.0))
        return false;
    for (int t = 0; t < 5; t++)
        residuals[t] = 2.0 * exp(-0.5 * t) - x[0] * exp(-x[1] * t);
    return true;
}

static bool nowhere(void *arg, const double *x, double *residuals)
{
    (void)arg, (void)x, (void)residuals;
    return false;
}

static void reaches_the_end_of_a_bent_valley(void **state)
{
    const struct levenberg_problem problem = {
        .count = 2, .rows = 2, .residuals = valley, .steps_max = 200, .tolerance = 1e-14};
    struct levenberg_result result;
    double x[] = {-1.2, 1.0};

    (void)state;
    assert_int_equal(levenberg_solve(arena, &problem, x, &result), 0);
    assert_true(result.converged);
    assert_near(x[0], 1.0, 1e-8);
    assert_near(x[1], 1.0, 1e-8);
    assert_near(result.sum, 0.0, 1e-16);
}

static void steps_back_from_where_the_model_is_not_defined(void **state)
{
    const struct levenberg_problem problem = {
        .count = 2, .rows = 5, .residuals = decay, .steps_max = 200, .tolerance = 1e-14};
    struct levenberg_result result;
    double x[] = {0.1, 5.0};

    (void)state;
    assert_int_equal(levenberg_solve(arena, &problem, x, &result), 0);
    assert_near(x[0], 2.0, 1e-7);
    assert_near(x[1], 0.5, 1e-7);
}

static void stays_exactly_on_a_bound_that_the_sum_pushes_against(void **state)
{
    const double lower[] = {-10.0, -10.0}, upper[] = {0.5, 10.0};
    const struct levenberg_problem problem = {.count = 2,
                                              .rows = 2,
                                              .residuals = valley,
                                              .lower = lower,
                                              .upper = upper,
                                              .steps_max = 200,
                                              .tolerance = 1e-14};
    struct levenberg_result result;
    double x[] = {-1.2, 1.0};

    (void)state;
    assert_int_equal(levenberg_solve(arena, &problem, x, &result), 0);
    assert_true(result.converged);
    assert_near(x[0], 0.5, 0.0);
    assert_near(x[1], 0.25, 1e-7); /* the best with the first held */
    assert_near(result.sum, 0.25, 1e-10);
}

static void says_when_its_steps_were_too_few(void **state)
{
    const struct levenberg_problem problem = {
        .count = 2, .rows = 2, .residuals = valley, .steps_max = 2, .tolerance = 1e-14};
    struct levenberg_result result;
    double x[] = {-1.2, 1.0};

    (void)state;
    assert_int_equal(levenberg_solve(arena, &problem, x, &result), 0);
    assert_false(result.converged);
    assert_int_equal(result.steps, 2);
}

static void refuses_a_start_without_residuals(void **state)
{
    const struct levenberg_problem problem = {.count = 1, .rows = 1, .residuals = nowhere, .steps_max = 9};
    struct levenberg_result result;
    double x[] = {1.0};

    (void)state;
    assert_int_equal(levenberg_solve(arena, &problem, x, &result), -1);
    assert_int_equal(err_kind(), E_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reaches_the_end_of_a_bent_valley, begin, end),
        cmocka_unit_test_setup_teardown(steps_back_from_where_the_model_is_not_defined, begin, end),
        cmocka_unit_test_setup_teardown(stays_exactly_on_a_bound_that_the_sum_pushes_against, begin, end),
        cmocka_unit_test_setup_teardown(says_when_its_steps_were_too_few, begin, end),
        cmocka_unit_test_setup_teardown(refuses_a_start_without_residuals, begin, end),
    };
    return cmocka_run_group_tests_name("math/levenberg", tests, NULL, NULL);
}
