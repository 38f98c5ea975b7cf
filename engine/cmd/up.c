/* btcf up: everything on one machine, from nothing to answered requests, and all of it ended again.
 *
 *   look      is all there that is needed? nothing has been changed when one of these fails
 *   enter     make the state directory, become the account, take the lock
 *   start     PostgreSQL, schema, history, feed, engine, nginx
 *   guard     restart what dies, show progress, until SIGTERM or SIGINT
 *   stop      nginx (requests finish), engine (roles drain), market clock, PostgreSQL (checkpoint)
 */
#include "cmd/up.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/cli.h"
#include "cmd/command.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/rand.h"
#include "core/retry.h"
#include "roles/supervisor.h"

#define RESTART_BASE_MS 200
#define RESTART_MAX_MS 2000
#define RESTART_STABLE_MS 30000
#define GUARD_STEP_MS 200
#define WAIT_STEP_MS 20
#define FORCED_TIMEOUT_MS 3000
/* Beyond drain_timeout_ms, after which the supervisor itself kills its roles. */
#define ENGINE_GRACE_MS 3000

void up_say(const char *what, const char *fmt, ...)
{
    va_list args;

    printf("  %-12s ", what);
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
}

bool up_end_child(pid_t *pid, int gentle, int forced, int64_t timeout_ms)
{
    bool is_forced = proc_stop_count() > 1;
    int64_t end_ms = clock_mono_ms() + (is_forced ? FORCED_TIMEOUT_MS : timeout_ms);
    pid_t group = *pid;
    int status, ended = 0;

    if (*pid == 0)
        return true;
    kill(*pid, is_forced ? forced : gentle);
    kill(*pid, SIGCONT); /* a stopped process takes no other signal */
    while ((ended = proc_wait(*pid, WAIT_STEP_MS, &status)) == 0 && clock_mono_ms() < end_ms) {
        if (is_forced || proc_stop_count() < 2)
            continue;
        is_forced = true;
        end_ms = clock_mono_ms() + FORCED_TIMEOUT_MS;
        kill(*pid, forced);
    }
    if (ended == 0)
        proc_stop(*pid, SIGKILL, FORCED_TIMEOUT_MS, &status);
    kill(-group, SIGKILL); /* what a killed child has left of its own children */
    *pid = 0;
    return ended != 0;
}

/* --- the engine, as a service of ours --- */

static int reload_engine(void *ctx, enum log_level *level)
{
    return cli_reload(ctx, level);
}

static int run_engine(void *arg)
{
    const struct up *up = arg;
    struct supervisor_options options = {
        .settings = up->settings, .table = roles, .reload = reload_engine, .reload_ctx = up->cli};

    /* What is open belongs to `btcf up`: database, lock, module. */
    proc_close_all();
    log_use_text(up->settings->log_text);
    if (log_parse_level(up->settings->log_level, &options.log_level) == 0 && supervisor_run(&options) == 0)
        return EXIT_OK;
    log_failure("engine.failed", "engine");
    return EXIT_FAILED;
}

static int start_engine(struct up *up)
{
    char log_path[UP_PATH_SIZE];
    struct proc_spec child = {.name = "btcf:supervisor",
                              .run = run_engine,
                              .ctx = up,
                              .dir = up->settings->run_dir,
                              .output = log_path,
                              .death_signal = SIGTERM};

    snprintf(log_path, sizeof log_path, "%s/log/engine.log", up->settings->state_dir);
    return proc_spawn(&child, &up->engine);
}

static void stop_engine(struct up *up)
{
    up_end_child(&up->engine, SIGTERM, SIGTERM, up->settings->drain_timeout_ms + ENGINE_GRACE_MS);
}

/* --- guard --- */

struct service {
    const char *name;
    pid_t *pid;
    int (*start)(struct up *up);
    struct backoff backoff;
    int64_t started_ms, start_at_ms;
};

#define SERVICES_COUNT 3

