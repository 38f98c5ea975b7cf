/* The search moves in coordinates in which the bounds are a box and the directions are of one size:
 *
 *     level  log of the long-run variance, in units of the sample's
 *     decay  log(1 - p), p = alpha + gamma / 2 + beta
 *     share  of p that is news: (alpha + gamma / 2) / p
 *     tilt   gamma / 2 in units of alpha + gamma / 2: -1..1 keeps both news coefficients positive
 *     tail   1 / nu
 *
 * omega = (1 - p) exp(level). The long-run variance is free rather than set to the sample's (variance targeting): under a t law
 * with nu near 3 the sample's variance is the worse estimate.
 */
#include "models/garch_bounded.h"

#include <math.h>
#include <string.h>

#include "core/err.h"
#include "math/optimise.h"

#define EVALUATIONS_MAX 200
#define TOLERANCE 1e-9
#define TILT_MAX 0.9
#define NU_MIN 2.1
#define NU_MAX 100.0

enum coordinate { LEVEL, DECAY, SHARE, TILT, TAIL, COORDINATES };

static const double lower[COORDINATES] = {-7.0, -7.60090245954208, 0.0, -TILT_MAX,
                                          1.0 / NU_MAX}; /* log(1 - 0.9995) */
static const double upper[COORDINATES] = {7.0, -0.05, 1.0, TILT_MAX, 1.0 / NU_MIN};

struct search {
    struct garch_form form;
    struct garch_data data; /* divided by its root mean square, so that starts and bounds fit any market */
};

static void place(const double *at, double *theta)
{
    double rest = exp(at[DECAY]), keep = 1.0 - rest, news = keep * at[SHARE];

    memset(theta, 0, GARCH_SLOTS * sizeof *theta);
    theta[GARCH_OMEGA] = rest * exp(at[LEVEL]);
    theta[GARCH_ALPHA] = news * (1.0 - at[TILT]);
    theta[GARCH_GAMMA] = 2.0 * news * at[TILT];
    theta[GARCH_BETA] = keep - news;
    theta[GARCH_NU] = 1.0 / at[TAIL];
}

/* The gradient by theta, turned into one by the coordinates. */
static void turn(const double *at, const double *theta, const double *by, double *gradient)
{
    double rest = exp(at[DECAY]), keep = 1.0 - rest, share = at[SHARE], tilt = at[TILT];
    double by_news = (1.0 - tilt) * by[GARCH_ALPHA] + 2.0 * tilt * by[GARCH_GAMMA];
    double by_keep = share * by_news + (1.0 - share) * by[GARCH_BETA];

    gradient[LEVEL] = theta[GARCH_OMEGA] * by[GARCH_OMEGA];
    gradient[DECAY] = theta[GARCH_OMEGA] * by[GARCH_OMEGA] - rest * by_keep;
    gradient[SHARE] = keep * (by_news - by[GARCH_BETA]);
    gradient[TILT] = keep * share * (2.0 * by[GARCH_GAMMA] - by[GARCH_ALPHA]);
    gradient[TAIL] = -theta[GARCH_NU] * theta[GARCH_NU] * by[GARCH_NU];
}

/* Mean minus log-likelihood: a value of order one, whatever the length. */
static double objective(void *arg, const double *at, double *gradient)
{
    const struct search *search = arg;
    double theta[GARCH_SLOTS], by[GARCH_SLOTS], n = (double)search->data.count;
    const struct garch_trace trace = {.gradient = by};

    place(at, theta);
    double value = garch_log_likelihood(&search->form, &search->data, theta, &trace);
    if (gradient != NULL) {
        turn(at, theta, by, gradient);
        for (size_t i = 0; i < COORDINATES; i++)
            gradient[i] /= -n;
    }
    return -value / n;
}

