/* See doc_static.h. One table of routes, and one of fields, so that the machine's description and the people's page
 * cannot disagree. What is not served yet does not stand here.
 */
#include "publish/doc_static.h"

#include <stdio.h>
#include <string.h>

#include "core/json.h"

#define HORIZON_NAMES "1h 4h 12h 1d 3d 7d 14d 30d"
#define INTERVAL_NAMES "1h 4h 1d"
#define EVENT_NAMES "price candle forecast status"
#define EVENT_STREAM "text/event-stream"

#define PARAMETERS_MAX 4

/* A parameter with a closed list of values, or one of a type of its own. */
enum parameter_kind {
    IN_PATH,      /* one of `values` */
    SELECTION,    /* some of `values`, comma-separated, in the query */
    CHOICE,       /* one of `values`, in the query */
    WORD_IN_PATH, /* any text; `values` says in words which */
    WORD,         /* the same, in the query */
    NUMBER,       /* in the query; `values` says in words which */
    TWO_NUMBERS,  /* comma-separated */
};
struct parameter {
    const char *name;
    enum parameter_kind kind;
    const char *values, *help;
};

static const struct parameter horizon_parameter = {"horizon", IN_PATH, HORIZON_NAMES, "how far ahead"};
static const struct parameter horizons_parameter = {"horizons", SELECTION, HORIZON_NAMES,
                                                    "a selection, comma-separated; all when absent"};
static const struct parameter events_parameter = {"events", SELECTION, EVENT_NAMES,
                                                  "a selection, comma-separated; all when absent"};
static const struct parameter interval_parameter = {"interval", IN_PATH, INTERVAL_NAMES, "length of a candle"};
static const struct parameter above_parameter = {"above", NUMBER, "more than 0, at most 10^12",
                                                 "a price: how probable is it to end above?"};
static const struct parameter below_parameter = {"below", NUMBER, "more than 0, at most 10^12",
                                                 "a price: how probable is it to end at or below?"};
static const struct parameter between_parameter = {"between", TWO_NUMBERS, "ascending",
                                                   "two prices: how probable is it to end between?"};
static const struct parameter level_parameter = {"level", NUMBER, "0.5 to 0.9999", "0.99 when absent"};
static const struct parameter limit_parameter = {"limit", NUMBER, "1 to 500", "entries of a page; 50 when absent"};
static const struct parameter cursor_parameter = {"cursor", WORD, "next_cursor of the page before", "where to go on"};
static const struct parameter seq_parameter = {"seq", WORD_IN_PATH, "1 and up", "number of an entry"};
static const struct parameter id_parameter = {"id", WORD_IN_PATH, "as in a forecast", "of a forecast"};
static const struct parameter side_parameter = {"side", CHOICE, "long short", "long when absent"};

