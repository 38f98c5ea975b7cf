/* Publishing into pub by the double buffer of btcf_seq.h. birth.c makes the file.
 *
 * What a version looks like in memory: document k (in order of its first publication) owns the buffers 2k and 2k + 1 of
 * section BODY, and version g of it lies in buffer 2k + (g & 1), its up to four bodies one after the other. Everything
 * that can fail, and every checksum, comes before the first store into the buffer, so that the time in which a crash
 * would leave a half-written buffer (harmless: nobody is told of it) is only that of the copying.
 *
 * What the writer needs to know about its own file it remembers privately (writer_state.h); of shared memory it reads
 * nothing back but the keys that it put into the directory.
 */
#include "shm/writer.h"

#include <string.h>

#include "core/err.h"
#include "shm/btcf_seq.h"
#include "shm/crc32c.h"
#include "shm/writer_state.h"

/* ---- documents --------------------------------------------------------------------------------------------------- */

static void advance_epoch(struct writer *writer)
{
    /* Who sees the epoch sees the generation stored before it. Partner: the acquire load in btcf_reader_epoch. */
    atomic_store_explicit(&writer->header->epoch, ++writer->epoch, memory_order_release);
}

/* The slot of the key, or the free slot where it belongs. There is always one: half of the slots stay free. */
static uint32_t find_slot(const struct writer *writer, const char *key, size_t key_len)
{
    uint64_t hash = btcf_doc_hash(writer->hash_seed, key, key_len);
    uint32_t mask = writer->slot_count - 1;
    uint32_t i = (uint32_t)hash & mask;

    for (;; i = (i + 1) & mask) {
        const struct btcf_doc_slot *slot = &writer->slots[i];
        uint64_t there = atomic_load_explicit(&slot->hash, memory_order_relaxed);

        if (there == 0)
            return i;
        if (there == hash && slot->key_len == key_len && memcmp(slot->key, key, key_len) == 0)
            return i;
    }
}

static bool is_free(const struct writer *writer, uint32_t slot)
{
    return atomic_load_explicit(&writer->slots[slot].hash, memory_order_relaxed) == 0;
}

static void claim_slot(struct writer *writer, uint32_t i, const char *key, enum btcf_doc_class doc_class)
{
    struct btcf_doc_slot *slot = &writer->slots[i];
    size_t key_len = strlen(key);

    slot->key_len = (uint16_t)key_len;
    slot->doc_class = (uint16_t)doc_class;
    memcpy(slot->key, key, key_len);
    writer->doc_gens[i] = writer->gen_floor;
    writer->doc_buffers[i] = writer->doc_count++;
    /* The key is complete for whoever sees the hash. Partner: the acquire load of hash in btcf_reader_find. */
    atomic_store_explicit(&slot->hash, btcf_doc_hash(writer->hash_seed, key, key_len), memory_order_release);
}

/* The bodies of a version in the order in which they lie in its buffer. */
struct layout {
    struct writer_body body[BTCF_BODY_COUNT];
    uint32_t offset[BTCF_BODY_COUNT]; /* from the start of the buffer */
    uint64_t size;
};

static struct layout lay_out(const struct writer_doc *doc)
{
    struct layout layout = {.body = {[0] = doc->fresh,
                                     [BTCF_BODY_GZIP] = doc->fresh_gz,
                                     [BTCF_BODY_STALE] = doc->stale,
                                     [BTCF_BODY_STALE | BTCF_BODY_GZIP] = doc->stale_gz}};

    for (unsigned i = 0; i < BTCF_BODY_COUNT; i++) {
        layout.offset[i] = (uint32_t)layout.size;
        layout.size += btcf_round_up(layout.body[i].len, BTCF_DOC_ALIGN);
    }
    return layout;
}

static struct btcf_doc_variant make_variant(const struct layout *layout, unsigned variant, uint32_t buffer_offset)
{
    unsigned identity = variant == BTCF_VARIANT_STALE ? BTCF_BODY_STALE : 0;
    unsigned gzip = identity | BTCF_BODY_GZIP;

