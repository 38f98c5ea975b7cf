/* The private PostgreSQL of `btcf up`: a cluster of its own under the state directory, on a Unix socket in run_dir that
 * only the account and root may use (directory rights and peer authentication), never on the network.
 *
 * initdb works on a directory under another name, which is renamed when it is whole, so that a start that was killed in
 * the middle leaves nothing that looks like a cluster. The configuration is written anew at each start and lives in
 * run_dir; an operator's own lines go into STATE/postgres.conf, which is read last when it exists.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/up.h"
#include "core/arena.h"
#include "core/clock.h"
#include "core/err.h"
#include "store/db.h"

#define INITDB_TIMEOUT_MS 120000
/* After a crash the server replays up to max_wal_size of journal before it answers. */
#define START_TIMEOUT_MS 120000
#define STOP_TIMEOUT_MS 30000
#define INITDB_STOP_TIMEOUT_MS 5000
#define POLL_MS 50
#define LOG_TAIL_SIZE 4096
#define ADMIN_TIMEOUT_MS 30000
#define ADMIN_ARENA_BYTES ((size_t)1 << 20)

/* Small machines first: two cores and one service. Durability is PostgreSQL's own default throughout. */
static const char server_conf[] = "listen_addresses = ''\n"
                                  "unix_socket_permissions = 0700\n"
                                  "max_connections = 50\n"
                                  "shared_buffers = 64MB\n"
                                  "maintenance_work_mem = 64MB\n"
                                  "work_mem = 8MB\n"
                                  "max_worker_processes = 4\n"
                                  "max_parallel_workers_per_gather = 0\n"
                                  "jit = off\n"
                                  "wal_compression = on\n"
                                  "min_wal_size = 80MB\n"
                                  "max_wal_size = 512MB\n"
                                  "checkpoint_timeout = 10min\n"
                                  "idle_in_transaction_session_timeout = 60s\n"
                                  "timezone = 'UTC'\n"
                                  "log_timezone = 'UTC'\n"
                                  "lc_messages = 'C'\n"
                                  "log_line_prefix = '%m [%p] %a '\n"
                                  "log_checkpoints = off\n"
                                  "cluster_name = 'btcf'\n";

int up_postgres_check(const struct up *up)
{
    char path[UP_PATH_SIZE];

    if (!up->is_private_database)
        return 0;
    snprintf(path, sizeof path, "%s/initdb", up->settings->postgres_bin_dir);
    if (up->settings->postgres_bin_dir[0] != '\0' && access(path, X_OK) == 0)
        return 0;
    if (up->settings->postgres_bin_dir[0] != '\0')
        return err_set(E_INPUT, "postgres_bin_dir: there is no initdb in %s", up->settings->postgres_bin_dir);
    return err_set(E_INPUT,
                   "PostgreSQL's server is not installed; install it with `apt-get install postgresql-15`, or "
                   "name a server with --set database_url=...");
}

/* --- the cluster --- */

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info, (void)type, (void)walk;
    return remove(path);
}

static int remove_tree(const char *path)
{
    if (nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) < 0 && errno != ENOENT)
        return err_set(E_STORE, "cannot remove %s: %s", path, strerror(errno));
    return 0;
}

static long log_size(const char *log_path)
{
    struct stat info;

    return stat(log_path, &info) == 0 ? (long)info.st_size : 0;
}

/* For an error that a person reads: the last line that complains, among those written since the log had `from` bytes. */
static void last_complaint(const char *log_path, long from, char line[256])
{
    static const char *const marks[] = {"FATAL:", "PANIC:", "ERROR:", "error:", "cannot execute"};
    char tail[LOG_TAIL_SIZE + 1];
    long size = log_size(log_path);
    FILE *file = fopen(log_path, "re");

    snprintf(line, 256, "without a word");
    if (file == NULL || fseek(file, size - from > LOG_TAIL_SIZE ? size - LOG_TAIL_SIZE : from, SEEK_SET) < 0)
        size = 0;
    tail[size > 0 ? fread(tail, 1, LOG_TAIL_SIZE, file) : 0] = '\0';
    if (file != NULL)
        fclose(file);
    for (struct str rest = str_of(tail); rest.ptr != NULL;) {
        struct str one = str_cut(&rest, '\n');
        const char *mark = NULL;

        for (size_t i = 0; i < BTCF_LENGTH(marks) && mark == NULL; i++)
            mark = memmem(one.ptr, one.len, marks[i], strlen(marks[i]));
        if (mark != NULL)
            snprintf(line, 256, "%.*s", (int)(one.len - (size_t)(mark - one.ptr)), mark);
    }
}

