/* Replay: history, told as if it were happening. The archive holds the future of a replay, and this provider is the only
 * one that looks into it, never further than the market's now: its request says where that is.
 */
#include "core/arena.h"
#include "core/clock.h"
#include "core/err.h"
#include "market/archive.h"
#include "market/feed.h"
#include "market/feed_setup.h"
#include "market/provider.h"

#define HOURS_MAX 1000

static int fetch_candles(const struct provider_context *context, const struct provider_request *request,
                         struct arena *arena, struct candle_list *out)
{
    struct replay_origin origin;
    int64_t end_ms = request->to_ms < request->now_ms ? request->to_ms : time_floor(request->now_ms, MS_PER_HOUR);

    if (replay_origin_parse(context->feed->origin, &origin) < 0)
        return -1;
    struct archive_query query = {.symbol = request->symbol,
                                  .source = origin.source,
                                  .quote = origin.quote,
                                  .interval_s = origin.interval_s,
                                  .from_ms = request->from_ms,
                                  .end_ms = end_ms};
    out->source = arena_strdup(arena, origin.source);
    out->quote = arena_strdup(arena, origin.quote);
    return archive_load_hours(context->db, arena, &query, &out->candles, &out->count);
}

const struct provider provider_replay = {
    .name = "replay",
    .candles_max = HOURS_MAX,
    .fetch_candles = fetch_candles,
};
