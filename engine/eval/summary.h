/* Many scores of one model at one horizon, summed up: the row of the scoreboard.
 *
 * Targets overlap when origins come more often than the horizon is long, so n scores hold only about n / overlap
 * independent facts. Every interval and p-value here says so: it rests on n_effective, or on a variance that counts
 * autocorrelation up to 1.5 x overlap (Newey & West 1987, Bartlett weights; Diebold & Mariano 1995).
 */
#ifndef EVAL_SUMMARY_H
#define EVAL_SUMMARY_H

#include "core/arena.h"
#include "core/base.h"
#include "eval/score.h"

#define SUMMARY_PIT_BINS 10

/* One scored forecast; an array of them ascends by origin. */
struct summary_row {
    double crps, crps_baseline; /* percent of the origin price */
    double pit;
    double median_error, move;                /* percent, signed */
    double width_90, width_90_baseline;       /* of the 90% interval, percent; 0 when not known */
    double interval_90, interval_90_baseline; /* interval scores, percent; 0 when not known */
    unsigned covered;                         /* as in struct score */
};

struct interval {
    double low, high;
};

struct summary {
    size_t n;
    double n_effective;         /* n / overlap, at least 1 */
    double crps, crps_baseline; /* means */
    double skill;               /* 1 - crps / crps_baseline */
    struct interval skill_95;   /* from the overlap-robust variance of the difference */
    double dm_p;                /* Diebold-Mariano, two-sided */
    size_t covered[SCORE_INTERVAL_COUNT];
    double coverage[SCORE_INTERVAL_COUNT];
    struct interval coverage_95[SCORE_INTERVAL_COUNT]; /* Clopper-Pearson on n_effective */
    double coverage_error;                             /* mean |measured - nominal| */
    double width_90, width_90_baseline;                /* means */
    double interval_90, interval_90_baseline;
    size_t pit_bins[SUMMARY_PIT_BINS];
    double pit_ks_p;     /* Kolmogorov-Smirnov, mean over non-overlapping subsamples */
    double mase;         /* mean |median error| / mean |move| */
    double median_error; /* mean absolute */
    bool has_direction;  /* false when the median is the origin price in all but a few (zero drift) */
    double direction;    /* share of right signs */
    struct interval direction_95;
};

/* `overlap` is horizon / distance of two origins; below 1 counts as no overlap. The arena is scratch.
 * E_INPUT when count is 0. */
int summary_make(struct arena *arena, const struct summary_row *rows, size_t count, double overlap,
                 struct summary *summary) BTCF_MUST_CHECK;

#endif
