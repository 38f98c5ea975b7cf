/* Role publish: a loop of looks and heartbeats around publish/publisher.c.
 *
 * While PostgreSQL is away the loop goes on beating: what is published stays true until the times that stand in it,
 * and a heart that stops because a database rests would make readers suspect the wrong process. Reconnecting backs off;
 * the way out and the way back are logged once each.
 */
#include "publish/publisher.h"

#include "core/clock.h"
#include "core/err.h"
#include "core/log.h"
#include "core/metrics.h"
#include "core/rand.h"
#include "core/retry.h"
#include "roles/role.h"
#include "store/db.h"
#include "work/work.h"

#define QUERY_TIMEOUT_MS 3000 /* less than readers wait for a heartbeat */
#define RECONNECT_BASE_MS 100
#define RECONNECT_MAX_MS 2000
#define REST_MS 50 /* a slice of the wait for the next try */

struct loop {
    const struct role_context *context;
    struct publisher *publisher;
    struct db *db; /* NULL before the first connection */
    struct rng rng;
    struct backoff backoff;
    bool is_away;          /* has been logged */
    int64_t retry_mono_ms; /* not before */
};

static bool go_on(void *ctx);
static int connect(struct loop *loop);
static void go_away(struct loop *loop, const char *doing);
static void wait_for_change(struct loop *loop);

int publish_run(const struct role_context *context)
{
    struct loop loop = {.context = context};
    uint64_t seed;
    rand_bytes(&seed, sizeof(seed));
    rng_init(&loop.rng, seed);
    backoff_init(&loop.backoff, RECONNECT_BASE_MS, RECONNECT_MAX_MS);
    struct publisher_watch watch = {.go_on = go_on, .ctx = &loop};
    if (publisher_create(&loop.publisher, context->settings, &watch) < 0)
        return -1;

    int result = 0;
    while (!role_is_stopping() && (result = publisher_beat(loop.publisher)) == 0) {
        role_beat(context);
        if (clock_mono_ms() < loop.retry_mono_ms) {
            role_pause(context, REST_MS);
            continue;
        }
        if (!db_is_open(loop.db) && connect(&loop) < 0) {
            go_away(&loop, "connecting to PostgreSQL");
            continue;
        }
        if (publisher_look(loop.publisher, loop.db) < 0) {
            go_away(&loop, "looking for something to publish");
            continue;
        }
        role_ready(context);
        wait_for_change(&loop);
    }
    db_close(&loop.db);
    publisher_free(&loop.publisher);
    return result;
}

/* In the middle of a long look. */
static bool go_on(void *ctx)
{
    const struct loop *loop = ctx;
    role_beat(loop->context);
    return !role_is_stopping();
}

/* A standby cannot be listened to, and any server may refuse: polling alone is enough. */
static int connect(struct loop *loop)
{
    static const char *const channels[] = {PUBLISHER_CHANNEL_GATE, WORK_CHANNEL_CANDLE, WORK_CHANNEL_FORECAST,
                                           WORK_CHANNEL_SCORE};
    const struct settings *settings = loop->context->settings;
    if (loop->db != NULL)
        return db_reconnect(loop->db);
    if (db_open(&loop->db, settings->database_url, loop->context->id, QUERY_TIMEOUT_MS) < 0)
        return -1;
    for (size_t i = 0; i < BTCF_LENGTH(channels); i++)
        if (db_listen(loop->db, channels[i]) < 0)
            log_failure("publish.not_listening", channels[i]);
    err_clear();
    return 0;
}

/* The error ends here: logged once per absence, and a time set for the next try. */
static void go_away(struct loop *loop, const char *doing)
{
    if (!loop->is_away) {
        log_failure("publish.database_away", doing);
        metric_add(METRIC_database_losses_total, 1);
    }
    loop->is_away = true;
    loop->retry_mono_ms = clock_mono_ms() + backoff_next_ms(&loop->backoff, &loop->rng);
    err_clear();
}

/* Until a notification comes, or publish_poll_ms have passed. A standby cannot be listened to: then only time passes. */
static void wait_for_change(struct loop *loop)
{
    if (loop->is_away)
        log_info("publish.database_back", "publishing goes on");
    loop->is_away = false;
    backoff_reset(&loop->backoff);
    if (db_wait(loop->db, loop->context->settings->publish_poll_ms) < 0)
        go_away(loop, "waiting for PostgreSQL");
}
