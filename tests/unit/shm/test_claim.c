/* claim: what is open is counted exactly, over processes, and what dead processes held is forgotten. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "shm/claim.h"

#define PERIOD BTCF_CLAIM_PERIOD_S
#define START (UINT64_C(1000) * PERIOD)

static _Atomic uint64_t word;

static int set_up(void **state)
{
    (void)state;
    word = 0;
    return 0;
}

static bool take(struct btcf_claim *claim, uint32_t max, uint64_t now_s)
{
    *claim = (struct btcf_claim){.word = &word};
    return btcf_claim_take(claim, max, now_s);
}

static void max_are_admitted_and_not_one_more(void **state)
{
    struct btcf_claim claims[4];

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_true(take(&claims[i], 3, START));
    assert_false(take(&claims[3], 3, START));
    assert_null(claims[3].word);
    assert_int_equal(btcf_claim_count(&word, START), 3);
    btcf_claim_give(&claims[1], START);
    assert_null(claims[1].word);
    assert_int_equal(btcf_claim_count(&word, START), 2);
    assert_true(take(&claims[1], 3, START));
    assert_false(take(&claims[3], 3, START));
    assert_false(take(&claims[3], 0, START));
}

static void what_is_confirmed_stays_counted_for_ever(void **state)
{
    struct btcf_claim claims[3];

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_true(take(&claims[i], 3, START));
    /* more periods than the word can number */
    for (uint64_t now_s = START; now_s < START + UINT64_C(10000) * PERIOD; now_s++) {
        for (int i = 0; i < 3; i++)
            btcf_claim_keep(&claims[i], now_s);
        assert_int_equal(btcf_claim_count(&word, now_s), 3);
    }
}

static void what_a_dead_process_held_is_forgotten_within_two_periods(void **state)
{
    struct btcf_claim dead, alive;

    (void)state;
    assert_true(take(&dead, 2, START));
    assert_true(take(&alive, 2, START));
    btcf_claim_keep(&alive, START + PERIOD);
    assert_int_equal(btcf_claim_count(&word, START + PERIOD), 2);
    btcf_claim_keep(&alive, START + UINT64_C(2) * PERIOD);
    assert_int_equal(btcf_claim_count(&word, START + UINT64_C(2) * PERIOD), 1);
    assert_int_equal(btcf_claim_count(&word, START + UINT64_C(9) * PERIOD), 0);
}

static void a_claim_may_be_closed_before_or_after_it_was_confirmed(void **state)
{
    struct btcf_claim early, late;

    (void)state;
    assert_true(take(&early, 9, START));
    assert_true(take(&late, 9, START));
    btcf_claim_give(&early, START + PERIOD);
    assert_int_equal(btcf_claim_count(&word, START + PERIOD), 1);
    btcf_claim_keep(&late, START + PERIOD);
    btcf_claim_give(&late, START + PERIOD);
    assert_int_equal(btcf_claim_count(&word, START + PERIOD), 0);
    assert_int_equal(btcf_claim_count(&word, START + UINT64_C(2) * PERIOD), 0);
}

static void who_slept_through_a_period_is_counted_anew_and_takes_nothing_from_others(void **state)
{
    struct btcf_claim sleeper, other;
    uint64_t later = START + UINT64_C(5) * PERIOD;

    (void)state;
    assert_true(take(&sleeper, 1, START));
    assert_true(take(&other, 1, later));
    btcf_claim_keep(&sleeper, later);
    assert_int_equal(btcf_claim_count(&word, later), 2);
    btcf_claim_give(&sleeper, later);

    assert_true(take(&sleeper, 2, later));
    btcf_claim_keep(&other, later + UINT64_C(3) * PERIOD);
    btcf_claim_give(&sleeper, later + UINT64_C(3) * PERIOD);
    assert_int_equal(btcf_claim_count(&word, later + UINT64_C(3) * PERIOD), 1);
}

static void a_clock_that_lags_behind_the_word_changes_no_period(void **state)
{
    struct btcf_claim ahead, behind;

    (void)state;
    assert_true(take(&ahead, 2, START + UINT64_C(2) * PERIOD));
    assert_true(take(&behind, 2, START));
    assert_int_equal(btcf_claim_count(&word, START), 2);
    assert_int_equal(btcf_claim_count(&word, START + UINT64_C(3) * PERIOD), 2);
    btcf_claim_give(&behind, START);
    assert_int_equal(btcf_claim_count(&word, START + UINT64_C(2) * PERIOD), 1);
}

