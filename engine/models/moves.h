/* Sizes of moves: what the models of |h-step return| given realised volatility have in common (har-log, qr-vol).
 *
 *     moves_make(arena, &recent, &season, &moves);          what each point knew of volatility
 *     moves_rows(arena, &moves, 24, 17520, &rows);          past origins, what they knew and what came of them
 *     moves_now(&moves, 24, &now);                          the same for the last point, whose outcome nobody knows
 *
 * Measures are roots of mean realised variance (volatility.range) over MOVE_MEASURES windows, in order from the shortest:
 * hours 1, 6, 24, 168, 720; days 1, 4, 14, 60, 365. The pattern of the week is divided out of every point before it is
 * averaged, and the outcome is divided by the pattern over the steps that it covers: so an hour of Sunday and the opening
 * of New York are rows of the same regression. Each measure lies within MOVE_SPREAD times the longest one, so that
 * neither a dead hour nor a price that was wrong for one tick is extrapolated from.
 *
 * Direction is no part of it: a curve is made of quantiles of the size, the same on both sides of zero.
 */
#ifndef MODELS_MOVES_H
#define MODELS_MOVES_H

#include "core/arena.h"
#include "core/base.h"
#include "models/model.h"
#include "models/season.h"
#include "models/series.h"

#define MOVE_MEASURES 5
#define MOVE_SPREAD 30.0
/* Levels of sizes behind the curve: 2 p - 1 for the levels p above the median. */
#define MOVE_LEVELS (QUANTILE_COUNT - 1 - QUANTILE_MEDIAN)

struct moves {
    struct series recent;
    struct season season;
    size_t first;                          /* the first point whose longest window is whole */
    const double *measures[MOVE_MEASURES]; /* by point; 0 in the last one where nothing moved for so long */
    const double *season_sums;             /* [i]: of the season factors of points 0 .. i - 1 */
};

/* Past origins as rows, ascending in time. `scales` turns a size in the units of `sizes` into a log return. */
struct move_rows {
    size_t count;
    const double *sizes;                   /* |return over the steps| / scale */
    const double *measures[MOVE_MEASURES]; /* all > 0 */
};

/* What is known at the last point: measures, and the scale of what comes. */
struct move_now {
    double measures[MOVE_MEASURES], scale; /* sqrt(steps x mean season factor of the steps to come) */
};

/* Points of history: enough for `rows_min` rows, and for `window` of them. */
struct model_need moves_need(int64_t step_ms, size_t steps, size_t rows_min, size_t window);

/* Learns the pattern of the week from the end of the series: a year of hours or three years of days. */
void moves_season(struct arena *arena, const struct series *recent, struct season *season);

void moves_make(struct arena *arena, const struct series *recent, const struct season *season, struct moves *moves);

/* The newest `window` rows. Origins and targets without a candle of their own make none, nor do origins before which
 * nothing moved. */
void moves_rows(struct arena *arena, const struct moves *moves, size_t steps, size_t window, struct move_rows *rows);

/* E_INPUT when nothing moved for so long that there is no scale. */
int moves_now(const struct moves *moves, size_t steps, struct move_now *now) BTCF_MUST_CHECK;

/* The levels of sizes, ascending. */
void moves_levels(double levels[MOVE_LEVELS]);

/* The symmetric curve whose sizes have these quantiles times `scale`; E_INPUT when it is not finite or has no width. */
int moves_curve(const double sizes[MOVE_LEVELS], double scale, struct quantile_curve *curve) BTCF_MUST_CHECK;

#endif
