/* Any bytes as pub: attach, and call every function of the reader, whatever the attach said.
 *
 * Input: one flag byte, then the file. Flag bit 0 makes the checksums right again before the file is attached, because
 * random bytes would otherwise never get past them: the header's, that of every meta and every curve whose place can be
 * found. Bit 1 sets the identity fields (magic, byte order, ABI, layout, state) to good values. Bit 2 lets a new writer
 * take the file over, whatever it is: each entry that it takes must be sound afterwards. The mutator below spends its
 * effort on whole 4- and 8-byte fields set to values at the edge, in the header, directory and ring.
 *
 * The file lies in memory of exactly its size, so that one byte read beyond it ends the run. The corpus begins with
 * files that the real writer has just made: they are put into the first corpus directory of the command line, so that
 * no binary seed needs to be kept and none can grow old.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gate_fixture.h"
#include "shm/crc32c.h"
#include "shm/dist.h"
#include "shm/file.h"
#include "shm/reader.h"

#define FLAG_SEAL 1u
#define FLAG_IDENTITY 2u
#define FLAG_TAKE_OVER 4u
#define FLAGS_ALL (FLAG_SEAL | FLAG_IDENTITY | FLAG_TAKE_OVER)
#define ENTRIES_TRIED_MAX 64
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

static void fill_gate(struct writer *writer)
{
    const struct btcf_networks networks = gate_networks(1);
    const struct btcf_key key = gate_key(1);

    for (uint32_t n = 0; n < 3; n++) {
        gate_put_account(writer, n);
        gate_put_key(writer, n);
        gate_put_plan(writer, (uint16_t)n);
        gate_must(writer_revoke_session(writer, gate_session(n).bytes, 100 + n));
    }
    gate_must(writer_put_key(writer, gate_digest(1).bytes, &key, &networks));
    gate_must(writer_disable_key(writer, gate_digest(2).bytes));
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
                                           .mode = 0640,
                                           .auth = {8, 4, 4, 2}};

    if (writer_create(&writer, &options) < 0)
        abort();
    fill_gate(writer);
    fill(writer);
    writer_close(&writer);

    unsigned char *file = shm_load(fixture.pub, &size);
    unsigned char *seed = malloc(size + 1);

    memcpy(seed + 1, file, size);
    for (unsigned flags = 0; flags <= FLAGS_ALL; flags++) {
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

static void *writable(unsigned char *bytes, const void *place)
{
    return bytes + ((const unsigned char *)place - bytes);
}

static void seal_gate(unsigned char *bytes, const struct btcf_reader *reader)
{
    struct btcf_auth auth;

    if (!btcf_auth_attach(&auth, reader))
        return;
    for (uint32_t i = 0; i < auth.key_count && i < ENTRIES_TRIED_MAX; i++) {
        struct btcf_key_entry *entry = writable(bytes, &auth.keys[i]);

        entry->crc = btcf_key_crc(entry);
        if (entry->state != 0)
            entry->state = btcf_auth_seal(entry->state & ~UINT64_C(0xff));
    }
    for (uint32_t i = 0; i < auth.account_count && i < ENTRIES_TRIED_MAX; i++) {
        struct btcf_account_entry *entry = writable(bytes, &auth.accounts[i]);

        entry->crc = btcf_account_crc(entry);
        if (entry->state != 0)
            entry->state = btcf_auth_seal(entry->state & ~UINT64_C(0xff));
    }
    for (uint32_t i = 0; i < auth.plan_count && i < ENTRIES_TRIED_MAX; i++) {
        struct btcf_plan_slot *slot = writable(bytes, &auth.plans[i]);

        slot->plan[slot->gen & 1].crc = btcf_plan_crc(&slot->plan[slot->gen & 1]);
    }
    for (uint32_t i = 0; i < auth.network_count && i < ENTRIES_TRIED_MAX; i++) {
        struct btcf_network_slot *slot = writable(bytes, &auth.networks[i]);

        slot->networks[slot->gen & 1].crc = btcf_networks_crc(&slot->networks[slot->gen & 1]);
    }
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
    seal_gate(bytes, &reader);
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

static void read_gate(const struct btcf_reader *reader)
{
    uint8_t bytes[BTCF_DIGEST_SIZE] = {0};
    struct btcf_account account;
    struct btcf_auth auth;
    struct btcf_plan plan;
    struct btcf_key key;

    (void)btcf_auth_attach(&auth, reader);
    for (uint32_t i = 0; i < ENTRIES_TRIED_MAX; i++) {
        uint32_t number = i % 8 == 7 ? 0 - i : i;

        if (btcf_auth_key_at(&auth, number, bytes, &key) == BTCF_READ_OK)
            (void)btcf_auth_network_allows(&auth, key.networks, bytes);
        else if (number < auth.key_count)
            memcpy(bytes, auth.keys[number].digest, sizeof(bytes));
        if (btcf_auth_key(&auth, bytes, &key) == BTCF_READ_OK)
            (void)!btcf_auth_account(&auth, key.account, &account);
        if (btcf_auth_account(&auth, number, &account) == BTCF_READ_OK)
            (void)!btcf_auth_account_find(&auth, account.id, &account);
        if (btcf_auth_plan(&auth, number, &plan) == BTCF_READ_OK &&
            (strlen(plan.name) == 0 || strlen(plan.name) >= BTCF_PLAN_NAME_MAX))
            abort(); /* a name that was accepted and does not end */
        (void)btcf_auth_network_allows(&auth, number, bytes);
        (void)btcf_auth_is_revoked(&auth, gate_session(i).bytes);
    }
    (void)!btcf_auth_plan_find(&auth, "plan1", 5, &plan);
    (void)btcf_auth_changes(&auth);
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

