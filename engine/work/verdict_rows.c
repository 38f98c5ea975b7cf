/* See verdict_rows.h. Minds change seldom, so the table stays small. */
#include "work/verdict_rows.h"

#include "core/arena.h"
#include "core/err.h"
#include "store/db.h"

static const char SQL_SAVE[] =
    "INSERT INTO verdict (feed, kind, horizon_s, model, state, previous, reason, p, n, n_effective, release, decided_at,"
    " created_wall_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
/* Columns: horizon_s model. Index: verdict_newest, by its first two columns. */
static const char SQL_CHAMPIONS[] =
    "SELECT DISTINCT ON (horizon_s) horizon_s::bigint, model FROM verdict WHERE feed = $1 AND kind = 'champion'"
    " ORDER BY horizon_s, id DESC";
static const char SQL_LAST_DRIFT[] =
    "SELECT coalesce(max(decided_at), 0) FROM verdict WHERE feed = $1 AND kind = 'drift' AND horizon_s = $2";

int verdict_save(struct db *db, const struct verdict_row *row, int64_t wall_ms)
{
    if (db_exec(db, SQL_SAVE, NULL, DB_TEXT(row->feed), DB_TEXT(row->kind), DB_I64(row->horizon_s),
                DB_TEXT(row->model), DB_TEXT(row->state), DB_TEXT(row->previous), DB_TEXT(row->reason),
                row->p < 0 ? DB_NULL : DB_F64(row->p), DB_I64((int64_t)row->n), DB_F64(row->n_effective),
                DB_TEXT(BTCF_VERSION), DB_I64(row->decided_at), DB_I64(wall_ms), DB_END) < 0)
        return err_wrap("while storing a verdict on %s", row->model);
    return 0;
}

int verdict_champions(struct db *db, struct arena *arena, const char *feed, const char *models[HORIZON_COUNT])
{
    struct db_rows rows;
    if (db_query(db, arena, SQL_CHAMPIONS, &rows, DB_TEXT(feed), DB_END) < 0)
        return err_wrap("while looking up what %s serves", feed);
    for (size_t h = 0; h < HORIZON_COUNT; h++) {
        models[h] = NULL;
        for (size_t i = 0; i < rows.count; i++)
            if (db_i64(&rows, i, 0) == horizons[h].seconds)
                models[h] = db_text(&rows, i, 1);
    }
    return 0;
}

int verdict_last_drift(struct db *db, struct arena *arena, const char *feed, int64_t horizon_s, int64_t *decided_at)
{
    struct db_rows rows;
    if (db_query(db, arena, SQL_LAST_DRIFT, &rows, DB_TEXT(feed), DB_I64(horizon_s), DB_END) < 0)
        return err_wrap("while looking for drift of %s", feed);
    *decided_at = db_i64(&rows, 0, 0);
    return 0;
}
