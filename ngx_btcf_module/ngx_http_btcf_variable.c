
/*
 * Variables, for access logs and for headers to upstreams:
 *
 *     $btcf_request_id   the client's X-Request-Id, or ours
 *     $btcf_traceparent  W3C trace context of this request
 *     $btcf_generation   generation of the document served
 *     $btcf_doc          fresh, stale, expired or absent
 *     $btcf_route        route class, as in the metrics
 *     $btcf_problem      code of the problem sent
 *
 * and who asked: $btcf_user, _key, _session, _issuer, _plan, _scopes, _auth,
 * _limit_status, _units. These may be read in any phase; the first to be read
 * establishes the principal under the policy of the location that the request
 * is in by then, which costs the client nothing. nginx keeps what it has read
 * of a variable, so whenever the answer may have become another one, what it
 * keeps is taken away (ngx_http_btcf_forget_variables). Once the answer is on
 * its way nothing is established any more: logs say what was.
 */


#include "ngx_http_btcf.h"


static ngx_int_t ngx_http_btcf_add_table(ngx_conf_t *cf,
    ngx_http_variable_t *table);
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
static ngx_int_t ngx_http_btcf_variable_principal(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_btcf_variable_plan(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_btcf_variable_scopes(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_btcf_variable_auth(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_btcf_variable_limit(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_btcf_variable_units(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static const ngx_http_btcf_principal_t *ngx_http_btcf_variable_who(
    ngx_http_request_t *r, ngx_http_btcf_ctx_t **ctxp);
static void ngx_http_btcf_variable_text(ngx_http_variable_value_t *v,
    const u_char *data, size_t len);


#define ngx_http_btcf_principal(member)                                       \
    offsetof(ngx_http_btcf_principal_t, member)


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


/* who asked: in the order in which main_conf keeps their indices */

static ngx_http_variable_t
    ngx_http_btcf_who_variables[NGX_HTTP_BTCF_WHO + 1] =
{

    { ngx_string("btcf_user"), NULL, ngx_http_btcf_variable_principal,
      ngx_http_btcf_principal(user), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("btcf_key"), NULL, ngx_http_btcf_variable_principal,
      ngx_http_btcf_principal(key), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("btcf_session"), NULL, ngx_http_btcf_variable_principal,
      ngx_http_btcf_principal(session), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("btcf_issuer"), NULL, ngx_http_btcf_variable_principal,
      ngx_http_btcf_principal(issuer), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("btcf_plan"), NULL, ngx_http_btcf_variable_plan,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("btcf_scopes"), NULL, ngx_http_btcf_variable_scopes,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("btcf_auth"), NULL, ngx_http_btcf_variable_auth,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("btcf_limit_status"), NULL, ngx_http_btcf_variable_limit,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("btcf_units"), NULL, ngx_http_btcf_variable_units,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


static ngx_str_t  ngx_http_btcf_guest_plan = ngx_string("guest");


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
    ngx_uint_t                  i;
    ngx_http_btcf_main_conf_t  *mcf;

    if (ngx_http_btcf_add_table(cf, ngx_http_btcf_variables) != NGX_OK
        || ngx_http_btcf_add_table(cf, ngx_http_btcf_who_variables) != NGX_OK)
    {
        return NGX_ERROR;
    }

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_btcf_module);

    for (i = 0; i < NGX_HTTP_BTCF_WHO; i++) {
        mcf->who[i] = ngx_http_get_variable_index(cf,
                                         &ngx_http_btcf_who_variables[i].name);
        if (mcf->who[i] == NGX_ERROR) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_btcf_add_table(ngx_conf_t *cf, ngx_http_variable_t *table)
{
    ngx_http_variable_t  *var, *v;

    for (v = table; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


void
ngx_http_btcf_forget_variables(ngx_http_request_t *r,
    ngx_http_btcf_ctx_t *ctx)
{
    ngx_uint_t                        i;
    const ngx_http_btcf_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_btcf_module);

    for (i = 0; i < NGX_HTTP_BTCF_WHO; i++) {
        r->variables[mcf->who[i]].valid = 0;
        r->variables[mcf->who[i]].not_found = 0;
    }

    ctx->read = 0;
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

    /* one that another module has overruled since was not sent */

    if (ctx == NULL
        || ctx->problem == NULL
        || ngx_http_btcf_problem_status(ctx)
           != (ngx_int_t) (r->err_status ? r->err_status
                                         : r->headers_out.status))
    {
        v->not_found = 1;
        return NGX_OK;
    }

    code = ngx_http_btcf_problem_code(ctx);
    ngx_http_btcf_variable_text(v, code.data, code.len);

    return NGX_OK;
}


/* a text of the principal, at the offset `data` */

static ngx_int_t
ngx_http_btcf_variable_principal(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    const ngx_str_t                  *text;
    ngx_http_btcf_ctx_t              *ctx;
    const ngx_http_btcf_principal_t  *principal;

    principal = ngx_http_btcf_variable_who(r, &ctx);
    if (principal == NULL) {
        return NGX_ERROR;
    }

    text = (const ngx_str_t *) ((const u_char *) principal + data);

    if (text->len == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    ngx_http_btcf_variable_text(v, text->data, text->len);

    return NGX_OK;
}


static ngx_int_t
ngx_http_btcf_variable_plan(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_btcf_ctx_t              *ctx;
    const ngx_http_btcf_principal_t  *principal;

    principal = ngx_http_btcf_variable_who(r, &ctx);
    if (principal == NULL) {
        return NGX_ERROR;
    }

    if (principal->outcome == BTCF_AUTH_GUEST) {
        ngx_http_btcf_variable_text(v, ngx_http_btcf_guest_plan.data,
                                    ngx_http_btcf_guest_plan.len);
        return NGX_OK;
    }

    if (principal->user.len == 0 || ctx->plan.name[0] == '\0') {
        v->not_found = 1;
        return NGX_OK;
    }

    ngx_http_btcf_variable_text(v, (u_char *) ctx->plan.name,
                                ngx_strlen(ctx->plan.name));

    return NGX_OK;
}


static ngx_int_t
ngx_http_btcf_variable_scopes(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                         names;
    ngx_http_btcf_ctx_t              *ctx;
    const ngx_http_btcf_principal_t  *principal;

    principal = ngx_http_btcf_variable_who(r, &ctx);

    if (principal == NULL
        || ngx_http_btcf_scope_names(r, principal->scopes, &names) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_btcf_variable_text(v, names.data, names.len);

    return NGX_OK;
}


static ngx_int_t
ngx_http_btcf_variable_auth(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    const char                       *name;
    ngx_http_btcf_ctx_t              *ctx;
    const ngx_http_btcf_principal_t  *principal;

    principal = ngx_http_btcf_variable_who(r, &ctx);
    if (principal == NULL) {
        return NGX_ERROR;
    }

    name = btcf_auth_name(principal->outcome);
    ngx_http_btcf_variable_text(v, (const u_char *) name, ngx_strlen(name));

    return NGX_OK;
}


static ngx_int_t
ngx_http_btcf_variable_limit(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    const char           *name;
    ngx_http_btcf_ctx_t  *ctx;

    ctx = ngx_http_btcf_get_ctx(r);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    ctx->read = 1;

    name = btcf_limit_name(ctx->limit_outcome);
    ngx_http_btcf_variable_text(v, (const u_char *) name, ngx_strlen(name));

    return NGX_OK;
}


static ngx_int_t
ngx_http_btcf_variable_units(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char               *p;
    ngx_http_btcf_ctx_t  *ctx;

    ctx = ngx_http_btcf_get_ctx(r);
    p = ctx ? ngx_pnalloc(r->pool, NGX_INT_T_LEN) : NULL;

    if (p == NULL) {
        return NGX_ERROR;
    }

    ctx->read = 1;

    ngx_http_btcf_variable_text(v, p, ngx_sprintf(p, "%ui", ctx->units) - p);

    return NGX_OK;
}


static const ngx_http_btcf_principal_t *
ngx_http_btcf_variable_who(ngx_http_request_t *r, ngx_http_btcf_ctx_t **ctxp)
{
    const ngx_http_btcf_principal_t  *principal;

    principal = ngx_http_btcf_authenticate(r);
    if (principal == NULL) {
        return NULL;
    }

    *ctxp = ngx_http_btcf_find_ctx(r);
    (*ctxp)->read = 1;

    return principal;
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
