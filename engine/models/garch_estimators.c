/* The GARCH family for `btcf fit`: thirteen forms by unconstrained maximum likelihood, three kinds of standard errors, and
 * variance forecasts.
 *
 * Forecasts are of single returns: the mean is mu, an interval is mu + sigma_k times the law's quantile, as fGarch's predict
 * plots it. sigma_k follows the recursion with the news at its expectation: exact for garch and gjr; for aparch the
 * expectation of h^(delta/2), for egarch that of log h, which is what both are commonly reported by.
 */
#include <math.h>

#include "core/err.h"
#include "math/normal.h"
#include "math/skew_t.h"
#include "models/estimate.h"
#include "models/garch_fit.h"

#define ROOT_2_OVER_PI 0.79788456080286535588
#define HALF_LOG_2_PI 0.91893853320467274178
/* Integrals over a half-line are sums over z = exp(pi/2 sinh u) (Takahasi & Mori 1974). */
#define QUADRATURE_STEP 0.02
#define QUADRATURE_END 3.5

static const char *const names[GARCH_SLOTS] = {"mu", "omega", "alpha", "gamma", "beta", "delta", "nu", "xi"};

static double log_density(const struct garch_form *form, const double *theta, double z)
{
    if (form->law == GARCH_NORMAL)
        return -HALF_LOG_2_PI - 0.5 * z * z;
    if (form->law == GARCH_STUDENT) {
        struct student_t law = student_t_make(theta[GARCH_NU]);

        return student_t_log_density(&law, z, NULL, NULL);
    }
    struct skew_t law = skew_t_make(theta[GARCH_NU], theta[GARCH_XI]);

    return skew_t_log_density(&law, z, NULL);
}

static double quantile(const struct garch_form *form, const double *theta, double p)
{
    if (form->law == GARCH_NORMAL)
        return normal_quantile(p);
    if (form->law == GARCH_STUDENT)
        return student_t_quantile(p, theta[GARCH_NU]);
    struct skew_t law = skew_t_make(theta[GARCH_NU], theta[GARCH_XI]);

    return skew_t_quantile(&law, p);
}

/* What a standardised innovation adds to the next level, per unit of the level. */
static double news_of(const struct garch_form *form, const double *theta, double z)
{
    double alpha = theta[GARCH_ALPHA], gamma = theta[GARCH_GAMMA];

    switch (form->recursion) {
    case GARCH_GJR:
        return (z < 0.0 ? alpha + gamma : alpha) * z * z;
    case GARCH_EGARCH:
        return alpha * z + gamma * (fabs(z) - ROOT_2_OVER_PI);
    case GARCH_APARCH:
        return alpha * pow(fabs(z) - gamma * z, theta[GARCH_DELTA]);
    default:
        return alpha * z * z;
    }
}

static double expected_news(const struct garch_form *form, const double *theta)
{
    double sum = 0.0;

    for (double u = -QUADRATURE_END; u <= QUADRATURE_END; u += QUADRATURE_STEP) {
        double z = exp(0.5 * M_PI * sinh(u)), weight = QUADRATURE_STEP * 0.5 * M_PI * cosh(u) * z;

        sum += weight * (news_of(form, theta, z) * exp(log_density(form, theta, z)) +
                         news_of(form, theta, -z) * exp(log_density(form, theta, -z)));
    }
    return sum;
}

/* Variances of the next `count` returns. */
static void forecast_variances(const struct garch_form *form, const struct garch_fit *fit, size_t count,
                               double *variances)
{
    const double *theta = fit->theta;
    double omega = theta[GARCH_OMEGA], beta = theta[GARCH_BETA], half_delta = theta[GARCH_DELTA] / 2.0;
    bool is_plain = form->recursion == GARCH_PLAIN || form->recursion == GARCH_SCORE; /* E z^2 = E u / h = 1 */
    double news = is_plain ? theta[GARCH_ALPHA] : expected_news(form, theta);
    double level = fit->next_variance;

    if (form->recursion == GARCH_EGARCH)
        level = log(level);
    else if (form->recursion == GARCH_APARCH)
        level = pow(level, half_delta);
    for (size_t k = 0; k < count; k++) {
        if (form->recursion == GARCH_EGARCH) {
            variances[k] = exp(level);
            level = omega + news + beta * level;
        } else {
            variances[k] = form->recursion == GARCH_APARCH ? pow(level, 1.0 / half_delta) : level;
            level = omega + (news + beta) * level;
        }
    }
}

