
/*
 * Events as they happen. Only what its configuration needs is here yet.
 */


#include "ngx_http_btcf.h"


void
ngx_http_btcf_stream_create(ngx_http_btcf_stream_conf_t *conf)
{
}


char *
ngx_http_btcf_stream_merge(ngx_conf_t *cf, ngx_http_btcf_stream_conf_t *prev,
    ngx_http_btcf_stream_conf_t *conf)
{
    return NGX_CONF_OK;
}
