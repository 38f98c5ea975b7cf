/* See the header. The JSON:
 *
 *     {"model": "arima", "form": "ARIMA(0,1,1)", "n": 100, "converged": true, "loglik": -1.5, "aic": .., "aicc": ..,
 *      "bic": .., "sigma2": .., "parameters": {"ma1": -0.4}, "se": {"hessian": {"ma1": 0.1}, "opg": {..}, "robust": {..}},
 *      "forecast": {"mean": [..], "low_80": [..], "high_80": [..], "low_95": [..], "high_95": [..]}}
 *
 * Numbers have all the digits that a double has; what a method does not compute is null; "forecast" is there when it was
 * asked for.
 */
#include "cmd/fit_report.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/err.h"
#include "core/json.h"
#include "core/str.h"

#define TEXT_MAX ((size_t)1 << 20)
#define DIGITS 17

/* The standard errors that there are, and where a parameter keeps its own. */
static const struct {
    const char *name;
    size_t offset;
} error_kinds[] = {
    {"hessian", offsetof(struct estimate_parameter, se_hessian)},
    {"opg", offsetof(struct estimate_parameter, se_opg)},
    {"robust", offsetof(struct estimate_parameter, se_robust)},
};

static double error_of(const struct estimate_parameter *parameter, size_t kind)
{
    double value;

    memcpy(&value, (const char *)parameter + error_kinds[kind].offset, sizeof value);
    return value;
}

static int print(const struct strbuf *buf)
{
    if (strbuf_failed(buf))
        return err_set(E_LIMIT, "the report is longer than %zu bytes", TEXT_MAX);
    if (fwrite(buf->ptr, 1, buf->len, stdout) != buf->len || fflush(stdout) != 0)
        return err_set(E_STORE, "the report could not be written");
    return 0;
}

static void put_number(struct json *json, const char *key, double value)
{
    json_key(json, key);
    json_number_significant(json, value, DIGITS);
}

static void put_parameters(struct json *json, const struct estimate *estimate)
{
    json_key(json, "parameters");
    json_open(json, '{');
    for (size_t i = 0; i < estimate->parameter_count; i++)
        put_number(json, estimate->parameters[i].name, estimate->parameters[i].value);
    json_close(json, '}');
    json_key(json, "se");
    json_open(json, '{');
    for (size_t kind = 0; kind < BTCF_LENGTH(error_kinds); kind++) {
        json_key(json, error_kinds[kind].name);
        json_open(json, '{');
        for (size_t i = 0; i < estimate->parameter_count; i++)
            put_number(json, estimate->parameters[i].name, error_of(&estimate->parameters[i], kind));
        json_close(json, '}');
    }
    json_close(json, '}');
}

/* The forecast's columns in the order in which they are told. */
#define FORECAST_COLUMNS 5
static const char *const column_names[FORECAST_COLUMNS] = {"mean", "low_80", "high_80", "low_95", "high_95"};

static void get_columns(const struct estimate *estimate, const double **columns)
{
    columns[0] = estimate->mean;
    columns[1] = estimate->low_80;
    columns[2] = estimate->high_80;
    columns[3] = estimate->low_95;
    columns[4] = estimate->high_95;
}

static void put_forecast(struct json *json, const struct estimate *estimate)
{
    const double *columns[FORECAST_COLUMNS];

    get_columns(estimate, columns);
    json_key(json, "forecast");
    json_open(json, '{');
    for (size_t column = 0; column < FORECAST_COLUMNS; column++) {
        json_key(json, column_names[column]);
        json_open(json, '[');
        for (size_t i = 0; columns[column] != NULL && i < estimate->forecast_count; i++)
            json_number_significant(json, columns[column][i], DIGITS);
        json_close(json, ']');
    }
    json_close(json, '}');
}

int fit_report_json(const char *model, const struct estimate *estimate)
{
    struct strbuf buf;
    struct json json;

    strbuf_init(&buf, TEXT_MAX);
    json_init(&json, &buf);
    json_open(&json, '{');
    json_put_text(&json, "model", model);
    json_put_text(&json, "form", estimate->form);
    json_put_i64(&json, "n", (int64_t)estimate->n);
    json_put_bool(&json, "converged", estimate->converged);
    put_number(&json, "loglik", estimate->loglik);
    put_number(&json, "aic", estimate->aic);
    put_number(&json, "aicc", estimate->aicc);
    put_number(&json, "bic", estimate->bic);
    put_number(&json, "sigma2", estimate->sigma2);
    put_parameters(&json, estimate);
    if (estimate->forecast_count > 0)
        put_forecast(&json, estimate);
    json_close(&json, '}');
    strbuf_add_char(&buf, '\n');
    int status = print(&buf);
    strbuf_release(&buf);
    return status;
}

/* A cell: the number, or as many blanks when there is none. */
static void add_cell(struct strbuf *buf, double value)
{
    if (isfinite(value))
        strbuf_printf(buf, " %14.8g", value);
    else
        strbuf_printf(buf, " %14s", "");
}

static void add_fact(struct strbuf *buf, const char *name, double value)
{
    if (isfinite(value))
        strbuf_printf(buf, "%-10s %.10g\n", name, value);
}

static void add_forecast(struct strbuf *buf, const struct estimate *estimate)
{
    const double *columns[FORECAST_COLUMNS];

    get_columns(estimate, columns);
    strbuf_printf(buf, "\n%-12s", "step");
    for (size_t column = 0; column < FORECAST_COLUMNS; column++)
        strbuf_printf(buf, " %14s", column_names[column]);
    strbuf_add_char(buf, '\n');
    for (size_t i = 0; i < estimate->forecast_count; i++) {
        strbuf_printf(buf, "%-12zu", i + 1);
        for (size_t column = 0; column < FORECAST_COLUMNS; column++)
            add_cell(buf, columns[column] != NULL ? columns[column][i] : NAN);
        strbuf_add_char(buf, '\n');
    }
}

int fit_report_table(const char *model, const struct estimate *estimate)
{
    struct strbuf buf;

    strbuf_init(&buf, TEXT_MAX);
    strbuf_printf(&buf, "%s%s%s on %zu values%s\n\n", model, estimate->form[0] != '\0' ? ": " : "", estimate->form,
                  estimate->n, estimate->converged ? "" : " (the search did not converge)");
    add_fact(&buf, "loglik", estimate->loglik);
    add_fact(&buf, "aic", estimate->aic);
    add_fact(&buf, "aicc", estimate->aicc);
    add_fact(&buf, "bic", estimate->bic);
    add_fact(&buf, "sigma2", estimate->sigma2);
    strbuf_printf(&buf, "\n%-12s %14s %14s %14s %14s\n", "parameter", "estimate", "se hessian", "se opg",
                  "se robust");
    for (size_t i = 0; i < estimate->parameter_count; i++) {
        strbuf_printf(&buf, "%-12s", estimate->parameters[i].name);
        add_cell(&buf, estimate->parameters[i].value);
        for (size_t kind = 0; kind < BTCF_LENGTH(error_kinds); kind++)
            add_cell(&buf, error_of(&estimate->parameters[i], kind));
        strbuf_add_char(&buf, '\n');
    }
    if (estimate->forecast_count > 0)
        add_forecast(&buf, estimate);
    int status = print(&buf);
    strbuf_release(&buf);
    return status;
}
