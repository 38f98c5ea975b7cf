/* Job "walk_forward": what would this release have forecast before the feed began, and how would it have fared?
 *
 * Origins every WALK_STRIDE_S over the last settings.walk_forward_days before the feed's begin, each seen through a
 * series cut at the origin (eval/issue.h cannot look beyond its end); only targets at or before the begin count, so a
 * replay's future stays unseen. Scores are labelled walk_forward wherever they are shown.
 *
 * Outcomes teach as they do live (eval/lessons.h), so the ensemble that is scored is calibrated as the served one is; at
 * the end the calibration goes on with what has been scored live meanwhile, and becomes the feed's.
 *
 * Work is stored in chunks of origins. A run that is taken up again walks all of them again, for their lessons, but stores
 * only what is not there yet. Progress stands in the row "walk_forward" of the table component.
 */
#include <inttypes.h>
#include <string.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/err.h"
#include "core/log.h"
#include "eval/issue.h"
#include "eval/lessons.h"
#include "market/candle.h"
#include "models/series.h"
#include "store/db.h"
#include "work/calibration_rows.h"
#include "work/desk.h"
#include "work/history.h"
#include "work/score_rows.h"
#include "work/work.h"

#define CHUNK_ORIGINS 24
#define CHUNK_ARENA_BYTES (256u << 20)
/* Forecasts of one origin: horizons times models, the ensemble among them. */
#define ORIGIN_FORECASTS_MAX 512

static const char SQL_COMPONENT[] =
    "INSERT INTO component (name, state, detail, done, total, updated_wall_ms) VALUES ('walk_forward', $1, $2, $3, $4, $5)"
    " ON CONFLICT (name) DO UPDATE SET state = excluded.state, detail = excluded.detail, done = excluded.done,"
    " total = excluded.total, updated_wall_ms = excluded.updated_wall_ms, change = nextval('change_seq')";
/* Another release's scores say nothing about this one. */
static const char SQL_FORGET[] = "DELETE FROM score WHERE feed = $1 AND origin = 'walk_forward' AND release <> $2";
/* Index: score_due does not serve issued_at, but a feed has some thousands of these rows and this runs once a job. */
static const char SQL_RESUME[] =
    "SELECT coalesce(max(issued_at), 0) FROM score WHERE feed = $1 AND origin = 'walk_forward'";
static const char SQL_NOTIFY[] = "SELECT pg_notify('" WORK_CHANNEL_SCORE "', '')";

struct walk {
    const char *feed;
    int64_t begin_ms, first_ms; /* origins in [first_ms, begin_ms) */
    size_t total, done;
    struct series series; /* up to begin_ms */
    int64_t horizons_s[HORIZON_COUNT];
    struct issue_options options;
    struct fits *fits;
    struct lessons *lessons; /* what outcomes teach along the way */
    int64_t stored_ms;       /* scores up to this origin are stored already */
};

/* Scores of one model at one horizon, collected over a chunk. */
struct group {
    const char *model;
    int64_t horizon_s;
    size_t count;
    int64_t issued_at[CHUNK_ORIGINS];
    double origin_price[CHUNK_ORIGINS];
    struct scored scored[CHUNK_ORIGINS];
};

/* All groups of a chunk. */
struct chunk {
    size_t count;
    struct group groups[ORIGIN_FORECASTS_MAX];
};

static int walk_all(struct work *work, struct walk *walk);
static int prepare(struct work *work, struct walk *walk);
static int resume(struct work *work, struct walk *walk);
static int walk_chunk(struct work *work, struct walk *walk);
static int walk_origin(struct arena *arena, const struct walk *walk, int64_t origin_ms, struct chunk *chunk);
static int collect(const struct walk *walk, const struct issue *issue, const struct issue_forecast *forecast,
                   struct chunk *chunk);
static struct group *group_of(struct chunk *chunk, const char *model, int64_t horizon_s);
static int store_chunk(struct work *work, const struct walk *walk, const struct chunk *chunk);
static int report(struct work *work, const struct walk *walk, const char *state);
static int finish(struct work *work, struct walk *walk);
static int hand_over(struct work *work, struct walk *walk);

int work_walk_forward(struct work *work)
{
    struct walk walk = {0};
    if (payload_text(work, "feed", &walk.feed) < 0 || payload_i64(work, "begin", &walk.begin_ms) < 0)
        return -1;
    walk.fits = fits_create(FITS_BYTES_MAX);
    for (size_t i = 0; i < HORIZON_COUNT; i++)
        walk.horizons_s[i] = horizons[i].seconds;
    walk.lessons = lessons_create(walk.horizons_s, HORIZON_COUNT);
    int result = prepare(work, &walk);
    if (result == 0)
        result = walk_all(work, &walk);
    if (result == 0)
        result = finish(work, &walk);
    lessons_free(&walk.lessons);
    fits_free(&walk.fits);
    if (result < 0)
        return err_wrap("while walking %s forward", walk.feed);
    log_info("walk_forward.done", "%zu origins of %s scored", walk.total, walk.feed);
    return 0;
}

