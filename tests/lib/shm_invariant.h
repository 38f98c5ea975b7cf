/* Documents whose every byte follows from (document, generation, body): what a torn read must break.
 *
 * Includes the writer's sources instead of linking them, so that a test can define WRITER_AT to know where a writer is
 * when it is killed, and can ask which generation comes next. The code is the one that production runs.
 */
#ifndef TESTS_LIB_SHM_INVARIANT_H
#define TESTS_LIB_SHM_INVARIANT_H

#include "../../engine/shm/birth.c"
#include "../../engine/shm/writer.c"

#include <inttypes.h>
#include <stdlib.h>

#define INV_DOC_COUNT 4
#define INV_BODY_MAX 960
#define INV_KEY_SIZE 16
#define INV_LEVELS 25

static inline uint64_t inv_mix(uint64_t x)
{
    x = (x ^ x >> 31) * UINT64_C(0x9e3779b97f4a7c15);
    return x ^ x >> 29;
}

static inline uint64_t inv_base(uint32_t doc, uint64_t gen, unsigned body)
{
    return inv_mix(gen * BTCF_BODY_COUNT + body) + doc;
}

/* 64 to 959, so that versions differ in length and seldom end on a word. */
static inline size_t inv_len(uint32_t doc, uint64_t gen, unsigned body)
{
    return 64 + inv_base(doc, gen, body) % (INV_BODY_MAX - 64);
}

static inline size_t inv_fill(unsigned char *buf, uint32_t doc, uint64_t gen, unsigned body)
{
    uint64_t base = inv_base(doc, gen, body);
    size_t len = inv_len(doc, gen, body);

    for (size_t i = 0; i < len; i += 8) {
        uint64_t word = inv_mix(base + i);

        memcpy(buf + i, &word, len - i < 8 ? len - i : 8);
    }
    return len;
}

static inline bool inv_is_whole(const unsigned char *buf, size_t len, uint32_t doc, uint64_t gen, unsigned body)
{
    uint64_t base = inv_base(doc, gen, body);

    if (len != inv_len(doc, gen, body))
        return false;
    for (size_t i = 0; i < len; i += 8) {
        uint64_t word = inv_mix(base + i);

        if (memcmp(buf + i, &word, len - i < 8 ? len - i : 8) != 0)
            return false;
    }
    return true;
}

static inline void inv_key(char key[INV_KEY_SIZE], uint32_t doc)
{
    snprintf(key, INV_KEY_SIZE, "/d/%u", doc);
}

/* The generation that the next publication of this key will have. */
static inline uint64_t inv_next_gen(struct writer *writer, const char *key)
{
    uint32_t slot = find_slot(writer, key, strlen(key));

    return (is_free(writer, slot) ? writer->gen_floor : writer->doc_gens[slot]) + 1;
}

static inline void inv_publish(struct writer *writer, uint32_t doc)
{
    static _Thread_local unsigned char bytes[BTCF_BODY_COUNT][INV_BODY_MAX];
    struct writer_body bodies[BTCF_BODY_COUNT];
    char key[INV_KEY_SIZE];

    inv_key(key, doc);

    uint64_t gen = inv_next_gen(writer, key);

    for (unsigned body = 0; body < BTCF_BODY_COUNT; body++)
        bodies[body] = (struct writer_body){bytes[body], inv_fill(bytes[body], doc, gen, body)};

    const struct writer_doc version = {.key = key,
                                       .doc_class = BTCF_DOC_FORECAST,
                                       .published_ms = (int64_t)gen,
                                       .fresh = bodies[0],
                                       .stale = bodies[BTCF_BODY_STALE],
                                       .fresh_gz = bodies[BTCF_BODY_GZIP],
                                       .stale_gz = bodies[BTCF_BODY_STALE | BTCF_BODY_GZIP],
                                       .etag_fresh = inv_mix(gen),
                                       .etag_stale = inv_mix(gen) + 1};

    if (writer_publish(writer, &version) < 0) {
        fprintf(stderr, "%s\n", err_text());
        exit(1);
    }
}

static inline bool inv_is_meta_whole(const struct btcf_doc_meta *meta)
{
    return meta->published_ms == (int64_t)meta->gen && meta->variant[0].etag == inv_mix(meta->gen) &&
           meta->variant[1].etag == inv_mix(meta->gen) + 1;
}

/* A curve all of whose numbers are one number that changes with each publication. */
static inline void inv_publish_dist(struct writer *writer, uint64_t number)
{
    struct btcf_dist_curve curve = {.level_count = INV_LEVELS, .origin_price = number};

    for (int i = 0; i < INV_LEVELS; i++)
        curve.level[i] = curve.value[i] = number;
    if (writer_publish_dist(writer, "/d/0", &curve) < 0) {
        fprintf(stderr, "%s\n", err_text());
        exit(1);
    }
}

static inline bool inv_is_curve_whole(const struct btcf_dist_curve *curve)
{
    for (int i = 0; i < INV_LEVELS; i++)
        if (curve->level[i] != curve->origin_price || curve->value[i] != curve->origin_price)
            return false;
    return true;
}

/* An event whose bytes follow from its id. */
static inline void inv_publish_event(struct writer *writer)
{
    unsigned char data[INV_BODY_MAX];
    uint64_t id = writer->event_head + 1;
    const struct writer_event event = {.type = BTCF_EVENT_PRICE,
                                       .wall_ms = (int64_t)id,
                                       .data = (const char *)data,
                                       .len = inv_fill(data, INV_DOC_COUNT, id, 0)};

    if (writer_event(writer, &event, NULL) < 0) {
        fprintf(stderr, "%s\n", err_text());
        exit(1);
    }
}

static inline bool inv_is_event_whole(const struct btcf_event_slot *event, uint64_t id)
{
    return event->id == id && event->wall_ms == (int64_t)id &&
           inv_is_whole((const unsigned char *)event->data, event->data_len, INV_DOC_COUNT, id, 0);
}

static inline struct writer_options inv_options(const char *dir)
{
    return (struct writer_options){.dir = dir,
                                   .build = "invariant",
                                   .doc_count_max = INV_DOC_COUNT,
                                   .doc_bytes_max = BTCF_BODY_COUNT * INV_BODY_MAX,
                                   .event_count = 16,
                                   .dist_count_max = 1,
                                   .mode = 0640,
                                   .auth = {.keys = 1024, .accounts = 16, .revoked = 128, .networks = 256}};
}

#endif
