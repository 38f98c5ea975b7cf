/* The baseline rule: evidence to take over, loss of the lead to give way, nothing in between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "eval/serve.h"

/* `n` differences with this mean and deviation. */
static struct serve_sums sums_of(size_t n, double mean, double deviation, double overlap)
{
    return (struct serve_sums){.n = n,
                               .sum = (double)n * mean,
                               .sum_squares = (double)n * (deviation * deviation + mean * mean),
                               .overlap = overlap};
}

static void a_clear_lead_serves_the_ensemble(void **state)
{
    struct serve_sums sums = sums_of(1000, 0.01, 0.1, 1.0); /* t = 3.2 */
    struct serve_decision decision = serve_decide(&sums, false);

    (void)state;
    assert_true(decision.wins);
    assert_true(decision.p < 0.001);
    assert_true(serve_decide(&sums, true).wins);
}

static void a_lead_within_noise_changes_nothing(void **state)
{
    struct serve_sums sums = sums_of(1000, 0.001, 0.1, 1.0); /* t = 0.32 */

    (void)state;
    assert_false(serve_decide(&sums, false).wins);
    assert_true(serve_decide(&sums, true).wins);
    assert_string_not_equal(serve_decide(&sums, false).reason, serve_decide(&sums, true).reason);
}

static void a_lost_lead_serves_the_baseline(void **state)
{
    struct serve_sums sums = sums_of(1000, -0.0001, 0.1, 1.0);

    (void)state;
    assert_false(serve_decide(&sums, true).wins);
    assert_true(serve_decide(&sums, true).p > 0.5);
}

static void overlapping_targets_are_not_counted_as_evidence_of_their_own(void **state)
{
    struct serve_sums alone = sums_of(1000, 0.01, 0.1, 1.0), overlapping = sums_of(1000, 0.01, 0.1, 24.0);

    (void)state;
    assert_true(serve_decide(&alone, false).wins);
    assert_false(serve_decide(&overlapping, false).wins);
    assert_true(serve_decide(&overlapping, false).n_effective < 42.0);
}

static void too_few_independent_scores_serve_the_baseline(void **state)
{
    struct serve_sums none = {0}, few = sums_of(7, 1.0, 0.001, 1.0), overlapping = sums_of(700, 1.0, 0.001, 100.0);

    (void)state;
    assert_false(serve_decide(&none, true).wins);
    assert_false(serve_decide(&few, true).wins);
    assert_false(serve_decide(&overlapping, true).wins);
    assert_non_null(strstr(serve_decide(&few, true).reason, "too few"));
}

static void equal_forecasts_are_no_lead_and_a_constant_lead_is_one(void **state)
{
    struct serve_sums equal = sums_of(100, 0.0, 0.0, 1.0), constant = {.n = 64, .sum = 32.0, .sum_squares = 16.0};

    (void)state;
    assert_false(serve_decide(&equal, true).wins);
    assert_true(serve_decide(&constant, false).wins);
}

static void the_more_challengers_the_more_one_must_show(void **state)
{
    struct serve_sums sums = sums_of(1000, 0.01, 0.1, 1.0); /* p = 0.0008 */

    (void)state;
    assert_true(serve_challenge(&sums, 1, false).wins);
    assert_true(serve_challenge(&sums, 12, false).wins);
    assert_false(serve_challenge(&sums, 13, false).wins);
    assert_true(serve_challenge(&sums, 13, true).wins); /* who is champion need not win again */
}

static void a_challenger_needs_more_evidence_than_the_ensemble(void **state)
{
    struct serve_sums sums = sums_of(29, 1.0, 0.1, 1.0);

    (void)state;
    assert_true(serve_decide(&sums, false).wins);
    assert_false(serve_challenge(&sums, 1, false).wins);
    assert_false(serve_challenge(&sums, 1, true).wins);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clear_lead_serves_the_ensemble),
        cmocka_unit_test(a_lead_within_noise_changes_nothing),
        cmocka_unit_test(a_lost_lead_serves_the_baseline),
        cmocka_unit_test(overlapping_targets_are_not_counted_as_evidence_of_their_own),
        cmocka_unit_test(too_few_independent_scores_serve_the_baseline),
        cmocka_unit_test(equal_forecasts_are_no_lead_and_a_constant_lead_is_one),
        cmocka_unit_test(the_more_challengers_the_more_one_must_show),
        cmocka_unit_test(a_challenger_needs_more_evidence_than_the_ensemble),
    };
    return cmocka_run_group_tests_name("eval/serve", tests, NULL, NULL);
}