static int walk_all(struct work *work, struct walk *walk)
{
    while (walk->done < walk->total) {
        if (work->should_stop(work->ctx))
            return err_set(E_TIMEOUT, "told to stop after %zu of %zu origins", walk->done, walk->total);
        if (walk_chunk(work, walk) < 0)
            return -1;
    }
    return 0;
}

static int prepare(struct work *work, struct walk *walk)
{
    walk->options = (struct issue_options){
        .horizons_s = walk->horizons_s, .horizon_count = HORIZON_COUNT, .fits = walk->fits, .policy = FITS_EXACT};
    int64_t step_ms = HISTORY_STEP_S * MS_PER_S;
    int64_t span_ms = work->settings->walk_forward_days * MS_PER_DAY;
    struct history_query query = {.feed = walk->feed,
                                  .end_ms = walk->begin_ms,
                                  .points = issue_points(&walk->options, step_ms) + (size_t)(span_ms / step_ms)};
    if (history_load(work->db, work->arena, &query, &walk->series) < 0)
        return -1;
    /* Half of what models would like is the least to begin with: early origins get less. */
    int64_t oldest_ms = walk->begin_ms - (int64_t)walk->series.count / 2 * step_ms;
    walk->first_ms = walk->begin_ms - span_ms > oldest_ms ? walk->begin_ms - span_ms : oldest_ms;
    int64_t stride_ms = WALK_STRIDE_S * MS_PER_S;
    walk->total = (size_t)((walk->begin_ms - walk->first_ms) / stride_ms);
    walk->first_ms = walk->begin_ms - (int64_t)walk->total * stride_ms;
    if (resume(work, walk) < 0)
        return -1;
    return report(work, walk, "running");
}

/* What was stored before stays; but every origin is walked again, for each teaches something to the ones after it. */
static int resume(struct work *work, struct walk *walk)
{
    struct db_rows rows;
    if (db_exec(work->db, SQL_FORGET, NULL, DB_TEXT(walk->feed), DB_TEXT(BTCF_VERSION), DB_END) < 0 ||
        db_query(work->db, work->arena, SQL_RESUME, &rows, DB_TEXT(walk->feed), DB_END) < 0)
        return err_wrap("while looking where to go on");
    walk->stored_ms = db_i64(&rows, 0, 0);
    return 0;
}

static int walk_chunk(struct work *work, struct walk *walk)
{
    struct arena *arena = arena_create("walk_forward.chunk", CHUNK_ARENA_BYTES);
    struct chunk *chunk = arena_alloc(arena, sizeof(*chunk));
    int result = 0;
    for (size_t i = 0; i < CHUNK_ORIGINS && walk->done < walk->total && result == 0; i++) {
        int64_t origin_ms = walk->first_ms + (int64_t)walk->done * WALK_STRIDE_S * MS_PER_S;
        result = walk_origin(arena, walk, origin_ms, chunk);
        walk->done++;
        work->beat(work->ctx);
    }
    if (result == 0)
        result = store_chunk(work, walk, chunk);
    arena_free(&arena);
    if (result == 0)
        result = report(work, walk, "running");
    return result;
}

static int walk_origin(struct arena *arena, const struct walk *walk, int64_t origin_ms, struct chunk *chunk)
{
    struct issue issue;
    struct issue_options options = walk->options;
    struct series past = series_head(&walk->series, series_count_at(&walk->series, origin_ms));
    options.seed = (uint64_t)(origin_ms / MS_PER_HOUR);
    if (lessons_learn(walk->lessons, &past) < 0 || issue_make(arena, &past, &options, &issue) < 0)
        return err_wrap("while forecasting from %" PRId64, origin_ms);
    for (size_t i = 0; i < issue.members_count; i++)
        if (lessons_note(walk->lessons, origin_ms, &issue.members[i]) < 0)
            return -1;
    if (origin_ms <= walk->stored_ms)
        return 0;
    for (size_t i = 0; i < issue.count; i++)
        if (collect(walk, &issue, &issue.forecasts[i], chunk) < 0)
            return err_wrap("while scoring the forecasts from %" PRId64, origin_ms);
    return 0;
}

