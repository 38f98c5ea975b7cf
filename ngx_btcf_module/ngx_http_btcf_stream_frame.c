
/*
 * Events of the segment's ring, as frames of a text/event-stream.
 *
 * A worker copies an event out of the ring when it sees it first, renders it
 * once and keeps the frame for a while: all of its clients send the same
 * bytes. A client that asks for an event whose frame has gone gets it from the
 * ring again, until the ring itself has moved past it.
 *
 * Beside the frames the worker knows of each event's kind (a candle of one
 * interval, a forecast of one horizon), and which event is the newest of each:
 * that is what a client without past begins with, and what a slow reader is
 * left with. The index of kinds has as many places as the ring has events, so
 * looking at a thousand events that a client will not get costs no copy.
 *
 * Who is to get which event is not decided here: see _stream.
 */


#include "ngx_http_btcf_stream.h"


#define NGX_HTTP_BTCF_FRAMES       256
#define NGX_HTTP_BTCF_KINDS        64
#define NGX_HTTP_BTCF_KINDS_INDEX  4096

/* a word of the index: id << 8 | number of the kind */
#define NGX_HTTP_BTCF_KIND_BITS    8
#define NGX_HTTP_BTCF_KIND_MASK    0xff

/* no ring gets there: a head beyond it is damage */
#define NGX_HTTP_BTCF_ID_LAST      ((uint64_t) 1 << 55)


typedef struct {
    uint64_t                head;       /* newest event noted */
    ngx_uint_t              nkinds;
    ngx_http_btcf_kind_t    kinds[NGX_HTTP_BTCF_KINDS];
    ngx_http_btcf_frame_t  *frames[NGX_HTTP_BTCF_FRAMES];
    uint64_t                index[NGX_HTTP_BTCF_KINDS_INDEX];
} ngx_http_btcf_events_t;


static ngx_int_t ngx_http_btcf_event_load(uint64_t id,
    ngx_http_btcf_frame_t **framep);
static ngx_uint_t ngx_http_btcf_event_note(uint64_t id, uint32_t type,
    uint32_t subject);
static ngx_http_btcf_frame_t *ngx_http_btcf_event_render(
    const struct btcf_event_slot *event);
static void ngx_http_btcf_frame_keep(ngx_http_btcf_frame_t *frame);


/* by enum btcf_event_type; there is no type 0 */

static ngx_str_t  ngx_http_btcf_event_names[] = {
    ngx_null_string,
    ngx_string("price"),
    ngx_string("candle"),
    ngx_string("forecast"),
    ngx_string("status")
};

#define NGX_HTTP_BTCF_EVENT_NAMES                                             \
    (sizeof(ngx_http_btcf_event_names) / sizeof(ngx_str_t))


/* worker-global: a process has one segment, and one memory of its events */
static ngx_http_btcf_events_t  ngx_http_btcf_events;


ngx_uint_t
ngx_http_btcf_events_look(void)
{
    uint64_t                 id, head, oldest;
    struct btcf_reader      *reader;
    ngx_http_btcf_events_t  *events;

    events = &ngx_http_btcf_events;
    reader = ngx_http_btcf_segment_reader();
    head = btcf_reader_event_head(reader);

    if (head == events->head
        || head > NGX_HTTP_BTCF_ID_LAST
        || reader->base == NULL)
    {
        return 0;
    }

    if (head < events->head) {
        /* ids began anew: whoever waits for an id of before must be told */
        ngx_http_btcf_events_exit();
    }

    oldest = btcf_reader_event_oldest(reader);

    for (id = ngx_max(events->head + 1, oldest); id <= head; id++) {
        (void) ngx_http_btcf_event_load(id, NULL);
    }

    events->head = head;

    return 1;
}


uint64_t
ngx_http_btcf_events_head(void)
{
    return ngx_http_btcf_events.head;
}


uint64_t
ngx_http_btcf_events_oldest(void)
{
    return btcf_reader_event_oldest(ngx_http_btcf_segment_reader());
}


