/* The table of estimators: a new one adds its line here. */
#include "models/estimate.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define ESTIMATOR_LIST(ESTIMATOR)                                                                                    \
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
    ESTIMATOR(har)                                                                                                   \
    ESTIMATOR(har_log)

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
