/* Quantile regression against the truth: an optimum lies at a vertex, where `width` residuals are zero, so trying every set
 * of `width` rows finds it. Larger problems are compared with HiGHS in tests/reference.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "core/arena.h"
#include "core/err.h"
#include "core/rand.h"
#include "math/linear.h"
#include "math/quantile_regression.h"
#include "near.h"

#define ARENA_MAX ((size_t)64 << 20)
#define LARGE 6000
#define WIDTH 3

static const double levels[] = {0.1, 0.5, 0.9, 0.98};
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

/* Sizes that scale with three positive regressors, of which two are much alike. */
static struct quantile_problem make_problem(size_t rows, uint64_t seed)
{
    double **columns = arena_array(arena, WIDTH, sizeof *columns), *y = arena_array(arena, rows, sizeof *y);
    struct rng rng;

    rng_init(&rng, seed);
    for (size_t k = 0; k < WIDTH; k++)
        columns[k] = arena_array(arena, rows, sizeof *columns[k]);
    for (size_t i = 0; i < rows; i++) {
        columns[0][i] = exp(0.5 * rng_normal(&rng));
        columns[1][i] = columns[0][i] * exp(0.3 * rng_normal(&rng));
        columns[2][i] = exp(0.3 * rng_normal(&rng));
        y[i] = fabs(rng_normal(&rng)) * (0.5 * columns[0][i] + 0.2 * columns[1][i] + columns[2][i]);
    }
    return (struct quantile_problem){.rows = rows, .width = WIDTH, .columns = (const double *const *)columns, .y = y};
}

/* Loss of the plane through three rows; infinite when they give none. */
static double loss_through(const struct quantile_problem *problem, double level, const size_t rows[WIDTH])
{
    double x[WIDTH * WIDTH], y[WIDTH], beta[WIDTH];

    for (size_t i = 0; i < WIDTH; i++) {
        y[i] = problem->y[rows[i]];
        for (size_t k = 0; k < WIDTH; k++)
            x[i * WIDTH + k] = problem->columns[k][rows[i]];
    }
    if (linear_least_squares(arena, x, y, WIDTH, WIDTH, beta) < 0) {
        err_clear();
        return INFINITY;
    }
    return quantile_loss(problem, level, beta);
}

static double least_loss(const struct quantile_problem *problem, double level)
{
    double least = INFINITY;

    for (size_t a = 0; a < problem->rows; a++)
        for (size_t b = a + 1; b < problem->rows; b++)
            for (size_t c = b + 1; c < problem->rows; c++)
                least = fmin(least, loss_through(problem, level, (const size_t[]){a, b, c}));
    return least;
}

static void finds_the_best_of_all_vertices(void **state)
{
    double beta[WIDTH];

    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++)
        for (size_t i = 0; i < BTCF_LENGTH(levels); i++) {
            struct quantile_problem problem = make_problem(24, seed);

            assert_int_equal(quantile_regression(arena, &problem, levels[i], beta), 0);
            assert_close(quantile_loss(&problem, levels[i], beta), least_loss(&problem, levels[i]), 1e-8);
            arena_reset(arena);
        }
}

/* At the optimum of a level t a share t of the residuals is negative, but for `width` that are zero (Koenker & Bassett 1978,
 * theorem 3.4), when a combination of the regressors is constant; so a constant is added. */
static void leaves_the_level_s_share_of_rows_below(void **state)
{
    double beta[WIDTH];

    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(levels); i++) {
        struct quantile_problem problem = make_problem(LARGE, 9);
        double *ones = arena_array(arena, LARGE, sizeof *ones);
        const double *columns[WIDTH] = {problem.columns[0], problem.columns[2], ones};
        size_t below = 0;

        for (size_t row = 0; row < LARGE; row++)
            ones[row] = 1.0;
        problem.columns = columns;
        assert_int_equal(quantile_regression(arena, &problem, levels[i], beta), 0);
        for (size_t row = 0; row < LARGE; row++)
            below += problem.y[row] < beta[0] * columns[0][row] + beta[1] * columns[1][row] + beta[2];
        assert_near((double)below, levels[i] * LARGE, WIDTH + 1.0);
        arena_reset(arena);
    }
}

/* The optimum is one where the slope of the loss changes its sign in each direction. */
static void large_problems_that_are_preprocessed_end_at_an_optimum(void **state)
{
    double beta[WIDTH];

    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(levels); i++) {
        struct quantile_problem problem = make_problem(LARGE, 5);

        assert_int_equal(quantile_regression(arena, &problem, levels[i], beta), 0);
        double least = quantile_loss(&problem, levels[i], beta);
        for (size_t k = 0; k < WIDTH; k++)
            for (double step = -1e-4; step < 2e-4; step += 2e-4) {
                double moved[WIDTH];

                memcpy(moved, beta, sizeof moved);
                moved[k] += step;
                assert_true(quantile_loss(&problem, levels[i], moved) > least);
            }
        arena_reset(arena);
    }
}

static void scaling_the_sizes_scales_the_answer(void **state)
{
    struct quantile_problem problem = make_problem(500, 4);
    double beta[WIDTH], scaled[WIDTH], *tiny = arena_array(arena, 500, sizeof *tiny);

    (void)state;
    assert_int_equal(quantile_regression(arena, &problem, 0.8, beta), 0);
    for (size_t i = 0; i < 500; i++)
        tiny[i] = 1e-6 * problem.y[i];
    problem.y = tiny;
    assert_int_equal(quantile_regression(arena, &problem, 0.8, scaled), 0);
    for (size_t k = 0; k < WIDTH; k++)
        assert_close(scaled[k], 1e-6 * beta[k], 1e-6);
}

static void the_same_rows_give_the_same_bits(void **state)
{
    struct quantile_problem problem = make_problem(LARGE, 2);
    double first[WIDTH], second[WIDTH];

    (void)state;
    assert_int_equal(quantile_regression(arena, &problem, 0.9, first), 0);
    assert_int_equal(quantile_regression(arena, &problem, 0.9, second), 0);
    assert_memory_equal(first, second, sizeof first);
}

static void columns_that_are_not_independent_are_refused(void **state)
{
    struct quantile_problem problem = make_problem(100, 3);
    double beta[WIDTH], *zeros = arena_array(arena, 100, sizeof *zeros);
    const double *columns[WIDTH] = {problem.columns[0], problem.columns[1], zeros};

    (void)state;
    problem.columns = columns;
    assert_int_equal(quantile_regression(arena, &problem, 0.5, beta), -1);
    assert_int_equal(err_kind(), E_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(finds_the_best_of_all_vertices, begin, end),
        cmocka_unit_test_setup_teardown(leaves_the_level_s_share_of_rows_below, begin, end),
        cmocka_unit_test_setup_teardown(large_problems_that_are_preprocessed_end_at_an_optimum, begin, end),
        cmocka_unit_test_setup_teardown(scaling_the_sizes_scales_the_answer, begin, end),
        cmocka_unit_test_setup_teardown(the_same_rows_give_the_same_bits, begin, end),
        cmocka_unit_test_setup_teardown(columns_that_are_not_independent_are_refused, begin, end),
    };
    return cmocka_run_group_tests_name("math/quantile_regression", tests, NULL, NULL);
}
