/* Every byte that processes share, and nothing else: no functions, fixed-width types, a static assert per struct.
 *
 * Two files in a tmpfs directory, each with one kind of writer:
 *
 *   pub.v1    written by the engine role publish only, mapped read-only by nginx workers: documents, published
 *             distributions, the event ring.
 *   edge.v1   created by the nginx master, written by workers, mapped read-only by the engine: metric blocks, and
 *             later limits and usage.
 *
 * The ABI major is in the file name. The header carries a minor: readers accept every minor and ignore sections that
 * they do not know. Appending to reserved bytes or adding a section raises the minor; anything else raises the major
 * and gets a new file name. All integers are little-endian; all references are offsets from the start of the file.
 * docs/SHM.md explains the protocol to a reader and proves it; btcf_seq.h is the protocol in code.
 */
#ifndef BTCF_SHM_ABI_H
#define BTCF_SHM_ABI_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "btcf's shared files are little-endian; this machine is not"
#endif
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "64-bit atomics must be lock-free: they are shared between processes");

#define BTCF_PUB_FILE "pub.v1"
#define BTCF_EDGE_FILE "edge.v1"
#define BTCF_PUB_MAGIC "BTCF-PUB"
#define BTCF_EDGE_MAGIC "BTCF-EDG"
#define BTCF_BYTE_ORDER UINT32_C(0x01020304)
#define BTCF_ABI_MAJOR 1
#define BTCF_ABI_MINOR 0

#define BTCF_SECTIONS_MAX 32
#define BTCF_SECTION_ALIGN 64
#define BTCF_SECTION_VERSION 1
#define BTCF_HEADER_SIZE_MAX (UINT32_C(1) << 16) /* of any later minor */
#define BTCF_FILE_SIZE_MAX (UINT64_C(1) << 34)

enum btcf_state { BTCF_STATE_BUILDING = 0, BTCF_STATE_LIVE = 1, BTCF_STATE_RETIRED = 2 };

/* Section kinds; a kind keeps its number for ever. */
enum btcf_section_kind {
    BTCF_SECTION_DOC = 1,     /* pub: directory of documents, open addressing */
    BTCF_SECTION_BODY = 2,    /* pub: the bytes of documents, two buffers for each */
    BTCF_SECTION_DIST = 3,    /* pub: published quantile curves as numbers */
    BTCF_SECTION_EVENT = 4,   /* pub: event ring */
    BTCF_SECTION_AUTH = 5,    /* pub: reserved for the gate */
    BTCF_SECTION_METRIC = 16, /* edge: one block of counters per process slot */
    BTCF_SECTION_ROW = 17,    /* edge: reserved for limits and usage */
    BTCF_SECTION_ADDR = 18,   /* edge: reserved for the address limiter */
};

/* Offsets and sizes are multiples of BTCF_SECTION_ALIGN; sections do not overlap. */
struct btcf_section {
    uint32_t kind, version; /* a reader ignores a section whose version it does not know */
    uint64_t offset, size;
    uint32_t stride, count; /* of the entries; EVENT: a struct btcf_event_ring stands before them */
};
_Static_assert(sizeof(struct btcf_section) == 32, "section");

struct btcf_header {
    char magic[8];
    uint32_t byte_order;
    uint16_t major, minor;
    uint32_t header_size; /* of this struct; a later minor may have room for more sections */
    uint32_t section_count;
    uint64_t total_size;  /* must not exceed the file's size */
    uint8_t instance[16]; /* random per file; its first eight bytes seed the hashes of document keys */
    int64_t created_unix_ms;
    uint64_t layout_hash; /* BTCF_LAYOUT_HASH of the major's .0 */
    /* 64: what changes while the file lives, on a cache line of its own */
    _Atomic uint32_t state; /* enum btcf_state; LIVE is stored last at birth, with release */
    uint32_t reserved0;
    _Atomic uint64_t heartbeat; /* +1 a second by the writer: a counter, so that no two clocks are compared */
    _Atomic uint64_t epoch;     /* +1 on every publication: one load answers "anything new?" */
    _Atomic uint64_t health;    /* BTCF_HEALTH_ bits */
    uint8_t boot_id[16];        /* /proc/sys/kernel/random/boot_id: times of another boot mean nothing */
    uint64_t publisher_fence;   /* fencing number of the lease under which the writer runs; 0 when none */
    uint32_t crc;               /* CRC-32C of what never changes: bytes 0..63 and 96..header_size, crc itself as 0 */
    uint32_t reserved1;
    char build[64];
    uint64_t gen_floor; /* no generation in an earlier file is above it; every one in this file is */
    uint8_t reserved2[56];
    struct btcf_section sections[BTCF_SECTIONS_MAX];
};
_Static_assert(offsetof(struct btcf_header, state) == 64, "header: own cache line");
_Static_assert(offsetof(struct btcf_header, build) == 128, "header: build");
_Static_assert(offsetof(struct btcf_header, sections) == 256, "header: sections");
_Static_assert(sizeof(struct btcf_header) == 256 + 32 * BTCF_SECTIONS_MAX, "header");

