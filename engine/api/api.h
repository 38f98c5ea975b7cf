/* Role api: what handlers share, and the table of what they answer.
 *
 * PostgreSQL may be away: then a handler that asks for it gets E_STORE, which the router turns into 503 with Retry-After.
 * Nothing here is needed for a read of a published document.
 */
#ifndef API_API_H
#define API_API_H

#include "core/base.h"
#include "core/rand.h"
#include "core/retry.h"
#include "core/settings.h"
#include "http/router.h"

struct db;

struct api {
    const struct settings *settings;
    const char *id; /* of this process, for the database's list of connections */
    struct db *db;  /* NULL before the first connection; use api_db */
    struct backoff backoff;
    struct rng rng;
    int64_t retry_at_ms; /* not before this is a lost database asked for again; monotonic */
};

/* Ends with a row whose method is NULL. */
extern const struct http_route api_routes[];

void api_init(struct api *api, const struct settings *settings, const char *id);
void api_release(struct api *api);

/* The connection, made if there is none. E_STORE while the database is away: at once, but for one try per pause. */
int api_db(struct api *api, struct db **db) BTCF_MUST_CHECK;

/* Handlers, by resource. `ctx` is the struct api. */
int ledger_list(void *ctx, const struct http_request *request, struct http_response *response);
int ledger_show(void *ctx, const struct http_request *request, struct http_response *response);
int ledger_prove(void *ctx, const struct http_request *request, struct http_response *response);

#endif
