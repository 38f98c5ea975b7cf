/* What the boosted trees are shown of a market: one row of QGB_WIDTH numbers per origin, free of price level and currency.
 *
 * Volatilities are of returns divided by the week's pattern (season.h), and stand as logarithms of their ratio to
 * an EWMA of the same returns; what is left to learn is how far a running scale is off. No look-ahead: the row at i is
 * made of points 0 .. i. It depends on nothing before the `lookback` points that end at i.
 */
#ifndef MODELS_QGB_FEATURES_H
#define MODELS_QGB_FEATURES_H

#include "core/arena.h"
#include "core/base.h"

struct season;
struct series;

#define QGB_WIDTH 26
/* The one column that depends on the horizon: log of the pattern's mean over the steps ahead. */
#define QGB_AHEAD (QGB_WIDTH - 1)

/* Names of the columns, for parameters. */
extern const char *const qgb_feature_names[QGB_WIDTH];

/* Points that a row needs, its own among them. */
size_t qgb_lookback(int64_t step_ms);

struct qgb_columns;

struct qgb_market {
    const struct series *series;
    const struct season *season;
    double floor; /* > 0: variances per step count as at least this */
};

/* Everything that rows of this series need, in the arena. */
const struct qgb_columns *qgb_columns_make(struct arena *arena, const struct qgb_market *market);

/* The unit of moves that is known at point i: deviation per step of returns divided by the pattern. Never below the
 * floor's root. */
double qgb_scale(const struct qgb_columns *columns, size_t i);

/* The row at point i >= qgb_lookback - 1; x[QGB_AHEAD] is left alone. */
void qgb_row(const struct qgb_columns *columns, size_t i, double *x);

#endif
