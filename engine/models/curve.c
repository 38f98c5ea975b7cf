/* The levels of every curve, and the last step of every model: a curve in order, symmetric when asked, finite. */
#include <math.h>

#include "core/err.h"
#include "models/model.h"

const double quantile_levels[QUANTILE_COUNT] = {.005, .01, .025, .05, .1,  .15, .2,  .25, .3,  .35,  .4,  .45, .5,
                                                .55,  .6,  .65,  .7,  .75, .8,  .85, .9,  .95, .975, .99, .995};

/* Rearrangement (Chernozhukov, Fernandez-Val & Galichon 2010, Econometrica 78, 1093-1125): sorting a curve that crosses
 * never makes it worse. Curves come nearly sorted. */
static void sort_curve(double *values)
{
    for (size_t i = 1; i < QUANTILE_COUNT; i++) {
        double value = values[i];
        size_t hole = i;

        for (; hole > 0 && values[hole - 1] > value; hole--)
            values[hole] = values[hole - 1];
        values[hole] = value;
    }
}

static void mirror_curve(double *values)
{
    for (size_t low = 0, high = QUANTILE_COUNT - 1; low < high; low++, high--) {
        double half = (values[high] - values[low]) / 2.0;

        values[low] = -half;
        values[high] = half;
    }
    values[QUANTILE_MEDIAN] = 0.0;
}

int quantile_curve_finish(struct quantile_curve *curve, bool mirrored)
{
    double *values = curve->log_return;

    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        if (!isfinite(values[i]))
            return err_set(E_INPUT, "the quantile at level %g is not finite", quantile_levels[i]);
    sort_curve(values);
    if (mirrored)
        mirror_curve(values);
    return 0;
}
