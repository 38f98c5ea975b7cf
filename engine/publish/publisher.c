/* See publisher.h. This file decides when and makes the files; auth_tables.c keeps the gate, window.c knows what the
 * documents are and events.c tells whom.
 *
 * An arena holds one look and is emptied by the next, so memory does not grow with the number of looks.
 */
#include "publish/publisher.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/err.h"
#include "core/log.h"
#include "core/metrics.h"
#include "market/candle.h"
#include "publish/auth_tables.h"
#include "publish/doc_jwks.h"
#include "publish/doc_static.h"
#include "publish/events.h"
#include "publish/sandbox.h"
#include "publish/shelf.h"
#include "publish/window.h"
#include "shm/writer.h"
#include "store/db.h"

#define PUBLISHER_MAGIC UINT32_C(0x5b0b115e)
#define LOOK_ARENA_BYTES (64u << 20)
#define METRICS_MS 5000
#define FILE_MODE 0640
#define DIR_MODE 0755
#define PATH_SIZE 4096
#define CLOSE_PATIENCE_MS 300
#define RENEWALS_MAX 4 /* of the file in one look: each is larger than the one before */

/* Columns: newest batch, then the newest change of candle, of the records, provider_state, component, then the sandbox's
 * batch, then the instants of the newest batch and of the newest 1h close. Indexes: unique (feed, issued_at), candle_change,
 * model_version_change, verdict_change, candle's primary key; the other tables have some dozen to some thousand rows. */
static const char SQL_CHANGES[] =
    "SELECT coalesce(b.id, 0), coalesce((SELECT max(change) FROM candle), 0),"
    " greatest((SELECT max(change) FROM accuracy), (SELECT max(change) FROM model_version),"
    " (SELECT max(change) FROM verdict), (SELECT max(change) FROM calibration), (SELECT max(change) FROM model), 0),"
    " coalesce((SELECT max(change) FROM provider_state), 0), coalesce((SELECT max(change) FROM component), 0),"
    " coalesce((SELECT id FROM batch WHERE feed = $2 ORDER BY issued_at DESC LIMIT 1), 0), coalesce(b.issued_at, 0),"
    " coalesce((SELECT max(open_time) + 3600000 FROM candle WHERE feed = $1 AND interval_s = 3600), 0)"
    " FROM (SELECT 1) one LEFT JOIN (SELECT id, issued_at FROM batch WHERE feed = $1 ORDER BY issued_at DESC LIMIT 1) b"
    " ON true";

enum { RECORDS_CHANGE = 2, SANDBOX_CHANGE = 5, ISSUED_AT, CLOSED_AT, CHANGE_COUNT };

/* What a look found; any difference to the last one means work. */
struct sight {
    struct feed feed;
    int64_t changes[CHANGE_COUNT];
};

struct publisher {
    uint32_t magic;
    const struct settings *settings;
    struct publisher_watch watch;
    struct writer *writer; /* NULL: it could not be made; nothing can be published any more */
    struct auth_tables gate;
    struct arena *arena;
    struct shelf shelf;
    struct announced announced;
    struct board board;
    struct records records;
    struct sight seen;
    int64_t awaited_close_ms, awaited_mono_ms; /* the newest close that came before its forecast, and when it did */
    int64_t sandbox_batch;                     /* that the present file shows */
    bool is_live;
    bool is_building;  /* documents are on their way into the present file */
    bool is_uncounted; /* there are no metrics; has been logged */
    int64_t built_mono_ms, beat_mono_ms, metrics_mono_ms;
};

static int make_file(struct publisher *publisher);
static bool go_on(void *ctx);
static int look_for_documents(struct publisher *publisher, struct db *db);
static int publish_jwks(struct publisher *publisher, struct db *db);

static bool is_forecast_near(struct publisher *publisher, const struct sight *sight);
static int load_sight(struct publisher *publisher, struct db *db, struct sight *sight);
static int build(struct publisher *publisher, struct db *db, const struct sight *sight);
static void publish_metrics(struct publisher *publisher);
static void publish_static(struct publisher *publisher);

int publisher_create(struct publisher **out, const struct settings *settings, const struct publisher_watch *watch)
{
    struct publisher *publisher = calloc(1, sizeof(*publisher));
    if (publisher == NULL)
        abort();
    publisher->magic = PUBLISHER_MAGIC;
    publisher->settings = settings;
    publisher->watch = *watch;
    publisher->arena = arena_create("publisher.look", LOOK_ARENA_BYTES);
    records_init(&publisher->records);
    auth_tables_init(&publisher->gate, settings, &(struct auth_tables_watch){.go_on = go_on, .ctx = publisher});
    mkdir(settings->shm_dir, DIR_MODE); /* that it exists is fine; that it cannot exist is what the writer says */
    if (make_file(publisher) < 0) {
        publisher_free(&publisher);
        return -1;
    }
    *out = publisher;
    return 0;
}

void publisher_free(struct publisher **handle)
{
    struct publisher *publisher = *handle;
    *handle = NULL;
    if (publisher == NULL)
        return;
    assert(publisher->magic == PUBLISHER_MAGIC);
    writer_close(&publisher->writer);
    auth_tables_release(&publisher->gate);
    records_release(&publisher->records);
    arena_free(&publisher->arena);
    publisher->magic = 0;
    free(publisher);
}

