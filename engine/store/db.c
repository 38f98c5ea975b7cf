/* One PostgreSQL connection with deadlines.
 *
 * The problem: libpq's simple calls wait for ever on a server that is stopped, and a role that waits for ever can
 * neither serve nor be drained. So every exchange here is send, then poll with a deadline, on a non-blocking
 * connection. The server's own statement_timeout fires first and keeps the connection; the client's deadline, a little
 * later, means that the server is not answering at all, and gives the connection up.
 *
 * Statements are prepared on first use and found again by the address of their text, so the text must be a constant.
 * Parameters are written in db_params.c, rows are read in db_rows.c.
 *
 * Not here: reconnecting by itself (the state of the caller's transaction would be a guess), pooling, async queries.
 */
#include "store/db.h"

#include <assert.h>
#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/err.h"
#include "core/log.h"
#include "core/str.h"
#include "store/db_params.h"

#define DB_MAGIC 0x62746364u
#define STATEMENTS_MAX 512 /* a power of two; statements that one role uses */
#define CHANNELS_MAX 8
#define NAME_SIZE 64
#define MESSAGE_SIZE 256
#define CLIENT_GRACE_MS 2000 /* how much later than the server the client gives up */
#define NUMBER_SIZE 32

struct db {
    unsigned magic;
    PGconn *conn; /* NULL when closed or given up */
    char *conninfo;
    char role[NAME_SIZE];
    int64_t timeout_ms;
    char channels[CHANNELS_MAX][NAME_SIZE];
    size_t channel_count;
    const char *prepared[STATEMENTS_MAX]; /* by address, open addressing; the index is the statement's name */
    size_t prepared_count;
    char message[MESSAGE_SIZE];
    void (*on_wait)(void *ctx); /* NULL: nothing to do meanwhile */
    void *on_wait_ctx;
};

static int connect_now(struct db *db);
static const char *what_failed(struct db *db);
static void give_up(struct db *db);
static int run_prepared(struct db *db, const char *sql, const struct db_params *params, PGresult **result);
static PGresult *run_simple(struct db *db, const char *sql);
static int check_result(struct db *db, const PGresult *result);

int db_open(struct db **out, const char *conninfo, const char *role, int64_t timeout_ms)
{
    struct db *db = calloc(1, sizeof(*db));

    if (db == NULL || (db->conninfo = strdup(conninfo)) == NULL)
        abort();
    db->magic = DB_MAGIC;
    db->timeout_ms = timeout_ms;
    snprintf(db->role, sizeof(db->role), "btcf %s", role);
    if (connect_now(db) < 0) {
        db_close(&db);
        return -1;
    }
    *out = db;
    return 0;
}

void db_close(struct db **handle)
{
    struct db *db = *handle;

    *handle = NULL;
    if (db == NULL)
        return;
    assert(db->magic == DB_MAGIC);
    give_up(db);
    free(db->conninfo);
    db->magic = 0;
    free(db);
}

int db_reconnect(struct db *db)
{
    give_up(db);
    return connect_now(db);
}

bool db_is_open(const struct db *db)
{
    return db != NULL && db->conn != NULL && PQstatus(db->conn) == CONNECTION_OK;
}

int db_set_timeout(struct db *db, int64_t timeout_ms)
{
    char sql[64];

    snprintf(sql, sizeof(sql), "SET statement_timeout = %lld", (long long)timeout_ms);
    if (db_script(db, sql) < 0)
        return err_wrap("while setting the statement timeout");
    db->timeout_ms = timeout_ms;
    return 0;
}

int64_t db_timeout_ms(const struct db *db)
{
    return db->timeout_ms;
}

void db_on_wait(struct db *db, void (*fn)(void *ctx), void *ctx)
{
    db->on_wait = fn;
    db->on_wait_ctx = ctx;
}

int db_query(struct db *db, struct arena *arena, const char *sql, struct db_rows *rows, ...)
{
    struct db_params params;
    PGresult *result = NULL;
    va_list args;

    va_start(args, rows);
    db_params_read(&params, args);
    va_end(args);
    int rc = run_prepared(db, sql, &params, &result);
    db_params_release(&params);
    if (rc < 0)
        return -1;
    arena_on_release(arena, (void (*)(void *))PQclear, result);

    struct str affected = str_of(PQcmdTuples(result));
    *rows =
        (struct db_rows){.count = (size_t)PQntuples(result), .columns = (size_t)PQnfields(result), .result = result};
    if (affected.len > 0)
        rc = str_parse_i64(affected, &rows->affected);
    assert(rc == 0);
    return 0;
}

