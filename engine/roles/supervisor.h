/* The engine's supervisor: forks the roles of a table, starts again what ends, stops all of it in order.
 *
 * It knows processes, and the sockets that their instances share, and nothing else: no database, no segment, no network, so that nothing that goes wrong in those
 * can take it down. It is a single poll loop over a signalfd and one pipe per child.
 *
 *   a role ends            one log line with pid, age and reason; started again after core/retry's pause
 *   a role falls silent    for longer than its row allows: SIGKILL, then as above
 *   SIGHUP                 the settings are read again; when some have changed, one role after another is asked to end
 *                          and starts again with the new ones, the last started first
 *   SIGTERM or SIGINT      SIGTERM to every role, last started first; after drain_timeout_ms SIGKILL; return 0
 *   the supervisor dies    the kernel kills the roles
 *
 * Under systemd (NOTIFY_SOCKET): READY=1 when every role has been ready once, STATUS, WATCHDOG=1, STOPPING=1.
 */
#ifndef ROLES_SUPERVISOR_H
#define ROLES_SUPERVISOR_H

#include "core/base.h"
#include "core/log.h"
#include "core/settings.h"
#include "roles/role.h"

/* Bytes in a role's pipe. */
#define SUPERVISOR_BEAT 'b'
#define SUPERVISOR_READY 'r'

/* Three lanes of sixteen, ingest and publish fit with room. */
#define SUPERVISOR_INSTANCES_MAX 64

struct supervisor_options {
    const struct settings *settings;
    const struct role *table;
    const char *only; /* run the role of this name only; NULL: all */
    enum log_level log_level;
    /* On SIGHUP: reads the configuration again into what `settings` points to. 1: something has changed, and *log_level
     * is what it now says; 0: nothing has changed; -1: refused for the reason in the error frame, the old settings
     * hold. NULL: SIGHUP does nothing. */
    int (*reload)(void *ctx, enum log_level *log_level);
    void *reload_ctx;
};

/* Runs until told to stop. Must be called by the account that roles are to run as, in a single-threaded process. 0 when
 * it stopped in order; E_INPUT for an unknown role, E_STORE when the system refuses what it needs. */
int supervisor_run(const struct supervisor_options *options) BTCF_MUST_CHECK;

/* What runs in a role's process: log, signals, `role->run`. Returns the exit status. Implemented in role.c. */
int role_main(const struct role *role, const struct role_context *context, enum log_level level);

#endif
