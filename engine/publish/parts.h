/* Pieces that several documents share: the feed, its notice, curves, and when a publication goes stale and expires. */
#ifndef PUBLISH_PARTS_H
#define PUBLISH_PARTS_H

#include "core/base.h"
#include "core/clock.h"
#include "core/json.h"
#include "market/feed.h"
#include "publish/view.h"

#define PRICE_DECIMALS 2

/* Every forecast is renewed at each 1h close. */
#define PUBLISH_CADENCE_MS MS_PER_HOUR
/* Hard expiry: after 24 hours of market time, but never sooner than this after the next publication was due. */
#define EXPIRY_MARKET_MAX_MS MS_PER_DAY
#define EXPIRY_WALL_MIN_MS (INT64_C(15) * 60 * MS_PER_S)
/* While a feed's clock stands still nothing gets older; then times count from now, rounded down to HOLD_RENEW_MS so that
 * bodies do not change at every look, and are renewed while the publisher lives. */
#define HOLD_RENEW_MS (INT64_C(5) * 60 * MS_PER_S)
#define HOLD_STALE_MS (INT64_C(10) * 60 * MS_PER_S)
#define HOLD_EXPIRY_MS (INT64_C(20) * 60 * MS_PER_S) /* at least 15 minutes from any now */

/* What the sandbox's bodies say: 2100-01-01. Nothing in it ever goes stale. */
#define SANDBOX_END_MS INT64_C(4102444800000)

/* Wall times of one publication. */
struct deadlines {
    int64_t stale_at_ms, expires_at_ms;
};

/* Of what was made at market time `issued_at` and is renewed every `cadence_ms` of market time. Stale a quarter of the
 * cadence after the next one was due; expired at `target_at` or EXPIRY_MARKET_MAX_MS after the issue, whichever comes
 * first, but not before EXPIRY_WALL_MIN_MS after the next one was due. */
struct deadlines deadlines_of(const struct feed *feed, int64_t issued_at, int64_t target_at, int64_t cadence_ms,
                              int64_t now_wall_ms);

bool feed_is_running(const struct feed *feed);
bool feed_is_sandbox(const struct feed *feed);
/* "live", "replay", "simulated" or "sandbox": what kind of world this is, from its name. */
const char *feed_kind(const struct feed *feed);

/* "feed": {...}, and "notice": a sentence when the data is not the live market's, else null. In the sandbox also
 * "sandbox": true, which no real body has. */
void parts_feed(struct json *json, const struct feed *feed);

/* "stale_at", "stale", "degraded", and what parts_feed adds. */
void parts_life(struct json *json, const struct feed *feed, const struct deadlines *deadlines, bool stale);

/* {"0.005": 59000.12, ...} */
void parts_quantiles(struct json *json, const double quantiles[VIEW_LEVEL_COUNT]);
/* {"50": {"low": .., "high": ..}, "80": ..} */
void parts_intervals(struct json *json, const double quantiles[VIEW_LEVEL_COUNT]);
/* Index of the two ends of interval i (50, 80, 90, 95) in a curve, and its name. */
extern const struct parts_interval {
    const char *name;
    size_t low, high;
} parts_interval_table[VIEW_INTERVAL_COUNT];

/* A time, or null for 0. */
void parts_time(struct json *json, const char *key, int64_t unix_ms);

#endif
