/* One poll loop over core/proc's wake-up descriptor and a pipe per role.
 *
 * Time is looked at once per round. Whatever has to happen at an instant (a start, the end of patience with a silent
 * role, the end of the drain, the next word to systemd's watchdog) is a deadline that `next_deadline` knows.
 */
#include "roles/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/err.h"
#include "core/proc.h"
#include "core/rand.h"
#include "core/retry.h"
#include "http/server.h"

/* A failing role comes back within two seconds however often it fails: a forecast service whose publisher sleeps for
 * half a minute has failed its readers, and one start in two seconds costs nothing. */
#define RESTART_BASE_MS 100
#define RESTART_MAX_MS 2000
#define RESTART_STABLE_MS 10000

/* How long the next role waits for one that has been started again with new settings: it is better to go on than to
 * leave half of the engine with old ones because one role cannot work now. */
#define RENEWAL_READY_MAX_MS 5000

#define NEVER_MS INT64_MAX
#define PATH_SIZE 4200
#define DIR_MODE 0750

struct instance {
    const struct role *role;
    struct role_context context;
    enum log_level log_level;
    pid_t pid;          /* 0: not running */
    int beat_fd;        /* reading end; -1 when not running */
    int64_t started_ms; /* monotonic, as all times here */
    int64_t last_beat_ms;
    int64_t start_at_ms; /* when not running */
    int64_t kill_at_ms;  /* asked to end for new settings, and until when; else NEVER_MS */
    bool is_ready, has_been_ready;
    bool is_outdated; /* runs with older settings than there are */
    struct backoff backoff;
};

struct supervisor {
    const struct supervisor_options *options;
    struct instance instances[SUPERVISOR_INSTANCES_MAX];
    size_t count;
    struct instance *renewed; /* the one that gets new settings now; NULL: none */
    int64_t renewal_ends_ms;  /* when the next one's turn comes in any case */
    struct rng rng;           /* jitter */
    bool is_stopping, has_said_ready;
    int64_t drain_timeout_ms;
    int64_t kill_at_ms;  /* while stopping */
    int64_t watchdog_ms; /* 0: systemd asks for none */
    int64_t next_watchdog_ms;
};

