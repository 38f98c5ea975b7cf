/* The schema, brought up to what this binary knows: the embedded migrations (store/migration.h), each applied once, in
 * order, in a transaction of its own, with its checksum kept in the table schema_migration.
 *
 * A database that has had a migration which this binary does not know, or knows with another text, or that misses one
 * between two that it has, is refused with E_CONFLICT and left as it is: it was made by a newer or a changed btcf.
 */
#ifndef STORE_MIGRATE_H
#define STORE_MIGRATE_H

#include "core/base.h"

struct arena;
struct db;

enum migrate_state { MIGRATE_APPLIED, MIGRATE_PENDING, MIGRATE_CHANGED, MIGRATE_UNKNOWN, MIGRATE_SKIPPED };

/* One migration that the binary or the database knows. */
struct migrate_row {
    int number;
    const char *name;
    enum migrate_state state;
    int64_t applied_wall_ms; /* 0 unless the database has had it */
};

/* Ascending by number, in the arena. A database without the table has had none. */
int migrate_status(struct db *db, struct arena *arena, struct migrate_row **rows, size_t *count) BTCF_MUST_CHECK;

/* Applies what is pending; *applied says how many. Several processes may call it at once: one works, the others wait
 * and then find nothing to do. The connection's own timeout does not apply meanwhile. After an error close the
 * connection, which gives up the lock. */
int migrate_up(struct db *db, size_t *applied) BTCF_MUST_CHECK;

/* "applied", "pending", "changed", "unknown", "skipped". */
const char *migrate_state_name(enum migrate_state state);

#endif
