/* Limits, quotas, addresses, the pool and usage, in one process; tests/shm/contention.c has several. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "core/rand.h"
#include "shm/limit.h"
#include "shm_fixture.h"

#define S UINT64_C(1000000000)
#define STEPS 200000
#define T0 (1000 * S)

static struct btcf_edge edge;

static int set_up(void **state)
{
    const struct btcf_edge_options options = {.build = "test", .principals = 16, .addresses = 64};

    (void)state;
    return btcf_edge_open_anonymous(&edge, &options) == BTCF_ATTACH_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    btcf_edge_close(&edge);
    return 0;
}

/* ---- rates ---- */

/* The other textbook form, the "continuous-state leaky bucket": a level that drains as time passes. Nothing of it is
 * shared with the code under test. */
struct bucket {
    uint64_t level_ns, last_ns;
};

static bool bucket_take(struct bucket *bucket, const struct btcf_rate *rate, uint64_t now_ns, uint64_t cost)
{
    uint64_t passed = now_ns - bucket->last_ns;

    bucket->level_ns = bucket->level_ns > passed ? bucket->level_ns - passed : 0;
    bucket->last_ns = now_ns;
    if (bucket->level_ns + cost * rate->period_ns > rate->burst * rate->period_ns)
        return false;
    bucket->level_ns += cost * rate->period_ns;
    return true;
}

static void agrees_with_a_leaky_bucket_at_any_rate(void **state)
{
    struct rng rng;

    (void)state;
    rng_init(&rng, 7);
    for (int round = 0; round < 40; round++) {
        const struct btcf_rate rate = {.period_ns = 1 + rng_below(&rng, UINT64_C(1) << (4 + round)),
                                       .burst = 1 + rng_below(&rng, 1000)};
        struct bucket bucket = {.last_ns = T0};
        _Atomic uint64_t tat = 0;
        uint64_t now = T0;

        for (int i = 0; i < STEPS / 40; i++) {
            uint64_t cost = 1 + rng_below(&rng, 3);
            struct btcf_take take;

            now += rng_below(&rng, 2 * rate.period_ns + 2);
            take = btcf_rate_take(&tat, &rate, now, cost);
            assert_int_equal(take.admitted, bucket_take(&bucket, &rate, now, cost));
            assert_int_equal(take.reset_ns, bucket.level_ns);
            assert_int_equal(take.remaining, rate.burst - (bucket.level_ns + rate.period_ns - 1) / rate.period_ns);
        }
    }
}

/* Times of several workers, each behind the clock by what it likes. Units admitted by requests whose times lie in [a, b]
 * are at most burst + (b - a) / T, for every such pair. */
static void no_window_admits_more_even_when_times_lag(void **state)
{
    enum { COUNT = 600 };
    const struct btcf_rate rate = {.period_ns = 1000, .burst = 10};
    uint64_t times[COUNT], units[COUNT] = {0};
    _Atomic uint64_t tat = 0;
    struct rng rng;

    (void)state;
    rng_init(&rng, 11);
    for (int i = 0; i < COUNT; i++) {
        uint64_t cost = 1 + rng_below(&rng, 3);

        times[i] = T0 + (uint64_t)i * 300 - rng_below(&rng, 5000);
        if (btcf_rate_take(&tat, &rate, times[i], cost).admitted)
            units[i] = cost;
    }
    for (int i = 0; i < COUNT; i++)
        for (int j = 0; j < COUNT; j++) {
            uint64_t sum = 0;

            if (times[j] < times[i])
                continue;
            for (int k = 0; k < COUNT; k++)
                sum += times[k] >= times[i] && times[k] <= times[j] ? units[k] : 0;
            assert_true(sum <= rate.burst + (times[j] - times[i]) / rate.period_ns);
        }
}

