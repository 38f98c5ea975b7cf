/* The table of commands: found by name, suggested when mistyped, each with a manual of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/cli.h"
#include "cmd/command.h"
#include "core/err.h"
#include "scratch.h"

static void every_command_is_found_by_its_name_and_has_a_manual(void **state)
{
    (void)state;
    assert_non_null(commands[0]);
    for (size_t i = 0; commands[i] != NULL; i++) {
        char begin[64];

        assert_ptr_equal(command_find(commands[i]->name), commands[i]);
        snprintf(begin, sizeof begin, "usage: btcf %s", commands[i]->name);
        assert_int_equal(strncmp(commands[i]->usage, begin, strlen(begin)), 0);
        assert_int_equal(commands[i]->usage[strlen(commands[i]->usage) - 1], '\n');
        assert_null(strchr(commands[i]->summary, '\n'));
    }
    assert_null(command_find("confi"));
    assert_null(command_find(""));
}

static void suggests_what_was_meant_and_nothing_far_away(void **state)
{
    char longest[300];

    (void)state;
    assert_string_equal(command_suggest("confg"), "config");
    assert_string_equal(command_suggest("onfig"), "config");
    assert_null(command_suggest("frobnicate"));
    assert_null(command_suggest(""));
    memset(longest, 'c', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_null(command_suggest(longest));
}

static const char *from;
static struct cli_list files;
static bool is_dry;

static int parse(struct cli *cli, char **argv)
{
    const struct cli_option options[] = {
        {.name = "--port", .setting = "http_port"},
        {.name = "--from", .value = &from},
        {.name = "--candles", .list = &files},
        {.name = "--dry", .flag = &is_dry},
        {.name = NULL},
    };
    int argc = 0;

    while (argv[argc] != NULL)
        argc++;
    from = NULL;
    files.count = 0;
    is_dry = false;
    return cli_parse(cli, argc, argv, options);
}

#define ARGV(...) ((char *[]){"command", __VA_ARGS__, NULL})

static void options_stand_in_any_order_in_both_forms(void **state)
{
    struct cli cli;

    (void)state;
    assert_int_equal(parse(&cli, ARGV("a", "--port=81", "--candles", "x.csv", "--dry", "--candles=y.csv", "b",
                                      "--from", "2020", "--set", "symbol=ETH-USD", "--", "--dry")),
                     0);
    assert_int_equal(cli.settings.http_port, 81);
    assert_string_equal(cli.settings.symbol, "ETH-USD");
    assert_string_equal(from, "2020");
    assert_true(is_dry);
    assert_int_equal(files.count, 2);
    assert_string_equal(files.values[1], "y.csv");
    assert_int_equal(cli.word_count, 3);
    assert_string_equal(cli.words[1], "b");
    assert_string_equal(cli.words[2], "--dry");
    cli_release(&cli);
}

static void refused(char **argv, const char *reason)
{
    struct cli cli;

    assert_int_equal(parse(&cli, argv), -1);
    assert_int_equal(err_kind(), E_INPUT);
    if (strstr(err_text(), reason) == NULL)
        fail_msg("\"%s\" lacks \"%s\"", err_text(), reason);
}

static void wrong_options_are_named_with_what_was_meant(void **state)
{
    (void)state;
    refused(ARGV("--prot", "80"), "did you mean --port?");
    refused(ARGV("--nothing-like-it"), "there is no option \"--nothing-like-it\"");
    refused(ARGV("--from"), "--from needs a value");
    refused(ARGV("--dry=yes"), "--dry takes no value");
    refused(ARGV("--port", "0"), "not between 1 and 65535");
    refused(ARGV("--set", "http_port"), "name=value");
    refused(ARGV("--set", "=5"), "name=value");
    refused(ARGV("--config", "/nonexistent"), "/nonexistent");
}

static void a_list_has_a_limit(void **state)
{
    char *argv[CLI_WORDS_MAX + 3] = {"command"};
    struct cli cli;

    (void)state;
    for (int i = 1; i <= CLI_WORDS_MAX; i++)
        argv[i] = "--candles=x";
    assert_int_equal(parse(&cli, argv), 0);
    cli_release(&cli);
    argv[CLI_WORDS_MAX + 1] = "--candles=x";
    refused(argv, "more than");
    for (int i = 1; i <= CLI_WORDS_MAX + 1; i++)
        argv[i] = "word";
    refused(argv, "more than");
}

/* --- reading again --- */

