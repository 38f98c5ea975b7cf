/* See the header. */
#include "http/message.h"

#include <assert.h>
#include <string.h>

#include "core/err.h"
#include "core/utf8.h"

static const char *text_of(struct arena *arena, struct str text)
{
    return text.ptr == NULL ? "" : arena_strndup(arena, text.ptr, text.len);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Percent-decoded ('+' is a space, as forms send it); NULL when it is malformed, holds NUL, or is not UTF-8. */
static const char *decode(struct arena *arena, struct str text)
{
    char *out = arena_alloc(arena, text.len + 1);
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (c == '%') {
            int high = text.len - i > 2 ? hex_digit(text.ptr[i + 1]) : -1;
            int low = text.len - i > 2 ? hex_digit(text.ptr[i + 2]) : -1;

            if (high < 0 || low < 0)
                return NULL;
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+') {
            c = ' ';
        }
        if (c == '\0')
            return NULL;
        out[len++] = c;
    }
    out[len] = '\0';
    return utf8_is_valid((struct str){out, len}) ? out : NULL;
}

static int add_query(struct http_request *request, struct str pair)
{
    struct str value = pair, name = str_cut(&value, '=');
    struct http_param param = {.name = decode(request->arena, name),
                               .value = value.ptr == NULL ? "" : decode(request->arena, value)};

    if (param.name == NULL || param.value == NULL)
        return err_set(E_INPUT, "the query is not percent-encoded UTF-8");
    if (http_query_param(request, param.name) != NULL)
        return err_set(E_INPUT, "the query parameter \"%s\" comes twice", param.name);
    if (request->query_count == HTTP_QUERY_PARAMS_MAX)
        return err_set(E_INPUT, "more than %d query parameters", HTTP_QUERY_PARAMS_MAX);
    request->query[request->query_count++] = param;
    return 0;
}

static int parse_query(struct http_request *request, struct str query)
{
    while (query.ptr != NULL) {
        struct str pair = str_cut(&query, '&');

        if (pair.len > 0 && add_query(request, pair) < 0)
            return -1;
    }
    return 0;
}

int http_request_make(struct arena *arena, const struct scgi_request *scgi, struct http_request *request)
{
    const struct {
        const char *name;
        const char **field;
    } texts[] = {
        {"REQUEST_METHOD", &request->method},      {"DOCUMENT_URI", &request->path},
        {"BTCF_REQUEST_ID", &request->request_id}, {"BTCF_TRACEPARENT", &request->traceparent},
        {"REMOTE_ADDR", &request->remote_addr},    {"CONTENT_TYPE", &request->content_type},
        {"HTTP_ACCEPT", &request->accept},         {"BTCF_AUTH", &request->who.auth},
        {"BTCF_USER", &request->who.user},         {"BTCF_KEY", &request->who.key},
        {"BTCF_SESSION", &request->who.session},   {"BTCF_ISSUER", &request->who.issuer},
        {"BTCF_PLAN", &request->who.plan},         {"BTCF_SCOPES", &request->who.scopes},
    };
    struct str path = scgi_param(scgi, "DOCUMENT_URI");

    *request = (struct http_request){.arena = arena, .body = scgi->body};
    for (size_t i = 0; i < BTCF_LENGTH(texts); i++)
        *texts[i].field = text_of(arena, scgi_param(scgi, texts[i].name));
    if (path.len == 0 || path.len > HTTP_PATH_MAX || path.ptr[0] != '/' || !utf8_is_valid(path))
        return err_set(E_INPUT, "the path is not UTF-8 of at most %d bytes", HTTP_PATH_MAX);
    return parse_query(request, scgi_param(scgi, "QUERY_STRING"));
}

static const char *find(const struct http_param *params, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(params[i].name, name) == 0)
            return params[i].value;
    return NULL;
}

const char *http_path_param(const struct http_request *request, const char *name)
{
    return find(request->in_path, request->path_count, name);
}

const char *http_query_param(const struct http_request *request, const char *name)
{
    return find(request->query, request->query_count, name);
}

void http_response_init(struct http_response *response)
{
    *response = (struct http_response){.status = 200, .type = "application/json"};
    strbuf_init(&response->body, HTTP_RESPONSE_BYTES_MAX);
}

void http_response_release(struct http_response *response)
{
    strbuf_release(&response->body);
}

void http_response_header(struct http_response *response, const char *name, const char *value)
{
    assert(response->header_count < HTTP_HEADERS_MAX);
    assert(strpbrk(value, "\r\n") == NULL);
    response->headers[response->header_count++] = (struct http_header){name, value};
}

void http_response_render(const struct http_response *response, bool with_body, struct strbuf *out)
{
    strbuf_printf(out, "Status: %d\r\n", response->status);
    if (response->type != NULL)
        strbuf_printf(out, "Content-Type: %s\r\nContent-Length: %zu\r\n", response->type, response->body.len);
    for (size_t i = 0; i < response->header_count; i++)
        strbuf_printf(out, "%s: %s\r\n", response->headers[i].name, response->headers[i].value);
    strbuf_add_text(out, "\r\n");
    if (with_body && response->type != NULL)
        strbuf_add(out, response->body.ptr, response->body.len);
}
