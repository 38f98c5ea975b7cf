/* Candle files and the lines below them: whatever is in a file, memory stays bounded and every line keeps its number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/err.h"
#include "market/candle_file.h"
#include "market/lines.h"
#include "scratch.h"

#define T0 INT64_C(1554076800)
#define NOW_MS (INT64_C(1700000000) * MS_PER_S)

static char directory[SCRATCH_SIZE];
static char path[SCRATCH_SIZE + 16];

static int set_up(void **state)
{
    (void)state;
    scratch_create(directory);
    snprintf(path, sizeof(path), "%s/candles.csv", directory);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    scratch_remove(directory);
    return 0;
}

static void write_bytes(const char *bytes, size_t len)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

/* The lines of the file as "kind:number:text|...". */
static void read_lines(char *out, size_t size)
{
    struct lines *lines;
    struct line line;
    size_t used = 0;

    assert_int_equal(lines_open(&lines, path), 0);
    out[0] = '\0';
    do {
        assert_int_equal(lines_next(lines, &line), 0);
        used += (size_t)snprintf(out + used, size - used, "%c%lld:%.*s|", "EWUL"[line.kind], (long long)line.number,
                                 line.kind == LINE_LONG ? 0 : (int)line.text.len, line.text.ptr);
    } while (line.kind != LINE_END);
    assert_int_equal(lines_next(lines, &line), 0);
    assert_int_equal(line.kind, LINE_END);
    lines_close(&lines);
}

static void expect_lines(const char *bytes, size_t len, const char *expected)
{
    char seen[256];

    write_bytes(bytes, len);
    read_lines(seen, sizeof(seen));
    assert_string_equal(seen, expected);
}

static void lines_end_in_lf_or_crlf_and_a_mark_is_dropped(void **state)
{
    (void)state;
    expect_lines("a\nb\r\n\nc\r\r\n", 10, "W1:a|W2:b|W3:|W4:c\r|E4:|");
    expect_lines("\xef\xbb\xbf"
                 "a\n",
                 5, "W1:a|E1:|");
    expect_lines("", 0, "E0:|");
    expect_lines("\xef\xbb", 2, "U1:\xef\xbb|E1:|");
}

static void a_line_without_an_end_is_told_apart(void **state)
{
    (void)state;
    expect_lines("a\nb", 3, "W1:a|U2:b|E2:|");
    expect_lines("a\nb\r", 4, "W1:a|U2:b\r|E2:|");
}

/* One byte below, at and above the limit, at every alignment of the window. */
static void only_lines_above_the_limit_are_long(void **state)
{
    static char bytes[3 * (256 << 10)];

    (void)state;
    for (size_t before = (256 << 10) - LINE_LEN_MAX - 3; before < (256 << 10) + 3; before += 1371) {
        size_t used = 0;
        char seen[64], expected[64];

        for (; used < before; used++)
            bytes[used] = used % 100 == 99 ? '\n' : 'x';
        bytes[used - 1] = '\n';
        size_t lines = before / 100 + (before % 100 != 0);
        for (int extra = -1; extra <= 1; extra++) {
            size_t len = LINE_LEN_MAX + (size_t)extra;
            struct lines *reader;
            struct line line;

            memset(bytes + before, 'y', len);
            bytes[before + len] = '\n';
            bytes[before + len + 1] = 'z';
            write_bytes(bytes, before + len + 2);
            assert_int_equal(lines_open(&reader, path), 0);
            for (size_t i = 0; i < lines; i++)
                assert_int_equal(lines_next(reader, &line), 0);
            assert_int_equal(lines_next(reader, &line), 0);
            snprintf(seen, sizeof(seen), "%d %lld", (int)line.kind, (long long)line.number);
            snprintf(expected, sizeof(expected), "%d %zu", (int)(extra > 0 ? LINE_LONG : LINE_WHOLE), lines + 1);
            assert_string_equal(seen, expected);
            assert_int_equal(lines_next(reader, &line), 0);
            assert_int_equal(line.kind, LINE_UNENDED);
            assert_int_equal(line.text.len, 1);
            lines_close(&reader);
        }
    }
}

