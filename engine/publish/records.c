/* See records.h. One query per kind of row, each with a limit; column order is that of the struct it fills. */
#include "publish/records.h"

#include <stdio.h>
#include <string.h>

#include "core/arena.h"
#include "core/err.h"
#include "store/db.h"

#define RECORDS_ARENA_BYTES (64u << 20)

/* Columns: as struct model_view. */
static const char SQL_MODELS[] = "SELECT name, summary FROM model ORDER BY ordinal, name LIMIT 100";
/* Columns: as struct version_view. Index: unique (feed, release, model, step_s, fitted_ms). Half a year holds the newest of
 * whoever is still trained. */
static const char SQL_VERSIONS[] =
    "SELECT DISTINCT ON (model, step_s) model, cause, data_hash, refusal, parameters::text, step_s::bigint, fitted_ms,"
    " state_version::bigint, coalesce(trained_from, 0), points, fit_ms FROM model_version"
    " WHERE feed = $1 AND release = $2 AND fitted_ms > (SELECT max(fitted_ms) FROM model_version WHERE feed = $1"
    " AND release = $2) - 15552000000 ORDER BY model, step_s, fitted_ms DESC LIMIT 200";
/* Columns: as struct verdict_view. Index: verdict_newest. */
static const char SQL_VERDICTS[] =
    "(SELECT DISTINCT ON (kind, horizon_s) kind, model, state, previous, reason, horizon_s::bigint, n, decided_at,"
    " coalesce(p, -1), n_effective FROM verdict WHERE feed = $1 AND kind <> 'quarantine'"
    " ORDER BY kind, horizon_s, id DESC LIMIT 100) UNION ALL"
    " (SELECT DISTINCT ON (horizon_s, model) kind, model, state, previous, reason, horizon_s::bigint, n, decided_at,"
    " coalesce(p, -1), n_effective FROM verdict WHERE feed = $1 AND kind = 'quarantine'"
    " ORDER BY horizon_s, model, id DESC LIMIT 400)";
/* Columns: as struct calibration_view. Index: primary key. */
static const char SQL_CALIBRATIONS[] =
    "SELECT horizon_s::bigint, as_of, updates, summary::text FROM calibration WHERE feed = $1 AND kind = 'live'"
    " ORDER BY horizon_s LIMIT 100";

static int load_models(struct records *records, struct db *db);
static int load_versions(struct records *records, struct db *db);
static int load_verdicts(struct records *records, struct db *db);
static int load_calibrations(struct records *records, struct db *db);

void records_init(struct records *records)
{
    *records = (struct records){.arena = arena_create("records", RECORDS_ARENA_BYTES)};
}

void records_release(struct records *records)
{
    arena_free(&records->arena);
}

bool records_has(const struct records *records, const char *feed)
{
    return records->is_loaded && strcmp(records->feed, feed) == 0;
}

int records_update(struct records *records, struct db *db, const char *feed, int64_t change, bool *is_new)
{
    *is_new = !records_has(records, feed) || records->change != change;
    if (!*is_new)
        return 0;
    struct arena *arena = records->arena;
    arena_reset(arena);
    *records = (struct records){.arena = arena, .change = change};
    snprintf(records->feed, sizeof(records->feed), "%s", feed);
    if (view_load_accuracy(db, arena, feed, &records->accuracy, &records->accuracy_count) < 0 ||
        load_models(records, db) < 0 || load_versions(records, db) < 0 || load_verdicts(records, db) < 0 ||
        load_calibrations(records, db) < 0)
        return err_wrap("while loading the records of %s", feed);
    records->is_loaded = true;
    return 0;
}

const struct verdict_view *records_verdict(const struct records *records, const char *kind, int64_t horizon_s,
                                           const char *model)
{
    for (size_t i = 0; i < records->verdict_count; i++) {
        const struct verdict_view *verdict = &records->verdicts[i];
        if (verdict->horizon_s == horizon_s && strcmp(verdict->kind, kind) == 0 &&
            (model == NULL || strcmp(verdict->model, model) == 0))
            return verdict;
    }
    return NULL;
}

static int load_models(struct records *records, struct db *db)
{
    struct db_rows rows;
    if (db_query(db, records->arena, SQL_MODELS, &rows, DB_END) < 0)
        return -1;
    records->models = arena_array(records->arena, rows.count + 1, sizeof(*records->models));
    records->model_count = rows.count;
    for (size_t i = 0; i < rows.count; i++)
        records->models[i] = (struct model_view){.name = db_text(&rows, i, 0), .summary = db_text(&rows, i, 1)};
    return 0;
}

static int load_versions(struct records *records, struct db *db)
{
    struct db_rows rows;
    if (db_query(db, records->arena, SQL_VERSIONS, &rows, DB_TEXT(records->feed), DB_TEXT(BTCF_VERSION), DB_END) < 0)
        return -1;
    records->versions = arena_array(records->arena, rows.count + 1, sizeof(*records->versions));
    records->version_count = rows.count;
    for (size_t i = 0; i < rows.count; i++)
        records->versions[i] = (struct version_view){
            .model = db_text(&rows, i, 0),
            .cause = db_text(&rows, i, 1),
            .data_hash = db_text(&rows, i, 2),
            .refusal = db_text(&rows, i, 3),
            .parameters = db_text(&rows, i, 4),
            .step_s = db_i64(&rows, i, 5),
            .fitted_ms = db_i64(&rows, i, 6),
            .state_version = db_i64(&rows, i, 7),
            .trained_from = db_i64(&rows, i, 8),
            .points = db_i64(&rows, i, 9),
            .fit_ms = db_f64(&rows, i, 10),
        };
    return 0;
}

static int load_verdicts(struct records *records, struct db *db)
{
    struct db_rows rows;
    if (db_query(db, records->arena, SQL_VERDICTS, &rows, DB_TEXT(records->feed), DB_END) < 0)
        return -1;
    records->verdicts = arena_array(records->arena, rows.count + 1, sizeof(*records->verdicts));
    records->verdict_count = rows.count;
    for (size_t i = 0; i < rows.count; i++)
        records->verdicts[i] = (struct verdict_view){
            .kind = db_text(&rows, i, 0),
            .model = db_text(&rows, i, 1),
            .state = db_text(&rows, i, 2),
            .previous = db_text(&rows, i, 3),
            .reason = db_text(&rows, i, 4),
            .horizon_s = db_i64(&rows, i, 5),
            .n = db_i64(&rows, i, 6),
            .decided_at = db_i64(&rows, i, 7),
            .p = db_f64(&rows, i, 8),
            .n_effective = db_f64(&rows, i, 9),
        };
    return 0;
}

static int load_calibrations(struct records *records, struct db *db)
{
    struct db_rows rows;
    if (db_query(db, records->arena, SQL_CALIBRATIONS, &rows, DB_TEXT(records->feed), DB_END) < 0)
        return -1;
    records->calibrations = arena_array(records->arena, rows.count + 1, sizeof(*records->calibrations));
    records->calibration_count = rows.count;
    for (size_t i = 0; i < rows.count; i++)
        records->calibrations[i] = (struct calibration_view){
            .horizon_s = db_i64(&rows, i, 0),
            .as_of = db_i64(&rows, i, 1),
            .updates = db_i64(&rows, i, 2),
            .summary = db_text(&rows, i, 3),
        };
    return 0;
}
