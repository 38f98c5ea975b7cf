/* Counting what is open at once (streams of an account, of an address) over all workers, so that it mends itself. libc
 * only; linked into nginx.
 *
 * A plain counter, raised when a stream opens and lowered when it closes, stays too high for ever when a worker is
 * killed, and lists of what each process held only move the question to who reads the list of a process that nobody
 * replaces. So a count is a lease here: time runs in periods of BTCF_CLAIM_PERIOD_S, and whoever holds a claim confirms it
 * once in each. The word counts twice, the claims of the last period and those confirmed in this one:
 *
 *     word = tag << 44 | period << 32 | current << 16 | previous
 *
 *     open      refused when previous = max; else current + 1 and previous + 1
 *     confirm   current + 1, once per period
 *     close     previous - 1, and current - 1 when it was confirmed in this period
 *     roll      the first to come in a new period: previous := current, current := 0
 *
 * `previous` is the number of open claims: exact while every holder confirms in time. What a dead process held is in it
 * for the rest of the period in which it died and for the next one, then gone: no clean-up, no owner, no lock; the same
 * after a reload, a binary upgrade or the death of all of nginx. A process that slept through a whole period has lost
 * its claims, and counts them anew, above max if need be, when it confirms again.
 *
 * The tag says whose word it is, where words are shared by many (addresses); it is 0 in a word of one's own.
 */
#ifndef BTCF_SHM_CLAIM_H
#define BTCF_SHM_CLAIM_H

#include "core/base.h"
#include "shm/btcf_abi.h"

#define BTCF_CLAIM_PERIOD_S 4
#define BTCF_CLAIM_MAX UINT32_C(0xffff)

/* Zeroed: nothing is claimed, and nothing is counted. */
struct btcf_claim {
    _Atomic uint64_t *word; /* NULL: not counted anywhere */
    uint32_t tag;
    uint32_t period; /* in which it was last confirmed */
};

/* Opens one claim at `now_s`, a clock that all processes share (CLOCK_MONOTONIC); `word` and `tag` are set by the caller.
 * False, and the claim is zeroed, when `max` are open already. With no word: true. */
bool btcf_claim_take(struct btcf_claim *claim, uint32_t max, uint64_t now_s) BTCF_MUST_CHECK;
/* Confirms it: at least once in every period. */
void btcf_claim_keep(struct btcf_claim *claim, uint64_t now_s);
/* Closes it and zeroes it. */
void btcf_claim_give(struct btcf_claim *claim, uint64_t now_s);
/* Closes it when more than `max` are open, because max has fallen: true for exactly as many as are too many. */
bool btcf_claim_yield(struct btcf_claim *claim, uint32_t max, uint64_t now_s) BTCF_MUST_CHECK;

/* How many are open. */
uint32_t btcf_claim_count(const _Atomic uint64_t *word, uint64_t now_s);

/* The claim's word among those of a set that many share, for a hash of whoever claims: the one that has its tag, or one
 * that nobody uses, taken for it. Zeroed when all are in use by others. */
struct btcf_claim btcf_claim_find(struct btcf_addr_set *sets, uint32_t set_count, uint64_t hash, uint64_t now_s);

#endif
