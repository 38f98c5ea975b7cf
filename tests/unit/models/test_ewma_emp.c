/* The filtered walk: it must follow volatility, keep the shape, and survive a market that stood still. */
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

#define ARENA_MAX ((size_t)64 << 20)
#define POINTS 10000

static struct quantile_curve ask(struct arena *arena, const struct series *series, size_t steps)
{
    const struct model *model = model_find("ewma-emp");
    const struct model_params params = {0};
    struct quantile_curve curve;

    assert_int_equal(model_ask(arena, model, series, &params, steps, &curve), 0);
    return curve;
}

static double width_of(const struct quantile_curve *curve)
{
    return curve->log_return[QUANTILE_COUNT - 1] - curve->log_return[0];
}

/* Closes whose last `calm` returns are a tenth of the others. */
static struct series calming(struct arena *arena, size_t calm)
{
    double *closes = arena_array(arena, POINTS, sizeof *closes), level = 0.0;
    struct rng rng;

    rng_init(&rng, 6);
    for (size_t i = 0; i < POINTS; i++) {
        level += (i + calm >= POINTS ? 0.001 : 0.01) * rng_normal(&rng);
        closes[i] = exp(level);
    }
    return walk_series(arena, closes, POINTS, WALK_HOUR_MS);
}

static void narrows_when_the_market_calms_down(void **state)
{
    struct arena *arena = arena_create("test", ARENA_MAX);
    struct series wild = calming(arena, 0), calm = calming(arena, 300);
    struct quantile_curve wide = ask(arena, &wild, 1), narrow = ask(arena, &calm, 1);

    (void)state;
    assert_near(width_of(&wide) / width_of(&narrow), 10.0, 3.0);
    arena_free(&arena);
}

static void scales_with_the_market(void **state)
{
    struct arena *arena = arena_create("test", ARENA_MAX);
    double *closes = walk_closes(arena, POINTS, 2), *doubled = arena_array(arena, POINTS, sizeof *doubled);

    (void)state;
    for (size_t i = 0; i < POINTS; i++)
        doubled[i] = closes[i] * closes[i] / 10000.0; /* every log return twice as large */
    struct series once = walk_series(arena, closes, POINTS, WALK_HOUR_MS);
    struct series twice = walk_series(arena, doubled, POINTS, WALK_HOUR_MS);
    struct quantile_curve a = ask(arena, &once, 4), b = ask(arena, &twice, 4);
    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        assert_near(b.log_return[i], 2.0 * a.log_return[i], 1e-9);
    arena_free(&arena);
}

static void a_long_stillness_does_not_blow_the_residuals_up(void **state)
{
    struct arena *arena = arena_create("test", ARENA_MAX);
    double *closes = walk_closes(arena, POINTS, 2);

    (void)state;
    for (size_t i = 4000; i < 6000; i++) /* an exchange down for twelve weeks, filled */
        closes[i] = closes[3999];
    struct series series = walk_series(arena, closes, POINTS, WALK_HOUR_MS);
    struct quantile_curve curve = ask(arena, &series, 1);
    assert_true(width_of(&curve) > 0.005 && width_of(&curve) < 0.1);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(narrows_when_the_market_calms_down),
        cmocka_unit_test(scales_with_the_market),
        cmocka_unit_test(a_long_stillness_does_not_blow_the_residuals_up),
    };
    return cmocka_run_group_tests_name("models/ewma_emp", tests, NULL, NULL);
}
