/* Where GARCH's log return may be after h steps: simulation with antithetic, counter-based paths.
 *
 * Innovations are drawn from a table of equally likely sizes, each with a random sign: quantiles of the normal or the t
 * law, or the sizes of past standardised residuals (filtered historical simulation; Barone-Adesi, Giannopoulos & Vosper 1999,
 * J. of Futures Markets 19, 583-602). So every model of the family is the same simulation.
 *
 * Each path has a twin with all signs turned. Without leverage the twins' variances are the same and their returns each
 * other's negative: only one is walked, and the answer is symmetric to the bit.
 */
#ifndef MODELS_GARCH_SIMULATE_H
#define MODELS_GARCH_SIMULATE_H

#include "core/arena.h"
#include "core/base.h"
#include "models/garch_bounded.h"
#include "models/model.h"

struct garch_outlook {
    const struct garch_bounded *fit;
    double variance;     /* of the next step, in the units of the fit */
    const double *sizes; /* of innovations, ascending, mean square about 1 */
    const double *news;  /* garch_bounded_news of the step of each size; NULL: the size squared */
    size_t size_count;   /* 1..GARCH_SIZES_MAX */
    const double
        *factors; /* standard deviation of each step's return in the units of the fit, steps[count - 1] of them */
    uint64_t seed, stream; /* another origin is another stream */
};

#define GARCH_SIZES_MAX ((size_t)1 << 20)

/* A curve for each of `count` horizons, ascending. The answer for a horizon does not depend on the others. A horizon of one
 * step is not simulated: the table itself is its law. */
void garch_simulate(struct arena *arena, const struct garch_outlook *outlook, const size_t *steps, size_t count,
                    struct quantile_curve *curves);

#endif
