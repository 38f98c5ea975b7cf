/* Role ingest: providers -> checked candles -> rows, and a forecast job for every hour that closes.
 *
 * Live, it looks at the exchanges every provider_poll_ms and shortly after each hour. In a replay or simulation it looks
 * when the market's clock shows the next hour. What a look does is work/intake.c; whom to believe, market/ingest.c. A
 * database that fails ends the round, and the next one begins with a new connection.
 */
#include <string.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/err.h"
#include "core/log.h"
#include "core/retry.h"
#include "market/feed.h"
#include "market/feed_setup.h"
#include "net/https.h"
#include "roles/role.h"
#include "store/component.h"
#include "store/db.h"
#include "work/intake.h"

#define ARENA_MAX (64 << 20)
#define AFTER_HOUR_MS 3000 /* exchanges need a moment to close an hour */
#define CATCH_UP_MS 200    /* between two rounds that fetch the past */
#define PACE_MS 50         /* shortest pause between two rounds */
#define PAUSE_MAX_MS 1000
#define TELL_EVERY_MS 10000
#define RETRY_BASE_MS 200
#define RETRY_MAX_MS 5000

struct ingest_role {
    const struct role_context *context;
    const struct settings *settings;
    struct db *db, *progress_db; /* progress is told outside of the transaction that makes a feed */
    struct https *https;
    struct intake intake;
    struct backoff backoff;
    struct rng rng;
    int64_t tell_again_ms; /* monotonic */
    const char *told;      /* the component row's state; NULL: not yet */
};

static int start(struct ingest_role *role);
static int run_round(struct ingest_role *role);
static void recover(struct ingest_role *role);
static int64_t next_pause_ms(const struct ingest_role *role);
static void stop(struct ingest_role *role);

int ingest_run(const struct role_context *context)
{
    struct ingest_role role = {.context = context, .settings = context->settings};
    int rc = start(&role);

    if (rc == 0)
        role_ready(context);
    while (rc == 0 && !role_is_stopping()) {
        if (run_round(&role) < 0)
            recover(&role);
        role_pause(context, next_pause_ms(&role));
    }
    stop(&role);
    return rc;
}

static bool is_cancelled(void *arg)
{
    role_beat(arg);
    return role_is_stopping();
}

static int tell(struct ingest_role *role, struct db *db, const struct component *component)
{
    struct component row = *component;

    row.name = role->context->name;
    return component_save(db, &row, clock_wall_ms());
}

static void on_progress(void *arg, const char *what, int64_t done, int64_t total)
{
    struct ingest_role *role = arg;
    struct component component = {.state = "loading", .detail = what, .done = done, .total = total};

    role_beat(role->context);
    if (tell(role, role->progress_db, &component) < 0)
        log_failure("ingest.progress", "telling progress");
}

static int start(struct ingest_role *role)
{
    const struct settings *settings = role->settings;
    struct feed_setup setup = {.settings = settings, .on_progress = on_progress, .arg = role};
    struct feed feed;

    backoff_init(&role->backoff, RETRY_BASE_MS, RETRY_MAX_MS);
    rng_init(&role->rng, (uint64_t)clock_mono_ms());
    if (db_open(&role->db, settings->database_url, role->context->id, settings->database_timeout_ms) < 0 ||
        db_open(&role->progress_db, settings->database_url, role->context->id, settings->database_timeout_ms) < 0)
        return -1;
    role->https = https_create(is_cancelled, (void *)(uintptr_t)role->context);
    setup.db = role->db;
    setup.https = role->https;
    if (feed_setup(&setup, &feed) < 0)
        return -1;
    db_close(&role->progress_db);
    log_info("ingest.feed", "%s: %s", feed.name, feed.note);
    role->intake.context = (struct provider_context){.settings = settings, .db = role->db, .https = role->https};
    if (intake_load(&role->intake) < 0)
        return -1;
    return intake_begin(&role->intake);
}

/* Replaces the component row when it would say something else, and now and then as a sign of life. */
static int tell_state(struct ingest_role *role, const char *state, const char *detail)
{
    struct component component = {.state = state, .detail = detail};

    if (role->told != NULL && strcmp(role->told, state) == 0 && clock_mono_ms() < role->tell_again_ms)
        return 0;
    role->told = state;
    role->tell_again_ms = clock_mono_ms() + TELL_EVERY_MS;
    return tell(role, role->db, &component);
}