static int run_initdb(const struct up *up, const char *data_dir, const char *log_path)
{
    char program[UP_PATH_SIZE], complaint[256], status_text[PROC_STATUS_TEXT_SIZE];
    snprintf(program, sizeof program, "%s/initdb", up->settings->postgres_bin_dir);
    char *const argv[] = {program,
                          "-D",
                          (char *)data_dir,
                          "-U",
                          "btcf",
                          "--auth=peer",
                          "-E",
                          "UTF8",
                          "--locale=C.UTF-8",
                          "--data-checksums",
                          "--no-sync",
                          "--no-instructions",
                          NULL};
    struct proc_spec child = {
        .name = "initdb", .argv = argv, .dir = up->settings->state_dir, .output = log_path, .death_signal = SIGKILL};
    long log_from = log_size(log_path);
    int status;
    pid_t pid;

    if (proc_spawn(&child, &pid) < 0)
        return -1;
    int ended = proc_wait(pid, INITDB_TIMEOUT_MS, &status);
    if (ended == 0)
        proc_stop(pid, SIGTERM, INITDB_STOP_TIMEOUT_MS, &status);
    if (ended == 1 && status == 0)
        return 0;
    last_complaint(log_path, log_from, complaint);
    proc_status_text(status, status_text);
    return err_set(E_STORE, "initdb: %s: %s", ended == 0 ? "took too long" : status_text, complaint);
}

/* One sync of the file system in place of initdb's one per file, of which there are a thousand. */
static int sync_dir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd < 0 || syncfs(fd) < 0 ? err_set(E_STORE, "cannot sync %s: %s", path, strerror(errno)) : 0;

    if (fd >= 0)
        close(fd);
    return result;
}

static int make_cluster(const struct up *up, const char *data_dir, const char *log_path)
{
    char fresh[UP_PATH_SIZE], version[UP_PATH_SIZE + 16];
    int64_t begin_ms = clock_mono_ms();

    snprintf(version, sizeof version, "%s/PG_VERSION", data_dir);
    if (access(version, F_OK) == 0)
        return 0;
    snprintf(fresh, sizeof fresh, "%s/postgres.new", up->settings->state_dir);
    if (remove_tree(fresh) < 0 || run_initdb(up, fresh, log_path) < 0)
        return err_wrap("while making the database cluster %s", data_dir);
    if (sync_dir(fresh) < 0)
        return -1;
    if (rename(fresh, data_dir) < 0)
        return err_set(E_STORE, "cannot rename %s to %s: %s", fresh, data_dir, strerror(errno));
    up_say("postgres", "new cluster in %s (%.1f s)", data_dir, (double)(clock_mono_ms() - begin_ms) / 1000);
    return 0;
}

/* --- configuration --- */

/* Text in a quoted value of postgresql.conf. */
static void add_quoted(struct strbuf *out, const char *text)
{
    strbuf_add_char(out, '\'');
    for (; *text != '\0'; text++) {
        strbuf_add_char(out, *text);
        if (*text == '\'' || *text == '\\')
            strbuf_add_char(out, *text);
    }
    strbuf_add_char(out, '\'');
}

static void add_setting(struct strbuf *out, const char *name, const char *dir, const char *file)
{
    char path[UP_PATH_SIZE];

    snprintf(path, sizeof path, "%s%s", dir, file);
    strbuf_printf(out, "%s = ", name);
    add_quoted(out, path);
    strbuf_add_char(out, '\n');
}

static int write_conf(const struct up *up)
{
    const struct passwd *account = getpwuid(geteuid());
    char path[UP_PATH_SIZE], map[256];
    struct strbuf conf;

    strbuf_init(&conf, (size_t)64 << 10);
    strbuf_add_text(&conf, server_conf);
    add_setting(&conf, "unix_socket_directories", up->settings->run_dir, "");
    add_setting(&conf, "hba_file", up->settings->run_dir, "/pg_hba.conf");
    add_setting(&conf, "ident_file", up->settings->run_dir, "/pg_ident.conf");
    add_setting(&conf, "include_if_exists", up->settings->state_dir, "/postgres.conf");
    snprintf(path, sizeof path, "%s/postgresql.conf", up->settings->run_dir);
    int result = up_write_file(path, conf.ptr);
    strbuf_release(&conf);

    /* Root may come in for `btcf import`, `psql` and the like; anybody else must be the account. */
    snprintf(map, sizeof map, "btcf root btcf\nbtcf \"%.64s\" btcf\n", account != NULL ? account->pw_name : "btcf");
    snprintf(path, sizeof path, "%s/pg_ident.conf", up->settings->run_dir);
    if (result == 0)
        result = up_write_file(path, map);
    snprintf(path, sizeof path, "%s/pg_hba.conf", up->settings->run_dir);
    if (result == 0)
        result = up_write_file(path, "local all btcf peer map=btcf\n");
    return result;
}

