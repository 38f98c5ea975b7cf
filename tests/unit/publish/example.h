/* A made-up batch that several renderer tests share: round numbers, so that expectations can be read. */
#ifndef TESTS_PUBLISH_EXAMPLE_H
#define TESTS_PUBLISH_EXAMPLE_H

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "core/clock.h"
#include "core/str.h"
#include "publish/view.h"

#define ISSUED_AT INT64_C(1743462000000) /* 2025-03-31T23:00:00Z */
#define WALL_AT INT64_C(1800000000000)   /* 2027-01-15T08:00:00Z */

/* A feed whose clock shows ISSUED_AT at WALL_AT. */
static inline struct feed example_feed(const char *name, double speed)
{
    struct feed feed = {
        .market0_ms = ISSUED_AT, .wall0_ms = WALL_AT, .begin_ms = INT64_MIN, .end_ms = INT64_MAX, .speed = speed};
    snprintf(feed.name, sizeof(feed.name), "%s", name);
    snprintf(feed.symbol, sizeof(feed.symbol), "BTC-USD");
    snprintf(feed.provider, sizeof(feed.provider), "test");
    snprintf(feed.state, sizeof(feed.state), "running");
    return feed;
}

/* Quantile i is 50000 + 1000 i, so the median is 62000. */
static inline struct forecast_view example_forecast(const char *model, const char *method, int64_t horizon_s)
{
    struct forecast_view forecast = {.id = "fc_1",
                                     .model = model,
                                     .model_version = "1.2.3",
                                     .method = method,
                                     .weights = "{\"rw-emp\": 0.25}",
                                     .calibration = "{\"width\": 1.02, \"outcomes\": 240}",
                                     .horizon_s = horizon_s,
                                     .target_at = ISSUED_AT + horizon_s * MS_PER_S,
                                     .trained_at = ISSUED_AT,
                                     .mean = 62001.239,
                                     .prob_up = 0.51239,
                                     .volatility = 0.45};
    for (size_t i = 0; i < VIEW_LEVEL_COUNT; i++)
        forecast.quantiles[i] = 50000 + 1000 * (double)i;
    return forecast;
}

static inline struct batch_view example_batch(struct forecast_view *forecasts, size_t count)
{
    return (struct batch_view){.id = 7,
                               .issued_at = ISSUED_AT,
                               .data_as_of = ISSUED_AT,
                               .created_wall_ms = WALL_AT + 250,
                               .origin_price = 61999.5,
                               .release = "1.2.3",
                               .sources = "[{\"quote\": \"USDT\", \"source\": \"binance\"}]",
                               .ledger_seq = 3,
                               .ledger_hash = "ab12",
                               .count = count,
                               .forecasts = forecasts};
}

static inline struct accuracy_view example_accuracy(const char *model, const char *origin, int64_t horizon_s)
{
    return (struct accuracy_view){.model = model,
                                  .origin = origin,
                                  .horizon_s = horizon_s,
                                  .window_s = 365 * 86400,
                                  .n = 240,
                                  .n_effective = 60,
                                  .first_issued_at = ISSUED_AT - 100 * MS_PER_DAY,
                                  .last_target_at = ISSUED_AT,
                                  .updated_wall_ms = WALL_AT,
                                  .crps = 0.98,
                                  .crps_baseline = 1,
                                  .skill = 0.02,
                                  .skill_low = 0.01,
                                  .skill_high = 0.03,
                                  .dm_p = 0.004,
                                  .median_error = 1.5,
                                  .mase = 1.01,
                                  .coverage = {0.5, 0.8, 0.9, 0.95},
                                  .coverage_low = {0.4, 0.7, 0.85, 0.9},
                                  .coverage_high = {0.6, 0.9, 0.95, 0.99},
                                  .pit = {24, 24, 24, 24, 24, 24, 24, 24, 24, 24}};
}

/* Parses what was rendered; the text must be one whole JSON value. */
static inline json_t *parse(const struct strbuf *buf)
{
    json_error_t error;
    json_t *root = json_loadb(buf->ptr, buf->len, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL)
        fprintf(stderr, "%s at %d in %s\n", error.text, error.position, buf->ptr);
    return root;
}

/* A member by a path as "model.name"; NULL when it is not there. */
static inline json_t *member(json_t *root, const char *path)
{
    struct str rest = str_of(path);
    while (rest.ptr != NULL && root != NULL) {
        struct str name = str_cut(&rest, '.');
        root = json_object_getn(root, name.ptr, name.len);
    }
    return root;
}

static inline const char *text_of(json_t *root, const char *path)
{
    const char *text = json_string_value(member(root, path));
    return text != NULL ? text : "(no text)";
}

static inline double number_of(json_t *root, const char *path)
{
    return json_number_value(member(root, path));
}

#endif
