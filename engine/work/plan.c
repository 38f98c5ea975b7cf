/* What is due? Compares what the tables hold with what they should hold and adds the difference as jobs.
 *
 * forecast      the newest 1h close of the served feed has no batch yet
 * score         a target time has passed whose candle is known, and its score is missing
 * accuracy      scores have come in since the scoreboard was last summed up
 * train         a refit instant has come since models were last trained by schedule
 * walk_forward  a feed has its first batch and this release has not scored its past yet
 * sandbox       this release has not made its sandbox yet
 *
 * Closes that were missed are not made up for: a forecast issued after its target has begun to be known is no forecast.
 */
#include <inttypes.h>
#include <string.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/err.h"
#include "eval/fits.h"
#include "market/candles.h"
#include "market/feed.h"
#include "store/db.h"
#include "work/history.h"
#include "work/score_rows.h"
#include "work/work.h"

#define PRIORITY_FORECAST 10
#define PRIORITY_SCORE 0
#define PRIORITY_SANDBOX 10
#define PRIORITY_TRAIN 5
#define PRIORITY_ACCURACY 3
#define ACCURACY_EVERY_MS (INT64_C(15) * MS_PER_S)
/* It goes on where it was killed, so machines that are switched off at night need not start over. */
#define WALK_FORWARD_ATTEMPTS_MAX 1000
/* A close older than this is not forecast from any more: an hour of market time, and a minute of wall time for
 * feeds that run fast. */
#define CLOSE_AGE_MAX_MS MS_PER_HOUR
#define CLOSE_AGE_WALL_MS (INT64_C(60) * MS_PER_S)

/* Index: unique (feed, issued_at). */
static const char SQL_LAST_BATCH[] = "SELECT coalesce(max(issued_at), 0) FROM batch WHERE feed = $1";
/* Columns: newest change of a score, of the scoreboard. Indexes: score_change; the scoreboard is small. */
static const char SQL_SCORE_CHANGES[] = "SELECT coalesce((SELECT max(change) FROM score), 0),"
                                        " coalesce((SELECT max(change) FROM accuracy WHERE feed = $1), 0)";
/* Index: unique (kind, unique_key). */
static const char SQL_PLANNED[] = "SELECT 1 FROM job WHERE kind = $1 AND unique_key = $2";

static int plan_forecast(struct db *db, struct arena *arena, const struct feed *feed, int64_t now_wall_ms);
static int plan_score(struct db *db, struct arena *arena, const struct feed *feed, int64_t now_wall_ms);
static int plan_walk_forward(struct db *db, struct arena *arena, const struct feed *feed, int64_t now_wall_ms);
static int plan_accuracy(struct db *db, struct arena *arena, const struct feed *feed, int64_t now_wall_ms);
static int plan_train(struct db *db, struct arena *arena, const struct feed *feed, int64_t now_wall_ms);
static int plan_sandbox(struct db *db, struct arena *arena, int64_t now_wall_ms);
static int is_planned(struct db *db, struct arena *arena, const struct job_request *request, bool *planned);
static int last_batch(struct db *db, struct arena *arena, const struct feed *feed, int64_t *issued_at);

int work_plan(struct db *db, struct arena *arena, const struct settings *settings, const char *lane,
              int64_t now_wall_ms)
{
    struct feed feed;
    if (strcmp(lane, "heavy") == 0 && plan_sandbox(db, arena, now_wall_ms) < 0)
        return err_wrap("while planning the sandbox");
    if (feed_load_active(db, settings->symbol, &feed) < 0) {
        if (err_kind() != E_MISSING)
            return err_wrap("while planning");
        err_clear();
        return 0;
    }
    if (strcmp(lane, "heavy") == 0 && plan_train(db, arena, &feed, now_wall_ms) < 0)
        return err_wrap("while planning to train");
    if (strcmp(lane, "heavy") == 0 && plan_accuracy(db, arena, &feed, now_wall_ms) < 0)
        return err_wrap("while planning the scoreboard");
    if (strcmp(lane, "heavy") == 0 && settings->walk_forward_days > 0)
        return plan_walk_forward(db, arena, &feed, now_wall_ms);
    if (strcmp(lane, "fast") != 0)
        return 0;
    if (plan_forecast(db, arena, &feed, now_wall_ms) < 0)
        return -1;
    return plan_score(db, arena, &feed, now_wall_ms);
}

