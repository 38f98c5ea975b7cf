/* The scoreboard's statistics on made-up scores whose answers are known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "core/arena.h"
#include "core/base.h"
#include "core/err.h"
#include "core/rand.h"
#include "eval/summary.h"
#include "near.h"

#define ARENA_MAX ((size_t)64 << 20)
#define ROWS 2000

static struct arena *arena;
static struct summary_row rows[ROWS];

static int begin(void **state)
{
    (void)state;
    arena = arena_create("test", ARENA_MAX);
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

/* A calibrated forecast that is better than its baseline by `gain` on average, with noise. */
static void make_rows(double gain, uint64_t seed)
{
    struct rng rng;

    rng_init(&rng, seed);
    for (size_t i = 0; i < ROWS; i++) {
        double pit = rng_uniform(&rng), from_half = fabs(pit - 0.5);

        rows[i] = (struct summary_row){.crps = 1.0 - gain + 0.1 * rng_normal(&rng),
                                       .crps_baseline = 1.0,
                                       .pit = pit,
                                       .median_error = rng_normal(&rng),
                                       .width_90 = 4.0,
                                       .width_90_baseline = 5.0};
        rows[i].move = rows[i].median_error;
        for (size_t k = 0; k < SCORE_INTERVAL_COUNT; k++)
            rows[i].covered |= (unsigned)(from_half <= score_interval_levels[k] / 2.0) << k;
    }
}

static struct summary sum_up(size_t count, double overlap)
{
    struct summary summary;

    assert_int_equal(summary_make(arena, rows, count, overlap, &summary), 0);
    return summary;
}

static void means_and_counts_are_plain(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4; i++)
        rows[i] = (struct summary_row){.crps = (double)(i + 1),
                                       .crps_baseline = 5.0,
                                       .pit = 0.3 * (double)i,
                                       .median_error = i % 2 == 0 ? 2.0 : -2.0,
                                       .move = 4.0,
                                       .width_90 = 3.0,
                                       .width_90_baseline = 7.0,
                                       .interval_90 = (double)i,
                                       .interval_90_baseline = 9.0,
                                       .covered = i == 0 ? 15 : 8};
    struct summary summary = sum_up(4, 1.0);
    assert_int_equal(summary.n, 4);
    assert_near(summary.crps, 2.5, 1e-12);
    assert_near(summary.skill, 0.5, 1e-12);
    assert_near(summary.mase, 0.5, 1e-12);
    assert_near(summary.median_error, 2.0, 1e-12);
    assert_near(summary.width_90, 3.0, 1e-12);
    assert_near(summary.width_90_baseline, 7.0, 1e-12);
    assert_near(summary.interval_90, 1.5, 1e-12);
    assert_near(summary.interval_90_baseline, 9.0, 1e-12);
    assert_int_equal(summary.covered[0], 1);
    assert_int_equal(summary.covered[3], 4);
    assert_near(summary.coverage_error, (0.25 + 0.55 + 0.65 + 0.05) / 4.0, 1e-12);
    assert_int_equal(summary.pit_bins[0], 1); /* 0, .3, .6, .9 */
    assert_int_equal(summary.pit_bins[3] + summary.pit_bins[2], 1);
    assert_int_equal(summary.pit_bins[9] + summary.pit_bins[8], 1);
    assert_false(summary.has_direction);
}

static void a_real_gain_is_significant_and_no_gain_is_not(void **state)
{
    (void)state;
    make_rows(0.05, 1);
    struct summary better = sum_up(ROWS, 1.0);
    assert_true(better.dm_p < 1e-6);
    assert_near(better.skill, 0.05, 0.01);
    assert_true(better.skill_95.low > 0.0 && better.skill_95.low < 0.05 && better.skill_95.high > 0.05);
    make_rows(0.0, 2);
    struct summary equal = sum_up(ROWS, 1.0);
    assert_true(equal.dm_p > 0.01);
    assert_true(equal.skill_95.low < 0.0 && equal.skill_95.high > 0.0);
}

static void the_baseline_against_itself_has_skill_zero_and_p_one(void **state)
{
    (void)state;
    make_rows(0.0, 3);
    for (size_t i = 0; i < ROWS; i++)
        rows[i].crps = rows[i].crps_baseline;
    struct summary summary = sum_up(ROWS, 1.0);
    assert_near(summary.skill, 0.0, 1e-12);
    assert_near(summary.dm_p, 1.0, 0.0);
    assert_near(summary.skill_95.high - summary.skill_95.low, 0.0, 1e-12);
}

