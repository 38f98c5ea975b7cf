/* The walk: which origins and targets it visits, what it scores against, and that the future never leaks in. */
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
#include "core/str.h"
#include "eval/backtest.h"
#include "eval/fits.h"
#include "eval/lessons.h"
#include "models/series.h"
#include "near.h"
#include "walk.h"

#define ARENA_MAX ((size_t)512 << 20)
#define POINTS 3000
#define ROWS_MAX 4096
#define CSV_MAX ((size_t)8 << 20)
#define HOURS(n) ((int64_t)(n)*WALK_HOUR_MS)
#define CLOSE_AT(n) (WALK_BEGIN_MS + HOURS((n) + 1)) /* closing instant of point n */

static const int64_t horizons_s[] = {3600, 86400, 259200};
static struct arena *arena;

/* Everything that a walk emitted. */
struct seen {
    size_t row_count, refusal_count, told_count;
    struct backtest_row rows[ROWS_MAX];
    double prices[ROWS_MAX][QUANTILE_COUNT];
    struct strbuf csv;
};

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

static int take_row(void *arg, const struct backtest_row *row)
{
    struct seen *seen = arg;

    assert_true(seen->row_count < ROWS_MAX);
    seen->rows[seen->row_count] = *row;
    memcpy(seen->prices[seen->row_count++], row->forecast->price, sizeof row->forecast->price);
    backtest_csv_row(&seen->csv, row);
    return 0;
}

static void take_refusal(void *arg, const struct issue_refusal *refusal)
{
    struct seen *seen = arg;

    assert_non_null(refusal->reason);
    seen->told_count++;
}

static struct backtest_plan plan_of(const struct series *series)
{
    return (struct backtest_plan){.series = series,
                                  .from_ms = CLOSE_AT(2500),
                                  .to_ms = CLOSE_AT(2600),
                                  .step_ms = HOURS(10),
                                  .horizons_s = horizons_s,
                                  .horizon_count = 3,
                                  .models = {"rw-gauss", "rw-emp", "ewma-emp", "ensemble"},
                                  .model_count = 4};
}

/* All records of a plan, as two processes make them that begin at either end. */
static struct quantile_curve *make_records(const struct backtest_plan *plan, struct seen *seen)
{
    size_t count = backtest_warmup_count(plan) + backtest_origin_count(plan), curves = backtest_curve_count(plan);
    struct quantile_curve *records = arena_array(arena, count * curves, sizeof *records);
    struct backtest_walk *first = backtest_walk_create(plan), *second = backtest_walk_create(plan);

    for (size_t i = count; i-- > count / 2;)
        backtest_raw(second, i, records + i * curves, take_refusal, seen);
    for (size_t i = 0; i < count / 2; i++)
        backtest_raw(first, i, records + i * curves, take_refusal, seen);
    backtest_walk_free(&first);
    backtest_walk_free(&second);
    return records;
}

static struct seen *walk(const struct backtest_plan *plan)
{
    struct seen *seen = arena_alloc(arena, sizeof *seen);

    assert_int_equal(backtest_check(plan), 0);
    strbuf_init(&seen->csv, CSV_MAX);
    const struct backtest_records records = {make_records(plan, seen),
                                             backtest_curve_count(plan) * sizeof(struct quantile_curve)};
    assert_int_equal(backtest_judge(plan, &records, &seen->refusal_count, take_row, seen), 0);
    assert_false(strbuf_failed(&seen->csv));
    return seen;
}

static struct series market(size_t count)
{
    return walk_series(arena, walk_closes(arena, count, 1), count, WALK_HOUR_MS);
}

static void origins_are_half_open_and_every_model_answers(void **state)
{
    struct series series = market(POINTS);
    struct backtest_plan plan = plan_of(&series);
    struct seen *seen;

    (void)state;
    assert_int_equal(backtest_origin_count(&plan), 10);
    seen = walk(&plan);
    assert_int_equal(seen->rows[0].origin_ms, plan.from_ms);
    assert_int_equal(seen->rows[seen->row_count - 1].origin_ms, plan.to_ms - HOURS(10));
    /* 3000 h hold 125 days: 3 d has rw-emp, rw-gauss and the ensemble on bars; ewma-emp on hours. */
    assert_int_equal(seen->row_count, 10 * 3 * 4);
    strbuf_release(&seen->csv);
}

static void a_from_between_two_candles_begins_at_the_next_close(void **state)
{
    struct series series = market(POINTS);
    struct backtest_plan plan = plan_of(&series);

    (void)state;
    plan.from_ms += 1;
    struct seen *seen = walk(&plan);
    assert_int_equal(seen->rows[0].origin_ms, CLOSE_AT(2501));
    strbuf_release(&seen->csv);
}

