/* Reading pub without trusting it, without locks and without waiting.
 *
 * Three rules make this safe against a writer that dies, a writer that is fast, and a file that lies: bytes are copied
 * out in words and only the copy is looked at; a copy counts when its generation still stands after it (btcf_seq.h);
 * and what counts is then checked against bounds and a checksum. A copy that fails the second rule is tried again, at
 * most BTCF_READ_TRIES_MAX times; one that fails the third is not, because the same bytes would be read again.
 */
#include "shm/reader.h"

#include <string.h>
#include <sys/stat.h>

#include "shm/btcf_seq.h"
#include "shm/crc32c.h"
#include "shm/file.h"

#define VERIFY_CHUNK 4096
#define EVENT_HEAD_SIZE offsetof(struct btcf_event_slot, data)

struct body_place {
    uint32_t offset, len, crc;
};

_Static_assert(EVENT_HEAD_SIZE == 48, "the bounds that the ABI states for an event's checksum");

static const char *const attach_texts[] = {
    [BTCF_ATTACH_OK] = "it is good",
    [BTCF_ATTACH_NO_FILE] = "there is no such file",
    [BTCF_ATTACH_NOT_REGULAR] = "it is not a regular file",
    [BTCF_ATTACH_TOO_SHORT] = "it is shorter than its header says or than a header",
    [BTCF_ATTACH_BAD_MAGIC] = "it does not begin with the magic of its kind",
    [BTCF_ATTACH_BAD_BYTE_ORDER] = "its byte order is not this machine's",
    [BTCF_ATTACH_BAD_MAJOR] = "its ABI major is not ours",
    [BTCF_ATTACH_BAD_LAYOUT] = "its layout hash is not ours",
    [BTCF_ATTACH_BAD_SECTIONS] = "a section is missing, misplaced or of the wrong shape",
    [BTCF_ATTACH_NOT_LIVE] = "its writer has not finished it",
    [BTCF_ATTACH_BAD_OWNER] = "others than its owner may write to it",
    [BTCF_ATTACH_SYSTEM] = "the system does not let us open or map it",
    [BTCF_ATTACH_BAD_CHECKSUM] = "the header's checksum does not match",
    [BTCF_ATTACH_BAD_CONTENT] = "a document or a curve does not stand up to its checksum",
    [BTCF_ATTACH_RETIRED] = "its writer has replaced it by another",
};

const char *btcf_attach_text(enum btcf_attach why)
{
    if ((size_t)why >= BTCF_LENGTH(attach_texts) || attach_texts[why] == NULL)
        return "unknown reason";
    return attach_texts[why];
}

/* ---- attaching --------------------------------------------------------------------------------------------------- */

static bool is_power_of_two(uint32_t n)
{
    return n != 0 && (n & (n - 1)) == 0;
}

static bool find_sections(struct btcf_reader *reader)
{
    static const struct btcf_section_shape doc = {BTCF_SECTION_DOC, sizeof(struct btcf_doc_slot), 0};
    static const struct btcf_section_shape body = {BTCF_SECTION_BODY, 1, 0};
    static const struct btcf_section_shape dist = {BTCF_SECTION_DIST, sizeof(struct btcf_dist_slot), 0};
    static const struct btcf_section_shape event = {BTCF_SECTION_EVENT, sizeof(struct btcf_event_slot),
                                                    sizeof(struct btcf_event_ring)};
    const unsigned char *base = reader->base;
    struct btcf_section section;

    if (!btcf_section_find(base, reader->size, &doc, &section) || !is_power_of_two(section.count))
        return false;
    reader->slots = (const struct btcf_doc_slot *)(base + section.offset);
    reader->slot_count = section.count;

    if (!btcf_section_find(base, reader->size, &body, &section))
        return false;
    reader->bodies = base + section.offset;
    reader->bodies_size = section.size;

    if (!btcf_section_find(base, reader->size, &dist, &section))
        return false;
    reader->dists = (const struct btcf_dist_slot *)(base + section.offset);
    reader->dist_count = section.count;

    if (!btcf_section_find(base, reader->size, &event, &section) || section.count == 0)
        return false;
    reader->ring = (const struct btcf_event_ring *)(base + section.offset);
    reader->events = (const struct btcf_event_slot *)(base + section.offset + sizeof(struct btcf_event_ring));
    reader->event_count = section.count;
    return true;
}

