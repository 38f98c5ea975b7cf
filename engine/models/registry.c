/* The table of models: a new one adds its line here, a file of its own and a reference test. */
#include <string.h>

#include "models/model.h"

#define MODEL_LIST(MODEL)                                                                                            \
    MODEL(rw_gauss)                                                                                                  \
    MODEL(rw_emp)                                                                                                    \
    MODEL(ewma_emp)                                                                                                  \
    MODEL(garch)                                                                                                     \
    MODEL(garch_t)                                                                                                   \
    MODEL(gjr_t)                                                                                                     \
    MODEL(garch_fhs)                                                                                                 \
    MODEL(gas_t)                                                                                                     \
    MODEL(har_log)                                                                                                   \
    MODEL(qr_vol)                                                                                                    \
    MODEL(qgb)                                                                                                       \
    MODEL(arima)                                                                                                     \
    MODEL(ets)                                                                                                       \
    MODEL(theta)

#define DECLARE(name) extern const struct model model_##name;
MODEL_LIST(DECLARE)
#undef DECLARE

#define ENTRY(name) &model_##name,
const struct model *const models[] = {MODEL_LIST(ENTRY) NULL};
#undef ENTRY

const struct model *model_find(const char *name)
{
    for (size_t i = 0; models[i] != NULL; i++)
        if (strcmp(models[i]->name, name) == 0)
            return models[i];
    return NULL;
}
