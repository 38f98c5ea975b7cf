/* How the ensemble is made of its members: which, with what weights, and the average itself. */
#ifndef EVAL_COMBINE_H
#define EVAL_COMBINE_H

#include "core/base.h"
#include "models/model.h"

#define COMBINE_MEMBERS_MAX 8

/* Share of a member in an ensemble. */
struct combine_weight {
    const char *model; /* a registered name; a literal */
    double weight;
};

/* Members at this horizon, weights summing to 1, in registry order; the table is const. */
const struct combine_weight *combine_members(int64_t horizon_s, size_t *count);

/* Quantile average (Vincentization): at each level the weighted mean of the members' quantiles, each mirrored about
 * zero drift first. It keeps the members' shape, where averaging densities would widen it (Lichtendahl, Grushka-
 * Cockayne & Winkler 2013, "Is it better to average probabilities or quantiles?", Management Science 59, 1594-1611).
 * Weights need not sum to 1; they are scaled. E_INPUT when count is 0 or a curve is not finite. */
int combine_curves(const struct quantile_curve *const *curves, const double *weights, size_t count,
                   struct quantile_curve *combined) BTCF_MUST_CHECK;

#endif
