
/*
 * Content: /v1/stream, until the header has gone out. What the client asks
 * for is read and checked, its place is claimed (_stream_limit), and then it
 * belongs to the worker's streams (_stream).
 *
 *     events=price,forecast     only these; all when it is not sent
 *     last_event_id=1234        as the header Last-Event-ID, for clients that
 *                               cannot set it; the header wins, since it is
 *                               what a client that comes back adds
 *     ticket=...                a credential: see _credential
 */


#include "ngx_http_btcf_stream.h"


#define NGX_HTTP_BTCF_TICK_MAX  1000    /* ms */


static ngx_int_t ngx_http_btcf_stream_parse(ngx_http_request_t *r,
    ngx_http_btcf_stream_ask_t *ask);
static ngx_int_t ngx_http_btcf_stream_argument(ngx_http_request_t *r,
    const ngx_str_t *name, const ngx_str_t *value,
    ngx_http_btcf_stream_ask_t *ask);
static ngx_int_t ngx_http_btcf_stream_events(ngx_http_request_t *r,
    const ngx_str_t *value, ngx_http_btcf_stream_ask_t *ask);
static ngx_int_t ngx_http_btcf_stream_last_id(ngx_http_request_t *r,
    const ngx_str_t *value, ngx_http_btcf_stream_ask_t *ask);
static const ngx_str_t *ngx_http_btcf_stream_header(ngx_http_request_t *r);
static ngx_http_btcf_stream_t *ngx_http_btcf_stream_prepare(
    ngx_http_request_t *r);
static ngx_int_t ngx_http_btcf_stream_headers(ngx_http_request_t *r);
static void ngx_http_btcf_stream_detach(void *data);
static void ngx_http_btcf_stream_free(void *data);


static ngx_str_t  ngx_http_btcf_stream_type = ngx_string("text/event-stream");
static ngx_str_t  ngx_http_btcf_cache_control = ngx_string("Cache-Control");
static ngx_str_t  ngx_http_btcf_no_store = ngx_string("no-store");
static ngx_str_t  ngx_http_btcf_accel = ngx_string("X-Accel-Buffering");
static ngx_str_t  ngx_http_btcf_no = ngx_string("no");
static ngx_str_t  ngx_http_btcf_last_event_id = ngx_string("Last-Event-ID");

static ngx_str_t  ngx_http_btcf_arg_events = ngx_string("events");
static ngx_str_t  ngx_http_btcf_arg_last_id = ngx_string("last_event_id");
static ngx_str_t  ngx_http_btcf_arg_ticket = ngx_string("ticket");


