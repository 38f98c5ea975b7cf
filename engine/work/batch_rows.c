/* See batch_rows.h. Rows of forecast never change after this: what is served is decided before they are written. */
#include "work/batch_rows.h"

#include <inttypes.h>
#include <string.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/err.h"
#include "core/json.h"
#include "core/rand.h"
#include "core/str.h"
#include "store/db.h"
#include "work/calibration_rows.h"

#define PUBLIC_ID_DIGITS 24
#define WEIGHTS_BYTES_MAX 4096
#define REFUSALS_BYTES_MAX (256u << 10)
#define SAVE_ARENA_BYTES (16u << 20)

static const char SQL_EXISTS[] = "SELECT 1 FROM batch WHERE feed = $1 AND issued_at = $2";
static const char SQL_BATCH[] =
    "INSERT INTO batch (feed, issued_at, data_as_of, origin_price, release, degraded, sources, data_hash,"
    " created_wall_ms, refusals) VALUES ($1, $2, $2, $3, $4, $5, $6::jsonb, $7, $8, $9::jsonb) RETURNING id";
/* All forecasts in one statement: a batch has more than a hundred, and a round trip each would be most of the job.
 * Arrays: model, version, horizon_s, quantiles (25 for each row, one after the other), mean, prob_up, volatility, served,
 * method, weights, calibration, trained_at, public id; then batch, feed, issued_at, origin price, levels per curve. */
static const char SQL_FORECASTS[] =
    "INSERT INTO forecast (batch_id, feed, model, model_version, horizon_s, issued_at, target_at, origin_price,"
    " quantiles, mean, prob_up, volatility, served, method, weights, calibration, trained_at, public_id)"
    " SELECT $14, $15, u.model, u.version, u.horizon_s::integer, $16::bigint, $16::bigint + u.horizon_s * 1000, $17,"
    " ($4::float8[])[(u.i - 1) * $18 + 1 : u.i * $18], u.mean, u.prob_up, u.volatility, u.served <> 0, u.method,"
    " u.weights::jsonb, u.calibration::jsonb, u.trained_at, u.public_id"
    " FROM unnest($1::text[], $2::text[], $3::bigint[], $5::float8[], $6::float8[], $7::float8[], $8::bigint[],"
    " $9::text[], $10::text[], $11::text[], $12::bigint[], $13::text[]) WITH ORDINALITY"
    " AS u (model, version, horizon_s, mean, prob_up, volatility, served, method, weights, calibration, trained_at,"
    " public_id, i) ORDER BY u.i";

/* The arrays of that statement. */
struct columns {
    size_t count;
    const char **model, **version, **method, **weights, **calibration, **public_id;
    int64_t *horizon_s, *served, *trained_at;
    double *quantiles, *mean, *prob_up, *volatility;
};

static struct columns columns_of(struct arena *arena, const struct batch_row *row, const struct issue *issue,
                                 const char *const *served, const struct batch_choice *choice);
static bool is_served(const struct issue_forecast *forecast, const char *const *served,
                      const struct batch_choice *choice);
static const char *applied(struct arena *arena, const struct batch_row *row, const struct issue_forecast *forecast);
static const char *version_of(struct arena *arena, const struct batch_row *row, const char *model);
static const char *make_public_id(struct arena *arena, const struct batch_row *row,
                                  const struct issue_forecast *forecast);
static const char *served_model(const struct issue *issue, int64_t horizon_s, const char *wanted);
static const char *method_of(const char *model);
static const char *render_weights(struct arena *arena, const struct issue_forecast *forecast);
static const char *render_refusals(struct arena *arena, const struct issue *issue);

int batch_exists(struct db *db, struct arena *arena, const char *feed, int64_t issued_at, bool *exists)
{
    struct db_rows rows;
    if (db_query(db, arena, SQL_EXISTS, &rows, DB_TEXT(feed), DB_I64(issued_at), DB_END) < 0)
        return err_wrap("while looking for a batch of %s", feed);
    *exists = rows.count > 0;
    return 0;
}