/* Points a reader at the sections, whose places are checked, whatever the header's verdict was. */
static bool load(struct btcf_reader *reader, const void *base, uint64_t size)
{
    memset(reader, 0, sizeof(*reader));
    reader->base = (const unsigned char *)base;
    reader->size = size;
    reader->header = (const struct btcf_header *)base;
    btcf_words_load(&reader->hash_seed, reader->header->instance, sizeof(reader->hash_seed));
    return find_sections(reader);
}

static bool is_content_sound(struct btcf_reader *reader);

enum btcf_attach btcf_reader_attach(struct btcf_reader *reader, const void *base, uint64_t size)
{
    enum btcf_attach why = btcf_header_check(base, size, BTCF_PUB_MAGIC);
    struct btcf_reader fresh;

    if (why != BTCF_ATTACH_OK)
        return why;
    if (!load(&fresh, base, size))
        return BTCF_ATTACH_BAD_SECTIONS;
    if (!is_content_sound(&fresh))
        return BTCF_ATTACH_BAD_CONTENT;
    fresh.retries = reader->retries;
    fresh.busy = reader->busy;
    fresh.corrupt = reader->corrupt;
    *reader = fresh;
    return BTCF_ATTACH_OK;
}

enum btcf_attach btcf_reader_inspect(struct btcf_reader *reader, const void *base, uint64_t size)
{
    enum btcf_attach why = btcf_header_check(base, size, BTCF_PUB_MAGIC);
    struct btcf_reader trial;

    if (size < sizeof(struct btcf_header) || !load(reader, base, size)) {
        memset(reader, 0, sizeof(*reader));
        return why == BTCF_ATTACH_OK ? BTCF_ATTACH_BAD_SECTIONS : why;
    }
    trial = *reader;
    return why == BTCF_ATTACH_OK && !is_content_sound(&trial) ? BTCF_ATTACH_BAD_CONTENT : why;
}

enum btcf_attach btcf_reader_open(struct btcf_reader *reader, const char *path)
{
    static const struct btcf_file_options options = {.is_writable = false, .forbidden_mode = BTCF_PUB_FORBIDDEN_MODE};
    struct btcf_file file;
    struct btcf_reader old = *reader;
    enum btcf_attach why = btcf_file_open(&file, path, &options);

    if (why != BTCF_ATTACH_OK)
        return why;
    why = btcf_reader_attach(reader, file.base, file.size);
    if (why != BTCF_ATTACH_OK) {
        btcf_file_close(&file);
        return why;
    }
    reader->device = file.device;
    reader->inode = file.inode;
    reader->is_mapped = true;
    btcf_reader_close(&old);
    return BTCF_ATTACH_OK;
}

void btcf_reader_close(struct btcf_reader *reader)
{
    struct btcf_file file = {.base = (unsigned char *)(uintptr_t)reader->base, .size = reader->size};

    if (reader->is_mapped)
        btcf_file_close(&file);
    memset(reader, 0, sizeof(*reader));
}

bool btcf_reader_is_outdated(const struct btcf_reader *reader, const char *path)
{
    struct stat st;

    if (reader->base == NULL || btcf_reader_is_retired(reader) || lstat(path, &st) < 0)
        return true;
    return (uint64_t)st.st_dev != reader->device || (uint64_t)st.st_ino != reader->inode ||
           (uint64_t)st.st_size < reader->size;
}

/* ---- the header's moving part ------------------------------------------------------------------------------------ */

bool btcf_reader_is_retired(const struct btcf_reader *reader)
{
    /* Relaxed: it only says that looking for a new file is worth while; nothing is read because of it. */
    return reader->base != NULL &&
           atomic_load_explicit(&reader->header->state, memory_order_relaxed) == BTCF_STATE_RETIRED;
}

uint64_t btcf_reader_heartbeat(const struct btcf_reader *reader)
{
    if (reader->base == NULL)
        return 0;
    return atomic_load_explicit(&reader->header->heartbeat, memory_order_relaxed);
}

