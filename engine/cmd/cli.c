/* Two passes over argv: the first looks for --config only, because the file is what the rest is applied over. */
#include "cmd/cli.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/err.h"

#define SETTING_NAME_MAX 63
#define KEPT_SIZE_MAX 4096

/* One option with its value, as `walk` finds it. */
struct found {
    const struct cli_option *option;
    const char *value; /* NULL for a flag */
};

/* "--port" or "--port=80" is the option `name`; *inline_value is what stands behind "=", or NULL. */
static bool is_option(const char *argument, const char *name, const char **inline_value)
{
    size_t len = strlen(name);

    if (strncmp(argument, name, len) != 0 || (argument[len] != '\0' && argument[len] != '='))
        return false;
    *inline_value = argument[len] == '=' ? argument + len + 1 : NULL;
    return true;
}

static const struct cli_option *find_option(const struct cli_option *options, const char *argument,
                                            const char **inline_value)
{
    for (const struct cli_option *option = options; option->name != NULL; option++)
        if (is_option(argument, option->name, inline_value))
            return option;
    return NULL;
}

static int set_from_pair(struct settings *settings, const char *pair)
{
    char name[SETTING_NAME_MAX + 1];
    const char *equals = strchr(pair, '=');

    if (equals == NULL || equals == pair || (size_t)(equals - pair) > SETTING_NAME_MAX)
        return err_set(E_INPUT, "--set wants name=value, not \"%s\"", pair);
    snprintf(name, sizeof name, "%.*s", (int)(equals - pair), pair);
    return settings_set(settings, name, equals + 1, "--set");
}

static int add_to_list(const struct cli_option *option, const char *value)
{
    if (option->list->count == CLI_WORDS_MAX)
        return err_set(E_INPUT, "%s: more than %d of them", option->name, CLI_WORDS_MAX);
    option->list->values[option->list->count++] = value;
    return 0;
}

static int apply(struct cli *cli, const struct cli_option *option, const char *value)
{
    if (option->flag != NULL)
        *option->flag = true;
    else if (option->setting != NULL)
        return settings_set(&cli->settings, option->setting, value, option->name);
    else if (option->value != NULL)
        *option->value = value;
    else if (option->list != NULL)
        return add_to_list(option, value);
    else
        return set_from_pair(&cli->settings, value);
    return 0;
}

static int fail_unknown(const struct cli_option *options, const char *argument)
{
    const char *nearest = NULL;
    size_t nearest_distance = STR_DISTANCE_MEANT_MAX + 1;

    for (; options->name != NULL; options++) {
        size_t distance = str_distance(argument, options->name);

        if (distance < nearest_distance) {
            nearest = options->name;
            nearest_distance = distance;
        }
    }
    if (nearest != NULL)
        return err_set(E_INPUT, "there is no option \"%s\"; did you mean %s?", argument, nearest);
    return err_set(E_INPUT, "there is no option \"%s\"; see --help", argument);
}

/* Takes the option at argv[*i], and the value behind it when it needs one. */
static int take_option(const struct cli_option *options, char **argv, int *i, struct found *found)
{
    const char *inline_value;

    found->option = find_option(options, argv[*i], &inline_value);
    if (found->option == NULL)
        return fail_unknown(options, argv[*i]);
    if (found->option->flag != NULL) {
        found->value = NULL;
        return inline_value == NULL ? 0 : err_set(E_INPUT, "%s takes no value", found->option->name);
    }
    found->value = inline_value != NULL ? inline_value : argv[++*i];
    return found->value != NULL ? 0 : err_set(E_INPUT, "%s needs a value", found->option->name);
}

static int take_word(struct cli *cli, const char *word)
{
    if (cli->word_count == CLI_WORDS_MAX)
        return err_set(E_INPUT, "more than %d arguments", CLI_WORDS_MAX);
    cli->words[cli->word_count++] = word;
    return 0;
}

/* The first pass acts on --config alone, the second on everything else. */
static int walk(struct cli *cli, int argc, char **argv, const struct cli_option *table, bool is_first_pass)
{
    bool only_words = false;

    for (int i = 1; i < argc; i++) {
        struct found found = {NULL, NULL};

        if (!only_words && strcmp(argv[i], "--") == 0) {
            only_words = true;
            continue;
        }
        if (only_words || argv[i][0] != '-' || argv[i][1] == '\0') {
            if (!is_first_pass && take_word(cli, argv[i]) < 0)
                return -1;
            continue;
        }
        if (take_option(table, argv, &i, &found) < 0)
            return -1;
        bool is_config = found.option->value == &cli->config_path;
        if (is_first_pass == is_config && apply(cli, found.option, found.value) < 0)
            return -1;
    }
    return 0;
}

#define OPTIONS_MAX 24

int cli_parse(struct cli *cli, int argc, char **argv, const struct cli_option *options)
{
    struct cli_option table[OPTIONS_MAX + 1] = {{.name = "--config", .value = &cli->config_path}, {.name = "--set"}};
    size_t count = 2;

    *cli = (struct cli){.config_path = getenv("BTCF_CONFIG"), .argc = argc, .argv = argv, .options = options};
    if (getcwd(cli->dir, sizeof cli->dir) == NULL)
        cli->dir[0] = '\0'; /* only cli_reload needs it, and will say so */
    while (options->name != NULL && count < OPTIONS_MAX)
        table[count++] = *options++;
    if (walk(cli, argc, argv, table, true) < 0 || settings_load(&cli->settings, cli->config_path) < 0)
        return -1;
    if (walk(cli, argc, argv, table, false) < 0) {
        settings_release(&cli->settings);
        return -1;
    }
    settings_copy(&cli->first, &cli->settings);
    return 0;
}

void cli_release(struct cli *cli)
{
    settings_release(&cli->settings);
    settings_release(&cli->first);
}

/* Goes back to where the command line was given, for as long as it is read. That may be forbidden by now, because the
 * process has become another account: only a relative path needs it. */
static int read_again(const struct cli *cli, struct cli *again)
{
    int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC), result;
    bool is_there = here >= 0 && chdir(cli->dir) == 0;
    int error = errno;

    if (!is_there && cli->config_path != NULL && cli->config_path[0] != '/')
        result =
            err_set(E_STORE, "cannot read %s again, a path from %s: %s", cli->config_path, cli->dir, strerror(error));
    else
        result = cli_parse(again, cli->argc, cli->argv, cli->options);
    if (is_there && fchdir(here) < 0)
        abort(); /* every relative path would be another one from now on */
    if (here >= 0)
        close(here);
    return result;
}

int cli_reload(struct cli *cli, enum log_level *level)
{
    struct strbuf kept;
    struct cli again;

    for (const struct cli_option *option = cli->options; option->name != NULL; option++)
        assert(option->list == NULL); /* it would get its values twice */
    if (read_again(cli, &again) < 0)
        return -1;
    int result = log_parse_level(again.settings.log_level, level);
    if (result == 0) {
        strbuf_init(&kept, KEPT_SIZE_MAX);
        result = settings_reload(&cli->settings, &cli->first, &again.settings, &kept) ? 1 : 0;
        if (kept.len > 0)
            log_warn("settings.kept", "only a new start changes what the configuration now says of: %s", kept.ptr);
        strbuf_release(&kept);
    }
    cli_release(&again);
    return result;
}
