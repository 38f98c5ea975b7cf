
/*
 * The only file that looks into the segment `pub`.
 *
 * A worker maps the file when it starts, or later, whenever it appears: nginx
 * never waits for the engine and never needs a reload for it. A timer asks
 * once a second whether the path names another file; a request that finds the
 * mapped one retired asks at once. A new file takes over only when all of its
 * header has been checked; until then the old mapping stays, whatever lies
 * under the path.
 *
 * Requests get a private, refcounted copy of a document. While nothing new is
 * published that costs one atomic load; what cannot be copied (torn three
 * times, wrong CRC) leaves the last good copy in service, whose own expiry
 * then ends it. Copies are kept by name, so they outlive the mapping.
 *
 * This file does not decide whether a copy is too old: see _document.
 */


#include "ngx_http_btcf.h"


#define NGX_HTTP_BTCF_BUCKETS       256
#define NGX_HTTP_BTCF_ENTRIES_MAX   4096
#define NGX_HTTP_BTCF_GOLDEN        UINT64_C(0x9e3779b97f4a7c15)

#define NGX_HTTP_BTCF_TICK          1000    /* ms between looks at the path */
#define NGX_HTTP_BTCF_RETRY         50      /* ms, when found retired */
#define NGX_HTTP_BTCF_SILENT        5000    /* ms without heartbeat: silent */

#define NGX_HTTP_BTCF_SLOT_UNKNOWN  -2


typedef struct ngx_http_btcf_entry_s  ngx_http_btcf_entry_t;

struct ngx_http_btcf_entry_s {
    ngx_http_btcf_entry_t      *next;
    ngx_http_btcf_doc_t        *doc;        /* last good copy, or NULL */
    int64_t                     slot;
    uint64_t                    gen;        /* last one looked at */
    ngx_uint_t                  hash;
    size_t                      len;
    u_char                      key[1];
};


typedef struct {
    struct btcf_reader          reader;
    struct btcf_auth            auth;       /* into the reader's mapping */
    const u_char               *path;
    struct btcf_metric_block   *metrics;
    ngx_http_btcf_entry_t      *buckets[NGX_HTTP_BTCF_BUCKETS];
    ngx_uint_t                  nentries;

    ngx_event_t                 timer;
    ngx_connection_t            dummy;      /* for the debug log */
    ngx_log_t                  *log;

    ngx_msec_t                  tried;
    ngx_msec_t                  beat_seen;
    int64_t                     alive;      /* ms, as ngx_current_msec */
    uint64_t                    heartbeat;

    ngx_file_uniq_t             refused;    /* inode of the last complaint */
    enum btcf_attach            refused_why;
} ngx_http_btcf_segment_t;


static void ngx_http_btcf_segment_tick(ngx_event_t *ev);
static void ngx_http_btcf_segment_attach(ngx_http_btcf_segment_t *seg);
static void ngx_http_btcf_segment_reattach(ngx_http_btcf_segment_t *seg);
static int64_t ngx_http_btcf_segment_age(struct btcf_reader *reader);
static void ngx_http_btcf_segment_refused(ngx_http_btcf_segment_t *seg,
    enum btcf_attach why);
static void ngx_http_btcf_segment_forget(ngx_http_btcf_segment_t *seg);
static ngx_uint_t ngx_http_btcf_segment_hash(const ngx_str_t *key);
static ngx_http_btcf_entry_t *ngx_http_btcf_segment_entry(
    ngx_http_btcf_segment_t *seg, const ngx_str_t *key);
static void ngx_http_btcf_segment_refresh(ngx_http_btcf_segment_t *seg,
    ngx_http_btcf_entry_t *entry);
static void ngx_http_btcf_segment_gone(ngx_http_btcf_entry_t *entry);
static enum btcf_read ngx_http_btcf_doc_copy(ngx_http_btcf_segment_t *seg,
    ngx_http_btcf_entry_t *entry, ngx_http_btcf_doc_t **docp);
static void ngx_http_btcf_doc_lay_out(ngx_http_btcf_doc_t *doc,
    const struct btcf_doc_meta *meta);


/* worker-global: a process has one segment, as it has one event loop */
static ngx_http_btcf_segment_t  ngx_http_btcf_segment;


static ngx_str_t  ngx_http_btcf_types[] = {
    ngx_string("application/json"),
    ngx_string("text/html; charset=utf-8"),
    ngx_string("text/plain; charset=utf-8"),
    ngx_string("application/problem+json")
};


