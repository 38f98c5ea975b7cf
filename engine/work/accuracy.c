/* See accuracy.h. Each pair of model and horizon is loaded by itself into a small arena that is emptied for the next: a
 * year of hourly scores of one model at one horizon are 8,760 rows. Mean pinball losses are left to the database, which
 * need not send 13 numbers for each of them.
 */
#include "work/accuracy.h"

#include <string.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/err.h"
#include "eval/summary.h"
#include "store/db.h"
#include "work/score_rows.h"
#include "work/work.h"

#define GROUP_ARENA_BYTES (64u << 20)

/* Columns: model horizon_s. Only groups with scores newer than their line. Index: score_window. */
static const char SQL_GROUPS[] =
    "SELECT s.model, s.horizon_s::bigint FROM score s LEFT JOIN accuracy a ON a.feed = s.feed AND a.model = s.model"
    " AND a.horizon_s = s.horizon_s AND a.origin = 'all' AND a.window_s = $2 WHERE s.feed = $1"
    " GROUP BY s.model, s.horizon_s, a.updated_wall_ms"
    " HAVING a.updated_wall_ms IS NULL OR max(s.scored_wall_ms) >= a.updated_wall_ms"
    " ORDER BY s.horizon_s, s.model LIMIT 1000";
/* Columns: origin issued_at target_at crps crps_baseline pit median_error move covered width_90 width_90_baseline. Index:
 * score_window. The window counts back from the newest target. */
static const char SQL_SCORES[] =
    "SELECT origin, issued_at, target_at, crps, crps_baseline, pit, median_error,"
    " 100 * (actual - origin_price) / origin_price, covered::bigint, width_90, width_90_baseline FROM score"
    " WHERE feed = $1 AND model = $2 AND horizon_s = $3 AND target_at >"
    " (SELECT max(target_at) FROM score WHERE feed = $1 AND model = $2 AND horizon_s = $3) - $4::bigint * 1000"
    " ORDER BY issued_at, origin LIMIT 20000";
/* Columns: pinball, the mean at each level. Index: score_window. */
static const char SQL_PINBALL[] =
    "SELECT array(SELECT avg(u.loss) FROM score s, unnest(s.pinball) WITH ORDINALITY AS u (loss, i) WHERE s.feed = $1"
    " AND s.model = $2 AND s.horizon_s = $3 AND s.target_at > $4 AND ($5 = 'all' OR s.origin = $5)"
    " GROUP BY u.i ORDER BY u.i)";
static const char SQL_SAVE[] =
    "INSERT INTO accuracy (feed, model, horizon_s, origin, window_s, n, n_effective, first_issued_at, last_target_at,"
    " crps, crps_baseline, skill, skill_low, skill_high, dm_p, coverage, coverage_low, coverage_high, pit, median_error,"
    " mase, updated_wall_ms, pinball, width_90, width_90_baseline, pit_ks_p, direction, direction_low, direction_high)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23,"
    " $24, $25, $26, $27, $28, $29) ON CONFLICT (feed, model, horizon_s, origin, window_s) DO UPDATE SET"
    " n = excluded.n, n_effective = excluded.n_effective, first_issued_at = excluded.first_issued_at,"
    " last_target_at = excluded.last_target_at, crps = excluded.crps, crps_baseline = excluded.crps_baseline,"
    " skill = excluded.skill, skill_low = excluded.skill_low, skill_high = excluded.skill_high, dm_p = excluded.dm_p,"
    " coverage = excluded.coverage, coverage_low = excluded.coverage_low, coverage_high = excluded.coverage_high,"
    " pit = excluded.pit, median_error = excluded.median_error, mase = excluded.mase,"
    " updated_wall_ms = excluded.updated_wall_ms, pinball = excluded.pinball, width_90 = excluded.width_90,"
    " width_90_baseline = excluded.width_90_baseline, pit_ks_p = excluded.pit_ks_p, direction = excluded.direction,"
    " direction_low = excluded.direction_low, direction_high = excluded.direction_high,"
    " change = nextval('change_seq')";

