/* Job "score": every forecast whose target has passed meets its truth. The scoreboard follows by itself (work/judge.c).
 *
 * One page of scores is one transaction, so a run that dies half way has done half the work; the next run finds the
 * rest. A run ends after SCORE_PAGES_MAX pages: whatever is left is planned again.
 */
#include <string.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/err.h"
#include "core/log.h"
#include "core/metrics.h"
#include "market/candles.h"
#include "store/db.h"
#include "work/calibration_rows.h"
#include "work/history.h"
#include "work/score_rows.h"
#include "work/work.h"

#define SCORE_PAGES_MAX 16

static const char SQL_NOTIFY[] = "SELECT pg_notify('" WORK_CHANNEL_SCORE "', '')";

static int score_page(struct work *work, const char *feed, int64_t close_ms, struct score_page *page);
static int score_all(const struct score_due *due, size_t count, int64_t *ids, struct scored *scored);
static int finish(struct work *work);

int work_score(struct work *work)
{
    const char *feed;
    int64_t close_ms;
    if (payload_text(work, "feed", &feed) < 0)
        return -1;
    if (candles_last_close_ms(work->db, feed, HISTORY_STEP_S, &close_ms) < 0)
        return err_wrap("while scoring %s", feed);

    size_t total = 0;
    for (int page = 0; page < SCORE_PAGES_MAX; page++) {
        struct score_page scores = {0};
        if (score_page(work, feed, close_ms, &scores) < 0) {
            db_rollback(work->db);
            return err_wrap("while scoring %s", feed);
        }
        total += scores.count;
        work->beat(work->ctx);
        if (scores.is_last)
            break;
    }
    if (finish(work) < 0)
        return err_wrap("while finishing the scores of %s", feed);
    metric_add(METRIC_scores_stored_total, (int64_t)total);
    log_info("score.stored", "%zu forecasts of %s met their truth", total, feed);
    return 0;
}

/* One transaction: the forecasts that are due meet their truth, and the calibration learns from them, in their order. On
 * -1 the caller rolls back. */
static int score_page(struct work *work, const char *feed, int64_t close_ms, struct score_page *page)
{
    struct calibration before[HORIZON_COUNT], calibrations[HORIZON_COUNT];
    if (db_begin(work->db) < 0 || queue_guard(work->db, work->job) < 0 || calibration_rows_lock(work->db, feed) < 0 ||
        score_rows_load_due(work->db, work->arena, feed, close_ms, page) < 0)
        return -1;
    if (page->count == 0)
        return db_commit(work->db);
    int64_t *ids = arena_array(work->arena, page->count, sizeof(*ids));
    struct scored *scored = arena_array(work->arena, page->count, sizeof(*scored));
    if (score_all(page->due, page->count, ids, scored) < 0 ||
        calibration_rows_load(work->db, work->arena, feed, calibrations) < 0)
        return -1;
    memcpy(before, calibrations, sizeof(before));
    if (calibration_rows_learn(calibrations, page->due, page->count) < 0 ||
        score_rows_save_live(work->db, ids, scored, page->count, clock_wall_ms()) < 0 ||
        calibration_rows_save(work->db, feed, before, calibrations, close_ms) < 0)
        return -1;
    return db_commit(work->db);
}

static int score_all(const struct score_due *due, size_t count, int64_t *ids, struct scored *scored)
{
    for (size_t i = 0; i < count; i++) {
        struct score baseline;
        ids[i] = due[i].forecast_id;
        scored[i].actual = due[i].actual;
        if (score_make(due[i].price, due[i].origin_price, due[i].actual, &scored[i].score) < 0 ||
            score_make(due[i].baseline, due[i].origin_price, due[i].actual, &baseline) < 0)
            return err_wrap("while scoring forecast %lld", (long long)due[i].forecast_id);
        scored[i].crps_baseline = baseline.crps;
        scored[i].width_90_baseline = baseline.width[SCORE_INTERVAL_90];
    }
    return 0;
}

static int finish(struct work *work)
{
    if (db_begin(work->db) < 0)
        return -1;
    if (queue_complete(work->db, work->job, clock_wall_ms()) < 0 || db_exec(work->db, SQL_NOTIFY, NULL, DB_END) < 0 ||
        db_commit(work->db) < 0) {
        db_rollback(work->db);
        return -1;
    }
    return 0;
}
