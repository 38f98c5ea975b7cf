/* Metrics as their reader sees them: summed by role, kept over restarts, checked by promtool. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/err.h"
#include "core/metrics.h"
#include "core/str.h"
#include "death.h"
#include "scratch.h"

static char dir[SCRATCH_SIZE];
static struct strbuf text;

static int set_up(void **state)
{
    (void)state;
    scratch_create(dir);
    strbuf_init(&text, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    strbuf_release(&text);
    scratch_remove(dir);
    return 0;
}

static const char *render(void)
{
    strbuf_reset(&text);
    assert_int_equal(metrics_render(dir, &text), 0);
    assert_false(strbuf_failed(&text));
    return text.ptr;
}

static void has_line(const char *line)
{
    if (strstr(render(), line) == NULL)
        fail_msg("no \"%s\" in:\n%s", line, text.ptr);
}

/* A role process's life: it counts `count` failures and is killed, as nothing is given time to tidy up. */
static void live(const char *role, int index, int count)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        if (metrics_open(dir, role, index) < 0)
            _exit(1);
        metric_add(METRIC_failures_total, count);
        kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
}

static void an_empty_directory_renders_nothing(void **state)
{
    (void)state;
    assert_string_equal(render(), "");
    assert_int_equal(metrics_render("/nonexistent", &text), -1);
    assert_int_equal(err_kind(), E_STORE);
}

static void counters_go_on_where_a_killed_process_stopped(void **state)
{
    (void)state;
    live("ingest", 0, 3);
    live("ingest", 0, 4);
    has_line("\nbtcf_engine_failures_total{role=\"ingest\"} 7\n");
    has_line("\nbtcf_engine_process_starts_total{role=\"ingest\"} 2\n");
}

static void processes_of_a_role_are_summed_and_roles_are_sorted(void **state)
{
    (void)state;
    live("worker-fast", 0, 1);
    live("worker-fast", 1, 10);
    live("api", 0, 100);
    has_line("\nbtcf_engine_failures_total{role=\"api\"} 100\n"
             "btcf_engine_failures_total{role=\"worker-fast\"} 11\n");
}

static void what_was_counted_before_opening_is_not_lost(void **state)
{
    (void)state;
    metric_add(METRIC_failures_total, 5);
    assert_int_equal(metrics_open(dir, "meter", 0), 0);
    metric_add(METRIC_failures_total, 1);
    assert_int_equal(metric_get(METRIC_failures_total), 6);
    has_line("{role=\"meter\"} 6\n");
    metrics_close();
    metrics_close();
    assert_int_equal(metric_get(METRIC_failures_total), 0);
    metric_add(METRIC_failures_total, 1); /* counts in memory again */
    has_line("{role=\"meter\"} 6\n");
}

static void a_slot_has_one_process(void **state)
{
    pid_t pid;
    int status;

    (void)state;
    assert_int_equal(metrics_open(dir, "publish", 0), 0);
    pid = fork();
    if (pid == 0) {
        metrics_close();
        _exit(metrics_open(dir, "publish", 0) < 0 && err_kind() == E_CONFLICT && metrics_open(dir, "publish", 1) == 0
                  ? 0
                  : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    metrics_close();
}

static void a_gauge_is_not_inherited_from_a_dead_process(void **state)
{
    (void)state;
    assert_int_equal(metrics_open(dir, "publish", 0), 0);
    metric_set(METRIC_process_start_time_seconds, 12345);
    has_line("btcf_engine_process_start_time_seconds{role=\"publish\"} 12345\n");
    metrics_close();
    assert_int_equal(metrics_open(dir, "publish", 0), 0);
    assert_true(metric_get(METRIC_process_start_time_seconds) > 1700000000);
    metrics_close();
}

/* Cuts, fills and renames: whatever lies in the directory, the reader answers with what is whole. */
static void damaged_and_foreign_files_are_skipped(void **state)
{
    char path[SCRATCH_SIZE + 32], command[3 * SCRATCH_SIZE];

    (void)state;
    live("ingest", 0, 3);
    snprintf(command, sizeof command,
             "cd %s && head -c 20 ingest-0.metrics > cut-0.metrics && : > empty-0.metrics && "
             "tr '\\1-\\377' 'x' < ingest-0.metrics > other-0.metrics && cp ingest-0.metrics copy.metrics.bak && "
             "mkdir folder-0.metrics",
             dir);
    assert_int_equal(system(command), 0);
    has_line("failures_total{role=\"ingest\"} 3\n");
    assert_null(strstr(text.ptr, "other"));

    /* Its owner, too, starts again from zero rather than from nonsense. */
    snprintf(path, sizeof path, "%s/ingest-0.metrics", dir);
    int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "garbage!", 8, 8), 8); /* the layout */
    close(fd);
    live("ingest", 0, 2);
    has_line("failures_total{role=\"ingest\"} 2\n");
}

static void counts_backwards(void)
{
    metric_add(METRIC_failures_total, -1);
}

static void sets_a_counter(void)
{
    metric_set(METRIC_failures_total, 1);
}

static void a_counter_can_only_grow(void **state)
{
    (void)state;
    assert_true(dies(counts_backwards));
    assert_true(dies(sets_a_counter));
}

static void promtool_finds_nothing_to_say(void **state)
{
    char path[SCRATCH_SIZE + 32], command[4 * SCRATCH_SIZE];

    (void)state;
    if (system("command -v promtool >/dev/null") != 0)
        skip();
    live("ingest", 0, 3);
    live("publish", 0, 1);
    render();
    snprintf(path, sizeof path, "%s/metrics.txt", dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text.ptr, file);
    fclose(file);
    snprintf(command, sizeof command, "promtool check metrics < %s > %s.out 2>&1 && ! test -s %s.out", path, path,
             path);
    assert_int_equal(system(command), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_empty_directory_renders_nothing),
        TEST(counters_go_on_where_a_killed_process_stopped),
        TEST(processes_of_a_role_are_summed_and_roles_are_sorted),
        TEST(what_was_counted_before_opening_is_not_lost),
        TEST(a_slot_has_one_process),
        TEST(a_gauge_is_not_inherited_from_a_dead_process),
        TEST(damaged_and_foreign_files_are_skipped),
        TEST(a_counter_can_only_grow),
        TEST(promtool_finds_nothing_to_say),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
