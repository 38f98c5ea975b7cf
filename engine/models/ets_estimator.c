/* ets for `btcf fit`: a form as text ("MAM", "AAdN"), or a choice; parameters under the names that R gives them. */
#include <math.h>
#include <stdio.h>

#include "core/err.h"
#include "models/estimate.h"
#include "models/ets.h"

/* R counts seasons backwards from the one before the first value: s0 is that of the last place in a cycle. */
static void add_parameters(const struct ets *ets, struct estimate *estimate)
{
    const struct ets_form *form = &ets->form;

    estimate_add(estimate, "alpha", ets->alpha);
    if (form->has_trend)
        estimate_add(estimate, "beta", ets->beta);
    if (form->season != ETS_SEASON_NONE)
        estimate_add(estimate, "gamma", ets->gamma);
    if (form->is_damped)
        estimate_add(estimate, "phi", ets->phi);
    estimate_add(estimate, "l", ets->first.level);
    if (form->has_trend)
        estimate_add(estimate, "b", ets->first.slope);
    for (size_t i = 0; form->season != ETS_SEASON_NONE && i + 1 < form->period; i++) {
        char name[24];

        snprintf(name, sizeof name, "s%zu", i);
        estimate_add(estimate, name, ets->first.season[form->period - 1 - i]);
    }
}

static void add_forecast(struct arena *arena, const struct ets_fit *fit, size_t count, size_t horizon,
                         struct estimate *estimate)
{
    const struct ets_outlook outlook = {&fit->ets, &fit->last, count, fit->sigma2};
    double *means = arena_array(arena, horizon, sizeof *means);
    double *deviations = arena_array(arena, horizon, sizeof *deviations);

    ets_forecast(arena, &outlook, horizon, means, deviations);
    for (size_t h = 0; h < horizon; h++)
        deviations[h] = sqrt(deviations[h]);
    estimate_forecast(arena, estimate, means, deviations, horizon);
}

static int run(struct arena *arena, const double *values, size_t count, const struct estimate_options *options,
               struct estimate *estimate)
{
    size_t period = options->period > 1 ? options->period : 1;
    struct ets_data data;
    struct ets_fit fit;
    struct ets_form form;

    if (estimate_check_values(values, count) < 0 || ets_prepare(arena, values, count, period, &data) < 0)
        return -1;
    if (options->order == NULL) {
        if (ets_choose(&data, &fit) < 0)
            return -1;
    } else if (ets_parse(options->order, period, &form) < 0 || ets_estimate(&data, &form, &fit) < 0) {
        return -1;
    }
    estimate_begin(estimate, count);
    estimate->loglik = fit.loglik;
    estimate->aic = fit.aic;
    estimate->aicc = fit.aicc;
    estimate->bic = fit.bic;
    estimate->sigma2 = fit.sigma2;
    estimate->converged = fit.converged;
    ets_name(&fit.ets.form, estimate->form);
    add_parameters(&fit.ets, estimate);
    if (options->horizon > 0)
        add_forecast(arena, &fit, count, options->horizon, estimate);
    return 0;
}

const struct estimator estimator_ets = {
    .name = "ets",
    .summary = "exponential smoothing state space models by maximum likelihood, the form chosen by AICc",
    .run = run,
};
