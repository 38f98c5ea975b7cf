/* Fills the views. One query per view, each through an index and with a limit; column order is that of the struct it
 * fills. An array of the wrong length is refused, for a curve with a missing end would be published as a shorter one.
 */
#include "publish/view.h"

#include <inttypes.h>
#include <string.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/err.h"
#include "store/db.h"

/* Columns: as struct batch_view. Index: unique (feed, issued_at). */
static const char SQL_BATCH[] =
    "SELECT b.id, b.issued_at, b.data_as_of, b.created_wall_ms, b.origin_price, b.degraded, b.release,"
    " b.sources::text, coalesce(l.seq, 0), coalesce(l.hash, '')"
    " FROM batch b LEFT JOIN ledger_entry l ON l.batch_id = b.id"
    " WHERE b.feed = $1 ORDER BY b.issued_at DESC LIMIT 1";
/* Columns: as struct forecast_view. Index: unique (batch_id, model, horizon_s). */
static const char SQL_FORECASTS[] =
    "SELECT public_id, model, model_version, method, weights::text, served, horizon_s::bigint, target_at, trained_at,"
    " mean, prob_up, volatility, quantiles, calibration::text FROM forecast WHERE batch_id = $1 ORDER BY horizon_s, id";
/* Columns: as struct accuracy_view. Index: primary key. The order is that of the document. */
static const char SQL_ACCURACY[] =
    "SELECT model, origin, horizon_s::bigint, window_s, n, first_issued_at, last_target_at, updated_wall_ms,"
    " n_effective, crps, crps_baseline, skill, skill_low, skill_high, dm_p, median_error, mase,"
    " coverage, coverage_low, coverage_high, pit, width_90, width_90_baseline, pit_ks_p, direction, direction_low,"
    " direction_high, pinball FROM accuracy WHERE feed = $1 ORDER BY horizon_s, window_s, origin, skill DESC, model"
    " LIMIT 10000";
/* Columns: as struct refusal_view. Index: primary key. */
static const char SQL_REFUSALS[] =
    "SELECT r.model, r.reason, r.horizon_s FROM batch b, jsonb_to_recordset(b.refusals) AS r (model text, reason text,"
    " horizon_s bigint) WHERE b.id = $1 LIMIT 1000";
/* Columns: as struct candle_view. Index: primary key, backwards. */
static const char SQL_CANDLES[] =
    "SELECT open_time, open, high, low, close, volume, spread, source_count::bigint, revision::bigint, is_filled,"
    " source, quote FROM candle WHERE feed = $1 AND interval_s = $2 ORDER BY open_time DESC LIMIT $3";
/* Columns: as struct provider_view. */
static const char SQL_PROVIDERS[] =
    "SELECT provider, state, last_error, coalesce(last_ok_wall_ms, 0), coalesce(last_error_wall_ms, 0), fetched,"
    " refused, failures, coalesce(last_price, 0), coalesce(last_price_market_ms, 0)"
    " FROM provider_state WHERE feed = $1 ORDER BY provider LIMIT 16";
/* Columns: as struct component_view. */
static const char SQL_COMPONENTS[] =
    "SELECT name, state, detail, done, total, updated_wall_ms FROM component ORDER BY name LIMIT 100";
/* Columns: expected present filled revised multi_source spread_max spread_mean. Index: primary key. The window ends at
 * the newest candle and begins no earlier than the first. */
static const char SQL_QUALITY[] =
    "WITH span AS (SELECT max(open_time) AS newest, greatest(min(open_time), max(open_time) - $3::bigint + $2::bigint * 1000) AS oldest"
    "  FROM candle WHERE feed = $1 AND interval_s = $2)"
    " SELECT coalesce((max(s.newest) - max(s.oldest)) / ($2::bigint * 1000) + 1, 0), count(c.open_time),"
    " count(*) FILTER (WHERE c.is_filled), count(*) FILTER (WHERE c.revision > 1),"
    " count(*) FILTER (WHERE c.source_count > 1), coalesce(max(c.spread), 0), coalesce(avg(c.spread), 0)"
    " FROM span s LEFT JOIN candle c ON c.feed = $1 AND c.interval_s = $2 AND c.open_time >= s.oldest";