static void retry_is_the_very_nanosecond(void **state)
{
    const struct btcf_rate rate = {.period_ns = S / 3, .burst = 5};
    _Atomic uint64_t tat = 0;
    struct btcf_take take;

    (void)state;
    assert_true(btcf_rate_take(&tat, &rate, T0, 5).admitted);
    take = btcf_rate_take(&tat, &rate, T0 + 17, 2);
    assert_false(take.admitted);
    assert_int_equal(take.remaining, 0);
    assert_false(btcf_rate_take(&tat, &rate, T0 + 17 + take.retry_ns - 1, 2).admitted);
    assert_true(btcf_rate_take(&tat, &rate, T0 + 17 + take.retry_ns, 2).admitted);
}

static void a_refusal_writes_nothing(void **state)
{
    const struct btcf_rate rate = {.period_ns = S, .burst = 2};
    _Atomic uint64_t tat = 0;
    uint64_t before;

    (void)state;
    assert_true(btcf_rate_take(&tat, &rate, T0, 2).admitted);
    before = tat;
    for (int i = 0; i < 1000; i++)
        assert_false(btcf_rate_take(&tat, &rate, T0 + 1, 1).admitted);
    assert_int_equal(tat, before);
}

static void a_cost_of_nothing_looks(void **state)
{
    const struct btcf_rate rate = {.period_ns = S, .burst = 2};
    _Atomic uint64_t tat = 0;
    struct btcf_take take = btcf_rate_take(&tat, &rate, T0, 0);

    (void)state;
    assert_true(take.admitted);
    assert_int_equal(take.remaining, 2);
    assert_int_equal(tat, 0);
    assert_true(btcf_rate_take(&tat, &rate, T0, 2).admitted);
    take = btcf_rate_take(&tat, &rate, T0, 0);
    assert_false(take.admitted);
    assert_int_equal(take.retry_ns, S);
}

static void what_costs_more_than_the_burst_never_passes(void **state)
{
    const struct btcf_rate rate = {.period_ns = S, .burst = 2};
    _Atomic uint64_t tat = 0;

    (void)state;
    assert_int_equal(btcf_rate_take(&tat, &rate, T0, 3).retry_ns, UINT64_MAX);
    assert_int_equal(btcf_rate_take(&tat, &rate, T0, UINT64_MAX).retry_ns, UINT64_MAX);
    assert_int_equal(tat, 0);
}

static void without_a_period_everything_passes(void **state)
{
    const struct btcf_rate rate = {.period_ns = 0, .burst = 1};
    _Atomic uint64_t tat = 0;

    (void)state;
    for (int i = 0; i < 1000; i++)
        assert_true(btcf_rate_take(&tat, &rate, T0, 1000).admitted);
    assert_int_equal(btcf_rate_take(&tat, &rate, T0, 1).remaining, UINT64_MAX);
    assert_int_equal(tat, 0);
}

static void a_word_that_lies_refuses_and_overflows_nothing(void **state)
{
    const struct btcf_rate rate = {.period_ns = UINT64_C(1) << 40, .burst = (UINT64_C(1) << 22) - 1};
    _Atomic uint64_t tat = UINT64_MAX;
    struct btcf_take take = btcf_rate_take(&tat, &rate, T0, rate.burst);

    (void)state;
    assert_false(take.admitted);
    assert_int_equal(take.remaining, 0);
    assert_int_equal(take.retry_ns, UINT64_MAX - T0);
    assert_int_equal(tat, UINT64_MAX);
}

static void a_faster_plan_is_in_force_at_once(void **state)
{
    const struct btcf_rate slow = {.period_ns = 60 * S, .burst = 10}, fast = {.period_ns = S / 10, .burst = 100};
    _Atomic uint64_t tat = 0;
    struct btcf_take take;

    (void)state;
    assert_true(btcf_rate_take(&tat, &slow, T0, 10).admitted);
    assert_false(btcf_rate_settle(&tat, &slow, T0));
    take = btcf_rate_take(&tat, &fast, T0, 1);
    assert_int_equal(take.retry_ns, 600 * S - 10 * S + S / 10);
    assert_true(btcf_rate_settle(&tat, &fast, T0));
    assert_int_equal(btcf_rate_take(&tat, &fast, T0, 1).retry_ns, S / 10);
    assert_true(btcf_rate_take(&tat, &fast, T0 + S / 10, 1).admitted);
    assert_false(btcf_rate_settle(&tat, &fast, T0 + S / 10));
}

