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

/* Members at this horizon, weights summing to 1; the table is const. A weight of 0 is a stand-in: it takes part, all of
 * them equally, only when no member with a weight can. */
const struct combine_weight *combine_members(int64_t horizon_s, size_t *count);

/* What one model answered at a horizon. */
struct combine_answer {
    const char *model;
    const struct quantile_curve *curve; /* NULL: it refused */
    bool is_left_out;                   /* quarantined: not to be a member */
};

struct combine_result {
    struct quantile_curve curve; /* not yet calibrated */
    size_t weight_count;
    struct combine_weight weights[COMBINE_MEMBERS_MAX]; /* of those that took part, summing to 1 */
};

/* The ensemble at this horizon out of the models' answers, members or not, in any order; members without an answer leave
 * their weight to the others. E_INPUT when none is left. */
int combine_ensemble(int64_t horizon_s, const struct combine_answer *answers, size_t count,
                     struct combine_result *result) BTCF_MUST_CHECK;

/* Quantile average (Vincentization): at each level the weighted mean of the members' quantiles, each mirrored about
 * zero drift first. It keeps the members' shape, where averaging densities would widen it (Lichtendahl, Grushka-
 * Cockayne & Winkler 2013, "Is it better to average probabilities or quantiles?", Management Science 59, 1594-1611).
 * Weights need not sum to 1; they are scaled. E_INPUT when count is 0 or a curve is not finite. */
int combine_curves(const struct quantile_curve *const *curves, const double *weights, size_t count,
                   struct quantile_curve *combined) BTCF_MUST_CHECK;

#endif
