
/*
 * Btcf-Simulate: what an integrator wants to see, so that what he wrote for
 * bad days is tried on a good one.
 *
 *     429    the answer to a client that is over its rate
 *     503    the answer of a server that cannot answer
 *     stale  the document that says of itself that it is old
 *     slow   the answer, later
 *
 * For test keys only: nobody else can ask for it. Each is done once in a
 * request, so a page that `error_page` names for it is sent as it is.
 *
 * A slow answer waits on the connection's write timer, in the access phase,
 * as limit_req does: the worker goes on, and the phase is run again when the
 * time has come.
 */


#include "ngx_http_btcf.h"


#define NGX_HTTP_BTCF_SLOW         2000     /* ms */
#define NGX_HTTP_BTCF_RETRY_SOON   1        /* s */


typedef enum {
    NGX_HTTP_BTCF_SIMULATE_429 = 0,
    NGX_HTTP_BTCF_SIMULATE_503,
    NGX_HTTP_BTCF_SIMULATE_STALE,
    NGX_HTTP_BTCF_SIMULATE_SLOW,
    NGX_HTTP_BTCF_SIMULATIONS
} ngx_http_btcf_simulation_e;


static ngx_int_t ngx_http_btcf_slow(ngx_http_request_t *r,
    ngx_http_btcf_ctx_t *ctx);
static void ngx_http_btcf_slow_handler(ngx_http_request_t *r);


static const ngx_str_t  ngx_http_btcf_simulations[] = {
    ngx_string("429"),
    ngx_string("503"),
    ngx_string("stale"),
    ngx_string("slow")
};


ngx_int_t
ngx_http_btcf_simulate(ngx_http_request_t *r, ngx_http_btcf_ctx_t *ctx)
{
    ngx_uint_t        i;
    const ngx_str_t  *what;

    what = ctx->headers.simulate;

    if (what == NULL || !ctx->principal.test || ctx->simulated) {
        return NGX_OK;
    }

    ctx->simulated = 1;

    for (i = 0; i < NGX_HTTP_BTCF_SIMULATIONS; i++) {
        if (what->len == ngx_http_btcf_simulations[i].len
            && ngx_memcmp(what->data, ngx_http_btcf_simulations[i].data,
                          what->len)
               == 0)
        {
            break;
        }
    }

    switch (i) {

    case NGX_HTTP_BTCF_SIMULATE_429:
        ctx->retry_after = NGX_HTTP_BTCF_RETRY_SOON;
        return ngx_http_btcf_problem(r, NGX_HTTP_BTCF_RATE_LIMITED, NULL);

    case NGX_HTTP_BTCF_SIMULATE_503:
        return ngx_http_btcf_problem(r, NGX_HTTP_BTCF_SIMULATED, NULL);

    case NGX_HTTP_BTCF_SIMULATE_STALE:
        ctx->stale = 1;
        return NGX_OK;

    case NGX_HTTP_BTCF_SIMULATE_SLOW:
        return ngx_http_btcf_slow(r, ctx);

    default:
        return ngx_http_btcf_problem(r, NGX_HTTP_BTCF_UNKNOWN_SIMULATION,
                                     what);
    }
}


static ngx_int_t
ngx_http_btcf_slow(ngx_http_request_t *r, ngx_http_btcf_ctx_t *ctx)
{
    if (ngx_handle_read_event(r->connection->read, 0) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->waiting = 1;

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_btcf_slow_handler;

    r->connection->write->delayed = 1;
    ngx_add_timer(r->connection->write, NGX_HTTP_BTCF_SLOW);

    return NGX_AGAIN;
}


/* Called for every event of the connection; only the timer ends the delay. */

static void
ngx_http_btcf_slow_handler(ngx_http_request_t *r)
{
    ngx_event_t  *wev;

    wev = r->connection->write;

    if (wev->delayed) {

        if (ngx_handle_write_event(wev, 0) != NGX_OK) {
            ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        }

        return;
    }

    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = ngx_http_core_run_phases;

    ngx_http_core_run_phases(r);
}