static const struct route {
    const char *path, *summary, *type, *schema;             /* schema: a name of `schemas`, or NULL */
    const struct parameter *parameters[PARAMETERS_MAX + 1]; /* ends with NULL */
    bool expires;                                           /* may answer 503 forecast-expired */
} routes[] = {
    {"/v1/forecasts",
     "Forecasts for all horizons, or for those picked.",
     "application/json",
     "ForecastList",
     {&horizons_parameter},
     true},
    {"/v1/forecasts/{horizon}",
     "The forecast for one horizon: a whole distribution of the price.",
     "application/json",
     "Forecast",
     {&horizon_parameter},
     true},
    {"/v1/forecasts/{horizon}/probability",
     "The probability that the price ends above, below or between.",
     "application/json",
     "Probability",
     {&horizon_parameter, &above_parameter, &below_parameter, &between_parameter},
     true},
    {"/v1/forecasts/{horizon}/risk",
     "Value at risk and expected shortfall of one bitcoin.",
     "application/json",
     "Risk",
     {&horizon_parameter, &level_parameter, &side_parameter},
     true},
    {"/v1/price", "The newest price and where it comes from.", "application/json", "Price", {NULL}, false},
    {"/v1/candles/{interval}",
     "The newest closed candles.",
     "application/json",
     "Candles",
     {&interval_parameter},
     false},
    {"/v1/indicators",
     "Technical indicators of the newest closed candles, per interval.",
     "application/json",
     "Object",
     {NULL},
     false},
    {"/v1/risk",
     "The regime, realised volatility, and what each horizon's forecast puts at risk.",
     "application/json",
     "Object",
     {NULL},
     false},
    {"/v1/models",
     "The models: what each has learned and weighs, who is served since when and why, and who is quarantined.",
     "application/json",
     "Object",
     {NULL},
     false},
    {"/v1/accuracy",
     "How forecasts fared against the truth over a year, per horizon and model.",
     "application/json",
     "Object",
     {NULL},
     false},
    {"/v1/accuracy/{horizon}",
     "All figures of one horizon, over 30, 90 and 365 days.",
     "application/json",
     "Object",
     {&horizon_parameter},
     false},
    {"/v1/data-quality", "How complete the input data is.", "application/json", "Object", {NULL}, false},
    {"/v1/status", "The state of the service and its parts.", "application/json", "Object", {NULL}, false},
    {"/v1/ledger",
     "The ledger: its entries, the newest first.",
     "application/json",
     "Object",
     {&limit_parameter, &cursor_parameter},
     false},
    {"/v1/ledger/entries",
     "The ledger's entries, the newest first.",
     "application/json",
     "Object",
     {&limit_parameter, &cursor_parameter},
     false},
    {"/v1/ledger/entries/{seq}",
     "One entry with the texts of its forecasts.",
     "application/json",
     "Object",
     {&seq_parameter},
     false},
    {"/v1/ledger/forecasts/{id}",
     "The proof that a forecast belongs to an entry.",
     "application/json",
     "Object",
     {&id_parameter},
     false},
    {"/v1/stream",
     "Prices, candles, forecasts and states as they happen: server-sent events.",
     EVENT_STREAM,
     NULL,
     {&events_parameter},
     false},
    {"/healthz", "200 while the server answers at all.", NULL, NULL, {NULL}, false},
    {"/readyz", "200 while forecasts can be served, else 503.", NULL, NULL, {NULL}, false},
    {"/openapi.json", "This description.", "application/json", "Object", {NULL}, false},
    {"/docs", "This description for people.", "text/html", NULL, {NULL}, false},
};

