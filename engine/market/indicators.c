/* The batch form: one column after the other, each from its definition; and the list of names. */
#include "market/indicators.h"

#include <math.h>
#include <stddef.h>

#include "core/clock.h"
#include "market/indicator_windows.h"

const struct indicator_name indicator_names[INDICATOR_COUNT] = {
#define INDICATOR(field, decimals) {#field, decimals, offsetof(struct indicator_row, field)},
#include "market/indicators.def"
#undef INDICATOR
};

double indicator_value(const struct indicator_row *row, size_t i)
{
    return *(const double *)(const void *)((const char *)row + indicator_names[i].offset);
}

/* Candles as columns, and the rows to fill. */
struct batch {
    struct arena *arena;
    size_t count;
    const double *high, *low, *close, *volume;
    struct indicator_row *rows;
};

static void put(const struct batch *batch, size_t i, size_t indicator, double value)
{
    *(double *)(void *)((char *)&batch->rows[i] + indicator_names[indicator].offset) = value;
}

static void fill_sma(const struct batch *batch, size_t indicator, size_t n)
{
    for (size_t i = n - 1; i < batch->count; i++)
        put(batch, i, indicator, window_mean(batch->close + i + 1 - n, n));
}

/* The average with weight `alpha` of x[first..], begun as the mean of n of them; NaN before. */
static double *smooth(const struct batch *batch, const double *x, size_t first, size_t n, double alpha)
{
    double *out = arena_array(batch->arena, batch->count, sizeof *out);

    for (size_t i = 0; i < batch->count; i++) {
        if (i + 1 < first + n)
            out[i] = NAN;
        else if (i + 1 == first + n)
            out[i] = window_mean(x + first, n);
        else
            out[i] = out[i - 1] + alpha * (x[i] - out[i - 1]);
    }
    return out;
}

static double *fill_ema(const struct batch *batch, size_t indicator, size_t n)
{
    double *ema = smooth(batch, batch->close, 0, n, 2.0 / ((double)n + 1));

    for (size_t i = 0; i < batch->count; i++)
        put(batch, i, indicator, ema[i]);
    return ema;
}

static void fill_macd(const struct batch *batch)
{
    double *fast = fill_ema(batch, INDICATOR_ema_12, 12), *slow = fill_ema(batch, INDICATOR_ema_26, 26);
    double *macd = arena_array(batch->arena, batch->count, sizeof *macd);

    for (size_t i = 0; i < batch->count; i++)
        macd[i] = fast[i] - slow[i];
    double *signal = smooth(batch, macd, 25, 9, 2.0 / 10);
    for (size_t i = 0; i < batch->count; i++) {
        put(batch, i, INDICATOR_macd, macd[i]);
        put(batch, i, INDICATOR_macd_signal, signal[i]);
        put(batch, i, INDICATOR_macd_histogram, macd[i] - signal[i]);
    }
}

static void fill_rsi(const struct batch *batch)
{
    double *gain = arena_array(batch->arena, batch->count, sizeof *gain);
    double *loss = arena_array(batch->arena, batch->count, sizeof *loss);

    for (size_t i = 1; i < batch->count; i++) {
        gain[i] = fmax(batch->close[i] - batch->close[i - 1], 0);
        loss[i] = fmax(batch->close[i - 1] - batch->close[i], 0);
    }
    double *up = smooth(batch, gain, 1, WILDER_PERIOD, 1.0 / WILDER_PERIOD);
    double *down = smooth(batch, loss, 1, WILDER_PERIOD, 1.0 / WILDER_PERIOD);
    for (size_t i = WILDER_PERIOD; i < batch->count; i++)
        put(batch, i, INDICATOR_rsi_14, rsi_of(up[i], down[i]));
}

static void fill_atr(const struct batch *batch)
{
    double *range = arena_array(batch->arena, batch->count, sizeof *range);

    for (size_t i = 1; i < batch->count; i++)
        range[i] = true_range(batch->high[i], batch->low[i], batch->close[i - 1]);
    double *atr = smooth(batch, range, 1, WILDER_PERIOD, 1.0 / WILDER_PERIOD);
    for (size_t i = WILDER_PERIOD; i < batch->count; i++)
        put(batch, i, INDICATOR_atr_14, atr[i]);
}

