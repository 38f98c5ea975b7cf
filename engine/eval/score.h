/* One forecast against what came: the figures that are stored per forecast and averaged later.
 *
 * All in percent of the origin price, defined as in the project's scorer: CRPS is twice the mean pinball loss over the
 * 13 levels .025 .05 .1 .2 ... .9 .95 .975 (Gneiting & Raftery 2007 show the CRPS is the integral of that loss).
 */
#ifndef EVAL_SCORE_H
#define EVAL_SCORE_H

#include "core/base.h"
#include "models/model.h"

/* The central intervals whose coverage is counted, and their bits in `covered`. */
#define SCORE_INTERVAL_COUNT 4
#define SCORE_INTERVAL_90 2                                      /* index of the 90% one */
extern const double score_interval_levels[SCORE_INTERVAL_COUNT]; /* .5 .8 .9 .95 */
/* Indices of an interval's two ends in a curve. */
extern const size_t score_interval_ends[SCORE_INTERVAL_COUNT][2];

#define SCORE_LEVEL_COUNT 13
extern const size_t score_levels[SCORE_LEVEL_COUNT]; /* indices into quantile_levels */

struct score {
    double crps;
    double pinball[SCORE_LEVEL_COUNT]; /* loss at each scored level; crps is twice their mean */
    unsigned covered;                  /* bit 0: inside the central 50%, 1: 80%, 2: 90%, 3: 95%; ends included */
    double pit;                        /* 0..1; linear between levels, tails as far out as a quarter of the curve */
    double median_error;               /* actual - median */
    double move;                       /* actual - origin price */
    double width[SCORE_INTERVAL_COUNT];
    /* Width plus 2/alpha times the distance of an outcome outside (Gneiting & Raftery 2007, 6.2): lower is better. */
    double interval[SCORE_INTERVAL_COUNT];
};

/* `price` are the 25 quantiles of a curve, non-decreasing. E_INPUT when a price is not finite and positive, or
 * quantiles cross. */
int score_make(const double price[QUANTILE_COUNT], double origin_price, double actual,
               struct score *score) BTCF_MUST_CHECK;

#endif
