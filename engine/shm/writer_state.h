/* What birth.c and writer.c share: the writer's private knowledge of its own file. For those two alone. */
#ifndef SHM_WRITER_STATE_H
#define SHM_WRITER_STATE_H

#include "core/arena.h"
#include "core/base.h"
#include "shm/file.h"
#include "shm/writer.h"

/* Tests that kill a writer at a chosen place define this to learn where it is; otherwise it is nothing. */
#ifndef WRITER_AT
#define WRITER_AT(place) ((void)0)
#endif

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
};

/* Writes a private event, whose checksum is set, into the ring: id 0, then the rest, then the id. */
void writer_store_event(struct writer *writer, struct btcf_event_slot *event, uint64_t id);

#endif
