/* See window.h. One function per document below; each is a list of: times, fresh text, stale text, shelf. */
#include "publish/window.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "market/candle.h"
#include "publish/doc_accuracy.h"
#include "publish/doc_indicators.h"
#include "publish/doc_models.h"
#include "publish/publisher.h"
#include "shm/writer.h"

/* A live exchange is asked for its price every few seconds; elsewhere prices come with candles. */
#define PRICE_CADENCE_LIVE_MS (INT64_C(60) * MS_PER_S)
#define NEVER_MS (INT64_MAX / 4)
#define DOC_KEY_SIZE (BTCF_DOC_KEY_MAX + 1)

static const int64_t intervals_s[WINDOW_INTERVAL_COUNT] = {3600, 14400, 86400};
static const char *const candle_keys[WINDOW_INTERVAL_COUNT] = {"/v1/candles/1h", "/v1/candles/4h", "/v1/candles/1d"};

static int load_rest(struct db *db, struct arena *arena, struct window *window);
static void publish_forecasts(const struct window *window, struct shelf *shelf);
static void publish_forecast(const struct window *window, const struct forecast_page *page, struct document *doc,
                             struct shelf *shelf);
static void publish_price(const struct window *window, struct shelf *shelf);
static void publish_candles(const struct window *window, size_t i, struct shelf *shelf);
static void publish_indicators(const struct window *window, struct shelf *shelf);
static void publish_status(const struct window *window, struct shelf *shelf);
static void publish_accuracy(const struct window *window, struct shelf *shelf);
static void key_of(const struct window *window, const char *path, char key[DOC_KEY_SIZE]);
static void put(const struct window *window, const struct document *doc, struct shelf *shelf, bool *changed);
static void take_away(const struct window *window, const char *path, struct shelf *shelf);

int window_show(struct db *db, struct arena *arena, struct window *window, struct shelf *shelf)
{
    const char *feed = window->feed->name;
    bool is_new;
    if (view_load_batch(db, arena, feed, &window->batch) < 0)
        return -1;
    /* With the scoreboard as it was known: a new forecast does not wait for a new one, which follows at once. */
    if (records_has(window->records, feed))
        publish_forecasts(window, shelf);
    if (records_update(window->records, db, feed, window->records_change, &is_new) < 0)
        return -1;
    if (is_new)
        publish_forecasts(window, shelf);
    if (load_rest(db, arena, window) < 0)
        return -1;
    publish_price(window, shelf);
    for (size_t i = 0; i < WINDOW_INTERVAL_COUNT; i++)
        publish_candles(window, i, shelf);
    publish_indicators(window, shelf);
    publish_status(window, shelf);
    publish_accuracy(window, shelf);
    return 0;
}

static int load_rest(struct db *db, struct arena *arena, struct window *window)
{
    const char *feed = window->feed->name;
    if (view_load_refusals(db, arena, window->batch.id, &window->refusals, &window->refusal_count) < 0 ||
        view_load_providers(db, arena, feed, &window->providers, &window->provider_count) < 0)
        return -1;
    /* How the engine's parts are is nothing that a sandbox should show: it would not be the same tomorrow. */
    if (!feed_is_sandbox(window->feed) &&
        view_load_components(db, arena, &window->components, &window->component_count) < 0)
        return -1;
    for (size_t i = 0; i < WINDOW_INTERVAL_COUNT; i++) {
        window->candles[i].interval_s = window->quality[i].interval_s = intervals_s[i];
        if (view_load_candles(db, arena, feed, PUBLISHER_CANDLE_COUNT, &window->candles[i]) < 0 ||
            view_load_quality(db, arena, feed, &window->quality[i]) < 0)
            return -1;
    }
    if (board_update(window->board, db, arena, window->feed, window->candles) < 0)
        return -1;
    window->price = price_of(window->providers, window->provider_count, &window->candles[0]);
    return 0;
}

bool window_forecast(const struct window *window, int64_t horizon_s, struct forecast_page *page)
{
    const struct forecast_view *served = batch_find_served(&window->batch, horizon_s);
    if (served == NULL)
        return false;
    *page = (struct forecast_page){
        .feed = window->feed,
        .batch = &window->batch,
        .forecast = served,
        .baseline = batch_find_baseline(&window->batch, horizon_s),
        .accuracy = accuracy_find(window->records->accuracy, window->records->accuracy_count, served->model,
                                  horizon_s, "all"),
        .deadlines = deadlines_of(window->feed, window->batch.issued_at, served->target_at, PUBLISH_CADENCE_MS,
                                  window->now_wall_ms),
    };
    return true;
}

