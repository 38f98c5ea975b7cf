/* From one look at the tables to all documents: loads what they are made of, renders, and hands them to the
 * shelf. Says what is new, for the event ring. The publisher decides when.
 */
#ifndef PUBLISH_WINDOW_H
#define PUBLISH_WINDOW_H

#include "core/base.h"
#include "market/feed.h"
#include "publish/board.h"
#include "publish/doc_forecast.h"
#include "publish/doc_market.h"
#include "publish/doc_status.h"
#include "publish/records.h"
#include "publish/shelf.h"
#include "publish/view.h"

struct arena;
struct db;

#define WINDOW_INTERVAL_COUNT 3 /* 1h 4h 1d */

/* Everything that is shown, as of one look. */
struct window {
    const struct feed *feed;
    const char *prefix; /* before each key; "" for what is served as itself */
    int64_t now_wall_ms;
    struct board *board;     /* kept between looks, or zeroed: brought up to date */
    struct records *records; /* the same, by */
    int64_t records_change;  /* the newest change of what they hold */
    struct batch_view batch;
    struct candles_view candles[WINDOW_INTERVAL_COUNT];
    struct quality_view quality[WINDOW_INTERVAL_COUNT];
    struct provider_view *providers;
    size_t provider_count;
    struct component_view *components;
    size_t component_count;
    struct price_view price;
    struct refusal_view *refusals;
    size_t refusal_count;
};

/* Loads and publishes all documents of the window; the fields before `batch` are the caller's. Forecasts first: readers wait
 * for them, and nothing else is read before they lie on the shelf. A document that cannot be published is logged and left
 * as it was. No transaction: a batch and its forecasts were committed together and never change, and the rest may be a
 * moment apart. */
int window_show(struct db *db, struct arena *arena, struct window *window, struct shelf *shelf) BTCF_MUST_CHECK;

/* The page of the forecast served at a horizon; false when there is none. */
bool window_forecast(const struct window *window, int64_t horizon_s, struct forecast_page *page);
struct status_page window_status(const struct window *window);

#endif
