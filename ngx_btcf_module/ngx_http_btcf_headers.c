
/*
 * Headers that every answer of a main request gets, whoever made it: content
 * of ours or of others, errors, redirects. They are added by one filter, so
 * each comes once, however many locations a request went through.
 *
 *     X-Request-Id, traceparent       btcf_request_id
 *     RateLimit and its relatives     _limit
 *     Access-Control-*, Vary: Origin  _cors
 *     Btcf-Sandbox: true              on whatever a test key gets
 *     WWW-Authenticate                on a 401 of ours
 *
 * The challenge could not be left with the request in the access phase, as
 * nginx's own modules do it: under `satisfy any` another module may let the
 * request pass, and nginx takes back one challenge only.
 */


#include "ngx_http_btcf.h"


static ngx_int_t ngx_http_btcf_id_headers(ngx_http_request_t *r,
    ngx_http_btcf_ctx_t *ctx);
static ngx_int_t ngx_http_btcf_challenge(ngx_http_request_t *r,
    ngx_http_btcf_ctx_t *ctx);


static const ngx_str_t  ngx_http_btcf_h_id = ngx_string("X-Request-Id");
static const ngx_str_t  ngx_http_btcf_h_trace = ngx_string("traceparent");
static const ngx_str_t  ngx_http_btcf_h_sandbox = ngx_string("Btcf-Sandbox");
static const ngx_str_t  ngx_http_btcf_h_true = ngx_string("true");

static const ngx_str_t  ngx_http_btcf_h_authenticate =
    ngx_string("WWW-Authenticate");
static const ngx_str_t  ngx_http_btcf_realm =
    ngx_string("Bearer realm=\"btcf\"");
static const ngx_str_t  ngx_http_btcf_realm_invalid =
    ngx_string("Bearer realm=\"btcf\", error=\"invalid_token\"");


ngx_int_t
ngx_http_btcf_headers(ngx_http_request_t *r, ngx_http_btcf_ctx_t *ctx)
{
    const ngx_http_btcf_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_btcf_module);

    if (lcf->request_id || lcf->problem || lcf->policy.cors) {
        ngx_http_btcf_identify(r, ctx);
    }

    if (lcf->request_id && ngx_http_btcf_id_headers(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_http_btcf_limit_headers(r) != NGX_OK
        || ngx_http_btcf_cors_headers(r, ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ctx->principal.test
        && ngx_http_btcf_add_header(r, &ngx_http_btcf_h_sandbox,
                                    &ngx_http_btcf_h_true)
           == NULL)
    {
        return NGX_ERROR;
    }

    if (ctx->challenge && r->headers_out.status == NGX_HTTP_UNAUTHORIZED) {
        return ngx_http_btcf_challenge(r, ctx);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_btcf_id_headers(ngx_http_request_t *r, ngx_http_btcf_ctx_t *ctx)
{
    if (ngx_http_btcf_add_header(r, &ngx_http_btcf_h_id, &ctx->request_id)
        == NULL)
    {
        return NGX_ERROR;
    }

    if (!ctx->traced) {
        return NGX_OK;
    }

    ngx_http_btcf_trace(ctx);

    return ngx_http_btcf_add_header(r, &ngx_http_btcf_h_trace,
                                    &ctx->traceparent)
           ? NGX_OK : NGX_ERROR;
}


/*
 * RFC 6750, section 3: an error only when a token was sent. A page that comes
 * from an upstream with a challenge of its own keeps that one.
 */

static ngx_int_t
ngx_http_btcf_challenge(ngx_http_request_t *r, ngx_http_btcf_ctx_t *ctx)
{
    if (r->upstream && r->upstream->headers_in.www_authenticate) {
        return NGX_OK;
    }

    return ngx_http_btcf_add_header(r, &ngx_http_btcf_h_authenticate,
                                    ctx->bearer ? &ngx_http_btcf_realm_invalid
                                                : &ngx_http_btcf_realm)
           ? NGX_OK : NGX_ERROR;
}