int db_exec(struct db *db, const char *sql, int64_t *affected, ...)
{
    struct db_params params;
    PGresult *result = NULL;
    va_list args;

    va_start(args, affected);
    db_params_read(&params, args);
    va_end(args);
    int rc = run_prepared(db, sql, &params, &result);
    db_params_release(&params);
    if (rc < 0)
        return -1;
    if (affected != NULL && str_parse_i64(str_of(PQcmdTuples(result)), affected) < 0)
        *affected = 0; /* a statement that counts nothing, as LOCK */
    PQclear(result);
    return 0;
}

int db_script(struct db *db, const char *sql)
{
    PGresult *result = run_simple(db, sql);
    int rc = check_result(db, result);

    PQclear(result);
    return rc;
}

int db_begin(struct db *db)
{
    return db_script(db, "BEGIN");
}

int db_commit(struct db *db)
{
    PGresult *result = run_simple(db, "COMMIT");
    int rc = check_result(db, result);

    /* A COMMIT of an aborted transaction succeeds as ROLLBACK: nothing was stored, so that is no success. */
    if (rc == 0 && strcmp(PQcmdStatus(result), "COMMIT") != 0)
        rc = err_set(E_CONFLICT, "the transaction had failed before its COMMIT and was rolled back");
    PQclear(result);
    return rc;
}

void db_rollback(struct db *db)
{
    if (!db_is_open(db) || PQtransactionStatus(db->conn) == PQTRANS_IDLE)
        return;
    PQclear(run_simple(db, "ROLLBACK"));
}

static int flush_all(struct db *db, int64_t deadline_ms);
static PGresult *last_result(struct db *db, int64_t deadline_ms);

static int64_t deadline_of(const struct db *db)
{
    return clock_mono_ms() + db->timeout_ms + CLIENT_GRACE_MS;
}

int db_copy_start(struct db *db, const char *sql)
{
    PGresult *result = run_simple(db, sql);
    int rc = PQresultStatus(result) == PGRES_COPY_IN ? 0 : check_result(db, result);

    if (rc == 0 && PQresultStatus(result) != PGRES_COPY_IN)
        rc = err_set(E_INPUT, "this statement does not start a COPY: %s", sql);
    PQclear(result);
    return rc;
}

int db_copy_data(struct db *db, const void *bytes, size_t len)
{
    assert(len <= INT32_MAX);
    if (!db_is_open(db))
        return err_set(E_STORE, "there is no connection to PostgreSQL");
    if (PQputCopyData(db->conn, bytes, (int)len) != 1 || flush_all(db, deadline_of(db)) < 0) {
        int rc = err_set(E_STORE, "PostgreSQL takes no more COPY data: %s", what_failed(db));

        give_up(db);
        return rc;
    }
    return 0;
}

int db_copy_end(struct db *db, const char *abort_reason, int64_t *rows)
{
    if (!db_is_open(db))
        return err_set(E_STORE, "there is no connection to PostgreSQL");
    int sent = PQputCopyEnd(db->conn, abort_reason);
    PGresult *result = sent == 1 ? last_result(db, deadline_of(db)) : NULL;
    int rc = 0;

    if (abort_reason == NULL || result == NULL)
        rc = check_result(db, result);
    if (rows != NULL && (rc < 0 || abort_reason != NULL || str_parse_i64(str_of(PQcmdTuples(result)), rows) < 0))
        *rows = 0;
    PQclear(result);
    return rc;
}

static int listen_now(struct db *db, const char *channel)
{
    char *quoted = PQescapeIdentifier(db->conn, channel, strlen(channel));
    char sql[2 * NAME_SIZE + 16];

    if (quoted == NULL)
        return err_set(E_INPUT, "not a channel name: %s", channel);
    snprintf(sql, sizeof(sql), "LISTEN %s", quoted);
    PQfreemem(quoted);
    return db_script(db, sql);
}

int db_listen(struct db *db, const char *channel)
{
    assert(strlen(channel) < NAME_SIZE);
    assert(db->channel_count < CHANNELS_MAX);
    if (!db_is_open(db))
        return err_set(E_STORE, "there is no connection to PostgreSQL");
    if (listen_now(db, channel) < 0)
        return -1;
    snprintf(db->channels[db->channel_count++], NAME_SIZE, "%s", channel);
    return 0;
}

