/* Realised volatility: measures of one candle, gaps, columns that know nothing of what comes later. */
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
#include "models/series.h"
#include "models/volatility.h"
#include "near.h"
#include "walk.h"

#define ARENA_MAX ((size_t)64 << 20)
#define HOUR WALK_HOUR_MS
#define POINTS 2000

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

static void the_three_range_measures_follow_their_formulas(void **state)
{
    (void)state;
    /* open 0, high 2, low -1, close 1, by hand from the papers. */
    assert_close(variance_parkinson(2.0, -1.0), 9.0 / (4.0 * log(2.0)), 1e-15);
    assert_close(variance_garman_klass(0.0, 2.0, -1.0, 1.0), 4.5 - (2.0 * log(2.0) - 1.0), 1e-15);
    assert_close(variance_rogers_satchell(0.0, 2.0, -1.0, 1.0), (2.0 - 1.0) * 2.0 + (-1.0 - 1.0) * -1.0, 1e-15);
    assert_near(variance_garman_klass(0.0, 0.1, -0.1, 5.0), 0.0, 0.0); /* a close outside its range */
}

/* Of a random walk of many small steps every measure has the walk's variance as its mean. */
static void each_measure_is_right_on_average_for_a_random_walk(void **state)
{
    enum { candles = 4000, ticks = 400 };
    double parkinson = 0.0, garman_klass = 0.0, rogers_satchell = 0.0;
    struct rng rng;

    (void)state;
    rng_init(&rng, 3);
    for (size_t i = 0; i < candles; i++) {
        double level = 0.0, high = 0.0, low = 0.0;

        for (size_t t = 0; t < ticks; t++) {
            level += rng_normal(&rng) / sqrt(ticks);
            high = fmax(high, level);
            low = fmin(low, level);
        }
        parkinson += variance_parkinson(high, low) / candles;
        garman_klass += variance_garman_klass(0.0, high, low, level) / candles;
        rogers_satchell += variance_rogers_satchell(0.0, high, low, level) / candles;
    }
    /* 400 ticks miss the true extremes: ranges are 4% too small, their squares 8% (Garman & Klass 1980, table 1). */
    assert_near(parkinson, 0.93, 0.05);
    assert_near(garman_klass, 0.91, 0.05);
    assert_near(rogers_satchell, 0.91, 0.05);
}

static void with_closes_alone_a_return_after_a_gap_is_spread_over_the_steps_it_covers(void **state)
{
    const int64_t times[] = {0, HOUR, 5 * HOUR, 6 * HOUR};
    const double close[] = {100.0, 101.0, 105.0, 104.0};
    struct series_source source = {.count = 4, .open_ms = times, .close = close};
    struct series series;
    struct volatility volatility;
    double first = log(1.01), jump = log(105.0 / 101.0);

    (void)state;
    assert_int_equal(series_make(arena, &source, HOUR, &series), 0);
    volatility_make(arena, &series, &volatility);
    assert_int_equal(volatility.count, 7);
    assert_close(volatility.squared[1], first * first, 1e-12);
    for (size_t i = 2; i < 5; i++) { /* nothing was learned: what was known stands in */
        assert_close(volatility.squared[i], first * first, 1e-12);
        assert_near(volatility.log_return[i], 0.0, 0.0);
    }
    assert_close(volatility.log_return[5], jump, 1e-12);
    assert_close(volatility.squared[5], jump * jump / 4.0, 1e-12);
    assert_close(volatility.range[5], volatility.squared[5], 1e-12);
}

static void a_candle_after_a_gap_is_measured_by_its_own_open_and_range(void **state)
{
    const int64_t times[] = {0, HOUR, 5 * HOUR};
    const double open[] = {100, 100, 104}, high[] = {100, 102, 106}, low[] = {100, 99, 103},
                 close[] = {100, 101, 105};
    struct series_source source = {
        .count = 3, .open_ms = times, .open = open, .high = high, .low = low, .close = close};
    struct series series;
    struct volatility volatility;
    double move = log(105.0 / 104.0);

    (void)state;
    assert_int_equal(series_make(arena, &source, HOUR, &series), 0);
    volatility_make(arena, &series, &volatility);
    assert_close(volatility.squared[5], move * move, 1e-9);
    double range = variance_garman_klass(log(104.0), log(106.0), log(103.0), log(105.0));
    assert_close(volatility.range[5], 0.5 * (range + move * move), 1e-9);
}

