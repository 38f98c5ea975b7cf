/* edge.v1: adoption by the nginx master, reading by the engine, and the tables that give its counters their meaning.
 *
 * The file outlives reloads, binary upgrades and the engine, because it is opened and used as it is whenever it fits.
 * One that does not fit is never repaired or resized: another one takes its place (edge_birth.c), and whoever still maps
 * the one before keeps counting into memory that exists. How does the meter know that nobody does any more? Each process
 * that may write holds a lock on its open file: taken by the master, inherited by the workers that it forks, given up by
 * the kernel with the last of them, however it ends. So there is no list of processes to keep, and none to forget.
 */
/* For F_OFD_SETLK: locks of an open file, where POSIX's belong to a process and are not inherited. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "shm/edge.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shm/edge_birth.h"
#include "shm/file.h"

const uint32_t btcf_latency_bounds_us[BTCF_METRIC_BUCKETS] = {
    5,     10,    25,    50,     100,    250,    500,     1000,    2500,     5000,
    10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 10000000, UINT32_MAX,
};

/* Ascending after the catch-all, so that the look-up can halve. */
const uint16_t btcf_status_codes[BTCF_METRIC_STATUSES] = {
    0,   200, 204, 206, 302, 304, 400, 401, 403, 404, 405, 406,
    408, 409, 413, 414, 422, 429, 431, 499, 500, 502, 503, 504,
};

static const char *const route_names[BTCF_METRIC_ROUTES] = {
    [BTCF_ROUTE_FORECAST] = "forecast", [BTCF_ROUTE_MARKET] = "market", [BTCF_ROUTE_STATUS] = "status",
    [BTCF_ROUTE_STATIC] = "static",     [BTCF_ROUTE_HEALTH] = "health", [BTCF_ROUTE_METRICS] = "metrics",
    [BTCF_ROUTE_CONTROL] = "control",   [BTCF_ROUTE_OTHER] = "other",
};

static const char *const auth_names[BTCF_METRIC_AUTHS] = {
    [BTCF_AUTH_OFF] = "off",
    [BTCF_AUTH_GUEST] = "guest",
    [BTCF_AUTH_KEY] = "key",
    [BTCF_AUTH_TOKEN] = "token",
    [BTCF_AUTH_TICKET] = "ticket",
    [BTCF_AUTH_MISSING] = "missing",
    [BTCF_AUTH_MALFORMED] = "malformed",
    [BTCF_AUTH_UNKNOWN] = "unknown",
    [BTCF_AUTH_EXPIRED] = "expired",
    [BTCF_AUTH_REVOKED] = "revoked",
    [BTCF_AUTH_BAD_TOKEN] = "bad-token",
    [BTCF_AUTH_TWO] = "two",
    [BTCF_AUTH_NETWORK] = "network",
    [BTCF_AUTH_SCOPE] = "scope",
    [BTCF_AUTH_UNAVAILABLE] = "unavailable",
    [BTCF_AUTH_UNAVAILABLE + 1] = "other",
};

static const char *const limit_names[BTCF_METRIC_LIMITS] = {
    [BTCF_LIMIT_OFF] = "off",           [BTCF_LIMIT_PASSED] = "passed",
    [BTCF_LIMIT_REJECTED] = "rejected", [BTCF_LIMIT_DRY_RUN] = "dry-run",
    [BTCF_LIMIT_QUOTA] = "quota",       [BTCF_LIMIT_QUOTA_DRY_RUN] = "quota-dry-run",
    [BTCF_LIMIT_ADDRESS] = "address",   [BTCF_LIMIT_ADDRESS_DRY_RUN] = "address-dry-run",
};

/* What is found under a name in the directory, and how it is to be mapped. */
static enum btcf_attach open_existing(struct btcf_edge *edge, const char *path, bool is_writable)
{
    const struct btcf_file_options options = {.is_writable = is_writable, .forbidden_mode = BTCF_EDGE_FORBIDDEN_MODE};
    struct btcf_file file;
    enum btcf_attach why = btcf_file_open(&file, path, &options);

    if (why != BTCF_ATTACH_OK)
        return why;
    why = btcf_edge_attach(edge, &file);
    if (why == BTCF_ATTACH_OK && !btcf_edge_take_lock(edge, path, is_writable))
        why = BTCF_ATTACH_SYSTEM;
    if (why != BTCF_ATTACH_OK) {
        int saved_errno = errno;

        btcf_file_close(&file);
        errno = saved_errno;
    }
    return why;
}

static bool find_tables(struct btcf_edge *edge)
{
    struct btcf_section usage, limits, pool, addresses;
    bool has_all = btcf_section_find(edge->base, edge->size, &btcf_edge_shapes[BTCF_EDGE_USAGE], &usage) &&
                   btcf_section_find(edge->base, edge->size, &btcf_edge_shapes[BTCF_EDGE_LIMIT], &limits) &&
                   btcf_section_find(edge->base, edge->size, &btcf_edge_shapes[BTCF_EDGE_POOL], &pool) &&
                   btcf_section_find(edge->base, edge->size, &btcf_edge_shapes[BTCF_EDGE_ADDR], &addresses);

    if (!has_all)
        return false;
    if (pool.count < BTCF_POOL_WAYS || btcf_power_of_two_from(pool.count) != pool.count || addresses.count == 0 ||
        btcf_power_of_two_from(addresses.count) != addresses.count)
        return false;
    edge->usage = (struct btcf_usage_row *)(edge->base + usage.offset);
    edge->usage_count = usage.count;
    edge->limits = (struct btcf_limit_row *)(edge->base + limits.offset);
    edge->limit_count = limits.count;
    edge->pool = (struct btcf_pool_entry *)(edge->base + pool.offset);
    edge->pool_count = pool.count;
    edge->addresses = (struct btcf_addr_set *)(edge->base + addresses.offset);
    edge->address_sets = addresses.count;
    return true;
}

