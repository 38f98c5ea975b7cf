/* Which curve is served: the ensemble when it has beaten the baseline, else the baseline, which says so.
 *
 * A one-sided test with hysteresis on the difference d = crps of the baseline - crps of the ensemble over the scoring
 * window: the ensemble takes over when d > 0 with p below SERVE_ENTER_P, and gives way when the evidence has gone (p
 * above SERVE_LEAVE_P: the mean of d is no longer positive). Between the two nothing changes, so noise does not flip the product from hour to hour. Overlapping
 * targets are no evidence of their own: the variance counts n / overlap observations.
 */
#ifndef EVAL_SERVE_H
#define EVAL_SERVE_H

#include "core/base.h"

#define SERVE_ENTER_P 0.10
#define SERVE_LEAVE_P 0.50
/* Fewer independent observations than this are no evidence: the baseline is served. */
#define SERVE_EFFECTIVE_MIN 8

/* Sums over the window at one horizon; what SQL's count, sum give. */
struct serve_sums {
    size_t n;
    double sum;         /* of d, percent of price */
    double sum_squares; /* of d^2 */
    double overlap;     /* horizon / distance of two origins */
};

struct serve_decision {
    bool ensemble;
    double p; /* one-sided; 1 when there is too little evidence */
    double n_effective;
    const char *reason; /* a literal sentence for bodies and logs */
};

/* `was_ensemble`: what is served now (false at the very start). Pure. */
struct serve_decision serve_decide(const struct serve_sums *sums, bool was_ensemble);

#endif
