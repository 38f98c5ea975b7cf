/* See claim.h, which has the idea. Every change is one compare-and-swap of one word, and no other memory depends on it, so
 * all orders are relaxed. A change that loses BTCF_CLAIM_TRIES_MAX races is dropped: the count mends itself.
 */
#include "shm/claim.h"

#include <string.h>

#define BTCF_CLAIM_TRIES_MAX 64

#define TAG_SHIFT 44
#define PERIOD_SHIFT 32
#define CURRENT_SHIFT 16
#define PERIOD_MASK UINT32_C(0xfff)
/* Processes read their clocks at the start of an event loop's turn, so a word may be this far ahead of the reader. */
#define PERIODS_AHEAD_MAX 8

struct count {
    uint32_t period, current, previous;
};

static uint32_t tag_of(uint64_t word)
{
    return (uint32_t)(word >> TAG_SHIFT);
}

/* What the word says at this time. */
static struct count count_at(uint64_t word, uint64_t now_s)
{
    struct count count = {.period = (uint32_t)(word >> PERIOD_SHIFT) & PERIOD_MASK,
                          .current = (uint32_t)(word >> CURRENT_SHIFT) & BTCF_CLAIM_MAX,
                          .previous = (uint32_t)word & BTCF_CLAIM_MAX};
    uint32_t now = (uint32_t)(now_s / BTCF_CLAIM_PERIOD_S) & PERIOD_MASK;
    uint32_t age = (now - count.period) & PERIOD_MASK;

    if (age == 0 || age > PERIOD_MASK - PERIODS_AHEAD_MAX)
        return count;
    return (struct count){.period = now, .current = 0, .previous = age == 1 ? count.current : 0};
}

static bool store(struct btcf_claim *claim, uint64_t *seen, const struct count *count)
{
    uint64_t word = (uint64_t)claim->tag << TAG_SHIFT | (uint64_t)count->period << PERIOD_SHIFT |
                    (uint64_t)count->current << CURRENT_SHIFT | count->previous;

    if (!atomic_compare_exchange_weak_explicit(claim->word, seen, word, memory_order_relaxed, memory_order_relaxed))
        return false;
    claim->period = count->period;
    return true;
}

static void add(uint32_t *n)
{
    if (*n < BTCF_CLAIM_MAX)
        *n += 1;
}

static void subtract(uint32_t *n)
{
    if (*n > 0)
        *n -= 1;
}

bool btcf_claim_take(struct btcf_claim *claim, uint32_t max, uint64_t now_s)
{
    if (claim->word == NULL)
        return true;

    uint64_t seen = atomic_load_explicit(claim->word, memory_order_relaxed);

    for (int i = 0; i < BTCF_CLAIM_TRIES_MAX && tag_of(seen) == claim->tag; i++) {
        struct count count = count_at(seen, now_s);

        if (count.previous >= max || count.previous >= BTCF_CLAIM_MAX)
            break;
        add(&count.current);
        add(&count.previous);
        if (store(claim, &seen, &count))
            return true;
    }
    memset(claim, 0, sizeof(*claim));
    return false;
}

void btcf_claim_keep(struct btcf_claim *claim, uint64_t now_s)
{
    if (claim->word == NULL)
        return;

    uint64_t seen = atomic_load_explicit(claim->word, memory_order_relaxed);

    for (int i = 0; i < BTCF_CLAIM_TRIES_MAX && tag_of(seen) == claim->tag; i++) {
        struct count count = count_at(seen, now_s);
        uint32_t age = (count.period - claim->period) & PERIOD_MASK;

        if (age == 0)
            return;
        add(&count.current);
        if (age != 1)
            add(&count.previous);
        if (store(claim, &seen, &count))
            return;
    }
}

/* Closes the claim when more than `max` are open; otherwise leaves it. */
static bool close_above(struct btcf_claim *claim, uint32_t max, uint64_t now_s)
{
    uint64_t seen = atomic_load_explicit(claim->word, memory_order_relaxed);

    for (int i = 0; i < BTCF_CLAIM_TRIES_MAX && tag_of(seen) == claim->tag; i++) {
        struct count count = count_at(seen, now_s);
        uint32_t age = (count.period - claim->period) & PERIOD_MASK;

        if (age > 1 || count.previous <= max)
            return false;
        if (age == 0)
            subtract(&count.current);
        subtract(&count.previous);
        if (store(claim, &seen, &count))
            return true;
    }
    return false;
}

void btcf_claim_give(struct btcf_claim *claim, uint64_t now_s)
{
    if (claim->word != NULL)
        (void)close_above(claim, 0, now_s);
    memset(claim, 0, sizeof(*claim));
}

bool btcf_claim_yield(struct btcf_claim *claim, uint32_t max, uint64_t now_s)
{
    if (claim->word == NULL || !close_above(claim, max, now_s))
        return false;
    memset(claim, 0, sizeof(*claim));
    return true;
}

uint32_t btcf_claim_count(const _Atomic uint64_t *word, uint64_t now_s)
{
    return count_at(atomic_load_explicit(word, memory_order_relaxed), now_s).previous;
}

struct btcf_claim btcf_claim_find(struct btcf_addr_set *sets, uint32_t set_count, uint64_t hash, uint64_t now_s)
{
    struct btcf_addr_set *set = &sets[hash % set_count];
    struct btcf_claim claim = {.tag = (uint32_t)(hash >> TAG_SHIFT)};
    uint64_t seen;

    for (int i = 0; i < BTCF_ADDR_WAYS; i++) {
        seen = atomic_load_explicit(&set->cell[i], memory_order_relaxed);
        if (tag_of(seen) == claim.tag) {
            claim.word = &set->cell[i];
            return claim;
        }
    }
    for (int i = 0; i < BTCF_ADDR_WAYS; i++) {
        seen = atomic_load_explicit(&set->cell[i], memory_order_relaxed);

        struct count count = count_at(seen, now_s);

        if (count.current > 0 || count.previous > 0)
            continue;
        claim.word = &set->cell[i];
        if (store(&claim, &seen, &count))
            return claim;
    }
    return (struct btcf_claim){0};
}
