/* The second phase of a walk: all origins in order, each seen with what was known there. */
#include <math.h>
#include <string.h>

#include "core/err.h"
#include "eval/backtest_records.h"
#include "eval/lessons.h"
#include "models/series.h"

#define MS 1000

struct judge {
    const struct backtest_plan *plan;
    struct backtest_layout layout;
    struct lessons *lessons; /* NULL: the ensemble is not wanted */
    size_t *refused;
    int (*row)(void *arg, const struct backtest_row *row);
    void *arg;
    /* of the origin at work */
    const struct quantile_curve *record;
    struct series known;
};

static bool is_made(const struct quantile_curve *curve)
{
    return !isnan(curve->log_return[0]);
}

/* The members' curves at a horizon, as the issue had them. */
static struct issue_members members_of(const struct judge *judge, size_t horizon, const char **names,
                                       struct quantile_curve *curves)
{
    int64_t horizon_s = judge->plan->horizons_s[horizon];
    struct issue_members members = {.horizon_s = horizon_s, .models = names, .curves = curves};

    for (size_t i = 0; i < judge->layout.member_count; i++) {
        const struct quantile_curve *curve = &judge->record[backtest_member_at(&judge->layout, horizon, i)];
        const char *name = backtest_member_name(horizon_s, i);

        if (name == NULL || !is_made(curve))
            continue;
        names[members.count] = name;
        curves[members.count++] = *curve;
    }
    return members;
}

/* Combined and widened as issue_make does it. */
static int make_ensemble(const struct judge *judge, size_t horizon, struct quantile_curve *curve)
{
    const char *names[COMBINE_MEMBERS_MAX + 1];
    struct quantile_curve curves[COMBINE_MEMBERS_MAX + 1];
    struct combine_answer answers[COMBINE_MEMBERS_MAX + 1];
    struct issue_members members = members_of(judge, horizon, names, curves);
    const struct calibration *calibration = &lessons_calibrations(judge->lessons)[horizon];
    struct combine_result combined;

    for (size_t i = 0; i < members.count; i++)
        answers[i] = (struct combine_answer){
            .model = names[i], .curve = &curves[i], .is_left_out = calibration_is_quarantined(calibration, names[i])};
    if (combine_ensemble(members.horizon_s, answers, members.count, &combined) < 0)
        return -1;
    calibration_apply(calibration, &combined.curve);
    *curve = combined.curve;
    return 0;
}

/* False when it could not be made. */
static bool forecast_of(const struct judge *judge, size_t horizon, size_t model, struct issue_forecast *forecast)
{
    const struct backtest_plan *plan = judge->plan;

    *forecast = (struct issue_forecast){.model = plan->models[model], .horizon_s = plan->horizons_s[horizon]};
    if (strcmp(forecast->model, ISSUE_ENSEMBLE) == 0) {
        if (make_ensemble(judge, horizon, &forecast->curve) < 0) {
            err_clear();
            return false;
        }
    } else {
        forecast->curve = judge->record[backtest_single_at(&judge->layout, horizon, forecast->model)];
    }
    if (!is_made(&forecast->curve))
        return false;
    bool is_complete = issue_complete(forecast, judge->known.close[judge->known.count - 1]) == 0;
    err_clear();
    return is_complete;
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
                                      .interval_90 = score.interval[SCORE_INTERVAL_90],
                                      .interval_90_baseline = base.interval[SCORE_INTERVAL_90],
                                      .covered = score.covered};
    return 0;
}

/* All models at one horizon. */
static int emit_horizon(const struct judge *judge, struct backtest_row *row)
{
    const struct backtest_plan *plan = judge->plan;
    struct issue_forecast forecast, baseline = {.model = ISSUE_BASELINE, .horizon_s = plan->horizons_s[row->horizon]};
    const struct quantile_curve *curve =
        &judge->record[backtest_single_at(&judge->layout, row->horizon, ISSUE_BASELINE)];

    row->target_ms = row->origin_ms + baseline.horizon_s * MS;
    if (row->target_ms > plan->series->end_ms)
        return 0;
    baseline.curve = *curve;
    bool has_baseline = is_made(curve) && issue_complete(&baseline, row->origin_price) == 0;
    row->actual = plan->series->close[series_count_at(plan->series, row->target_ms) - 1];
    for (row->model = 0; row->model < plan->model_count; row->model++) {
        if (!has_baseline || !forecast_of(judge, row->horizon, row->model, &forecast)) {
            *judge->refused += 1;
            continue;
        }
        row->forecast = &forecast;
        if (score_row(&baseline, row) < 0 || judge->row(judge->arg, row) < 0)
            return -1;
    }
    return 0;
}

static int note_members(const struct judge *judge)
{
    const char *names[COMBINE_MEMBERS_MAX + 1];
    struct quantile_curve curves[COMBINE_MEMBERS_MAX + 1];

    for (size_t h = 0; h < judge->plan->horizon_count; h++) {
        struct issue_members members = members_of(judge, h, names, curves);

        if (members.count > 0 && lessons_note(judge->lessons, judge->known.end_ms, &members) < 0)
            return -1;
    }
    return 0;
}

static int judge_origin(struct judge *judge, size_t at)
{
    const struct backtest_plan *plan = judge->plan;
    int64_t origin_ms = backtest_record_ms(plan, at);
    size_t warmup_count = backtest_warmup_count(plan);

    judge->known = series_head(plan->series, series_count_at(plan->series, origin_ms));
    if (judge->lessons != NULL && (lessons_learn(judge->lessons, &judge->known) < 0 || note_members(judge) < 0))
        return -1;
    if (at < warmup_count)
        return 0;
    struct backtest_row row = {.origin = at - warmup_count,
                               .origin_ms = origin_ms,
                               .origin_price = judge->known.close[judge->known.count - 1]};
    for (; row.horizon < plan->horizon_count; row.horizon++)
        if (emit_horizon(judge, &row) < 0)
            return -1;
    return 0;
}

int backtest_judge(const struct backtest_plan *plan, const struct backtest_records *records, size_t *refused,
                   int (*row)(void *arg, const struct backtest_row *row), void *arg)
{
    size_t count = backtest_warmup_count(plan) + backtest_origin_count(plan), unused = 0;
    struct judge judge = {.plan = plan,
                          .layout = backtest_layout_of(plan),
                          .refused = refused != NULL ? refused : &unused,
                          .row = row,
                          .arg = arg};
    int rc = 0;

    *judge.refused = 0;
    if (judge.layout.member_count > 0)
        judge.lessons = lessons_create(plan->horizons_s, plan->horizon_count);
    for (size_t at = 0; at < count && rc == 0; at++) {
        judge.record = (const void *)((const unsigned char *)records->base + at * records->stride);
        rc = judge_origin(&judge, at);
    }
    lessons_free(&judge.lessons);
    return rc;
}
