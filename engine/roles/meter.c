/* Role meter: a loop around meter/drain.c.
 *
 * Whoever drains a directory holds the lock of a file in it, so a second meter of the same machine waits until the first has
 * ended, which the kernel says at once, however it ended. The lock keeps meters out of each other's way; what makes
 * a second one harmless is the fencing number in the database, since a transaction can outlive the process that sent it.
 *
 * While PostgreSQL is away, or is a standby that may not be written, usage waits in edge. Any error ends in a new
 * connection and with cursors loaded again: the database is the only memory of what has been booked.
 */
#include "meter/drain.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/clock.h"
#include "core/err.h"
#include "core/log.h"
#include "core/metrics.h"
#include "core/proc.h"
#include "core/rand.h"
#include "core/retry.h"
#include "roles/role.h"
#include "store/component.h"
#include "store/db.h"

#define LOCK_FILE "meter.pid"
#define RECONNECT_BASE_MS 100
#define RECONNECT_MAX_MS 2000
#define COMPONENT_EVERY_MS 60000 /* a row that says the same is written again so often */

struct loop {
    const struct role_context *context;
    struct meter *meter;
    struct pidfile lock;
    struct db *db; /* NULL: none */
    struct rng rng;
    struct backoff backoff;
    bool is_away, is_second; /* has been logged */
    uint32_t waiting_said;   /* what the component row says, and since when */
    int64_t said_mono_ms;
};

static bool has_lock(struct loop *loop);
static int connect(struct loop *loop);
static void go_away(struct loop *loop);
static int say(struct loop *loop);

int meter_run(const struct role_context *context)
{
    struct loop loop = {.context = context, .lock = {.fd = -1}};
    uint64_t seed;
    rand_bytes(&seed, sizeof(seed));
    rng_init(&loop.rng, seed);
    backoff_init(&loop.backoff, RECONNECT_BASE_MS, RECONNECT_MAX_MS);
    loop.meter = meter_create(context->settings->shm_dir);

    while (!role_is_stopping()) {
        role_beat(context);
        if (!has_lock(&loop)) {
            role_ready(context); /* it does what a second one has to */
            role_pause(context, context->settings->meter_poll_ms);
            continue;
        }
        int more = db_is_open(loop.db) || connect(&loop) == 0 ? meter_drain(loop.meter, loop.db) : -1;
        if (more < 0 || say(&loop) < 0) {
            go_away(&loop);
            role_pause(context, RECONNECT_BASE_MS + backoff_next_ms(&loop.backoff, &loop.rng));
            continue;
        }
        if (loop.is_away)
            log_info("meter.resumed", "draining goes on");
        loop.is_away = false;
        backoff_reset(&loop.backoff);
        role_ready(context);
        if (more == 0)
            role_pause(context, context->settings->meter_poll_ms);
    }
    db_close(&loop.db);
    meter_free(&loop.meter);
    if (loop.lock.fd >= 0)
        pidfile_close(&loop.lock);
    return 0;
}

static bool has_lock(struct loop *loop)
{
    char path[sizeof(loop->lock.path)];

    if (loop->lock.fd >= 0)
        return true;
    int len = snprintf(path, sizeof(path), "%s/" LOCK_FILE, loop->context->settings->shm_dir);
    if (len < (int)sizeof(path) && pidfile_open(&loop->lock, path) == 0) {
        if (loop->is_second)
            log_info("meter.first", "this is the one that drains now");
        return true;
    }
    if (!loop->is_second)
        log_failure("meter.waits", "taking the place of the one that drains");
    loop->is_second = true;
    err_clear();
    return false;
}

static int connect(struct loop *loop)
{
    const struct settings *settings = loop->context->settings;
    return db_open(&loop->db, settings->database_url, loop->context->id, settings->database_timeout_ms);
}

/* The error ends here: logged once per absence. The connection ends too, since the next one may reach a server that can be
 * written when this one cannot. */
static void go_away(struct loop *loop)
{
    if (!loop->is_away) {
        log_failure("meter.interrupted", "draining usage");
        metric_add(METRIC_database_losses_total, 1);
    }
    loop->is_away = true;
    err_clear();
    db_close(&loop->db);
    meter_forget(loop->meter);
}

static int say(struct loop *loop)
{
    uint32_t waiting = meter_waiting(loop->meter);
    int64_t now_ms = clock_mono_ms();
    char detail[64] = "";
    struct component row = {.name = "meter", .state = "ok", .detail = detail};

    if (loop->said_mono_ms != 0 && waiting == loop->waiting_said && now_ms - loop->said_mono_ms < COMPONENT_EVERY_MS)
        return 0;
    if (waiting > 0)
        snprintf(detail, sizeof(detail), "%" PRIu32 " rows of usage wait for an owner", waiting);
    if (component_save(loop->db, &row, clock_wall_ms()) < 0)
        return err_wrap("while saying that the meter runs");
    loop->waiting_said = waiting;
    loop->said_mono_ms = now_ms;
    return 0;
}
