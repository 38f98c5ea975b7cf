/* The one writer of pub: makes a whole new file at every start, and publishes into it by the double buffer of
 * btcf_seq.h.
 *
 * What a version looks like in memory: document k (in order of its first publication) owns the buffers 2k and 2k + 1 of
 * section BODY, and version g of it lies in buffer 2k + (g & 1), its up to four bodies one after the other. Everything
 * that can fail, and every checksum, comes before the first store into the buffer, so that the time in which a crash
 * would leave a half-written buffer (harmless: nobody is told of it) is only that of the copying.
 *
 * What the writer needs to know about its own file it remembers privately. It never reads its decisions back out of
 * shared memory, except through the checked reader, from the file of the writer before it.
 */
#include "shm/writer.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/arena.h"
#include "core/err.h"
#include "shm/btcf_seq.h"
#include "shm/crc32c.h"
#include "shm/file.h"

/* Tests that kill a writer at a chosen place define this to learn where it is; otherwise it is nothing. */
#ifndef WRITER_AT
#define WRITER_AT(place) ((void)0)
#endif

#define LOCK_FILE "publish.lock"
#define TMP_PREFIX BTCF_PUB_FILE "."
#define TMP_SUFFIX ".tmp"
#define PAGE_SIZE UINT64_C(4096)
#define ARENA_BYTES_MAX ((size_t)64 << 20)
#define DOC_COUNT_LIMIT (UINT32_C(1) << 16)
#define EVENT_COUNT_LIMIT (UINT32_C(1) << 20)

/* A generation that the file before this one reached, under the hash that the key had there. */
struct inherited {
    uint64_t hash, gen;
};

struct writer {
    struct arena *arena; /* holds this struct's arrays and names */
    const char *path, *tmp_path;
    int lock_fd;
    bool is_live;
    struct btcf_file file;
    struct btcf_header *header;
    uint64_t hash_seed, epoch, heartbeat;

    struct btcf_doc_slot *slots;
    uint32_t slot_count, doc_count, doc_count_max;
    uint64_t *doc_gens;    /* of each slot: the generation published last, in this file or the one before */
    uint32_t *doc_buffers; /* of each slot: its k */
    unsigned char *bodies;
    uint64_t buffer_size;

    struct btcf_dist_slot *dists;
    uint32_t dist_count, dist_count_max;
    uint64_t *dist_gens;

    struct btcf_event_ring *ring;
    struct btcf_event_slot *events;
    uint32_t event_count;
    uint64_t event_head;

    uint64_t old_seed;
    struct inherited *old_docs, *old_dists;
    uint32_t old_doc_count, old_dist_count;
};

static int take_lock(struct writer *writer, const char *dir);
static int remove_leftovers(const char *dir);
static int make_file(struct writer *writer, const struct writer_options *options);
static void inherit(struct writer *writer);

/* ---- birth ------------------------------------------------------------------------------------------------------- */

static int check_options(const struct writer_options *options)
{
    if (options->doc_count_max == 0 || options->doc_count_max > DOC_COUNT_LIMIT || options->doc_bytes_max == 0 ||
        options->event_count == 0 || options->event_count > EVENT_COUNT_LIMIT || options->dist_count_max == 0 ||
        options->dist_count_max > DOC_COUNT_LIMIT)
        return err_set(E_INPUT, "a size of the shared file is zero or out of bounds");
    return 0;
}

int writer_create(struct writer **result, const struct writer_options *options)
{
    if (check_options(options) < 0)
        return -1;

    struct arena *arena = arena_create("shm writer", ARENA_BYTES_MAX);
    struct writer *writer = arena_alloc(arena, sizeof(*writer));

    writer->arena = arena;
    writer->path = arena_printf(arena, "%s/" BTCF_PUB_FILE, options->dir);
    writer->tmp_path = arena_printf(arena, "%s/" TMP_PREFIX "%ld" TMP_SUFFIX, options->dir, (long)getpid());
    writer->lock_fd = -1;
    if (take_lock(writer, options->dir) < 0 || remove_leftovers(options->dir) < 0 || make_file(writer, options) < 0) {
        writer_close(&writer);
        return err_wrap("while making a shared file in %s", options->dir);
    }
    inherit(writer);
    *result = writer;
    return 0;
}

