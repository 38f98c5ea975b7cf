/* Counters in mapped files. A file has one writer, so a relaxed atomic store of each 64-bit value is all that a reader
 * beside it needs: every value is whole, and no two values have to agree with each other.
 *
 * The layout hash covers the names and kinds in metrics.def: after an upgrade that changed the table a file starts
 * again from zero, which Prometheus takes for a restart, rather than being read with the wrong meaning.
 */
#include "core/metrics.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/err.h"
#include "core/str.h"

#define METRICS_MAGIC UINT64_C(0x3154454d46435442) /* "BTCFMET1" */
#define PATH_SIZE 4096
#define SUFFIX ".metrics"

enum kind { COUNTER, SECONDS, GAUGE };

static const struct {
    const char *name, *help;
    enum kind kind;
} table[METRIC_COUNT] = {
#define METRIC(name, kind, help) {#name, help, kind},
#include "core/metrics.def"
#undef METRIC
};

struct page {
    uint64_t magic, layout;
    char role[METRICS_ROLE_LEN_MAX + 1];
    _Atomic int64_t values[METRIC_COUNT];
};

static struct page own_page; /* counts until metrics_open */
static struct page *page = &own_page;
static int page_fd = -1;

static uint64_t layout_hash(void)
{
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */

    for (size_t i = 0; i < METRIC_COUNT; i++) {
        for (const char *c = table[i].name; *c != '\0'; c++)
            hash = (hash ^ (unsigned char)*c) * UINT64_C(1099511628211);
        hash = (hash ^ (uint64_t)(table[i].kind + 1)) * UINT64_C(1099511628211);
    }
    return hash;
}

static bool is_valid(const struct page *candidate)
{
    size_t len = strnlen(candidate->role, sizeof candidate->role);

    return candidate->magic == METRICS_MAGIC && candidate->layout == layout_hash() && len > 0 &&
           len < sizeof candidate->role && strspn(candidate->role, "abcdefghijklmnopqrstuvwxyz-") == len;
}

static int map_slot(int fd, const char *path, const char *role, struct page **mapped)
{
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return err_set(E_CONFLICT, "another process counts in %s", path);
    if (ftruncate(fd, sizeof(struct page)) < 0)
        return err_set(E_STORE, "cannot size %s: %s", path, strerror(errno));
    *mapped = mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (*mapped == MAP_FAILED)
        return err_set(E_STORE, "cannot map %s: %s", path, strerror(errno));
    if (is_valid(*mapped) && strcmp((*mapped)->role, role) == 0)
        return 0;
    memset(*mapped, 0, sizeof **mapped);
    (*mapped)->magic = METRICS_MAGIC;
    (*mapped)->layout = layout_hash();
    snprintf((*mapped)->role, sizeof(*mapped)->role, "%s", role);
    return 0;
}

static void begin(void)
{
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        int64_t counted = atomic_load_explicit(&own_page.values[i], memory_order_relaxed);

        if (table[i].kind == GAUGE)
            metric_set((enum metric)i, counted); /* the predecessor's gauges mean nothing any more */
        else
            metric_add((enum metric)i, counted);
    }
    memset(&own_page, 0, sizeof own_page);
    metric_add(METRIC_process_starts_total, 1);
    metric_set(METRIC_process_start_time_seconds, clock_wall_ms() / MS_PER_S);
}

int metrics_open(const char *dir, const char *role, int index)
{
    char path[PATH_SIZE];
    struct page *mapped;

    assert(strlen(role) <= METRICS_ROLE_LEN_MAX);
    assert(page == &own_page);
    if ((size_t)snprintf(path, sizeof path, "%s/%s-%d" SUFFIX, dir, role, index) >= sizeof path)
        return err_set(E_INPUT, "the metrics directory's path is too long: %s", dir);

    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0)
        return err_set(E_STORE, "cannot open %s: %s", path, strerror(errno));
    if (map_slot(fd, path, role, &mapped) < 0) {
        close(fd);
        return -1;
    }
    page_fd = fd;
    page = mapped;
    begin();
    return 0;
}

