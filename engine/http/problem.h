/* Errors as application/problem+json (RFC 9457), in the form that the nginx module uses for its own:
 *
 *     {"type":"urn:btcf:problem:<code>","title":..,"status":..,"detail":..,"instance":<path>,"code":..,"request_id":..}
 */
#ifndef HTTP_PROBLEM_H
#define HTTP_PROBLEM_H

#include "core/base.h"
#include "http/message.h"

/* What Retry-After says on a 503, in seconds. */
#define HTTP_RETRY_AFTER "5"

/* Turns the response into a problem; whatever it held is dropped. `detail` goes to the client: no internals. */
void http_problem(const struct http_request *request, struct http_response *response, int status, const char *code,
                  const char *detail);

/* The pending error as a problem, by its kind: input 400, missing 404, conflict 409, limit 413, what is away or late 503;
 * anything else is our fault: logged, and 500 without a word about why. Clears the error. */
void http_problem_of_error(const struct http_request *request, struct http_response *response);

#endif