static void actuals_are_the_closes_at_the_targets(void **state)
{
    struct series series = market(POINTS);
    struct backtest_plan plan = plan_of(&series);
    struct seen *seen = walk(&plan);

    (void)state;
    for (size_t i = 0; i < seen->row_count; i++) {
        const struct backtest_row *row = &seen->rows[i];
        size_t origin = (size_t)((row->origin_ms - WALK_BEGIN_MS) / WALK_HOUR_MS) - 1;
        size_t steps = (size_t)(horizons_s[row->horizon] / 3600);

        assert_near(row->origin_price, series.close[origin], 0.0);
        assert_near(row->actual, series.close[origin + steps], 0.0);
        assert_int_equal(row->target_ms, row->origin_ms + horizons_s[row->horizon] * 1000);
        assert_near(row->score.move, 100.0 * (row->actual / row->origin_price - 1.0), 1e-12);
    }
    strbuf_release(&seen->csv);
}

static void no_row_is_made_without_an_actual(void **state)
{
    struct series series = market(POINTS);
    struct backtest_plan plan = plan_of(&series);

    (void)state;
    plan.from_ms = CLOSE_AT(POINTS - 30);
    plan.to_ms = INT64_MAX / 2;
    plan.step_ms = HOURS(1);
    /* Points 2970 .. 2998 have a close one hour later, 2970 .. 2975 one a day later, none one three days later. */
    assert_int_equal(backtest_origin_count(&plan), 29);
    struct seen *seen = walk(&plan);
    assert_int_equal(seen->row_count, 4 * (29 + 6));
    for (size_t i = 0; i < seen->row_count; i++)
        assert_true(seen->rows[i].target_ms <= series.end_ms);
    strbuf_release(&seen->csv);
}

static void the_order_in_which_records_are_made_changes_no_byte(void **state)
{
    struct series series = market(POINTS);
    struct backtest_plan plan = plan_of(&series);
    size_t count = backtest_warmup_count(&plan) + backtest_origin_count(&plan), curves = backtest_curve_count(&plan);
    struct quantile_curve *mixed = make_records(&plan, arena_alloc(arena, sizeof(struct seen)));
    struct quantile_curve *record = arena_array(arena, curves, sizeof *record);
    struct backtest_walk *straight = backtest_walk_create(&plan);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        backtest_raw(straight, i, record, NULL, NULL);
        assert_memory_equal(record, mixed + i * curves, curves * sizeof *record);
    }
    backtest_walk_free(&straight);
}

static void the_ensemble_is_what_an_issue_with_the_same_lessons_makes(void **state)
{
    struct series series = market(POINTS);
    struct backtest_plan plan = plan_of(&series);
    struct seen *seen = walk(&plan);
    struct lessons *lessons = lessons_create(horizons_s, 3);
    struct fits *fits = fits_create(FITS_BYTES_MAX);
    size_t warmup = backtest_warmup_count(&plan), compared = 0;
    struct issue issue;

    (void)state;
    assert_int_equal(warmup, 2500 / 24);
    for (size_t at = 0; at < warmup + 10; at++) {
        int64_t origin_ms = backtest_record_ms(&plan, at);
        struct series known = series_head(&series, series_count_at(&series, origin_ms));
        struct issue_options options = {.horizons_s = horizons_s, .horizon_count = 3, .fits = fits};

        assert_int_equal(lessons_learn(lessons, &known), 0);
        options.calibrations = lessons_calibrations(lessons);
        options.calibration_count = 3;
        if (issue_make(arena, &known, &options, &issue) < 0)
            continue; /* the first points of history */
        for (size_t i = 0; i < issue.members_count; i++)
            assert_int_equal(lessons_note(lessons, origin_ms, &issue.members[i]), 0);
        for (size_t i = 0; i < seen->row_count; i++) {
            const struct backtest_row *row = &seen->rows[i];

            if (row->origin_ms != origin_ms || row->model != 3)
                continue;
            const struct issue_forecast *forecast = issue_find(&issue, ISSUE_ENSEMBLE, horizons_s[row->horizon]);
            assert_memory_equal(forecast->price, seen->prices[i], sizeof seen->prices[i]);
            compared++;
        }
    }
    assert_int_equal(compared, 30);
    assert_true(fabs(lessons_calibrations(lessons)[0].log_width) > 0.0);
    lessons_free(&lessons);
    fits_free(&fits);
    strbuf_release(&seen->csv);
}

static void garbage_after_an_origin_leaves_its_forecasts_bit_identical(void **state)
{
    double *closes = walk_closes(arena, POINTS, 1);
    struct series clean = walk_series(arena, closes, POINTS, WALK_HOUR_MS);
    struct backtest_plan plan = plan_of(&clean);
    struct rng rng;

    (void)state;
    rng_init(&rng, 5);
    plan.to_ms = CLOSE_AT(2541); /* five origins */
    struct seen *before = walk(&plan), *after;
    for (size_t i = 2541; i < POINTS; i++) /* the fifth origin is the close of point 2540 */
        closes[i] = exp(5.0 + rng_normal(&rng));
    struct series garbled = walk_series(arena, closes, POINTS, WALK_HOUR_MS);
    plan.series = &garbled;
    after = walk(&plan);
    assert_int_equal(before->row_count, after->row_count);
    assert_memory_equal(before->prices, after->prices, before->row_count * sizeof before->prices[0]);
    assert_true(fabs(before->rows[before->row_count - 1].actual - after->rows[after->row_count - 1].actual) > 0.0);
    strbuf_release(&before->csv);
    strbuf_release(&after->csv);
}

