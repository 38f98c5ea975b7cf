/* `btcf shm bench`: nanoseconds per read, by the very functions that a worker calls, in the order in which it calls them.
 *
 * An unchanged read is what a request costs when nothing was published since the last one: load the generation, compare
 * it with that of the worker's own copy. A changed read is the first one after a publication: meta data, body, both
 * checksums. To measure the second honestly every document is published anew, outside of the measured time, before it
 * is read, so that the bytes come from where a writer has just put them. Rounds are repeated and the median counts:
 * a neighbour's noise only ever adds.
 */
#include "shm/bench.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/err.h"
#include "shm/bench_parts.h"
#include "shm/crc32c.h"
#include "shm/reader.h"
#include "shm/writer.h"

#define BODY_SIZE 2048
#define DOC_COUNT 64
#define UNCHANGED_READS 400000
#define CHANGED_PASSES 150 /* of DOC_COUNT reads each, per round */
#define UNCHANGED_BAR_NS 100.0
#define CHANGED_BAR_NS 1000.0
#define KEY_SIZE 32

/* What a worker keeps of a document. */
struct copy {
    uint32_t slot;
    uint64_t gen;
    unsigned char body[BODY_SIZE];
};

struct bench {
    struct bench_dir dir;
    struct writer *writer;
    struct btcf_reader reader;
    char keys[DOC_COUNT][KEY_SIZE];
    struct copy copies[DOC_COUNT];
    unsigned char fresh[BODY_SIZE], stale[BODY_SIZE];
    uint64_t version;
};

double bench_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

int bench_dir_create(struct bench_dir *dir, const char *parent)
{
    snprintf(dir->path, sizeof(dir->path), "%s/btcf-bench-XXXXXX", parent);
    if (mkdtemp(dir->path) == NULL)
        return err_set(E_STORE, "cannot make a directory in %s: %s", parent, strerror(errno));
    snprintf(dir->pub, sizeof(dir->pub), "%s/" BTCF_PUB_FILE, dir->path);
    return 0;
}