/* ---- quotas ---- */

static void periods_are_those_of_the_calendar(void **state)
{
    (void)state;
    for (int64_t day = 0; day < 366 * 200; day++) {
        time_t now = day * 86400 + (day * 7919) % 86400;
        struct tm tm, next = {0};

        assert_non_null(gmtime_r(&now, &tm));
        assert_int_equal(btcf_period_number(BTCF_PERIOD_DAY, now), day);
        assert_int_equal(btcf_period_end_s(BTCF_PERIOD_DAY, now), (day + 1) * 86400);
        assert_int_equal(btcf_period_number(BTCF_PERIOD_MONTH, now), (tm.tm_year - 70) * 12 + tm.tm_mon);
        next.tm_year = tm.tm_year;
        next.tm_mon = tm.tm_mon + 1;
        next.tm_mday = 1;
        assert_int_equal(btcf_period_end_s(BTCF_PERIOD_MONTH, now), timegm(&next));
    }
}

static void a_quota_begins_anew_with_its_period(void **state)
{
    static const enum btcf_period periods[] = {BTCF_PERIOD_DAY, BTCF_PERIOD_MONTH};

    (void)state;
    for (int i = 0; i < 2; i++) {
        _Atomic uint64_t word = 0;

        assert_int_equal(btcf_quota_used(&word, periods[i], 700), 0);
        btcf_quota_add(&word, periods[i], 700, 3);
        btcf_quota_add(&word, periods[i], 700, 4);
        assert_int_equal(btcf_quota_used(&word, periods[i], 700), 7);
        assert_int_equal(btcf_quota_used(&word, periods[i], 701), 0);
        btcf_quota_add(&word, periods[i], 701, 5);
        assert_int_equal(btcf_quota_used(&word, periods[i], 701), 5);
        btcf_quota_add(&word, periods[i], 700, 9); /* a worker that is a moment behind */
        assert_int_equal(btcf_quota_used(&word, periods[i], 701), 5);
        btcf_quota_add(&word, periods[i], 690, 2); /* the clock was put back */
        assert_int_equal(btcf_quota_used(&word, periods[i], 690), 2);
    }
}

static void a_quota_never_runs_into_its_number(void **state)
{
    _Atomic uint64_t word = 0;

    (void)state;
    for (int i = 0; i < 10; i++)
        btcf_quota_add(&word, BTCF_PERIOD_DAY, 20000, UINT64_MAX);
    assert_true(btcf_quota_used(&word, BTCF_PERIOD_DAY, 20000) >= UINT64_C(1) << 39);
    assert_int_equal(word >> 40, 20000);
}

/* ---- addresses ---- */

static uint64_t hash_of(uint32_t address, uint32_t purpose)
{
    return btcf_address_hash(&edge, (const uint8_t *)&address, sizeof(address), purpose);
}

static void an_address_is_never_given_more_and_hardly_less(void **state)
{
    static const uint64_t periods_ns[] = {BTCF_ADDR_TICK_NS, 7 * BTCF_ADDR_TICK_NS, S / 10, 6 * S};

    (void)state;
    for (int i = 0; i < 4; i++) {
        const struct btcf_rate rate = {.period_ns = periods_ns[i], .burst = 20};
        uint64_t hash = hash_of(1, (uint32_t)i), step = rate.period_ns / 10, admitted = 0, now = T0 + 12345;
        const uint64_t begin = now, count = 20000;

        for (uint64_t n = 0; n < count; n++, now += step)
            admitted += btcf_address_take(&edge, hash, &rate, now, 1).admitted;
        assert_true(admitted <= rate.burst + (now - begin) / rate.period_ns);
        assert_true(admitted * 1000 >= (rate.burst + (now - begin) / rate.period_ns) * 985);
    }
}