static void notice_end(struct service *service, struct rng *rng)
{
    char reason[PROC_STATUS_TEXT_SIZE];
    pid_t group = *service->pid;
    int status;

    if (group == 0 || proc_wait(group, 0, &status) != 1)
        return;
    kill(-group, SIGKILL); /* nginx workers of a dead master keep its port */
    *service->pid = 0;
    if (clock_mono_ms() - service->started_ms >= RESTART_STABLE_MS)
        backoff_reset(&service->backoff);
    int64_t pause_ms = backoff_next_ms(&service->backoff, rng);
    service->start_at_ms = clock_mono_ms() + pause_ms;
    proc_status_text(status, reason);
    up_say(service->name, "ended: %s; it starts again in %lld ms", reason, (long long)pause_ms);
}

static void restart_due(struct up *up, struct service *service, struct rng *rng)
{
    if (*service->pid != 0 || clock_mono_ms() < service->start_at_ms)
        return;
    service->started_ms = clock_mono_ms();
    if (service->start(up) == 0) {
        up_say(service->name, "running again");
        return;
    }
    up_end_child(service->pid, SIGTERM, SIGTERM, FORCED_TIMEOUT_MS);
    int64_t pause_ms = backoff_next_ms(&service->backoff, rng);
    service->start_at_ms = clock_mono_ms() + pause_ms;
    up_say(service->name, "%s; trying again in %lld ms", err_text(), (long long)pause_ms);
}

/* The engine reads the settings again for its roles, and we do for an engine that we may have to start again. */
static void reload(struct up *up)
{
    enum log_level unused;
    int changed = cli_reload(up->cli, &unused);

    if (changed < 0 || (changed > 0 && up_state_save(up) < 0))
        up_say("reload", "%s", err_text());
    else
        up_say("reload", changed > 0 ? "the engine takes the new settings" : "no setting has changed");
    if (up->engine != 0)
        kill(up->engine, SIGHUP);
    if (up->nginx != 0)
        kill(up->nginx, SIGHUP);
}

/* A terminal that has been closed is a Ctrl-C that nobody can press any more; any other SIGHUP asks for a reload. */
static bool has_hung_up(struct up *up)
{
    if (!proc_take_reload())
        return false;
    if (up->terminal_fd >= 0 && !isatty(up->terminal_fd))
        return true;
    reload(up);
    return false;
}

static void guard(struct up *up)
{
    struct service services[SERVICES_COUNT] = {
        {.name = "postgres", .pid = &up->postgres, .start = up_postgres_start},
        {.name = "engine", .pid = &up->engine, .start = start_engine},
        {.name = "nginx", .pid = &up->nginx, .start = up_nginx_start},
    };
    bool is_watching = true;
    struct rng rng;

    rng_init(&rng, (uint64_t)clock_wall_ms() ^ (uint64_t)getpid());
    for (size_t i = 0; i < SERVICES_COUNT; i++) {
        backoff_init(&services[i].backoff, RESTART_BASE_MS, RESTART_MAX_MS);
        services[i].started_ms = clock_mono_ms();
    }
    while (!proc_should_stop() && !has_hung_up(up)) {
        for (size_t i = up->is_private_database ? 0 : 1; i < SERVICES_COUNT && !proc_should_stop(); i++) {
            notice_end(&services[i], &rng);
            restart_due(up, &services[i], &rng);
        }
        if (is_watching)
            is_watching = up_watch_step(up);
        proc_wait_ms(GUARD_STEP_MS);
    }
}

/* --- the order --- */

static int look(struct up *up)
{
    if (up_state_find(up) < 0 || up_postgres_check(up) < 0 || up_nginx_look(up) < 0)
        return -1;
    return up_data_open(up);
}

static int enter(struct up *up)
{
    if (up_state_make(up) < 0 || up_state_enter(up) < 0)
        return -1;
    up_say("state", "%s", up->settings->state_dir);
    return up_nginx_check_port(up);
}

