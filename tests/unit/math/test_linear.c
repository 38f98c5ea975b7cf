/* Dense algebra against small systems solved by hand, its refusals, and that it brings no threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <math.h>

#include "core/arena.h"
#include "core/err.h"
#include "math/linear.h"
#include "near.h"

#define ARENA_MAX ((size_t)1 << 20)
#define ROWS 200

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

static void solves_a_positive_definite_system(void **state)
{
    double a[] = {4, 2, 2, 3}, b[] = {2, 5};

    (void)state;
    assert_int_equal(linear_solve_spd(a, 2, b), 0); /* 4x + 2y = 2, 2x + 3y = 5 */
    assert_near(b[0], -0.5, 1e-15);
    assert_near(b[1], 2.0, 1e-15);
}

static void refuses_to_solve_what_is_not_positive_definite(void **state)
{
    double indefinite[] = {1, 2, 2, 1}, b[] = {1, 1};

    (void)state;
    assert_int_equal(linear_solve_spd(indefinite, 2, b), -1);
    assert_int_equal(err_kind(), E_INPUT);
}

/* Hessians near a saddle are neither positive nor negative definite. */
static void inverts_an_indefinite_symmetric_matrix(void **state)
{
    static const double a[] = {1, 2, 0, 2, -3, 1, 0, 1, 5};
    double inverse[9];

    (void)state;
    assert_int_equal(linear_inverse_symmetric(arena, a, 3, inverse), 0);
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < 3; k++) {
            double product = 0.0;

            for (size_t j = 0; j < 3; j++)
                product += a[i * 3 + j] * inverse[j * 3 + k];
            assert_near(product, i == k ? 1.0 : 0.0, 1e-14);
            assert_near(inverse[i * 3 + k], inverse[k * 3 + i], 0.0);
        }
}

static void refuses_to_invert_a_singular_matrix(void **state)
{
    static const double zero[] = {0, 0, 0, 0};
    double inverse[4];

    (void)state;
    assert_int_equal(linear_inverse_symmetric(arena, zero, 2, inverse), -1);
    assert_int_equal(err_kind(), E_INPUT);
}

static void fits_a_line_exactly_and_keeps_its_input(void **state)
{
    double x[2 * ROWS], y[ROWS], beta[2];

    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        x[2 * i] = 1.0;
        x[2 * i + 1] = (double)i;
        y[i] = 3.0 - 0.25 * (double)i + (i % 2 == 0 ? 1.0 : -1.0) * (i % 4 < 2 ? 1.0 : -1.0);
    }
    assert_int_equal(linear_least_squares(arena, x, y, ROWS, 2, beta), 0);
    double residual_sum = 0.0, residual_slope = 0.0; /* the normal equations */
    for (size_t i = 0; i < ROWS; i++) {
        double residual = y[i] - beta[0] - beta[1] * (double)i;

        assert_near(x[2 * i + 1], (double)i, 0.0);
        residual_sum += residual;
        residual_slope += residual * (double)i;
    }
    assert_near(residual_sum, 0.0, 1e-10);
    assert_near(residual_slope, 0.0, 1e-8);
    assert_near(beta[1], -0.25, 0.01);
}

static void refuses_columns_that_depend_on_each_other(void **state)
{
    static const double x[] = {1, 2, 2, 4, 3, 6};
    static const double y[] = {1, 2, 3};
    double beta[2];

    (void)state;
    assert_int_equal(linear_least_squares(arena, x, y, 3, 2, beta), -1);
    assert_int_equal(err_kind(), E_INPUT);
}

/* A LAPACK with threads starts them when it is loaded: roles fork, and must have one. */
static void brings_no_threads_with_it(void **state)
{
    double a[] = {2.0}, b[] = {1.0};
    size_t threads = 0;

    (void)state;
    assert_int_equal(linear_solve_spd(a, 1, b), 0);
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    for (const struct dirent *entry; (entry = readdir(tasks)) != NULL;)
        threads += entry->d_name[0] != '.';
    closedir(tasks);
    assert_int_equal(threads, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(solves_a_positive_definite_system),
        cmocka_unit_test_setup_teardown(refuses_to_solve_what_is_not_positive_definite, begin, end),
        cmocka_unit_test_setup_teardown(inverts_an_indefinite_symmetric_matrix, begin, end),
        cmocka_unit_test_setup_teardown(refuses_to_invert_a_singular_matrix, begin, end),
        cmocka_unit_test_setup_teardown(fits_a_line_exactly_and_keeps_its_input, begin, end),
        cmocka_unit_test_setup_teardown(refuses_columns_that_depend_on_each_other, begin, end),
        cmocka_unit_test(brings_no_threads_with_it),
    };
    return cmocka_run_group_tests_name("math/linear", tests, NULL, NULL);
}
