/* Every byte that processes share, and nothing else: no functions, fixed-width types, a static assert per struct.
 *
 * Two files in a tmpfs directory, each with one kind of writer:
 *
 *   pub.v1    written by the engine role publish only, mapped read-only by nginx workers: documents, published
 *             distributions, the event ring, and who may do what.
 *   edge.v1   created by the nginx master, written by workers, mapped read-only by the engine: metric blocks, limits
 *             and usage.
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
#define BTCF_ABI_MINOR 1

#define BTCF_SECTIONS_MAX 32
#define BTCF_SECTION_ALIGN 64
#define BTCF_SECTION_VERSION 1
#define BTCF_HEADER_SIZE_MAX (UINT32_C(1) << 16) /* of any later minor */
#define BTCF_FILE_SIZE_MAX (UINT64_C(1) << 34)

enum btcf_state { BTCF_STATE_BUILDING = 0, BTCF_STATE_LIVE = 1, BTCF_STATE_RETIRED = 2 };

/* Section kinds; a kind keeps its number for ever. */
enum btcf_section_kind {
    BTCF_SECTION_DOC = 1,   /* pub: directory of documents, open addressing */
    BTCF_SECTION_BODY = 2,  /* pub: the bytes of documents, two buffers for each */
    BTCF_SECTION_DIST = 3,  /* pub: published quantile curves as numbers */
    BTCF_SECTION_EVENT = 4, /* pub: event ring */
    BTCF_SECTION_AUTH = 5,  /* pub: where the tables of the gate come from (1.1, as all that follow) */
    BTCF_SECTION_KEY_INDEX = 6,
    BTCF_SECTION_KEY = 7, /* pub: API keys by number */
    BTCF_SECTION_ACCOUNT_INDEX = 8,
    BTCF_SECTION_ACCOUNT = 9,        /* pub: accounts by number */
    BTCF_SECTION_REVOKED = 10,       /* pub: set of revoked sessions */
    BTCF_SECTION_PLAN = 11,          /* pub: plans by number */
    BTCF_SECTION_NETWORK = 12,       /* pub: networks from which a key may be used */
    BTCF_SECTION_REVOKED_UNTIL = 13, /* pub: for each word of REVOKED a uint32_t; the writer's business */
    BTCF_SECTION_METRIC = 16,        /* edge: one block of counters per process slot */
    BTCF_SECTION_USAGE = 17,         /* edge: metering by row number (1.1, as all that follow) */
    BTCF_SECTION_ADDR = 18,          /* edge: address limiter */
    BTCF_SECTION_LIMIT = 19,         /* edge: limits and quotas by account number */
    BTCF_SECTION_POOL = 20,          /* edge: principals of third-party issuers */
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

/* Flags of a curve: who made it, and from what. */
enum btcf_curve_flag {
    BTCF_CURVE_BASELINE = 1, /* the random walk is served: the ensemble has not beaten it */
    BTCF_CURVE_MODEL = 4,    /* a single model is served: it has beaten both */
    BTCF_CURVE_DEGRADED = 2, /* made from a replay, a simulation or too few sources */
};

/* Quantiles of the price at target for one horizon. Doubles are stored as their bits. Tails beyond the outermost
 * levels: see shm/dist.h. */
struct btcf_dist_curve {
    uint64_t gen;
    int64_t issued_at_ms, target_at_ms; /* market time */
    int64_t stale_at_ms, expires_at_ms; /* wall time */
    uint64_t origin_price;
    uint32_t horizon_s, level_count;
    uint32_t flags, crc; /* BTCF_CURVE_ flags; CRC-32C of this struct with crc 0 */
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
    uint32_t crc;       /* CRC-32C of the first 48 bytes with this field 0, and of data_len bytes of data */
    uint32_t subject_s; /* which candle or forecast: its interval or horizon; 0: none. Since minor 1 */
    uint32_t reserved[2];
    char data[BTCF_EVENT_DATA_MAX];
};
_Static_assert(sizeof(struct btcf_event_slot) == 1024, "event slot");

/* ---- who may do what: sections of the gate, since minor 1 ---------------------------------------------------------
 *
 * Everything here that changes in place is one atomic word, or a small double buffer behind a generation (plans,
 * networks). Keys and accounts need no buffer: what identifies them never changes while the file lives, and what does
 * change (scopes, expiry, state) is packed into one word with its own check byte. So a revocation is one store of eight
 * bytes, and no reader can see half of it.
 *
 * Keys and accounts are found through an index of buckets. A bucket is one cache line of eight words, a word names a
 * part of the hash and the entry's number:
 *
 *     hash   = the first eight bytes of the digest (key) or of the public id (account), little-endian. Both are random:
 *              nobody outside chooses them, so there is nothing to seed
 *     bucket = hash & (bucket_count - 1); when all eight words are taken, the next one (cyclic), at most
 *              BTCF_INDEX_PROBES_MAX in all; a bucket with a free word ends the search
 *     word   = (hash >> 32) << 32 | (number + 1); 0: free; BTCF_INDEX_GONE: taken once, search on
 *
 * A look-up of a key so touches two cache lines, the bucket and the entry. */

#define BTCF_INDEX_BUCKET 8
#define BTCF_INDEX_PROBES_MAX 16
#define BTCF_INDEX_GONE UINT64_C(0xffffffff)
#define BTCF_DIGEST_SIZE 32
#define BTCF_ID_SIZE 16 /* accounts and sessions: 128 random bits, in text 32 hex digits of lower case */

/* Section AUTH: one of these. */
struct btcf_auth_header {
    uint8_t database[16]; /* which database the tables come from */
    _Atomic uint64_t
        position;             /* the publisher's place in that database's history of changes; the writer's business */
    _Atomic uint64_t changes; /* +1 after every change of any section of the gate, with release */
    uint32_t key_capacity, account_capacity, revoked_capacity, network_capacity;
    uint8_t reserved[208];
};
_Static_assert(sizeof(struct btcf_auth_header) == 256, "auth header");

struct btcf_index_bucket {
    _Atomic uint64_t word[BTCF_INDEX_BUCKET];
};
_Static_assert(sizeof(struct btcf_index_bucket) == 64, "index bucket");

/* state of a key: expires_s << 32 | scopes << 16 | flags << 8 | check; expires_s 0: never. The check byte is the low
 * byte of the CRC-32C of the word's eight bytes (little-endian, check as 0). 0 as a whole: the entry is not published;
 * no sealed word is 0. It is the only word of a key's entry that changes: who gets another account, row, id or other
 * networks gets another entry, and the index word is turned to that. */
#define BTCF_KEY_ENABLED UINT32_C(1) /* without it the key is refused exactly as one that never was */
#define BTCF_KEY_TEST UINT32_C(2)    /* btcf_test_: answered from the sandbox */

struct btcf_key_entry {
    uint8_t digest[BTCF_DIGEST_SIZE]; /* SHA-256 of the whole key as it is sent */
    uint32_t account;                 /* number of the account's entry, and of its limit row in edge */
    uint32_t row;                     /* number of the key's usage row in edge */
    _Atomic uint64_t state;
    uint64_t id;       /* the key's id in the database */
    uint32_t networks; /* number of its network slot + 1; 0: from anywhere */
    uint32_t crc;      /* CRC-32C of the entry with state and crc as 0 */
};
_Static_assert(sizeof(struct btcf_key_entry) == 64, "key entry");

/* state of an account: tokens_valid_after_s << 32 | plan << 16 | flags << 8 | check, check as above. A token whose iat is
 * not later than tokens_valid_after_s is refused. */
#define BTCF_ACCOUNT_ENABLED UINT32_C(1) /* without it neither keys nor tokens of the account are accepted */
#define BTCF_ACCOUNT_ADMIN UINT32_C(2)   /* may hold the scope admin */

struct btcf_account_entry {
    uint8_t id[BTCF_ID_SIZE]; /* public id: `sub` of its tokens; never changes */
    _Atomic uint64_t state;
    _Atomic uint64_t blocked; /* quota used up as the database knows it: until_s << 8 | enum btcf_period; 0: no */
    uint32_t row;             /* usage row for what is asked with tokens; one word with crc, stored together */
    uint32_t crc;             /* CRC-32C of the entry with state, blocked and crc as 0 */
    uint8_t reserved[24];
};
_Static_assert(sizeof(struct btcf_account_entry) == 64, "account entry");

enum btcf_period { BTCF_PERIOD_DAY = 1, BTCF_PERIOD_MONTH = 2 };

/* Section REVOKED: buckets of which each word is the first eight bytes of a revoked session's id (0 taken as 1, GONE as
 * GONE + 1). Bucket = word >> 32, from there as in the index. A session leaves the set when its last token has expired;
 * section REVOKED_UNTIL says when (unix time), so that a later writer knows too. */

#define BTCF_PLANS_MAX 64
#define BTCF_PLAN_NAME_MAX 16

/* Scopes: bit numbers in keys and plans. A name keeps its number for ever; shm/auth.h has the names. */
#define BTCF_SCOPES_MAX 16

struct btcf_plan {
    uint32_t crc;                  /* CRC-32C of what follows */
    uint16_t number;               /* its index in the section; the order of plans is no promise */
    uint16_t scopes;               /* the most that a credential of this plan may do */
    char name[BTCF_PLAN_NAME_MAX]; /* "premium", padded with zeros, one at least */
    uint64_t period_ns;            /* time in which the plan earns one unit; 0: no limit */
    uint32_t burst;                /* units at once, at least 1 */
    uint32_t streams_max;          /* open streams of an account; 0: none */
    uint64_t quota_day;            /* units of a UTC day, of a UTC month; 0: no quota */
    uint64_t quota_month;
};
_Static_assert(sizeof(struct btcf_plan) == 56, "plan");

struct btcf_plan_slot {
    _Atomic uint64_t gen; /* 0: no plan of this number */
    struct btcf_plan plan[2];
    uint8_t reserved[8];
};
_Static_assert(sizeof(struct btcf_plan_slot) == 128, "plan slot");

#define BTCF_NETWORKS_MAX 8

struct btcf_network {
    uint8_t address[16]; /* IPv4 as ::ffff:a.b.c.d */
    uint8_t bits;        /* of the 128 that must agree */
    uint8_t reserved[7];
};
_Static_assert(sizeof(struct btcf_network) == 24, "network");

struct btcf_networks {
    uint32_t crc;   /* CRC-32C of what follows */
    uint32_t count; /* 1 to BTCF_NETWORKS_MAX */
    struct btcf_network network[BTCF_NETWORKS_MAX];
};
_Static_assert(sizeof(struct btcf_networks) == 200, "networks");

/* Read as a double buffer; today's writer fills a slot once and gives a key with other networks another slot. */
struct btcf_network_slot {
    _Atomic uint64_t gen;
    struct btcf_networks networks[2];
    uint8_t reserved[40];
};
_Static_assert(sizeof(struct btcf_network_slot) == 448, "network slot");

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

/* What became of a request's credential; $btcf_auth and the metrics have the names (shm/edge.h). */
enum btcf_auth_outcome {
    BTCF_AUTH_OFF = 0, /* nobody asked */
    BTCF_AUTH_GUEST,   /* none was sent, and none is needed */
    BTCF_AUTH_KEY,
    BTCF_AUTH_TOKEN,
    BTCF_AUTH_TICKET,
    BTCF_AUTH_MISSING, /* none was sent, and one is needed: 401 */
    BTCF_AUTH_MALFORMED,
    BTCF_AUTH_UNKNOWN, /* unknown and disabled keys alike */
    BTCF_AUTH_EXPIRED,
    BTCF_AUTH_REVOKED,
    BTCF_AUTH_BAD_TOKEN,
    BTCF_AUTH_TWO,         /* two credentials at once: 400 */
    BTCF_AUTH_NETWORK,     /* not from there: 403 */
    BTCF_AUTH_SCOPE,       /* may not: 403 */
    BTCF_AUTH_UNAVAILABLE, /* the tables are absent, damaged or too old: 503 */
};
#define BTCF_METRIC_AUTHS 16

/* What the limiter said; $btcf_limit_status and the metrics have the names. */
enum btcf_limit_outcome {
    BTCF_LIMIT_OFF = 0,
    BTCF_LIMIT_PASSED,
    BTCF_LIMIT_REJECTED,
    BTCF_LIMIT_DRY_RUN, /* would have been rejected */
    BTCF_LIMIT_QUOTA,
    BTCF_LIMIT_QUOTA_DRY_RUN,
    BTCF_LIMIT_ADDRESS, /* of the address: too many failed credentials, or a guest over the limit */
    BTCF_LIMIT_ADDRESS_DRY_RUN,
};
#define BTCF_METRIC_LIMITS 8

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
    /* since minor 1 */
    _Atomic uint64_t auth[BTCF_METRIC_AUTHS];          /* enum btcf_auth_outcome */
    _Atomic uint64_t limit[BTCF_METRIC_LIMITS];        /* enum btcf_limit_outcome */
    _Atomic uint64_t token_hits, token_misses;         /* of the cache of verified tokens */
    _Atomic uint64_t token_evictions, keyset_refused;  /* keyset_refused: a key file that did not parse */
    _Atomic uint64_t streams_opened, streams_closed;   /* open: the difference, over all blocks */
    _Atomic uint64_t streams_refused, streams_dropped; /* over a cap; ended because the reader was too slow */
    _Atomic uint64_t stream_events, stream_coalesced;  /* frames sent; events left out for a slow reader */
    _Atomic uint64_t usage_unattributed;               /* billed answers for which there was no row */
    _Atomic uint64_t pool_full;                        /* third-party principals that found no row */
    _Atomic uint64_t body_timeouts;                    /* request bodies that came too slowly */
    uint64_t reserved[97];
};
_Static_assert(sizeof(struct btcf_metric_block) == 4096, "metric block");

