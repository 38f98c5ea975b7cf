/* Runs the wanted models on the series that the horizons ask for, and combines them.
 *
 * Horizons fall into two groups, those on the series' own points and those on 24-hour bars. In each group every model
 * that is wanted, or that the wanted ensemble needs, is fitted once (or its state found) and asked once, for all its
 * horizons there. What it cannot answer becomes a refusal and costs nobody else anything.
 */
#include "eval/issue.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/err.h"
#include "eval/curve.h"
#include "models/series.h"

#define MS 1000

/* The horizons that are forecast on one step, and what the models answered there. */
struct bench {
    struct arena *arena;
    const struct issue_options *options;
    const struct series *own;    /* the series' own points */
    const struct series *points; /* what models work on: the same, or bars; NULL: no whole bar */
    int64_t step_ms;
    size_t first, count; /* of options->horizons_s */
    size_t steps[ISSUE_HORIZONS_MAX];
    int64_t *trained_ms;          /* [model] end of what its state was fitted on; 0 without one */
    struct model_answer *answers; /* [model][horizon of the group]; meaningless where the model was not needed */
    struct issue *issue;
};

static size_t model_count(void)
{
    size_t count = 0;

    while (models[count] != NULL)
        count++;
    return count;
}

static bool uses_bars(const struct issue_options *options, int64_t horizon_s, int64_t step_ms)
{
    return !options->own_steps && horizon_s >= ISSUE_BARS_FROM_S && step_ms < ISSUE_BAR_S * MS;
}

static int64_t step_for(const struct issue_options *options, int64_t horizon_s, int64_t step_ms)
{
    return uses_bars(options, horizon_s, step_ms) ? ISSUE_BAR_S * MS : step_ms;
}

static bool is_wanted(const struct issue_options *options, const char *name)
{
    if (options->models == NULL)
        return true;
    for (size_t i = 0; options->models[i] != NULL; i++)
        if (strcmp(options->models[i], name) == 0)
            return true;
    return false;
}

static bool is_member(const char *name, int64_t horizon_s)
{
    size_t count;
    const struct combine_weight *members = combine_members(horizon_s, &count);

    for (size_t i = 0; i < count; i++)
        if (strcmp(members[i].model, name) == 0)
            return true;
    return false;
}

static bool is_needed(const struct issue_options *options, const char *name, int64_t horizon_s)
{
    return is_wanted(options, name) || (is_wanted(options, ISSUE_ENSEMBLE) && is_member(name, horizon_s));
}

/* Points that pass between two refits: a state may be as old as that. */
static size_t refit_points(const struct model *model, int64_t step_ms)
{
    return (size_t)((model->refit_s * MS + step_ms - 1) / step_ms);
}

/* Most points of `step` that a needed model uses at the horizons which are forecast on that step. */
static size_t points_on_step(const struct issue_options *options, int64_t step_ms, int64_t wanted_step_ms)
{
    struct model_params params = {.seed = options->seed};
    size_t most = 1;

    for (size_t h = 0; h < options->horizon_count; h++) {
        int64_t horizon_s = options->horizons_s[h], step = step_for(options, horizon_s, step_ms);

        for (size_t m = 0; step == wanted_step_ms && models[m] != NULL; m++) {
            if (!is_needed(options, models[m]->name, horizon_s))
                continue;
            struct model_need need = models[m]->need(&params, step, (size_t)(horizon_s * MS / step));
            size_t used = need.used + refit_points(models[m], step);
            most = used > most ? used : most;
        }
    }
    return most;
}

size_t issue_points(const struct issue_options *options, int64_t step_ms)
{
    size_t own = points_on_step(options, step_ms, step_ms);
    size_t bars = points_on_step(options, step_ms, ISSUE_BAR_S * MS);

    if (step_ms >= ISSUE_BAR_S * MS)
        return own;
    bars *= (size_t)(ISSUE_BAR_S * MS / step_ms);
    return own > bars ? own : bars;
}

static int check_options(const struct issue_options *options, int64_t step_ms)
{
    if (options->horizon_count < 1 || options->horizon_count > ISSUE_HORIZONS_MAX)
        return err_set(E_INPUT, "an issue has 1 to %d horizons, not %zu", ISSUE_HORIZONS_MAX, options->horizon_count);
    for (size_t i = 0; i < options->horizon_count; i++) {
        int64_t horizon_s = options->horizons_s[i], step = step_for(options, horizon_s, step_ms);

        if (horizon_s <= 0 || horizon_s * MS % step != 0 || step % step_ms != 0)
            return err_set(E_INPUT, "a horizon of %lld s is no multiple of steps of %lld s", (long long)horizon_s,
                           (long long)(step / MS));
        if (i > 0 && horizon_s <= options->horizons_s[i - 1])
            return err_set(E_INPUT, "the horizons of an issue must ascend, each once");
    }
    for (size_t i = 0; options->models != NULL && options->models[i] != NULL; i++)
        if (strcmp(options->models[i], ISSUE_ENSEMBLE) != 0 && model_find(options->models[i]) == NULL)
            return err_set(E_INPUT, "there is no model \"%s\"", options->models[i]);
    return 0;
}

