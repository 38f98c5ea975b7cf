/* One state, three lessons from each outcome (width, standings, quarantine), all of them recursions with a step that
 * depends on the time since the last origin; see the header.
 */
#include "eval/calibrate.h"

#include <math.h>
#include <string.h>

#include "core/err.h"
#include "eval/combine.h"
#include "eval/issue.h"
#include "eval/score.h"

#define MS 1000.0
#define NEVER INT64_MIN

/* The central intervals whose misses drive the width: 50%, 80% and 95%. */
static const size_t driving_intervals[] = {0, 1, 3};

void calibration_init(struct calibration *calibration, int64_t horizon_s)
{
    memset(calibration, 0, sizeof *calibration); /* padding and all: it is stored as bytes */
    calibration->version = CALIBRATION_VERSION;
    calibration->horizon_s = horizon_s;
    calibration->newest_origin_ms = NEVER;
}

static bool is_whole_standing(const struct calibration_standing *standing)
{
    return memchr(standing->model, '\0', sizeof standing->model) != NULL && isfinite(standing->crps) &&
           isfinite(standing->crps_baseline) && isfinite(standing->outcomes) && standing->quarantined <= 1;
}

int calibration_load(struct calibration *calibration, int64_t horizon_s, const void *bytes, size_t len)
{
    bool is_whole = len == sizeof *calibration;

    if (is_whole) {
        memcpy(calibration, bytes, len);
        is_whole = calibration->version == CALIBRATION_VERSION && calibration->horizon_s == horizon_s &&
                   calibration->standing_count <= CALIBRATION_MODELS_MAX &&
                   fabs(calibration->log_width) <= CALIBRATION_WIDTH_MAX;
    }
    for (size_t i = 0; is_whole && i < calibration->standing_count; i++)
        is_whole = is_whole_standing(&calibration->standings[i]);
    if (is_whole)
        return 0;
    calibration_init(calibration, horizon_s);
    return err_set(E_INPUT, "%zu bytes are no calibration of version %d for %lld s", len, CALIBRATION_VERSION,
                   (long long)horizon_s);
}

/* CRPS in log return, by the levels that scores use. */
static double crps_of(const struct quantile_curve *curve, double log_return)
{
    double sum = 0.0;

    for (size_t i = 0; i < SCORE_LEVEL_COUNT; i++) {
        double level = quantile_levels[score_levels[i]], error = log_return - curve->log_return[score_levels[i]];

        sum += error >= 0.0 ? level * error : (level - 1.0) * error;
    }
    return 2.0 * sum / SCORE_LEVEL_COUNT;
}

static int check(const struct calibration_outcome *outcome)
{
    if (!isfinite(outcome->log_return))
        return err_set(E_INPUT, "an outcome of %g is no log return", outcome->log_return);
    for (size_t i = 0; i < outcome->count; i++) {
        if (strlen(outcome->models[i]) >= CALIBRATION_NAME_SIZE)
            return err_set(E_INPUT, "\"%s\" is longer than a model's name", outcome->models[i]);
        for (size_t k = 0; k < QUANTILE_COUNT; k++)
            if (!isfinite(outcome->curves[i].log_return[k]))
                return err_set(E_INPUT, "%s: a forecast that is not finite was to be learned", outcome->models[i]);
    }
    return 0;
}

/* Share of a new fact that this outcome is: 1 when it overlaps with none before it. */
static double novelty(const struct calibration *calibration, int64_t origin_ms)
{
    if (calibration->newest_origin_ms == NEVER)
        return 1.0;
    double distance_s = (double)(origin_ms - calibration->newest_origin_ms) / MS;
    return fmin(1.0, distance_s / (double)calibration->horizon_s);
}