/* ---- edge: limits and usage, since minor 1 -------------------------------------------------------------------------
 *
 * Times are CLOCK_MONOTONIC in nanoseconds: all processes of one boot share that clock, and the file does not outlive
 * the boot (the header's boot id says of which it is). Everything is lock-free; a process killed between any two
 * stores leaves at most its own request uncounted. */

/* One per account: limits and quotas. */
struct btcf_limit_row {
    _Atomic uint64_t tat_ns;  /* GCRA: theoretical arrival time of the next unit */
    _Atomic uint64_t day;     /* used units of the quota: day since 1970 << 40 | units */
    _Atomic uint64_t month;   /* month since 1970-01 << 48 | units */
    _Atomic uint64_t limited; /* requests refused; only grows */
    _Atomic uint64_t streams; /* open ones, counted as shm/claim.h says */
    uint64_t reserved[3];
};
_Static_assert(sizeof(struct btcf_limit_row) == 64, "limit row");

/* What metering tells apart: rows of usage are by class. */
enum btcf_usage_class {
    BTCF_USAGE_FORECAST = 0, /* forecasts and questions to them */
    BTCF_USAGE_MARKET,       /* prices, candles, indicators, status documents */
    BTCF_USAGE_STREAM,
    BTCF_USAGE_CONTROL, /* history, account, jobs: what the engine answers */
    BTCF_USAGE_CLASSES,
};

