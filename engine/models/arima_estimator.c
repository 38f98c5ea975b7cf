/* arima for `btcf fit`: an order as text, or a choice; parameters under the names that R gives them. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/err.h"
#include "core/str.h"
#include "models/arima.h"
#include "models/estimate.h"

static int parse_lags(struct str text, size_t lags[3])
{
    for (int i = 0; i < 3; i++) {
        int64_t value;

        if (text.ptr == NULL || str_parse_i64(str_cut(&text, ','), &value) < 0 || value < 0 || value > ARIMA_LAGS_MAX)
            return -1;
        lags[i] = (size_t)value;
    }
    return text.ptr == NULL ? 0 : -1;
}

/* "1,1,0", "0,1,1x0,1,1", with "+mean" behind it for a mean or drift, "-mean" for none. */
static int parse_order(const char *text, size_t period, struct arima_order *order)
{
    struct str rest = str_of(text), seasonal = {NULL, 0};
    size_t lags[3], seasonal_lags[3] = {0};
    bool has_sign = false, has_mean = true;

    for (size_t i = 0; i < 2; i++) {
        const char *word = i == 0 ? "+mean" : "-mean";
        size_t len = strlen(word);

        if (!has_sign && rest.len > len && str_is((struct str){rest.ptr + rest.len - len, len}, word)) {
            rest.len -= len;
            has_sign = true;
            has_mean = i == 0;
        }
    }
    seasonal = rest;
    rest = str_cut(&seasonal, 'x');
    if (parse_lags(rest, lags) < 0 || (seasonal.ptr != NULL && parse_lags(seasonal, seasonal_lags) < 0))
        return err_set(E_INPUT, "order \"%s\" is none like 1,1,0 or 0,1,1x0,1,1 or 1,1,0+mean, up to %d", text,
                       ARIMA_LAGS_MAX);
    *order = (struct arima_order){
        .p = lags[0],
        .d = lags[1],
        .q = lags[2],
        .P = seasonal_lags[0],
        .D = seasonal_lags[1],
        .Q = seasonal_lags[2],
        .period = period,
    };
    order->has_mean = has_sign ? has_mean : order->d + order->D == 0;
    return arima_check_order(order);
}

static void add_parameters(const struct arima *arima, const double *errors, struct estimate *estimate)
{
    const struct arima_order *order = &arima->order;
    const struct {
        const char *name;
        size_t count;
    } blocks[] = {{"ar", order->p}, {"ma", order->q}, {"sar", order->P}, {"sma", order->Q}};
    size_t at = 0;

    for (size_t i = 0; i < BTCF_LENGTH(blocks); i++)
        for (size_t k = 0; k < blocks[i].count; k++, at++) {
            char name[24];

            snprintf(name, sizeof name, "%s%zu", blocks[i].name, k + 1);
            estimate_add(estimate, name, arima->coefficients[at])->se_hessian = errors[at];
        }
    if (!order->has_mean)
        return;
    /* A drift is told per value of the series, not per season. */
    double share = order->D > 0 ? (double)order->period : 1.0;
    estimate_add(estimate, order->d + order->D > 0 ? "drift" : "intercept", arima->mean / share)->se_hessian =
        errors[at] / share;
}

static int add_forecast(struct arena *arena, const struct arima_data *data, const struct arima *arima, size_t horizon,
                        struct estimate *estimate)
{
    double *means = arena_array(arena, horizon, sizeof *means);
    double *deviations = arena_array(arena, horizon, sizeof *deviations);

    if (arima_forecast(arena, data, arima, horizon, means, deviations) < 0)
        return -1;
    for (size_t h = 0; h < horizon; h++)
        deviations[h] = sqrt(deviations[h]);
    estimate_forecast(arena, estimate, means, deviations, horizon);
    return 0;
}

static int run(struct arena *arena, const double *values, size_t count, const struct estimate_options *options,
               struct estimate *estimate)
{
    struct arima_data data = {values, count};
    struct arima_fit fit;
    struct arima_order order;
    double errors[ARIMA_COUNT_MAX + 1];
    size_t period = options->period > 1 ? options->period : 1;

    if (estimate_check_values(values, count) < 0)
        return -1;
    if (options->order == NULL) {
        if (arima_choose(arena, &data, period, &arima_limits_default, &fit) < 0)
            return -1;
    } else if (parse_order(options->order, period, &order) < 0 ||
               arima_estimate(arena, &data, &order, NULL, 0.0, &fit) < 0) {
        return -1;
    }
    arima_errors(arena, &data, &fit, errors);
    estimate_begin(estimate, count);
    double reported = arima_diffuse_likelihood(arena, &data, &fit.arima);
    double change = isfinite(reported) ? reported - fit.loglik : 0.0;
    estimate->loglik = fit.loglik + change;
    estimate->aic = fit.aic - 2.0 * change;
    estimate->aicc = isfinite(fit.aicc) ? fit.aicc - 2.0 * change : NAN;
    estimate->bic = fit.bic - 2.0 * change;
    estimate->sigma2 = fit.arima.sigma2;
    estimate->converged = fit.converged;
    arima_name(&fit.arima.order, estimate->form, sizeof estimate->form);
    add_parameters(&fit.arima, errors, estimate);
    return options->horizon == 0 ? 0 : add_forecast(arena, &data, &fit.arima, options->horizon, estimate);
}

const struct estimator estimator_arima = {
    .name = "arima",
    .summary = "seasonal ARIMA by exact maximum likelihood, its order chosen by AICc",
    .run = run,
};
