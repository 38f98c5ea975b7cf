/* The step form: a memory of the last candles, oldest first, and the averages that go on for ever. */
#include "market/indicators.h"

#include <math.h>
#include <string.h>

#include "market/indicator_windows.h"

void indicators_init(struct indicators *state, int64_t interval_s)
{
    memset(state, 0, sizeof *state);
    state->interval_s = interval_s;
    for (size_t i = 0; i < 26; i++)
        state->senkou_a[i] = state->senkou_b[i] = NAN;
    for (size_t i = 0; i < 3; i++)
        state->raw_k[i] = state->slow_k[i] = NAN;
}

static void remember(double *memory, size_t size, double value)
{
    memmove(memory, memory + 1, (size - 1) * sizeof *memory);
    memory[size - 1] = value;
}

/* NaN until n values were seen. */
static double average(struct indicator_average *average, double value, size_t n, double alpha)
{
    average->count++;
    if (average->count < n) {
        average->sum += value;
        return NAN;
    }
    if (average->count == n)
        average->value = (average->sum + value) / (double)n;
    else
        average->value += alpha * (value - average->value);
    return average->value;
}

static double ema(struct indicator_average *state, double value, size_t n)
{
    return average(state, value, n, 2.0 / ((double)n + 1));
}

/* The newest n closes; NULL when there are fewer. */
static const double *closes_of(const struct indicators *state, size_t n)
{
    return state->count >= n ? state->close + INDICATORS_MEMORY - n : NULL;
}

static double sma(const struct indicators *state, size_t n)
{
    const double *closes = closes_of(state, n);

    return closes == NULL ? NAN : window_mean(closes, n);
}

static double midpoint(const struct indicators *state, size_t n)
{
    return state->count < n ? NAN : midpoint_at(state->high, state->low, INDICATORS_MEMORY - 1, n);
}

static double volatility(const struct indicators *state, size_t n)
{
    const double *closes = closes_of(state, n + 1);

    return closes == NULL ? NAN : window_volatility(closes, n, state->interval_s);
}

static void step_averages(struct indicators *state, double close, struct indicator_row *row)
{
    row->sma_20 = sma(state, 20);
    row->sma_50 = sma(state, 50);
    row->sma_200 = sma(state, 200);
    row->ema_12 = ema(&state->ema_12, close, 12);
    row->ema_26 = ema(&state->ema_26, close, 26);
    row->ema_50 = ema(&state->ema_50, close, 50);
    row->macd = row->ema_12 - row->ema_26;
    row->macd_signal = isnan(row->macd) ? NAN : ema(&state->signal, row->macd, 9);
    row->macd_histogram = row->macd - row->macd_signal;
}

static void step_wilder(struct indicators *state, const struct candle *candle, struct indicator_row *row)
{
    const double last = state->close[INDICATORS_MEMORY - 2], alpha = 1.0 / WILDER_PERIOD;
    double change = candle->close - last;

    row->rsi_14 = row->atr_14 = NAN;
    if (state->count < 2)
        return;
    double gain = average(&state->gain, fmax(change, 0), WILDER_PERIOD, alpha);
    double loss = average(&state->loss, fmax(-change, 0), WILDER_PERIOD, alpha);
    if (!isnan(gain))
        row->rsi_14 = rsi_of(gain, loss);
    row->atr_14 = average(&state->range, true_range(candle->high, candle->low, last), WILDER_PERIOD, alpha);
    state->obv += volume_sign(last, candle->close) * candle->volume;
}

static void step_windows(struct indicators *state, double close, struct indicator_row *row)
{
    const double *closes = closes_of(state, BOLLINGER_PERIOD);
    double reach = NAN, raw = NAN;

    row->bollinger_middle = row->sma_20;
    if (closes != NULL)
        reach = BOLLINGER_DEVIATIONS * window_deviation(closes, BOLLINGER_PERIOD, row->bollinger_middle);
    row->bollinger_upper = row->bollinger_middle + reach;
    row->bollinger_lower = row->bollinger_middle - reach;

    if (state->count >= STOCHASTIC_PERIOD)
        raw = stochastic_of(state->high + INDICATORS_MEMORY - STOCHASTIC_PERIOD,
                            state->low + INDICATORS_MEMORY - STOCHASTIC_PERIOD, close);
    remember(state->raw_k, 3, raw);
    row->stochastic_k = window_mean(state->raw_k, 3); /* NaN as long as one of them is */
    remember(state->slow_k, 3, row->stochastic_k);
    row->stochastic_d = window_mean(state->slow_k, 3);

    const double *before = closes_of(state, ROC_PERIOD + 1);
    row->roc_12 = before == NULL ? NAN : 100 * (close / before[0] - 1);
    row->volatility_24 = volatility(state, 24);
    row->volatility_168 = volatility(state, 168);
    row->volatility_720 = volatility(state, 720);
}

static void step_ichimoku(struct indicators *state, struct indicator_row *row)
{
    row->ichimoku_tenkan = midpoint(state, 9);
    row->ichimoku_kijun = midpoint(state, 26);
    row->ichimoku_senkou_a = state->senkou_a[0];
    row->ichimoku_senkou_b = state->senkou_b[0];
    remember(state->senkou_a, 26, (row->ichimoku_tenkan + row->ichimoku_kijun) / 2);
    remember(state->senkou_b, 26, midpoint(state, 52));
}

void indicators_step(struct indicators *state, const struct candle *candle, struct indicator_row *row)
{
    state->count++;
    remember(state->high, INDICATORS_MEMORY, candle->high);
    remember(state->low, INDICATORS_MEMORY, candle->low);
    remember(state->close, INDICATORS_MEMORY, candle->close);
    step_averages(state, candle->close, row);
    step_wilder(state, candle, row);
    step_windows(state, candle->close, row);
    step_ichimoku(state, row);
    row->obv = state->obv;
}
