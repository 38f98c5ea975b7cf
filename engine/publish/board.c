/* See the header. */
#include "publish/board.h"

#include <stdio.h>
#include <string.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/err.h"
#include "market/candles.h"

static struct candle candle_of(const struct candle_view *view)
{
    return (struct candle){.open_time_ms = view->open_time,
                           .open = view->open,
                           .high = view->high,
                           .low = view->low,
                           .close = view->close,
                           .volume = view->volume};
}

static void take(struct board_part *part, const struct candle *candle)
{
    indicators_step(&part->state, candle, &part->row);
    part->last_open = candle->open_time_ms;
}

/* Index of the row that was taken last, or the number of rows. */
static size_t find_last(const struct board_part *part, const struct candles_view *candles)
{
    size_t i = 0;

    while (i < candles->count && candles->rows[i].open_time != part->last_open)
        i++;
    return i;
}

bool board_continues(const struct board_part *part, const struct candles_view *candles)
{
    size_t last = find_last(part, candles), known = part->state.count;

    if (known == 0 || last == candles->count)
        return false;
    for (size_t back = 0; back <= last && back < known && back < INDICATORS_MEMORY; back++) {
        const struct candle_view *row = &candles->rows[last - back];
        size_t at = INDICATORS_MEMORY - 1 - back;

        if (row->close != part->state.close[at] || row->high != part->state.high[at] ||
            row->low != part->state.low[at])
            return false;
    }
    return true;
}

static int begin_part(struct board_part *part, struct db *db, struct arena *arena, const char *feed)
{
    struct candle_query query = {.feed = feed,
                                 .interval_s = part->interval_s,
                                 .from_ms = INT64_MIN,
                                 .end_ms = INT64_MAX,
                                 .count_max = BOARD_CANDLES};
    struct candle *candles;
    size_t count;

    if (candles_load(db, arena, &query, &candles, &count) < 0)
        return err_wrap("while loading candles for indicators");
    indicators_init(&part->state, part->interval_s);
    part->last_open = 0;
    for (size_t i = 0; i < count; i++)
        take(part, &candles[i]);
    return 0;
}

static int update_part(struct board_part *part, struct db *db, struct arena *arena, const char *feed,
                       const struct candles_view *candles)
{
    part->interval_s = candles->interval_s;
    if (!board_continues(part, candles))
        return begin_part(part, db, arena, feed);
    for (size_t i = find_last(part, candles) + 1; i < candles->count; i++) {
        struct candle candle = candle_of(&candles->rows[i]);

        take(part, &candle);
    }
    return 0;
}

int board_update(struct board *board, struct db *db, struct arena *arena, const struct feed *feed,
                 const struct candles_view *candles)
{
    const struct indicators *days = &board->parts[BOARD_DAY].state;

    if (strcmp(board->feed, feed->name) != 0) {
        memset(board, 0, sizeof *board);
        snprintf(board->feed, sizeof board->feed, "%s", feed->name);
    }
    for (size_t i = 0; i < BOARD_INTERVAL_COUNT; i++)
        if (candles[i].count > 0 && update_part(&board->parts[i], db, arena, feed->name, &candles[i]) < 0)
            return -1;
    size_t count = days->count < INDICATORS_MEMORY ? days->count : INDICATORS_MEMORY;
    board->regime = regime_of(days->close + INDICATORS_MEMORY - count, count);
    return 0;
}
