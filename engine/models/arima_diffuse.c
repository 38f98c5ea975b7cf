/* The likelihood of an ARIMA with differencing inside the state, as R's arima() computes it (Harvey 1989, section 3.3.4;
 * Ripley 2002, R News 2/2): the values before the series, y[0], y[-1], ..., are states with variance kappa = 10^6 sigma^2 and
 * mean 0, and an observation whose prediction variance is still above 10^4 sigma^2 is not counted.
 *
 * That prior is large but not infinite, so the result differs from the exact diffuse likelihood in the fifth digit or so when
 * differencing is seasonal (log AirPassengers, (0,1,1)(0,1,1)[12]: 244.6995 here, 244.6965 exactly). Parameters are
 * estimated with the exact one; this one is for comparing log-likelihoods and AICs with other software. Without
 * differencing it is the same filter with full covariance matrices, which the tests use to check arima_filter.c.
 */
#include <math.h>
#include <string.h>

#include "models/arima.h"

#define KAPPA 1e6
#define COUNTED_BELOW 1e4
#define LOG_TWO_PI 1.8378770664093454836
#define COST_MAX 4e9 /* values times square of the states: some seconds */

/* States: r of the ARMA, then y[t-1], ..., y[t-lags]. */
struct diffuse {
    size_t arma_states, lags, states;
    const struct arma *arma;
    double delta[ARIMA_EXPANDED_MAX]; /* y[t] = w[t] + sum delta[i] y[t-1-i] */
    double *state, *moved, *covariance, *product, *gain;
};

/* (1-B)^d (1-B^m)^D as coefficients of past values. */
static bool make_delta(const struct arima_order *order, struct diffuse *diffuse)
{
    double polynomial[ARIMA_EXPANDED_MAX + 1] = {1.0};
    size_t degree = 0;

    for (size_t i = 0; i < order->d + order->D; i++) {
        size_t lag = i < order->d ? 1 : order->period;

        if (degree + lag > ARIMA_EXPANDED_MAX)
            return false;
        for (size_t k = degree + lag; k >= lag; k--)
            polynomial[k] -= polynomial[k - lag];
        degree += lag;
    }
    for (size_t k = 0; k < degree; k++)
        diffuse->delta[k] = -polynomial[k + 1];
    diffuse->lags = degree;
    return true;
}

static double observe(const struct diffuse *diffuse, const double *x, size_t stride)
{
    double sum = x[0];

    for (size_t i = 0; i < diffuse->lags; i++)
        sum += diffuse->delta[i] * x[(diffuse->arma_states + i) * stride];
    return sum;
}

/* y = T x for vectors whose elements stand `stride` apart. */
static void advance(const struct diffuse *diffuse, const double *x, double *y, size_t stride)
{
    size_t r = diffuse->arma_states;

    for (size_t i = 0; i < r; i++) {
        double phi = i < diffuse->arma->p ? diffuse->arma->phi[i] : 0.0;

        y[i * stride] = phi * x[0] + (i + 1 < r ? x[(i + 1) * stride] : 0.0);
    }
    if (diffuse->lags > 0)
        y[r * stride] = observe(diffuse, x, stride);
    for (size_t i = r + 1; i < diffuse->states; i++)
        y[i * stride] = x[(i - 1) * stride];
}

/* covariance <- T covariance T' + R R'. */
static void advance_covariance(struct diffuse *diffuse)
{
    size_t states = diffuse->states, q = diffuse->arma->q;

    for (size_t k = 0; k < states; k++)
        advance(diffuse, diffuse->covariance + k, diffuse->product + k, states);
    for (size_t i = 0; i < states; i++)
        advance(diffuse, diffuse->product + i * states, diffuse->covariance + i * states, 1);
    for (size_t i = 0; i <= q; i++)
        for (size_t k = 0; k <= q; k++)
            diffuse->covariance[i * states + k] +=
                (i == 0 ? 1.0 : diffuse->arma->theta[i - 1]) * (k == 0 ? 1.0 : diffuse->arma->theta[k - 1]);
}

/* Takes one value in; the innovation is returned and its variance left in *variance. */
static double take_value(struct diffuse *diffuse, double value, double *variance)
{
    size_t states = diffuse->states;

    for (size_t i = 0; i < states; i++)
        diffuse->gain[i] = observe(diffuse, diffuse->covariance + i * states, 1);
    *variance = observe(diffuse, diffuse->gain, 1);
    double innovation = value - observe(diffuse, diffuse->state, 1);
    for (size_t i = 0; i < states; i++) {
        diffuse->state[i] += diffuse->gain[i] * innovation / *variance;
        for (size_t k = 0; k < states; k++)
            diffuse->covariance[i * states + k] -= diffuse->gain[i] * diffuse->gain[k] / *variance;
    }
    return innovation;
}

static bool begin_diffuse(struct arena *arena, const struct arima *arima, const struct arma *arma,
                          struct diffuse *diffuse)
{
    struct arma_filter *filter = arma_filter_make(arena, arma->p, arma->q);

    *diffuse = (struct diffuse){.arma = arma, .arma_states = arma->p > arma->q + 1 ? arma->p : arma->q + 1};
    if (!make_delta(&arima->order, diffuse))
        return false;
    size_t r = diffuse->arma_states, states = r + diffuse->lags;
    diffuse->states = states;
    diffuse->state = arena_array(arena, states, sizeof(double));
    diffuse->moved = arena_array(arena, states, sizeof(double));
    diffuse->gain = arena_array(arena, states, sizeof(double));
    diffuse->covariance = arena_array(arena, states * states, sizeof(double));
    diffuse->product = arena_array(arena, states * states, sizeof(double));
    if (!arma_covariance(filter, arma, diffuse->product))
        return false;
    for (size_t i = 0; i < r; i++)
        memcpy(diffuse->covariance + i * states, diffuse->product + i * r, r * sizeof(double));
    for (size_t i = r; i < states; i++)
        diffuse->covariance[i * (states + 1)] = KAPPA;
    return true;
}

/* What the mean of the differences makes of y[t], t = 1, 2, ... */
static double mean_at(const struct arima *arima, size_t t)
{
    const struct arima_order *order = &arima->order;

    if (order->d + order->D == 0)
        return arima->mean;
    return arima->mean * (double)t / (order->D > 0 ? (double)order->period : 1.0);
}

double arima_diffuse_likelihood(struct arena *arena, const struct arima_data *data, const struct arima *arima)
{
    struct arma *arma = arena_alloc(arena, sizeof *arma);
    struct diffuse *diffuse = arena_alloc(arena, sizeof *diffuse);
    double squares = 0.0, log_sum = 0.0, counted = 0.0;

    arma_expand(arima, arma);
    if (!begin_diffuse(arena, arima, arma, diffuse) ||
        (double)data->count * (double)(diffuse->states * diffuse->states) > COST_MAX)
        return NAN;
    for (size_t t = 0; t < data->count; t++) {
        double variance;

        if (t > 0) {
            advance(diffuse, diffuse->state, diffuse->moved, 1);
            memcpy(diffuse->state, diffuse->moved, diffuse->states * sizeof(double));
            advance_covariance(diffuse);
        }
        double innovation = take_value(diffuse, data->values[t] - mean_at(arima, t + 1), &variance);
        if (variance < COUNTED_BELOW) {
            counted += 1.0;
            squares += innovation * innovation / variance;
            log_sum += log(variance);
        }
    }
    double n = (double)(data->count - diffuse->lags);
    return -0.5 * n * (log(squares / counted) + log_sum / counted + 1.0 + LOG_TWO_PI);
}