#define BTCF_HEALTH_DEGRADED UINT64_C(1)     /* bodies say degraded */
#define BTCF_HEALTH_STALE_MARKET UINT64_C(2) /* no new candle for longer than allowed */
#define BTCF_HEALTH_MAINTENANCE UINT64_C(4)

/* ---- documents -------------------------------------------------------------------------------------------------- */

#define BTCF_DOC_KEY_MAX 104
#define BTCF_DOC_ALIGN 64

/* What a document is for; workers may treat classes differently (metrics labels, required scope later). */
enum btcf_doc_class {
    BTCF_DOC_FORECAST = 1, /* expires: after expires_at only 503 forecast-expired */
    BTCF_DOC_MARKET = 2,
    BTCF_DOC_STATUS = 3,
    BTCF_DOC_STATIC = 4,   /* openapi, docs, jwks */
    BTCF_DOC_INTERNAL = 5, /* never served by its path (engine metrics) */
};

enum btcf_doc_type { BTCF_TYPE_JSON = 0, BTCF_TYPE_HTML = 1, BTCF_TYPE_TEXT = 2, BTCF_TYPE_PROBLEM = 3 };

#define BTCF_VARIANT_FRESH 0
#define BTCF_VARIANT_STALE 1 /* the same document saying "stale": true, for when stale_at_ms has passed */

/* One variant: an identity body and its gzip form. Offsets count from the start of section BODY and are multiples of
 * BTCF_DOC_ALIGN; where in BODY a version lies is the writer's business alone. gz_len 0: there is no gzip form (not
 * smaller, or not wanted). */
struct btcf_doc_variant {
    uint32_t body_off, body_len;
    uint32_t gz_off, gz_len;
    uint32_t body_crc, gz_crc; /* CRC-32C */
    uint64_t etag;             /* of the identity body; the gzip form's tag is this one with a suffix */
};
_Static_assert(sizeof(struct btcf_doc_variant) == 32, "doc variant");

struct btcf_doc_meta {
    uint64_t gen;                                     /* equals the slot's gen while this meta is the current one */
    int64_t published_ms, stale_at_ms, expires_at_ms; /* wall clock; 0 in the last two: never */
    int64_t modified_s;                               /* Last-Modified */
    uint32_t type;                                    /* enum btcf_doc_type */
    uint32_t flags;                                   /* BTCF_DOC_ flags */
    struct btcf_doc_variant variant[2];
    uint32_t cost_units; /* what a 200 costs, for limits and metering */
    uint32_t crc;        /* CRC-32C of the 116 bytes before it */
};
_Static_assert(offsetof(struct btcf_doc_meta, crc) == 116, "doc meta: crc is last");
_Static_assert(sizeof(struct btcf_doc_meta) == 120, "doc meta");

#define BTCF_DOC_RETIRED UINT32_C(1)    /* the document is gone: answer 404 */
#define BTCF_DOC_SAME_STALE UINT32_C(2) /* both variants are the same bytes */

/* A slot is claimed once while the file lives and never given up. */
struct btcf_doc_slot {
    _Atomic uint64_t hash; /* of the key, seeded; 0 = free; stored last, release */
    _Atomic uint64_t gen;  /* 0 = never published; else buffer gen & 1 holds the current version; release */
    uint16_t key_len, doc_class;
    uint32_t reserved;
    char key[BTCF_DOC_KEY_MAX]; /* the canonical path, not NUL-terminated */
    struct btcf_doc_meta meta[2];
    uint8_t reserved1[16];
};
_Static_assert(offsetof(struct btcf_doc_slot, key) == 24, "doc slot: key");
_Static_assert(offsetof(struct btcf_doc_slot, meta) == 128, "doc slot: meta");
_Static_assert(sizeof(struct btcf_doc_slot) == 384, "doc slot");

/* ---- published distributions ------------------------------------------------------------------------------------ */

#define BTCF_DIST_LEVELS_MAX 32

/* Quantiles of the price at target for one horizon. Doubles are stored as their bits. Tails beyond the outermost
 * levels: see shm/dist.h. */
struct btcf_dist_curve {
    uint64_t gen;
    int64_t issued_at_ms, target_at_ms; /* market time */
    int64_t stale_at_ms, expires_at_ms; /* wall time */
    uint64_t origin_price;
    uint32_t horizon_s, level_count;
    uint32_t flags, crc; /* CRC-32C of this struct with crc 0 */
    uint64_t level[BTCF_DIST_LEVELS_MAX];
    uint64_t value[BTCF_DIST_LEVELS_MAX];
};
_Static_assert(sizeof(struct btcf_dist_curve) == 64 + 16 * BTCF_DIST_LEVELS_MAX, "dist curve");

struct btcf_dist_slot {
    _Atomic uint64_t hash; /* of the forecast's document key; 0 = free */
    _Atomic uint64_t gen;
    uint8_t reserved[48];
    struct btcf_dist_curve curve[2];
};
_Static_assert(sizeof(struct btcf_dist_slot) == 64 + 2 * 576, "dist slot");

/* ---- event ring -------------------------------------------------------------------------------------------------- */