/* Takes every notification that has arrived. */
static bool take_notifications(struct db *db)
{
    bool any = false;

    for (PGnotify *note = PQnotifies(db->conn); note != NULL; note = PQnotifies(db->conn)) {
        any = true;
        PQfreemem(note);
    }
    return any;
}

int db_wait(struct db *db, int64_t timeout_ms)
{
    int64_t deadline_ms = clock_mono_ms() + timeout_ms;

    if (!db_is_open(db))
        return err_set(E_STORE, "there is no connection to PostgreSQL");
    for (;;) {
        if (PQconsumeInput(db->conn) == 0) {
            int rc = err_set(E_STORE, "lost the connection to PostgreSQL: %s", what_failed(db));

            give_up(db);
            return rc;
        }
        if (take_notifications(db))
            return 1;
        int64_t left_ms = deadline_ms - clock_mono_ms();
        if (left_ms <= 0)
            return 0;

        struct pollfd fd = {.fd = PQsocket(db->conn), .events = POLLIN};
        if (poll(&fd, 1, left_ms > INT32_MAX ? INT32_MAX : (int)left_ms) < 0)
            return errno == EINTR ? 0 : err_set(E_STORE, "poll: %s", strerror(errno));
    }
}

static void on_notice(void *arg BTCF_UNUSED, const char *message)
{
    log_debug("db.notice", "%s", message);
}

static int connect_now(struct db *db)
{
    char timeout[NUMBER_SIZE];
    snprintf(timeout, sizeof(timeout), "%d", DB_CONNECT_TIMEOUT_S);
    const char *keys[] = {"dbname", "connect_timeout", "application_name", "client_encoding", NULL};
    const char *values[] = {db->conninfo, timeout, db->role, "UTF8", NULL};

    db->conn = PQconnectdbParams(keys, values, 1);
    if (db->conn == NULL)
        abort();
    PQsetNoticeProcessor(db->conn, on_notice, NULL);
    if (PQstatus(db->conn) != CONNECTION_OK || PQsetnonblocking(db->conn, 1) != 0) {
        int rc = err_set(E_STORE, "cannot connect to PostgreSQL: %s", what_failed(db));

        give_up(db);
        return rc;
    }
    if (db_set_timeout(db, db->timeout_ms) < 0)
        return -1;
    for (size_t i = 0; i < db->channel_count; i++)
        if (listen_now(db, db->channels[i]) < 0)
            return err_wrap("while listening again to %s", db->channels[i]);
    return 0;
}

/* The first line of libpq's message; the others are advice for a person at psql. */
static const char *what_failed(struct db *db)
{
    const char *text = PQerrorMessage(db->conn);

    snprintf(db->message, sizeof(db->message), "%.*s", (int)strcspn(text, "\n"), text);
    return db->message;
}

static void give_up(struct db *db)
{
    PQfinish(db->conn);
    db->conn = NULL;
    memset(db->prepared, 0, sizeof(db->prepared));
    db->prepared_count = 0;
}

/* Waits until the socket is ready or the deadline has passed. Signals do not cut a statement short. */
static int poll_until(struct db *db, short events, int64_t deadline_ms)
{
    int64_t step_ms = db->on_wait != NULL ? DB_WAIT_STEP_MS : INT32_MAX;

    for (;;) {
        if (db->on_wait != NULL)
            db->on_wait(db->on_wait_ctx);
        int64_t left_ms = deadline_ms - clock_mono_ms();
        struct pollfd fd = {.fd = PQsocket(db->conn), .events = events};

        if (left_ms <= 0)
            return -1;
        int ready = poll(&fd, 1, (int)(left_ms > step_ms ? step_ms : left_ms));
        if (ready > 0)
            return 0;
        if (ready < 0 && errno != EINTR)
            return -1;
    }
}

/* Sends what is buffered, reading meanwhile, as the server may have to speak before it can listen. */
static int flush_all(struct db *db, int64_t deadline_ms)
{
    for (;;) {
        int left = PQflush(db->conn);

        if (left <= 0)
            return left;
        if (poll_until(db, POLLIN | POLLOUT, deadline_ms) < 0 || PQconsumeInput(db->conn) == 0)
            return -1;
    }
}

/* The last result of what was sent, an error winning over what came before it; NULL when the server did not answer in
 * time or went away. COPY results end the wait, as the caller has to feed them. */
