/* Indicators: the batch form against values worked out by hand, and the step form against the batch form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "core/arena.h"
#include "core/rand.h"
#include "market/indicators.h"
#include "market/regime.h"

#define ARENA_MAX ((size_t)64 << 20)
#define MANY 1500
#define HOUR_S 3600

static struct arena *arena;

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

static void assert_close(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%.12g is not within %g of %.12g", value, tolerance, expected);
}

static struct candle *market_of(size_t count, uint64_t seed)
{
    struct candle *candles = arena_array(arena, count, sizeof *candles);
    double close = 20000;
    struct rng rng;

    rng_init(&rng, seed);
    for (size_t i = 0; i < count; i++) {
        double open = close;

        close *= exp(0.01 * rng_normal(&rng));
        candles[i] = (struct candle){.open_time_ms = (int64_t)i * HOUR_S * 1000,
                                     .open = open,
                                     .high = fmax(open, close) * (1 + 0.004 * rng_uniform(&rng)),
                                     .low = fmin(open, close) * (1 - 0.004 * rng_uniform(&rng)),
                                     .close = close,
                                     .volume = 100 * rng_uniform(&rng)};
    }
    return candles;
}

/* Candles that only have closes, one apart in range. */
static struct candle *closes_of(const double *closes, size_t count)
{
    struct candle *candles = arena_array(arena, count, sizeof *candles);

    for (size_t i = 0; i < count; i++)
        candles[i] = (struct candle){
            .open = closes[i], .high = closes[i] + 1, .low = closes[i] - 1, .close = closes[i], .volume = 10};
    return candles;
}

static struct indicator_row *batch_of(const struct candle *candles, size_t count)
{
    struct indicator_row *rows = arena_array(arena, count, sizeof *rows);

    indicators_batch(arena, candles, count, HOUR_S, rows);
    return rows;
}

static void both_forms_give_the_same_numbers_at_every_candle(void **state)
{
    struct candle *candles = market_of(MANY, 7);
    struct indicator_row *rows = batch_of(candles, MANY), row;
    static struct indicators step;

    (void)state;
    indicators_init(&step, HOUR_S);
    for (size_t i = 0; i < MANY; i++) {
        indicators_step(&step, &candles[i], &row);
        for (size_t k = 0; k < INDICATOR_COUNT; k++) {
            double one = indicator_value(&row, k), other = indicator_value(&rows[i], k);

            if (isnan(one) != isnan(other) || fabs(one - other) > 1e-9 * (1 + fabs(other)))
                fail_msg("%s at %zu: %.15g by steps, %.15g by batch", indicator_names[k].name, i, one, other);
        }
    }
    for (size_t k = 0; k < INDICATOR_COUNT; k++)
        assert_false(isnan(indicator_value(&row, k)));
}

/* The closes, gains and losses of Wilder's own example, in his order: 14 changes, then the first RSI. */
static void rsi_is_wilders(void **state)
{
    const double closes[] = {54.80, 56.80, 57.85, 59.85, 60.57, 61.10, 62.17, 60.60,
                             62.35, 62.15, 62.35, 61.45, 62.80, 61.37, 62.50, 62.57};
    struct indicator_row *rows = batch_of(closes_of(closes, 16), 16);

    (void)state;
    /* gains 11.80 and losses 4.10 over 14 changes; then a gain of 0.07 */
    assert_true(isnan(rows[13].rsi_14));
    assert_close(rows[14].rsi_14, 100 - 100 / (1 + 11.80 / 4.10), 1e-9);
    double gain = (11.80 * 13 / 14 + 0.07) / 14, loss = 4.10 * 13 / 14 / 14;
    assert_close(rows[15].rsi_14, 100 - 100 / (1 + gain / loss), 1e-9);
}

static void a_straight_rise_has_known_values(void **state)
{
    double closes[300];

    (void)state;
    for (size_t i = 0; i < 300; i++)
        closes[i] = 1000 + (double)i;
    struct indicator_row *rows = batch_of(closes_of(closes, 300), 300), last = rows[299];
    assert_close(last.sma_20, 1299 - 9.5, 1e-9);
    assert_close(last.sma_200, 1299 - 99.5, 1e-9);
    assert_close(last.ema_12, 1299 - 5.5, 1e-9);
    assert_close(last.ema_26, 1299 - 12.5, 1e-9);
    assert_close(last.macd, 7, 1e-9);
    assert_close(last.macd_signal, 7, 1e-9);
    assert_close(last.macd_histogram, 0, 1e-9);
    assert_close(last.rsi_14, 100, 0);
    assert_close(last.atr_14, 2, 1e-9);
    assert_close(last.bollinger_upper - last.bollinger_middle, 2 * sqrt(33.25), 1e-9);
    assert_close(last.bollinger_middle - last.bollinger_lower, 2 * sqrt(33.25), 1e-9);
    assert_close(last.stochastic_k, 100 * 14.0 / 15.0, 1e-9);
    assert_close(last.stochastic_d, 100 * 14.0 / 15.0, 1e-9);
    assert_close(last.obv, 2990, 1e-9);
    assert_close(last.ichimoku_tenkan, 1299 - 4, 1e-9);
    assert_close(last.ichimoku_kijun, 1299 - 12.5, 1e-9);
    assert_close(last.ichimoku_senkou_a, 1299 - 26 - 8.25, 1e-9);
    assert_close(last.ichimoku_senkou_b, 1299 - 26 - 25.5, 1e-9);
    assert_close(last.roc_12, 100 * (1299.0 / 1287.0 - 1), 1e-9);
}