/* The fields of the bodies that clients build upon; docs/API.md has all of them with examples. */
static const struct field {
    const char *schema, *name, *type, *help;
} fields[] = {
    {"Forecast", "id", "string", "unique for ever"},
    {"Forecast", "symbol", "string", "what is forecast, in the currency after the dash"},
    {"Forecast", "horizon", "string", "as in the path"},
    {"Forecast", "horizon_s", "integer", "seconds from issued_at to target_at"},
    {"Forecast", "issued_at", "date-time", "market time of the origin: close of the newest candle used"},
    {"Forecast", "data_as_of", "date-time", "market time of the newest data used"},
    {"Forecast", "target_at", "date-time", "market time that the forecast is about"},
    {"Forecast", "published_at", "date-time", "wall time at which the forecast was stored, before it was shown"},
    {"Forecast", "stale_at", "date-time", "wall time from which the body says stale"},
    {"Forecast", "expires_at", "date-time", "wall time from which the answer is 503 forecast-expired"},
    {"Forecast", "origin_price", "number", "price at issued_at"},
    {"Forecast", "median", "number", "price that is as likely to be exceeded as not"},
    {"Forecast", "mean", "number", "expected price"},
    {"Forecast", "quantiles", "object", "25 levels from 0.005 to 0.995 to prices"},
    {"Forecast", "intervals", "object", "central 50, 80, 90 and 95 % to {low, high}"},
    {"Forecast", "prob_up", "number", "probability that the price is above origin_price, 0 to 1"},
    {"Forecast", "volatility", "number", "of the log return under this distribution, per square root of a year"},
    {"Forecast", "method", "string", "ensemble, or baseline where the ensemble has not beaten it"},
    {"Forecast", "model", "object", "name, version, weights, trained_at"},
    {"Forecast", "baseline", "object", "the same quantiles of the random walk"},
    {"Forecast", "skill", "object", "crps_vs_baseline (0.02: 2 % better), its 95 % interval, window, n, n_effective"},
    {"Forecast", "coverage", "object", "nominal to measured share of truths inside the interval; null when unknown"},
    {"Forecast", "coverage_95", "object",
     "95 % binomial intervals of those shares, on the effective number of scores"},
    {"Forecast", "stale", "boolean", "a newer forecast was due and has not come"},
    {"Forecast", "degraded", "boolean", "not from live data of all exchanges that should be there"},
    {"Forecast", "sources", "array", "where the candles came from: source and quote currency"},
    {"Forecast", "feed", "object", "the world of the data: name, kind (live, replay, simulated), speed"},
    {"Forecast", "notice", "string", "a sentence when this is not the live market, else null"},
    {"Forecast", "ledger", "object", "seq and hash of the ledger entry that proves when this was published"},
    {"ForecastList", "forecasts", "array", "forecasts, by horizon"},
    {"Probability", "above", "number", "as asked; or below, or between"},
    {"Probability", "probability", "number", "0 to 1"},
    {"Probability", "tail", "boolean", "a price of the question lies beyond the outermost published level"},
    {"Probability", "method", "string", "who made the curve: ensemble or baseline"},
    {"Probability", "stale", "boolean", "a newer forecast was due and has not come"},
    {"Risk", "level", "number", "as asked"},
    {"Risk", "side", "string", "as asked"},
    {"Risk", "price", "number", "what the price ends beyond with probability 1 - level"},
    {"Risk", "value_at_risk", "number", "the loss there, positive"},
    {"Risk", "value_at_risk_share", "number", "of the origin price"},
    {"Risk", "expected_shortfall", "number", "mean loss of what lies beyond"},
    {"Risk", "expected_shortfall_share", "number", "of the origin price"},
    {"Risk", "tail", "boolean", "the price lies beyond the outermost published level"},
    {"Risk", "stale", "boolean", "a newer forecast was due and has not come"},
    {"Price", "price", "number", "newest price"},
    {"Price", "at", "date-time", "its market time"},
    {"Price", "sources", "array", "who takes part"},
    {"Price", "stale", "boolean", "a newer price was due and has not come"},
    {"Candles", "interval", "string", "as in the path"},
    {"Candles", "candles", "array",
     "ascending; open_time, close_time, open, high, low, close, volume, is_closed, ..."},
    {"Candles", "stale", "boolean", "a newer candle was due and has not come"},
    {"Problem", "type", "string", "a URI that names the kind of problem"},
    {"Problem", "title", "string", "the same for people"},
    {"Problem", "status", "integer", "the HTTP status"},
    {"Problem", "detail", "string", "what is wrong with this request"},
    {"Problem", "code", "string", "stable short name, as forecast-expired"},
    {"Problem", "request_id", "string", "quote it when asking for help"},
};

static const char *const schemas[] = {"Forecast", "ForecastList", "Probability", "Risk",
                                      "Price",    "Candles",      "Problem",     "Object"};

static void render_path(struct json *json, const struct route *route);
static void render_parameter(struct json *json, const struct parameter *parameter);
static void render_values(struct json *json, const char *values);
static void render_response(struct json *json, const char *status, const char *description, const char *type,
                            const char *schema);
static void render_schema(struct json *json, const char *schema);
static void render_type(struct json *json, const struct field *field);
static void render_fields_html(struct strbuf *out, const char *schema);

