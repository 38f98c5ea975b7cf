/* Component rows are replaced in place. A row that says the same again keeps its change number, so that nobody renders a
 * document anew for a heartbeat.
 */
#include "store/component.h"

#include "store/db.h"

static const char sql_save[] =
    "INSERT INTO component AS c (name, state, detail, done, total, updated_wall_ms) VALUES ($1, $2, $3, $4, $5, $6) "
    "ON CONFLICT (name) DO UPDATE SET state = excluded.state, detail = excluded.detail, done = excluded.done, "
    "total = excluded.total, updated_wall_ms = excluded.updated_wall_ms, change = CASE WHEN (c.state, c.detail, c.done, "
    "c.total) IS DISTINCT FROM (excluded.state, excluded.detail, excluded.done, excluded.total) "
    "THEN nextval('change_seq') ELSE c.change END";

int component_save(struct db *db, const struct component *component, int64_t wall_ms)
{
    return db_exec(db, sql_save, NULL, DB_TEXT(component->name), DB_TEXT(component->state),
                   DB_TEXT(component->detail), DB_I64(component->done), DB_I64(component->total), DB_I64(wall_ms),
                   DB_END);
}
