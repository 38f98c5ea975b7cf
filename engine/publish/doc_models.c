/* Renders the models. State of a model at a horizon:
 *
 *     refused       it could not answer in the newest batch, or could not be fitted; the reason stands beside it
 *     quarantined   its rolling score is clearly worse than the random walk's: asked and scored, but no member
 *     ok            else
 */
#include "publish/doc_models.h"

#include <string.h>

#include "core/clock.h"
#include "core/json.h"
#include "market/candle.h"
#include "publish/doc_forecast.h"
#include "publish/parts.h"

static const struct forecast_view *forecast_of(const struct models_page *page, const char *model, int64_t horizon_s);
static bool is_refused(const struct models_page *page, const char *model, int64_t horizon_s, const char **reason);
static bool is_first_single(const struct batch_view *batch, size_t i);
static void render_model(struct json *json, const struct models_page *page, const char *name, const char *summary);
static void render_kind(struct json *json, const struct models_page *page, const char *name);
static void render_horizon(struct json *json, const struct models_page *page, const char *name, int64_t horizon_s);
static void render_state(struct json *json, const struct models_page *page, const char *name, int64_t horizon_s);
static void render_training(struct json *json, const struct version_view *version);
static void render_champion(struct json *json, const struct models_page *page, int64_t horizon_s);
static void render_calibration(struct json *json, const struct records *records, int64_t horizon_s);

void doc_models_render(const struct models_page *page, struct strbuf *out)
{
    struct json json;
    json_init(&json, out);
    json_open(&json, '{');
    json_put_text(&json, "symbol", page->feed->symbol);
    json_put_bool(&json, "degraded", page->feed->degraded);
    parts_feed(&json, page->feed);
    json_put_text(&json, "release", page->batch->release);
    parts_time(&json, "issued_at", page->batch->issued_at);
    json_key(&json, "horizons");
    json_open(&json, '{');
    for (size_t h = 0; h < HORIZON_COUNT; h++) {
        json_key(&json, horizons[h].name);
        json_open(&json, '{');
        render_champion(&json, page, horizons[h].seconds);
        render_calibration(&json, page->records, horizons[h].seconds);
        json_close(&json, '}');
    }
    json_close(&json, '}');
    json_key(&json, "models");
    json_open(&json, '[');
    render_model(&json, page, "ensemble", "Quantile average of its members, as wide as outcomes have taught");
    for (size_t i = 0; i < page->records->model_count; i++)
        render_model(&json, page, page->records->models[i].name, page->records->models[i].summary);
    for (size_t i = 0; page->records->model_count == 0 && i < page->batch->count; i++)
        if (is_first_single(page->batch, i))
            render_model(&json, page, page->batch->forecasts[i].model, NULL);
    json_close(&json, ']');
    json_close(&json, '}');
}

static const struct forecast_view *forecast_of(const struct models_page *page, const char *model, int64_t horizon_s)
{
    for (size_t i = 0; i < page->batch->count; i++)
        if (page->batch->forecasts[i].horizon_s == horizon_s && strcmp(page->batch->forecasts[i].model, model) == 0)
            return &page->batch->forecasts[i];
    return NULL;
}

static bool is_refused(const struct models_page *page, const char *model, int64_t horizon_s, const char **reason)
{
    *reason = NULL;
    for (size_t i = 0; i < page->refusal_count; i++)
        if (page->refusals[i].horizon_s == horizon_s && strcmp(page->refusals[i].model, model) == 0)
            *reason = page->refusals[i].reason;
    return page->batch->id != 0 && forecast_of(page, model, horizon_s) == NULL;
}

/* Before anything was trained nobody has said who the models are but the batch. */
static bool is_first_single(const struct batch_view *batch, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (strcmp(batch->forecasts[j].model, batch->forecasts[i].model) == 0)
            return false;
    return strcmp(batch->forecasts[i].method, "ensemble") != 0;
}

static void render_model(struct json *json, const struct models_page *page, const char *name, const char *summary)
{
    const struct records *records = page->records;
    json_open(json, '{');
    json_put_text(json, "name", name);
    render_kind(json, page, name);
    json_put_text(json, "summary", summary);
    json_key(json, "trained");
    json_open(json, '[');
    for (size_t i = 0; i < records->version_count; i++)
        if (strcmp(records->versions[i].model, name) == 0)
            render_training(json, &records->versions[i]);
    json_close(json, ']');
    json_key(json, "horizons");
    json_open(json, '{');
    for (size_t h = 0; h < HORIZON_COUNT; h++)
        render_horizon(json, page, name, horizons[h].seconds);
    json_close(json, '}');
    json_close(json, '}');
}

