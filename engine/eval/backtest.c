/* The walk itself: cut, issue, look the actual up, score. It keeps nothing from one origin to the next but
 * fitted states, which are the same whoever made them (eval/fits.h). */
#include "eval/backtest.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/err.h"
#include "core/str.h"
#include "models/series.h"

#define MS 1000
#define ARENA_MAX ((size_t)256 << 20) /* scratch of one origin */

/* What one origin needs; the lists are made once per run. */
struct walk {
    const struct backtest_plan *plan;
    const struct backtest_sink *sink;
    struct arena *arena;                             /* emptied at each origin */
    struct fits *fits;                               /* states of this run */
    const char *own_models[BACKTEST_MODELS_MAX + 3]; /* on the series' own steps; ends with NULL */
    const char *bar_models[2];                       /* the ensemble, when it needs bars; ends with NULL */
    struct issue own, bars;                          /* this origin's forecasts */
};

static int check_models(const struct backtest_plan *plan)
{
    if (plan->model_count < 1 || plan->model_count > BACKTEST_MODELS_MAX)
        return err_set(E_INPUT, "a backtest has 1 to %d models, not %zu", BACKTEST_MODELS_MAX, plan->model_count);
    for (size_t i = 0; i < plan->model_count; i++) {
        if (strcmp(plan->models[i], ISSUE_ENSEMBLE) != 0 && model_find(plan->models[i]) == NULL)
            return err_set(E_INPUT, "there is no model \"%s\"", plan->models[i]);
        for (size_t k = 0; k < i; k++)
            if (strcmp(plan->models[i], plan->models[k]) == 0)
                return err_set(E_INPUT, "the model \"%s\" is named twice", plan->models[i]);
    }
    return 0;
}

static int check_horizons(const struct backtest_plan *plan)
{
    int64_t step_s = plan->series->step_ms / MS;

    if (plan->horizon_count < 1 || plan->horizon_count > ISSUE_HORIZONS_MAX)
        return err_set(E_INPUT, "a backtest has 1 to %d horizons, not %zu", ISSUE_HORIZONS_MAX, plan->horizon_count);
    for (size_t i = 0; i < plan->horizon_count; i++) {
        if (plan->horizons_s[i] <= 0 || plan->horizons_s[i] % step_s != 0)
            return err_set(E_INPUT, "a horizon of %" PRId64 " s is no multiple of the candles' %" PRId64 " s",
                           plan->horizons_s[i], step_s);
        if (plan->horizons_s[i] >= ISSUE_BARS_FROM_S && plan->horizons_s[i] % ISSUE_BAR_S != 0)
            return err_set(E_INPUT, "a horizon of %" PRId64 " s is no multiple of 24 hours, as long ones must be",
                           plan->horizons_s[i]);
        if (i > 0 && plan->horizons_s[i] <= plan->horizons_s[i - 1])
            return err_set(E_INPUT, "horizons must ascend, each once");
    }
    return 0;
}

/* Close of the first point at or after from. */
static int64_t first_origin_ms(const struct backtest_plan *plan)
{
    const struct series *series = plan->series;
    int64_t begin_ms = series->end_ms - (int64_t)(series->count - 1) * series->step_ms;

    if (plan->from_ms <= begin_ms)
        return begin_ms;
    int64_t points = (plan->from_ms - begin_ms + series->step_ms - 1) / series->step_ms;
    return begin_ms + points * series->step_ms;
}

/* The last origin that has an actual at the shortest horizon, or lies before `to`. */
static int64_t end_origin_ms(const struct backtest_plan *plan)
{
    int64_t known_ms = plan->series->end_ms - plan->horizons_s[0] * MS + 1;

    return plan->to_ms < known_ms ? plan->to_ms : known_ms;
}

size_t backtest_origin_count(const struct backtest_plan *plan)
{
    int64_t first_ms = first_origin_ms(plan), end_ms = end_origin_ms(plan);

    return end_ms > first_ms ? (size_t)((end_ms - first_ms + plan->step_ms - 1) / plan->step_ms) : 0;
}

