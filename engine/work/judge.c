/* Job "accuracy": after new scores, who is how good, and what follows from it.
 *
 *     scores -> scoreboard (accuracy.h) -> champion of each horizon (eval/serve.h) -> drift? (eval/drift.h)
 *
 * All in one transaction with the end of the job. It is planned at most every ACCURACY_EVERY_MS and runs in the heavy
 * lane: summing up a year takes seconds, and a forecast waits for no scoreboard. Forecasts read the champions from their
 * rows.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/err.h"
#include "core/log.h"
#include "eval/drift.h"
#include "eval/issue.h"
#include "eval/serve.h"
#include "market/candle.h"
#include "market/candles.h"
#include "store/db.h"
#include "work/accuracy.h"
#include "work/history.h"
#include "work/score_rows.h"
#include "work/verdict_rows.h"
#include "work/work.h"

#define CONTENDERS_MAX 64
/* Drift is looked for at horizons whose forecasts come in by the day. */
#define DRIFT_HORIZON_MAX_S INT64_C(86400)
#define PRIORITY_DRIFT 6

static const char SQL_NOTIFY[] = "SELECT pg_notify('" WORK_CHANNEL_SCORE "', '')";
/* Columns: issued_at crps crps_baseline missed is_live. Index: score_window. */
static const char SQL_DRIFT[] =
    "SELECT issued_at, crps, crps_baseline, covered & 4 = 0, origin = 'live' FROM score WHERE feed = $1"
    " AND horizon_s = $2 AND model = $3 AND target_at > $4 ORDER BY issued_at, origin LIMIT 20000";

/* One feed in front of the judge. */
struct court {
    struct work *work;
    const char *feed;
    int64_t close_ms; /* the newest: now, in market time */
};

/* The best of those that may be served at a horizon. */
struct choice {
    const char *model;
    struct serve_decision decision;
    size_t n;
};

static int judge(struct court *court);
static int choose_champion(struct court *court, int64_t horizon_s, const char *was);
static int choose_house(struct court *court, int64_t horizon_s, const char *was, struct choice *choice);
static int hear_challengers(struct court *court, int64_t horizon_s, const char *was, struct choice *choice);
static int look_for_drift(struct court *court, int64_t horizon_s);
static size_t thin_out(const struct db_rows *rows, int64_t horizon_s, int64_t since_ms, struct drift_row *tested,
                       size_t *first);
static int ask_for_training(struct court *court, int64_t horizon_s);

int work_accuracy(struct work *work)
{
    struct court court = {.work = work};
    if (payload_text(work, "feed", &court.feed) < 0 ||
        candles_last_close_ms(work->db, court.feed, HISTORY_STEP_S, &court.close_ms) < 0 || db_begin(work->db) < 0)
        return -1;
    if (queue_guard(work->db, work->job) < 0 || accuracy_refresh(work, court.feed) < 0 || judge(&court) < 0 ||
        db_exec(work->db, SQL_NOTIFY, NULL, DB_END) < 0 || queue_complete(work->db, work->job, clock_wall_ms()) < 0 ||
        db_commit(work->db) < 0) {
        db_rollback(work->db);
        return err_wrap("while judging the forecasts of %s", court.feed);
    }
    return 0;
}

static int judge(struct court *court)
{
    const char *champions[HORIZON_COUNT];
    if (verdict_champions(court->work->db, court->work->arena, court->feed, champions) < 0)
        return -1;
    for (size_t h = 0; h < HORIZON_COUNT; h++) {
        court->work->beat(court->work->ctx);
        if (choose_champion(court, horizons[h].seconds, champions[h]) < 0)
            return err_wrap("while choosing what to serve %s ahead", horizons[h].name);
        if (horizons[h].seconds <= DRIFT_HORIZON_MAX_S && look_for_drift(court, horizons[h].seconds) < 0)
            return err_wrap("while looking for drift %s ahead", horizons[h].name);
    }
    return 0;
}

/* `was` is NULL before anybody was chosen: the baseline serves then. */
static int choose_champion(struct court *court, int64_t horizon_s, const char *was)
{
    const char *before = was != NULL ? was : ISSUE_BASELINE;
    struct choice choice;
    if (choose_house(court, horizon_s, before, &choice) < 0 ||
        hear_challengers(court, horizon_s, before, &choice) < 0)
        return -1;
    if (was != NULL && strcmp(was, choice.model) == 0)
        return 0;
    struct verdict_row row = {.feed = court->feed,
                              .kind = "champion",
                              .horizon_s = horizon_s,
                              .model = choice.model,
                              .state = "served",
                              .previous = was != NULL ? was : "",
                              .reason = choice.decision.reason,
                              .p = choice.decision.p,
                              .n = choice.n,
                              .n_effective = choice.decision.n_effective,
                              .decided_at = court->close_ms};
    log_info("champion.changed", "%" PRId64 " s ahead %s is served instead of %s: %s (p = %.4f, n = %.1f)", horizon_s,
             choice.model, before, row.reason, row.p, row.n_effective);
    return verdict_save(court->work->db, &row, clock_wall_ms());
}