static void fill_bollinger(const struct batch *batch)
{
    for (size_t i = BOLLINGER_PERIOD - 1; i < batch->count; i++) {
        const double *closes = batch->close + i + 1 - BOLLINGER_PERIOD;
        double middle = window_mean(closes, BOLLINGER_PERIOD);
        double reach = BOLLINGER_DEVIATIONS * window_deviation(closes, BOLLINGER_PERIOD, middle);

        put(batch, i, INDICATOR_bollinger_upper, middle + reach);
        put(batch, i, INDICATOR_bollinger_middle, middle);
        put(batch, i, INDICATOR_bollinger_lower, middle - reach);
    }
}

static void fill_stochastic(const struct batch *batch)
{
    double *raw = arena_array(batch->arena, batch->count, sizeof *raw);
    double *slow = arena_array(batch->arena, batch->count, sizeof *slow);

    for (size_t i = STOCHASTIC_PERIOD - 1; i < batch->count; i++) {
        size_t first = i + 1 - STOCHASTIC_PERIOD;

        raw[i] = stochastic_of(batch->high + first, batch->low + first, batch->close[i]);
        if (i < STOCHASTIC_PERIOD + 1)
            continue;
        slow[i] = window_mean(raw + i - 2, 3);
        put(batch, i, INDICATOR_stochastic_k, slow[i]);
        if (i >= STOCHASTIC_PERIOD + 3)
            put(batch, i, INDICATOR_stochastic_d, window_mean(slow + i - 2, 3));
    }
}

static void fill_ichimoku(const struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        double tenkan = midpoint_at(batch->high, batch->low, i, 9),
               kijun = midpoint_at(batch->high, batch->low, i, 26);

        put(batch, i, INDICATOR_ichimoku_tenkan, tenkan);
        put(batch, i, INDICATOR_ichimoku_kijun, kijun);
        if (i + 26 < batch->count) {
            put(batch, i + 26, INDICATOR_ichimoku_senkou_a, (tenkan + kijun) / 2);
            put(batch, i + 26, INDICATOR_ichimoku_senkou_b, midpoint_at(batch->high, batch->low, i, 52));
        }
    }
}

static void fill_changes(const struct batch *batch)
{
    double obv = 0;

    for (size_t i = 0; i < batch->count; i++) {
        if (i > 0)
            obv += volume_sign(batch->close[i - 1], batch->close[i]) * batch->volume[i];
        put(batch, i, INDICATOR_obv, obv);
        if (i >= ROC_PERIOD)
            put(batch, i, INDICATOR_roc_12, 100 * (batch->close[i] / batch->close[i - ROC_PERIOD] - 1));
    }
}

static void fill_volatility(const struct batch *batch, size_t indicator, size_t n, int64_t interval_s)
{
    for (size_t i = n; i < batch->count; i++)
        put(batch, i, indicator, window_volatility(batch->close + i - n, n, interval_s));
}

void indicators_batch(struct arena *arena, const struct candle *candles, size_t count, int64_t interval_s,
                      struct indicator_row *rows)
{
    double *high = arena_array(arena, count, sizeof *high), *low = arena_array(arena, count, sizeof *low);
    double *close = arena_array(arena, count, sizeof *close), *volume = arena_array(arena, count, sizeof *volume);
    struct batch batch = {arena, count, high, low, close, volume, rows};

    for (size_t i = 0; i < count; i++) {
        high[i] = candles[i].high;
        low[i] = candles[i].low;
        close[i] = candles[i].close;
        volume[i] = candles[i].volume;
        for (size_t k = 0; k < INDICATOR_COUNT; k++)
            put(&batch, i, k, NAN);
    }
    if (count == 0)
        return;
    fill_sma(&batch, INDICATOR_sma_20, 20);
    fill_sma(&batch, INDICATOR_sma_50, 50);
    fill_sma(&batch, INDICATOR_sma_200, 200);
    fill_ema(&batch, INDICATOR_ema_50, 50);
    fill_macd(&batch);
    fill_rsi(&batch);
    fill_atr(&batch);
    fill_bollinger(&batch);
    fill_stochastic(&batch);
    fill_ichimoku(&batch);
    fill_changes(&batch);
    fill_volatility(&batch, INDICATOR_volatility_24, 24, interval_s);
    fill_volatility(&batch, INDICATOR_volatility_168, 168, interval_s);
    fill_volatility(&batch, INDICATOR_volatility_720, 720, interval_s);
}