static int read_forecast(const struct db_rows *rows, size_t i, struct forecast_view *forecast);
static int read_accuracy(const struct db_rows *rows, size_t i, struct accuracy_view *line);
static int read_array(const struct db_rows *rows, size_t i, size_t column, double *values, size_t count);

int view_load_batch(struct db *db, struct arena *arena, const char *feed, struct batch_view *batch)
{
    struct db_rows rows;
    *batch = (struct batch_view){0};
    if (db_query(db, arena, SQL_BATCH, &rows, DB_TEXT(feed), DB_END) < 0)
        return err_wrap("while loading the newest batch of %s", feed);
    if (rows.count == 0)
        return 0;
    *batch = (struct batch_view){
        .id = db_i64(&rows, 0, 0),
        .issued_at = db_i64(&rows, 0, 1),
        .data_as_of = db_i64(&rows, 0, 2),
        .created_wall_ms = db_i64(&rows, 0, 3),
        .origin_price = db_f64(&rows, 0, 4),
        .degraded = db_bool(&rows, 0, 5),
        .release = db_text(&rows, 0, 6),
        .sources = db_text(&rows, 0, 7),
        .ledger_seq = db_i64(&rows, 0, 8),
        .ledger_hash = db_text(&rows, 0, 9),
    };
    if (db_query(db, arena, SQL_FORECASTS, &rows, DB_I64(batch->id), DB_END) < 0)
        return err_wrap("while loading the forecasts of batch %" PRId64, batch->id);
    batch->count = rows.count;
    batch->forecasts = arena_array(arena, rows.count + 1, sizeof(*batch->forecasts));
    for (size_t i = 0; i < rows.count; i++)
        if (read_forecast(&rows, i, &batch->forecasts[i]) < 0)
            return err_wrap("while loading the forecasts of batch %" PRId64, batch->id);
    return 0;
}

int view_load_refusals(struct db *db, struct arena *arena, int64_t batch_id, struct refusal_view **refusals,
                       size_t *count)
{
    struct db_rows rows;
    if (db_query(db, arena, SQL_REFUSALS, &rows, DB_I64(batch_id), DB_END) < 0)
        return err_wrap("while loading the refusals of batch %" PRId64, batch_id);
    *count = rows.count;
    *refusals = arena_array(arena, rows.count + 1, sizeof(**refusals));
    for (size_t i = 0; i < rows.count; i++)
        (*refusals)[i] = (struct refusal_view){
            .model = db_text(&rows, i, 0), .reason = db_text(&rows, i, 1), .horizon_s = db_i64(&rows, i, 2)};
    return 0;
}

int view_load_accuracy(struct db *db, struct arena *arena, const char *feed, struct accuracy_view **lines,
                       size_t *count)
{
    struct db_rows rows;
    if (db_query(db, arena, SQL_ACCURACY, &rows, DB_TEXT(feed), DB_END) < 0)
        return err_wrap("while loading the accuracy of %s", feed);
    *count = rows.count;
    *lines = arena_array(arena, rows.count + 1, sizeof(**lines));
    for (size_t i = 0; i < rows.count; i++)
        if (read_accuracy(&rows, i, &(*lines)[i]) < 0)
            return err_wrap("while loading the accuracy of %s", feed);
    return 0;
}