/* The ensemble or the baseline. */
static int choose_house(struct court *court, int64_t horizon_s, const char *was, struct choice *choice)
{
    struct score_contest contest = {.feed = court->feed,
                                    .champion = ISSUE_BASELINE,
                                    .horizon_s = horizon_s,
                                    .since_ms = court->close_ms - SCORE_WINDOW_S * MS_PER_S};
    struct score_contender contenders[CONTENDERS_MAX];
    struct serve_sums none = {0};
    size_t count;
    if (score_rows_contest(court->work->db, court->work->arena, &contest, contenders, CONTENDERS_MAX, &count) < 0)
        return -1;
    const struct serve_sums *sums = &none;
    for (size_t i = 0; i < count; i++)
        if (strcmp(contenders[i].model, ISSUE_ENSEMBLE) == 0)
            sums = &contenders[i].sums;
    choice->decision = serve_decide(sums, strcmp(was, ISSUE_BASELINE) != 0);
    choice->model = choice->decision.wins ? ISSUE_ENSEMBLE : ISSUE_BASELINE;
    choice->n = sums->n;
    return 0;
}

/* Single models against the house. Who is champion stays it while it keeps its lead; else the one with the strongest
 * evidence. */
static int hear_challengers(struct court *court, int64_t horizon_s, const char *was, struct choice *choice)
{
    struct score_contest contest = {.feed = court->feed,
                                    .champion = choice->model,
                                    .horizon_s = horizon_s,
                                    .since_ms = court->close_ms - SCORE_WINDOW_S * MS_PER_S};
    struct score_contender contenders[CONTENDERS_MAX];
    const struct model *found;
    size_t count, singles = 0;
    double best_p = 1.0;
    if (score_rows_contest(court->work->db, court->work->arena, &contest, contenders, CONTENDERS_MAX, &count) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        singles += model_find(contenders[i].model) != NULL && strcmp(contenders[i].model, ISSUE_BASELINE) != 0;
    for (size_t i = 0; i < count; i++) {
        found = model_find(contenders[i].model);
        if (found == NULL || strcmp(found->name, ISSUE_BASELINE) == 0)
            continue;
        bool was_it = strcmp(found->name, was) == 0;
        struct serve_decision decision = serve_challenge(&contenders[i].sums, singles, was_it);
        if (!decision.wins || (!was_it && decision.p >= best_p))
            continue;
        best_p = was_it ? -1.0 : decision.p;
        *choice = (struct choice){.model = found->name, .decision = decision, .n = contenders[i].sums.n};
    }
    return 0;
}

/* Live scores of the ensemble since training was last asked for, against what they were before. */
static int look_for_drift(struct court *court, int64_t horizon_s)
{
    struct work *work = court->work;
    struct db_rows rows;
    int64_t since_ms;
    size_t first;
    if (verdict_last_drift(work->db, work->arena, court->feed, horizon_s, &since_ms) < 0 ||
        db_query(work->db, work->arena, SQL_DRIFT, &rows, DB_TEXT(court->feed), DB_I64(horizon_s),
                 DB_TEXT(ISSUE_ENSEMBLE), DB_I64(court->close_ms - SCORE_WINDOW_S * MS_PER_S), DB_END) < 0)
        return -1;
    struct drift_row *tested = arena_array(work->arena, rows.count + 1, sizeof(*tested));
    size_t count = thin_out(&rows, horizon_s, since_ms, tested, &first);
    struct drift_verdict drift = drift_test(tested, count, first);
    if (!drift.drifted)
        return 0;
    struct verdict_row row = {.feed = court->feed,
                              .kind = "drift",
                              .horizon_s = horizon_s,
                              .model = ISSUE_ENSEMBLE,
                              .state = "retrain",
                              .previous = "",
                              .reason = drift.reason,
                              .p = -1,
                              .n = drift.tested,
                              .n_effective = (double)drift.tested,
                              .decided_at = court->close_ms};
    log_warn("drift.found", "%" PRId64 " s ahead %s (sums %.1f and %.1f, limit %.1f)", horizon_s, drift.reason,
             drift.loss, drift.miss, DRIFT_LIMIT);
    if (verdict_save(work->db, &row, clock_wall_ms()) < 0)
        return -1;
    return ask_for_training(court, horizon_s);
}

/* Every so many-th forecast, so that none overlaps the next; *first is the first that is to be tested. */
static size_t thin_out(const struct db_rows *rows, int64_t horizon_s, int64_t since_ms, struct drift_row *tested,
                       size_t *first)
{
    size_t count = 0;
    int64_t next_ms = INT64_MIN;
    *first = SIZE_MAX;
    for (size_t i = 0; i < rows->count; i++) {
        int64_t issued_at = db_i64(rows, i, 0);
        if (issued_at < next_ms)
            continue;
        next_ms = issued_at + horizon_s * MS_PER_S;
        if (*first == SIZE_MAX && db_bool(rows, i, 4) && issued_at > since_ms)
            *first = count;
        tested[count++] = (struct drift_row){
            .crps = db_f64(rows, i, 1), .crps_baseline = db_f64(rows, i, 2), .missed_90 = db_bool(rows, i, 3)};
    }
    if (*first > count)
        *first = count;
    return count;
}

static int ask_for_training(struct court *court, int64_t horizon_s)
{
    struct arena *arena = court->work->arena;
    struct job_request request = {
        .kind = "train",
        .lane = "heavy",
        .priority = PRIORITY_DRIFT,
        .unique_key = arena_printf(arena, "%s drift %" PRId64 "@%" PRId64, court->feed, horizon_s, court->close_ms),
        .payload = arena_printf(arena, "{\"feed\":\"%s\",\"at\":%" PRId64 ",\"cause\":\"drift\"}", court->feed,
                                court->close_ms)};
    return queue_add(court->work->db, &request, clock_wall_ms(), NULL);
}
