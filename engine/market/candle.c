/* What makes a candle acceptable. The checks are ordered so that the first that fails is the one a person would name:
 * a row with a NaN is "not a number" before it is anything else.
 */
#include "market/candle.h"

#include <math.h>

#include "core/clock.h"
#include "core/err.h"

/* 2009-01-03T00:00:00Z, the day of the first block. */
#define FIRST_DAY_MS (INT64_C(1230940800) * MS_PER_S)

static const struct {
    const char *name;
    int64_t seconds;
} intervals[] = {{"1m", 60}, {"5m", 300}, {"15m", 900}, {"1h", 3600}, {"4h", 14400}, {"1d", 86400}};

const struct horizon horizons[HORIZON_COUNT] = {
    {"1h", 3600},      {"4h", 4 * 3600},  {"12h", 12 * 3600},  {"1d", 86400},
    {"3d", 3 * 86400}, {"7d", 7 * 86400}, {"14d", 14 * 86400}, {"30d", 30 * 86400},
};

static bool is_finite(const struct candle *candle)
{
    return isfinite(candle->open) && isfinite(candle->high) && isfinite(candle->low) && isfinite(candle->close) &&
           isfinite(candle->volume);
}

static bool is_within(double price, const struct candle *candle)
{
    return price >= candle->low && price <= candle->high;
}

enum candle_fault candle_check(const struct candle *candle, int64_t interval_ms, int64_t now_ms)
{
    if (!is_finite(candle))
        return CANDLE_NOT_FINITE;
    if (candle->open <= 0 || candle->high <= 0 || candle->low <= 0 || candle->close <= 0)
        return CANDLE_NOT_POSITIVE;
    if (candle->volume < 0)
        return CANDLE_NEGATIVE_VOLUME;
    if (candle->high < candle->low)
        return CANDLE_HIGH_BELOW_LOW;
    if (!is_within(candle->open, candle) || !is_within(candle->close, candle))
        return CANDLE_OUTSIDE_RANGE;
    if (candle->open_time_ms % interval_ms != 0)
        return CANDLE_OFF_GRID;
    if (candle->open_time_ms > now_ms - interval_ms)
        return CANDLE_IN_FUTURE;
    if (candle->open_time_ms < FIRST_DAY_MS)
        return CANDLE_TOO_OLD;
    return CANDLE_OK;
}

const char *candle_fault_text(enum candle_fault fault)
{
    static const char *const texts[] = {
        [CANDLE_OK] = "acceptable",
        [CANDLE_NOT_FINITE] = "a value is not a finite number",
        [CANDLE_NOT_POSITIVE] = "a price is zero or negative",
        [CANDLE_NEGATIVE_VOLUME] = "the volume is negative",
        [CANDLE_HIGH_BELOW_LOW] = "high is below low",
        [CANDLE_OUTSIDE_RANGE] = "open or close lies outside low to high",
        [CANDLE_OFF_GRID] = "the time is not on the interval's grid",
        [CANDLE_IN_FUTURE] = "the candle is not closed yet: its time is in the future",
        [CANDLE_TOO_OLD] = "the time is before Bitcoin existed",
    };

    return texts[fault];
}

int interval_parse(struct str text, int64_t *interval_s)
{
    for (size_t i = 0; i < BTCF_LENGTH(intervals); i++)
        if (str_is(text, intervals[i].name)) {
            *interval_s = intervals[i].seconds;
            return 0;
        }
    return err_set(E_INPUT, "\"%.*s\" is not an interval; known are 1m 5m 15m 1h 4h 1d",
                   text.len > 16 ? 16 : (int)text.len, text.ptr);
}

const char *interval_name(int64_t interval_s)
{
    for (size_t i = 0; i < BTCF_LENGTH(intervals); i++)
        if (intervals[i].seconds == interval_s)
            return intervals[i].name;
    return NULL;
}

const struct horizon *horizon_find(struct str name)
{
    for (size_t i = 0; i < HORIZON_COUNT; i++)
        if (str_is(name, horizons[i].name))
            return &horizons[i];
    return NULL;
}
