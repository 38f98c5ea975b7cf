
/*
 * Content: /v1/forecasts, all horizons or those that `?horizons=` picks.
 *
 * The publisher makes the whole list as one document. A selection is put
 * together here from the documents of the horizons, in exactly the form and
 * from the same bytes:
 *
 *     {"forecasts":[ <document> , <document> ]}
 *
 * So is the list itself once it has expired, which is when its shortest
 * horizon has: what has not expired is still good, and whatever has is left
 * out. None left is 503.
 *
 * The parts are chained, not copied. The tag of a selection is mixed from the
 * tags of its parts, so it changes when any of them does.
 */


#include "ngx_http_btcf.h"


#define NGX_HTTP_BTCF_PARTS_MAX  (2 * NGX_HTTP_BTCF_HORIZONS + 1)


typedef struct {
    ngx_uint_t                  horizon[NGX_HTTP_BTCF_HORIZONS];
    ngx_uint_t                  n;
} ngx_http_btcf_selection_t;


static ngx_int_t ngx_http_btcf_select(ngx_http_request_t *r,
    ngx_http_btcf_selection_t *selection);
static ngx_int_t ngx_http_btcf_select_names(ngx_http_request_t *r,
    ngx_str_t *value, ngx_http_btcf_selection_t *selection);
static ngx_int_t ngx_http_btcf_select_one(ngx_str_t *name,
    ngx_http_btcf_selection_t *selection);
static ngx_int_t ngx_http_btcf_compose(ngx_http_request_t *r,
    ngx_http_btcf_ctx_t *ctx, const ngx_http_btcf_selection_t *selection);
static ngx_int_t ngx_http_btcf_compose_none(ngx_http_request_t *r,
    ngx_http_btcf_ctx_t *ctx, ngx_http_btcf_outcome_e refused);
static ngx_int_t ngx_http_btcf_compose_part(ngx_http_request_t *r,
    ngx_http_btcf_doc_t *doc, ngx_http_btcf_answer_t *answer,
    ngx_http_btcf_outcome_e *outcome);


const ngx_str_t  ngx_http_btcf_forecast_keys[NGX_HTTP_BTCF_HORIZONS] = {
    ngx_string("/v1/forecasts/1h"),
    ngx_string("/v1/forecasts/4h"),
    ngx_string("/v1/forecasts/12h"),
    ngx_string("/v1/forecasts/1d"),
    ngx_string("/v1/forecasts/3d"),
    ngx_string("/v1/forecasts/7d"),
    ngx_string("/v1/forecasts/14d"),
    ngx_string("/v1/forecasts/30d")
};


static ngx_str_t  ngx_http_btcf_list_key = ngx_string("/v1/forecasts");
static ngx_str_t  ngx_http_btcf_horizons = ngx_string("horizons");
static ngx_str_t  ngx_http_btcf_open = ngx_string("{\"forecasts\":[");
static ngx_str_t  ngx_http_btcf_comma = ngx_string(",");
static ngx_str_t  ngx_http_btcf_close = ngx_string("]}");


