/* btcf: one program, many commands. This file turns argv into a command of cmd/command.h and its result into an exit
 * status; it knows `help` and `version` itself and nothing of what the others do.
 */
#include <stdio.h>
#include <string.h>

#include "cmd/command.h"
#include "core/err.h"
#include "core/proc.h"

static int print_help(FILE *out)
{
    fputs("usage: btcf <command> [options]\n\n"
          "Bitcoin forecasts as calibrated distributions, served from shared memory.\n\n",
          out);
    for (size_t i = 0; commands[i] != NULL; i++)
        fprintf(out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    fprintf(out, "  %-10s %s\n  %-10s %s\n\n", "help", "this text, or the manual of a command: btcf help <command>",
            "version", "the version of this program");
    return out == stdout ? EXIT_OK : EXIT_USAGE;
}

static int fail_unknown(const char *name)
{
    const char *suggestion = command_suggest(name);

    fprintf(stderr, "btcf: there is no command \"%s\"", name);
    if (suggestion != NULL)
        fprintf(stderr, "; did you mean \"%s\"?\n", suggestion);
    else
        fprintf(stderr, "; `btcf help` lists them\n");
    return EXIT_USAGE;
}

static int help(const char *name)
{
    if (name == NULL)
        return print_help(stdout);

    const struct command *command = command_find(name);
    if (command == NULL)
        return fail_unknown(name);
    fputs(command->usage, stdout);
    return EXIT_OK;
}

static bool is_help(const char *word)
{
    return strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static bool is_version(const char *word)
{
    return strcmp(word, "version") == 0 || strcmp(word, "--version") == 0;
}

static int run_command(const struct command *command, int argc, char **argv)
{
    /* Anywhere: `btcf ledger verify --help` asks for the same page as `btcf ledger --help`. */
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return help(command->name);

    int status = command->run(argc, argv);
    if (status >= 0)
        return status;
    fprintf(stderr, "btcf %s: %s\n", command->name, err_text());
    return err_kind() == E_INPUT ? EXIT_USAGE : EXIT_FAILED;
}

int main(int argc, char **argv)
{
    argv = proc_title_init(argv);
    if (argc < 2)
        return print_help(stderr);
    if (is_help(argv[1]))
        return help(argv[2]);
    if (is_version(argv[1])) {
        puts("btcf " BTCF_VERSION);
        return EXIT_OK;
    }
    const struct command *command = command_find(argv[1]);
    if (command == NULL)
        return fail_unknown(argv[1]);
    return run_command(command, argc - 1, argv + 1);
}