uint64_t
ngx_http_btcf_events_first(ngx_uint_t wanted)
{
    uint64_t                      first;
    ngx_uint_t                    i;
    const ngx_http_btcf_kind_t   *kind;
    const ngx_http_btcf_events_t *events;

    events = &ngx_http_btcf_events;
    first = events->head + 1;

    for (i = 0; i < events->nkinds; i++) {
        kind = &events->kinds[i];

        if ((wanted & ((ngx_uint_t) 1 << kind->type))
            && kind->newest
            && kind->newest < first)
        {
            first = kind->newest;
        }
    }

    return first;
}


const ngx_http_btcf_kind_t *
ngx_http_btcf_event_kind(uint64_t id)
{
    uint64_t                *word;
    ngx_http_btcf_events_t  *events;

    events = &ngx_http_btcf_events;
    word = &events->index[id % NGX_HTTP_BTCF_KINDS_INDEX];

    if (*word >> NGX_HTTP_BTCF_KIND_BITS != id
        && ngx_http_btcf_event_load(id, NULL) != NGX_OK)
    {
        return NULL;
    }

    return &events->kinds[*word & NGX_HTTP_BTCF_KIND_MASK];
}


ngx_http_btcf_frame_t *
ngx_http_btcf_event_frame(uint64_t id)
{
    ngx_http_btcf_frame_t  *frame;

    frame = ngx_http_btcf_events.frames[id % NGX_HTTP_BTCF_FRAMES];

    if (frame && frame->id == id) {
        frame->refs++;
        return frame;
    }

    frame = NULL;
    (void) ngx_http_btcf_event_load(id, &frame);

    return frame;
}


ngx_uint_t
ngx_http_btcf_event_type(const ngx_str_t *name)
{
    ngx_uint_t  i;

    for (i = 1; i < NGX_HTTP_BTCF_EVENT_NAMES; i++) {
        if (name->len == ngx_http_btcf_event_names[i].len
            && ngx_memcmp(name->data, ngx_http_btcf_event_names[i].data,
                          name->len)
               == 0)
        {
            return i;
        }
    }

    return 0;
}


/* Forgets everything: at the end of the worker, and when ids begin anew. */

void
ngx_http_btcf_events_exit(void)
{
    ngx_uint_t               i;
    ngx_http_btcf_events_t  *events;

    events = &ngx_http_btcf_events;

    for (i = 0; i < NGX_HTTP_BTCF_FRAMES; i++) {
        if (events->frames[i]) {
            ngx_http_btcf_frame_unref(events->frames[i]);
        }
    }

    ngx_memzero(events, sizeof(ngx_http_btcf_events_t));
}


ngx_http_btcf_frame_t *
ngx_http_btcf_frame_create(size_t size)
{
    ngx_http_btcf_frame_t  *frame;

    frame = ngx_alloc(sizeof(ngx_http_btcf_frame_t) + size, ngx_cycle->log);
    if (frame == NULL) {
        return NULL;
    }

    frame->refs = 1;
    frame->id = 0;
    frame->len = 0;

    return frame;
}


void
ngx_http_btcf_frame_unref(ngx_http_btcf_frame_t *frame)
{
    if (--frame->refs == 0) {
        ngx_free(frame);
    }
}


/*
 * Copies an event out of the ring and notes its kind. The frame is kept, and
 * given to the caller as well, if it asks for it. NGX_DECLINED: it is gone.
 */

