/* The state directory of `btcf up`.
 *
 *   STATE/postgres   the cluster          STATE/log     engine.log, nginx-error.log, access.log, postgres.log
 *   STATE/nginx      nginx's own          STATE/run     sockets, PostgreSQL's configuration, btcf.conf, up.pid (the lock)
 *
 * Whether the account can reach it is found out by trying, as the account, one component of the path after the other:
 * permission bits alone do not say it where access lists and user namespaces exist.
 */
#include "cmd/up.h"

#include <dirent.h>
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/err.h"

#define FALLBACK_STATE_DIR "/var/lib/btcf"
#define FREE_BYTES_MIN (256ULL << 20) /* a fresh cluster with its journal, and an hourly history */
#define PROBE_TIMEOUT_MS 10000
#define DIR_MODE 0750
#define STATE_MODE 0755
#define LEFTOVER_TIMEOUT_MS 10000
#define LEFTOVERS_MAX 64
#define CONF_SIZE_MAX ((size_t)1 << 20)

/* --- reach --- */

struct probe {
    const struct up *up;
    const char *path;
};

/* In a child that has become the account: 0, or the number of components in the first directory above the last that it
 * cannot enter. What does not exist yet will be made. */
static int probe_path(void *arg)
{
    const struct probe *probe = arg;
    char prefix[UP_PATH_SIZE];
    int depth = 0;

    for (const char *end = strchr(probe->path + 1, '/'); end != NULL; end = strchr(end + 1, '/')) {
        depth++;
        snprintf(prefix, sizeof prefix, "%.*s", (int)(end - probe->path), probe->path);
        if (access(prefix, X_OK) < 0 && errno != ENOENT)
            return depth;
    }
    return 0;
}

/* Copies the first `depth` components of an absolute path. */
static void copy_prefix(const char *path, int depth, char prefix[UP_PATH_SIZE])
{
    const char *end = path;

    for (int i = 0; i < depth && end != NULL; i++)
        end = strchr(end + 1, '/');
    snprintf(prefix, UP_PATH_SIZE, "%.*s", (int)(end != NULL ? (size_t)(end - path) : strlen(path)), path);
}

static int check_reach(const struct up *up, const char *path)
{
    struct probe probe = {.up = up, .path = path};
    struct proc_spec child = {
        .name = "btcf:probe", .user = up->settings->user, .run = probe_path, .ctx = &probe, .death_signal = SIGKILL};
    char blocked[UP_PATH_SIZE];
    int status = 0;
    pid_t pid;

    if (geteuid() != 0)
        return 0; /* our own rights: making the directories will tell */
    if (proc_spawn(&child, &pid) < 0 || proc_wait(pid, PROBE_TIMEOUT_MS, &status) < 1)
        return err_wrap("while looking whether %s can reach %s", up->settings->user, path);
    if (status == 0)
        return 0;
    copy_prefix(path, WEXITSTATUS(status), blocked);
    return err_set(E_DENIED,
                   "the account %s cannot enter %s, which is on the way to the state directory %s; open it with "
                   "`chmod o+x %s`, or choose another place with STATE=/somewhere/else (--state)",
                   up->settings->user, blocked, path, blocked);
}

static int check_room(const char *path)
{
    char existing[UP_PATH_SIZE];
    struct statvfs room;

    snprintf(existing, sizeof existing, "%s", path);
    while (statvfs(existing, &room) < 0) {
        char *slash = strrchr(existing, '/');

        if (slash == NULL || slash == existing || errno != ENOENT)
            return 0; /* making the directories will tell */
        *slash = '\0';
    }
    uint64_t free_bytes = (uint64_t)room.f_bavail * room.f_frsize;
    if (free_bytes >= FREE_BYTES_MIN)
        return 0;
    return err_set(E_STORE,
                   "the disk under %s is full: %llu MiB are free, at least %llu MiB are needed; make room, or choose "
                   "another place with STATE=/somewhere/else (--state)",
                   existing, (unsigned long long)(free_bytes >> 20), FREE_BYTES_MIN >> 20);
}

static int use_fallback(struct up *up)
{
    up_say("state", "%s", err_text());
    up_say("state", "using %s instead", FALLBACK_STATE_DIR);
    err_clear();
    if (settings_set(up->settings, "state_dir", FALLBACK_STATE_DIR, "fallback") < 0 ||
        settings_set(up->settings, "run_dir", "", "fallback") < 0 ||
        settings_set(up->settings, "shm_dir", "", "fallback") < 0)
        return -1;
    if (up->is_private_database && settings_set(up->settings, "database_url", "", "fallback") < 0)
        return -1;
    return settings_derive(up->settings) < 0 ? -1 : check_reach(up, up->settings->state_dir);
}