static int start(struct up *up)
{
    if (up_postgres_start(up) < 0 || up_data_prepare(up) < 0 || start_engine(up) < 0 || up_nginx_start(up) < 0)
        return -1;
    up_say("nginx", "listening on %s port %lld", up->settings->http_host, (long long)up->settings->http_port);
    return 0;
}

static void stop(struct up *up)
{
    int64_t begin_ms = clock_mono_ms();

    up_nginx_stop(up);
    stop_engine(up);
    if (up->postgres != 0 || !up->is_private_database)
        up_data_pause(up);
    up_postgres_stop(up);
    up_state_leave(up);
    up_say("stopped", "everything has ended (%.1f s)", (double)(clock_mono_ms() - begin_ms) / 1000);
}

static int run_up(struct up *up)
{
    char failure[ERR_TEXT_MAX];
    enum err_kind kind;

    printf("btcf " BTCF_VERSION "\n");
    fflush(stdout);
    log_init("up", LOG_WARN);
    log_use_text(true);
    proc_signals_init();
    up->started_ms = clock_mono_ms();
    if (look(up) < 0)
        return -1;
    bool is_entered = enter(up) == 0;
    if (is_entered && start(up) == 0) {
        guard(up);
        stop(up);
        return EXIT_OK;
    }
    /* Kept aside: stopping makes errors of its own. */
    snprintf(failure, sizeof failure, "%s", err_text());
    kind = err_kind();
    if (is_entered)
        stop(up);
    else
        up_state_leave(up);
    if (proc_should_stop())
        return EXIT_OK;
    return err_set(kind, "%s", failure);
}

static int run(int argc, char **argv)
{
    struct up up = {.history_interval = "1h",
                    .history_fd = -1,
                    .module_fd = -1,
                    .terminal_fd = isatty(STDOUT_FILENO) ? STDOUT_FILENO : -1,
                    .lock = {.fd = -1}};
    const struct cli_option options[] = {
        {.name = "--state", .setting = "state_dir"},
        {.name = "--port", .setting = "http_port"},
        {.name = "--history", .value = &up.history},
        {.name = "--interval", .value = &up.history_interval},
        {.name = NULL},
    };
    struct settings defaults;
    struct cli cli;

    if (cli_parse(&cli, argc, argv, options) < 0)
        return -1;
    up.cli = &cli;
    up.settings = &cli.settings;
    int result = settings_load(&defaults, NULL);
    if (result == 0) {
        up.is_default_state = strcmp(cli.settings.state_dir, defaults.state_dir) == 0;
        settings_release(&defaults);
    }
    if (result == 0 && cli.word_count > 0)
        result = err_set(E_INPUT, "unexpected argument \"%s\"", cli.words[0]);
    if (result == 0)
        result = run_up(&up);
    cli_release(&cli);
    return result;
}

const struct command command_up = {
    .name = "up",
    .summary = "run everything on this machine: private PostgreSQL, engine and nginx",
    .usage =
        "usage: btcf up [--state DIR] [--port N] [--history FILE [--interval 1h]] [--config FILE] [--set NAME=VALUE]...\n"
        "\n"
        "Starts a private PostgreSQL, the engine and nginx, shows how history is loaded and models are fitted, prints\n"
        "the addresses, and stays in the foreground. Ctrl-C or SIGTERM ends all of it in order; a second one at once.\n"
        "SIGHUP reads the configuration again and reloads nginx, but a closed terminal ends everything. A later start\n"
        "resumes where this one ended.\n"
        "\n"
        "  --state DIR     where databases, logs and sockets live; default var\n"
        "  --port N        where nginx listens; default 8080\n"
        "  --history FILE  candles to import first, in any format of `btcf import`; - is standard input\n"
        "  --interval I    length of the history's candles; default 1h\n"
        "\n"
        "Candles come from the exchanges where they can be reached, else the end of the imported history is replayed,\n"
        "else prices are simulated; every answer says which (--set mode=live, replay or simulate decides it).\n"
        "Started by root, everything runs as the account of the setting `user`.\n",
    .run = run,
};
