/* The first phase of a walk: one origin, one record. A record has two parts, both by horizon:
 *
 *     [horizon][wanted single models, then the baseline]              on the series' own steps
 *     [horizon][members of the ensemble there, then the baseline]     as the ensemble is made; when it is wanted
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "eval/backtest_records.h"
#include "models/series.h"

#define ARENA_MAX ((size_t)512 << 20) /* scratch of one origin */

struct backtest_walk {
    const struct backtest_plan *plan;
    struct arena *arena; /* emptied at each origin */
    struct fits *fits;
    struct backtest_layout layout;
    const char *wanted[BACKTEST_MODELS_MAX + 2]; /* the plan's models and the baseline; ends with NULL */
};

struct backtest_layout backtest_layout_of(const struct backtest_plan *plan)
{
    struct backtest_layout layout = {.horizon_count = plan->horizon_count};

    for (size_t i = 0; i < plan->model_count; i++) {
        if (strcmp(plan->models[i], ISSUE_ENSEMBLE) == 0)
            layout.member_count = COMBINE_MEMBERS_MAX + 1;
        else if (strcmp(plan->models[i], ISSUE_BASELINE) != 0)
            layout.singles[layout.single_count++] = plan->models[i];
    }
    layout.singles[layout.single_count++] = ISSUE_BASELINE;
    return layout;
}

size_t backtest_single_at(const struct backtest_layout *layout, size_t horizon, const char *model)
{
    size_t i = 0;

    while (strcmp(layout->singles[i], model) != 0)
        i++;
    return horizon * layout->single_count + i;
}

size_t backtest_member_at(const struct backtest_layout *layout, size_t horizon, size_t member)
{
    return layout->horizon_count * layout->single_count + horizon * layout->member_count + member;
}

const char *backtest_member_name(int64_t horizon_s, size_t member)
{
    size_t count;
    const struct combine_weight *members = combine_members(horizon_s, &count);

    if (member == COMBINE_MEMBERS_MAX)
        return ISSUE_BASELINE;
    return member < count ? members[member].model : NULL;
}

size_t backtest_curve_count(const struct backtest_plan *plan)
{
    struct backtest_layout layout = backtest_layout_of(plan);

    return layout.horizon_count * (layout.single_count + layout.member_count);
}

struct backtest_walk *backtest_walk_create(const struct backtest_plan *plan)
{
    struct backtest_walk *walk = calloc(1, sizeof *walk);
    size_t count = 0;

    if (walk == NULL)
        abort();
    walk->plan = plan;
    walk->arena = arena_create("backtest", ARENA_MAX);
    walk->fits = fits_create(FITS_BYTES_MAX);
    walk->layout = backtest_layout_of(plan);
    for (size_t i = 0; i < walk->layout.single_count; i++)
        walk->wanted[count++] = walk->layout.singles[i];
    if (walk->layout.member_count > 0)
        walk->wanted[count] = ISSUE_ENSEMBLE;
    return walk;
}

void backtest_walk_free(struct backtest_walk **walk)
{
    if (*walk == NULL)
        return;
    arena_free(&(*walk)->arena);
    fits_free(&(*walk)->fits);
    free(*walk);
    *walk = NULL;
}

static void put_singles(const struct backtest_walk *walk, const struct issue *issue, struct quantile_curve *record)
{
    for (size_t h = 0; h < walk->layout.horizon_count; h++)
        for (size_t i = 0; i < walk->layout.single_count; i++) {
            const char *model = walk->layout.singles[i];
            const struct issue_forecast *forecast = issue_find(issue, model, walk->plan->horizons_s[h]);

            if (forecast != NULL)
                record[backtest_single_at(&walk->layout, h, model)] = forecast->curve;
        }
}

static const struct quantile_curve *find_member(const struct issue *issue, int64_t horizon_s, const char *model)
{
    for (size_t i = 0; i < issue->members_count; i++)
        for (size_t k = 0; issue->members[i].horizon_s == horizon_s && k < issue->members[i].count; k++)
            if (strcmp(issue->members[i].models[k], model) == 0)
                return &issue->members[i].curves[k];
    return NULL;
}

static void put_members(const struct backtest_walk *walk, const struct issue *issue, struct quantile_curve *record)
{
    for (size_t h = 0; h < walk->layout.horizon_count; h++)
        for (size_t i = 0; i < walk->layout.member_count; i++) {
            int64_t horizon_s = walk->plan->horizons_s[h];
            const char *model = backtest_member_name(horizon_s, i);
            const struct quantile_curve *curve = model != NULL ? find_member(issue, horizon_s, model) : NULL;

            if (curve != NULL)
                record[backtest_member_at(&walk->layout, h, i)] = *curve;
        }
}

static bool is_listed(const struct backtest_plan *plan, const char *model)
{
    for (size_t i = 0; i < plan->model_count; i++)
        if (strcmp(plan->models[i], model) == 0)
            return true;
    return false;
}

void backtest_raw(struct backtest_walk *walk, size_t at, struct quantile_curve *record,
                  void (*refusal)(void *arg, const struct issue_refusal *refusal), void *arg)
{
    const struct backtest_plan *plan = walk->plan;
    struct series known = series_head(plan->series, series_count_at(plan->series, backtest_record_ms(plan, at)));
    /* All horizons, also those without an actual: states know no others. */
    const struct issue_options options = {.horizons_s = plan->horizons_s,
                                          .horizon_count = plan->horizon_count,
                                          .models = walk->wanted,
                                          .own_steps = true,
                                          .seed = plan->seed,
                                          .fits = walk->fits};
    struct issue issue;

    arena_reset(walk->arena);
    if (issue_make(walk->arena, &known, &options, &issue) < 0)
        err_clear(); /* each refusal is in the list, too */
    for (size_t i = 0; i < backtest_curve_count(plan); i++)
        record[i].log_return[0] = NAN;
    put_singles(walk, &issue, record);
    put_members(walk, &issue, record);
    for (size_t i = 0; refusal != NULL && i < issue.refusal_count; i++)
        if (is_listed(plan, issue.refusals[i].model))
            refusal(arg, &issue.refusals[i]);
}
