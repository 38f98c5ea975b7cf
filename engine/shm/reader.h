/* Reading pub: attach, validate, look up, copy out. libc only; linked into nginx and into btcf; fuzzed.
 *
 * The reader treats the file as hostile: every offset and length is loaded once and checked against the section,
 * every copied body against its CRC. It never writes, never spins (BTCF_READ_TRIES_MAX tries) and keeps no pointer
 * that outlives the mapping. One reader is used by one thread.
 *
 * The path of a request, when nothing was published since:
 *     slot = btcf_reader_find(...)            once per worker and document
 *     btcf_reader_gen(reader, slot) == copy.gen   one atomic load: serve the worker's own copy
 * and when something was:
 *     btcf_reader_meta(...) then btcf_reader_body(...) into private memory.
 */
#ifndef BTCF_SHM_READER_H
#define BTCF_SHM_READER_H

#include "core/base.h"
#include "shm/btcf_abi.h"

#define BTCF_READ_TRIES_MAX 3

enum btcf_read {
    BTCF_READ_OK = 0,
    BTCF_READ_ABSENT,  /* never published */
    BTCF_READ_BUSY,    /* changed under every try: use the last good copy */
    BTCF_READ_CORRUPT, /* bounds or CRC: use the last good copy */
};

/* Why a file was refused; btcf_attach_text gives a sentence. */
enum btcf_attach {
    BTCF_ATTACH_OK = 0,
    BTCF_ATTACH_NO_FILE,
    BTCF_ATTACH_NOT_REGULAR,
    BTCF_ATTACH_TOO_SHORT,
    BTCF_ATTACH_BAD_MAGIC,
    BTCF_ATTACH_BAD_BYTE_ORDER,
    BTCF_ATTACH_BAD_MAJOR,
    BTCF_ATTACH_BAD_LAYOUT,
    BTCF_ATTACH_BAD_SECTIONS,
    BTCF_ATTACH_NOT_LIVE,
    BTCF_ATTACH_BAD_OWNER,    /* writable by others than its owner */
    BTCF_ATTACH_SYSTEM,       /* open, fstat or mmap failed: errno */
    BTCF_ATTACH_BAD_CHECKSUM, /* the header's immutable part */
    BTCF_ATTACH_BAD_CONTENT,  /* a document or curve does not stand up to its checksum */
    BTCF_ATTACH_RETIRED,      /* its writer has replaced it */
};

/* Which of a document's four bodies: 0, or these or-ed. */
#define BTCF_BODY_STALE 1u
#define BTCF_BODY_GZIP 2u
#define BTCF_BODY_COUNT 4u

/* Zeroed: not attached; every function then finds nothing. */
struct btcf_reader {
    const unsigned char *base; /* NULL when not attached */
    uint64_t size;
    uint64_t device, inode; /* identity of the file that was mapped */
    const struct btcf_header *header;
    const struct btcf_doc_slot *slots;
    uint32_t slot_count;
    const unsigned char *bodies;
    uint64_t bodies_size; /* bytes of section BODY */
    const struct btcf_dist_slot *dists;
    uint32_t dist_count;
    const struct btcf_event_ring *ring;
    const struct btcf_event_slot *events;
    uint32_t event_count;
    uint64_t hash_seed;
    bool is_mapped;                  /* base is a mapping of ours, to be unmapped */
    uint64_t retries, busy, corrupt; /* counted for the metrics of whoever owns the reader */
};

/* Maps `path` read-only, checks everything that does not change, and every published document and curve against its
 * checksum once, so that a damaged file is refused as a whole and not found out request by request. A reader that is
 * already attached is closed only when the new file is good; on any value but OK it is as before the call and keeps its
 * old mapping. Begin with a zeroed struct. Slot numbers of the old mapping mean nothing in the new one. */
enum btcf_attach btcf_reader_open(struct btcf_reader *reader, const char *path) BTCF_MUST_CHECK;

