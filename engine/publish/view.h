/* What documents are made of: plain structs, filled from rows by publish/view.c, turned into text by doc_*.c.
 *
 * Renderers see nothing but these, so they are pure and their tests need no database. Texts live in the arena that
 * the view was loaded into. Times are milliseconds: market time, unless the name says wall.
 */
#ifndef PUBLISH_VIEW_H
#define PUBLISH_VIEW_H

#include "core/base.h"
#include "market/feed.h"

struct arena;
struct db;

/* The levels of every published curve, ascending; equal to the models' (a test compares them). */
#define VIEW_LEVEL_COUNT 25
extern const double view_levels[VIEW_LEVEL_COUNT];

#define VIEW_INTERVAL_COUNT 4 /* central 50, 80, 90, 95 % */
#define VIEW_PIT_BINS 10
#define VIEW_PINBALL_MAX 13 /* levels at which the loss is shown */
extern const double view_pinball_levels[VIEW_PINBALL_MAX];
#define VIEW_WINDOW_S (INT64_C(365) * 86400) /* the scoring window: forecasts carry its skill */
#define VIEW_CANDLES_MAX 200                 /* of one interval in a document */
#define VIEW_PROVIDERS_MAX 16

/* One line of the scoreboard: a row of the table accuracy. */
struct accuracy_view {
    const char *model, *origin; /* "live", "walk_forward", "all" */
    int64_t horizon_s, window_s, n, first_issued_at, last_target_at, updated_wall_ms;
    double n_effective, crps, crps_baseline, skill, skill_low, skill_high, dm_p, median_error, mase;
    double width_90, width_90_baseline, pit_ks_p;
    bool has_direction;
    double direction, direction_low, direction_high;
    size_t pinball_count; /* VIEW_PINBALL_MAX, or 0: not known */
    double pinball[VIEW_PINBALL_MAX];
    double coverage[VIEW_INTERVAL_COUNT], coverage_low[VIEW_INTERVAL_COUNT], coverage_high[VIEW_INTERVAL_COUNT];
    double pit[VIEW_PIT_BINS];
};

struct forecast_view {
    const char *id, *model, *model_version;
    const char *method;      /* "ensemble", "baseline", "model" */
    const char *weights;     /* JSON object */
    const char *calibration; /* JSON object */
    bool served;
    int64_t horizon_s, target_at, trained_at;
    double mean, prob_up, volatility;
    double quantiles[VIEW_LEVEL_COUNT];
};

/* The newest batch of a feed with all its forecasts. */
struct batch_view {
    int64_t id, issued_at, data_as_of, created_wall_ms;
    double origin_price;
    bool degraded;
    const char *release;
    const char *sources; /* JSON array */
    int64_t ledger_seq;
    const char *ledger_hash;
    size_t count;
    struct forecast_view *forecasts; /* by horizon */
};

/* Who could not answer in a batch, and why. */
struct refusal_view {
    const char *model, *reason;
    int64_t horizon_s;
};

struct candle_view {
    int64_t open_time;
    double open, high, low, close, volume, spread;
    int64_t source_count, revision;
    bool is_filled;
    const char *source, *quote;
};

struct candles_view {
    int64_t interval_s;
    size_t count;
    struct candle_view *rows; /* ascending */
};

struct provider_view {
    const char *provider, *state, *last_error;
    int64_t last_ok_wall_ms, last_error_wall_ms; /* 0: never */
    int64_t fetched, refused, failures;
    double last_price; /* 0: none yet */
    int64_t last_price_market_ms;
};

struct component_view {
    const char *name, *state, *detail;
    int64_t done, total, updated_wall_ms;
};

/* Completeness of one interval over the last VIEW_QUALITY_DAYS of market time. */
#define VIEW_QUALITY_DAYS 30
struct quality_view {
    int64_t interval_s, expected, present, filled, revised, multi_source;
    double spread_max, spread_mean;
};

/* The newest batch, or *batch with id 0 when there is none. */
int view_load_batch(struct db *db, struct arena *arena, const char *feed, struct batch_view *batch) BTCF_MUST_CHECK;
int view_load_refusals(struct db *db, struct arena *arena, int64_t batch_id, struct refusal_view **rows,
                       size_t *count) BTCF_MUST_CHECK;
int view_load_accuracy(struct db *db, struct arena *arena, const char *feed, struct accuracy_view **rows,
                       size_t *count) BTCF_MUST_CHECK;
/* The newest `count` (at most VIEW_CANDLES_MAX) closed candles. */
int view_load_candles(struct db *db, struct arena *arena, const char *feed, int64_t count,
                      struct candles_view *candles) BTCF_MUST_CHECK;
int view_load_providers(struct db *db, struct arena *arena, const char *feed, struct provider_view **rows,
                        size_t *count) BTCF_MUST_CHECK;
int view_load_components(struct db *db, struct arena *arena, struct component_view **rows,
                         size_t *count) BTCF_MUST_CHECK;
int view_load_quality(struct db *db, struct arena *arena, const char *feed,
                      struct quality_view *quality) BTCF_MUST_CHECK;

/* The forecast served at a horizon, the baseline's, the scoreboard's line of the scoring window; NULL when there is none. */
const struct forecast_view *batch_find_served(const struct batch_view *batch, int64_t horizon_s);
const struct forecast_view *batch_find_baseline(const struct batch_view *batch, int64_t horizon_s);
const struct accuracy_view *accuracy_find(const struct accuracy_view *rows, size_t count, const char *model,
                                          int64_t horizon_s, const char *origin);

#endif
