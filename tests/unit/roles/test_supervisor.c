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

static void report_as(const char *id)
{
    char line[64];
    int fd = open(report_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    int len = snprintf(line, sizeof line, "%s %d\n", id, (int)getpid());

    if (fd < 0 || write(fd, line, (size_t)len) != len)
        _exit(99);
    close(fd);
}

static void report(const struct role_context *context)
{
    report_as(context->id);
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

/* Tells which settings it has. */
static int run_telling(const struct role_context *context)
{
    char id[ROLE_ID_SIZE + 24];

    snprintf(id, sizeof id, "%s:%lld", context->id, (long long)context->settings->publish_poll_ms);
    report_as(id);
    role_ready(context);
    while (!role_is_stopping())
        role_pause(context, 60000);
    return 0;
}

/* Answers each connection with its id, once. */
static int run_answering(const struct role_context *context)
{
    role_ready(context);
    while (!role_is_stopping()) {
        int fd = accept(context->listen_fd, NULL, NULL);

        if (fd < 0) {
            role_pause(context, STEP_MS);
            continue;
        }
        ssize_t sent = write(fd, context->id, strlen(context->id));
        close(fd);
        report(context);
        return sent > 0 ? 0 : -1; /* ends, so that the next connection finds another one, or waits for it */
    }
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

static pid_t start_supervisor(const struct supervisor_options *options)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0)
        _exit(supervisor_run(options) == 0 ? 0 : 1);
    return pid;
}

static pid_t start_table(const struct role *roles_of_test, const char *only)
{
    const struct supervisor_options options = {
        .settings = &settings, .table = roles_of_test, .only = only, .log_level = LOG_ERROR};

    return start_supervisor(&options);
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

/* --- new settings --- */

/* A configuration that is broken at first, then as it was, then another one at each reading. */
static int reload(void *ctx, enum log_level *level)
{
    int *readings = ctx;

    report_as("reading");
    *level = LOG_ERROR;
    switch (++*readings) {
    case 1:
        return err_set(E_INPUT, "btcf.conf:3: broken");
    case 2:
        return 0;
    default:
        settings.publish_poll_ms++;
        return 1;
    }
}

static pid_t start_reloadable(const struct role *roles_of_test)
{
    static int readings;
    const struct supervisor_options options = {.settings = &settings,
                                               .table = roles_of_test,
                                               .log_level = LOG_ERROR,
                                               .reload = reload,
                                               .reload_ctx = &readings};

    return start_supervisor(&options);
}

/* Asks for a reading `times` times, each when the one before has been made. */
static void hang_up(pid_t supervisor, size_t times)
{
    struct line lines[REPORTS_MAX];

    for (size_t i = 0; i < times; i++) {
        size_t count = read_reports(lines);

        kill(supervisor, SIGHUP);
        await_reports(lines, count + 1);
    }
}

/* What the socket says to a connection; the deadline is the socket's. */
static void ask(const char *path, char answer[ROLE_ID_SIZE])
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = DEADLINE_MS / 1000};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    assert_true(strlen(path) < sizeof address.sun_path);
    memcpy(address.sun_path, path, strlen(path));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    ssize_t got = read(fd, answer, ROLE_ID_SIZE - 1);
    assert_true(got > 0);
    answer[got] = '\0';
    close(fd);
}

static void a_socket_outlives_the_instances_that_accept_from_it(void **state)
{
    static const struct role answering[] = {
        {.name = "answer", .run = run_answering, .count = two, .socket = "answer.sock"}, {.name = NULL}};
    char run_dir[SCRATCH_SIZE + 16], path[SCRATCH_SIZE + 32], answer[ROLE_ID_SIZE];

    (void)state;
    snprintf(run_dir, sizeof run_dir, "%s/run", dir); /* which nobody has made */
    snprintf(path, sizeof path, "%s/answer.sock", run_dir);
    settings.run_dir = run_dir;
    pid_t supervisor = start_table(answering, NULL);
    for (int64_t end_ms = clock_mono_ms() + DEADLINE_MS; access(path, F_OK) < 0;) {
        assert_true(clock_mono_ms() < end_ms);
        clock_sleep_ms(STEP_MS);
    }
    clock_sleep_ms(STEP_MS); /* the name is there a moment before the socket listens */
    for (size_t i = 0; i < 6; i++) {
        ask(path, answer);
        assert_true(strncmp(answer, "answer-", 7) == 0);
    }
    stop(supervisor);
    settings.run_dir = NULL;
}

static void a_reload_starts_one_role_after_another_with_new_settings(void **state)
{
    static const struct role telling[] = {
        {.name = "first", .run = run_telling}, {.name = "pair", .run = run_telling, .count = two}, {.name = NULL}};
    static const char *const expected[] = {"reading",  "reading", "reading", "pair-1:1",
                                           "pair-0:1", "first:1", "reading", "pair-1:2"};
    struct line lines[REPORTS_MAX];

    (void)state;
    pid_t supervisor = start_reloadable(telling);
    await_reports(lines, 3);
    hang_up(supervisor, 3); /* refused, unchanged, changed: only the third one starts anything */
    await_reports(lines, 9);
    hang_up(supervisor, 1);
    await_reports(lines, 12);
    for (size_t i = 0; i < BTCF_LENGTH(expected); i++)
        assert_string_equal(lines[i + 3].id, expected[i]);
    assert_string_equal(lines[11].id, "pair-0:2");
    stop(supervisor);
}

static void a_role_that_does_not_end_for_new_settings_is_killed(void **state)
{
    static const struct role stubborn[] = {{.name = "stubborn", .run = run_stubborn}, {.name = NULL}};
    struct line lines[REPORTS_MAX];

    (void)state;
    settings.drain_timeout_ms = 300;
    pid_t supervisor = start_reloadable(stubborn);
    await_reports(lines, 1);
    hang_up(supervisor, 2);
    int64_t asked_ms = clock_mono_ms();
    hang_up(supervisor, 1);
    await_reports(lines, 5);
    assert_true(clock_mono_ms() - asked_ms >= 300);
    assert_int_equal(kill(lines[0].pid, 0), -1);
    stop(supervisor);
}

static void a_stop_ends_a_renewal(void **state)
{
    static const struct role both[] = {
        {.name = "telling", .run = run_telling}, {.name = "stubborn", .run = run_stubborn}, {.name = NULL}};
    struct line lines[REPORTS_MAX];

    (void)state;
    settings.drain_timeout_ms = 500;
    pid_t supervisor = start_reloadable(both);
    await_reports(lines, 2);
    hang_up(supervisor, 3); /* the stubborn one is asked to end, and will not */
    stop(supervisor);
    assert_int_equal(read_reports(lines), 5); /* nothing was started again */
}

static void hanging_up_ends_nothing_where_nothing_can_be_read_again(void **state)
{
    struct line lines[REPORTS_MAX];

    (void)state;
    pid_t supervisor = start_table(table, "single");
    await_reports(lines, 1);
    kill(supervisor, SIGHUP);
    kill(lines[0].pid, SIGKILL); /* who starts it again has survived */
    await_reports(lines, 2);
    stop(supervisor);
    assert_int_equal(read_reports(lines), 2);
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
        cmocka_unit_test_setup_teardown(a_socket_outlives_the_instances_that_accept_from_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_reload_starts_one_role_after_another_with_new_settings, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_role_that_does_not_end_for_new_settings_is_killed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stop_ends_a_renewal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(hanging_up_ends_nothing_where_nothing_can_be_read_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tells_systemd_when_it_is_ready_alive_and_stopping, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
