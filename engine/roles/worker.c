/* Role worker: plans what is due in its lane, claims one job at a time, does it. One loop for the three lanes.
 *
 * A job that fails is put back or laid to rest by the queue, which knows what deserves another try; the loop goes on.
 * While PostgreSQL is away the loop waits with a growing, jittered pause and claims nothing. On SIGTERM the job at hand
 * is finished (long ones ask whether they should stop); what the grace period cuts off loses its lease and is done by
 * another worker.
 */
#include "core/err.h"
#include "core/log.h"
#include "core/metrics.h"
#include "core/retry.h"
#include "roles/role.h"
#include "store/db.h"
#include "work/desk.h"
#include "work/work.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#define POLL_MS 250
#define RECONNECT_BASE_MS 200
#define RECONNECT_MAX_MS 5000
#define WORKER_NAME_SIZE (HOST_NAME_MAX + ROLE_ID_SIZE + 2)

struct loop {
    const struct role_context *context;
    struct desk desk; /* its db is NULL before the first connection */
    char name[WORKER_NAME_SIZE];
    struct backoff backoff;
    bool is_away; /* has been logged */
};

static int connect(struct loop *loop);
static void beat(void *ctx);
static bool should_stop(void *ctx);

int worker_run(const struct role_context *context)
{
    struct loop loop = {.context = context};
    char host[HOST_NAME_MAX + 1] = "";
    gethostname(host, sizeof(host) - 1);
    snprintf(loop.name, sizeof(loop.name), "%s/%s", host, context->id);
    loop.desk = (struct desk){.settings = context->settings,
                              .lane = context->lane,
                              .worker = loop.name,
                              .beat = beat,
                              .should_stop = should_stop,
                              .ctx = &loop};
    desk_init(&loop.desk);
    backoff_init(&loop.backoff, RECONNECT_BASE_MS, RECONNECT_MAX_MS);

    while (!role_is_stopping()) {
        role_beat(context);
        int done = db_is_open(loop.desk.db) || connect(&loop) == 0 ? desk_round(&loop.desk) : -1;
        if (done >= 0) {
            loop.is_away = false;
            backoff_reset(&loop.backoff);
            role_ready(context);
        }
        if (done == 0)
            done = db_wait(loop.desk.db, POLL_MS);
        if (done >= 0)
            continue;
        if (!loop.is_away) {
            log_failure("worker.interrupted", "working through the queue");
            metric_add(METRIC_database_losses_total, 1);
        }
        loop.is_away = true;
        err_clear();
        role_pause(context, RECONNECT_BASE_MS + backoff_next_ms(&loop.backoff, &loop.desk.rng));
    }
    db_close(&loop.desk.db);
    desk_release(&loop.desk);
    return 0;
}

static int connect(struct loop *loop)
{
    const struct settings *settings = loop->context->settings;
    if (loop->desk.db != NULL)
        return db_reconnect(loop->desk.db);
    if (db_open(&loop->desk.db, settings->database_url, loop->context->id, settings->database_timeout_ms) < 0)
        return -1;
    if (db_listen(loop->desk.db, QUEUE_CHANNEL) < 0 || db_listen(loop->desk.db, WORK_CHANNEL_CANDLE) < 0)
        return err_wrap("while listening for work");
    return 0;
}

static void beat(void *ctx)
{
    const struct loop *loop = ctx;
    role_beat(loop->context);
}

static bool should_stop(void *ctx BTCF_UNUSED)
{
    return role_is_stopping();
}
