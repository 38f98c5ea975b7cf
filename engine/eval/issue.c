/* Runs the wanted models at each horizon on the series that the horizon asks for, and combines them.
 *
 * The 24-hour bars are made once per issue, out of the tail of the series that some model can use. At each horizon every
 * model that is wanted, or that the wanted ensemble needs, answers once; what it cannot answer becomes a refusal and
 * costs nobody else anything.
 */
#include "eval/issue.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/err.h"
#include "eval/curve.h"
#include "models/series.h"

#define MS 1000

/* One horizon at work: where its points come from and what was made so far. */
struct bench {
    struct arena *arena;
    const struct issue_options *options;
    const struct series *points; /* the series' own, or bars */
    int64_t horizon_s;
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
            most = need.used > most ? need.used : most;
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
    }
    for (size_t i = 0; options->models != NULL && options->models[i] != NULL; i++)
        if (strcmp(options->models[i], ISSUE_ENSEMBLE) != 0 && model_find(options->models[i]) == NULL)
            return err_set(E_INPUT, "there is no model \"%s\"", options->models[i]);
    return 0;
}

/* Fit and forecast in one. Not mirrored: that is the combination's business. */
static int run_model(const struct bench *bench, const struct model *model, struct quantile_curve *curve)
{
    struct model_params params = {.seed = bench->options->seed};
    size_t steps = (size_t)(bench->horizon_s * MS / bench->points->step_ms);

    return model_ask(bench->arena, model, bench->points, &params, steps, curve);
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

/* Keeps the last error as the reason why `model` has no forecast. */
static void refuse(const struct bench *bench, const char *model)
{
    struct issue *issue = bench->issue;

    issue->refusals[issue->refusal_count++] = (struct issue_refusal){
        .model = model, .horizon_s = bench->horizon_s, .reason = arena_strdup(bench->arena, err_text())};
}

static void refuse_all(const struct bench *bench)
{
    for (size_t m = 0; models[m] != NULL; m++)
        if (is_wanted(bench->options, models[m]->name))
            refuse(bench, models[m]->name);
    if (is_wanted(bench->options, ISSUE_ENSEMBLE))
        refuse(bench, ISSUE_ENSEMBLE);
}

/* The ensemble out of the members' curves; a NULL curve refused. */
static void combine(const struct bench *bench, const struct quantile_curve *const *curve_of)
{
    struct issue_forecast forecast = {.model = ISSUE_ENSEMBLE, .horizon_s = bench->horizon_s};
    const struct quantile_curve *curves[COMBINE_MEMBERS_MAX];
    double weights[COMBINE_MEMBERS_MAX], total = 0.0;
    size_t member_count;
    const struct combine_weight *members = combine_members(bench->horizon_s, &member_count);

    for (size_t i = 0; i < member_count; i++)
        for (size_t m = 0; models[m] != NULL; m++)
            if (strcmp(models[m]->name, members[i].model) == 0 && curve_of[m] != NULL) {
                curves[forecast.weight_count] = curve_of[m];
                weights[forecast.weight_count] = members[i].weight;
                forecast.weights[forecast.weight_count++] = members[i];
                total += members[i].weight;
            }
    for (size_t i = 0; i < forecast.weight_count; i++)
        forecast.weights[i].weight /= total;
    if (combine_curves(curves, weights, forecast.weight_count, &forecast.curve) < 0 ||
        complete(&forecast, bench->issue->origin_price) < 0)
        refuse(bench, ISSUE_ENSEMBLE);
    else
        bench->issue->forecasts[bench->issue->count++] = forecast;
}

static void run_horizon(const struct bench *bench)
{
    size_t count = model_count();
    const struct quantile_curve **curve_of = arena_array(bench->arena, count, sizeof *curve_of);

    for (size_t m = 0; m < count; m++) {
        struct issue_forecast *forecast;

        if (!is_needed(bench->options, models[m]->name, bench->horizon_s))
            continue;
        forecast = arena_alloc(bench->arena, sizeof *forecast);
        forecast->model = models[m]->name;
        forecast->horizon_s = bench->horizon_s;
        if (run_model(bench, models[m], &forecast->curve) < 0 || complete(forecast, bench->issue->origin_price) < 0) {
            refuse(bench, models[m]->name);
            continue;
        }
        curve_of[m] = &forecast->curve;
        if (is_wanted(bench->options, models[m]->name))
            bench->issue->forecasts[bench->issue->count++] = *forecast;
    }
    if (is_wanted(bench->options, ISSUE_ENSEMBLE))
        combine(bench, curve_of);
}

int issue_make(struct arena *arena, const struct series *hourly, const struct issue_options *options,
               struct issue *issue)
{
    struct series bars;
    bool has_bars = false;

    *issue = (struct issue){.origin_ms = hourly->end_ms};
    if (check_options(options, hourly->step_ms) < 0)
        return -1;
    size_t results_max = options->horizon_count * (model_count() + 1);
    issue->origin_price = hourly->close[hourly->count - 1];
    issue->forecasts = arena_array(arena, results_max, sizeof *issue->forecasts);
    issue->refusals = arena_array(arena, results_max, sizeof *issue->refusals);
    for (size_t h = 0; h < options->horizon_count; h++) {
        struct bench bench = {arena, options, hourly, options->horizons_s[h], issue};

        if (uses_bars(options, bench.horizon_s, hourly->step_ms)) {
            size_t per_bar = (size_t)(ISSUE_BAR_S * MS / hourly->step_ms);
            size_t bars_max = points_on_step(options, hourly->step_ms, ISSUE_BAR_S * MS);

            if (!has_bars && series_bars(arena, hourly, per_bar, bars_max, &bars) < 0) {
                refuse_all(&bench);
                continue;
            }
            has_bars = true;
            bench.points = &bars;
        }
        run_horizon(&bench);
    }
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