uint64_t btcf_reader_epoch(const struct btcf_reader *reader)
{
    if (reader->base == NULL)
        return 0;
    /* Partner: the release store at the end of a publication: who sees the epoch sees the generation. */
    return atomic_load_explicit(&reader->header->epoch, memory_order_acquire);
}

uint64_t btcf_reader_health(const struct btcf_reader *reader)
{
    if (reader->base == NULL)
        return 0;
    return atomic_load_explicit(&reader->header->health, memory_order_relaxed);
}

/* ---- documents --------------------------------------------------------------------------------------------------- */

uint64_t btcf_doc_hash(uint64_t seed, const char *key, size_t key_len)
{
    uint64_t hash = seed ^ UINT64_C(14695981039346656037);

    /* FNV-1a, and one round of mixing so that the low bits, which choose the slot, depend on every byte. */
    for (size_t i = 0; i < key_len; i++)
        hash = (hash ^ (unsigned char)key[i]) * UINT64_C(1099511628211);
    hash ^= hash >> 32;
    hash *= UINT64_C(0xd6e8feb86659fd93);
    hash ^= hash >> 32;
    return hash == 0 ? 1 : hash;
}

int64_t btcf_reader_find(const struct btcf_reader *reader, const char *key, size_t key_len)
{
    char key_copy[BTCF_DOC_KEY_MAX];

    if (reader->base == NULL || key_len == 0 || key_len > BTCF_DOC_KEY_MAX)
        return -1;

    uint64_t wanted = btcf_doc_hash(reader->hash_seed, key, key_len);
    uint32_t mask = reader->slot_count - 1;

    for (uint32_t probe = 0; probe < reader->slot_count; probe++) {
        uint32_t i = ((uint32_t)wanted + probe) & mask;
        const struct btcf_doc_slot *slot = &reader->slots[i];
        /* Partner: the release store of hash in the writer's claim_slot: the key below is complete. */
        uint64_t hash = atomic_load_explicit(&slot->hash, memory_order_acquire);

        if (hash == 0)
            return -1;
        if (hash != wanted || slot->key_len != key_len)
            continue;
        btcf_words_load(key_copy, slot->key, key_len);
        if (memcmp(key_copy, key, key_len) == 0)
            return i;
    }
    return -1;
}

static bool is_range_good(const struct btcf_reader *reader, uint32_t offset, uint32_t len)
{
    /* The last word is read whole, so it must lie inside too. */
    uint64_t end = (uint64_t)offset + len + BTCF_WORD_SIZE - 1;

    return offset % BTCF_DOC_ALIGN == 0 && end - end % BTCF_WORD_SIZE <= reader->bodies_size;
}

static bool is_meta_good(const struct btcf_reader *reader, const struct btcf_doc_meta *meta, uint64_t gen)
{
    if (meta->gen != gen || meta->crc != btcf_crc32c(0, meta, offsetof(struct btcf_doc_meta, crc)))
        return false;
    for (unsigned i = 0; i < BTCF_LENGTH(meta->variant); i++) {
        const struct btcf_doc_variant *variant = &meta->variant[i];

        if (!is_range_good(reader, variant->body_off, variant->body_len) ||
            !is_range_good(reader, variant->gz_off, variant->gz_len))
            return false;
    }
    return true;
}

static enum btcf_read count_busy(struct btcf_reader *reader)
{
    reader->busy++;
    return BTCF_READ_BUSY;
}

static enum btcf_read count_corrupt(struct btcf_reader *reader)
{
    reader->corrupt++;
    return BTCF_READ_CORRUPT;
}

enum btcf_read btcf_reader_meta(struct btcf_reader *reader, uint32_t slot_index, struct btcf_doc_meta *meta)
{
    if (slot_index >= reader->slot_count)
        return BTCF_READ_ABSENT;

    const struct btcf_doc_slot *slot = &reader->slots[slot_index];

    for (int i = 0; i < BTCF_READ_TRIES_MAX; i++) {
        uint64_t gen = btcf_gen_load(&slot->gen);

        if (gen == 0)
            return BTCF_READ_ABSENT;
        btcf_words_load(meta, &slot->meta[gen & 1], sizeof(*meta));
        if (btcf_gen_is_still(&slot->gen, gen))
            return is_meta_good(reader, meta, gen) ? BTCF_READ_OK : count_corrupt(reader);
        reader->retries++;
    }
    return count_busy(reader);
}

