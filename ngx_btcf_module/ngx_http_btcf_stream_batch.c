
/*
 * Frames on their way to one client: what one call of nginx's output filters
 * carries. The frames are shared by many clients; positions in them are not,
 * so each batch has buffers of its own.
 *
 * Almost always all of it goes out at once, so one batch does for the whole
 * worker. A client that makes it wait keeps it until its request ends, and uses
 * it from then on: nginx's filters may look at its buffers even when they are
 * empty, so they can be nobody else's.
 */


#include "ngx_http_btcf_stream.h"


static ngx_http_btcf_batch_t *ngx_http_btcf_batch_create(void);


/* worker-global: lent for the time of a visit */
static ngx_http_btcf_batch_t  *ngx_http_btcf_batch;


ngx_http_btcf_batch_t *
ngx_http_btcf_batch_lend(const ngx_http_btcf_stream_t *stream)
{
    if (stream->batch) {
        return stream->batch;
    }

    if (ngx_http_btcf_batch == NULL) {
        ngx_http_btcf_batch = ngx_http_btcf_batch_create();
    }

    return ngx_http_btcf_batch;
}


void
ngx_http_btcf_batch_keep(ngx_http_btcf_stream_t *stream,
    ngx_http_btcf_batch_t *batch)
{
    if (stream->batch == NULL) {
        stream->batch = batch;
        ngx_http_btcf_batch = NULL;
    }
}


void
ngx_http_btcf_batch_exit(void)
{
    if (ngx_http_btcf_batch) {
        ngx_http_btcf_batch_free(ngx_http_btcf_batch);
        ngx_http_btcf_batch = NULL;
    }
}


static ngx_http_btcf_batch_t *
ngx_http_btcf_batch_create(void)
{
    ngx_uint_t              i;
    ngx_http_btcf_batch_t  *batch;

    batch = ngx_calloc(sizeof(ngx_http_btcf_batch_t), ngx_cycle->log);
    if (batch == NULL) {
        return NULL;
    }

    for (i = 0; i < NGX_HTTP_BTCF_BATCH; i++) {
        batch->chain[i].buf = &batch->bufs[i];
    }

    return batch;
}


void
ngx_http_btcf_batch_free(ngx_http_btcf_batch_t *batch)
{
    ngx_http_btcf_batch_reset(batch);
    ngx_free(batch);
}


ngx_uint_t
ngx_http_btcf_batch_has_room(const ngx_http_btcf_batch_t *batch)
{
    return batch->n + 2 <= NGX_HTTP_BTCF_BATCH
           && batch->size < NGX_HTTP_BTCF_BATCH_SIZE;
}


void
ngx_http_btcf_batch_add(ngx_http_btcf_batch_t *batch,
    ngx_http_btcf_frame_t *frame)
{
    ngx_buf_t  *b;

    b = &batch->bufs[batch->n];

    ngx_memzero(b, sizeof(ngx_buf_t));

    b->start = frame->data;
    b->pos = frame->data;
    b->last = frame->data + frame->len;
    b->end = b->last;
    b->tag = (ngx_buf_tag_t) &ngx_http_btcf_module;
    b->memory = 1;

    batch->frames[batch->n] = frame;
    batch->size += frame->len;
    batch->n++;
}


/* Without `flush` nginx would wait until there is more to send. */

void
ngx_http_btcf_batch_close(ngx_http_btcf_batch_t *batch, ngx_uint_t last)
{
    ngx_uint_t  i;

    for (i = 0; i < batch->n; i++) {
        batch->chain[i].next = &batch->chain[i + 1];
    }

    i = batch->n - 1;

    batch->chain[i].next = NULL;
    batch->bufs[i].flush = 1;
    batch->bufs[i].last_in_chain = 1;
    batch->bufs[i].last_buf = last;
}


ngx_uint_t
ngx_http_btcf_batch_is_sent(const ngx_http_btcf_batch_t *batch)
{
    ngx_uint_t  i;

    for (i = 0; i < batch->n; i++) {
        if (batch->bufs[i].pos != batch->bufs[i].last) {
            return 0;
        }
    }

    return 1;
}


void
ngx_http_btcf_batch_reset(ngx_http_btcf_batch_t *batch)
{
    while (batch->n) {
        ngx_http_btcf_frame_unref(batch->frames[--batch->n]);
    }

    batch->size = 0;
}
