
/*
 * btcf_cors: which pages of other origins may read the answers.
 *
 * A preflight request is answered here, before anything is asked of it: by
 * the standard a browser sends it without credentials, so to authenticate it
 * would be to refuse it. Any other OPTIONS request is treated like every
 * other method. Answers, errors too, get the origin that is allowed, as it is
 * written in the configuration: nothing of the request is repeated.
 *
 * Which methods and headers really work is for the location to say; the
 * preflight's lists name what any location of this service understands.
 */


#include "ngx_http_btcf.h"


#define NGX_HTTP_BTCF_CORS_AGE  3600    /* s, of a preflight's answer */


struct ngx_http_btcf_cors_s {
    ngx_array_t                *origins;    /* ngx_str_t; NULL: any */
    ngx_uint_t                  credentials; /* unsigned  credentials:1; */
    ngx_str_t                   max_age;
};


static const ngx_str_t *ngx_http_btcf_cors_origin(
    const ngx_http_btcf_cors_t *cors, const ngx_str_t *origin);
static ngx_int_t ngx_http_btcf_cors_parameter(ngx_conf_t *cf,
    ngx_http_btcf_cors_t *cors, ngx_str_t *value);
static ngx_int_t ngx_http_btcf_cors_age(ngx_conf_t *cf,
    ngx_http_btcf_cors_t *cors, ngx_int_t age);


static const ngx_str_t  ngx_http_btcf_vary = ngx_string("Vary");
static const ngx_str_t  ngx_http_btcf_vary_origin = ngx_string("Origin");
static const ngx_str_t  ngx_http_btcf_any_origin = ngx_string("*");
static const ngx_str_t  ngx_http_btcf_true = ngx_string("true");

static const ngx_str_t  ngx_http_btcf_allow_origin =
    ngx_string("Access-Control-Allow-Origin");
static const ngx_str_t  ngx_http_btcf_allow_credentials =
    ngx_string("Access-Control-Allow-Credentials");
static const ngx_str_t  ngx_http_btcf_max_age_name =
    ngx_string("Access-Control-Max-Age");

static const ngx_str_t  ngx_http_btcf_expose =
    ngx_string("Access-Control-Expose-Headers");
static const ngx_str_t  ngx_http_btcf_exposed =
    ngx_string("RateLimit, RateLimit-Policy, X-RateLimit-Limit,"
               " X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After,"
               " WWW-Authenticate, ETag, X-Request-Id, traceparent,"
               " Btcf-Sandbox");

static const ngx_str_t  ngx_http_btcf_allow_methods =
    ngx_string("Access-Control-Allow-Methods");
static const ngx_str_t  ngx_http_btcf_allowed_methods =
    ngx_string("GET, HEAD, POST, PUT, PATCH, DELETE");

static const ngx_str_t  ngx_http_btcf_allow_headers =
    ngx_string("Access-Control-Allow-Headers");
static const ngx_str_t  ngx_http_btcf_allowed_headers =
    ngx_string("Authorization, X-API-Key, Content-Type, If-None-Match,"
               " Last-Event-ID, X-Request-Id, traceparent, Idempotency-Key,"
               " Btcf-Simulate");


ngx_int_t
ngx_http_btcf_cors_preflight(ngx_http_request_t *r, ngx_http_btcf_ctx_t *ctx)
{
    const ngx_http_btcf_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_btcf_module);

    if (lcf->policy.cors == NULL || r->method != NGX_HTTP_OPTIONS) {
        return NGX_DECLINED;
    }

    ngx_http_btcf_identify(r, ctx);

    if (ctx->headers.preflight == NULL
        || ngx_http_btcf_cors_origin(lcf->policy.cors, ctx->headers.origin)
           == NULL)
    {
        return NGX_DECLINED;
    }

    ctx->preflight = 1;

    return NGX_HTTP_NO_CONTENT;
}


ngx_int_t
ngx_http_btcf_cors_headers(ngx_http_request_t *r, ngx_http_btcf_ctx_t *ctx)
{
    const ngx_str_t                 *origin;
    const ngx_http_btcf_cors_t      *cors;
    const ngx_http_btcf_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_btcf_module);
    cors = lcf->policy.cors;

    if (cors == NULL) {
        return NGX_OK;
    }

    /* a cache must know that the answer would differ, even where it did not */

    if (cors->origins
        && ngx_http_btcf_add_header(r, &ngx_http_btcf_vary,
                                    &ngx_http_btcf_vary_origin)
           == NULL)
    {
        return NGX_ERROR;
    }

    origin = ngx_http_btcf_cors_origin(cors, ctx->headers.origin);

    if (origin == NULL) {
        return NGX_OK;
    }

    if (ngx_http_btcf_add_header(r, &ngx_http_btcf_allow_origin, origin)
        == NULL
        || (cors->credentials
            && ngx_http_btcf_add_header(r, &ngx_http_btcf_allow_credentials,
                                        &ngx_http_btcf_true)
               == NULL))
    {
        return NGX_ERROR;
    }

    if (!ctx->preflight) {
        return ngx_http_btcf_add_header(r, &ngx_http_btcf_expose,
                                        &ngx_http_btcf_exposed)
               ? NGX_OK : NGX_ERROR;
    }

    if (ngx_http_btcf_add_header(r, &ngx_http_btcf_allow_methods,
                                 &ngx_http_btcf_allowed_methods)
        == NULL
        || ngx_http_btcf_add_header(r, &ngx_http_btcf_allow_headers,
                                    &ngx_http_btcf_allowed_headers)
           == NULL
        || ngx_http_btcf_add_header(r, &ngx_http_btcf_max_age_name,
                                    &cors->max_age)
           == NULL)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* What may be said of this origin; NULL: nothing. Compared byte by byte. */