int view_load_candles(struct db *db, struct arena *arena, const char *feed, int64_t count,
                      struct candles_view *candles)
{
    struct db_rows rows;
    int64_t limit = count < VIEW_CANDLES_MAX ? count : VIEW_CANDLES_MAX;
    if (db_query(db, arena, SQL_CANDLES, &rows, DB_TEXT(feed), DB_I64(candles->interval_s), DB_I64(limit), DB_END) <
        0)
        return err_wrap("while loading candles of %s", feed);
    candles->count = rows.count;
    candles->rows = arena_array(arena, rows.count + 1, sizeof(*candles->rows));
    for (size_t i = 0; i < rows.count; i++)
        candles->rows[rows.count - 1 - i] = (struct candle_view){
            .open_time = db_i64(&rows, i, 0),
            .open = db_f64(&rows, i, 1),
            .high = db_f64(&rows, i, 2),
            .low = db_f64(&rows, i, 3),
            .close = db_f64(&rows, i, 4),
            .volume = db_f64(&rows, i, 5),
            .spread = db_f64(&rows, i, 6),
            .source_count = db_i64(&rows, i, 7),
            .revision = db_i64(&rows, i, 8),
            .is_filled = db_bool(&rows, i, 9),
            .source = db_text(&rows, i, 10),
            .quote = db_text(&rows, i, 11),
        };
    return 0;
}

int view_load_providers(struct db *db, struct arena *arena, const char *feed, struct provider_view **providers,
                        size_t *count)
{
    struct db_rows rows;
    if (db_query(db, arena, SQL_PROVIDERS, &rows, DB_TEXT(feed), DB_END) < 0)
        return err_wrap("while loading the providers of %s", feed);
    *count = rows.count;
    *providers = arena_array(arena, rows.count + 1, sizeof(**providers));
    for (size_t i = 0; i < rows.count; i++)
        (*providers)[i] = (struct provider_view){
            .provider = db_text(&rows, i, 0),
            .state = db_text(&rows, i, 1),
            .last_error = db_text(&rows, i, 2),
            .last_ok_wall_ms = db_i64(&rows, i, 3),
            .last_error_wall_ms = db_i64(&rows, i, 4),
            .fetched = db_i64(&rows, i, 5),
            .refused = db_i64(&rows, i, 6),
            .failures = db_i64(&rows, i, 7),
            .last_price = db_f64(&rows, i, 8),
            .last_price_market_ms = db_i64(&rows, i, 9),
        };
    return 0;
}

int view_load_components(struct db *db, struct arena *arena, struct component_view **components, size_t *count)
{
    struct db_rows rows;
    if (db_query(db, arena, SQL_COMPONENTS, &rows, DB_END) < 0)
        return err_wrap("while loading the components");
    *count = rows.count;
    *components = arena_array(arena, rows.count + 1, sizeof(**components));
    for (size_t i = 0; i < rows.count; i++)
        (*components)[i] = (struct component_view){
            .name = db_text(&rows, i, 0),
            .state = db_text(&rows, i, 1),
            .detail = db_text(&rows, i, 2),
            .done = db_i64(&rows, i, 3),
            .total = db_i64(&rows, i, 4),
            .updated_wall_ms = db_i64(&rows, i, 5),
        };
    return 0;
}

int view_load_quality(struct db *db, struct arena *arena, const char *feed, struct quality_view *quality)
{
    struct db_rows rows;
    if (db_query(db, arena, SQL_QUALITY, &rows, DB_TEXT(feed), DB_I64(quality->interval_s),
                 DB_I64(VIEW_QUALITY_DAYS * MS_PER_DAY), DB_END) < 0)
        return err_wrap("while loading the data quality of %s", feed);
    quality->expected = db_i64(&rows, 0, 0);
    quality->present = db_i64(&rows, 0, 1);
    quality->filled = db_i64(&rows, 0, 2);
    quality->revised = db_i64(&rows, 0, 3);
    quality->multi_source = db_i64(&rows, 0, 4);
    quality->spread_max = db_f64(&rows, 0, 5);
    quality->spread_mean = db_f64(&rows, 0, 6);
    return 0;
}

const struct forecast_view *batch_find_served(const struct batch_view *batch, int64_t horizon_s)
{
    for (size_t i = 0; i < batch->count; i++)
        if (batch->forecasts[i].horizon_s == horizon_s && batch->forecasts[i].served)
            return &batch->forecasts[i];
    return NULL;
}

