/* Signals and children.
 *
 * A handler sets a flag and writes a byte into a pipe that nobody blocks on (the self-pipe of D. J. Bernstein), so that
 * a signal between "look at the flag" and "wait" still ends the wait. Children are waited for through a pidfd: poll
 * gives it a deadline, where waitpid has none.
 */
#include "core/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/err.h"

#define PASSWD_BUF_SIZE 16384
#define PIDFILE_TRIES_MAX 8
#define EXEC_FAILED 127 /* what a shell says of a program that it could not start */

static volatile sig_atomic_t stop_count, reload_flag;
static int wake_pipe[2] = {-1, -1};

static void on_signal(int signal)
{
    int saved = errno;

    if (signal == SIGTERM || signal == SIGINT)
        stop_count = stop_count + 1;
    else if (signal == SIGHUP)
        reload_flag = 1;
    /* A full pipe is as good as one more byte in it. */
    ssize_t ignored BTCF_UNUSED = write(wake_pipe[1], "", 1);
    errno = saved;
}

void proc_signals_init(void)
{
    static const int handled[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};
    struct sigaction action = {.sa_handler = on_signal};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigset_t none;

    /* A pipe shared with the parent would let one process eat the other's wake-ups. */
    if (wake_pipe[0] >= 0) {
        close(wake_pipe[0]);
        close(wake_pipe[1]);
    }
    if (pipe2(wake_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
        abort(); /* without descriptors nothing else would work either */
    stop_count = 0;
    reload_flag = 0;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < BTCF_LENGTH(handled); i++)
        sigaction(handled[i], &action, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

void proc_close_all(void)
{
    close_range(STDERR_FILENO + 1, ~0U, 0);
    wake_pipe[0] = wake_pipe[1] = -1; /* the numbers will be somebody else's */
}

bool proc_should_stop(void)
{
    return stop_count > 0;
}

int proc_stop_count(void)
{
    return (int)stop_count;
}

bool proc_take_reload(void)
{
    bool was_set = reload_flag != 0;

    reload_flag = 0;
    return was_set;
}

int proc_wake_fd(void)
{
    return wake_pipe[0];
}

void proc_wake_clear(void)
{
    char bytes[64];

    while (read(wake_pipe[0], bytes, sizeof bytes) > 0) /* bounded by the pipe: it does not block */
        ;
}

bool proc_wait_ms(int64_t ms)
{
    int64_t end_ms = clock_mono_ms() + (ms > 0 ? ms : 0);

    for (;;) {
        int64_t left_ms = end_ms - clock_mono_ms();
        struct pollfd wake = {.fd = wake_pipe[0], .events = POLLIN};
        int ready = poll(&wake, 1, left_ms <= 0 ? 0 : left_ms > MS_PER_HOUR ? (int)MS_PER_HOUR : (int)left_ms);

        if (ready > 0) {
            proc_wake_clear();
            return false;
        }
        if (left_ms <= 0 && ready == 0)
            return true;
    }
}

static BTCF_NORETURN void run_child(const struct proc_spec *spec, pid_t parent);

int proc_spawn(const struct proc_spec *spec, pid_t *pid)
{
    sigset_t all, before;
    pid_t parent = getpid();

    fflush(NULL); /* or the child would write it once more */
    /* Blocked until the child has forgotten our handlers: a signal that ran them there would be lost to it, and would
     * wake us instead. */
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid_t child = fork();
    if (child == 0)
        run_child(spec, parent);
    int error = errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (child < 0)
        return err_set(E_STORE, "cannot start %s: %s", spec->name, strerror(error));
    /* Done on both sides: whoever comes first makes it true before anybody signals the group. */
    setpgid(child, child);
    *pid = child;
    return 0;
}

static void default_signals(void)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGPIPE, SIGQUIT, SIGUSR1, SIGUSR2};
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (size_t i = 0; i < BTCF_LENGTH(signals); i++)
        sigaction(signals[i], &action, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static int redirect(const char *output)
{
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0)
        return err_set(E_STORE, "cannot open /dev/null: %s", strerror(errno));
    if (output == NULL)
        return 0;
    int fd = open(output, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
        return err_set(E_STORE, "cannot write to %s: %s", output, strerror(errno));
    return 0;
}

static int prepare_child(const struct proc_spec *spec, pid_t parent)
{
    setpgid(0, 0);
    default_signals();
    if (redirect(spec->output) < 0)
        return -1;
    if (spec->user != NULL && proc_become(spec->user) < 0)
        return -1;
    if (spec->dir != NULL && chdir(spec->dir) < 0)
        return err_set(E_STORE, "cannot enter %s: %s", spec->dir, strerror(errno));
    if (spec->title != NULL && spec->argv == NULL)
        proc_title_set(spec->name, spec->title);
    else
        prctl(PR_SET_NAME, spec->name);
    /* After the change of account, which clears it; and the parent may have died before it was set. */
    if (spec->death_signal != 0 && prctl(PR_SET_PDEATHSIG, spec->death_signal) < 0)
        return err_set(E_STORE, "cannot set the death signal: %s", strerror(errno));
    if (spec->death_signal != 0 && getppid() != parent)
        return err_set(E_STORE, "the parent is gone");
    return 0;
}

static void run_child(const struct proc_spec *spec, pid_t parent)
{
    if (prepare_child(spec, parent) < 0) {
        dprintf(STDERR_FILENO, "btcf: cannot start %s: %s\n", spec->name, err_text());
        _exit(EXEC_FAILED);
    }
    if (spec->argv == NULL)
        exit(spec->run(spec->ctx)); /* flushes and runs atexit: coverage and sanitizers report there */
    execv(spec->argv[0], spec->argv);
    dprintf(STDERR_FILENO, "btcf: cannot execute %s: %s\n", spec->argv[0], strerror(errno));
    _exit(EXEC_FAILED);
}

int proc_wait(pid_t pid, int64_t timeout_ms, int *status)
{
    int64_t end_ms = clock_mono_ms() + timeout_ms;
    int fd = pidfd_open(pid, 0);

    for (;;) {
        pid_t ended = waitpid(pid, status, WNOHANG);

        if (ended == pid || (ended < 0 && errno != EINTR)) {
            if (fd >= 0)
                close(fd);
            return ended == pid ? 1 : err_set(E_MISSING, "process %d is not a child of ours", (int)pid);
        }
        int64_t left_ms = end_ms - clock_mono_ms();
        if (left_ms <= 0)
            break;
        struct pollfd gone = {.fd = fd, .events = POLLIN};
        poll(&gone, 1, left_ms > MS_PER_HOUR ? (int)MS_PER_HOUR : (int)left_ms);
    }
    if (fd >= 0)
        close(fd);
    return 0;
}

bool proc_stop(pid_t pid, int signal, int64_t timeout_ms, int *status)
{
    kill(pid, signal);
    int ended = proc_wait(pid, timeout_ms, status);
    if (ended != 0)
        return ended > 0;

    kill(-pid, SIGKILL);
    kill(pid, SIGKILL);
    while (waitpid(pid, status, 0) < 0 && errno == EINTR) /* SIGKILL cannot be refused: it ends */
        ;
    return false;
}

void proc_status_text(int status, char text[PROC_STATUS_TEXT_SIZE])
{
    if (WIFSIGNALED(status))
        snprintf(text, PROC_STATUS_TEXT_SIZE, "killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(text, PROC_STATUS_TEXT_SIZE, "exit status %d", WEXITSTATUS(status));
}

int proc_become(const char *user)
{
    char buf[PASSWD_BUF_SIZE];
    struct passwd entry, *found = NULL;

    if (geteuid() != 0)
        return 0;
    int error = getpwnam_r(user, &entry, buf, sizeof buf, &found);
    if (error != 0)
        return err_set(E_STORE, "cannot look up the account \"%s\": %s", user, strerror(error));
    if (found == NULL)
        return err_set(E_INPUT, "there is no account \"%s\"; conf/packages.sh makes it: useradd --system %s", user,
                       user);
    if (entry.pw_uid == 0)
        return err_set(E_INPUT, "the account \"%s\" is root; name another one in the setting user", user);
    if (initgroups(user, entry.pw_gid) < 0 || setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid) < 0 ||
        setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid) < 0)
        return err_set(E_STORE, "cannot become \"%s\": %s", user, strerror(errno));
    if (setuid(0) == 0 || getuid() != entry.pw_uid || geteuid() != entry.pw_uid || getegid() != entry.pw_gid)
        return err_set(E_STORE, "the kernel let us stay root instead of \"%s\"", user);
    return 0;
}

/* A write lock of the whole file. Record locks of fcntl, not flock: they are not inherited over fork, so no child can
 * keep a dead parent's lock alive, and the kernel names the holder. Their known trap, that closing any descriptor of
 * the file drops the lock, needs a second open in the same process, which pidfile_find of one's own file would be. */
static struct flock whole_file(void)
{
    return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET};
}

/* The lock is worth something only while `path` still names the locked file: its last holder may have removed it
 * between our open and our lock. */
static bool is_still(const char *path, int fd)
{
    struct stat named, opened;

    return stat(path, &named) == 0 && fstat(fd, &opened) == 0 && named.st_ino == opened.st_ino &&
           named.st_dev == opened.st_dev;
}

static int lock_pid_file(int fd, const char *path)
{
    struct flock lock = whole_file();

    if (fcntl(fd, F_SETLK, &lock) == 0)
        return 0;
    if (errno != EAGAIN && errno != EACCES)
        return err_set(E_STORE, "cannot lock the pid file %s: %s", path, strerror(errno));
    if (fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
        return err_set(E_CONFLICT, "already running as process %d (it holds %s)", (int)lock.l_pid, path);
    return err_set(E_CONFLICT, "another process was just ending (it held %s); try again", path);
}

static int write_pid(int fd, const char *path)
{
    char text[16];
    int len = snprintf(text, sizeof text, "%d\n", (int)getpid());

    if (ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)len, 0) == len)
        return 0;
    return err_set(E_STORE, "cannot write the pid file %s: %s", path, strerror(errno));
}