ngx_int_t
ngx_http_btcf_segment_init(ngx_cycle_t *cycle,
    const ngx_http_btcf_main_conf_t *mcf)
{
    ngx_http_btcf_segment_t  *seg;

    seg = &ngx_http_btcf_segment;

    ngx_memzero(seg, sizeof(ngx_http_btcf_segment_t));

    seg->path = mcf->segment.data;
    seg->metrics = ngx_http_btcf_meter_block(mcf);
    seg->log = cycle->log;
    seg->refused_why = BTCF_ATTACH_OK;

    seg->dummy.fd = (ngx_socket_t) -1;
    seg->timer.handler = ngx_http_btcf_segment_tick;
    seg->timer.data = &seg->dummy;
    seg->timer.log = cycle->log;
    seg->timer.cancelable = 1;

    ngx_http_btcf_segment_attach(seg);

    ngx_add_timer(&seg->timer, NGX_HTTP_BTCF_TICK);

    return NGX_OK;
}


void
ngx_http_btcf_segment_exit(void)
{
    ngx_uint_t                i;
    ngx_http_btcf_entry_t    *entry, *next;
    ngx_http_btcf_segment_t  *seg;

    seg = &ngx_http_btcf_segment;

    if (seg->path == NULL) {
        return;
    }

    for (i = 0; i < NGX_HTTP_BTCF_BUCKETS; i++) {
        for (entry = seg->buckets[i]; entry; entry = next) {
            next = entry->next;

            if (entry->doc) {
                ngx_http_btcf_doc_unref(entry->doc);
            }

            ngx_free(entry);
        }
    }

    if (seg->reader.base) {
        btcf_reader_close(&seg->reader);
    }

    ngx_memzero(seg, sizeof(ngx_http_btcf_segment_t));
}


ngx_http_btcf_doc_t *
ngx_http_btcf_segment_doc(const ngx_str_t *key)
{
    ngx_http_btcf_entry_t    *entry;
    ngx_http_btcf_segment_t  *seg;

    seg = &ngx_http_btcf_segment;

    if (seg->reader.base == NULL) {
        return NULL;
    }

    ngx_http_btcf_segment_reattach(seg);

    entry = ngx_http_btcf_segment_entry(seg, key);

    if (entry == NULL) {
        return NULL;
    }

    if (entry->slot < 0
        || btcf_reader_gen(&seg->reader, (uint32_t) entry->slot) != entry->gen)
    {
        ngx_http_btcf_segment_refresh(seg, entry);
    }

    return entry->doc;
}


void
ngx_http_btcf_segment_state(ngx_http_btcf_segment_state_t *state)
{
    ngx_http_btcf_segment_t  *seg;

    seg = &ngx_http_btcf_segment;

    ngx_memzero(state, sizeof(ngx_http_btcf_segment_state_t));

    if (seg->reader.base == NULL) {
        return;
    }

    state->attached = 1;
    state->beating = ngx_current_msec - seg->beat_seen < NGX_HTTP_BTCF_SILENT;
    state->silent_ms = (int64_t) ngx_current_msec - seg->alive;
    state->epoch = btcf_reader_epoch(&seg->reader);
    state->health = btcf_reader_health(&seg->reader);
}


struct btcf_reader *
ngx_http_btcf_segment_reader(void)
{
    ngx_http_btcf_segment_t  *seg;

    seg = &ngx_http_btcf_segment;

    if (seg->reader.base) {
        ngx_http_btcf_segment_reattach(seg);
    }

    return &seg->reader;
}


/*
 * The tables say who may come in only as long as somebody keeps them: once the
 * writer has been silent for too long, a revocation may be missing.
 */

const struct btcf_auth *
ngx_http_btcf_segment_auth(ngx_msec_t max_stale)
{
    ngx_http_btcf_segment_t  *seg;

    seg = &ngx_http_btcf_segment;

    if (seg->reader.base == NULL) {
        return NULL;
    }

    ngx_http_btcf_segment_reattach(seg);

    if (seg->auth.header == NULL
        || (int64_t) ngx_current_msec - seg->alive > (int64_t) max_stale)
    {
        return NULL;
    }

    return &seg->auth;
}


void
ngx_http_btcf_doc_unref(ngx_http_btcf_doc_t *doc)
{
    if (--doc->refs == 0) {
        ngx_free(doc);
    }
}


