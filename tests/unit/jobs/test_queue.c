/* Which failures are tried again. Everything else of the queue is SQL, and tested against PostgreSQL in tests/pg. */
#include "jobs/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void what_may_pass_is_tried_again(void **state)
{
    (void)state;
    assert_true(queue_is_retryable(E_TIMEOUT));
    assert_true(queue_is_retryable(E_UPSTREAM));
    assert_true(queue_is_retryable(E_STORE));
    assert_true(queue_is_retryable(E_LIMIT));
    assert_true(queue_is_retryable(E_CONFLICT));
}

static void what_would_fail_the_same_way_is_not(void **state)
{
    (void)state;
    assert_false(queue_is_retryable(E_INPUT));
    assert_false(queue_is_retryable(E_AUTH));
    assert_false(queue_is_retryable(E_DENIED));
    assert_false(queue_is_retryable(E_MISSING));
    assert_false(queue_is_retryable(E_CORRUPT));
    assert_false(queue_is_retryable(E_NONE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_may_pass_is_tried_again),
        cmocka_unit_test(what_would_fail_the_same_way_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
