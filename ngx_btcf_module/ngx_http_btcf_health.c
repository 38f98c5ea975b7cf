
/*
 * Content: liveness and readiness.
 *
 * Live: this worker answers. Ready: it has at least one forecast that it may
 * give out. An engine that restarts does not make a node unready, because its
 * readers notice nothing; forecasts that have all expired do.
 */


#include "ngx_http_btcf.h"


#define NGX_HTTP_BTCF_READY_MAX  256


static ngx_str_t  ngx_http_btcf_json = ngx_string("application/json");
static ngx_str_t  ngx_http_btcf_live = ngx_string("{\"status\":\"live\"}\n");


ngx_int_t
ngx_http_btcf_live_handler(ngx_http_request_t *r)
{
    ngx_int_t             rc;
    ngx_http_btcf_ctx_t  *ctx;

    rc = ngx_http_btcf_begin(r, &ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    ctx->route = BTCF_ROUTE_HEALTH;

    return ngx_http_btcf_send_text(r, &ngx_http_btcf_json,
                                   &ngx_http_btcf_live);
}


ngx_int_t
ngx_http_btcf_ready_handler(ngx_http_request_t *r)
{
    int64_t                         now_ms;
    ngx_int_t                       rc;
    ngx_str_t                       text;
    ngx_uint_t                      i, n[NGX_HTTP_BTCF_DOC_ABSENT + 1];
    ngx_http_btcf_ctx_t            *ctx;
    ngx_http_btcf_doc_t            *doc;
    ngx_http_btcf_segment_state_t   state;

    rc = ngx_http_btcf_begin(r, &ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    ctx->route = BTCF_ROUTE_HEALTH;

    ngx_memzero(n, sizeof(n));
    now_ms = ngx_http_btcf_now_ms();

    for (i = 0; i < NGX_HTTP_BTCF_HORIZONS; i++) {
        doc = ngx_http_btcf_segment_doc(&ngx_http_btcf_forecast_keys[i]);

        if (doc && !doc->retired) {
            n[ngx_http_btcf_doc_outcome(doc, now_ms)]++;
        }
    }

    if (n[NGX_HTTP_BTCF_DOC_FRESH] + n[NGX_HTTP_BTCF_DOC_STALE] == 0) {
        return ngx_http_btcf_problem(r, NGX_HTTP_BTCF_NOT_READY, NULL);
    }

    ngx_http_btcf_segment_state(&state);

    text.data = ngx_pnalloc(r->pool, NGX_HTTP_BTCF_READY_MAX);
    if (text.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    text.len = ngx_sprintf(text.data,
                           "{\"status\":\"ready\",\"engine\":\"%s\","
                           "\"forecasts\":{\"fresh\":%ui,\"stale\":%ui,"
                           "\"expired\":%ui}}\n",
                           state.beating ? "beating" : "silent",
                           n[NGX_HTTP_BTCF_DOC_FRESH],
                           n[NGX_HTTP_BTCF_DOC_STALE],
                           n[NGX_HTTP_BTCF_DOC_EXPIRED])
               - text.data;

    return ngx_http_btcf_send_text(r, &ngx_http_btcf_json, &text);
}
