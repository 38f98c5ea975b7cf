/* The empirical walk on returns whose quantiles are known without computing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "core/arena.h"
#include "models/model.h"
#include "models/series.h"
#include "near.h"
#include "walk.h"

#define ARENA_MAX ((size_t)16 << 20)

static struct quantile_curve ask(struct arena *arena, const struct series *series, size_t window, size_t steps)
{
    const struct model *model = model_find("rw-emp");
    const struct model_params params = {.window = window};
    struct quantile_curve curve;

    assert_int_equal(model_ask(arena, model, series, &params, steps, &curve), 0);
    return curve;
}

/* log closes 0, 0, 1, 3, 6, ...: the h-step returns of newest origins are evenly spaced. */
static struct series triangle(struct arena *arena, size_t count)
{
    double *closes = arena_array(arena, count, sizeof *closes), level = 0.0;

    for (size_t i = 0; i < count; i++) {
        closes[i] = exp(level);
        level += 0.001 * (double)i;
    }
    return walk_series(arena, closes, count, WALK_HOUR_MS);
}

static void quantiles_are_those_of_the_windows_returns(void **state)
{
    struct arena *arena = arena_create("test", ARENA_MAX);
    struct series series = triangle(arena, 302);
    struct quantile_curve curve = ask(arena, &series, 201, 1);

    (void)state;
    /* One-step returns are 0, .001, ... .300; the last 201 run from .100 to .300. */
    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        assert_near(curve.log_return[i], 0.1 + 0.2 * quantile_levels[i], 1e-11);
    arena_free(&arena);
}

static void longer_horizons_use_overlapping_returns_of_that_length(void **state)
{
    struct arena *arena = arena_create("test", ARENA_MAX);
    struct series series = triangle(arena, 305);
    struct quantile_curve curve = ask(arena, &series, 201, 4);

    (void)state;
    /* The 4-step return from origin i is .001 (4 i + 6); the last 201 origins are 100..300. */
    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        assert_near(curve.log_return[i], 0.406 + 0.8 * quantile_levels[i], 1e-11);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_are_those_of_the_windows_returns),
        cmocka_unit_test(longer_horizons_use_overlapping_returns_of_that_length),
    };
    return cmocka_run_group_tests_name("models/rw_emp", tests, NULL, NULL);
}