void bench_dir_remove(const struct bench_dir *dir)
{
    static const char *const names[] = {BTCF_PUB_FILE, "publish.lock"};
    char path[300];

    for (size_t i = 0; i < BTCF_LENGTH(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", dir->path, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(dir->path);
}

static int publish_all(struct bench *bench)
{
    bench->version++;
    for (int i = 0; i < DOC_COUNT; i++) {
        memcpy(bench->fresh, &bench->version, sizeof(bench->version));

        const struct writer_doc doc = {.key = bench->keys[i],
                                       .doc_class = BTCF_DOC_FORECAST,
                                       .fresh = {bench->fresh, sizeof(bench->fresh)},
                                       .stale = {bench->stale, sizeof(bench->stale)}};

        if (writer_publish(bench->writer, &doc) < 0)
            return -1;
    }
    return 0;
}

static int set_up(struct bench *bench, const char *parent)
{
    memset(bench, 0, sizeof(*bench));
    if (bench_dir_create(&bench->dir, parent) < 0)
        return -1;
    memset(bench->fresh, 'f', sizeof(bench->fresh));
    memset(bench->stale, 's', sizeof(bench->stale));
    for (int i = 0; i < DOC_COUNT; i++)
        snprintf(bench->keys[i], KEY_SIZE, "/v1/forecasts/%d", i);

    const struct writer_options options = {.dir = bench->dir.path,
                                           .build = "bench",
                                           .doc_count_max = DOC_COUNT,
                                           .doc_bytes_max = 2 * BODY_SIZE,
                                           .event_count = 1,
                                           .dist_count_max = 1,
                                           .mode = 0600};

    if (writer_create(&bench->writer, &options) < 0 || publish_all(bench) < 0 || writer_go_live(bench->writer) < 0)
        return -1;

    enum btcf_attach why = btcf_reader_open(&bench->reader, bench->dir.pub);

    if (why != BTCF_ATTACH_OK)
        return err_set(E_CORRUPT, "the new file is refused: %s", btcf_attach_text(why));
    for (int i = 0; i < DOC_COUNT; i++)
        bench->copies[i].slot = (uint32_t)btcf_reader_find(&bench->reader, bench->keys[i], strlen(bench->keys[i]));
    return 0;
}

static void tear_down(struct bench *bench)
{
    btcf_reader_close(&bench->reader);
    writer_close(&bench->writer);
    bench_dir_remove(&bench->dir);
}

/* The worker's read of one document. 1: copied anew, 0: its copy is current, -1: not readable. */
static int read_document(struct bench *bench, struct copy *copy)
{
    struct btcf_doc_meta meta;

    if (btcf_reader_gen(&bench->reader, copy->slot) == copy->gen)
        return 0;
    if (btcf_reader_meta(&bench->reader, copy->slot, &meta) != BTCF_READ_OK ||
        btcf_reader_body(&bench->reader, copy->slot, &meta, 0, copy->body) != BTCF_READ_OK)
        return -1;
    copy->gen = meta.gen;
    return 1;
}

static int measure_unchanged(struct bench *bench, double *ns)
{
    int outcome = 0;

    for (int i = 0; i < DOC_COUNT; i++)
        if (read_document(bench, &bench->copies[i]) < 0)
            return err_set(E_CORRUPT, "a document cannot be read");

    double start = bench_now_ns();

    for (int i = 0; i < UNCHANGED_READS; i++)
        outcome |= read_document(bench, &bench->copies[i % DOC_COUNT]);
    *ns = (bench_now_ns() - start) / UNCHANGED_READS;
    return outcome == 0 ? 0 : err_set(E_CORRUPT, "a document changed by itself");
}

static int measure_found(struct bench *bench, double *ns)
{
    uint32_t sum = 0;
    double start = bench_now_ns();

    for (int i = 0; i < UNCHANGED_READS; i++) {
        const char *key = bench->keys[i % DOC_COUNT];
        int64_t slot = btcf_reader_find(&bench->reader, key, strlen(key));

        sum |= slot < 0 || btcf_reader_gen(&bench->reader, (uint32_t)slot) != bench->copies[i % DOC_COUNT].gen;
    }
    *ns = (bench_now_ns() - start) / UNCHANGED_READS;
    return sum == 0 ? 0 : err_set(E_CORRUPT, "a document is not found");
}

static int measure_changed(struct bench *bench, double *ns)
{
    double spent = 0;

    for (int pass = 0; pass < CHANGED_PASSES; pass++) {
        if (publish_all(bench) < 0)
            return -1;

        double start = bench_now_ns();

        for (int i = 0; i < DOC_COUNT; i++)
            if (read_document(bench, &bench->copies[i]) != 1)
                return err_set(E_CORRUPT, "a published document is not read anew");
        spent += bench_now_ns() - start;
    }
    *ns = spent / (CHANGED_PASSES * DOC_COUNT);
    return 0;
}

static int measure_checksum(struct bench *bench, double *ns)
{
    uint32_t crc = 0;
    double start = bench_now_ns();

    for (int i = 0; i < CHANGED_PASSES * DOC_COUNT; i++)
        crc = btcf_crc32c(crc, bench->copies[i % DOC_COUNT].body, BODY_SIZE);
    *ns = (bench_now_ns() - start) / (CHANGED_PASSES * DOC_COUNT);
    return crc != 0 ? 0 : err_set(E_CORRUPT, "a checksum of nothing");
}

static int measure_publish(struct bench *bench, double *ns)
{
    double start = bench_now_ns();

    for (int pass = 0; pass < CHANGED_PASSES; pass++)
        if (publish_all(bench) < 0)
            return -1;
    *ns = (bench_now_ns() - start) / (CHANGED_PASSES * DOC_COUNT);
    return 0;
}

/* In the order in which they are measured: the first needs copies that are current, so the one that publishes is last. */
static const struct measurement {
    const char *what;
    int (*measure)(struct bench *bench, double *ns);
    double bar_ns; /* 0: none, for information */
} measurements[] = {
    {"unchanged read, 2 KB document", measure_unchanged, UNCHANGED_BAR_NS},
    {"  with the look-up of its key", measure_found, 0},
    {"changed read, 2 KB document", measure_changed, CHANGED_BAR_NS},
    {"  of which the body's checksum", measure_checksum, 0},
    {"publication, 2 KB in two variants", measure_publish, 0},
};

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

void bench_print_head(FILE *out)
{
    fprintf(out, "%-40s %9s %9s %9s  %s\n", "ns per call, over rounds", "median", "fastest", "slowest", "bar");
}

int bench_print_row(const char *what, double rounds[BENCH_ROUNDS], double bar_ns, FILE *out)
{
    qsort(rounds, BENCH_ROUNDS, sizeof(rounds[0]), compare_doubles);

    double median = rounds[BENCH_ROUNDS / 2];

    fprintf(out, "%-40s %9.1f %9.1f %9.1f", what, median, rounds[0], rounds[BENCH_ROUNDS - 1]);
    if (bar_ns > 0)
        fprintf(out, "  < %.0f  %s", bar_ns, median < bar_ns ? "met" : "MISSED");
    fputc('\n', out);
    return bar_ns > 0 && median >= bar_ns;
}

static int measure_all(struct bench *bench, FILE *out)
{
    double rounds[BTCF_LENGTH(measurements)][BENCH_ROUNDS];
    int missed = 0;

    for (int round = 0; round < BENCH_ROUNDS; round++)
        for (size_t i = 0; i < BTCF_LENGTH(measurements); i++)
            if (measurements[i].measure(bench, &rounds[i][round]) < 0)
                return -1;
    bench_print_head(out);
    for (size_t i = 0; i < BTCF_LENGTH(measurements); i++)
        missed += bench_print_row(measurements[i].what, rounds[i], measurements[i].bar_ns, out);
    return missed;
}

static int bench_documents(const char *parent, FILE *out)
{
    struct bench *bench = malloc(sizeof(*bench));
    int result = -1;

    if (bench == NULL)
        return err_set(E_STORE, "no memory for the bench");
    if (set_up(bench, parent) == 0)
        result = measure_all(bench, out);
    tear_down(bench);
    free(bench);
    return result;
}

int shm_bench(const char *parent, uint32_t key_count, FILE *out)
{
    int missed = bench_documents(parent, out);
    int missed_keys = missed < 0 ? -1 : bench_keys(parent, key_count, out);

    return missed_keys < 0 ? -1 : missed + missed_keys;
}