/* The model's state for this group: at its refit instant, or fitted here and now. Fitted for all horizons of the group,
 * wanted or not, so that it is the same whatever is wanted. Not mirrored: that is the combination's business. */
static int state_of(const struct bench *bench, const struct model *model, const struct model_state **state)
{
    const struct issue_options *options = bench->options;
    const struct fits_request request = {.model = model,
                                         .series = bench->own,
                                         .step_ms = bench->step_ms,
                                         .steps = bench->steps,
                                         .count = bench->count,
                                         .params = {.seed = options->seed},
                                         .policy = options->policy};
    const struct model_task task = {
        .series = bench->points, .params = &request.params, .steps = bench->steps, .count = bench->count};
    struct model_state *fitted;

    if (options->fits != NULL)
        return fits_get(options->fits, &request, state);
    if (model->fit(bench->arena, &task, &fitted) < 0)
        return -1;
    *state = fitted;
    return 0;
}

/* Asks the model with this index at those horizons of the group where it is needed. */
static void ask(const struct bench *bench, size_t index)
{
    const struct model *model = models[index];
    struct model_answer *answers = bench->answers + index * bench->count;
    struct model_answer some[ISSUE_HORIZONS_MAX];
    size_t steps[ISSUE_HORIZONS_MAX], places[ISSUE_HORIZONS_MAX], count = 0;
    const struct model_state *state;

    for (size_t i = 0; i < bench->count; i++)
        if (is_needed(bench->options, model->name, bench->options->horizons_s[bench->first + i])) {
            places[count] = i;
            steps[count++] = bench->steps[i];
        }
    const struct model_task task = {.series = bench->points, .steps = steps, .count = count};

    if (count == 0)
        return;
    bool is_fitted = state_of(bench, model, &state) == 0;
    if (is_fitted) {
        bench->trained_ms[index] = state->fitted_ms;
        model->forecast(bench->arena, state, &task, some);
    }
    for (size_t i = 0; i < count; i++) {
        if (is_fitted)
            answers[places[i]] = some[i];
        else
            answers[places[i]].refusal = arena_strdup(bench->arena, err_text());
    }
    err_clear();
}

/* Everything that follows from a curve. E_INPUT when it does not fit into prices. */
static int complete(struct issue_forecast *forecast, double origin_price)
{
    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        forecast->price[i] = origin_price * exp(forecast->curve.log_return[i]);
    forecast->mean = origin_price * curve_mean_factor(&forecast->curve);
    forecast->prob_up = curve_probability_above(&forecast->curve, 0.0);
    forecast->volatility =
        curve_deviation(&forecast->curve) * sqrt((double)ISSUE_YEAR_S / (double)forecast->horizon_s);
    if (!isfinite(forecast->mean) || !(forecast->price[0] > 0.0) || !isfinite(forecast->volatility))
        return err_set(E_INPUT, "%s: the curve is too wide for prices", forecast->model);
    return 0;
}

static void refuse(const struct bench *bench, const char *model, int64_t horizon_s, const char *reason)
{
    struct issue *issue = bench->issue;

    issue->refusals[issue->refusal_count++] =
        (struct issue_refusal){.model = model, .horizon_s = horizon_s, .reason = reason};
}

/* Keeps the last error as the reason. */
static void refuse_by_error(const struct bench *bench, const char *model, int64_t horizon_s)
{
    refuse(bench, model, horizon_s, arena_strdup(bench->arena, err_text()));
    err_clear();
}

static void refuse_all(const struct bench *bench, int64_t horizon_s)
{
    const char *reason = arena_strdup(bench->arena, err_text());

    for (size_t m = 0; models[m] != NULL; m++)
        if (is_wanted(bench->options, models[m]->name))
            refuse(bench, models[m]->name, horizon_s, reason);
    if (is_wanted(bench->options, ISSUE_ENSEMBLE))
        refuse(bench, ISSUE_ENSEMBLE, horizon_s, reason);
}

/* When the member that was fitted first was fitted. */
static int64_t oldest_fit_ms(const struct bench *bench, const struct combine_result *combined)
{
    int64_t oldest_ms = bench->own->end_ms;

    for (size_t i = 0; i < combined->weight_count; i++)
        for (size_t m = 0; models[m] != NULL; m++)
            if (strcmp(models[m]->name, combined->weights[i].model) == 0 && bench->trained_ms[m] < oldest_ms)
                oldest_ms = bench->trained_ms[m];
    return oldest_ms;
}

/* The ensemble of the answers, as wide as its calibration says. */
static void combine(const struct bench *bench, int64_t horizon_s, const struct calibration *calibration,
                    const struct combine_answer *answers)
{
    struct issue_forecast forecast = {.model = ISSUE_ENSEMBLE, .horizon_s = horizon_s};
    struct combine_result combined;

    if (combine_ensemble(horizon_s, answers, model_count(), &combined) < 0) {
        refuse_by_error(bench, ISSUE_ENSEMBLE, horizon_s);
        return;
    }
    if (calibration != NULL)
        calibration_apply(calibration, &combined.curve);
    forecast.curve = combined.curve;
    forecast.weight_count = combined.weight_count;
    memcpy(forecast.weights, combined.weights, sizeof forecast.weights);
    forecast.trained_ms = oldest_fit_ms(bench, &combined);
    if (complete(&forecast, bench->issue->origin_price) < 0)
        refuse_by_error(bench, ISSUE_ENSEMBLE, horizon_s);
    else
        bench->issue->forecasts[bench->issue->count++] = forecast;
}

