/* Regression of a scale: the optimum's own equations, sizes whose law is known, and what cannot be fitted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "core/arena.h"
#include "core/err.h"
#include "core/rand.h"
#include "math/scale_regression.h"
#include "near.h"

#define ARENA_MAX ((size_t)64 << 20)
#define ROWS 20000

static struct arena *arena;
static double first[ROWS], second[ROWS], sizes[ROWS];
static const double *const columns[] = {first, second};

/* Exponential sizes with log mean -5 + 0.7 first - 0.4 second. */
static int begin(void **state)
{
    struct rng rng;

    (void)state;
    arena = arena_create("test", ARENA_MAX);
    err_clear();
    rng_init(&rng, 7);
    for (size_t i = 0; i < ROWS; i++) {
        first[i] = rng_normal(&rng);
        second[i] = 0.8 * first[i] + 0.6 * rng_normal(&rng);
        double a = rng_normal(&rng), b = rng_normal(&rng); /* (a^2 + b^2) / 2 is exponential */
        sizes[i] = exp(-5.0 + 0.7 * first[i] - 0.4 * second[i]) * (a * a + b * b) / 2.0;
    }
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static struct scale_problem problem_of(double ridge)
{
    return (struct scale_problem){.rows = ROWS, .width = 3, .columns = columns, .y = sizes, .ridge = ridge};
}

static void finds_the_coefficients_that_made_the_sizes(void **state)
{
    struct scale_problem problem = problem_of(0.0);
    double beta[3];

    (void)state;
    assert_int_equal(scale_regression(arena, &problem, beta), 0);
    /* Standard errors are 1 / sqrt(ROWS (1 - correlation^2)) at most: 0.012. */
    assert_near(beta[0], -5.0, 0.03);
    assert_near(beta[1], 0.7, 0.05);
    assert_near(beta[2], -0.4, 0.05);
}

static void the_slope_vanishes_at_the_answer(void **state)
{
    const double ridge = 0.05;
    struct scale_problem problem = problem_of(ridge);
    double beta[3], slope[3] = {0};

    (void)state;
    assert_int_equal(scale_regression(arena, &problem, beta), 0);
    for (size_t i = 0; i < ROWS; i++) {
        double gain = sizes[i] * exp(-beta[0] - beta[1] * first[i] - beta[2] * second[i]) - 1.0;

        slope[0] += gain;
        slope[1] += gain * first[i];
        slope[2] += gain * second[i];
    }
    assert_near(slope[0] / ROWS, 0.0, 1e-12);
    assert_near(slope[1] / ROWS - ridge * beta[1], 0.0, 1e-12);
    assert_near(slope[2] / ROWS - ridge * beta[2], 0.0, 1e-12);
}

static void one_wild_size_does_not_lead_astray(void **state)
{
    struct scale_problem problem = problem_of(0.0);
    double beta[3], wild[3];

    (void)state;
    assert_int_equal(scale_regression(arena, &problem, beta), 0);
    sizes[17] *= 1e12;
    assert_int_equal(scale_regression(arena, &problem, wild), 0);
    for (size_t k = 0; k < 3; k++)
        assert_true(isfinite(wild[k]));
    assert_true(wild[0] > beta[0]);
}

static void sizes_that_are_all_zero_are_refused(void **state)
{
    struct scale_problem problem = problem_of(0.1);
    double beta[3];

    (void)state;
    for (size_t i = 0; i < ROWS; i++)
        sizes[i] = 0.0;
    assert_int_equal(scale_regression(arena, &problem, beta), -1);
    assert_int_equal(err_kind(), E_INPUT);
}

static void equal_columns_need_a_ridge(void **state)
{
    const double *const same[] = {first, first};
    struct scale_problem problem = problem_of(0.0);
    double beta[3];

    (void)state;
    problem.columns = same;
    assert_int_equal(scale_regression(arena, &problem, beta), -1);
    assert_int_equal(err_kind(), E_INPUT);
    err_clear();
    problem.ridge = 0.01;
    assert_int_equal(scale_regression(arena, &problem, beta), 0);
    assert_near(beta[1], beta[2], 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(finds_the_coefficients_that_made_the_sizes, begin, end),
        cmocka_unit_test_setup_teardown(the_slope_vanishes_at_the_answer, begin, end),
        cmocka_unit_test_setup_teardown(one_wild_size_does_not_lead_astray, begin, end),
        cmocka_unit_test_setup_teardown(sizes_that_are_all_zero_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(equal_columns_need_a_ridge, begin, end),
    };
    return cmocka_run_group_tests_name("math/scale_regression", tests, NULL, NULL);
}
