/* The gate's tables in shared memory, kept equal to the rows behind them: who may do what.
 *
 *     auth_tables_init(&tables, &watch);
 *     auth_tables_begin(&tables, writer)           a file that is not live yet
 *     auth_tables_look(&tables, db)                takes the old file's tables over, or loads everything
 *     ... the file goes live ...
 *     auth_tables_look(&tables, db)                from then on: what has changed, in proportion to the change
 *
 * A file's tables come from one database, from first to last. What cannot be done in place is done by another file:
 * a table that is full, and a database that is another one or an older state of this one. auth_tables_look then asks for it
 * (AUTH_TABLES_RENEW) and the caller makes it, with auth_tables_capacity, and begins again; the tables of the old file
 * stay in force meanwhile. So no worker ever sees tables that are half of one database and half of another, and nothing
 * has to be searched for what the database no longer has.
 */
#ifndef PUBLISH_AUTH_TABLES_H
#define PUBLISH_AUTH_TABLES_H

#include "core/base.h"
#include "core/settings.h"
#include "core/str.h"
#include "publish/gate_rows.h"
#include "shm/writer.h"

struct arena;
struct db;

#define AUTH_TABLES_RENEW 1

/* Long work calls it between its parts, every few milliseconds; false: give up, the role is to end. */
struct auth_tables_watch {
    bool (*go_on)(void *ctx);
    void *ctx;
};

struct auth_tables {
    struct writer *writer; /* borrowed: of the present file */
    struct auth_tables_watch watch;
    struct arena *arena;       /* of one look, or of one page of it */
    struct gate_snapshot seen; /* everything visible in it is in the tables */
    struct strbuf running;     /* its text */
    bool is_loaded;            /* the present file's tables are complete up to `seen` */
    bool is_distrusted;        /* the old file's tables are not to be taken over */
    bool has_new_signing_keys; /* for the caller, who clears it */
    struct writer_auth_options capacity;
};

void auth_tables_init(struct auth_tables *tables, const struct settings *settings,
                      const struct auth_tables_watch *watch);
void auth_tables_release(struct auth_tables *tables);

/* Tables to be made with the next file: what the settings say, or more. `dir` has the old file, which may have grown. */
struct writer_auth_options auth_tables_capacity(struct auth_tables *tables, const char *dir);

/* `writer` has a new file, made with that capacity and not live. */
void auth_tables_begin(struct auth_tables *tables, struct writer *writer);

/* 0: the tables hold everything that was committed before the call. AUTH_TABLES_RENEW: another file is needed. E_STORE
 * when the database is away; then, and on any other error, what is published is true as of an earlier time, and what was
 * missed is made up for by the next look. A row that cannot be published is logged and refused at the gate. */
int auth_tables_look(struct auth_tables *tables, struct db *db) BTCF_MUST_CHECK;

/* Housekeeping, about once a second. */
void auth_tables_tidy(struct auth_tables *tables);

#endif
