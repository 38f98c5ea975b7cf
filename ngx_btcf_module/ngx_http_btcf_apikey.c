
/*
 * Judges an API key.
 */


#include "ngx_http_btcf.h"


ngx_int_t
ngx_http_btcf_apikey(ngx_http_request_t *r, const ngx_str_t *text,
    ngx_http_btcf_principal_t *principal)
{
    principal->outcome = BTCF_AUTH_UNAVAILABLE;

    return NGX_OK;
}
