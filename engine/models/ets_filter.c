/* The recursion of ETS forwards, and backwards for the gradient; ets.h has the equations.
 *
 * The gradient is that of reverse accumulation (the adjoint of the recursion): one run back gives all derivatives, of the
 * four smoothing parameters and of each initial state, for about the price of two runs forward. That is what makes a fit of
 * seventeen parameters a matter of milliseconds; a simplex, which R uses, needs some two thousand runs.
 */
#include <math.h>

#include "models/ets.h"

/* The least mean square of eps that counts, in units of the values: below it a fit is perfect, and its likelihood would be
 * infinite. */
#define SQUARE_MIN 1e-26

/* Products are taken to the logarithm when they leave this range. */
#define PRODUCT_MAX 1e100

struct step {
    double slope;   /* b before the value */
    double carried; /* l + phi b */
    double season;  /* s before the value; 0 or 1 without */
    double forecast;
};

struct ets_trace {
    size_t count;
    struct step steps[];
};

struct ets_trace *ets_trace_make(struct arena *arena, size_t count)
{
    struct ets_trace *trace = arena_alloc(arena, sizeof *trace + count * sizeof *trace->steps);

    trace->count = count;
    return trace;
}

/* A sum of logarithms, few of them taken. */
struct log_sum {
    double sum, product;
};

static inline void log_sum_add(struct log_sum *sum, double value)
{
    sum->product *= value;
    if (sum->product > PRODUCT_MAX || sum->product < 1.0 / PRODUCT_MAX) {
        sum->sum += log(sum->product);
        sum->product = 1.0;
    }
}

/* Added season, or none. */
static bool run_added(const struct ets *ets, const double *values, size_t count, struct step *steps,
                      struct ets_run *run)
{
    struct ets_states now = ets->first;
    struct log_sum logs = {0.0, 1.0};
    size_t place = 0;

    run->square_sum = 0.0;
    for (size_t t = 0; t < count; t++) {
        double drift = ets->phi * now.slope, carried = now.level + drift, season = now.season[place];
        double forecast = carried + season, error = values[t] - forecast;

        steps[t] = (struct step){now.slope, carried, season, forecast};
        now.level = carried + ets->alpha * error;
        now.slope = drift + ets->beta * error;
        now.season[place] = season + ets->gamma * error;
        place = place + 1 == ets->form.period ? 0 : place + 1;
        if (ets->form.is_relative) {
            if (!(forecast > 0.0))
                return false;
            log_sum_add(&logs, forecast);
            error /= forecast;
        }
        run->square_sum += error * error;
    }
    run->last = now;
    run->deviance = 2.0 * (logs.sum + log(logs.product));
    return true;
}

/* Season that multiplies; the error is relative. */
static bool run_times(const struct ets *ets, const double *values, size_t count, struct step *steps,
                      struct ets_run *run)
{
    struct ets_states now = ets->first;
    struct log_sum logs = {0.0, 1.0};
    size_t place = 0;

    run->square_sum = 0.0;
    for (size_t t = 0; t < count; t++) {
        double drift = ets->phi * now.slope, carried = now.level + drift, season = now.season[place];
        double forecast = carried * season;

        if (!(carried > 0.0) || !(season > 0.0))
            return false;
        steps[t] = (struct step){now.slope, carried, season, forecast};
        double error = values[t] / season - carried;
        now.level = carried + ets->alpha * error;
        now.slope = drift + ets->beta * error;
        now.season[place] = season + ets->gamma * (values[t] / carried - season);
        place = place + 1 == ets->form.period ? 0 : place + 1;
        log_sum_add(&logs, forecast);
        error = (values[t] - forecast) / forecast;
        run->square_sum += error * error;
    }
    run->last = now;
    run->deviance = 2.0 * (logs.sum + log(logs.product));
    return true;
}

bool ets_filter(const struct ets *ets, const double *values, size_t count, struct ets_trace *trace,
                struct ets_run *run)
{
    double n = (double)count;
    bool runs = ets->form.season == ETS_SEASON_TIMES ? run_times(ets, values, count, trace->steps, run)
                                                     : run_added(ets, values, count, trace->steps, run);

    if (!runs)
        return false;
    run->deviance += n * log(fmax(run->square_sum, n * SQUARE_MIN));
    return isfinite(run->deviance) && isfinite(run->last.level) && isfinite(run->last.slope);
}

/* -- the gradient -------------------------------------------------------------------------------------------------- */

/* d deviance / d forecast by what stands in the deviance itself. `weight` is 2 n / sum eps^2. */
static inline double by_forecast(bool is_relative, double value, double forecast, double weight)
{
    double error = value - forecast;

    if (!is_relative)
        return -weight * error;
    return (2.0 - weight * (error / forecast) * (value / forecast)) / forecast;
}

void ets_differentiate(const struct ets *ets, const double *values, size_t count, const struct ets_trace *trace,
                       const struct ets_run *run, struct ets_gradient *gradient)
{
    double weight = 2.0 * (double)count / fmax(run->square_sum, (double)count * SQUARE_MIN);
    struct ets_states back = {0}; /* derivatives by the states after value t */
    bool is_times = ets->form.season == ETS_SEASON_TIMES;
    size_t place = count % ets->form.period;

    *gradient = (struct ets_gradient){0};
    for (size_t t = count; t-- > 0;) {
        const struct step *step = &trace->steps[t];
        place = (place == 0 ? ets->form.period : place) - 1;
        double over_season = is_times ? 1.0 / step->season : 1.0, over_carried = is_times ? 1.0 / step->carried : 1.0;
        double season = back.season[place], error = values[t] - step->forecast;
        double to_level = error * over_season, to_season = error * over_carried;

        gradient->alpha += back.level * to_level;
        gradient->beta += back.slope * to_level;
        gradient->gamma += season * to_season;

        double direct = by_forecast(ets->form.is_relative, values[t], step->forecast, weight);
        double level_part = ets->alpha * back.level + ets->beta * back.slope, season_part = ets->gamma * season;
        double carried;
        if (is_times) { /* to_level is y/s - q, to_season is y/q - s */
            carried = back.level - level_part - season_part * values[t] * over_carried * over_carried +
                      direct * step->season;
            season += direct * step->carried - season_part - level_part * values[t] * over_season * over_season;
        } else {
            double by_error = direct - level_part - season_part;
            carried = back.level + by_error;
            season += by_error;
        }
        back.season[place] = season;
        back.level = carried;
        carried += back.slope;
        gradient->phi += carried * step->slope;
        back.slope = ets->phi * carried;
    }
    gradient->first = back;
}
