/* edge.v1: birth or adoption by the nginx master, and the tables that give its counters their meaning.
 *
 * The file outlives reloads, binary upgrades and the engine, because it is opened and used as it is whenever its header
 * matches. One that does not match is not repaired: a new one is made beside it and renamed over it, so that whoever
 * still maps the old one keeps counting into memory that exists.
 */
#include "shm/edge.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shm/file.h"

#define EDGE_MODE 0660u
#define EDGE_PATH_MAX 4096

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

static const struct btcf_section_shape metric_shape = {BTCF_SECTION_METRIC, sizeof(struct btcf_metric_block), 0};

static enum btcf_attach attach(struct btcf_edge *edge, const struct btcf_file *file)
{
    enum btcf_attach why = btcf_header_check(file->base, file->size, BTCF_EDGE_MAGIC);
    struct btcf_section section;

    if (why != BTCF_ATTACH_OK)
        return why;
    if (!btcf_section_find(file->base, file->size, &metric_shape, &section) || section.count < BTCF_METRIC_BLOCKS)
        return BTCF_ATTACH_BAD_SECTIONS;
    *edge = (struct btcf_edge){.base = file->base,
                               .size = file->size,
                               .device = file->device,
                               .inode = file->inode,
                               .header = (struct btcf_header *)file->base,
                               .metrics = (struct btcf_metric_block *)(file->base + section.offset)};
    return BTCF_ATTACH_OK;
}

static enum btcf_attach open_existing(struct btcf_edge *edge, const char *path, bool is_writable)
{
    const struct btcf_file_options options = {.is_writable = is_writable, .forbidden_mode = BTCF_EDGE_FORBIDDEN_MODE};
    struct btcf_file file;
    enum btcf_attach why = btcf_file_open(&file, path, &options);

    if (why != BTCF_ATTACH_OK)
        return why;
    why = attach(edge, &file);
    if (why != BTCF_ATTACH_OK)
        btcf_file_close(&file);
    return why;
}

static int fill(struct btcf_file *file, const char *build)
{
    const struct btcf_section metrics = {
        .kind = BTCF_SECTION_METRIC,
        .version = BTCF_SECTION_VERSION,
        .offset = btcf_round_up(sizeof(struct btcf_header), sizeof(struct btcf_metric_block)),
        .size = BTCF_METRIC_BLOCKS * sizeof(struct btcf_metric_block),
        .stride = sizeof(struct btcf_metric_block),
        .count = BTCF_METRIC_BLOCKS,
    };
    const struct btcf_header_options options = {
        .magic = BTCF_EDGE_MAGIC, .build = build, .sections = &metrics, .section_count = 1};

    if (btcf_header_fill(file, &options) < 0)
        return -1;
    /* Partner: the acquire load of state in btcf_header_check. */
    atomic_store_explicit(&((struct btcf_header *)file->base)->state, BTCF_STATE_LIVE, memory_order_release);
    return 0;
}

static enum btcf_attach make_new(struct btcf_edge *edge, const char *path, const char *build)
{
    uint64_t size = btcf_round_up(sizeof(struct btcf_header), sizeof(struct btcf_metric_block)) +
                    BTCF_METRIC_BLOCKS * sizeof(struct btcf_metric_block);
    char tmp_path[EDGE_PATH_MAX];
    struct btcf_file file;
    int saved_errno;

    if (snprintf(tmp_path, sizeof(tmp_path), "%s.tmp", path) >= (int)sizeof(tmp_path)) {
        errno = ENAMETOOLONG;
        return BTCF_ATTACH_SYSTEM;
    }
    unlink(tmp_path); /* of a master that died here; there is one master per directory */
    if (btcf_file_create(&file, tmp_path, size, EDGE_MODE) < 0)
        return BTCF_ATTACH_SYSTEM;
    if (fill(&file, build) == 0 && rename(tmp_path, path) == 0)
        return attach(edge, &file);
    saved_errno = errno;
    btcf_file_close(&file);
    unlink(tmp_path);
    errno = saved_errno;
    return BTCF_ATTACH_SYSTEM;
}

static bool make_path(char path[EDGE_PATH_MAX], const char *dir)
{
    if (snprintf(path, EDGE_PATH_MAX, "%s/" BTCF_EDGE_FILE, dir) < EDGE_PATH_MAX)
        return true;
    errno = ENAMETOOLONG;
    return false;
}

enum btcf_attach btcf_edge_open(struct btcf_edge *edge, const char *dir, const char *build)
{
    char path[EDGE_PATH_MAX];
    enum btcf_attach why;

    if (!make_path(path, dir))
        return BTCF_ATTACH_SYSTEM;
    why = open_existing(edge, path, true);
    if (why == BTCF_ATTACH_OK || why == BTCF_ATTACH_SYSTEM)
        return why;
    return make_new(edge, path, build);
}

enum btcf_attach btcf_edge_open_readonly(struct btcf_edge *edge, const char *dir)
{
    char path[EDGE_PATH_MAX];

    if (!make_path(path, dir))
        return BTCF_ATTACH_SYSTEM;
    return open_existing(edge, path, false);
}

void btcf_edge_close(struct btcf_edge *edge)
{
    struct btcf_file file = {.base = edge->base, .size = edge->size};

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