enum btcf_attach btcf_edge_attach(struct btcf_edge *edge, const struct btcf_file *file)
{
    enum btcf_attach why = btcf_header_check(file->base, file->size, BTCF_EDGE_MAGIC);
    struct btcf_edge fresh = {.base = file->base,
                              .size = file->size,
                              .device = file->device,
                              .inode = file->inode,
                              .lock_fd = -1,
                              .header = (struct btcf_header *)file->base};
    struct btcf_section metrics;

    if (why != BTCF_ATTACH_OK)
        return why;
    if (!btcf_section_find(file->base, file->size, &btcf_edge_shapes[BTCF_EDGE_METRIC], &metrics) ||
        metrics.count < BTCF_METRIC_BLOCKS)
        return BTCF_ATTACH_BAD_SECTIONS;
    fresh.metrics = (struct btcf_metric_block *)(file->base + metrics.offset);
    if (fresh.header->minor > 0 && !find_tables(&fresh))
        return BTCF_ATTACH_BAD_SECTIONS;
    *edge = fresh;
    return BTCF_ATTACH_OK;
}

bool btcf_edge_take_lock(struct btcf_edge *edge, const char *path, bool is_writer)
{
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    struct stat st;
    int fd = open(path, (is_writer ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return false;
    if (fstat(fd, &st) == 0 && (uint64_t)st.st_ino == edge->inode && (uint64_t)st.st_dev == edge->device &&
        (!is_writer || fcntl(fd, F_OFD_SETLK, &lock) == 0)) {
        edge->lock_fd = fd;
        return true;
    }
    close(fd);
    return false;
}

bool btcf_edge_is_final(const struct btcf_edge *edge)
{
    /* Asks who would stand in the way of an exclusive lock, without taking one: no writer ever has to wait for us. */
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    return edge->base != NULL && fcntl(edge->lock_fd, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_UNLCK;
}

static enum btcf_attach no_such_path(void)
{
    errno = ENAMETOOLONG;
    return BTCF_ATTACH_SYSTEM;
}

static bool make_path(char path[BTCF_EDGE_PATH_MAX], const char *dir, const char *name)
{
    return snprintf(path, BTCF_EDGE_PATH_MAX, "%s/%s", dir, name) < BTCF_EDGE_PATH_MAX;
}

enum btcf_attach btcf_edge_open(struct btcf_edge *edge, const struct btcf_edge_options *options)
{
    struct btcf_edge before = {0};
    char path[BTCF_EDGE_PATH_MAX];
    enum btcf_attach why;

    memset(edge, 0, sizeof(*edge));
    if (!make_path(path, options->dir, BTCF_EDGE_FILE))
        return no_such_path();
    why = open_existing(&before, path, true);
    if (why == BTCF_ATTACH_SYSTEM)
        return why;
    if (why == BTCF_ATTACH_OK && btcf_edge_fits(&before, options)) {
        *edge = before;
        return BTCF_ATTACH_OK;
    }
    why = btcf_edge_make(edge, path, options, why == BTCF_ATTACH_OK ? &before : NULL);

    int saved_errno = errno;

    btcf_edge_close(&before);
    errno = saved_errno;
    return why;
}

enum btcf_attach btcf_edge_open_old(struct btcf_edge *edge, const char *dir, const char *name)
{
    char path[BTCF_EDGE_PATH_MAX];

    memset(edge, 0, sizeof(*edge));
    if (!make_path(path, dir, name))
        return no_such_path();
    return open_existing(edge, path, false);
}

enum btcf_attach btcf_edge_open_readonly(struct btcf_edge *edge, const char *dir)
{
    return btcf_edge_open_old(edge, dir, BTCF_EDGE_FILE);
}

void btcf_edge_close(struct btcf_edge *edge)
{
    struct btcf_file file = {.base = edge->base, .size = edge->size};

    if (edge->base != NULL && edge->lock_fd >= 0)
        close(edge->lock_fd);
    btcf_file_close(&file);
    memset(edge, 0, sizeof(*edge));
}

uint32_t btcf_status_index(uint32_t status)
{
    uint32_t low = 1, high = BTCF_METRIC_STATUSES;

    while (low < high) {
        uint32_t middle = (low + high) / 2;

        if (btcf_status_codes[middle] == status)
            return middle;
        if (btcf_status_codes[middle] < status)
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}

const char *btcf_route_name(enum btcf_route route)
{
    return (unsigned)route < BTCF_METRIC_ROUTES ? route_names[route] : "other";
}

const char *btcf_auth_name(enum btcf_auth_outcome outcome)
{
    return (unsigned)outcome < BTCF_METRIC_AUTHS ? auth_names[outcome] : "other";
}

const char *btcf_limit_name(enum btcf_limit_outcome outcome)
{
    return (unsigned)outcome < BTCF_METRIC_LIMITS ? limit_names[outcome] : "other";
}
