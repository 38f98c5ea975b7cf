/* One issue: all forecasts made at one origin, by every model, their combination and the baseline.
 *
 *     struct issue issue;
 *     if (issue_make(arena, &hourly, &options, &issue) < 0) ...
 *     const struct issue_forecast *served = issue_find(&issue, ISSUE_ENSEMBLE, 86400);
 *
 * Pure and deterministic: the live job and the walk-forward call the same function, so what was scored is what is
 * published. The series ends at the origin; nothing later can be seen. Horizons below ISSUE_BARS_FROM_S are forecast on
 * the series' own points (hours), longer ones on 24-hour bars that end at the origin; for each of the two a model is
 * fitted and asked once, for all horizons together. Forecasts depend only on the last issue_points() points, bit for bit.
 *
 * Models' own curves are as they made them; the ensemble averages the quantiles of its members, mirrored about zero
 * drift (eval/combine.h), leaves quarantined ones out and is as wide as outcomes have taught (eval/calibrate.h). The
 * baseline is the model ISSUE_BASELINE.
 */
#ifndef EVAL_ISSUE_H
#define EVAL_ISSUE_H

#include "core/arena.h"
#include "core/base.h"
#include "eval/calibrate.h"
#include "eval/combine.h"
#include "eval/fits.h"
#include "models/model.h"

struct series;

#define ISSUE_ENSEMBLE "ensemble"
#define ISSUE_BASELINE "rw-gauss"
/* Horizons from here on use 24-hour bars. */
#define ISSUE_BARS_FROM_S INT64_C(259200)
#define ISSUE_BAR_S INT64_C(86400)
#define ISSUE_HORIZONS_MAX 16
/* Volatility is per square root of this: Bitcoin trades on all 365 days. */
#define ISSUE_YEAR_S INT64_C(31536000)

struct issue_options {
    const int64_t
        *horizons_s;      /* ascending, each a multiple of the series' step; from ISSUE_BARS_FROM_S on, of 24 hours */
    size_t horizon_count; /* 1..ISSUE_HORIZONS_MAX */
    const char *const
        *models;    /* names wanted, ISSUE_ENSEMBLE among them, ends with NULL; NULL: all and the ensemble */
    bool own_steps; /* single models on the series' own points at all horizons; the ensemble as it is served */
    uint64_t seed; /* for models that draw; recorded by the caller. Unused with fits: theirs is the refit instant's */
    struct fits *fits;       /* states at refit instants; NULL: every model is fitted at the origin itself */
    enum fits_policy policy; /* for fits */
    const struct calibration
        *calibrations; /* what was learned by the origin, for some or all horizons; NULL: nothing */
    size_t calibration_count;
};

struct issue_forecast {
    const char *model; /* a registered name, or ISSUE_ENSEMBLE; a literal */
    int64_t horizon_s;
    struct quantile_curve curve;  /* log returns */
    double price[QUANTILE_COUNT]; /* origin_price * exp(curve) */
    double mean;                  /* of the price under the curve */
    int64_t trained_ms;           /* end of what the model was fitted on; of an ensemble, its oldest member's */
    double prob_up;               /* P(price at target > origin price) */
    double volatility;   /* standard deviation of the log return under the curve, per square root of a year */
    bool is_quarantined; /* worse than no model of late: asked and scored, but no member of the ensemble */
    size_t weight_count; /* of an ensemble: those that took part, summing to 1; else 0 */
    struct combine_weight weights[COMBINE_MEMBERS_MAX];
};

/* What the ensemble at one horizon was made of, and the baseline: what is to be learned from when its outcome is known
 * (eval/calibrate.h). */
struct issue_members {
    int64_t horizon_s;
    size_t count;
    const char **models;
    struct quantile_curve *curves; /* as the models made them */
};

/* A model that could not answer, and why. */
struct issue_refusal {
    const char *model;
    int64_t horizon_s;
    const char *reason;
};

struct issue {
    int64_t origin_ms;
    double origin_price;
    size_t count;
    struct issue_forecast *forecasts; /* by horizon as passed, then models in registry order, then the ensemble */
    size_t refusal_count;
    struct issue_refusal *refusals;
    size_t members_count;
    struct issue_members *members; /* by horizon; none when the ensemble is not wanted */
};

/* Results live in the arena, scratch too (about 2 MB for all models at eight horizons). A model that refuses is recorded
 * and left out of the ensemble, whose other members' weights are scaled up. E_INPUT when the options are wrong or not
 * one forecast could be made: then the text gives the first refusal. */
int issue_make(struct arena *arena, const struct series *hourly, const struct issue_options *options,
               struct issue *issue) BTCF_MUST_CHECK;

/* Fills in everything that follows from a forecast's model, horizon and curve. E_INPUT when the curve is too wide for
 * prices. */
int issue_complete(struct issue_forecast *forecast, double origin_price) BTCF_MUST_CHECK;

/* NULL when there is none. */
const struct issue_forecast *issue_find(const struct issue *issue, const char *model, int64_t horizon_s);

/* Points of `step_ms` to load so that no model at any of these horizons would use more, refit span included. */
size_t issue_points(const struct issue_options *options, int64_t step_ms);

#endif
