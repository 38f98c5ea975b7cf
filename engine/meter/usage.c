/* See usage.h. Of one account this reads a range of usage's primary key; of all, which only an operator asks for, the
 * table.
 */
#include "meter/usage.h"

#include "core/arena.h"
#include "core/err.h"
#include "store/db.h"

/* Columns: day, account, key, class, billed, units. */
static const char sql_list[] =
    "SELECT u.day, a.public_id, coalesce(k.public_id, ''), u.class, u.billed, u.units FROM usage u"
    " JOIN account a ON a.id = u.account_id LEFT JOIN api_key k ON k.id = u.key_id"
    " WHERE ($1::bigint = 0 OR u.account_id = $1::bigint) AND ($2::bigint IS NULL OR u.day = $2::bigint)"
    " ORDER BY u.day DESC, a.id, u.key_id, u.class LIMIT $3";
enum { COLUMN_DAY, COLUMN_ACCOUNT, COLUMN_KEY, COLUMN_CLASS, COLUMN_BILLED, COLUMN_UNITS };

int usage_list(struct db *db, struct arena *arena, int64_t account_id, int64_t day, struct usage_line **lines,
               size_t *count)
{
    struct db_rows rows;

    if (db_query(db, arena, sql_list, &rows, DB_I64(account_id), day == USAGE_DAY_ANY ? DB_NULL : DB_I64(day),
                 DB_I64(USAGE_LISTED_MAX), DB_END) < 0)
        return err_wrap("while listing usage");
    *count = rows.count;
    *lines = arena_array(arena, rows.count, sizeof(**lines));
    for (size_t i = 0; i < rows.count; i++)
        (*lines)[i] = (struct usage_line){
            .day = db_i64(&rows, i, COLUMN_DAY),
            .account = db_text(&rows, i, COLUMN_ACCOUNT),
            .key = db_text(&rows, i, COLUMN_KEY),
            .usage_class = db_text(&rows, i, COLUMN_CLASS),
            .billed = db_i64(&rows, i, COLUMN_BILLED),
            .units = db_i64(&rows, i, COLUMN_UNITS),
        };
    return 0;
}