static const int64_t windows_s[] = {INT64_C(30) * 86400, INT64_C(90) * 86400, SCORE_WINDOW_S};

/* One line of the scoreboard before it is summed up. */
struct line {
    const char *feed, *model, *origin;
    int64_t horizon_s, window_s, since_ms, first_issued_at, last_target_at;
    double n_effective; /* by the strides of its rows */
    struct summary_row *rows;
    size_t count;
};

/* Which pair is summed up. */
struct pair {
    const char *feed, *model;
    int64_t horizon_s;
};

static int refresh_pair(struct work *work, struct arena *arena, const struct pair *pair);
static struct line line_of(struct arena *arena, const struct db_rows *rows, const struct pair *pair,
                           const char *origin, int64_t window_s);
static int save_line(struct work *work, struct arena *arena, const struct line *line);
static int load_pinball(struct work *work, struct arena *arena, const struct line *line, double *pinball,
                        size_t *count);

int accuracy_refresh(struct work *work, const char *feed)
{
    struct db_rows groups;
    if (db_query(work->db, work->arena, SQL_GROUPS, &groups, DB_TEXT(feed), DB_I64(SCORE_WINDOW_S), DB_END) < 0)
        return err_wrap("while looking for new scores of %s", feed);
    struct arena *arena = arena_create("accuracy", GROUP_ARENA_BYTES);
    int result = 0;
    for (size_t i = 0; i < groups.count && result == 0; i++) {
        struct pair pair = {.feed = feed, .model = db_text(&groups, i, 0), .horizon_s = db_i64(&groups, i, 1)};
        result = refresh_pair(work, arena, &pair);
        arena_reset(arena);
        work->beat(work->ctx);
    }
    arena_free(&arena);
    return result;
}

static int refresh_pair(struct work *work, struct arena *arena, const struct pair *pair)
{
    static const char *const origins[] = {"live", "walk_forward", "all"};
    struct db_rows rows;
    if (db_query(work->db, arena, SQL_SCORES, &rows, DB_TEXT(pair->feed), DB_TEXT(pair->model),
                 DB_I64(pair->horizon_s), DB_I64(SCORE_WINDOW_S), DB_END) < 0)
        return err_wrap("while loading the scores of %s", pair->model);
    for (size_t w = 0; w < BTCF_LENGTH(windows_s); w++)
        for (size_t i = 0; i < BTCF_LENGTH(origins); i++) {
            struct line line = line_of(arena, &rows, pair, origins[i], windows_s[w]);
            if (line.count > 0 && save_line(work, arena, &line) < 0)
                return err_wrap("while summing up the scores of %s", pair->model);
        }
    return 0;
}

/* The rows of one origin, or all of them, in one window, ascending by time of issue as they were loaded. */
static struct line line_of(struct arena *arena, const struct db_rows *rows, const struct pair *pair,
                           const char *origin, int64_t window_s)
{
    struct line line = {.feed = pair->feed,
                        .model = pair->model,
                        .origin = origin,
                        .horizon_s = pair->horizon_s,
                        .window_s = window_s};
    bool wants_all = strcmp(origin, "all") == 0;
    int64_t newest_ms = 0;
    for (size_t i = 0; i < rows->count; i++)
        newest_ms = db_i64(rows, i, 2) > newest_ms ? db_i64(rows, i, 2) : newest_ms;
    line.since_ms = newest_ms - window_s * MS_PER_S;
    line.rows = arena_array(arena, rows->count + 1, sizeof(*line.rows));
    for (size_t i = 0; i < rows->count; i++) {
        const char *row_origin = db_text(rows, i, 0);
        if ((!wants_all && strcmp(row_origin, origin) != 0) || db_i64(rows, i, 2) <= line.since_ms)
            continue;
        if (line.count == 0)
            line.first_issued_at = db_i64(rows, i, 1);
        if (db_i64(rows, i, 2) > line.last_target_at)
            line.last_target_at = db_i64(rows, i, 2);
        line.n_effective += 1 / score_overlap(row_origin, pair->horizon_s);
        line.rows[line.count++] = (struct summary_row){
            .crps = db_f64(rows, i, 3),
            .crps_baseline = db_f64(rows, i, 4),
            .pit = db_f64(rows, i, 5),
            .median_error = db_f64(rows, i, 6),
            .move = db_f64(rows, i, 7),
            .covered = (unsigned)db_i64(rows, i, 8),
            .width_90 = db_f64(rows, i, 9),
            .width_90_baseline = db_f64(rows, i, 10),
        };
    }
    return line;
}

