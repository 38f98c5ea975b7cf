/* Rows of the regressions of moves, and what the models made of them do with a market whose volatility is known. */
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
#include "models/moves.h"
#include "near.h"
#include "walk.h"

#define ARENA_MAX ((size_t)256 << 20)
#define POINTS 9000
#define STEPS 4

static const char *const names[] = {"har-log", "qr-vol"};
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

static void flat(struct season *season)
{
    const struct season_clock clock = {1, 0, WALK_HOUR_MS};
    const double none = 0.0;

    season_learn(season, &none, &clock, 0, 1); /* too little for a pattern */
}

static void a_row_is_what_was_known_and_what_came(void **state)
{
    struct series series = walk_series(arena, walk_closes(arena, POINTS, 1), POINTS, WALK_HOUR_MS);
    struct season season;
    struct moves moves;
    struct move_rows rows;

    (void)state;
    flat(&season);
    moves_make(arena, &series, &season, &moves);
    moves_rows(arena, &moves, STEPS, 100, &rows);
    assert_int_equal(rows.count, 100);
    for (size_t i = 0; i < rows.count; i++) {
        size_t origin = POINTS - STEPS - 100 + i;
        double move = series.log_close[origin + STEPS] - series.log_close[origin], sum = 0.0;

        assert_close(rows.sizes[i], fabs(move) / sqrt(STEPS), 1e-12);
        for (size_t k = origin - 5; k <= origin; k++)
            sum += pow(series.log_close[k] - series.log_close[k - 1], 2.0);
        assert_close(rows.measures[1][i], sqrt(sum / 6.0), 1e-6);
    }
}

static void origins_and_targets_without_a_candle_make_no_row(void **state)
{
    enum { candles = 3000, gap = 10 };
    double *closes = walk_closes(arena, candles, 2);
    int64_t *times = arena_array(arena, candles, sizeof *times);
    struct series_source source = {.count = candles, .open_ms = times, .close = closes};
    struct series series;
    struct season season;
    struct moves moves;
    struct move_rows rows;

    (void)state;
    for (size_t i = 0; i < candles; i++) /* an outage in the middle of the last 400 points */
        times[i] = ((int64_t)i + (i >= candles - 200 ? gap : 0)) * WALK_HOUR_MS;
    assert_int_equal(series_make(arena, &source, WALK_HOUR_MS, &series), 0);
    flat(&season);
    moves_make(arena, &series, &season, &moves);
    moves_rows(arena, &moves, STEPS, 400, &rows);
    assert_int_equal(rows.count, 400 - gap - STEPS); /* filled origins, and the origins whose target is filled */
}

static void measures_stay_within_reach_of_the_longest(void **state)
{
    double *closes = walk_closes(arena, POINTS, 3);
    struct season season;
    struct moves moves;
    struct move_now now;

    (void)state;
    closes[POINTS - 1] *= 1000.0;
    closes[POINTS - 3] = closes[POINTS - 2]; /* and an hour in which nothing moved */
    struct series series = walk_series(arena, closes, POINTS, WALK_HOUR_MS);
    flat(&season);
    moves_make(arena, &series, &season, &moves);
    assert_int_equal(moves_now(&moves, STEPS, &now), 0);
    double longest = now.measures[MOVE_MEASURES - 1];
    assert_true(now.measures[0] <= MOVE_SPREAD * longest);
    assert_close(moves.measures[0][POINTS - 2], moves.measures[MOVE_MEASURES - 1][POINTS - 2] / MOVE_SPREAD, 1e-12);
}

/* Width of the 90% interval of a model that learned from a market and sees another end of it. */
static double width(const struct model *model, const struct model_state *learned, const struct series *series)
{
    const size_t steps = STEPS;
    const struct model_params params = {0};
    const struct model_task task = {series, &params, &steps, 1};
    struct model_answer answer;

    model->forecast(arena, learned, &task, &answer);
    assert_null(answer.refusal);
    return answer.curve.log_return[21] - answer.curve.log_return[3];
}

