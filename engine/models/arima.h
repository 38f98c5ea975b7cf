/* ARIMA: autoregressive integrated moving averages, seasonal or not, by exact Gaussian maximum likelihood.
 *
 *     phi(B) Phi(B^m) ((1-B)^d (1-B^m)^D y[t] - mu) = theta(B) Theta(B^m) e[t],    e[t] ~ N(0, s^2)
 *
 * with phi(B) = 1 - phi1 B - ..., theta(B) = 1 + theta1 B + ... (Box & Jenkins 1970, R's signs). Differencing is done
 * first, so the likelihood is that of the differenced series: the exact diffuse likelihood (Durbin & Koopman 2012,
 * chapter 5), counted over n - d - m D values.
 *
 * Five files: arima_filter.c (the likelihood of an ARMA), arima_fit.c (an order's parameters and errors),
 * arima_auto.c (the order), arima_forecast.c (from parameters to forecasts), arima_diffuse.c (another way to count the first
 * values). arima.c is the registered model, arima_estimator.c what `btcf fit` runs.
 */
#ifndef MODELS_ARIMA_H
#define MODELS_ARIMA_H

#include "core/arena.h"
#include "core/base.h"

/* A stored state must hold any fit: these bound it. */
#define ARIMA_LAGS_MAX 8 /* of each of p, q, P, Q */
#define ARIMA_COUNT_MAX (4 * ARIMA_LAGS_MAX)
#define ARIMA_EXPANDED_MAX 400 /* lags of a multiplied-out polynomial: period and orders together */
#define ARIMA_POINTS_MAX 100000

struct arima_order {
    size_t p, d, q;         /* d + D at most 3 */
    size_t P, D, Q, period; /* period 1: no season, and P = D = Q = 0 */
    bool has_mean;          /* a mean of the differenced series: "intercept" (d + D = 0) or "drift" (d + D = 1) */
};

/* An order with its parameters. coefficients: p of phi, q of theta, P of Phi, Q of Theta, in this order. */
struct arima {
    struct arima_order order;
    double coefficients[ARIMA_COUNT_MAX];
    double mean;   /* of the differenced series; 0 without has_mean */
    double sigma2; /* of the innovations: sum of squares over n - parameters */
};

struct arima_fit {
    struct arima arima;
    size_t count_used;             /* n - d - m D */
    size_t parameter_count;        /* coefficients, mean, sigma2 */
    double loglik, aic, aicc, bic; /* aicc is +INFINITY where there are too few points for it */
    bool converged;
};

/* -- arima_filter.c ------------------------------------------------------------------------------------------------ */

/* A multiplied-out ARMA(p, q): phi[0] is the coefficient of lag 1. */
struct arma {
    size_t p, q;
    double phi[ARIMA_EXPANDED_MAX], theta[ARIMA_EXPANDED_MAX];
};

/* Multiplies the polynomials out. */
void arma_expand(const struct arima *arima, struct arma *arma);

/* Memory of the filter, for ARMA up to these lags. */
struct arma_filter;
struct arma_filter *arma_filter_make(struct arena *arena, size_t p_max, size_t q_max);

/* One or two series, filtered with the same gains; the second is skipped when NULL. */
struct arma_series {
    size_t count;
    const double *values;
    double *whitened; /* innovations over their deviation in units of sigma: count of them */
};

/* Innovations of the exact likelihood: the Kalman filter from the stationary start (Gardner, Harvey & Phillips 1980), with
 * Chandrasekhar's recursions instead of Riccati's (Pearlman 1980, Biometrika 67, 232-233; Melard 1984, AS 197).
 * *log_sum: sum of log F[t], F the innovation variances in units of sigma^2; then
 *     log-likelihood = -(n log(2 pi sigma^2) + log_sum + sum whitened^2 / sigma^2) / 2.
 * False when the AR part is not stationary. */
bool arma_whiten(struct arma_filter *filter, const struct arma *arma, const struct arma_series *first,
                 const struct arma_series *second, double *log_sum) BTCF_MUST_CHECK;

/* Means of the next `horizon` values after the series that arma_whiten saw first. */
void arma_predict(const struct arma_filter *filter, const struct arma *arma, size_t horizon, double *means);

/* The stationary covariance of the filter's states (r x r, r = max(p, q + 1)), in units of sigma^2; false as above. */
bool arma_covariance(struct arma_filter *filter, const struct arma *arma, double *matrix) BTCF_MUST_CHECK;

/* Partial autocorrelations (each within -1..1) to the coefficients of a stationary AR (Monahan 1984; Durbin-Levinson). */
void arma_from_partial(const double *partial, size_t count, double *phi);

/* -- arima_fit.c --------------------------------------------------------------------------------------------------- */

/* E_INPUT unless the order is within the limits above. */
int arima_check_order(const struct arima_order *order) BTCF_MUST_CHECK;

/* The series after (1-B)^d (1-B^m)^D: count - d - m D values in `differenced` (room for count). */
size_t arima_difference(const struct arima_order *order, const double *values, size_t count, double *differenced);

/* Values to be differenced once and fitted several times. */
struct arima_data {
    const double *values; /* as they came */
    size_t count;
};

/* Fits by maximum likelihood. `start`: a fit to begin at (any order), or NULL. `tolerance`: relative, on the sum of squares; 0
 * for the best that arithmetic allows. E_INPUT with a reason when there are too
 * few values, they stand still or are not finite. */
int arima_estimate(struct arena *arena, const struct arima_data *data, const struct arima_order *order,
                   const struct arima_fit *start, double tolerance, struct arima_fit *fit) BTCF_MUST_CHECK;

/* Standard errors from the Hessian of the log-likelihood: coefficients, then the mean when there is one. NaN where the
 * Hessian is not negative definite. */
void arima_errors(struct arena *arena, const struct arima_data *data, const struct arima_fit *fit, double *errors);

/* The smallest modulus of a root of the AR and MA polynomials is above `modulus` (>= 1). */
bool arima_roots_beyond(const struct arima *arima, double modulus);

/* -- arima_diffuse.c ----------------------------------------------------------------------------------------------- */

/* The log-likelihood that R's arima() reports for these parameters: see the file. NaN when it would cost too much. */
double arima_diffuse_likelihood(struct arena *arena, const struct arima_data *data, const struct arima *arima);

/* -- arima_auto.c -------------------------------------------------------------------------------------------------- */

struct arima_limits {
    size_t p_max, q_max, P_max, Q_max, d_max, D_max;
    bool allows_mean, allows_drift;
};
extern const struct arima_limits arima_limits_default; /* 5 5 2 2 2 1 */

/* Chooses the order: d by the KPSS test, D by seasonal strength, the rest stepwise by AICc (Hyndman & Khandakar 2008, J. of
 * Statistical Software 27(3)). */
int arima_choose(struct arena *arena, const struct arima_data *data, size_t period, const struct arima_limits *limits,
                 struct arima_fit *fit) BTCF_MUST_CHECK;

/* -- arima_forecast.c ---------------------------------------------------------------------------------------------- */

/* Means and variances of the next `horizon` values of y. E_INPUT as arima_estimate. */
int arima_forecast(struct arena *arena, const struct arima_data *data, const struct arima *arima, size_t horizon,
                   double *means, double *variances) BTCF_MUST_CHECK;

/* "ARIMA(0,1,1)(0,1,1)[12] with drift" */
void arima_name(const struct arima_order *order, char *text, size_t size);

#endif
