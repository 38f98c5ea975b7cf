
/*
 * Events as they happen: text/event-stream to many clients of one worker.
 *
 * No worker talks to another. Each has one timer, which looks at the head of
 * the event ring; what is new is rendered once, and every client is served
 * from the same bytes. A client is a position in the ring and nothing more:
 * what it has not been sent yet lies in the ring, so somebody who does not
 * read costs no memory, and somebody who comes back (Last-Event-ID) is just a
 * client whose position is in the past.
 *
 *     idle     has all there is; new events move the whole queue to
 *     due      to be served, some each turn of the event loop, then
 *     behind   had more to get than one visit gives; served after all others
 *     (none)   blocked: what was sent is still in its socket. nginx calls us
 *              when that is through, or when send_timeout says that it never
 *              will be
 *
 * One batch of frames at most is under way to a client. It is the worker's own
 * if all of it went out at once, as almost always; a client that makes it wait
 * keeps it until its request ends, because nginx's filters may look at its
 * buffers even when they are empty.
 *
 * Nothing ends a stream without a word: a reload, the end of the credential
 * and a lifetime that is over are said in a last event, and so is what a slow
 * reader was not sent, and what the ring had already forgotten.
 *
 * The stream's own timer is a normal one, so a worker that is told to leave
 * waits until its clients have been told; the worker's is cancelable.
 */


#include "ngx_http_btcf_stream.h"


/* how much of other work may be kept waiting by one turn */
#define NGX_HTTP_BTCF_TURN          256         /* clients */
#define NGX_HTTP_BTCF_TURN_BEHIND   32          /* of them, with a past */
#define NGX_HTTP_BTCF_LOOKS         1024        /* events, for one client */

/* a reader that falls so far behind while it does not read is slow: events */
#define NGX_HTTP_BTCF_LAG           32

/* each stream is looked at once in this time, ms */
#define NGX_HTTP_BTCF_REVIEW        1000

/* a worker that leaves spreads its goodbyes over this time, ms */
#define NGX_HTTP_BTCF_GOODBYE       2500

/* after which time a client comes back: at least, and how much more, ms */
#define NGX_HTTP_BTCF_RETRY_MIN     1000
#define NGX_HTTP_BTCF_RETRY_SPREAD  3000

/* a share of a time by which streams are told apart, percent up and down */
#define NGX_HTTP_BTCF_JITTER        20

/* room for a frame of our own, its numbers included */
#define NGX_HTTP_BTCF_NOTE_SIZE     192


typedef struct {
    ngx_queue_t                       all;
    ngx_queue_t                       idle;
    ngx_queue_t                       due;
    ngx_queue_t                       behind;
    ngx_uint_t                        open;
    ngx_uint_t                        leaving;  /* unsigned  leaving:1; */
    ngx_msec_t                        reviewed;

    ngx_event_t                       tick;
    ngx_event_t                       turn;
    ngx_connection_t                  dummy;    /* for the debug log */

    ngx_http_btcf_batch_t            *batch;    /* lent for one visit */
    const ngx_http_btcf_main_conf_t  *mcf;
    struct btcf_metric_block         *metrics;
} ngx_http_btcf_streams_t;


static void ngx_http_btcf_stream_tick(ngx_event_t *ev);
static void ngx_http_btcf_stream_notice(ngx_http_btcf_streams_t *streams);
static void ngx_http_btcf_stream_review(ngx_http_btcf_streams_t *streams);
static void ngx_http_btcf_stream_leave(ngx_http_btcf_streams_t *streams);
static void ngx_http_btcf_stream_turn(ngx_event_t *ev);
static void ngx_http_btcf_stream_serve(ngx_http_btcf_stream_t *stream);
static ngx_http_btcf_batch_t *ngx_http_btcf_stream_batch(
    ngx_http_btcf_stream_t *stream);
static ngx_int_t ngx_http_btcf_stream_fill(ngx_http_btcf_stream_t *stream,
    ngx_http_btcf_batch_t *batch);
