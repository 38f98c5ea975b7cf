/* The exact likelihood of a stationary ARMA in O(n (p + q)).
 *
 * State space form of Harvey (1981): r = max(p, q + 1) states, a[t+1] = T a[t] + R e[t+1], y[t] = a[t][0], T the companion
 * matrix of phi, R = (1, theta). The Riccati equation would cost r^2 a step. Because the filter begins in the stationary
 * distribution, the change of the state's covariance from one step to the next has rank one,
 *
 *     P[t+1] - P[t] = m[t] l[t] l[t]',    l[1] = T P[1] Z' = k[1],  m[1] = -1 / F[1]
 *     F[t+1] = F[t] + m[t] l0^2           k[t+1] = k[t] + (T l[t]) m[t] l0
 *     m[t+1] = m[t] - m[t]^2 l0^2 / F[t+1]    l[t+1] = T l[t] - k[t] l0 / F[t]          (l0 = first element of l[t])
 *
 * so vectors are enough (Chandrasekhar's recursions). Once F has reached 1 the gains stand still, and what is left is the
 * recursion of the innovations. The start needs only the first column of P[1]: autocovariances, which the step-down form
 * of Levinson's recursion gives in O(p^2), and psi weights.
 */
#include <math.h>
#include <string.h>

#include "models/arima.h"

#define SETTLED 1e-12 /* F - 1 below this: the gains have converged */

struct arma_filter {
    size_t states;       /* r of the model that was filtered last */
    double *phi, *theta; /* r of each, zeros behind the last */
    double *gain, *change, *state, *second_state;
    double *levels;     /* (p + 1) rows: AR coefficients of every order, by step-down */
    double *covariance; /* of the AR part, lags 0 .. p + q */
    double *psi, *column;
};

struct arma_filter *arma_filter_make(struct arena *arena, size_t p_max, size_t q_max)
{
    struct arma_filter *filter = arena_alloc(arena, sizeof *filter);
    size_t size = (p_max > q_max + 1 ? p_max : q_max + 1) + 1;

    *filter = (struct arma_filter){
        .phi = arena_array(arena, size, sizeof(double)),
        .theta = arena_array(arena, size, sizeof(double)),
        .gain = arena_array(arena, size, sizeof(double)),
        .change = arena_array(arena, size, sizeof(double)),
        .state = arena_array(arena, size, sizeof(double)),
        .second_state = arena_array(arena, size, sizeof(double)),
        .levels = arena_array(arena, (p_max + 1) * (p_max + 1), sizeof(double)),
        .covariance = arena_array(arena, p_max + 2 * q_max + 2, sizeof(double)),
        .psi = arena_array(arena, size, sizeof(double)),
        .column = arena_array(arena, size, sizeof(double)),
    };
    return filter;
}

/* The lag coefficients of a(B) and b(B^period), added; what their product adds to that has a sign of its own. */
static size_t add_lags(const double *a, size_t a_count, const double *b, size_t b_count, size_t period,
                       double *result)
{
    size_t count = a_count + b_count * period;

    memset(result, 0, count * sizeof *result);
    for (size_t i = 0; i < a_count; i++)
        result[i] += a[i];
    for (size_t k = 0; k < b_count; k++)
        result[(k + 1) * period - 1] += b[k];
    return count;
}

void arma_expand(const struct arima *arima, struct arma *arma)
{
    const struct arima_order *order = &arima->order;
    const double *phi = arima->coefficients, *theta = phi + order->p;
    const double *seasonal_phi = theta + order->q, *seasonal_theta = seasonal_phi + order->P;

    arma->p = add_lags(phi, order->p, seasonal_phi, order->P, order->period, arma->phi);
    arma->q = add_lags(theta, order->q, seasonal_theta, order->Q, order->period, arma->theta);
    for (size_t k = 0; k < order->P; k++)
        for (size_t i = 0; i < order->p; i++)
            arma->phi[(k + 1) * order->period + i] -= phi[i] * seasonal_phi[k];
    for (size_t k = 0; k < order->Q; k++)
        for (size_t i = 0; i < order->q; i++)
            arma->theta[(k + 1) * order->period + i] += theta[i] * seasonal_theta[k];
}

void arma_from_partial(const double *partial, size_t count, double *phi)
{
    double before[ARIMA_LAGS_MAX];

    for (size_t m = 0; m < count; m++) {
        memcpy(before, phi, m * sizeof *phi);
        for (size_t i = 0; i < m; i++)
            phi[i] = before[i] - partial[m] * before[m - 1 - i];
        phi[m] = partial[m];
    }
}

