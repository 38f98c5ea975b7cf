/* Layout of the file: a header in the first page, then the records, each a mark and its curves. Space is reserved before
 * it is mapped: a full disk is an error here and not a signal in the middle of the work.
 */
#include "cmd/backtest_records.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/err.h"
#include "models/series.h"

#define HEADER_BYTES 4096
#define BYTES_MAX ((size_t)1 << 36)
#define FNV_OFFSET UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

static const char magic[8] = "btcfwf1";

struct header {
    char magic[8];
    uint64_t key, count, stride;
};

/* Fowler-Noll-Vo 1a over 64-bit words, the rest by bytes: tells accidents, secures nothing. */
static uint64_t hash_of(uint64_t hash, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    uint64_t word;

    for (; len >= sizeof word; len -= sizeof word, at += sizeof word) {
        memcpy(&word, at, sizeof word);
        hash = (hash ^ word) * FNV_PRIME;
        hash ^= hash >> 29; /* words leave their high bits where multiplication does not bring them down */
    }
    while (len-- > 0)
        hash = (hash ^ *at++) * FNV_PRIME;
    return hash;
}

static uint64_t hash_column(uint64_t hash, const double *column, size_t count)
{
    return column == NULL ? hash_of(hash, "none", 4) : hash_of(hash, column, count * sizeof *column);
}

/* Everything that the records depend on. The program by its file: another build may have other models. */
static uint64_t key_of(const struct backtest_plan *plan)
{
    const struct series *series = plan->series;
    const int64_t numbers[] = {plan->from_ms,   plan->to_ms,    plan->step_ms,
                               series->step_ms, series->end_ms, (int64_t)plan->seed};
    struct stat program;
    uint64_t hash = hash_of(FNV_OFFSET, BTCF_VERSION, strlen(BTCF_VERSION));

    if (stat("/proc/self/exe", &program) == 0) {
        hash = hash_of(hash, &program.st_size, sizeof program.st_size);
        hash = hash_of(hash, &program.st_mtim, sizeof program.st_mtim);
    }
    hash = hash_of(hash, numbers, sizeof numbers);
    hash = hash_of(hash, plan->horizons_s, plan->horizon_count * sizeof *plan->horizons_s);
    for (size_t i = 0; i < plan->model_count; i++)
        hash = hash_of(hash, plan->models[i], strlen(plan->models[i]) + 1);
    hash = hash_column(hash, series->close, series->count);
    hash = hash_column(hash, series->high, series->count);
    hash = hash_column(hash, series->low, series->count);
    return hash_column(hash, series->volume, series->count);
}

static int open_file(struct records *records, const char *out)
{
    int len = snprintf(records->path, sizeof records->path, "%s.partial", out);

    if (len < 0 || (size_t)len >= sizeof records->path)
        return err_set(E_INPUT, "--out: the path is longer than %zu bytes", sizeof records->path);
    records->fd = open(records->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (records->fd < 0)
        return err_set(E_STORE, "--out: cannot make %s: %s", records->path, strerror(errno));
    if (flock(records->fd, LOCK_EX | LOCK_NB) != 0) {
        close(records->fd); /* theirs, so not ours to remove */
        records->fd = -1;
        return err_set(E_CONFLICT, "another backtest is writing %s", records->path);
    }
    return 0;
}

/* Whether the file holds records of this very question. */
static bool is_same(const struct records *records, const struct header *wanted)
{
    struct header found;
    struct stat file;

    return fstat(records->fd, &file) == 0 && (size_t)file.st_size == records->map_bytes &&
           pread(records->fd, &found, sizeof found, 0) == (ssize_t)sizeof found &&
           memcmp(&found, wanted, sizeof found) == 0;
}

static int prepare_file(struct records *records, const struct header *header)
{
    if (is_same(records, header))
        return 0;
    if (ftruncate(records->fd, 0) != 0)
        return err_set(E_STORE, "--out: cannot empty %s: %s", records->path, strerror(errno));
    int error = posix_fallocate(records->fd, 0, (off_t)records->map_bytes);
    if (error != 0)
        return err_set(E_STORE, "--out: no room for %zu MB in %s: %s", records->map_bytes >> 20, records->path,
                       strerror(error));
    if (pwrite(records->fd, header, sizeof *header, 0) != (ssize_t)sizeof *header)
        return err_set(E_STORE, "--out: cannot write %s: %s", records->path, strerror(errno));
    return 0;
}

int records_open(struct records *records, const struct backtest_plan *plan, const char *out)
{
    *records = (struct records){.count = backtest_warmup_count(plan) + backtest_origin_count(plan),
                                .curve_count = backtest_curve_count(plan),
                                .fd = -1};
    records->stride = sizeof(uint64_t) + records->curve_count * sizeof(struct quantile_curve);
    if (records->count > (BYTES_MAX - HEADER_BYTES) / records->stride)
        return err_set(E_LIMIT,
                       "%zu origins with %zu forecasts each are too many for one backtest; take a longer --step",
                       records->count, records->curve_count);
    records->map_bytes = HEADER_BYTES + records->count * records->stride;
    if (out != NULL) {
        struct header header = {.key = key_of(plan), .count = records->count, .stride = records->stride};

        memcpy(header.magic, magic, sizeof magic);
        if (open_file(records, out) < 0 || prepare_file(records, &header) < 0)
            return -1;
    }
    int flags = MAP_SHARED | (records->fd < 0 ? MAP_ANONYMOUS | MAP_NORESERVE : 0);
    void *map = mmap(NULL, records->map_bytes, PROT_READ | PROT_WRITE, flags, records->fd, 0);
    if (map == MAP_FAILED)
        return err_set(E_STORE, "no memory for %zu records: %s", records->count, strerror(errno));
    records->map = map;
    return 0;
}

void records_close(struct records *records, bool keep)
{
    if (records->map != NULL)
        munmap(records->map, records->map_bytes);
    if (records->fd >= 0) {
        if (!keep)
            unlink(records->path);
        close(records->fd);
    }
    records->map = NULL;
    records->fd = -1;
}

static uint64_t *mark_of(const struct records *records, size_t at)
{
    return (uint64_t *)(void *)(records->map + HEADER_BYTES + at * records->stride);
}

struct quantile_curve *records_curves(const struct records *records, size_t at)
{
    return (struct quantile_curve *)(void *)(mark_of(records, at) + 1);
}

/* Never 0, which a record has before it is made. */
static uint64_t hash_record(const struct records *records, size_t at)
{
    return hash_of(FNV_OFFSET + at, records_curves(records, at), records->stride - sizeof(uint64_t)) | 1;
}

bool records_is_done(const struct records *records, size_t at)
{
    return *mark_of(records, at) == hash_record(records, at);
}

void records_set_done(struct records *records, size_t at)
{
    *mark_of(records, at) = hash_record(records, at);
}