static void a_time_between_two_ticks_is_rounded_up(void **state)
{
    const struct btcf_rate rate = {.period_ns = BTCF_ADDR_TICK_NS / 2, .burst = 4};
    struct btcf_take take;

    (void)state;
    take = btcf_address_take(&edge, hash_of(1, 1), &rate, T0 + 1, 1);
    assert_true(take.admitted);
    assert_int_equal(take.reset_ns, rate.period_ns);
    take = btcf_address_take(&edge, hash_of(1, 1), &rate, T0 + 1, 0);
    assert_int_equal(T0 + 1 + take.reset_ns, T0 + BTCF_ADDR_TICK_NS);
}

static void purposes_do_not_share(void **state)
{
    const struct btcf_rate rate = {.period_ns = S, .burst = 1};

    (void)state;
    assert_true(btcf_address_take(&edge, hash_of(1, 1), &rate, T0, 1).admitted);
    assert_false(btcf_address_take(&edge, hash_of(1, 1), &rate, T0, 1).admitted);
    assert_true(btcf_address_take(&edge, hash_of(1, 2), &rate, T0, 1).admitted);
    assert_true(btcf_address_take(&edge, hash_of(2, 1), &rate, T0, 1).admitted);
}

static void looking_at_an_address_takes_nothing(void **state)
{
    const struct btcf_rate rate = {.period_ns = S, .burst = 1};

    (void)state;
    for (int i = 0; i < 10; i++)
        assert_true(btcf_address_take(&edge, hash_of(1, 1), &rate, T0, 0).admitted);
    assert_true(btcf_address_take(&edge, hash_of(1, 1), &rate, T0, 1).admitted);
    assert_false(btcf_address_take(&edge, hash_of(1, 1), &rate, T0, 0).admitted);
}

/* Hashes of one set, with tags of their own. */
static uint64_t in_set(uint64_t tag)
{
    return tag << 44 | 3;
}

static void a_full_set_charges_the_cell_that_frees_first(void **state)
{
    const struct btcf_rate rate = {.period_ns = S, .burst = 10};
    struct btcf_take take;

    (void)state;
    for (uint64_t i = 0; i < BTCF_ADDR_WAYS; i++)
        assert_true(btcf_address_take(&edge, in_set(i + 1), &rate, T0, i + 1).admitted);
    take = btcf_address_take(&edge, in_set(100), &rate, T0, 1);
    assert_true(take.admitted);
    assert_int_equal(take.remaining, 8); /* on top of the one of the first */
    assert_int_equal(btcf_address_take(&edge, in_set(1), &rate, T0, 0).remaining, 8);
    for (uint64_t i = 1; i < BTCF_ADDR_WAYS; i++) /* the others were left alone */
        assert_int_equal(btcf_address_take(&edge, in_set(i + 1), &rate, T0, 0).remaining, 10 - (i + 1));
}

static void a_cell_is_free_when_its_time_has_passed(void **state)
{
    const struct btcf_rate rate = {.period_ns = S, .burst = 10};

    (void)state;
    for (uint64_t i = 0; i < 1000; i++)
        assert_int_equal(
            btcf_address_take(&edge, in_set(i), &rate, T0 + i * (10 * S + BTCF_ADDR_TICK_NS), 10).remaining, 0);
}

/* ---- the pool ---- */

static struct btcf_pool_entry *find(const char *issuer, const char *subject, int64_t now_s)
{
    return btcf_pool_find(&edge, issuer, strlen(issuer), subject, strlen(subject), now_s);
}

static void a_principal_keeps_its_entry(void **state)
{
    struct btcf_pool_entry *entry = find("https://issuer", "alice", 1000000);

    (void)state;
    assert_non_null(entry);
    assert_int_equal(entry->subject_len, strlen("https://issuer alice"));
    assert_memory_equal(entry->subject, "https://issuer alice", entry->subject_len);
    assert_ptr_equal(find("https://issuer", "alice", 2000000), entry);
    assert_ptr_not_equal(find("https://issuer", "bob", 1000000), entry);
    assert_ptr_not_equal(find("https://issuer a", "lice", 1000000), entry);
    assert_ptr_not_equal(find("https://issuer alice", "", 1000000), entry);
}