static void curves_widen_with_volatility_and_are_symmetric(void **state)
{
    const size_t steps = STEPS;
    const struct model_params params = {0};

    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(names); i++) {
        const struct model *model = model_find(names[i]);
        struct series series = walk_series(arena, walk_closes(arena, POINTS, 4), POINTS, WALK_HOUR_MS);
        const struct model_task task = {&series, &params, &steps, 1};
        struct model_state *learned;
        struct quantile_curve curve;

        assert_int_equal(model->fit(arena, &task, &learned), 0);
        /* walk.h's scale swings as 0.006 + 0.004 sin(i / 300): between these two points from 1% down to 0.2%. */
        struct series loud = series_head(&series, (size_t)(300 * (8.5 * 3.14159265))), quiet;
        quiet = series_head(&series, (size_t)(300 * (9.5 * 3.14159265)));
        double ratio = width(model, learned, &loud) / width(model, learned, &quiet);
        assert_true(ratio > 3.0 && ratio < 8.0);

        assert_int_equal(model_ask(arena, model, &series, &params, STEPS, &curve), 0);
        for (size_t p = 0; p < QUANTILE_COUNT; p++)
            assert_near(curve.log_return[p], -curve.log_return[QUANTILE_COUNT - 1 - p], 0.0);
    }
}

static void states_survive_storage_and_damaged_ones_are_refused(void **state)
{
    const size_t steps[] = {1, STEPS};
    const struct model_params params = {0};

    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(names); i++) {
        const struct model *model = model_find(names[i]);
        struct series series = walk_series(arena, walk_closes(arena, POINTS, 5), POINTS, WALK_HOUR_MS);
        const struct model_task task = {&series, &params, steps, 2};
        struct model_state *learned, *loaded;
        struct model_parameter shown[MODEL_PARAMETERS_MAX];

        assert_int_equal(model->fit(arena, &task, &learned), 0);
        assert_int_equal(model_state_load(arena, model, learned, learned->bytes, &loaded), 0);
        assert_memory_equal(learned, loaded, learned->bytes);
        assert_true(model->parameters(learned, shown, MODEL_PARAMETERS_MAX) >= 12);
        assert_int_equal(model->parameters(learned, shown, 3), 3);

        double *last = (double *)(void *)((char *)loaded + loaded->bytes) - 1;
        *last = NAN;
        assert_int_equal(model_state_load(arena, model, loaded, loaded->bytes, &loaded), -1);
        assert_int_equal(err_kind(), E_INPUT);
        err_clear();
    }
}

static void a_horizon_beyond_the_history_is_refused_alone(void **state)
{
    const size_t steps[] = {1, 800};
    const struct model_params params = {0};

    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(names); i++) {
        const struct model *model = model_find(names[i]);
        size_t points = model->need(&params, WALK_HOUR_MS, 1).min + 10;
        struct series series = walk_series(arena, walk_closes(arena, points, 6), points, WALK_HOUR_MS);
        const struct model_task task = {&series, &params, steps, 2};
        struct model_state *learned;
        struct model_answer answers[2];

        assert_int_equal(model->fit(arena, &task, &learned), 0);
        model->forecast(arena, learned, &task, answers);
        assert_null(answers[0].refusal);
        assert_non_null(strstr(answers[1].refusal, "800 steps"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_row_is_what_was_known_and_what_came, begin, end),
        cmocka_unit_test_setup_teardown(origins_and_targets_without_a_candle_make_no_row, begin, end),
        cmocka_unit_test_setup_teardown(measures_stay_within_reach_of_the_longest, begin, end),
        cmocka_unit_test_setup_teardown(curves_widen_with_volatility_and_are_symmetric, begin, end),
        cmocka_unit_test_setup_teardown(states_survive_storage_and_damaged_ones_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(a_horizon_beyond_the_history_is_refused_alone, begin, end),
    };
    return cmocka_run_group_tests_name("models/moves", tests, NULL, NULL);
}
