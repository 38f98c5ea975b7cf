/* How often a series must be differenced before it looks stationary: the tests that automatic ARIMA rests on. */
#ifndef MODELS_STATIONARITY_H
#define MODELS_STATIONARITY_H

#include "core/arena.h"
#include "core/base.h"

/* The statistic of Kwiatkowski, Phillips, Schmidt & Shin (1992, J. of Econometrics 54, 159-178) for level stationarity, with
 * Bartlett's weights over trunc(3 sqrt(n) / 13) lags. Above KPSS_LIMIT the series is not stationary (5%). 0 for a series
 * that stands still. */
#define KPSS_LIMIT 0.463
double kpss_statistic(const double *values, size_t count);

/* 1 - Var(rest) / Var(season + rest) of an STL decomposition, within 0..1 (Wang, Smith & Hyndman 2006). Above
 * SEASONAL_STRENGTH_LIMIT one seasonal difference is taken. count > 2 period, period >= 2. */
#define SEASONAL_STRENGTH_LIMIT 0.64
double seasonal_strength(struct arena *arena, const double *values, size_t count, size_t period);

/* Differences that the KPSS test asks for, at most `max`. */
size_t differences_needed(struct arena *arena, const double *values, size_t count, size_t max);

/* True when all values are the same up to rounding. */
bool is_constant(const double *values, size_t count);

#endif
