
/*
 * Content: questions that are answered from a published curve.
 *
 *     /v1/forecasts/{horizon}/probability?above=X  ?below=X  ?between=X,Y
 *     /v1/forecasts/{horizon}/risk?level=0.99&side=long
 *
 * The curve, its straight lines and its tails are those of shm/dist.h: any
 * price has a probability, and answers from beyond the outermost published
 * level say so (`"tail":true`). Whether there is an answer at all, how old it
 * may be and what it costs is decided by the horizon's document.
 *
 * Risk is that of one bitcoin, held (long) or owed (short) from the origin to
 * the target, in USD and as a share of the origin price.
 *
 * Numbers of clients are plain decimals. What is read is what is echoed, so
 * only what is valid in JSON is taken.
 */


#include "ngx_http_btcf_query.h"

#include <math.h>


#define NGX_HTTP_BTCF_PRICE_MAX    1e12     /* USD */
#define NGX_HTTP_BTCF_LEVEL_MIN    0.5
#define NGX_HTTP_BTCF_LEVEL_MAX    0.9999

#define NGX_HTTP_BTCF_ANSWER_MAX   1024     /* bytes of a body */


typedef struct {
    const ngx_str_t                *path;   /* of the forecast */
    const ngx_http_btcf_curve_t    *curve;
    ngx_http_btcf_doc_t            *doc;
    ngx_uint_t                      stale;
} ngx_http_btcf_query_t;


typedef ngx_int_t (*ngx_http_btcf_query_pt)(ngx_http_request_t *r,
    const ngx_http_btcf_query_t *query, ngx_str_t *body);


static ngx_int_t ngx_http_btcf_query_probability(ngx_http_request_t *r,
    const ngx_http_btcf_query_t *query, ngx_str_t *body);
static ngx_int_t ngx_http_btcf_query_risk(ngx_http_request_t *r,
    const ngx_http_btcf_query_t *query, ngx_str_t *body);
static ngx_http_btcf_query_pt ngx_http_btcf_query_of(const ngx_str_t *uri,
    const ngx_str_t **path);
static ngx_int_t ngx_http_btcf_query_answer(ngx_http_request_t *r,
    const ngx_http_btcf_query_t *query, ngx_str_t *body);
static ngx_int_t ngx_http_btcf_query_between(ngx_http_request_t *r,
    const ngx_http_btcf_query_args_t *args, double *from, double *to);
static ngx_uint_t ngx_http_btcf_query_price(const ngx_str_t *text,
    double *price);
static u_char *ngx_http_btcf_query_loss(u_char *p,
    const ngx_http_btcf_query_t *query, double level, ngx_uint_t is_long);
static u_char *ngx_http_btcf_query_head(u_char *p,
    const ngx_http_btcf_query_t *query);
static u_char *ngx_http_btcf_query_tail(u_char *p,
    const ngx_http_btcf_query_t *query, ngx_uint_t beyond);
static u_char *ngx_http_btcf_query_time(u_char *p, int64_t unix_ms);


static const ngx_http_btcf_query_param_t  ngx_http_btcf_probability_params[] = {

    { ngx_string("above"), offsetof(ngx_http_btcf_query_args_t, above),
      NGX_HTTP_BTCF_INVALID_PRICE },

    { ngx_string("below"), offsetof(ngx_http_btcf_query_args_t, below),
      NGX_HTTP_BTCF_INVALID_PRICE },

    { ngx_string("between"), offsetof(ngx_http_btcf_query_args_t, between),
      NGX_HTTP_BTCF_INVALID_PRICE },

    { ngx_null_string, 0, 0 }
};


static const ngx_http_btcf_query_param_t  ngx_http_btcf_risk_params[] = {

    { ngx_string("level"), offsetof(ngx_http_btcf_query_args_t, level),
      NGX_HTTP_BTCF_INVALID_LEVEL },

    { ngx_string("side"), offsetof(ngx_http_btcf_query_args_t, side),
      NGX_HTTP_BTCF_INVALID_SIDE },

    { ngx_null_string, 0, 0 }
};


static ngx_str_t  ngx_http_btcf_query_type =
    ngx_string("application/json");
