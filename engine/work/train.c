/* Job "train": fits every model that learns, on hours and on 24-hour bars, and stores what it has learned. Forecasts then
 * load a state instead of fitting one (work/keep.h), so that no candle waits for an optimiser.
 *
 *     history -> for each model and step: fit -> [ registry row, fence checked ]         one transaction each
 *
 * By schedule the fits are those of the refit grid (eval/fits.h): the walk-forward comes to the same bytes. Out of turn,
 * when scores have drifted, models are fitted at the newest close instead. A model that refuses gets a row that says why;
 * no failure here concerns anybody but this job: forecasts go on with the states there are.
 *
 * What is stored is not fitted again, so a job that is handed back or killed goes on where it was.
 */
#include <inttypes.h>
#include <string.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/err.h"
#include "core/log.h"
#include "core/metrics.h"
#include "eval/fits.h"
#include "eval/issue.h"
#include "market/candle.h"
#include "models/series.h"
#include "store/component.h"
#include "store/db.h"
#include "work/desk.h"
#include "work/history.h"
#include "work/keep.h"
#include "work/state_rows.h"
#include "work/work.h"

#define ROW_ARENA_BYTES (64u << 20)
#define TELL_EVERY_MS 1000 /* the component row: each change of it has documents rendered */

struct training {
    const char *feed, *cause;
    int64_t at_ms; /* the close from which it looks back */
    struct series series;
    enum fits_policy policy;
    size_t done, total;
    size_t stored, refused;
    int64_t told_mono_ms;
};

/* The horizons that are forecast on one step, in steps. */
struct group {
    int64_t step_ms;
    size_t steps[HORIZON_COUNT], count;
};

static int prepare(struct work *work, struct training *training);
static struct group group_of(int64_t step_ms);
static int train(struct work *work, struct training *training, const struct model *model, const struct group *group);
static int store(struct work *work, struct training *training, const struct state_row *row);
static int report(struct work *work, struct training *training, const char *state);

int work_train(struct work *work)
{
    struct training training = {0};
    if (payload_text(work, "feed", &training.feed) < 0 || payload_text(work, "cause", &training.cause) < 0 ||
        payload_i64(work, "at", &training.at_ms) < 0)
        return -1;
    if (prepare(work, &training) < 0)
        return err_wrap("while preparing to train on %s", training.feed);
    const struct group groups[] = {group_of(HISTORY_STEP_S * MS_PER_S), group_of(ISSUE_BAR_S * MS_PER_S)};
    int64_t begun_ms = clock_mono_ms();
    for (size_t m = 0; models[m] != NULL; m++)
        for (size_t g = 0; g < BTCF_LENGTH(groups) && models[m]->refit_s > 0; g++) {
            if (work->should_stop(work->ctx))
                return err_set(E_TIMEOUT, "told to stop after %zu of %zu fits", training.done, training.total);
            work->beat(work->ctx);
            if (train(work, &training, models[m], &groups[g]) < 0)
                return err_wrap("while training %s on %s", models[m]->name, training.feed);
            training.done++;
            if (training.done < training.total && report(work, &training, "running") < 0)
                return -1;
        }
    log_info("train.done", "%s at %" PRId64 " (%s): %zu states stored, %zu refusals, in %" PRId64 " ms",
             training.feed, training.at_ms, training.cause, training.stored, training.refused,
             clock_mono_ms() - begun_ms);
    if (report(work, &training, "done") < 0)
        return -1;
    return queue_complete(work->db, work->job, clock_wall_ms());
}

