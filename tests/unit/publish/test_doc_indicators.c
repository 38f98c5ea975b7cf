/* Indicators and risk as documents: what is not known is null, and a board notices that its candles have changed. */
#include "publish/doc_indicators.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include "core/rand.h"
#include "example.h"

#include <cmocka.h>

#define TEXT_MAX 65536
#define CANDLES 120

static struct candle_view rows[CANDLES];

static struct candles_view hourly(size_t count)
{
    struct rng rng;
    double close = 60000;

    rng_init(&rng, 4);
    for (size_t i = 0; i < CANDLES; i++) {
        close *= exp(0.005 * rng_normal(&rng));
        rows[i] = (struct candle_view){.open_time = ISSUED_AT - (int64_t)(count - i) * MS_PER_HOUR,
                                       .open = close,
                                       .high = close + 50,
                                       .low = close - 50,
                                       .close = close,
                                       .volume = 10,
                                       .source = "test",
                                       .quote = "USD"};
    }
    return (struct candles_view){.interval_s = 3600, .count = count, .rows = rows};
}

static void take_all(struct board_part *part, const struct candles_view *candles)
{
    part->interval_s = candles->interval_s;
    indicators_init(&part->state, candles->interval_s);
    for (size_t i = 0; i < candles->count; i++) {
        const struct candle_view *row = &candles->rows[i];
        struct candle candle = {.open_time_ms = row->open_time,
                                .high = row->high,
                                .low = row->low,
                                .close = row->close,
                                .volume = row->volume};

        indicators_step(&part->state, &candle, &part->row);
        part->last_open = row->open_time;
    }
}

static struct board board;

static void fill_board(size_t count)
{
    struct candles_view candles = hourly(count);

    memset(&board, 0, sizeof board);
    take_all(&board.parts[0], &candles);
    board.regime = regime_of(NULL, 0);
}

static json_t *render_indicators(void)
{
    struct feed feed = example_feed("live", 1);
    struct deadlines life = {WALL_AT + 1000, 0};
    struct strbuf text;

    strbuf_init(&text, TEXT_MAX);
    doc_indicators_render(&feed, &board, &life, false, &text);
    json_t *root = parse(&text);
    strbuf_release(&text);
    assert_non_null(root);
    return root;
}

static void every_indicator_is_there_and_unknown_ones_are_null(void **state)
{
    (void)state;
    fill_board(CANDLES);
    json_t *root = render_indicators(), *hours = member(root, "intervals.1h");
    for (size_t i = 0; i < INDICATOR_COUNT; i++)
        assert_non_null(json_object_get(hours, indicator_names[i].name));
    assert_true(json_is_number(member(hours, "sma_50")));
    assert_true(json_is_null(member(hours, "sma_200")));
    assert_true(json_is_null(member(hours, "volatility_720")));
    assert_int_equal(json_integer_value(member(hours, "candles")), CANDLES);
    assert_string_equal(text_of(hours, "as_of"), "2025-03-31T23:00:00Z");
    assert_null(json_object_get(member(root, "intervals"), "1d"));
    json_decref(root);
}

static json_t *render_risk(const struct batch_view *batch)
{
    struct feed feed = example_feed("live", 1);
    struct risk_page page = {.feed = &feed, .board = &board, .batch = batch, .life = {WALL_AT + 1000, 0}};
    struct strbuf text;

    strbuf_init(&text, TEXT_MAX);
    doc_risk_render(&page, true, &text);
    json_t *root = parse(&text);
    strbuf_release(&text);
    assert_non_null(root);
    return root;
}

static void risk_names_what_each_served_horizon_may_lose(void **state)
{
    (void)state;
    struct forecast_view forecast = example_forecast("ensemble", "ensemble", 86400);
    forecast.served = true;
    struct batch_view batch = example_batch(&forecast, 1);
    fill_board(CANDLES);
    json_t *root = render_risk(&batch), *terms = member(root, "term_structure"), *day = json_array_get(terms, 0);
    assert_int_equal(json_array_size(terms), 1);
    assert_string_equal(text_of(day, "horizon"), "1d");
    json_t *loss = json_object_get(member(day, "long"), "0.95");
    /* the 5 % quantile of the example is 53000 of 61999.5 */
    assert_true(fabs(json_number_value(json_object_get(loss, "value_at_risk")) - (1 - 53000 / 61999.5)) < 1e-6);
    assert_true(json_number_value(json_object_get(loss, "expected_shortfall")) >
                json_number_value(json_object_get(loss, "value_at_risk")));
    assert_true(json_number_value(json_object_get(json_object_get(member(day, "short"), "0.99"), "value_at_risk")) >
                0);
    assert_true(json_is_null(member(root, "slope")));
    assert_true(json_is_null(member(root, "regime.name")));
    assert_true(json_is_true(member(root, "stale")));
    json_decref(root);
}

static void without_forecasts_there_is_still_the_regime(void **state)
{
    (void)state;
    struct batch_view none = {0};
    fill_board(30);
    json_t *root = render_risk(&none);
    assert_int_equal(json_array_size(member(root, "term_structure")), 0);
    assert_true(json_is_number(member(root, "realised.24h")));
    assert_true(json_is_null(member(root, "issued_at")));
    json_decref(root);
}

static void a_board_goes_on_until_a_candle_that_it_took_changes(void **state)
{
    (void)state;
    fill_board(100);
    struct candles_view candles = hourly(100);
    assert_true(board_continues(&board.parts[0], &candles));
    rows[40].close += 1;
    assert_false(board_continues(&board.parts[0], &candles));
    rows[40].close -= 1;
    assert_true(board_continues(&board.parts[0], &candles));
    candles.count = 99; /* the newest one is gone */
    assert_false(board_continues(&board.parts[0], &candles));
    struct board_part none = {0};
    assert_false(board_continues(&none, &candles));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_indicator_is_there_and_unknown_ones_are_null),
        cmocka_unit_test(risk_names_what_each_served_horizon_may_lose),
        cmocka_unit_test(without_forecasts_there_is_still_the_regime),
        cmocka_unit_test(a_board_goes_on_until_a_candle_that_it_took_changes),
    };
    return cmocka_run_group_tests_name("publish/doc_indicators", tests, NULL, NULL);
}
