
/*
 * What one client is sent: events from its position on, and what has to be
 * said about those that it does not get.
 *
 * One batch of frames at most is under way to a client, and nothing more is
 * sent before it is through. Until then the stream is blocked: nginx calls us
 * when its socket has room again, or when send_timeout says that it never
 * will. What happened meanwhile lies in the ring. If that is much, the client
 * is slow, and gets of prices and candles the newest of each kind, and the
 * number of those that were left out. What it asked for when it came back is
 * never left out: then it is not slow, it has been away.
 */


#include "ngx_http_btcf_stream.h"


/* events looked at in one visit, wanted or not */
#define NGX_HTTP_BTCF_LOOKS         1024

/*
 * Who is slow: behind by more than LAG events after more than PATIENCE ms in
 * which it did not read, or by more than LAG_MAX, as a reader is that never
 * stops but is slower than what happens. A burst makes nobody slow.
 */
#define NGX_HTTP_BTCF_LAG           32
#define NGX_HTTP_BTCF_LAG_MAX       1024
#define NGX_HTTP_BTCF_PATIENCE      1000

/* after which time a client comes back: at least, and how much more, ms */
#define NGX_HTTP_BTCF_RETRY_MIN     1000
#define NGX_HTTP_BTCF_RETRY_SPREAD  3000

/* room for a frame of our own, its numbers included */
#define NGX_HTTP_BTCF_NOTE_SIZE     192


static ngx_int_t ngx_http_btcf_stream_fill(ngx_http_btcf_stream_t *stream,
    ngx_http_btcf_batch_t *batch);
static ngx_int_t ngx_http_btcf_stream_next(ngx_http_btcf_stream_t *stream,
    ngx_http_btcf_batch_t *batch);
static ngx_int_t ngx_http_btcf_stream_event(ngx_http_btcf_stream_t *stream,
    ngx_http_btcf_batch_t *batch);
static ngx_int_t ngx_http_btcf_stream_reset(ngx_http_btcf_stream_t *stream,
    ngx_http_btcf_batch_t *batch);
static ngx_int_t ngx_http_btcf_stream_note(ngx_http_btcf_batch_t *batch,
    const char *fmt, ...);
static ngx_int_t ngx_http_btcf_stream_send(ngx_http_btcf_stream_t *stream,
    ngx_http_btcf_batch_t *batch, ngx_uint_t last);
static ngx_int_t ngx_http_btcf_stream_wait(ngx_http_btcf_stream_t *stream);
static ngx_uint_t ngx_http_btcf_stream_retry(void);


/* One visit: a batch of what the client has not got yet. */

void
ngx_http_btcf_stream_serve(ngx_http_btcf_stream_t *stream)
{
    ngx_http_btcf_batch_t  *batch;

    ngx_queue_remove(&stream->queue);
    ngx_queue_init(&stream->queue);

    if (stream->blocked) {
        return;
    }

    batch = ngx_http_btcf_batch_lend(stream);

    if (batch == NULL) {
        ngx_http_finalize_request(stream->request, NGX_ERROR);
        return;
    }

    if (ngx_http_btcf_stream_fill(stream, batch) != NGX_OK) {
        ngx_http_btcf_batch_reset(batch);
        ngx_http_finalize_request(stream->request, NGX_ERROR);
        return;
    }

    if (batch->n
        && ngx_http_btcf_stream_send(stream, batch, 0) == NGX_ERROR)
    {
        ngx_http_finalize_request(stream->request, NGX_ERROR);
        return;
    }

    if (!stream->blocked) {
        ngx_http_btcf_stream_queue(stream);
    }
}


