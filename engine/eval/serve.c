/* The baseline rule as one t-test and two thresholds; see the header. */
#include "eval/serve.h"

#include <math.h>

#include "math/beta.h"

/* One-sided p-value that the mean of d is not positive: t = mean / sqrt(variance / n_effective), with
 * n_effective - 1 degrees of freedom. */
static double one_sided_p(const struct serve_sums *sums, double n_effective)
{
    double n = (double)sums->n, mean = sums->sum / n, variance = fmax(sums->sum_squares / n - mean * mean, 0.0);

    if (variance <= 0.0) /* every difference is the same: certain, one way or the other */
        return mean > 0.0 ? 0.0 : 1.0;
    return student_tail(mean / sqrt(variance / n_effective), n_effective - 1.0);
}

struct serve_decision serve_decide(const struct serve_sums *sums, bool was_ensemble)
{
    struct serve_decision decision = {.ensemble = false, .p = 1.0};

    decision.n_effective = (double)sums->n / fmax(sums->overlap, 1.0);
    if (!(decision.n_effective >= SERVE_EFFECTIVE_MIN)) {
        decision.reason = "too few independent scores to judge the ensemble";
        return decision;
    }
    decision.p = one_sided_p(sums, decision.n_effective);
    decision.ensemble = decision.p < (was_ensemble ? SERVE_LEAVE_P : SERVE_ENTER_P);
    if (decision.ensemble)
        decision.reason = decision.p < SERVE_ENTER_P ? "the ensemble has beaten the baseline over the scoring window"
                                                     : "the ensemble has not lost its lead over the baseline";
    else
        decision.reason = "the ensemble has not beaten the baseline over the scoring window";
    return decision;
}
