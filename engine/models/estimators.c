/* The table of estimators: a new one adds its line here. */
#include "models/estimate.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/err.h"
#include "math/normal.h"

#define ESTIMATOR_LIST(ESTIMATOR)                                                                                    \
    ESTIMATOR(arima)                                                                                                 \
    ESTIMATOR(ets)                                                                                                   \
    ESTIMATOR(garch)                                                                                                 \
    ESTIMATOR(garch_t)                                                                                               \
    ESTIMATOR(garch_skt)                                                                                             \
    ESTIMATOR(gjr)                                                                                                   \
    ESTIMATOR(gjr_t)                                                                                                 \
    ESTIMATOR(gjr_skt)                                                                                               \
    ESTIMATOR(egarch)                                                                                                \
    ESTIMATOR(egarch_t)                                                                                              \
    ESTIMATOR(egarch_skt)                                                                                            \
    ESTIMATOR(aparch)                                                                                                \
    ESTIMATOR(aparch_t)                                                                                              \
    ESTIMATOR(aparch_skt)                                                                                            \
    ESTIMATOR(gas_t)                                                                                                 \
    ESTIMATOR(har)                                                                                                   \
    ESTIMATOR(har_log)                                                                                               \
    ESTIMATOR(theta)                                                                                                 \
    ESTIMATOR(rw_gauss)                                                                                              \
    ESTIMATOR(rw_emp)                                                                                                \
    ESTIMATOR(ewma_emp)                                                                                              \
    ESTIMATOR(garch_fhs)                                                                                             \
    ESTIMATOR(qr_vol)                                                                                                \
    ESTIMATOR(qgb)

#define DECLARE(name) extern const struct estimator estimator_##name;
ESTIMATOR_LIST(DECLARE)
#undef DECLARE

#define ENTRY(name) &estimator_##name,
const struct estimator *const estimators[] = {ESTIMATOR_LIST(ENTRY) NULL};
#undef ENTRY

const struct estimator *estimator_find(const char *name)
{
    for (size_t i = 0; estimators[i] != NULL; i++)
        if (strcmp(estimators[i]->name, name) == 0)
            return estimators[i];
    return NULL;
}

void estimate_begin(struct estimate *estimate, size_t n)
{
    *estimate = (struct estimate){.n = n, .loglik = NAN, .aic = NAN, .aicc = NAN, .bic = NAN, .sigma2 = NAN};
}

struct estimate_parameter *estimate_add(struct estimate *estimate, const char *name, double value)
{
    assert(estimate->parameter_count < ESTIMATE_PARAMETERS_MAX);
    struct estimate_parameter *parameter = &estimate->parameters[estimate->parameter_count++];

    *parameter = (struct estimate_parameter){.value = value, .se_hessian = NAN, .se_opg = NAN, .se_robust = NAN};
    snprintf(parameter->name, sizeof parameter->name, "%s", name);
    return parameter;
}

/* mean + z deviation at a level of the normal law. */
static const double *bound(struct arena *arena, const struct estimate *estimate, const double *deviations,
                           double level)
{
    double *values = arena_array(arena, estimate->forecast_count, sizeof *values), z = normal_quantile(level);

    for (size_t i = 0; i < estimate->forecast_count; i++)
        values[i] = estimate->mean[i] + z * deviations[i];
    return values;
}

void estimate_forecast(struct arena *arena, struct estimate *estimate, const double *means, const double *deviations,
                       size_t count)
{
    estimate->forecast_count = count;
    estimate->mean = means;
    estimate->low_80 = bound(arena, estimate, deviations, 0.1);
    estimate->high_80 = bound(arena, estimate, deviations, 0.9);
    estimate->low_95 = bound(arena, estimate, deviations, 0.025);
    estimate->high_95 = bound(arena, estimate, deviations, 0.975);
}

int estimate_check_values(const double *values, size_t count)
{
    if (count == 0)
        return err_set(E_INPUT, "there are no values");
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i]))
            return err_set(E_INPUT, "value %zu of %zu is not a finite number", i + 1, count);
    return 0;
}