/* Only root needs the account to exist, but root needs it before anything else: places are named after it. */
static int check_account(const struct settings *settings)
{
    const struct passwd *entry;

    if (geteuid() != 0)
        return 0;
    entry = getpwnam(settings->user);
    if (entry == NULL)
        return err_set(
            E_INPUT,
            "the account \"%s\", which is to run everything, does not exist; make it with `useradd --system "
            "%s`, or name another one with --set user=NAME",
            settings->user, settings->user);
    if (entry->pw_uid == 0)
        return err_set(E_INPUT, "user = \"%s\" is root, and nothing runs as root here; name an ordinary account",
                       settings->user);
    return 0;
}

int up_state_find(struct up *up)
{
    if (check_account(up->settings) < 0)
        return -1;
    up->is_private_database = up->settings->database_url[0] == '\0';
    if (settings_derive(up->settings) < 0)
        return -1;
    if (check_reach(up, up->settings->state_dir) < 0) {
        if (err_kind() != E_DENIED || !up->is_default_state || use_fallback(up) < 0)
            return -1;
    }
    return check_room(up->settings->state_dir);
}

/* --- directories --- */

/* Makes `path` and what is missing above it. */
static int make_parents(const char *path)
{
    char prefix[UP_PATH_SIZE];

    for (const char *end = strchr(path + 1, '/'); end != NULL; end = strchr(end + 1, '/')) {
        snprintf(prefix, sizeof prefix, "%.*s", (int)(end - path), path);
        if (mkdir(prefix, STATE_MODE) < 0 && errno != EEXIST)
            return err_set(E_STORE, "cannot make the directory %s: %s", prefix, strerror(errno));
    }
    return 0;
}

/* Makes `path` for the account; one that exists must already be the account's. */
static int make_dir(const char *path, mode_t mode, const struct passwd *account)
{
    struct stat info;

    if (mkdir(path, mode) == 0) {
        if (geteuid() == 0 && (lchown(path, account->pw_uid, account->pw_gid) < 0 || chmod(path, mode) < 0))
            return err_set(E_STORE, "cannot give %s to %s: %s", path, account->pw_name, strerror(errno));
        return 0;
    }
    if (errno == EACCES || errno == EPERM || errno == EROFS)
        return err_set(E_DENIED,
                       "cannot make the directory %s: %s; choose another place with STATE=/somewhere/else "
                       "(--state)",
                       path, strerror(errno));
    if (errno != EEXIST || lstat(path, &info) < 0)
        return err_set(E_STORE, "cannot make the directory %s: %s", path, strerror(errno));
    if (!S_ISDIR(info.st_mode))
        return err_set(E_INPUT, "%s is in the way: it is not a directory", path);
    if (info.st_uid != account->pw_uid)
        return err_set(E_DENIED,
                       "%s belongs to uid %u, not to the account %s that is to use it; give it over with `chown -R "
                       "%s: %s`, or choose another place with STATE=/somewhere/else (--state)",
                       path, info.st_uid, account->pw_name, account->pw_name, path);
    return 0;
}

int up_state_make(const struct up *up)
{
    const struct settings *settings = up->settings;
    const struct passwd *account = geteuid() == 0 ? getpwnam(settings->user) : getpwuid(geteuid());
    char log_dir[UP_PATH_SIZE], nginx_dir[UP_PATH_SIZE];

    if (account == NULL)
        return err_set(E_INPUT, "uid %u has no account", geteuid());
    snprintf(log_dir, sizeof log_dir, "%s/log", settings->state_dir);
    snprintf(nginx_dir, sizeof nginx_dir, "%s/nginx", settings->state_dir);
    if (make_parents(settings->state_dir) < 0 || make_dir(settings->state_dir, STATE_MODE, account) < 0 ||
        make_dir(log_dir, DIR_MODE, account) < 0 || make_dir(nginx_dir, DIR_MODE, account) < 0 ||
        make_parents(settings->run_dir) < 0 || make_dir(settings->run_dir, DIR_MODE, account) < 0 ||
        make_parents(settings->shm_dir) < 0 || make_dir(settings->shm_dir, DIR_MODE, account) < 0)
        return -1;
    return 0;
}

/* --- leftovers --- */

static bool read_link(const char *pid, const char *name, char *text, size_t size)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%.20s/%s", pid, name);
    ssize_t len = readlink(path, text, size - 1);
    text[len < 0 ? 0 : len] = '\0';
    return len >= 0;
}

static bool read_comm(const char *pid, char comm[32])
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%.20s/comm", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    bool has_line = fgets(comm, 32, file) != NULL;
    fclose(file);
    return has_line;
}

