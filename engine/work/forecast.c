/* Job "forecast": a 1h candle has closed; make all forecasts from it and store them, with their ledger entry, in the
 * transaction that ends the job. Only committed rows are ever published.
 *
 *     history -> issue -> which is served? -> [ batch, forecasts, ledger entry, job done ]
 *
 * The seed of models that draw is the number of the hour since 1970, so a batch can be recomputed from its row.
 */
#include <inttypes.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/err.h"
#include "core/log.h"
#include "core/metrics.h"
#include "eval/issue.h"
#include "ledger/chain.h"
#include "market/candle.h"
#include "market/candles.h"
#include "market/feed.h"
#include "models/series.h"
#include "store/db.h"
#include "work/batch_rows.h"
#include "work/calibration_rows.h"
#include "work/history.h"
#include "work/keep.h"
#include "work/verdict_rows.h"
#include "work/work.h"

static const char SQL_NOTIFY[] = "SELECT pg_notify('" WORK_CHANNEL_FORECAST "', $1)";

/* What one run is about. */
struct run {
    const char *feed;
    int64_t issued_at;
    int64_t horizons_s[HORIZON_COUNT];
    struct issue_options options;
    struct issue issue;
    struct batch_row row;
    const char *served[HORIZON_COUNT];
    struct calibration calibrations[HORIZON_COUNT];
    int64_t begun_us, known_us, loaded_us, made_us; /* when job, history, models and storing began */
};

static int is_obsolete(struct work *work, const struct run *run, bool *obsolete);
static int make_issue(struct work *work, struct run *run);
static int choose(struct work *work, struct run *run);
static int store(struct work *work, struct run *run);
static int end_without(struct work *work);

int work_forecast(struct work *work)
{
    struct run run = {.begun_us = clock_mono_us()};
    if (payload_text(work, "feed", &run.feed) < 0 || payload_i64(work, "issued_at", &run.issued_at) < 0)
        return -1;
    bool obsolete;
    if (is_obsolete(work, &run, &obsolete) < 0)
        return -1;
    if (obsolete)
        return end_without(work);
    for (size_t i = 0; i < HORIZON_COUNT; i++)
        run.horizons_s[i] = horizons[i].seconds;
    run.options = (struct issue_options){.horizons_s = run.horizons_s,
                                         .horizon_count = HORIZON_COUNT,
                                         .seed = (uint64_t)(run.issued_at / MS_PER_HOUR)};
    if (make_issue(work, &run) < 0 || choose(work, &run) < 0 || store(work, &run) < 0)
        return err_wrap("while forecasting %s from %" PRId64, run.feed, run.issued_at);
    metric_add(METRIC_forecasts_stored_total, (int64_t)run.issue.count);
    char issued_at[TIME_TEXT_SIZE];
    time_format(run.issued_at, issued_at);
    int64_t now_us = clock_mono_us();
    log_info("forecast.stored",
             "%zu forecasts of %s from %s at %.2f; ms: %.1f states, %.1f history, %.1f models, %.1f rows",
             run.issue.count, run.feed, issued_at, run.issue.origin_price,
             (double)(run.known_us - run.begun_us) / 1e3, (double)(run.loaded_us - run.known_us) / 1e3,
             (double)(run.made_us - run.loaded_us) / 1e3, (double)(now_us - run.made_us) / 1e3);
    return 0;
}

/* There is a batch already, or the market has moved on by a whole candle while the job waited: what came after the
 * origin is known by now, and a forecast that could have seen it proves nothing. */
static int is_obsolete(struct work *work, const struct run *run, bool *obsolete)
{
    int64_t close_ms;
    if (batch_exists(work->db, work->arena, run->feed, run->issued_at, obsolete) < 0 ||
        candles_last_close_ms(work->db, run->feed, HISTORY_STEP_S, &close_ms) < 0)
        return err_wrap("while looking whether to forecast %s", run->feed);
    *obsolete = *obsolete || close_ms > run->issued_at;
    return 0;
}

static int make_issue(struct work *work, struct run *run)
{
    struct series series;
    struct feed feed;
    if (feed_load_active(work->db, work->settings->symbol, &feed) < 0 ||
        keep_states(work->keep, work->db, run->feed, run->issued_at) < 0 ||
        calibration_rows_load(work->db, work->arena, run->feed, run->calibrations) < 0)
        return -1;
    run->known_us = clock_mono_us();
    run->options.fits = work->keep->fits;
    run->options.policy = FITS_NEWEST;
    run->options.calibrations = run->row.calibrations = run->calibrations;
    run->options.calibration_count = run->row.calibration_count = HORIZON_COUNT;
    struct history_query query = {.feed = run->feed,
                                  .end_ms = run->issued_at,
                                  .points = issue_points(&run->options, HISTORY_STEP_S * MS_PER_S)};
    if (history_follow(work->db, work->arena, work->keep->history, &query, &series, &run->row.sources) < 0)
        return -1;
    run->loaded_us = clock_mono_us();
    if (issue_make(work->arena, &series, &run->options, &run->issue) < 0)
        return -1;
    run->made_us = clock_mono_us();
    char *data_hash = arena_alloc(work->arena, DIGEST_HEX_SIZE);
    ledger_data_hash(series.close, series.count, data_hash);
    run->row.feed = run->feed;
    run->row.release = BTCF_VERSION;
    run->row.data_hash = data_hash;
    run->row.issued_at = run->issued_at;
    run->row.degraded = feed.degraded;
    for (size_t i = 0; i < run->issue.refusal_count; i++)
        log_warn("forecast.refused", "%s at %" PRId64 " s: %s", run->issue.refusals[i].model,
                 run->issue.refusals[i].horizon_s, run->issue.refusals[i].reason);
    return 0;
}

/* Who is champion was decided when scores came in (work/judge.c); before that the baseline is. */
static int choose(struct work *work, struct run *run)
{
    if (verdict_champions(work->db, work->arena, run->feed, run->served) < 0)
        return -1;
    for (size_t i = 0; i < HORIZON_COUNT; i++)
        if (run->served[i] == NULL)
            run->served[i] = ISSUE_BASELINE;
    return 0;
}

static int store(struct work *work, struct run *run)
{
    int64_t batch_id;
    struct ledger_entry entry;
    struct batch_choice choice = {.horizons_s = run->horizons_s, .models = run->served, .count = HORIZON_COUNT};
    run->row.created_wall_ms = clock_wall_ms();
    if (db_begin(work->db) < 0)
        return -1;
    if (batch_save(work->db, &run->row, &run->issue, &choice, &batch_id) < 0 ||
        ledger_append(work->db, work->arena, batch_id, run->row.created_wall_ms, &entry) < 0 ||
        db_exec(work->db, SQL_NOTIFY, NULL, DB_TEXT(run->feed), DB_END) < 0 ||
        queue_complete(work->db, work->job, clock_wall_ms()) < 0 || db_commit(work->db) < 0) {
        db_rollback(work->db);
        return -1;
    }
    return 0;
}

static int end_without(struct work *work)
{
    log_info("forecast.skipped", "a batch is stored already, or a newer candle has closed");
    return queue_complete(work->db, work->job, clock_wall_ms());
}
