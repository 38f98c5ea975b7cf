/* A role's side of the contract: what runs in the forked process around the role's main loop. Signals become flags
 * (core/proc), beats become bytes in the supervisor's pipe.
 */
#include "roles/role.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/err.h"
#include "core/log.h"
#include "core/metrics.h"
#include "core/proc.h"
#include "roles/supervisor.h"

#define BEAT_EVERY_MS 1000
#define PATH_SIZE 4200

static pid_t supervisor_pid; /* 0: not started by role_main */

const struct role *role_find(const struct role *table, const char *name)
{
    for (const struct role *role = table; role->name != NULL; role++)
        if (strcmp(role->name, name) == 0)
            return role;
    return NULL;
}

bool role_is_stopping(void)
{
    /* The kernel kills us when the supervisor dies; this covers a role that has lost that wish, as a program that
     * changes its account does. */
    return proc_should_stop() || (supervisor_pid != 0 && getppid() != supervisor_pid);
}

static void tell(const struct role_context *context, char what)
{
    /* The pipe does not block: when it is full, the supervisor has beats enough to read. */
    if (context->beat_fd >= 0) {
        ssize_t ignored BTCF_UNUSED = write(context->beat_fd, &what, 1);
    }
}

void role_beat(const struct role_context *context)
{
    tell(context, SUPERVISOR_BEAT);
}

void role_ready(const struct role_context *context)
{
    tell(context, SUPERVISOR_READY);
}

bool role_pause(const struct role_context *context, int64_t ms)
{
    int64_t end_ms = clock_mono_ms() + ms;

    for (;;) {
        int64_t left_ms = end_ms - clock_mono_ms();

        role_beat(context);
        if (role_is_stopping())
            return false;
        if (left_ms <= 0)
            return true;
        proc_wait_ms(left_ms < BEAT_EVERY_MS ? left_ms : BEAT_EVERY_MS);
    }
}

/* A role's numbers are worth having and never worth failing for. */
static void count_in_file(const struct role_context *context)
{
    char dir[PATH_SIZE];

    if (context->settings->run_dir == NULL)
        return; /* a test's settings */
    snprintf(dir, sizeof dir, "%s/" METRICS_DIR, context->settings->run_dir);
    mkdir(dir, 0750); /* that it exists is fine; that it cannot exist is what opening says */
    if (metrics_open(dir, context->name, context->index) < 0)
        log_failure("role.uncounted", context->id);
}

int role_main(const struct role *role, const struct role_context *context, enum log_level level)
{
    log_init(context->id, level);
    proc_signals_init();
    supervisor_pid = getppid();
    count_in_file(context);
    if (role->niceness != 0)
        setpriority(PRIO_PROCESS, 0, role->niceness); /* being slower is always allowed */
    if (role->run(context) < 0) {
        log_failure("role.failed", context->id);
        return 1;
    }
    return 0;
}
