/* One issue at all eight horizons: complete, coherent, pure, and blind to the future. */
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
#include "eval/issue.h"
#include "models/series.h"
#include "near.h"
#include "walk.h"

#define ARENA_MAX ((size_t)512 << 20)
#define POINTS 111000
#define ORIGIN 110000

static const int64_t all_horizons_s[] = {3600, 14400, 43200, 86400, 259200, 604800, 1209600, 2592000};
static const struct issue_options all = {.horizons_s = all_horizons_s, .horizon_count = BTCF_LENGTH(all_horizons_s)};
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

static struct series market(size_t count)
{
    return walk_series(arena, walk_closes(arena, count, 1), count, WALK_HOUR_MS);
}

static size_t registered(void)
{
    size_t count = 0;

    while (models[count] != NULL)
        count++;
    return count;
}

static void every_model_and_the_ensemble_answer_at_every_horizon(void **state)
{
    struct series series = market(ORIGIN);
    struct issue issue;

    (void)state;
    assert_int_equal(issue_make(arena, &series, &all, &issue), 0);
    assert_int_equal(issue.refusal_count, 0);
    assert_int_equal(issue.count, all.horizon_count * (registered() + 1));
    assert_int_equal(issue.origin_ms, series.end_ms);
    for (size_t h = 0; h < all.horizon_count; h++) {
        for (size_t m = 0; models[m] != NULL; m++)
            assert_non_null(issue_find(&issue, models[m]->name, all_horizons_s[h]));
        assert_non_null(issue_find(&issue, ISSUE_ENSEMBLE, all_horizons_s[h]));
        assert_non_null(issue_find(&issue, ISSUE_BASELINE, all_horizons_s[h]));
    }
    assert_null(issue_find(&issue, ISSUE_ENSEMBLE, 7200));
    assert_null(issue_find(&issue, "oracle", 3600));
}

static void figures_of_a_forecast_agree_with_its_curve(void **state)
{
    struct series series = market(ORIGIN);
    struct issue issue;

    (void)state;
    assert_int_equal(issue_make(arena, &series, &all, &issue), 0);
    for (size_t f = 0; f < issue.count; f++) {
        const struct issue_forecast *forecast = &issue.forecasts[f];

        for (size_t i = 0; i < QUANTILE_COUNT; i++) {
            assert_close(forecast->price[i], issue.origin_price * exp(forecast->curve.log_return[i]), 1e-12);
            assert_true(i == 0 || forecast->price[i] >= forecast->price[i - 1]);
        }
        assert_true(forecast->mean > forecast->price[0] && forecast->mean < forecast->price[QUANTILE_COUNT - 1]);
        assert_true(forecast->prob_up > 0.2 && forecast->prob_up < 0.8);
        /* The market's scale is 0.2% to 1% an hour: 19% to 94% a year. */
        assert_true(forecast->volatility > 0.1 && forecast->volatility < 1.5);
    }
}

static void the_ensemble_has_no_drift_and_weights_that_sum_to_one(void **state)
{
    struct series series = market(ORIGIN);
    struct issue issue;

    (void)state;
    assert_int_equal(issue_make(arena, &series, &all, &issue), 0);
    for (size_t h = 0; h < all.horizon_count; h++) {
        const struct issue_forecast *ensemble = issue_find(&issue, ISSUE_ENSEMBLE, all_horizons_s[h]);
        double total = 0.0;

        assert_near(ensemble->price[QUANTILE_MEDIAN], issue.origin_price, 1e-9);
        assert_near(ensemble->prob_up, 0.5, 1e-12);
        for (size_t i = 0; i < ensemble->weight_count; i++)
            total += ensemble->weights[i].weight;
        assert_near(total, 1.0, 1e-12);
    }
}

static void long_horizons_see_only_every_24th_close_before_the_origin(void **state)
{
    double *closes = walk_closes(arena, ORIGIN, 1);
    struct series clean = walk_series(arena, closes, ORIGIN, WALK_HOUR_MS);
    struct issue before, after;

    (void)state;
    assert_int_equal(issue_make(arena, &clean, &all, &before), 0);
    for (size_t i = 0; i < ORIGIN; i++)
        if ((ORIGIN - 1 - i) % 24 != 0)
            closes[i] *= 1.01;
    struct series bent = walk_series(arena, closes, ORIGIN, WALK_HOUR_MS);
    assert_int_equal(issue_make(arena, &bent, &all, &after), 0);
    for (size_t h = 0; h < all.horizon_count; h++) {
        const struct issue_forecast *a = issue_find(&before, "rw-emp", all_horizons_s[h]);
        const struct issue_forecast *b = issue_find(&after, "rw-emp", all_horizons_s[h]);
        bool is_same = memcmp(&a->curve, &b->curve, sizeof a->curve) == 0;

        if (all_horizons_s[h] >= ISSUE_BARS_FROM_S)
            assert_true(is_same);
        else if (all_horizons_s[h] < ISSUE_BAR_S)
            assert_false(is_same);
    }
}

