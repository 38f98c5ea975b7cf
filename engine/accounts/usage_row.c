/* SKIP LOCKED keeps two transactions from waiting for one another over a free place: the second one takes the
 * next. */
#include "accounts/usage_row.h"

#include "core/err.h"

/* The index usage_row_free has the free ones in order. */
static const char sql_take_free[] =
    "UPDATE usage_row SET free_at_ms = NULL, account_id = NULL, key_id = NULL WHERE row = (SELECT row FROM usage_row "
    "WHERE free_at_ms <= $1 ORDER BY row LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING row";
/* The number is "btcg" in ASCII; store/migrate.c has the one before. */
static const char sql_lock[] = "SELECT pg_advisory_xact_lock(1651794791)";
static const char sql_append[] =
    "INSERT INTO usage_row (row) SELECT coalesce(max(row) + 1, 0) FROM usage_row RETURNING row";
static const char sql_assign[] = "UPDATE usage_row SET account_id = $2, key_id = nullif($3, 0) WHERE row = $1";
static const char sql_release[] = "UPDATE usage_row SET free_at_ms = $2 WHERE row = $1 AND free_at_ms IS NULL";

int usage_row_lock_numbers(const struct actor *actor)
{
    struct db_rows rows;

    return db_query(actor->db, actor->arena, sql_lock, &rows, DB_END);
}

int usage_row_take(const struct actor *actor, int64_t *row)
{
    struct db_rows rows;

    if (db_query(actor->db, actor->arena, sql_take_free, &rows, DB_I64(actor->now_ms), DB_END) < 0)
        goto fail;
    if (rows.count == 0 &&
        (usage_row_lock_numbers(actor) < 0 || db_query(actor->db, actor->arena, sql_append, &rows, DB_END) < 0))
        goto fail;
    *row = db_i64(&rows, 0, 0);
    return 0;
fail:
    return err_wrap("while taking a row for usage");
}

int usage_row_assign(const struct actor *actor, int64_t row, int64_t account_id, int64_t key_id)
{
    return db_exec(actor->db, sql_assign, NULL, DB_I64(row), DB_I64(account_id), DB_I64(key_id), DB_END);
}

int usage_row_release(const struct actor *actor, int64_t row, int64_t ended_ms)
{
    return db_exec(actor->db, sql_release, NULL, DB_I64(row), DB_I64(ended_ms + USAGE_ROW_REST_MS), DB_END);
}
