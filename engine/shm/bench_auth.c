/* `btcf shm bench`, second part: what it takes to find out who asks, with few keys and with very many.
 *
 * With few keys everything stays in the processor's caches; with a million, and a key chosen at random each time, nothing
 * does, and what is measured is mostly the two cache lines that a look-up has to fetch. So that the processor cannot
 * fetch several look-ups' lines at once, as it never could in a worker, which key comes next depends on what was found.
 * (Nothing can depend on what was not found: the rows of unknown keys and sessions overlap, and flatter.) The digests of
 * the keys asked for lie in a list that is read in order, as the bytes of a request do.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "shm/auth.h"
#include "shm/auth_writer.h"
#include "shm/bench_parts.h"
#include "shm/reader.h"

#define BURSTS 25   /* in a round, of which the median counts */
#define LOOKUPS 800 /* in a burst, so that it takes less than the time slice of a busy machine */
#define FEW_BAR_NS 400.0
#define COLD_BAR_NS 400.0 /* above what it takes with few keys */
#define KEYS_PER_ACCOUNT 20u
#define REVOKED_COUNT 1000u
#define KEY_COUNT_MAX (UINT32_C(1) << 24)
#define MS 1e6

struct pick {
    uint8_t digest[BTCF_DIGEST_SIZE];
};

struct key_bench {
    struct bench_dir dir;
    struct writer *writer;
    struct btcf_reader reader;
    struct btcf_auth auth;
    uint32_t key_count;
    struct pick *picks;
    volatile uint64_t nothing; /* 0, which the compiler does not know */
    double fill_ns, birth_ns;
};

/* ---- tables ------------------------------------------------------------------------------------------------------ */

static uint64_t mix(uint64_t x)
{
    x = (x + UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 29) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 32;
}

/* As well spread as SHA-256 for the purpose. */
static void fill(uint8_t *bytes, size_t size, uint64_t seed)
{
    for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
        uint64_t word = mix(mix(seed) + i);

        memcpy(bytes + i, &word, sizeof(word));
    }
}

static uint32_t account_count(const struct key_bench *bench)
{
    return bench->key_count / KEYS_PER_ACCOUNT + 1;
}

static int create(struct key_bench *bench)
{
    const struct writer_options options = {
        .dir = bench->dir.path,
        .build = "bench",
        .doc_count_max = 1,
        .doc_bytes_max = 1,
        .event_count = 1,
        .dist_count_max = 1,
        .mode = 0600,
        .auth = {
            .keys = bench->key_count, .accounts = account_count(bench), .revoked = REVOKED_COUNT, .networks = 1}};

    return writer_create(&bench->writer, &options);
}

static int put_all(struct writer *writer, uint32_t key_count)
{
    const struct btcf_plan plan = {.name = "bench", .burst = 1};
    uint8_t digest[BTCF_DIGEST_SIZE];

    if (writer_put_plan(writer, &plan) < 0)
        return -1;
    for (uint32_t n = 0; n <= key_count / KEYS_PER_ACCOUNT; n++) {
        struct btcf_account account = {.number = n, .flags = BTCF_ACCOUNT_ENABLED};

        fill(account.id, sizeof(account.id), ~(uint64_t)n);
        if (writer_put_account(writer, &account) < 0)
            return -1;
    }
    for (uint32_t n = 0; n < key_count; n++) {
        const struct btcf_key key = {
            .id = n, .account = n / KEYS_PER_ACCOUNT, .row = n, .flags = BTCF_KEY_ENABLED, .scopes = BTCF_SCOPE_READ};

        fill(digest, sizeof(digest), n);
        if (writer_put_key(writer, digest, &key, NULL) < 0)
            return -1;
    }
    for (uint32_t n = 0; n < REVOKED_COUNT; n++) {
        fill(digest, sizeof(digest), UINT64_C(1) << 60 | n);
        if (writer_revoke_session(writer, digest, AUTH_TIME_MAX) < 0)
            return -1;
    }
    return 0;
}

/* Fills a file, and then lets a second one take everything over: that one is measured. */
static int set_up(struct key_bench *bench, const char *parent)
{
    if (bench_dir_create(&bench->dir, parent) < 0 || create(bench) < 0)
        return -1;

    double start = bench_now_ns();

    if (put_all(bench->writer, bench->key_count) < 0)
        return -1;
    bench->fill_ns = bench_now_ns() - start;
    if (writer_go_live(bench->writer) < 0)
        return -1;
    writer_close(&bench->writer);
    start = bench_now_ns();
    if (create(bench) < 0)
        return -1;
    bench->birth_ns = bench_now_ns() - start;
    if (writer_go_live(bench->writer) < 0)
        return -1;
    if (btcf_reader_open(&bench->reader, bench->dir.pub) != BTCF_ATTACH_OK ||
        !btcf_auth_attach(&bench->auth, &bench->reader))
        return err_set(E_CORRUPT, "the new file is refused");
    bench->picks = calloc(LOOKUPS, sizeof(*bench->picks));
    return bench->picks != NULL ? 0 : err_set(E_STORE, "no memory for the bench");
}