static void as_many_yield_as_are_too_many(void **state)
{
    struct btcf_claim claims[5];
    int yielded = 0;

    (void)state;
    for (int i = 0; i < 5; i++)
        assert_true(take(&claims[i], 5, START));
    for (int i = 0; i < 5; i++)
        yielded += btcf_claim_yield(&claims[i], 2, START) ? 1 : 0;
    assert_int_equal(yielded, 3);
    assert_int_equal(btcf_claim_count(&word, START), 2);
}

static void a_claim_without_a_word_is_never_refused(void **state)
{
    struct btcf_claim claim = {0};

    (void)state;
    assert_true(btcf_claim_take(&claim, 0, START));
    btcf_claim_keep(&claim, START);
    assert_false(btcf_claim_yield(&claim, 0, START));
    btcf_claim_give(&claim, START);
}

static void addresses_share_a_set_without_sharing_a_count(void **state)
{
    static struct btcf_addr_set sets[1];
    struct btcf_claim claims[BTCF_ADDR_WAYS], more;

    (void)state;
    memset(sets, 0, sizeof(sets));
    for (uint64_t i = 0; i < BTCF_ADDR_WAYS; i++) {
        claims[i] = btcf_claim_find(sets, 1, (i + 1) << 44, START);
        assert_non_null(claims[i].word);
        assert_true(btcf_claim_take(&claims[i], 1, START));
        more = btcf_claim_find(sets, 1, (i + 1) << 44 | 7, START);
        assert_ptr_equal(more.word, claims[i].word);
        assert_false(btcf_claim_take(&more, 1, START));
    }
    more = btcf_claim_find(sets, 1, UINT64_C(99) << 44, START);
    assert_null(more.word);
    /* whose claim has run out has lost the word to whoever came since, and cannot touch it any more */
    uint64_t later = START + UINT64_C(5) * PERIOD;
    more = btcf_claim_find(sets, 1, UINT64_C(99) << 44, later);
    assert_ptr_equal(more.word, claims[0].word);
    assert_true(btcf_claim_take(&more, 1, later));
    btcf_claim_keep(&claims[0], later);
    btcf_claim_give(&claims[0], later);
    assert_int_equal(btcf_claim_count(more.word, later), 1);
}

/* Each process opens and closes; never may more be open than max, by their own count, and none may be left over. */
static void processes_never_hold_more_than_max_together(void **state)
{
    enum { PROCESSES = 4, ROUNDS = 100000, MAX = 3 };
    struct shared {
        _Atomic uint64_t word, held, most, taken;
    } *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    (void)state;
    assert_ptr_not_equal(shared, MAP_FAILED);
    for (int i = 0; i < PROCESSES; i++) {
        if (fork() != 0)
            continue;
        for (int round = 0; round < ROUNDS; round++) {
            struct btcf_claim claim = {.word = &shared->word};

            if (!btcf_claim_take(&claim, MAX, START))
                continue;
            uint64_t held = atomic_fetch_add(&shared->held, 1) + 1;
            if (held > shared->most)
                shared->most = held;
            shared->taken++;
            atomic_fetch_sub(&shared->held, 1);
            btcf_claim_give(&claim, START);
        }
        _exit(0);
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status;

        wait(&status);
        assert_int_equal(status, 0);
    }
    assert_in_range(shared->taken, ROUNDS, PROCESSES * ROUNDS);
    assert_in_range(shared->most, 1, MAX);
    assert_int_equal(btcf_claim_count(&shared->word, START), 0);
    munmap(shared, sizeof(*shared));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(max_are_admitted_and_not_one_more, set_up),
        cmocka_unit_test_setup(what_is_confirmed_stays_counted_for_ever, set_up),
        cmocka_unit_test_setup(what_a_dead_process_held_is_forgotten_within_two_periods, set_up),
        cmocka_unit_test_setup(a_claim_may_be_closed_before_or_after_it_was_confirmed, set_up),
        cmocka_unit_test_setup(who_slept_through_a_period_is_counted_anew_and_takes_nothing_from_others, set_up),
        cmocka_unit_test_setup(a_clock_that_lags_behind_the_word_changes_no_period, set_up),
        cmocka_unit_test_setup(as_many_yield_as_are_too_many, set_up),
        cmocka_unit_test_setup(a_claim_without_a_word_is_never_refused, set_up),
        cmocka_unit_test_setup(addresses_share_a_set_without_sharing_a_count, set_up),
        cmocka_unit_test_setup(processes_never_hold_more_than_max_together, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