static PGresult *last_result(struct db *db, int64_t deadline_ms)
{
    PGresult *kept = NULL;

    if (flush_all(db, deadline_ms) < 0)
        return NULL;
    for (;;) {
        while (PQisBusy(db->conn) != 0)
            if (poll_until(db, POLLIN, deadline_ms) < 0 || PQconsumeInput(db->conn) == 0) {
                PQclear(kept);
                return NULL;
            }
        PGresult *result = PQgetResult(db->conn);
        if (result == NULL)
            return kept;
        if (kept != NULL && PQresultStatus(kept) == PGRES_FATAL_ERROR) {
            PQclear(result);
            continue;
        }
        PQclear(kept);
        kept = result;
        if (PQresultStatus(kept) == PGRES_COPY_IN || PQstatus(db->conn) == CONNECTION_BAD)
            return kept;
    }
}

static PGresult *run_simple(struct db *db, const char *sql)
{
    if (!db_is_open(db) || PQsendQuery(db->conn, sql) == 0)
        return NULL;
    return last_result(db, deadline_of(db));
}

static enum err_kind kind_of_sqlstate(const char *state)
{
    static const struct {
        const char *prefix;
        enum err_kind kind;
    } kinds[] = {
        {"23505", E_CONFLICT}, {"23P01", E_CONFLICT},
        {"40", E_CONFLICT}, /* unique, exclusion; serialization, deadlock */
        {"22", E_INPUT},    /* a value the type cannot hold */
        {"23", E_CORRUPT},  /* a row that would break an invariant */
        {"42", E_CORRUPT},  /* the schema is not the one we know */
    };

    for (size_t i = 0; i < BTCF_LENGTH(kinds); i++)
        if (strncmp(state, kinds[i].prefix, strlen(kinds[i].prefix)) == 0)
            return kinds[i].kind;
    return E_STORE;
}

/* 0 for success; else the error frame, and the connection given up if it is of no more use. */
static int check_result(struct db *db, const PGresult *result)
{
    ExecStatusType status = result == NULL ? PGRES_FATAL_ERROR : PQresultStatus(result);

    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY)
        return 0;
    if (db->conn == NULL)
        return err_set(E_STORE, "there is no connection to PostgreSQL");
    if (result == NULL) {
        int rc = PQstatus(db->conn) == CONNECTION_BAD
                     ? err_set(E_STORE, "lost the connection to PostgreSQL: %s", what_failed(db))
                     : err_set(E_STORE, "PostgreSQL did not answer within %lld ms",
                               (long long)(db->timeout_ms + CLIENT_GRACE_MS));
        give_up(db);
        return rc;
    }
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    int rc = state == NULL ? err_set(E_STORE, "lost the connection to PostgreSQL: %s", what_failed(db))
                           : err_set(kind_of_sqlstate(state), "PostgreSQL: %s (SQLSTATE %s)", text, state);

    if (PQstatus(db->conn) == CONNECTION_BAD)
        give_up(db);
    return rc;
}

/* The slot of `sql`: found, or the free one where it belongs. */
static size_t statement_slot(const struct db *db, const char *sql)
{
    size_t slot = ((uintptr_t)sql >> 3) % STATEMENTS_MAX;

    while (db->prepared[slot] != NULL && db->prepared[slot] != sql)
        slot = (slot + 1) % STATEMENTS_MAX;
    return slot;
}

static int prepare(struct db *db, const char *sql, const struct db_params *params, const char *name)
{
    PGresult *result = NULL;

    assert(db->prepared_count < STATEMENTS_MAX / 2);
    if (PQsendPrepare(db->conn, name, sql, params->count, params->types) == 1)
        result = last_result(db, deadline_of(db));
    int rc = check_result(db, result);
    PQclear(result);
    return rc < 0 ? err_wrap("while preparing \"%.80s\"", sql) : 0;
}

static int run_prepared(struct db *db, const char *sql, const struct db_params *params, PGresult **out)
{
    char name[NUMBER_SIZE];
    PGresult *result = NULL;

    if (!db_is_open(db))
        return err_set(E_STORE, "there is no connection to PostgreSQL");
    size_t slot = statement_slot(db, sql);
    snprintf(name, sizeof(name), "s%zu", slot);
    if (db->prepared[slot] == NULL) {
        if (prepare(db, sql, params, name) < 0)
            return -1;
        db->prepared[slot] = sql;
        db->prepared_count++;
    }
    if (PQsendQueryPrepared(db->conn, name, params->count, params->values, NULL, NULL, 0) == 1)
        result = last_result(db, deadline_of(db));
    if (check_result(db, result) < 0) {
        PQclear(result);
        return -1;
    }
    *out = result;
    return 0;
}
