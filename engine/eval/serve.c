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

/* What a test says, and the four sentences for it. */
struct words {
    const char *too_few, *has_won, *holds, *has_not;
};

static struct serve_decision test(const struct serve_sums *sums, double enter_p, double effective_min, bool was_it,
                                  const struct words *words)
{
    struct serve_decision decision = {.p = 1.0, .reason = words->too_few};

    decision.n_effective = (double)sums->n / fmax(sums->overlap, 1.0);
    if (!(decision.n_effective >= effective_min))
        return decision;
    decision.p = one_sided_p(sums, decision.n_effective);
    decision.wins = decision.p < (was_it ? SERVE_LEAVE_P : enter_p);
    if (decision.wins)
        decision.reason = decision.p < enter_p ? words->has_won : words->holds;
    else
        decision.reason = words->has_not;
    return decision;
}

struct serve_decision serve_decide(const struct serve_sums *sums, bool was_ensemble)
{
    static const struct words words = {
        .too_few = "too few independent scores to judge the ensemble",
        .has_won = "the ensemble has beaten the baseline over the scoring window",
        .holds = "the ensemble has not lost its lead over the baseline",
        .has_not = "the ensemble has not beaten the baseline over the scoring window",
    };

    return test(sums, SERVE_ENTER_P, SERVE_EFFECTIVE_MIN, was_ensemble, &words);
}

struct serve_decision serve_challenge(const struct serve_sums *sums, size_t challengers, bool was_it)
{
    static const struct words words = {
        .too_few = "too few independent scores to judge the challenger",
        .has_won = "the model has clearly beaten the champion over the scoring window",
        .holds = "the model has not lost its lead over the champion",
        .has_not = "the model has not clearly beaten the champion over the scoring window",
    };

    return test(sums, SERVE_CHALLENGE_P / fmax((double)challengers, 1.0), SERVE_CHALLENGE_EFFECTIVE_MIN, was_it,
                &words);
}
