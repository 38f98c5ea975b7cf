/* btcf engine: the supervisor with the role table, as the account that roles run as. Root is given up before anything
 * else happens.
 */
#include <stdio.h>

#include "cmd/cli.h"
#include "cmd/command.h"
#include "core/err.h"
#include "core/log.h"
#include "core/proc.h"
#include "roles/supervisor.h"

static int reload(void *ctx, enum log_level *level)
{
    return cli_reload(ctx, level);
}

static int run_roles(struct cli *cli, const char *only)
{
    struct supervisor_options options = {
        .settings = &cli->settings, .table = roles, .only = only, .reload = reload, .reload_ctx = cli};

    /* Derived first: the places depend on who starts us, root included. */
    if (settings_derive(&cli->settings) < 0 || proc_become(cli->settings.user) < 0 ||
        log_parse_level(cli->settings.log_level, &options.log_level) < 0)
        return -1;
    log_use_text(cli->settings.log_text);
    return supervisor_run(&options) < 0 ? -1 : EXIT_OK;
}

static int run(int argc, char **argv)
{
    const char *only = NULL;
    const struct cli_option options[] = {{.name = "--role", .value = &only}, {.name = NULL}};
    struct cli cli;

    if (cli_parse(&cli, argc, argv, options) < 0)
        return -1;
    int result =
        cli.word_count == 0 ? run_roles(&cli, only) : err_set(E_INPUT, "unexpected argument \"%s\"", cli.words[0]);
    cli_release(&cli);
    return result;
}

const struct command command_engine = {
    .name = "engine",
    .summary = "run the engine's roles under a supervisor",
    .usage =
        "usage: btcf engine [--config FILE] [--set NAME=VALUE]... [--role=NAME]\n"
        "\n"
        "Runs the roles ingest, worker and publish against the configured database and restarts what fails.\n"
        "Started by root it becomes the account of the setting `user` first.\n"
        "\n"
        "  --role=NAME   only this role: publish, ingest, meter, api, worker-fast, worker-heavy or worker-io\n"
        "\n"
        "SIGTERM and SIGINT drain: roles finish what they have begun, for at most drain_timeout_ms; a second one\n"
        "ends them at once. SIGHUP reads the configuration again; roles start again one after another when settings\n"
        "that may change have changed. Logs are JSON lines on standard error. Under systemd use Type=notify.\n",
    .run = run,
};
