/* The registry of providers, and the checks that all of them have to pass. */
#include "market/provider.h"

#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/err.h"
#include "core/settings.h"
#include "net/https.h"

#define SNIPPET_MAX 120

#define PROVIDER(name) extern const struct provider provider_##name;
#include "market/providers.def"
#undef PROVIDER

const struct provider *const providers[] = {
#define PROVIDER(name) &provider_##name,
#include "market/providers.def"
#undef PROVIDER
    NULL,
};

const struct provider *provider_find(const char *name)
{
    for (size_t i = 0; providers[i] != NULL; i++)
        if (strcmp(providers[i]->name, name) == 0)
            return providers[i];
    return NULL;
}

int provider_fetch(const struct provider *provider, const struct provider_context *context,
                   const struct provider_request *request, struct arena *arena, struct candle_list *out)
{
    *out = (struct candle_list){0};
    if (provider->fetch_candles(context, request, arena, out) < 0)
        return err_wrap("%s", provider->name);
    provider_accept(request, out);
    if (out->count == 0 && out->refused > 0)
        return err_set(E_UPSTREAM, "%s: every candle of its answer was refused (%zu)", provider->name, out->refused);
    return 0;
}

int provider_get(const struct provider_context *context, struct arena *arena, const char *base, const char *path,
                 struct str *body)
{
    struct https_request request = {.url = arena_printf(arena, "%s%s", base, path),
                                    .timeout_ms = context->settings->provider_timeout_ms,
                                    .size_max = PROVIDER_BODY_MAX};
    struct https_response response;

    if (https_get(context->https, arena, &request, &response) < 0)
        return -1;
    if (response.status != 200)
        return err_set(E_UPSTREAM, "%s: status %d: %.*s", request.url, response.status,
                       response.len < SNIPPET_MAX ? (int)response.len : SNIPPET_MAX, response.body);
    *body = (struct str){response.body, response.len};
    return 0;
}

static int by_time(const void *a, const void *b)
{
    int64_t left = ((const struct candle *)a)->open_time_ms, right = ((const struct candle *)b)->open_time_ms;

    return (left > right) - (left < right);
}

static bool is_same(const struct candle *a, const struct candle *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

/* What the request did not ask for, or what is still being traded, is no fault of the answer. */
static bool is_wanted(const struct provider_request *request, const struct candle *candle)
{
    return candle->open_time_ms >= request->from_ms && candle->open_time_ms < request->to_ms &&
           candle->open_time_ms <= request->now_ms - request->interval_s * MS_PER_S;
}

void provider_accept(const struct provider_request *request, struct candle_list *list)
{
    struct candle *kept = list->candles;
    size_t count = 0;

    if (list->count > 1)
        qsort(list->candles, list->count, sizeof(*list->candles), by_time);
    for (size_t i = 0; i < list->count; i++) {
        const struct candle *candle = &list->candles[i];

        if (!is_wanted(request, candle))
            continue;
        if (candle_check(candle, request->interval_s * MS_PER_S, request->now_ms) != CANDLE_OK) {
            list->refused++;
            continue;
        }
        if (count > 0 && kept[count - 1].open_time_ms == candle->open_time_ms) {
            list->refused += !is_same(&kept[count - 1], candle);
            continue;
        }
        kept[count++] = *candle;
    }
    list->count = count;
}