int batch_save(struct db *db, const struct batch_row *row, const struct issue *issue,
               const struct batch_choice *choice, int64_t *batch_id)
{
    const char *served[ISSUE_HORIZONS_MAX];
    for (size_t i = 0; i < choice->count; i++) {
        served[i] = served_model(issue, choice->horizons_s[i], choice->models[i]);
        if (served[i] == NULL)
            return err_set(E_INPUT, "no forecast can be served %" PRId64 " s ahead: %s", choice->horizons_s[i],
                           issue->refusal_count > 0 ? issue->refusals[0].reason : "none was made");
    }
    struct arena *arena = arena_create("batch.save", SAVE_ARENA_BYTES);
    struct db_rows rows;
    struct columns all = columns_of(arena, row, issue, served, choice);
    int result =
        db_query(db, arena, SQL_BATCH, &rows, DB_TEXT(row->feed), DB_I64(row->issued_at), DB_F64(issue->origin_price),
                 DB_TEXT(row->release), DB_BOOL(row->degraded), DB_TEXT(row->sources), DB_TEXT(row->data_hash),
                 DB_I64(row->created_wall_ms), DB_TEXT(render_refusals(arena, issue)), DB_END);
    if (result == 0) {
        *batch_id = db_i64(&rows, 0, 0);
        result = db_exec(db, SQL_FORECASTS, NULL, DB_TEXT_ARRAY(all.model, all.count),
                         DB_TEXT_ARRAY(all.version, all.count), DB_I64_ARRAY(all.horizon_s, all.count),
                         DB_F64_ARRAY(all.quantiles, all.count * QUANTILE_COUNT), DB_F64_ARRAY(all.mean, all.count),
                         DB_F64_ARRAY(all.prob_up, all.count), DB_F64_ARRAY(all.volatility, all.count),
                         DB_I64_ARRAY(all.served, all.count), DB_TEXT_ARRAY(all.method, all.count),
                         DB_TEXT_ARRAY(all.weights, all.count), DB_TEXT_ARRAY(all.calibration, all.count),
                         DB_I64_ARRAY(all.trained_at, all.count), DB_TEXT_ARRAY(all.public_id, all.count),
                         DB_I64(*batch_id), DB_TEXT(row->feed), DB_I64(row->issued_at), DB_F64(issue->origin_price),
                         DB_I64(QUANTILE_COUNT), DB_END);
    }
    arena_free(&arena);
    return result < 0 ? err_wrap("while storing the batch of %s at %" PRId64, row->feed, row->issued_at) : 0;
}

static struct columns columns_of(struct arena *arena, const struct batch_row *row, const struct issue *issue,
                                 const char *const *served, const struct batch_choice *choice)
{
    size_t n = issue->count;
    struct columns all = {.count = n,
                          .model = arena_array(arena, n, sizeof(char *)),
                          .version = arena_array(arena, n, sizeof(char *)),
                          .method = arena_array(arena, n, sizeof(char *)),
                          .weights = arena_array(arena, n, sizeof(char *)),
                          .calibration = arena_array(arena, n, sizeof(char *)),
                          .public_id = arena_array(arena, n, sizeof(char *)),
                          .horizon_s = arena_array(arena, n, sizeof(int64_t)),
                          .served = arena_array(arena, n, sizeof(int64_t)),
                          .trained_at = arena_array(arena, n, sizeof(int64_t)),
                          .quantiles = arena_array(arena, n * QUANTILE_COUNT, sizeof(double)),
                          .mean = arena_array(arena, n, sizeof(double)),
                          .prob_up = arena_array(arena, n, sizeof(double)),
                          .volatility = arena_array(arena, n, sizeof(double))};
    for (size_t i = 0; i < n; i++) {
        const struct issue_forecast *forecast = &issue->forecasts[i];
        all.model[i] = forecast->model;
        all.version[i] = version_of(arena, row, forecast->model);
        all.method[i] = method_of(forecast->model);
        all.weights[i] = render_weights(arena, forecast);
        all.calibration[i] = applied(arena, row, forecast);
        all.public_id[i] = make_public_id(arena, row, forecast);
        all.horizon_s[i] = forecast->horizon_s;
        all.served[i] = is_served(forecast, served, choice);
        all.trained_at[i] = forecast->trained_ms;
        memcpy(all.quantiles + i * QUANTILE_COUNT, forecast->price, sizeof(forecast->price));
        all.mean[i] = forecast->mean;
        all.prob_up[i] = forecast->prob_up;
        all.volatility[i] = forecast->volatility;
    }
    return all;
}

