/* The grid that models see: filling, refusals, heads, bars. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "core/arena.h"
#include "core/err.h"
#include "models/series.h"
#include "near.h"

#define HOUR INT64_C(3600000)
#define ARENA_MAX ((size_t)1 << 20)

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

static void repeats_the_last_close_where_a_candle_is_missing(void **state)
{
    const int64_t times[] = {10 * HOUR, 11 * HOUR, 14 * HOUR};
    const double close[] = {100.0, 102.0, 99.0}, open[] = {1.0, 2.0, 3.0}, volume[] = {5.0, 6.0, 7.0};
    struct series_source source = {3, times, open, open, open, close, volume};
    struct series series;

    (void)state;
    assert_int_equal(series_make(arena, &source, HOUR, &series), 0);
    assert_int_equal(series.count, 5);
    assert_int_equal(series.end_ms, 15 * HOUR);
    const double wanted_close[] = {100, 102, 102, 102, 99}, wanted_open[] = {1, 2, 102, 102, 3};
    const double wanted_volume[] = {5, 6, 0, 0, 7};
    const uint8_t wanted_filled[] = {0, 0, 1, 1, 0};
    for (size_t i = 0; i < series.count; i++) {
        assert_near(series.close[i], wanted_close[i], 0.0);
        assert_near(series.log_close[i], log(wanted_close[i]), 0.0);
        assert_near(series.open[i], wanted_open[i], 0.0);
        assert_near(series.volume[i], wanted_volume[i], 0.0);
        assert_int_equal(series.is_filled[i], wanted_filled[i]);
    }
}

static void columns_that_the_source_lacks_stay_null(void **state)
{
    const int64_t times[] = {0, 2 * HOUR};
    const double close[] = {1.0, 2.0};
    struct series_source source = {.count = 2, .open_ms = times, .close = close};
    struct series series, bars;

    (void)state;
    assert_int_equal(series_make(arena, &source, HOUR, &series), 0);
    assert_null(series.open);
    assert_null(series.volume);
    assert_int_equal(series_bars(arena, &series, 3, 10, &bars), 0);
    assert_null(bars.high);
    assert_null(series_tail(&series, 1).volume);
}

static void refuse_source(const int64_t *times, const double *close, const double *volume, size_t count,
                          const char *why)
{
    struct series_source source = {.count = count, .open_ms = times, .close = close, .volume = volume};
    struct series series;

    assert_int_equal(series_make(arena, &source, HOUR, &series), -1);
    assert_int_equal(err_kind(), E_INPUT);
    assert_non_null(strstr(err_text(), why));
}

static void refuses_what_is_no_history(void **state)
{
    const int64_t good[] = {0, HOUR, 2 * HOUR}, repeated[] = {0, HOUR, HOUR}, back[] = {0, 2 * HOUR, HOUR};
    const int64_t off[] = {0, HOUR, 2 * HOUR + 1};
    const double close[] = {1, 2, 3}, nan_close[] = {1, NAN, 3}, zero[] = {1, 2, 0}, endless[] = {INFINITY, 2, 3};

    (void)state;
    refuse_source(good, close, NULL, 0, "no candle");
    refuse_source(repeated, close, NULL, 3, "does not come after");
    refuse_source(back, close, NULL, 3, "does not come after");
    refuse_source(off, close, NULL, 3, "off the grid");
    refuse_source(good, nan_close, NULL, 3, "candle 1");
    refuse_source(good, zero, NULL, 3, "candle 2");
    refuse_source(good, endless, NULL, 3, "candle 0");
    refuse_source(good, close, nan_close, 3, "not finite");
}

static void refuses_a_span_that_no_history_has(void **state)
{
    const int64_t times[] = {0, (int64_t)SERIES_POINTS_MAX * HOUR};
    const double close[] = {1, 2};
    struct series_source source = {.count = 2, .open_ms = times, .close = close};
    struct series series;

    (void)state;
    assert_int_equal(series_make(arena, &source, HOUR, &series), -1);
    assert_int_equal(err_kind(), E_LIMIT);
}

static struct series count_up(size_t count)
{
    int64_t *times = arena_array(arena, count, sizeof *times);
    double *close = arena_array(arena, count, sizeof *close);
    struct series_source source = {count, times, close, close, close, close, close};
    struct series series;

    for (size_t i = 0; i < count; i++) {
        times[i] = (int64_t)i * HOUR;
        close[i] = (double)(i + 1);
    }
    assert_int_equal(series_make(arena, &source, HOUR, &series), 0);
    return series;
}

static void a_head_ends_earlier_and_a_tail_begins_later(void **state)
{
    struct series series = count_up(10), head = series_head(&series, 4), tail = series_tail(&series, 3);

    (void)state;
    assert_int_equal(head.count, 4);
    assert_int_equal(head.end_ms, 4 * HOUR);
    assert_near(head.close[head.count - 1], 4.0, 0.0);
    assert_int_equal(tail.count, 3);
    assert_int_equal(tail.end_ms, 10 * HOUR);
    assert_near(tail.close[0], 8.0, 0.0);
    assert_near(tail.volume[0], 8.0, 0.0);
    assert_int_equal(series_tail(&series, 100).count, 10);
}

static void counts_only_points_that_have_closed_at_an_instant(void **state)
{
    struct series series = count_up(10);

    (void)state;
    assert_int_equal(series_count_at(&series, 10 * HOUR), 10);
    assert_int_equal(series_count_at(&series, 100 * HOUR), 10);
    assert_int_equal(series_count_at(&series, 10 * HOUR - 1), 9);
    assert_int_equal(series_count_at(&series, 9 * HOUR), 9);
    assert_int_equal(series_count_at(&series, HOUR), 1);
    assert_int_equal(series_count_at(&series, HOUR - 1), 0);
    assert_int_equal(series_count_at(&series, -5 * HOUR), 0);
}

static void bars_end_with_the_last_point_whatever_hour_that_is(void **state)
{
    struct series series = count_up(11), bars;

    (void)state;
    assert_int_equal(series_bars(arena, &series, 4, 10, &bars), 0);
    assert_int_equal(bars.count, 2); /* points 4..7 and 8..11; 1..3 make no whole bar */
    assert_int_equal(bars.end_ms, series.end_ms);
    assert_int_equal(bars.step_ms, 4 * HOUR);
    assert_near(bars.close[0], 7.0, 0.0);
    assert_near(bars.close[1], 11.0, 0.0);
    assert_near(bars.log_close[1], log(11.0), 0.0);
    assert_near(bars.open[1], 8.0, 0.0);
    assert_near(bars.low[1], 8.0, 0.0);
    assert_near(bars.high[1], 11.0, 0.0);
    assert_near(bars.volume[1], 8 + 9 + 10 + 11, 0.0);

    assert_int_equal(series_bars(arena, &series, 4, 1, &bars), 0);
    assert_int_equal(bars.count, 1);
    assert_near(bars.close[0], 11.0, 0.0);

    assert_int_equal(series_bars(arena, &series, 12, 10, &bars), -1);
    assert_int_equal(err_kind(), E_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(repeats_the_last_close_where_a_candle_is_missing, begin, end),
        cmocka_unit_test_setup_teardown(columns_that_the_source_lacks_stay_null, begin, end),
        cmocka_unit_test_setup_teardown(refuses_what_is_no_history, begin, end),
        cmocka_unit_test_setup_teardown(refuses_a_span_that_no_history_has, begin, end),
        cmocka_unit_test_setup_teardown(a_head_ends_earlier_and_a_tail_begins_later, begin, end),
        cmocka_unit_test_setup_teardown(counts_only_points_that_have_closed_at_an_instant, begin, end),
        cmocka_unit_test_setup_teardown(bars_end_with_the_last_point_whatever_hour_that_is, begin, end),
    };
    return cmocka_run_group_tests_name("models/series", tests, NULL, NULL);
}