static void report_forecasts(struct arena *arena, const struct garch_form *form, const struct garch_fit *fit,
                             size_t count, struct estimate *estimate)
{
    static const double levels[] = {0.1, 0.9, 0.025, 0.975};
    double *columns[BTCF_LENGTH(levels)], *mean = arena_array(arena, count, sizeof *mean);
    double *variances = arena_array(arena, count, sizeof *variances);

    forecast_variances(form, fit, count, variances);
    for (size_t k = 0; k < count; k++)
        mean[k] = fit->theta[GARCH_MU];
    for (size_t i = 0; i < BTCF_LENGTH(levels); i++) {
        double z = quantile(form, fit->theta, levels[i]);

        columns[i] = arena_array(arena, count, sizeof *columns[i]);
        for (size_t k = 0; k < count; k++)
            columns[i][k] = mean[k] + z * sqrt(variances[k]);
    }
    estimate->forecast_count = count;
    estimate->mean = mean;
    estimate->low_80 = columns[0];
    estimate->high_80 = columns[1];
    estimate->low_95 = columns[2];
    estimate->high_95 = columns[3];
}

static int estimate_form(struct arena *arena, const struct garch_form *form, const struct garch_data *data,
                         const struct estimate_options *options, struct estimate *estimate)
{
    struct garch_fit fit;
    double n = (double)data->count;

    if (options->order != NULL)
        return err_set(E_INPUT, "a GARCH model has no order to choose: all are (1,1)");
    if (garch_fit(arena, form, data->values, data->count, &fit) < 0)
        return -1;
    estimate_begin(estimate, data->count);
    for (size_t i = 0; i < GARCH_SLOTS; i++) {
        if (!garch_uses(form, i))
            continue;
        struct estimate_parameter *parameter = estimate_add(estimate, names[i], fit.theta[i]);

        parameter->se_hessian = fit.errors[i].hessian;
        parameter->se_opg = fit.errors[i].opg;
        parameter->se_robust = fit.errors[i].robust;
    }
    double k = (double)estimate->parameter_count;
    estimate->loglik = fit.loglik;
    estimate->aic = 2.0 * (k - fit.loglik);
    estimate->aicc = estimate->aic + 2.0 * k * (k + 1.0) / (n - k - 1.0);
    estimate->bic = k * log(n) - 2.0 * fit.loglik;
    estimate->converged = fit.converged;
    if (options->horizon > 0)
        report_forecasts(arena, form, &fit, options->horizon, estimate);
    return 0;
}

#define ESTIMATOR(id, text, line, recursion, law)                                                                    \
    static int run_##id(struct arena *arena, const double *values, size_t count,                                     \
                        const struct estimate_options *options, struct estimate *estimate)                           \
    {                                                                                                                \
        static const struct garch_form form = {recursion, law};                                                      \
        const struct garch_data data = {.values = values, .count = count};                                           \
                                                                                                                     \
        return estimate_form(arena, &form, &data, options, estimate);                                                \
    }                                                                                                                \
    extern const struct estimator estimator_##id;                                                                    \
    const struct estimator estimator_##id = {.name = text, .summary = line, .run = run_##id};

ESTIMATOR(garch, "garch", "GARCH(1,1), normal innovations", GARCH_PLAIN, GARCH_NORMAL)
ESTIMATOR(garch_t, "garch-t", "GARCH(1,1), Student t innovations", GARCH_PLAIN, GARCH_STUDENT)
ESTIMATOR(garch_skt, "garch-skt", "GARCH(1,1), skewed t innovations", GARCH_PLAIN, GARCH_SKEWED)
ESTIMATOR(gjr, "gjr", "GJR-GARCH(1,1), normal innovations", GARCH_GJR, GARCH_NORMAL)
ESTIMATOR(gjr_t, "gjr-t", "GJR-GARCH(1,1), Student t innovations", GARCH_GJR, GARCH_STUDENT)
ESTIMATOR(gjr_skt, "gjr-skt", "GJR-GARCH(1,1), skewed t innovations", GARCH_GJR, GARCH_SKEWED)
ESTIMATOR(egarch, "egarch", "EGARCH(1,1), normal innovations", GARCH_EGARCH, GARCH_NORMAL)
ESTIMATOR(egarch_t, "egarch-t", "EGARCH(1,1), Student t innovations", GARCH_EGARCH, GARCH_STUDENT)
ESTIMATOR(egarch_skt, "egarch-skt", "EGARCH(1,1), skewed t innovations", GARCH_EGARCH, GARCH_SKEWED)
ESTIMATOR(aparch, "aparch", "APARCH(1,1), normal innovations", GARCH_APARCH, GARCH_NORMAL)
ESTIMATOR(aparch_t, "aparch-t", "APARCH(1,1), Student t innovations", GARCH_APARCH, GARCH_STUDENT)
ESTIMATOR(aparch_skt, "aparch-skt", "APARCH(1,1), skewed t innovations", GARCH_APARCH, GARCH_SKEWED)
ESTIMATOR(gas_t, "gas-t", "score-driven variance (Beta-t-GARCH), Student t innovations", GARCH_SCORE, GARCH_STUDENT)