/* --- the server --- */

/* A pid file whose process is no server of this cluster would keep the new one from starting: after a reboot, or a
 * crash in a container, the number belongs to anybody. Live servers of ours were ended when we came in. */
static int remove_stale_pid_file(const char *data_dir)
{
    char path[UP_PATH_SIZE + 16];

    snprintf(path, sizeof path, "%s/postmaster.pid", data_dir);
    if (unlink(path) < 0 && errno != ENOENT)
        return err_set(E_STORE, "cannot remove the stale %s: %s", path, strerror(errno));
    return 0;
}

static int spawn_server(struct up *up, const char *data_dir, const char *log_path)
{
    char program[UP_PATH_SIZE], conf[UP_PATH_SIZE + 32];
    char *const argv[] = {program, "-D", (char *)data_dir, "-c", conf, NULL};
    /* SIGINT is its fast shutdown: that is how it ends when we are killed. */
    struct proc_spec child = {
        .name = "postgres", .argv = argv, .dir = up->settings->run_dir, .output = log_path, .death_signal = SIGINT};

    snprintf(program, sizeof program, "%s/postgres", up->settings->postgres_bin_dir);
    snprintf(conf, sizeof conf, "config_file=%s/postgresql.conf", up->settings->run_dir);
    return proc_spawn(&child, &up->postgres);
}

/* Connected to the maintenance database, or -1 with the server's reason. */
static int open_admin(const struct up *up, struct db **db)
{
    char conninfo[UP_PATH_SIZE];

    snprintf(conninfo, sizeof conninfo, "host='%s' dbname=postgres user=btcf", up->settings->run_dir);
    return db_open(db, conninfo, "up", ADMIN_TIMEOUT_MS);
}

static int await_server(struct up *up, const char *log_path, long log_from, struct db **db)
{
    int64_t end_ms = clock_mono_ms() + START_TIMEOUT_MS;
    char complaint[256];
    int status;

    while (open_admin(up, db) < 0) {
        int ended = proc_wait(up->postgres, 0, &status);

        if (ended != 0) {
            up->postgres = 0;
            last_complaint(log_path, log_from, complaint);
            return err_set(E_STORE, "PostgreSQL has ended: %s (see %s)", complaint, log_path);
        }
        if (proc_should_stop())
            return err_set(E_TIMEOUT, "told to stop");
        if (clock_mono_ms() > end_ms)
            return err_wrap("PostgreSQL does not answer after %d s (see %s)", START_TIMEOUT_MS / 1000, log_path);
        clock_sleep_ms(POLL_MS);
    }
    err_clear();
    return 0;
}

static const char sql_has_database[] = "SELECT 1 FROM pg_database WHERE datname = 'btcf'";

static int make_database(struct db *db)
{
    struct arena *arena = arena_create("up.postgres", ADMIN_ARENA_BYTES);
    struct db_rows rows;
    int result = db_query(db, arena, sql_has_database, &rows, DB_END);

    if (result == 0 && rows.count == 0)
        result = db_script(db, "CREATE DATABASE btcf");
    arena_free(&arena);
    return result < 0 ? err_wrap("while making the database") : 0;
}

int up_postgres_start(struct up *up)
{
    char data_dir[UP_PATH_SIZE], log_path[UP_PATH_SIZE];
    int64_t begin_ms = clock_mono_ms();
    struct db *db = NULL;

    if (!up->is_private_database)
        return 0;
    snprintf(data_dir, sizeof data_dir, "%s/postgres", up->settings->state_dir);
    snprintf(log_path, sizeof log_path, "%s/log/postgres.log", up->settings->state_dir);
    if (make_cluster(up, data_dir, log_path) < 0 || write_conf(up) < 0 || remove_stale_pid_file(data_dir) < 0)
        return -1;
    long log_from = log_size(log_path);
    if (spawn_server(up, data_dir, log_path) < 0 || await_server(up, log_path, log_from, &db) < 0)
        return -1;
    int result = make_database(db);
    db_close(&db);
    if (result == 0)
        up_say("postgres", "running as process %d (%.1f s)", (int)up->postgres,
               (double)(clock_mono_ms() - begin_ms) / 1000);
    return result;
}

void up_postgres_stop(struct up *up)
{
    /* SIGINT: fast shutdown, with a checkpoint. SIGQUIT: at once, with recovery at the next start. */
    if (!up_end_child(&up->postgres, SIGINT, SIGQUIT, STOP_TIMEOUT_MS))
        up_say("postgres", "did not end in time and was killed; it will recover at the next start");
}