/* Ours are the servers whose working directory lies in this state directory; a person's shell or pager there is not. */
static bool is_leftover(const struct settings *settings, const char *pid)
{
    static const char *const names[] = {"postgres", "nginx", "btcf:"};
    char comm[32], cwd[UP_PATH_SIZE];
    size_t state_len = strlen(settings->state_dir);

    if (!read_comm(pid, comm) || !read_link(pid, "cwd", cwd, sizeof cwd))
        return false;
    if (strncmp(cwd, settings->state_dir, state_len) != 0 || (cwd[state_len] != '/' && cwd[state_len] != '\0'))
        return false;
    for (size_t i = 0; i < BTCF_LENGTH(names); i++)
        if (strncmp(comm, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

static size_t find_leftovers(const struct settings *settings, pid_t pids[LEFTOVERS_MAX])
{
    DIR *listing = opendir("/proc");
    size_t count = 0;
    int64_t pid;

    if (listing == NULL)
        return 0;
    for (const struct dirent *entry; count < LEFTOVERS_MAX && (entry = readdir(listing)) != NULL;)
        if (str_parse_i64(str_of(entry->d_name), &pid) == 0 && pid != getpid() &&
            is_leftover(settings, entry->d_name))
            pids[count++] = (pid_t)pid;
    closedir(listing);
    return count;
}

/* They ended with us in the ordinary case, SIGKILL of `btcf up` included; this is for those that could not, because
 * they were stopped, or are still writing their last checkpoint. */
static int end_leftovers(const struct settings *settings)
{
    int64_t begin_ms = clock_mono_ms();
    pid_t pids[LEFTOVERS_MAX];
    size_t count = find_leftovers(settings, pids);

    if (count > 0)
        up_say("state", "a run before this one was killed; ending %zu of its processes", count);
    for (int round = 0; count > 0; count = find_leftovers(settings, pids), round++) {
        bool is_late = clock_mono_ms() - begin_ms > LEFTOVER_TIMEOUT_MS;

        if (clock_mono_ms() - begin_ms > 2 * LEFTOVER_TIMEOUT_MS)
            return err_set(E_CONFLICT, "process %d, left by a killed run, cannot be ended", (int)pids[0]);
        for (size_t i = 0; i < count && (round == 0 || is_late); i++) {
            /* SIGINT is postgres's fast shutdown; SIGTERM is nginx's and ours, and would let postgres wait for clients. */
            kill(pids[i], is_late ? SIGKILL : SIGINT);
            kill(pids[i], SIGCONT);
        }
        clock_sleep_ms(50);
    }
    return 0;
}

/* --- entering and leaving --- */

int up_write_file(const char *path, const char *text)
{
    char fresh[UP_PATH_SIZE + 8];
    FILE *file;

    snprintf(fresh, sizeof fresh, "%s.new", path);
    file = fopen(fresh, "we");
    if (file == NULL)
        return err_set(E_STORE, "cannot write %s: %s", fresh, strerror(errno));
    bool written = fputs(text, file) >= 0;
    written = fclose(file) == 0 && written;
    if (written && rename(fresh, path) == 0)
        return 0;
    int error = errno;
    unlink(fresh);
    return err_set(E_STORE, "cannot write %s: %s", path, strerror(error));
}

int up_state_save(const struct up *up)
{
    char path[UP_PATH_SIZE];
    struct strbuf text;

    snprintf(path, sizeof path, "%s/btcf.conf", up->settings->run_dir);
    strbuf_init(&text, CONF_SIZE_MAX);
    settings_dump(up->settings, &text);
    int result = up_write_file(path, text.ptr);
    strbuf_release(&text);
    return result;
}

static int take_lock(struct up *up)
{
    char path[UP_PATH_SIZE];

    snprintf(path, sizeof path, "%s/up.pid", up->settings->run_dir);
    if (pidfile_open(&up->lock, path) == 0)
        return 0;
    if (err_kind() != E_CONFLICT)
        return -1;
    return err_set(E_CONFLICT,
                   "another `btcf up` (process %d) is running on %s; stop it, or choose another place and port with "
                   "STATE=/somewhere/else PORT=8081",
                   (int)pidfile_find(path), up->settings->state_dir);
}

int up_state_enter(struct up *up)
{
    if (proc_become(up->settings->user) < 0)
        return -1;
    prctl(PR_SET_DUMPABLE, 1); /* lost with root; /proc/self would stay root's */
    if (take_lock(up) < 0 || end_leftovers(up->settings) < 0)
        return -1;
    return up_state_save(up);
}

void up_state_leave(struct up *up)
{
    pidfile_close(&up->lock);
}