/* The same checks on memory that the caller owns and outlives the reader (tests, fuzzer). 8-byte aligned. */
enum btcf_attach btcf_reader_attach(struct btcf_reader *reader, const void *base, uint64_t size) BTCF_MUST_CHECK;

/* As btcf_reader_attach, and attaches to a damaged, unfinished or retired file too as long as its sections can be found:
 * what is damaged then fails read by read. Never for serving: for the dump and the fuzzer. */
enum btcf_attach btcf_reader_inspect(struct btcf_reader *reader, const void *base, uint64_t size) BTCF_MUST_CHECK;

/* Unmaps; the struct is zeroed and may be opened again. */
void btcf_reader_close(struct btcf_reader *reader);

/* A sentence for the log: "the header's checksum does not match". */
const char *btcf_attach_text(enum btcf_attach why);

/* True when `path` now names another file than the one mapped, or none, or the mapped one is retired or has shrunk. */
bool btcf_reader_is_outdated(const struct btcf_reader *reader, const char *path);

bool btcf_reader_is_retired(const struct btcf_reader *reader);
uint64_t btcf_reader_heartbeat(const struct btcf_reader *reader);
uint64_t btcf_reader_epoch(const struct btcf_reader *reader);
uint64_t btcf_reader_health(const struct btcf_reader *reader);

/* Slot number of the document with this key, or -1. */
int64_t btcf_reader_find(const struct btcf_reader *reader, const char *key, size_t key_len);

/* Generation of the slot: one acquire load. 0 when never published. */
static inline uint64_t btcf_reader_gen(const struct btcf_reader *reader, uint32_t slot)
{
    /* Partner: the release store of gen in btcf_writer_publish. */
    return atomic_load_explicit(&reader->slots[slot].gen, memory_order_acquire);
}

/* A validated copy of the slot's meta data. */
enum btcf_read btcf_reader_meta(struct btcf_reader *reader, uint32_t slot,
                                struct btcf_doc_meta *meta) BTCF_MUST_CHECK;

/* Copies one body of the generation that `meta` describes into `buf` (of at least btcf_body_len bytes). BUSY when the
 * slot has moved on: take the meta again. `body` is 0 for the fresh identity body, or any of the two flags. */
enum btcf_read btcf_reader_body(struct btcf_reader *reader, uint32_t slot, const struct btcf_doc_meta *meta,
                                unsigned body, unsigned char *buf) BTCF_MUST_CHECK;

/* Length of that body; 0: the document has no such form. */
uint32_t btcf_body_len(const struct btcf_doc_meta *meta, unsigned body);

/* The published curve for a forecast document's key. */
enum btcf_read btcf_reader_dist(struct btcf_reader *reader, const char *key, size_t key_len,
                                struct btcf_dist_curve *curve) BTCF_MUST_CHECK;
/* The i-th of them, for who wants all: 0 to dist_count - 1. */
enum btcf_read btcf_reader_dist_at(struct btcf_reader *reader, uint32_t i,
                                   struct btcf_dist_curve *curve) BTCF_MUST_CHECK;

/* Id of the newest event, 0 when there is none. */
uint64_t btcf_reader_event_head(const struct btcf_reader *reader);
/* Id of the oldest event that may still be there; head + 1 when there is none. */
uint64_t btcf_reader_event_oldest(const struct btcf_reader *reader);
/* ABSENT when the ring has moved past it or it does not exist yet. data is not NUL-terminated. */
enum btcf_read btcf_reader_event(struct btcf_reader *reader, uint64_t id,
                                 struct btcf_event_slot *event) BTCF_MUST_CHECK;

/* Checksum of a private copy whose data_len is within bounds; for the writer. */
uint32_t btcf_event_crc(const struct btcf_event_slot *event);

/* The seeded hash of a document key (never 0). */
uint64_t btcf_doc_hash(uint64_t seed, const char *key, size_t key_len);

#endif
