
/*
 * Variables, for access logs and for headers to upstreams:
 *
 *     $btcf_request_id   the client's X-Request-Id, or ours
 *     $btcf_traceparent  W3C trace context of this request
 *     $btcf_generation   generation of the document served
 *     $btcf_doc          fresh, stale, expired or absent
 *     $btcf_route        route class, as in the metrics
 *     $btcf_problem      code of the problem sent
 */


#include "ngx_http_btcf.h"


static ngx_int_t ngx_http_btcf_variable_id(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_btcf_variable_trace(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_btcf_variable_generation(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_btcf_variable_doc(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_btcf_variable_route(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_btcf_variable_problem(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static void ngx_http_btcf_variable_text(ngx_http_variable_value_t *v,
    const u_char *data, size_t len);


static ngx_http_variable_t  ngx_http_btcf_variables[] = {

    { ngx_string("btcf_request_id"), NULL, ngx_http_btcf_variable_id,
      0, 0, 0 },

    { ngx_string("btcf_traceparent"), NULL, ngx_http_btcf_variable_trace,
      0, 0, 0 },

    { ngx_string("btcf_generation"), NULL, ngx_http_btcf_variable_generation,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("btcf_doc"), NULL, ngx_http_btcf_variable_doc,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("btcf_route"), NULL, ngx_http_btcf_variable_route,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("btcf_problem"), NULL, ngx_http_btcf_variable_problem,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


static ngx_str_t  ngx_http_btcf_outcomes[] = {
    ngx_null_string,
    ngx_string("fresh"),
    ngx_string("stale"),
    ngx_string("expired"),
    ngx_string("absent")
};


ngx_int_t
ngx_http_btcf_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_btcf_variables; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_btcf_variable_id(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_btcf_ctx_t  *ctx;

    ctx = ngx_http_btcf_get_ctx(r);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    ngx_http_btcf_identify(r, ctx);
    ngx_http_btcf_variable_text(v, ctx->request_id.data, ctx->request_id.len);

    return NGX_OK;
}


static ngx_int_t
ngx_http_btcf_variable_trace(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_btcf_ctx_t  *ctx;

    ctx = ngx_http_btcf_get_ctx(r);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    ngx_http_btcf_identify(r, ctx);
    ngx_http_btcf_trace(ctx);
    ngx_http_btcf_variable_text(v, ctx->traceparent.data,
                                ctx->traceparent.len);

    return NGX_OK;
}


static ngx_int_t
ngx_http_btcf_variable_generation(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char               *p;
    ngx_http_btcf_ctx_t  *ctx;

    ctx = ngx_http_btcf_find_ctx(r);

    if (ctx == NULL || ctx->generation == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, NGX_INT64_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_http_btcf_variable_text(v, p,
                                ngx_sprintf(p, "%uL", ctx->generation) - p);

    return NGX_OK;
}


static ngx_int_t
ngx_http_btcf_variable_doc(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t            *name;
    ngx_http_btcf_ctx_t  *ctx;

    ctx = ngx_http_btcf_find_ctx(r);

    if (ctx == NULL || ctx->outcome == NGX_HTTP_BTCF_DOC_NONE) {
        v->not_found = 1;
        return NGX_OK;
    }

    name = &ngx_http_btcf_outcomes[ctx->outcome];
    ngx_http_btcf_variable_text(v, name->data, name->len);

    return NGX_OK;
}


static ngx_int_t
ngx_http_btcf_variable_route(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    const char  *name;

    name = btcf_route_name(ngx_http_btcf_route(r));
    ngx_http_btcf_variable_text(v, (const u_char *) name, ngx_strlen(name));

    return NGX_OK;
}


static ngx_int_t
ngx_http_btcf_variable_problem(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t             code;
    ngx_http_btcf_ctx_t  *ctx;

    ctx = ngx_http_btcf_find_ctx(r);

    if (ctx == NULL || ctx->problem == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    code = ngx_http_btcf_problem_code(ctx);
    ngx_http_btcf_variable_text(v, code.data, code.len);

    return NGX_OK;
}


static void
ngx_http_btcf_variable_text(ngx_http_variable_value_t *v, const u_char *data,
    size_t len)
{
    v->data = (u_char *) data;
    v->len = len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
}
