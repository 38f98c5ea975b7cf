/* The arithmetic that both forms of the indicators share: functions of the last few values, oldest first. */
#ifndef MARKET_INDICATOR_WINDOWS_H
#define MARKET_INDICATOR_WINDOWS_H

#include "core/base.h"

#define WILDER_PERIOD 14
#define BOLLINGER_PERIOD 20
#define BOLLINGER_DEVIATIONS 2.0
#define STOCHASTIC_PERIOD 14
#define ROC_PERIOD 12

double window_mean(const double *values, size_t n);
/* Around `mean`, denominator n. */
double window_deviation(const double *values, size_t n, double mean);
/* Of n + 1 closes: realised, per square root of a year. */
double window_volatility(const double *closes, size_t n, int64_t interval_s);

double rsi_of(double gain, double loss);
double true_range(double high, double low, double last_close);
/* Of STOCHASTIC_PERIOD highs and lows, in percent. */
double stochastic_of(const double *highs, const double *lows, double close);
/* Middle of the range of the n candles up to `at`; NaN when there are fewer. */
double midpoint_at(const double *highs, const double *lows, size_t at, size_t n);
/* 1, -1 or 0: which way the volume counts. */
double volume_sign(double last_close, double close);

#endif
