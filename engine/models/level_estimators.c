/* The models that have no likelihood of their own, as estimators: the series is taken as prices (or any positive levels),
 * one a day, the model is fitted on it as it would be for forecasts, and what it has learned and forecasts is reported.
 *
 * Windows are those for daily steps, so what lies before them changes nothing. Forecasts have medians for means: curves
 * are about quantiles.
 */
#include <math.h>

#include "core/err.h"
#include "models/estimate.h"
#include "models/model.h"
#include "models/series.h"

#define DAY_MS INT64_C(86400000)
/* Levels of a curve that an estimate reports. */
enum { LEVEL_025 = 2, LEVEL_10 = 4, LEVEL_90 = 20, LEVEL_975 = 22 };

static int make_series(struct arena *arena, const double *values, size_t count, struct series *series)
{
    int64_t *times = arena_array(arena, count, sizeof *times);
    struct series_source source = {.count = count, .open_ms = times, .close = values};

    for (size_t i = 0; i < count; i++) {
        if (!(values[i] > 0.0))
            return err_set(E_INPUT, "value %zu is %g: these models take prices, which are positive", i + 1,
                           values[i]);
        times[i] = (int64_t)i * DAY_MS;
    }
    return series_make(arena, &source, DAY_MS, series);
}

static void add_parameters(const struct model *model, const struct model_state *state, struct estimate *estimate)
{
    struct model_parameter learned[ESTIMATE_PARAMETERS_MAX];
    size_t count = model->parameters == NULL ? 0 : model->parameters(state, learned, ESTIMATE_PARAMETERS_MAX);

    for (size_t i = 0; i < count; i++)
        estimate_add(estimate, learned[i].name, learned[i].value);
}

/* One level of every horizon's curve, as prices. */
static const double *prices_at(struct arena *arena, const struct model_answer *answers, size_t count, size_t level,
                               double last)
{
    double *prices = arena_array(arena, count, sizeof *prices);

    for (size_t i = 0; i < count; i++)
        prices[i] = last * exp(answers[i].curve.log_return[level]);
    return prices;
}

static int add_forecast(struct arena *arena, const struct model_answer *answers, size_t count, double last,
                        struct estimate *estimate)
{
    for (size_t i = 0; i < count; i++)
        if (answers[i].refusal != NULL)
            return err_set(E_INPUT, "%s", answers[i].refusal);
    estimate->forecast_count = count;
    estimate->mean = prices_at(arena, answers, count, QUANTILE_MEDIAN, last);
    estimate->low_80 = prices_at(arena, answers, count, LEVEL_10, last);
    estimate->high_80 = prices_at(arena, answers, count, LEVEL_90, last);
    estimate->low_95 = prices_at(arena, answers, count, LEVEL_025, last);
    estimate->high_95 = prices_at(arena, answers, count, LEVEL_975, last);
    return 0;
}

static int run_model(struct arena *arena, const struct model *model, const struct series *series,
                     const struct estimate_options *options, struct estimate *estimate)
{
    const struct model_params params = {.seed = options->seed};
    size_t steps[MODEL_STEPS_MAX], count = options->horizon > 0 ? options->horizon : 1;
    struct model_task task = {.series = series, .params = &params, .steps = steps, .count = count};
    struct model_answer answers[MODEL_STEPS_MAX];
    struct model_state *state;

    if (options->order != NULL || options->period > 1)
        return err_set(E_INPUT, "%s takes neither an order nor a period", model->name);
    if (count > MODEL_STEPS_MAX)
        return err_set(E_INPUT, "%s forecasts at most %d steps here, not %zu", model->name, MODEL_STEPS_MAX, count);
    for (size_t i = 0; i < count; i++)
        steps[i] = i + 1;
    if (model->fit(arena, &task, &state) < 0)
        return -1;
    estimate_begin(estimate, series->count);
    estimate->converged = true;
    add_parameters(model, state, estimate);
    model->forecast(arena, state, &task, answers);
    return options->horizon == 0 && answers[0].refusal == NULL
               ? 0
               : add_forecast(arena, answers, count, series->close[series->count - 1], estimate);
}

static int run_levels(struct arena *arena, const struct model *model, const double *values, size_t count,
                      const struct estimate_options *options, struct estimate *estimate)
{
    struct series series;

    if (estimate_check_values(values, count) < 0 || make_series(arena, values, count, &series) < 0)
        return -1;
    return run_model(arena, model, &series, options, estimate);
}

#define LEVEL_ESTIMATOR(id, text, about)                                                                             \
    extern const struct model model_##id;                                                                            \
    extern const struct estimator estimator_##id;                                                                    \
    static int run_##id(struct arena *arena, const double *values, size_t count,                                     \
                        const struct estimate_options *options, struct estimate *estimate)                           \
    {                                                                                                                \
        return run_levels(arena, &model_##id, values, count, options, estimate);                                     \
    }                                                                                                                \
    const struct estimator estimator_##id = {.name = text, .summary = about, .run = run_##id};

LEVEL_ESTIMATOR(rw_gauss, "rw-gauss", "of prices: the Gaussian random walk")
LEVEL_ESTIMATOR(rw_emp, "rw-emp", "of prices: empirical quantiles of past returns")
LEVEL_ESTIMATOR(ewma_emp, "ewma-emp", "of prices: exponentially weighted volatility, empirical quantiles")
LEVEL_ESTIMATOR(garch_fhs, "garch-fhs", "of prices: filtered historical simulation, bounded as in forecasts")
LEVEL_ESTIMATOR(qr_vol, "qr-vol", "of prices: quantile regression of the size of moves on realised volatility")
LEVEL_ESTIMATOR(qgb, "qgb", "of prices: boosted quantile trees on scaled moves")
