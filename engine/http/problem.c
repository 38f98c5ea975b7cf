/* See the header. */
#include "http/problem.h"

#include <stdio.h>

#include "core/err.h"
#include "core/json.h"
#include "core/log.h"

static const char *title_of(int status)
{
    static const struct {
        int status;
        const char *title;
    } titles[] = {{400, "Bad Request"},       {401, "Unauthorized"},           {403, "Forbidden"},
                  {404, "Not Found"},         {405, "Method Not Allowed"},     {409, "Conflict"},
                  {413, "Content Too Large"}, {415, "Unsupported Media Type"}, {422, "Unprocessable Content"},
                  {429, "Too Many Requests"}, {500, "Internal Server Error"},  {503, "Service Unavailable"}};

    for (size_t i = 0; i < BTCF_LENGTH(titles); i++)
        if (titles[i].status == status)
            return titles[i].title;
    return "Error";
}

void http_problem(const struct http_request *request, struct http_response *response, int status, const char *code,
                  const char *detail)
{
    struct json json;
    char type[96];

    response->status = status;
    response->type = "application/problem+json";
    response->header_count = 0;
    strbuf_reset(&response->body);
    snprintf(type, sizeof type, "urn:btcf:problem:%s", code);
    json_init(&json, &response->body);
    json_open(&json, '{');
    json_put_text(&json, "type", type);
    json_put_text(&json, "title", title_of(status));
    json_put_i64(&json, "status", status);
    json_put_text(&json, "detail", detail);
    json_put_text(&json, "instance", request->path);
    json_put_text(&json, "code", code);
    json_put_text(&json, "request_id", request->request_id);
    json_close(&json, '}');
    http_response_header(response, "Cache-Control", "no-store");
    if (status == 503)
        http_response_header(response, "Retry-After", HTTP_RETRY_AFTER);
}

void http_problem_of_error(const struct http_request *request, struct http_response *response)
{
    switch (err_kind()) {
    case E_INPUT:
        http_problem(request, response, 400, "invalid-request", err_text());
        break;
    case E_MISSING:
        http_problem(request, response, 404, "not-found", err_text());
        break;
    case E_CONFLICT:
        http_problem(request, response, 409, "conflict", err_text());
        break;
    case E_LIMIT:
        http_problem(request, response, 413, "too-large", err_text());
        break;
    case E_STORE:
    case E_TIMEOUT:
    case E_UPSTREAM:
        log_failure("api.unavailable", request->path);
        http_problem(request, response, 503, "unavailable", "this cannot be answered now");
        break;
    default:
        log_failure("api.failed", request->path);
        http_problem(request, response, 500, "internal",
                     "something went wrong on our side; the request id helps us find it");
        break;
    }
    err_clear();
}
