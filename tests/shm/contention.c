/* Several processes at the same words of edge: nothing is admitted twice, lost, or left half done when one of them is
 * killed. What a single process promises is in tests/unit/shm/test_limit.c.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/rand.h"
#include "shm/limit.h"

#define PROCESS_COUNT 4
#define RUN_NS UINT64_C(600000000)
#define ADD_COUNT 100000
#define PRINCIPAL_COUNT 40
#define KILL_COUNT 60

static struct btcf_edge edge;
static int test_count;

/* What each process reports, in memory that all share. */
struct report {
    uint64_t admitted, first_ns, last_ns;
    const struct btcf_pool_entry *entries[PRINCIPAL_COUNT];
};
static struct report *reports;
static _Atomic bool *is_begun;

static void report_test(bool is_ok, const char *name)
{
    printf("%sok %d - %s\n", is_ok ? "" : "not ", ++test_count, name);
}

static uint64_t clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Runs the same in every process, all let go at once. */
static void contend(void (*run)(int process, struct report *report))
{
    pid_t children[PROCESS_COUNT];

    memset(reports, 0, PROCESS_COUNT * sizeof(*reports));
    atomic_store(is_begun, false);
    for (int i = 0; i < PROCESS_COUNT; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            while (!atomic_load(is_begun))
                ;
            run(i, &reports[i]);
            _exit(0);
        }
    }
    atomic_store(is_begun, true);
    for (int i = 0; i < PROCESS_COUNT; i++)
        waitpid(children[i], NULL, 0);
}

/* ---- rates ---- */

static const struct btcf_rate rate = {.period_ns = 20000, .burst = 10000};

static void hammer_account(int process, struct report *report)
{
    uint64_t begun_ns = clock_ns(), now_ns = begun_ns;

    (void)process;
    report->first_ns = now_ns;
    for (; now_ns - begun_ns < RUN_NS; now_ns = clock_ns()) {
        report->admitted += btcf_rate_take(&edge.limits[0].tat_ns, &rate, now_ns, 1).admitted;
        report->last_ns = now_ns;
    }
}

static const struct btcf_rate address_rate = {.period_ns = BTCF_ADDR_TICK_NS, .burst = 2000};

static void hammer_address(int process, struct report *report)
{
    uint64_t begun_ns = clock_ns(), now_ns = begun_ns;
    uint64_t hash = btcf_address_hash(&edge, (const uint8_t *)"\x7f\0\0\1", 4, 1);

    (void)process;
    report->first_ns = now_ns;
    for (; now_ns - begun_ns < RUN_NS; now_ns = clock_ns()) {
        report->admitted += btcf_address_take(&edge, hash, &address_rate, now_ns, 1).admitted;
        report->last_ns = now_ns;
    }
}

/* Never more than burst + t / T over all processes, and nearly all of it. */
static void judge_rate(const struct btcf_rate *of, const char *never_more, const char *hardly_less)
{
    uint64_t admitted = 0, first_ns = UINT64_MAX, last_ns = 0;

    for (int i = 0; i < PROCESS_COUNT; i++) {
        admitted += reports[i].admitted;
        first_ns = reports[i].first_ns < first_ns ? reports[i].first_ns : first_ns;
        last_ns = reports[i].last_ns > last_ns ? reports[i].last_ns : last_ns;
    }

    uint64_t bound = of->burst + (last_ns - first_ns) / of->period_ns;

    printf("# %llu admitted of at most %llu\n", (unsigned long long)admitted, (unsigned long long)bound);
    report_test(admitted <= bound, never_more);
    report_test(admitted * 100 >= bound * 99, hardly_less);
}

/* ---- sums ---- */

static void add_up(int process, struct report *report)
{
    struct btcf_use use = {.status = 200, .is_whole = true, .units = 3, .bytes = 10, .latency_us = 5};

    (void)report;
    for (int i = 0; i < ADD_COUNT; i++) {
        btcf_quota_add(&edge.limits[1].day, BTCF_PERIOD_DAY, 20000, 2);
        use.now_s = (20000 + (i + process) % 2) * INT64_C(86400);
        (void)btcf_usage_count(&edge.usage[1], &use);
    }
}

static void test_sums(void)
{
    uint64_t billed = 0, units = 0, bytes = 0;

    contend(add_up);
    for (int i = 0; i < 2; i++) {
        billed += edge.usage[1].bank[i].billed[BTCF_USAGE_FORECAST];
        units += edge.usage[1].bank[i].units[BTCF_USAGE_FORECAST];
        bytes += edge.usage[1].bank[i].bytes;
    }
    report_test(btcf_quota_used(&edge.limits[1].day, BTCF_PERIOD_DAY, 20000) ==
                    UINT64_C(2) * ADD_COUNT * PROCESS_COUNT,
                "no unit of a quota is lost");
    report_test(billed == (uint64_t)ADD_COUNT * PROCESS_COUNT && units == 3 * billed && bytes == 10 * billed,
                "no use is lost");
}