    return (struct btcf_doc_variant){
        .body_off = buffer_offset + layout->offset[identity],
        .body_len = (uint32_t)layout->body[identity].len,
        .body_crc = btcf_crc32c(0, layout->body[identity].bytes, layout->body[identity].len),
        .gz_off = buffer_offset + layout->offset[gzip],
        .gz_len = (uint32_t)layout->body[gzip].len,
        .gz_crc = btcf_crc32c(0, layout->body[gzip].bytes, layout->body[gzip].len),
    };
}

static struct btcf_doc_meta make_meta(const struct writer_doc *doc, const struct layout *layout,
                                      uint32_t buffer_offset, uint64_t gen)
{
    struct btcf_doc_meta meta = {
        .gen = gen,
        .published_ms = doc->published_ms,
        .stale_at_ms = doc->stale_at_ms,
        .expires_at_ms = doc->expires_at_ms,
        .modified_s = doc->published_ms / 1000,
        .type = (uint32_t)doc->type,
        .flags = doc->flags,
        .cost_units = doc->cost_units,
    };

    meta.variant[BTCF_VARIANT_FRESH] = make_variant(layout, BTCF_VARIANT_FRESH, buffer_offset);
    meta.variant[BTCF_VARIANT_FRESH].etag = doc->etag_fresh;
    if (doc->stale.len == 0) {
        meta.flags |= BTCF_DOC_SAME_STALE;
        meta.variant[BTCF_VARIANT_STALE] = meta.variant[BTCF_VARIANT_FRESH];
    } else {
        meta.variant[BTCF_VARIANT_STALE] = make_variant(layout, BTCF_VARIANT_STALE, buffer_offset);
        meta.variant[BTCF_VARIANT_STALE].etag = doc->etag_stale;
    }
    meta.crc = btcf_crc32c(0, &meta, offsetof(struct btcf_doc_meta, crc));
    return meta;
}

/* The slot of the document, claimed if it is new; -1 with an error frame. */
static int64_t slot_for(struct writer *writer, const struct writer_doc *doc)
{
    size_t key_len = strlen(doc->key);

    if (key_len == 0 || key_len > BTCF_DOC_KEY_MAX)
        return err_set(E_LIMIT, "document key of %zu bytes, 1 to %d are allowed", key_len, BTCF_DOC_KEY_MAX);

    uint32_t i = find_slot(writer, doc->key, key_len);

    if (!is_free(writer, i))
        return i;
    if (writer->doc_count == writer->doc_count_max)
        return err_set(E_LIMIT, "document %s: the directory already holds its maximum of %u", doc->key,
                       writer->doc_count_max);
    claim_slot(writer, i, doc->key, doc->doc_class);
    return i;
}

int writer_publish(struct writer *writer, const struct writer_doc *doc)
{
    struct layout layout = lay_out(doc);

    if (layout.size > writer->buffer_size)
        return err_set(E_LIMIT, "document %s: its bodies need %llu bytes, there is room for %llu", doc->key,
                       (unsigned long long)layout.size, (unsigned long long)writer->buffer_size);

    int64_t i = slot_for(writer, doc);

    if (i < 0)
        return -1;

    struct btcf_doc_slot *slot = &writer->slots[i];
    uint64_t next = writer->doc_gens[i] + 1;
    uint64_t buffer_offset = (2 * (uint64_t)writer->doc_buffers[i] + (next & 1)) * writer->buffer_size;
    struct btcf_doc_meta meta = make_meta(doc, &layout, (uint32_t)buffer_offset, next);
    unsigned half = btcf_gen_begin(next);

    for (unsigned body = 0; body < BTCF_BODY_COUNT; body++) {
        btcf_words_store(writer->bodies + buffer_offset + layout.offset[body], layout.body[body].bytes,
                         layout.body[body].len);
        WRITER_AT(FILLING);
    }
    btcf_words_store(&slot->meta[half], &meta, sizeof(meta));
    WRITER_AT(FILLED);
    btcf_gen_commit(&slot->gen, next);
    writer->doc_gens[i] = next;
    advance_epoch(writer);
    return 0;
}

int writer_retire_doc(struct writer *writer, const char *key)
{
    const struct writer_doc gone = {.key = key, .flags = BTCF_DOC_RETIRED};
    size_t key_len = strlen(key);

    if (key_len == 0 || key_len > BTCF_DOC_KEY_MAX || is_free(writer, find_slot(writer, key, key_len)))
        return 0;
    return writer_publish(writer, &gone);
}