/* Where the body lies, how long it is, and what its checksum is, as the meta data say. */
static struct body_place place_of(const struct btcf_doc_meta *meta, unsigned body)
{
    const struct btcf_doc_variant *variant =
        &meta->variant[(body & BTCF_BODY_STALE) != 0 ? BTCF_VARIANT_STALE : BTCF_VARIANT_FRESH];

    if ((body & BTCF_BODY_GZIP) != 0)
        return (struct body_place){variant->gz_off, variant->gz_len, variant->gz_crc};
    return (struct body_place){variant->body_off, variant->body_len, variant->body_crc};
}

uint32_t btcf_body_len(const struct btcf_doc_meta *meta, unsigned body)
{
    return place_of(meta, body).len;
}

enum btcf_read btcf_reader_body(struct btcf_reader *reader, uint32_t slot_index, const struct btcf_doc_meta *meta,
                                unsigned body, unsigned char *buf)
{
    struct body_place place = place_of(meta, body);

    if (slot_index >= reader->slot_count)
        return BTCF_READ_ABSENT;
    if (!is_range_good(reader, place.offset, place.len))
        return count_corrupt(reader);
    btcf_words_load(buf, reader->bodies + place.offset, place.len);
    if (!btcf_gen_is_still(&reader->slots[slot_index].gen, meta->gen))
        return count_busy(reader);
    return btcf_crc32c(0, buf, place.len) == place.crc ? BTCF_READ_OK : count_corrupt(reader);
}

/* ---- curves ------------------------------------------------------------------------------------------------------ */

static enum btcf_read copy_curve(struct btcf_reader *reader, const struct btcf_dist_slot *slot,
                                 struct btcf_dist_curve *curve)
{
    for (int i = 0; i < BTCF_READ_TRIES_MAX; i++) {
        uint64_t gen = btcf_gen_load(&slot->gen);

        if (gen == 0)
            return BTCF_READ_ABSENT;
        btcf_words_load(curve, &slot->curve[gen & 1], sizeof(*curve));
        if (btcf_gen_is_still(&slot->gen, gen)) {
            uint32_t crc = curve->crc;

            curve->crc = 0;
            if (curve->gen != gen || curve->level_count > BTCF_DIST_LEVELS_MAX ||
                crc != btcf_crc32c(0, curve, sizeof(*curve)))
                return count_corrupt(reader);
            curve->crc = crc;
            return BTCF_READ_OK;
        }
        reader->retries++;
    }
    return count_busy(reader);
}

enum btcf_read btcf_reader_dist(struct btcf_reader *reader, const char *key, size_t key_len,
                                struct btcf_dist_curve *curve)
{
    uint64_t wanted = btcf_doc_hash(reader->hash_seed, key, key_len);

    /* A handful of curves: they stand in the order in which they were claimed, and are looked for one by one. */
    for (uint32_t i = 0; i < reader->dist_count; i++) {
        /* Partner: the release store of hash in the writer's claim_dist. */
        uint64_t hash = atomic_load_explicit(&reader->dists[i].hash, memory_order_acquire);

        if (hash == wanted)
            return copy_curve(reader, &reader->dists[i], curve);
        if (hash == 0)
            break;
    }
    return BTCF_READ_ABSENT;
}

enum btcf_read btcf_reader_dist_at(struct btcf_reader *reader, uint32_t i, struct btcf_dist_curve *curve)
{
    return i < reader->dist_count ? copy_curve(reader, &reader->dists[i], curve) : BTCF_READ_ABSENT;
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

uint64_t btcf_reader_event_head(const struct btcf_reader *reader)
{
    if (reader->base == NULL)
        return 0;
    /* Partner: the release store of head_id in writer_event: the event that it names is complete. */
    return atomic_load_explicit(&reader->ring->head_id, memory_order_acquire);
}

uint64_t btcf_reader_event_oldest(const struct btcf_reader *reader)
{
    uint64_t head = btcf_reader_event_head(reader);

    if (head == 0)
        return 1;

    uint64_t oldest = head >= reader->event_count ? head - reader->event_count + 1 : 1;
    uint64_t first = reader->ring->first_id;

    if (first > oldest)
        oldest = first;
    return oldest <= head ? oldest : head + 1;
}

uint32_t btcf_event_crc(const struct btcf_event_slot *event)
{
    unsigned char head[EVENT_HEAD_SIZE];

    memcpy(head, event, sizeof(head));
    memset(head + offsetof(struct btcf_event_slot, crc), 0, sizeof(event->crc));
    return btcf_crc32c(btcf_crc32c(0, head, sizeof(head)), event->data, event->data_len);
}

enum btcf_read btcf_reader_event(struct btcf_reader *reader, uint64_t id, struct btcf_event_slot *event)
{
    if (reader->base == NULL || id == 0)
        return BTCF_READ_ABSENT;

