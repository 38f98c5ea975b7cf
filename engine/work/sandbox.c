/* Job "sandbox": a small world for test keys, made once for each release. Its prices are the simulator's, from a fixed seed to
 * a fixed instant, and go through the same models, rows and renderers as real ones; so integrators meet every field, and
 * the same bytes each day. The feed never runs and is never active: nothing is forecast, scored or streamed from it.
 *
 *     simulator -> candle rows -> history -> issue -> [ feed, candles, batch, forecasts, job done ]
 *
 * Not in the ledger, which is a proof about the market: its forecasts name entry 0. Not scored either: skill is null. The
 * ensemble is served at all horizons, without the evidence that the market would have to give.
 */
#include "core/arena.h"
#include "core/clock.h"
#include "core/err.h"
#include "core/log.h"
#include "eval/issue.h"
#include "ledger/chain.h"
#include "market/candle.h"
#include "market/candles.h"
#include "market/feed.h"
#include "market/feed_setup.h"
#include "market/simulator.h"
#include "models/series.h"
#include "store/db.h"
#include "work/batch_rows.h"
#include "work/history.h"
#include "work/state_rows.h"
#include "work/work.h"

#define SANDBOX_SEED 2025
#define SANDBOX_ORIGIN_MS INT64_C(1735689600000) /* 2025-01-01T00:00:00Z, in market and in wall time */
#define SANDBOX_HOURS (FEED_HISTORY_DAYS * 24)

static const char SQL_FEED[] =
    "INSERT INTO feed (feed, symbol, state, market0_ms, wall0_ms, speed, provider, begin_ms, end_ms, origin, note)"
    " VALUES ($1, $2, 'paused', $3, $3, 1, 'simulate', $3, $3, $1,"
    " 'Sandbox data for tests: made-up prices that never change. This is not a market.') ON CONFLICT (feed) DO NOTHING";
/* Forecasts are for ever, candles need not be: nobody reads those of an earlier release any more. */
static const char SQL_FORGET[] = "DELETE FROM candle WHERE feed LIKE 'sandbox:%' AND feed <> $1";
static const char SQL_NOTIFY[] = "SELECT pg_notify('" WORK_CHANNEL_FORECAST "', $1)";

static int make(struct work *work);
static int save_candles(struct work *work);
static int save_batch(struct work *work);

int work_sandbox(struct work *work)
{
    bool exists;
    if (batch_exists(work->db, work->arena, FEED_SANDBOX, SANDBOX_ORIGIN_MS, &exists) < 0)
        return -1;
    if (exists)
        return queue_complete(work->db, work->job, clock_wall_ms());
    if (db_begin(work->db) < 0)
        return -1;
    if (make(work) < 0 || db_exec(work->db, SQL_NOTIFY, NULL, DB_TEXT(FEED_SANDBOX), DB_END) < 0 ||
        queue_complete(work->db, work->job, clock_wall_ms()) < 0 || db_commit(work->db) < 0) {
        db_rollback(work->db);
        return err_wrap("while making the sandbox");
    }
    log_info("sandbox.made", "the data for test keys is ready");
    return 0;
}

static int make(struct work *work)
{
    if (db_exec(work->db, SQL_FEED, NULL, DB_TEXT(FEED_SANDBOX), DB_TEXT(work->settings->symbol),
                DB_I64(SANDBOX_ORIGIN_MS), DB_END) < 0 ||
        db_exec(work->db, SQL_FORGET, NULL, DB_TEXT(FEED_SANDBOX), DB_END) < 0 ||
        state_rows_save_models(work->db) < 0 || save_candles(work) < 0)
        return -1;
    work->beat(work->ctx);
    return save_batch(work);
}

static int save_candles(struct work *work)
{
    struct simulator simulator;
    struct candle *candles = arena_array(work->arena, SANDBOX_HOURS, sizeof(*candles));
    struct candle_changes changes = {0};
    struct candle_batch batch = {.feed = FEED_SANDBOX,
                                 .interval_s = HISTORY_STEP_S,
                                 .source = "simulate",
                                 .quote = "USD",
                                 .source_count = 1,
                                 .known_wall_ms = SANDBOX_ORIGIN_MS,
                                 .candles = candles,
                                 .count = SANDBOX_HOURS};
    simulator_init(&simulator, SANDBOX_SEED, SANDBOX_ORIGIN_MS - SANDBOX_HOURS * MS_PER_HOUR);
    for (size_t i = 0; i < SANDBOX_HOURS; i++)
        simulator_next(&simulator, &candles[i]);
    return candles_save(work->db, &batch, &changes);
}

static int save_batch(struct work *work)
{
    int64_t horizons_s[HORIZON_COUNT], batch_id;
    const char *served[HORIZON_COUNT];
    for (size_t i = 0; i < HORIZON_COUNT; i++) {
        horizons_s[i] = horizons[i].seconds;
        served[i] = ISSUE_ENSEMBLE;
    }
    struct issue_options options = {
        .horizons_s = horizons_s, .horizon_count = HORIZON_COUNT, .seed = SANDBOX_ORIGIN_MS / MS_PER_HOUR};
    struct history_query query = {.feed = FEED_SANDBOX,
                                  .end_ms = SANDBOX_ORIGIN_MS,
                                  .points = issue_points(&options, HISTORY_STEP_S * MS_PER_S)};
    struct batch_row row = {.feed = FEED_SANDBOX,
                            .release = BTCF_VERSION,
                            .id_prefix = "fc_sandbox-" BTCF_VERSION,
                            .issued_at = SANDBOX_ORIGIN_MS,
                            .created_wall_ms = SANDBOX_ORIGIN_MS};
    struct batch_choice choice = {.horizons_s = horizons_s, .models = served, .count = HORIZON_COUNT};
    struct series series;
    struct issue issue;
    if (history_load(work->db, work->arena, &query, &series) < 0 ||
        history_sources(work->db, work->arena, &query, &row.sources) < 0 ||
        issue_make(work->arena, &series, &options, &issue) < 0)
        return -1;
    char data_hash[DIGEST_HEX_SIZE];
    ledger_data_hash(series.close, series.count, data_hash);
    row.data_hash = data_hash;
    return batch_save(work->db, &row, &issue, &choice, &batch_id);
}
