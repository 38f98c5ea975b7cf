/* The places that follow from the state directory: where sockets live, which tmpfs holds the shared files, how the
 * private PostgreSQL is reached. Every program of an installation computes them alike from the same settings, so
 * nothing has to be passed from one to another.
 */
#include "core/settings.h"

#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/err.h"

#define PATH_SIZE 4096
#define PASSWD_BUF_SIZE 16384
/* sun_path of a Unix socket address holds 108 bytes with the NUL; ours are at most "/.s.PGSQL.5432.lock" longer. */
#define RUN_DIR_LEN_MAX 88

#define SHM_DIR_SERVICE "/run/btcf"
#define SHM_DIR_PARENT "/dev/shm"
#define POSTGRES_DIR "/usr/lib/postgresql"

static int derive_state_dir(struct settings *settings);
static int derive_run_dir(struct settings *settings);
static int derive_shm_dir(struct settings *settings);
static int derive_database_url(struct settings *settings);
static int derive_postgres_bin_dir(struct settings *settings);

int settings_derive(struct settings *settings)
{
    if (derive_state_dir(settings) < 0 || derive_run_dir(settings) < 0 || derive_shm_dir(settings) < 0 ||
        derive_database_url(settings) < 0)
        return -1;
    return derive_postgres_bin_dir(settings);
}

static int set(struct settings *settings, const char *name, const char *value)
{
    return settings_set(settings, name, value, "derived setting");
}

/* Appends one component to an absolute path without a slash at its end; "." and ".." are resolved by their names. */
static void add_component(struct strbuf *path, struct str component)
{
    if (component.len == 0 || str_is(component, "."))
        return;
    if (!str_is(component, "..")) {
        strbuf_add_char(path, '/');
        strbuf_add(path, component.ptr, component.len);
        return;
    }
    while (path->len > 0 && path->ptr[--path->len] != '/')
        ;
    path->ptr[path->len] = '\0';
}

static void add_components(struct strbuf *path, const char *text)
{
    for (struct str rest = str_of(text); rest.ptr != NULL;)
        add_component(path, str_cut(&rest, '/'));
}

/* By text alone, because the directory need not exist yet: the same answer before and after it is made. */
static int derive_state_dir(struct settings *settings)
{
    char here[PATH_SIZE];
    struct strbuf path;

    if (settings->state_dir[0] != '/' && getcwd(here, sizeof here) == NULL)
        return err_set(E_STORE, "cannot find the current directory: %s", strerror(errno));
    strbuf_init(&path, PATH_SIZE);
    if (settings->state_dir[0] != '/')
        add_components(&path, here);
    add_components(&path, settings->state_dir);

    int rc;
    if (strbuf_failed(&path))
        rc = err_set(E_INPUT, "state_dir: the path is too long");
    else if (path.len == 0)
        rc = err_set(E_INPUT, "state_dir: must not be the root directory");
    else
        rc = set(settings, "state_dir", path.ptr);
    strbuf_release(&path);
    return rc;
}

static int derive_run_dir(struct settings *settings)
{
    char path[PATH_SIZE + sizeof "/run"];

    if (settings->run_dir[0] == '\0') {
        snprintf(path, sizeof path, "%s/run", settings->state_dir);
        if (set(settings, "run_dir", path) < 0)
            return -1;
    }
    if (settings->run_dir[0] != '/')
        return err_set(E_INPUT, "run_dir: %s is not an absolute path", settings->run_dir);
    if (strlen(settings->run_dir) > RUN_DIR_LEN_MAX)
        return err_set(E_INPUT,
                       "run_dir: %s is longer than %d characters, too long for the sockets in it; choose a shorter "
                       "state_dir, or set run_dir",
                       settings->run_dir, RUN_DIR_LEN_MAX);
    return 0;
}

static bool is_tmpfs(const char *path)
{
    struct statfs info;

    return statfs(path, &info) == 0 && info.f_type == TMPFS_MAGIC;
}