static void
ngx_http_btcf_segment_tick(ngx_event_t *ev)
{
    uint64_t                  heartbeat;
    ngx_http_btcf_segment_t  *seg;

    seg = &ngx_http_btcf_segment;

    if (seg->reader.base == NULL
        || btcf_reader_is_outdated(&seg->reader, (char *) seg->path))
    {
        ngx_http_btcf_segment_attach(seg);
    }

    if (seg->reader.base) {
        heartbeat = btcf_reader_heartbeat(&seg->reader);

        if (heartbeat != seg->heartbeat) {
            seg->heartbeat = heartbeat;
            seg->beat_seen = ngx_current_msec;
            seg->alive = (int64_t) ngx_current_msec;
        }
    }

    ngx_add_timer(ev, NGX_HTTP_BTCF_TICK);
}


/* A retired file has a successor, or will have one soon. */

static void
ngx_http_btcf_segment_reattach(ngx_http_btcf_segment_t *seg)
{
    if (btcf_reader_is_retired(&seg->reader)
        && ngx_current_msec - seg->tried >= NGX_HTTP_BTCF_RETRY)
    {
        ngx_http_btcf_segment_attach(seg);
    }
}


static void
ngx_http_btcf_segment_attach(ngx_http_btcf_segment_t *seg)
{
    enum btcf_attach    why;
    struct btcf_reader  fresh;

    seg->tried = ngx_current_msec;

    ngx_memzero(&fresh, sizeof(struct btcf_reader));

    why = btcf_reader_open(&fresh, (char *) seg->path);

    if (why != BTCF_ATTACH_OK) {
        ngx_http_btcf_segment_refused(seg, why);
        return;
    }

    if (seg->reader.base
        && fresh.device == seg->reader.device
        && fresh.inode == seg->reader.inode)
    {
        /* the same file: retired, and its successor not yet there */

        btcf_reader_close(&fresh);
        return;
    }

    if (seg->reader.base) {
        btcf_reader_close(&seg->reader);
    }

    seg->reader = fresh;
    seg->heartbeat = btcf_reader_heartbeat(&seg->reader);
    seg->beat_seen = ngx_current_msec;
    seg->alive = (int64_t) ngx_current_msec
                 - ngx_http_btcf_segment_age(&seg->reader);

    (void) btcf_auth_attach(&seg->auth, &seg->reader);

    seg->refused_why = BTCF_ATTACH_OK;

    ngx_http_btcf_segment_forget(seg);

    btcf_count(&seg->metrics->remaps, 1);

    ngx_log_error(NGX_LOG_NOTICE, seg->log, 0,
                  "btcf: attached segment \"%s\", inode %uL",
                  seg->path, seg->reader.inode);
}


/*
 * For how long, in ms, a file that has just been attached may have been silent.
 * Its heartbeat is a counter and says nothing until it is seen to move, so the
 * newest sign of life that has a date is taken: the birth of the file, or of
 * what was published last. A writer that lives publishes every few seconds.
 */

static int64_t
ngx_http_btcf_segment_age(struct btcf_reader *reader)
{
    int64_t               newest;
    uint32_t              i;
    struct btcf_doc_meta  meta;

    newest = reader->header->created_unix_ms;

    for (i = 0; i < reader->slot_count; i++) {
        if (btcf_reader_gen(reader, i)
            && btcf_reader_meta(reader, i, &meta) == BTCF_READ_OK)
        {
            newest = ngx_max(newest, meta.published_ms);
        }
    }

    return ngx_max(ngx_http_btcf_now_ms() - newest, 0);
}


/* Says once per file why it is not used: this is asked every second. */

static void
ngx_http_btcf_segment_refused(ngx_http_btcf_segment_t *seg,
    enum btcf_attach why)
{
    ngx_err_t         err;
    ngx_uint_t        level;
    ngx_file_info_t   fi;
    ngx_file_uniq_t   inode;

    err = (why == BTCF_ATTACH_SYSTEM) ? ngx_errno : 0;

    inode = 0;

    if (ngx_file_info(seg->path, &fi) != NGX_FILE_ERROR) {
        inode = ngx_file_uniq(&fi);
    }

    if (why == seg->refused_why && inode == seg->refused) {
        return;
    }

    seg->refused_why = why;
    seg->refused = inode;

    btcf_count(&seg->metrics->remap_refused, 1);

    level = (why == BTCF_ATTACH_NO_FILE) ? NGX_LOG_NOTICE : NGX_LOG_ERR;

