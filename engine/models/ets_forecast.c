/* From states to forecasts: means and variances in closed form (Hyndman, Koehler, Ord & Snyder 2008, chapter 6).
 *
 *     c[j] = alpha + beta (phi + ... + phi^j) + gamma [j is a multiple of the period]
 *     A error:            v[h] = s2 (1 + sum c[j]^2),  j < h
 *     M error:            v[h] = (1 + s2) theta[h] - mu[h]^2,  theta[h] = mu[h]^2 + s2 sum c[j]^2 theta[h-j]
 *     M error, M season:  theta and mu of the part without season (gamma not in c);
 *                         v[h] = season^2 ((1 + s2) (1 + gamma^2 s2)^k theta[h] - mu[h]^2),  k = whole seasons before h
 *
 * The last is exact within the first season and close after it: the chance that level and season are moved by one shock is
 * left out. A damped trend counts phi + phi^2 + ... as in the model; R's own code for its forms with an M season begins with 1.
 */
#include <math.h>

#include "models/ets.h"

#define VALUE_MAX 1e150 /* of a mean or deviation: its square is still a number */

static double within(double value, double limit)
{
    return isfinite(value) ? fmax(-limit, fmin(limit, value)) : limit;
}

/* Means without the season into `means`, squares of the weights c[1..] into `weights` (from 0: j = 1). */
static void run_trend(const struct ets_outlook *outlook, size_t horizon, double *means, double *weights)
{
    const struct ets *ets = outlook->ets;
    double power = 1.0, sum = 0.0;

    for (size_t h = 0; h < horizon; h++) {
        power *= ets->phi;
        sum += ets->form.has_trend ? power : 0.0;
        means[h] = outlook->last->level + sum * outlook->last->slope;
        double weight = ets->alpha + ets->beta * sum;
        if (ets->form.season == ETS_SEASON_ADDED && (h + 1) % ets->form.period == 0)
            weight += ets->gamma;
        weights[h] = weight * weight;
    }
}

/* theta of the story above, of means that are already in place. */
static void run_theta(const double *means, const double *weights, double sigma2, size_t horizon, double *theta)
{
    for (size_t h = 0; h < horizon; h++) {
        double sum = 0.0;

        for (size_t j = 0; j < h; j++)
            sum += weights[j] * theta[h - 1 - j];
        theta[h] = means[h] * means[h] + sigma2 * sum;
    }
}

void ets_forecast(struct arena *arena, const struct ets_outlook *outlook, size_t horizon, double *means,
                  double *variances)
{
    const struct ets_form *form = &outlook->ets->form;
    double *weights = arena_array(arena, horizon, sizeof *weights), *theta = NULL;
    double sigma2 = outlook->sigma2, spread = outlook->ets->gamma * outlook->ets->gamma * sigma2, sum = 1.0;

    run_trend(outlook, horizon, means, weights);
    for (size_t h = 0; form->season == ETS_SEASON_ADDED && h < horizon; h++)
        means[h] += outlook->last->season[(outlook->count + h) % form->period];
    if (form->is_relative) {
        theta = arena_array(arena, horizon, sizeof *theta);
        run_theta(means, weights, sigma2, horizon, theta);
    }
    for (size_t h = 0; h < horizon; h++) {
        double grown = 1.0, factor = 1.0;

        if (form->season == ETS_SEASON_TIMES) {
            grown = pow(1.0 + spread, (double)(h / form->period));
            factor = outlook->last->season[(outlook->count + h) % form->period];
        }
        variances[h] = theta == NULL ? sigma2 * sum
                                     : factor * factor * ((1.0 + sigma2) * grown * theta[h] - means[h] * means[h]);
        means[h] = within(factor * means[h], VALUE_MAX);
        variances[h] = fmax(0.0, within(variances[h], VALUE_MAX * VALUE_MAX));
        sum += weights[h];
    }
}