static int plan_forecast(struct db *db, struct arena *arena, const struct feed *feed, int64_t now_wall_ms)
{
    int64_t close_ms, issued_at;
    if (candles_last_close_ms(db, feed->name, HISTORY_STEP_S, &close_ms) < 0)
        return err_wrap("while planning forecasts");
    if (close_ms == INT64_MIN || close_ms < feed->begin_ms)
        return 0;
    int64_t age_ms = feed_market_ms(feed, now_wall_ms) - close_ms;
    if (age_ms > CLOSE_AGE_MAX_MS + (int64_t)((double)CLOSE_AGE_WALL_MS * feed->speed))
        return 0;
    if (last_batch(db, arena, feed, &issued_at) < 0 || issued_at >= close_ms)
        return issued_at >= close_ms ? 0 : err_wrap("while planning forecasts");

    struct job_request request = {
        .kind = "forecast",
        .lane = "fast",
        .priority = PRIORITY_FORECAST,
        .unique_key = arena_printf(arena, "%s@%" PRId64, feed->name, close_ms),
        .payload = arena_printf(arena, "{\"feed\":\"%s\",\"issued_at\":%" PRId64 "}", feed->name, close_ms),
    };
    return queue_add(db, &request, now_wall_ms, NULL);
}

static int plan_score(struct db *db, struct arena *arena, const struct feed *feed, int64_t now_wall_ms)
{
    int64_t close_ms, forecast_id;
    if (candles_last_close_ms(db, feed->name, HISTORY_STEP_S, &close_ms) < 0)
        return err_wrap("while planning scores");
    if (close_ms == INT64_MIN)
        return 0;
    if (score_rows_first_due(db, arena, feed->name, close_ms, &forecast_id) < 0)
        return err_wrap("while planning scores");
    if (forecast_id == 0)
        return 0;
    /* The key moves on with the close and with what is left, so a run that did part of the work is followed by another
     * while one that failed for good is not repeated until the next close. */
    struct job_request request = {
        .kind = "score",
        .lane = "fast",
        .priority = PRIORITY_SCORE,
        .unique_key = arena_printf(arena, "%s@%" PRId64 "+%" PRId64, feed->name, close_ms, forecast_id),
        .payload = arena_printf(arena, "{\"feed\":\"%s\"}", feed->name),
    };
    return queue_add(db, &request, now_wall_ms, NULL);
}

static int plan_walk_forward(struct db *db, struct arena *arena, const struct feed *feed, int64_t now_wall_ms)
{
    int64_t issued_at;
    bool planned;
    struct job_request request = {
        .kind = "walk_forward",
        .lane = "heavy",
        .attempts_max = WALK_FORWARD_ATTEMPTS_MAX,
        .unique_key = arena_printf(arena, "%s %s", feed->name, BTCF_VERSION),
    };
    if (is_planned(db, arena, &request, &planned) < 0)
        return err_wrap("while planning the walk-forward");
    if (planned)
        return 0;
    if (last_batch(db, arena, feed, &issued_at) < 0)
        return err_wrap("while planning the walk-forward");
    if (issued_at == 0)
        return 0;
    int64_t begin_ms = feed->begin_ms == INT64_MIN ? issued_at : feed->begin_ms;
    request.payload = arena_printf(arena, "{\"feed\":\"%s\",\"begin\":%" PRId64 "}", feed->name, begin_ms);
    return queue_add(db, &request, now_wall_ms, NULL);
}