struct status_page window_status(const struct window *window)
{
    const struct candles_view *hourly = &window->candles[0];
    int64_t newest = 0;
    if (hourly->count > 0)
        newest = hourly->rows[hourly->count - 1].open_time + hourly->interval_s * MS_PER_S;
    return (struct status_page){
        .feed = window->feed,
        .batch = &window->batch,
        .newest_candle_at = newest,
        .components = window->components,
        .component_count = window->component_count,
        .providers = window->providers,
        .provider_count = window->provider_count,
    };
}

/* Each horizon, then the list of all of them. The list expires with its first member: it may not hold an expired one. */
static void publish_forecasts(const struct window *window, struct shelf *shelf)
{
    struct document docs[HORIZON_COUNT], list = {.key = FORECAST_LIST_KEY};
    struct str fresh[HORIZON_COUNT], stale[HORIZON_COUNT];
    char keys[HORIZON_COUNT][FORECAST_KEY_SIZE];
    size_t count = 0;
    for (size_t i = 0; i < HORIZON_COUNT; i++) {
        struct forecast_page page;
        forecast_key(horizons[i].seconds, keys[i]);
        if (!window_forecast(window, horizons[i].seconds, &page)) {
            take_away(window, keys[i], shelf);
            continue;
        }
        docs[count] = (struct document){.key = keys[i]};
        document_init(&docs[count]);
        publish_forecast(window, &page, &docs[count], shelf);
        fresh[count] = (struct str){docs[count].fresh.ptr, docs[count].fresh.len};
        stale[count] = (struct str){docs[count].stale.ptr, docs[count].stale.len};
        if (count == 0 || docs[count].expires_at_ms < list.expires_at_ms)
            list.expires_at_ms = docs[count].expires_at_ms;
        list.stale_at_ms = docs[count].stale_at_ms;
        list.published_ms = docs[count].published_ms;
        count++;
    }
    list.doc_class = BTCF_DOC_FORECAST;
    list.cost_units = 1;
    document_init(&list);
    doc_forecast_list_render(fresh, count, &list.fresh);
    doc_forecast_list_render(stale, count, &list.stale);
    if (count > 0)
        put(window, &list, shelf, NULL);
    else
        take_away(window, list.key, shelf);
    document_release(&list);
    for (size_t i = 0; i < count; i++)
        document_release(&docs[i]);
}

/* Document, and its numbers whenever it has changed. Each carries its own times, so neither waits for the other. */
static void publish_forecast(const struct window *window, const struct forecast_page *page, struct document *doc,
                             struct shelf *shelf)
{
    struct btcf_dist_curve curve;
    char key[DOC_KEY_SIZE];
    bool changed = false;
    doc->doc_class = BTCF_DOC_FORECAST;
    doc->published_ms = page->batch->created_wall_ms;
    doc->stale_at_ms = page->deadlines.stale_at_ms;
    doc->expires_at_ms = page->deadlines.expires_at_ms;
    doc->cost_units = 1;
    doc_forecast_render(page, false, &doc->fresh);
    doc_forecast_render(page, true, &doc->stale);
    doc_forecast_curve(page, &curve);
    put(window, doc, shelf, &changed);
    key_of(window, doc->key, key);
    if (changed && writer_publish_dist(shelf->writer, key, &curve) < 0)
        log_failure("publish.failed", key);
}

static void publish_price(const struct window *window, struct shelf *shelf)
{
    bool is_live = strcmp(feed_kind(window->feed), "live") == 0 && window->price.is_consensus;
    int64_t cadence_ms = is_live ? PRICE_CADENCE_LIVE_MS : PUBLISH_CADENCE_MS;
    struct deadlines deadlines =
        deadlines_of(window->feed, window->price.at, NEVER_MS, cadence_ms, window->now_wall_ms);
    struct document doc = {.key = PRICE_KEY,
                           .doc_class = BTCF_DOC_MARKET,
                           .published_ms = window->now_wall_ms,
                           .stale_at_ms = deadlines.stale_at_ms,
                           .cost_units = 1};
    if (!(window->price.price > 0))
        return;
    document_init(&doc);
    doc_price_render(window->feed, &window->price, &deadlines, false, &doc.fresh);
    doc_price_render(window->feed, &window->price, &deadlines, true, &doc.stale);
    put(window, &doc, shelf, NULL);
    document_release(&doc);
}

static void publish_candles(const struct window *window, size_t i, struct shelf *shelf)
{
    const struct candles_view *candles = &window->candles[i];
    int64_t interval_ms = candles->interval_s * MS_PER_S;
    if (candles->count == 0)
        return;
    int64_t close_at = candles->rows[candles->count - 1].open_time + interval_ms;
    struct deadlines deadlines = deadlines_of(window->feed, close_at, NEVER_MS, interval_ms, window->now_wall_ms);
    struct document doc = {.key = candle_keys[i],
                           .doc_class = BTCF_DOC_MARKET,
                           .published_ms = window->now_wall_ms,
                           .stale_at_ms = deadlines.stale_at_ms,
                           .cost_units = 1};
    document_init(&doc);
    doc_candles_render(window->feed, candles, &deadlines, false, &doc.fresh);
    doc_candles_render(window->feed, candles, &deadlines, true, &doc.stale);
    put(window, &doc, shelf, NULL);
    document_release(&doc);
}