static void realised_volatility_is_annualised_by_the_interval(void **state)
{
    double closes[60];

    (void)state;
    for (size_t i = 0; i < 60; i++) /* +-1 % in turn */
        closes[i] = 100 * exp(i % 2 == 0 ? 0 : 0.01);
    struct indicator_row *rows = batch_of(closes_of(closes, 60), 60);
    assert_true(isnan(rows[23].volatility_24));
    assert_close(rows[24].volatility_24, 0.01 * sqrt(365.0 * 24), 1e-9);
    assert_close(rows[59].volatility_24, 0.01 * sqrt(365.0 * 24), 1e-9);
}

static void a_market_that_stands_still_has_no_direction(void **state)
{
    double closes[800];

    (void)state;
    for (size_t i = 0; i < 800; i++)
        closes[i] = 5;
    struct candle *candles = closes_of(closes, 800);
    for (size_t i = 0; i < 800; i++)
        candles[i].high = candles[i].low = 5;
    struct indicator_row last = batch_of(candles, 800)[799];
    assert_close(last.rsi_14, 50, 0);
    assert_close(last.stochastic_k, 50, 0);
    assert_close(last.volatility_720, 0, 0);
    assert_close(last.obv, 0, 0);
    for (size_t k = 0; k < INDICATOR_COUNT; k++)
        assert_true(isfinite(indicator_value(&last, k)));
}

static void too_few_candles_have_no_values_but_no_faults_either(void **state)
{
    (void)state;
    for (size_t count = 0; count < 60; count++) {
        struct indicator_row *rows = batch_of(market_of(count + 1, 3), count);

        if (count > 0)
            assert_true(isnan(rows[0].sma_20) && isnan(rows[0].rsi_14) && isnan(rows[0].ichimoku_tenkan));
    }
}

/* Daily closes: `calm` days of small moves, then `wild` of large ones. */
static double *days_of(size_t calm, size_t wild)
{
    double *closes = arena_array(arena, calm + wild, sizeof *closes), level = log(30000);
    struct rng rng;

    rng_init(&rng, 11);
    for (size_t i = 0; i < calm + wild; i++) {
        level += (i < calm ? 0.01 : 0.06) * rng_normal(&rng);
        closes[i] = exp(level);
    }
    return closes;
}

static void the_regime_is_named_by_its_rank_in_the_year(void **state)
{
    struct regime wild = regime_of(days_of(400, 10), 410), calm = regime_of(days_of(1, 400), 401);

    (void)state;
    assert_string_equal(wild.name, "turbulent");
    assert_close(wild.fast_rank, 1, 0.02);
    assert_int_equal(wild.days, REGIME_YEAR);
    assert_non_null(calm.name);
    assert_true(calm.slow > 0 && calm.drawdown >= 0 && calm.drawdown < 1);
    double *closes = days_of(1, 500); /* the same market, which then falls asleep */
    for (size_t i = 491; i < 501; i++)
        closes[i] = closes[490] * (1 + 1e-5 * (double)(i % 2));
    struct regime asleep = regime_of(closes, 501);
    assert_string_equal(asleep.name, "calm");
    assert_close(asleep.fast_rank, 0, 0.02);
}

static void a_short_history_has_no_regime(void **state)
{
    struct regime none = regime_of(days_of(20, 0), 20), empty = regime_of(NULL, 0);

    (void)state;
    assert_null(none.name);
    assert_true(isfinite(none.fast) && isnan(none.slow) && isnan(none.fast_rank));
    assert_null(empty.name);
    assert_true(isnan(empty.fast) && isnan(empty.drawdown));
}

static void the_drawdown_is_from_the_highest_close_of_the_year(void **state)
{
    double *closes = days_of(500, 0);

    (void)state;
    closes[10] = 1e9; /* too long ago */
    closes[300] = 100000;
    closes[499] = 60000;
    for (size_t i = 135; i < 500; i++)
        closes[i] = fmin(closes[i], 100000);
    assert_close(regime_of(closes, 500).drawdown, 0.4, 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(both_forms_give_the_same_numbers_at_every_candle, begin, end),
        cmocka_unit_test_setup_teardown(rsi_is_wilders, begin, end),
        cmocka_unit_test_setup_teardown(a_straight_rise_has_known_values, begin, end),
        cmocka_unit_test_setup_teardown(realised_volatility_is_annualised_by_the_interval, begin, end),
        cmocka_unit_test_setup_teardown(a_market_that_stands_still_has_no_direction, begin, end),
        cmocka_unit_test_setup_teardown(too_few_candles_have_no_values_but_no_faults_either, begin, end),
        cmocka_unit_test_setup_teardown(the_regime_is_named_by_its_rank_in_the_year, begin, end),
        cmocka_unit_test_setup_teardown(a_short_history_has_no_regime, begin, end),
        cmocka_unit_test_setup_teardown(the_drawdown_is_from_the_highest_close_of_the_year, begin, end),
    };
    return cmocka_run_group_tests_name("market/indicators", tests, NULL, NULL);
}
