/* Migrations: compare what the database has had with what the binary knows, then apply the rest.
 *
 * The comparison is a merge of two ascending lists. What is applied must be an unchanged prefix of what is embedded;
 * anything else is a state that no script of ours has been written for, so nothing is applied and the text says which
 * migration is in the way.
 *
 * Two starts at once are kept apart by an advisory lock of the session: it is taken before the comparison and goes away
 * with the connection, so a killed process never leaves it behind.
 */
#include "store/migrate.h"

#include <stdio.h>
#include <string.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/err.h"
#include "store/db.h"
#include "store/migration.h"

#define ARENA_MAX (4 << 20)
#define MIGRATE_TIMEOUT_MS (30 * 60 * INT64_C(1000)) /* of a migration, and of the wait for another process's */

static const char sql_create[] = "CREATE TABLE IF NOT EXISTS schema_migration ("
                                 "number integer PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL, "
                                 "applied_wall_ms bigint NOT NULL)";
static const char sql_exists[] = "SELECT to_regclass('schema_migration') IS NOT NULL";
static const char sql_applied[] =
    "SELECT number, name, sha256, applied_wall_ms FROM schema_migration ORDER BY number";
static const char sql_record[] =
    "INSERT INTO schema_migration (number, name, sha256, applied_wall_ms) VALUES ($1, $2, $3, $4)";
/* The number is "btcf" in ASCII. The lock may be waited for as long as another process migrates. */
static const char sql_lock[] = "SELECT pg_advisory_lock(1651794790)";
static const char sql_unlock[] = "SELECT pg_advisory_unlock(1651794790)";

static enum migrate_state state_of(const struct migration *known, const struct db_rows *applied, size_t row,
                                   bool later);
static int apply_pending(struct db *db, struct arena *arena, size_t *applied);
static int refuse_unless_prefix(const struct migrate_row *rows, size_t count);
static int apply(struct db *db, const struct migration *migration);

int migrate_status(struct db *db, struct arena *arena, struct migrate_row **out, size_t *count)
{
    struct db_rows exists, applied = {0};

    if (db_query(db, arena, sql_exists, &exists, DB_END) < 0)
        return -1;
    if (db_bool(&exists, 0, 0) && db_query(db, arena, sql_applied, &applied, DB_END) < 0)
        return -1;

    struct migrate_row *rows = arena_array(arena, migrations_count + applied.count + 1, sizeof(*rows));
    size_t n = 0, known = 0, had = 0;
    while (known < migrations_count || had < applied.count) {
        int64_t known_number = known < migrations_count ? migrations[known].number : INT32_MAX;
        int64_t had_number = had < applied.count ? db_i64(&applied, had, 0) : INT32_MAX;
        struct migrate_row *row = &rows[n++];

        if (had_number < known_number) {
            *row = (struct migrate_row){(int)had_number, db_text(&applied, had, 1), MIGRATE_UNKNOWN,
                                        db_i64(&applied, had, 3)};
            had++;
            continue;
        }
        *row = (struct migrate_row){.number = (int)known_number, .name = migrations[known].name};
        row->state = state_of(&migrations[known], &applied, had, had_number > known_number && had < applied.count);
        if (had_number == known_number)
            row->applied_wall_ms = db_i64(&applied, had++, 3);
        known++;
    }
    *out = rows;
    *count = n;
    return 0;
}

/* `row` is the applied migration that may be `known`; `later` says that the database has had a later one instead. */
static enum migrate_state state_of(const struct migration *known, const struct db_rows *applied, size_t row,
                                   bool later)
{
    if (later)
        return MIGRATE_SKIPPED;
    if (row >= applied->count)
        return MIGRATE_PENDING;
    return strcmp(db_text(applied, row, 2), known->sha256) == 0 ? MIGRATE_APPLIED : MIGRATE_CHANGED;
}

int migrate_up(struct db *db, size_t *applied)
{
    struct arena *arena = arena_create("migrate", ARENA_MAX);
    struct db_rows rows;

    int64_t timeout_ms = db_timeout_ms(db);

    *applied = 0;
    int rc = db_set_timeout(db, MIGRATE_TIMEOUT_MS);
    if (rc == 0)
        rc = db_query(db, arena, sql_lock, &rows, DB_END);
    if (rc == 0)
        rc = apply_pending(db, arena, applied);
    if (rc == 0)
        rc = db_query(db, arena, sql_unlock, &rows, DB_END);
    if (rc == 0)
        rc = db_set_timeout(db, timeout_ms);
    arena_free(&arena);
    return rc < 0 ? err_wrap("while migrating the schema") : 0;
}

static int apply_pending(struct db *db, struct arena *arena, size_t *applied)
{
    struct migrate_row *rows;
    size_t count;

    if (db_script(db, sql_create) < 0 || migrate_status(db, arena, &rows, &count) < 0)
        return -1;
    if (refuse_unless_prefix(rows, count) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (rows[i].state != MIGRATE_PENDING)
            continue;
        if (apply(db, &migrations[i]) < 0)
            return err_wrap("migration %s", rows[i].name);
        (*applied)++;
    }
    return 0;
}

static int refuse_unless_prefix(const struct migrate_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct migrate_row *row = &rows[i];

        if (row->state == MIGRATE_CHANGED)
            return err_set(E_CONFLICT,
                           "migration %s was applied with another text than this btcf has; "
                           "run the btcf that applied it, or restore its file",
                           row->name);
        if (row->state == MIGRATE_UNKNOWN)
            return err_set(E_CONFLICT,
                           "the database has migration %s, which this btcf does not know; run a newer btcf",
                           row->name);
        if (row->state == MIGRATE_SKIPPED)
            return err_set(E_CONFLICT,
                           "migration %s was never applied, but a later one was; the schema cannot be trusted",
                           row->name);
    }
    return 0;
}

static int apply(struct db *db, const struct migration *migration)
{
    if (db_begin(db) < 0)
        return -1;
    if (db_script(db, migration->sql) < 0 ||
        db_exec(db, sql_record, NULL, DB_I64(migration->number), DB_TEXT(migration->name), DB_TEXT(migration->sha256),
                DB_I64(clock_wall_ms()), DB_END) < 0 ||
        db_commit(db) < 0) {
        db_rollback(db);
        return -1;
    }
    return 0;
}

const char *migrate_state_name(enum migrate_state state)
{
    static const char *const names[] = {"applied", "pending", "changed", "unknown", "skipped"};

    return names[state];
}
