/* The supervisor with roles made for the purpose. Each test runs it in a process of its own; roles report by appending
 * a line "id pid" to a file. This process is a subreaper, so that roles whose supervisor was killed end up here and
 * "no process is left" can be asked of waitpid.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/err.h"
#include "roles/supervisor.h"
#include "scratch.h"

#define DEADLINE_MS 10000
#define STEP_MS 10
#define REPORTS_MAX 256

static char dir[SCRATCH_SIZE], report_path[SCRATCH_SIZE + 16];
static struct settings settings;

/* --- roles --- */

static void report(const struct role_context *context)
{
    char line[64];
    int fd = open(report_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    int len = snprintf(line, sizeof line, "%s %d\n", context->id, (int)getpid());

    if (fd < 0 || write(fd, line, (size_t)len) != len)
        _exit(99);
    close(fd);
}

static int run_patient(const struct role_context *context)
{
    report(context);
    role_ready(context);
    while (!role_is_stopping())
        role_pause(context, 60000);
    return 0;
}

static int run_failing(const struct role_context *context)
{
    report(context);
    return err_set(E_UPSTREAM, "this role always fails");
}

static int run_silent(const struct role_context *context)
{
    report(context);
    while (!role_is_stopping())
        clock_sleep_ms(100);
    return 0;
}

static int run_stubborn(const struct role_context *context)
{
    signal(SIGTERM, SIG_IGN);
    report(context);
    while (clock_sleep_ms(100))
        role_beat(context);
    return 0;
}

static int64_t two(const struct settings *unused)
{
    (void)unused;
    return 2;
}

static const struct role table[] = {
    {.name = "pair", .run = run_patient, .count = two, .silence_max_ms = 5000},
    {.name = "single", .run = run_patient},
    {.name = NULL},
};

/* --- tools --- */

struct line {
    char id[ROLE_ID_SIZE];
    int pid;
};

static size_t read_reports(struct line lines[REPORTS_MAX])
{
    FILE *file = fopen(report_path, "r");
    size_t count = 0;

    if (file == NULL)
        return 0;
    while (count < REPORTS_MAX && fscanf(file, "%31s %d", lines[count].id, &lines[count].pid) == 2)
        count++;
    fclose(file);
    return count;
}

static void await_reports(struct line lines[REPORTS_MAX], size_t count)
{
    int64_t end_ms = clock_mono_ms() + DEADLINE_MS;

    while (read_reports(lines) < count) {
        assert_true(clock_mono_ms() < end_ms);
        clock_sleep_ms(STEP_MS);
    }
}

static pid_t start_table(const struct role *roles_of_test, const char *only)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        struct supervisor_options options = {
            .settings = &settings, .table = roles_of_test, .only = only, .log_level = LOG_ERROR};
        int result = supervisor_run(&options);

        _exit(result == 0 ? 0 : 1);
    }
    return pid;
}

/* Exit status of the process, or fails after the deadline. */
static int await_end(pid_t pid)
{
    int64_t end_ms = clock_mono_ms() + DEADLINE_MS;
    int status;

    while (waitpid(pid, &status, WNOHANG) == 0) {
        assert_true(clock_mono_ms() < end_ms);
        clock_sleep_ms(STEP_MS);
    }
    return status;
}

/* Every process that a test started has ended: nothing is left to wait for. */
static void assert_nothing_left(void)
{
    int64_t end_ms = clock_mono_ms() + DEADLINE_MS;
    int status;

    while (waitpid(-1, &status, WNOHANG) >= 0) {
        assert_true(clock_mono_ms() < end_ms);
        clock_sleep_ms(STEP_MS);
    }
    assert_int_equal(errno, ECHILD);
}

static void stop(pid_t supervisor)
{
    kill(supervisor, SIGTERM);
    assert_int_equal(await_end(supervisor), 0);
    assert_nothing_left();
}

static int set_up(void **state)
{
    (void)state;
    scratch_create(dir);
    snprintf(report_path, sizeof report_path, "%s/report", dir);
    settings = (struct settings){.drain_timeout_ms = 8000};
    return prctl(PR_SET_CHILD_SUBREAPER, 1);
}

static int tear_down(void **state)
{
    (void)state;
    scratch_remove(dir);
    return 0;
}

/* --- tests --- */

static void starts_every_instance_and_leaves_none_behind_when_stopped(void **state)
{
    struct line lines[REPORTS_MAX];
    bool seen[3] = {false};
    static const char *const ids[] = {"pair-0", "pair-1", "single"};

    (void)state;
    pid_t supervisor = start_table(table, NULL);
    await_reports(lines, 3);
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < 3; j++)
            seen[j] |= strcmp(lines[i].id, ids[j]) == 0;
    assert_true(seen[0] && seen[1] && seen[2]);
    int64_t asked_ms = clock_mono_ms();
    stop(supervisor);
    assert_true(clock_mono_ms() - asked_ms < 2000); /* they sleep for a minute unless the signal wakes them */
}

static void runs_only_the_role_that_is_named(void **state)
{
    struct line lines[REPORTS_MAX];

    (void)state;
    pid_t supervisor = start_table(table, "single");
    await_reports(lines, 1);
    stop(supervisor);
    assert_int_equal(read_reports(lines), 1);
    assert_string_equal(lines[0].id, "single");
}