static void two_steps_find_what_one_does(void **state)
{
    const struct btcf_pool_name name = {"https://issuer", "carol", 14, 5};
    const struct btcf_edge without_pool = {.header = edge.header};
    uint64_t hash = btcf_pool_prefetch(&edge, &name);

    (void)state;
    assert_ptr_equal(btcf_pool_find_hashed(&edge, &name, hash, 1000000), find("https://issuer", "carol", 1000000));
    assert_true(btcf_pool_is_still(find("https://issuer", "carol", 1000000), hash, 1000000));
    assert_int_equal(btcf_pool_prefetch(&without_pool, &name), hash);
    assert_null(btcf_pool_find_hashed(&without_pool, &name, hash, 1000000));
}

static void fill_the_pool(int64_t now_s)
{
    char subject[16];

    for (int i = 0; i < 1000; i++) {
        snprintf(subject, sizeof(subject), "s%d", i);
        (void)find("i", subject, now_s);
    }
}

static uint32_t entries_taken(void)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < edge.pool_count; i++)
        count += edge.pool[i].hash != 0;
    return count;
}

static void a_full_set_has_no_entry_until_one_has_been_idle_for_two_days(void **state)
{
    const int64_t now_s = 1000000;
    struct btcf_pool_entry *entry;

    (void)state;
    fill_the_pool(now_s);
    assert_int_equal(entries_taken(), edge.pool_count);
    assert_null(find("i", "late", now_s + 2 * 86400));
    for (uint32_t i = 0; i < edge.pool_count; i++) {
        edge.pool[i].limit.tat_ns = edge.pool[i].limit.day = edge.pool[i].limit.month = UINT64_MAX;
        edge.pool[i].usage.bank[0].bytes = 77;
    }
    entry = find("i", "late", now_s + 2 * 86400 + 1);
    assert_non_null(entry);
    assert_int_equal(entry->limit.tat_ns, 0);
    assert_int_equal(entry->limit.day, 0);
    assert_int_equal(entry->limit.month, 0);
    assert_int_equal(entry->usage.bank[0].bytes, 77); /* counters only grow */
    assert_memory_equal(entry->subject, "i late", 6);
    assert_int_equal(entry->subject_len, 6);
}

static void who_is_found_is_not_idle(void **state)
{
    struct btcf_pool_entry *entry = find("i", "s0", 1000000);

    (void)state;
    for (int64_t now_s = 1000000; now_s < 1000000 + 5 * 86400; now_s += 86400)
        assert_ptr_equal(find("i", "s0", now_s), entry);
    fill_the_pool(1000000 + 5 * 86400);
    assert_ptr_equal(find("i", "s0", 1000000 + 5 * 86400), entry);
}

static void an_entry_with_the_name_of_the_one_before_is_corrected(void **state)
{
    struct btcf_pool_entry *entry = find("i", "s", 1000000);

    (void)state;
    entry->subject_len = 3; /* as a worker leaves it that is killed after its claim */
    memcpy(entry->subject, "i o", 3);
    assert_ptr_equal(find("i", "s", 1000000), entry);
    assert_int_equal(entry->subject_len, 3);
    assert_memory_equal(entry->subject, "i s", 3);
}

static void long_names_are_cut_but_told_apart(void **state)
{
    char a[400], b[400];

    (void)state;
    memset(a, 'x', sizeof(a));
    memset(b, 'x', sizeof(b));
    b[399] = 'y';

    struct btcf_pool_entry *first = btcf_pool_find(&edge, a, sizeof(a), a, sizeof(a), 1000000);
    struct btcf_pool_entry *second = btcf_pool_find(&edge, a, sizeof(a), b, sizeof(b), 1000000);

    assert_non_null(first);
    assert_non_null(second);
    assert_ptr_not_equal(first, second);
    assert_int_equal(first->subject_len, BTCF_SUBJECT_MAX);
    first = btcf_pool_find(&edge, "i", 1, a, sizeof(a), 1000000);
    assert_non_null(first);
    assert_int_equal(first->subject_len, BTCF_SUBJECT_MAX);
}

/* ---- usage ---- */

