/* Partial selection against a full sort, on inputs that upset quickselect. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "core/rand.h"
#include "math/quantile.h"
#include "models/model.h"
#include "near.h"

#define COUNT_MAX 5000

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The same ranks and the same line between them: equal to the last bit. */
static void assert_selects(const double *values, size_t count)
{
    double sorted[COUNT_MAX], scratch[COUNT_MAX], got[QUANTILE_COUNT];

    memcpy(sorted, values, count * sizeof *values);
    memcpy(scratch, values, count * sizeof *values);
    qsort(sorted, count, sizeof *sorted, compare);
    quantiles_select(scratch, count, quantile_levels, QUANTILE_COUNT, got);
    for (size_t i = 0; i < QUANTILE_COUNT; i++) {
        double wanted = quantile_sorted(sorted, count, quantile_levels[i]);

        assert_memory_equal(&got[i], &wanted, sizeof wanted);
    }
    /* Nothing is lost or invented. */
    qsort(scratch, count, sizeof *scratch, compare);
    assert_memory_equal(scratch, sorted, count * sizeof *sorted);
}

static void follows_the_definition_of_type_7(void **state)
{
    static const double values[] = {1.0, 2.0, 3.0, 4.0};

    (void)state;
    assert_near(quantile_sorted(values, 4, 0.5), 2.5, 1e-15);
    assert_near(quantile_sorted(values, 4, 0.0), 1.0, 0.0);
    assert_near(quantile_sorted(values, 4, 1.0), 4.0, 0.0);
    assert_near(quantile_sorted(values, 4, 0.1), 1.3, 1e-15);
    assert_near(quantile_sorted(values, 1, 0.7), 1.0, 0.0);
}

static void selects_what_a_sort_would_show_for_every_length(void **state)
{
    double values[COUNT_MAX];
    struct rng rng;

    (void)state;
    rng_init(&rng, 1);
    for (size_t count = 1; count <= 400; count++) {
        for (size_t i = 0; i < count; i++)
            values[i] = rng_normal(&rng);
        assert_selects(values, count);
    }
    for (size_t i = 0; i < COUNT_MAX; i++)
        values[i] = rng_normal(&rng);
    assert_selects(values, COUNT_MAX);
}

static void copes_with_ties_order_and_outliers(void **state)
{
    double values[COUNT_MAX];
    struct rng rng;

    (void)state;
    rng_init(&rng, 2);
    for (size_t i = 0; i < COUNT_MAX; i++)
        values[i] = 0.0;
    assert_selects(values, COUNT_MAX);
    for (size_t i = 0; i < COUNT_MAX; i++)
        values[i] = (double)rng_below(&rng, 3);
    assert_selects(values, COUNT_MAX);
    for (size_t i = 0; i < COUNT_MAX; i++)
        values[i] = (double)i;
    assert_selects(values, COUNT_MAX);
    for (size_t i = 0; i < COUNT_MAX; i++)
        values[i] = -(double)i;
    assert_selects(values, COUNT_MAX);
    for (size_t i = 0; i < COUNT_MAX; i++) /* an organ pipe defeats median-of-three */
        values[i] = (double)(i < COUNT_MAX / 2 ? i : COUNT_MAX - i);
    assert_selects(values, COUNT_MAX);
    for (size_t i = 0; i < COUNT_MAX; i++)
        values[i] = i % 100 == 0 ? 1e300 : rng_uniform(&rng) - 0.5;
    assert_selects(values, COUNT_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_the_definition_of_type_7),
        cmocka_unit_test(selects_what_a_sort_would_show_for_every_length),
        cmocka_unit_test(copes_with_ties_order_and_outliers),
    };
    return cmocka_run_group_tests_name("math/quantile", tests, NULL, NULL);
}
