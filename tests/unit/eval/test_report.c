/* The report names what it shows and what it rests on, is one balanced document, and asks for nothing outside itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/str.h"
#include "eval/report.h"

#define BYTES_MAX ((size_t)4 << 20)

static struct report_fan fan;

static struct report_cell cell_of(const char *model, int64_t horizon_s, double skill)
{
    struct report_cell cell = {.model = model, .horizon_s = horizon_s};

    cell.summary = (struct summary){.n = 731,
                                    .n_effective = 104.0,
                                    .crps = 1.2,
                                    .crps_baseline = 1.25,
                                    .skill = skill,
                                    .skill_95 = {skill - 0.01, skill + 0.01},
                                    .dm_p = 0.01,
                                    .coverage = {0.49, 0.81, 0.9, 0.951},
                                    .coverage_95 = {{0.4, 0.6}, {0.7, 0.9}, {0.8, 0.95}, {0.9, 0.98}},
                                    .pit_ks_p = 0.345};
    for (size_t i = 0; i < SUMMARY_PIT_BINS; i++)
        cell.summary.pit_bins[i] = 73;
    return cell;
}

static struct strbuf render(bool is_html, double skill)
{
    const struct report_cell cells[] = {cell_of("ensemble", 3600, skill), cell_of("rw-gauss", 3600, 0.0),
                                        cell_of("ensemble", 604800, skill), cell_of("rw-gauss", 604800, 0.0)};
    struct strbuf text;

    fan.horizon_s = 604800;
    fan.count = 50;
    for (size_t i = 0; i < fan.count; i++) {
        fan.target_ms[i] = INT64_C(1700000000000) + (int64_t)i * 86400000;
        fan.actual[i] = 30000.0 + 10.0 * (double)i;
        for (size_t k = 0; k < REPORT_FAN_LINES; k++)
            fan.line[k][i] = 29000.0 + 300.0 * (double)k;
    }
    const struct report report = {.title = "Two weeks of tests",
                                  .from_ms = INT64_C(1680307200000),
                                  .to_ms = INT64_C(1743465600000),
                                  .baseline = "rw-gauss",
                                  .subject = "ensemble",
                                  .cell_count = 4,
                                  .cells = cells,
                                  .fan_count = 1,
                                  .fans = &fan};
    strbuf_init(&text, BYTES_MAX);
    report_render(&text, &report, is_html);
    assert_false(strbuf_failed(&text));
    return text;
}

static size_t count_of(const char *text, const char *word)
{
    size_t count = 0;

    for (const char *at = text; (at = strstr(at, word)) != NULL; at += strlen(word))
        count++;
    return count;
}

static void names_title_span_models_units_and_what_it_rests_on(void **state)
{
    static const char *const said[] = {"Two weeks of tests",
                                       "2023-04-01",
                                       "2025-04-01",
                                       "Skill, percent",
                                       "ensemble",
                                       "rw-gauss",
                                       "1 h",
                                       "7 d",
                                       "n 731",
                                       "independent 104",
                                       "KS p 0.345",
                                       "USD",
                                       "Coverage, percent"};
    struct strbuf text = render(true, 0.04);

    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(said); i++)
        assert_non_null(strstr(text.ptr, said[i]));
    strbuf_release(&text);
}

static void asks_for_nothing_outside_itself_and_knows_dark_and_light(void **state)
{
    (void)state;
    for (int is_html = 0; is_html < 2; is_html++) {
        struct strbuf text = render(is_html == 1, 0.04);

        assert_int_equal(count_of(text.ptr, "http"), 1); /* the name of SVG's namespace */
        assert_null(strstr(text.ptr, "<script"));
        assert_null(strstr(text.ptr, "url("));
        assert_non_null(strstr(text.ptr, "prefers-color-scheme:dark"));
        strbuf_release(&text);
    }
}

static void is_one_balanced_document(void **state)
{
    struct strbuf text = render(false, 0.04);

    (void)state;
    assert_ptr_equal(strstr(text.ptr, "<svg"), text.ptr);
    assert_string_equal(text.ptr + text.len - strlen("</svg>"), "</svg>");
    assert_int_equal(count_of(text.ptr, "<text"), count_of(text.ptr, "</text>"));
    assert_int_equal(count_of(text.ptr, "<path"), count_of(text.ptr, "\"/>") - count_of(text.ptr, "<rect") -
                                                      count_of(text.ptr, "r=\"4\" fill=\"#0969da\"/>") -
                                                      count_of(text.ptr, "r=\"4\" fill=\"#d1242f\"/>"));
    strbuf_release(&text);
}

static void skill_beyond_the_axis_stays_inside_it_and_keeps_its_figure(void **state)
{
    struct strbuf text = render(true, -466.0);

    (void)state;
    assert_non_null(strstr(text.ptr, "-46600.00"));
    assert_null(strstr(text.ptr, "nan"));
    assert_null(strstr(text.ptr, "inf"));
    strbuf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_title_span_models_units_and_what_it_rests_on),
        cmocka_unit_test(asks_for_nothing_outside_itself_and_knows_dark_and_light),
        cmocka_unit_test(is_one_balanced_document),
        cmocka_unit_test(skill_beyond_the_axis_stays_inside_it_and_keeps_its_figure),
    };
    return cmocka_run_group_tests_name("eval/report", tests, NULL, NULL);
}
