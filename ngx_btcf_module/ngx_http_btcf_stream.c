
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
 *     (none)   blocked: its socket is full (_stream_send)
 *
 * Nothing ends a stream without a word: a reload, the end of the credential
 * and a lifetime that is over are said in a last event. Here it is decided who
 * is served when; what a client gets is decided in _stream_send.
 *
 * The stream's own timer is a normal one, so a worker that is told to leave
 * waits until its clients have been told; the worker's is cancelable.
 */


#include "ngx_http_btcf_stream.h"


/* how much of other work may be kept waiting by one turn */
#define NGX_HTTP_BTCF_TURN         256          /* clients */
#define NGX_HTTP_BTCF_TURN_BEHIND  32           /* of them, with a past */

/* each stream is looked at once in this time, ms */
#define NGX_HTTP_BTCF_REVIEW       1000

/* a worker that leaves spreads its goodbyes over this time, ms */
#define NGX_HTTP_BTCF_GOODBYE      2500

/* a share of a time by which streams are told apart, percent up and down */
#define NGX_HTTP_BTCF_JITTER       20


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

    const ngx_http_btcf_main_conf_t  *mcf;
    struct btcf_metric_block         *metrics;
} ngx_http_btcf_streams_t;


static void ngx_http_btcf_stream_settle(struct btcf_metric_block *metrics);
static void ngx_http_btcf_stream_tick(ngx_event_t *ev);
static void ngx_http_btcf_stream_notice(ngx_http_btcf_streams_t *streams);
static void ngx_http_btcf_stream_review(ngx_http_btcf_streams_t *streams);
static void ngx_http_btcf_stream_leave(ngx_http_btcf_streams_t *streams);
static void ngx_http_btcf_stream_turn(ngx_event_t *ev);
static void ngx_http_btcf_stream_read(ngx_http_request_t *r);
static ngx_msec_t ngx_http_btcf_stream_jitter(ngx_msec_t time);


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

    ngx_http_btcf_stream_settle(streams->metrics);

    streams->dummy.fd = (ngx_socket_t) -1;

    streams->tick.handler = ngx_http_btcf_stream_tick;
    streams->tick.data = &streams->dummy;
    streams->tick.log = cycle->log;
    streams->tick.cancelable = 1;

    streams->turn.handler = ngx_http_btcf_stream_turn;
    streams->turn.data = &streams->dummy;
    streams->turn.log = cycle->log;
}


/*
 * What the process that had this slot before left open is not open any more:
 * it was killed, or it would have closed it. The last block is shared by all
 * slots that have none of their own, so nobody knows.
 */

static void
ngx_http_btcf_stream_settle(struct btcf_metric_block *metrics)
{
    uint64_t  opened, closed;

    if (ngx_process_slot >= BTCF_METRIC_BLOCKS - 1) {
        return;
    }

    closed = atomic_load_explicit(&metrics->streams_closed,
                                  memory_order_relaxed);
    opened = atomic_load_explicit(&metrics->streams_opened,
                                  memory_order_relaxed);

    if (opened > closed) {
        btcf_count(&metrics->streams_closed, opened - closed);
    }
}


void
ngx_http_btcf_stream_exit(void)
{
    ngx_http_btcf_events_exit();
    ngx_http_btcf_batch_exit();
}


ngx_uint_t
ngx_http_btcf_stream_is_full(void)
{
    return ngx_http_btcf_streams.open >= ngx_http_btcf_streams.mcf->stream.max;
}


struct btcf_metric_block *
ngx_http_btcf_stream_metrics(void)
{
    return ngx_http_btcf_streams.metrics;
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

    r->read_event_handler = ngx_http_btcf_stream_read;
    r->write_event_handler = ngx_http_btcf_stream_write;

    ngx_queue_insert_tail(&streams->all, &stream->all);
    ngx_queue_insert_tail(&streams->behind, &stream->queue);

    streams->open++;
    btcf_count(&streams->metrics->streams_opened, 1);

    ngx_add_timer(r->connection->read,
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
    ngx_event_t              *rev;
    ngx_http_btcf_streams_t  *streams;

    streams = &ngx_http_btcf_streams;

    btcf_claim_give(&stream->claim, ngx_http_btcf_stream_now());

    if (stream->ended || stream->all.next == NULL) {
        return;
    }

    stream->ended = 1;

    ngx_queue_remove(&stream->all);
    ngx_queue_remove(&stream->queue);

    rev = stream->request->connection->read;

    if (rev->timer_set) {
        ngx_del_timer(rev);
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

        ngx_add_timer(stream->request->connection->read,
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


/*
 * The timer of the connection's read event, which nothing else needs while a
 * stream is open: a heartbeat, or, when the worker leaves, the time to say
 * goodbye. Anything else is the client, which has nothing more to say but
 * that it has gone.
 */

static void
ngx_http_btcf_stream_read(ngx_http_request_t *r)
{
    ngx_str_t                        reason;
    ngx_event_t                     *rev;
    ngx_http_btcf_stream_t          *stream;
    const ngx_http_btcf_loc_conf_t  *lcf;

    rev = r->connection->read;

    if (!rev->timedout) {
        ngx_http_test_reading(r);
        return;
    }

    rev->timedout = 0;

    stream = ngx_http_btcf_find_ctx(r)->stream;

    if (ngx_http_btcf_streams.leaving) {
        ngx_str_set(&reason, "reload");
        ngx_http_btcf_stream_finish(stream, "reconnect", &reason);
        return;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_btcf_module);

    ngx_add_timer(rev, ngx_http_btcf_stream_jitter(lcf->stream.heartbeat));

    stream->beat = 1;

    ngx_http_btcf_stream_serve(stream);
}


/* Where a client waits that does not have to wait for its own socket. */

void
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


static ngx_msec_t
ngx_http_btcf_stream_jitter(ngx_msec_t time)
{
    ngx_msec_t  spread;

    spread = time / 100 * NGX_HTTP_BTCF_JITTER;

    return time - spread + ngx_http_btcf_stream_random(2 * spread + 1);
}


ngx_msec_t
ngx_http_btcf_stream_random(ngx_msec_t below)
{
    return (ngx_msec_t) ngx_random() % below;
}
