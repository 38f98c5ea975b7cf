
/*
 * Judges a token. No key set is read yet, so none is accepted.
 */


#include "ngx_http_btcf.h"


ngx_int_t
ngx_http_btcf_token(ngx_http_request_t *r, const ngx_str_t *text,
    ngx_uint_t ticket, ngx_http_btcf_principal_t *principal)
{
    principal->outcome = BTCF_AUTH_UNAVAILABLE;

    return NGX_OK;
}


ngx_uint_t
ngx_http_btcf_still_valid(ngx_http_request_t *r,
    const ngx_http_btcf_principal_t *principal)
{
    return 0;
}


void
ngx_http_btcf_token_create(ngx_http_btcf_token_conf_t *conf)
{
}


char *
ngx_http_btcf_token_merge(ngx_conf_t *cf, ngx_http_btcf_token_conf_t *prev,
    ngx_http_btcf_token_conf_t *conf)
{
    return NGX_CONF_OK;
}