static struct btcf_use whole(uint32_t status)
{
    return (struct btcf_use){.now_s = 20000 * INT64_C(86400) + 5,
                             .usage_class = BTCF_USAGE_MARKET,
                             .status = status,
                             .is_whole = true,
                             .units = 3,
                             .bytes = 100,
                             .latency_us = 50};
}

static void only_whole_successes_are_billed(void **state)
{
    struct btcf_usage_row row = {0};
    struct btcf_usage_bank *bank = &row.bank[0];
    struct btcf_use use;

    (void)state;
    use = whole(200);
    assert_true(btcf_usage_count(&row, &use));
    use = whole(206);
    assert_true(btcf_usage_count(&row, &use));
    assert_int_equal(bank->billed[BTCF_USAGE_MARKET], 2);
    assert_int_equal(bank->units[BTCF_USAGE_MARKET], 6);
    use.is_whole = false;
    assert_false(btcf_usage_count(&row, &use));
    assert_int_equal(bank->client_errors, 1);
    use = whole(200);
    use.is_head = true;
    assert_false(btcf_usage_count(&row, &use));
    use = whole(304);
    assert_false(btcf_usage_count(&row, &use));
    use = whole(302);
    assert_false(btcf_usage_count(&row, &use));
    assert_int_equal(bank->not_modified, 3);
    use = whole(429);
    assert_false(btcf_usage_count(&row, &use));
    assert_int_equal(bank->limited, 1);
    use = whole(404);
    assert_false(btcf_usage_count(&row, &use));
    use = whole(499);
    assert_false(btcf_usage_count(&row, &use));
    use = whole(0);
    assert_false(btcf_usage_count(&row, &use));
    assert_int_equal(bank->client_errors, 4);
    use = whole(503);
    assert_false(btcf_usage_count(&row, &use));
    assert_int_equal(bank->server_errors, 1);
    assert_int_equal(bank->billed[BTCF_USAGE_MARKET], 2);
    assert_int_equal(bank->bytes, 1100);
    assert_int_equal(bank->latency_us, 550);
    assert_int_equal(row.last_used_s, use.now_s);
}

static void days_take_turns_and_growth_belongs_to_the_last(void **state)
{
    struct btcf_usage_row row = {0};
    struct btcf_use use = whole(200);

    (void)state;
    for (int i = 0; i < 3; i++, use.now_s += 86400)
        assert_true(btcf_usage_count(&row, &use));
    assert_int_equal(row.bank[0].day, 20002);
    assert_int_equal(row.bank[1].day, 20001);
    assert_int_equal(row.bank[0].billed[BTCF_USAGE_MARKET], 2);
    assert_int_equal(row.bank[1].billed[BTCF_USAGE_MARKET], 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(agrees_with_a_leaky_bucket_at_any_rate),
        TEST(no_window_admits_more_even_when_times_lag),
        TEST(retry_is_the_very_nanosecond),
        TEST(a_refusal_writes_nothing),
        TEST(a_cost_of_nothing_looks),
        TEST(what_costs_more_than_the_burst_never_passes),
        TEST(without_a_period_everything_passes),
        TEST(a_word_that_lies_refuses_and_overflows_nothing),
        TEST(a_faster_plan_is_in_force_at_once),
        TEST(periods_are_those_of_the_calendar),
        TEST(a_quota_begins_anew_with_its_period),
        TEST(a_quota_never_runs_into_its_number),
        TEST(an_address_is_never_given_more_and_hardly_less),
        TEST(a_time_between_two_ticks_is_rounded_up),
        TEST(purposes_do_not_share),
        TEST(looking_at_an_address_takes_nothing),
        TEST(a_full_set_charges_the_cell_that_frees_first),
        TEST(a_cell_is_free_when_its_time_has_passed),
        TEST(a_principal_keeps_its_entry),
        TEST(two_steps_find_what_one_does),
        TEST(a_full_set_has_no_entry_until_one_has_been_idle_for_two_days),
        TEST(who_is_found_is_not_idle),
        TEST(an_entry_with_the_name_of_the_one_before_is_corrected),
        TEST(long_names_are_cut_but_told_apart),
        TEST(only_whole_successes_are_billed),
        TEST(days_take_turns_and_growth_belongs_to_the_last),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
