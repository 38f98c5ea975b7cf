/* Log lines as another program reads them: standard error goes to a file, jansson parses each line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/err.h"
#include "core/log.h"
#include "core/metrics.h"
#include "core/str.h"
#include "scratch.h"

static char dir[SCRATCH_SIZE], path[SCRATCH_SIZE + 8];
static int saved_stderr;
static char output[1 << 16];

static int set_up(void **state)
{
    (void)state;
    scratch_create(dir);
    snprintf(path, sizeof path, "%s/log", dir);
    fflush(stderr);
    saved_stderr = dup(STDERR_FILENO);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0600);
    dup2(fd, STDERR_FILENO);
    close(fd);
    log_init("test", LOG_INFO);
    log_use_text(false);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    scratch_remove(dir);
    return 0;
}

/* What has been logged, and the number of lines. */
static size_t read_output(void)
{
    int fd = open(path, O_RDONLY);
    ssize_t len = read(fd, output, sizeof output - 1);
    size_t lines = 0;

    close(fd);
    assert_true(len >= 0);
    output[len] = '\0';
    for (ssize_t i = 0; i < len; i++)
        lines += output[i] == '\n';
    return lines;
}

static json_t *only_line(void)
{
    assert_int_equal(read_output(), 1);
    json_t *line = json_loads(output, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(line);
    return line;
}

static const char *field(const json_t *line, const char *name)
{
    return json_string_value(json_object_get(line, name));
}

static void a_line_is_one_json_object_with_its_fields(void **state)
{
    (void)state;
    log_warn("candle.late", "%s is %d s late", "BTC-USD", 7);
    json_t *line = only_line();
    assert_string_equal(field(line, "level"), "warn");
    assert_string_equal(field(line, "role"), "test");
    assert_string_equal(field(line, "event"), "candle.late");
    assert_string_equal(field(line, "message"), "BTC-USD is 7 s late");
    assert_int_equal(json_integer_value(json_object_get(line, "pid")), getpid());
    assert_non_null(field(line, "time"));
    json_decref(line);
}

static void levels_below_the_chosen_one_are_silent(void **state)
{
    (void)state;
    log_debug("a", "x");
    assert_int_equal(read_output(), 0);
    log_init("test", LOG_DEBUG);
    log_debug("a", "x");
    assert_int_equal(read_output(), 1);
    log_init("test", LOG_ERROR);
    log_warn("a", "x");
    assert_int_equal(read_output(), 1);
}

static void any_text_stays_one_valid_line(void **state)
{
    (void)state;
    log_info("odd", "%s", "quote \" backslash \\ newline \n tab \t bad \xff\xfe end");
    json_t *line = only_line();
    assert_non_null(strstr(field(line, "message"), "newline \n tab \t bad"));
    json_decref(line);
}

static void a_long_message_is_cut_and_stays_valid(void **state)
{
    char text[3 * LOG_LINE_MAX];

    (void)state;
    memset(text, 1, sizeof text - 1); /* each becomes six characters */
    text[sizeof text - 1] = '\0';
    log_info("long", "%s", text);
    json_t *line = only_line();
    assert_int_equal(strlen(field(line, "message")), LOG_LINE_MAX - 1);
    json_decref(line);
}

static void correlation_ids_stand_in_every_line_until_removed(void **state)
{
    (void)state;
    log_context_set("job", "41");
    log_context_set("request", "r1");
    log_context_set("job", "42");
    log_info("a", "x");
    json_t *line = only_line();
    assert_string_equal(field(line, "job"), "42");
    assert_string_equal(field(line, "request"), "r1");
    json_decref(line);

    assert_int_equal(truncate(path, 0), 0);
    log_context_set("job", NULL);
    log_context_set("request", NULL);
    log_info("a", "x");
    line = only_line();
    assert_null(json_object_get(line, "job"));
    json_decref(line);
}

static void more_ids_than_places_leave_the_older_ones(void **state)
{
    static const char *const names[] = {"a", "b", "c", "d", "e"};

    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(names); i++)
        log_context_set(names[i], "1");
    log_info("x", "y");
    json_t *line = only_line();
    assert_non_null(json_object_get(line, "d"));
    assert_null(json_object_get(line, "e"));
    json_decref(line);
    for (size_t i = 0; i < BTCF_LENGTH(names); i++)
        log_context_set(names[i], NULL);
}

static void a_failure_has_kind_and_trail_and_is_counted(void **state)
{
    int64_t before = metric_get(METRIC_failures_total);

    (void)state;
    err_set(E_UPSTREAM, "answered 502");
    err_wrap("while asking %s", "kraken");
    log_failure("ingest.failed", "polling");
    json_t *line = only_line();
    assert_string_equal(field(line, "kind"), "upstream");
    assert_string_equal(field(line, "level"), "error");
    assert_string_equal(field(line, "message"), "polling: while asking kraken: answered 502");
    assert_int_equal(metric_get(METRIC_failures_total), before + 1);
    json_decref(line);
}

static void text_lines_are_for_people(void **state)
{
    (void)state;
    log_use_text(true);
    log_info("engine.start", "hello");
    assert_int_equal(read_output(), 1);
    assert_non_null(strstr(output, " info  test     engine.start  hello\n"));
    assert_int_equal(output[2], ':');
}

static void lost_lines_are_counted_in_the_next_one(void **state)
{
    (void)state;
    int keep = dup(STDERR_FILENO);
    close(STDERR_FILENO);
    log_info("lost", "nobody sees this");
    dup2(keep, STDERR_FILENO);
    close(keep);
    log_info("kept", "x");
    json_t *line = only_line();
    assert_int_equal(json_integer_value(json_object_get(line, "lost_lines")), 1);
    json_decref(line);
}

static void knows_four_levels(void **state)
{
    enum log_level level = LOG_INFO;

    (void)state;
    assert_int_equal(log_parse_level("debug", &level), 0);
    assert_int_equal(level, LOG_DEBUG);
    assert_int_equal(log_parse_level("error", &level), 0);
    assert_int_equal(level, LOG_ERROR);
    assert_int_equal(log_parse_level("Info", &level), -1);
    assert_int_equal(err_kind(), E_INPUT);
    assert_int_equal(level, LOG_ERROR);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_line_is_one_json_object_with_its_fields),
        TEST(levels_below_the_chosen_one_are_silent),
        TEST(any_text_stays_one_valid_line),
        TEST(a_long_message_is_cut_and_stays_valid),
        TEST(correlation_ids_stand_in_every_line_until_removed),
        TEST(more_ids_than_places_leave_the_older_ones),
        TEST(a_failure_has_kind_and_trail_and_is_counted),
        TEST(text_lines_are_for_people),
        TEST(lost_lines_are_counted_in_the_next_one),
        TEST(knows_four_levels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
