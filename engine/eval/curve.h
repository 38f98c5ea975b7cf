/* Questions to a quantile curve of log returns: mean of the price, spread, probability of a rise.
 *
 * Between two levels the quantile function is a straight line (the density of the log return is flat there). Beyond the
 * outermost levels the tail is exponential through the last two quantiles:
 *     Q(p) = q[24] + s log((1 - p[24]) / (1 - p)),   s = (q[24] - q[23]) / log((1 - p[23]) / (1 - p[24]))
 * and mirrored below: half a percent on either side that falls as fast as the curve was last seen to fall. s counts at
 * most CURVE_TAIL_SCALE_MAX, or the mean of the price would not exist (a log return with s >= 1 has none).
 */
#ifndef EVAL_CURVE_H
#define EVAL_CURVE_H

#include "core/base.h"
#include "models/model.h"

#define CURVE_TAIL_SCALE_MAX 0.5

/* E[exp(R)]: the factor from the origin price to the mean of the price. */
double curve_mean_factor(const struct quantile_curve *curve);

/* Standard deviation of the log return R. */
double curve_deviation(const struct quantile_curve *curve);

/* P(R > log_return). Where several levels share one value, that value itself does not count as above. */
double curve_probability_above(const struct quantile_curve *curve, double log_return);

#endif