struct bad {
    int64_t lines[8];
    const char *reasons[8];
    size_t count;
};

static void on_bad(void *arg, int64_t line, const char *reason)
{
    struct bad *bad = arg;

    assert_true(bad->count < 8);
    bad->lines[bad->count] = line;
    bad->reasons[bad->count++] = reason;
}

static struct candle_file *open_file(struct bad *bad)
{
    struct candle_file_options options = {
        .path = path, .interval_s = 60, .now_ms = NOW_MS, .on_bad = on_bad, .arg = bad};
    struct candle_file *file;

    assert_int_equal(candle_file_open(&file, &options), 0);
    return file;
}

static void good_candles_come_out_and_bad_rows_are_named(void **state)
{
    static const char text[] = "time,open,high,low,close,volume\n"
                               "1554076860,10,12,9,11,5\n"
                               "1554076800,10,12,9,11,5\n"
                               "\n"
                               "1554076860,10,12,9,11,5\n"
                               "1554076920,10,8,9,11,5\n"
                               "1554076920,10,12,9,11,5\n"
                               "1554076980,10,12,9,11,5";
    static const int64_t expected[] = {T0 + 60, T0, T0 + 120};
    struct bad bad = {.count = 0};
    struct candle_file_stats stats;
    struct candle candle;

    (void)state;
    write_bytes(text, sizeof(text) - 1);
    struct candle_file *file = open_file(&bad);
    for (size_t i = 0; i < BTCF_LENGTH(expected); i++) {
        assert_int_equal(candle_file_next(file, &candle), 1);
        assert_int_equal(candle.open_time_ms, expected[i] * MS_PER_S);
    }
    assert_int_equal(candle_file_next(file, &candle), 0);
    assert_int_equal(candle_file_next(file, &candle), 0);
    candle_file_stats(file, &stats);
    assert_int_equal(stats.good, 3);
    assert_int_equal(stats.bad, 3);
    assert_int_equal(stats.lines, 8);
    assert_int_equal(stats.bytes_total, sizeof(text) - 1);
    assert_int_equal(stats.bytes_read, sizeof(text) - 1);
    candle_file_close(&file);

    assert_int_equal(bad.count, 3);
    assert_int_equal(bad.lines[0], 5);
    assert_string_equal(bad.reasons[0], row_reason_text(ROW_REASON_DUPLICATE));
    assert_int_equal(bad.lines[1], 6);
    assert_string_equal(bad.reasons[1], "high is below low");
    assert_int_equal(bad.lines[2], 8);
    assert_string_equal(bad.reasons[2], row_reason_text(ROW_REASON_CUT));
}

static void a_clock_out_of_range_is_refused(void **state)
{
    struct candle_file_options options = {.path = path, .interval_s = 60, .now_ms = INT64_MAX};
    struct candle_file *file;

    (void)state;
    write_bytes("1,2,3,4,5,6\n", 12);
    assert_int_equal(candle_file_open(&file, &options), -1);
    assert_int_equal(err_kind(), E_INPUT);
}

static void every_reason_has_a_text(void **state)
{
    (void)state;
    for (int reason = 0; reason < ROW_REASON_COUNT; reason++)
        assert_true(row_reason_text(reason) != NULL && row_reason_text(reason)[0] != '\0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_end_in_lf_or_crlf_and_a_mark_is_dropped),
        cmocka_unit_test(a_line_without_an_end_is_told_apart),
        cmocka_unit_test(only_lines_above_the_limit_are_long),
        cmocka_unit_test(good_candles_come_out_and_bad_rows_are_named),
        cmocka_unit_test(a_clock_out_of_range_is_refused),
        cmocka_unit_test(every_reason_has_a_text),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
