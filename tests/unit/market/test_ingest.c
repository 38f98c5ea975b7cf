/* Whom to believe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "market/ingest.h"

#define SPREAD_MAX 0.02

static struct ingest_verdict judge(const double *closes, size_t count, double last_close)
{
    return ingest_judge(closes, count, last_close, SPREAD_MAX);
}

static void the_preferred_one_is_stored_when_all_agree(void **state)
{
    struct ingest_verdict verdict = judge((double[]){60000, 60500, 60100}, 3, 59000);

    (void)state;
    assert_int_equal(verdict.best, 0);
    assert_int_equal(verdict.liar, -1);
    assert_true(verdict.spread > 0.0083 && verdict.spread < 0.0084); /* 500 / 60100 */
}

static void of_two_the_one_that_left_the_last_close_behind_lies(void **state)
{
    struct ingest_verdict verdict = judge((double[]){90000, 60100}, 2, 60000);

    (void)state;
    assert_int_equal(verdict.liar, 0);
    assert_int_equal(verdict.best, 1);
    assert_true(verdict.spread < 1e-12);
    verdict = judge((double[]){60100, 30000}, 2, 60000);
    assert_int_equal(verdict.liar, 1);
    assert_int_equal(verdict.best, 0);
}

static void of_three_the_median_tells_even_without_a_past(void **state)
{
    struct ingest_verdict verdict = judge((double[]){60000, 60100, 99999}, 3, 0);

    (void)state;
    assert_int_equal(verdict.liar, 2);
    assert_int_equal(verdict.best, 0);
}

static void nobody_is_believed_when_it_cannot_be_told(void **state)
{
    (void)state;
    assert_int_equal(judge((double[]){60000, 70000}, 2, 0).best, -1);     /* no past */
    assert_int_equal(judge((double[]){55000, 65000}, 2, 60000).best, -1); /* both moved alike */
    assert_int_equal(judge((double[]){60000, 70000, 90000}, 3, 60000).best,
                     -1); /* without the worst they still differ */
}

static void one_alone_is_believed_unless_it_jumps_wildly(void **state)
{
    (void)state;
    assert_int_equal(judge((double[]){60000}, 1, 45000).best, 0);
    assert_int_equal(judge((double[]){60000}, 1, 30000).best, -1);
    assert_int_equal(judge((double[]){60000}, 1, 0).best, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_preferred_one_is_stored_when_all_agree),
        cmocka_unit_test(of_two_the_one_that_left_the_last_close_behind_lies),
        cmocka_unit_test(of_three_the_median_tells_even_without_a_past),
        cmocka_unit_test(nobody_is_believed_when_it_cannot_be_told),
        cmocka_unit_test(one_alone_is_believed_unless_it_jumps_wildly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
