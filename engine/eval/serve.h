/* Which curve is served: champion and challenger, by tests on scores of the same origins.
 *
 * First the house: the ensemble when it has beaten the baseline, else the baseline, which says so. Then the challengers: a
 * single model that has beaten the house clearly takes its place.
 *
 * Both are one-sided t-tests with hysteresis on the difference d = crps of the champion - crps of the challenger over the
 * scoring window: a challenger takes over when d > 0 with p below the rule's threshold, and gives way when the evidence
 * has gone (p above SERVE_LEAVE_P: the mean of d is no longer positive). Between the two nothing changes, so noise does
 * not flip the product from hour to hour. Overlapping targets are no evidence of their own: the variance counts n /
 * overlap observations. Of many challengers the luckiest looks good: its threshold is divided by their number (Bonferroni).
 */
#ifndef EVAL_SERVE_H
#define EVAL_SERVE_H

#include "core/base.h"

#define SERVE_ENTER_P 0.10
#define SERVE_LEAVE_P 0.50
#define SERVE_CHALLENGE_P 0.01 /* divided by the number of challengers */
/* Fewer independent observations than this are no evidence: nobody takes over, and the baseline is served. */
#define SERVE_EFFECTIVE_MIN 8
#define SERVE_CHALLENGE_EFFECTIVE_MIN 30

/* Sums over the window at one horizon; what SQL's count, sum give. */
struct serve_sums {
    size_t n;
    double sum;         /* of d, percent of price */
    double sum_squares; /* of d^2 */
    double overlap;     /* horizon / distance of two origins */
};

struct serve_decision {
    bool wins; /* the challenger is to be served */
    double p;  /* one-sided; 1 when there is too little evidence */
    double n_effective;
    const char *reason; /* a literal sentence for bodies and logs */
};

/* The ensemble against the baseline. `was_ensemble`: what is served now (false at the very start). Pure. */
struct serve_decision serve_decide(const struct serve_sums *sums, bool was_ensemble);

/* One of `challengers` single models against the house. `was_it`: it is served now. Pure. */
struct serve_decision serve_challenge(const struct serve_sums *sums, size_t challengers, bool was_it);

#endif
