/* Runs the wanted models on the series that the horizons ask for, and combines them.
 *
 * Work is in two groups: horizons on the series' own points, and horizons on 24-hour bars. In each group every model that
 * is wanted, or that the wanted ensemble needs, is fitted once (or its state found) and asked once, for all its horizons
 * there. What it cannot answer becomes a refusal and costs nobody else anything. With `own_steps` a long horizon stands in
 * both groups: single models in the first, the ensemble in the second.
 */
#include "eval/issue.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/err.h"
#include "eval/curve.h"
#include "models/series.h"

#define MS 1000

/* One group at work: its horizons, and what the models answered there. */
struct group {
    struct arena *arena;
    const struct issue_options *options;
    const struct series *own;    /* the series' own points */
    const struct series *points; /* what models work on: the same, or bars */
    int64_t step_ms;             /* of the points */
    bool on_bars;
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

/* Whether bars serve this horizon: always for the ensemble, for single models unless own_steps forbids it. */
static bool suits_bars(int64_t horizon_s, int64_t own_step_ms)
{
    return horizon_s >= ISSUE_BARS_FROM_S && own_step_ms < ISSUE_BAR_S * MS;
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

/* Wanted for itself, and to be made in this group. */
static bool is_single(const struct group *group, const char *name)
{
    return !(group->on_bars && group->options->own_steps) && is_wanted(group->options, name);
}

static bool makes_ensemble(const struct group *group, int64_t horizon_s)
{
    return is_wanted(group->options, ISSUE_ENSEMBLE) && group->on_bars == suits_bars(horizon_s, group->own->step_ms);
}

/* The baseline is no member everywhere, but what members are measured against. */
static bool is_member(const char *name, int64_t horizon_s)
{
    size_t count;
    const struct combine_weight *members = combine_members(horizon_s, &count);

    for (size_t i = 0; i < count; i++)
        if (strcmp(members[i].model, name) == 0)
            return true;
    return strcmp(name, ISSUE_BASELINE) == 0;
}

static bool is_needed(const struct group *group, const char *name, int64_t horizon_s)
{
    return is_single(group, name) || (makes_ensemble(group, horizon_s) && is_member(name, horizon_s));
}

/* The group's horizons: with bars the long ones, else those that no bars are made for. The list ascends. */
static struct group group_of(struct arena *arena, const struct issue_options *options, const struct series *own,
                             bool on_bars)
{
    struct group group = {.arena = arena, .options = options, .own = own, .points = own, .on_bars = on_bars};
    size_t short_count = 0;

    while (short_count < options->horizon_count && !suits_bars(options->horizons_s[short_count], own->step_ms))
        short_count++;
    group.first = on_bars ? short_count : 0;
    group.count = on_bars || options->own_steps ? options->horizon_count - group.first : short_count;
    group.step_ms = on_bars ? ISSUE_BAR_S * MS : own->step_ms;
    for (size_t i = 0; i < group.count; i++)
        group.steps[i] = (size_t)(options->horizons_s[group.first + i] * MS / group.step_ms);
    return group;
}

/* Most points that a needed model uses, its state as old as it can be: fitted a refit span ago. */
static size_t points_of(const struct group *group)
{
    struct model_params params = {.seed = group->options->seed};
    size_t most = 1;

    for (size_t i = 0; i < group->count; i++)
        for (size_t m = 0; models[m] != NULL; m++) {
            if (!is_needed(group, models[m]->name, group->options->horizons_s[group->first + i]))
                continue;
            struct model_need need = models[m]->need(&params, group->step_ms, group->steps[i]);
            size_t span = (size_t)((models[m]->refit_s * MS + group->step_ms - 1) / group->step_ms);
            most = need.used + span > most ? need.used + span : most;
        }
    return most;
}

size_t issue_points(const struct issue_options *options, int64_t step_ms)
{
    const struct series own = {.step_ms = step_ms};
    struct group short_ones = group_of(NULL, options, &own, false), long_ones = group_of(NULL, options, &own, true);
    size_t short_points = points_of(&short_ones);
    size_t long_points = points_of(&long_ones) * (size_t)(long_ones.step_ms / step_ms);

    return long_ones.count > 0 && long_points > short_points ? long_points : short_points;
}

static int check_options(const struct issue_options *options, int64_t step_ms)
{
    if (options->horizon_count < 1 || options->horizon_count > ISSUE_HORIZONS_MAX)
        return err_set(E_INPUT, "an issue has 1 to %d horizons, not %zu", ISSUE_HORIZONS_MAX, options->horizon_count);
    for (size_t i = 0; i < options->horizon_count; i++) {
        int64_t horizon_s = options->horizons_s[i];
        int64_t step = suits_bars(horizon_s, step_ms) ? ISSUE_BAR_S * MS : step_ms;

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
 * needed or not, so that it is the same whatever is wanted. Not mirrored: that is the combination's business. */
static int state_of(const struct group *group, const struct model *model, const struct model_state **state)
{
    const struct issue_options *options = group->options;
    const struct fits_request request = {.model = model,
                                         .series = group->own,
                                         .step_ms = group->step_ms,
                                         .steps = group->steps,
                                         .count = group->count,
                                         .params = {.seed = options->seed},
                                         .policy = options->policy};
    const struct model_task task = {
        .series = group->points, .params = &request.params, .steps = group->steps, .count = group->count};
    struct model_state *fitted;

    if (options->fits != NULL)
        return fits_get(options->fits, &request, state);
    if (model->fit(group->arena, &task, &fitted) < 0)
        return -1;
    *state = fitted;
    return 0;
}

/* Asks the model with this index at those horizons of the group where it is needed. */
static void ask(const struct group *group, size_t index)
{
    const struct model *model = models[index];
    struct model_answer *answers = group->answers + index * group->count;
    struct model_answer some[ISSUE_HORIZONS_MAX];
    size_t steps[ISSUE_HORIZONS_MAX], places[ISSUE_HORIZONS_MAX], count = 0;
    const struct model_state *state;

    for (size_t i = 0; i < group->count; i++)
        if (is_needed(group, model->name, group->options->horizons_s[group->first + i])) {
            places[count] = i;
            steps[count++] = group->steps[i];
        }
    const struct model_task task = {.series = group->points, .steps = steps, .count = count};

    if (count == 0)
        return;
    bool is_fitted = state_of(group, model, &state) == 0;
    if (is_fitted) {
        group->trained_ms[index] = state->fitted_ms;
        model->forecast(group->arena, state, &task, some);
    }
    for (size_t i = 0; i < count; i++) {
        if (is_fitted)
            answers[places[i]] = some[i];
        else
            answers[places[i]].refusal = arena_strdup(group->arena, err_text());
    }
    err_clear();
}

int issue_complete(struct issue_forecast *forecast, double origin_price)
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

static void refuse(const struct group *group, const char *model, int64_t horizon_s, const char *reason)
{
    struct issue *issue = group->issue;

    issue->refusals[issue->refusal_count++] =
        (struct issue_refusal){.model = model, .horizon_s = horizon_s, .reason = reason};
}

/* Keeps the last error as the reason. */
static void refuse_by_error(const struct group *group, const char *model, int64_t horizon_s)
{
    refuse(group, model, horizon_s, arena_strdup(group->arena, err_text()));
    err_clear();
}

static void refuse_all(const struct group *group, int64_t horizon_s)
{
    const char *reason = arena_strdup(group->arena, err_text());

    for (size_t m = 0; models[m] != NULL; m++)
        if (is_single(group, models[m]->name))
            refuse(group, models[m]->name, horizon_s, reason);
    if (makes_ensemble(group, horizon_s))
        refuse(group, ISSUE_ENSEMBLE, horizon_s, reason);
}

/* When the member that was fitted first was fitted. */
static int64_t oldest_fit_ms(const struct group *group, const struct combine_result *combined)
{
    int64_t oldest_ms = group->own->end_ms;

    for (size_t i = 0; i < combined->weight_count; i++)
        for (size_t m = 0; models[m] != NULL; m++)
            if (strcmp(models[m]->name, combined->weights[i].model) == 0 && group->trained_ms[m] < oldest_ms)
                oldest_ms = group->trained_ms[m];
    return oldest_ms;
}

/* The ensemble of the answers, as wide as its calibration says. */
static void combine(const struct group *group, int64_t horizon_s, const struct calibration *calibration,
                    const struct combine_answer *answers)
{
    struct issue_forecast forecast = {.model = ISSUE_ENSEMBLE, .horizon_s = horizon_s};
    struct combine_result combined;

    if (combine_ensemble(horizon_s, answers, model_count(), &combined) < 0) {
        refuse_by_error(group, ISSUE_ENSEMBLE, horizon_s);
        return;
    }
    if (calibration != NULL)
        calibration_apply(calibration, &combined.curve);
    forecast.curve = combined.curve;
    forecast.weight_count = combined.weight_count;
    memcpy(forecast.weights, combined.weights, sizeof forecast.weights);
    forecast.trained_ms = oldest_fit_ms(group, &combined);
    if (issue_complete(&forecast, group->issue->origin_price) < 0)
        refuse_by_error(group, ISSUE_ENSEMBLE, horizon_s);
    else
        group->issue->forecasts[group->issue->count++] = forecast;
}

/* Keeps the answers that were there to be combined. */
static void keep_members(const struct group *group, int64_t horizon_s, const struct combine_answer *answers)
{
    struct issue_members *members = &group->issue->members[group->issue->members_count++];
    size_t count = model_count();

    *members = (struct issue_members){.horizon_s = horizon_s,
                                      .models = arena_array(group->arena, count, sizeof *members->models),
                                      .curves = arena_array(group->arena, count, sizeof *members->curves)};
    for (size_t m = 0; m < count; m++) {
        if (answers[m].curve == NULL || !is_member(answers[m].model, horizon_s))
            continue;
        members->models[members->count] = answers[m].model;
        members->curves[members->count++] = *answers[m].curve;
    }
}

/* What one model answered at one horizon, as a forecast. */
static void collect_answer(const struct group *group, const struct model_answer *answer,
                           struct issue_forecast *forecast, struct combine_answer *part)
{
    const char *name = forecast->model;
    bool is_listed = is_single(group, name);

    forecast->curve = answer->curve;
    if (answer->refusal == NULL && issue_complete(forecast, group->issue->origin_price) == 0) {
        part->curve = &answer->curve;
        if (is_listed)
            group->issue->forecasts[group->issue->count++] = *forecast;
        return;
    }
    if (answer->refusal != NULL)
        refuse(group, name, forecast->horizon_s, answer->refusal);
    else
        refuse_by_error(group, name, forecast->horizon_s);
}

/* What the models answered at the group's horizon `at`, as forecasts, with their ensemble. */
static void collect_horizon(const struct group *group, size_t at)
{
    const struct issue_options *options = group->options;
    int64_t horizon_s = options->horizons_s[group->first + at];
    const struct calibration *calibration =
        calibration_find(options->calibrations, options->calibration_count, horizon_s);
    struct combine_answer *parts = arena_array(group->arena, model_count(), sizeof *parts);

    for (size_t m = 0; models[m] != NULL; m++) {
        struct issue_forecast forecast = {
            .model = models[m]->name, .horizon_s = horizon_s, .trained_ms = group->trained_ms[m]};

        forecast.is_quarantined = calibration != NULL && calibration_is_quarantined(calibration, models[m]->name);
        parts[m] = (struct combine_answer){.model = models[m]->name, .is_left_out = forecast.is_quarantined};
        if (is_needed(group, models[m]->name, horizon_s))
            collect_answer(group, &group->answers[m * group->count + at], &forecast, &parts[m]);
    }
    if (!makes_ensemble(group, horizon_s))
        return;
    combine(group, horizon_s, calibration, parts);
    keep_members(group, horizon_s, parts);
}

static void run_group(struct group *group)
{
    group->answers = arena_array(group->arena, model_count() * group->count, sizeof *group->answers);
    group->trained_ms = arena_array(group->arena, model_count(), sizeof *group->trained_ms);
    for (size_t m = 0; models[m] != NULL; m++)
        ask(group, m);
    for (size_t i = 0; i < group->count; i++)
        collect_horizon(group, i);
}

/* The group on bars, which are made here once for all. */
static void run_bars(struct group *group)
{
    size_t per_bar = (size_t)(group->step_ms / group->own->step_ms);
    struct series bars;

    if (series_bars(group->arena, group->own, per_bar, points_of(group), &bars) < 0) {
        for (size_t i = 0; i < group->count; i++)
            refuse_all(group, group->options->horizons_s[group->first + i]);
        return;
    }
    group->points = &bars;
    run_group(group);
}

int issue_make(struct arena *arena, const struct series *hourly, const struct issue_options *options,
               struct issue *issue)
{
    *issue = (struct issue){.origin_ms = hourly->end_ms};
    if (check_options(options, hourly->step_ms) < 0)
        return -1;
    size_t results_max = 2 * options->horizon_count * (model_count() + 1);
    issue->origin_price = hourly->close[hourly->count - 1];
    issue->forecasts = arena_array(arena, results_max, sizeof *issue->forecasts);
    issue->refusals = arena_array(arena, results_max, sizeof *issue->refusals);
    issue->members = arena_array(arena, options->horizon_count, sizeof *issue->members);

    struct group short_ones = group_of(arena, options, hourly, false);
    struct group long_ones = group_of(arena, options, hourly, true);
    short_ones.issue = long_ones.issue = issue;
    if (short_ones.count > 0)
        run_group(&short_ones);
    if (long_ones.count > 0 && (!options->own_steps || is_wanted(options, ISSUE_ENSEMBLE)))
        run_bars(&long_ones);
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