/* What the new writer took over must be such that its own readers, and the writer after it, find nothing wrong. */
static void check_taken(struct writer *writer, const char *path)
{
    uint32_t taken = writer_auth_load(writer).keys;
    uint8_t digest[BTCF_DIGEST_SIZE];
    struct btcf_reader reader = {0};
    struct btcf_auth auth;
    struct btcf_key key;

    gate_must(writer_go_live(writer));
    if (btcf_reader_open(&reader, path) != BTCF_ATTACH_OK || !btcf_auth_attach(&auth, &reader))
        abort();
    for (uint32_t i = 0; i < taken; i++)
        if (btcf_auth_key_at(&auth, i, digest, &key) != BTCF_READ_OK ||
            btcf_auth_key(&auth, digest, &key) != BTCF_READ_OK || (key.flags & BTCF_KEY_ENABLED) == 0)
            abort();
    if (writer_auth_refusal(writer) != NULL && (taken > 0 || writer_auth_position(writer) != 0))
        abort(); /* refused, and taken all the same */
    btcf_reader_close(&reader);
}

static void take_over(const unsigned char *bytes, size_t size)
{
    static struct shm_fixture fixture;
    struct writer *writer;

    shm_fixture_init(&fixture);
    shm_save(fixture.pub, bytes, size);

    struct writer_options options = shm_options(&fixture);

    options.auth = (struct writer_auth_options){64, 64, 256, 64};
    gate_must(writer_create(&writer, &options));
    check_taken(writer, fixture.pub);
    writer_close(&writer);
    shm_fixture_release(&fixture);
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
        read_gate(&reader);
    }
    btcf_reader_close(&reader);
    (void)btcf_attach_text(btcf_reader_inspect(&reader, bytes, file_size));
    if (reader.base != NULL) {
        read_documents(&reader);
        read_rest(&reader);
        read_gate(&reader);
    }
    btcf_reader_close(&reader);
    if ((flags & FLAG_TAKE_OVER) != 0)
        take_over(bytes, file_size);
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
