/* Backoff and breaker over a clock and a generator that the test owns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/rand.h"
#include "core/retry.h"

static void waits_stay_below_a_bound_that_doubles_up_to_its_maximum(void **state)
{
    struct rng rng;
    int64_t longest[8] = {0};
    static const int64_t bounds[8] = {100, 200, 400, 800, 1000, 1000, 1000, 1000};

    (void)state;
    rng_init(&rng, 1);
    for (int round = 0; round < 3000; round++) {
        struct backoff backoff;

        backoff_init(&backoff, 100, 1000);
        for (int i = 0; i < 8; i++) {
            int64_t wait_ms = backoff_next_ms(&backoff, &rng);

            assert_true(wait_ms >= 0 && wait_ms <= bounds[i]);
            longest[i] = wait_ms > longest[i] ? wait_ms : longest[i];
        }
    }
    for (int i = 0; i < 8; i++)
        assert_true(longest[i] > bounds[i] * 9 / 10); /* full jitter uses the whole range */
}

static void a_reset_starts_again_from_the_base(void **state)
{
    struct rng rng;
    struct backoff backoff;

    (void)state;
    rng_init(&rng, 1);
    backoff_init(&backoff, 10, 100000);
    for (int i = 0; i < 12; i++)
        (void)backoff_next_ms(&backoff, &rng);
    backoff_reset(&backoff);
    for (int i = 0; i < 100; i++) {
        assert_true(backoff_next_ms(&backoff, &rng) <= 10);
        backoff_reset(&backoff);
    }
}

static void no_count_of_attempts_overflows(void **state)
{
    struct rng rng;
    struct backoff backoff;

    (void)state;
    rng_init(&rng, 1);
    backoff_init(&backoff, 1, INT64_MAX / 2);
    for (int i = 0; i < 100000; i++)
        assert_true(backoff_next_ms(&backoff, &rng) >= 0);
}

static void odd_bounds_are_mended(void **state)
{
    struct rng rng;
    struct backoff backoff;

    (void)state;
    rng_init(&rng, 1);
    backoff_init(&backoff, 0, -5);
    for (int i = 0; i < 100; i++)
        assert_true(backoff_next_ms(&backoff, &rng) <= 1);
}

static void opens_after_failures_in_a_row_only(void **state)
{
    struct breaker breaker;

    (void)state;
    breaker_init(&breaker, 3, 1000);
    for (int i = 0; i < 10; i++) {
        breaker_failure(&breaker, 0);
        breaker_failure(&breaker, 0);
        breaker_success(&breaker);
    }
    assert_true(breaker_allows(&breaker, 0));
    breaker_failure(&breaker, 5);
    breaker_failure(&breaker, 5);
    assert_true(breaker_allows(&breaker, 5));
    breaker_failure(&breaker, 5);
    assert_int_equal(breaker.state, BREAKER_OPEN);
    assert_false(breaker_allows(&breaker, 5));
}

static void lets_one_single_probe_through_after_its_time(void **state)
{
    struct breaker breaker;

    (void)state;
    breaker_init(&breaker, 1, 1000);
    breaker_failure(&breaker, 50);
    assert_false(breaker_allows(&breaker, 1049));
    assert_true(breaker_allows(&breaker, 1050));
    assert_int_equal(breaker.state, BREAKER_HALF_OPEN);
    for (int64_t now_ms = 1050; now_ms < 2050; now_ms += 10)
        assert_false(breaker_allows(&breaker, now_ms));
}

static void the_probe_decides(void **state)
{
    struct breaker breaker;

    (void)state;
    breaker_init(&breaker, 2, 1000);
    breaker_failure(&breaker, 0);
    breaker_failure(&breaker, 0);
    assert_true(breaker_allows(&breaker, 1000));
    breaker_failure(&breaker, 1200); /* one failure is enough now */
    assert_int_equal(breaker.state, BREAKER_OPEN);
    assert_false(breaker_allows(&breaker, 2199));
    assert_true(breaker_allows(&breaker, 2200));
    breaker_success(&breaker);
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    breaker_failure(&breaker, 2300); /* counting starts again from nothing */
    assert_true(breaker_allows(&breaker, 2300));
}

static void a_lost_probe_is_replaced(void **state)
{
    struct breaker breaker;

    (void)state;
    breaker_init(&breaker, 1, 1000);
    breaker_failure(&breaker, 0);
    assert_true(breaker_allows(&breaker, 1000));
    assert_false(breaker_allows(&breaker, 1999));
    assert_true(breaker_allows(&breaker, 2000));
}

static void states_have_names(void **state)
{
    (void)state;
    assert_string_equal(breaker_state_name(BREAKER_CLOSED), "closed");
    assert_string_equal(breaker_state_name(BREAKER_OPEN), "open");
    assert_string_equal(breaker_state_name(BREAKER_HALF_OPEN), "half-open");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_stay_below_a_bound_that_doubles_up_to_its_maximum),
        cmocka_unit_test(a_reset_starts_again_from_the_base),
        cmocka_unit_test(no_count_of_attempts_overflows),
        cmocka_unit_test(odd_bounds_are_mended),
        cmocka_unit_test(opens_after_failures_in_a_row_only),
        cmocka_unit_test(lets_one_single_probe_through_after_its_time),
        cmocka_unit_test(the_probe_decides),
        cmocka_unit_test(a_lost_probe_is_replaced),
        cmocka_unit_test(states_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
