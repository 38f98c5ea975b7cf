/* Simulate: a seeded market without end. Every answer is generated anew from the first hour on (a year takes some
 * milliseconds), so there is no state to lose and a restarted process goes on with the same prices.
 */
#include "core/arena.h"
#include "core/clock.h"
#include "core/settings.h"
#include "market/feed.h"
#include "market/feed_setup.h"
#include "market/provider.h"
#include "market/simulator.h"

#define HOURS_MAX 1000

static int fetch_candles(const struct provider_context *context, const struct provider_request *request,
                         struct arena *arena, struct candle_list *out)
{
    struct simulator simulator;
    struct candle candle;
    int64_t end_ms = request->to_ms < request->now_ms ? request->to_ms : request->now_ms;

    out->candles = arena_array(arena, HOURS_MAX, sizeof(*out->candles));
    simulator_init(&simulator, (uint64_t)context->settings->simulate_seed,
                   context->feed->begin_ms - FEED_HISTORY_DAYS * MS_PER_DAY);
    while (simulator.next_open_ms + MS_PER_HOUR <= end_ms && out->count < HOURS_MAX) {
        simulator_next(&simulator, &candle);
        if (candle.open_time_ms >= request->from_ms)
            out->candles[out->count++] = candle;
    }
    return 0;
}

const struct provider provider_simulate = {
    .name = "simulate",
    .candles_max = HOURS_MAX,
    .fetch_candles = fetch_candles,
};
