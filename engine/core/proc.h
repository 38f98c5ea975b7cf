/* Processes: signals that cannot be missed, children with a group of their own, waits with a deadline, titles, pid files.
 *
 * A program calls proc_signals_init once, early. From then on a signal only sets a flag and wakes proc_wait_ms or
 * whoever polls proc_wake_fd; nothing happens inside a handler. Children made by proc_spawn start with the default
 * dispositions and, with `run`, call proc_signals_init themselves.
 */
#ifndef CORE_PROC_H
#define CORE_PROC_H

#include <sys/types.h>

#include "core/base.h"

/* Installs handlers for TERM, INT, HUP and CHLD, also when one was inherited as ignored (a shell starts background
 * jobs with SIGINT ignored); ignores PIPE. Clears flags left from a parent. May be called again after a fork. */
void proc_signals_init(void);

/* TERM or INT has come since proc_signals_init. Stays true. */
bool proc_should_stop(void);
/* How many TERM and INT have come: a second Ctrl-C may mean "now". */
int proc_stop_count(void);
/* HUP has come since the last call. */
bool proc_take_reload(void);

/* Becomes readable when a signal came; proc_wait_ms empties it. For poll(2) beside other descriptors: then call
 * proc_wake_clear, and only after it look at the flags. */
int proc_wake_fd(void);
void proc_wake_clear(void);

/* Waits `ms` or until a signal came, also one that came before the call. True when the whole time passed. */
bool proc_wait_ms(int64_t ms);

/* Closes every descriptor above standard error, ours for signals included: for a child that goes a way of its own. */
void proc_close_all(void);

struct proc_spec {
    const char *name;      /* the process's name in top (15 bytes) and in errors */
    const char *title;     /* with `run`: its command line in ps; NULL: ours */
    const char *user;      /* account to become when we are root; NULL: stay as we are */
    char *const *argv;     /* program to execute, argv[0] an absolute path; or NULL and: */
    int (*run)(void *ctx); /* function to run; its result is the exit status */
    void *ctx;
    const char *dir;    /* working directory; NULL: ours */
    const char *output; /* file that gets standard output and error, appended; NULL: inherited */
    int death_signal;   /* what the kernel sends the child when we die; 0: nothing */
};

/* Forks. The child gets a process group of its own (a Ctrl-C at the terminal reaches only us, who stop children in
 * order), default signals, standard input from /dev/null. E_STORE when it cannot be forked or executed. */
int proc_spawn(const struct proc_spec *spec, pid_t *pid) BTCF_MUST_CHECK;

/* Waits for a child until `timeout_ms` has passed: 1 ended and *status filled (as of waitpid), 0 still running,
 * -1 with E_MISSING when it is no child of ours. Signals do not end the wait. */
int proc_wait(pid_t pid, int64_t timeout_ms, int *status) BTCF_MUST_CHECK;

/* Sends `signal`, waits up to `timeout_ms`, then kills the whole group and waits. True when it ended by itself. */
bool proc_stop(pid_t pid, int signal, int64_t timeout_ms, int *status);

/* "exit status 3" or "killed by signal 9". */
#define PROC_STATUS_TEXT_SIZE 64
void proc_status_text(int status, char text[PROC_STATUS_TEXT_SIZE]);

/* When root: becomes `user` for good (groups, gid, uid) and checks that there is no way back. E_INPUT when the account
 * is missing or is root itself, E_STORE when the kernel refuses. Not root: stays, 0. */
int proc_become(const char *user) BTCF_MUST_CHECK;

/* Makes room for titles: copies arguments and environment and gives the memory that they came in away. Called first in
 * main with the argv of main; returns the one to use from then on, which lives as long as the process. Pointers into
 * the old argv or from getenv are worthless afterwards. A second call changes nothing and returns what it got. */
char **proc_title_init(char **argv);
/* This process from now on: `name` (15 bytes) in top, `title` as its command line in ps, cut where the room ends.
 * Without proc_title_init the name alone. A forked child may call it and changes itself only. */
void proc_title_set(const char *name, const char *title);

/* A pid file that is locked as long as its process lives, so that a stale one is never believed. */
struct pidfile {
    int fd; /* -1: not held */
    char path[4096];
};

/* Takes it: E_CONFLICT names the pid that holds it. The lock ends with this process, however that ends; neither
 * forked children nor executed programs inherit it. */
int pidfile_open(struct pidfile *pidfile, const char *path) BTCF_MUST_CHECK;
/* Removes the file and gives the lock back. */
void pidfile_close(struct pidfile *pidfile);
/* The pid of the process that holds the file's lock, or 0 when nobody does. Never asked of a file that one holds
 * oneself: that would drop the lock. */
pid_t pidfile_find(const char *path);

/* "READY=1", "STOPPING=1", "STATUS=...": tells systemd, when it asked to be told. */
void proc_notify(const char *state);

#endif
