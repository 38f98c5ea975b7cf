/* The average of quantiles, and the table of members. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "core/base.h"
#include "core/err.h"
#include "eval/combine.h"
#include "near.h"

static struct quantile_curve ramp(double middle, double slope)
{
    struct quantile_curve curve;

    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        curve.log_return[i] = middle + slope * (quantile_levels[i] - 0.5);
    return curve;
}

static void averages_widths_by_weight_and_drops_every_members_drift(void **state)
{
    struct quantile_curve a = ramp(0.2, 1.0), b = ramp(-0.7, 4.0), combined;
    const struct quantile_curve *const curves[] = {&a, &b};
    const double weights[] = {2.0, 1.0};

    (void)state;
    assert_int_equal(combine_curves(curves, weights, 2, &combined), 0);
    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        assert_near(combined.log_return[i], 2.0 * (quantile_levels[i] - 0.5), 1e-12);
    assert_near(combined.log_return[QUANTILE_MEDIAN], 0.0, 0.0);
}

static void one_member_is_that_member_mirrored(void **state)
{
    struct quantile_curve a = ramp(0.5, 3.0), mirrored = a, combined;
    const struct quantile_curve *const curves[] = {&a};
    const double weights[] = {0.3};

    (void)state;
    assert_int_equal(quantile_curve_finish(&mirrored, true), 0);
    assert_int_equal(combine_curves(curves, weights, 1, &combined), 0);
    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        assert_near(combined.log_return[i], mirrored.log_return[i], 1e-15);
}

static void stand_ins_take_part_only_when_no_member_can(void **state)
{
    struct quantile_curve narrow = ramp(0.0, 1.0), wide = ramp(0.0, 3.0);
    struct combine_answer answers[] = {{.model = "rw-emp", .curve = &narrow},
                                       {.model = "ewma-emp", .curve = &wide},
                                       {.model = "har-log", .curve = &wide, .is_left_out = true}};
    struct combine_result result;

    (void)state;
    assert_int_equal(combine_ensemble(3600, answers, 3, &result), 0);
    assert_int_equal(result.weight_count, 2);
    assert_near(result.weights[0].weight, 0.5, 1e-12);
    assert_near(result.curve.log_return[QUANTILE_COUNT - 1], 2.0 * 0.495, 1e-12);
    answers[2].is_left_out = false;
    assert_int_equal(combine_ensemble(3600, answers, 3, &result), 0);
    assert_int_equal(result.weight_count, 1);
    assert_string_equal(result.weights[0].model, "har-log");
    assert_near(result.weights[0].weight, 1.0, 1e-12);
    answers[0].curve = answers[1].curve = answers[2].curve = NULL;
    assert_int_equal(combine_ensemble(3600, answers, 3, &result), -1);
    assert_int_equal(err_kind(), E_INPUT);
}

static void refuses_no_members_and_broken_ones(void **state)
{
    struct quantile_curve broken = ramp(0.0, 1.0), combined;
    const struct quantile_curve *const curves[] = {&broken};
    const double weights[] = {1.0};

    (void)state;
    broken.log_return[4] = NAN;
    assert_int_equal(combine_curves(curves, weights, 0, &combined), -1);
    assert_int_equal(combine_curves(curves, weights, 1, &combined), -1);
    assert_int_equal(err_kind(), E_INPUT);
}

static void every_horizon_has_registered_members_whose_weights_sum_to_one(void **state)
{
    static const int64_t horizons_s[] = {1,      3600,   14400,  14401,   43200,    86400,
                                         259200, 259201, 604800, 2592000, INT64_MAX};

    (void)state;
    for (size_t h = 0; h < BTCF_LENGTH(horizons_s); h++) {
        size_t count;
        const struct combine_weight *members = combine_members(horizons_s[h], &count);
        double total = 0.0;

        assert_true(count >= 1 && count <= COMBINE_MEMBERS_MAX);
        for (size_t i = 0; i < count; i++) {
            assert_non_null(model_find(members[i].model));
            total += members[i].weight;
        }
        assert_near(total, 1.0, 1e-12);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(averages_widths_by_weight_and_drops_every_members_drift),
        cmocka_unit_test(one_member_is_that_member_mirrored),
        cmocka_unit_test(stand_ins_take_part_only_when_no_member_can),
        cmocka_unit_test(refuses_no_members_and_broken_ones),
        cmocka_unit_test(every_horizon_has_registered_members_whose_weights_sum_to_one),
    };
    return cmocka_run_group_tests_name("eval/combine", tests, NULL, NULL);
}
