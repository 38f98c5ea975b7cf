/* ETS: exponential smoothing as innovations state space models, by maximum likelihood.
 *
 *     f[t] = (l + phi b) o s,   e[t] = y[t] - f[t],   eps[t] = e[t] or e[t] / f[t]      o: plus, or times for a season M
 *     l += phi b + alpha e/s    b = phi b + beta e/s    s += gamma e/(l + phi b)        (divisors only for a season M)
 *
 * fifteen forms: error A or M, trend N, A or Ad, season N, A or M, without the A error with an M season, whose variance is
 * infinite (Hyndman, Koehler, Snyder & Grose 2002, Int. J. of Forecasting 18, 439-454; Hyndman, Koehler, Ord & Snyder 2008,
 * "Forecasting with Exponential Smoothing"; the default choice of R's forecast::ets). The likelihood is theirs, without its
 * constant: log L = -(n log sum eps^2 + 2 sum log |f|) / 2, the second term for an M error only.
 *
 * Four files: ets_filter.c (the recursion, its likelihood and gradient), ets_fit.c (one form's parameters), ets_auto.c (names
 * and choice), ets_forecast.c. smoothing.c has the registered models, ets_estimator.c what `btcf fit` runs.
 */
#ifndef MODELS_ETS_H
#define MODELS_ETS_H

#include "core/arena.h"
#include "core/base.h"

#define ETS_PERIOD_MAX 24 /* a longer season has more initial states than a series says anything about */
#define ETS_POINTS_MAX 100000
#define ETS_VARIABLES_MAX (6 + ETS_PERIOD_MAX)
#define ETS_NAME_BYTES 16

enum ets_season { ETS_SEASON_NONE, ETS_SEASON_ADDED, ETS_SEASON_TIMES };

struct ets_form {
    bool is_relative; /* M error */
    bool has_trend, is_damped;
    enum ets_season season;
    size_t period; /* 1 without a season */
};

/* Before or after a value. season[i] is that of the values at t = i, i + period, ..., t from 0. */
struct ets_states {
    double level, slope, season[ETS_PERIOD_MAX];
};

struct ets {
    struct ets_form form;
    double alpha, beta, gamma, phi; /* phi is 1, beta and gamma are 0 where the form has none */
    struct ets_states first;        /* before the first value */
};

/* -- ets_filter.c -------------------------------------------------------------------------------------------------- */

/* What one run over the values leaves. */
struct ets_run {
    struct ets_states last;
    double square_sum; /* of eps */
    double deviance;   /* -2 log L */
};

/* A trace of the run, for its gradient: four doubles for each value. */
struct ets_trace;
struct ets_trace *ets_trace_make(struct arena *arena, size_t count);

/* Runs over `count` values. False when the model has no likelihood there: a forecast, level or season that must be positive
 * (M) is not, or something is not finite. */
bool ets_filter(const struct ets *ets, const double *values, size_t count, struct ets_trace *trace,
                struct ets_run *run) BTCF_MUST_CHECK;

/* Derivatives of the run's deviance; first.season[] one by one, as if they were free. */
struct ets_gradient {
    double alpha, beta, gamma, phi;
    struct ets_states first;
};
void ets_differentiate(const struct ets *ets, const double *values, size_t count, const struct ets_trace *trace,
                       const struct ets_run *run, struct ets_gradient *gradient);

/* -- ets_fit.c ----------------------------------------------------------------------------------------------------- */

/* Values made ready for several fits. */
struct ets_data {
    const double *values; /* in units of `unit` */
    size_t count, period;
    double unit;
    bool is_positive;
    bool has_season;                                     /* there are enough values to see one */
    double added[ETS_PERIOD_MAX], times[ETS_PERIOD_MAX]; /* seasonal indices to begin with */
    struct ets_trace *trace;
};

struct ets_fit {
    struct ets ets;
    struct ets_states last; /* after the last value: where forecasts begin */
    double sigma2;          /* of eps: sum of squares over n - parameter_count + 1 */
    size_t parameter_count; /* smoothing parameters, free initial states, sigma2 */
    double loglik, aic, aicc, bic;
    bool converged;
};

/* E_INPUT when there are too few or too many values, one is not finite, or all are the same. `period` of 1, or longer than
 * ETS_PERIOD_MAX: no season is looked for. */
int ets_prepare(struct arena *arena, const double *values, size_t count, size_t period,
                struct ets_data *data) BTCF_MUST_CHECK;

/* Fits one form within the usual and the admissible bounds at once (Hyndman, Akram & Archibald 2008), as R does. E_INPUT
 * with a reason when the values cannot carry the form. */
int ets_estimate(const struct ets_data *data, const struct ets_form *form, struct ets_fit *fit) BTCF_MUST_CHECK;

/* -- ets_auto.c ---------------------------------------------------------------------------------------------------- */

/* "MAdM", "ANN" to a form; E_INPUT when it is none of the fifteen. */
int ets_parse(const char *text, size_t period, struct ets_form *form) BTCF_MUST_CHECK;
/* "ETS(M,Ad,M)" */
void ets_name(const struct ets_form *form, char name[ETS_NAME_BYTES]);

/* The form with the least AICc among those that the values can carry. */
int ets_choose(const struct ets_data *data, struct ets_fit *fit) BTCF_MUST_CHECK;

/* -- ets_forecast.c ------------------------------------------------------------------------------------------------ */

/* Where a forecast begins: the model, the states after `count` values, the variance of eps. */
struct ets_outlook {
    const struct ets *ets;
    const struct ets_states *last;
    size_t count;
    double sigma2;
};

/* Means and variances of the next `horizon` values. */
void ets_forecast(struct arena *arena, const struct ets_outlook *outlook, size_t horizon, double *means,
                  double *variances);

#endif