/* Usage of the days of one parity. Counters only grow, over all such days; the meter keeps what it has seen. */
struct btcf_usage_bank {
    _Atomic uint64_t day;                        /* UTC day since 1970 of the last count: growth belongs to it */
    _Atomic uint64_t billed[BTCF_USAGE_CLASSES]; /* answers whose body was sent whole */
    _Atomic uint64_t units[BTCF_USAGE_CLASSES];  /* what they cost */
    _Atomic uint64_t not_modified;               /* counted, never billed: 304 (and HEAD), */
    _Atomic uint64_t client_errors;              /* 4xx but 429, and answers that did not go out whole, */
    _Atomic uint64_t server_errors;              /* 5xx, */
    _Atomic uint64_t limited;                    /* 429 */
    _Atomic uint64_t bytes;                      /* sent, headers included */
    _Atomic uint64_t latency_us;                 /* sum over all of the above */
};
_Static_assert(sizeof(struct btcf_usage_bank) == 120, "usage bank");

/* One per API key, and one per account for its tokens. */
struct btcf_usage_row {
    struct btcf_usage_bank bank[2]; /* by the parity of the UTC day */
    _Atomic uint64_t last_used_s;   /* unix time */
    uint64_t reserved;
};
_Static_assert(sizeof(struct btcf_usage_row) == 256, "usage row");