static ngx_int_t
ngx_http_btcf_stream_fill(ngx_http_btcf_stream_t *stream,
    ngx_http_btcf_batch_t *batch)
{
    ngx_uint_t  looks;

    if (!stream->greeted) {
        stream->greeted = 1;

        if (ngx_http_btcf_stream_note(batch, "retry: %ui\n: welcome\n\n",
                                      ngx_http_btcf_stream_retry())
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    for (looks = 0; looks < NGX_HTTP_BTCF_LOOKS; looks++) {

        if (stream->next == ngx_http_btcf_events_head() + 1) {
            stream->slow = 0;
            break;
        }

        if (!ngx_http_btcf_batch_has_room(batch)) {
            break;
        }

        if (ngx_http_btcf_stream_next(stream, batch) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (stream->beat && batch->n == 0) {
        stream->beat = 0;
        return ngx_http_btcf_stream_note(batch, ":\n\n");
    }

    stream->beat = 0;

    return NGX_OK;
}


/* Decides what becomes of the next event, and takes the client past it. */

static ngx_int_t
ngx_http_btcf_stream_next(ngx_http_btcf_stream_t *stream,
    ngx_http_btcf_batch_t *batch)
{
    uint64_t                     id;
    const ngx_http_btcf_kind_t  *kind;

    id = stream->next;

    if (id > ngx_http_btcf_events_head() + 1) {
        return ngx_http_btcf_stream_reset(stream, batch);
    }

    kind = ngx_http_btcf_event_kind(id);

    if (kind == NULL) {
        return ngx_http_btcf_stream_reset(stream, batch);
    }

    if (!(stream->wanted & ((ngx_uint_t) 1 << kind->type))
        || (id <= stream->fresh && kind->newest != id))
    {
        stream->next++;
        return NGX_OK;
    }

    if (stream->slow
        && id > stream->exact
        && kind->newest != id
        && (kind->type == BTCF_EVENT_PRICE || kind->type == BTCF_EVENT_CANDLE))
    {
        stream->next++;
        stream->dropped++;
        btcf_count(&ngx_http_btcf_stream_metrics()->stream_coalesced, 1);
        return NGX_OK;
    }

    return ngx_http_btcf_stream_event(stream, batch);
}


static ngx_int_t
ngx_http_btcf_stream_event(ngx_http_btcf_stream_t *stream,
    ngx_http_btcf_batch_t *batch)
{
    ngx_http_btcf_frame_t  *frame;

    frame = ngx_http_btcf_event_frame(stream->next);

    if (frame == NULL) {
        return ngx_http_btcf_stream_reset(stream, batch);
    }

    if (stream->dropped) {
        if (ngx_http_btcf_stream_note(batch, "event: dropped\n"
                                      "data: {\"count\":%ui}\n\n",
                                      stream->dropped)
            != NGX_OK)
        {
            ngx_http_btcf_frame_unref(frame);
            return NGX_ERROR;
        }

        stream->dropped = 0;
    }

    ngx_http_btcf_batch_add(batch, frame);
    btcf_count(&ngx_http_btcf_stream_metrics()->stream_events, 1);

    stream->next++;

    return NGX_OK;
}


/*
 * The ring has moved past the client's position, or ids have begun anew (an
 * engine on an empty machine): says so and goes on with what is there. Who has
 * only just come and has no past is not told.
 */

static ngx_int_t
ngx_http_btcf_stream_reset(ngx_http_btcf_stream_t *stream,
    ngx_http_btcf_batch_t *batch)
{
    uint64_t  id, head, oldest;

    id = stream->next;
    head = ngx_http_btcf_events_head();
    oldest = ngx_min(ngx_http_btcf_events_oldest(), head + 1);

    if (id <= head && id >= oldest) {
        /* it should be there and is not: damaged, or just overwritten */
        oldest = id + 1;
    }

    stream->next = oldest;

    if (id <= stream->fresh) {
        stream->fresh = ngx_min(stream->fresh, head);
        return NGX_OK;
    }

    stream->fresh = 0;
    stream->dropped = 0;

    if (!stream->slow || id > head) {
        stream->exact = head;
    }

    return ngx_http_btcf_stream_note(batch, "event: reset\n"
                                     "data: {\"oldest\":%uL}\n\n", oldest);
}


/* A frame of our own for one client; without an id, so it is no event. */

static ngx_int_t
ngx_http_btcf_stream_note(ngx_http_btcf_batch_t *batch, const char *fmt, ...)
{
    va_list                 args;
    ngx_http_btcf_frame_t  *frame;

    frame = ngx_http_btcf_frame_create(NGX_HTTP_BTCF_NOTE_SIZE);
    if (frame == NULL) {
        return NGX_ERROR;
    }

    va_start(args, fmt);
    frame->len = ngx_vslprintf(frame->data,
                               frame->data + NGX_HTTP_BTCF_NOTE_SIZE, fmt,
                               args)
                 - frame->data;
    va_end(args);

    ngx_http_btcf_batch_add(batch, frame);

    return NGX_OK;
}


/*
 * Says a last word, if the client listens, and ends the request. Of a client
 * that does not, what it holds is taken at once.
 */

void
ngx_http_btcf_stream_finish(ngx_http_btcf_stream_t *stream, const char *event,
    const ngx_str_t *reason)
{
    ngx_int_t               rc;
    ngx_http_request_t     *r;
    ngx_http_btcf_batch_t  *batch;

    r = stream->request;
    batch = stream->blocked ? NULL : ngx_http_btcf_batch_lend(stream);

    if (batch == NULL
        || ngx_http_btcf_stream_note(batch, "event: %s\nretry: %ui\n"
                                     "data: {\"reason\":\"%V\"}\n\n",
                                     event, ngx_http_btcf_stream_retry(),
                                     reason)
           != NGX_OK)
    {
        ngx_http_finalize_request(r, NGX_ERROR);
        return;
    }

    ngx_http_btcf_stream_end(stream);

    rc = ngx_http_btcf_stream_send(stream, batch, 1);

    ngx_http_finalize_request(r, rc);
}


static ngx_int_t
ngx_http_btcf_stream_send(ngx_http_btcf_stream_t *stream,
    ngx_http_btcf_batch_t *batch, ngx_uint_t last)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = stream->request;

    ngx_http_btcf_batch_close(batch, last);

    rc = ngx_http_output_filter(r, batch->chain);

    if (ngx_http_btcf_batch_is_sent(batch)) {
        ngx_http_btcf_batch_reset(batch);

    } else {
        ngx_http_btcf_batch_keep(stream, batch);
    }

    if (rc == NGX_ERROR || last) {
        return rc;
    }

    if (r->buffered || r->postponed || r->connection->buffered) {
        stream->blocked = 1;
        stream->since = ngx_current_msec;
        return ngx_http_btcf_stream_wait(stream);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_btcf_stream_wait(ngx_http_btcf_stream_t *stream)
{
    ngx_event_t               *wev;
    ngx_http_request_t        *r;
    ngx_http_core_loc_conf_t  *clcf;

    r = stream->request;
    wev = r->connection->write;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (!wev->delayed) {
        ngx_add_timer(wev, clcf->send_timeout);
    }

    return ngx_handle_write_event(wev, clcf->send_lowat);
}


/* nginx can write to the client again, or has waited for it long enough. */

void
ngx_http_btcf_stream_write(ngx_http_request_t *r)
{
    uint64_t                 lag;
    ngx_event_t             *wev;
    ngx_connection_t        *c;
    ngx_http_btcf_stream_t  *stream;

    c = r->connection;
    wev = c->write;
    stream = ngx_http_btcf_find_ctx(r)->stream;

    if (wev->timedout) {
        btcf_count(&ngx_http_btcf_stream_metrics()->streams_dropped, 1);

        ngx_log_error(NGX_LOG_INFO, c->log, NGX_ETIMEDOUT,
                      "btcf: the client of a stream does not read");
        c->timedout = 1;
        ngx_http_finalize_request(r, NGX_HTTP_REQUEST_TIME_OUT);
        return;
    }

    if (!stream->blocked) {
        return;
    }

    if (!wev->delayed && ngx_http_output_filter(r, NULL) == NGX_ERROR) {
        ngx_http_finalize_request(r, NGX_ERROR);
        return;
    }

    if (r->buffered || r->postponed || c->buffered) {
        if (ngx_http_btcf_stream_wait(stream) != NGX_OK) {
            ngx_http_finalize_request(r, NGX_ERROR);
        }

        return;
    }

    if (wev->timer_set) {
        ngx_del_timer(wev);
    }

    if (stream->batch) {
        ngx_http_btcf_batch_reset(stream->batch);
    }

    stream->blocked = 0;

    lag = ngx_http_btcf_events_head() + 1 - stream->next;

    if (lag > NGX_HTTP_BTCF_LAG_MAX
        || (lag > NGX_HTTP_BTCF_LAG
            && ngx_current_msec - stream->since > NGX_HTTP_BTCF_PATIENCE))
    {
        stream->slow = 1;
    }

    ngx_http_btcf_stream_queue(stream);
}


/* When a client should come back: not all of them at once. */

static ngx_uint_t
ngx_http_btcf_stream_retry(void)
{
    return NGX_HTTP_BTCF_RETRY_MIN
           + ngx_http_btcf_stream_random(NGX_HTTP_BTCF_RETRY_SPREAD);
}