/* AR coefficients of every order below p, row m of `levels` those of order m; false when not stationary. */
static bool step_down(struct arma_filter *filter, const struct arma *arma)
{
    size_t p = arma->p;

    memcpy(filter->levels + p * p, arma->phi, p * sizeof(double));
    for (size_t m = p; m > 0; m--) {
        const double *row = filter->levels + m * p;
        double last = row[m - 1], scale = 1.0 - last * last;

        if (!(scale > 0.0))
            return false;
        double *below = filter->levels + (m - 1) * p;
        for (size_t i = 0; i + 1 < m; i++)
            below[i] = (row[i] + last * row[m - 2 - i]) / scale;
    }
    return true;
}

/* Autocovariances 0 .. last of phi(B) x = e, Var e = 1. */
static bool make_ar_covariance(struct arma_filter *filter, const struct arma *arma, size_t last)
{
    size_t p = arma->p;
    double *covariance = filter->covariance, variance = 1.0;

    if (!step_down(filter, arma))
        return false;
    for (size_t m = 1; m <= p; m++) {
        double partial = filter->levels[m * p + m - 1];
        variance /= 1.0 - partial * partial;
    }
    covariance[0] = variance;
    for (size_t m = 1; m <= last; m++) {
        size_t order = m <= p ? m - 1 : p;
        const double *row = filter->levels + order * p;
        double partial = m <= p ? filter->levels[m * p + m - 1] : 0.0, sum = partial * variance;

        for (size_t i = 0; i < order; i++)
            sum += row[i] * covariance[m - 1 - i];
        covariance[m] = sum;
        variance *= 1.0 - partial * partial;
    }
    return isfinite(covariance[0]);
}

static double theta_at(const struct arma *arma, size_t i)
{
    return i == 0 ? 1.0 : i <= arma->q ? arma->theta[i - 1] : 0.0;
}

/* Autocovariance of the whole ARMA at lag k <= p. */
static double covariance_at(const struct arma_filter *filter, const struct arma *arma, size_t k)
{
    double sum = 0.0;

    for (size_t i = 0; i <= arma->q; i++) {
        double left = theta_at(arma, i);

        for (size_t j = 0; left != 0.0 && j <= arma->q; j++) {
            size_t lag = k + i >= j ? k + i - j : j - k - i;
            sum += left * theta_at(arma, j) * filter->covariance[lag];
        }
    }
    return sum;
}

/* The first column of P[1], Cov(a[i], y), into `column`. */
static bool make_column(struct arma_filter *filter, const struct arma *arma, size_t states)
{
    double *column = filter->column, *psi = filter->psi;

    for (size_t k = 0; k <= arma->q; k++) {
        psi[k] = theta_at(arma, k);
        for (size_t i = 0; i < k && i < arma->p; i++)
            psi[k] += arma->phi[i] * psi[k - 1 - i];
    }
    memset(column, 0, states * sizeof *column);
    for (size_t i = 0; i < states; i++)
        for (size_t k = i; k <= arma->q; k++)
            column[i] += theta_at(arma, k) * psi[k - i];
    if (arma->p == 0)
        return true;
    if (!make_ar_covariance(filter, arma, arma->p + arma->q))
        return false;
    for (size_t lag = 0; lag <= arma->p; lag++) {
        double covariance = covariance_at(filter, arma, lag);

        if (lag == 0)
            column[0] = covariance;
        for (size_t i = 1; lag > 0 && i + lag <= arma->p; i++)
            column[i] += arma->phi[i + lag - 1] * covariance;
    }
    return true;
}

/* Gains, innovation variance and the rank-one change, as they are at one step. */
struct gains {
    double variance, weight; /* F, m */
};

static bool begin_filter(struct arma_filter *filter, const struct arma *arma, struct gains *gains)
{
    size_t states = arma->p > arma->q + 1 ? arma->p : arma->q + 1;

    filter->states = states;
    memset(filter->phi, 0, states * sizeof(double));
    memset(filter->theta, 0, states * sizeof(double));
    memcpy(filter->phi, arma->phi, arma->p * sizeof(double));
    memcpy(filter->theta, arma->theta, arma->q * sizeof(double));
    memset(filter->state, 0, states * sizeof(double));
    memset(filter->second_state, 0, states * sizeof(double));
    if (!make_column(filter, arma, states))
        return false;
    const double *column = filter->column;
    *gains = (struct gains){.variance = column[0], .weight = -1.0 / column[0]};
    for (size_t i = 0; i < states; i++)
        filter->gain[i] = filter->phi[i] * column[0] + (i + 1 < states ? column[i + 1] : 0.0);
    memcpy(filter->change, filter->gain, states * sizeof(double));
    return column[0] > 0.0;
}

