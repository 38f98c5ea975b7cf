/* What keeps the classical models from exploding, and what is registered as arima: a state that others can load. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/err.h"
#include "math/normal.h"
#include "models/classical.h"
#include "near.h"
#include "walk.h"

#define ARENA_MAX ((size_t)256 << 20)
#define POINTS 900

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

static void assert_normal(struct classical_outlook outlook, double mean, double deviation)
{
    struct quantile_curve curve;

    assert_int_equal(classical_curve(&outlook, false, &curve), 0);
    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        assert_near(curve.log_return[i], mean + deviation * normal_quantile(quantile_levels[i]), 1e-12);
}

static void a_moderate_forecast_is_left_as_it_is(void **state)
{
    (void)state;
    assert_normal((struct classical_outlook){.mean = 0.01, .variance = 0.0025, .years = 0.01}, 0.01, 0.05);
}

static void deviations_stay_between_5_and_400_percent_a_year(void **state)
{
    (void)state;
    assert_normal((struct classical_outlook){.mean = 0.0, .variance = 1e-12, .years = 0.25}, 0.0, 0.05 * 0.5);
    assert_normal((struct classical_outlook){.mean = 0.0, .variance = 1e9, .years = 0.25}, 0.0, 4.0 * 0.5);
}

static void a_mean_stays_within_half_a_deviation(void **state)
{
    (void)state;
    assert_normal((struct classical_outlook){.mean = 7.0, .variance = 0.0025, .years = 0.01}, 0.025, 0.05);
    assert_normal((struct classical_outlook){.mean = -7.0, .variance = 0.0025, .years = 0.01}, -0.025, 0.05);
}

static void what_is_not_finite_is_refused(void **state)
{
    const struct classical_outlook bad[] = {{NAN, 0.01, 0.1}, {0.0, INFINITY, 0.1}, {0.0, -1.0, 0.1}};
    struct quantile_curve curve;

    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(bad); i++)
        assert_int_equal(classical_curve(&bad[i], false, &curve), -1);
}

static void arima_answers_from_a_stored_state_as_from_its_own(void **state)
{
    const size_t steps[] = {1, 24, 168};
    const struct model_params params = {0};
    const struct model *model = model_find("arima");
    struct series series = walk_series(arena, walk_closes(arena, POINTS, 2), POINTS, WALK_HOUR_MS);
    struct series before = series_head(&series, POINTS - 100);
    struct model_task task = {&before, &params, steps, 3};
    struct model_answer first[3], second[3];
    struct model_state *made, *loaded;

    (void)state;
    assert_int_equal(model->fit(arena, &task, &made), 0);
    assert_int_equal(model_state_load(arena, model, made, made->bytes, &loaded), 0);
    task.series = &series;
    model->forecast(arena, made, &task, first);
    model->forecast(arena, loaded, &task, second);
    for (size_t i = 0; i < 3; i++) {
        assert_null(first[i].refusal);
        assert_memory_equal(&first[i].curve, &second[i].curve, sizeof first[i].curve);
    }
    struct model_parameter parameters[MODEL_PARAMETERS_MAX];
    size_t count = model->parameters(loaded, parameters, MODEL_PARAMETERS_MAX);
    assert_true(count >= 1);
    assert_string_equal(parameters[count - 1].name, "sigma");
    assert_true(parameters[count - 1].value > 0.0 && parameters[count - 1].value < 0.02);
}

static void a_damaged_state_is_not_loaded(void **state)
{
    const size_t steps[] = {1};
    const struct model_params params = {0};
    const struct model *model = model_find("arima");
    struct series series = walk_series(arena, walk_closes(arena, POINTS, 2), POINTS, WALK_HOUR_MS);
    const struct model_task task = {&series, &params, steps, 1};
    struct model_state *made, *loaded;

    (void)state;
    assert_int_equal(model->fit(arena, &task, &made), 0);
    memset((char *)made + sizeof *made, 0xff, made->bytes - sizeof *made);
    assert_int_equal(model_state_load(arena, model, made, made->bytes, &loaded), -1);
    assert_non_null(strstr(err_text(), "damaged"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_moderate_forecast_is_left_as_it_is),
        cmocka_unit_test(deviations_stay_between_5_and_400_percent_a_year),
        cmocka_unit_test(a_mean_stays_within_half_a_deviation),
        cmocka_unit_test(what_is_not_finite_is_refused),
        cmocka_unit_test_setup_teardown(arima_answers_from_a_stored_state_as_from_its_own, begin, end),
        cmocka_unit_test_setup_teardown(a_damaged_state_is_not_loaded, begin, end),
    };
    return cmocka_run_group_tests_name("models/classical", tests, NULL, NULL);
}