/* Checks `path`, or the nearest directory above it that exists. */
static int check_tmpfs(const char *path)
{
    char existing[PATH_SIZE];

    snprintf(existing, sizeof existing, "%s", path);
    while (access(existing, F_OK) < 0 && errno == ENOENT) {
        char *slash = strrchr(existing, '/');

        if (slash == NULL || slash == existing)
            break;
        *slash = '\0';
    }
    if (is_tmpfs(existing))
        return 0;
    return err_set(
        E_STORE,
        "shm_dir: %s is not in a tmpfs, so publishing would wait for a disk; set shm_dir to a directory in "
        "one (mount shows them), or mount one there: mount -t tmpfs -o size=64m,mode=0755 tmpfs %s",
        path, path);
}

/* The account that roles will have: `user` when root starts them, else the one that we have. */
static uid_t role_uid(const char *user)
{
    char buf[PASSWD_BUF_SIZE];
    struct passwd entry, *found = NULL;

    if (geteuid() == 0 && getpwnam_r(user, &entry, buf, sizeof buf, &found) == 0 && found != NULL)
        return found->pw_uid;
    return geteuid();
}

static uint32_t short_hash(const char *text)
{
    uint32_t hash = UINT32_C(2166136261); /* FNV-1a */

    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * UINT32_C(16777619);
    return hash;
}

static int derive_shm_dir(struct settings *settings)
{
    char path[64];

    if (settings->shm_dir[0] == '\0') {
        if (is_tmpfs(SHM_DIR_SERVICE))
            snprintf(path, sizeof path, SHM_DIR_SERVICE);
        else
            snprintf(path, sizeof path, SHM_DIR_PARENT "/btcf-%u-%08x", role_uid(settings->user),
                     short_hash(settings->state_dir));
        if (set(settings, "shm_dir", path) < 0)
            return -1;
    }
    if (settings->shm_dir[0] != '/')
        return err_set(E_INPUT, "shm_dir: %s is not an absolute path", settings->shm_dir);
    return check_tmpfs(settings->shm_dir);
}

/* A value in libpq's key=value form. */
static void add_conninfo_value(struct strbuf *out, const char *text)
{
    strbuf_add_char(out, '\'');
    for (; *text != '\0'; text++) {
        if (*text == '\'' || *text == '\\')
            strbuf_add_char(out, '\\');
        strbuf_add_char(out, *text);
    }
    strbuf_add_char(out, '\'');
}

static int derive_database_url(struct settings *settings)
{
    struct strbuf url;

    if (settings->database_url[0] != '\0')
        return 0;
    strbuf_init(&url, PATH_SIZE);
    strbuf_add_text(&url, "host=");
    add_conninfo_value(&url, settings->run_dir);
    strbuf_add_text(&url, " dbname=btcf user=btcf");
    int rc = set(settings, "database_url", url.ptr);
    strbuf_release(&url);
    return rc;
}

/* Debian has one directory per major version: 13, 15, ... The newest that has a server wins. */
static int derive_postgres_bin_dir(struct settings *settings)
{
    char path[PATH_SIZE];
    int64_t newest = 0, version;
    DIR *listing;

    if (settings->postgres_bin_dir[0] != '\0' || (listing = opendir(POSTGRES_DIR)) == NULL)
        return 0;
    for (const struct dirent *entry; (entry = readdir(listing)) != NULL;) {
        if (str_parse_i64(str_of(entry->d_name), &version) < 0 || version <= newest)
            continue;
        snprintf(path, sizeof path, POSTGRES_DIR "/%s/bin/initdb", entry->d_name);
        if (access(path, X_OK) == 0)
            newest = version;
    }
    closedir(listing);
    if (newest == 0)
        return 0;
    snprintf(path, sizeof path, POSTGRES_DIR "/%lld/bin", (long long)newest);
    return set(settings, "postgres_bin_dir", path);
}
