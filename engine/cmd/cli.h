/* The command line of a subcommand that works with the settings: --config FILE and --set NAME=VALUE everywhere, the
 * command's own options from a table, everything else positional.
 *
 *     const char *history = NULL;
 *     struct cli_list candles = {0};
 *     bool is_dry = false;
 *     const struct cli_option options[] = {
 *         {.name = "--port", .setting = "http_port"},       --port 80 or --port=80: the same as --set http_port=80
 *         {.name = "--history", .value = &history},
 *         {.name = "--candles", .list = &candles},          may be repeated
        {.name = "--dry-run", .flag = &is_dry},
 *         {.name = NULL},
 *     };
 *     struct cli cli;
 *     if (cli_parse(&cli, argc, argv, options) < 0)
 *         return -1;
 *     ... cli.settings, cli.words[0 .. cli.word_count) ...
 *     cli_release(&cli);
 *
 * The file is read first and the command line applied over it, wherever --config stands; without --config, BTCF_CONFIG
 * names the file. After "--" every argument is positional.
 */
#ifndef CMD_CLI_H
#define CMD_CLI_H

#include "core/base.h"
#include "core/log.h"
#include "core/settings.h"

#define CLI_WORDS_MAX 32
#define CLI_PATH_SIZE 4096

struct cli_list {
    const char *values[CLI_WORDS_MAX];
    size_t count;
};

struct cli_option {
    const char *name;      /* "--port" */
    const char *setting;   /* its value goes to this setting, or */
    const char **value;    /* here (borrowed from argv; the last one wins), or */
    struct cli_list *list; /* behind those already here, or */
    bool *flag;            /* it takes no value and sets this */
};

struct cli {
    struct settings settings; /* loaded, not derived: call settings_derive when every setting is in place */
    const char *words[CLI_WORDS_MAX];
    size_t word_count;
    const char *config_path; /* NULL: none */

    /* For cli_reload: what cli_parse was called with, where, and what it read. */
    int argc;
    char **argv;
    const struct cli_option *options;
    char dir[CLI_PATH_SIZE];
    struct settings first;
};

/* E_INPUT names the option, or file, line and setting. On error there is nothing to release. */
int cli_parse(struct cli *cli, int argc, char **argv, const struct cli_option *options) BTCF_MUST_CHECK;
void cli_release(struct cli *cli);

/* Reads file, environment and command line again, as cli_parse did: relative paths begin where it was called, wherever
 * this process works by now. Reloadable settings in cli->settings take their new values; one warning in the log names
 * the others that differ, which keep theirs. 1: some have changed, 0: none, and *level is what log_level now means; -1
 * as cli_parse, and then nothing has changed. argv and options must still be there, without lists among them. */
int cli_reload(struct cli *cli, enum log_level *level) BTCF_MUST_CHECK;

#endif
