/* The baseline against its formula, window by window. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "core/arena.h"
#include "math/normal.h"
#include "models/model.h"
#include "models/series.h"
#include "near.h"
#include "walk.h"

#define ARENA_MAX ((size_t)16 << 20)
#define POINTS 1000

static struct quantile_curve ask(struct arena *arena, const struct series *series, size_t window, size_t steps)
{
    const struct model *model = model_find("rw-gauss");
    const struct model_params params = {.window = window};
    struct quantile_curve curve;

    assert_int_equal(model_ask(arena, model, series, &params, steps, &curve), 0);
    return curve;
}

/* sd of the last `window` one-step log returns, denominator n. */
static double scale_of(const struct series *series, size_t window)
{
    double mean = 0.0, square = 0.0;

    for (size_t i = series->count - window; i < series->count; i++)
        mean += log(series->close[i] / series->close[i - 1]) / (double)window;
    for (size_t i = series->count - window; i < series->count; i++)
        square += pow(log(series->close[i] / series->close[i - 1]) - mean, 2.0) / (double)window;
    return sqrt(square);
}

static void is_the_normal_law_scaled_by_the_windows_deviation_and_root_time(void **state)
{
    struct arena *arena = arena_create("test", ARENA_MAX);
    struct series series = walk_series(arena, walk_closes(arena, POINTS, 4), POINTS, WALK_HOUR_MS);
    struct quantile_curve curve = ask(arena, &series, 50, 24);

    (void)state;
    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        assert_near(curve.log_return[i], scale_of(&series, 50) * sqrt(24.0) * normal_quantile(quantile_levels[i]),
                    1e-12);
    arena_free(&arena);
}

static void window_is_a_week_of_hours_or_a_year_of_days(void **state)
{
    struct arena *arena = arena_create("test", ARENA_MAX);
    double *closes = walk_closes(arena, POINTS, 4);
    struct series hours = walk_series(arena, closes, POINTS, WALK_HOUR_MS);
    struct series days = walk_series(arena, closes, POINTS, 24 * WALK_HOUR_MS);
    struct quantile_curve hourly = ask(arena, &hours, 0, 1), daily = ask(arena, &days, 0, 1);
    struct quantile_curve week = ask(arena, &hours, 168, 1), year = ask(arena, &days, 365, 1);

    (void)state;
    assert_memory_equal(&hourly, &week, sizeof week);
    assert_memory_equal(&daily, &year, sizeof year);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_the_normal_law_scaled_by_the_windows_deviation_and_root_time),
        cmocka_unit_test(window_is_a_week_of_hours_or_a_year_of_days),
    };
    return cmocka_run_group_tests_name("models/rw_gauss", tests, NULL, NULL);
}
