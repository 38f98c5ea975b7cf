/* edge.v1: created by the nginx master, written by its workers, read by the engine. libc only; linked into nginx.
 *
 * Holds metric blocks, limits and usage (what they mean: shm/limit.h). Created in full under a temporary name and
 * renamed; reused across reloads, binary upgrades and engine restarts when the header matches.
 */
#ifndef BTCF_SHM_EDGE_H
#define BTCF_SHM_EDGE_H

#include "core/base.h"
#include "shm/btcf_abi.h"
#include "shm/reader.h"

struct btcf_edge {
    unsigned char *base; /* NULL when not attached */
    uint64_t size, device, inode;
    struct btcf_header *header;
    struct btcf_metric_block *metrics; /* BTCF_METRIC_BLOCKS of them */
    /* NULL and 0 in a file of minor 0. Numbers from pub are compared with the counts before they are used. */
    struct btcf_usage_row *usage;
    struct btcf_limit_row *limits;
    struct btcf_pool_entry *pool;
    struct btcf_addr_set *addresses;
    uint32_t usage_count, limit_count;
    uint32_t pool_count, address_sets; /* pool_count / BTCF_POOL_WAYS and address_sets are powers of two */
};

/* Opens dir/edge.v1 for writing, or makes it (mode 0660, owner unchanged) when it is absent, foreign or of another
 * layout. The directory must exist. */
enum btcf_attach btcf_edge_open(struct btcf_edge *edge, const char *dir, const char *build) BTCF_MUST_CHECK;
/* Opens an existing file read-only (engine). */
enum btcf_attach btcf_edge_open_readonly(struct btcf_edge *edge, const char *dir) BTCF_MUST_CHECK;
void btcf_edge_close(struct btcf_edge *edge);

/* Upper bounds of the latency buckets in microseconds, ascending; the last is +infinity (UINT32_MAX). */
extern const uint32_t btcf_latency_bounds_us[BTCF_METRIC_BUCKETS];
/* Status code of each index (0 = any other), and the index of a code. */
extern const uint16_t btcf_status_codes[BTCF_METRIC_STATUSES];
uint32_t btcf_status_index(uint32_t status);
const char *btcf_route_name(enum btcf_route route);

/* +n by the block's only writer: no lock prefix. Reads by others are atomic per counter. */
static inline void btcf_count(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n, memory_order_relaxed);
}

#endif
