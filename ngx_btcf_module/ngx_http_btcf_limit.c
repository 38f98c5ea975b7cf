
/*
 * Limits by address and by account. None is configured yet.
 */


#include "ngx_http_btcf.h"


ngx_int_t
ngx_http_btcf_limit_address(ngx_http_request_t *r, ngx_http_btcf_ctx_t *ctx)
{
    return NGX_OK;
}


void
ngx_http_btcf_limit_failure(ngx_http_request_t *r)
{
}


ngx_int_t
ngx_http_btcf_limit_account(ngx_http_request_t *r, ngx_http_btcf_ctx_t *ctx)
{
    return NGX_OK;
}


ngx_int_t
ngx_http_btcf_limit_headers(ngx_http_request_t *r)
{
    return NGX_OK;
}


void
ngx_http_btcf_limit_create(ngx_http_btcf_limit_conf_t *conf)
{
}


char *
ngx_http_btcf_limit_merge(ngx_conf_t *cf, ngx_http_btcf_limit_conf_t *prev,
    ngx_http_btcf_limit_conf_t *conf)
{
    return NGX_CONF_OK;
}
