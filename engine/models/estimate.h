/* What `btcf fit` runs: estimation of one model on a plain series of numbers, reported as reference software reports it.
 *
 * Estimators are the reference face of the models (unconstrained, published start rules, standard errors); the models of
 * model.h use the same code in its bounded forecast face. Pure: no clock, file or randomness but options->seed.
 */
#ifndef MODELS_ESTIMATE_H
#define MODELS_ESTIMATE_H

#include "core/arena.h"
#include "core/base.h"

#define ESTIMATE_PARAMETERS_MAX 64
#define ESTIMATE_HORIZON_MAX 512

struct estimate_parameter {
    char name[32]; /* "alpha", "ar1", "sma1" */
    double value;
    double se_hessian, se_opg, se_robust; /* NaN when not computed */
};

struct estimate_options {
    const char *order; /* "0,1,1" or "0,1,1x0,1,1": ARIMA; "MAM", "AAdN": ETS; "5,22": HAR windows; NULL: chosen */
    size_t period;     /* season; 1: none */
    size_t horizon;    /* forecasts to report, at most ESTIMATE_HORIZON_MAX; 0: none */
    uint64_t seed;
};

struct estimate {
    size_t n;
    double loglik, aic, aicc, bic, sigma2; /* NaN where the method has none */
    char form[64];                         /* what was chosen: "ARIMA(0,1,1)(0,1,1)[12]"; "" */
    bool converged;
    size_t parameter_count;
    struct estimate_parameter parameters[ESTIMATE_PARAMETERS_MAX];
    size_t forecast_count; /* 1..horizon steps ahead, in the series' units; central intervals of 80 and 95 percent */
    const double *mean, *low_80, *high_80, *low_95, *high_95; /* in the arena; NULL when forecast_count is 0 */
};

struct estimator {
    const char *name; /* "garch-t", "arima" */
    const char *summary;
    bool takes_missing; /* values may be NaN; else they never are, and never infinite */
    /* E_INPUT with a reason when the series cannot serve or an option is wrong. */
    int (*run)(struct arena *arena, const double *values, size_t count, const struct estimate_options *options,
               struct estimate *estimate) BTCF_MUST_CHECK;
};

/* All estimators, ends with NULL (models/estimators.c). */
extern const struct estimator *const estimators[];

/* By name, or NULL. */
const struct estimator *estimator_find(const char *name);

/* An estimate with everything that may be missing set to NaN; and one parameter more (errors NaN). */
void estimate_begin(struct estimate *estimate, size_t n);
struct estimate_parameter *estimate_add(struct estimate *estimate, const char *name, double value);

/* Forecasts as normal means and deviations: both arrays stay the estimate's, intervals are made of them. */
void estimate_forecast(struct arena *arena, struct estimate *estimate, const double *means, const double *deviations,
                       size_t count);

/* E_INPUT, naming the first value that is not finite, or saying that there are none. */
int estimate_check_values(const double *values, size_t count) BTCF_MUST_CHECK;

#endif
