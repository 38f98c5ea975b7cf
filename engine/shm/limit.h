/* Limits and usage in edge, without a lock: GCRA on one word, quotas, the address limiter, the pool of third-party
 * principals, and counting what was used. libc only; linked into nginx.
 *
 * GCRA (ITU-T I.371; the "virtual scheduling" form): a plan earns one unit every T = period_ns and may save up `burst`
 * units. The word holds the theoretical arrival time, TAT, at which all that was taken is earned back:
 *
 *     next = max(TAT, now) + cost * T;   next - now > burst * T: rejected, nothing is written;   else TAT := next
 *
 * by one compare-and-swap, retried when another worker was faster (at most BTCF_TAKE_TRIES_MAX times, then rejected:
 * so many losses mean a flood). Admitted in any time t: at most burst + t / T units, exactly, over all workers.
 */
#ifndef BTCF_SHM_LIMIT_H
#define BTCF_SHM_LIMIT_H

#include "core/base.h"
#include "shm/btcf_abi.h"
#include "shm/edge.h"

#define BTCF_TAKE_TRIES_MAX 64

struct btcf_rate {
    uint64_t period_ns; /* of one unit; 0: unlimited */
    uint64_t burst;     /* units, at least 1; burst * period_ns stays below 2^62 */
};

/* What the limiter knows after a take: enough for RateLimit, X-RateLimit-* and Retry-After. */
struct btcf_take {
    bool admitted;
    uint64_t remaining; /* units that could be taken now */
    uint64_t reset_ns;  /* until all of burst is there again */
    uint64_t retry_ns;  /* until the same cost would be admitted; 0 when admitted. UINT64_MAX: never (cost > burst) */
};

/* Takes `cost` units at `now_ns` (CLOCK_MONOTONIC). `cost` 0 looks without taking: admitted then says whether one unit
 * could be taken. A rate of period 0 admits everything; `remaining` is UINT64_MAX.
 *
 * Exactness: of the requests that were given times from a to b, units admitted are at most burst + (b - a) / T, whatever
 * the order in which the processes came to their compare-and-swap and however old their times were by then. A time that
 * is behind the clock (one kept for a turn of the event loop, say) therefore admits no more by its own clock, and by the
 * real one at most what is earned while it is behind; a request that is refused by it is earned back before it says. */
struct btcf_take btcf_rate_take(_Atomic uint64_t *tat_ns, const struct btcf_rate *rate, uint64_t now_ns,
                                uint64_t cost);

/* After a change of plan the word may lie further ahead than the new rate's burst reaches, and would refuse for as long
 * as the old rate takes to earn it back. This lowers it to "all of burst taken": what was used up stays so, but is earned
 * back at the new rate. True when it did. `clock_ns` is the clock as it is now and not a kept time: with one that is
 * behind, it would give back what another worker has just taken. */
bool btcf_rate_settle(_Atomic uint64_t *tat_ns, const struct btcf_rate *rate, uint64_t clock_ns);

/* ---- quotas ---- */

/* Units used in the period of this number (of the day or month); what the word says of another period counts as 0. */
uint64_t btcf_quota_used(const _Atomic uint64_t *word, enum btcf_period period, uint64_t number);
/* Adds units, beginning at 0 when the word is of another period. What is added for the period right before the word's
 * comes from a clock that is a moment behind, and is dropped: the quota that it belongs to is over. Stops counting far
 * above any quota rather than to run into the number. */
void btcf_quota_add(_Atomic uint64_t *word, enum btcf_period period, uint64_t number, uint64_t units);
/* Number of the UTC day and month of a unix time, and the second at which the next one begins. */
uint64_t btcf_period_number(enum btcf_period period, int64_t now_s);
int64_t btcf_period_end_s(enum btcf_period period, int64_t now_s);

/* ---- addresses ---- */

/* Keyed hash of an address and of what it is limited for. IPv4 goes in as its 4 bytes, IPv6 as the first 8 (the /64).
 * The key is the file's instance, so that nobody outside can aim at a cell. */
uint64_t btcf_address_hash(const struct btcf_edge *edge, const uint8_t *address, size_t len, uint32_t purpose);

/* As btcf_rate_take, on the address's cell. Times are kept in BTCF_ADDR_TICK_NS, rounded up: never more is admitted. */
struct btcf_take btcf_address_take(const struct btcf_edge *edge, uint64_t hash, const struct btcf_rate *rate,
                                   uint64_t now_ns, uint64_t cost);

/* ---- third-party principals ---- */

/* The entry of a principal, claimed when it has none. NULL when its set is full of others that were used within two days:
 * the caller then limits by address. `issuer` and `subject` are hashed whole, kept cut to BTCF_SUBJECT_MAX. A principal
 * that takes over an entry begins with limits of its own; the usage counters go on, as they only grow. */
struct btcf_pool_entry *btcf_pool_find(const struct btcf_edge *edge, const char *issuer, size_t issuer_len,
                                       const char *subject, size_t subject_len, int64_t now_s);

/* The same in two steps, for who has something else to do in between: the first begins to fetch where the entry most likely
 * is, and returns the hash that the second asks for. Never 0. */
struct btcf_pool_name {
    const char *issuer, *subject;
    size_t issuer_len, subject_len;
};
uint64_t btcf_pool_prefetch(const struct btcf_edge *edge, const struct btcf_pool_name *name);
struct btcf_pool_entry *btcf_pool_find_hashed(const struct btcf_edge *edge, const struct btcf_pool_name *name,
                                              uint64_t hash, int64_t now_s);

/* For who keeps what btcf_pool_find returned, and the entry's hash at that time: whether it is still that principal's. A
 * look-up goes through the eight entries of a set; this is one cache line, that of the limit row. */
bool btcf_pool_is_still(struct btcf_pool_entry *entry, uint64_t hash, int64_t now_s);

/* ---- usage ---- */

/* One answered request. */
struct btcf_use {
    int64_t now_s; /* unix time at the end of the answer */
    enum btcf_usage_class usage_class;
    uint32_t status; /* 0: the client was gone before there was one */
    bool is_head;    /* asked for no body: counted as 304 is */
    bool is_whole;   /* the body was sent to its end */
    uint64_t units, bytes, latency_us;
};

/* Whether it is billed: 2xx, whole and no HEAD. */
bool btcf_usage_is_billed(const struct btcf_use *use);

/* Adds it to the bank of its day. True when it was billed. */
bool btcf_usage_count(struct btcf_usage_row *row, const struct btcf_use *use);

#endif
