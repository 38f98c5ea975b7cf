/* What the files of the writer share (birth.c, writer.c, auth_birth.c, auth_writer.c): its private knowledge of its own
 * file. For those alone. */
#ifndef SHM_WRITER_STATE_H
#define SHM_WRITER_STATE_H

#include "core/arena.h"
#include "core/base.h"
#include "shm/auth_writer.h"
#include "shm/file.h"
#include "shm/writer.h"

/* Tests that kill a writer at a chosen place define this to learn where it is; otherwise it is nothing. */
#ifndef WRITER_AT
#define WRITER_AT(place) ((void)0)
#endif

/* The tables of the gate; zeroed when the file has none. */
struct gate {
    struct btcf_auth view; /* of our own file, as readers have it */
    struct btcf_auth_header *header;
    struct btcf_index_bucket *key_index, *account_index, *revoked;
    struct btcf_key_entry *keys;
    struct btcf_account_entry *accounts;
    struct btcf_plan_slot *plans;
    struct btcf_network_slot *networks;
    _Atomic uint32_t *revoked_until;
    unsigned char *begin; /* all of it, for writer_gate_wipe */
    uint64_t size;
    struct writer_auth_load load;
    uint64_t plan_gens[BTCF_PLANS_MAX]; /* published last */
    uint64_t changes;
    uint32_t sweep; /* the bucket of `revoked` that was looked at last */
    const char *refusal;
};

struct writer {
    struct arena *arena; /* holds this struct's arrays and names */
    const char *path, *tmp_path;
    int lock_fd;
    bool is_live;
    struct btcf_file file;
    struct btcf_header *header;
    uint64_t hash_seed, epoch, heartbeat;
    uint64_t gen_floor; /* the ABI's */

    struct btcf_doc_slot *slots;
    uint32_t slot_count, doc_count, doc_count_max;
    uint64_t *doc_gens;    /* of each slot: the generation published last, or the floor */
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

    struct gate gate;
};

/* Writes a private event, whose checksum is set, into the ring: id 0, then the rest, then the id. */
void writer_store_event(struct writer *writer, struct btcf_event_slot *event, uint64_t id);

/* ---- auth_birth.c and auth_writer.c for each other and for birth.c ---- */

/* The sections of the gate, in the order in which they lie in the file. */
enum {
    GATE_AUTH,
    GATE_KEY_INDEX,
    GATE_KEY,
    GATE_ACCOUNT_INDEX,
    GATE_ACCOUNT,
    GATE_REVOKED,
    GATE_REVOKED_UNTIL,
    GATE_PLAN,
    GATE_NETWORK,
    GATE_SECTION_COUNT
};

struct gate_section {
    struct btcf_section_shape shape;
    uint32_t count;
};

/* How many sections the gate has: all or none. -1 with an error frame. */
int writer_gate_layout(const struct writer_auth_options *options,
                       struct gate_section sections[GATE_SECTION_COUNT]) BTCF_MUST_CHECK;
/* Makes the sections of the writer's mapped file known to it. */
void writer_gate_adopt(struct writer *writer, const struct btcf_section *sections,
                       const struct writer_auth_options *options);
/* Takes the tables of an old file over, all of them or none. */
void writer_gate_inherit(struct writer *writer, const struct btcf_reader *reader);
/* Empties the tables of a file that is not live. */
void writer_gate_wipe(struct writer *writer);
/* Puts a word of REVOKED. */
int writer_revoke_word(struct gate *gate, uint64_t word, uint32_t until_s) BTCF_MUST_CHECK;

#endif
