/* Scoring goes on where it stopped: by ascending target, from a day before the newest target that was scored. The day is
 * for forecasts that were stored late; without a starting point every look would visit every forecast ever made.
 *
 * Rows are written by the hundred: arrays in, one INSERT .. SELECT FROM unnest(..). Ids and times are below 2^53 and so
 * survive the trip as doubles.
 */
#include "work/score_rows.h"

#include <math.h>
#include <string.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/err.h"
#include "eval/combine.h"
#include "eval/issue.h"
#include "store/db.h"
#include "work/history.h"

#define DUE_BODY                                                                                                          \
    " FROM forecast f JOIN forecast b ON b.batch_id = f.batch_id AND b.horizon_s = f.horizon_s AND b.method = 'baseline'" \
    " LEFT JOIN score s ON s.forecast_id = f.id"                                                                          \
    " WHERE f.feed = $1 AND f.target_at <= $2 AND s.id IS NULL AND f.target_at >="                                        \
    " coalesce((SELECT max(target_at) FROM score WHERE feed = $1 AND origin = 'live'), 0) - 86400000"

/* Columns: as struct score_due. Indexes: forecast_due, score_due, score's unique forecast_id, candle's primary key. */
static const char SQL_DUE[] =
    "SELECT f.id, f.batch_id, f.issued_at, f.horizon_s::bigint, f.model, f.origin_price, c.close, f.quantiles,"
    " b.quantiles FROM (SELECT f.id, f.target_at, b.id AS baseline_id" DUE_BODY
    " ORDER BY f.target_at, f.horizon_s, f.batch_id, f.id LIMIT 512) due"
    " JOIN forecast f ON f.id = due.id JOIN forecast b ON b.id = due.baseline_id"
    " JOIN LATERAL (SELECT close FROM candle WHERE feed = $1 AND interval_s = $3 AND open_time <="
    "  due.target_at - $3::bigint * 1000 ORDER BY open_time DESC LIMIT 1) c ON true"
    " ORDER BY due.target_at, f.horizon_s, f.batch_id, due.id";
/* The same; the baseline's curve is not asked for. Index: score_window. */
static const char SQL_SCORED[] =
    "SELECT f.id, f.batch_id, f.issued_at, f.horizon_s::bigint, f.model, f.origin_price, s.actual, f.quantiles,"
    " f.quantiles FROM (SELECT forecast_id, actual, target_at FROM score WHERE feed = $1 AND horizon_s = $2"
    " AND origin = 'live' AND issued_at >= $3 AND model = ANY($4::text[]) ORDER BY target_at DESC LIMIT $5) s"
    " JOIN forecast f ON f.id = s.forecast_id ORDER BY s.target_at, f.batch_id, f.id";
static const char SQL_FIRST_DUE[] = "SELECT f.id" DUE_BODY " ORDER BY f.target_at, f.id LIMIT 1";

/* Arrays: forecast id, actual, crps, crps of the baseline, covered, pit, median error, width and baseline's width of the
 * 90% interval; then the pinball losses, 13 for each row, one after the other. */
#define SCORE_COLUMNS "actual, crps, crps_baseline, covered, pit, median_error, width_90, width_90_baseline"
#define SCORE_VALUES                                                                                                 \
    "u.actual, u.crps, u.crps_baseline, u.covered::integer, u.pit, u.median_error, u.width_90, u.width_90_baseline," \
    " (($10::float8[])[(u.i - 1) * $11::bigint + 1 : u.i * $11::bigint])::real[]"
#define SCORE_ARRAYS                                                                                                  \
    "$1::float8[], $2::float8[], $3::float8[], $4::float8[], $5::float8[], $6::float8[], $7::float8[], $8::float8[]," \
    " $9::float8[]"
static const char SQL_SAVE_LIVE[] =
    "INSERT INTO score (" SCORE_COLUMNS
    ", pinball, forecast_id, feed, model, served, horizon_s, issued_at, target_at,"
    " origin_price, origin, release, scored_wall_ms)"
    " SELECT " SCORE_VALUES
    ", f.id, f.feed, f.model, f.served, f.horizon_s, f.issued_at, f.target_at, f.origin_price,"
    " 'live', b.release, $12"
    " FROM unnest(" SCORE_ARRAYS ") WITH ORDINALITY AS u (id, " SCORE_COLUMNS ", i)"
    " JOIN forecast f ON f.id = u.id::bigint JOIN batch b ON b.id = f.batch_id ON CONFLICT DO NOTHING";
/* The same arrays, the first one being issued_at; then wall time, feed, model, horizon, release, origin prices. */
static const char SQL_SAVE_WALK_FORWARD[] =
    "INSERT INTO score (" SCORE_COLUMNS
    ", pinball, feed, model, served, horizon_s, issued_at, target_at, origin_price,"
    " origin, release, scored_wall_ms)"
    " SELECT " SCORE_VALUES ", $13, $14, false, $15, u.issued_at::bigint, u.issued_at::bigint + $15::bigint * 1000,"
    " ($17::float8[])[u.i], 'walk_forward', $16, $12"
    " FROM unnest(" SCORE_ARRAYS ") WITH ORDINALITY AS u (issued_at, " SCORE_COLUMNS ", i) ON CONFLICT DO NOTHING";