/* At most once in ACCURACY_EVERY_MS, and once for what has come in. */
static int plan_accuracy(struct db *db, struct arena *arena, const struct feed *feed, int64_t now_wall_ms)
{
    struct db_rows rows;
    bool planned;
    if (db_query(db, arena, SQL_SCORE_CHANGES, &rows, DB_TEXT(feed->name), DB_END) < 0)
        return -1;
    if (db_i64(&rows, 0, 0) <= db_i64(&rows, 0, 1))
        return 0;
    struct job_request request = {.kind = "accuracy",
                                  .lane = "heavy",
                                  .priority = PRIORITY_ACCURACY,
                                  .unique_key =
                                      arena_printf(arena, "%s@%" PRId64, feed->name, now_wall_ms / ACCURACY_EVERY_MS),
                                  .payload = arena_printf(arena, "{\"feed\":\"%s\"}", feed->name)};
    if (is_planned(db, arena, &request, &planned) < 0)
        return -1;
    return planned ? 0 : queue_add(db, &request, now_wall_ms, NULL);
}

/* Once for each day, and for each instant at which some model is due between; what is stored already costs nothing. A
 * state of another release is none of ours, so a new one trains at once. */
static int plan_train(struct db *db, struct arena *arena, const struct feed *feed, int64_t now_wall_ms)
{
    int64_t close_ms;
    bool planned;
    if (candles_last_close_ms(db, feed->name, HISTORY_STEP_S, &close_ms) < 0)
        return -1;
    if (close_ms == INT64_MIN)
        return 0;
    int64_t instant_ms = time_floor(close_ms, FITS_EARLY_S * MS_PER_S);
    for (size_t m = 0; models[m] != NULL; m++)
        if (models[m]->refit_s > 0 && fits_instant(models[m], close_ms) > instant_ms)
            instant_ms = fits_instant(models[m], close_ms);
    struct job_request request = {.kind = "train",
                                  .lane = "heavy",
                                  .priority = PRIORITY_TRAIN,
                                  .unique_key =
                                      arena_printf(arena, "%s %s@%" PRId64, feed->name, BTCF_VERSION, instant_ms)};
    if (is_planned(db, arena, &request, &planned) < 0)
        return -1;
    if (planned)
        return 0;
    request.payload =
        arena_printf(arena, "{\"feed\":\"%s\",\"at\":%" PRId64 ",\"cause\":\"schedule\"}", feed->name, close_ms);
    return queue_add(db, &request, now_wall_ms, NULL);
}

/* Before the walk-forward, which takes minutes. */
static int plan_sandbox(struct db *db, struct arena *arena, int64_t now_wall_ms)
{
    struct job_request request = {.kind = "sandbox",
                                  .lane = "heavy",
                                  .priority = PRIORITY_SANDBOX,
                                  .unique_key = FEED_SANDBOX,
                                  .payload = "{}"};
    bool planned;
    if (is_planned(db, arena, &request, &planned) < 0)
        return -1;
    return planned ? 0 : queue_add(db, &request, now_wall_ms, NULL);
}

static int is_planned(struct db *db, struct arena *arena, const struct job_request *request, bool *planned)
{
    struct db_rows rows;
    if (db_query(db, arena, SQL_PLANNED, &rows, DB_TEXT(request->kind), DB_TEXT(request->unique_key), DB_END) < 0)
        return -1;
    *planned = rows.count > 0;
    return 0;
}

static int last_batch(struct db *db, struct arena *arena, const struct feed *feed, int64_t *issued_at)
{
    struct db_rows rows;
    *issued_at = 0;
    if (db_query(db, arena, SQL_LAST_BATCH, &rows, DB_TEXT(feed->name), DB_END) < 0)
        return err_wrap("while looking for the newest batch of %s", feed->name);
    *issued_at = db_i64(&rows, 0, 0);
    return 0;
}
