/* Boosted trees as a model: they must learn what the running scale does not know, and keep their promises on states. */
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
#include "models/series.h"
#include "near.h"
#include "walk.h"

#define ARENA_MAX ((size_t)256 << 20)
#define POINTS 21000

static struct arena *arena;
static const struct model *qgb;

static int begin(void **state)
{
    (void)state;
    arena = arena_create("test", ARENA_MAX);
    qgb = model_find("qgb");
    err_clear();
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static struct model_state *fit(const struct series *series, const size_t *steps, size_t count)
{
    const struct model_params params = {0};
    const struct model_task task = {.series = series, .params = &params, .steps = steps, .count = count};
    struct model_state *state;

    assert_int_equal(qgb->fit(arena, &task, &state), 0);
    return state;
}

static void forecast(const struct model_state *state, const struct series *series, const size_t *steps, size_t count,
                     struct model_answer *answers)
{
    const struct model_task task = {.series = series, .steps = steps, .count = count};

    qgb->forecast(arena, state, &task, answers);
}

static double width_at(const struct model_state *state, const struct series *series, size_t count)
{
    struct series head = series_head(series, count);
    struct model_answer answer;

    forecast(state, &head, &(size_t){1}, 1, &answer);
    assert_null(answer.refusal);
    return answer.curve.log_return[21] - answer.curve.log_return[3];
}

static void curves_are_the_same_on_both_sides_of_today(void **state)
{
    struct series series = walk_series(arena, walk_closes(arena, POINTS, 1), POINTS, WALK_HOUR_MS);
    const size_t steps[] = {1, 24};
    struct model_answer answers[2];

    (void)state;
    forecast(fit(&series, steps, 2), &series, steps, 2, answers);
    for (size_t h = 0; h < 2; h++)
        for (size_t i = 0; i < QUANTILE_COUNT; i++) {
            const double *values = answers[h].curve.log_return;

            assert_near(values[i] + values[QUANTILE_COUNT - 1 - i], 0.0, 0.0);
        }
}

/* After a fall the next step is three times as large as after a rise: squares know nothing of it. */
static void learns_what_the_running_scale_cannot_know(void **state)
{
    double *closes = arena_array(arena, POINTS, sizeof *closes), level = 0.0, last = 1.0;
    double after_fall = 0.0, after_rise = 0.0;
    size_t falls = 0, rises = 0;
    struct rng rng;

    (void)state;
    rng_init(&rng, 4);
    for (size_t i = 0; i < POINTS; i++) {
        last = (last < 0.0 ? 0.009 : 0.003) * rng_normal(&rng);
        level += last;
        closes[i] = exp(level);
    }
    struct series series = walk_series(arena, closes, POINTS, WALK_HOUR_MS);
    struct series known = series_head(&series, POINTS - 200);
    const struct model_state *fitted = fit(&known, &(size_t){1}, 1);
    for (size_t count = POINTS - 200; count < POINTS; count++) {
        if (closes[count - 1] < closes[count - 2]) {
            after_fall += width_at(fitted, &series, count);
            falls++;
        } else {
            after_rise += width_at(fitted, &series, count);
            rises++;
        }
    }
    assert_near(after_fall / (double)falls / (2 * 1.645 * 0.009), 1.0, 0.2);
    assert_near(after_rise / (double)rises / (2 * 1.645 * 0.003), 1.0, 0.25);
}

/* Every eighth hour is four times as lively: the pattern of the week, known ahead. */
static void knows_which_hours_are_lively(void **state)
{
    double *closes = arena_array(arena, POINTS, sizeof *closes), level = 0.0;
    struct rng rng;

    (void)state;
    rng_init(&rng, 5);
    for (size_t i = 0; i < POINTS; i++) {
        level += (i % 8 == 0 ? 0.008 : 0.002) * rng_normal(&rng);
        closes[i] = exp(level);
    }
    struct series series = walk_series(arena, closes, POINTS, WALK_HOUR_MS);
    const struct model_state *fitted = fit(&series, &(size_t){1}, 1);
    size_t before_lively = POINTS - POINTS % 8; /* points known when the next one is i % 8 == 0 */
    assert_near(width_at(fitted, &series, before_lively) / width_at(fitted, &series, before_lively - 3), 4.0, 1.2);
}

static void a_stored_state_gives_the_same_forecast(void **state)
{
    struct series series = walk_series(arena, walk_closes(arena, POINTS, 2), POINTS, WALK_HOUR_MS);
    const size_t steps[] = {1, 4, 24};
    struct model_state *fitted = fit(&series, steps, 3), *loaded;
    struct model_answer before[3], after[3];

    (void)state;
    assert_int_equal(model_state_load(arena, qgb, fitted, fitted->bytes, &loaded), 0);
    forecast(fitted, &series, steps, 3, before);
    forecast(loaded, &series, steps, 3, after);
    for (size_t i = 0; i < 3; i++)
        assert_memory_equal(&before[i].curve, &after[i].curve, sizeof before[i].curve);
}

/* Each of the state's 64-bit words in turn becomes nonsense: the state is refused, or answers in order and finite. */
static void a_damaged_state_is_refused_or_harmless(void **state)
{
    struct series series = walk_series(arena, walk_closes(arena, POINTS, 2), POINTS, WALK_HOUR_MS);
    const size_t steps[] = {1, 24};
    struct model_state *fitted = fit(&series, steps, 2), *loaded;
    size_t words = fitted->bytes / sizeof(uint64_t), refused = 0;
    uint64_t *bytes = (uint64_t *)(void *)fitted;

    (void)state;
    for (size_t i = sizeof(struct model_state) / sizeof(uint64_t); i < words; i += i < 500 ? 1 : 97) {
        uint64_t kept = bytes[i];
        struct model_answer answers[2];

        bytes[i] = UINT64_MAX - 7;
        if (model_state_load(arena, qgb, fitted, fitted->bytes, &loaded) < 0) {
            assert_non_null(strstr(err_text(), "damaged"));
            refused++;
            err_clear();
        } else {
            forecast(loaded, &series, steps, 2, answers);
            for (size_t h = 0; h < 2; h++)
                assert_true(answers[h].refusal != NULL || isfinite(answers[h].curve.log_return[0]));
        }
        bytes[i] = kept;
    }
    assert_true(refused > 100);
}

static void too_little_history_for_one_horizon_costs_the_others_nothing(void **state)
{
    const struct model_params params = {0};
    size_t enough = qgb->need(&params, WALK_HOUR_MS, 4).min;
    const size_t steps[] = {1, 4, 168};
    struct series series = walk_series(arena, walk_closes(arena, enough, 2), enough, WALK_HOUR_MS);
    struct model_answer answers[3];

    (void)state;
    forecast(fit(&series, steps, 3), &series, steps, 3, answers);
    assert_null(answers[0].refusal);
    assert_null(answers[1].refusal);
    assert_non_null(strstr(answers[2].refusal, "points of history"));
}

static void names_the_features_that_decide(void **state)
{
    struct series series = walk_series(arena, walk_closes(arena, POINTS, 2), POINTS, WALK_HOUR_MS);
    struct model_parameter parameters[MODEL_PARAMETERS_MAX];
    const size_t steps[] = {1, 24};
    double sum = 0.0;

    (void)state;
    size_t count = qgb->parameters(fit(&series, steps, 2), parameters, MODEL_PARAMETERS_MAX);
    assert_true(count >= 2 && count <= MODEL_PARAMETERS_MAX);
    for (size_t i = 0; i < count; i++) {
        assert_true(strncmp(parameters[i].name, "1.", 2) == 0 || strncmp(parameters[i].name, "24.", 3) == 0);
        sum += parameters[i].value;
    }
    assert_true(sum > 1.0 && sum <= 2.0 + 1e-9);
    assert_int_equal(qgb->parameters(fit(&series, steps, 2), parameters, 1), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(curves_are_the_same_on_both_sides_of_today, begin, end),
        cmocka_unit_test_setup_teardown(learns_what_the_running_scale_cannot_know, begin, end),
        cmocka_unit_test_setup_teardown(knows_which_hours_are_lively, begin, end),
        cmocka_unit_test_setup_teardown(a_stored_state_gives_the_same_forecast, begin, end),
        cmocka_unit_test_setup_teardown(a_damaged_state_is_refused_or_harmless, begin, end),
        cmocka_unit_test_setup_teardown(too_little_history_for_one_horizon_costs_the_others_nothing, begin, end),
        cmocka_unit_test_setup_teardown(names_the_features_that_decide, begin, end),
    };
    return cmocka_run_group_tests_name("models/qgb", tests, NULL, NULL);
}