const struct forecast_view *batch_find_baseline(const struct batch_view *batch, int64_t horizon_s)
{
    for (size_t i = 0; i < batch->count; i++)
        if (batch->forecasts[i].horizon_s == horizon_s && strcmp(batch->forecasts[i].method, "baseline") == 0)
            return &batch->forecasts[i];
    return NULL;
}

const struct accuracy_view *accuracy_find(const struct accuracy_view *rows, size_t count, const char *model,
                                          int64_t horizon_s, const char *origin)
{
    for (size_t i = 0; i < count; i++)
        if (rows[i].horizon_s == horizon_s && rows[i].window_s == VIEW_WINDOW_S &&
            strcmp(rows[i].model, model) == 0 && strcmp(rows[i].origin, origin) == 0)
            return &rows[i];
    return NULL;
}

static int read_forecast(const struct db_rows *rows, size_t i, struct forecast_view *forecast)
{
    *forecast = (struct forecast_view){
        .id = db_text(rows, i, 0),
        .model = db_text(rows, i, 1),
        .model_version = db_text(rows, i, 2),
        .method = db_text(rows, i, 3),
        .weights = db_text(rows, i, 4),
        .served = db_bool(rows, i, 5),
        .horizon_s = db_i64(rows, i, 6),
        .target_at = db_i64(rows, i, 7),
        .trained_at = db_i64(rows, i, 8),
        .mean = db_f64(rows, i, 9),
        .prob_up = db_f64(rows, i, 10),
        .volatility = db_f64(rows, i, 11),
        .calibration = db_text(rows, i, 13),
    };
    return read_array(rows, i, 12, forecast->quantiles, VIEW_LEVEL_COUNT);
}

static int read_accuracy(const struct db_rows *rows, size_t i, struct accuracy_view *line)
{
    *line = (struct accuracy_view){
        .model = db_text(rows, i, 0),
        .origin = db_text(rows, i, 1),
        .horizon_s = db_i64(rows, i, 2),
        .window_s = db_i64(rows, i, 3),
        .n = db_i64(rows, i, 4),
        .first_issued_at = db_i64(rows, i, 5),
        .last_target_at = db_i64(rows, i, 6),
        .updated_wall_ms = db_i64(rows, i, 7),
        .n_effective = db_f64(rows, i, 8),
        .crps = db_f64(rows, i, 9),
        .crps_baseline = db_f64(rows, i, 10),
        .skill = db_f64(rows, i, 11),
        .skill_low = db_f64(rows, i, 12),
        .skill_high = db_f64(rows, i, 13),
        .dm_p = db_f64(rows, i, 14),
        .median_error = db_f64(rows, i, 15),
        .mase = db_f64(rows, i, 16),
        .width_90 = db_f64(rows, i, 21),
        .width_90_baseline = db_f64(rows, i, 22),
        .pit_ks_p = db_f64(rows, i, 23),
        .has_direction = !db_is_null(rows, i, 24),
        .direction = db_f64(rows, i, 24),
        .direction_low = db_f64(rows, i, 25),
        .direction_high = db_f64(rows, i, 26),
    };
    if (db_f64_array(rows, i, 27, line->pinball, VIEW_PINBALL_MAX, &line->pinball_count) < 0)
        return -1;
    if (line->pinball_count != VIEW_PINBALL_MAX)
        line->pinball_count = 0;
    if (read_array(rows, i, 17, line->coverage, VIEW_INTERVAL_COUNT) < 0 ||
        read_array(rows, i, 18, line->coverage_low, VIEW_INTERVAL_COUNT) < 0 ||
        read_array(rows, i, 19, line->coverage_high, VIEW_INTERVAL_COUNT) < 0)
        return -1;
    return read_array(rows, i, 20, line->pit, VIEW_PIT_BINS);
}

static int read_array(const struct db_rows *rows, size_t i, size_t column, double *values, size_t count)
{
    size_t found;
    if (db_f64_array(rows, i, column, values, count, &found) < 0)
        return -1;
    if (found != count)
        return err_set(E_CORRUPT, "an array has %zu values where %zu belong", found, count);
    return 0;
}
