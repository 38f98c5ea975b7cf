/* Have live scores drifted away from what they were? Then the models are trained out of turn.
 *
 * Two one-sided CUSUMs of log-likelihood ratios (Page 1954, "Continuous inspection schemes", Biometrika 41, 100-115) run
 * over the newest forecasts that do not overlap, each against a stated alternative:
 *     loss   z = (x - m) / s clipped to +-DRIFT_CLIP, with x = log(crps / crps of the baseline), m and s from the reference
 *            before; z ~ N(0, 1) against N(DRIFT_SHIFT, 1): the models lose half a deviation on the baseline
 *     miss   1 if the truth fell outside the 90% interval; rate .10 against DRIFT_MISS_RATE
 * Either alarms at DRIFT_LIMIT. Without drift the mean time to a false alarm is at least exp(DRIFT_LIMIT) = 8,100
 * forecasts (Lorden 1971, Annals of Mathematical Statistics 42, 1897-1908): almost a year of hourly ones.
 */
#ifndef EVAL_DRIFT_H
#define EVAL_DRIFT_H

#include "core/base.h"

#define DRIFT_LIMIT 9.0
#define DRIFT_SHIFT 0.5
#define DRIFT_CLIP 3.0
#define DRIFT_MISS_RATE 0.25
#define DRIFT_TESTED_MAX 240   /* the newest so many are tested, */
#define DRIFT_REFERENCE_MIN 60 /* those before are the reference; with fewer, loss is not tested */

/* One scored forecast; an array of them ascends by origin and holds none whose targets overlap. */
struct drift_row {
    double crps, crps_baseline;
    bool missed_90;
};

struct drift_verdict {
    bool drifted;
    double loss, miss; /* where the two CUSUMs stand at their highest */
    size_t tested;
    const char *reason; /* a literal sentence */
};

/* Tests the rows from `first` on, at most DRIFT_TESTED_MAX of the newest; the ones before are the reference. Pure. */
struct drift_verdict drift_test(const struct drift_row *rows, size_t count, size_t first);

#endif
