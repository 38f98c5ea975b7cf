/* A request as handlers see it, and the response that they fill in.
 *
 * Texts live as long as the request's arena. Who asks is what the module found out in nginx's access phase and no client
 * can forge (conf/scgi_params.btcf); an empty text means not known.
 */
#ifndef HTTP_MESSAGE_H
#define HTTP_MESSAGE_H

#include "core/arena.h"
#include "core/base.h"
#include "core/str.h"
#include "http/scgi.h"

#define HTTP_PATH_MAX 1024
#define HTTP_PATH_PARAMS_MAX 4
#define HTTP_QUERY_PARAMS_MAX 16
#define HTTP_RESPONSE_BYTES_MAX ((size_t)4 << 20)
#define HTTP_HEADERS_MAX 8

struct http_param {
    const char *name, *value; /* decoded, without NUL inside, valid UTF-8 */
};

struct http_identity {
    const char *auth; /* "none", "key", "token", ... as $btcf_auth */
    const char *user, *key, *session, *issuer, *plan, *scopes;
};

struct http_request {
    struct arena *arena;
    const char *method, *path; /* the path is decoded and normalised by nginx */
    const char *request_id, *traceparent, *remote_addr, *content_type, *accept;
    struct http_identity who;
    struct str body;
    size_t path_count, query_count;
    struct http_param in_path[HTTP_PATH_PARAMS_MAX]; /* filled by the router */
    struct http_param query[HTTP_QUERY_PARAMS_MAX];
};

struct http_header {
    const char *name, *value; /* literals, or in the request's arena; no line breaks */
};

struct http_response {
    int status;
    const char *type; /* a literal; NULL: no body */
    struct strbuf body;
    size_t header_count;
    struct http_header headers[HTTP_HEADERS_MAX];
};

/* Fills the request from SCGI parameters. E_INPUT names what a client sent that is no good: a query that is not UTF-8, a
 * parameter twice, too many of them. */
int http_request_make(struct arena *arena, const struct scgi_request *scgi,
                      struct http_request *request) BTCF_MUST_CHECK;

/* A parameter of the path or the query by name; NULL when it is not there. */
const char *http_path_param(const struct http_request *request, const char *name);
const char *http_query_param(const struct http_request *request, const char *name);

void http_response_init(struct http_response *response);
void http_response_release(struct http_response *response);
/* Adds a header; more than HTTP_HEADERS_MAX is our own mistake and asserts. */
void http_response_header(struct http_response *response, const char *name, const char *value);

/* The whole response as nginx reads it from an SCGI server: "Status: 200 OK", headers, an empty line, the body. */
void http_response_render(const struct http_response *response, bool with_body, struct strbuf *out);

#endif