static void origins_without_history_are_told_as_refusals(void **state)
{
    struct series series = market(POINTS);
    struct backtest_plan plan = plan_of(&series);

    (void)state;
    plan.from_ms = CLOSE_AT(0);
    plan.to_ms = CLOSE_AT(20);
    struct seen *seen = walk(&plan);
    assert_int_equal(seen->row_count, 0);
    assert_int_equal(seen->refusal_count, 2 * 3 * 4);
    assert_int_equal(seen->told_count, 2 * 3 * 4);
    strbuf_release(&seen->csv);
}

static void csv_names_the_columns_and_keeps_the_digits(void **state)
{
    struct series series = market(POINTS);
    struct backtest_plan plan = plan_of(&series);
    struct seen *seen = walk(&plan);
    struct strbuf header;

    (void)state;
    strbuf_init(&header, CSV_MAX);
    backtest_csv_header(&header);
    assert_string_equal(header.ptr,
                        "model,origin,horizon_s,origin_price,target,actual,q0.005,q0.01,q0.025,q0.05,q0.1,"
                        "q0.15,q0.2,q0.25,q0.3,q0.35,q0.4,q0.45,q0.5,q0.55,q0.6,q0.65,q0.7,q0.75,q0.8,"
                        "q0.85,q0.9,q0.95,q0.975,q0.99,q0.995\n");
    struct str line = str_of(seen->csv.ptr), rest = str_cut(&line, '\n');
    size_t fields = 0;
    for (double value; rest.ptr != NULL; fields++) {
        struct str field = str_cut(&rest, ',');

        if (fields == 0) {
            assert_true(str_is(field, "rw-gauss"));
            continue;
        }
        assert_int_equal(str_parse_double(field, &value), 0);
        if (fields >= 6)
            assert_close(value, seen->prices[0][fields - 6], 1e-11);
    }
    assert_int_equal(fields, 31);
    strbuf_release(&header);
    strbuf_release(&seen->csv);
}

static void refuse(struct backtest_plan plan, const char *why)
{
    assert_int_equal(backtest_check(&plan), -1);
    assert_int_equal(err_kind(), E_INPUT);
    assert_non_null(strstr(err_text(), why));
}

static void refuses_plans_that_cannot_be_walked(void **state)
{
    static const int64_t crooked[] = {5400}, unordered[] = {86400, 3600}, crooked_bars[] = {262800};
    struct series series = market(POINTS);
    struct backtest_plan good = plan_of(&series), plan;

    (void)state;
    plan = good, plan.models[1] = "oracle";
    refuse(plan, "oracle");
    plan = good, plan.models[1] = "rw-gauss";
    refuse(plan, "twice");
    plan = good, plan.model_count = 0;
    refuse(plan, "models");
    plan = good, plan.horizons_s = crooked, plan.horizon_count = 1;
    refuse(plan, "multiple");
    plan = good, plan.horizons_s = crooked_bars, plan.horizon_count = 1;
    refuse(plan, "24 hours");
    plan = good, plan.horizons_s = unordered, plan.horizon_count = 2;
    refuse(plan, "ascend");
    plan = good, plan.step_ms = HOURS(1) / 2;
    refuse(plan, "step");
    plan = good, plan.to_ms = plan.from_ms;
    refuse(plan, "before");
    plan = good, plan.from_ms = series.end_ms, plan.to_ms = series.end_ms + HOURS(10);
    refuse(plan, "no origin");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(origins_are_half_open_and_every_model_answers, begin, end),
        cmocka_unit_test_setup_teardown(a_from_between_two_candles_begins_at_the_next_close, begin, end),
        cmocka_unit_test_setup_teardown(actuals_are_the_closes_at_the_targets, begin, end),
        cmocka_unit_test_setup_teardown(no_row_is_made_without_an_actual, begin, end),
        cmocka_unit_test_setup_teardown(the_order_in_which_records_are_made_changes_no_byte, begin, end),
        cmocka_unit_test_setup_teardown(the_ensemble_is_what_an_issue_with_the_same_lessons_makes, begin, end),
        cmocka_unit_test_setup_teardown(garbage_after_an_origin_leaves_its_forecasts_bit_identical, begin, end),
        cmocka_unit_test_setup_teardown(origins_without_history_are_told_as_refusals, begin, end),
        cmocka_unit_test_setup_teardown(csv_names_the_columns_and_keeps_the_digits, begin, end),
        cmocka_unit_test_setup_teardown(refuses_plans_that_cannot_be_walked, begin, end),
    };
    return cmocka_run_group_tests_name("eval/backtest", tests, NULL, NULL);
}