static void overlap_widens_every_interval(void **state)
{
    (void)state;
    make_rows(0.05, 4);
    struct summary apart = sum_up(ROWS, 1.0), overlapping = sum_up(ROWS, 24.0);
    assert_near(apart.n_effective, ROWS, 0.0);
    assert_near(overlapping.n_effective, ROWS / 24.0, 1e-9);
    for (size_t k = 0; k < SCORE_INTERVAL_COUNT; k++) {
        double share = overlapping.coverage[k];

        assert_true(overlapping.coverage_95[k].high - overlapping.coverage_95[k].low >
                    3.0 * (apart.coverage_95[k].high - apart.coverage_95[k].low));
        assert_true(overlapping.coverage_95[k].low < share && share < overlapping.coverage_95[k].high);
    }
    assert_near(sum_up(ROWS, 0.2).n_effective, ROWS, 0.0);
}

static void a_calibrated_forecast_passes_and_a_narrow_one_does_not(void **state)
{
    (void)state;
    make_rows(0.0, 5);
    assert_true(sum_up(ROWS, 1.0).pit_ks_p > 0.01);
    for (size_t i = 0; i < ROWS; i++)
        rows[i].pit = rows[i].pit < 0.5 ? rows[i].pit / 2.0 : 1.0 - (1.0 - rows[i].pit) / 2.0;
    assert_true(sum_up(ROWS, 1.0).pit_ks_p < 1e-6);
    assert_true(sum_up(ROWS, 20.0).pit_ks_p < 0.2);
}

static void direction_counts_only_medians_that_take_a_side(void **state)
{
    (void)state;
    make_rows(0.0, 6);
    for (size_t i = 0; i < ROWS; i++) {
        double median = i % 2 == 0 ? 0.5 : 0.0; /* every second forecast says nothing */

        rows[i].move = i % 8 < 6 ? 1.0 : -1.0; /* up three times of four */
        rows[i].median_error = rows[i].move - median;
    }
    struct summary summary = sum_up(ROWS, 1.0);
    assert_true(summary.has_direction);
    assert_near(summary.direction, 0.75, 1e-12);
    assert_true(summary.direction_95.low < 0.75 && summary.direction_95.high > 0.75);
    assert_true(summary.direction_95.high - summary.direction_95.low < 0.07);
}

static void refuses_nothing_and_nonsense(void **state)
{
    struct summary summary;

    (void)state;
    assert_int_equal(summary_make(arena, rows, 0, 1.0, &summary), -1);
    assert_int_equal(err_kind(), E_INPUT);
    make_rows(0.0, 7);
    rows[17].crps = NAN;
    assert_int_equal(summary_make(arena, rows, ROWS, 1.0, &summary), -1);
    assert_int_equal(err_kind(), E_INPUT);
}

static void one_score_is_enough_for_a_row(void **state)
{
    (void)state;
    make_rows(0.1, 8);
    struct summary summary = sum_up(1, 720.0);
    assert_int_equal(summary.n, 1);
    assert_near(summary.n_effective, 1.0, 0.0);
    assert_true(isfinite(summary.skill_95.low) && isfinite(summary.dm_p) && isfinite(summary.pit_ks_p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(means_and_counts_are_plain, begin, end),
        cmocka_unit_test_setup_teardown(a_real_gain_is_significant_and_no_gain_is_not, begin, end),
        cmocka_unit_test_setup_teardown(the_baseline_against_itself_has_skill_zero_and_p_one, begin, end),
        cmocka_unit_test_setup_teardown(overlap_widens_every_interval, begin, end),
        cmocka_unit_test_setup_teardown(a_calibrated_forecast_passes_and_a_narrow_one_does_not, begin, end),
        cmocka_unit_test_setup_teardown(direction_counts_only_medians_that_take_a_side, begin, end),
        cmocka_unit_test_setup_teardown(refuses_nothing_and_nonsense, begin, end),
        cmocka_unit_test_setup_teardown(one_score_is_enough_for_a_row, begin, end),
    };
    return cmocka_run_group_tests_name("eval/summary", tests, NULL, NULL);
}
