/* Counters of one bank of a usage row: reading them out of edge while workers count, and judging what has grown.
 *
 * Pure functions; no database, no clock. Counters are read as unsigned 64-bit words that only grow; what they have grown
 * since a cursor is usage. Edge is hostile input: a counter that went back or that jumped is not believed, counted in
 * `clamped`, and can neither wrap a sum nor bill more than the bounds below.
 */
#ifndef METER_COUNTERS_H
#define METER_COUNTERS_H

#include "core/base.h"
#include "shm/btcf_abi.h"

/* In the order of struct btcf_usage_bank, without its day. Columns of the table meter_cursor follow it. */
enum meter_counter {
    METER_BILLED = 0, /* by enum btcf_usage_class, as the next */
    METER_UNITS = METER_BILLED + BTCF_USAGE_CLASSES,
    METER_NOT_MODIFIED = METER_UNITS + BTCF_USAGE_CLASSES,
    METER_CLIENT_ERRORS,
    METER_SERVER_ERRORS,
    METER_LIMITED,
    METER_BYTES,
    METER_LATENCY_US,
    METER_COUNTERS,
};

/* What one row can honestly add in a second; more is an error or an attack. A row's growth may have waited, so the bound
 * is multiplied by the seconds since its cursor was written, at least METER_ELAPSED_MIN_S: what a stream used is
 * counted when it ends. */
#define METER_ANSWERS_PER_S_MAX INT64_C(1000000)
#define METER_UNITS_PER_S_MAX INT64_C(1000000000)
#define METER_BYTES_PER_S_MAX INT64_C(100000000000)
#define METER_LATENCY_US_PER_S_MAX INT64_C(1000000000000000)
#define METER_ELAPSED_MIN_S 60
/* No growth is ever more than this, however long it has waited. */
#define METER_GROWTH_MAX INT64_C(1000000000000000000)

struct bank_reading {
    uint64_t day;
    uint64_t value[METER_COUNTERS];
};

/* Copies a bank so that all that is seen to have grown belongs to reading->day. False when the day changed under each of
 * a few tries: come back later. */
bool bank_read(const struct btcf_usage_bank *bank, struct bank_reading *reading) BTCF_MUST_CHECK;

/* growth[i] = now[i] - before[i], within 0 and the bound for `elapsed_s`. Returns how many had to be clamped. */
unsigned counters_grow(const uint64_t before[METER_COUNTERS], const uint64_t now[METER_COUNTERS], int64_t elapsed_s,
                       int64_t growth[METER_COUNTERS]);

/* How far a bank's day may lie behind today: a meter that was away for so long still books on the right day. */
#define METER_DAYS_BACK_MAX 400

/* The day to book on: the bank's when that can be true (of the bank's parity, not after tomorrow, not older than
 * METER_DAYS_BACK_MAX), otherwise the latest one that can, and *clamped + 1. */
int64_t bank_day(unsigned bank, uint64_t day, int64_t today, unsigned *clamped);

#endif
