
/*
 * Finds the credential of a request, and says of what kind it is.
 */


#include "ngx_http_btcf.h"


ngx_http_btcf_credential_e
ngx_http_btcf_credential(ngx_http_request_t *r, ngx_str_t *text)
{
    if (r->headers_in.authorization == NULL) {
        return NGX_HTTP_BTCF_CREDENTIAL_NONE;
    }

    *text = r->headers_in.authorization->value;

    return NGX_HTTP_BTCF_CREDENTIAL_MALFORMED;
}