static const ngx_str_t *
ngx_http_btcf_cors_origin(const ngx_http_btcf_cors_t *cors,
    const ngx_str_t *origin)
{
    ngx_str_t   *allowed;
    ngx_uint_t   i;

    if (origin == NULL) {
        return NULL;
    }

    if (cors->origins == NULL) {
        return &ngx_http_btcf_any_origin;
    }

    allowed = cors->origins->elts;

    for (i = 0; i < cors->origins->nelts; i++) {
        if (allowed[i].len == origin->len
            && ngx_memcmp(allowed[i].data, origin->data, origin->len) == 0)
        {
            return &allowed[i];
        }
    }

    return NULL;
}


/* btcf_cors origin ... | * | off [credentials] [max_age=time] */

char *
ngx_http_btcf_set_cors(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_btcf_loc_conf_t *lcf = conf;

    ngx_str_t             *value;
    ngx_uint_t             i, any;
    ngx_http_btcf_cors_t  *cors;

    if (lcf->policy.cors != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        lcf->policy.cors = NULL;
        return NGX_CONF_OK;
    }

    cors = ngx_pcalloc(cf->pool, sizeof(ngx_http_btcf_cors_t));
    if (cors == NULL) {
        return NGX_CONF_ERROR;
    }

    cors->origins = ngx_array_create(cf->pool, cf->args->nelts,
                                     sizeof(ngx_str_t));
    if (cors->origins == NULL
        || ngx_http_btcf_cors_age(cf, cors, NGX_HTTP_BTCF_CORS_AGE) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    any = 0;

    for (i = 1; i < cf->args->nelts; i++) {
        if (ngx_strcmp(value[i].data, "*") == 0) {
            any = 1;

        } else if (ngx_http_btcf_cors_parameter(cf, cors, &value[i])
                   != NGX_OK)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\"", &value[i]);
            return NGX_CONF_ERROR;
        }
    }

    if (any == (cors->origins->nelts != 0)) {
        return "needs origins, or \"*\" alone";
    }

    if (any && cors->credentials) {
        return "cannot allow credentials to any origin";
    }

    if (any) {
        cors->origins = NULL;
    }

    lcf->policy.cors = cors;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_btcf_cors_parameter(ngx_conf_t *cf, ngx_http_btcf_cors_t *cors,
    ngx_str_t *value)
{
    ngx_int_t   age;
    ngx_str_t   text, *origin;

    if (ngx_strcmp(value->data, "credentials") == 0) {
        cors->credentials = 1;
        return NGX_OK;
    }

    if (ngx_strncmp(value->data, "max_age=", 8) == 0) {
        text.data = value->data + 8;
        text.len = value->len - 8;

        age = ngx_parse_time(&text, 1);

        return (age == NGX_ERROR) ? NGX_ERROR
                                  : ngx_http_btcf_cors_age(cf, cors, age);
    }

    /* a scheme, a host, perhaps a port; no path, not even a slash */

    origin = value;
    text.data = (u_char *) ngx_strstr(origin->data, "://");

    if (text.data == NULL
        || text.data == origin->data
        || ngx_strchr(text.data + 3, '/')
        || text.data[3] == '\0')
    {
        return NGX_ERROR;
    }

    origin = ngx_array_push(cors->origins);
    if (origin == NULL) {
        return NGX_ERROR;
    }

    *origin = *value;

    return NGX_OK;
}


static ngx_int_t
ngx_http_btcf_cors_age(ngx_conf_t *cf, ngx_http_btcf_cors_t *cors,
    ngx_int_t age)
{
    cors->max_age.data = ngx_pnalloc(cf->pool, NGX_INT_T_LEN);
    if (cors->max_age.data == NULL) {
        return NGX_ERROR;
    }

    cors->max_age.len = ngx_sprintf(cors->max_age.data, "%i", age)
                        - cors->max_age.data;

    return NGX_OK;
}
