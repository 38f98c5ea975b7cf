
/*
 * One request: its context, its headers, its id and its trace.
 *
 * The context is the data of a pool cleanup, which drops the references to
 * documents, and by which the context is found again after an internal
 * redirect has zeroed r->ctx (the way of nginx's own realip module).
 *
 * An id is 32 hexadecimal digits: 16 random ones, drawn when the worker
 * starts, and a counter kept as text and advanced like an odometer. So a
 * request costs neither a system call nor a conversion, and an id is a valid
 * W3C trace id as well.
 */


#include "ngx_http_btcf.h"

#include <sys/random.h>
#include <time.h>


#define NGX_HTTP_BTCF_ID_PREFIX  16
#define NGX_HTTP_BTCF_SPAN_LEN   16

/* `name` is a literal in lower case, of the length of the header's name */
#define ngx_http_btcf_is_named(h, name)                                       \
    (ngx_memcmp((h)->lowcase_key, name, sizeof(name) - 1) == 0)


static void ngx_http_btcf_cleanup(void *data);
static void ngx_http_btcf_read_header(ngx_http_btcf_ctx_t *ctx,
    const ngx_table_elt_t *h);
static void ngx_http_btcf_next_id(u_char *id);
static ngx_uint_t ngx_http_btcf_id_is_valid(const ngx_str_t *id);
static ngx_uint_t ngx_http_btcf_trace_is_valid(const ngx_str_t *trace);
static ngx_uint_t ngx_http_btcf_is_hex(const u_char *p, size_t len,
    ngx_uint_t *zero);


static u_char  ngx_http_btcf_id[NGX_HTTP_BTCF_ID_LEN];

ngx_http_btcf_ctx_t *
ngx_http_btcf_find_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t   *cln;
    ngx_http_btcf_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_btcf_module);

    if (ctx || (!r->internal && !r->filter_finalize)) {
        return ctx;
    }

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_btcf_cleanup) {
            ctx = cln->data;
            ngx_http_set_ctx(r, ctx, ngx_http_btcf_module);
            return ctx;
        }
    }

    return NULL;
}


ngx_http_btcf_ctx_t *
ngx_http_btcf_get_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t   *cln;
    ngx_http_btcf_ctx_t  *ctx;

    ctx = ngx_http_btcf_find_ctx(r);
    if (ctx) {
        return ctx;
    }

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_btcf_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    ctx = cln->data;
    ngx_memzero(ctx, offsetof(ngx_http_btcf_ctx_t, docs));

    ctx->route = NGX_HTTP_BTCF_ROUTE_UNSET;

    cln->handler = ngx_http_btcf_cleanup;

    ngx_http_set_ctx(r, ctx, ngx_http_btcf_module);

    return ctx;
}


static void
ngx_http_btcf_cleanup(void *data)
{
    ngx_http_btcf_ctx_t *ctx = data;

    while (ctx->ndocs) {
        ngx_http_btcf_doc_unref(ctx->docs[--ctx->ndocs]);
    }
}


/*
 * Reads the request's headers, once: its id and trace are settled, and where
 * a credential stands is remembered.
 */

void
ngx_http_btcf_identify(ngx_http_request_t *r, ngx_http_btcf_ctx_t *ctx)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    if (ctx->identified) {
        return;
    }

    ctx->identified = 1;

    ngx_http_btcf_next_id(ctx->id);

    ctx->request_id.data = ctx->id;
    ctx->request_id.len = NGX_HTTP_BTCF_ID_LEN;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            ngx_http_btcf_read_header(ctx, &h[i]);
        }
    }
}


/* The lengths tell most headers apart, so few names are compared. */

static void
ngx_http_btcf_read_header(ngx_http_btcf_ctx_t *ctx, const ngx_table_elt_t *h)
{
    ngx_http_btcf_headers_t  *headers;

    headers = &ctx->headers;

    switch (h->key.len) {

    case sizeof("Origin") - 1:
        if (ngx_http_btcf_is_named(h, "origin")) {
            headers->origin = &h->value;
        }
        break;

    case sizeof("X-API-Key") - 1:
        if (ngx_http_btcf_is_named(h, "x-api-key")) {
            headers->api_key = &h->value;
            headers->api_keys++;
        }
        break;

    case sizeof("traceparent") - 1:
        if (ngx_http_btcf_is_named(h, "traceparent")
            && ngx_http_btcf_trace_is_valid(&h->value))
        {
            ctx->traced = 1;
            ngx_memcpy(ctx->trace, h->value.data, NGX_HTTP_BTCF_TRACE_LEN);
        }
        break;

    case sizeof("X-Request-Id") - 1:
        if (ngx_http_btcf_is_named(h, "x-request-id")
            && ngx_http_btcf_id_is_valid(&h->value))
        {
            ctx->request_id = h->value;
        }
        break;

    case sizeof("Authorization") - 1: /* and of Btcf-Simulate */
        if (ngx_http_btcf_is_named(h, "authorization")) {
            headers->authorization = &h->value;
            headers->authorizations++;

        } else if (ngx_http_btcf_is_named(h, "btcf-simulate")) {
            headers->simulate = &h->value;
        }
        break;

    case sizeof("Access-Control-Request-Method") - 1:
        if (ngx_http_btcf_is_named(h, "access-control-request-method")) {
            headers->preflight = &h->value;
        }
        break;
    }
}


/*
 * "00-" trace id "-" span "-" flags. The trace is the client's, or one that is
 * our request id; the span, this request, is always ours: half of the random
 * prefix and half of the counter, so workers do not collide.
 */

