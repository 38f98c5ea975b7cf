
/*
 * The parameters of a question, strictly: what is not understood is refused
 * by name, since an answer to another question would be worse.
 */


#include "ngx_http_btcf_query.h"


#define NGX_HTTP_BTCF_NUMBER_MAX   20       /* characters */


static ngx_int_t ngx_http_btcf_query_arg(ngx_http_request_t *r,
    const ngx_http_btcf_query_param_t *param, const ngx_str_t *raw,
    ngx_str_t *value);


ngx_int_t
ngx_http_btcf_query_args(ngx_http_request_t *r,
    const ngx_http_btcf_query_param_t *params,
    ngx_http_btcf_query_args_t *args)
{
    u_char                             *p, *last, *end, *eq;
    ngx_int_t                           rc;
    ngx_str_t                           name, raw;
    const ngx_http_btcf_query_param_t  *param;

    ngx_memzero(args, sizeof(ngx_http_btcf_query_args_t));

    p = r->args.data;
    last = p + r->args.len;

    for ( /* void */ ; p < last; p = end + 1) {

        end = ngx_strlchr(p, last, '&');
        if (end == NULL) {
            end = last;
        }

        if (end == p) {
            continue;
        }

        eq = ngx_strlchr(p, end, '=');

        name.data = p;
        name.len = (eq ? eq : end) - p;
        raw.data = eq ? eq + 1 : end;
        raw.len = end - raw.data;

        for (param = params; param->name.len; param++) {
            if (ngx_http_btcf_same(&name, &param->name)) {
                break;
            }
        }

        if (param->name.len == 0) {
            return ngx_http_btcf_problem(r, NGX_HTTP_BTCF_UNKNOWN_PARAMETER,
                                         &name);
        }

        rc = ngx_http_btcf_query_arg(r, param, &raw,
                         (ngx_str_t *) ((u_char *) args + param->offset));
        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_btcf_query_arg(ngx_http_request_t *r,
    const ngx_http_btcf_query_param_t *param, const ngx_str_t *raw,
    ngx_str_t *value)
{
    u_char  *dst, *src;

    if (value->len || raw->len == 0) {
        return ngx_http_btcf_problem(r, param->problem, raw);
    }

    dst = ngx_pnalloc(r->pool, raw->len);
    if (dst == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    value->data = dst;
    src = raw->data;
    ngx_unescape_uri(&dst, &src, raw->len, 0);
    value->len = dst - value->data;

    if (value->len == 0) {
        return ngx_http_btcf_problem(r, param->problem, raw);
    }

    return NGX_OK;
}


ngx_uint_t
ngx_http_btcf_query_number(const ngx_str_t *text, double *value)
{
    double       unit;
    ngx_uint_t   i, point;

    if (text->len == 0 || text->len > NGX_HTTP_BTCF_NUMBER_MAX
        || (text->len > 1 && text->data[0] == '0' && text->data[1] != '.'))
    {
        return 0;
    }

    *value = 0;
    unit = 1;
    point = 0;

    for (i = 0; i < text->len; i++) {

        if (text->data[i] == '.') {
            if (point || i == 0 || i + 1 == text->len) {
                return 0;
            }

            point = 1;
            continue;
        }

        if (text->data[i] < '0' || text->data[i] > '9') {
            return 0;
        }

        *value = *value * 10 + (text->data[i] - '0');
        unit *= point ? 10 : 1;
    }

    *value /= unit;

    return 1;
}