    ngx_log_error(level, seg->log, err,
                  "btcf: segment \"%s\" is not used: %s%s", seg->path, btcf_attach_text(why),
                  seg->reader.base ? "; keeping the one in use" : "");
}


/*
 * Slots belong to one file. A copy stays with its name, but is looked up and
 * compared anew: equal generations of two files need not be equal contents.
 */

static void
ngx_http_btcf_segment_forget(ngx_http_btcf_segment_t *seg)
{
    ngx_uint_t              i;
    ngx_http_btcf_entry_t  *entry;

    for (i = 0; i < NGX_HTTP_BTCF_BUCKETS; i++) {
        for (entry = seg->buckets[i]; entry; entry = entry->next) {
            entry->slot = NGX_HTTP_BTCF_SLOT_UNKNOWN;
            entry->gen = 0;
        }
    }
}


/* The last characters tell names apart; ngx_hash_key() waits for each. */

static ngx_uint_t
ngx_http_btcf_segment_hash(const ngx_str_t *key)
{
    size_t    len;
    uint64_t  word;

    word = 0;
    len = ngx_min(key->len, sizeof(uint64_t));

    ngx_memcpy(&word, key->data + key->len - len, len);

    return (ngx_uint_t) ((word * NGX_HTTP_BTCF_GOLDEN) >> 32);
}


/* Only names that the segment knows get an entry: clients cannot add any. */

static ngx_http_btcf_entry_t *
ngx_http_btcf_segment_entry(ngx_http_btcf_segment_t *seg, const ngx_str_t *key)
{
    int64_t                  slot;
    ngx_uint_t               hash;
    ngx_http_btcf_entry_t   *entry, **bucket;

    hash = ngx_http_btcf_segment_hash(key);
    bucket = &seg->buckets[hash % NGX_HTTP_BTCF_BUCKETS];

    for (entry = *bucket; entry; entry = entry->next) {
        if (entry->hash == hash
            && entry->len == key->len
            && ngx_memcmp(entry->key, key->data, key->len) == 0)
        {
            return entry;
        }
    }

    if (key->len == 0 || key->len > BTCF_DOC_KEY_MAX) {
        return NULL;
    }

    slot = btcf_reader_find(&seg->reader, (char *) key->data, key->len);

    if (slot < 0 || seg->nentries == NGX_HTTP_BTCF_ENTRIES_MAX) {
        return NULL;
    }

    entry = ngx_alloc(sizeof(ngx_http_btcf_entry_t) + key->len, seg->log);
    if (entry == NULL) {
        return NULL;
    }

    entry->doc = NULL;
    entry->slot = slot;
    entry->gen = 0;
    entry->hash = hash;
    entry->len = key->len;
    ngx_memcpy(entry->key, key->data, key->len);

    entry->next = *bucket;
    *bucket = entry;
    seg->nentries++;

    return entry;
}


static void
ngx_http_btcf_segment_refresh(ngx_http_btcf_segment_t *seg,
    ngx_http_btcf_entry_t *entry)
{
    uint64_t              gen, retries;
    enum btcf_read        rc;
    ngx_http_btcf_doc_t  *doc;

    if (entry->slot < 0) {
        entry->slot = btcf_reader_find(&seg->reader, (char *) entry->key,
                                       entry->len);

        if (entry->slot < 0) {
            ngx_http_btcf_segment_gone(entry);
            return;
        }
    }

    gen = btcf_reader_gen(&seg->reader, (uint32_t) entry->slot);
    retries = seg->reader.retries;
    doc = NULL;

    rc = ngx_http_btcf_doc_copy(seg, entry, &doc);

    btcf_count(&seg->metrics->copy_retries, seg->reader.retries - retries);

    switch (rc) {

    case BTCF_READ_OK:
        btcf_count(&seg->metrics->copies, 1);

        if (entry->doc) {
            ngx_http_btcf_doc_unref(entry->doc);
        }

        entry->doc = doc;
        entry->gen = doc->gen;
        return;

    case BTCF_READ_CORRUPT:
        btcf_count(&seg->metrics->copy_corrupt, 1);

        ngx_log_error(NGX_LOG_ERR, seg->log, 0,
                      "btcf: generation %uL of document \"%*s\" is damaged",
                      gen, entry->len, entry->key);

        /* it will not get better: do not copy it again for every request */
        entry->gen = gen;
        return;

    case BTCF_READ_ABSENT:
        ngx_http_btcf_segment_gone(entry);
        return;

    default: /* BTCF_READ_BUSY */
        btcf_count(&seg->metrics->copy_busy, 1);
        return;
    }
}


