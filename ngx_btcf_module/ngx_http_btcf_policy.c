
/*
 * What a location asks of those who come: btcf_auth and what goes with it.
 */


#include "ngx_http_btcf.h"


#define NGX_HTTP_BTCF_MAX_STALE  (24 * 60 * 60 * 1000)


void
ngx_http_btcf_policy_create(ngx_http_btcf_policy_conf_t *conf)
{
    conf->auth = NGX_CONF_UNSET_UINT;
    conf->max_stale = NGX_CONF_UNSET_MSEC;
}


char *
ngx_http_btcf_policy_merge(ngx_conf_t *cf, ngx_http_btcf_policy_conf_t *prev,
    ngx_http_btcf_policy_conf_t *conf)
{
    ngx_conf_merge_uint_value(conf->auth, prev->auth, NGX_HTTP_BTCF_AUTH_OFF);
    ngx_conf_merge_msec_value(conf->max_stale, prev->max_stale,
                              NGX_HTTP_BTCF_MAX_STALE);

    return NGX_CONF_OK;
}