static void learn_width(struct calibration *calibration, const struct calibration_outcome *outcome, double step)
{
    struct combine_result combined;
    struct combine_answer answers[CALIBRATION_MODELS_MAX];
    size_t count = 0;

    for (size_t i = 0; i < outcome->count && count < CALIBRATION_MODELS_MAX; i++)
        answers[count++] =
            (struct combine_answer){.model = outcome->models[i],
                                    .curve = &outcome->curves[i],
                                    .is_left_out = calibration_is_quarantined(calibration, outcome->models[i])};
    if (combine_ensemble(calibration->horizon_s, answers, count, &combined) < 0) {
        err_clear(); /* no ensemble was made then, so there is nothing to be learned of it */
        return;
    }
    calibration_apply(calibration, &combined.curve);
    double excess = 0.0;
    for (size_t i = 0; i < BTCF_LENGTH(driving_intervals); i++) {
        const size_t *ends = score_interval_ends[driving_intervals[i]];
        bool is_missed = outcome->log_return < combined.curve.log_return[ends[0]] ||
                         outcome->log_return > combined.curve.log_return[ends[1]];

        excess += (is_missed ? 1.0 : 0.0) - (1.0 - score_interval_levels[driving_intervals[i]]);
    }
    double width = calibration->log_width + CALIBRATION_GAIN * step * excess;
    calibration->log_width = fmax(-CALIBRATION_WIDTH_MAX, fmin(CALIBRATION_WIDTH_MAX, width));
}

/* The model's standing, a new one when there is room, else NULL. */
static struct calibration_standing *standing_of(struct calibration *calibration, const char *model)
{
    for (size_t i = 0; i < calibration->standing_count; i++)
        if (strcmp(calibration->standings[i].model, model) == 0)
            return &calibration->standings[i];
    if (calibration->standing_count == CALIBRATION_MODELS_MAX)
        return NULL;
    struct calibration_standing *standing = &calibration->standings[calibration->standing_count++];
    memcpy(standing->model, model, strlen(model)); /* its length was checked, the rest is zero */
    return standing;
}

static void judge(struct calibration_standing *standing)
{
    double limit = standing->quarantined != 0 ? CALIBRATION_RELEASE : CALIBRATION_QUARANTINE;

    standing->quarantined =
        standing->outcomes >= CALIBRATION_JUDGED_MIN && standing->crps > limit * standing->crps_baseline;
}

static void learn_standings(struct calibration *calibration, const struct calibration_outcome *outcome, double step)
{
    const struct quantile_curve *baseline = NULL;
    double age_s = calibration->newest_origin_ms == NEVER
                       ? 0.0
                       : (double)(outcome->origin_ms - calibration->newest_origin_ms) / MS;
    double kept = exp(-age_s / (double)CALIBRATION_MEMORY_S);

    for (size_t i = 0; i < outcome->count; i++)
        if (strcmp(outcome->models[i], ISSUE_BASELINE) == 0)
            baseline = &outcome->curves[i];
    for (size_t i = 0; baseline != NULL && i < outcome->count; i++) {
        struct calibration_standing *standing =
            baseline == &outcome->curves[i] ? NULL : standing_of(calibration, outcome->models[i]);

        if (standing == NULL)
            continue;
        standing->crps = kept * standing->crps + step * crps_of(&outcome->curves[i], outcome->log_return);
        standing->crps_baseline = kept * standing->crps_baseline + step * crps_of(baseline, outcome->log_return);
        standing->outcomes = kept * standing->outcomes + step;
        judge(standing);
    }
}

int calibration_learn(struct calibration *calibration, const struct calibration_outcome *outcome)
{
    if (outcome->origin_ms <= calibration->newest_origin_ms)
        return 0;
    if (check(outcome) < 0)
        return -1;
    double step = novelty(calibration, outcome->origin_ms);
    if (calibration->horizon_s <= CALIBRATION_HORIZON_MAX_S)
        learn_width(calibration, outcome, step);
    learn_standings(calibration, outcome, step);
    calibration->newest_origin_ms = outcome->origin_ms;
    calibration->outcome_count++;
    return 0;
}

void calibration_apply(const struct calibration *calibration, struct quantile_curve *curve)
{
    double factor = exp(calibration->log_width), median = curve->log_return[QUANTILE_MEDIAN];

    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        curve->log_return[i] = median + factor * (curve->log_return[i] - median);
}

const struct calibration_standing *calibration_standing(const struct calibration *calibration, const char *model)
{
    for (size_t i = 0; i < calibration->standing_count; i++)
        if (strcmp(calibration->standings[i].model, model) == 0)
            return &calibration->standings[i];
    return NULL;
}

bool calibration_is_quarantined(const struct calibration *calibration, const char *model)
{
    const struct calibration_standing *standing = calibration_standing(calibration, model);

    return standing != NULL && standing->quarantined != 0;
}

const struct calibration *calibration_find(const struct calibration *calibrations, size_t count, int64_t horizon_s)
{
    for (size_t i = 0; i < count; i++)
        if (calibrations[i].horizon_s == horizon_s)
            return &calibrations[i];
    return NULL;
}