ngx_int_t
ngx_http_btcf_stream_handler(ngx_http_request_t *r)
{
    ngx_int_t                       rc;
    ngx_uint_t                      has_body;
    ngx_http_btcf_ctx_t            *ctx;
    ngx_http_btcf_stream_t         *stream;
    ngx_http_btcf_stream_ask_t      ask;
    ngx_http_btcf_segment_state_t   state;

    if (r != r->main) {
        /* it would keep the main request for an hour */
        return ngx_http_btcf_problem(r, NGX_HTTP_BTCF_SUBREQUEST, NULL);
    }

    has_body = r->headers_in.content_length_n > 0 || r->headers_in.chunked;

    rc = ngx_http_btcf_begin(r, &ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    if (has_body) {
        /* nobody would be there to read the rest of it */
        return NGX_HTTP_BAD_REQUEST;
    }

    rc = ngx_http_btcf_stream_parse(r, &ask);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ctx->principal.test) {
        /* nothing ever happens in the sandbox */
        return ngx_http_btcf_problem(r, NGX_HTTP_BTCF_SANDBOX_ABSENT, NULL);
    }

    ngx_http_btcf_segment_state(&state);

    if (!state.attached) {
        return ngx_http_btcf_problem(r, NGX_HTTP_BTCF_NO_DATA, NULL);
    }

    if (r->method == NGX_HTTP_HEAD) {
        return ngx_http_btcf_stream_headers(r);
    }

    stream = ngx_http_btcf_stream_prepare(r);
    if (stream == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_btcf_stream_admit(r, stream);
    if (rc != NGX_OK) {
        btcf_count(&ngx_http_btcf_stream_metrics()->streams_refused, 1);
        return rc;
    }

    rc = ngx_http_btcf_stream_headers(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    /* its life is no latency: the answer was ready when it began */
    ctx->answered_us = ngx_http_btcf_now_us();

    r->main->count++;

    ngx_http_btcf_stream_begin(stream, &ask);

    return NGX_DONE;
}


void
ngx_http_btcf_stream_create(ngx_http_btcf_stream_conf_t *conf)
{
    conf->heartbeat = NGX_CONF_UNSET_MSEC;
    conf->lifetime = NGX_CONF_UNSET_MSEC;
}


char *
ngx_http_btcf_stream_merge(ngx_conf_t *cf, ngx_http_btcf_stream_conf_t *prev,
    ngx_http_btcf_stream_conf_t *conf)
{
    ngx_conf_merge_msec_value(conf->heartbeat, prev->heartbeat, 15000);
    ngx_conf_merge_msec_value(conf->lifetime, prev->lifetime, 3600000);

    if (conf->heartbeat == 0 || conf->lifetime == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "btcf_stream_heartbeat and btcf_stream_lifetime"
                           " must be positive");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


void
ngx_http_btcf_stream_create_main(ngx_http_btcf_stream_main_conf_t *conf)
{
    conf->max = NGX_CONF_UNSET_UINT;
    conf->tick = NGX_CONF_UNSET_MSEC;
}


char *
ngx_http_btcf_stream_init_main(ngx_conf_t *cf,
    ngx_http_btcf_stream_main_conf_t *conf)
{
    ngx_conf_init_uint_value(conf->max, 8192);
    ngx_conf_init_msec_value(conf->tick, 20);

    if (conf->tick == 0 || conf->tick > NGX_HTTP_BTCF_TICK_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "btcf_stream_tick must be from 1ms to 1s");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_btcf_stream_parse(ngx_http_request_t *r,
    ngx_http_btcf_stream_ask_t *ask)
{
    u_char           *p, *last, *end, *eq;
    ngx_int_t         rc;
    ngx_str_t         name, value;
    const ngx_str_t  *header;

    ngx_memzero(ask, sizeof(ngx_http_btcf_stream_ask_t));

    last = r->args.data + r->args.len;

    for (p = r->args.data; p < last; p = end + 1) {

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

        value.data = (eq == end) ? end : eq + 1;
        value.len = end - value.data;

        rc = ngx_http_btcf_stream_argument(r, &name, &value, ask);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (ask->wanted == 0) {
        ask->wanted = (ngx_uint_t) ~1;      /* there is no type 0 */
    }

    header = ngx_http_btcf_stream_header(r);

    if (header && header->len) {
        ask->resumes = 0;
        return ngx_http_btcf_stream_last_id(r, header, ask);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_btcf_stream_argument(ngx_http_request_t *r, const ngx_str_t *name,
    const ngx_str_t *value, ngx_http_btcf_stream_ask_t *ask)
{
    if (name->len == ngx_http_btcf_arg_events.len
        && ngx_memcmp(name->data, ngx_http_btcf_arg_events.data, name->len)
           == 0)
    {
        return ngx_http_btcf_stream_events(r, value, ask);
    }

    if (name->len == ngx_http_btcf_arg_last_id.len
        && ngx_memcmp(name->data, ngx_http_btcf_arg_last_id.data, name->len)
           == 0)
    {
        return ngx_http_btcf_stream_last_id(r, value, ask);
    }

    if (name->len == ngx_http_btcf_arg_ticket.len
        && ngx_memcmp(name->data, ngx_http_btcf_arg_ticket.data, name->len)
           == 0)
    {
        return NGX_OK;
    }

    return ngx_http_btcf_problem(r, NGX_HTTP_BTCF_UNKNOWN_PARAMETER, name);
}


/* `price,candle`; a comma may come as %2C. Every name known, and only once. */

static ngx_int_t
ngx_http_btcf_stream_events(ngx_http_request_t *r, const ngx_str_t *value,
    ngx_http_btcf_stream_ask_t *ask)
{
    u_char      *p, *last, *dst, *src;
    ngx_str_t    name;
    ngx_uint_t   bit;

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

        bit = (ngx_uint_t) 1 << ngx_http_btcf_event_type(&name);

        if (bit == 1 || (ask->wanted & bit)) {
            return ngx_http_btcf_problem(r, NGX_HTTP_BTCF_INVALID_EVENTS,
                                         &name);
        }

        ask->wanted |= bit;

    } while (p++ < last);

    return NGX_OK;
}


static ngx_int_t
ngx_http_btcf_stream_last_id(ngx_http_request_t *r, const ngx_str_t *value,
    ngx_http_btcf_stream_ask_t *ask)
{
    off_t  id;

    id = ngx_atoof(value->data, value->len);

    if (id == (off_t) NGX_ERROR || ask->resumes) {
        return ngx_http_btcf_problem(r, NGX_HTTP_BTCF_INVALID_EVENT_ID, value);
    }

    ask->last_id = (uint64_t) id;
    ask->resumes = 1;

    return NGX_OK;
}


/* NULL: it was not sent; of several the last, as a client would mean it */

static const ngx_str_t *
ngx_http_btcf_stream_header(ngx_http_request_t *r)
{
    ngx_uint_t              i;
    const ngx_str_t        *value;
    const ngx_list_part_t  *part;
    const ngx_table_elt_t  *h;

    value = NULL;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].key.len == ngx_http_btcf_last_event_id.len
                && ngx_strncasecmp(h[i].key.data,
                                   ngx_http_btcf_last_event_id.data,
                                   h[i].key.len)
                   == 0)
            {
                value = &h[i].value;
            }
        }
    }

    return value;
}


/*
 * Two cleanups, because two things end at two times: when the request is over
 * the stream must not be served any more; what was sent is still referred to
 * by HTTP/2's queues until the request's pool goes.
 */

static ngx_http_btcf_stream_t *
ngx_http_btcf_stream_prepare(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t      *pool_cln;
    ngx_http_cleanup_t      *cln;
    ngx_http_btcf_stream_t  *stream;

    pool_cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_btcf_stream_t));
    cln = ngx_http_cleanup_add(r, 0);

    if (pool_cln == NULL || cln == NULL) {
        return NULL;
    }

    stream = pool_cln->data;
    ngx_memzero(stream, sizeof(ngx_http_btcf_stream_t));

    stream->request = r;

    pool_cln->handler = ngx_http_btcf_stream_free;

    cln->handler = ngx_http_btcf_stream_detach;
    cln->data = stream;

    ngx_http_btcf_find_ctx(r)->stream = stream;

    return stream;
}


static void
ngx_http_btcf_stream_detach(void *data)
{
    ngx_http_btcf_stream_end(data);
}


static void
ngx_http_btcf_stream_free(void *data)
{
    ngx_http_btcf_stream_t *stream = data;

    if (stream->batch) {
        ngx_http_btcf_batch_free(stream->batch);
    }
}


static ngx_int_t
ngx_http_btcf_stream_headers(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_http_core_loc_conf_t  *clcf;

    if (ngx_http_btcf_add_header(r, &ngx_http_btcf_cache_control,
                                 &ngx_http_btcf_no_store)
        == NULL
        || ngx_http_btcf_add_header(r, &ngx_http_btcf_accel, &ngx_http_btcf_no)
           == NULL)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->disable_not_modified = 1;

    /* leaves it alone whatever `gzip` says */
    r->headers_out.content_encoding = &ngx_http_btcf_identity;

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_type = ngx_http_btcf_stream_type;
    r->headers_out.content_type_len = ngx_http_btcf_stream_type.len;
    r->headers_out.content_type_lowcase = NULL;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    /* nginx does this for kept connections only, TLS and HTTP/2 */

    if (clcf->tcp_nodelay && r->stream == NULL
        && ngx_tcp_nodelay(r->connection) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}
