/* The exact Kolmogorov distribution against the paper's own example and reference software. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/arena.h"
#include "core/base.h"
#include "core/rand.h"
#include "math/kolmogorov.h"
#include "near.h"

#define ARENA_MAX ((size_t)64 << 20)

static void agrees_with_published_and_reference_values(void **state)
{
    static const struct {
        size_t n;
        double d, tail, tolerance;
    } cases[] = {
        {10, 0.274, 1.0 - 0.6284796154565043, 1e-12}, /* the paper's example */
        {1, 0.75, 0.5, 1e-12},
        {5, 0.4, 0.3088, 1e-12},
        {100, 0.1, 0.2526927570063874, 1e-6},
        {731, 0.03, 0.5164377805559286, 1e-6},
        {2924, 0.02, 0.1900863854794519, 1e-6},
        {50, 0.3, 0.00017353260202718738, 1e-6},
        {10, 0.05, 1.0, 0.0},
        {10, 1.0, 0.0, 0.0},
    };
    struct arena *arena = arena_create("test", ARENA_MAX);

    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(cases); i++)
        assert_near(kolmogorov_tail(arena, cases[i].n, cases[i].d), cases[i].tail, cases[i].tolerance);
    arena_free(&arena);
}

static void limit_law_takes_over_without_a_step(void **state)
{
    struct arena *arena = arena_create("test", ARENA_MAX);
    double exact = kolmogorov_tail(arena, KOLMOGOROV_EXACT_MAX, 0.0158);
    double limit = kolmogorov_tail(arena, KOLMOGOROV_EXACT_MAX + 1, 0.0158);

    (void)state;
    assert_near(exact, limit, 1e-3);
    arena_free(&arena);
}

static void uniform_draws_pass_and_others_do_not(void **state)
{
    struct arena *arena = arena_create("test", ARENA_MAX);
    double uniform[500], squared[500];
    struct rng rng;

    (void)state;
    rng_init(&rng, 7);
    for (size_t i = 0; i < BTCF_LENGTH(uniform); i++) {
        uniform[i] = rng_uniform(&rng);
        squared[i] = uniform[i] * uniform[i];
    }
    assert_true(kolmogorov_uniform_p(arena, uniform, BTCF_LENGTH(uniform)) > 0.05);
    assert_true(kolmogorov_uniform_p(arena, squared, BTCF_LENGTH(squared)) < 1e-10);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_published_and_reference_values),
        cmocka_unit_test(limit_law_takes_over_without_a_step),
        cmocka_unit_test(uniform_draws_pass_and_others_do_not),
    };
    return cmocka_run_group_tests_name("math/kolmogorov", tests, NULL, NULL);
}
