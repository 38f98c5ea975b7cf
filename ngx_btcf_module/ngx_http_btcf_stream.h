
/*
 * What the files of the stream share: a frame is an event as it goes out, a
 * stream is an open answer that frames are appended to.
 */


#ifndef _NGX_HTTP_BTCF_STREAM_H_INCLUDED_
#define _NGX_HTTP_BTCF_STREAM_H_INCLUDED_


#include "ngx_http_btcf.h"

#include "shm/claim.h"


/* what one call of the output filters carries at most */
#define NGX_HTTP_BTCF_BATCH       16            /* frames */
#define NGX_HTTP_BTCF_BATCH_SIZE  8192          /* bytes, before the last */


/* Rendered once, and freed when the last who sends it has done so. */

typedef struct {
    ngx_uint_t                  refs;
    uint64_t                    id;             /* 0: not an event */
    size_t                      len;
    u_char                      data[1];
} ngx_http_btcf_frame_t;


/* Events that stand for each other: of one type, about one subject. */

typedef struct {
    uint32_t                    type;           /* enum btcf_event_type */
    uint32_t                    subject;
    uint64_t                    newest;         /* id of the latest of them */
} ngx_http_btcf_kind_t;


/* Frames on their way to one client, with all that nginx needs to send them. */

typedef struct {
    ngx_uint_t                  n;
    size_t                      size;
    ngx_http_btcf_frame_t      *frames[NGX_HTTP_BTCF_BATCH];
    ngx_chain_t                 chain[NGX_HTTP_BTCF_BATCH];
    ngx_buf_t                   bufs[NGX_HTTP_BTCF_BATCH];
} ngx_http_btcf_batch_t;


struct ngx_http_btcf_stream_s {
    ngx_queue_t                 all;            /* of the worker's streams */
    ngx_queue_t                 queue;          /* those to be served, idle */
    ngx_http_request_t         *request;
    ngx_http_btcf_batch_t      *batch;          /* once it had to wait */

    uint64_t                    next;           /* id to be sent next */
    uint64_t                    fresh;          /* up to it: newest of a kind */
    uint64_t                    exact;          /* up to it: none left out */
    ngx_uint_t                  wanted;         /* 1 << type */
    ngx_uint_t                  dropped;        /* since last told */

    ngx_msec_t                  deadline;
    ngx_msec_t                  since;          /* when it was blocked */
    uint64_t                    reviewed;       /* changes of the gate */
    struct btcf_claim           claim;

    unsigned                    greeted:1;
    unsigned                    blocked:1;      /* the client does not read */
    unsigned                    slow:1;         /* ... and has missed a lot */
    unsigned                    beat:1;         /* a heartbeat is due */
    unsigned                    ended:1;        /* detached from the worker */
};


/* _stream_frame: events of the segment, each rendered once per worker */

/* takes note of new events; whether there were any */
ngx_uint_t ngx_http_btcf_events_look(void);
/* id of the newest event noted, and of the oldest still in the segment */
uint64_t ngx_http_btcf_events_head(void);
uint64_t ngx_http_btcf_events_oldest(void);
/* where a client without past begins: none wanted that matters is older */
uint64_t ngx_http_btcf_events_first(ngx_uint_t wanted);
/* NULL: the event is gone. Borrowed until the next look */
const ngx_http_btcf_kind_t *ngx_http_btcf_event_kind(uint64_t id);
/* with a reference for the caller; NULL: gone, or no memory */
ngx_http_btcf_frame_t *ngx_http_btcf_event_frame(uint64_t id);
/* the type's number by its name, 0: there is none */
ngx_uint_t ngx_http_btcf_event_type(const ngx_str_t *name);
void ngx_http_btcf_events_exit(void);

ngx_http_btcf_frame_t *ngx_http_btcf_frame_create(size_t size);
void ngx_http_btcf_frame_unref(ngx_http_btcf_frame_t *frame);

/* _stream_batch: frames on their way to a client */

/* the stream's own, or the worker's for this visit; NULL: no memory */
ngx_http_btcf_batch_t *ngx_http_btcf_batch_lend(
    const ngx_http_btcf_stream_t *stream);
/* it was not sent at once: the stream's until its request has gone */
void ngx_http_btcf_batch_keep(ngx_http_btcf_stream_t *stream,
    ngx_http_btcf_batch_t *batch);
void ngx_http_btcf_batch_exit(void);
void ngx_http_btcf_batch_free(ngx_http_btcf_batch_t *batch);
/* whether two more frames may be added: one event, and a note before it */
ngx_uint_t ngx_http_btcf_batch_has_room(const ngx_http_btcf_batch_t *batch);
/* takes the reference over */
void ngx_http_btcf_batch_add(ngx_http_btcf_batch_t *batch,
    ngx_http_btcf_frame_t *frame);
/* makes batch->chain of it; `last` ends the answer */
void ngx_http_btcf_batch_close(ngx_http_btcf_batch_t *batch, ngx_uint_t last);
ngx_uint_t ngx_http_btcf_batch_is_sent(const ngx_http_btcf_batch_t *batch);
void ngx_http_btcf_batch_reset(ngx_http_btcf_batch_t *batch);

/* _stream_open: what the client asks for */

typedef struct {
    ngx_uint_t                  wanted;         /* 1 << type */
    uint64_t                    last_id;
    ngx_uint_t                  resumes;        /* unsigned  resumes:1; */
} ngx_http_btcf_stream_ask_t;

/* _stream_limit: how many, and for how long */

/* NGX_OK, its place claimed; or a status with its problem left */
ngx_int_t ngx_http_btcf_stream_admit(ngx_http_request_t *r,
    ngx_http_btcf_stream_t *stream);
/* once a second: whether it may go on; if not, why */
ngx_uint_t ngx_http_btcf_stream_may_go_on(ngx_http_btcf_stream_t *stream,
    ngx_str_t *reason);
/* the seconds in which claims are counted: all processes share the clock */
uint64_t ngx_http_btcf_stream_now(void);

/* _stream: the worker's streams */

ngx_uint_t ngx_http_btcf_stream_is_full(void);
struct btcf_metric_block *ngx_http_btcf_stream_metrics(void);
void ngx_http_btcf_stream_begin(ngx_http_btcf_stream_t *stream,
    const ngx_http_btcf_stream_ask_t *ask);
/* the request ends, for whatever reason */
void ngx_http_btcf_stream_end(ngx_http_btcf_stream_t *stream);
/* where it waits that does not have to wait for its own socket */
void ngx_http_btcf_stream_queue(ngx_http_btcf_stream_t *stream);
ngx_msec_t ngx_http_btcf_stream_random(ngx_msec_t below);

/* _stream_send: what one client is sent */

/* one visit: a batch of what it has not got yet */
void ngx_http_btcf_stream_serve(ngx_http_btcf_stream_t *stream);
/* nginx can write to the client again, or has waited long enough */
void ngx_http_btcf_stream_write(ngx_http_request_t *r);
/* says a last word, if the client listens, and ends the request */
void ngx_http_btcf_stream_finish(ngx_http_btcf_stream_t *stream,
    const char *event, const ngx_str_t *reason);


#endif /* _NGX_HTTP_BTCF_STREAM_H_INCLUDED_ */