static int take_lock(struct writer *writer, const char *dir)
{
    const char *path = arena_printf(writer->arena, "%s/" LOCK_FILE, dir);

    writer->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (writer->lock_fd < 0)
        return err_set(E_STORE, "cannot open %s: %s", path, strerror(errno));
    if (flock(writer->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        return err_set(E_CONFLICT, "another publisher holds %s", path);
    return err_set(E_STORE, "cannot lock %s: %s", path, strerror(errno));
}

static bool is_leftover(const char *name)
{
    size_t len = strlen(name);

    return len > strlen(TMP_PREFIX TMP_SUFFIX) && strncmp(name, TMP_PREFIX, strlen(TMP_PREFIX)) == 0 &&
           strcmp(name + len - strlen(TMP_SUFFIX), TMP_SUFFIX) == 0;
}

/* Files of writers that died between their birth and their rename. We hold the lock, so none of them is in use. */
static int remove_leftovers(const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;

    if (dir == NULL)
        return err_set(E_STORE, "cannot list %s: %s", path, strerror(errno));
    while ((entry = readdir(dir)) != NULL)
        if (is_leftover(entry->d_name))
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
    return 0;
}

static uint64_t round_up(uint64_t n, uint64_t step)
{
    return (n + step - 1) / step * step;
}

static uint32_t power_of_two_from(uint32_t n)
{
    uint32_t power = 1;

    while (power < n)
        power *= 2;
    return power;
}

/* Appends a section behind those before it and returns where the next one may begin. */
static uint64_t place(struct btcf_section *section, uint64_t offset, const struct btcf_section_shape *shape,
                      uint32_t count)
{
    uint64_t size = round_up(shape->prefix_size + (uint64_t)shape->stride * count, BTCF_SECTION_ALIGN);

    *section = (struct btcf_section){.kind = shape->kind,
                                     .version = BTCF_SECTION_VERSION,
                                     .offset = offset,
                                     .size = size,
                                     .stride = shape->stride,
                                     .count = count};
    return round_up(offset + size, PAGE_SIZE);
}

enum { DOC, DIST, EVENT, BODY, PUB_SECTION_COUNT };

static int make_file(struct writer *writer, const struct writer_options *options)
{
    static const struct btcf_section_shape shapes[PUB_SECTION_COUNT] = {
        [DOC] = {BTCF_SECTION_DOC, sizeof(struct btcf_doc_slot), 0},
        [DIST] = {BTCF_SECTION_DIST, sizeof(struct btcf_dist_slot), 0},
        [EVENT] = {BTCF_SECTION_EVENT, sizeof(struct btcf_event_slot), sizeof(struct btcf_event_ring)},
        [BODY] = {BTCF_SECTION_BODY, 1, 0},
    };
    struct btcf_section sections[PUB_SECTION_COUNT];
    uint32_t slot_count = power_of_two_from(options->doc_count_max * 2);
    /* Each of the four bodies may need padding behind it. */
    uint64_t buffer_size = round_up(options->doc_bytes_max, BTCF_DOC_ALIGN) + BTCF_BODY_COUNT * BTCF_DOC_ALIGN;
    uint64_t bodies_size = buffer_size * 2 * options->doc_count_max;

    if (bodies_size > UINT32_MAX)
        return err_set(E_LIMIT, "%u documents of %u bytes need more than the 4 GiB that offsets reach",
                       options->doc_count_max, options->doc_bytes_max);

    uint64_t end = round_up(sizeof(struct btcf_header), PAGE_SIZE);
    end = place(&sections[DOC], end, &shapes[DOC], slot_count);
    end = place(&sections[DIST], end, &shapes[DIST], options->dist_count_max);
    end = place(&sections[EVENT], end, &shapes[EVENT], options->event_count);
    end = place(&sections[BODY], end, &shapes[BODY], (uint32_t)bodies_size);

    if (btcf_file_create(&writer->file, writer->tmp_path, end, (uint32_t)options->mode) < 0)
        return err_set(E_STORE, "cannot make %s of %llu bytes: %s", writer->tmp_path, (unsigned long long)end,
                       strerror(errno));

    const struct btcf_header_options header = {.magic = BTCF_PUB_MAGIC,
                                               .build = options->build,
                                               .sections = sections,
                                               .section_count = PUB_SECTION_COUNT,
                                               .fence = options->fence};
    if (btcf_header_fill(&writer->file, &header) < 0)
        return err_set(E_STORE, "no random bytes for the file's identity: %s", strerror(errno));

    unsigned char *base = writer->file.base;
    writer->header = (struct btcf_header *)base;
    memcpy(&writer->hash_seed, writer->header->instance, sizeof(writer->hash_seed));
    writer->slots = (struct btcf_doc_slot *)(base + sections[DOC].offset);
    writer->slot_count = slot_count;
    writer->doc_count_max = options->doc_count_max;
    writer->doc_gens = arena_array(writer->arena, slot_count, sizeof(*writer->doc_gens));
    writer->doc_buffers = arena_array(writer->arena, slot_count, sizeof(*writer->doc_buffers));
    writer->bodies = base + sections[BODY].offset;
    writer->buffer_size = buffer_size;
    writer->dists = (struct btcf_dist_slot *)(base + sections[DIST].offset);
    writer->dist_count_max = options->dist_count_max;
    writer->dist_gens = arena_array(writer->arena, options->dist_count_max, sizeof(*writer->dist_gens));
    writer->ring = (struct btcf_event_ring *)(base + sections[EVENT].offset);
    writer->events = (struct btcf_event_slot *)(base + sections[EVENT].offset + sizeof(struct btcf_event_ring));
    writer->event_count = options->event_count;
    return 0;
}

/* ---- what goes on from the file before --------------------------------------------------------------------------- */

static void inherit_generations(struct writer *writer, const struct btcf_reader *old)
{
    writer->old_seed = old->hash_seed;
    writer->old_docs = arena_array(writer->arena, old->slot_count, sizeof(*writer->old_docs));
    for (uint32_t i = 0; i < old->slot_count; i++) {
        /* Relaxed: the writer of that file is dead, since we hold its lock. */
        uint64_t hash = atomic_load_explicit(&old->slots[i].hash, memory_order_relaxed);

        if (hash != 0)
            writer->old_docs[writer->old_doc_count++] =
                (struct inherited){hash, atomic_load_explicit(&old->slots[i].gen, memory_order_relaxed)};
    }
    writer->old_dists = arena_array(writer->arena, old->dist_count, sizeof(*writer->old_dists));
    for (uint32_t i = 0; i < old->dist_count; i++) {
        uint64_t hash = atomic_load_explicit(&old->dists[i].hash, memory_order_relaxed);

        if (hash != 0)
            writer->old_dists[writer->old_dist_count++] =
                (struct inherited){hash, atomic_load_explicit(&old->dists[i].gen, memory_order_relaxed)};
    }
}

static void store_event(struct writer *writer, struct btcf_event_slot *event, uint64_t id);

static void inherit_events(struct writer *writer, struct btcf_reader *old)
{
    uint64_t head = btcf_reader_event_head(old);
    uint64_t first = head >= writer->event_count ? head - writer->event_count + 1 : 1;
    struct btcf_event_slot event;

    if (first + old->event_count <= head)
        first = head - old->event_count + 1;
    writer->ring->first_id = head + 1;
    for (uint64_t id = first; id <= head; id++) {
        if (btcf_reader_event(old, id, &event) != BTCF_READ_OK)
            continue; /* half-written when its writer died, or damaged: a gap that clients see as one */
        if (writer->ring->first_id > id)
            writer->ring->first_id = id;
        store_event(writer, &event, id);
    }
    writer->event_head = head;
    atomic_store_explicit(&writer->ring->head_id, head, memory_order_relaxed);
}

/* A damaged or foreign file is not an error: it only means that there is nothing to go on from. */
static void inherit(struct writer *writer)
{
    struct btcf_reader old = {0};

    writer->ring->first_id = 1;
    if (btcf_reader_open(&old, writer->path) != BTCF_ATTACH_OK)
        return;
    inherit_generations(writer, &old);
    inherit_events(writer, &old);
    writer->epoch = btcf_reader_epoch(&old);
    writer->heartbeat = btcf_reader_heartbeat(&old);
    btcf_reader_close(&old);
}

static uint64_t inherited_gen(const struct inherited *list, uint32_t count, uint64_t hash)
{
    for (uint32_t i = 0; i < count; i++)
        if (list[i].hash == hash)
            return list[i].gen;
    return 0;
}

/* ---- going live and dying ---------------------------------------------------------------------------------------- */

static void retire(struct btcf_file *old)
{
    struct btcf_header *header = (struct btcf_header *)old->base;

    if (old->base == NULL)
        return;
    /* Relaxed: a hint to look for the new file, which the rename before it has already made visible. */
    if (memcmp(header->magic, BTCF_PUB_MAGIC, sizeof(header->magic)) == 0 && header->major == BTCF_ABI_MAJOR)
        atomic_store_explicit(&header->state, BTCF_STATE_RETIRED, memory_order_relaxed);
    btcf_file_close(old);
}

int writer_go_live(struct writer *writer)
{
    static const struct btcf_file_options writable = {.is_writable = true, .forbidden_mode = 0};
    struct btcf_file old = {0};

    assert(!writer->is_live);
    atomic_store_explicit(&writer->header->epoch, ++writer->epoch, memory_order_relaxed);
    atomic_store_explicit(&writer->header->heartbeat, ++writer->heartbeat, memory_order_relaxed);
    /* Everything before is seen by whoever sees LIVE. Partner: the acquire load of state in btcf_header_check. */
    atomic_store_explicit(&writer->header->state, BTCF_STATE_LIVE, memory_order_release);

    if (btcf_file_open(&old, writer->path, &writable) != BTCF_ATTACH_OK)
        old.base = NULL; /* none, or not ours to mark: workers then find the new file by its inode */
    WRITER_AT(BEFORE_RENAME);
    if (rename(writer->tmp_path, writer->path) < 0) {
        btcf_file_close(&old);
        return err_set(E_STORE, "cannot rename %s to %s: %s", writer->tmp_path, writer->path, strerror(errno));
    }
    writer->is_live = true;
    WRITER_AT(AFTER_RENAME);
    retire(&old);
    return 0;
}

void writer_close(struct writer **writer_variable)
{
    struct writer *writer = *writer_variable;
    struct arena *arena;

    *writer_variable = NULL;
    if (writer == NULL)
        return;
    if (writer->file.base != NULL && !writer->is_live)
        (void)unlink(writer->tmp_path);
    btcf_file_close(&writer->file);
    if (writer->lock_fd >= 0)
        close(writer->lock_fd);
    arena = writer->arena;
    arena_free(&arena);
}

/* ---- publishing -------------------------------------------------------------------------------------------------- */

static void advance_epoch(struct writer *writer)
{
    /* Who sees the epoch sees the generation stored before it. Partner: the acquire load in btcf_reader_epoch. */
    atomic_store_explicit(&writer->header->epoch, ++writer->epoch, memory_order_release);
}

/* The slot of the key, or the free slot where it belongs. There is always one: half of the slots stay free. */
static uint32_t find_slot(const struct writer *writer, const char *key, size_t key_len, uint64_t hash)
{
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
    writer->doc_gens[i] =
        inherited_gen(writer->old_docs, writer->old_doc_count, btcf_doc_hash(writer->old_seed, key, key_len));
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
        layout.size += round_up(layout.body[i].len, BTCF_DOC_ALIGN);
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

int writer_publish(struct writer *writer, const struct writer_doc *doc)
{
    size_t key_len = strlen(doc->key);
    struct layout layout = lay_out(doc);

    if (key_len == 0 || key_len > BTCF_DOC_KEY_MAX)
        return err_set(E_LIMIT, "document key of %zu bytes, 1 to %d are allowed", key_len, BTCF_DOC_KEY_MAX);
    if (layout.size > writer->buffer_size)
        return err_set(E_LIMIT, "document %s: its bodies need %llu bytes, there is room for %llu", doc->key,
                       (unsigned long long)layout.size, (unsigned long long)writer->buffer_size);

    uint32_t i = find_slot(writer, doc->key, key_len, btcf_doc_hash(writer->hash_seed, doc->key, key_len));

    if (is_free(writer, i)) {
        if (writer->doc_count == writer->doc_count_max)
            return err_set(E_LIMIT, "document %s: the directory already holds its maximum of %u", doc->key,
                           writer->doc_count_max);
        claim_slot(writer, i, doc->key, doc->doc_class);
    }

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

    if (key_len == 0 || key_len > BTCF_DOC_KEY_MAX ||
        is_free(writer, find_slot(writer, key, key_len, btcf_doc_hash(writer->hash_seed, key, key_len))))
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
    writer->dist_gens[i] =
        inherited_gen(writer->old_dists, writer->old_dist_count, btcf_doc_hash(writer->old_seed, key, key_len));
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
static void store_event(struct writer *writer, struct btcf_event_slot *event, uint64_t id)
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
                                   .data_len = (uint32_t)event->len};

    if (event->len > BTCF_EVENT_DATA_MAX)
        return err_set(E_LIMIT, "event of %zu bytes, %d are allowed", event->len, BTCF_EVENT_DATA_MAX);
    if (event->len > 0)
        memcpy(copy.data, event->data, event->len);
    copy.crc = btcf_event_crc(&copy);
    store_event(writer, &copy, next);
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