ngx_int_t
ngx_http_btcf_forecasts_handler(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    ngx_uint_t                  i;
    ngx_http_btcf_ctx_t        *ctx;
    ngx_http_btcf_doc_t        *doc;
    ngx_http_btcf_selection_t   selection;

    rc = ngx_http_btcf_begin(r, &ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    ctx->route = BTCF_ROUTE_FORECAST;
    selection.n = 0;

    if (r->args.len) {
        rc = ngx_http_btcf_select(r, &selection);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (selection.n == 0) {
        doc = ngx_http_btcf_find_doc(ctx, &ngx_http_btcf_list_key);

        if (doc && !doc->retired
            && ngx_http_btcf_doc_outcome(doc, ngx_http_btcf_now_ms())
               != NGX_HTTP_BTCF_DOC_EXPIRED)
        {
            return ngx_http_btcf_serve(r, ctx, doc);
        }

        for (i = 0; i < NGX_HTTP_BTCF_HORIZONS; i++) {
            selection.horizon[i] = i;
        }

        selection.n = NGX_HTTP_BTCF_HORIZONS;
    }

    return ngx_http_btcf_compose(r, ctx, &selection);
}


static ngx_int_t
ngx_http_btcf_select(ngx_http_request_t *r,
    ngx_http_btcf_selection_t *selection)
{
    u_char     *p, *last, *end, *eq;
    ngx_int_t   rc;
    ngx_str_t   name, value;

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
        if (eq == NULL) {
            eq = end;
        }

        name.data = p;
        name.len = eq - p;

        if (name.len != ngx_http_btcf_horizons.len
            || ngx_memcmp(name.data, ngx_http_btcf_horizons.data, name.len)
               != 0)
        {
            return ngx_http_btcf_problem(r, NGX_HTTP_BTCF_UNKNOWN_PARAMETER,
                                         &name);
        }

        value.data = (eq == end) ? end : eq + 1;
        value.len = end - value.data;

        rc = ngx_http_btcf_select_names(r, &value, selection);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


/* `1h,1d`; a comma may come as %2C. Every name must be known, and only once. */

static ngx_int_t
ngx_http_btcf_select_names(ngx_http_request_t *r, ngx_str_t *value,
    ngx_http_btcf_selection_t *selection)
{
    u_char     *p, *last, *dst, *src;
    ngx_str_t   name;

    dst = ngx_pnalloc(r->pool, value->len + 1);
    if (dst == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = dst;
    src = value->data;
    ngx_unescape_uri(&dst, &src, value->len, 0);
    last = dst;

    do {
        name.data = p;

        while (p < last && *p != ',') {
            p++;
        }

        name.len = p - name.data;

        if (ngx_http_btcf_select_one(&name, selection) != NGX_OK) {
            return ngx_http_btcf_problem(r, NGX_HTTP_BTCF_INVALID_PARAMETER,
                                         &name);
        }

    } while (p++ < last);

    return NGX_OK;
}


static ngx_int_t
ngx_http_btcf_select_one(ngx_str_t *name,
    ngx_http_btcf_selection_t *selection)
{
    ngx_uint_t        i, j;
    const ngx_str_t  *key;

    for (i = 0; i < NGX_HTTP_BTCF_HORIZONS; i++) {
        key = &ngx_http_btcf_forecast_keys[i];

        if (key->len - NGX_HTTP_BTCF_FORECAST_PREFIX == name->len
            && ngx_memcmp(key->data + NGX_HTTP_BTCF_FORECAST_PREFIX, name->data,
                          name->len)
               == 0)
        {
            for (j = 0; j < selection->n; j++) {
                if (selection->horizon[j] == i) {
                    return NGX_DECLINED;
                }
            }

            selection->horizon[selection->n++] = i;
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_btcf_compose(ngx_http_request_t *r, ngx_http_btcf_ctx_t *ctx,
    const ngx_http_btcf_selection_t *selection)
{
    u_char                  *p;
    uint64_t                 hash;
    ngx_int_t                rc;
    ngx_str_t                parts[NGX_HTTP_BTCF_PARTS_MAX];
    ngx_uint_t               i;
    ngx_http_btcf_doc_t     *doc;
    ngx_http_btcf_answer_t   answer;
    ngx_http_btcf_outcome_e  outcome, refused;

    ngx_memzero(&answer, sizeof(ngx_http_btcf_answer_t));
    answer.parts = parts;
    answer.max_age = NGX_MAX_INT_T_VALUE;

    hash = 0;
    refused = NGX_HTTP_BTCF_DOC_NONE;
    ctx->outcome = NGX_HTTP_BTCF_DOC_FRESH;

    for (i = 0; i < selection->n; i++) {
        doc = ngx_http_btcf_find_doc(ctx,
                       &ngx_http_btcf_forecast_keys[selection->horizon[i]]);

        if (doc == NULL || doc->retired) {
            continue;
        }

        rc = ngx_http_btcf_compose_part(r, doc, &answer, &outcome);

        if (rc == NGX_DECLINED) {
            refused = ngx_max(refused, outcome);
            continue;
        }

        if (rc != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        hash = ngx_http_btcf_hash(hash, &answer.etag);
        ctx->outcome = ngx_max(ctx->outcome, outcome);
    }

    if (answer.nparts == 0) {
        return ngx_http_btcf_compose_none(r, ctx, refused);
    }

    parts[answer.nparts++] = ngx_http_btcf_close;

    p = ngx_pnalloc(r->pool, NGX_HTTP_BTCF_TAG_LEN + NGX_HTTP_BTCF_DATE_LEN);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    answer.etag.data = p;
    p = ngx_sprintf(p, "\"%016xL\"", hash);
    answer.etag.len = p - answer.etag.data;

    answer.last_modified.data = p;
    p = ngx_http_time(p, answer.modified);
    answer.last_modified.len = p - answer.last_modified.data;

    return ngx_http_btcf_answer(r, &answer);
}


/* No horizon can be served: they are too old, or there are none. */

static ngx_int_t
ngx_http_btcf_compose_none(ngx_http_request_t *r, ngx_http_btcf_ctx_t *ctx,
    ngx_http_btcf_outcome_e refused)
{
    ctx->outcome = refused;

    switch (refused) {

    case NGX_HTTP_BTCF_DOC_EXPIRED:
        return ngx_http_btcf_problem(r, NGX_HTTP_BTCF_FORECAST_EXPIRED, NULL);

    case NGX_HTTP_BTCF_DOC_STALE:
        return ngx_http_btcf_problem(r, NGX_HTTP_BTCF_FORECAST_STALE, NULL);

    default:
        /* the names are known, so they will come */
        ctx->outcome = NGX_HTTP_BTCF_DOC_ABSENT;
        return ngx_http_btcf_problem(r, ctx->principal.test
                                        ? NGX_HTTP_BTCF_SANDBOX_ABSENT
                                        : NGX_HTTP_BTCF_NO_DATA,
                                     NULL);
    }
}


/* Adds one document to the answer, or declines it as too old. */

static ngx_int_t
ngx_http_btcf_compose_part(ngx_http_request_t *r, ngx_http_btcf_doc_t *doc,
    ngx_http_btcf_answer_t *answer, ngx_http_btcf_outcome_e *outcome)
{
    int64_t                          now_ms;
    ngx_uint_t                       stale, late;
    ngx_http_btcf_ctx_t             *ctx;
    const ngx_http_btcf_loc_conf_t  *lcf;

    ctx = ngx_http_btcf_find_ctx(r);
    lcf = ngx_http_get_module_loc_conf(r, ngx_http_btcf_module);

    now_ms = ngx_http_btcf_now_ms();

    *outcome = ngx_http_btcf_doc_outcome(doc, now_ms);
    late = (*outcome == NGX_HTTP_BTCF_DOC_STALE);
    stale = late || ctx->stale;

    if (stale && *outcome != NGX_HTTP_BTCF_DOC_EXPIRED) {
        *outcome = NGX_HTTP_BTCF_DOC_STALE;
    }

    if (*outcome == NGX_HTTP_BTCF_DOC_EXPIRED
        || (stale && lcf->stale == NGX_HTTP_BTCF_STALE_ERROR))
    {
        return NGX_DECLINED;
    }

    if (ngx_http_btcf_hold(ctx, doc) != NGX_OK) {
        return NGX_ERROR;
    }

    ctx->generation = ngx_max(ctx->generation, doc->gen);

    answer->parts[answer->nparts] = answer->nparts ? ngx_http_btcf_comma
                                                   : ngx_http_btcf_open;
    answer->nparts++;
    answer->parts[answer->nparts++] = doc->body[stale][0].body;

    answer->type = doc->type;
    answer->etag = doc->body[stale][0].etag;
    answer->modified = ngx_max(answer->modified, doc->modified[late]);
    answer->max_age = stale ? 0
                            : ngx_min(answer->max_age,
                                      ngx_http_btcf_max_age(doc, now_ms));

    return NGX_OK;
}


/* FNV-1a, 64 bit: a name for a list of names, not a defence */

uint64_t
ngx_http_btcf_hash(uint64_t hash, const ngx_str_t *text)
{
    size_t  i;

    hash ^= 14695981039346656037ULL;

    for (i = 0; i < text->len; i++) {
        hash ^= text->data[i];
        hash *= 1099511628211ULL;
    }

    return hash;
}