static void assert_same_forecasts(const struct issue *a, const struct issue *b)
{
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        assert_string_equal(a->forecasts[i].model, b->forecasts[i].model);
        assert_memory_equal(&a->forecasts[i].curve, &b->forecasts[i].curve, sizeof a->forecasts[i].curve);
        assert_memory_equal(a->forecasts[i].price, b->forecasts[i].price, sizeof a->forecasts[i].price);
        assert_memory_equal(&a->forecasts[i].mean, &b->forecasts[i].mean, sizeof a->forecasts[i].mean);
    }
}

static void garbage_after_the_origin_leaves_the_whole_issue_bit_identical(void **state)
{
    double *closes = walk_closes(arena, POINTS, 1);
    struct series clean = walk_series(arena, closes, POINTS, WALK_HOUR_MS), head = series_head(&clean, ORIGIN);
    struct issue before, after;
    struct rng rng;

    (void)state;
    assert_int_equal(issue_make(arena, &head, &all, &before), 0);
    rng_init(&rng, 9);
    for (size_t i = ORIGIN; i < POINTS; i++)
        closes[i] = exp(20.0 * rng_normal(&rng));
    struct series garbled = walk_series(arena, closes, POINTS, WALK_HOUR_MS);
    head = series_head(&garbled, ORIGIN);
    assert_int_equal(issue_make(arena, &head, &all, &after), 0);
    assert_same_forecasts(&before, &after);
}

static void loading_issue_points_is_as_good_as_the_whole_history(void **state)
{
    struct series series = market(ORIGIN), tail = series_tail(&series, issue_points(&all, WALK_HOUR_MS));
    struct issue whole, enough;

    (void)state;
    assert_in_range(tail.count, 1000, series.count - 1);
    assert_int_equal(issue_make(arena, &series, &all, &whole), 0);
    assert_int_equal(issue_make(arena, &tail, &all, &enough), 0);
    assert_same_forecasts(&whole, &enough);
}

static void only_the_models_asked_for_are_returned_and_members_work_unseen(void **state)
{
    static const char *const wanted[] = {ISSUE_ENSEMBLE, "rw-gauss", NULL};
    struct issue_options options = all;
    struct series series = market(ORIGIN);
    struct issue few, every;

    (void)state;
    options.models = wanted;
    assert_int_equal(issue_make(arena, &series, &options, &few), 0);
    assert_int_equal(issue_make(arena, &series, &all, &every), 0);
    assert_int_equal(few.count, 2 * all.horizon_count);
    for (size_t h = 0; h < all.horizon_count; h++)
        for (size_t m = 0; wanted[m] != NULL; m++)
            assert_memory_equal(&issue_find(&few, wanted[m], all_horizons_s[h])->curve,
                                &issue_find(&every, wanted[m], all_horizons_s[h])->curve,
                                sizeof(struct quantile_curve));
}

static void a_short_history_serves_short_horizons_and_says_what_is_missing(void **state)
{
    struct series series = market(720); /* what an exchange gives at once: 30 days of hours */
    struct issue issue;

    (void)state;
    assert_int_equal(issue_make(arena, &series, &all, &issue), 0);
    assert_non_null(issue_find(&issue, ISSUE_ENSEMBLE, 3600));
    assert_non_null(issue_find(&issue, ISSUE_BASELINE, 86400));
    assert_null(issue_find(&issue, ISSUE_ENSEMBLE, 2592000));
    assert_true(issue.refusal_count > 0);
    for (size_t i = 0; i < issue.refusal_count; i++)
        assert_true(strlen(issue.refusals[i].reason) > 0);
}

