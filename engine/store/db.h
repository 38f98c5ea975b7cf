/* One connection to PostgreSQL: parameters only, prepared once, every call with a timeout, results in an arena.
 *
 *     struct db_rows rows;
 *     if (db_query(db, arena, sql_due, &rows, DB_TEXT(feed), DB_I64(now_ms), DB_END) < 0)
 *         return err_wrap("while looking for due forecasts");
 *     for (size_t i = 0; i < rows.count; i++)
 *         use(db_i64(&rows, i, 0), db_f64(&rows, i, 1), db_text(&rows, i, 2));
 *
 * Roles are single-threaded and own one db each. Errors: E_STORE when the server is away, refuses or times out,
 * E_CONFLICT for unique and serialization failures, E_INPUT for a value that its type cannot hold, E_CORRUPT for a row
 * that would break a constraint and for a schema that is not ours; the SQLSTATE is in the text.
 * A lost connection is not repaired inside a call: db_reconnect (with the role's backoff) does that.
 */
#ifndef STORE_DB_H
#define STORE_DB_H

#include "core/arena.h"
#include "core/base.h"

struct db;

/* `conninfo` as libpq takes it; `role` becomes application_name; `timeout_ms` the statement timeout. Connecting itself
 * has a limit of DB_CONNECT_TIMEOUT_S. */
#define DB_CONNECT_TIMEOUT_S 5
int db_open(struct db **db, const char *conninfo, const char *role, int64_t timeout_ms) BTCF_MUST_CHECK;
void db_close(struct db **db);
/* Drops what is left of the connection and makes a new one, which listens to the same channels. */
int db_reconnect(struct db *db) BTCF_MUST_CHECK;
bool db_is_open(const struct db *db);
/* Another statement timeout for this connection, until it is set again or the connection is made anew: migrations and
 * imports need longer than a role does. */
int db_set_timeout(struct db *db, int64_t timeout_ms) BTCF_MUST_CHECK;
int64_t db_timeout_ms(const struct db *db);

/* `fn` is called while a call waits for the server, at least every DB_WAIT_STEP_MS: for work that cannot wait as long as
 * a slow statement may take. It must not use this connection and must leave the error frame as it is. NULL: nothing. */
#define DB_WAIT_STEP_MS 50
void db_on_wait(struct db *db, void (*fn)(void *ctx), void *ctx);

/* A parameter. Use the makers below; a call ends with DB_END. At most DB_PARAMS_MAX; an array holds at most
 * DB_ARRAY_COUNT_MAX values. */
#define DB_PARAMS_MAX 40
#define DB_ARRAY_COUNT_MAX 16384
enum db_param_kind {
    DB_PARAM_END,
    DB_PARAM_NULL,
    DB_PARAM_TEXT,
    DB_PARAM_I64,
    DB_PARAM_F64,
    DB_PARAM_BOOL,
    DB_PARAM_F64_ARRAY,
    DB_PARAM_I64_ARRAY,
    DB_PARAM_TEXT_ARRAY,
    DB_PARAM_BYTES
};
struct db_param {
    enum db_param_kind kind;
    const void *ptr;
    size_t count;
    int64_t i64;
    double f64;
};
#define DB_END ((struct db_param){.kind = DB_PARAM_END})
#define DB_NULL ((struct db_param){.kind = DB_PARAM_NULL})
#define DB_TEXT(text) ((struct db_param){.kind = DB_PARAM_TEXT, .ptr = (text)}) /* NULL text is SQL null */
#define DB_I64(value) ((struct db_param){.kind = DB_PARAM_I64, .i64 = (value)})
#define DB_F64(value) ((struct db_param){.kind = DB_PARAM_F64, .f64 = (value)})
#define DB_BOOL(value) ((struct db_param){.kind = DB_PARAM_BOOL, .i64 = (value)})
#define DB_F64_ARRAY(values, n) ((struct db_param){.kind = DB_PARAM_F64_ARRAY, .ptr = (values), .count = (n)})
#define DB_I64_ARRAY(values, n) ((struct db_param){.kind = DB_PARAM_I64_ARRAY, .ptr = (values), .count = (n)})
/* Of const char *; NULL is SQL null. */
#define DB_TEXT_ARRAY(texts, n) ((struct db_param){.kind = DB_PARAM_TEXT_ARRAY, .ptr = (texts), .count = (n)})
#define DB_BYTES(bytes, n) ((struct db_param){.kind = DB_PARAM_BYTES, .ptr = (bytes), .count = (n)})

/* Rows live as long as the arena that was passed. Column order is that of the query's text. */
struct db_rows {
    size_t count, columns;
    int64_t affected; /* rows touched by INSERT/UPDATE/DELETE */
    void *result;     /* libpq's */
};

/* Prepared on first use per connection (keyed by the address of `sql`, so pass constants). */
int db_query(struct db *db, struct arena *arena, const char *sql, struct db_rows *rows, ...) BTCF_MUST_CHECK;
/* The same for statements whose rows do not matter; *affected may be NULL. */
int db_exec(struct db *db, const char *sql, int64_t *affected, ...) BTCF_MUST_CHECK;
/* Simple protocol, several statements allowed, no parameters: migrations and SET only. */
int db_script(struct db *db, const char *sql) BTCF_MUST_CHECK;

bool db_is_null(const struct db_rows *rows, size_t row, size_t column);
/* NULL columns read as NULL, 0, 0.0, false. A value of the wrong type is our own mistake and asserts. */
const char *db_text(const struct db_rows *rows, size_t row, size_t column);
int64_t db_i64(const struct db_rows *rows, size_t row, size_t column);
double db_f64(const struct db_rows *rows, size_t row, size_t column);
bool db_bool(const struct db_rows *rows, size_t row, size_t column);
/* float8[] into values; returns the count, at most `max`; E_CORRUPT when it has more or holds nulls. */
int db_f64_array(const struct db_rows *rows, size_t row, size_t column, double *values, size_t max,
                 size_t *count) BTCF_MUST_CHECK;
int db_bytes(const struct db_rows *rows, size_t row, size_t column, struct arena *arena, const unsigned char **bytes,
             size_t *len) BTCF_MUST_CHECK;

/* Transactions. db_rollback is safe to call when none is open and never changes the error frame. */
int db_begin(struct db *db) BTCF_MUST_CHECK;
int db_commit(struct db *db) BTCF_MUST_CHECK;
void db_rollback(struct db *db);

/* COPY in. Between start and end only db_copy_data may be called. End with abort_reason NULL to finish; with a text to
 * cancel (then the function returns 0 and nothing was stored). */
int db_copy_start(struct db *db, const char *sql) BTCF_MUST_CHECK;
int db_copy_data(struct db *db, const void *bytes, size_t len) BTCF_MUST_CHECK;
int db_copy_end(struct db *db, const char *abort_reason, int64_t *rows) BTCF_MUST_CHECK;

/* NOTIFY is a hint: every consumer polls as well. */
int db_listen(struct db *db, const char *channel) BTCF_MUST_CHECK;
/* Waits up to `timeout_ms` for a notification on any channel. 1 when one came (all pending ones are taken), 0 when
 * not, -1 when the connection is lost. Returns early with 0 on a signal. */
int db_wait(struct db *db, int64_t timeout_ms) BTCF_MUST_CHECK;

#endif