void
ngx_http_btcf_trace(ngx_http_btcf_ctx_t *ctx)
{
    u_char  *p;

    if (ctx->traceparent.len) {
        return;
    }

    p = ctx->trace;

    if (!ctx->traced) {
        p = ngx_cpymem(p, "00-", 3);
        p = ngx_cpymem(p, ctx->id, NGX_HTTP_BTCF_ID_LEN);
        p = ngx_cpymem(p, "-", 1);
        (void) ngx_cpymem(p + NGX_HTTP_BTCF_SPAN_LEN, "-00", 3);

    } else {
        ngx_memcpy(p, "00", 2);
        p += 3 + NGX_HTTP_BTCF_ID_LEN + 1;
    }

    p = ngx_cpymem(p, ctx->id, NGX_HTTP_BTCF_SPAN_LEN / 2);
    ngx_memcpy(p, ctx->id + NGX_HTTP_BTCF_ID_LEN - NGX_HTTP_BTCF_SPAN_LEN / 2,
               NGX_HTTP_BTCF_SPAN_LEN / 2);

    ctx->traceparent.data = ctx->trace;
    ctx->traceparent.len = NGX_HTTP_BTCF_TRACE_LEN;
}


ngx_int_t
ngx_http_btcf_id_init(ngx_cycle_t *cycle)
{
    u_char  random[NGX_HTTP_BTCF_ID_PREFIX / 2];

    if (getrandom(random, sizeof(random), 0) != (ssize_t) sizeof(random)) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "btcf: getrandom() failed");
        return NGX_ERROR;
    }

    (void) ngx_hex_dump(ngx_http_btcf_id, random, sizeof(random));
    ngx_memset(ngx_http_btcf_id + NGX_HTTP_BTCF_ID_PREFIX, '0',
               NGX_HTTP_BTCF_ID_LEN - NGX_HTTP_BTCF_ID_PREFIX);

    return NGX_OK;
}


/* Two digits at a time, since a division takes as long as all the rest. */

u_char *
ngx_http_btcf_number(u_char *p, uint64_t n)
{
    u_char    text[NGX_INT64_LEN + 1], *first, *last;
    unsigned  pair;

    last = text + sizeof(text);
    first = last;

    while (n >= 10) {
        pair = (unsigned) (n % 100);
        n /= 100;

        *--first = (u_char) ('0' + pair % 10);
        *--first = (u_char) ('0' + pair / 10);
    }

    if (n || first == last) {
        *--first = (u_char) ('0' + n);
    }

    return ngx_cpymem(p, first, last - first);
}


/* The wall clock of this turn of the event loop: no system call. */

int64_t
ngx_http_btcf_now_ms(void)
{
    ngx_time_t  *tp;

    tp = ngx_timeofday();

    return (int64_t) tp->sec * 1000 + (int64_t) tp->msec;
}


uint64_t
ngx_http_btcf_now_us(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}


static void
ngx_http_btcf_next_id(u_char *id)
{
    u_char  *p;

    for (p = ngx_http_btcf_id + NGX_HTTP_BTCF_ID_LEN - 1;
         p >= ngx_http_btcf_id + NGX_HTTP_BTCF_ID_PREFIX;
         p--)
    {
        if (*p == '9') {
            *p = 'a';
            break;
        }

        if (*p != 'f') {
            (*p)++;
            break;
        }

        *p = '0';
    }

    ngx_memcpy(id, ngx_http_btcf_id, NGX_HTTP_BTCF_ID_LEN);
}


/* [A-Za-z0-9_-]{1,64}: safe in a header, in a log line and in JSON */

static ngx_uint_t
ngx_http_btcf_id_is_valid(const ngx_str_t *id)
{
    size_t  i;
    u_char  c;

    if (id->len == 0 || id->len > NGX_HTTP_BTCF_ID_MAX) {
        return 0;
    }

    for (i = 0; i < id->len; i++) {
        c = id->data[i];

        if ((c < '0' || c > '9')
            && ((c | 0x20) < 'a' || (c | 0x20) > 'z')
            && c != '_' && c != '-')
        {
            return 0;
        }
    }

    return 1;
}


/*
 * W3C Trace Context: version 00 has exactly 55 characters; a later version may
 * append fields after another dash; ff is forbidden, and so are zero ids.
 */

static ngx_uint_t
ngx_http_btcf_trace_is_valid(const ngx_str_t *trace)
{
    u_char      *p;
    ngx_uint_t   version, id, span, flags;

    p = trace->data;

    if (trace->len < NGX_HTTP_BTCF_TRACE_LEN
        || p[2] != '-' || p[35] != '-' || p[52] != '-'
        || !ngx_http_btcf_is_hex(p, 2, &version)
        || !ngx_http_btcf_is_hex(p + 3, 32, &id)
        || !ngx_http_btcf_is_hex(p + 36, 16, &span)
        || !ngx_http_btcf_is_hex(p + 53, 2, &flags)
        || id || span)
    {
        return 0;
    }

    if (version) {
        return trace->len == NGX_HTTP_BTCF_TRACE_LEN;
    }

    return ngx_strncmp(p, "ff", 2) != 0
           && (trace->len == NGX_HTTP_BTCF_TRACE_LEN || p[55] == '-');
}


static ngx_uint_t
ngx_http_btcf_is_hex(const u_char *p, size_t len, ngx_uint_t *zero)
{
    size_t  i;

    *zero = 1;

    for (i = 0; i < len; i++) {
        if ((p[i] < '0' || p[i] > '9') && (p[i] < 'a' || p[i] > 'f')) {
            return 0;
        }

        if (p[i] != '0') {
            *zero = 0;
        }
    }

    return 1;
}
