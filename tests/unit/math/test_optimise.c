/* Searches on functions with known minima, inside bounds, on a budget, and where the function is not everywhere defined. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/err.h"
#include "math/optimise.h"
#include "near.h"

#define EVALUATIONS 2000

/* Rosenbrock 1960: a bent valley whose floor leads to (1, 1). */
static double valley(void *arg, const double *x, double *gradient)
{
    double across = x[1] - x[0] * x[0], along = 1.0 - x[0];

    (void)arg;
    if (gradient != NULL) {
        gradient[0] = -400.0 * across * x[0] - 2.0 * along;
        gradient[1] = 200.0 * across;
    }
    return 100.0 * across * across + along * along;
}

/* Defined for positive x alone; least at 2. */
static double half_line(void *arg, const double *x, double *gradient)
{
    (void)arg;
    if (!(x[0] > 0.0))
        return NAN;
    if (gradient != NULL)
        gradient[0] = 1.0 - 2.0 / x[0];
    return x[0] - 2.0 * log(x[0]);
}

static double tent(void *arg, const double *x, double *gradient)
{
    (void)arg;
    assert_null(gradient);
    return fabs(x[0] - 3.0) + fabs(x[1] + 1.0);
}

static void lbfgs_follows_a_bent_valley_to_its_end(void **state)
{
    const struct optimise_problem problem = {.count = 2, .value = valley, .evaluations_max = EVALUATIONS};
    double x[] = {-1.2, 1.0};
    struct optimise_result result;

    (void)state;
    assert_int_equal(optimise_lbfgs(&problem, x, &result), 0);
    assert_true(result.converged && result.evaluations < 200);
    assert_near(x[0], 1.0, 1e-6);
    assert_near(x[1], 1.0, 1e-6);
}

static void bounds_hold(void **state)
{
    static const double lower[] = {-2.0, -INFINITY}, upper[] = {0.5, INFINITY};
    const struct optimise_problem problem = {
        .count = 2, .value = valley, .lower = lower, .upper = upper, .evaluations_max = EVALUATIONS};
    double x[] = {-1.2, 1.0};
    struct optimise_result result;

    (void)state;
    assert_int_equal(optimise_lbfgs(&problem, x, &result), 0);
    assert_near(x[0], 0.5, 1e-6);
    assert_near(x[1], 0.25, 1e-6);
    assert_near(result.value, 0.25, 1e-9);
}

static void the_search_steps_back_from_where_there_is_no_value(void **state)
{
    const struct optimise_problem problem = {.count = 1, .value = half_line, .evaluations_max = EVALUATIONS};
    double x[] = {1e-3};
    struct optimise_result result;

    (void)state;
    assert_int_equal(optimise_lbfgs(&problem, x, &result), 0);
    assert_near(x[0], 2.0, 1e-5);
}

static void a_start_without_a_value_is_refused(void **state)
{
    const struct optimise_problem problem = {.count = 1, .value = half_line, .evaluations_max = EVALUATIONS};
    double x[] = {-1.0};
    struct optimise_result result;

    (void)state;
    assert_int_equal(optimise_lbfgs(&problem, x, &result), -1);
    assert_int_equal(err_kind(), E_INPUT);
    err_clear();
}

static void a_spent_budget_is_said(void **state)
{
    const struct optimise_problem problem = {.count = 2, .value = valley, .evaluations_max = 5};
    double x[] = {-1.2, 1.0}, start = valley(NULL, x, NULL);
    struct optimise_result result;

    (void)state;
    assert_int_equal(optimise_lbfgs(&problem, x, &result), 0);
    assert_false(result.converged);
    assert_true(result.evaluations <= 25);
    assert_true(result.value <= start);
}

static void the_simplex_finds_a_kink_without_gradients(void **state)
{
    const struct optimise_problem problem = {
        .count = 2, .value = tent, .evaluations_max = EVALUATIONS, .tolerance = 1e-10};
    double x[] = {0.0, 0.0};
    struct optimise_result result;

    (void)state;
    assert_int_equal(optimise_simplex(&problem, NULL, x, &result), 0);
    assert_near(x[0], 3.0, 1e-4);
    assert_near(x[1], -1.0, 1e-4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lbfgs_follows_a_bent_valley_to_its_end),
        cmocka_unit_test(bounds_hold),
        cmocka_unit_test(the_search_steps_back_from_where_there_is_no_value),
        cmocka_unit_test(a_start_without_a_value_is_refused),
        cmocka_unit_test(a_spent_budget_is_said),
        cmocka_unit_test(the_simplex_finds_a_kink_without_gradients),
    };
    return cmocka_run_group_tests_name("math/optimise", tests, NULL, NULL);
}
