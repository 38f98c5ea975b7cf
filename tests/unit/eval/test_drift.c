/* The watch over live scores: quiet in quiet times, loud when the models lose ground or the truth escapes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "core/base.h"
#include "core/rand.h"
#include "eval/drift.h"

#define ROWS 2000

static struct drift_row rows[ROWS];

/* Scores as they are when nothing is wrong: log ratios of deviation .1 about `lead`, one miss in ten. */
static void fill(size_t from, size_t to, double lead, double miss_rate, uint64_t seed)
{
    struct rng rng;
    rng_init(&rng, seed);
    for (size_t i = from; i < to; i++)
        rows[i] = (struct drift_row){.crps = exp(lead + 0.1 * rng_normal(&rng)),
                                     .crps_baseline = 1.0,
                                     .missed_90 = rng_uniform(&rng) < miss_rate};
}

static void quiet_scores_raise_no_alarm(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        fill(0, ROWS, -0.02, 0.10, seed);
        struct drift_verdict verdict = drift_test(rows, ROWS, ROWS - DRIFT_TESTED_MAX);
        assert_false(verdict.drifted);
        assert_int_equal(verdict.tested, DRIFT_TESTED_MAX);
    }
}

static void lost_ground_is_noticed_within_days(void **state)
{
    (void)state;
    fill(0, 1000, -0.02, 0.10, 1);
    fill(1000, 1100, 0.08, 0.10, 2); /* one deviation worse for a hundred forecasts */
    struct drift_verdict verdict = drift_test(rows, 1100, 1000);
    assert_true(verdict.drifted);
    assert_true(verdict.loss >= DRIFT_LIMIT && verdict.miss < DRIFT_LIMIT);
}

static void intervals_that_are_too_narrow_are_noticed_even_without_a_reference(void **state)
{
    (void)state;
    fill(0, 100, 0.0, 0.35, 3);
    struct drift_verdict verdict = drift_test(rows, 100, 0);
    assert_true(verdict.drifted);
    assert_true(verdict.miss >= DRIFT_LIMIT);
    assert_true(fabs(verdict.loss) < 1e-12);
}

static void what_was_answered_by_training_is_not_counted_again(void **state)
{
    (void)state;
    fill(0, 1000, -0.02, 0.10, 1);
    fill(1000, 1100, 0.08, 0.35, 2);
    fill(1100, 1150, -0.02, 0.10, 4);
    assert_true(drift_test(rows, 1150, 1000).drifted);
    assert_false(drift_test(rows, 1150, 1100).drifted);
}

static void nothing_to_test_and_scores_that_equal_the_baseline_are_no_drift(void **state)
{
    (void)state;
    fill(0, ROWS, 0.0, 0.0, 1);
    for (size_t i = 0; i < ROWS; i++)
        rows[i].crps = rows[i].crps_baseline;
    assert_false(drift_test(rows, ROWS, 1000).drifted);
    assert_false(drift_test(rows, 0, 0).drifted);
    assert_int_equal(drift_test(rows, 100, 100).tested, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quiet_scores_raise_no_alarm),
        cmocka_unit_test(lost_ground_is_noticed_within_days),
        cmocka_unit_test(intervals_that_are_too_narrow_are_noticed_even_without_a_reference),
        cmocka_unit_test(what_was_answered_by_training_is_not_counted_again),
        cmocka_unit_test(nothing_to_test_and_scores_that_equal_the_baseline_are_no_drift),
    };
    return cmocka_run_group_tests_name("eval/drift", tests, NULL, NULL);
}
