/* Role publish: a loop of looks and heartbeats around publish/publisher.c.
 *
 *     gate connection        LISTEN, the gate's tables: looked at first, and again while documents wait for an answer
 *     documents connection   everything else
 *
 * Two connections, because a query for documents may take as long as its timeout (behind the lock of a migration, say)
 * while a revocation has a second. Each goes away and comes back on its own, with backoff, and says so once.
 *
 * While PostgreSQL is away the loop goes on beating: what is published stays true until the times that stand in it,
 * and a heart that stops because a database rests would make readers suspect the wrong process.
 */
#include "publish/publisher.h"

#include <stdio.h>

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

struct link {
    int (*look)(struct publisher *publisher, struct db *db);
    const char *doing;
    struct db *db; /* NULL before the first connection */
    struct backoff backoff;
    bool is_away;                          /* has been logged */
    int64_t retry_mono_ms, looked_mono_ms; /* not before; when the last look ended */
};

struct loop {
    const struct role_context *context;
    struct publisher *publisher;
    struct link gate, documents;
    struct rng rng;
};

static bool go_on(void *ctx);
static bool visit(struct loop *loop, struct link *link);
static int connect(struct loop *loop, struct link *link);
static void look_meanwhile(void *ctx);
static void go_away(struct loop *loop, struct link *link, const char *doing);
static void wait_for_change(struct loop *loop);

int publish_run(const struct role_context *context)
{
    struct loop loop = {.context = context,
                        .gate = {.look = publisher_look_at_gate, .doing = "looking at the gate"},
                        .documents = {.look = publisher_look, .doing = "looking for something to publish"}};
    struct publisher_watch watch = {.go_on = go_on, .ctx = &loop};
    uint64_t seed;
    rand_bytes(&seed, sizeof(seed));
    rng_init(&loop.rng, seed);
    backoff_init(&loop.gate.backoff, RECONNECT_BASE_MS, RECONNECT_MAX_MS);
    backoff_init(&loop.documents.backoff, RECONNECT_BASE_MS, RECONNECT_MAX_MS);
    if (publisher_create(&loop.publisher, context->settings, &watch) < 0)
        return -1;

    int result = 0;
    while (!role_is_stopping() && (result = publisher_beat(loop.publisher)) == 0) {
        role_beat(context);
        if (!visit(&loop, &loop.gate)) {
            role_pause(context, REST_MS);
            continue;
        }
        if (visit(&loop, &loop.documents))
            role_ready(context);
        wait_for_change(&loop);
    }
    db_close(&loop.gate.db);
    db_close(&loop.documents.db);
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

/* One look over a connection that may have to be made first. False when it was not to be had. */
static bool visit(struct loop *loop, struct link *link)
{
    if (clock_mono_ms() < link->retry_mono_ms)
        return false;
    err_clear();
    if ((!db_is_open(link->db) && connect(loop, link) < 0) || link->look(loop->publisher, link->db) < 0) {
        go_away(loop, link, link->doing);
        return false;
    }
    link->looked_mono_ms = clock_mono_ms();
    if (link->is_away)
        log_info("publish.database_back", "%s goes on", link->doing);
    link->is_away = false;
    backoff_reset(&link->backoff);
    return true;
}

/* A standby cannot be listened to, and any server may refuse: polling alone is enough. */
static int connect(struct loop *loop, struct link *link)
{
    static const char *const channels[] = {PUBLISHER_CHANNEL_GATE, WORK_CHANNEL_CANDLE, WORK_CHANNEL_FORECAST,
                                           WORK_CHANNEL_SCORE};
    if (link->db != NULL)
        return db_reconnect(link->db);
    if (db_open(&link->db, loop->context->settings->database_url, loop->context->id, QUERY_TIMEOUT_MS) < 0)
        return -1;
    if (link == &loop->documents)
        db_on_wait(link->db, look_meanwhile, loop);
    for (size_t i = 0; i < BTCF_LENGTH(channels) && link == &loop->gate; i++)
        if (db_listen(link->db, channels[i]) < 0)
            log_failure("publish.not_listening", channels[i]);
    err_clear();
    return 0;
}

/* While documents wait for an answer, what must not wait is done over the other connection. Not in the middle of a failure:
 * its error would be lost. */
static void look_meanwhile(void *ctx)
{
    struct loop *loop = ctx;
    if (err_kind() != E_NONE || clock_mono_ms() - loop->gate.looked_mono_ms < DB_WAIT_STEP_MS)
        return;
    role_beat(loop->context);
    if (publisher_beat(loop->publisher) < 0)
        err_clear(); /* the loop will be told again */
    if (db_is_open(loop->gate.db))
        visit(loop, &loop->gate);
}

/* The error ends here: logged once per absence, and a time set for the next try. */
static void go_away(struct loop *loop, struct link *link, const char *doing)
{
    if (!link->is_away) {
        log_failure("publish.database_away", doing);
        metric_add(METRIC_database_losses_total, 1);
    }
    link->is_away = true;
    link->retry_mono_ms = clock_mono_ms() + backoff_next_ms(&link->backoff, &loop->rng);
    err_clear();
}

/* Until a notification comes, or publish_poll_ms have passed. */
static void wait_for_change(struct loop *loop)
{
    if (db_wait(loop->gate.db, loop->context->settings->publish_poll_ms) < 0)
        go_away(loop, &loop->gate, "waiting for PostgreSQL");
}
