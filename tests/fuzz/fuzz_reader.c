/* Any bytes as pub: attach, and call every function of the reader, whatever the attach said.
 *
 * Input: one flag byte, then the file. Flag bit 0 makes the checksums right again before the file is attached, because
 * random bytes would otherwise never get past them: the header's, that of every meta and every curve whose place can be
 * found. Bit 1 sets the identity fields (magic, byte order, ABI, layout, state) to good values. The mutator below spends
 * its effort on whole 4- and 8-byte fields set to values at the edge, in the header, directory and ring.
 *
 * The file lies in memory of exactly its size, so that one byte read beyond it ends the run. The corpus begins with
 * files that the real writer has just made: they are put into the first corpus directory of the command line, so that
 * no binary seed needs to be kept and none can grow old.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "shm/crc32c.h"
#include "shm/dist.h"
#include "shm/file.h"
#include "shm/reader.h"
#include "shm_fixture.h"

#define FLAG_SEAL 1u
#define FLAG_IDENTITY 2u
#define BODY_COPY_MAX ((size_t)1 << 20)
#define EVENTS_TRIED_MAX 64
#define SLOTS_TRIED_MAX 256

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

/* ---- seeds ------------------------------------------------------------------------------------------------------- */

static void fill(struct writer *writer)
{
    struct writer_doc doc = shm_doc("/v1/forecasts/1d", "{\"stale\":false}", "{\"stale\":true}");
    struct btcf_dist_curve curve = {.level_count = 25, .horizon_s = 86400};
    struct writer_event event = {BTCF_EVENT_PRICE, 1, 2, "{\"price\":1}", 11, 0};
    int failed = 0;

    doc.fresh_gz = doc.stale_gz = shm_text("zipped");
    for (int i = 0; i < 25; i++) {
        curve.level[i] = btcf_dist_bits((i + 1) / 26.0);
        curve.value[i] = btcf_dist_bits(60000.0 + 100.0 * i);
    }
    for (int i = 0; i < 3; i++) {
        failed |= writer_publish(writer, &doc) | writer_publish_dist(writer, doc.key, &curve);
        failed |= writer_event(writer, &event, NULL);
    }
    doc.key = "/v1/price";
    doc.stale.len = doc.stale_gz.len = 0;
    if ((failed | writer_publish(writer, &doc) | writer_go_live(writer)) != 0)
        abort();
}

static void make_seeds(const char *dir)
{
    struct shm_fixture fixture;
    struct writer *writer;
    char path[4096];
    size_t size;

    shm_fixture_init(&fixture);

    const struct writer_options options = {.dir = fixture.dir,
                                           .build = "seed",
                                           .doc_count_max = 2,
                                           .doc_bytes_max = 128,
                                           .event_count = 2,
                                           .dist_count_max = 1,
                                           .mode = 0640};

    if (writer_create(&writer, &options) < 0)
        abort();
    fill(writer);
    writer_close(&writer);

    unsigned char *file = shm_load(fixture.pub, &size);
    unsigned char *seed = malloc(size + 1);

    memcpy(seed + 1, file, size);
    for (unsigned flags = 0; flags <= (FLAG_SEAL | FLAG_IDENTITY); flags++) {
        seed[0] = (unsigned char)flags;
        snprintf(path, sizeof(path), "%s/seed-%u", dir, flags);
        shm_save(path, seed, size + 1);
    }
    free(seed);
    free(file);
    shm_fixture_release(&fixture);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct stat st;

    for (int i = 1; i < *argc; i++) {
        const char *word = (*argv)[i];

        if (word[0] == '-' || stat(word, &st) < 0 || !S_ISDIR(st.st_mode))
            continue;
        make_seeds(word);
        break;
    }
    return 0;
}

/* ---- one input --------------------------------------------------------------------------------------------------- */

static void set_identity(struct btcf_header *header, size_t size)
{
    memcpy(header->magic, BTCF_PUB_MAGIC, sizeof(header->magic));
    header->byte_order = BTCF_BYTE_ORDER;
    header->major = BTCF_ABI_MAJOR;
    header->layout_hash = BTCF_LAYOUT_HASH;
    header->state = BTCF_STATE_LIVE;
    if (header->total_size > size)
        header->total_size = size;
}

/* Makes checksums right, and hashes of keys, so that the checks behind them are reached. */
static void seal(unsigned char *bytes, size_t size)
{
    struct btcf_header *header = (struct btcf_header *)bytes;
    struct btcf_reader reader;

    if (btcf_reader_inspect(&reader, bytes, size) == BTCF_ATTACH_TOO_SHORT || reader.base == NULL)
        return;
    for (uint32_t i = 0; i < reader.slot_count && i < SLOTS_TRIED_MAX; i++) {
        struct btcf_doc_slot *slot =
            (struct btcf_doc_slot *)(bytes + ((const unsigned char *)&reader.slots[i] - bytes));
        struct btcf_doc_meta *meta = &slot->meta[slot->gen & 1];

        if (slot->hash != 0 && slot->key_len <= BTCF_DOC_KEY_MAX)
            slot->hash = btcf_doc_hash(reader.hash_seed, slot->key, slot->key_len);
        meta->gen = slot->gen;
        meta->crc = btcf_crc32c(0, meta, offsetof(struct btcf_doc_meta, crc));
    }
    for (uint32_t i = 0; i < reader.dist_count && i < SLOTS_TRIED_MAX; i++) {
        struct btcf_dist_slot *slot =
            (struct btcf_dist_slot *)(bytes + ((const unsigned char *)&reader.dists[i] - bytes));
        struct btcf_dist_curve *curve = &slot->curve[slot->gen & 1];

        curve->gen = slot->gen;
        curve->crc = 0;
        curve->crc = btcf_crc32c(0, curve, sizeof(*curve));
    }
    if (header->header_size >= offsetof(struct btcf_header, sections) && header->header_size <= size &&
        (header->header_size - offsetof(struct btcf_header, sections)) % sizeof(struct btcf_section) == 0)
        header->crc = btcf_header_crc(bytes, header->header_size);
}