void metrics_close(void)
{
    if (page == &own_page)
        return;
    munmap(page, sizeof *page);
    page = &own_page;
    close(page_fd);
    page_fd = -1;
}

void metric_add(enum metric metric, int64_t count)
{
    assert(count >= 0);
    assert(table[metric].kind != GAUGE);
    /* One writer: no read-modify-write is needed. */
    int64_t now = atomic_load_explicit(&page->values[metric], memory_order_relaxed);
    atomic_store_explicit(&page->values[metric], now + count, memory_order_relaxed);
}

void metric_set(enum metric metric, int64_t value)
{
    assert(table[metric].kind == GAUGE);
    atomic_store_explicit(&page->values[metric], value, memory_order_relaxed);
}

int64_t metric_get(enum metric metric)
{
    return atomic_load_explicit(&page->values[metric], memory_order_relaxed);
}

struct totals {
    char role[METRICS_ROLE_LEN_MAX + 1];
    int64_t values[METRIC_COUNT];
};

static int load_totals(const char *dir, struct totals *totals, size_t *count);

static int compare_roles(const void *a, const void *b)
{
    return strcmp(((const struct totals *)a)->role, ((const struct totals *)b)->role);
}

static void render_metric(size_t metric, const struct totals *totals, size_t count, struct strbuf *out)
{
    const char *name = table[metric].name;

    strbuf_printf(out, "# HELP btcf_engine_%s %s\n# TYPE btcf_engine_%s %s\n", name, table[metric].help, name,
                  table[metric].kind == GAUGE ? "gauge" : "counter");
    for (size_t i = 0; i < count; i++) {
        int64_t value = totals[i].values[metric];

        strbuf_printf(out, "btcf_engine_%s{role=\"%s\"} ", name, totals[i].role);
        if (table[metric].kind == SECONDS)
            strbuf_printf(out, "%lld.%03d\n", (long long)(value / MS_PER_S), (int)(value % MS_PER_S));
        else
            strbuf_printf(out, "%lld\n", (long long)value);
    }
}

int metrics_render(const char *dir, struct strbuf *out)
{
    struct totals totals[METRICS_FILE_COUNT_MAX];
    size_t count = 0;

    if (load_totals(dir, totals, &count) < 0)
        return -1;
    qsort(totals, count, sizeof totals[0], compare_roles);
    for (size_t i = 0; count > 0 && i < METRIC_COUNT; i++)
        render_metric(i, totals, count, out);
    return 0;
}

static void add_page(const struct page *from, struct totals *totals, size_t *count)
{
    size_t at = 0;

    while (at < *count && strcmp(totals[at].role, from->role) != 0)
        at++;
    if (at == *count) {
        totals[at] = (struct totals){0};
        snprintf(totals[at].role, sizeof totals[at].role, "%s", from->role);
        (*count)++;
    }
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        int64_t value = atomic_load_explicit(&from->values[i], memory_order_relaxed);

        if (table[i].kind != GAUGE)
            totals[at].values[i] += value;
        else if (value > totals[at].values[i])
            totals[at].values[i] = value;
    }
}

/* Reads with read(2), not a mapping: a file that somebody cuts short must not end the reader with SIGBUS. */
static bool load_page(int dir_fd, const char *name, struct page *loaded)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return false;
    ssize_t got = read(fd, loaded, sizeof *loaded);
    close(fd);
    return got == (ssize_t)sizeof *loaded && is_valid(loaded);
}

static int load_totals(const char *dir, struct totals *totals, size_t *count)
{
    DIR *listing = opendir(dir);
    size_t files = 0;

    if (listing == NULL)
        return err_set(E_STORE, "cannot read the metrics in %s: %s", dir, strerror(errno));
    for (const struct dirent *entry; files < METRICS_FILE_COUNT_MAX && (entry = readdir(listing)) != NULL;) {
        const char *suffix = strstr(entry->d_name, SUFFIX);
        struct page loaded;

        if (suffix == NULL || strcmp(suffix, SUFFIX) != 0)
            continue;
        files++;
        if (load_page(dirfd(listing), entry->d_name, &loaded))
            add_page(&loaded, totals, count);
    }
    closedir(listing);
    return 0;
}
