/* See batch_rows.h. Rows of forecast never change after this: what is served is decided before they are written. */
#include "work/batch_rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/err.h"
#include "core/json.h"
#include "core/rand.h"
#include "core/str.h"
#include "store/db.h"

#define PUBLIC_ID_DIGITS 24
#define PUBLIC_ID_SIZE 128
#define WEIGHTS_BYTES_MAX 4096
#define SAVE_ARENA_BYTES (4u << 20)

static const char SQL_EXISTS[] = "SELECT 1 FROM batch WHERE feed = $1 AND issued_at = $2";
/* Index: unique (feed, issued_at), backwards; then unique (batch_id, model, horizon_s). */
static const char SQL_LAST_METHOD[] =
    "SELECT f.method FROM forecast f WHERE f.served AND f.horizon_s = $2 AND f.batch_id ="
    " (SELECT id FROM batch WHERE feed = $1 ORDER BY issued_at DESC LIMIT 1)";
static const char SQL_BATCH[] =
    "INSERT INTO batch (feed, issued_at, data_as_of, origin_price, release, degraded, sources, data_hash,"
    " created_wall_ms) VALUES ($1, $2, $2, $3, $4, $5, $6::jsonb, $7, $8) RETURNING id";
static const char SQL_FORECAST[] =
    "INSERT INTO forecast (batch_id, feed, model, model_version, horizon_s, issued_at, target_at, origin_price,"
    " quantiles, mean, prob_up, volatility, served, method, weights, trained_at, public_id)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15::jsonb, $6, $16)";

/* A forecast on its way into its row. */
struct stored_forecast {
    const struct issue_forecast *forecast;
    bool served;
};

static int save_forecast(struct db *db, int64_t batch_id, const struct batch_row *row, double origin_price,
                         const struct stored_forecast *stored);
static void make_public_id(const struct batch_row *row, const struct issue_forecast *forecast,
                           char public_id[PUBLIC_ID_SIZE]);
static const char *served_model(const struct issue *issue, int64_t horizon_s, bool serves_ensemble);
static const char *method_of(const char *model);
static void render_weights(const struct issue_forecast *forecast, struct strbuf *out);

int batch_exists(struct db *db, struct arena *arena, const char *feed, int64_t issued_at, bool *exists)
{
    struct db_rows rows;
    if (db_query(db, arena, SQL_EXISTS, &rows, DB_TEXT(feed), DB_I64(issued_at), DB_END) < 0)
        return err_wrap("while looking for a batch of %s", feed);
    *exists = rows.count > 0;
    return 0;
}

int batch_last_was_ensemble(struct db *db, struct arena *arena, const char *feed, int64_t horizon_s,
                            bool *was_ensemble)
{
    struct db_rows rows;
    if (db_query(db, arena, SQL_LAST_METHOD, &rows, DB_TEXT(feed), DB_I64(horizon_s), DB_END) < 0)
        return err_wrap("while looking up what %s serves", feed);
    *was_ensemble = rows.count > 0 && strcmp(db_text(&rows, 0, 0), "ensemble") == 0;
    return 0;
}

