/* The market clock: three numbers that every process computes the same time from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "market/feed.h"

static struct feed make(double speed)
{
    return (struct feed){.state = "running",
                         .market0_ms = 1000000,
                         .wall0_ms = 5000,
                         .speed = speed,
                         .begin_ms = INT64_MIN,
                         .end_ms = INT64_MAX};
}

static void runs_at_its_speed_from_where_it_was_started(void **state)
{
    struct feed feed = make(360);

    (void)state;
    assert_int_equal(feed_market_ms(&feed, 5000), 1000000);
    assert_int_equal(feed_market_ms(&feed, 15000), 1000000 + 3600000);
    feed.speed = 0.5;
    assert_int_equal(feed_market_ms(&feed, 5003), 1000001);
}

static void stands_still_while_paused(void **state)
{
    struct feed feed = make(360);

    (void)state;
    feed = (struct feed){.state = "paused", .market0_ms = 77, .speed = 360, .end_ms = INT64_MAX};
    assert_int_equal(feed_market_ms(&feed, 123456789), 77);
}

static void never_shows_a_time_behind_its_end(void **state)
{
    struct feed feed = make(1e6);

    (void)state;
    feed.end_ms = 1000500;
    assert_int_equal(feed_market_ms(&feed, 5001), 1000500);
    assert_int_equal(feed_market_ms(&feed, INT64_MAX / 4), 1000500);
}

static void wall_time_of_a_market_time_is_when_the_clock_gets_there(void **state)
{
    static const double speeds[] = {0.3, 1, 7, 360, 3600, 99999};

    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(speeds); i++) {
        struct feed feed = make(speeds[i]);
        int64_t wall_ms = feed_wall_ms(&feed, 1000000 + 3600000);

        assert_true(feed_market_ms(&feed, wall_ms) >= 1000000 + 3600000);
        assert_true(feed_market_ms(&feed, wall_ms - 1) < 1000000 + 3600000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_at_its_speed_from_where_it_was_started),
        cmocka_unit_test(stands_still_while_paused),
        cmocka_unit_test(never_shows_a_time_behind_its_end),
        cmocka_unit_test(wall_time_of_a_market_time_is_when_the_clock_gets_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