int publisher_look_at_gate(struct publisher *publisher, struct db *db)
{
    assert(publisher->magic == PUBLISHER_MAGIC);
    if (publisher->writer == NULL)
        return err_set(E_STORE, "there is no shared file to publish in");
    int result = auth_tables_look(&publisher->gate, db);
    if (result == AUTH_TABLES_RENEW && publisher->is_building)
        return 0; /* the next look will want another file again */
    for (int i = 0; i < RENEWALS_MAX && result == AUTH_TABLES_RENEW; i++)
        result = make_file(publisher) < 0 ? -1 : auth_tables_look(&publisher->gate, db);
    if (result == AUTH_TABLES_RENEW)
        result = err_set(E_LIMIT, "the gate does not fit into any file");
    if (result == 0 && publisher->gate.has_new_signing_keys)
        result = publish_jwks(publisher, db);
    return result < 0 ? err_wrap("while looking at the gate") : 0;
}

int publisher_look(struct publisher *publisher, struct db *db)
{
    assert(publisher->magic == PUBLISHER_MAGIC);
    if (!publisher->gate.is_loaded)
        return err_set(E_CONFLICT, "the gate comes first");
    publisher->is_building = true;
    int result = look_for_documents(publisher, db);
    publisher->is_building = false;
    if (result < 0)
        return -1;
    publish_metrics(publisher);
    if (publisher->is_live)
        return 0;
    if (writer_go_live(publisher->writer) < 0)
        return err_wrap("while putting the shared file in its place");
    publisher->is_live = true;
    log_info("publish.live", "%zu documents are published in %s", publisher->shelf.count,
             publisher->settings->shm_dir);
    return 0;
}

int publisher_beat(struct publisher *publisher)
{
    int64_t now_ms = clock_mono_ms();
    if (now_ms - publisher->beat_mono_ms < PUBLISHER_BEAT_MS)
        return 0;
    publisher->beat_mono_ms = now_ms;
    if (publisher->writer == NULL)
        return err_set(E_STORE, "there is no shared file to publish in");
    writer_beat(publisher->writer);
    auth_tables_tidy(&publisher->gate);
    if (writer_is_in_place(publisher->writer))
        return 0;
    return err_set(E_CONFLICT, "the published file in %s was removed or replaced; it has to be made anew",
                   publisher->settings->shm_dir);
}

/* A new file and all that is published without looking at anything. The one before stays in force until this is live. */
static int make_file(struct publisher *publisher)
{
    const char *dir = publisher->settings->shm_dir;
    writer_close(&publisher->writer);
    struct writer_options options = {.dir = dir,
                                     .build = BTCF_VERSION,
                                     .doc_count_max = PUBLISHER_DOC_COUNT_MAX,
                                     .doc_bytes_max = DOCUMENT_BYTES_MAX,
                                     .event_count = PUBLISHER_EVENT_COUNT,
                                     .dist_count_max = 2 * HORIZON_COUNT, /* the sandbox has its own */
                                     .mode = FILE_MODE,
                                     .auth = auth_tables_capacity(&publisher->gate, dir)};
    if (writer_create(&publisher->writer, &options) < 0)
        return err_wrap("while making the shared file in %s", dir);
    publisher->is_live = false;
    publisher->sandbox_batch = 0;
    shelf_init(&publisher->shelf, publisher->writer);
    auth_tables_begin(&publisher->gate, publisher->writer);
    publish_static(publisher);
    return 0;
}

/* Long work of the gate must look alive to the supervisor and to readers. */
static bool go_on(void *ctx)
{
    struct publisher *publisher = ctx;
    if (publisher_beat(publisher) < 0)
        err_clear(); /* the role's loop will find out the same */
    return publisher->watch.go_on(publisher->watch.ctx);
}

static int look_for_documents(struct publisher *publisher, struct db *db)
{
    arena_reset(publisher->arena);
    struct sight sight;
    if (load_sight(publisher, db, &sight) < 0)
        return err_wrap("while looking for something to publish");
    bool is_due = clock_mono_ms() - publisher->built_mono_ms >= PUBLISHER_REBUILD_MS;
    bool is_changed = memcmp(&sight, &publisher->seen, sizeof(sight)) != 0;
    if (publisher->is_live && !is_due && (!is_changed || is_forecast_near(publisher, &sight)))
        return 0;
    if (build(publisher, db, &sight) < 0)
        return err_wrap("while publishing");
    publisher->seen = sight;
    publisher->built_mono_ms = clock_mono_ms();
    return 0;
}

/* A close is followed by its forecast within a moment. Rendering everything in between would make that one wait, and
 * would have to be done again; so documents of the close wait for the forecast, for CLOSE_PATIENCE_MS at most. */