static int end_replay(struct ingest_role *role)
{
    log_info("ingest.ended", "%s has come to the end of its history", role->intake.ingest.feed.name);
    return feed_end(role->db, role->intake.ingest.feed.name);
}

static int run_round_in(struct ingest_role *role, struct arena *arena)
{
    struct intake *intake = &role->intake;
    const struct feed *feed = &intake->ingest.feed;

    intake->is_behind = false;
    if (intake_load(intake) < 0)
        return -1;
    if (strcmp(feed->state, "ended") == 0)
        return tell_state(role, "ended", "the history is at its end; the market stands still");
    if (strcmp(feed->state, "running") != 0)
        return tell_state(role, "ok", "the feed is paused");

    int64_t now_ms = feed_market_ms(feed, clock_wall_ms());
    if (!intake_is_live(intake) && intake->last_close_ms >= feed->end_ms)
        return end_replay(role);
    if (!intake_is_live(intake) && intake->last_close_ms + MS_PER_HOUR > now_ms)
        return tell_state(role, "ok", feed->note);
    if (intake_round(intake, arena, now_ms) < 0)
        return -1;
    return intake->has_answer ? tell_state(role, "ok", feed->note) : 0;
}

static int run_round(struct ingest_role *role)
{
    struct arena *arena = arena_create("ingest.round", ARENA_MAX);
    int rc = run_round_in(role, arena);

    arena_free(&arena);
    if (rc == 0)
        backoff_reset(&role->backoff);
    return rc;
}

/* Logs what failed, tells it where readers see it, and gets a lost connection back. */
static void recover(struct ingest_role *role)
{
    /* Everybody may read the row; what exactly an exchange or the database said is for the log. */
    const char *detail = err_kind() == E_UPSTREAM || err_kind() == E_TIMEOUT ? "no provider of candles answers"
                                                                             : "candles cannot be stored";

    if (role_is_stopping())
        return;
    log_failure("ingest.round", "fetching and storing candles");
    role_pause(role->context, backoff_next_ms(&role->backoff, &role->rng));
    if (!db_is_open(role->db) && db_reconnect(role->db) < 0) {
        log_failure("ingest.store", "connecting again");
        return;
    }
    if (tell_state(role, "failed", detail) < 0)
        log_failure("ingest.store", "telling the state");
}

/* Until the market's clock shows the next whole hour. */
static int64_t until_next_hour_ms(const struct ingest_role *role, int64_t wall_ms)
{
    const struct feed *feed = &role->intake.ingest.feed;
    int64_t next_ms = time_floor(feed_market_ms(feed, wall_ms), MS_PER_HOUR) + MS_PER_HOUR;

    return feed_wall_ms(feed, next_ms < feed->end_ms ? next_ms : feed->end_ms) - wall_ms;
}

static int64_t next_pause_ms(const struct ingest_role *role)
{
    const struct intake *intake = &role->intake;
    bool is_live = intake_is_live(intake);

    if (intake->ingest.feed.name[0] == '\0' || intake->waiting_since != 0)
        return PACE_MS;
    if (intake->is_behind)
        return is_live ? CATCH_UP_MS : 0;
    if (strcmp(intake->ingest.feed.state, "running") != 0)
        return PAUSE_MAX_MS;

    int64_t pause_ms = until_next_hour_ms(role, clock_wall_ms()) + (is_live ? AFTER_HOUR_MS : 0);
    int64_t pause_max_ms = is_live ? role->settings->provider_poll_ms : PAUSE_MAX_MS;
    if (pause_ms > pause_max_ms)
        pause_ms = pause_max_ms;
    int64_t pause_min_ms = is_live ? PACE_MS : 1; /* a market's clock that runs fast is met at the millisecond */
    return pause_ms > pause_min_ms ? pause_ms : pause_min_ms;
}

/* The market of a replay stands still while nobody looks after it. */
static void stop(struct ingest_role *role)
{
    const char *feed = role->intake.ingest.feed.name;
    bool has_clock = feed[0] != '\0' && !intake_is_live(&role->intake);

    if (has_clock && db_is_open(role->db) && feed_pause(role->db, feed, clock_wall_ms()) < 0)
        log_failure("ingest.pause", "stopping the market's clock");
    https_free(&role->https);
    db_close(&role->progress_db);
    db_close(&role->db);
}
