/* Maximum likelihood for the GARCH family as reference software does it: all parameters free (persistence above 1 allowed), to
 * the last digits, with three kinds of standard errors.
 *
 *     hessian   sqrt diag V,        V = (-H)^-1, H the Hessian of the log-likelihood
 *     opg       sqrt diag (S'S)^-1, S the scores, one row per observation
 *     robust    sqrt diag V S'S V   (Bollerslev & Wooldridge 1992, Econometric Reviews 11, 143-172)
 */
#ifndef MODELS_GARCH_FIT_H
#define MODELS_GARCH_FIT_H

#include "core/arena.h"
#include "core/base.h"
#include "models/garch_likelihood.h"

/* Fewer observations than this are refused. */
#define GARCH_FIT_MIN 50

struct garch_errors {
    double hessian, opg, robust; /* NaN where a parameter ended at the edge of its range, or a matrix is singular */
};

struct garch_fit {
    double theta[GARCH_SLOTS];
    struct garch_errors errors[GARCH_SLOTS];
    double loglik;
    bool converged;       /* Newton's steps became too small to matter */
    double next_variance; /* h of the observation after the last */
};

/* E_INPUT when there are too few observations, or all are equal. Always ends: a few hundred passes over the data. */
int garch_fit(struct arena *arena, const struct garch_form *form, const double *values, size_t count,
              struct garch_fit *fit) BTCF_MUST_CHECK;

#endif
