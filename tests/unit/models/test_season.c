/* The pattern of the week: found where there is one, flat where there is none, blind to what comes later. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "core/rand.h"
#include "models/season.h"
#include "near.h"

#define HOUR INT64_C(3600000)
#define DAY (24 * HOUR)
#define WEEK_HOURS 168
#define POINTS ((size_t)52 * WEEK_HOURS)
#define END_MS (INT64_C(1704067200000) + 5 * HOUR) /* 2024-01-01 05:00 */

static double variances[POINTS];

static int64_t close_of(size_t i)
{
    return END_MS - (int64_t)(POINTS - 1 - i) * HOUR;
}

/* Hours that close at 14:00 to 16:00 UTC have nine times the variance; a level that doubles half-way; noise. */
static bool is_lively(int64_t close_ms)
{
    int64_t hour = close_ms / HOUR % 24;

    return hour >= 14 && hour <= 16;
}

static int begin(void **state)
{
    struct rng rng;

    (void)state;
    rng_init(&rng, 11);
    for (size_t i = 0; i < POINTS; i++) {
        double z = rng_normal(&rng);

        variances[i] = z * z * (is_lively(close_of(i)) ? 9.0 : 1.0) * (i < POINTS / 2 ? 1.0 : 2.0);
    }
    return 0;
}

static const struct season_clock hours = {POINTS, END_MS, HOUR};

static void lively_hours_are_found_whatever_the_level(void **state)
{
    struct season season;
    double total = 0.0, lively = 0.0, quiet = 0.0;

    (void)state;
    season_learn(&season, variances, &hours, POINTS - 1, POINTS);
    assert_int_equal(season.cells, WEEK_HOURS);
    for (size_t i = POINTS - WEEK_HOURS; i < POINTS; i++) {
        double factor = season_at(&season, close_of(i));

        total += factor;
        *(is_lively(close_of(i)) ? &lively : &quiet) += factor;
    }
    assert_close(total, (double)WEEK_HOURS, 1e-9);
    assert_near((lively / 21.0) / (quiet / 147.0), 9.0, 1.0);
}

static void one_crash_hardly_moves_its_cell(void **state)
{
    struct season before, after;
    size_t at = POINTS - 500;

    (void)state;
    season_learn(&before, variances, &hours, POINTS - 1, POINTS);
    variances[at] = 1000.0;
    season_learn(&after, variances, &hours, POINTS - 1, POINTS);
    double ratio = season_at(&after, close_of(at)) / season_at(&before, close_of(at));
    assert_true(ratio > 1.0 && ratio < 2.0); /* the mean of squares would have grown twentyfold */
}

static void what_comes_after_as_of_changes_nothing(void **state)
{
    struct season before, after;

    (void)state;
    season_learn(&before, variances, &hours, POINTS / 2, POINTS / 4);
    for (size_t i = POINTS / 2 + 1; i < POINTS; i++)
        variances[i] = 1e9;
    for (size_t i = 0; i + POINTS / 4 <= POINTS / 2; i++) /* and what lies before the window */
        variances[i] = 1e9;
    season_learn(&after, variances, &hours, POINTS / 2, POINTS / 4);
    assert_memory_equal(&before, &after, sizeof before);
}

static void the_mean_ahead_is_that_of_the_steps_ahead(void **state)
{
    struct season season;
    double sum = 0.0;

    (void)state;
    season_learn(&season, variances, &hours, POINTS - 1, POINTS);
    for (int64_t i = 1; i <= 30; i++)
        sum += season_at(&season, END_MS + i * HOUR);
    assert_close(season_mean(&season, END_MS, 30), sum / 30.0, 1e-12);
    assert_close(season_mean(&season, END_MS, WEEK_HOURS), 1.0, 1e-9);
}

static void too_little_history_and_odd_steps_are_flat(void **state)
{
    struct season season;
    const struct season_clock odd = {POINTS, END_MS, 5 * HOUR}, long_steps = {POINTS, END_MS, 6 * DAY};

    (void)state;
    season_learn(&season, variances, &hours, POINTS - 1, 4 * WEEK_HOURS);
    assert_near(season_mean(&season, END_MS, 5), 1.0, 0.0);
    season_learn(&season, variances, &odd, POINTS - 1, POINTS);
    assert_near(season_at(&season, END_MS), 1.0, 0.0);
    season_learn(&season, variances, &long_steps, POINTS - 1, POINTS);
    assert_near(season_at(&season, END_MS), 1.0, 0.0);
}

static void days_have_seven_cells_at_any_hour_of_the_clock(void **state)
{
    struct season season;
    const struct season_clock days = {700, END_MS, DAY};

    (void)state;
    for (size_t i = 0; i < 700;
         i++) /* 2024-01-01 was a Monday: bars that end at 05:00 ran mostly on the day before */
        variances[i] = (699 - i) % 7 == 0 ? 16.0 : 1.0;
    season_learn(&season, variances, &days, 699, 700);
    assert_int_equal(season.cells, 7);
    assert_near(season_at(&season, END_MS) / season_at(&season, END_MS - DAY), 16.0, 5.0);
    assert_near(season_at(&season, END_MS + 7 * DAY), season_at(&season, END_MS), 0.0);
}

static void a_damaged_season_is_not_whole(void **state)
{
    struct season season, damaged;

    (void)state;
    season_learn(&season, variances, &hours, POINTS - 1, POINTS);
    assert_true(season_is_whole(&season));
    damaged = season;
    damaged.factor[3] = NAN;
    assert_false(season_is_whole(&damaged));
    damaged = season;
    damaged.cells = 169;
    assert_false(season_is_whole(&damaged));
    damaged = season;
    damaged.step_ms = 1; /* would look for cells far beyond the table */
    assert_false(season_is_whole(&damaged));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(lively_hours_are_found_whatever_the_level, begin),
        cmocka_unit_test_setup(one_crash_hardly_moves_its_cell, begin),
        cmocka_unit_test_setup(what_comes_after_as_of_changes_nothing, begin),
        cmocka_unit_test_setup(the_mean_ahead_is_that_of_the_steps_ahead, begin),
        cmocka_unit_test_setup(too_little_history_and_odd_steps_are_flat, begin),
        cmocka_unit_test_setup(days_have_seven_cells_at_any_hour_of_the_clock, begin),
        cmocka_unit_test_setup(a_damaged_season_is_not_whole, begin),
    };
    return cmocka_run_group_tests_name("models/season", tests, NULL, NULL);
}
