/* Log-likelihood and analytic gradient of the GARCH family, in one pass over the data.
 *
 * e_t = r_t - mu, and h_t is the variance of e_t given the past:
 *
 *     garch    h_t = omega + alpha e_{t-1}^2 + beta h_{t-1}                                     (Bollerslev 1986)
 *     gjr      h_t = omega + (alpha + gamma [e_{t-1} < 0]) e_{t-1}^2 + beta h_{t-1}             (Glosten & al. 1993)
 *     egarch   log h_t = omega + alpha z_{t-1} + gamma (|z_{t-1}| - sqrt(2/pi)) + beta log h_{t-1}     (Nelson 1991)
 *     aparch   s_t = omega + alpha (|e_{t-1}| - gamma e_{t-1})^delta + beta s_{t-1},  h_t = s_t^(2/delta)  (Ding & al. 1993)
 *     score    h_t = omega + alpha u_{t-1} + beta h_{t-1},  u = (nu + 1) m h / ((nu - 2) h + m)        (Creal & al. 2013)
 *
 * In score, m is e^2, or another measure of the step's variance that the caller has (its range): u is what the t law's score makes
 * of it. However large the news, u stays below (nu + 1) h, so one wild hour is not remembered for a day. Student t only.
 *
 * z_t = e_t / sqrt(h_t) is normal, Student t with nu degrees of freedom, or skewed t (math/skew_t.h), always with variance 1.
 *
 * Before the sample (Fiorentini, Calzolari & Panattoni 1996): e_0^2 and h_0 are the mean of e_t^2 at the mu in question, the
 * indicator counts one half; aparch likewise with the mean of |e_t|^delta; egarch and score begin with h_1 at that mean. The constant
 * sqrt(2/pi) serves egarch under every law, as in Python's arch: another would only move omega.
 */
#ifndef MODELS_GARCH_LIKELIHOOD_H
#define MODELS_GARCH_LIKELIHOOD_H

#include "core/base.h"

enum garch_recursion { GARCH_PLAIN, GARCH_GJR, GARCH_EGARCH, GARCH_APARCH, GARCH_SCORE };
enum garch_law { GARCH_NORMAL, GARCH_STUDENT, GARCH_SKEWED };

struct garch_form {
    enum garch_recursion recursion;
    enum garch_law law;
};

/* Places of the parameters in every vector; what a form does not use is ignored, and 0 in gradients. */
enum garch_slot {
    GARCH_MU,
    GARCH_OMEGA,
    GARCH_ALPHA,
    GARCH_GAMMA,
    GARCH_BETA,
    GARCH_DELTA,
    GARCH_NU,
    GARCH_XI,
    GARCH_SLOTS
};

bool garch_uses(const struct garch_form *form, size_t slot);

struct garch_data {
    const double *values;
    size_t count;           /* >= 1 */
    double *scratch;        /* 2 * count, for aparch alone */
    const double *measures; /* count variances, for score alone; NULL: the squares */
};

/* What a pass leaves behind beside its value; each may be NULL. */
struct garch_trace {
    double *gradient;  /* GARCH_SLOTS */
    double *scores;    /* count x GARCH_SLOTS: the gradient of each observation's term */
    double *variances; /* count + 1: h of each observation, and of the next one */
};

/* Includes -0.5 log(2 pi) and all terms. Not finite where the parameters make no sense (a variance <= 0, an overflow). */
double garch_log_likelihood(const struct garch_form *form, const struct garch_data *data, const double *theta,
                            const struct garch_trace *trace);

#endif
