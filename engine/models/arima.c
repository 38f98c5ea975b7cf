/* arima: the registered model. An ARIMA(p, 1, q) of the log price without drift: order and coefficients from the window that
 * ends at the refit instant, the filter alone over the window that ends at the origin.
 *
 * A reference that is expected to lose: with constant variance its quantiles have the wrong shape at every horizon, and what
 * little its mean says about BTC is wrong as often as right. Left to itself (drift, d = 2, roots near 1) automatic ARIMA on
 * hourly prices forecasts a hundredfold price within days; hence d = 1, no drift, and the limits of classical.h.
 */
#include "models/arima.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/err.h"
#include "models/classical.h"
#include "models/series.h"

#define LAGS_MAX 5 /* of p and of q */

/* Everything of eight bytes: a state is compared and stored as bytes. */
struct arima_state {
    struct model_state head;
    uint64_t p, q;
    double coefficients[2 * LAGS_MAX]; /* p of phi, then q of theta */
    double sigma2;
};

extern const struct model model_arima;

static const struct arima_limits limits = {.p_max = LAGS_MAX,
                                           .q_max = LAGS_MAX}; /* of returns: no differences, no mean */

static int arima_model_fit(struct arena *arena, const struct model_task *task, struct model_state **state)
{
    struct series window;
    struct arima_fit fit;

    if (classical_window("arima", task, task->params, &window) < 0)
        return -1;
    double *returns = arena_array(arena, window.count, sizeof *returns);
    for (size_t t = 0; t + 1 < window.count; t++)
        returns[t] = window.log_close[t + 1] - window.log_close[t];
    const struct arima_data data = {returns, window.count - 1};
    if (arima_choose(arena, &data, 1, &limits, &fit) < 0)
        return err_wrap("arima");
    struct arima_state *made = model_state_make(arena, &model_arima, task, window.count, sizeof *made);
    made->p = fit.arima.order.p;
    made->q = fit.arima.order.q;
    memcpy(made->coefficients, fit.arima.coefficients, (made->p + made->q) * sizeof(double));
    made->sigma2 = fit.arima.sigma2;
    *state = &made->head;
    return 0;
}

static void get_arima(const struct model_state *state, struct arima *arima)
{
    const struct arima_state *learned = (const struct arima_state *)state;

    *arima =
        (struct arima){.order = {.p = learned->p, .d = 1, .q = learned->q, .period = 1}, .sigma2 = learned->sigma2};
    memcpy(arima->coefficients, learned->coefficients, (learned->p + learned->q) * sizeof(double));
}

static void arima_model_forecast(struct arena *arena, const struct model_state *state, const struct model_task *task,
                                 struct model_answer *answers)
{
    struct arima arima;
    size_t reach = classical_reach(task);
    double *means = arena_array(arena, reach, sizeof *means),
           *variances = arena_array(arena, reach, sizeof *variances);
    const struct classical_path path = {means, variances};
    struct series window;
    get_arima(state, &arima);
    bool is_good = classical_window("arima", task, &state->params, &window) == 0;

    if (is_good) {
        const struct arima_data data = {window.log_close, window.count};
        is_good = arima_forecast(arena, &data, &arima, reach, means, variances) == 0;
    }
    classical_answer(arena, state, task, is_good ? &path : NULL, answers);
}

static size_t arima_model_parameters(const struct model_state *state, struct model_parameter *out, size_t max)
{
    const struct arima_state *learned = (const struct arima_state *)state;
    size_t count = 0;

    for (; count < learned->p + learned->q && count < max; count++) {
        bool is_ar = count < learned->p;

        snprintf(out[count].name, sizeof out[count].name, "%s%zu", is_ar ? "ar" : "ma",
                 is_ar ? count + 1 : count + 1 - (size_t)learned->p);
        out[count].value = learned->coefficients[count];
    }
    if (count < max)
        out[count++] = (struct model_parameter){"sigma", sqrt(learned->sigma2)};
    return count;
}

static bool arima_model_is_whole(const struct model_state *state)
{
    const struct arima_state *learned = (const struct arima_state *)state;

    if (state->bytes != sizeof *learned || learned->p > LAGS_MAX || learned->q > LAGS_MAX)
        return false;
    for (size_t i = 0; i < learned->p + learned->q; i++)
        if (!isfinite(learned->coefficients[i]))
            return false;
    return learned->sigma2 > 0.0 && isfinite(learned->sigma2);
}

const struct model model_arima = {
    .name = "arima",
    .summary = "ARIMA(p,1,q) of the log price by exact maximum likelihood, its order chosen by AICc",
    .state_version = 1,
    .refit_s = CLASSICAL_REFIT_S,
    .need = classical_need,
    .fit = arima_model_fit,
    .forecast = arima_model_forecast,
    .parameters = arima_model_parameters,
    .is_whole = arima_model_is_whole,
};
