/* Usage out of edge into PostgreSQL, exactly once.
 *
 *     struct meter *meter = meter_create(shm_dir);
 *     int more = meter_drain(meter, db);       1: there is more to take at once; 0: nothing is left; -1: say so, then
 *     meter_forget(meter);                     the database is the only memory: cursors are loaded again
 *
 * Counters in edge only grow. The meter remembers in the table meter_cursor what it has taken of each, and books the
 * difference, usage and cursor in one transaction. So nothing needs a clean end: whoever is killed, the next one finds in
 * the database what was booked, and in edge what was not.
 *
 *     worker     row 7, bank 0:  day 20415,  units 130 -> 134 -> 141                              ... counts on
 *     meter      cursor 130             134 - 130 = 4 booked on day 20415, cursor := 134          ... 7 next time
 *
 * What can be lost: a host that goes down takes edge with it, and so what was counted since the last drain, at most
 * meter_poll_ms and the time that PostgreSQL was away. What can be booked on a wrong day, never in a wrong amount: a bank
 * serves every second day, so growth that waits for longer than a whole day, because no meter ran, goes to the newest day.
 *
 * One meter per directory: meter_create's caller holds a lock there (roles/meter.c). The fencing number in meter_file
 * makes a second one harmless, not useful.
 */
#ifndef METER_DRAIN_H
#define METER_DRAIN_H

#include "core/base.h"

struct db;
struct meter;

/* Rows whose last use is older than the scan before are passed over; everything is looked at this often all the same, for
 * what was counted by a worker that was held up between its counting and its note of the time. */
#define METER_SWEEP_MS INT64_C(60000)
/* How far that may be, and seconds by which clocks of workers, who read theirs once per event, may be behind. */
#define METER_SLACK_S 10
/* Transactions of one call, so that the caller can beat between. */
#define METER_BOOKINGS_MAX 16
/* Growth of an old file that belongs to nobody is waited for so long, then given up, loudly. */
#define METER_ABANDON_MS INT64_C(172800000)
/* Files that no meter has touched for so long are gone: their machines have restarted since. */
#define METER_FORGET_MS (INT64_C(400) * 86400000)

/* `shm_dir` is borrowed. */
struct meter *meter_create(const char *shm_dir);
void meter_free(struct meter **meter);

int meter_drain(struct meter *meter, struct db *db) BTCF_MUST_CHECK;

/* After any error: what was believed of the database may be wrong. */
void meter_forget(struct meter *meter);

/* Usage rows and principals whose growth waits for an owner, over all files. */
uint32_t meter_waiting(const struct meter *meter);

#endif