/* What the models answered at the group's horizon `at`, as forecasts, with their ensemble. */
static void collect_horizon(const struct bench *bench, size_t at)
{
    const struct issue_options *options = bench->options;
    int64_t horizon_s = options->horizons_s[bench->first + at];
    const struct calibration *calibration =
        calibration_find(options->calibrations, options->calibration_count, horizon_s);
    struct combine_answer *answers = arena_array(bench->arena, model_count(), sizeof *answers);

    for (size_t m = 0; models[m] != NULL; m++) {
        const struct model_answer *answer = &bench->answers[m * bench->count + at];
        struct issue_forecast forecast = {.model = models[m]->name,
                                          .horizon_s = horizon_s,
                                          .trained_ms = bench->trained_ms[m],
                                          .curve = answer->curve};

        forecast.is_quarantined = calibration != NULL && calibration_is_quarantined(calibration, models[m]->name);
        answers[m] = (struct combine_answer){.model = models[m]->name, .is_left_out = forecast.is_quarantined};
        if (!is_needed(options, models[m]->name, horizon_s))
            continue;
        if (answer->refusal != NULL) {
            refuse(bench, models[m]->name, horizon_s, answer->refusal);
            continue;
        }
        if (complete(&forecast, bench->issue->origin_price) < 0) {
            refuse_by_error(bench, models[m]->name, horizon_s);
            continue;
        }
        answers[m].curve = &answer->curve;
        if (is_wanted(options, models[m]->name))
            bench->issue->forecasts[bench->issue->count++] = forecast;
    }
    if (is_wanted(options, ISSUE_ENSEMBLE))
        combine(bench, horizon_s, calibration, answers);
}

static void run_group(struct bench *bench)
{
    bench->answers = arena_array(bench->arena, model_count() * bench->count, sizeof *bench->answers);
    bench->trained_ms = arena_array(bench->arena, model_count(), sizeof *bench->trained_ms);
    for (size_t i = 0; i < bench->count; i++)
        bench->steps[i] = (size_t)(bench->options->horizons_s[bench->first + i] * MS / bench->step_ms);
    for (size_t m = 0; models[m] != NULL; m++)
        ask(bench, m);
    for (size_t i = 0; i < bench->count; i++)
        collect_horizon(bench, i);
}

/* The group on bars, which are made here once for all. */
static void run_bars(struct bench *bench)
{
    size_t per_bar = (size_t)(ISSUE_BAR_S * MS / bench->own->step_ms);
    size_t bars_max = points_on_step(bench->options, bench->own->step_ms, ISSUE_BAR_S * MS);
    struct series bars;

    bench->step_ms = ISSUE_BAR_S * MS;
    if (series_bars(bench->arena, bench->own, per_bar, bars_max, &bars) < 0) {
        for (size_t i = 0; i < bench->count; i++)
            refuse_all(bench, bench->options->horizons_s[bench->first + i]);
        return;
    }
    bench->points = &bars;
    run_group(bench);
}

int issue_make(struct arena *arena, const struct series *hourly, const struct issue_options *options,
               struct issue *issue)
{
    size_t own_count = 0;

    *issue = (struct issue){.origin_ms = hourly->end_ms};
    if (check_options(options, hourly->step_ms) < 0)
        return -1;
    size_t results_max = options->horizon_count * (model_count() + 1);
    issue->origin_price = hourly->close[hourly->count - 1];
    issue->forecasts = arena_array(arena, results_max, sizeof *issue->forecasts);
    issue->refusals = arena_array(arena, results_max, sizeof *issue->refusals);
    while (own_count < options->horizon_count && !uses_bars(options, options->horizons_s[own_count], hourly->step_ms))
        own_count++;

    struct bench bench = {.arena = arena, .options = options, .own = hourly, .points = hourly, .issue = issue};
    bench.step_ms = hourly->step_ms;
    bench.count = own_count;
    if (bench.count > 0)
        run_group(&bench);
    bench.first = own_count;
    bench.count = options->horizon_count - own_count;
    if (bench.count > 0)
        run_bars(&bench);
    if (issue->count > 0) {
        err_clear(); /* what was refused stands in the list */
        return 0;
    }
    return err_set(E_INPUT, "no model could forecast: %s", issue->refusals[0].reason);
}

const struct issue_forecast *issue_find(const struct issue *issue, const char *model, int64_t horizon_s)
{
    for (size_t i = 0; i < issue->count; i++)
        if (issue->forecasts[i].horizon_s == horizon_s && strcmp(issue->forecasts[i].model, model) == 0)
            return &issue->forecasts[i];
    return NULL;
}
