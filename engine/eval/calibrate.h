/* What outcomes have taught about one horizon: how wide the ensemble must be, what its members are worth, and which
 * models are worse than no model.
 *
 *     struct calibration calibration;
 *     calibration_init(&calibration, 86400);
 *     ... for each outcome, in order of origin:
 *     if (calibration_learn(&calibration, &outcome) < 0) ...
 *     ... at each origin:
 *     options.calibrations = &calibration; options.calibration_count = 1;      eval/issue.h: combined, then widened
 *
 * Width: adaptive conformal inference (Gibbs & Candes 2021, "Adaptive conformal inference under distribution shift",
 * NeurIPS 34) on one log-width w instead of on the level, so that no interval is ever empty or infinite. After each
 * outcome, with the curve as wide as w would make it now and miss[p] = 1 when the outcome lies outside its central
 * p interval:
 *
 *     w += CALIBRATION_GAIN s ((miss[50] - 0.50) + (miss[80] - 0.20) + (miss[95] - 0.05)),   |w| <= CALIBRATION_WIDTH_MAX
 *     s = min(1, distance of this origin from the last one / horizon)
 *
 * In the long run the three intervals together miss as often as they should, whatever the market does. The step s makes
 * the state depend on time and not on how often somebody forecasts: targets that overlap by 9/10 count 1/10 each. Beyond
 * CALIBRATION_HORIZON_MAX_S the width stays as it is: a year holds too few independent weeks to teach it, and on the
 * development data it cost CRPS without covering better.
 *
 * Standing: CRPS of each model and of the random walk, forgotten with CALIBRATION_MEMORY_S; a model that is
 * worse by CALIBRATION_QUARANTINE over enough independent outcomes is left out of the ensemble until it is worse by less
 * than CALIBRATION_RELEASE. It is still asked and scored: that is how it comes back.
 *
 * A state is plain bytes: fixed-width members, no pointers; store sizeof(struct calibration) of them, calibration_load
 * takes them back. The same outcomes in the same order give the same bytes on any machine of one release. Causality is the
 * caller's: learn an outcome only when its target lies at or before the origin of the next issue.
 */
#ifndef EVAL_CALIBRATE_H
#define EVAL_CALIBRATE_H

#include "core/base.h"
#include "models/model.h"

#define CALIBRATION_VERSION 2
#define CALIBRATION_MODELS_MAX 16
#define CALIBRATION_NAME_SIZE 16

#define CALIBRATION_GAIN 0.005
#define CALIBRATION_WIDTH_MAX 0.35
#define CALIBRATION_HORIZON_MAX_S (3 * INT64_C(86400))
#define CALIBRATION_MEMORY_S (180 * INT64_C(86400))
#define CALIBRATION_QUARANTINE 1.20 /* times the random walk's CRPS */
#define CALIBRATION_RELEASE 1.10
#define CALIBRATION_JUDGED_MIN 20.0 /* independent outcomes before anybody is judged */

/* One model's standing. */
struct calibration_standing {
    char model[CALIBRATION_NAME_SIZE]; /* NUL-terminated; "" is free */
    double crps, crps_baseline;        /* discounted sums over the same outcomes, in log return */
    double outcomes;                   /* discounted number of independent ones */
    uint64_t quarantined;              /* 1 or 0 */
};

struct calibration {
    uint32_t version, standing_count;
    int64_t horizon_s;
    int64_t newest_origin_ms; /* of the outcomes learned; INT64_MIN: none yet */
    uint64_t outcome_count;
    double log_width; /* the ensemble's quantiles times exp(log_width) */
    struct calibration_standing standings[CALIBRATION_MODELS_MAX];
};

/* What was forecast at one origin at this horizon, and what came. */
struct calibration_outcome {
    int64_t origin_ms;
    double log_return;                   /* log(actual / origin price) */
    size_t count;                        /* models that had answered */
    const char *const *models;           /* their names; ISSUE_BASELINE among them, the ensemble not */
    const struct quantile_curve *curves; /* as they made them, neither mirrored nor calibrated */
};

void calibration_init(struct calibration *calibration, int64_t horizon_s);

/* Bytes as they were stored. E_INPUT when they are not a whole state of this version for this horizon. */
int calibration_load(struct calibration *calibration, int64_t horizon_s, const void *bytes,
                     size_t len) BTCF_MUST_CHECK;

/* Learns one outcome. One at or before newest_origin_ms is passed over, so learning twice does no harm. E_INPUT when a
 * figure is not finite; the state is untouched then. */
int calibration_learn(struct calibration *calibration, const struct calibration_outcome *outcome) BTCF_MUST_CHECK;

/* Widens or narrows a combined curve about its median. */
void calibration_apply(const struct calibration *calibration, struct quantile_curve *curve);

/* NULL when the model has no standing yet. */
const struct calibration_standing *calibration_standing(const struct calibration *calibration, const char *model);
bool calibration_is_quarantined(const struct calibration *calibration, const char *model);

/* The one for this horizon out of `count`, or NULL. */
const struct calibration *calibration_find(const struct calibration *calibrations, size_t count, int64_t horizon_s);

#endif
