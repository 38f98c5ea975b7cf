/* A role: one kind of process of the engine, its row in the table, and what a role's main loop may rely on.
 *
 * The supervisor forks a role for each instance, as the account `user`, never as root, in a process of its own with
 * the log named after it. A role is a plain loop that ends when it is told to:
 *
 *     int ingest_run(const struct role_context *context)
 *     {
 *         struct db *db;
 *         if (db_open(&db, context->settings->database_url, context->id, ...) < 0)
 *             return err_wrap("while connecting");            ends the process; the supervisor starts it again, later
 *         role_ready(context);
 *         while (!role_is_stopping()) {
 *             ... one round of work, bounded in time ...
 *             role_pause(context, 1000);                      sleeps, beats, and wakes at once when told to stop
 *         }
 *         db_close(&db);
 *         return 0;
 *     }
 *
 * A role whose loop waits in db_wait instead of role_pause calls role_beat once a round: signals cut db_wait short.
 * A role that crashes, or returns -1, is started again after a pause that grows while it keeps failing. Do not log
 * the error that you return: the caller of `run` does.
 *
 * When a role stays silent (no beat, no pause) for longer than its row's silence_max_ms the supervisor takes it for
 * hung and kills it. When the supervisor dies the kernel kills its roles (PR_SET_PDEATHSIG): nothing that a role holds
 * may need a clean end, because SIGKILL comes at any instruction.
 */
#ifndef ROLES_ROLE_H
#define ROLES_ROLE_H

#include "core/base.h"
#include "core/settings.h"

/* "worker-heavy-12" and a NUL. */
#define ROLE_ID_SIZE 32

struct role_context {
    const struct settings *settings; /* read-only, complete (settings_derive has run) */
    const char *name;                /* the role's: "ingest", "worker-fast" */
    const char *lane;                /* worker roles: "fast", "heavy", "io"; else NULL */
    int index;                       /* 0 .. count - 1 */
    char id[ROLE_ID_SIZE]; /* name, or name-index where a role has several instances; unique in one engine */
    int listen_fd;         /* the role's socket, listening and not blocking; -1: it has none */
    int beat_fd;           /* the supervisor's; use role_beat. -1: not supervised (tests) */
};

struct role {
    const char *name;
    const char *summary;                               /* one sentence, for --help and the docs */
    int (*run)(const struct role_context *context);    /* 0: ended because told to; -1: error frame says why */
    int64_t (*count)(const struct settings *settings); /* instances; NULL: one */
    const char *lane;
    const char *socket;     /* file name in run_dir of the Unix socket that its instances accept from; NULL: none */
    int niceness;           /* 0, or 10 for work that must not hold up the rest */
    int64_t silence_max_ms; /* 0: may think for as long as it likes */
};

/* The table (roles/roles.c), in start order; ends with a row whose name is NULL. */
extern const struct role roles[];
/* The row of `table` with this name, or NULL. */
const struct role *role_find(const struct role *table, const char *name);

/* True once SIGTERM or SIGINT has arrived, or the supervisor is gone. Cheap: ask in every loop. */
bool role_is_stopping(void);

/* I am alive. Never blocks, never fails. */
void role_beat(const struct role_context *context);

/* I do my work now (connected, first round done). Calling it again does no harm. Counts as a beat. */
void role_ready(const struct role_context *context);

/* Sleeps `ms`, beating at least once a second; returns false as soon as the role is to stop. */
bool role_pause(const struct role_context *context, int64_t ms);

/* The main loops, one file each (roles/ingest.c, worker.c, publish.c, meter.c). One function serves the three worker lanes. */
int ingest_run(const struct role_context *context);
int worker_run(const struct role_context *context);
int publish_run(const struct role_context *context);
int meter_run(const struct role_context *context);
int api_run(const struct role_context *context);

#endif
