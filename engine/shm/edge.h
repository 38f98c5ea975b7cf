/* edge.v1: created by the nginx master, written by its workers, read by the engine. libc only; linked into nginx.
 *
 * Holds metric blocks, limits and usage (what they mean: shm/limit.h). Created in full under a temporary name and
 * renamed; used on across reloads, binary upgrades and engine restarts while it fits what is asked for. When it does not,
 * a larger file takes its place: limits go on in it, usage begins at 0, and the file before stays in the directory as
 * edge.v1.old-<its instance> until the meter has drained it (docs/SHM.md, "Edge grows").
 */
#ifndef BTCF_SHM_EDGE_H
#define BTCF_SHM_EDGE_H

#include "core/base.h"
#include "shm/btcf_abi.h"
#include "shm/reader.h"

#define BTCF_EDGE_OLD_PREFIX BTCF_EDGE_FILE ".old-"

struct btcf_edge {
    unsigned char *base; /* NULL when not attached; the rest then means nothing */
    uint64_t size, device, inode;
    int lock_fd; /* says that this process may write; -1: none */
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

/* How much room there is to be at least; 0: the default. A row of usage takes 256 bytes, a principal 512, an account's
 * limits 64, an address 8. */
struct btcf_edge_options {
    const char *dir, *build;
    uint32_t keys, accounts; /* usage rows: one for each; limit rows: one for each account */
    uint32_t principals;     /* of third-party issuers; rounded up to a power of two */
    uint32_t addresses;      /* limited at the same time; rounded up to a power of two */
};

#define BTCF_EDGE_KEYS 4096u
#define BTCF_EDGE_ACCOUNTS 4096u
#define BTCF_EDGE_PRINCIPALS 4096u
#define BTCF_EDGE_ADDRESSES 65536u
#define BTCF_EDGE_ROWS_MAX (UINT32_C(1) << 24) /* of each of the four */

/* Opens dir/edge.v1 for writing, or makes it (mode 0660, owner unchanged) when it is absent, foreign, of an earlier boot
 * or minor, or too small in any part; what it had room for the new one has as well. The directory must exist. */
enum btcf_attach btcf_edge_open(struct btcf_edge *edge, const struct btcf_edge_options *options) BTCF_MUST_CHECK;
/* The same in memory that only this process and its children see: for when there is no directory. */
enum btcf_attach btcf_edge_open_anonymous(struct btcf_edge *edge,
                                          const struct btcf_edge_options *options) BTCF_MUST_CHECK;
/* Opens an existing file read-only (engine): dir/edge.v1, and one of the old ones by its name in dir. */
enum btcf_attach btcf_edge_open_readonly(struct btcf_edge *edge, const char *dir) BTCF_MUST_CHECK;
enum btcf_attach btcf_edge_open_old(struct btcf_edge *edge, const char *dir, const char *name) BTCF_MUST_CHECK;
void btcf_edge_close(struct btcf_edge *edge);

/* Whether no process is left that opened the file for writing, or was forked from one that did: what it counts is then
 * final. Ask before the last drain, not after. For a file that was opened read-only. */
bool btcf_edge_is_final(const struct btcf_edge *edge);

/* Upper bounds of the latency buckets in microseconds, ascending; the last is +infinity (UINT32_MAX). */
extern const uint32_t btcf_latency_bounds_us[BTCF_METRIC_BUCKETS];
/* Status code of each index (0 = any other), and the index of a code. */
extern const uint16_t btcf_status_codes[BTCF_METRIC_STATUSES];
uint32_t btcf_status_index(uint32_t status);
const char *btcf_route_name(enum btcf_route route);
/* Labels of the metrics, and $btcf_auth and $btcf_limit_status. */
const char *btcf_auth_name(enum btcf_auth_outcome outcome);
const char *btcf_limit_name(enum btcf_limit_outcome outcome);

/* +n by the block's only writer: no lock prefix. Reads by others are atomic per counter. */
static inline void btcf_count(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n, memory_order_relaxed);
}

#endif
