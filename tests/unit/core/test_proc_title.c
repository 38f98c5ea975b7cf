/* Titles as the kernel shows them. Children set them; this program keeps its own command line, but has given its memory
 * away before anything else, as every program of ours does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base.h"
#include "core/proc.h"

#define DEADLINE_MS 20000
#define VARIABLE "BTCF_TEST_TITLE"
#define SHOWN_SIZE 65536

static char **copied_argv;
static const char *given_program; /* as main got it */

/* The command line of a process as ps has it: without the NULs at its end. */
static void read_command_line(pid_t pid, char shown[SHOWN_SIZE])
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = read(fd, shown, SHOWN_SIZE - 1);
    close(fd);
    shown[len < 0 ? 0 : len] = '\0';
}

static int exit_status(const struct proc_spec *spec)
{
    pid_t pid;
    int status;

    assert_int_equal(proc_spawn(spec, &pid), 0);
    assert_int_equal(proc_wait(pid, DEADLINE_MS, &status), 1);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int is_shown_as(void *ctx)
{
    char shown[SHOWN_SIZE], name[16];

    read_command_line(getpid(), shown);
    prctl(PR_GET_NAME, name);
    return strcmp(shown, ctx) == 0 && strcmp(name, "btcf:worker-hea") == 0 ? 0 : 1;
}

static void a_child_is_shown_under_its_title(void **state)
{
    static char title[] = "btcf: worker-heavy-12";
    const struct proc_spec spec = {.name = "btcf:worker-heavy", .title = title, .run = is_shown_as, .ctx = title};

    (void)state;
    assert_int_equal(exit_status(&spec), 0);
}

static int replaces_its_title(void *ctx)
{
    char shown[SHOWN_SIZE];

    (void)ctx;
    proc_title_set("x", "btcf: a title that is longer");
    proc_title_set("x", "btcf: short");
    read_command_line(getpid(), shown);
    return strcmp(shown, "btcf: short") == 0 ? 0 : 1;
}

static void nothing_is_left_of_a_longer_title(void **state)
{
    (void)state;
    assert_int_equal(exit_status(&(struct proc_spec){.name = "x", .run = replaces_its_title}), 0);
}

/* A title far beyond any argv and environment that this test may be started with would be cut; what must hold is that
 * it does no harm to what the process still needs. */
static int survives_a_long_title(void *ctx)
{
    char *title = malloc((size_t)1 << 22);

    (void)ctx;
    if (title == NULL)
        return 1;
    memset(title, 't', ((size_t)1 << 22) - 1);
    title[((size_t)1 << 22) - 1] = '\0';
    proc_title_set("x", title);
    free(title);
    const char *value = getenv(VARIABLE);
    if (value == NULL || strcmp(value, "kept") != 0)
        return 2;
    if (strcmp(given_program, copied_argv[0]) == 0)
        return 3; /* nothing was written over */
    return setenv(VARIABLE, "changed", 1) == 0 && strcmp(getenv(VARIABLE), "changed") == 0 ? 0 : 4;
}

static void arguments_and_environment_survive_any_title(void **state)
{
    (void)state;
    assert_int_equal(exit_status(&(struct proc_spec){.name = "x", .run = survives_a_long_title}), 0);
}

static void a_program_that_is_executed_gets_the_environment(void **state)
{
    static char *argv[] = {"/bin/sh", "-c", "test \"$" VARIABLE "\" = kept", NULL};

    (void)state;
    assert_int_equal(exit_status(&(struct proc_spec){.name = "sh", .title = "ignored", .argv = argv}), 0);
}

static void the_parent_keeps_its_own_command_line(void **state)
{
    char shown[SHOWN_SIZE];

    (void)state;
    read_command_line(getpid(), shown);
    assert_string_equal(shown, copied_argv[0]);
}

static void a_second_call_changes_nothing(void **state)
{
    (void)state;
    assert_ptr_equal(proc_title_init(copied_argv), copied_argv);
    assert_string_equal(getenv(VARIABLE), "kept");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_is_shown_under_its_title),
        cmocka_unit_test(nothing_is_left_of_a_longer_title),
        cmocka_unit_test(arguments_and_environment_survive_any_title),
        cmocka_unit_test(a_program_that_is_executed_gets_the_environment),
        cmocka_unit_test(the_parent_keeps_its_own_command_line),
        cmocka_unit_test(a_second_call_changes_nothing),
    };

    (void)argc;
    setenv(VARIABLE, "kept", 1);
    given_program = argv[0];
    copied_argv = proc_title_init(argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