/* Kind and version stand in the forecasts; a model that made none has neither. */
static void render_kind(struct json *json, const struct models_page *page, const char *name)
{
    const struct forecast_view *first = NULL;
    for (size_t i = 0; i < page->batch->count && first == NULL; i++)
        if (strcmp(page->batch->forecasts[i].model, name) == 0)
            first = &page->batch->forecasts[i];
    json_put_text(json, "kind", first != NULL ? first->method : NULL);
    json_put_text(json, "version", first != NULL ? first->model_version : NULL);
}

static void render_horizon(struct json *json, const struct models_page *page, const char *name, int64_t horizon_s)
{
    const struct forecast_view *forecast = forecast_of(page, name, horizon_s);
    json_key(json, horizon_name(horizon_s));
    json_open(json, '{');
    render_state(json, page, name, horizon_s);
    json_put_bool(json, "served", forecast != NULL && forecast->served);
    parts_time(json, "trained_at", forecast != NULL ? forecast->trained_at : 0);
    json_key(json, "weights");
    if (forecast != NULL)
        json_raw(json, forecast->weights, strlen(forecast->weights));
    else
        json_none(json);
    json_close(json, '}');
}

static void render_state(struct json *json, const struct models_page *page, const char *name, int64_t horizon_s)
{
    const struct verdict_view *quarantine = records_verdict(page->records, "quarantine", horizon_s, name);
    bool is_quarantined = quarantine != NULL && strcmp(quarantine->state, "quarantined") == 0;
    const char *refusal, *state = "ok", *reason = NULL;
    if (is_refused(page, name, horizon_s, &refusal)) {
        state = "refused";
        reason = refusal;
    } else if (is_quarantined) {
        state = "quarantined";
        reason = quarantine->reason;
    }
    json_put_text(json, "state", state);
    json_put_text(json, "reason", reason);
}

static void render_training(struct json *json, const struct version_view *version)
{
    json_open(json, '{');
    json_put_i64(json, "step_s", version->step_s);
    parts_time(json, "trained_at", version->fitted_ms);
    json_put_i64(json, "state_version", version->state_version);
    json_put_text(json, "cause", version->cause);
    json_put_text(json, "refusal", version->refusal);
    parts_time(json, "from", version->trained_from);
    json_put_i64(json, "points", version->points);
    json_put_text(json, "data_hash", version->data_hash);
    json_put_number(json, "fit_ms", version->fit_ms, 3);
    json_key(json, "parameters");
    json_raw(json, version->parameters, strlen(version->parameters));
    json_close(json, '}');
}

/* Who is served since when, and on what evidence; null before anybody was chosen: the baseline is served then. */
static void render_champion(struct json *json, const struct models_page *page, int64_t horizon_s)
{
    const struct verdict_view *champion = records_verdict(page->records, "champion", horizon_s, NULL);
    const struct verdict_view *drift = records_verdict(page->records, "drift", horizon_s, NULL);
    json_key(json, "champion");
    if (champion == NULL) {
        json_none(json);
    } else {
        json_open(json, '{');
        json_put_text(json, "model", champion->model);
        json_put_text(json, "instead_of", champion->previous[0] != '\0' ? champion->previous : NULL);
        parts_time(json, "since", champion->decided_at);
        json_put_text(json, "reason", champion->reason);
        json_key(json, "p");
        if (champion->p < 0)
            json_none(json);
        else
            json_number(json, champion->p, 6);
        json_put_i64(json, "n", champion->n);
        json_put_number(json, "n_effective", champion->n_effective, 1);
        json_close(json, '}');
    }
    parts_time(json, "drifted_at", drift != NULL ? drift->decided_at : 0);
}

static void render_calibration(struct json *json, const struct records *records, int64_t horizon_s)
{
    json_key(json, "calibration");
    for (size_t i = 0; i < records->calibration_count; i++) {
        const struct calibration_view *calibration = &records->calibrations[i];
        if (calibration->horizon_s != horizon_s)
            continue;
        json_open(json, '{');
        parts_time(json, "as_of", calibration->as_of);
        json_put_i64(json, "outcomes", calibration->updates);
        json_key(json, "state");
        json_raw(json, calibration->summary, strlen(calibration->summary));
        json_close(json, '}');
        return;
    }
    json_none(json);
}
