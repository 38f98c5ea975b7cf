
/*
 * Finds the credential of a request, and says of what kind it is:
 *
 *     X-API-Key: btcf_live_...              an API key
 *     Authorization: Bearer btcf_live_...   an API key
 *     Authorization: Bearer eyJ...          a token
 *     GET /v1/stream?ticket=eyJ...          a ticket, where streams are served
 *
 * Several at once are refused, because nobody could say which of them counts:
 * two of these, and two headers of one name as well.
 *
 * Authorization of another scheme is nobody's business here: it is left to
 * auth_basic, or to the service behind the location, and the request has no
 * credential of ours. What begins with no scheme at all is malformed, since
 * it most likely is a key or token whose sender forgot the word "Bearer": as
 * a guest he would wonder.
 *
 * Whether the credential is any good is decided in _apikey and _token.
 */


#include "ngx_http_btcf.h"


static ngx_http_btcf_credential_e ngx_http_btcf_authorization(
    const ngx_str_t *value, ngx_str_t *text);
static ngx_http_btcf_credential_e ngx_http_btcf_bearer(ngx_str_t *text);


static ngx_str_t  ngx_http_btcf_bearer_scheme = ngx_string("Bearer");
static ngx_str_t  ngx_http_btcf_key_prefix = ngx_string("btcf_");


ngx_http_btcf_credential_e
ngx_http_btcf_credential(ngx_http_request_t *r, ngx_str_t *text)
{
    ngx_http_btcf_ctx_t             *ctx;
    ngx_http_core_loc_conf_t        *clcf;
    ngx_http_btcf_credential_e       kind;
    const ngx_http_btcf_headers_t   *headers;

    ctx = ngx_http_btcf_get_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_BTCF_CREDENTIAL_MALFORMED;
    }

    ngx_http_btcf_identify(r, ctx);

    if (ngx_http_btcf_hide_ticket(r, ctx) != NGX_OK) {
        return NGX_HTTP_BTCF_CREDENTIAL_MALFORMED;
    }

    headers = &ctx->headers;
    kind = NGX_HTTP_BTCF_CREDENTIAL_NONE;
    ctx->bearer = 0;

    if (headers->authorizations > 1 || headers->api_keys > 1) {
        return NGX_HTTP_BTCF_CREDENTIAL_TWO;
    }

    if (headers->authorization) {
        kind = ngx_http_btcf_authorization(headers->authorization, text);
        ctx->bearer = (kind != NGX_HTTP_BTCF_CREDENTIAL_NONE);
    }

    if (headers->api_key) {
        if (kind != NGX_HTTP_BTCF_CREDENTIAL_NONE) {
            return NGX_HTTP_BTCF_CREDENTIAL_TWO;
        }

        *text = *headers->api_key;
        kind = NGX_HTTP_BTCF_CREDENTIAL_KEY;
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (ctx->tickets && clcf->handler == ngx_http_btcf_stream_handler) {
        if (kind != NGX_HTTP_BTCF_CREDENTIAL_NONE || ctx->tickets > 1) {
            return NGX_HTTP_BTCF_CREDENTIAL_TWO;
        }

        *text = ctx->ticket;
        kind = NGX_HTTP_BTCF_CREDENTIAL_TICKET;
    }

    return kind;
}


/* RFC 9110, section 11.4: a scheme, one blank or more, and what it needs. */

static ngx_http_btcf_credential_e
ngx_http_btcf_authorization(const ngx_str_t *value, ngx_str_t *text)
{
    u_char  *p, *last;
    size_t   len;

    last = value->data + value->len;
    p = ngx_strlchr(value->data, last, ' ');

    if (p == NULL) {
        return NGX_HTTP_BTCF_CREDENTIAL_MALFORMED;
    }

    len = p - value->data;

    if (len != ngx_http_btcf_bearer_scheme.len
        || ngx_strncasecmp(value->data, ngx_http_btcf_bearer_scheme.data, len)
           != 0)
    {
        return NGX_HTTP_BTCF_CREDENTIAL_NONE;
    }

    while (p < last && *p == ' ') {
        p++;
    }

    text->data = p;
    text->len = last - p;

    return ngx_http_btcf_bearer(text);
}


static ngx_http_btcf_credential_e
ngx_http_btcf_bearer(ngx_str_t *text)
{
    if (text->len == 0) {
        return NGX_HTTP_BTCF_CREDENTIAL_MALFORMED;
    }

    if (text->len >= ngx_http_btcf_key_prefix.len
        && ngx_strncmp(text->data, ngx_http_btcf_key_prefix.data,
                       ngx_http_btcf_key_prefix.len)
           == 0)
    {
        return NGX_HTTP_BTCF_CREDENTIAL_KEY;
    }

    return NGX_HTTP_BTCF_CREDENTIAL_TOKEN;
}