#define BTCF_EVENT_DATA_MAX 976

enum btcf_event_type { BTCF_EVENT_PRICE = 1, BTCF_EVENT_CANDLE = 2, BTCF_EVENT_FORECAST = 3, BTCF_EVENT_STATUS = 4 };

/* The event with id n lies in slot n % count. Ids start at 1 and go on across files. */
struct btcf_event_ring {
    _Atomic uint64_t head_id; /* newest complete event; 0 = none; release */
    uint64_t first_id;        /* oldest id that this file ever held */
    uint8_t reserved[48];
};
_Static_assert(sizeof(struct btcf_event_ring) == 64, "event ring");

struct btcf_event_slot {
    _Atomic uint64_t id; /* 0 while being rewritten; the id, release, when complete */
    int64_t wall_ms;
    int64_t market_ms;
    uint32_t type, data_len;
    uint32_t crc; /* CRC-32C of the first 48 bytes with this field 0, and of data_len bytes of data */
    uint32_t reserved[3];
    char data[BTCF_EVENT_DATA_MAX];
};
_Static_assert(sizeof(struct btcf_event_slot) == 1024, "event slot");

/* ---- edge: metric blocks ------------------------------------------------------------------------------------------ */

#define BTCF_METRIC_BLOCKS 64
#define BTCF_METRIC_ROUTES 8    /* enum btcf_route */
#define BTCF_METRIC_STATUSES 24 /* see shm/edge.h: index of a status code */
#define BTCF_METRIC_BUCKETS 20  /* latency, bounds in shm/edge.h */

enum btcf_route {
    BTCF_ROUTE_FORECAST = 0,
    BTCF_ROUTE_MARKET,
    BTCF_ROUTE_STATUS,
    BTCF_ROUTE_STATIC,
    BTCF_ROUTE_HEALTH,
    BTCF_ROUTE_METRICS,
    BTCF_ROUTE_CONTROL,
    BTCF_ROUTE_OTHER,
};

/* One block per nginx process slot (never per worker number: a draining and a new worker share that).
 * Counters only grow and are never reset. */
struct btcf_metric_block {
    _Atomic uint64_t requests[BTCF_METRIC_ROUTES][BTCF_METRIC_STATUSES];
    _Atomic uint64_t latency[BTCF_METRIC_ROUTES][BTCF_METRIC_BUCKETS];
    _Atomic uint64_t latency_sum_us[BTCF_METRIC_ROUTES];
    _Atomic uint64_t bytes_sent[BTCF_METRIC_ROUTES];
    _Atomic uint64_t doc_fresh, doc_stale, doc_expired, doc_absent; /* outcome of look-ups */
    _Atomic uint64_t copies, copy_retries, copy_busy, copy_corrupt; /* reads of pub */
    _Atomic uint64_t remaps, remap_refused;
    uint64_t reserved[134];
};
_Static_assert(sizeof(struct btcf_metric_block) == 4096, "metric block");

/* A mix (the step of FNV-1a) of the size of every struct above and of where its parts lie, at compile time on both
 * sides: two builds that disagree about one byte refuse each other's files. It covers the major's .0 only. */
#define BTCF_MIX(hash, x) (((hash) ^ (uint64_t)(x)) * UINT64_C(1099511628211))
#define BTCF_MIX_FIELD(hash, type, field) BTCF_MIX(BTCF_MIX(hash, sizeof(struct type)), offsetof(struct type, field))
#define BTCF_LAYOUT_1 BTCF_MIX_FIELD(UINT64_C(14695981039346656037), btcf_header, state)
#define BTCF_LAYOUT_2 BTCF_MIX_FIELD(BTCF_LAYOUT_1, btcf_header, sections)
#define BTCF_LAYOUT_3 BTCF_MIX_FIELD(BTCF_LAYOUT_2, btcf_section, stride)
#define BTCF_LAYOUT_4 BTCF_MIX_FIELD(BTCF_LAYOUT_3, btcf_doc_slot, key)
#define BTCF_LAYOUT_5 BTCF_MIX_FIELD(BTCF_LAYOUT_4, btcf_doc_slot, meta)
#define BTCF_LAYOUT_6 BTCF_MIX_FIELD(BTCF_LAYOUT_5, btcf_doc_meta, variant)
#define BTCF_LAYOUT_7 BTCF_MIX_FIELD(BTCF_LAYOUT_6, btcf_doc_variant, etag)
#define BTCF_LAYOUT_8 BTCF_MIX_FIELD(BTCF_LAYOUT_7, btcf_dist_slot, curve)
#define BTCF_LAYOUT_9 BTCF_MIX_FIELD(BTCF_LAYOUT_8, btcf_dist_curve, value)
#define BTCF_LAYOUT_10 BTCF_MIX_FIELD(BTCF_LAYOUT_9, btcf_event_ring, first_id)
#define BTCF_LAYOUT_11 BTCF_MIX_FIELD(BTCF_LAYOUT_10, btcf_event_slot, data)
#define BTCF_LAYOUT_HASH BTCF_MIX_FIELD(BTCF_LAYOUT_11, btcf_metric_block, doc_fresh)

#endif