static void tear_down(struct key_bench *bench)
{
    btcf_reader_close(&bench->reader);
    writer_close(&bench->writer);
    bench_dir_remove(&bench->dir);
    free(bench->picks);
}

/* ---- what is measured -------------------------------------------------------------------------------------------- */

/* Adds to *sum what the next look-up is made to depend on; false when it found what it should not have. */
typedef bool lookup_fn(const struct key_bench *bench, const struct pick *pick, uint64_t *sum);

static bool look_up_key(const struct key_bench *bench, const struct pick *pick, uint64_t *sum)
{
    struct btcf_key key;

    if (btcf_auth_key(&bench->auth, pick->digest, &key) != BTCF_READ_OK)
        return false;
    *sum += key.id;
    return true;
}

static bool look_up_principal(const struct key_bench *bench, const struct pick *pick, uint64_t *sum)
{
    struct btcf_account account;
    struct btcf_plan plan;
    struct btcf_key key;

    if (btcf_auth_key(&bench->auth, pick->digest, &key) != BTCF_READ_OK ||
        btcf_auth_account(&bench->auth, key.account, &account) != BTCF_READ_OK ||
        btcf_auth_plan(&bench->auth, account.plan, &plan) != BTCF_READ_OK)
        return false;
    *sum += plan.burst;
    return true;
}

static bool look_up_unknown(const struct key_bench *bench, const struct pick *pick, uint64_t *sum)
{
    struct btcf_key key;

    return btcf_auth_key(&bench->auth, pick->digest, &key) == BTCF_READ_ABSENT && ++*sum != 0;
}

static bool look_up_session(const struct key_bench *bench, const struct pick *pick, uint64_t *sum)
{
    return !btcf_auth_is_revoked(&bench->auth, pick->digest) && ++*sum != 0;
}

static const struct {
    const char *what;
    lookup_fn *look_up;
    bool is_known;
} lookups[] = {
    {"key", look_up_key, true},
    {"key, its account and plan", look_up_principal, true},
    {"key that nobody has", look_up_unknown, false},
    {"session, not revoked", look_up_session, false},
};

static void pick_digests(struct key_bench *bench, bool is_known, uint64_t seed)
{
    for (uint32_t i = 0; i < LOOKUPS; i++) {
        uint64_t draw = mix(seed + i);

        fill(bench->picks[i].digest, BTCF_DIGEST_SIZE, is_known ? draw % bench->key_count : draw | UINT64_C(1) << 63);
    }
}

