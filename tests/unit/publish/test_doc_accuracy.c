/* The scoreboard: a list for every horizon, all figures in every window, nothing that is no JSON. */
#include "publish/doc_accuracy.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "eval/score.h"
#include "market/candle.h"
#include "publish/document.h"

#include "example.h"

#include <cmocka.h>

#define MODELS 16

static struct strbuf text;

static int set_up(void **state)
{
    (void)state;
    strbuf_init(&text, DOCUMENT_BYTES_MAX);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    strbuf_release(&text);
    return 0;
}

static struct accuracy_view full_line(const char *model, const char *origin, int64_t horizon_s, int64_t window_s)
{
    struct accuracy_view line = example_accuracy(model, origin, horizon_s);
    line.window_s = window_s;
    line.width_90 = 3.25;
    line.width_90_baseline = 3.5;
    line.pit_ks_p = 0.4;
    line.has_direction = true;
    line.direction = 0.53;
    line.direction_low = 0.47;
    line.direction_high = 0.59;
    line.pinball_count = VIEW_PINBALL_MAX;
    for (size_t i = 0; i < VIEW_PINBALL_MAX; i++)
        line.pinball[i] = 0.1 + 0.01 * (double)i;
    return line;
}

static void the_scoreboard_has_a_list_for_every_horizon(void **state)
{
    (void)state;
    struct feed feed = example_feed("live", 1);
    struct accuracy_view lines[] = {
        full_line("ensemble", "all", 3600, VIEW_WINDOW_S), full_line("ensemble", "live", 3600, VIEW_WINDOW_S),
        full_line("ensemble", "live", 3600, 30 * 86400), full_line("ensemble", "walk_forward", 3600, VIEW_WINDOW_S)};
    doc_accuracy_render(&feed, lines, 4, &text);
    json_t *root = parse(&text);
    assert_int_equal(json_object_size(member(root, "horizons")), HORIZON_COUNT);
    assert_int_equal(json_array_size(member(root, "horizons.1h")), 2); /* "all" is for the forecasts, not for show */
    assert_int_equal(json_array_size(member(root, "horizons.30d")), 0);
    json_t *line = json_array_get(member(root, "horizons.1h"), 0);
    assert_string_equal(text_of(line, "origin"), "live");
    assert_int_equal(json_integer_value(member(line, "n")), 240);
    assert_float_equal(number_of(line, "n_effective"), 60, 0);
    assert_float_equal(number_of(line, "skill"), 0.02, 1e-9);
    assert_float_equal(json_number_value(json_array_get(member(line, "skill_95"), 1)), 0.03, 1e-9);
    assert_float_equal(number_of(line, "coverage.90.measured"), 0.9, 1e-9);
    assert_int_equal(json_integer_value(member(root, "window_days")), 365);
    json_decref(root);
}

static void a_horizon_shows_everything_in_each_window(void **state)
{
    (void)state;
    struct feed feed = example_feed("live", 1);
    struct accuracy_view lines[] = {
        full_line("ensemble", "live", 86400, 30 * 86400), full_line("rw-emp", "live", 86400, 30 * 86400),
        full_line("ensemble", "live", 86400, VIEW_WINDOW_S), full_line("ensemble", "live", 3600, VIEW_WINDOW_S)};
    doc_accuracy_horizon_render(&feed, lines, 4, 86400, &text);
    json_t *root = parse(&text);
    assert_string_equal(text_of(root, "horizon"), "1d");
    assert_int_equal(json_array_size(member(root, "windows.30d")), 2);
    assert_int_equal(json_array_size(member(root, "windows.90d")), 0);
    assert_int_equal(json_array_size(member(root, "windows.365d")), 1);
    json_t *line = json_array_get(member(root, "windows.365d"), 0);
    assert_int_equal(json_array_size(member(line, "pit")), VIEW_PIT_BINS);
    assert_int_equal(json_array_size(member(line, "pinball")), VIEW_PINBALL_MAX);
    assert_int_equal(json_array_size(member(line, "coverage.50.interval_95")), 2);
    assert_float_equal(number_of(line, "width_90"), 3.25, 1e-9);
    assert_float_equal(number_of(line, "pit_ks_p"), 0.4, 1e-9);
    assert_float_equal(number_of(line, "direction.right"), 0.53, 1e-9);
    json_decref(root);
}

