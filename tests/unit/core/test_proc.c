/* Processes for real: signals, children that must end, pid files held by others, the way from root to an account. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
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
#include "core/proc.h"
#include "scratch.h"

#define DEADLINE_MS 20000
/* Longer than any test waits: a wait that ends before was ended by a signal. */
#define FOREVER_MS 60000

static char dir[SCRATCH_SIZE];

static int set_up(void **state)
{
    (void)state;
    scratch_create(dir);
    proc_signals_init();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    scratch_remove(dir);
    return 0;
}

/* Runs fn in a child without a group or signals of its own; returns its exit status, -1 when it was killed. */
static int in_child(int (*fn)(void))
{
    pid_t pid = fork();
    int status;

    if (pid == 0)
        exit(fn());
    assert_int_equal(proc_wait(pid, DEADLINE_MS, &status), 1);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* --- signals --- */

static void a_signal_before_the_wait_still_ends_it(void **state)
{
    int64_t began = clock_mono_ms();

    (void)state;
    assert_false(proc_should_stop());
    raise(SIGTERM);
    assert_true(proc_should_stop());
    assert_false(proc_wait_ms(FOREVER_MS));
    assert_true(clock_mono_ms() - began < DEADLINE_MS);
    assert_true(proc_wait_ms(0)); /* taken: the next wait is a wait again */
    assert_true(proc_should_stop());
    raise(SIGINT);
    assert_int_equal(proc_stop_count(), 2);
}

static void a_wait_without_signals_takes_its_time(void **state)
{
    int64_t began = clock_mono_ms();

    (void)state;
    assert_true(proc_wait_ms(30));
    assert_true(clock_mono_ms() - began >= 30);
    assert_true(proc_wait_ms(-1));
}

static void a_reload_is_taken_once_and_stops_nothing(void **state)
{
    (void)state;
    raise(SIGHUP);
    assert_false(proc_should_stop());
    assert_true(proc_take_reload());
    assert_false(proc_take_reload());
}

static void the_wake_descriptor_can_be_polled(void **state)
{
    struct pollfd wake = {.fd = proc_wake_fd(), .events = POLLIN};

    (void)state;
    assert_int_equal(poll(&wake, 1, 0), 0);
    for (int i = 0; i < 100000; i++)
        raise(SIGHUP); /* more than the pipe holds: none may block */
    assert_int_equal(poll(&wake, 1, 0), 1);
    proc_wake_clear();
    assert_int_equal(poll(&wake, 1, 0), 0);
}

static int is_stopped_by_sigint(void)
{
    signal(SIGINT, SIG_IGN); /* as a shell does for background jobs */
    signal(SIGTERM, SIG_IGN);
    proc_signals_init();
    raise(SIGINT);
    return proc_should_stop() ? 0 : 1;
}

static void sigint_inherited_as_ignored_is_handled_all_the_same(void **state)
{
    (void)state;
    assert_int_equal(in_child(is_stopped_by_sigint), 0);
}

static int survives_a_broken_pipe(void)
{
    int ends[2];

    proc_signals_init();
    if (pipe(ends) < 0)
        return 1;
    close(ends[0]);
    return write(ends[1], "x", 1) < 0 && errno == EPIPE ? 0 : 1;
}

static void a_broken_pipe_is_an_error_not_an_end(void **state)
{
    (void)state;
    assert_int_equal(in_child(survives_a_broken_pipe), 0);
}

static int starts_afresh_after_a_fork(void)
{
    raise(SIGTERM);
    proc_signals_init();
    if (proc_should_stop())
        return 1;
    raise(SIGTERM);
    return proc_should_stop() && !proc_wait_ms(FOREVER_MS) ? 0 : 2;
}

static void a_child_has_flags_and_pipe_of_its_own(void **state)
{
    (void)state;
    assert_int_equal(in_child(starts_afresh_after_a_fork), 0);
    while (!proc_wait_ms(0)) /* our own SIGCHLD may have come */
        ;
    assert_false(proc_should_stop());
}

/* --- children --- */

static int returns_seven(void *ctx)
{
    (void)ctx;
    return 7;
}

static int has_its_own_group_and_default_signals(void *ctx)
{
    struct sigaction action;

    (void)ctx;
    if (getpgrp() != getpid())
        return 1;
    sigaction(SIGTERM, NULL, &action);
    if (action.sa_handler != SIG_DFL)
        return 2;
    char c;
    return read(STDIN_FILENO, &c, 1) == 0 ? 0 : 3;
}

static int run_and_wait(const struct proc_spec *spec)
{
    pid_t pid;
    int status;

    assert_int_equal(proc_spawn(spec, &pid), 0);
    assert_int_equal(proc_wait(pid, DEADLINE_MS, &status), 1);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void a_function_runs_as_a_child(void **state)
{
    (void)state;
    assert_int_equal(run_and_wait(&(struct proc_spec){.name = "seven", .run = returns_seven}), 7);
    assert_int_equal(run_and_wait(&(struct proc_spec){.name = "self", .run = has_its_own_group_and_default_signals}),
                     0);
}

static void a_program_runs_with_its_output_in_a_file(void **state)
{
    char output[SCRATCH_SIZE + 16], text[64] = "";
    char *argv[] = {"/bin/sh", "-c", "echo out; echo err >&2; exit 3", NULL};

    (void)state;
    snprintf(output, sizeof output, "%s/output", dir);
    for (int i = 0; i < 2; i++)
        assert_int_equal(run_and_wait(&(struct proc_spec){.name = "sh", .argv = argv, .output = output}), 3);
    int fd = open(output, O_RDONLY);
    assert_true(read(fd, text, sizeof text - 1) > 0);
    close(fd);
    assert_string_equal(text, "out\nerr\nout\nerr\n"); /* appended */
}

static void a_program_that_is_not_there_ends_with_127(void **state)
{
    char output[SCRATCH_SIZE + 16];
    char *argv[] = {"/nonexistent/program", NULL};

    (void)state;
    snprintf(output, sizeof output, "%s/output", dir);
    assert_int_equal(run_and_wait(&(struct proc_spec){.name = "no", .argv = argv, .output = output}), 127);
}

static int sleeps(void *ctx)
{
    (void)ctx;
    pause();
    return 0; /* only a handled signal ends a pause */
}

static int refuses_to_stop(void *ctx)
{
    signal(SIGTERM, SIG_IGN);
    return write(*(int *)ctx, "r", 1) == 1 ? sleeps(NULL) : 1;
}

static void a_wait_ends_at_its_deadline(void **state)
{
    pid_t pid;
    int status;

    (void)state;
    assert_int_equal(proc_spawn(&(struct proc_spec){.name = "sleeper", .run = sleeps}, &pid), 0);
    int64_t began = clock_mono_ms();
    assert_int_equal(proc_wait(pid, 50, &status), 0);
    assert_true(clock_mono_ms() - began >= 50);
    assert_int_equal(proc_wait(pid, 0, &status), 0);
    assert_true(proc_stop(pid, SIGTERM, DEADLINE_MS, &status));
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    assert_int_equal(proc_wait(pid, 0, &status), -1);
    assert_int_equal(err_kind(), E_MISSING);
}

static void who_ignores_the_signal_is_killed(void **state)
{
    int ready[2], status;
    pid_t pid;
    char c;

    (void)state;
    assert_int_equal(pipe(ready), 0);
    const struct proc_spec spec = {.name = "stubborn", .run = refuses_to_stop, .ctx = &ready[1]};
    assert_int_equal(proc_spawn(&spec, &pid), 0);
    assert_int_equal(read(ready[0], &c, 1), 1);
    assert_false(proc_stop(pid, SIGTERM, 50, &status));
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    close(ready[0]);
    close(ready[1]);
}

/* Tells its pid when everything around it is in place, then waits to be ended. */
static int reports_and_sleeps(void *ctx)
{
    pid_t pid = getpid();

    return write(*(int *)ctx, &pid, sizeof pid) == sizeof pid ? sleeps(NULL) : 1;
}

static int waits_for_its_child(int report_fd)
{
    const struct proc_spec spec = {
        .name = "orphan", .run = reports_and_sleeps, .ctx = &report_fd, .death_signal = SIGKILL};
    pid_t pid;

    return proc_spawn(&spec, &pid) == 0 ? sleeps(NULL) : 1;
}

static void the_kernel_ends_a_child_whose_parent_was_killed(void **state)
{
    int report[2], status;
    pid_t child;

    (void)state;
    assert_int_equal(pipe(report), 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* so that the orphan becomes ours to wait for */
    pid_t parent = fork();
    if (parent == 0)
        _exit(waits_for_its_child(report[1]));
    assert_int_equal(read(report[0], &child, sizeof child), sizeof child);
    kill(parent, SIGKILL);
    assert_int_equal(proc_wait(parent, DEADLINE_MS, &status), 1);
    int64_t end_ms = clock_mono_ms() + DEADLINE_MS;
    while (waitpid(child, &status, WNOHANG) != child && clock_mono_ms() < end_ms)
        clock_sleep_ms(5);
    assert_true(clock_mono_ms() < end_ms);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    prctl(PR_SET_CHILD_SUBREAPER, 0);
    close(report[0]);
    close(report[1]);
}

static void a_status_reads_as_a_sentence(void **state)
{
    char text[PROC_STATUS_TEXT_SIZE];

    (void)state;
    proc_status_text(W_EXITCODE(3, 0), text);
    assert_string_equal(text, "exit status 3");
    proc_status_text(W_EXITCODE(0, SIGKILL), text);
    assert_string_equal(text, "killed by signal 9 (Killed)");
}

/* --- account --- */

static int becomes_nobody_for_good(void)
{
    if (proc_become("nobody") < 0)
        return 1;
    if (getuid() == 0 || geteuid() == 0 || getegid() == 0)
        return 2;
    return setuid(0) < 0 && seteuid(0) < 0 && setgid(0) < 0 ? 0 : 3;
}

static int refuses_root(void)
{
    return proc_become("root") < 0 && err_kind() == E_INPUT && geteuid() == 0 ? 0 : 1;
}

static int refuses_an_account_that_is_not_there(void)
{
    return proc_become("no-such-account") < 0 && err_kind() == E_INPUT && geteuid() == 0 ? 0 : 1;
}

static void root_becomes_the_account_and_cannot_come_back(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(in_child(becomes_nobody_for_good), 0);
    assert_int_equal(in_child(refuses_root), 0);
    assert_int_equal(in_child(refuses_an_account_that_is_not_there), 0);
}

static int stays_nobody(void)
{
    return proc_become("nobody") == 0 && proc_become("root") == 0 && geteuid() != 0 ? 0 : 1;
}

static void who_is_not_root_stays(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(in_child(stays_nobody), 0);
}

/* --- pid files --- */

static char pid_path[SCRATCH_SIZE + 16];

static int cannot_take_it(void)
{
    struct pidfile pidfile;
    char holder[64];

    if (pidfile_open(&pidfile, pid_path) == 0 || err_kind() != E_CONFLICT)
        return 1;
    snprintf(holder, sizeof holder, "process %d ", (int)getppid());
    return strstr(err_text(), holder) != NULL && pidfile_find(pid_path) == getppid() ? 0 : 2;
}

static int can_take_it(void)
{
    struct pidfile pidfile;

    return pidfile_open(&pidfile, pid_path) == 0 ? 0 : 1; /* ends without closing, as after a crash */
}

static void a_pid_file_has_one_holder_who_is_named(void **state)
{
    struct pidfile pidfile;
    char text[32] = "", expected[32];

    (void)state;
    snprintf(pid_path, sizeof pid_path, "%s/btcf.pid", dir);
    assert_int_equal(pidfile_find(pid_path), 0);
    assert_int_equal(pidfile_open(&pidfile, pid_path), 0);
    assert_int_equal(in_child(cannot_take_it), 0);
    assert_true(pread(pidfile.fd, text, sizeof text - 1, 0) > 0);
    snprintf(expected, sizeof expected, "%d\n", (int)getpid());
    assert_string_equal(text, expected);
    pidfile_close(&pidfile);
    assert_int_equal(access(pid_path, F_OK), -1);
    pidfile_close(&pidfile); /* twice does nothing */
}

static void a_stale_pid_file_is_taken_over(void **state)
{
    struct pidfile pidfile;

    (void)state;
    snprintf(pid_path, sizeof pid_path, "%s/btcf.pid", dir);
    assert_int_equal(in_child(can_take_it), 0);
    assert_int_equal(access(pid_path, F_OK), 0);
    assert_int_equal(pidfile_find(pid_path), 0);
    assert_int_equal(pidfile_open(&pidfile, pid_path), 0);
    pidfile_close(&pidfile);
}

static void a_pid_file_that_cannot_be_made_is_told(void **state)
{
    struct pidfile pidfile;

    (void)state;
    assert_int_equal(pidfile_open(&pidfile, "/nonexistent/btcf.pid"), -1);
    assert_int_equal(err_kind(), E_STORE);
    assert_non_null(strstr(err_text(), "/nonexistent/btcf.pid"));
}

/* --- systemd --- */

static void systemd_is_told_when_it_asked(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char text[64] = "";

    (void)state;
    proc_notify("READY=1"); /* nobody asked: nothing happens */
    assert_true((size_t)snprintf(address.sun_path, sizeof address.sun_path, "%s/notify", dir) <
                sizeof address.sun_path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    setenv("NOTIFY_SOCKET", address.sun_path, 1);
    proc_notify("READY=1");
    unsetenv("NOTIFY_SOCKET");
    assert_int_equal(recv(fd, text, sizeof text - 1, 0), 7);
    assert_string_equal(text, "READY=1");
    close(fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_signal_before_the_wait_still_ends_it),
        TEST(a_wait_without_signals_takes_its_time),
        TEST(a_reload_is_taken_once_and_stops_nothing),
        TEST(the_wake_descriptor_can_be_polled),
        TEST(sigint_inherited_as_ignored_is_handled_all_the_same),
        TEST(a_broken_pipe_is_an_error_not_an_end),
        TEST(a_child_has_flags_and_pipe_of_its_own),
        TEST(a_function_runs_as_a_child),
        TEST(a_program_runs_with_its_output_in_a_file),
        TEST(a_program_that_is_not_there_ends_with_127),
        TEST(a_wait_ends_at_its_deadline),
        TEST(who_ignores_the_signal_is_killed),
        TEST(the_kernel_ends_a_child_whose_parent_was_killed),
        TEST(a_status_reads_as_a_sentence),
        TEST(root_becomes_the_account_and_cannot_come_back),
        TEST(who_is_not_root_stays),
        TEST(a_pid_file_has_one_holder_who_is_named),
        TEST(a_stale_pid_file_is_taken_over),
        TEST(a_pid_file_that_cannot_be_made_is_told),
        TEST(systemd_is_told_when_it_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
