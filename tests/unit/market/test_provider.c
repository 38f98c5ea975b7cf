/* What the exchanges answer: recorded shapes with four prices that all differ, and what is refused in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/err.h"
#include "market/provider.h"

#define OPEN_S INT64_C(1736640000)
#define ARENA_MAX (1 << 20)

/* As documented: newest first; time, low, high, open, close, volume. */
static const char coinbase_answer[] = "[[1736643600,94600.0,94800.0,94610.2,94700.5,100.25],"
                                      "[1736640000,94300.1,94750.0,94500.5,94610.2,312.53]]";
/* Ascending; time, open, high, low, close, vwap, volume, count. */
static const char kraken_answer[] =
    "{\"error\":[],\"result\":{\"XXBTZUSD\":["
    "[1736640000,\"94500.5\",\"94750.0\",\"94300.1\",\"94610.2\",\"94555.7\",\"312.53\",4821],"
    "[1736643600,\"94610.2\",\"94800.0\",\"94600.0\",\"94700.5\",\"94650.0\",\"100.25\",99]],\"last\":1736640000}}";

static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_create("test", ARENA_MAX);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static void is_the_recorded_hour(const struct candle *candle)
{
    assert_int_equal(candle->open_time_ms, OPEN_S * MS_PER_S);
    assert_true(candle->open == 94500.5 && candle->high == 94750.0 && candle->low == 94300.1);
    assert_true(candle->close == 94610.2 && candle->volume == 312.53);
}

static void coinbase_has_low_and_high_before_open_and_close(void **state)
{
    struct candle_list list = {0};

    (void)state;
    assert_int_equal(coinbase_parse_candles(str_of(coinbase_answer), arena, &list), 0);
    assert_int_equal(list.count, 2);
    is_the_recorded_hour(&list.candles[1]);
}

static void kraken_has_an_average_price_between_close_and_volume(void **state)
{
    struct candle_list list = {0};

    (void)state;
    assert_int_equal(kraken_parse_candles(str_of(kraken_answer), arena, &list), 0);
    assert_int_equal(list.count, 2);
    is_the_recorded_hour(&list.candles[0]);
}

static void an_empty_answer_is_no_error_of_the_parser(void **state)
{
    struct candle_list list = {0};

    (void)state;
    assert_int_equal(coinbase_parse_candles(STR_LIT("[]"), arena, &list), 0);
    assert_int_equal(list.count, 0);
    assert_int_equal(
        kraken_parse_candles(STR_LIT("{\"error\":[],\"result\":{\"last\":1,\"XXBTZUSD\":[]}}"), arena, &list), 0);
    assert_int_equal(list.count, 0);
}

static void answers_of_another_shape_are_refused(void **state)
{
    static const char *const bodies[] = {
        "",
        "null",
        "<html></html>",
        "{\"message\":\"NotFound\"}",
        "[[1736640000,1,2,3,4]]",
        "[[1736640000,1,2,3,4,5,6]]",
        "[[\"1736640000\",1,2,3,4,5]]",
        "[[1736640000.5,1,2,3,4,5]]",
        "[[1736640000,1,2,null,4,5]]",
        "[[1736640000,1,2,\"3\",4,5]]",
        "[[-5,1,2,3,4,5]]",
        "[[9223372036854775807,1,2,3,4,5]]",
        "[1736640000,1,2,3,4,5]",
        "[[1736640000,1,2,3,4,5]",
    };
    struct candle_list list;

    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(bodies); i++) {
        list = (struct candle_list){0};
        if (coinbase_parse_candles(str_of(bodies[i]), arena, &list) == 0)
            fail_msg("coinbase accepts %s", bodies[i]);
        assert_int_equal(err_kind(), E_UPSTREAM);
        assert_int_equal(kraken_parse_candles(str_of(bodies[i]), arena, &list), -1);
        assert_int_equal(err_kind(), E_UPSTREAM);
    }
}