static int64_t earlier(int64_t a_ms, int64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

/* The socket belongs to the supervisor, which does not touch what comes through it: requests wait in it while an instance
 * starts again. -1 for a role without one. */
static int open_socket(const struct supervisor_options *options, const struct role *role, int *fd)
{
    char path[PATH_SIZE];

    *fd = -1;
    if (role->socket == NULL)
        return 0;
    /* The folder of sockets and the one it lies in; that they exist is fine, that they cannot is what listening says. */
    if (options->settings->state_dir != NULL)
        mkdir(options->settings->state_dir, DIR_MODE);
    mkdir(options->settings->run_dir, DIR_MODE);
    snprintf(path, sizeof path, "%s/%s", options->settings->run_dir, role->socket);
    return http_listen(path, fd);
}

static int add_role(struct supervisor *supervisor, const struct supervisor_options *options, const struct role *role)
{
    int64_t count = role->count != NULL ? role->count(options->settings) : 1;
    int listen_fd;

    if (open_socket(options, role, &listen_fd) < 0)
        return -1;
    for (int i = 0; i < count; i++) {
        if (supervisor->count == SUPERVISOR_INSTANCES_MAX)
            return err_set(E_LIMIT, "more than %d role processes are configured", SUPERVISOR_INSTANCES_MAX);
        struct instance *instance = &supervisor->instances[supervisor->count++];

        *instance = (struct instance){
            .role = role,
            .log_level = options->log_level,
            .beat_fd = -1,
            .kill_at_ms = NEVER_MS,
            .context = {.settings = options->settings,
                        .name = role->name,
                        .lane = role->lane,
                        .index = i,
                        .listen_fd = listen_fd,
                        .beat_fd = -1},
        };
        backoff_init(&instance->backoff, RESTART_BASE_MS, RESTART_MAX_MS);
        if (count == 1)
            snprintf(instance->context.id, ROLE_ID_SIZE, "%s", role->name);
        else
            snprintf(instance->context.id, ROLE_ID_SIZE, "%s-%d", role->name, i);
    }
    return 0;
}

static int add_roles(struct supervisor *supervisor, const struct supervisor_options *options)
{
    if (options->only != NULL) {
        const struct role *role = role_find(options->table, options->only);

        if (role == NULL)
            return err_set(E_INPUT, "there is no role \"%s\"", options->only);
        return add_role(supervisor, options, role);
    }
    for (const struct role *role = options->table; role->name != NULL; role++)
        if (add_role(supervisor, options, role) < 0)
            return -1;
    return 0;
}

static int run_instance(void *arg)
{
    const struct instance *instance = arg;

    return role_main(instance->role, &instance->context, instance->log_level);
}

static int start_instance(struct instance *instance, int64_t now_ms)
{
    int ends[2];
    char name[16], title[sizeof "btcf: " + ROLE_ID_SIZE];

    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return err_set(E_STORE, "cannot make a pipe: %s", strerror(errno));
    snprintf(name, sizeof name, "btcf:%.10s", instance->context.id);
    snprintf(title, sizeof title, "btcf: %s", instance->context.id);
    instance->context.beat_fd = ends[1];
    struct proc_spec child = {
        .name = name, .title = title, .run = run_instance, .ctx = instance, .death_signal = SIGKILL};
    int result = proc_spawn(&child, &instance->pid);
    close(ends[1]);
    if (result < 0) {
        instance->pid = 0;
        close(ends[0]);
        return -1;
    }
    instance->beat_fd = ends[0];
    instance->started_ms = instance->last_beat_ms = now_ms;
    instance->is_ready = instance->is_outdated = false;
    log_info("role.started", "%s is pid %d", instance->context.id, (int)instance->pid);
    return 0;
}

static void start_due(struct supervisor *supervisor, int64_t now_ms)
{
    for (size_t i = 0; i < supervisor->count; i++) {
        struct instance *instance = &supervisor->instances[i];

        if (instance->pid != 0 || instance->start_at_ms > now_ms)
            continue;
        if (start_instance(instance, now_ms) < 0) {
            log_failure("role.not_started", instance->context.id);
            instance->start_at_ms = now_ms + RESTART_MAX_MS;
        }
    }
}

static void kill_silent(struct supervisor *supervisor, int64_t now_ms)
{
    for (size_t i = 0; i < supervisor->count; i++) {
        struct instance *instance = &supervisor->instances[i];
        int64_t silence_ms = now_ms - instance->last_beat_ms;

        if (instance->pid == 0 || instance->role->silence_max_ms == 0 || silence_ms <= instance->role->silence_max_ms)
            continue;
        log_error("role.hung", "%s (pid %d) has been silent for %.1f s and is killed", instance->context.id,
                  (int)instance->pid, (double)silence_ms / 1000);
        kill(instance->pid, SIGKILL);
        instance->last_beat_ms = now_ms; /* one line, one kill; the reaper does the rest */
    }
}

static void signal_all(const struct supervisor *supervisor, int number)
{
    for (size_t i = supervisor->count; i-- > 0;)
        if (supervisor->instances[i].pid != 0)
            kill(supervisor->instances[i].pid, number);
}

static void begin_stop(struct supervisor *supervisor, int64_t now_ms)
{
    log_info("engine.stopping", "roles have %lld ms to finish", (long long)supervisor->drain_timeout_ms);
    proc_notify("STOPPING=1");
    supervisor->is_stopping = true;
    supervisor->kill_at_ms = now_ms + supervisor->drain_timeout_ms;
    signal_all(supervisor, SIGTERM);
}

static void kill_overdue(struct supervisor *supervisor, int64_t now_ms)
{
    if (now_ms < supervisor->kill_at_ms)
        return;
    for (size_t i = 0; i < supervisor->count; i++)
        if (supervisor->instances[i].pid != 0)
            log_warn("role.killed", "%s (pid %d) did not finish in time", supervisor->instances[i].context.id,
                     (int)supervisor->instances[i].pid);
    signal_all(supervisor, SIGKILL);
    supervisor->kill_at_ms = NEVER_MS;
}

static void say_ready(struct supervisor *supervisor)
{
    size_t ready = 0;
    char status[64];

    for (size_t i = 0; i < supervisor->count; i++)
        ready += supervisor->instances[i].has_been_ready;
    snprintf(status, sizeof status, "STATUS=%zu of %zu roles are ready", ready, supervisor->count);
    proc_notify(status);
    if (ready < supervisor->count || supervisor->has_said_ready)
        return;
    supervisor->has_said_ready = true;
    log_info("engine.ready", "all %zu roles are ready", ready);
    proc_notify("READY=1");
}

static void take_beats(struct supervisor *supervisor, struct instance *instance, int64_t now_ms)
{
    char bytes[256];
    ssize_t got;

    while (instance->beat_fd >= 0 && (got = read(instance->beat_fd, bytes, sizeof bytes)) > 0) {
        instance->last_beat_ms = now_ms;
        if (memchr(bytes, SUPERVISOR_READY, (size_t)got) == NULL)
            continue;
        instance->is_ready = true;
        if (!instance->has_been_ready) {
            instance->has_been_ready = true;
            say_ready(supervisor);
        }
    }
}

static void end_instance(struct supervisor *supervisor, struct instance *instance, int status, int64_t now_ms)
{
    char reason[PROC_STATUS_TEXT_SIZE];
    double age_s = (double)(now_ms - instance->started_ms) / 1000;
    int pid = (int)instance->pid;
    bool was_asked = instance->kill_at_ms != NEVER_MS;

    proc_status_text(status, reason);
    take_beats(supervisor, instance, now_ms);
    kill(-instance->pid, SIGKILL); /* whatever it may have started itself */
    close(instance->beat_fd);
    instance->beat_fd = -1;
    instance->pid = 0;
    instance->kill_at_ms = NEVER_MS;
    if (supervisor->is_stopping || was_asked) {
        log_info("role.ended", "%s (pid %d) ended after %.1f s: %s", instance->context.id, pid, age_s, reason);
        instance->start_at_ms = now_ms; /* when only new settings were the reason */
        return;
    }
    if (now_ms - instance->started_ms >= RESTART_STABLE_MS)
        backoff_reset(&instance->backoff);
    int64_t pause_ms = backoff_next_ms(&instance->backoff, &supervisor->rng);
    instance->start_at_ms = now_ms + pause_ms;
    log_warn("role.ended", "%s (pid %d) ended after %.1f s: %s; it starts again in %lld ms", instance->context.id,
             pid, age_s, reason, (long long)pause_ms);
}

static void reap(struct supervisor *supervisor, int64_t now_ms)
{
    int status;
    pid_t pid;

    /* As process 1 of a container we also inherit strangers: they are reaped and forgotten. */
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (size_t i = 0; i < supervisor->count; i++)
            if (supervisor->instances[i].pid == pid)
                end_instance(supervisor, &supervisor->instances[i], status, now_ms);
}

/* --- new settings --- */

static void reload(struct supervisor *supervisor)
{
    const struct supervisor_options *options = supervisor->options;
    enum log_level level;

    if (options->reload == NULL)
        return;
    int changed = options->reload(options->reload_ctx, &level);
    if (changed < 0) {
        log_failure("engine.reload_refused", "keeping the old settings");
        return;
    }
    if (changed == 0) {
        log_info("engine.reloaded", "no setting has changed");
        return;
    }
    log_info("engine.reloading", "settings have changed; roles start again one after another");
    log_init("supervisor", level);
    for (size_t i = 0; i < supervisor->count; i++) {
        supervisor->instances[i].log_level = level;
        supervisor->instances[i].is_outdated = supervisor->instances[i].pid != 0;
    }
}

/* Asked to end, not yet started again, or started and not yet at work; but not for longer than a renewal may take. */
static bool is_being_renewed(const struct supervisor *supervisor, int64_t now_ms)
{
    const struct instance *instance = supervisor->renewed;

    if (instance == NULL || now_ms >= supervisor->renewal_ends_ms)
        return false;
    if (instance->pid == 0 || instance->kill_at_ms != NEVER_MS)
        return true;
    return !instance->is_ready && !instance->is_outdated; /* outdated: yet another reload came in between */
}

/* Backwards through the table: publish stands first in it, and so is the last to pause. */
static struct instance *find_outdated(struct supervisor *supervisor)
{
    for (size_t i = supervisor->count; i-- > 0;)
        if (supervisor->instances[i].pid != 0 && supervisor->instances[i].is_outdated)
            return &supervisor->instances[i];
    return NULL;
}

static void kill_undrained(struct supervisor *supervisor, int64_t now_ms)
{
    struct instance *instance = supervisor->renewed;

    if (instance == NULL || instance->pid == 0 || now_ms < instance->kill_at_ms)
        return;
    log_warn("role.killed", "%s (pid %d) did not finish in time", instance->context.id, (int)instance->pid);
    kill(instance->pid, SIGKILL);
    instance->kill_at_ms = now_ms + supervisor->drain_timeout_ms;
}

/* Gives new settings to one role at a time, so that most of the engine works at any instant. */
static void renew(struct supervisor *supervisor, int64_t now_ms)
{
    bool was_renewing = supervisor->renewed != NULL;

    kill_undrained(supervisor, now_ms);
    if (is_being_renewed(supervisor, now_ms))
        return;
    supervisor->renewed = find_outdated(supervisor);
    if (supervisor->renewed != NULL) {
        supervisor->renewed->kill_at_ms = now_ms + supervisor->drain_timeout_ms;
        supervisor->renewal_ends_ms = supervisor->renewed->kill_at_ms + RENEWAL_READY_MAX_MS;
        kill(supervisor->renewed->pid, SIGTERM);
    } else if (was_renewing) {
        log_info("engine.reloaded", "all roles have the new settings");
    }
}

/* --- the loop --- */

static void take_signals(struct supervisor *supervisor, int64_t now_ms)
{
    if (proc_should_stop() && !supervisor->is_stopping)
        begin_stop(supervisor, now_ms);
    if (proc_take_reload() && !supervisor->is_stopping)
        reload(supervisor);
    if (proc_stop_count() > 1 && supervisor->kill_at_ms != NEVER_MS) /* asked twice: somebody is in a hurry */
        supervisor->kill_at_ms = now_ms;
    reap(supervisor, now_ms);
}

static void feed_watchdog(struct supervisor *supervisor, int64_t now_ms)
{
    if (supervisor->watchdog_ms == 0 || now_ms < supervisor->next_watchdog_ms)
        return;
    proc_notify("WATCHDOG=1");
    supervisor->next_watchdog_ms = now_ms + supervisor->watchdog_ms;
}

static int64_t next_deadline(const struct supervisor *supervisor)
{
    int64_t next_ms = supervisor->is_stopping ? supervisor->kill_at_ms : NEVER_MS;

    if (supervisor->watchdog_ms != 0)
        next_ms = earlier(next_ms, supervisor->next_watchdog_ms);
    if (supervisor->renewed != NULL && !supervisor->is_stopping)
        next_ms = earlier(next_ms, earlier(supervisor->renewed->kill_at_ms, supervisor->renewal_ends_ms));
    for (size_t i = 0; i < supervisor->count; i++) {
        const struct instance *instance = &supervisor->instances[i];

        if (instance->pid == 0 && !supervisor->is_stopping)
            next_ms = earlier(next_ms, instance->start_at_ms);
        if (instance->pid != 0 && instance->role->silence_max_ms != 0)
            next_ms = earlier(next_ms, instance->last_beat_ms + instance->role->silence_max_ms + 1);
    }
    return next_ms;
}

/* Sleeps until something happens or is due, then takes it in. */
static void wait_and_take(struct supervisor *supervisor)
{
    struct pollfd fds[SUPERVISOR_INSTANCES_MAX + 1] = {{.fd = proc_wake_fd(), .events = POLLIN}};
    int64_t deadline_ms = next_deadline(supervisor);
    int64_t left_ms = deadline_ms == NEVER_MS ? INT32_MAX : deadline_ms - clock_mono_ms();

    for (size_t i = 0; i < supervisor->count; i++)
        fds[i + 1] = (struct pollfd){.fd = supervisor->instances[i].beat_fd, .events = POLLIN};
    poll(fds, supervisor->count + 1, (int)(left_ms < 0 ? 0 : earlier(left_ms, INT32_MAX)));
    int64_t now_ms = clock_mono_ms();
    proc_wake_clear(); /* before the flags are looked at */
    for (size_t i = 0; i < supervisor->count; i++)
        if (fds[i + 1].revents & POLLIN)
            take_beats(supervisor, &supervisor->instances[i], now_ms);
    take_signals(supervisor, now_ms);
}

static bool has_running(const struct supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->count; i++)
        if (supervisor->instances[i].pid != 0)
            return true;
    return false;
}

