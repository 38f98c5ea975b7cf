/* One GET at a time over HTTPS, with everything bounded: time, size, redirects (none). For exchanges and the like.
 *
 * Certificates are verified. Plain http is refused except to this machine itself, where tests and local relays live.
 * A handle keeps its connections for the next call to the same host.
 */
#ifndef NET_HTTPS_H
#define NET_HTTPS_H

#include "core/base.h"

struct arena;
struct https;

#define HTTPS_CONNECT_TIMEOUT_MS 4000

/* `is_cancelled` (NULL: never) is asked about once a second while waiting; true ends the call with E_TIMEOUT. */
struct https *https_create(bool (*is_cancelled)(void *arg), void *arg);
void https_free(struct https **https);

struct https_request {
    const char *url;
    int64_t timeout_ms; /* for the whole call */
    size_t size_max;    /* of the body */
};

struct https_response {
    int status;
    const char *body; /* in the arena, NUL behind it */
    size_t len;
    int64_t retry_after_s; /* of 429 and 503; 0: not said */
};

/* 0 for every answer, whatever its status. E_TIMEOUT when the deadline passes, E_UPSTREAM for everything else that goes
 * wrong on the way, a body over size_max too, E_INPUT for an address that is not allowed. */
int https_get(struct https *https, struct arena *arena, const struct https_request *request,
              struct https_response *response) BTCF_MUST_CHECK;

#endif