static void members_that_refuse_leave_their_weight_to_the_others(void **state)
{
    static const int64_t hour[] = {3600};
    const struct issue_options options = {.horizons_s = hour, .horizon_count = 1};
    struct series series = market(150); /* enough for rw-emp, not for ewma-emp */
    struct issue issue;

    (void)state;
    assert_int_equal(issue_make(arena, &series, &options, &issue), 0);
    const struct issue_forecast *ensemble = issue_find(&issue, ISSUE_ENSEMBLE, 3600);
    assert_non_null(ensemble);
    assert_int_equal(ensemble->weight_count, 1);
    assert_string_equal(ensemble->weights[0].model, "rw-emp");
    assert_near(ensemble->weights[0].weight, 1.0, 1e-12);
}

static void every_forecast_says_up_to_when_it_was_fitted(void **state)
{
    struct series series = market(ORIGIN);
    struct issue_options options = all;
    struct issue issue;

    (void)state;
    options.fits = fits_create(FITS_BYTES_MAX);
    assert_int_equal(issue_make(arena, &series, &options, &issue), 0);
    for (size_t i = 0; i < issue.count; i++) {
        const struct issue_forecast *forecast = &issue.forecasts[i];
        const struct model *model = model_find(forecast->model);
        if (model != NULL) {
            assert_int_equal(forecast->trained_ms, fits_instant(model, series.end_ms));
            continue;
        }
        int64_t oldest_ms = series.end_ms;
        for (size_t w = 0; w < forecast->weight_count; w++) {
            int64_t trained_ms = issue_find(&issue, forecast->weights[w].model, forecast->horizon_s)->trained_ms;
            oldest_ms = trained_ms < oldest_ms ? trained_ms : oldest_ms;
        }
        assert_int_equal(forecast->trained_ms, oldest_ms);
    }
    fits_free(&options.fits);
}

static void a_history_that_serves_nothing_is_an_error_with_the_reason(void **state)
{
    struct series series = market(5);
    struct issue issue;

    (void)state;
    assert_int_equal(issue_make(arena, &series, &all, &issue), -1);
    assert_int_equal(err_kind(), E_INPUT);
    assert_non_null(strstr(err_text(), "points of history"));
}

static void refuse_options(const struct issue_options *options, const char *why)
{
    struct series series = market(2000);
    struct issue issue;

    assert_int_equal(issue_make(arena, &series, options, &issue), -1);
    assert_int_equal(err_kind(), E_INPUT);
    assert_non_null(strstr(err_text(), why));
}

static void refuses_options_that_make_no_sense(void **state)
{
    static const int64_t crooked[] = {5400}, crooked_bars[] = {259200 + 3600}, negative[] = {-3600};
    static const char *const unknown[] = {"oracle", NULL};

    (void)state;
    refuse_options(&(struct issue_options){.horizons_s = crooked, .horizon_count = 0}, "horizons");
    refuse_options(&(struct issue_options){.horizons_s = crooked, .horizon_count = 1}, "multiple");
    refuse_options(&(struct issue_options){.horizons_s = crooked_bars, .horizon_count = 1}, "multiple");
    refuse_options(&(struct issue_options){.horizons_s = negative, .horizon_count = 1}, "multiple");
    refuse_options(&(struct issue_options){.horizons_s = all_horizons_s, .horizon_count = 1, .models = unknown},
                   "oracle");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_model_and_the_ensemble_answer_at_every_horizon, begin, end),
        cmocka_unit_test_setup_teardown(figures_of_a_forecast_agree_with_its_curve, begin, end),
        cmocka_unit_test_setup_teardown(the_ensemble_has_no_drift_and_weights_that_sum_to_one, begin, end),
        cmocka_unit_test_setup_teardown(long_horizons_see_only_every_24th_close_before_the_origin, begin, end),
        cmocka_unit_test_setup_teardown(garbage_after_the_origin_leaves_the_whole_issue_bit_identical, begin, end),
        cmocka_unit_test_setup_teardown(loading_issue_points_is_as_good_as_the_whole_history, begin, end),
        cmocka_unit_test_setup_teardown(only_the_models_asked_for_are_returned_and_members_work_unseen, begin, end),
        cmocka_unit_test_setup_teardown(a_short_history_serves_short_horizons_and_says_what_is_missing, begin, end),
        cmocka_unit_test_setup_teardown(members_that_refuse_leave_their_weight_to_the_others, begin, end),
        cmocka_unit_test_setup_teardown(every_forecast_says_up_to_when_it_was_fitted, begin, end),
        cmocka_unit_test_setup_teardown(a_history_that_serves_nothing_is_an_error_with_the_reason, begin, end),
        cmocka_unit_test_setup_teardown(refuses_options_that_make_no_sense, begin, end),
    };
    return cmocka_run_group_tests_name("eval/issue", tests, NULL, NULL);
}
