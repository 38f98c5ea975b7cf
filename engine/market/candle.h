/* A candle, what makes it acceptable, and the intervals that btcf knows. Pure: no SQL, no network. */
#ifndef MARKET_CANDLE_H
#define MARKET_CANDLE_H

#include "core/base.h"
#include "core/str.h"

struct candle {
    int64_t open_time_ms;
    double open, high, low, close;
    double volume; /* in the base currency */
};

/* Why a candle was refused, in the order of the checks. */
enum candle_fault {
    CANDLE_OK,
    CANDLE_NOT_FINITE,
    CANDLE_NOT_POSITIVE,
    CANDLE_NEGATIVE_VOLUME,
    CANDLE_HIGH_BELOW_LOW,
    CANDLE_OUTSIDE_RANGE, /* open or close above high or below low */
    CANDLE_OFF_GRID,
    CANDLE_IN_FUTURE, /* not closed at `now_ms` */
    CANDLE_TOO_OLD,   /* before Bitcoin traded: 2009-01-03 */
};

enum candle_fault candle_check(const struct candle *candle, int64_t interval_ms, int64_t now_ms);
const char *candle_fault_text(enum candle_fault fault);

/* "1m" "5m" "15m" "1h" "4h" "1d" <-> seconds. -1 with E_INPUT, or NULL, when unknown. */
int interval_parse(struct str text, int64_t *interval_s) BTCF_MUST_CHECK;
const char *interval_name(int64_t interval_s);

/* The eight forecast horizons, "1h 4h 12h 1d 3d 7d 14d 30d", ascending. */
#define HORIZON_COUNT 8
struct horizon {
    const char *name;
    int64_t seconds;
};
extern const struct horizon horizons[HORIZON_COUNT];
const struct horizon *horizon_find(struct str name);

#endif