static void bars_bring_the_variance_of_the_candles_inside_them(void **state)
{
    const int64_t times[] = {0, HOUR, 2 * HOUR, 3 * HOUR, 5 * HOUR};
    const double close[] = {100.0, 101.0, 99.0, 100.0, 103.0};
    struct series_source source = {.count = 5, .open_ms = times, .close = close};
    struct series series, bars;
    struct volatility volatility;

    (void)state;
    assert_int_equal(series_make(arena, &source, HOUR, &series), 0);
    assert_int_equal(series_bars(arena, &series, 3, 10, &bars), 0);
    assert_int_equal(bars.count, 2);
    double a = log(1.01), b = log(99.0 / 101.0), c = log(100.0 / 99.0), d = log(1.03);
    assert_close(bars.realised[0], (a * a + b * b) * 3.0 / 2.0, 1e-9); /* the first point has no return */
    assert_close(bars.realised[1], (c * c + d * d / 2.0) * 3.0 / 2.0, 1e-9);
    volatility_make(arena, &bars, &volatility);
    assert_near(volatility.range[1], bars.realised[1], 0.0);
}

static void no_entry_knows_what_comes_later(void **state)
{
    double *closes = walk_closes(arena, POINTS, 1);
    struct series series = walk_series(arena, closes, POINTS, HOUR), head = series_head(&series, POINTS / 2);
    struct volatility whole, part;

    (void)state;
    volatility_make(arena, &series, &whole);
    volatility_make(arena, &head, &part);
    assert_memory_equal(whole.squared, part.squared, part.count * sizeof(double));
    assert_memory_equal(whole.range, part.range, part.count * sizeof(double));
}

static void means_and_weights_are_those_of_their_windows(void **state)
{
    const double values[] = {4.0, 1.0, 3.0, 8.0, 0.0};
    double means[5], weighted[5];

    (void)state;
    volatility_means(values, 5, 3, means);
    for (size_t i = 0; i < 5; i++)
        assert_close(means[i], volatility_mean(values, i, 3), 1e-14);
    assert_near(means[1], 2.5, 1e-14);
    assert_near(means[4], 11.0 / 3.0, 1e-14);
    volatility_ewma(values, 5, 0.75, 2, weighted);
    assert_near(weighted[1], 2.5, 1e-14);
    assert_near(weighted[2], 0.75 * 2.5 + 0.25 * 3.0, 1e-14);
    assert_near(weighted[4], 0.75 * (0.75 * weighted[2] + 0.25 * 8.0), 1e-14);
}

static void a_value_that_dwarfs_the_others_leaves_no_negative_mean_behind(void **state)
{
    double values[50], means[50];

    (void)state;
    for (size_t i = 0; i < 50; i++)
        values[i] = i == 20 ? 1e20 : 0.1;
    volatility_means(values, 50, 5, means);
    for (size_t i = 0; i < 50; i++)
        assert_true(means[i] >= 0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_three_range_measures_follow_their_formulas),
        cmocka_unit_test(each_measure_is_right_on_average_for_a_random_walk),
        cmocka_unit_test_setup_teardown(with_closes_alone_a_return_after_a_gap_is_spread_over_the_steps_it_covers,
                                        begin, end),
        cmocka_unit_test_setup_teardown(a_candle_after_a_gap_is_measured_by_its_own_open_and_range, begin, end),
        cmocka_unit_test_setup_teardown(bars_bring_the_variance_of_the_candles_inside_them, begin, end),
        cmocka_unit_test_setup_teardown(no_entry_knows_what_comes_later, begin, end),
        cmocka_unit_test(means_and_weights_are_those_of_their_windows),
        cmocka_unit_test(a_value_that_dwarfs_the_others_leaves_no_negative_mean_behind),
    };
    return cmocka_run_group_tests_name("models/volatility", tests, NULL, NULL);
}
