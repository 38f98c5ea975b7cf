/* The scorer's definitions for one forecast, in C; tests/reference compares the two on thousands of forecasts. */
#include "eval/score.h"

#include <math.h>

#include "core/err.h"

#define PIT_TAIL 0.25  /* of the curve's width, on either side */
#define PIT_NUDGE 1e-9 /* percent; keeps equal quantiles apart, as the scorer does */

const double score_interval_levels[SCORE_INTERVAL_COUNT] = {0.50, 0.80, 0.90, 0.95};
const size_t score_interval_ends[SCORE_INTERVAL_COUNT][2] = {{7, 17}, {4, 20}, {3, 21}, {2, 22}};
/* .025 .05 .1 .2 .3 .4 .5 .6 .7 .8 .9 .95 .975 */
const size_t score_levels[SCORE_LEVEL_COUNT] = {2, 3, 4, 6, 8, 10, 12, 14, 16, 18, 20, 21, 22};

static double pinball(double level, double error)
{
    return error >= 0.0 ? level * error : (level - 1.0) * error;
}

/* Where `y` falls in the curve: linear between levels, linear to 0 and 1 a quarter of the curve's width further out. */
static double integral_transform(const double *q, double y)
{
    double knots[QUANTILE_COUNT];

    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        knots[i] = q[i] + PIT_NUDGE * (double)i;
    double tail = PIT_TAIL * (knots[QUANTILE_COUNT - 1] - knots[0]);
    double low = knots[0] - tail, low_p = 0.0;
    for (size_t i = 0; i <= QUANTILE_COUNT; i++) {
        double high = i < QUANTILE_COUNT ? knots[i] : knots[QUANTILE_COUNT - 1] + tail;
        double high_p = i < QUANTILE_COUNT ? quantile_levels[i] : 1.0;

        if (y <= high)
            return y <= low ? low_p : low_p + (high_p - low_p) * (y - low) / (high - low);
        low = high;
        low_p = high_p;
    }
    return 1.0;
}

static int check(const double price[QUANTILE_COUNT], double origin_price, double actual)
{
    if (!isfinite(origin_price) || origin_price <= 0.0 || !isfinite(actual) || actual <= 0.0)
        return err_set(E_INPUT, "a score needs positive prices, not %g at the origin and %g at the target",
                       origin_price, actual);
    for (size_t i = 0; i < QUANTILE_COUNT; i++) {
        if (!isfinite(price[i]) || price[i] <= 0.0)
            return err_set(E_INPUT, "the quantile at level %g is %g, not a price", quantile_levels[i], price[i]);
        if (i > 0 && price[i] < price[i - 1])
            return err_set(E_INPUT, "the quantiles at levels %g and %g cross", quantile_levels[i - 1],
                           quantile_levels[i]);
    }
    return 0;
}

int score_make(const double price[QUANTILE_COUNT], double origin_price, double actual, struct score *score)
{
    double q[QUANTILE_COUNT], y = 100.0 * (actual / origin_price - 1.0), sum = 0.0;

    if (check(price, origin_price, actual) < 0)
        return -1;
    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        q[i] = 100.0 * (price[i] / origin_price - 1.0);
    for (size_t i = 0; i < SCORE_LEVEL_COUNT; i++) {
        score->pinball[i] = pinball(quantile_levels[score_levels[i]], y - q[score_levels[i]]);
        sum += score->pinball[i];
    }
    score->crps = 2.0 * sum / SCORE_LEVEL_COUNT;
    score->covered = 0;
    for (size_t i = 0; i < SCORE_INTERVAL_COUNT; i++) {
        double low = q[score_interval_ends[i][0]], high = q[score_interval_ends[i][1]];

        score->covered |= (unsigned)(y >= low && y <= high) << i;
        score->width[i] = high - low;
        score->interval[i] =
            high - low + 2.0 / (1.0 - score_interval_levels[i]) * (fmax(low - y, 0.0) + fmax(y - high, 0.0));
    }
    score->pit = integral_transform(q, y);
    score->median_error = y - q[QUANTILE_MEDIAN];
    score->move = y;
    return 0;
}
