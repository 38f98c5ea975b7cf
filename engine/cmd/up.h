/* What `btcf up` is made of. up.c holds the order; each of the others does one thing for it:
 *
 *   up_state.c      the state directory: where, whose, reachable, locked, and free of what a killed run left behind
 *   up_postgres.c   the private PostgreSQL
 *   up_data.c       schema, imported history, feed
 *   up_nginx.c      the module, the generated configuration, nginx            up_port.c   its port
 *   up_key.c        the signing key and the first API keys
 *   up_watch.c      what a person sees until the first publication
 *
 * Rights: root does nothing but look, make the state directory and open files that only root may be able to read (the
 * module, the history). Then up_state_enter makes the whole process the account of the setting `user`, and everything
 * that is written or started afterwards is the account's.
 *
 * Children die with us (PR_SET_PDEATHSIG) even when we are killed with SIGKILL; what survives that, a stopped server
 * for example, is ended by the next start before it begins.
 */
#ifndef CMD_UP_H
#define CMD_UP_H

#include <sys/types.h>

#include "core/base.h"
#include "core/err.h"
#include "core/proc.h"
#include "core/settings.h"

#define UP_PATH_SIZE 4200

struct cli;

struct up {
    struct cli *cli;                  /* where the settings came from */
    struct settings *settings;        /* complete after up_state_find */
    bool is_default_state;            /* nobody named a state directory, so another may be chosen */
    bool is_private_database;         /* database_url was empty: we run the server */
    const char *history;              /* --history FILE, or NULL */
    const char *history_interval;     /* "1h" */
    int history_fd, module_fd;        /* open for reading; -1: none */
    int terminal_fd;                  /* where a person reads; -1: a file or a pipe */
    char port_conflict[ERR_TEXT_MAX]; /* what root saw of a port in use; "" when it was free */
    struct pidfile lock;
    pid_t postgres, engine, nginx; /* 0: not running */
    int64_t started_ms;            /* monotonic */
};

/* One line of progress for a person: "  history      71,234 rows imported". */
void up_say(const char *what, const char *fmt, ...) BTCF_PRINTF(2, 3);

/* Ends a child with `gentle`, or with `forced` once somebody has asked twice to stop, and with SIGKILL for it and its
 * group when timeout_ms is over. Nothing to do when *pid is 0, which it is afterwards. True: it ended by itself. */
bool up_end_child(pid_t *pid, int gentle, int forced, int64_t timeout_ms);

/* up_state.c */

/* Chooses the state directory, derives the settings, checks that the account reaches it and that there is room. */
int up_state_find(struct up *up) BTCF_MUST_CHECK;
/* Makes the directories and gives them to the account; E_DENIED when what is there belongs to somebody else. */
int up_state_make(const struct up *up) BTCF_MUST_CHECK;
/* Becomes the account for good, takes the lock (E_CONFLICT names who holds it), ends what a killed run left behind
 * and writes run/btcf.conf, the settings for other commands on the same state. */
int up_state_enter(struct up *up) BTCF_MUST_CHECK;
/* Writes run/btcf.conf anew. */
int up_state_save(const struct up *up) BTCF_MUST_CHECK;
void up_state_leave(struct up *up);
/* Writes a file, whole or not at all. */
int up_write_file(const char *path, const char *text) BTCF_MUST_CHECK;

/* up_postgres.c: starts the server, on a new cluster when there is none, and waits until it answers and has the
 * database. Without a private database there is nothing to do. */
int up_postgres_check(const struct up *up) BTCF_MUST_CHECK;
int up_postgres_start(struct up *up) BTCF_MUST_CHECK;
void up_postgres_stop(struct up *up);

/* up_data.c */

/* Opens the history file while we may. */
int up_data_open(struct up *up) BTCF_MUST_CHECK;
/* Migrates, imports the history when it is new, chooses and starts the feed. */
int up_data_prepare(struct up *up) BTCF_MUST_CHECK;
/* Stops the market clock, so that no market time passes while nothing runs. Failing is only said. */
void up_data_pause(const struct up *up);

/* up_key.c */

/* Makes the installation's secret and the keys that sign tokens, when there are none. Failing is only said: forecasts
 * need neither. */
void up_key_prepare(const struct up *up);
/* When there is no account yet: makes one with a live and a test key, and prints them, this once. */
void up_key_offer(const struct up *up, const char *base_url);

/* up_nginx.c */

/* Before anything slow: is nginx there, is there a module (opened), can the port be had (noted)? */
int up_nginx_look(struct up *up) BTCF_MUST_CHECK;
/* Once we are the account and the left-overs are gone: is the port still taken? */
int up_nginx_check_port(const struct up *up) BTCF_MUST_CHECK;
/* Writes module and configuration, has nginx check them, starts it, waits until it accepts connections. */
int up_nginx_start(struct up *up) BTCF_MUST_CHECK;
void up_nginx_stop(struct up *up);

/* up_watch.c: what goes on until the first forecast is served. Call it every now and then; false: there is nothing
 * more to watch, the addresses have been printed. Never fails: what goes wrong is in the logs and on /v1/status. */
bool up_watch_step(const struct up *up);

#endif