static int save_line(struct work *work, struct arena *arena, const struct line *line)
{
    struct summary sum;
    if (summary_make(arena, line->rows, line->count, (double)line->count / line->n_effective, &sum) < 0)
        return -1;
    double pinball[SCORE_LEVEL_COUNT];
    size_t pinball_count;
    if (load_pinball(work, arena, line, pinball, &pinball_count) < 0)
        return -1;
    double coverage[SCORE_INTERVAL_COUNT], low[SCORE_INTERVAL_COUNT], high[SCORE_INTERVAL_COUNT];
    for (size_t i = 0; i < SCORE_INTERVAL_COUNT; i++) {
        coverage[i] = sum.coverage[i];
        low[i] = sum.coverage_95[i].low;
        high[i] = sum.coverage_95[i].high;
    }
    double pit[SUMMARY_PIT_BINS];
    for (size_t i = 0; i < SUMMARY_PIT_BINS; i++)
        pit[i] = (double)sum.pit_bins[i];
    return db_exec(
        work->db, SQL_SAVE, NULL, DB_TEXT(line->feed), DB_TEXT(line->model), DB_I64(line->horizon_s),
        DB_TEXT(line->origin), DB_I64(line->window_s), DB_I64((int64_t)sum.n), DB_F64(sum.n_effective),
        DB_I64(line->first_issued_at), DB_I64(line->last_target_at), DB_F64(sum.crps), DB_F64(sum.crps_baseline),
        DB_F64(sum.skill), DB_F64(sum.skill_95.low), DB_F64(sum.skill_95.high), DB_F64(sum.dm_p),
        DB_F64_ARRAY(coverage, SCORE_INTERVAL_COUNT), DB_F64_ARRAY(low, SCORE_INTERVAL_COUNT),
        DB_F64_ARRAY(high, SCORE_INTERVAL_COUNT), DB_F64_ARRAY(pit, SUMMARY_PIT_BINS), DB_F64(sum.median_error),
        DB_F64(sum.mase), DB_I64(clock_wall_ms()), DB_F64_ARRAY(pinball, pinball_count), DB_F64(sum.width_90),
        DB_F64(sum.width_90_baseline), DB_F64(sum.pit_ks_p), sum.has_direction ? DB_F64(sum.direction) : DB_NULL,
        sum.has_direction ? DB_F64(sum.direction_95.low) : DB_NULL,
        sum.has_direction ? DB_F64(sum.direction_95.high) : DB_NULL, DB_END);
}

/* None when the rows are of a time at which losses were not stored. */
static int load_pinball(struct work *work, struct arena *arena, const struct line *line, double *pinball,
                        size_t *count)
{
    struct db_rows rows;
    if (db_query(work->db, arena, SQL_PINBALL, &rows, DB_TEXT(line->feed), DB_TEXT(line->model),
                 DB_I64(line->horizon_s), DB_I64(line->since_ms), DB_TEXT(line->origin), DB_END) < 0)
        return -1;
    return db_f64_array(&rows, 0, 0, pinball, SCORE_LEVEL_COUNT, count);
}
