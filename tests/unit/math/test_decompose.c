/* Series put together from a known trend and season, taken apart again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/rand.h"
#include "math/decompose.h"
#include "near.h"

#define ARENA_MAX ((size_t)1 << 20)
#define COUNT 96

static const double quarterly[] = {3.0, -1.0, -4.0, 2.0};
static const double ratios[] = {1.2, 0.9, 0.9};

static void the_classical_season_on_a_straight_line_is_exact(void **state)
{
    double values[COUNT], indices[4];

    (void)state;
    for (size_t t = 0; t < COUNT; t++)
        values[t] = 10.0 + 0.25 * (double)t + quarterly[t % 4];
    decompose_classical(values, COUNT, 4, false, indices);
    for (size_t i = 0; i < 4; i++)
        assert_near(indices[i], quarterly[i], 1e-12);
}

static void the_classical_ratios_average_to_one_and_are_exact_on_a_level(void **state)
{
    double values[COUNT], indices[3];

    (void)state;
    for (size_t t = 0; t < COUNT; t++)
        values[t] = 50.0 * ratios[t % 3]; /* an odd period */
    decompose_classical(values, COUNT, 3, true, indices);
    for (size_t i = 0; i < 3; i++)
        assert_near(indices[i], ratios[i], 1e-12);
}

static void the_classical_season_needs_no_whole_last_cycle(void **state)
{
    double values[10], indices[4];

    (void)state;
    for (size_t t = 0; t < 10; t++)
        values[t] = 1.0 + quarterly[t % 4];
    decompose_classical(values, 10, 4, false, indices);
    for (size_t i = 0; i < 4; i++)
        assert_near(indices[i], quarterly[i], 1e-12);
}

static void stl_finds_season_and_trend_and_leaves_the_noise(void **state)
{
    struct arena *arena = arena_create("test", ARENA_MAX);
    double values[COUNT], seasonal[COUNT], trend[COUNT];
    struct rng rng;

    (void)state;
    rng_init(&rng, 4);
    for (size_t t = 0; t < COUNT; t++)
        values[t] = 10.0 + 0.25 * (double)t + quarterly[t % 4] + 0.1 * rng_normal(&rng);
    decompose_stl(arena, values, COUNT, 4, seasonal, trend);
    for (size_t t = 0; t < COUNT; t++) {
        assert_near(seasonal[t], quarterly[t % 4], 0.3);
        assert_near(trend[t], 10.0 + 0.25 * (double)t, 0.3);
    }
    arena_free(&arena);
}

static void stl_follows_a_season_that_grows(void **state)
{
    struct arena *arena = arena_create("test", ARENA_MAX);
    double values[COUNT], seasonal[COUNT], trend[COUNT];

    (void)state;
    for (size_t t = 0; t < COUNT; t++)
        values[t] = 100.0 + (1.0 + (double)t / COUNT) * quarterly[t % 4];
    decompose_stl(arena, values, COUNT, 4, seasonal, trend);
    /* At its ends a local constant over eleven years lags half a window behind: -4.6 and -7.3, not -4 and -8. */
    assert_near(seasonal[2], -4.0, 0.8);
    assert_near(seasonal[COUNT - 2], -8.0, 0.8);
    assert_near(seasonal[COUNT / 2 + 2], -6.0, 0.2);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_classical_season_on_a_straight_line_is_exact),
        cmocka_unit_test(the_classical_ratios_average_to_one_and_are_exact_on_a_level),
        cmocka_unit_test(the_classical_season_needs_no_whole_last_cycle),
        cmocka_unit_test(stl_finds_season_and_trend_and_leaves_the_noise),
        cmocka_unit_test(stl_follows_a_season_that_grows),
    };
    return cmocka_run_group_tests_name("math/decompose", tests, NULL, NULL);
}