static const ngx_str_t  ngx_http_btcf_q_probability =
    ngx_string("/probability");
static const ngx_str_t  ngx_http_btcf_q_risk = ngx_string("/risk");
static const ngx_str_t  ngx_http_btcf_q_level = ngx_string("0.99");
static const ngx_str_t  ngx_http_btcf_q_long = ngx_string("long");
static const ngx_str_t  ngx_http_btcf_q_short = ngx_string("short");


ngx_int_t
ngx_http_btcf_query_handler(ngx_http_request_t *r)
{
    ngx_int_t               rc;
    ngx_str_t               body, key;
    u_char                  text[BTCF_DOC_KEY_MAX];
    ngx_http_btcf_ctx_t    *ctx;
    ngx_http_btcf_query_t   query;
    ngx_http_btcf_query_pt  ask;

    rc = ngx_http_btcf_begin(r, &ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    ask = ngx_http_btcf_query_of(&r->uri, &query.path);
    if (ask == NULL) {
        return NGX_HTTP_NOT_FOUND;
    }

    ctx->route = BTCF_ROUTE_FORECAST;

    query.doc = ngx_http_btcf_find_doc(ctx, query.path);
    query.curve = NULL;

    if (query.doc && !query.doc->retired
        && ngx_http_btcf_doc_key(ctx, query.path, text, &key) == NGX_OK)
    {
        query.curve = ngx_http_btcf_find_curve(&key);
    }

    if (query.curve == NULL) {
        ctx->outcome = NGX_HTTP_BTCF_DOC_ABSENT;
        return ngx_http_btcf_problem(r, ctx->principal.test
                                        ? NGX_HTTP_BTCF_SANDBOX_ABSENT
                                        : NGX_HTTP_BTCF_NO_DATA,
                                     NULL);
    }

    rc = ngx_http_btcf_judge(r, ctx, query.doc, &query.stale);
    if (rc != NGX_OK) {
        return rc;
    }

    body.data = ngx_pnalloc(r->pool, NGX_HTTP_BTCF_ANSWER_MAX);
    if (body.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ask(r, &query, &body);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_http_btcf_hold(ctx, query.doc) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_btcf_query_answer(r, &query, &body);
}


/* Which question the path asks, and of which forecast; NULL: none. */

static ngx_http_btcf_query_pt
ngx_http_btcf_query_of(const ngx_str_t *uri, const ngx_str_t **path)
{
    ngx_str_t         rest;
    ngx_uint_t        i;
    const ngx_str_t  *key;

    for (i = 0; i < NGX_HTTP_BTCF_HORIZONS; i++) {
        key = &ngx_http_btcf_forecast_keys[i];

        if (uri->len <= key->len
            || ngx_memcmp(uri->data, key->data, key->len) != 0)
        {
            continue;
        }

        rest.data = uri->data + key->len;
        rest.len = uri->len - key->len;
        *path = key;

        if (ngx_http_btcf_same(&rest, &ngx_http_btcf_q_probability)) {
            return ngx_http_btcf_query_probability;
        }

        if (ngx_http_btcf_same(&rest, &ngx_http_btcf_q_risk)) {
            return ngx_http_btcf_query_risk;
        }
    }

    return NULL;
}


static ngx_int_t
ngx_http_btcf_query_probability(ngx_http_request_t *r,
    const ngx_http_btcf_query_t *query, ngx_str_t *body)
{
    u_char                      *p;
    double                       from, to, share;
    ngx_int_t                    rc;
    ngx_uint_t                   beyond;
    ngx_http_btcf_query_args_t   args;
    const struct btcf_dist      *dist;

    rc = ngx_http_btcf_query_args(r, ngx_http_btcf_probability_params, &args);
    if (rc != NGX_OK) {
        return rc;
    }

    if ((args.above.len != 0) + (args.below.len != 0)
        + (args.between.len != 0) != 1)
    {
        return ngx_http_btcf_problem(r, NGX_HTTP_BTCF_ONE_QUESTION, NULL);
    }

    rc = ngx_http_btcf_query_between(r, &args, &from, &to);
    if (rc != NGX_OK) {
        return rc;
    }

    dist = &query->curve->dist;
    share = btcf_dist_below(dist, to) - btcf_dist_below(dist, from);

    beyond = (from > 0 && btcf_dist_in_tail(dist, from))
             || (isfinite(to) && btcf_dist_in_tail(dist, to));

    p = ngx_http_btcf_query_head(body->data, query);

    if (args.above.len) {
        p = ngx_sprintf(p, ",\"above\":%V", &args.above);

    } else if (args.below.len) {
        p = ngx_sprintf(p, ",\"below\":%V", &args.below);

    } else {
        p = ngx_sprintf(p, ",\"between\":[%V]", &args.between);
    }

    p = ngx_sprintf(p, ",\"probability\":%.8f",
                    ngx_min(ngx_max(share, 0.0), 1.0));
    p = ngx_http_btcf_query_tail(p, query, beyond);

    body->len = p - body->data;

    return NGX_OK;
}


/* The question as an interval: what is above X lies in (X, infinity). */

static ngx_int_t
ngx_http_btcf_query_between(ngx_http_request_t *r,
    const ngx_http_btcf_query_args_t *args, double *from, double *to)
{
    u_char           *comma;
    ngx_str_t         first, second;
    const ngx_str_t  *text;

    *from = 0;
    *to = (double) INFINITY;

    if (args->above.len || args->below.len) {
        text = args->above.len ? &args->above : &args->below;

        if (ngx_http_btcf_query_price(text, args->above.len ? from : to)) {
            return NGX_OK;
        }

        return ngx_http_btcf_problem(r, NGX_HTTP_BTCF_INVALID_PRICE, text);
    }

    text = &args->between;
    comma = ngx_strlchr(text->data, text->data + text->len, ',');

    if (comma) {
        first.data = text->data;
        first.len = comma - text->data;
        second.data = comma + 1;
        second.len = text->data + text->len - second.data;

        if (ngx_http_btcf_query_price(&first, from)
            && ngx_http_btcf_query_price(&second, to)
            && *from < *to)
        {
            return NGX_OK;
        }
    }

    return ngx_http_btcf_problem(r, NGX_HTTP_BTCF_INVALID_PRICE, text);
}


static ngx_int_t
ngx_http_btcf_query_risk(ngx_http_request_t *r,
    const ngx_http_btcf_query_t *query, ngx_str_t *body)
{
    u_char                      *p;
    double                       level;
    ngx_int_t                    rc;
    ngx_uint_t                   is_long;
    ngx_http_btcf_query_args_t   args;

    rc = ngx_http_btcf_query_args(r, ngx_http_btcf_risk_params, &args);
    if (rc != NGX_OK) {
        return rc;
    }

    if (args.level.len == 0) {
        args.level = ngx_http_btcf_q_level;
    }

    if (args.side.len == 0) {
        args.side = ngx_http_btcf_q_long;
    }

    is_long = ngx_http_btcf_same(&args.side, &ngx_http_btcf_q_long);

    if (!is_long && !ngx_http_btcf_same(&args.side, &ngx_http_btcf_q_short)) {
        return ngx_http_btcf_problem(r, NGX_HTTP_BTCF_INVALID_SIDE,
                                     &args.side);
    }

    if (!ngx_http_btcf_query_number(&args.level, &level)
        || level < NGX_HTTP_BTCF_LEVEL_MIN || level > NGX_HTTP_BTCF_LEVEL_MAX)
    {
        return ngx_http_btcf_problem(r, NGX_HTTP_BTCF_INVALID_LEVEL,
                                     &args.level);
    }

    p = ngx_http_btcf_query_head(body->data, query);
    p = ngx_sprintf(p, ",\"level\":%V,\"side\":\"%V\"", &args.level,
                    &args.side);
    p = ngx_http_btcf_query_loss(p, query, level, is_long);

    body->len = p - body->data;

    return NGX_OK;
}


static u_char *
ngx_http_btcf_query_loss(u_char *p, const ngx_http_btcf_query_t *query,
    double level, ngx_uint_t is_long)
{
    double                 origin;
    struct btcf_dist_risk  risk;

    origin = btcf_dist_double(query->curve->curve.origin_price);
    risk = btcf_dist_risk(&query->curve->dist, origin, level, is_long != 0);

    p = ngx_sprintf(p, ",\"price\":%.2f,\"value_at_risk\":%.2f"
                    ",\"value_at_risk_share\":%.6f"
                    ",\"expected_shortfall\":%.2f"
                    ",\"expected_shortfall_share\":%.6f",
                    risk.price, risk.at_risk, risk.at_risk / origin,
                    risk.shortfall, risk.shortfall / origin);

    return ngx_http_btcf_query_tail(p, query, risk.in_tail);
}


static ngx_uint_t
ngx_http_btcf_query_price(const ngx_str_t *text, double *price)
{
    return ngx_http_btcf_query_number(text, price)
           && *price > 0 && *price <= NGX_HTTP_BTCF_PRICE_MAX;
}


static u_char *
ngx_http_btcf_query_head(u_char *p, const ngx_http_btcf_query_t *query)
{
    ngx_str_t                      horizon;
    const struct btcf_dist_curve  *curve;

    curve = &query->curve->curve;

    horizon.data = query->path->data + NGX_HTTP_BTCF_FORECAST_PREFIX;
    horizon.len = query->path->len - NGX_HTTP_BTCF_FORECAST_PREFIX;

    p = ngx_sprintf(p, "{\"horizon\":\"%V\",\"issued_at\":\"", &horizon);
    p = ngx_http_btcf_query_time(p, curve->issued_at_ms);
    p = ngx_sprintf(p, "\",\"target_at\":\"");
    p = ngx_http_btcf_query_time(p, curve->target_at_ms);

    return ngx_sprintf(p, "\",\"origin_price\":%.2f",
                       btcf_dist_double(curve->origin_price));
}


/* `beyond`: a price of the question or answer lies past the last level. */

static u_char *
ngx_http_btcf_query_tail(u_char *p, const ngx_http_btcf_query_t *query,
    ngx_uint_t beyond)
{
    uint32_t  flags;

    flags = query->curve->curve.flags;

    return ngx_sprintf(p, ",\"tail\":%s,\"method\":\"%s\",\"stale\":%s,"
                       "\"degraded\":%s}",
                       beyond ? "true" : "false",
                       (flags & BTCF_CURVE_BASELINE) ? "baseline"
                       : (flags & BTCF_CURVE_MODEL) ? "model" : "ensemble",
                       query->stale ? "true" : "false",
                       (flags & BTCF_CURVE_DEGRADED) ? "true" : "false");
}


/* RFC 3339, UTC, whole seconds: forecasts begin and end at whole hours. */

static u_char *
ngx_http_btcf_query_time(u_char *p, int64_t unix_ms)
{
    ngx_tm_t  tm;

    ngx_gmtime((time_t) (unix_ms / 1000), &tm);

    return ngx_sprintf(p, "%4d-%02d-%02dT%02d:%02d:%02dZ", tm.ngx_tm_year,
                       tm.ngx_tm_mon, tm.ngx_tm_mday, tm.ngx_tm_hour,
                       tm.ngx_tm_min, tm.ngx_tm_sec);
}


/* The tag names the body: equal curves and questions have equal bytes. */

static ngx_int_t
ngx_http_btcf_query_answer(ngx_http_request_t *r,
    const ngx_http_btcf_query_t *query, ngx_str_t *body)
{
    u_char                  *p;
    int64_t                  now_ms;
    ngx_http_btcf_answer_t   answer;

    now_ms = ngx_http_btcf_now_ms();

    ngx_memzero(&answer, sizeof(ngx_http_btcf_answer_t));

    p = ngx_pnalloc(r->pool, NGX_HTTP_BTCF_TAG_LEN);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    answer.etag.data = p;
    answer.etag.len = ngx_sprintf(p, "\"%016xL\"",
                                  ngx_http_btcf_hash(0, body))
                      - p;

    answer.type = ngx_http_btcf_query_type;
    answer.last_modified = query->doc->last_modified[query->stale];
    answer.modified = query->doc->modified[query->stale];
    answer.max_age = query->stale ? 0
                                  : ngx_http_btcf_max_age(query->doc, now_ms);
    answer.parts = body;
    answer.nparts = 1;

    return ngx_http_btcf_answer(r, &answer);
}
