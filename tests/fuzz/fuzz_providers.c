/* Any bytes as an exchange's answer: refused, or candles that survive provider_accept sorted, checked and once. The first
 * byte says whose answer it is. */
#include <assert.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/err.h"
#include "market/provider.h"

#define ARENA_MAX (16 << 20)
#define NOW_MS (INT64_C(1736730000) * MS_PER_S)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct candle_list *list)
{
    struct provider_request request = {
        .symbol = "BTC-USD", .interval_s = 3600, .from_ms = 0, .to_ms = INT64_MAX, .now_ms = NOW_MS};

    provider_accept(&request, list);
    for (size_t i = 0; i < list->count; i++) {
        assert(candle_check(&list->candles[i], 3600 * MS_PER_S, NOW_MS) == CANDLE_OK);
        assert(i == 0 || list->candles[i].open_time_ms > list->candles[i - 1].open_time_ms);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena;
    struct candle_list list = {0};
    double price = 1;
    int rc;

    if (size == 0)
        return 0;
    struct str body = {(const char *)data + 1, size - 1};
    arena = arena_create("fuzz", ARENA_MAX);
    rc = data[0] % 2 == 0 ? coinbase_parse_candles(body, arena, &list) : kraken_parse_candles(body, arena, &list);
    if (rc == 0)
        check(&list);
    else
        assert(err_kind() == E_UPSTREAM);
    rc = data[0] % 2 == 0 ? coinbase_parse_ticker(body, &price) : kraken_parse_ticker(body, &price);
    assert(rc < 0 || price > 0);
    arena_free(&arena);
    return 0;
}
