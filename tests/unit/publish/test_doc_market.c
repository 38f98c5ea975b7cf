/* Price and candles: which price is shown, and what each candle says about itself. */
#include "publish/doc_market.h"

#include <setjmp.h>
#include <stdarg.h>

#include "example.h"
#include "publish/document.h"
#include "publish/publisher.h"

#include <cmocka.h>

static struct candle_view candle(int64_t open_time, double close)
{
    return (struct candle_view){.open_time = open_time,
                                .open = close - 1,
                                .high = close + 2,
                                .low = close - 3,
                                .close = close,
                                .volume = 1.5,
                                .source_count = 2,
                                .revision = 1,
                                .source = "consensus",
                                .quote = "USD"};
}

static struct candles_view hourly(struct candle_view *row)
{
    *row = candle(ISSUED_AT - MS_PER_HOUR, 61000.25);
    return (struct candles_view){.interval_s = 3600, .count = 1, .rows = row};
}

static struct provider_view provider(const char *name, double price, int64_t at)
{
    return (struct provider_view){.provider = name, .state = "ok", .last_price = price, .last_price_market_ms = at};
}

static void the_price_is_the_median_of_recent_ones(void **state)
{
    (void)state;
    struct candle_view row;
    struct candles_view candles = hourly(&row);
    struct provider_view providers[] = {provider("a", 100, ISSUED_AT + 1000), provider("b", 300, ISSUED_AT + 2000),
                                        provider("c", 200, ISSUED_AT + 3000)};
    struct price_view price = price_of(providers, 3, &candles);
    assert_true(price.is_consensus);
    assert_float_equal(price.price, 200, 0);
    assert_int_equal(price.at, ISSUED_AT + 3000);
    assert_float_equal(price_of(providers, 2, &candles).price, 200, 0);
    assert_int_equal(price_of(providers, 2, &candles).source_count, 2);
}

static void an_old_price_takes_no_part(void **state)
{
    (void)state;
    struct candle_view row;
    struct candles_view candles = hourly(&row);
    struct provider_view providers[] = {provider("a", 100, ISSUED_AT + PRICE_AGE_MAX_MS + 2),
                                        provider("b", 300, ISSUED_AT + 1), provider("c", 0, 0)};
    struct price_view price = price_of(providers, 3, &candles);
    assert_int_equal(price.source_count, 1);
    assert_float_equal(price.price, 100, 0);
}

static void the_close_is_the_price_when_no_provider_has_a_newer_one(void **state)
{
    (void)state;
    struct candle_view row;
    struct candles_view candles = hourly(&row), none = {.interval_s = 3600};
    struct provider_view older = provider("a", 100, ISSUED_AT - 1);
    struct price_view price = price_of(&older, 1, &candles);
    assert_false(price.is_consensus);
    assert_float_equal(price.price, 61000.25, 0);
    assert_int_equal(price.at, ISSUED_AT);
    assert_string_equal(price.sources[0].source, "consensus");
    assert_float_equal(price_of(NULL, 0, &none).price, 0, 0);
}

static void the_price_document_names_its_sources(void **state)
{
    (void)state;
    struct feed feed = example_feed("live", 1);
    struct provider_view providers[] = {provider("coinbase", 61001.239, ISSUED_AT)};
    struct candle_view row;
    struct candles_view candles = hourly(&row);
    struct price_view price = price_of(providers, 1, &candles);
    struct deadlines deadlines = {.stale_at_ms = WALL_AT};
    struct strbuf text;
    strbuf_init(&text, 65536);
    doc_price_render(&feed, &price, &deadlines, true, &text);
    json_t *root = parse(&text);
    assert_float_equal(number_of(root, "price"), 61001.24, 1e-9);
    assert_true(json_is_true(member(root, "stale")));
    assert_string_equal(text_of(json_array_get(member(root, "sources"), 0), "source"), "coinbase");
    assert_string_equal(text_of(root, "stale_at"), "2027-01-15T08:00:00Z");
    json_decref(root);
    strbuf_release(&text);
}

static void a_candle_tells_both_ends_and_that_it_is_closed(void **state)
{
    (void)state;
    struct feed feed = example_feed("live", 1);
    struct candle_view row;
    struct candles_view candles = hourly(&row);
    struct deadlines deadlines = {.stale_at_ms = WALL_AT};
    struct strbuf text;
    strbuf_init(&text, 65536);
    doc_candles_render(&feed, &candles, &deadlines, false, &text);
    json_t *root = parse(&text);
    json_t *first = json_array_get(member(root, "candles"), 0);
    assert_string_equal(text_of(root, "interval"), "1h");
    assert_string_equal(text_of(first, "open_time"), "2025-03-31T22:00:00Z");
    assert_string_equal(text_of(first, "close_time"), "2025-03-31T23:00:00Z");
    assert_true(json_is_true(member(first, "is_closed")));
    assert_float_equal(number_of(first, "high"), 61002.25, 1e-9);
    assert_int_equal(json_integer_value(member(first, "source_count")), 2);
    assert_int_equal(json_integer_value(member(first, "revision")), 1);
    json_decref(root);
    strbuf_release(&text);
}

/* Four bodies in one slot: two texts, and their gzip forms, which here are far below half. */
static void the_longest_candle_document_fits_its_slot(void **state)
{
    (void)state;
    struct feed feed = example_feed("live", 1);
    struct candle_view rows[PUBLISHER_CANDLE_COUNT];
    for (size_t i = 0; i < PUBLISHER_CANDLE_COUNT; i++)
        rows[i] = candle(ISSUED_AT + (int64_t)i * MS_PER_HOUR, 1234567.89 + (double)i / 3);
    struct candles_view candles = {.interval_s = 3600, .count = PUBLISHER_CANDLE_COUNT, .rows = rows};
    struct deadlines deadlines = {.stale_at_ms = WALL_AT};
    struct strbuf text, gzip;
    strbuf_init(&text, DOCUMENT_BYTES_MAX);
    strbuf_init(&gzip, DOCUMENT_BYTES_MAX);
    doc_candles_render(&feed, &candles, &deadlines, false, &text);
    document_gzip(text.ptr, text.len, &gzip);
    assert_false(strbuf_failed(&text));
    assert_true(2 * (text.len + gzip.len) < DOCUMENT_BYTES_MAX);
    strbuf_reset(&text);
    doc_candle_event_render(&feed, &candles, &text);
    assert_true(text.len < BTCF_EVENT_DATA_MAX);
    strbuf_release(&text);
    strbuf_release(&gzip);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_price_is_the_median_of_recent_ones),
        cmocka_unit_test(an_old_price_takes_no_part),
        cmocka_unit_test(the_close_is_the_price_when_no_provider_has_a_newer_one),
        cmocka_unit_test(the_price_document_names_its_sources),
        cmocka_unit_test(a_candle_tells_both_ends_and_that_it_is_closed),
        cmocka_unit_test(the_longest_candle_document_fits_its_slot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
