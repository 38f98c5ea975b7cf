/* See calibration_rows.h. A state is stored as its bytes; beside it stands a summary for people. */
#include "work/calibration_rows.h"

#include <math.h>
#include <string.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/err.h"
#include "core/json.h"
#include "core/log.h"
#include "core/str.h"
#include "eval/combine.h"
#include "eval/issue.h"
#include "store/db.h"
#include "work/score_rows.h"
#include "work/verdict_rows.h"

#define KIND "live"
#define SUMMARY_BYTES_MAX 8192

/* Columns: horizon_s content. Index: primary key. */
static const char SQL_LOAD[] =
    "SELECT horizon_s::bigint, content FROM calibration WHERE feed = $1 AND kind = '" KIND "' LIMIT 100";
/* Released at the end of the transaction. */
static const char SQL_LOCK[] = "SELECT pg_advisory_xact_lock(hashtextextended('btcf calibration ' || $1::text, 0))";
static const char SQL_SAVE[] =
    "INSERT INTO calibration (feed, horizon_s, kind, release, as_of, updates, content, summary, updated_wall_ms)"
    " VALUES ($1, $2, '" KIND "', $3, $4, $5, $6, $7::jsonb, $8) ON CONFLICT (feed, horizon_s, kind) DO UPDATE SET"
    " release = excluded.release, as_of = excluded.as_of, updates = excluded.updates, content = excluded.content,"
    " summary = excluded.summary, updated_wall_ms = excluded.updated_wall_ms, change = nextval('change_seq')";

static int learn_group(struct calibration *calibration, const struct score_due *due, size_t count);
static bool teaches(const struct score_due *row);
static int save_one(struct db *db, const char *feed, const struct calibration *calibration);
static int save_verdicts(struct db *db, const char *feed, const struct calibration *before,
                         const struct calibration *after, int64_t now_ms);
static void render_summary(struct strbuf *out, const struct calibration *calibration);

int calibration_rows_load(struct db *db, struct arena *arena, const char *feed,
                          struct calibration calibrations[HORIZON_COUNT])
{
    struct db_rows rows;
    if (db_query(db, arena, SQL_LOAD, &rows, DB_TEXT(feed), DB_END) < 0)
        return err_wrap("while loading the calibration of %s", feed);
    for (size_t h = 0; h < HORIZON_COUNT; h++) {
        calibration_init(&calibrations[h], horizons[h].seconds);
        for (size_t i = 0; i < rows.count; i++) {
            const unsigned char *bytes;
            size_t len;
            if (db_i64(&rows, i, 0) != horizons[h].seconds)
                continue;
            if (db_bytes(&rows, i, 1, arena, &bytes, &len) < 0 ||
                calibration_load(&calibrations[h], horizons[h].seconds, bytes, len) < 0) {
                log_failure("calibration.unreadable", horizons[h].name);
                err_clear();
                calibration_init(&calibrations[h], horizons[h].seconds);
            }
        }
    }
    return 0;
}

int calibration_rows_lock(struct db *db, const char *feed)
{
    return db_exec(db, SQL_LOCK, NULL, DB_TEXT(feed), DB_END);
}

int calibration_rows_save(struct db *db, const char *feed, const struct calibration *before,
                          const struct calibration *calibrations, int64_t now_ms)
{
    for (size_t h = 0; h < HORIZON_COUNT; h++) {
        const struct calibration *after = &calibrations[h];
        if (before != NULL && memcmp(&before[h], after, sizeof(*after)) == 0)
            continue;
        if (save_one(db, feed, after) < 0 ||
            (before != NULL && save_verdicts(db, feed, &before[h], after, now_ms) < 0))
            return err_wrap("while storing the calibration of %s", feed);
    }
    return 0;
}

int calibration_rows_learn(struct calibration calibrations[HORIZON_COUNT], const struct score_due *due, size_t count)
{
    for (size_t first = 0, end; first < count; first = end) {
        for (end = first + 1;
             end < count && due[end].batch_id == due[first].batch_id && due[end].horizon_s == due[first].horizon_s;)
            end++;
        for (size_t h = 0; h < HORIZON_COUNT; h++)
            if (horizons[h].seconds == due[first].horizon_s &&
                learn_group(&calibrations[h], due + first, end - first) < 0)
                return err_wrap("while learning from forecast %lld", (long long)due[first].forecast_id);
    }
    return 0;
}

