/* Writing pub: birth, publication, retirement. Engine only (role publish, tests).
 *
 *     writer_create(&writer, &options)          a complete file under a temporary name, state BUILDING
 *     writer_publish(...) for every document    fills the not yet visible file
 *     writer_go_live(writer)                    state LIVE, rename over pub.v1, old file marked RETIRED
 *     writer_publish(...) / writer_event(...) / writer_beat(...)   as the world moves
 *     writer_close(&writer)
 *
 * A restarted publisher always makes a new file; it never repairs one. Document generations, event ids and the ring's
 * contents go on from the old file when that one is valid. `publish.lock` in the same directory (flock) keeps a second
 * writer out. A writer killed at any instruction leaves the last good version of every document published.
 */
#ifndef SHM_WRITER_H
#define SHM_WRITER_H

#include "core/base.h"
#include "shm/btcf_abi.h"

struct writer;

/* Capacities of the tables of the gate (auth_writer.h has what goes into them); all 0: the file has none. */
struct writer_auth_options {
    uint32_t keys, accounts, revoked, networks;
};

struct writer_options {
    const char *dir;        /* the tmpfs directory; must exist */
    const char *build;      /* version text for the header */
    uint32_t doc_count_max; /* slots are twice that, rounded up to a power of two */
    uint32_t doc_bytes_max; /* room for one version of one document: all four bodies together */
    uint32_t event_count;   /* ring size */
    uint32_t dist_count_max;
    uint64_t fence;
    int mode; /* file mode, 0640 */
    struct writer_auth_options auth;
};

struct writer_body {
    const void *bytes;
    size_t len;
};

/* One version of a document. stale bodies with len 0: the same as fresh (nothing in it can go stale). */
struct writer_doc {
    const char *key; /* canonical path, at most BTCF_DOC_KEY_MAX bytes */
    enum btcf_doc_class doc_class;
    enum btcf_doc_type type;
    int64_t published_ms, stale_at_ms, expires_at_ms;
    uint32_t cost_units, flags;
    struct writer_body fresh, fresh_gz, stale, stale_gz; /* a _gz with len 0: none */
    uint64_t etag_fresh, etag_stale;
};

/* Takes the lock (E_CONFLICT when a live writer holds it), removes left-over temporary files, makes the new file in
 * full (posix_fallocate). Errors leave nothing behind. */
int writer_create(struct writer **writer, const struct writer_options *options) BTCF_MUST_CHECK;

/* Publishes one version: to the slot's other buffer, then the generation. E_LIMIT, naming the key and both sizes, when
 * it does not fit or the directory is full: nothing is ever cut. */
int writer_publish(struct writer *writer, const struct writer_doc *doc) BTCF_MUST_CHECK;

/* Publishes "gone": workers answer 404. Unknown keys are ignored. */
int writer_retire_doc(struct writer *writer, const char *key) BTCF_MUST_CHECK;

/* Publishes a curve under its forecast document's key. gen and crc are set here. */
int writer_publish_dist(struct writer *writer, const char *key, const struct btcf_dist_curve *curve) BTCF_MUST_CHECK;

struct writer_event {
    enum btcf_event_type type;
    int64_t wall_ms, market_ms;
    const char *data;
    size_t len;
    uint32_t subject_s; /* interval of a candle, horizon of a forecast; else 0 */
};

/* Appends an event; returns its id through *id (may be NULL). E_LIMIT when data is longer than BTCF_EVENT_DATA_MAX. */
int writer_event(struct writer *writer, const struct writer_event *event, uint64_t *id) BTCF_MUST_CHECK;

/* Makes the file the current one. */
int writer_go_live(struct writer *writer) BTCF_MUST_CHECK;

/* Does pub.v1 still name the live file that this writer writes? When somebody has removed or replaced it, what is
 * published reaches nobody who looks for it, and only another birth mends that. True before the file is live. */
bool writer_is_in_place(const struct writer *writer);

/* Heartbeat +1; once a second. */
void writer_beat(struct writer *writer);
void writer_set_health(struct writer *writer, uint64_t bits);

/* Unmaps and releases the lock; the published file stays for the workers. Nulls the variable. */
void writer_close(struct writer **writer);

#endif
