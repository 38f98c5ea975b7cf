/* Technical indicators of closed candles, twice: a batch form over arrays, written from the definitions, and a step form
 * that takes one candle at a time. Both give the same numbers (a test compares them). Pure.
 *
 *     SMA(n)          mean of the last n closes
 *     EMA(n)          e += 2 / (n + 1) (close - e), begun at the SMA of the first n closes
 *     RSI(14)         Wilder (1978): 100 - 100 / (1 + mean gain / mean loss), means begun over the first 14 changes and
 *                     smoothed by 1/14; 50 when nothing has moved, 100 when nothing has fallen
 *     MACD(12,26,9)   Appel: EMA(12) - EMA(26); signal: its EMA(9), begun at the mean of its first 9; histogram: their
 *                     difference
 *     Bollinger(20)   SMA(20) +- 2 standard deviations (denominator n) of the same closes
 *     ATR(14)         Wilder: true range max(high, last close) - min(low, last close), its mean over the first 14, then
 *                     smoothed by 1/14
 *     Stochastic      Lane, slow: raw %K = place of the close in the range of 14 candles, in percent (50 when there is no
 *                     range); %K = mean of 3 raw, %D = mean of 3 %K
 *     OBV             Granville: volume added when the close rises, taken away when it falls; 0 at the first candle seen,
 *                     so only its changes mean something
 *     Ichimoku        Hosoda 9/26/52: tenkan, kijun = midpoints of the ranges of 9 and 26; senkou a = (tenkan + kijun) / 2
 *                     and b = midpoint of 52, both as they were 26 candles ago: the cloud that stands over today
 *     ROC(12)         percent change against 12 candles ago
 *     volatility(n)   realised: square root of the mean square of the last n log returns, times the square root of the
 *                     candles in a year of 365 days
 *
 * A value is NaN until there are enough candles for it.
 */
#ifndef MARKET_INDICATORS_H
#define MARKET_INDICATORS_H

#include "core/arena.h"
#include "core/base.h"
#include "market/candle.h"

/* Candles that the step form remembers: the longest window and one close before it. */
#define INDICATORS_MEMORY 721

struct indicator_row {
#define INDICATOR(field, decimals) double field;
#include "market/indicators.def"
#undef INDICATOR
};

/* For who wants all of them by name. */
struct indicator_name {
    const char *name;
    int decimals;
    size_t offset; /* into struct indicator_row */
};
enum {
#define INDICATOR(field, decimals) INDICATOR_##field,
#include "market/indicators.def"
#undef INDICATOR
    INDICATOR_COUNT
};
extern const struct indicator_name indicator_names[INDICATOR_COUNT];
double indicator_value(const struct indicator_row *row, size_t i);

/* rows[i] is what is known at the close of candles[i]. Scratch in the arena. */
void indicators_batch(struct arena *arena, const struct candle *candles, size_t count, int64_t interval_s,
                      struct indicator_row *rows);

/* An average that begins as a mean of its first n values. */
struct indicator_average {
    size_t count;
    double sum, value;
};

struct indicators {
    int64_t interval_s;
    size_t count; /* candles seen */
    double high[INDICATORS_MEMORY], low[INDICATORS_MEMORY], close[INDICATORS_MEMORY];
    struct indicator_average ema_12, ema_26, ema_50, signal, gain, loss, range;
    double raw_k[3], slow_k[3];
    double senkou_a[26], senkou_b[26];
    double obv;
};

void indicators_init(struct indicators *state, int64_t interval_s);
/* Takes the next candle; *row is what is known at its close. */
void indicators_step(struct indicators *state, const struct candle *candle, struct indicator_row *row);

#endif