int batch_save(struct db *db, const struct batch_row *row, const struct issue *issue,
               const struct batch_choice *choice, int64_t *batch_id)
{
    const char *served[ISSUE_HORIZONS_MAX];
    for (size_t i = 0; i < choice->count; i++) {
        served[i] = served_model(issue, choice->horizons_s[i], choice->serves_ensemble[i]);
        if (served[i] == NULL)
            return err_set(E_INPUT, "no forecast can be served %" PRId64 " s ahead: %s", choice->horizons_s[i],
                           issue->refusal_count > 0 ? issue->refusals[0].reason : "none was made");
    }
    struct arena *arena = arena_create("batch.save", SAVE_ARENA_BYTES);
    struct db_rows rows;
    int result = db_query(db, arena, SQL_BATCH, &rows, DB_TEXT(row->feed), DB_I64(row->issued_at),
                          DB_F64(issue->origin_price), DB_TEXT(row->release), DB_BOOL(row->degraded),
                          DB_TEXT(row->sources), DB_TEXT(row->data_hash), DB_I64(row->created_wall_ms), DB_END);
    if (result == 0)
        *batch_id = db_i64(&rows, 0, 0);
    for (size_t i = 0; i < issue->count && result == 0; i++) {
        const struct issue_forecast *forecast = &issue->forecasts[i];
        bool is_served = false;
        for (size_t h = 0; h < choice->count; h++)
            is_served |= choice->horizons_s[h] == forecast->horizon_s && strcmp(served[h], forecast->model) == 0;
        result =
            save_forecast(db, *batch_id, row, issue->origin_price, &(struct stored_forecast){forecast, is_served});
    }
    arena_free(&arena);
    return result < 0 ? err_wrap("while storing the batch of %s at %" PRId64, row->feed, row->issued_at) : 0;
}

static int save_forecast(struct db *db, int64_t batch_id, const struct batch_row *row, double origin_price,
                         const struct stored_forecast *stored)
{
    const struct issue_forecast *forecast = stored->forecast;
    char public_id[PUBLIC_ID_SIZE];
    make_public_id(row, forecast, public_id);
    struct strbuf weights;
    strbuf_init(&weights, WEIGHTS_BYTES_MAX);
    render_weights(forecast, &weights);
    int result = db_exec(db, SQL_FORECAST, NULL, DB_I64(batch_id), DB_TEXT(row->feed), DB_TEXT(forecast->model),
                         DB_TEXT(row->release), DB_I64(forecast->horizon_s), DB_I64(row->issued_at),
                         DB_I64(row->issued_at + forecast->horizon_s * MS_PER_S), DB_F64(origin_price),
                         DB_F64_ARRAY(forecast->price, QUANTILE_COUNT), DB_F64(forecast->mean),
                         DB_F64(forecast->prob_up), DB_F64(forecast->volatility), DB_BOOL(stored->served),
                         DB_TEXT(method_of(forecast->model)), DB_TEXT(weights.ptr), DB_TEXT(public_id), DB_END);
    strbuf_release(&weights);
    return result;
}

static void make_public_id(const struct batch_row *row, const struct issue_forecast *forecast,
                           char public_id[PUBLIC_ID_SIZE])
{
    if (row->id_prefix != NULL) {
        snprintf(public_id, PUBLIC_ID_SIZE, "%s-%s-%" PRId64, row->id_prefix, forecast->model, forecast->horizon_s);
        return;
    }
    snprintf(public_id, PUBLIC_ID_SIZE, "fc_");
    rand_hex(public_id + strlen("fc_"), PUBLIC_ID_DIGITS);
}

static const char *served_model(const struct issue *issue, int64_t horizon_s, bool serves_ensemble)
{
    const char *first = serves_ensemble ? ISSUE_ENSEMBLE : ISSUE_BASELINE;
    const char *second = serves_ensemble ? ISSUE_BASELINE : ISSUE_ENSEMBLE;
    if (issue_find(issue, first, horizon_s) != NULL)
        return first;
    return issue_find(issue, second, horizon_s) != NULL ? second : NULL;
}

static const char *method_of(const char *model)
{
    if (strcmp(model, ISSUE_ENSEMBLE) == 0)
        return "ensemble";
    return strcmp(model, ISSUE_BASELINE) == 0 ? "baseline" : "model";
}

static void render_weights(const struct issue_forecast *forecast, struct strbuf *out)
{
    struct json json;
    json_init(&json, out);
    json_open(&json, '{');
    for (size_t i = 0; i < forecast->weight_count; i++) {
        json_put_number(&json, forecast->weights[i].model, forecast->weights[i].weight, 6);
    }
    json_close(&json, '}');
}
