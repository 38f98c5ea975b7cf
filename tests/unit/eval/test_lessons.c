/* Along a walk, an outcome is learned when its target has closed in what is known, in order, and not before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "core/arena.h"
#include "core/err.h"
#include "eval/lessons.h"
#include "math/normal.h"
#include "models/series.h"
#include "walk.h"

#define ARENA_MAX ((size_t)64 << 20)
#define POINTS 500
#define DAY_S INT64_C(86400)

static const int64_t horizons_s[] = {3600, DAY_S};
static struct arena *arena;
static struct lessons *lessons;

static int begin(void **state)
{
    (void)state;
    arena = arena_create("test", ARENA_MAX);
    lessons = lessons_create(horizons_s, 2);
    err_clear();
    return 0;
}

static int end(void **state)
{
    (void)state;
    lessons_free(&lessons);
    arena_free(&arena);
    return 0;
}

/* Notes the same curve of two models at the origin, for all horizons. */
static int note(const struct series *known)
{
    static const char *names[] = {"rw-gauss", "har-log"};
    struct quantile_curve curves[2];

    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        curves[0].log_return[i] = curves[1].log_return[i] = 0.006 * normal_quantile(quantile_levels[i]);
    for (size_t h = 0; h < 2; h++) {
        const struct issue_members members = {
            .horizon_s = horizons_s[h], .count = 2, .models = names, .curves = curves};

        if (lessons_note(lessons, known->end_ms, &members) < 0)
            return -1;
    }
    return 0;
}

/* Walks the origins after `first` points to `last` points, hour by hour. */
static void walk(const struct series *series, size_t first, size_t last)
{
    for (size_t count = first; count <= last; count++) {
        struct series known = series_head(series, count);

        assert_int_equal(lessons_learn(lessons, &known), 0);
        assert_int_equal(note(&known), 0);
    }
}

static void an_outcome_is_learned_at_the_origin_where_its_target_closes(void **state)
{
    struct series series = walk_series(arena, walk_closes(arena, POINTS, 1), POINTS, WALK_HOUR_MS);

    (void)state;
    walk(&series, 100, 100);
    assert_int_equal(lessons_calibrations(lessons)[0].outcome_count, 0);
    walk(&series, 101, 101);
    assert_int_equal(lessons_calibrations(lessons)[0].outcome_count, 1);
    walk(&series, 102, 123);
    assert_int_equal(lessons_calibrations(lessons)[0].outcome_count, 23);
    assert_int_equal(lessons_calibrations(lessons)[1].outcome_count, 0);
    walk(&series, 124, 130);
    assert_int_equal(lessons_calibrations(lessons)[1].outcome_count, 7);
    assert_int_equal(lessons_calibrations(lessons)[1].newest_origin_ms, WALK_BEGIN_MS + 106 * WALK_HOUR_MS);
}

static void origins_that_were_left_out_are_caught_up_in_order(void **state)
{
    struct series series = walk_series(arena, walk_closes(arena, POINTS, 1), POINTS, WALK_HOUR_MS);

    (void)state;
    walk(&series, 100, 200);
    assert_int_equal(lessons_learn(lessons, &series), 0);
    assert_int_equal(lessons_calibrations(lessons)[0].outcome_count, 101);
    assert_int_equal(lessons_calibrations(lessons)[1].outcome_count, 101);
}

static void garbage_after_the_last_origin_changes_no_bit_of_what_was_learned(void **state)
{
    double *closes = walk_closes(arena, POINTS, 1);
    struct series clean = walk_series(arena, closes, POINTS, WALK_HOUR_MS);
    struct calibration before[2];

    (void)state;
    walk(&clean, 100, 300);
    memcpy(before, lessons_calibrations(lessons), sizeof before);
    lessons_free(&lessons);
    lessons = lessons_create(horizons_s, 2);
    for (size_t i = 300; i < POINTS; i++)
        closes[i] = 1e5 + (double)i;
    struct series garbled = walk_series(arena, closes, POINTS, WALK_HOUR_MS);
    walk(&garbled, 100, 300);
    assert_memory_equal(before, lessons_calibrations(lessons), sizeof before);
    assert_true(fabs(before[0].log_width) > 0.0);
}

static void more_than_can_wait_is_an_error(void **state)
{
    struct series series = walk_series(arena, walk_closes(arena, POINTS, 1), POINTS, WALK_HOUR_MS);

    (void)state;
    for (int i = 0; i < LESSONS_WAITING_MAX; i++)
        assert_int_equal(note(&series), 0);
    assert_int_equal(note(&series), -1);
    assert_int_equal(err_kind(), E_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_outcome_is_learned_at_the_origin_where_its_target_closes, begin, end),
        cmocka_unit_test_setup_teardown(origins_that_were_left_out_are_caught_up_in_order, begin, end),
        cmocka_unit_test_setup_teardown(garbage_after_the_last_origin_changes_no_bit_of_what_was_learned, begin, end),
        cmocka_unit_test_setup_teardown(more_than_can_wait_is_an_error, begin, end),
    };
    return cmocka_run_group_tests_name("eval/lessons", tests, NULL, NULL);
}
