/* The rows behind the gate as the publisher reads them: what there is, and what has changed since it looked last.
 *
 *     gate_look(db, arena, &seen, &look)         one statement: is anything new, and which database is this?
 *     gate_begin(db)                             one snapshot for all that follows
 *     gate_look(db, arena, &seen, &look)         ... and its name
 *     gate_open(db, arena, GATE_KEYS, &seen, now)   the new rows of a table; seen NULL: all that matter
 *     gate_fetch(db, arena, GATE_KEYS, &rows)    a page, until one is empty
 *     gate_key(&rows, i, &key)
 *     db_commit(db)
 *
 * A place in the history of changes is a snapshot, not a number: a transaction that began earlier may commit later, and
 * what it wrote is new although its number is lower than others already seen. Each row carries the transaction that last
 * changed it; new to a snapshot are the rows of transactions that began after it (from `xmax`), and of those that were
 * still running then (`running`). What is kept across restarts is `xmin`, below which everything had ended: rows
 * of transactions from there on are read again, which does no harm.
 *
 * A transaction number that lies in the server's future comes from a restored dump of another server: such rows are part
 * of a full load and never new.
 */
#ifndef PUBLISH_GATE_ROWS_H
#define PUBLISH_GATE_ROWS_H

#include "core/base.h"
#include "shm/auth.h"
#include "store/db.h"

/* Numbers of accounts and of usage rows, and the entries of any table, are below this: the most a file may have. */
#define GATE_CAPACITY_MAX (INT64_C(1) << 24)
/* A revoked session is remembered for so long after its last token has expired: readers' clocks may differ. */
#define GATE_SESSION_GRACE_S 60

enum gate_table { GATE_PLANS, GATE_ACCOUNTS, GATE_KEYS, GATE_SESSIONS, GATE_SIGNING_KEYS, GATE_TABLE_COUNT };

struct gate_snapshot {
    uint64_t xmin, xmax;
    const char *running; /* xid8[] as PostgreSQL writes it */
};

/* What one look found. */
struct gate_look {
    uint8_t database[BTCF_ID_SIZE]; /* differs between databases, restored copies and servers that took over */
    struct gate_snapshot snapshot;  /* in the arena */
    bool changed[GATE_TABLE_COUNT]; /* there is something new since `seen` */
};

/* The snapshot of which nothing is known but its xmin. */
struct gate_snapshot gate_snapshot_from(uint64_t xmin);
int gate_look(struct db *db, struct arena *arena, const struct gate_snapshot *seen,
              struct gate_look *look) BTCF_MUST_CHECK;
bool gate_look_has_news(const struct gate_look *look);

/* How many entries a file needs for what would be loaded in full. */
struct gate_count {
    int64_t keys, accounts, sessions, networks; /* accounts: the highest number + 1 */
};
int gate_count(struct db *db, struct arena *arena, int64_t now_s, struct gate_count *count) BTCF_MUST_CHECK;

int gate_begin(struct db *db) BTCF_MUST_CHECK;
/* In a transaction of gate_begin. `seen` NULL: all rows that an empty table needs, that is without keys and sessions that
 * are over anyway. */
int gate_open(struct db *db, struct arena *arena, enum gate_table table, const struct gate_snapshot *seen,
              int64_t now_s) BTCF_MUST_CHECK;
int gate_fetch(struct db *db, struct arena *arena, enum gate_table table, struct db_rows *rows) BTCF_MUST_CHECK;

struct gate_key {
    uint8_t digest[BTCF_DIGEST_SIZE];
    struct btcf_key key; /* as if it were active */
    bool is_active, has_networks;
    struct btcf_networks networks;
};

struct gate_session {
    uint8_t id[BTCF_ID_SIZE];
    int64_t until_s;
};

/* A row as the shared tables want it. E_CORRUPT, naming the row, when it cannot be said there: then whatever the row
 * stands for must be refused. gate_key then says
 * is_active false, and the digest is good. */
int gate_plan(const struct db_rows *rows, size_t i, struct btcf_plan *plan) BTCF_MUST_CHECK;
int gate_account(const struct db_rows *rows, size_t i, struct btcf_account *account) BTCF_MUST_CHECK;
int gate_key(const struct db_rows *rows, size_t i, struct gate_key *key) BTCF_MUST_CHECK;
int gate_session(const struct db_rows *rows, size_t i, struct gate_session *session) BTCF_MUST_CHECK;

/* The public halves of the keys that sign tokens, as JSON objects, oldest first. */
int gate_signing_keys(struct db *db, struct arena *arena, struct db_rows *rows) BTCF_MUST_CHECK;

#endif
