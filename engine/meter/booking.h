/* One transaction of the meter: what some rows or principals of one edge file have grown, and their cursors.
 *
 * Usage and cursors are written together, under the file's fencing number, so a meter that is killed at any point, or
 * meets another one, counts nothing twice and loses nothing. In the same transaction the accounts' quotas are looked at.
 */
#ifndef METER_BOOKING_H
#define METER_BOOKING_H

#include "core/base.h"
#include "meter/counters.h"

struct arena;
struct db;
struct edge_file;

/* What one bank has grown. All 64 bits wide: columns of it become arrays of a statement. */
struct growth {
    int64_t place; /* number of the usage row or pool entry */
    int64_t bank;
    int64_t day;                /* UTC, since 1970-01-01 */
    int64_t used_s;             /* unix time of the row's last use */
    int64_t account_id, key_id; /* of rows, found by booking_save; key 0: the account's tokens; account 0: nobody's */
    const char *principal;      /* of principals, else NULL */
    int64_t delta[METER_COUNTERS];
    uint64_t now[METER_COUNTERS]; /* the cursor to be */
};

struct booking {
    struct growth *growth;
    size_t count;
    bool is_pool; /* principals; otherwise rows, ascending by place */
};

#define BOOKING_MAX 2048

/* Writes a booking of at most BOOKING_MAX. Rows that belong to nobody are left out: afterwards the first *saved of
 * booking->growth are in the database, and the others are not. `arena` is used and not reset. E_CONFLICT when somebody else has
 * written this file's cursors: load them again. On any error nothing was saved, or it cannot be known: load them again. */
int booking_save(struct db *db, struct arena *arena, struct edge_file *file, struct booking *booking, int64_t now_ms,
                 size_t *saved) BTCF_MUST_CHECK;

#endif