void doc_openapi_render(struct strbuf *out)
{
    struct json json;
    json_init(&json, out);
    json_open(&json, '{');
    json_put_text(&json, "openapi", "3.1.0");
    json_key(&json, "info");
    json_open(&json, '{');
    json_put_text(&json, "title", "btcf: Bitcoin forecasts as calibrated distributions");
    json_put_text(&json, "version", BTCF_VERSION);
    json_put_text(&json, "description", "Public reads. Times are RFC 3339 UTC, prices in the symbol's currency.");
    json_close(&json, '}');
    json_key(&json, "paths");
    json_open(&json, '{');
    for (size_t i = 0; i < BTCF_LENGTH(routes); i++)
        render_path(&json, &routes[i]);
    json_close(&json, '}');
    json_key(&json, "components");
    json_open(&json, '{');
    json_key(&json, "schemas");
    json_open(&json, '{');
    for (size_t i = 0; i < BTCF_LENGTH(schemas); i++)
        render_schema(&json, schemas[i]);
    json_close(&json, '}');
    json_close(&json, '}');
    json_close(&json, '}');
}

void doc_docs_render(struct strbuf *out)
{
    strbuf_add_text(out,
                    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>btcf API</title>"
                    "<meta name=\"viewport\" content=\"width=device-width\"><style>body{font:16px/1.5 sans-serif;"
                    "max-width:60em;margin:2em auto;padding:0 1em}td,th{text-align:left;padding:.2em 1em .2em 0;"
                    "vertical-align:top}code{background:#eee;padding:.1em .3em}</style></head><body>\n"
                    "<h1>btcf: Bitcoin forecasts as calibrated distributions</h1>\n"
                    "<p>All of these answer GET and HEAD. Times are RFC 3339 UTC; errors are "
                    "<code>application/problem+json</code> (RFC 9457); strong <code>ETag</code>s make polling "
                    "cheap: send <code>If-None-Match</code> and get 304 until something changes. "
                    "<a href=\"/openapi.json\">OpenAPI 3.1</a>.</p>\n<table>");
    for (size_t i = 0; i < BTCF_LENGTH(routes); i++) {
        strbuf_printf(out, "<tr><td><code>%s</code></td><td>%s", routes[i].path, routes[i].summary);
        for (size_t k = 0; routes[i].parameters[k] != NULL; k++)
            strbuf_printf(out, "<br>%s: %s (<code>%s</code>)", routes[i].parameters[k]->name,
                          routes[i].parameters[k]->help, routes[i].parameters[k]->values);
        strbuf_add_text(out, "</td></tr>\n");
    }
    strbuf_add_text(out, "</table>\n");
    for (size_t i = 0; i < BTCF_LENGTH(schemas); i++)
        render_fields_html(out, schemas[i]);
    strbuf_add_text(out, "</body></html>\n");
}

static void render_path(struct json *json, const struct route *route)
{
    json_key(json, route->path);
    json_open(json, '{');
    json_key(json, "get");
    json_open(json, '{');
    json_put_text(json, "summary", route->summary);
    if (route->parameters[0] != NULL) {
        json_key(json, "parameters");
        json_open(json, '[');
        for (size_t i = 0; route->parameters[i] != NULL; i++)
            render_parameter(json, route->parameters[i]);
        json_close(json, ']');
    }
    json_key(json, "responses");
    json_open(json, '{');
    render_response(json, "200", "the answer", route->type, route->schema);
    if (route->type != NULL && strcmp(route->type, EVENT_STREAM) != 0)
        render_response(json, "304", "unchanged since the version named in If-None-Match", NULL, NULL);
    if (route->parameters[0] != NULL &&
        (route->parameters[0]->kind == IN_PATH || route->parameters[0]->kind == WORD_IN_PATH))
        render_response(json, "404", "no such thing", "application/problem+json", "Problem");
    if (route->type != NULL)
        render_response(json, "400", "unknown query parameter or wrong value", "application/problem+json", "Problem");
    if (route->expires)
        render_response(json, "503", "forecast-expired, or nothing has been published yet",
                        "application/problem+json", "Problem");
    json_close(json, '}');
    json_close(json, '}');
    json_close(json, '}');
}

