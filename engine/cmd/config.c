/* btcf config: whether the settings are right, and what they are. Reads and prints; creates and starts nothing. */
#include "cmd/command.h"

#include <stdio.h>
#include <string.h>

#include "cmd/cli.h"
#include "core/err.h"
#include "core/log.h"

#define DUMP_SIZE_MAX ((size_t)1 << 20)

/* What the table of settings cannot check: words with a meaning. */
static int check_words(const struct settings *settings)
{
    static const char *const modes[] = {"auto", "live", "replay", "simulate"};
    enum log_level level;

    if (log_parse_level(settings->log_level, &level) < 0)
        return err_wrap("log_level");
    for (size_t i = 0; i < BTCF_LENGTH(modes); i++)
        if (strcmp(settings->mode, modes[i]) == 0)
            return 0;
    return err_set(E_INPUT, "mode: \"%s\" is not one of auto, live, replay, simulate", settings->mode);
}

static int dump(const struct settings *settings)
{
    struct strbuf text;

    strbuf_init(&text, DUMP_SIZE_MAX);
    settings_dump(settings, &text);
    fputs(text.ptr, stdout);
    strbuf_release(&text);
    return EXIT_OK;
}

static int check(const struct settings *settings)
{
    if (check_words(settings) < 0)
        return -1;
    puts("the settings are right");
    return EXIT_OK;
}

static int run(int argc, char **argv)
{
    const struct cli_option options[] = {{.name = NULL}};
    struct cli cli;

    if (cli_parse(&cli, argc, argv, options) < 0)
        return -1;
    bool is_check = cli.word_count == 1 && strcmp(cli.words[0], "check") == 0;
    bool is_dump = cli.word_count == 1 && strcmp(cli.words[0], "dump") == 0;
    int status = -1;

    if (!is_check && !is_dump)
        err_set(E_INPUT, "say what: btcf config check, or btcf config dump");
    else if (settings_derive(&cli.settings) == 0)
        status = is_check ? check(&cli.settings) : dump(&cli.settings);
    cli_release(&cli);
    return status;
}

const struct command command_config = {
    .name = "config",
    .summary = "check or print the settings",
    .usage = "usage: btcf config check|dump [--config FILE] [--set NAME=VALUE ...]\n"
             "\n"
             "check   reads the settings and says what is wrong with them: file, line, setting\n"
             "dump    prints all of them as a file, with what each one means; secrets are not shown\n"
             "\n"
             "Settings come from their defaults, then FILE (or what BTCF_CONFIG names), then variables BTCF_<NAME>,\n"
             "then --set. A secret may be given as the path of a file: NAME_file, BTCF_<NAME>_FILE.\n",
    .run = run,
};