/*
 * The file in use does not have the document. A copy that knows when it
 * expires stays until then (a restarted publisher may not have got to it);
 * any other would stay for ever.
 */

static void
ngx_http_btcf_segment_gone(ngx_http_btcf_entry_t *entry)
{
    if (entry->doc && entry->doc->expires_at_ms == 0) {
        ngx_http_btcf_doc_unref(entry->doc);
        entry->doc = NULL;
    }
}


static enum btcf_read
ngx_http_btcf_doc_copy(ngx_http_btcf_segment_t *seg,
    ngx_http_btcf_entry_t *entry, ngx_http_btcf_doc_t **docp)
{
    size_t                 size;
    uint32_t               slot;
    ngx_str_t             *body;
    ngx_uint_t             i, try;
    enum btcf_read         rc;
    ngx_http_btcf_doc_t   *doc;
    struct btcf_doc_meta   meta;

    slot = (uint32_t) entry->slot;
    rc = BTCF_READ_BUSY;

    for (try = 0; try < BTCF_READ_TRIES_MAX; try++) {

        rc = btcf_reader_meta(&seg->reader, slot, &meta);
        if (rc != BTCF_READ_OK) {
            return rc;
        }

        size = sizeof(ngx_http_btcf_doc_t)
               + (size_t) meta.variant[0].body_len + meta.variant[0].gz_len
               + meta.variant[1].body_len + meta.variant[1].gz_len;

        doc = ngx_alloc(size, seg->log);
        if (doc == NULL) {
            return BTCF_READ_BUSY;
        }

        doc->doc_class = seg->reader.slots[slot].doc_class;
        ngx_http_btcf_doc_lay_out(doc, &meta);

        for (i = 0; i < 4 && rc == BTCF_READ_OK; i++) {
            body = &doc->body[i >> 1][i & 1].body;

            if (body->len) {
                rc = btcf_reader_body(&seg->reader, slot, &meta,
                                      ((i >> 1) ? BTCF_BODY_STALE : 0)
                                      | ((i & 1) ? BTCF_BODY_GZIP : 0),
                                      body->data);
            }
        }

        if (rc == BTCF_READ_OK) {
            *docp = doc;
            return BTCF_READ_OK;
        }

        ngx_free(doc);

        if (rc != BTCF_READ_BUSY) {
            return rc;
        }
    }

    return rc;
}


/*
 * Everything that a response needs beside the clock is prepared here, once
 * per generation: header texts, and where each body goes.
 */

static void
ngx_http_btcf_doc_lay_out(ngx_http_btcf_doc_t *doc,
    const struct btcf_doc_meta *meta)
{
    u_char                        *p;
    ngx_uint_t                     v, gz;
    ngx_http_btcf_body_t          *body;
    const struct btcf_doc_variant *variant;

    doc->refs = 1;
    doc->gen = meta->gen;
    doc->stale_at_ms = meta->stale_at_ms;
    doc->expires_at_ms = meta->expires_at_ms;
    doc->published_ms = meta->published_ms;
    doc->cost = meta->cost_units;
    doc->retired = (meta->flags & BTCF_DOC_RETIRED) != 0;

    doc->type = ngx_http_btcf_types[meta->type <= BTCF_TYPE_PROBLEM
                                    ? meta->type : BTCF_TYPE_TEXT];

    doc->modified[0] = (time_t) meta->modified_s;
    doc->modified[1] = doc->modified[0];

    if (meta->stale_at_ms && !(meta->flags & BTCF_DOC_SAME_STALE)) {
        /* that is when the body turns into the one that says so */
        doc->modified[1] = (time_t) (meta->stale_at_ms / 1000);
    }

    p = doc->bytes;

    for (v = 0; v < 2; v++) {
        variant = &meta->variant[v];

        doc->last_modified[v].data = doc->dates[v];
        doc->last_modified[v].len = ngx_http_time(doc->dates[v],
                                                  doc->modified[v])
                                    - doc->dates[v];

        for (gz = 0; gz < 2; gz++) {
            body = &doc->body[v][gz];

            body->body.len = gz ? variant->gz_len : variant->body_len;
            body->body.data = p;
            p += body->body.len;

            body->etag.data = doc->tags[v][gz];
            body->etag.len = ngx_sprintf(body->etag.data,
                                         gz ? "\"%016xL-gz\"" : "\"%016xL\"",
                                         variant->etag)
                             - body->etag.data;
        }
    }
}
