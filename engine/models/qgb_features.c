/* Rows for the boosted trees; see the header.
 *
 * Seven windows, from three points to three months of hours (half a year of days), and the same measures at each: a tree
 * picks. What trees cannot do well, ratios and sums, is done here; what they can, interactions and thresholds, is not.
 *
 *     scale          root of an EWMA of (return / pattern)^2, L = 0.97
 *     target         what moves are measured in: scale^(1-w) x LONG^w, LONG the root of the mean range^2 over the longest
 *                    window; w = 0 for steps below a day, 1/2 from a day on, where bursts die within the horizon
 *     rv, range      log of the root of the mean variance over a window / scale: from closes, and from the candles' ranges
 *     move           scaled momentum: log return over a window / (scale sqrt(window))
 *     volume         log ratio of mean volumes (divided by the pattern) over two windows
 *     high, low      distance of the price to the highest and lowest close of a window, scaled
 */
#include "models/qgb_features.h"

#include <assert.h>
#include <math.h>

#include "models/season.h"
#include "models/series.h"
#include "models/volatility.h"

#define DAY_MS INT64_C(86400000)
#define HOURS_IN_DAY 24
#define LAMBDA 0.97
#define LONG_SHARE_DAILY 0.5
#define WINDOWS 9
#define LOG_MAX 20.0 /* log ratios and scaled moves beyond this tell no more */

/* In points. The longest is the lookback less the memory of the volatility columns. */
static const size_t windows_hourly[WINDOWS] = {1, 3, 6, 12, 24, 48, 168, 720, 2160};
static const size_t windows_daily[WINDOWS] = {1, 2, 3, 5, 7, 14, 30, 90, 180};

enum window { W0, W1, W2, W3, W4, W5, W6, W7, W8 };

const char *const qgb_feature_names[QGB_WIDTH] = {
    "rv1",    "rv4",       "rv5",       "rv6",      "rv7",   "rv8",   "range0", "range1", "range2",
    "range3", "range5",    "range6",    "range7",   "move0", "move1", "move2",  "move4",  "move6",
    "move7",  "volume2/6", "volume6/7", "largest4", "high7", "low7",  "level",  "ahead",
};

struct qgb_columns {
    const struct series *series;
    const size_t *windows;
    double floor, long_share;
    const double *ewma;
    const double *squared[WINDOWS]; /* means over each window of the adjusted columns */
    const double *range[WINDOWS];
    const double *volume[WINDOWS];
    const double *adjusted; /* squared return / pattern, point by point */
    const double *move;     /* log return / root of pattern */
};

static const size_t *windows_of(int64_t step_ms)
{
    return step_ms >= DAY_MS ? windows_daily : windows_hourly;
}

size_t qgb_lookback(int64_t step_ms)
{
    return windows_of(step_ms)[W8] + VOLATILITY_MEMORY;
}

static const double *means_of(struct arena *arena, const double *values, size_t count, size_t window)
{
    double *means = arena_array(arena, count, sizeof *means);

    volatility_means(values, count, window, means);
    return means;
}

/* Column by column divided by the pattern of each point's own step. */
static void adjust(struct arena *arena, const struct qgb_market *market, struct qgb_columns *columns)
{
    const struct series *series = market->series;
    size_t count = series->count;
    struct volatility volatility;
    double *squared = arena_array(arena, count, sizeof *squared), *range = arena_array(arena, count, sizeof *range);
    double *volume = arena_array(arena, count, sizeof *volume), *move = arena_array(arena, count, sizeof *move);

    volatility_make(arena, series, &volatility);
    for (size_t i = 0; i < count; i++) {
        double factor = season_at(market->season, series->end_ms - (int64_t)(count - 1 - i) * series->step_ms);

        squared[i] = volatility.squared[i] / factor;
        range[i] = volatility.range[i] / factor;
        move[i] = volatility.log_return[i] / sqrt(factor);
        volume[i] = series->volume == NULL ? 0.0 : series->volume[i] / sqrt(factor);
    }
    for (size_t w = 0; w < WINDOWS; w++) {
        columns->squared[w] = means_of(arena, squared, count, columns->windows[w]);
        columns->range[w] = means_of(arena, range, count, columns->windows[w]);
        columns->volume[w] = means_of(arena, volume, count, columns->windows[w]);
    }
    columns->adjusted = squared;
    columns->move = move;
}