static void supervise(struct supervisor *supervisor)
{
    while (!supervisor->is_stopping || has_running(supervisor)) {
        int64_t now_ms = clock_mono_ms();

        if (supervisor->is_stopping) {
            kill_overdue(supervisor, now_ms);
        } else {
            renew(supervisor, now_ms);
            start_due(supervisor, now_ms);
        }
        kill_silent(supervisor, now_ms);
        feed_watchdog(supervisor, now_ms);
        wait_and_take(supervisor);
    }
}

int supervisor_run(const struct supervisor_options *options)
{
    struct supervisor supervisor = {
        .options = options, .drain_timeout_ms = options->settings->drain_timeout_ms, .kill_at_ms = NEVER_MS};
    uint64_t watchdog_us = 0;

    log_init("supervisor", options->log_level);
    if (add_roles(&supervisor, options) < 0)
        return -1;
    proc_title_set("btcf:supervisor", "btcf: supervisor");
    proc_signals_init();
    rng_init(&supervisor.rng, (uint64_t)clock_wall_ms() ^ (uint64_t)getpid());
    if (sd_watchdog_enabled(0, &watchdog_us) > 0)
        supervisor.watchdog_ms = (int64_t)(watchdog_us / 2000); /* twice per period */
    log_info("engine.started", "%zu roles", supervisor.count);
    supervise(&supervisor);
    log_info("engine.stopped", "all roles have ended");
    return 0;
}