/* Scores one forecast into its group, if its target is known and the baseline answered as well. */
static int collect(const struct walk *walk, const struct issue *issue, const struct issue_forecast *forecast,
                   struct chunk *chunk)
{
    int64_t target_ms = issue->origin_ms + forecast->horizon_s * MS_PER_S;
    const struct issue_forecast *baseline = issue_find(issue, ISSUE_BASELINE, forecast->horizon_s);
    if (target_ms > walk->begin_ms || baseline == NULL)
        return 0;
    struct group *group = group_of(chunk, forecast->model, forecast->horizon_s);
    if (group == NULL)
        return err_set(E_LIMIT, "more than %d models times horizons", ORIGIN_FORECASTS_MAX);
    struct score score;
    struct scored *scored = &group->scored[group->count];
    scored->actual = walk->series.close[series_count_at(&walk->series, target_ms) - 1];
    if (score_make(forecast->price, issue->origin_price, scored->actual, &scored->score) < 0 ||
        score_make(baseline->price, issue->origin_price, scored->actual, &score) < 0)
        return -1;
    scored->crps_baseline = score.crps;
    scored->width_90_baseline = score.width[SCORE_INTERVAL_90];
    group->issued_at[group->count] = issue->origin_ms;
    group->origin_price[group->count++] = issue->origin_price;
    return 0;
}

/* Model names are literals of the registry, so their addresses would do; comparing texts asks for less. */
static struct group *group_of(struct chunk *chunk, const char *model, int64_t horizon_s)
{
    for (size_t i = 0; i < chunk->count; i++)
        if (chunk->groups[i].horizon_s == horizon_s && str_is(str_of(chunk->groups[i].model), model))
            return &chunk->groups[i];
    if (chunk->count == ORIGIN_FORECASTS_MAX)
        return NULL;
    struct group *group = &chunk->groups[chunk->count++];
    group->model = model;
    group->horizon_s = horizon_s;
    return group;
}

static int store_chunk(struct work *work, const struct walk *walk, const struct chunk *chunk)
{
    if (db_begin(work->db) < 0)
        return -1;
    int result = queue_guard(work->db, work->job);
    for (size_t i = 0; i < chunk->count && result == 0; i++) {
        const struct group *group = &chunk->groups[i];
        struct score_group rows = {.feed = walk->feed,
                                   .model = group->model,
                                   .horizon_s = group->horizon_s,
                                   .count = group->count,
                                   .issued_at = group->issued_at,
                                   .origin_price = group->origin_price,
                                   .scored = group->scored};
        result = score_rows_save_walk_forward(work->db, &rows, clock_wall_ms());
    }
    if (result == 0)
        result = db_commit(work->db);
    if (result < 0)
        db_rollback(work->db);
    return result;
}

/* Extends the lease and tells people how far it is. */
static int report(struct work *work, const struct walk *walk, const char *state)
{
    int64_t now_ms = clock_wall_ms();
    double progress = walk->total == 0 ? 1 : (double)walk->done / (double)walk->total;
    if (queue_extend(work->db, work->job, now_ms, DESK_LEASE_MS, progress) < 0)
        return -1;
    return db_exec(work->db, SQL_COMPONENT, NULL, DB_TEXT(state),
                   DB_TEXT("scoring the time before the feed began, walk-forward"), DB_I64((int64_t)walk->done),
                   DB_I64((int64_t)walk->total), DB_I64(now_ms), DB_END);
}

static int finish(struct work *work, struct walk *walk)
{
    if (report(work, walk, "done") < 0 || lessons_learn(walk->lessons, &walk->series) < 0 || db_begin(work->db) < 0)
        return -1;
    if (queue_guard(work->db, work->job) < 0 || hand_over(work, walk) < 0 ||
        queue_complete(work->db, work->job, clock_wall_ms()) < 0 || db_exec(work->db, SQL_NOTIFY, NULL, DB_END) < 0 ||
        db_commit(work->db) < 0) {
        db_rollback(work->db);
        return -1;
    }
    return 0;
}

/* The feed's calibration from now on: the walk's, and what was scored live since the feed began. */
static int hand_over(struct work *work, struct walk *walk)
{
    struct calibration before[HORIZON_COUNT], calibrations[HORIZON_COUNT];
    memcpy(calibrations, lessons_calibrations(walk->lessons), sizeof(calibrations));
    if (calibration_rows_lock(work->db, walk->feed) < 0 ||
        calibration_rows_load(work->db, work->arena, walk->feed, before) < 0)
        return -1;
    for (size_t h = 0; h < HORIZON_COUNT; h++) {
        struct score_page page;
        work->beat(work->ctx);
        if (score_rows_load_scored(work->db, work->arena, walk->feed, horizons[h].seconds, walk->begin_ms, &page) <
                0 ||
            calibration_rows_learn(calibrations, page.due, page.count) < 0)
            return err_wrap("while handing the calibration over");
    }
    return calibration_rows_save(work->db, walk->feed, before, calibrations, walk->begin_ms);
}
