/* See drift.h. Both sums are computed anew at each look: a few hundred additions, and no state that could be wrong. */
#include "eval/drift.h"

#include <math.h>

#define MISS_RATE 0.10     /* of the 90% interval, when nothing is wrong */
#define CRPS_MIN 1e-12     /* keeps the logarithm of a perfect forecast finite */
#define DEVIATION_MIN 1e-6 /* a model that always equals the baseline has no deviation: nothing to standardise by */

static double log_ratio(const struct drift_row *row)
{
    return log(fmax(row->crps, CRPS_MIN)) - log(fmax(row->crps_baseline, CRPS_MIN));
}

/* Highest value of the CUSUM for a higher log ratio; 0 without a reference. */
static double loss_sum(const struct drift_row *rows, size_t count, size_t first)
{
    double mean = 0.0, squares = 0.0, sum = 0.0, highest = 0.0;

    if (first < DRIFT_REFERENCE_MIN)
        return 0.0;
    for (size_t i = 0; i < first; i++)
        mean += log_ratio(&rows[i]) / (double)first;
    for (size_t i = 0; i < first; i++)
        squares += (log_ratio(&rows[i]) - mean) * (log_ratio(&rows[i]) - mean);
    double deviation = sqrt(squares / (double)(first - 1));
    if (!(deviation > DEVIATION_MIN))
        return 0.0;
    for (size_t i = first; i < count; i++) {
        double z = fmin(fmax((log_ratio(&rows[i]) - mean) / deviation, -DRIFT_CLIP), DRIFT_CLIP);

        sum = fmax(0.0, sum + DRIFT_SHIFT * (z - DRIFT_SHIFT / 2.0));
        highest = fmax(highest, sum);
    }
    return highest;
}

static double miss_sum(const struct drift_row *rows, size_t count, size_t first)
{
    double on_miss = log(DRIFT_MISS_RATE / MISS_RATE), on_hit = log((1.0 - DRIFT_MISS_RATE) / (1.0 - MISS_RATE));
    double sum = 0.0, highest = 0.0;

    for (size_t i = first; i < count; i++) {
        sum = fmax(0.0, sum + (rows[i].missed_90 ? on_miss : on_hit));
        highest = fmax(highest, sum);
    }
    return highest;
}

struct drift_verdict drift_test(const struct drift_row *rows, size_t count, size_t first)
{
    if (count - first > DRIFT_TESTED_MAX)
        first = count - DRIFT_TESTED_MAX;
    struct drift_verdict verdict = {.loss = loss_sum(rows, count, first),
                                    .miss = miss_sum(rows, count, first),
                                    .tested = count - first,
                                    .reason = "scores are what they were"};

    verdict.drifted = verdict.loss >= DRIFT_LIMIT || verdict.miss >= DRIFT_LIMIT;
    if (verdict.loss >= DRIFT_LIMIT)
        verdict.reason = "the models have lost ground to the random walk";
    else if (verdict.miss >= DRIFT_LIMIT)
        verdict.reason = "the truth falls outside the 90% interval too often";
    return verdict;
}