int backtest_check(const struct backtest_plan *plan)
{
    if (check_models(plan) < 0 || check_horizons(plan) < 0)
        return -1;
    if (plan->step_ms <= 0 || plan->step_ms % plan->series->step_ms != 0)
        return err_set(E_INPUT, "a step of %" PRId64 " s is no multiple of the candles' %" PRId64 " s",
                       plan->step_ms / MS, plan->series->step_ms / MS);
    if (plan->from_ms >= plan->to_ms)
        return err_set(E_INPUT, "from must lie before to");
    if (backtest_origin_count(plan) == 0)
        return err_set(E_INPUT, "no origin between from and to has both candles before it and an actual after it");
    return 0;
}

static bool ensemble_needs_bars(const struct backtest_plan *plan)
{
    return plan->series->step_ms < ISSUE_BAR_S * MS && plan->horizons_s[plan->horizon_count - 1] >= ISSUE_BARS_FROM_S;
}

static void walk_init(struct walk *walk, const struct backtest_plan *plan, const struct backtest_sink *sink)
{
    size_t count = 0;

    *walk = (struct walk){.plan = plan,
                          .sink = sink,
                          .arena = arena_create("backtest", ARENA_MAX),
                          .fits = fits_create(FITS_BYTES_MAX)};
    walk->own_models[count++] = ISSUE_BASELINE; /* scores need it; a name twice does no harm */
    for (size_t i = 0; i < plan->model_count; i++) {
        walk->own_models[count++] = plan->models[i];
        if (strcmp(plan->models[i], ISSUE_ENSEMBLE) == 0 && ensemble_needs_bars(plan))
            walk->bar_models[0] = ISSUE_ENSEMBLE;
    }
}

static bool is_requested(const struct backtest_plan *plan, const char *model)
{
    for (size_t i = 0; i < plan->model_count; i++)
        if (strcmp(plan->models[i], model) == 0)
            return true;
    return false;
}

/* The ensemble at this horizon is made on bars. */
static bool is_on_bars(const struct walk *walk, const char *model, int64_t horizon_s)
{
    return walk->bar_models[0] != NULL && strcmp(model, ISSUE_ENSEMBLE) == 0 && horizon_s >= ISSUE_BARS_FROM_S;
}

static void issue_part(const struct walk *walk, const struct series *known, const struct issue_options *options,
                       struct issue *issue)
{
    if (issue_make(walk->arena, known, options, issue) < 0)
        err_clear(); /* each refusal is in the list, too */
    for (size_t i = 0; i < issue->refusal_count; i++) {
        const struct issue_refusal *refusal = &issue->refusals[i];
        bool is_own = !is_on_bars(walk, refusal->model, refusal->horizon_s);

        if (is_requested(walk->plan, refusal->model) && is_own == (issue == &walk->own))
            walk->sink->refusal(walk->sink->arg, refusal);
    }
}

static const struct issue_forecast *find_forecast(const struct walk *walk, const char *model, int64_t horizon_s)
{
    return issue_find(is_on_bars(walk, model, horizon_s) ? &walk->bars : &walk->own, model, horizon_s);
}

static int score_row(const struct issue_forecast *baseline, struct backtest_row *row)
{
    struct score score, base;

    if (score_make(row->forecast->price, row->origin_price, row->actual, &score) < 0 ||
        score_make(baseline->price, row->origin_price, row->actual, &base) < 0)
        return err_wrap("while scoring %s", row->forecast->model);
    row->score = (struct summary_row){.crps = score.crps,
                                      .crps_baseline = base.crps,
                                      .pit = score.pit,
                                      .median_error = score.median_error,
                                      .move = score.move,
                                      .width_90 = score.width[SCORE_INTERVAL_90],
                                      .width_90_baseline = base.width[SCORE_INTERVAL_90],
                                      .covered = score.covered};
    return 0;
}