    const struct btcf_event_slot *slot = &reader->events[id % reader->event_count];

    /* Here the id is the generation: it is 0 while the slot is rewritten and never the same twice. One try is enough,
     * since an event that is being overwritten is gone. */
    if (btcf_gen_load(&slot->id) != id)
        return BTCF_READ_ABSENT;
    btcf_words_load(event, slot, sizeof(*event));
    if (!btcf_gen_is_still(&slot->id, id))
        return BTCF_READ_ABSENT;
    if (event->data_len > BTCF_EVENT_DATA_MAX || event->crc != btcf_event_crc(event))
        return count_corrupt(reader);
    return BTCF_READ_OK;
}

/* ---- the check at attach ----------------------------------------------------------------------------------------- */

static bool is_key_good(const struct btcf_reader *reader, const struct btcf_doc_slot *slot, uint64_t hash)
{
    struct btcf_doc_slot copy;

    btcf_words_load(&copy, slot, offsetof(struct btcf_doc_slot, meta));
    return copy.key_len > 0 && copy.key_len <= BTCF_DOC_KEY_MAX &&
           btcf_doc_hash(reader->hash_seed, copy.key, copy.key_len) == hash;
}

/* As btcf_reader_body, into nowhere: piece by piece, so that no memory of the document's size is needed. */
static enum btcf_read verify_body(struct btcf_reader *reader, uint32_t slot_index, const struct btcf_doc_meta *meta,
                                  unsigned body)
{
    struct body_place place = place_of(meta, body);
    unsigned char chunk[VERIFY_CHUNK];
    uint32_t crc = 0;

    for (uint32_t at = 0; at < place.len; at += VERIFY_CHUNK) {
        uint32_t len = place.len - at < VERIFY_CHUNK ? place.len - at : VERIFY_CHUNK;

        btcf_words_load(chunk, reader->bodies + place.offset + at, len);
        crc = btcf_crc32c(crc, chunk, len);
    }
    if (!btcf_gen_is_still(&reader->slots[slot_index].gen, meta->gen))
        return BTCF_READ_BUSY;
    return crc == place.crc ? BTCF_READ_OK : BTCF_READ_CORRUPT;
}

/* A document that changes while we look at it is being published by a live writer: that is not damage. */
static bool is_document_sound(struct btcf_reader *reader, uint32_t slot_index)
{
    struct btcf_doc_meta meta;
    enum btcf_read outcome = btcf_reader_meta(reader, slot_index, &meta);

    if (outcome != BTCF_READ_OK)
        return outcome != BTCF_READ_CORRUPT;
    for (unsigned body = 0; body < BTCF_BODY_COUNT; body++)
        if (verify_body(reader, slot_index, &meta, body) == BTCF_READ_CORRUPT)
            return false;
    return true;
}

static bool is_content_sound(struct btcf_reader *reader)
{
    struct btcf_dist_curve curve;

    for (uint32_t i = 0; i < reader->slot_count; i++) {
        /* Partner: the release store of hash in the writer's claim_slot. */
        uint64_t hash = atomic_load_explicit(&reader->slots[i].hash, memory_order_acquire);

        if (hash != 0 && (!is_key_good(reader, &reader->slots[i], hash) || !is_document_sound(reader, i)))
            return false;
    }
    for (uint32_t i = 0; i < reader->dist_count; i++)
        if (copy_curve(reader, &reader->dists[i], &curve) == BTCF_READ_CORRUPT)
            return false;
    return true;
}