static const struct cli_option port_alone[] = {{.name = "--port", .setting = "http_port"}, {.name = NULL}};

static void write_conf(const char *dir, const char *text)
{
    char path[SCRATCH_SIZE + 16];

    snprintf(path, sizeof path, "%s/b.conf", dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* A command line with a relative --config is read in `dir`; then the process works elsewhere, as an engine does. */
static void parse_in(const char *dir, struct cli *cli)
{
    static char *argv[] = {"command", "--config", "b.conf", "--set", "publish_poll_ms=70", "--port=81", NULL};

    assert_int_equal(chdir(dir), 0);
    assert_int_equal(cli_parse(cli, 6, argv, port_alone), 0);
    assert_int_equal(chdir("/"), 0);
}

static void a_reload_reads_the_same_sources_from_the_same_place(void **state)
{
    char dir[SCRATCH_SIZE], here[SCRATCH_SIZE];
    enum log_level level;
    struct cli cli;

    (void)state;
    scratch_create(dir);
    write_conf(dir, "log_level = \"warn\"\n");
    parse_in(dir, &cli);
    assert_int_equal(cli_reload(&cli, &level), 0);
    assert_int_equal(level, LOG_WARN);

    /* What the command line says stays stronger than the file. */
    write_conf(dir, "log_level = \"error\"\npublish_poll_ms = 60\nhttp_port = 82\n");
    assert_int_equal(cli_reload(&cli, &level), 1);
    assert_int_equal(level, LOG_ERROR);
    assert_string_equal(cli.settings.log_level, "error");
    assert_int_equal(cli.settings.publish_poll_ms, 70);
    assert_int_equal(cli.settings.http_port, 81);

    write_conf(dir, "log_level = \"error\"\nsymbol = \"ETH-USD\"\n");
    assert_int_equal(cli_reload(&cli, &level), 0);
    assert_string_equal(cli.settings.symbol, "BTC-USD");
    assert_non_null(getcwd(here, sizeof here));
    assert_string_equal(here, "/");
    cli_release(&cli);
    scratch_remove(dir);
}

static void a_broken_file_is_refused_and_nothing_taken_of_it(void **state)
{
    char dir[SCRATCH_SIZE];
    enum log_level level;
    struct cli cli;

    (void)state;
    scratch_create(dir);
    write_conf(dir, "log_level = \"warn\"\n");
    parse_in(dir, &cli);
    write_conf(dir, "log_level = \"error\"\nprovider_poll_ms = soon\n");
    assert_int_equal(cli_reload(&cli, &level), -1);
    assert_int_equal(err_kind(), E_INPUT);
    assert_non_null(strstr(err_text(), "b.conf:2: provider_poll_ms:"));
    assert_string_equal(cli.settings.log_level, "warn");

    write_conf(dir, "log_level = \"loud\"\nprovider_poll_ms = 5000\n");
    assert_int_equal(cli_reload(&cli, &level), -1);
    assert_non_null(strstr(err_text(), "loud"));
    assert_int_equal(cli.settings.provider_poll_ms, 10000);

    scratch_remove(dir); /* neither is there what cannot be read at all */
    assert_int_equal(cli_reload(&cli, &level), -1);
    assert_non_null(strstr(err_text(), "b.conf"));
    assert_string_equal(cli.settings.log_level, "warn");
    cli_release(&cli);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_is_found_by_its_name_and_has_a_manual),
        cmocka_unit_test(suggests_what_was_meant_and_nothing_far_away),
        cmocka_unit_test(options_stand_in_any_order_in_both_forms),
        cmocka_unit_test(wrong_options_are_named_with_what_was_meant),
        cmocka_unit_test(a_list_has_a_limit),
        cmocka_unit_test(a_reload_reads_the_same_sources_from_the_same_place),
        cmocka_unit_test(a_broken_file_is_refused_and_nothing_taken_of_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