/* ---- curves ------------------------------------------------------------------------------------------------------ */

/* The place of the curve, which is claimed if need be, or -1 when all are taken. */
static int64_t claim_dist(struct writer *writer, const char *key)
{
    size_t key_len = strlen(key);
    uint64_t hash = btcf_doc_hash(writer->hash_seed, key, key_len);
    uint32_t i = 0;

    while (i < writer->dist_count && atomic_load_explicit(&writer->dists[i].hash, memory_order_relaxed) != hash)
        i++;
    if (i < writer->dist_count)
        return i;
    if (i == writer->dist_count_max)
        return -1;
    writer->dist_count++;
    writer->dist_gens[i] = writer->gen_floor;
    /* Partner: the acquire load of hash in btcf_reader_dist. */
    atomic_store_explicit(&writer->dists[i].hash, hash, memory_order_release);
    return i;
}

int writer_publish_dist(struct writer *writer, const char *key, const struct btcf_dist_curve *curve)
{
    struct btcf_dist_curve copy = *curve;

    if (curve->level_count > BTCF_DIST_LEVELS_MAX)
        return err_set(E_LIMIT, "curve %s: %u levels, %d are allowed", key, curve->level_count, BTCF_DIST_LEVELS_MAX);

    int64_t i = claim_dist(writer, key);

    if (i < 0)
        return err_set(E_LIMIT, "curve %s: the section already holds its maximum of %u", key, writer->dist_count_max);

    struct btcf_dist_slot *slot = &writer->dists[i];

    copy.gen = writer->dist_gens[i] + 1;
    copy.crc = 0;
    copy.crc = btcf_crc32c(0, &copy, sizeof(copy));
    btcf_words_store(&slot->curve[btcf_gen_begin(copy.gen)], &copy, sizeof(copy));
    btcf_gen_commit(&slot->gen, copy.gen);
    writer->dist_gens[i] = copy.gen;
    advance_epoch(writer);
    return 0;
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

/* Writes a private event into its slot: id 0, then the rest, then the id, which here is the generation. */
void writer_store_event(struct writer *writer, struct btcf_event_slot *event, uint64_t id)
{
    struct btcf_event_slot *slot = &writer->events[id % writer->event_count];
    size_t id_size = sizeof(slot->id);

    atomic_store_explicit(&slot->id, 0, memory_order_relaxed);
    (void)btcf_gen_begin(id);
    btcf_words_store((unsigned char *)slot + id_size, (const unsigned char *)event + id_size,
                     offsetof(struct btcf_event_slot, data) - id_size + event->data_len);
    btcf_gen_commit(&slot->id, id);
}

int writer_event(struct writer *writer, const struct writer_event *event, uint64_t *id)
{
    uint64_t next = writer->event_head + 1;
    struct btcf_event_slot copy = {.id = next,
                                   .wall_ms = event->wall_ms,
                                   .market_ms = event->market_ms,
                                   .type = (uint32_t)event->type,
                                   .subject_s = event->subject_s,
                                   .data_len = (uint32_t)event->len};

    if (event->len > BTCF_EVENT_DATA_MAX)
        return err_set(E_LIMIT, "event of %zu bytes, %d are allowed", event->len, BTCF_EVENT_DATA_MAX);
    if (event->len > 0)
        memcpy(copy.data, event->data, event->len);
    copy.crc = btcf_event_crc(&copy);
    writer_store_event(writer, &copy, next);
    writer->event_head = next;
    /* The event is complete for whoever sees its id here. Partner: the acquire load in btcf_reader_event_head. */
    atomic_store_explicit(&writer->ring->head_id, next, memory_order_release);
    advance_epoch(writer);
    if (id != NULL)
        *id = next;
    return 0;
}

/* ---- signs of life ----------------------------------------------------------------------------------------------- */

void writer_beat(struct writer *writer)
{
    /* Relaxed: it carries nothing but itself. */
    atomic_store_explicit(&writer->header->heartbeat, ++writer->heartbeat, memory_order_relaxed);
}

void writer_set_health(struct writer *writer, uint64_t bits)
{
    atomic_store_explicit(&writer->header->health, bits, memory_order_relaxed);
}