#define BTCF_SUBJECT_MAX 176
#define BTCF_POOL_WAYS 8

/* A principal of a third-party issuer: found by a keyed hash of issuer and subject in the set (hash & (sets - 1)) of
 * BTCF_POOL_WAYS entries; claimed by a compare-and-swap of the hash, kept until it has been idle for two days. */
struct btcf_pool_entry {
    _Atomic uint64_t hash;        /* 0: free */
    _Atomic uint32_t subject_len; /* 0 until the subject is complete; release */
    uint32_t reserved;
    char subject[BTCF_SUBJECT_MAX]; /* issuer, a blank, subject; cut at the end when longer */
    struct btcf_limit_row limit;
    struct btcf_usage_row usage;
};
_Static_assert(sizeof(struct btcf_pool_entry) == 512, "pool entry");

/* Address limiter: sets of eight cells in one cache line. Cell = tag << 44 | tat in BTCF_ADDR_TICK_NS; a cell whose time
 * has passed is free, so nothing is ever evicted or cleaned up. A full set charges the cell that frees first. */
#define BTCF_ADDR_WAYS 8
#define BTCF_ADDR_TICK_NS UINT64_C(100000)

struct btcf_addr_set {
    _Atomic uint64_t cell[BTCF_ADDR_WAYS];
};
_Static_assert(sizeof(struct btcf_addr_set) == 64, "address set");

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
