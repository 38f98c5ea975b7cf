/* See counters.h.
 *
 * Workers first store the day of a bank, then add with release; here each counter is loaded with acquire, and the day
 * both before and after. So growth that we see was added on the day that the second load finds or earlier, and when both
 * loads agree, on that day or while it was the bank's: no growth of today can be booked on the day before yesterday.
 */
#include "meter/counters.h"

#include <stdatomic.h>

#define READ_TRIES_MAX 3

_Static_assert(offsetof(struct btcf_usage_bank, billed) == 8 * (1 + METER_BILLED), "bank: billed");
_Static_assert(offsetof(struct btcf_usage_bank, units) == 8 * (1 + METER_UNITS), "bank: units");
_Static_assert(offsetof(struct btcf_usage_bank, not_modified) == 8 * (1 + METER_NOT_MODIFIED), "bank: not_modified");
_Static_assert(offsetof(struct btcf_usage_bank, latency_us) == 8 * (1 + METER_LATENCY_US), "bank: latency_us");
_Static_assert(sizeof(struct btcf_usage_bank) == 8 * (1 + METER_COUNTERS), "bank");

bool bank_read(const struct btcf_usage_bank *bank, struct bank_reading *reading)
{
    const _Atomic uint64_t *word = (const _Atomic uint64_t *)bank;

    for (int try = 0; try < READ_TRIES_MAX; try++) {
        /* Acquire, so that no counter is read before the day. */
        uint64_t day = atomic_load_explicit(&word[0], memory_order_acquire);

        /* Partner: the release of each addition in btcf_usage_count. */
        for (int i = 0; i < METER_COUNTERS; i++)
            reading->value[i] = atomic_load_explicit(&word[1 + i], memory_order_acquire);
        reading->day = atomic_load_explicit(&word[0], memory_order_relaxed);
        if (reading->day == day)
            return true;
    }
    return false;
}

static int64_t bound_of(int counter, int64_t elapsed_s)
{
    int64_t per_s = METER_ANSWERS_PER_S_MAX, bound;

    if (counter >= METER_UNITS && counter < METER_UNITS + BTCF_USAGE_CLASSES)
        per_s = METER_UNITS_PER_S_MAX;
    else if (counter == METER_BYTES)
        per_s = METER_BYTES_PER_S_MAX;
    else if (counter == METER_LATENCY_US)
        per_s = METER_LATENCY_US_PER_S_MAX;
    if (__builtin_mul_overflow(per_s, elapsed_s, &bound) || bound > METER_GROWTH_MAX)
        return METER_GROWTH_MAX;
    return bound;
}

unsigned counters_grow(const uint64_t before[METER_COUNTERS], const uint64_t now[METER_COUNTERS], int64_t elapsed_s,
                       int64_t growth[METER_COUNTERS])
{
    unsigned clamped = 0;

    if (elapsed_s < METER_ELAPSED_MIN_S)
        elapsed_s = METER_ELAPSED_MIN_S;
    for (int i = 0; i < METER_COUNTERS; i++) {
        uint64_t bound = (uint64_t)bound_of(i, elapsed_s);

        growth[i] = 0;
        if (now[i] < before[i]) {
            clamped++;
        } else if (now[i] - before[i] > bound) {
            growth[i] = (int64_t)bound;
            clamped++;
        } else {
            growth[i] = (int64_t)(now[i] - before[i]);
        }
    }
    return clamped;
}

int64_t bank_day(unsigned bank, uint64_t day, int64_t today, unsigned *clamped)
{
    uint64_t latest = (uint64_t)today + 1;

    if ((day & 1) == bank && day <= latest && day + METER_DAYS_BACK_MAX >= latest)
        return (int64_t)day;
    (*clamped)++;
    /* Today or yesterday: tomorrow is the exception, of a clock that is a moment ahead. */
    return ((uint64_t)today & 1) == bank ? today : today - 1;
}