static bool is_served(const struct issue_forecast *forecast, const char *const *served,
                      const struct batch_choice *choice)
{
    for (size_t i = 0; i < choice->count; i++)
        if (choice->horizons_s[i] == forecast->horizon_s && strcmp(served[i], forecast->model) == 0)
            return true;
    return false;
}

/* Only ensembles are calibrated. */
static const char *applied(struct arena *arena, const struct batch_row *row, const struct issue_forecast *forecast)
{
    const struct calibration *calibration =
        calibration_find(row->calibrations, row->calibration_count, forecast->horizon_s);
    if (calibration == NULL || strcmp(forecast->model, ISSUE_ENSEMBLE) != 0)
        return "{}";
    return calibration_text(arena, calibration);
}

/* "0.1.0+2": the release, and of a model that learns the version of its state. With the model's name, its step and
 * trained_at it finds the row in the registry. */
static const char *version_of(struct arena *arena, const struct batch_row *row, const char *model)
{
    const struct model *found = model_find(model);
    if (found == NULL || found->refit_s == 0)
        return row->release;
    return arena_printf(arena, "%s+%u", row->release, (unsigned)found->state_version);
}

static const char *make_public_id(struct arena *arena, const struct batch_row *row,
                                  const struct issue_forecast *forecast)
{
    if (row->id_prefix != NULL)
        return arena_printf(arena, "%s-%s-%" PRId64, row->id_prefix, forecast->model, forecast->horizon_s);
    char digits[PUBLIC_ID_DIGITS + 1];
    rand_hex(digits, PUBLIC_ID_DIGITS);
    return arena_printf(arena, "fc_%s", digits);
}

static const char *served_model(const struct issue *issue, int64_t horizon_s, const char *wanted)
{
    const char *const names[] = {wanted, ISSUE_BASELINE, ISSUE_ENSEMBLE};
    for (size_t i = 0; i < BTCF_LENGTH(names); i++) {
        const struct issue_forecast *found = issue_find(issue, names[i], horizon_s);
        if (found != NULL)
            return found->model;
    }
    return NULL;
}

static const char *method_of(const char *model)
{
    if (strcmp(model, ISSUE_ENSEMBLE) == 0)
        return "ensemble";
    return strcmp(model, ISSUE_BASELINE) == 0 ? "baseline" : "model";
}

static const char *render_weights(struct arena *arena, const struct issue_forecast *forecast)
{
    struct strbuf text;
    struct json json;
    strbuf_init(&text, WEIGHTS_BYTES_MAX);
    json_init(&json, &text);
    json_open(&json, '{');
    for (size_t i = 0; i < forecast->weight_count; i++)
        json_put_number(&json, forecast->weights[i].model, forecast->weights[i].weight, 6);
    json_close(&json, '}');
    const char *copy = arena_strdup(arena, text.ptr);
    strbuf_release(&text);
    return copy;
}

static const char *render_refusals(struct arena *arena, const struct issue *issue)
{
    struct strbuf text;
    struct json json;
    strbuf_init(&text, REFUSALS_BYTES_MAX);
    json_init(&json, &text);
    json_open(&json, '[');
    for (size_t i = 0; i < issue->refusal_count; i++) {
        json_open(&json, '{');
        json_put_text(&json, "model", issue->refusals[i].model);
        json_put_i64(&json, "horizon_s", issue->refusals[i].horizon_s);
        json_put_text(&json, "reason", issue->refusals[i].reason);
        json_close(&json, '}');
    }
    json_close(&json, ']');
    const char *copy = strbuf_failed(&text) ? "[]" : arena_strdup(arena, text.ptr);
    strbuf_release(&text);
    return copy;
}
