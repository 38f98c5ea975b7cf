/* The table of job kinds and the reading of payloads. */
#include "work/work.h"

#include <setjmp.h>
#include <stdarg.h>

#include "core/arena.h"
#include "core/err.h"
#include "work/score_rows.h"

#include <cmocka.h>

static void kinds_are_found_by_name(void **state)
{
    (void)state;
    assert_string_equal(work_find("forecast")->lane, "fast");
    assert_string_equal(work_find("score")->lane, "fast");
    assert_string_equal(work_find("walk_forward")->lane, "heavy");
    assert_null(work_find("forecasts"));
}

static void payload_fields_are_read_with_their_types(void **state)
{
    (void)state;
    struct job job = {.payload = "{\"feed\":\"live\",\"issued_at\":1743462000000}"};
    struct work work = {.arena = arena_create("test", 1 << 20), .job = &job};
    const char *feed;
    int64_t issued_at;
    assert_int_equal(payload_text(&work, "feed", &feed), 0);
    assert_string_equal(feed, "live");
    assert_int_equal(payload_i64(&work, "issued_at", &issued_at), 0);
    assert_int_equal(issued_at, INT64_C(1743462000000));
    arena_free(&work.arena);
}

static void a_payload_that_lacks_or_mistypes_a_field_is_corrupt(void **state)
{
    (void)state;
    static const char *const payloads[] = {"{}", "{\"feed\":7}", "[]", "", "{\"feed\":\"live\""};
    struct job job = {0};
    struct work work = {.arena = arena_create("test", 1 << 20), .job = &job};
    const char *feed;
    for (size_t i = 0; i < BTCF_LENGTH(payloads); i++) {
        err_clear();
        job.payload = payloads[i];
        assert_int_equal(payload_text(&work, "feed", &feed), -1);
        assert_int_equal(err_kind(), E_CORRUPT);
    }
    arena_free(&work.arena);
}

static void overlap_counts_origins_per_horizon(void **state)
{
    (void)state;
    assert_float_equal(score_overlap("live", 86400), 24, 0);
    assert_float_equal(score_overlap("live", 3600), 1, 0);
    assert_float_equal(score_overlap("walk_forward", 86400), 4, 0);
    assert_float_equal(score_overlap("walk_forward", 3600), 1, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_are_found_by_name),
        cmocka_unit_test(payload_fields_are_read_with_their_types),
        cmocka_unit_test(a_payload_that_lacks_or_mistypes_a_field_is_corrupt),
        cmocka_unit_test(overlap_counts_origins_per_horizon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