/* Columns: model origin n sum sum_squares. Index: score_window, and score's unique key for the champion's row. */
static const char SQL_CONTEST[] =
    "SELECT s.model, s.origin, count(*), coalesce(sum(c.crps - s.crps), 0), coalesce(sum((c.crps - s.crps) ^ 2), 0)"
    " FROM score s JOIN score c ON c.feed = s.feed AND c.model = $3 AND c.horizon_s = s.horizon_s"
    " AND c.issued_at = s.issued_at AND c.origin = s.origin"
    " WHERE s.feed = $1 AND s.horizon_s = $2 AND s.model <> $3 AND s.target_at > $4"
    " GROUP BY s.model, s.origin ORDER BY s.model, s.origin LIMIT 1000";

/* The arrays of one INSERT. */
struct columns {
    double key[SCORE_PAGE_MAX], actual[SCORE_PAGE_MAX], crps[SCORE_PAGE_MAX], crps_baseline[SCORE_PAGE_MAX],
        covered[SCORE_PAGE_MAX], pit[SCORE_PAGE_MAX], median_error[SCORE_PAGE_MAX], width_90[SCORE_PAGE_MAX],
        width_90_baseline[SCORE_PAGE_MAX], pinball[SCORE_PAGE_MAX * SCORE_LEVEL_COUNT];
};
/* Those columns as parameters 1 to 11. */
#define COLUMN_PARAMS(columns, n)                                                                                    \
    DB_F64_ARRAY((columns)->key, n), DB_F64_ARRAY((columns)->actual, n), DB_F64_ARRAY((columns)->crps, n),           \
        DB_F64_ARRAY((columns)->crps_baseline, n), DB_F64_ARRAY((columns)->covered, n),                              \
        DB_F64_ARRAY((columns)->pit, n), DB_F64_ARRAY((columns)->median_error, n),                                   \
        DB_F64_ARRAY((columns)->width_90, n), DB_F64_ARRAY((columns)->width_90_baseline, n),                         \
        DB_F64_ARRAY((columns)->pinball, (n)*SCORE_LEVEL_COUNT), DB_I64(SCORE_LEVEL_COUNT)

static int fill_columns(struct columns *columns, const int64_t *keys, const struct scored *scored, size_t count);
static int read_page(struct arena *arena, const struct db_rows *rows, struct score_page *page);
static int read_curve(const struct db_rows *rows, size_t i, size_t column, double price[QUANTILE_COUNT]);

int score_rows_load_due(struct db *db, struct arena *arena, const char *feed, int64_t close_ms,
                        struct score_page *page)
{
    struct db_rows rows;
    if (db_query(db, arena, SQL_DUE, &rows, DB_TEXT(feed), DB_I64(close_ms), DB_I64(HISTORY_STEP_S), DB_END) < 0)
        return err_wrap("while looking for due forecasts of %s", feed);
    if (read_page(arena, &rows, page) < 0)
        return -1;
    page->is_last = page->count < SCORE_PAGE_MAX;
    if (page->is_last)
        return 0;
    /* The page may end in the middle of a batch. */
    const struct score_due *last = &page->due[page->count - 1];
    size_t whole = page->count - 1;
    while (whole > 0 && page->due[whole - 1].batch_id == last->batch_id &&
           page->due[whole - 1].horizon_s == last->horizon_s)
        whole--;
    page->count = whole > 0 ? whole : page->count;
    return 0;
}

int score_rows_load_scored(struct db *db, struct arena *arena, const char *feed, int64_t horizon_s, int64_t since_ms,
                           struct score_page *page)
{
    const char *names[COMBINE_MEMBERS_MAX + 1];
    struct db_rows rows;
    size_t count;
    const struct combine_weight *members = combine_members(horizon_s, &count);
    for (size_t i = 0; i < count; i++)
        names[i] = members[i].model;
    names[count++] = ISSUE_BASELINE;
    if (db_query(db, arena, SQL_SCORED, &rows, DB_TEXT(feed), DB_I64(horizon_s), DB_I64(since_ms),
                 DB_TEXT_ARRAY(names, count), DB_I64(SCORE_LEARN_MAX), DB_END) < 0)
        return err_wrap("while loading scored forecasts of %s", feed);
    page->is_last = true;
    return read_page(arena, &rows, page);
}

static int read_page(struct arena *arena, const struct db_rows *rows, struct score_page *page)
{
    page->count = rows->count;
    page->due = arena_array(arena, rows->count + 1, sizeof(*page->due));
    for (size_t i = 0; i < rows->count; i++) {
        struct score_due *row = &page->due[i];
        row->forecast_id = db_i64(rows, i, 0);
        row->batch_id = db_i64(rows, i, 1);
        row->issued_at = db_i64(rows, i, 2);
        row->horizon_s = db_i64(rows, i, 3);
        row->model = db_text(rows, i, 4);
        row->origin_price = db_f64(rows, i, 5);
        row->actual = db_f64(rows, i, 6);
        if (read_curve(rows, i, 7, row->price) < 0 || read_curve(rows, i, 8, row->baseline) < 0)
            return err_wrap("while reading forecast %lld", (long long)row->forecast_id);
    }
    return 0;
}