static void read_bodies(struct btcf_reader *reader, uint32_t slot, const struct btcf_doc_meta *meta)
{
    for (unsigned body = 0; body < BTCF_BODY_COUNT; body++) {
        size_t len = btcf_body_len(meta, body);
        unsigned char *buf;

        if (len > BODY_COPY_MAX)
            continue;
        buf = malloc(len + 1);
        if (buf != NULL && btcf_reader_body(reader, slot, meta, body, buf) == BTCF_READ_OK &&
            btcf_crc32c(0, buf, len) == 0x12345678)
            abort(); /* never: keeps the copy from being optimised away */
        free(buf);
    }
}

static void read_documents(struct btcf_reader *reader)
{
    for (uint32_t i = 0; i < reader->slot_count && i < SLOTS_TRIED_MAX; i++) {
        struct btcf_doc_meta meta;

        /* A body may be asked for with meta data that no check has passed: also a mutated file's own, unchecked. */
        if (btcf_reader_meta(reader, i, &meta) != BTCF_READ_OK)
            memcpy(&meta, &reader->slots[i].meta[reader->slots[i].gen & 1], sizeof(meta));
        read_bodies(reader, i, &meta);
        (void)btcf_reader_find(reader, reader->slots[i].key, reader->slots[i].key_len % (BTCF_DOC_KEY_MAX + 2));
        (void)btcf_reader_gen(reader, i);
    }
}

static void read_rest(struct btcf_reader *reader)
{
    uint64_t head = btcf_reader_event_head(reader);
    struct btcf_dist_curve curve;
    struct btcf_event_slot event;
    struct btcf_dist dist;

    for (uint64_t i = 0; i < EVENTS_TRIED_MAX; i++) {
        (void)!btcf_reader_event(reader, head - i, &event);
        (void)!btcf_reader_event(reader, i, &event);
    }
    for (uint32_t i = 0; i <= reader->dist_count && i < SLOTS_TRIED_MAX; i++) {
        if (btcf_reader_dist_at(reader, i, &curve) != BTCF_READ_OK || !btcf_dist_init(&dist, &curve))
            continue;
        for (double p = 0.001; p < 1; p += 0.0831) {
            double price = btcf_dist_quantile(&dist, p);
            double back = btcf_dist_below(&dist, price);

            if (!(back >= 0 && back <= 1))
                abort(); /* a probability of a curve that was accepted */
        }
    }
    (void)!btcf_reader_dist(reader, "/v1/forecasts/1d", 16, &curve);
    (void)btcf_reader_find(reader, "/v1/forecasts/1d", 16);
    (void)btcf_reader_heartbeat(reader);
    (void)btcf_reader_epoch(reader);
    (void)btcf_reader_health(reader);
    (void)btcf_reader_is_retired(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;

    unsigned flags = data[0];
    size_t file_size = size - 1;
    unsigned char *bytes = malloc(file_size);

    if (bytes == NULL)
        return 0;
    memcpy(bytes, data + 1, file_size);
    if (file_size >= sizeof(struct btcf_header)) {
        if ((flags & FLAG_IDENTITY) != 0)
            set_identity((struct btcf_header *)bytes, file_size);
        if ((flags & FLAG_SEAL) != 0)
            seal(bytes, file_size);
    }

    struct btcf_reader reader = {0};

    if (btcf_reader_attach(&reader, bytes, file_size) == BTCF_ATTACH_OK) {
        read_documents(&reader);
        read_rest(&reader);
    }
    btcf_reader_close(&reader);
    (void)btcf_attach_text(btcf_reader_inspect(&reader, bytes, file_size));
    if (reader.base != NULL) {
        read_documents(&reader);
        read_rest(&reader);
    }
    btcf_reader_close(&reader);
    free(bytes);
    return 0;
}

/* Sets one field of a width and at a place that mean something to a value at the edge; else lets libFuzzer do it. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
    static const uint64_t edges[] = {0,
                                     1,
                                     2,
                                     3,
                                     63,
                                     64,
                                     65,
                                     255,
                                     256,
                                     4095,
                                     4096,
                                     0x7fffffff,
                                     0x80000000,
                                     0xffffffff,
                                     0xffc0,
                                     0xffffffc0,
                                     UINT64_MAX,
                                     INT64_MAX,
                                     0x7ff0000000000000};
    uint64_t value = edges[seed % BTCF_LENGTH(edges)];
    size_t width = (seed >> 8) % 2 == 0 ? 4 : 8;
    size_t begin = 1, reach = size - 1; /* behind the flags */

    if (size < sizeof(struct btcf_header) + 64 || (seed >> 9) % 2 == 0)
        return LLVMFuzzerMutate(data, size, max_size);
    if ((seed >> 10) % 2 == 0)
        reach = sizeof(struct btcf_header); /* half of the time in the header */
    begin += (seed >> 11) * width % (reach - width + 1) / width * width;
    if ((seed >> 10) % 8 == 7)
        value = size - value % size; /* near the end of the file */
    memcpy(data + begin, &value, width);
    return size;
}
