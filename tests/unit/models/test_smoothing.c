/* ets and theta as registered models, beyond what test_registry.c holds every model to: old states, limits, damaged states. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "core/arena.h"
#include "core/err.h"
#include "models/model.h"
#include "near.h"
#include "walk.h"

#define ARENA_MAX ((size_t)64 << 20)
#define POINTS 900
#define LATER 168

static const char *const names[] = {"ets", "theta"};
static const struct model_params params = {0};
static const size_t steps[] = {1, 24, 168};
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

static struct model_state *fit(const struct model *model, const struct series *series)
{
    const struct model_task task = {series, &params, steps, BTCF_LENGTH(steps)};
    struct model_state *state;

    assert_int_equal(model->fit(arena, &task, &state), 0);
    return state;
}

static struct quantile_curve ask(const struct model *model, const struct model_state *state,
                                 const struct series *series, size_t at)
{
    const struct model_task task = {series, &params, steps, BTCF_LENGTH(steps)};
    struct model_answer answers[BTCF_LENGTH(steps)];

    model->forecast(arena, state, &task, answers);
    assert_null(answers[at].refusal);
    return answers[at].curve;
}

/* The price moves after the refit: the forecast follows it without a new fit. */
static void an_old_state_follows_the_price(void **state)
{
    double *closes = walk_closes(arena, POINTS, 3);

    (void)state;
    for (size_t t = POINTS - LATER; t < POINTS; t++)
        closes[t] *= 1.2;
    struct series whole = walk_series(arena, closes, POINTS, WALK_HOUR_MS);
    struct series earlier = series_head(&whole, POINTS - LATER);
    for (size_t i = 0; i < BTCF_LENGTH(names); i++) {
        const struct model *model = model_find(names[i]);
        struct quantile_curve curve = ask(model, fit(model, &earlier), &whole, 0);

        assert_near(curve.log_return[QUANTILE_MEDIAN], 0.0, 0.01); /* of today's price, not that of a week ago */
    }
}

static void what_lies_before_the_training_window_of_an_old_state_changes_no_bit(void **state)
{
    double *closes = walk_closes(arena, POINTS, 4);
    struct series whole = walk_series(arena, closes, POINTS, WALK_HOUR_MS);
    struct series earlier = series_head(&whole, POINTS - LATER);

    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(names); i++) {
        const struct model *model = model_find(names[i]);
        struct model_need need = model->need(&params, WALK_HOUR_MS, steps[0]);
        struct model_state *made = fit(model, &earlier);
        struct series least = series_tail(&whole, need.used + LATER);
        struct quantile_curve all = ask(model, made, &whole, 1), some = ask(model, made, &least, 1);

        assert_memory_equal(&all, &some, sizeof all);
    }
}

/* Ten percent an hour for a month: neither the trend nor the deviation is believed beyond its limit. */
static void a_runaway_price_gives_no_runaway_range(void **state)
{
    double *closes = arena_array(arena, POINTS, sizeof *closes);

    (void)state;
    for (size_t t = 0; t < POINTS; t++)
        closes[t] = exp(0.1 * (double)t + (t % 2 == 0 ? 0.3 : -0.3));
    struct series series = walk_series(arena, closes, POINTS, WALK_HOUR_MS);
    for (size_t i = 0; i < BTCF_LENGTH(names); i++) {
        const struct model *model = model_find(names[i]);
        struct quantile_curve curve = ask(model, fit(model, &series), &series, 2);
        double limit = 4.0 * sqrt(168.0 / 8766.0);

        assert_true(fabs(curve.log_return[QUANTILE_MEDIAN]) <= 0.5 * limit + 1e-12);
        assert_true(curve.log_return[QUANTILE_COUNT - 1] - curve.log_return[0] <= 2.0 * 2.576 * limit);
    }
}

static void a_state_survives_as_bytes_and_a_damaged_one_is_refused(void **state)
{
    struct series series = walk_series(arena, walk_closes(arena, POINTS, 5), POINTS, WALK_HOUR_MS);

    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(names); i++) {
        const struct model *model = model_find(names[i]);
        struct model_state *made = fit(model, &series), *loaded;
        struct model_parameter parameters[MODEL_PARAMETERS_MAX];

        assert_true(model->parameters(made, parameters, MODEL_PARAMETERS_MAX) >= 1);
        assert_string_equal(parameters[0].name, "alpha");
        assert_int_equal(model_state_load(arena, model, made, made->bytes, &loaded), 0);
        struct quantile_curve before = ask(model, made, &series, 1), after = ask(model, loaded, &series, 1);
        assert_memory_equal(&before, &after, sizeof before);

        double bad = NAN;
        memcpy((char *)made + sizeof *made, &bad, sizeof bad); /* alpha stands first */
        assert_int_equal(model_state_load(arena, model, made, made->bytes, &loaded), -1);
        assert_int_equal(err_kind(), E_INPUT);
        err_clear();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_old_state_follows_the_price, begin, end),
        cmocka_unit_test_setup_teardown(what_lies_before_the_training_window_of_an_old_state_changes_no_bit, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_runaway_price_gives_no_runaway_range, begin, end),
        cmocka_unit_test_setup_teardown(a_state_survives_as_bytes_and_a_damaged_one_is_refused, begin, end),
    };
    return cmocka_run_group_tests_name("models/smoothing", tests, NULL, NULL);
}