/* Where the likelihood is highest among a few markets, from quick to slow. */
static void choose_start(struct search *search, double *at)
{
    static const double starts[][COORDINATES] = {{0.0, -2.3, 0.20, 0.0, 0.25},
                                                 {0.0, -3.5, 0.10, 0.0, 0.25},
                                                 {0.0, -4.6, 0.06, 0.0, 0.25},
                                                 {0.0, -6.0, 0.10, 0.0, 0.30}};
    double least = INFINITY;

    for (size_t i = 0; i < BTCF_LENGTH(starts); i++) {
        double value = objective(search, starts[i], NULL);

        if (i == 0 || value < least) {
            least = value;
            memcpy(at, starts[i], sizeof starts[i]);
        }
    }
}

static int climb(struct search *search, double *at)
{
    double low[COORDINATES], high[COORDINATES];
    struct optimise_result result;
    const struct optimise_problem problem = {.count = COORDINATES,
                                             .value = objective,
                                             .arg = search,
                                             .lower = low,
                                             .upper = high,
                                             .evaluations_max = EVALUATIONS_MAX,
                                             .tolerance = TOLERANCE};

    memcpy(low, lower, sizeof low);
    memcpy(high, upper, sizeof high);
    if (search->form.recursion != GARCH_GJR)
        low[TILT] = high[TILT] = 0.0;
    if (search->form.law == GARCH_NORMAL)
        low[TAIL] = high[TAIL] = at[TAIL];
    return optimise_lbfgs(&problem, at, &result);
}

static double mean_square(const struct garch_data *data)
{
    double sum = 0.0;

    for (size_t t = 0; t < data->count; t++)
        sum += data->values[t] * data->values[t];
    return sum / (double)data->count;
}

/* The data in units of their root mean square. */
static struct garch_data standardise(struct arena *arena, const struct garch_data *data, double square)
{
    double *values = arena_array(arena, data->count, sizeof *values), *measures = NULL;

    for (size_t t = 0; t < data->count; t++)
        values[t] = data->values[t] / sqrt(square);
    if (data->measures != NULL) {
        measures = arena_array(arena, data->count, sizeof *measures);
        for (size_t t = 0; t < data->count; t++)
            measures[t] = data->measures[t] / square;
    }
    return (struct garch_data){.values = values, .count = data->count, .measures = measures};
}

int garch_bounded_fit(struct arena *arena, const struct garch_form *form, const struct garch_data *data,
                      struct garch_bounded *fit)
{
    double at[COORDINATES], theta[GARCH_SLOTS], square = mean_square(data);

    if (!(square > 0.0) || !isfinite(square))
        return err_set(E_INPUT, "%zu returns have the mean square %g", data->count, square);
    struct search search = {.form = *form, .data = standardise(arena, data, square)};
    choose_start(&search, at);
    if (climb(&search, at) < 0)
        return -1;
    place(at, theta);
    *fit = (struct garch_bounded){
        .is_score = form->recursion == GARCH_SCORE,
        .omega = theta[GARCH_OMEGA] * square,
        .alpha = theta[GARCH_ALPHA],
        .gamma = form->recursion == GARCH_GJR ? theta[GARCH_GAMMA] : 0.0,
        .beta = theta[GARCH_BETA],
        .nu = form->law == GARCH_STUDENT ? theta[GARCH_NU] : 0.0,
        .mean_square = square,
        .loglik = -(double)data->count * (objective(&search, at, NULL) + 0.5 * log(square)),
    };
    return 0;
}

double garch_bounded_news(const struct garch_bounded *fit, double ratio)
{
    return fit->is_score ? (fit->nu + 1.0) * ratio / (fit->nu - 2.0 + ratio) : ratio;
}

double garch_bounded_filter(const struct garch_bounded *fit, const struct garch_data *data, double *variances)
{
    double weight = fit->alpha + 0.5 * fit->gamma + fit->beta;
    double variance = fit->is_score ? fit->mean_square : fit->omega + weight * fit->mean_square;

    for (size_t t = 0; t < data->count; t++) {
        double value = data->values[t], measure = data->measures != NULL ? data->measures[t] : value * value;
        double alpha = value < 0.0 ? fit->alpha + fit->gamma : fit->alpha;

        if (variances != NULL)
            variances[t] = variance;
        variance = fit->omega + (alpha * garch_bounded_news(fit, measure / variance) + fit->beta) * variance;
    }
    return variance;
}