static ngx_int_t ngx_http_btcf_stream_next(ngx_http_btcf_stream_t *stream,
    ngx_http_btcf_batch_t *batch);
static ngx_int_t ngx_http_btcf_stream_reset(ngx_http_btcf_stream_t *stream,
    ngx_http_btcf_batch_t *batch);
static ngx_int_t ngx_http_btcf_stream_note(ngx_http_btcf_batch_t *batch,
    const char *fmt, ...);
static ngx_int_t ngx_http_btcf_stream_send(ngx_http_btcf_stream_t *stream,
    ngx_http_btcf_batch_t *batch, ngx_uint_t last);
static ngx_int_t ngx_http_btcf_stream_wait(ngx_http_btcf_stream_t *stream);
static void ngx_http_btcf_stream_write(ngx_http_request_t *r);
static void ngx_http_btcf_stream_timer(ngx_event_t *ev);
static void ngx_http_btcf_stream_queue(ngx_http_btcf_stream_t *stream);
static ngx_uint_t ngx_http_btcf_stream_retry(void);
static ngx_msec_t ngx_http_btcf_stream_jitter(ngx_msec_t time);
static ngx_msec_t ngx_http_btcf_stream_random(ngx_msec_t below);


/* worker-global: a process has one event loop */
static ngx_http_btcf_streams_t  ngx_http_btcf_streams;


void
ngx_http_btcf_stream_init(ngx_cycle_t *cycle,
    const ngx_http_btcf_main_conf_t *mcf)
{
    ngx_http_btcf_streams_t  *streams;

    streams = &ngx_http_btcf_streams;

    ngx_memzero(streams, sizeof(ngx_http_btcf_streams_t));

    ngx_queue_init(&streams->all);
    ngx_queue_init(&streams->idle);
    ngx_queue_init(&streams->due);
    ngx_queue_init(&streams->behind);

    streams->mcf = mcf;
    streams->metrics = ngx_http_btcf_meter_block(mcf);

    streams->dummy.fd = (ngx_socket_t) -1;

    streams->tick.handler = ngx_http_btcf_stream_tick;
    streams->tick.data = &streams->dummy;
    streams->tick.log = cycle->log;
    streams->tick.cancelable = 1;

    streams->turn.handler = ngx_http_btcf_stream_turn;
    streams->turn.data = &streams->dummy;
    streams->turn.log = cycle->log;
}


void
ngx_http_btcf_stream_exit(void)
{
    ngx_http_btcf_events_exit();

    if (ngx_http_btcf_streams.batch) {
        ngx_free(ngx_http_btcf_streams.batch);
        ngx_http_btcf_streams.batch = NULL;
    }
}


ngx_uint_t
ngx_http_btcf_stream_is_full(void)
{
    return ngx_http_btcf_streams.open >= ngx_http_btcf_streams.mcf->stream.max;
}


void
ngx_http_btcf_stream_refused(void)
{
    btcf_count(&ngx_http_btcf_streams.metrics->streams_refused, 1);
}


/* Puts a stream whose header has gone out into service. */

void
ngx_http_btcf_stream_begin(ngx_http_btcf_stream_t *stream,
    const ngx_http_btcf_stream_ask_t *ask)
{
    uint64_t                         head;
    ngx_http_request_t              *r;
    ngx_http_btcf_streams_t         *streams;
    const ngx_http_btcf_loc_conf_t  *lcf;

    streams = &ngx_http_btcf_streams;
    r = stream->request;

    ngx_http_btcf_stream_notice(streams);

    head = ngx_http_btcf_events_head();

    stream->wanted = ask->wanted;
    stream->exact = head;

    if (ask->resumes) {
        stream->next = ask->last_id + 1;

    } else {
        stream->next = ngx_http_btcf_events_first(ask->wanted);
        stream->fresh = head;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_btcf_module);

    stream->deadline = ngx_current_msec
                       + ngx_http_btcf_stream_jitter(lcf->stream.lifetime);

    stream->timer.handler = ngx_http_btcf_stream_timer;
    stream->timer.data = r->connection;
    stream->timer.log = r->connection->log;

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_btcf_stream_write;

    ngx_queue_insert_tail(&streams->all, &stream->all);
    ngx_queue_insert_tail(&streams->behind, &stream->queue);

    streams->open++;
    btcf_count(&streams->metrics->streams_opened, 1);

    ngx_add_timer(&stream->timer,
                  streams->leaving
                  ? ngx_http_btcf_stream_random(NGX_HTTP_BTCF_GOODBYE)
                  : ngx_http_btcf_stream_jitter(lcf->stream.heartbeat));

    if (!streams->tick.timer_set) {
        ngx_add_timer(&streams->tick, streams->mcf->stream.tick);
    }

    ngx_post_event(&streams->turn, &ngx_posted_events);
}


