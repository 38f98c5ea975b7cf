/* From a request to the function that answers it, by one table. What the table does not allow never reaches a handler:
 * other paths (404), other methods (405 with Allow), parameters that it does not name (400), scopes that are lacking
 * (401, 403).
 *
 *     static const struct http_route routes[] = {
 *         {.method = "GET", .path = "/v1/ledger/entries/{seq}", .run = ledger_entry},
 *     };
 */
#ifndef HTTP_ROUTER_H
#define HTTP_ROUTER_H

#include "core/base.h"
#include "http/message.h"

struct http_route {
    const char *method; /* "GET" answers HEAD as well */
    const char *path;   /* segments in braces are parameters: any text without a slash, at least one byte */
    const char *scope;  /* that the credential must have; NULL: anybody, guests too */
    const char *query;  /* names of query parameters that it takes, separated by spaces; NULL: none */
    /* Fills the response. -1 with an error becomes a problem (http/problem.h). */
    int (*run)(void *ctx, const struct http_request *request, struct http_response *response);
    const char *summary; /* one sentence, for the description of the interface */
};

/* Answers the request, always. `routes` ends with a row whose method is NULL. */
void http_answer(const struct http_route *routes, void *ctx, struct http_request *request,
                 struct http_response *response);

#endif