static bool is_forecast_near(struct publisher *publisher, const struct sight *sight)
{
    int64_t closed_at = sight->changes[CLOSED_AT], now_ms = clock_mono_ms();
    if (sight->changes[ISSUED_AT] == 0 || sight->changes[ISSUED_AT] >= closed_at)
        return false;
    if (publisher->awaited_close_ms != closed_at) {
        publisher->awaited_close_ms = closed_at;
        publisher->awaited_mono_ms = now_ms;
    }
    return now_ms - publisher->awaited_mono_ms < CLOSE_PATIENCE_MS;
}

static int publish_jwks(struct publisher *publisher, struct db *db)
{
    struct db_rows keys;
    struct document doc = {
        .key = JWKS_KEY, .doc_class = BTCF_DOC_STATIC, .type = BTCF_TYPE_JSON, .published_ms = clock_wall_ms()};
    if (gate_signing_keys(db, publisher->gate.arena, &keys) < 0)
        return -1;
    document_init(&doc);
    doc_jwks_render(&keys, &doc.fresh);
    int result = shelf_put(&publisher->shelf, &doc, NULL);
    document_release(&doc);
    if (result == 0)
        publisher->gate.has_new_signing_keys = false;
    return result;
}

/* Before the first feed exists there is a nameless one, so that /v1/status can tell what is being waited for. */
static int load_sight(struct publisher *publisher, struct db *db, struct sight *sight)
{
    struct db_rows rows;
    memset(sight, 0, sizeof(*sight));
    if (feed_load_active(db, publisher->settings->symbol, &sight->feed) < 0) {
        if (err_kind() != E_MISSING)
            return -1;
        err_clear();
        memset(sight, 0, sizeof(*sight));
        snprintf(sight->feed.symbol, sizeof(sight->feed.symbol), "%s", publisher->settings->symbol);
        snprintf(sight->feed.state, sizeof(sight->feed.state), "starting");
        sight->feed.degraded = true;
        sight->feed.speed = 1;
    }
    if (db_query(db, publisher->arena, SQL_CHANGES, &rows, DB_TEXT(sight->feed.name), DB_TEXT(FEED_SANDBOX), DB_END) <
        0)
        return -1;
    for (size_t i = 0; i < CHANGE_COUNT; i++)
        sight->changes[i] = db_i64(&rows, 0, i);
    return 0;
}

static int build(struct publisher *publisher, struct db *db, const struct sight *sight)
{
    struct window window = {.feed = &sight->feed,
                            .prefix = "",
                            .now_wall_ms = clock_wall_ms(),
                            .board = &publisher->board,
                            .records = &publisher->records,
                            .records_change = sight->changes[RECORDS_CHANGE]};
    if (window_show(db, publisher->arena, &window, &publisher->shelf) < 0)
        return -1;
    if (sight->changes[SANDBOX_CHANGE] != publisher->sandbox_batch &&
        sandbox_publish(db, publisher->arena, publisher->settings->symbol, &publisher->shelf) < 0)
        return -1;
    publisher->sandbox_batch = sight->changes[SANDBOX_CHANGE];
    events_announce(&window, &publisher->announced, publisher->writer);
    metric_set(METRIC_forecast_issued_at_seconds, window.batch.issued_at / MS_PER_S);
    metric_set(METRIC_forecast_published_at_seconds, window.batch.created_wall_ms / MS_PER_S);
    bool degraded = sight->feed.degraded || window.batch.degraded;
    writer_set_health(publisher->writer, degraded ? BTCF_HEALTH_DEGRADED : 0);
    return 0;
}

/* The engine's own numbers, as a document that only the worker's /metrics reads. */
static void publish_metrics(struct publisher *publisher)
{
    int64_t now_ms = clock_mono_ms();
    if (publisher->is_live && now_ms - publisher->metrics_mono_ms < METRICS_MS)
        return;
    publisher->metrics_mono_ms = now_ms;
    struct document doc = {
        .key = "/metrics", .doc_class = BTCF_DOC_INTERNAL, .type = BTCF_TYPE_TEXT, .published_ms = clock_wall_ms()};
    char dir[PATH_SIZE];
    snprintf(dir, sizeof(dir), "%s/" METRICS_DIR, publisher->settings->run_dir);
    document_init(&doc);
    bool rendered = metrics_render(dir, &doc.fresh) == 0;
    if (!rendered && !publisher->is_uncounted)
        log_failure("publish.no_metrics", dir);
    publisher->is_uncounted = !rendered;
    if (rendered && shelf_put(&publisher->shelf, &doc, NULL) < 0)
        log_failure("publish.failed", doc.key);
    document_release(&doc);
}

static void publish_static(struct publisher *publisher)
{
    struct document doc = {.doc_class = BTCF_DOC_STATIC, .published_ms = clock_wall_ms()};
    document_init(&doc);
    doc.key = "/openapi.json";
    doc_openapi_render(&doc.fresh);
    if (shelf_put(&publisher->shelf, &doc, NULL) < 0)
        log_failure("publish.failed", doc.key);
    doc.key = "/docs";
    doc.type = BTCF_TYPE_HTML;
    strbuf_reset(&doc.fresh);
    doc_docs_render(&doc.fresh);
    if (shelf_put(&publisher->shelf, &doc, NULL) < 0)
        log_failure("publish.failed", doc.key);
    document_release(&doc);
}