/* Takes it out again, once: for whatever reason its request ends. */

void
ngx_http_btcf_stream_end(ngx_http_btcf_stream_t *stream)
{
    ngx_http_btcf_streams_t  *streams;

    streams = &ngx_http_btcf_streams;

    btcf_claim_give(&stream->claim, ngx_http_btcf_stream_now());

    if (stream->ended || stream->all.next == NULL) {
        return;
    }

    stream->ended = 1;

    ngx_queue_remove(&stream->all);
    ngx_queue_remove(&stream->queue);

    if (stream->timer.timer_set) {
        ngx_del_timer(&stream->timer);
    }

    streams->open--;
    btcf_count(&streams->metrics->streams_closed, 1);
}


static void
ngx_http_btcf_stream_tick(ngx_event_t *ev)
{
    ngx_http_btcf_streams_t  *streams;

    streams = &ngx_http_btcf_streams;

    if (ngx_exiting && !streams->leaving) {
        ngx_http_btcf_stream_leave(streams);
    }

    ngx_http_btcf_stream_notice(streams);
    ngx_http_btcf_stream_review(streams);

    if (streams->open) {
        ngx_add_timer(ev, streams->mcf->stream.tick);
    }
}


/* New events: everybody has something to get. */

static void
ngx_http_btcf_stream_notice(ngx_http_btcf_streams_t *streams)
{
    if (!ngx_http_btcf_events_look() || ngx_queue_empty(&streams->idle)) {
        return;
    }

    ngx_queue_add(&streams->due, &streams->idle);
    ngx_queue_init(&streams->idle);

    ngx_post_event(&streams->turn, &ngx_posted_events);
}


/*
 * A slice of all streams, so that each has its turn once in a while: are they
 * still entitled to what they get?
 */

static void
ngx_http_btcf_stream_review(ngx_http_btcf_streams_t *streams)
{
    ngx_str_t                reason;
    ngx_uint_t               n;
    ngx_queue_t             *q;
    ngx_msec_t               elapsed;
    ngx_connection_t        *c;
    ngx_http_btcf_stream_t  *stream;

    elapsed = ngx_min(ngx_current_msec - streams->reviewed,
                      NGX_HTTP_BTCF_REVIEW);
    streams->reviewed = ngx_current_msec;

    n = streams->open * elapsed / NGX_HTTP_BTCF_REVIEW + 1;

    for ( /* void */ ; n > 0 && !ngx_queue_empty(&streams->all); n--) {

        q = ngx_queue_head(&streams->all);
        stream = ngx_queue_data(q, ngx_http_btcf_stream_t, all);

        ngx_queue_remove(q);
        ngx_queue_insert_tail(&streams->all, q);

        c = stream->request->connection;

        if (!stream->request->discard_body) {
            stream->request->read_event_handler = ngx_http_test_reading;
        }

        if ((ngx_msec_int_t) (stream->deadline - ngx_current_msec) <= 0) {
            ngx_str_set(&reason, "lifetime");
            ngx_http_btcf_stream_finish(stream, "reconnect", &reason);

        } else if (!ngx_http_btcf_stream_may_go_on(stream, &reason)) {
            ngx_http_btcf_stream_finish(stream, "end", &reason);
        }

        ngx_http_run_posted_requests(c);
    }
}


