/* Forecasts of an ARIMA whose parameters are known: the filter over the differenced series gives the means of the next
 * differences, summing them gives the means of y, and the weights of psi(B) = theta(B) / (phi(B) (1-B)^d (1-B^m)^D) the
 * variances: Var y[n+h] = sigma^2 (psi[0]^2 + ... + psi[h-1]^2) (Box & Jenkins 1970, chapter 5).
 */
#include <math.h>
#include <string.h>

#include "core/err.h"
#include "models/arima.h"

/* means[h] of differences become means of the series that was differenced once with `lag`; `last`: its newest values. */
static void sum_up(double *means, size_t horizon, const double *last, size_t lag)
{
    for (size_t h = 0; h < horizon; h++)
        means[h] += h < lag ? last[h] : means[h - lag];
}

static void undo_differences(struct arena *arena, const struct arima_data *data, const struct arima_order *order,
                             size_t horizon, double *means)
{
    double *values = arena_array(arena, data->count, sizeof *values);
    struct arima_order less = *order;

    /* From the inside out: the last difference that was taken is undone first. */
    while (less.d + less.D > 0) {
        size_t lag = less.D > 0 ? less.period : 1;

        if (less.D > 0)
            less.D--;
        else
            less.d--;
        size_t count = arima_difference(&less, data->values, data->count, values);
        sum_up(means, horizon, values + count - lag, lag);
    }
}

/* psi weights of the differenced model; summing them `lag` apart puts a difference back. */
static void make_variances(const struct arma *arma, const struct arima *arima, size_t horizon, double *variances)
{
    double *psi = variances, sum = 0.0;

    for (size_t h = 0; h < horizon; h++) {
        psi[h] = h == 0 ? 1.0 : h <= arma->q ? arma->theta[h - 1] : 0.0;
        for (size_t i = 0; i < arma->p && i < h; i++)
            psi[h] += arma->phi[i] * psi[h - 1 - i];
    }
    for (size_t i = 0; i < arima->order.d + arima->order.D; i++) {
        size_t lag = i < arima->order.d ? 1 : arima->order.period;

        for (size_t h = lag; h < horizon; h++)
            psi[h] += psi[h - lag];
    }
    for (size_t h = 0; h < horizon; h++) {
        sum += psi[h] * psi[h];
        variances[h] = arima->sigma2 * sum;
    }
}

int arima_forecast(struct arena *arena, const struct arima_data *data, const struct arima *arima, size_t horizon,
                   double *means, double *variances)
{
    struct arma *arma = arena_alloc(arena, sizeof *arma);
    double *values = arena_array(arena, data->count + 1, sizeof *values), log_sum;
    size_t count = arima_difference(&arima->order, data->values, data->count, values);

    if (count < 1)
        return err_set(E_INPUT, "%zu values are too few to be differenced", data->count);
    for (size_t t = 0; t < count; t++)
        values[t] -= arima->mean;
    arma_expand(arima, arma);
    struct arma_filter *filter = arma_filter_make(arena, arma->p, arma->q);
    struct arma_series series = {count, values, arena_array(arena, count, sizeof(double))};
    if (!arma_whiten(filter, arma, &series, NULL, &log_sum))
        return err_set(E_INPUT, "the AR part is not stationary");
    arma_predict(filter, arma, horizon, means);
    for (size_t h = 0; h < horizon; h++)
        means[h] += arima->mean;
    undo_differences(arena, data, &arima->order, horizon, means);
    make_variances(arma, arima, horizon, variances);
    for (size_t h = 0; h < horizon; h++)
        if (!isfinite(means[h]) || !isfinite(variances[h]))
            return err_set(E_INPUT, "the forecast %zu steps ahead is not finite", h + 1);
    return 0;
}
