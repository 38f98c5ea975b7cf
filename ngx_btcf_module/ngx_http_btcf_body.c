
/*
 * A deadline for request bodies. nginx's client_body_timeout is the time
 * between two reads: a client that sends one byte every two seconds is never
 * dropped, and holds a connection and a buffer for as long as it likes. Here a
 * body has a time in which it must have come, and a rate that it must keep up.
 *
 * A timer per request with a body looks at how much has come; it needs no
 * filter, and nothing on the way of a body that comes in time. What is late is
 * answered 408, which takes some care: nginx itself ends a request that timed
 * out without a word, so the answer is made by the special response handler,
 * as for any other error, after reading has been stopped.
 */


#include "ngx_http_btcf.h"


/* a rate is judged over this time, so it is also its grace */
#define NGX_HTTP_BTCF_BODY_WINDOW   5000

#define NGX_HTTP_BTCF_CONTROL_TIME  15000


typedef struct {
    ngx_event_t                 timer;
    ngx_msec_t                  begun;
    ngx_msec_t                  window_begun;
    off_t                       window_bytes;   /* what had come by then */
    ngx_msec_t                  timeout;
    size_t                      min_rate;
} ngx_http_btcf_body_wait_t;


static ngx_int_t ngx_http_btcf_body_handler(ngx_http_request_t *r);
static ngx_msec_t ngx_http_btcf_body_time(
    const ngx_http_btcf_loc_conf_t *lcf);
static void ngx_http_btcf_body_arm(ngx_http_btcf_body_wait_t *wait);
static void ngx_http_btcf_body_cleanup(void *data);
static void ngx_http_btcf_body_timer(ngx_event_t *ev);
static ngx_uint_t ngx_http_btcf_is_reading(ngx_http_request_t *r);
static ngx_uint_t ngx_http_btcf_is_late(ngx_http_request_t *r,
    ngx_http_btcf_body_wait_t *wait);
static void ngx_http_btcf_body_late(ngx_http_request_t *r);


void
ngx_http_btcf_body_create(ngx_http_btcf_body_conf_t *conf)
{
    conf->timeout = NGX_CONF_UNSET_MSEC;
    conf->min_rate = NGX_CONF_UNSET_SIZE;
}


/* A timeout that nobody has set stays so: it goes by the location's route. */

char *
ngx_http_btcf_body_merge(ngx_conf_t *cf, ngx_http_btcf_body_conf_t *prev,
    ngx_http_btcf_body_conf_t *conf)
{
    if (conf->timeout == NGX_CONF_UNSET_MSEC) {
        conf->timeout = prev->timeout;
    }

    ngx_conf_merge_size_value(conf->min_rate, prev->min_rate, 0);

    return NGX_CONF_OK;
}


/* Right before the content: the body is read there, or not at all. */

ngx_int_t
ngx_http_btcf_body_init(ngx_conf_t *cf)
{
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PRECONTENT_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_btcf_body_handler;

    return NGX_OK;
}


static ngx_int_t
ngx_http_btcf_body_handler(ngx_http_request_t *r)
{
    ngx_msec_t                       timeout;
    ngx_http_btcf_ctx_t             *ctx;
    ngx_http_cleanup_t              *cln;
    ngx_http_btcf_body_wait_t       *wait;
    const ngx_http_btcf_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_btcf_module);
    timeout = ngx_http_btcf_body_time(lcf);

    if (r != r->main
        || (timeout == 0 && lcf->body.min_rate == 0)
        || (r->headers_in.content_length_n <= 0 && !r->headers_in.chunked))
    {
        return NGX_DECLINED;
    }

    ctx = ngx_http_btcf_get_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->body_timed) {
        return NGX_DECLINED;
    }

    ctx->body_timed = 1;

    cln = ngx_http_cleanup_add(r, sizeof(ngx_http_btcf_body_wait_t));
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    wait = cln->data;
    ngx_memzero(wait, sizeof(ngx_http_btcf_body_wait_t));

    wait->begun = ngx_current_msec;
    wait->window_begun = ngx_current_msec;
    wait->window_bytes = r->request_length;
    wait->timeout = timeout;
    wait->min_rate = lcf->body.min_rate;

    wait->timer.data = r;
    wait->timer.handler = ngx_http_btcf_body_timer;
    wait->timer.log = r->connection->log;

    cln->handler = ngx_http_btcf_body_cleanup;

    ngx_http_btcf_body_arm(wait);

    return NGX_DECLINED;
}