int pidfile_open(struct pidfile *pidfile, const char *path)
{
    pidfile->fd = -1;
    if ((size_t)snprintf(pidfile->path, sizeof pidfile->path, "%s", path) >= sizeof pidfile->path)
        return err_set(E_INPUT, "the pid file's path is too long: %s", path);

    for (int i = 0; i < PIDFILE_TRIES_MAX; i++) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

        if (fd < 0)
            return err_set(E_STORE, "cannot open the pid file %s: %s", path, strerror(errno));
        bool locked = lock_pid_file(fd, path) == 0;
        if (locked && is_still(path, fd) && write_pid(fd, path) == 0) {
            pidfile->fd = fd;
            return 0;
        }
        bool was_removed = locked && !is_still(path, fd);
        close(fd);
        if (!was_removed)
            return -1;
    }
    return err_set(E_CONFLICT, "the pid file %s keeps disappearing", path);
}

void pidfile_close(struct pidfile *pidfile)
{
    if (pidfile->fd < 0)
        return;
    unlink(pidfile->path); /* before the lock is given back: afterwards it may be somebody else's */
    close(pidfile->fd);
    pidfile->fd = -1;
}

pid_t pidfile_find(const char *path)
{
    struct flock lock = whole_file();
    int fd = open(path, O_RDWR | O_CLOEXEC);

    if (fd < 0)
        return 0;
    bool is_held = fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    close(fd);
    return is_held ? lock.l_pid : 0;
}

void proc_notify(const char *state)
{
    (void)sd_notify(0, state); /* says no when nobody asked; then there is nobody to tell */
}