static void
ngx_http_btcf_stream_leave(ngx_http_btcf_streams_t *streams)
{
    ngx_queue_t             *q;
    ngx_http_btcf_stream_t  *stream;

    streams->leaving = 1;

    for (q = ngx_queue_head(&streams->all);
         q != ngx_queue_sentinel(&streams->all);
         q = ngx_queue_next(q))
    {
        stream = ngx_queue_data(q, ngx_http_btcf_stream_t, all);

        ngx_add_timer(&stream->timer,
                      ngx_http_btcf_stream_random(NGX_HTTP_BTCF_GOODBYE));
    }
}


/*
 * Posted for the next turn of the event loop if there is more to do, so that
 * requests and new connections come between.
 */

static void
ngx_http_btcf_stream_turn(ngx_event_t *ev)
{
    ngx_uint_t                n, behind;
    ngx_queue_t              *q;
    ngx_connection_t         *c;
    ngx_http_btcf_stream_t   *stream;
    ngx_http_btcf_streams_t  *streams;

    streams = &ngx_http_btcf_streams;
    behind = 0;

    for (n = 0; n < NGX_HTTP_BTCF_TURN; n++) {

        if (!ngx_queue_empty(&streams->due)) {
            q = ngx_queue_head(&streams->due);

        } else if (!ngx_queue_empty(&streams->behind)
                   && behind++ < NGX_HTTP_BTCF_TURN_BEHIND)
        {
            q = ngx_queue_head(&streams->behind);

        } else {
            break;
        }

        stream = ngx_queue_data(q, ngx_http_btcf_stream_t, queue);
        c = stream->request->connection;

        ngx_http_btcf_stream_serve(stream);
        ngx_http_run_posted_requests(c);
    }

    if (!ngx_queue_empty(&streams->due) || !ngx_queue_empty(&streams->behind)) {
        ngx_post_event(ev, &ngx_posted_next_events);
    }
}


/* One visit: a batch of what the client has not got yet. */

static void
ngx_http_btcf_stream_serve(ngx_http_btcf_stream_t *stream)
{
    ngx_http_btcf_batch_t  *batch;

    ngx_queue_remove(&stream->queue);
    ngx_queue_init(&stream->queue);

    if (stream->blocked) {
        return;
    }

    batch = ngx_http_btcf_stream_batch(stream);

    if (batch == NULL
        || ngx_http_btcf_stream_fill(stream, batch) != NGX_OK
        || (batch->n
            && ngx_http_btcf_stream_send(stream, batch, 0) == NGX_ERROR))
    {
        ngx_http_finalize_request(stream->request, NGX_ERROR);
        return;
    }

    if (!stream->blocked) {
        ngx_http_btcf_stream_queue(stream);
    }
}


/* The client's own batch, or the worker's for the time of a visit. */

