/* What the registered GARCH models learn and keep: the pattern of the week, states as bytes, older states. What every model
 * promises is tested by test_registry.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "core/arena.h"
#include "core/err.h"
#include "core/rand.h"
#include "models/model.h"
#include "models/series.h"
#include "near.h"
#include "walk.h"

#define ARENA_MAX ((size_t)256 << 20)
#define POINTS 9200
#define STATE_POINTS 9000

static const char *const family[] = {"garch", "garch-t", "gjr-t", "garch-fhs", "gas-t"};
static const size_t steps[] = {1, 4, 24};
static const struct model_params params = {.seed = 9};
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

static void ask(const struct model *model, const struct model_state *state, const struct series *series,
                struct model_answer *answers)
{
    const struct model_task task = {series, NULL, steps, BTCF_LENGTH(steps)};

    model->forecast(arena, state, &task, answers);
    for (size_t i = 0; i < BTCF_LENGTH(steps); i++)
        assert_null(answers[i].refusal);
}

/* Closes that move three times as much from 12 to 16 o'clock UTC. */
static double *daily_rhythm(size_t count)
{
    double *closes = arena_array(arena, count, sizeof *closes), level = 9.0;
    struct rng rng;

    rng_init(&rng, 21);
    for (size_t i = 0; i < count; i++) {
        level += (i % 24 >= 12 && i % 24 < 16 ? 0.012 : 0.004) * rng_normal(&rng);
        closes[i] = exp(level);
    }
    return closes;
}

static void the_hours_rhythm_is_known_in_advance(void **state)
{
    struct series series = walk_series(arena, daily_rhythm(POINTS), POINTS, WALK_HOUR_MS);
    struct model_answer loud[3], quiet[3];

    (void)state;
    for (size_t m = 0; m < BTCF_LENGTH(family); m++) {
        const struct model *model = model_find(family[m]);
        struct series before_loud = series_head(&series, 24 * 380 + 12),
                      before_quiet = series_head(&series, 24 * 380 + 2);

        ask(model, fit(model, &before_loud), &before_loud, loud);
        ask(model, fit(model, &before_quiet), &before_quiet, quiet);
        for (size_t i = 0; i < 2; i++) { /* one hour and four: all loud, or all quiet */
            double ratio = loud[i].curve.log_return[20] / quiet[i].curve.log_return[20];

            assert_true(ratio > 2.3 && ratio < 3.7);
        }
        assert_near(loud[2].curve.log_return[20] / quiet[2].curve.log_return[20], 1.0, 0.2); /* a whole day */
    }
}

static void a_state_survives_being_bytes(void **state)
{
    struct series series = walk_series(arena, walk_closes(arena, POINTS, 1), POINTS, WALK_HOUR_MS);
    struct series fitted = series_head(&series, STATE_POINTS);
    struct model_answer before[3], after[3];
    struct model_parameter parameters[8];

    (void)state;
    for (size_t m = 0; m < BTCF_LENGTH(family); m++) {
        const struct model *model = model_find(family[m]);
        struct model_state *made = fit(model, &fitted), *loaded;

        assert_int_equal(model_state_load(arena, model, made, made->bytes, &loaded), 0);
        ask(model, made, &series, before);
        ask(model, loaded, &series, after);
        assert_memory_equal(before, after, sizeof before);
        size_t count = model->parameters(loaded, parameters, BTCF_LENGTH(parameters));
        assert_true(count >= 3 && count <= 5);
        assert_string_equal(parameters[0].name, "omega");
        assert_true(parameters[0].value > 0.0);
    }
}

static void a_damaged_state_is_refused(void **state)
{
    struct series series = walk_series(arena, walk_closes(arena, POINTS, 1), POINTS, WALK_HOUR_MS);
    const struct model *model = model_find("garch-t");
    struct model_state *made = fit(model, &series), *loaded;
    unsigned char *bytes = arena_alloc(arena, made->bytes);

    (void)state;
    assert_int_equal(model_state_load(arena, model, made, made->bytes - 8, &loaded), -1);
    for (size_t from = sizeof *made; from + 8 <= made->bytes; from += from < 2048 ? 8 : 1024) {
        double bad = NAN;

        memcpy(bytes, made, made->bytes);
        memcpy(bytes + from, &bad, sizeof bad); /* whatever stands there: answered in numbers or refused */
        err_clear();
        if (model_state_load(arena, model, bytes, made->bytes, &loaded) < 0) {
            assert_int_equal(err_kind(), E_INPUT);
            continue;
        }
        struct model_answer answers[3];
        const struct model_task task = {&series, NULL, steps, BTCF_LENGTH(steps)};
        model->forecast(arena, loaded, &task, answers);
        for (size_t i = 0; i < BTCF_LENGTH(steps); i++)
            assert_true(answers[i].refusal != NULL || isfinite(answers[i].curve.log_return[24]));
    }
}

/* A state of last week sees the returns since, and nothing before its own training window. */
static void an_older_state_follows_the_market_and_forgets_the_past(void **state)
{
    double *closes = walk_closes(arena, POINTS, 4);
    struct series series = walk_series(arena, closes, POINTS, WALK_HOUR_MS);
    struct series fitted = series_head(&series, STATE_POINTS);
    struct model_answer clean[3], forgotten[3], shocked[3];
    const struct model *model = model_find("garch-t");
    struct model_state *made = fit(model, &fitted);

    (void)state;
    ask(model, made, &series, clean);
    for (size_t i = 0; i < STATE_POINTS - 8761; i++)
        closes[i] = 1.0 + (double)(i % 7);
    series = walk_series(arena, closes, POINTS, WALK_HOUR_MS);
    ask(model, made, &series, forgotten);
    assert_memory_equal(clean, forgotten, sizeof clean);
    closes[POINTS - 1] *= 1.2;
    series = walk_series(arena, closes, POINTS, WALK_HOUR_MS);
    ask(model, made, &series, shocked);
    assert_true(shocked[0].curve.log_return[20] > 1.5 * clean[0].curve.log_return[20]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_hours_rhythm_is_known_in_advance, begin, end),
        cmocka_unit_test_setup_teardown(a_state_survives_being_bytes, begin, end),
        cmocka_unit_test_setup_teardown(a_damaged_state_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(an_older_state_follows_the_market_and_forgets_the_past, begin, end),
    };
    return cmocka_run_group_tests_name("models/garch_models", tests, NULL, NULL);
}