const char *calibration_text(struct arena *arena, const struct calibration *calibration)
{
    return arena_printf(arena, "{\"width\":%.6f,\"outcomes\":%llu}", exp(calibration->log_width),
                        (unsigned long long)calibration->outcome_count);
}

/* The forecasts of one batch at one horizon. */
static int learn_group(struct calibration *calibration, const struct score_due *due, size_t count)
{
    const char *names[COMBINE_MEMBERS_MAX + 1];
    struct quantile_curve curves[COMBINE_MEMBERS_MAX + 1];
    bool has_baseline = false;
    struct calibration_outcome outcome = {.origin_ms = due->issued_at,
                                          .log_return = log(due->actual / due->origin_price),
                                          .models = names,
                                          .curves = curves};
    for (size_t i = 0; i < count && outcome.count < BTCF_LENGTH(names); i++) {
        if (!teaches(&due[i]))
            continue;
        has_baseline |= strcmp(due[i].model, ISSUE_BASELINE) == 0;
        names[outcome.count] = due[i].model;
        for (size_t q = 0; q < QUANTILE_COUNT; q++)
            curves[outcome.count].log_return[q] = log(due[i].price[q] / due[i].origin_price);
        outcome.count++;
    }
    return has_baseline ? calibration_learn(calibration, &outcome) : 0;
}

static bool teaches(const struct score_due *row)
{
    size_t count;
    const struct combine_weight *members = combine_members(row->horizon_s, &count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(members[i].model, row->model) == 0)
            return true;
    return strcmp(row->model, ISSUE_BASELINE) == 0;
}

static int save_one(struct db *db, const char *feed, const struct calibration *calibration)
{
    struct strbuf summary;
    int64_t as_of =
        calibration->outcome_count > 0 ? calibration->newest_origin_ms + calibration->horizon_s * MS_PER_S : 0;
    strbuf_init(&summary, SUMMARY_BYTES_MAX);
    render_summary(&summary, calibration);
    int result = db_exec(db, SQL_SAVE, NULL, DB_TEXT(feed), DB_I64(calibration->horizon_s), DB_TEXT(BTCF_VERSION),
                         DB_I64(as_of), DB_I64((int64_t)calibration->outcome_count),
                         DB_BYTES(calibration, sizeof(*calibration)),
                         DB_TEXT(strbuf_failed(&summary) ? "{}" : summary.ptr), DB_I64(clock_wall_ms()), DB_END);
    strbuf_release(&summary);
    return result;
}

/* Who was quarantined, or released, by what was learned. */
static int save_verdicts(struct db *db, const char *feed, const struct calibration *before,
                         const struct calibration *after, int64_t now_ms)
{
    for (size_t i = 0; i < after->standing_count; i++) {
        const struct calibration_standing *standing = &after->standings[i];
        bool is_quarantined = standing->quarantined != 0;
        if (standing->model[0] == '\0' || is_quarantined == calibration_is_quarantined(before, standing->model))
            continue;
        struct verdict_row row = {
            .feed = feed,
            .kind = "quarantine",
            .horizon_s = after->horizon_s,
            .model = standing->model,
            .state = is_quarantined ? "quarantined" : "ok",
            .previous = is_quarantined ? "ok" : "quarantined",
            .reason = is_quarantined ? "its rolling score is clearly worse than the random walk's"
                                     : "its rolling score is no longer clearly worse than the random walk's",
            .p = -1,
            .n = (size_t)after->outcome_count,
            .n_effective = standing->outcomes,
            .decided_at = now_ms};
        log_warn("model.quarantine", "%s at %lld s: %s", row.model, (long long)row.horizon_s, row.reason);
        if (verdict_save(db, &row, clock_wall_ms()) < 0)
            return -1;
    }
    return 0;
}

static void render_summary(struct strbuf *out, const struct calibration *calibration)
{
    struct json json;
    json_init(&json, out);
    json_open(&json, '{');
    json_put_number(&json, "width", exp(calibration->log_width), 6);
    json_key(&json, "standings");
    json_open(&json, '{');
    for (size_t i = 0; i < calibration->standing_count; i++) {
        const struct calibration_standing *standing = &calibration->standings[i];
        if (standing->model[0] == '\0')
            continue;
        json_key(&json, standing->model);
        json_open(&json, '{');
        json_put_number(&json, "crps_ratio", standing->crps / standing->crps_baseline, 5);
        json_put_number(&json, "outcomes", standing->outcomes, 1);
        json_put_bool(&json, "quarantined", standing->quarantined != 0);
        json_close(&json, '}');
    }
    json_close(&json, '}');
    json_close(&json, '}');
}