static void what_is_not_known_is_null_and_no_number_is_not_one(void **state)
{
    (void)state;
    struct feed feed = example_feed("live", 1);
    struct accuracy_view line = full_line("ensemble", "live", 3600, VIEW_WINDOW_S);
    line.has_direction = false;
    line.skill = NAN;
    line.crps = INFINITY;
    line.coverage[0] = -INFINITY;
    line.pinball[3] = NAN;
    doc_accuracy_horizon_render(&feed, &line, 1, 3600, &text);
    json_t *root = parse(&text);
    json_t *shown = json_array_get(member(root, "windows.365d"), 0);
    assert_true(json_is_null(member(shown, "direction")));
    assert_true(json_is_null(member(shown, "skill")));
    assert_true(json_is_null(member(shown, "crps")));
    assert_true(json_is_null(json_array_get(member(shown, "pinball"), 3)));
    json_decref(root);
}

static void an_empty_scoreboard_is_a_scoreboard(void **state)
{
    (void)state;
    struct feed feed = example_feed("live", 1);
    doc_accuracy_render(&feed, NULL, 0, &text);
    json_t *root = parse(&text);
    assert_true(json_is_null(member(root, "updated_at")));
    assert_int_equal(json_object_size(member(root, "horizons")), HORIZON_COUNT);
    json_decref(root);
}

/* Sixteen models with live and walk-forward scores: both documents must fit where they are published. */
static void the_largest_scoreboard_fits_into_its_document(void **state)
{
    static const int64_t windows_s[] = {30 * 86400, 90 * 86400, VIEW_WINDOW_S};
    static struct accuracy_view lines[MODELS * 3 * 3 * HORIZON_COUNT];
    struct feed feed = example_feed("live", 1);
    size_t count = 0;
    (void)state;
    for (size_t h = 0; h < HORIZON_COUNT; h++)
        for (size_t w = 0; w < BTCF_LENGTH(windows_s); w++)
            for (size_t m = 0; m < MODELS; m++) {
                lines[count++] = full_line("longest-name", "live", horizons[h].seconds, windows_s[w]);
                lines[count++] = full_line("longest-name", "walk_forward", horizons[h].seconds, windows_s[w]);
                lines[count++] = full_line("longest-name", "all", horizons[h].seconds, windows_s[w]);
            }
    doc_accuracy_render(&feed, lines, count, &text);
    assert_false(strbuf_failed(&text));
    assert_true(text.len < DOCUMENT_BYTES_MAX * 3 / 4); /* the compressed form lies beside it */
    strbuf_reset(&text);
    doc_accuracy_horizon_render(&feed, lines, count, 3600, &text);
    assert_false(strbuf_failed(&text));
    assert_true(text.len < DOCUMENT_BYTES_MAX * 3 / 4);
}

static void losses_are_shown_at_the_levels_that_are_scored(void **state)
{
    (void)state;
    assert_int_equal(VIEW_PINBALL_MAX, SCORE_LEVEL_COUNT);
    for (size_t i = 0; i < SCORE_LEVEL_COUNT; i++)
        assert_float_equal(view_pinball_levels[i], quantile_levels[score_levels[i]], 1e-12);
}

#define ACCURACY_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ACCURACY_TEST(the_scoreboard_has_a_list_for_every_horizon),
        ACCURACY_TEST(a_horizon_shows_everything_in_each_window),
        ACCURACY_TEST(what_is_not_known_is_null_and_no_number_is_not_one),
        ACCURACY_TEST(an_empty_scoreboard_is_a_scoreboard),
        ACCURACY_TEST(the_largest_scoreboard_fits_into_its_document),
        ACCURACY_TEST(losses_are_shown_at_the_levels_that_are_scored),
    };
    return cmocka_run_group_tests_name("publish/doc_accuracy", tests, NULL, NULL);
}
