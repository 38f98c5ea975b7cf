/* No look-ahead, from end to end, for every registered model and the ensemble: a walk with fitted states, lessons and
 * calibration gives the same bits when everything after its last origin is garbage; and where there is nothing to be
 * learned, because the hours were shuffled, nobody shows skill.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/err.h"
#include "eval/backtest.h"
#include "models/series.h"
#include "near.h"
#include "walk.h"

#define ARENA_MAX ((size_t)1 << 30)
#define POINTS 5200
#define LAST_ORIGIN 5000 /* points known at the last origin */
#define HOURS(n) ((int64_t)(n)*WALK_HOUR_MS)
#define CLOSE_AT(n) (WALK_BEGIN_MS + HOURS((n) + 1))

static const int64_t horizons_s[] = {3600, 14400, 86400, 259200};
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

/* Rows of a walk, kept for comparison. */
struct rows {
    size_t count, max;
    struct backtest_row *rows;
    double (*prices)[QUANTILE_COUNT];
};

static int keep(void *arg, const struct backtest_row *row)
{
    struct rows *rows = arg;

    assert_true(rows->count < rows->max);
    rows->rows[rows->count] = *row;
    memcpy(rows->prices[rows->count++], row->forecast->price, sizeof row->forecast->price);
    return 0;
}

static struct rows walk(const struct backtest_plan *plan)
{
    size_t curves = backtest_curve_count(plan), count = backtest_warmup_count(plan) + backtest_origin_count(plan);
    struct quantile_curve *made = arena_array(arena, count * curves, sizeof *made);
    struct backtest_walk *means = backtest_walk_create(plan);
    struct rows rows = {.max = backtest_origin_count(plan) * plan->horizon_count * plan->model_count};

    rows.rows = arena_array(arena, rows.max, sizeof *rows.rows);
    rows.prices = arena_array(arena, rows.max, sizeof *rows.prices);
    assert_int_equal(backtest_check(plan), 0);
    for (size_t i = 0; i < count; i++)
        backtest_raw(means, i, made + i * curves, NULL, NULL);
    backtest_walk_free(&means);
    const struct backtest_records records = {made, curves * sizeof *made};
    assert_int_equal(backtest_judge(plan, &records, NULL, keep, &rows), 0);
    return rows;
}

/* All models and the ensemble, as many origins as `span_h` hours have, every `step_h`, the last at LAST_ORIGIN. */
static struct backtest_plan plan_of(const struct series *series, int64_t span_h, int64_t step_h)
{
    struct backtest_plan plan = {.series = series,
                                 .from_ms = CLOSE_AT(LAST_ORIGIN - 1 - span_h),
                                 .to_ms = CLOSE_AT(LAST_ORIGIN - 1) + 1,
                                 .step_ms = HOURS(step_h),
                                 .horizons_s = horizons_s,
                                 .horizon_count = BTCF_LENGTH(horizons_s)};

    while (models[plan.model_count] != NULL) {
        plan.models[plan.model_count] = models[plan.model_count]->name;
        plan.model_count++;
    }
    plan.models[plan.model_count++] = ISSUE_ENSEMBLE;
    return plan;
}

/* Candles with a range, as the models that read ranges want them; close k is closes[k]. */
static struct series candles(const double *closes)
{
    double *columns = arena_array(arena, 4 * (size_t)POINTS, sizeof *columns);
    int64_t *times = arena_array(arena, POINTS, sizeof *times);
    struct series_source source = {.count = POINTS, .open_ms = times, .close = closes};
    struct series series;

    source.open = columns;
    source.high = columns + POINTS;
    source.low = columns + 2 * (size_t)POINTS;
    source.volume = columns + 3 * (size_t)POINTS;
    for (size_t i = 0; i < POINTS; i++) {
        double open = i > 0 ? closes[i - 1] : closes[0];

        times[i] = WALK_BEGIN_MS + HOURS((int64_t)i);
        columns[i] = open;
        columns[POINTS + i] = fmax(open, closes[i]) * 1.001;
        columns[2 * (size_t)POINTS + i] = fmin(open, closes[i]) * 0.999;
        columns[3 * (size_t)POINTS + i] = 5.0 + (double)(i % 7);
    }
    assert_int_equal(series_make(arena, &source, WALK_HOUR_MS, &series), 0);
    return series;
}

static void garbage_after_the_last_origin_changes_no_bit_of_any_forecast(void **state)
{
    double *closes = walk_closes(arena, POINTS, 21);
    struct series clean = candles(closes);
    struct backtest_plan plan = plan_of(&clean, 48, 24);
    struct rows before = walk(&plan), after;
    size_t changed = 0, ensembles = 0;
    struct rng rng;

    (void)state;
    rng_init(&rng, 3);
    for (size_t i = LAST_ORIGIN; i < POINTS; i++)
        closes[i] = exp(6.0 + 2.0 * rng_normal(&rng));
    struct series garbled = candles(closes);
    plan.series = &garbled;
    after = walk(&plan);
    assert_int_equal(before.count, after.count);
    assert_true(before.count > 3 * 4 * (plan.model_count - 4)); /* references may refuse */
    for (size_t i = 0; i < before.count; i++) {
        assert_int_equal(before.rows[i].model, after.rows[i].model);
        assert_memory_equal(before.prices[i], after.prices[i], sizeof before.prices[i]);
        changed += fabs(before.rows[i].actual - after.rows[i].actual) > 0.0;
        ensembles += before.rows[i].model == plan.model_count - 1;
    }
    assert_int_equal(ensembles, 3 * 4);
    assert_true(changed > 0); /* the garbage was there to be seen */
}

/* Hours in an order that means nothing: no volatility persists, so nobody can beat the law of all hours together by more
 * than the baseline, which has seen only 168 of them, is off. A model that saw the future would have plenty. */
static void where_time_was_shuffled_nobody_shows_skill(void **state)
{
    double *returns = arena_array(arena, POINTS, sizeof *returns),
           *closes = arena_array(arena, POINTS, sizeof *closes);
    double level = log(20000.0);
    struct rng rng;

    (void)state;
    rng_init(&rng, 77);
    for (size_t i = 0; i < POINTS; i++)
        closes[i] = exp(level += returns[i] = 0.005 * rng_normal(&rng));
    struct series series = candles(closes);
    struct backtest_plan plan = plan_of(&series, 1600, 8);
    struct rows rows = walk(&plan);

    for (size_t h = 0; h < 2; h++) /* 200 origins: independent at these two */
        for (size_t m = 0; m < plan.model_count; m++) {
            double sum = 0.0, squares = 0.0, count = 0.0, base = 0.0;

            for (size_t i = 0; i < rows.count; i++) {
                const struct summary_row *score = &rows.rows[i].score;

                if (rows.rows[i].horizon != h || rows.rows[i].model != m)
                    continue;
                double gain = score->crps_baseline - score->crps;
                sum += gain;
                squares += gain * gain;
                base += score->crps_baseline;
                count += 1.0;
            }
            if (count < 100.0)
                continue;
            double mean = sum / count, error = sqrt((squares / count - mean * mean) / count);
            /* The baseline's own window of 168 hours has noise of 5% in its scale, worth 0.3% of CRPS. */
            assert_true(mean < 0.004 * base / count + 3.0 * error);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(garbage_after_the_last_origin_changes_no_bit_of_any_forecast, begin, end),
        cmocka_unit_test_setup_teardown(where_time_was_shuffled_nobody_shows_skill, begin, end),
    };
    return cmocka_run_group_tests_name("eval/look_ahead", tests, NULL, NULL);
}
