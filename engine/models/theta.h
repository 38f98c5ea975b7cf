/* Theta: simple exponential smoothing plus half the slope of the line through all values.
 *
 *     mean[h] = level + drift ((h - 1) + (1 - (1 - alpha)^n) / alpha),     drift = slope / 2
 *     v[h]    = s2 (1 + (h - 1) alpha^2)
 *
 * Assimakopoulos & Nikolopoulos (2000, Int. J. of Forecasting 16, 521-530), winner of the M3 competition, in the form that
 * Hyndman & Billah found it to be (2003, Int. J. of Forecasting 19, 287-290), as R's forecast::thetaf: where the
 * autocorrelation at one period stands out (a one-sided test of 5%), the values are first divided by the seasonal indices of a
 * classical decomposition, and forecasts multiplied by them.
 */
#ifndef MODELS_THETA_H
#define MODELS_THETA_H

#include "core/arena.h"
#include "core/base.h"
#include "models/ets.h"

struct theta {
    struct ets smoothing; /* form ANN */
    double level;         /* after the last value */
    double drift;
    double sigma2;
    size_t count;
    size_t period;         /* 1: no season was found */
    const double *indices; /* `period` of them, the first belongs to the first value; in the arena */
};

/* E_INPUT as ets_prepare. */
int theta_estimate(struct arena *arena, const double *values, size_t count, size_t period,
                   struct theta *theta) BTCF_MUST_CHECK;

/* Means and variances of the next `horizon` values. */
void theta_forecast(const struct theta *theta, size_t horizon, double *means, double *variances);

#endif