const struct qgb_columns *qgb_columns_make(struct arena *arena, const struct qgb_market *market)
{
    struct qgb_columns *columns = arena_alloc(arena, sizeof *columns);
    const struct series *series = market->series;
    size_t lookback = qgb_lookback(series->step_ms);
    double *ewma = arena_array(arena, series->count, sizeof *ewma);

    assert(market->floor > 0.0);
    assert(series->count >= lookback);
    columns->series = series;
    columns->windows = windows_of(series->step_ms);
    columns->floor = market->floor;
    adjust(arena, market, columns);
    volatility_ewma(columns->adjusted, series->count, LAMBDA, lookback / 2, ewma);
    columns->ewma = ewma;
    columns->long_share = series->step_ms >= DAY_MS ? LONG_SHARE_DAILY : 0.0;
    return columns;
}

/* The unit of the features. */
static double near_scale(const struct qgb_columns *columns, size_t i)
{
    return sqrt(fmax(columns->ewma[i], columns->floor));
}

double qgb_scale(const struct qgb_columns *columns, size_t i)
{
    double near = near_scale(columns, i), far = sqrt(fmax(columns->range[W8][i], columns->floor));

    return columns->long_share > 0.0 ? near * pow(far / near, columns->long_share) : near;
}

static double bounded(double value)
{
    return isfinite(value) ? fmin(fmax(value, -LOG_MAX), LOG_MAX) : 0.0;
}

/* Half the log of a variance in units of the scale squared: the log of the ratio of deviations. */
static double log_ratio(const struct qgb_columns *columns, double variance, double scale)
{
    return bounded(0.5 * log(fmax(variance, columns->floor)) - log(scale));
}

static double log_volumes(const struct qgb_columns *columns, size_t i, enum window near, enum window far)
{
    double least = 1e-3 * columns->volume[W8][i] + 1e-300; /* no volume at all is a ratio of 1 */

    return bounded(log((columns->volume[near][i] + least) / (columns->volume[far][i] + least)));
}

static double move_over(const struct qgb_columns *columns, size_t i, enum window window, double scale)
{
    size_t steps = columns->windows[window];

    return bounded((columns->series->log_close[i] - columns->series->log_close[i - steps]) /
                   (scale * sqrt((double)steps)));
}

/* How far the close lies below the highest and above the lowest of the window. */
static void distances(const struct qgb_columns *columns, size_t i, double scale, double *below, double *above)
{
    const double *closes = columns->series->log_close;
    size_t window = columns->windows[W7];
    double high = closes[i], low = closes[i], unit = scale * sqrt((double)window);

    for (size_t k = i - window; k < i; k++) {
        high = closes[k] > high ? closes[k] : high;
        low = closes[k] < low ? closes[k] : low;
    }
    *below = bounded((high - closes[i]) / unit);
    *above = bounded((closes[i] - low) / unit);
}

static double largest(const struct qgb_columns *columns, size_t i)
{
    double most = 0.0;

    for (size_t k = i + 1 - columns->windows[W4]; k <= i; k++)
        most = columns->adjusted[k] > most ? columns->adjusted[k] : most;
    return most;
}

void qgb_row(const struct qgb_columns *columns, size_t i, double *x)
{
    static const enum window squared[] = {W0, W4, W5, W6, W7, W8}, range[] = {W0, W1, W2, W3, W5, W6, W7};
    static const enum window moves[] = {W1, W2, W4, W6, W7};
    double scale = near_scale(columns, i);

    assert(i + 1 >= qgb_lookback(columns->series->step_ms));
    for (size_t k = 0; k < BTCF_LENGTH(squared); k++)
        *x++ = log_ratio(columns, columns->squared[squared[k]][i], scale);
    for (size_t k = 0; k < BTCF_LENGTH(range); k++)
        *x++ = log_ratio(columns, columns->range[range[k]][i], scale);
    *x++ = bounded(columns->move[i] / scale);
    for (size_t k = 0; k < BTCF_LENGTH(moves); k++)
        *x++ = move_over(columns, i, moves[k], scale);
    *x++ = log_volumes(columns, i, W2, W6);
    *x++ = log_volumes(columns, i, W6, W7);
    *x++ = log_ratio(columns, largest(columns, i), scale);
    distances(columns, i, scale, x, x + 1);
    x[2] = bounded(log(scale));
}