static void refuses_a_role_that_is_not_in_the_table(void **state)
{
    struct supervisor_options options = {.settings = &settings, .table = table, .only = "baker"};

    (void)state;
    assert_int_equal(supervisor_run(&options), -1);
    assert_int_equal(err_kind(), E_INPUT);
    assert_non_null(strstr(err_text(), "baker"));
}

static void starts_a_killed_role_again(void **state)
{
    struct line lines[REPORTS_MAX];

    (void)state;
    pid_t supervisor = start_table(table, "single");
    for (size_t i = 1; i <= 5; i++) {
        await_reports(lines, i);
        assert_int_equal(kill(lines[i - 1].pid, SIGKILL), 0);
    }
    await_reports(lines, 6);
    stop(supervisor);
}

static void pauses_before_it_starts_a_failing_role_again(void **state)
{
    static const struct role failing[] = {{.name = "failing", .run = run_failing}, {.name = NULL}};
    struct line lines[REPORTS_MAX];

    (void)state;
    pid_t supervisor = start_table(failing, NULL);
    await_reports(lines, 3);
    clock_sleep_ms(1000);
    stop(supervisor);
    /* Without a pause there would be hundreds in that second. */
    assert_in_range(read_reports(lines), 3, 60);
}

static void kills_and_restarts_a_role_that_falls_silent(void **state)
{
    static const struct role silent[] = {{.name = "silent", .run = run_silent, .silence_max_ms = 200},
                                         {.name = NULL}};
    struct line lines[REPORTS_MAX];

    (void)state;
    settings.drain_timeout_ms = 200;
    pid_t supervisor = start_table(silent, NULL);
    await_reports(lines, 2);
    stop(supervisor);
}

static void kills_what_has_not_ended_when_the_drain_is_over(void **state)
{
    static const struct role stubborn[] = {{.name = "stubborn", .run = run_stubborn}, {.name = NULL}};
    struct line lines[REPORTS_MAX];

    (void)state;
    settings.drain_timeout_ms = 300;
    pid_t supervisor = start_table(stubborn, NULL);
    await_reports(lines, 1);
    int64_t asked_ms = clock_mono_ms();
    stop(supervisor);
    assert_true(clock_mono_ms() - asked_ms >= 300);
}

static void a_second_signal_ends_the_drain(void **state)
{
    static const struct role stubborn[] = {{.name = "stubborn", .run = run_stubborn}, {.name = NULL}};
    struct line lines[REPORTS_MAX];

    (void)state;
    settings.drain_timeout_ms = 60000;
    pid_t supervisor = start_table(stubborn, NULL);
    await_reports(lines, 1);
    kill(supervisor, SIGINT);
    clock_sleep_ms(50); /* two at once would be one */
    kill(supervisor, SIGINT);
    assert_int_equal(await_end(supervisor), 0);
    assert_nothing_left();
}

static void roles_do_not_outlive_a_killed_supervisor(void **state)
{
    struct line lines[REPORTS_MAX];

    (void)state;
    pid_t supervisor = start_table(table, NULL);
    await_reports(lines, 3);
    kill(supervisor, SIGKILL);
    assert_true(WIFSIGNALED(await_end(supervisor)));
    assert_nothing_left();
}

static void stops_on_sigint_that_was_inherited_as_ignored(void **state)
{
    struct line lines[REPORTS_MAX];

    (void)state;
    signal(SIGINT, SIG_IGN);
    pid_t supervisor = start_table(table, "single");
    signal(SIGINT, SIG_DFL);
    await_reports(lines, 1);
    kill(supervisor, SIGINT);
    assert_int_equal(await_end(supervisor), 0);
    assert_nothing_left();
}

static void await_datagram(int fd, const char *wanted)
{
    int64_t end_ms = clock_mono_ms() + DEADLINE_MS;
    char text[256];

    do {
        ssize_t len = recv(fd, text, sizeof text - 1, 0);

        assert_true(len > 0 && clock_mono_ms() < end_ms);
        text[len] = '\0';
    } while (strcmp(text, wanted) != 0);
}

static void tells_systemd_when_it_is_ready_alive_and_stopping(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = DEADLINE_MS / 1000};
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

    (void)state;
    assert_true((size_t)snprintf(address.sun_path, sizeof address.sun_path, "%s/notify", dir) <
                sizeof address.sun_path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    setenv("NOTIFY_SOCKET", address.sun_path, 1);
    setenv("WATCHDOG_USEC", "200000", 1);
    pid_t supervisor = start_table(table, NULL);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    await_datagram(fd, "READY=1");
    await_datagram(fd, "WATCHDOG=1");
    kill(supervisor, SIGTERM);
    await_datagram(fd, "STOPPING=1");
    assert_int_equal(await_end(supervisor), 0);
    close(fd);
    unlink(address.sun_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(starts_every_instance_and_leaves_none_behind_when_stopped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(runs_only_the_role_that_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_a_role_that_is_not_in_the_table, set_up, tear_down),
        cmocka_unit_test_setup_teardown(starts_a_killed_role_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pauses_before_it_starts_a_failing_role_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(kills_and_restarts_a_role_that_falls_silent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(kills_what_has_not_ended_when_the_drain_is_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_second_signal_ends_the_drain, set_up, tear_down),
        cmocka_unit_test_setup_teardown(roles_do_not_outlive_a_killed_supervisor, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stops_on_sigint_that_was_inherited_as_ignored, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tells_systemd_when_it_is_ready_alive_and_stopping, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