/* All models at one horizon of the origin at point `count`. */
static int emit_horizon(const struct walk *walk, size_t count, struct backtest_row *row)
{
    const struct series *series = walk->plan->series;
    int64_t horizon_s = walk->plan->horizons_s[row->horizon];
    size_t steps = (size_t)(horizon_s * MS / series->step_ms);
    const struct issue_forecast *baseline = issue_find(&walk->own, ISSUE_BASELINE, horizon_s);

    if (count + steps > series->count || baseline == NULL)
        return 0;
    row->target_ms = row->origin_ms + horizon_s * MS;
    row->actual = series->close[count + steps - 1];
    for (row->model = 0; row->model < walk->plan->model_count; row->model++) {
        row->forecast = find_forecast(walk, walk->plan->models[row->model], horizon_s);
        if (row->forecast == NULL)
            continue;
        if (score_row(baseline, row) < 0 || walk->sink->row(walk->sink->arg, row) < 0)
            return -1;
    }
    return 0;
}

/* The horizons that have an actual at this origin. */
static size_t known_horizons(const struct backtest_plan *plan, int64_t origin_ms)
{
    size_t count = 0;

    while (count < plan->horizon_count && origin_ms + plan->horizons_s[count] * MS <= plan->series->end_ms)
        count++;
    return count;
}

/* The ensemble at the long ones among the horizons, as it is served. */
static void issue_bars(struct walk *walk, const struct series *known, struct issue_options options)
{
    while (options.horizon_count > 0 && options.horizons_s[0] < ISSUE_BARS_FROM_S) {
        options.horizons_s++;
        options.horizon_count--;
    }
    options.models = walk->bar_models;
    options.own_steps = false;
    walk->bars = (struct issue){0};
    if (options.horizon_count > 0)
        issue_part(walk, known, &options, &walk->bars);
}

static int walk_origin(struct walk *walk, size_t origin)
{
    const struct backtest_plan *plan = walk->plan;
    int64_t origin_ms = first_origin_ms(plan) + (int64_t)origin * plan->step_ms;
    size_t count = series_count_at(plan->series, origin_ms);
    struct series known = series_head(plan->series, count);
    struct issue_options options = {.horizons_s = plan->horizons_s,
                                    .horizon_count = plan->horizon_count, /* all: states know no others */
                                    .models = walk->own_models,
                                    .own_steps = true,
                                    .seed = plan->seed,
                                    .fits = walk->fits};

    arena_reset(walk->arena);
    issue_part(walk, &known, &options, &walk->own);
    if (walk->bar_models[0] != NULL)
        issue_bars(walk, &known, options);
    struct backtest_row row = {
        .origin = origin, .origin_ms = origin_ms, .origin_price = known.close[known.count - 1]};
    for (; row.horizon < known_horizons(plan, origin_ms); row.horizon++)
        if (emit_horizon(walk, count, &row) < 0)
            return -1;
    return 0;
}

int backtest_run(const struct backtest_plan *plan, size_t first, size_t last, const struct backtest_sink *sink)
{
    struct walk walk;
    int rc = 0;

    walk_init(&walk, plan, sink);
    for (size_t origin = first; origin < last && rc == 0; origin++) {
        rc = walk_origin(&walk, origin);
        if (rc == 0 && sink->origin_done != NULL)
            sink->origin_done(sink->arg);
    }
    arena_free(&walk.arena);
    fits_free(&walk.fits);
    return rc;
}

void backtest_csv_header(struct strbuf *buf)
{
    strbuf_add_text(buf, "model,origin,horizon_s,origin_price,target,actual");
    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        strbuf_printf(buf, ",q%g", quantile_levels[i]);
    strbuf_add_char(buf, '\n');
}

void backtest_csv_row(struct strbuf *buf, const struct backtest_row *row)
{
    strbuf_printf(buf, "%s,%" PRId64 ",%" PRId64 ",%.12g,%" PRId64 ",%.12g", row->forecast->model,
                  row->origin_ms / MS, row->forecast->horizon_s, row->origin_price, row->target_ms / MS, row->actual);
    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        strbuf_printf(buf, ",%.12g", row->forecast->price[i]);
    strbuf_add_char(buf, '\n');
}