static int prepare(struct work *work, struct training *training)
{
    int64_t horizons_s[HORIZON_COUNT];
    const char *sources;
    for (size_t i = 0; i < HORIZON_COUNT; i++)
        horizons_s[i] = horizons[i].seconds;
    struct issue_options options = {
        .horizons_s = horizons_s, .horizon_count = HORIZON_COUNT, .fits = work->keep->fits};
    struct history_query query = {.feed = training->feed,
                                  .end_ms = training->at_ms,
                                  .points = issue_points(&options, HISTORY_STEP_S * MS_PER_S)};
    training->policy = strcmp(training->cause, "drift") == 0 ? FITS_AT_ORIGIN : FITS_EXACT;
    for (size_t m = 0; models[m] != NULL; m++)
        training->total += models[m]->refit_s > 0 ? 2 : 0;
    if (state_rows_save_models(work->db) < 0 ||
        keep_states(work->keep, work->db, training->feed, training->at_ms) < 0 ||
        keep_refresh(work->keep, work->db) < 0)
        return -1;
    return history_follow(work->db, work->arena, work->keep->history, &query, &training->series, &sources);
}

/* As eval/issue.h splits the horizons; all of a step are fitted together. */
static struct group group_of(int64_t step_ms)
{
    struct group group = {.step_ms = step_ms};
    for (size_t i = 0; i < HORIZON_COUNT; i++) {
        bool uses_bars = horizons[i].seconds >= ISSUE_BARS_FROM_S;
        if (uses_bars == (step_ms == ISSUE_BAR_S * MS_PER_S))
            group.steps[group.count++] = (size_t)(horizons[i].seconds * MS_PER_S / step_ms);
    }
    return group;
}

static int train(struct work *work, struct training *training, const struct model *model, const struct group *group)
{
    struct fits_request request = {.model = model,
                                   .series = &training->series,
                                   .step_ms = group->step_ms,
                                   .steps = group->steps,
                                   .count = group->count,
                                   .policy = training->policy};
    struct state_row row = {.feed = training->feed,
                            .cause = training->cause,
                            .model = model,
                            .step_ms = group->step_ms,
                            .fitted_ms = training->policy == FITS_EXACT ? fits_instant(model, training->at_ms)
                                                                        : training->at_ms};
    int64_t begun_us = clock_mono_us();
    if (fits_get(work->keep->fits, &request, &row.state) == 0) {
        row.fitted_ms = row.state->fitted_ms;
    } else {
        row.state = NULL;
        row.refusal = arena_strdup(work->arena, err_text());
        err_clear();
    }
    row.fit_ms = (double)(clock_mono_us() - begun_us) / 1000.0;
    return store(work, training, &row);
}

static int store(struct work *work, struct training *training, const struct state_row *row)
{
    struct arena *arena = arena_create("train.row", ROW_ARENA_BYTES);
    bool added = false;
    int result = db_begin(work->db);
    if (result == 0)
        result = queue_guard(work->db, work->job);
    if (result == 0)
        result = state_rows_save(work->db, arena, row, clock_wall_ms(), &added);
    if (result == 0)
        result = db_commit(work->db);
    if (result < 0)
        db_rollback(work->db);
    arena_free(&arena);
    training->stored += added && row->state != NULL;
    training->refused += row->state == NULL;
    if (result == 0 && added && row->state == NULL)
        log_warn("train.refused", "%s on steps of %" PRId64 " s: %s", row->model->name, row->step_ms / MS_PER_S,
                 row->refusal);
    return result;
}

/* Extends the lease and tells people how far it is. */
static int report(struct work *work, struct training *training, const char *state)
{
    int64_t now_ms = clock_wall_ms();
    double progress = training->total == 0 ? 1 : (double)training->done / (double)training->total;
    struct component component = {.name = "train",
                                  .state = state,
                                  .detail = "fitting the models",
                                  .done = (int64_t)training->done,
                                  .total = (int64_t)training->total};
    if (queue_extend(work->db, work->job, now_ms, DESK_LEASE_MS, progress) < 0)
        return -1;
    bool is_last = training->done == training->total;
    if (!is_last && training->told_mono_ms != 0 && clock_mono_ms() - training->told_mono_ms < TELL_EVERY_MS)
        return 0;
    training->told_mono_ms = clock_mono_ms();
    return component_save(work->db, &component, now_ms);
}