bool arma_covariance(struct arma_filter *filter, const struct arma *arma, double *matrix)
{
    struct gains gains;

    if (!begin_filter(filter, arma, &gains))
        return false;
    size_t states = filter->states;
    const double *column = filter->column;
    for (size_t i = states; i-- > 0;)
        for (size_t k = i + 1; k-- > 0;) {
            double beyond_i = i + 1 < states ? column[i + 1] : 0.0, beyond_k = k + 1 < states ? column[k + 1] : 0.0;
            double inner = i + 1 < states ? matrix[(i + 1) * states + k + 1] : 0.0;
            double value = filter->phi[i] * filter->phi[k] * column[0] + filter->phi[i] * beyond_k +
                           filter->phi[k] * beyond_i + inner + theta_at(arma, i) * theta_at(arma, k);

            matrix[i * states + k] = matrix[k * states + i] = value;
        }
    return true;
}

/* a <- T a + k v / F; returns v. */
static double update_state(const struct arma_filter *filter, double *state, double value, double variance)
{
    size_t last = filter->states - 1;
    double first = state[0], innovation = value - first, scaled = innovation / variance;

    for (size_t i = 0; i < last; i++)
        state[i] = state[i + 1] + filter->phi[i] * first + filter->gain[i] * scaled;
    state[last] = filter->phi[last] * first + filter->gain[last] * scaled;
    return innovation;
}

/* The same when the gains have settled: k = phi + theta, F = 1. */
static double update_settled(const struct arma_filter *filter, double *state, double value)
{
    size_t last = filter->states - 1;
    double innovation = value - state[0];

    for (size_t i = 0; i < last; i++)
        state[i] = state[i + 1] + filter->phi[i] * value + filter->theta[i] * innovation;
    state[last] = filter->phi[last] * value + filter->theta[last] * innovation;
    return innovation;
}

static void update_gains(struct arma_filter *filter, struct gains *gains)
{
    size_t last = filter->states - 1;
    double first = filter->change[0], share = gains->weight * first, old = first / gains->variance;

    for (size_t i = 0; i <= last; i++) {
        double moved = filter->phi[i] * first + (i < last ? filter->change[i + 1] : 0.0);

        filter->change[i] = moved - filter->gain[i] * old;
        filter->gain[i] += moved * share;
    }
    gains->variance += share * first;
    gains->weight -= share * share / gains->variance;
}

bool arma_whiten(struct arma_filter *filter, const struct arma *arma, const struct arma_series *first,
                 const struct arma_series *second, double *log_sum)
{
    struct gains gains;
    size_t t = 0;

    *log_sum = 0.0;
    if (!begin_filter(filter, arma, &gains))
        return false;
    for (; t < first->count && fabs(gains.variance - 1.0) > SETTLED; t++) {
        if (!(gains.variance > 0.0))
            return false;
        double deviation = sqrt(gains.variance);

        *log_sum += log(gains.variance);
        first->whitened[t] = update_state(filter, filter->state, first->values[t], gains.variance) / deviation;
        if (second != NULL)
            second->whitened[t] =
                update_state(filter, filter->second_state, second->values[t], gains.variance) / deviation;
        update_gains(filter, &gains);
    }
    for (size_t i = t; i < first->count; i++)
        first->whitened[i] = update_settled(filter, filter->state, first->values[i]);
    for (size_t i = t; second != NULL && i < first->count; i++)
        second->whitened[i] = update_settled(filter, filter->second_state, second->values[i]);
    return isfinite(*log_sum);
}

void arma_predict(const struct arma_filter *filter, const struct arma *arma, size_t horizon, double *means)
{
    for (size_t h = 0; h < horizon; h++) {
        means[h] = h < filter->states ? filter->state[h] : 0.0;
        for (size_t i = 0; i < arma->p && i < h; i++)
            means[h] += arma->phi[i] * means[h - 1 - i];
    }
}