static ngx_http_btcf_batch_t *
ngx_http_btcf_stream_batch(ngx_http_btcf_stream_t *stream)
{
    ngx_http_btcf_streams_t  *streams;

    streams = &ngx_http_btcf_streams;

    if (stream->batch) {
        return stream->batch;
    }

    if (streams->batch == NULL) {
        streams->batch = ngx_http_btcf_batch_create();
    }

    return streams->batch;
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
    ngx_http_btcf_frame_t       *frame;
    const ngx_http_btcf_kind_t  *kind;

    id = stream->next;

    if (id > ngx_http_btcf_events_head() + 1) {
        return ngx_http_btcf_stream_reset(stream, batch);
    }

    kind = ngx_http_btcf_event_kind(id);

    if (kind == NULL) {
        return ngx_http_btcf_stream_reset(stream, batch);
    }

    stream->next++;

    if (!(stream->wanted & ((ngx_uint_t) 1 << kind->type))) {
        return NGX_OK;
    }

    if (id <= stream->fresh && kind->newest != id) {
        return NGX_OK;
    }

    if (stream->slow
        && id > stream->exact
        && kind->newest != id
        && (kind->type == BTCF_EVENT_PRICE || kind->type == BTCF_EVENT_CANDLE))
    {
        stream->dropped++;
        btcf_count(&ngx_http_btcf_streams.metrics->stream_coalesced, 1);
        return NGX_OK;
    }

    frame = ngx_http_btcf_event_frame(id);

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
    btcf_count(&ngx_http_btcf_streams.metrics->stream_events, 1);

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
        return NGX_OK;
    }

    stream->fresh = 0;
    stream->exact = head;
    stream->dropped = 0;

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
    batch = stream->blocked ? NULL : ngx_http_btcf_stream_batch(stream);

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

    } else if (stream->batch == NULL) {
        stream->batch = batch;
        ngx_http_btcf_streams.batch = NULL;
    }

    if (rc == NGX_ERROR || last) {
        return rc;
    }

    if (r->buffered || r->postponed || r->connection->buffered) {
        stream->blocked = 1;
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

static void
ngx_http_btcf_stream_write(ngx_http_request_t *r)
{
    ngx_event_t              *wev;
    ngx_connection_t         *c;
    ngx_http_btcf_stream_t   *stream;
    ngx_http_btcf_streams_t  *streams;

    c = r->connection;
    wev = c->write;
    streams = &ngx_http_btcf_streams;
    stream = ngx_http_btcf_find_ctx(r)->stream;

    if (wev->timedout) {
        btcf_count(&streams->metrics->streams_dropped, 1);

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

    if (ngx_http_btcf_events_head() - stream->next + 1 > NGX_HTTP_BTCF_LAG) {
        stream->slow = 1;
    }

    ngx_http_btcf_stream_queue(stream);
}


/* Heartbeat; or, when the worker leaves, the time to say goodbye. */

static void
ngx_http_btcf_stream_timer(ngx_event_t *ev)
{
    ngx_str_t                        reason;
    ngx_connection_t                *c;
    ngx_http_request_t              *r;
    ngx_http_btcf_stream_t          *stream;
    const ngx_http_btcf_loc_conf_t  *lcf;

    c = ev->data;
    r = c->data;
    stream = ngx_http_btcf_find_ctx(r)->stream;

    ngx_http_set_log_request(c->log, r);

    if (ngx_http_btcf_streams.leaving) {
        ngx_str_set(&reason, "reload");
        ngx_http_btcf_stream_finish(stream, "reconnect", &reason);
        ngx_http_run_posted_requests(c);
        return;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_btcf_module);

    ngx_add_timer(ev, ngx_http_btcf_stream_jitter(lcf->stream.heartbeat));

    stream->beat = 1;

    ngx_http_btcf_stream_serve(stream);
    ngx_http_run_posted_requests(c);
}


/* Where a client waits that does not have to wait for its own socket. */

static void
ngx_http_btcf_stream_queue(ngx_http_btcf_stream_t *stream)
{
    ngx_queue_t              *queue;
    ngx_http_btcf_streams_t  *streams;

    streams = &ngx_http_btcf_streams;

    queue = &streams->idle;

    if (stream->next != ngx_http_btcf_events_head() + 1) {
        queue = &streams->behind;
        ngx_post_event(&streams->turn, &ngx_posted_next_events);
    }

    ngx_queue_remove(&stream->queue);
    ngx_queue_insert_tail(queue, &stream->queue);
}


/* When a client should come back: not all of them at once. */

static ngx_uint_t
ngx_http_btcf_stream_retry(void)
{
    return NGX_HTTP_BTCF_RETRY_MIN
           + ngx_http_btcf_stream_random(NGX_HTTP_BTCF_RETRY_SPREAD);
}


static ngx_msec_t
ngx_http_btcf_stream_jitter(ngx_msec_t time)
{
    ngx_msec_t  spread;

    spread = time / 100 * NGX_HTTP_BTCF_JITTER;

    return time - spread + ngx_http_btcf_stream_random(2 * spread + 1);
}


static ngx_msec_t
ngx_http_btcf_stream_random(ngx_msec_t below)
{
    return (ngx_msec_t) ngx_random() % below;
}
