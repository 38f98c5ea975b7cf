/* When a publication goes stale and when it expires, at every kind of clock. */
#include "publish/parts.h"

#include <setjmp.h>
#include <stdarg.h>

#include "example.h"

#include <cmocka.h>

#define MINUTE_MS INT64_C(60000)

static struct deadlines at(const struct feed *feed, int64_t horizon_s)
{
    return deadlines_of(feed, ISSUED_AT, ISSUED_AT + horizon_s * MS_PER_S, PUBLISH_CADENCE_MS, WALL_AT);
}

static void stale_a_quarter_of_the_cadence_after_the_next_is_due(void **state)
{
    (void)state;
    struct feed live = example_feed("live", 1), replay = example_feed("replay:1", 360);
    assert_int_equal(at(&live, 86400).stale_at_ms, WALL_AT + 75 * MINUTE_MS);
    assert_int_equal(at(&replay, 86400).stale_at_ms, WALL_AT + 12500);
}

static void expires_at_the_target_but_after_a_day_at_the_latest(void **state)
{
    (void)state;
    struct feed live = example_feed("live", 1);
    assert_int_equal(at(&live, 4 * 3600).expires_at_ms, WALL_AT + 4 * MS_PER_HOUR);
    assert_int_equal(at(&live, 86400).expires_at_ms, WALL_AT + MS_PER_DAY);
    assert_int_equal(at(&live, 30 * 86400).expires_at_ms, WALL_AT + MS_PER_DAY);
}

/* Else the 1h forecast would vanish for the seconds between its target and the next issue, every hour. */
static void never_expires_within_a_quarter_of_an_hour_after_the_next_was_due(void **state)
{
    (void)state;
    struct feed live = example_feed("live", 1), replay = example_feed("replay:1", 360);
    assert_int_equal(at(&live, 3600).expires_at_ms, WALL_AT + 75 * MINUTE_MS);
    assert_int_equal(at(&replay, 3600).expires_at_ms, WALL_AT + 10000 + 15 * MINUTE_MS);
    assert_int_equal(at(&replay, 30 * 86400).expires_at_ms, WALL_AT + 10000 + 15 * MINUTE_MS);
}

static void nothing_ages_by_the_clock_of_a_feed_that_stands_still(void **state)
{
    (void)state;
    struct feed feed = example_feed("replay:1", 360);
    snprintf(feed.state, sizeof(feed.state), "ended");
    int64_t much_later = WALL_AT + 10 * MS_PER_DAY + 123;
    struct deadlines deadlines =
        deadlines_of(&feed, ISSUED_AT, ISSUED_AT + MS_PER_HOUR, PUBLISH_CADENCE_MS, much_later);
    assert_true(deadlines.stale_at_ms > much_later);
    assert_true(deadlines.expires_at_ms >= much_later + 15 * MINUTE_MS);
    struct deadlines again =
        deadlines_of(&feed, ISSUED_AT, ISSUED_AT + MS_PER_HOUR, PUBLISH_CADENCE_MS, much_later + 1000);
    assert_int_equal(deadlines.stale_at_ms, again.stale_at_ms);
}

static void kinds_come_from_the_feeds_name(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"live", "live"}, {"replay:1", "replay"}, {"simulate:42", "simulated"}, {"sandbox:1.0", "sandbox"}};
    for (size_t i = 0; i < BTCF_LENGTH(pairs); i++) {
        struct feed feed = example_feed(pairs[i][0], 1);
        assert_string_equal(feed_kind(&feed), pairs[i][1]);
    }
}

static void nothing_ages_in_the_sandbox(void **state)
{
    (void)state;
    struct feed sandbox = example_feed("sandbox:1.0", 1);
    assert_int_equal(at(&sandbox, 3600).stale_at_ms, SANDBOX_END_MS);
    snprintf(sandbox.state, sizeof(sandbox.state), "paused");
    assert_int_equal(at(&sandbox, 3600).expires_at_ms, SANDBOX_END_MS);
}

static void the_sandbox_and_nothing_else_is_marked_as_one(void **state)
{
    (void)state;
    static const char *const names[] = {"sandbox:1.0", "live", "replay:1", "simulate:42"};
    for (size_t i = 0; i < BTCF_LENGTH(names); i++) {
        struct feed feed = example_feed(names[i], 1);
        struct strbuf text;
        struct json json;
        strbuf_init(&text, 4096);
        json_init(&json, &text);
        json_open(&json, '{');
        parts_feed(&json, &feed);
        json_close(&json, '}');
        assert_int_equal(strstr(text.ptr, "\"sandbox\":true") != NULL, i == 0);
        assert_int_equal(strstr(text.ptr, "sandbox") != NULL, i == 0);
        strbuf_release(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stale_a_quarter_of_the_cadence_after_the_next_is_due),
        cmocka_unit_test(expires_at_the_target_but_after_a_day_at_the_latest),
        cmocka_unit_test(never_expires_within_a_quarter_of_an_hour_after_the_next_was_due),
        cmocka_unit_test(nothing_ages_by_the_clock_of_a_feed_that_stands_still),
        cmocka_unit_test(kinds_come_from_the_feeds_name),
        cmocka_unit_test(nothing_ages_in_the_sandbox),
        cmocka_unit_test(the_sandbox_and_nothing_else_is_marked_as_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
