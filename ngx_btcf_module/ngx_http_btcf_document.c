
/*
 * Content: a document of the segment, as its path names it.
 *
 * The body was rendered by the engine in two variants, one of which says that
 * it is stale; the clock on the wall decides here which of them is true, or
 * that neither may be given out any more. So an engine that has died cannot
 * make a body lie.
 *
 * Headers other than max-age and the request id come ready with the copy.
 */


#include "ngx_http_btcf.h"


static ngx_int_t ngx_http_btcf_no_data(ngx_http_request_t *r,
    ngx_http_btcf_ctx_t *ctx);
static ngx_int_t ngx_http_btcf_refuse_args(ngx_http_request_t *r);
static ngx_int_t ngx_http_btcf_set_headers(ngx_http_request_t *r,
    const ngx_http_btcf_answer_t *answer);
static ngx_chain_t *ngx_http_btcf_chain(ngx_http_request_t *r,
    const ngx_http_btcf_answer_t *answer);


static ngx_str_t  ngx_http_btcf_etag = ngx_string("ETag");
static ngx_str_t  ngx_http_btcf_last_modified = ngx_string("Last-Modified");
static ngx_str_t  ngx_http_btcf_cache_control = ngx_string("Cache-Control");
static ngx_str_t  ngx_http_btcf_no_store = ngx_string("no-store");
static const ngx_str_t  ngx_http_btcf_private =
    ngx_string("private, max-age=");
static const ngx_str_t  ngx_http_btcf_public = ngx_string("public, max-age=");
static ngx_str_t  ngx_http_btcf_vary = ngx_string("Vary");
static ngx_str_t  ngx_http_btcf_vary_value =
    ngx_string("Authorization, X-API-Key, Accept-Encoding");
static ngx_str_t  ngx_http_btcf_encoding = ngx_string("Content-Encoding");
static ngx_str_t  ngx_http_btcf_gzip = ngx_string("gzip");
static ngx_str_t  ngx_http_btcf_sandbox = ngx_string("/sandbox");


/*
 * Stands for "encoded already: leave it as it is" in answers that are not. It
 * is in no list, so it is never sent; without it `gzip on` would compress the
 * identity variant under the identity's tag, and `gzip_vary on` would add a
 * second Vary.
 */
ngx_table_elt_t  ngx_http_btcf_identity = {
    .hash = 0,
    .key = ngx_string("Content-Encoding"),
    .value = ngx_string("identity")
};