/* Over the change of a period, at which the word is exchanged and not added to, at most the units of those who took part
 * in the change may go into the wrong one. */
static void add_over_midnight(int process, struct report *report)
{
    (void)process;
    (void)report;
    for (int i = 0; i < ADD_COUNT; i++)
        btcf_quota_add(&edge.limits[2].day, BTCF_PERIOD_DAY, (uint64_t)(20000 + (i >= ADD_COUNT / 2)), 1);
}

static void test_midnight(void)
{
    contend(add_over_midnight);

    uint64_t used = btcf_quota_used(&edge.limits[2].day, BTCF_PERIOD_DAY, 20001);
    uint64_t right = (uint64_t)ADD_COUNT / 2 * PROCESS_COUNT;

    report_test(used >= right && used <= right + PROCESS_COUNT, "a new day has what was used in it");
}

/* ---- the pool ---- */

static struct btcf_pool_entry *find(int principal)
{
    char subject[16];
    int len = snprintf(subject, sizeof(subject), "s%d", principal);

    return btcf_pool_find(&edge, "issuer", 6, subject, (size_t)len, 1000000);
}

static void find_all(int process, struct report *report)
{
    for (int i = 0; i < PRINCIPAL_COUNT; i++) {
        int principal = (i + process) % PRINCIPAL_COUNT;

        report->entries[principal] = find(principal);
    }
}

static bool is_complete(const struct btcf_pool_entry *entry, int principal)
{
    char subject[32];
    int len = snprintf(subject, sizeof(subject), "issuer s%d", principal);

    return entry->subject_len == (uint32_t)len && memcmp(entry->subject, subject, (size_t)len) == 0;
}

static void test_pool(void)
{
    bool is_one = true, are_complete = true;

    contend(find_all);
    for (int i = 0; i < PRINCIPAL_COUNT; i++)
        for (int process = 0; process < PROCESS_COUNT; process++) {
            is_one = is_one && reports[process].entries[i] == reports[0].entries[i] && reports[0].entries[i] != NULL;
            are_complete = are_complete && reports[0].entries[i] != NULL && is_complete(reports[0].entries[i], i);
        }
    report_test(is_one, "a principal that all look for at once gets one entry");
    report_test(are_complete, "whose subject is whole");
}

/* ---- death ---- */

static void work_for_ever(void)
{
    const struct btcf_use use = {.now_s = 1000000, .status = 200, .is_whole = true, .units = 1};

    for (uint64_t i = 0;; i++) {
        struct btcf_pool_entry *entry = find((int)(i % 1000));

        (void)btcf_rate_take(&edge.limits[3].tat_ns, &rate, clock_ns(), 1);
        if (entry != NULL)
            (void)btcf_usage_count(&entry->usage, &use);
        if (i % 1000 == 0) /* so that claims happen again and again */
            for (uint32_t k = 0; k < edge.pool_count; k++)
                atomic_store(&edge.pool[k].hash, 0);
    }
}

static void test_death(void)
{
    struct rng rng;
    bool are_complete = true;

    rng_init(&rng, 5);
    for (int i = 0; i < KILL_COUNT; i++) {
        const struct timespec a_moment = {.tv_nsec = (long)rng_below(&rng, 3000000)};
        pid_t child = fork();

        if (child == 0)
            work_for_ever();
        nanosleep(&a_moment, NULL);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    for (int i = 0; i < 1000; i++) {
        const struct btcf_pool_entry *entry = find(i);

        are_complete = are_complete && (entry == NULL || is_complete(entry, i));
    }
    report_test(are_complete, "killed at any moment, processes leave no entry that cannot be used");
    report_test(
        btcf_rate_take(&edge.limits[3].tat_ns, &rate, clock_ns() + rate.burst * rate.period_ns, rate.burst).admitted,
        "nor a limit that does not recover");
}

int main(void)
{
    const struct btcf_edge_options options = {.build = "test", .keys = 8, .accounts = 8, .principals = 512};
    size_t size = PROCESS_COUNT * sizeof(*reports) + sizeof(*is_begun);

    setvbuf(stdout, NULL, _IOLBF, 0);
    reports = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (reports == MAP_FAILED || btcf_edge_open_anonymous(&edge, &options) != BTCF_ATTACH_OK)
        return 1;
    is_begun = (_Atomic bool *)(reports + PROCESS_COUNT);

    contend(hammer_account);
    judge_rate(&rate, "an account is never given more than its plan", "nor less than 99% of it");
    contend(hammer_address);
    judge_rate(&address_rate, "an address is never given more than its rate", "nor less than 99% of it");
    test_sums();
    test_midnight();
    test_pool();
    test_death();
    btcf_edge_close(&edge);
    printf("1..%d\n", test_count);
    return 0;
}
