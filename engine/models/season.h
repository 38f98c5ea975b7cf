/* The week's pattern in volatility: how much livelier than average each hour of the week is.
 *
 *     season_learn(&season, values, &(struct season_clock){end_ms, step_ms}, as_of, window);
 *     double factor = season_mean(&season, origin_ms, 24);      of the 24 steps after the origin
 *
 * Factors multiply VARIANCE and average to 1 over the week. Steps of an hour have 168 cells, steps of a day 7; steps longer
 * than half a week, or that do not divide it, have one cell of factor 1. Cells are told apart by closing instant in UTC.
 * Estimated robustly: cell means of the deviation (root of the variance) in units of the mean deviation of the week before
 * it, so that neither one crash nor a loud year decides, shrunk towards hour-of-day times weekend.
 */
#ifndef MODELS_SEASON_H
#define MODELS_SEASON_H

#include "core/base.h"

#define SEASON_CELLS_MAX 168

struct season {
    uint32_t cells;
    uint32_t unused;
    int64_t step_ms;
    double factor[SEASON_CELLS_MAX];
};

/* When values[count - 1], the last point of the column, closed, and how far points lie apart. */
struct season_clock {
    size_t count;
    int64_t end_ms, step_ms;
};

/* Learns from the `window` variances that end at `as_of`; flat where there are fewer than four weeks of them. */
void season_learn(struct season *season, const double *variances, const struct season_clock *clock, size_t as_of,
                  size_t window);

/* Factor of the step that closes at close_ms. */
double season_at(const struct season *season, int64_t close_ms);

/* Mean factor of the `steps` steps that follow origin_ms. */
double season_mean(const struct season *season, int64_t origin_ms, size_t steps);

/* Whether a season that came from storage can be used: cells in range, factors positive and finite. */
bool season_is_whole(const struct season *season);

#endif