int score_rows_first_due(struct db *db, struct arena *arena, const char *feed, int64_t close_ms, int64_t *forecast_id)
{
    struct db_rows rows;
    if (db_query(db, arena, SQL_FIRST_DUE, &rows, DB_TEXT(feed), DB_I64(close_ms), DB_END) < 0)
        return err_wrap("while looking for due forecasts of %s", feed);
    *forecast_id = rows.count > 0 ? db_i64(&rows, 0, 0) : 0;
    return 0;
}

int score_rows_save_live(struct db *db, const int64_t *ids, const struct scored *scored, size_t count,
                         int64_t wall_ms)
{
    struct columns columns;
    if (fill_columns(&columns, ids, scored, count) < 0)
        return -1;
    if (db_exec(db, SQL_SAVE_LIVE, NULL, COLUMN_PARAMS(&columns, count), DB_I64(wall_ms), DB_END) < 0)
        return err_wrap("while storing %zu scores", count);
    return 0;
}

int score_rows_save_walk_forward(struct db *db, const struct score_group *group, int64_t wall_ms)
{
    struct columns columns;
    size_t count = group->count;
    if (fill_columns(&columns, group->issued_at, group->scored, count) < 0)
        return -1;
    if (db_exec(db, SQL_SAVE_WALK_FORWARD, NULL, COLUMN_PARAMS(&columns, count), DB_I64(wall_ms),
                DB_TEXT(group->feed), DB_TEXT(group->model), DB_I64(group->horizon_s), DB_TEXT(BTCF_VERSION),
                DB_F64_ARRAY(group->origin_price, count), DB_END) < 0)
        return err_wrap("while storing %zu walk-forward scores", count);
    return 0;
}

int score_rows_contest(struct db *db, struct arena *arena, const struct score_contest *contest,
                       struct score_contender *contenders, size_t max, size_t *count)
{
    struct db_rows rows;
    double n_effective = 0;
    *count = 0;
    if (db_query(db, arena, SQL_CONTEST, &rows, DB_TEXT(contest->feed), DB_I64(contest->horizon_s),
                 DB_TEXT(contest->champion), DB_I64(contest->since_ms), DB_END) < 0)
        return err_wrap("while comparing the scores of %s", contest->feed);
    for (size_t i = 0; i < rows.count; i++) {
        const char *model = db_text(&rows, i, 0);
        int64_t n = db_i64(&rows, i, 2);
        if (*count == 0 || strcmp(contenders[*count - 1].model, model) != 0) {
            if (*count == max)
                return err_set(E_LIMIT, "more than %zu models were scored", max);
            contenders[(*count)++] = (struct score_contender){.model = model};
            n_effective = 0;
        }
        struct serve_sums *sums = &contenders[*count - 1].sums;
        sums->n += (size_t)n;
        sums->sum += db_f64(&rows, i, 3);
        sums->sum_squares += db_f64(&rows, i, 4);
        n_effective += (double)n / score_overlap(db_text(&rows, i, 1), contest->horizon_s);
        sums->overlap = (double)sums->n / n_effective;
    }
    return 0;
}

double score_overlap(const char *origin, int64_t horizon_s)
{
    double stride_s = origin[0] == 'w' ? WALK_STRIDE_S : ISSUE_STRIDE_S;
    return fmax(1, (double)horizon_s / stride_s);
}

static int fill_columns(struct columns *columns, const int64_t *keys, const struct scored *scored, size_t count)
{
    if (count > SCORE_PAGE_MAX)
        return err_set(E_LIMIT, "%zu scores at once, more than %d", count, SCORE_PAGE_MAX);
    for (size_t i = 0; i < count; i++) {
        columns->key[i] = (double)keys[i];
        columns->actual[i] = scored[i].actual;
        columns->crps[i] = scored[i].score.crps;
        columns->crps_baseline[i] = scored[i].crps_baseline;
        columns->covered[i] = (double)scored[i].score.covered;
        columns->pit[i] = scored[i].score.pit;
        columns->median_error[i] = scored[i].score.median_error;
        columns->width_90[i] = scored[i].score.width[SCORE_INTERVAL_90];
        columns->width_90_baseline[i] = scored[i].width_90_baseline;
        memcpy(columns->pinball + i * SCORE_LEVEL_COUNT, scored[i].score.pinball, sizeof(scored[i].score.pinball));
    }
    return 0;
}

static int read_curve(const struct db_rows *rows, size_t i, size_t column, double price[QUANTILE_COUNT])
{
    size_t count;
    if (db_f64_array(rows, i, column, price, QUANTILE_COUNT, &count) < 0)
        return -1;
    if (count != QUANTILE_COUNT)
        return err_set(E_CORRUPT, "a curve has %zu quantiles instead of %d", count, QUANTILE_COUNT);
    return 0;
}
