/* Status, models, scoreboard, data quality. */
#include "publish/doc_status.h"

#include <setjmp.h>
#include <stdarg.h>

#include "example.h"
#include "market/candle.h"

#include <cmocka.h>

#define TEXT_MAX 262144

static struct strbuf text;

static int set_up(void **state)
{
    (void)state;
    strbuf_init(&text, TEXT_MAX);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    strbuf_release(&text);
    return 0;
}

static void the_word_follows_feed_batch_and_components(void **state)
{
    (void)state;
    struct feed feed = example_feed("live", 1);
    struct forecast_view forecast = example_forecast("ensemble", "ensemble", 3600);
    struct batch_view batch = example_batch(&forecast, 1), none = {0};
    struct component_view component = {.name = "ingest", .state = "ok", .detail = ""};
    struct status_page page = {.feed = &feed, .batch = &batch, .components = &component, .component_count = 1};
    assert_string_equal(status_word(&page), "ok");
    component.state = "failed";
    assert_string_equal(status_word(&page), "degraded");
    component.state = "ok";
    feed.degraded = true;
    assert_string_equal(status_word(&page), "degraded");
    feed.degraded = false;
    snprintf(feed.state, sizeof(feed.state), "ended");
    assert_string_equal(status_word(&page), "degraded");
    page.batch = &none;
    assert_string_equal(status_word(&page), "starting");
}

static void status_shows_components_and_keeps_errors_to_itself(void **state)
{
    (void)state;
    struct feed feed = example_feed("replay:1", 360);
    struct batch_view none = {0};
    struct component_view component = {.name = "walk_forward",
                                       .state = "running",
                                       .detail = "half",
                                       .done = 5,
                                       .total = 10,
                                       .updated_wall_ms = WALL_AT};
    struct provider_view provider = {.provider = "kraken", .state = "failing", .last_error = "connect to 10.0.0.7"};
    struct status_page page = {.feed = &feed,
                               .batch = &none,
                               .components = &component,
                               .component_count = 1,
                               .providers = &provider,
                               .provider_count = 1};
    doc_status_render(&page, &text);
    assert_null(strstr(text.ptr, "10.0.0.7"));
    json_t *root = parse(&text);
    json_t *first = json_array_get(member(root, "components"), 0);
    assert_int_equal(json_integer_value(member(first, "done")), 5);
    assert_string_equal(text_of(first, "updated_at"), "2027-01-15T08:00:00Z");
    assert_true(json_is_null(member(root, "forecast_issued_at")));
    assert_float_equal(number_of(root, "clock.speed"), 360, 0);
    json_decref(root);
}

static void completeness_counts_filled_candles_as_missing(void **state)
{
    (void)state;
    struct feed feed = example_feed("live", 1);
    struct quality_view quality[] = {{.interval_s = 3600, .expected = 100, .present = 99, .filled = 9},
                                     {.interval_s = 86400}};
    doc_quality_render(&feed, quality, 2, NULL, 0, &text);
    json_t *root = parse(&text);
    json_t *intervals = member(root, "intervals");
    assert_float_equal(number_of(json_array_get(intervals, 0), "completeness"), 0.9, 1e-9);
    assert_true(json_is_null(member(json_array_get(intervals, 1), "completeness")));
    json_decref(root);
}

#define STATUS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STATUS_TEST(the_word_follows_feed_batch_and_components),
        STATUS_TEST(status_shows_components_and_keeps_errors_to_itself),
        STATUS_TEST(completeness_counts_filled_candles_as_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