static void render_parameter(struct json *json, const struct parameter *parameter)
{
    bool is_path = parameter->kind == IN_PATH || parameter->kind == WORD_IN_PATH;
    bool is_list = parameter->kind == SELECTION || parameter->kind == TWO_NUMBERS;
    bool is_number = parameter->kind == NUMBER || parameter->kind == TWO_NUMBERS;
    json_open(json, '{');
    json_put_text(json, "name", parameter->name);
    json_put_text(json, "in", is_path ? "path" : "query");
    json_put_text(json, "description", parameter->help);
    json_put_bool(json, "required", is_path);
    if (is_list) {
        json_put_text(json, "style", "form");
        json_put_bool(json, "explode", false);
    }
    json_key(json, "schema");
    json_open(json, '{');
    if (is_list) {
        json_put_text(json, "type", "array");
        json_key(json, "items");
        json_open(json, '{');
    }
    json_put_text(json, "type", is_number ? "number" : "string");
    if (parameter->kind == IN_PATH || parameter->kind == SELECTION || parameter->kind == CHOICE)
        render_values(json, parameter->values);
    if (is_list)
        json_close(json, '}');
    json_close(json, '}');
    json_close(json, '}');
}

static void render_values(struct json *json, const char *values)
{
    struct str rest = str_of(values);
    json_key(json, "enum");
    json_open(json, '[');
    while (rest.ptr != NULL) {
        struct str value = str_cut(&rest, ' ');
        json_text_len(json, value.ptr, value.len);
    }
    json_close(json, ']');
}

static void render_response(struct json *json, const char *status, const char *description, const char *type,
                            const char *schema)
{
    json_key(json, status);
    json_open(json, '{');
    json_put_text(json, "description", description);
    if (type != NULL) {
        json_key(json, "content");
        json_open(json, '{');
        json_key(json, type);
        json_open(json, '{');
        if (schema != NULL) {
            char reference[64];
            snprintf(reference, sizeof(reference), "#/components/schemas/%s", schema);
            json_key(json, "schema");
            json_open(json, '{');
            json_put_text(json, "$ref", reference);
            json_close(json, '}');
        }
        json_close(json, '}');
        json_close(json, '}');
    }
    json_close(json, '}');
}

static void render_schema(struct json *json, const char *schema)
{
    json_key(json, schema);
    json_open(json, '{');
    json_put_text(json, "type", "object");
    json_key(json, "properties");
    json_open(json, '{');
    for (size_t i = 0; i < BTCF_LENGTH(fields); i++) {
        if (strcmp(fields[i].schema, schema) != 0)
            continue;
        json_key(json, fields[i].name);
        json_open(json, '{');
        render_type(json, &fields[i]);
        json_put_text(json, "description", fields[i].help);
        json_close(json, '}');
    }
    json_close(json, '}');
    json_close(json, '}');
}

static void render_type(struct json *json, const struct field *field)
{
    if (strcmp(field->type, "date-time") == 0) {
        json_put_text(json, "type", "string");
        json_put_text(json, "format", "date-time");
        return;
    }
    if (strcmp(field->name, "notice") != 0 && strcmp(field->name, "baseline") != 0) {
        json_put_text(json, "type", field->type);
        return;
    }
    json_key(json, "type");
    json_open(json, '[');
    json_text(json, field->type);
    json_text(json, "null");
    json_close(json, ']');
}

static void render_fields_html(struct strbuf *out, const char *schema)
{
    if (strcmp(schema, "Object") == 0)
        return;
    strbuf_printf(out, "<h2>%s</h2>\n<table>", schema);
    for (size_t i = 0; i < BTCF_LENGTH(fields); i++)
        if (strcmp(fields[i].schema, schema) == 0)
            strbuf_printf(out, "<tr><td><code>%s</code></td><td>%s</td><td>%s</td></tr>\n", fields[i].name,
                          fields[i].type, fields[i].help);
    strbuf_add_text(out, "</table>\n");
}