static void krakens_errors_come_with_a_good_status_and_their_own_words(void **state)
{
    struct candle_list list = {0};

    (void)state;
    assert_int_equal(kraken_parse_candles(STR_LIT("{\"error\":[\"EQuery:Unknown asset pair\"]}"), arena, &list), -1);
    assert_non_null(strstr(err_text(), "EQuery:Unknown asset pair"));
    assert_int_equal(kraken_parse_candles(STR_LIT("{\"error\":[5],\"result\":{}}"), arena, &list), -1);
    assert_int_equal(kraken_parse_candles(STR_LIT("{\"error\":[],\"result\":{\"last\":5}}"), arena, &list), -1);
    assert_int_equal(
        kraken_parse_candles(
            STR_LIT("{\"error\":[],\"result\":{\"X\":[[1,\"nan\",\"1\",\"1\",\"1\",\"1\",\"1\",1]]}}"), arena, &list),
        -1);
}

static void tickers_give_a_positive_price_or_an_error(void **state)
{
    double price;

    (void)state;
    assert_int_equal(coinbase_parse_ticker(STR_LIT("{\"price\":\"94610.25\",\"size\":\"1\"}"), &price), 0);
    assert_true(price == 94610.25);
    assert_int_equal(
        kraken_parse_ticker(STR_LIT("{\"error\":[],\"result\":{\"XXBTZUSD\":{\"c\":[\"94610.5\",\"1\"]}}}"), &price),
        0);
    assert_true(price == 94610.5);
    assert_int_equal(coinbase_parse_ticker(STR_LIT("{\"price\":\"-1\"}"), &price), -1);
    assert_int_equal(coinbase_parse_ticker(STR_LIT("{\"price\":94610}"), &price), -1);
    assert_int_equal(coinbase_parse_ticker(STR_LIT("[]"), &price), -1);
    assert_int_equal(kraken_parse_ticker(STR_LIT("{\"error\":[],\"result\":{}}"), &price), -1);
}

static const struct provider_request request = {.symbol = "BTC-USD",
                                                .interval_s = 3600,
                                                .from_ms = OPEN_S * MS_PER_S,
                                                .to_ms = (OPEN_S + 5 * 3600) * MS_PER_S,
                                                .now_ms = (OPEN_S + 2 * 3600) * MS_PER_S + 1};

static struct candle hour(int64_t i)
{
    return (struct candle){
        .open_time_ms = (OPEN_S + i * 3600) * MS_PER_S, .open = 10, .high = 12, .low = 9, .close = 11, .volume = 1};
}

static void what_is_kept_is_closed_wanted_sorted_and_once(void **state)
{
    struct candle candles[] = {hour(2), hour(1), hour(-1), hour(0), hour(1), hour(6)};
    struct candle_list list = {.candles = candles, .count = BTCF_LENGTH(candles)};

    (void)state;
    provider_accept(&request, &list);
    assert_int_equal(list.count, 2);
    assert_int_equal(list.candles[0].open_time_ms, hour(0).open_time_ms);
    assert_int_equal(list.candles[1].open_time_ms, hour(1).open_time_ms);
    assert_int_equal(list.refused, 0);
}

static void impossible_candles_and_second_opinions_are_refused(void **state)
{
    struct candle candles[] = {hour(0), hour(0), hour(1)};
    struct candle_list list = {.candles = candles, .count = BTCF_LENGTH(candles)};

    (void)state;
    candles[1].close = 11.5;
    candles[2].high = 8;
    provider_accept(&request, &list);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.refused, 2);
}

static void the_registry_is_complete(void **state)
{
    (void)state;
    assert_non_null(provider_find("coinbase"));
    assert_non_null(provider_find("replay"));
    assert_null(provider_find("live"));
    for (size_t i = 0; providers[i] != NULL; i++) {
        assert_non_null(providers[i]->fetch_candles);
        assert_true(providers[i]->candles_max > 0);
        assert_true(!providers[i]->is_exchange || providers[i]->pause_ms > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(coinbase_has_low_and_high_before_open_and_close),
        cmocka_unit_test(kraken_has_an_average_price_between_close_and_volume),
        cmocka_unit_test(an_empty_answer_is_no_error_of_the_parser),
        cmocka_unit_test(answers_of_another_shape_are_refused),
        cmocka_unit_test(krakens_errors_come_with_a_good_status_and_their_own_words),
        cmocka_unit_test(tickers_give_a_positive_price_or_an_error),
        cmocka_unit_test(what_is_kept_is_closed_wanted_sorted_and_once),
        cmocka_unit_test(impossible_candles_and_second_opinions_are_refused),
        cmocka_unit_test(the_registry_is_complete),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