ngx_int_t
ngx_http_btcf_document_handler(ngx_http_request_t *r)
{
    ngx_int_t             rc;
    ngx_http_btcf_ctx_t  *ctx;
    ngx_http_btcf_doc_t  *doc;

    rc = ngx_http_btcf_begin(r, &ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    if (r->args.len) {
        rc = ngx_http_btcf_refuse_args(r);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    doc = ngx_http_btcf_find_doc(ctx, &r->uri);

    if (doc == NULL || doc->retired
        || doc->doc_class == BTCF_DOC_INTERNAL)
    {
        return ngx_http_btcf_no_data(r, ctx);
    }

    return ngx_http_btcf_serve(r, ctx, doc);
}


/* What every content handler of ours does first. */

ngx_int_t
ngx_http_btcf_begin(ngx_http_request_t *r, ngx_http_btcf_ctx_t **ctxp)
{
    ngx_http_btcf_ctx_t             *ctx;
    const ngx_http_btcf_loc_conf_t  *lcf;

    ctx = ngx_http_btcf_get_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->started_us == 0) {
        ctx->started_us = ngx_http_btcf_now_us();
    }

    *ctxp = ctx;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    if (r != r->main) {
        lcf = ngx_http_get_module_loc_conf(r, ngx_http_btcf_module);

        if (!lcf->subrequests) {
            return ngx_http_btcf_problem(r, NGX_HTTP_BTCF_SUBREQUEST, NULL);
        }
    }

    return ngx_http_discard_request_body(r);
}


ngx_http_btcf_doc_t *
ngx_http_btcf_find_doc(const ngx_http_btcf_ctx_t *ctx, const ngx_str_t *path)
{
    u_char     text[BTCF_DOC_KEY_MAX];
    ngx_str_t  key;

    if (ngx_http_btcf_doc_key(ctx, path, text, &key) != NGX_OK) {
        return NULL;
    }

    return ngx_http_btcf_segment_doc(&key);
}


ngx_int_t
ngx_http_btcf_doc_key(const ngx_http_btcf_ctx_t *ctx, const ngx_str_t *path,
    u_char text[BTCF_DOC_KEY_MAX], ngx_str_t *key)
{
    u_char  *p;

    if (!ctx->principal.test) {
        *key = *path;
        return NGX_OK;
    }

    if (path->len > BTCF_DOC_KEY_MAX - ngx_http_btcf_sandbox.len) {
        return NGX_DECLINED;
    }

    p = ngx_cpymem(text, ngx_http_btcf_sandbox.data,
                   ngx_http_btcf_sandbox.len);
    p = ngx_cpymem(p, path->data, path->len);

    key->data = text;
    key->len = p - text;

    return NGX_OK;
}


ngx_http_btcf_outcome_e
ngx_http_btcf_doc_outcome(const ngx_http_btcf_doc_t *doc, int64_t now_ms)
{
    if (doc->expires_at_ms && now_ms >= doc->expires_at_ms) {
        return NGX_HTTP_BTCF_DOC_EXPIRED;
    }

    if (doc->stale_at_ms && now_ms >= doc->stale_at_ms) {
        return NGX_HTTP_BTCF_DOC_STALE;
    }

    return NGX_HTTP_BTCF_DOC_FRESH;
}


ngx_int_t
ngx_http_btcf_judge(ngx_http_request_t *r, ngx_http_btcf_ctx_t *ctx,
    const ngx_http_btcf_doc_t *doc, ngx_uint_t *stale)
{
    const ngx_http_btcf_loc_conf_t  *lcf;

    ctx->generation = doc->gen;
    ctx->outcome = ngx_http_btcf_doc_outcome(doc, ngx_http_btcf_now_ms());

    if (ctx->outcome == NGX_HTTP_BTCF_DOC_EXPIRED) {
        return ngx_http_btcf_problem(r, NGX_HTTP_BTCF_FORECAST_EXPIRED, NULL);
    }

    *stale = (ctx->outcome == NGX_HTTP_BTCF_DOC_STALE) || ctx->stale;

    if (*stale) {
        ctx->outcome = NGX_HTTP_BTCF_DOC_STALE;
        lcf = ngx_http_get_module_loc_conf(r, ngx_http_btcf_module);

        if (lcf->stale == NGX_HTTP_BTCF_STALE_ERROR) {
            return ngx_http_btcf_problem(r, NGX_HTTP_BTCF_FORECAST_STALE, NULL);
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_btcf_serve(ngx_http_request_t *r, ngx_http_btcf_ctx_t *ctx,
    ngx_http_btcf_doc_t *doc)
{
    int64_t                  now_ms;
    ngx_int_t                rc;
    ngx_uint_t               stale, late;
    ngx_http_btcf_body_t    *body;
    ngx_http_btcf_answer_t   answer;

    now_ms = ngx_http_btcf_now_ms();

    if (doc->doc_class >= BTCF_DOC_FORECAST
        && doc->doc_class <= BTCF_DOC_STATIC)
    {
        ctx->route = BTCF_ROUTE_FORECAST + doc->doc_class - BTCF_DOC_FORECAST;
    }

    rc = ngx_http_btcf_judge(r, ctx, doc, &stale);
    if (rc != NGX_OK) {
        return rc;
    }

    /* simulated staleness does not change the date */
    late = stale && !ctx->stale;

    if (ngx_http_btcf_hold(ctx, doc) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    answer.gzip = doc->body[stale][1].body.len
                  && ngx_http_btcf_accepts_gzip(r);

    body = &doc->body[stale][answer.gzip];

    answer.type = doc->type;
    answer.etag = body->etag;
    answer.last_modified = doc->last_modified[late];
    answer.modified = doc->modified[late];
    answer.max_age = stale ? 0 : ngx_http_btcf_max_age(doc, now_ms);
    answer.parts = &body->body;
    answer.nparts = 1;

    return ngx_http_btcf_answer(r, &answer);
}


/* Sends an answer: 200, or 304 or 412 when the client's conditions say so. */

ngx_int_t
ngx_http_btcf_answer(ngx_http_request_t *r,
    const ngx_http_btcf_answer_t *answer)
{
    ngx_int_t     rc;
    ngx_uint_t    i;
    ngx_chain_t  *out;

    rc = ngx_http_btcf_conditional(r, answer);

    if (rc == NGX_HTTP_PRECONDITION_FAILED) {
        return rc;
    }

    /* settled here, by the precedence of RFC 9110, section 13.2.2 */
    r->disable_not_modified = 1;

    if (ngx_http_btcf_set_headers(r, answer) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc == NGX_HTTP_NOT_MODIFIED) {
        r->headers_out.status = NGX_HTTP_NOT_MODIFIED;
        r->header_only = 1;

        return ngx_http_send_header(r);
    }

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_type = answer->type;
    r->headers_out.content_type_len = answer->type.len;
    r->headers_out.content_type_lowcase = NULL;
    r->headers_out.content_length_n = 0;

    for (i = 0; i < answer->nparts; i++) {
        r->headers_out.content_length_n += answer->parts[i].len;
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    out = ngx_http_btcf_chain(r, answer);
    if (out == NULL) {
        return NGX_ERROR;
    }

    return ngx_http_output_filter(r, out);
}


/* The request keeps the copy until its pool goes. */

ngx_int_t
ngx_http_btcf_hold(ngx_http_btcf_ctx_t *ctx, ngx_http_btcf_doc_t *doc)
{
    if (ctx->ndocs == NGX_HTTP_BTCF_DOCS_MAX) {
        return NGX_ERROR;
    }

    doc->refs++;
    ctx->docs[ctx->ndocs++] = doc;

    /* a selection costs what the dearest of its parts does */

    if (ctx->by_document) {
        ctx->units = ctx->ndocs == 1 ? doc->cost
                                     : ngx_max(ctx->units, doc->cost);
    }

    return NGX_OK;
}


/* Seconds for which the copy stays what it is now. */

time_t
ngx_http_btcf_max_age(const ngx_http_btcf_doc_t *doc, int64_t now_ms)
{
    if (doc->stale_at_ms == 0) {
        return NGX_HTTP_BTCF_TIMELESS_AGE;
    }

    if (now_ms >= doc->stale_at_ms) {
        return 0;
    }

    return (time_t) ((doc->stale_at_ms - now_ms) / 1000);
}


/*
 * There is no such document. That is 404 when a live segment says so, and 503
 * while nobody can know, or where the configuration says that it must come.
 */

static ngx_int_t
ngx_http_btcf_no_data(ngx_http_request_t *r, ngx_http_btcf_ctx_t *ctx)
{
    ngx_http_btcf_segment_state_t    state;
    const ngx_http_btcf_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_btcf_module);

    ctx->outcome = NGX_HTTP_BTCF_DOC_ABSENT;

    ngx_http_btcf_segment_state(&state);

    if (state.attached && ctx->principal.test) {
        return ngx_http_btcf_problem(r, NGX_HTTP_BTCF_SANDBOX_ABSENT, NULL);
    }

    if (!state.attached || lcf->expected) {
        return ngx_http_btcf_problem(r, NGX_HTTP_BTCF_NO_DATA, NULL);
    }

    return NGX_HTTP_NOT_FOUND;
}


/* A small uncached answer made on the spot. */

ngx_int_t
ngx_http_btcf_send_text(ngx_http_request_t *r, ngx_str_t *type,
    ngx_str_t *text)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t   out;

    if (ngx_http_btcf_add_header(r, &ngx_http_btcf_cache_control,
                                 &ngx_http_btcf_no_store)
        == NULL)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->disable_not_modified = 1;
    r->headers_out.content_encoding = &ngx_http_btcf_identity;

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_type = *type;
    r->headers_out.content_type_len = type->len;
    r->headers_out.content_type_lowcase = NULL;
    r->headers_out.content_length_n = text->len;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = text->data;
    b->last = text->data + text->len;
    b->memory = 1;
    b->last_buf = (r == r->main);
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


ngx_table_elt_t *
ngx_http_btcf_add_header(ngx_http_request_t *r, const ngx_str_t *key,
    const ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NULL;
    }

    h->hash = 1;
    h->key = *key;
    h->value = *value;
    h->lowcase_key = NULL;
    ngx_http_btcf_last_header(h);

    return h;
}


/* No document takes a parameter: naming the stranger beats ignoring it. */

static ngx_int_t
ngx_http_btcf_refuse_args(ngx_http_request_t *r)
{
    u_char     *p, *last, *end;
    ngx_str_t   name;

    p = r->args.data;
    last = p + r->args.len;

    while (p < last && *p == '&') {
        p++;
    }

    if (p == last) {
        return NGX_OK;
    }

    for (end = p; end < last && *end != '=' && *end != '&'; end++) {
        /* void */
    }

    name.data = p;
    name.len = end - p;

    return ngx_http_btcf_problem(r, NGX_HTTP_BTCF_UNKNOWN_PARAMETER, &name);
}


static ngx_int_t
ngx_http_btcf_set_headers(ngx_http_request_t *r,
    const ngx_http_btcf_answer_t *answer)
{
    u_char                  *p;
    ngx_str_t                value;
    const ngx_str_t         *whose;
    ngx_http_btcf_ctx_t     *ctx;
    ngx_http_headers_out_t  *out;

    out = &r->headers_out;

    /* what somebody was let in for is no business of a shared cache */

    ctx = ngx_http_btcf_find_ctx(r);
    whose = ngx_http_btcf_is_known(&ctx->principal) ? &ngx_http_btcf_private
                                                    : &ngx_http_btcf_public;

    p = ngx_pnalloc(r->pool, whose->len + NGX_INT64_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    value.data = p;
    p = ngx_cpymem(p, whose->data, whose->len);
    p = ngx_http_btcf_number(p, (uint64_t) answer->max_age);
    value.len = p - value.data;

    out->etag = ngx_http_btcf_add_header(r, &ngx_http_btcf_etag,
                                         &answer->etag);

    out->last_modified = ngx_http_btcf_add_header(r,
                                                  &ngx_http_btcf_last_modified,
                                                  &answer->last_modified);
    out->last_modified_time = answer->modified;

    if (out->etag == NULL
        || out->last_modified == NULL
        || ngx_http_btcf_add_header(r, &ngx_http_btcf_cache_control, &value)
           == NULL
        || ngx_http_btcf_add_header(r, &ngx_http_btcf_vary,
                                    &ngx_http_btcf_vary_value)
           == NULL)
    {
        return NGX_ERROR;
    }

    if (!answer->gzip) {
        out->content_encoding = &ngx_http_btcf_identity;
        return NGX_OK;
    }

    out->content_encoding = ngx_http_btcf_add_header(r,
                                                     &ngx_http_btcf_encoding,
                                                     &ngx_http_btcf_gzip);

    return out->content_encoding ? NGX_OK : NGX_ERROR;
}


static ngx_chain_t *
ngx_http_btcf_chain(ngx_http_request_t *r,
    const ngx_http_btcf_answer_t *answer)
{
    ngx_buf_t    *b;
    ngx_uint_t    i;
    ngx_chain_t  *out;

    b = ngx_pcalloc(r->pool, answer->nparts
                             * (sizeof(ngx_buf_t) + sizeof(ngx_chain_t)));
    if (b == NULL) {
        return NULL;
    }

    out = (ngx_chain_t *) &b[answer->nparts];

    for (i = 0; i < answer->nparts; i++) {
        b[i].pos = answer->parts[i].data;
        b[i].last = b[i].pos + answer->parts[i].len;
        b[i].memory = 1;

        out[i].buf = &b[i];
        out[i].next = &out[i + 1];
    }

    b[answer->nparts - 1].last_buf = (r == r->main);
    b[answer->nparts - 1].last_in_chain = 1;
    out[answer->nparts - 1].next = NULL;

    return out;
}