static ngx_msec_t
ngx_http_btcf_body_time(const ngx_http_btcf_loc_conf_t *lcf)
{
    if (lcf->body.timeout != NGX_CONF_UNSET_MSEC) {
        return lcf->body.timeout;
    }

    return lcf->route == BTCF_ROUTE_CONTROL ? NGX_HTTP_BTCF_CONTROL_TIME : 0;
}


/* For the end of the time or of the window, whichever comes first. */

static void
ngx_http_btcf_body_arm(ngx_http_btcf_body_wait_t *wait)
{
    ngx_msec_t  left, window;

    left = wait->timeout - ngx_min(wait->timeout,
                                   ngx_current_msec - wait->begun);
    window = NGX_HTTP_BTCF_BODY_WINDOW;

    if (wait->timeout == 0 || (wait->min_rate && window < left)) {
        left = window;
    }

    ngx_add_timer(&wait->timer, left);
}


static void
ngx_http_btcf_body_cleanup(void *data)
{
    ngx_http_btcf_body_wait_t *wait = data;

    if (wait->timer.timer_set) {
        ngx_del_timer(&wait->timer);
    }
}


static void
ngx_http_btcf_body_timer(ngx_event_t *ev)
{
    ngx_http_request_t         *r;
    ngx_http_btcf_body_wait_t  *wait;

    r = ev->data;
    wait = (ngx_http_btcf_body_wait_t *)
               ((u_char *) ev - offsetof(ngx_http_btcf_body_wait_t, timer));

    if (!ngx_http_btcf_is_reading(r)) {
        return;
    }

    if (ngx_http_btcf_is_late(r, wait)) {
        ngx_http_btcf_body_late(r);
        return;
    }

    ngx_http_btcf_body_arm(wait);
}


/* 0: it has come, or it is thrown away, for which nginx has its own limits. */

static ngx_uint_t
ngx_http_btcf_is_reading(ngx_http_request_t *r)
{
    if (r->request_body == NULL || r->discard_body) {
        return 0;
    }

#if (NGX_HTTP_V2)
    if (r->stream) {
        return !r->stream->in_closed;
    }
#endif

    return r->request_body->rest != 0;
}


static ngx_uint_t
ngx_http_btcf_is_late(ngx_http_request_t *r, ngx_http_btcf_body_wait_t *wait)
{
    off_t       came;
    ngx_msec_t  passed;

    if (wait->timeout && ngx_current_msec - wait->begun >= wait->timeout) {
        return 1;
    }

    passed = ngx_current_msec - wait->window_begun;

    /* unbuffered, it is the upstream that sets the pace */

    if (wait->min_rate == 0 || passed < NGX_HTTP_BTCF_BODY_WINDOW
        || r->request_body_no_buffering)
    {
        return 0;
    }

    came = r->request_length - wait->window_bytes;

    wait->window_begun = ngx_current_msec;
    wait->window_bytes = r->request_length;

    return (uint64_t) came * 1000 < (uint64_t) wait->min_rate * passed;
}


static void
ngx_http_btcf_body_late(ngx_http_request_t *r)
{
    ngx_connection_t                 *c;
    const ngx_http_btcf_main_conf_t  *mcf;

    c = r->connection;
    mcf = ngx_http_get_module_main_conf(r, ngx_http_btcf_module);

    btcf_count(&ngx_http_btcf_meter_block(mcf)->body_timeouts, 1);

    ngx_log_error(NGX_LOG_INFO, c->log, 0,
                  "btcf: client sent its body too slowly");

    if (r->request_body_no_buffering) {

        /* an upstream is under way, and may have answered: as nginx does */

        c->read->timedout = 1;
        c->read->handler(c->read);
        return;
    }

    if (c->read->timer_set) {
        ngx_del_timer(c->read);
    }

    r->read_event_handler = ngx_http_block_reading;
    r->keepalive = 0;
    r->lingering_close = 1;

#if (NGX_HTTP_V2)
    if (r->stream) {
        r->stream->skip_data = 1;
    }
#endif

    (void) ngx_http_btcf_problem(r, NGX_HTTP_BTCF_BODY_TIMEOUT, NULL);

    ngx_http_finalize_request(r,
                              ngx_http_special_response_handler(r,
                                               NGX_HTTP_REQUEST_TIME_OUT));

    ngx_http_run_posted_requests(c);
}