static ngx_int_t
ngx_http_btcf_event_load(uint64_t id, ngx_http_btcf_frame_t **framep)
{
    ngx_uint_t               kind;
    struct btcf_reader      *reader;
    ngx_http_btcf_frame_t   *frame;
    struct btcf_event_slot   event;

    reader = ngx_http_btcf_segment_reader();

    if (btcf_reader_event(reader, id, &event) != BTCF_READ_OK) {
        return NGX_DECLINED;
    }

    if (event.type == 0 || event.type >= NGX_HTTP_BTCF_EVENT_NAMES) {
        /* of a newer publisher: nobody has asked for it */
        event.type = 0;
    }

    kind = ngx_http_btcf_event_note(id, event.type, event.subject_s);

    ngx_http_btcf_events.index[id % NGX_HTTP_BTCF_KINDS_INDEX] =
                                         id << NGX_HTTP_BTCF_KIND_BITS | kind;

    frame = event.type ? ngx_http_btcf_event_render(&event) : NULL;

    if (frame == NULL) {
        return NGX_OK;
    }

    ngx_http_btcf_frame_keep(frame);

    if (framep) {
        *framep = frame;

    } else {
        ngx_http_btcf_frame_unref(frame);
    }

    return NGX_OK;
}


/*
 * The number of the event's kind. The first ones are the types themselves, for
 * events without a subject, and for all subjects for which there is no room.
 */

static ngx_uint_t
ngx_http_btcf_event_note(uint64_t id, uint32_t type, uint32_t subject)
{
    ngx_uint_t               i;
    ngx_http_btcf_kind_t    *kind;
    ngx_http_btcf_events_t  *events;

    events = &ngx_http_btcf_events;

    while (events->nkinds < NGX_HTTP_BTCF_EVENT_NAMES) {
        events->kinds[events->nkinds].type = events->nkinds;
        events->nkinds++;
    }

    for (i = 0; i < events->nkinds; i++) {
        kind = &events->kinds[i];

        if (kind->type == type && kind->subject == subject) {
            kind->newest = ngx_max(kind->newest, id);
            return i;
        }
    }

    if (events->nkinds == NGX_HTTP_BTCF_KINDS) {
        events->kinds[type].newest = ngx_max(events->kinds[type].newest, id);
        return type;
    }

    kind = &events->kinds[events->nkinds];

    kind->type = type;
    kind->subject = subject;
    kind->newest = id;

    return events->nkinds++;
}


/*
 *     id: 1234
 *     event: price
 *     data: {"symbol":"BTC-USD",...}
 *
 * A line feed in the data begins another line "data: ". A carriage return
 * would end a line as well, and is left out.
 */

static ngx_http_btcf_frame_t *
ngx_http_btcf_event_render(const struct btcf_event_slot *event)
{
    u_char                 *p, c;
    size_t                  size;
    uint32_t                i;
    ngx_str_t              *name;
    ngx_http_btcf_frame_t  *frame;

    name = &ngx_http_btcf_event_names[event->type];

    size = sizeof("id: \nevent: \ndata: \n\n") + NGX_INT64_LEN + name->len;

    for (i = 0; i < event->data_len; i++) {
        size += (event->data[i] == '\n') ? sizeof("\ndata: ") : 1;
    }

    frame = ngx_http_btcf_frame_create(size);
    if (frame == NULL) {
        return NULL;
    }

    p = ngx_sprintf(frame->data, "id: %uL\nevent: %V\ndata: ", event->id, name);

    for (i = 0; i < event->data_len; i++) {
        c = (u_char) event->data[i];

        if (c == '\n') {
            p = ngx_cpymem(p, "\ndata: ", sizeof("\ndata: ") - 1);

        } else if (c != '\r') {
            *p++ = c;
        }
    }

    *p++ = '\n';
    *p++ = '\n';

    frame->id = event->id;
    frame->len = p - frame->data;

    return frame;
}


/* A newer frame stays where it is: somebody catches up, others do not. */

static void
ngx_http_btcf_frame_keep(ngx_http_btcf_frame_t *frame)
{
    ngx_http_btcf_frame_t  **place;

    place = &ngx_http_btcf_events.frames[frame->id % NGX_HTTP_BTCF_FRAMES];

    if (*place) {
        if ((*place)->id >= frame->id) {
            return;
        }

        ngx_http_btcf_frame_unref(*place);
    }

    frame->refs++;
    *place = frame;
}