/* Both say how things are at the newest hour, and go stale with it. */
static void publish_indicators(const struct window *window, struct shelf *shelf)
{
    const struct board_part *hours = &window->board->parts[0];
    struct document doc = {.doc_class = BTCF_DOC_MARKET, .published_ms = window->now_wall_ms, .cost_units = 1};
    if (hours->state.count == 0)
        return;
    struct risk_page page = {
        .feed = window->feed,
        .board = window->board,
        .batch = &window->batch,
        .life = deadlines_of(window->feed, hours->last_open + hours->interval_s * MS_PER_S, NEVER_MS,
                             PUBLISH_CADENCE_MS, window->now_wall_ms),
    };
    doc.stale_at_ms = page.life.stale_at_ms;
    document_init(&doc);
    doc.key = INDICATORS_KEY;
    doc_indicators_render(window->feed, window->board, &page.life, false, &doc.fresh);
    doc_indicators_render(window->feed, window->board, &page.life, true, &doc.stale);
    put(window, &doc, shelf, NULL);

    doc.key = RISK_KEY;
    strbuf_reset(&doc.fresh);
    strbuf_reset(&doc.stale);
    doc_risk_render(&page, false, &doc.fresh);
    doc_risk_render(&page, true, &doc.stale);
    put(window, &doc, shelf, NULL);
    document_release(&doc);
}

/* Those that cannot go stale: each says in itself as of when it is. */
static void publish_status(const struct window *window, struct shelf *shelf)
{
    struct status_page page = window_status(window);
    struct document doc = {.doc_class = BTCF_DOC_STATUS, .published_ms = window->now_wall_ms};
    document_init(&doc);

    doc.key = "/v1/status";
    doc_status_render(&page, &doc.fresh);
    put(window, &doc, shelf, NULL);

    doc.key = "/v1/models";
    strbuf_reset(&doc.fresh);
    struct models_page models = {.feed = window->feed,
                                 .batch = &window->batch,
                                 .records = window->records,
                                 .refusals = window->refusals,
                                 .refusal_count = window->refusal_count};
    doc_models_render(&models, &doc.fresh);
    put(window, &doc, shelf, NULL);

    doc.key = "/v1/data-quality";
    strbuf_reset(&doc.fresh);
    doc_quality_render(window->feed, window->quality, WINDOW_INTERVAL_COUNT, window->providers,
                       window->provider_count, &doc.fresh);
    put(window, &doc, shelf, NULL);
    document_release(&doc);
}

static void publish_accuracy(const struct window *window, struct shelf *shelf)
{
    const struct records *records = window->records;
    struct document doc = {.key = ACCURACY_KEY, .doc_class = BTCF_DOC_STATUS, .published_ms = window->now_wall_ms};
    char key[ACCURACY_KEY_SIZE];
    document_init(&doc);
    doc_accuracy_render(window->feed, records->accuracy, records->accuracy_count, &doc.fresh);
    put(window, &doc, shelf, NULL);
    for (size_t h = 0; h < HORIZON_COUNT; h++) {
        accuracy_key(horizons[h].seconds, key);
        doc.key = key;
        strbuf_reset(&doc.fresh);
        doc_accuracy_horizon_render(window->feed, records->accuracy, records->accuracy_count, horizons[h].seconds,
                                    &doc.fresh);
        put(window, &doc, shelf, NULL);
    }
    document_release(&doc);
}

static void key_of(const struct window *window, const char *path, char key[DOC_KEY_SIZE])
{
    int len = snprintf(key, DOC_KEY_SIZE, "%s%s", window->prefix, path);
    assert(len > 0 && len < DOC_KEY_SIZE);
}

/* `changed` may be NULL. */
static void put(const struct window *window, const struct document *doc, struct shelf *shelf, bool *changed)
{
    char key[DOC_KEY_SIZE];
    struct document placed = *doc;
    key_of(window, doc->key, key);
    placed.key = key;
    if (feed_is_sandbox(window->feed))
        placed.stale_at_ms = placed.expires_at_ms = 0; /* not even in the year that its bodies name */
    if (shelf_put(shelf, &placed, changed) < 0)
        log_failure("publish.failed", key);
}

static void take_away(const struct window *window, const char *path, struct shelf *shelf)
{
    char key[DOC_KEY_SIZE];
    key_of(window, path, key);
    if (shelf_remove(shelf, key) < 0)
        log_failure("publish.failed", key);
}
