/* Indicators of the three intervals, and the regime, as they are after the newest candle of each.
 *
 * The publisher keeps a board between looks: a new candle is one step of market/indicators.h. When the feed changes, or a
 * candle that was taken has been revised since, an interval begins anew from the database.
 */
#ifndef PUBLISH_BOARD_H
#define PUBLISH_BOARD_H

#include "core/base.h"
#include "market/feed.h"
#include "market/indicators.h"
#include "market/regime.h"
#include "publish/view.h"

struct arena;
struct db;

#define BOARD_INTERVAL_COUNT 3 /* 1h 4h 1d, as in the window */
#define BOARD_DAY 2            /* index of 1d */
/* Candles that an interval begins with: an EMA(50) has forgotten what came before, RSI and ATR as well. */
#define BOARD_CANDLES 1000

struct board_part {
    int64_t interval_s, last_open; /* of the newest candle taken; 0 candles taken: state.count is 0 */
    struct indicators state;
    struct indicator_row row;
};

struct board {
    char feed[FEED_NAME_SIZE];
    struct board_part parts[BOARD_INTERVAL_COUNT];
    struct regime regime; /* of the daily closes */
};

/* Brings the board up to date with the newest candles of each interval, as the window has them. */
int board_update(struct board *board, struct db *db, struct arena *arena, const struct feed *feed,
                 const struct candles_view *candles) BTCF_MUST_CHECK;

/* Pure part of it: whether `part` has taken exactly these candles, or a beginning of them. */
bool board_continues(const struct board_part *part, const struct candles_view *candles);

#endif