static int measure_burst(struct key_bench *bench, lookup_fn *look_up, double *ns)
{
    uint64_t sum = 0;
    double start = bench_now_ns();

    for (uint32_t i = 0; i < LOOKUPS; i++)
        if (!look_up(bench, &bench->picks[i + (sum & bench->nothing)], &sum))
            return err_set(E_CORRUPT, "a look-up does not find what it should");
    *ns = (bench_now_ns() - start) / LOOKUPS;
    return 0;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static int measure_round(struct key_bench *bench, size_t lookup, int round, double *ns)
{
    double bursts[BURSTS];

    for (int i = 0; i < BURSTS; i++) {
        pick_digests(bench, lookups[lookup].is_known, mix((uint64_t)(round * BURSTS + i)));
        if (measure_burst(bench, lookups[lookup].look_up, &bursts[i]) < 0)
            return -1;
    }
    qsort(bursts, BURSTS, sizeof(bursts[0]), compare_doubles);
    *ns = bursts[BURSTS / 2];
    return 0;
}

/* Prints a row for each look-up. The first one's median goes to *key_ns. Returns how many bars were missed. */
static int measure_all(struct key_bench *bench, double bar_ns, double *key_ns, FILE *out)
{
    double rounds[BENCH_ROUNDS];
    char what[64];
    int missed = 0;

    for (size_t i = 0; i < BTCF_LENGTH(lookups); i++) {
        for (int round = 0; round < BENCH_ROUNDS; round++)
            if (measure_round(bench, i, round, &rounds[round]) < 0)
                return -1;
        snprintf(what, sizeof(what), "%" PRIu32 " keys: %s", bench->key_count, lookups[i].what);
        missed += bench_print_row(what, rounds, i == 0 ? bar_ns : 0, out);
        if (i == 0)
            *key_ns = rounds[BENCH_ROUNDS / 2]; /* they are sorted now */
    }
    return missed;
}

/* ---- what it takes to keep them ---------------------------------------------------------------------------------- */

/* How many of the keys do not stand in the bucket where their search begins. */
static uint32_t count_displaced(const struct key_bench *bench)
{
    const struct btcf_auth *auth = &bench->auth;
    uint32_t displaced = 0;
    uint64_t hash[BTCF_DIGEST_SIZE / sizeof(uint64_t)];

    for (uint32_t n = 0; n < bench->key_count; n++) {
        const struct btcf_index_bucket *home;
        bool is_home = false;

        fill((uint8_t *)hash, sizeof(hash), n);
        home = &auth->key_index[hash[0] & (auth->key_buckets - 1)];
        for (int word = 0; word < BTCF_INDEX_BUCKET; word++)
            is_home |= atomic_load_explicit(&home->word[word], memory_order_relaxed) >> 32 == hash[0] >> 32;
        displaced += !is_home;
    }
    return displaced;
}

static uint32_t count_full_buckets(const struct btcf_auth *auth)
{
    uint32_t full = 0;

    for (uint32_t i = 0; i < auth->key_buckets; i++) {
        int used = 0;

        for (int word = 0; word < BTCF_INDEX_BUCKET; word++)
            used += atomic_load_explicit(&auth->key_index[i].word[word], memory_order_relaxed) != 0;
        full += used == BTCF_INDEX_BUCKET;
    }
    return full;
}

/* One key after the other loses a scope, all over the table. */
static int measure_change(struct key_bench *bench, double *ns)
{
    uint8_t digest[BTCF_DIGEST_SIZE];
    double start = bench_now_ns();

    for (uint64_t i = 0; i < REVOKED_COUNT; i++) {
        fill(digest, sizeof(digest), mix(i) % bench->key_count);
        if (writer_disable_key(bench->writer, digest) < 0)
            return -1;
    }
    *ns = (bench_now_ns() - start) / REVOKED_COUNT;
    return 0;
}

static int print_costs(struct key_bench *bench, FILE *out)
{
    const struct btcf_auth *auth = &bench->auth;
    double n = bench->key_count, change_ns;
    double bytes = (double)auth->key_buckets * sizeof(struct btcf_index_bucket) + n * sizeof(struct btcf_key_entry);

    fprintf(out, "  a key takes %.1f bytes (%.1f MB for all); of %.1f words in a bucket of %d on average\n",
            bytes / n, bytes / 1e6, n / auth->key_buckets, BTCF_INDEX_BUCKET);
    fprintf(out, "  a second bucket is needed for %.4f %% of the keys there are, and %.4f %% of those that are not\n",
            100.0 * count_displaced(bench) / n, 100.0 * count_full_buckets(auth) / auth->key_buckets);
    if (measure_change(bench, &change_ns) < 0)
        return -1;
    fprintf(out,
            "  writer: %.0f ns to put a new key, %.0f ns to disable one, %.0f ms for a new file with all of them\n",
            bench->fill_ns / n, change_ns, bench->birth_ns / MS);
    return 0;
}

static int bench_table(const char *parent, uint32_t key_count, double bar_ns, double *key_ns, FILE *out)
{
    struct key_bench *bench = calloc(1, sizeof(*bench));
    int missed = -1;

    if (bench == NULL)
        return err_set(E_STORE, "no memory for the bench");
    bench->key_count = key_count;
    if (set_up(bench, parent) == 0)
        missed = measure_all(bench, bar_ns, key_ns, out);
    if (missed >= 0 && print_costs(bench, out) < 0)
        missed = -1;
    tear_down(bench);
    free(bench);
    return missed;
}

int bench_keys(const char *parent, uint32_t key_count, FILE *out)
{
    double few_ns = 0, many_ns = 0;
    int missed, missed_many = 0;

    if (key_count > KEY_COUNT_MAX)
        return err_set(E_INPUT, "%u keys, at most %u are possible", key_count, KEY_COUNT_MAX);
    missed = bench_table(parent, BENCH_FEW_KEYS, FEW_BAR_NS, &few_ns, out);
    if (missed >= 0 && key_count > 0)
        missed_many = bench_table(parent, key_count, few_ns + COLD_BAR_NS, &many_ns, out);
    if (missed < 0 || missed_many < 0)
        return -1;
    if (key_count > 0)
        fprintf(out, "  a look-up among %" PRIu32 " keys takes %.0f ns more than among %u\n", key_count,
                many_ns - few_ns, BENCH_FEW_KEYS);
    return missed + missed_many;
}
