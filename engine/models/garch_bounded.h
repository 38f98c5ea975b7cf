/* GARCH and GJR as forecasters fit them: zero mean, persistence at most GARCH_PERSISTENCE_MAX.
 *
 * Unbounded maximum likelihood gives Bitcoin alpha + beta above 1: good at one step, without a finite variance at thirty.
 */
#ifndef MODELS_GARCH_BOUNDED_H
#define MODELS_GARCH_BOUNDED_H

#include "core/arena.h"
#include "core/base.h"
#include "models/garch_likelihood.h"

#define GARCH_PERSISTENCE_MAX 0.9995

/* h_t = omega + (alpha + gamma [e < 0]) e^2 + beta h; gamma 0 but for gjr, nu 0 for the normal law. For score with u in the
 * place of e^2 (garch_likelihood.h). */
struct garch_bounded {
    uint64_t is_score;
    double omega, alpha, gamma, beta, nu;
    double mean_square; /* of the sample: h and e^2 before it */
    double loglik;
};

/* Maximum likelihood under those bounds; recursion GARCH_PLAIN, GARCH_GJR or GARCH_SCORE, law GARCH_NORMAL or (score: only)
 * GARCH_STUDENT. E_INPUT when all values are zero. Always ends: at most a few hundred passes over the data. The arena is scratch. */
int garch_bounded_fit(struct arena *arena, const struct garch_form *form, const struct garch_data *data,
                      struct garch_bounded *fit) BTCF_MUST_CHECK;

/* The variance of the value after the last one; `variances`, unless NULL, gets those of the values. */
double garch_bounded_filter(const struct garch_bounded *fit, const struct garch_data *data, double *variances);

/* What a step adds to the next variance, in units of alpha times its own variance, when it measured `ratio` times that. */
double garch_bounded_news(const struct garch_bounded *fit, double ratio);

#endif
