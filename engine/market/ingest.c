/* Ingest: ask, compare, accept. See the header for the rules; the constants say how far.
 *
 * Prices are compared by their logarithms, so that up and down weigh the same.
 */
#include "market/ingest.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/err.h"
#include "core/settings.h"
#include "core/str.h"
#include "market/candles.h"
#include "store/db.h"

#define HOUR_S 3600
#define SAVE_ARENA_MAX (4 << 20)
#define FAILURES_MAX 5 /* in a row; then the breaker opens */
#define BREAKER_OPEN_MS (60 * MS_PER_S)
#define BACKOFF_BASE_MS 500
#define BACKOFF_MAX_MS (15 * MS_PER_S)
#define STALE_AFTER_MS (2 * MS_PER_HOUR) /* an exchange that lacks this many hours up to now has stopped */
#define LONE_MOVE_MAX 0.5 /* log move in an hour that a single source is believed; BTC's worst is about 0.3 */
#define LIAR_FACTOR 3.0   /* a liar is this much further from the last close than the other */

/* fetched, refused and failures grow; the texts and times of the last success and error stay until the next one. */
static const char sql_save_source[] =
    "INSERT INTO provider_state AS p (feed, provider, state, last_ok_wall_ms, last_error_wall_ms, last_error, fetched, "
    "refused, failures, last_price, last_price_market_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) "
    "ON CONFLICT (feed, provider) DO UPDATE SET state = excluded.state, "
    "last_ok_wall_ms = coalesce(excluded.last_ok_wall_ms, p.last_ok_wall_ms), "
    "last_error_wall_ms = coalesce(excluded.last_error_wall_ms, p.last_error_wall_ms), "
    "last_error = coalesce(excluded.last_error, p.last_error), fetched = p.fetched + excluded.fetched, "
    "refused = p.refused + excluded.refused, failures = p.failures + excluded.failures, "
    "last_price = coalesce(excluded.last_price, p.last_price), "
    "last_price_market_ms = coalesce(excluded.last_price_market_ms, p.last_price_market_ms), "
    "change = nextval('change_seq')";

static int add_source(struct ingest *ingest, const char *name);
static int64_t reach_of(const struct provider *provider, int64_t now_ms);
static void reset_round(struct ingest_source *source);
static void ask(struct ingest *ingest, struct ingest_source *source, const struct provider_request *request,
                struct arena *arena);
static int fail_all(const struct ingest *ingest);
static bool accept_hour(struct ingest *ingest, int64_t open_time_ms, double last_close, struct ingest_hour *hour);

int ingest_init(struct ingest *ingest, const struct feed *feed, const struct provider_context *context)
{
    struct str names = str_of(context->settings->providers);
    char name[sizeof(feed->provider)];

    *ingest = (struct ingest){.feed = *feed, .context = *context};
    ingest->context.feed = &ingest->feed;
    rng_init(&ingest->rng, (uint64_t)clock_mono_ms());
    if (strcmp(feed->provider, "live") != 0)
        return add_source(ingest, feed->provider);
    while (names.ptr != NULL) {
        struct str item = str_cut(&names, ',');

        snprintf(name, sizeof(name), "%.*s", (int)item.len, item.ptr);
        if (add_source(ingest, name) < 0)
            return -1;
    }
    return 0;
}

static int add_source(struct ingest *ingest, const char *name)
{
    const struct provider *provider = provider_find(name);

    if (provider == NULL)
        return err_set(E_INPUT, "there is no provider \"%s\"", name);
    if (ingest->source_count == INGEST_SOURCES_MAX)
        return err_set(E_INPUT, "more than %d providers", INGEST_SOURCES_MAX);
    struct ingest_source *source = &ingest->sources[ingest->source_count++];
    source->provider = provider;
    breaker_init(&source->breaker, FAILURES_MAX, BREAKER_OPEN_MS);
    backoff_init(&source->backoff, BACKOFF_BASE_MS, BACKOFF_MAX_MS);
    return 0;
}

/* The hours from `from_ms` to the market's now, as far as one call to the provider reaches. */
static struct provider_request request_of(const struct ingest *ingest, const struct provider *provider,
                                          int64_t from_ms, int64_t now_ms)
{
    int64_t end_ms = time_floor(now_ms, MS_PER_HOUR), window_ms = provider->candles_max * MS_PER_HOUR;

    return (struct provider_request){.symbol = ingest->feed.symbol,
                                     .interval_s = HOUR_S,
                                     .from_ms = from_ms,
                                     .to_ms = end_ms - from_ms > window_ms ? from_ms + window_ms : end_ms,
                                     .now_ms = now_ms};
}

/* Nobody who could answer for what is missing is worth waiting for. One failure does not say that, an open breaker does. */
static bool is_hopeless(const struct ingest *ingest)
{
    for (size_t i = 0; i < ingest->source_count; i++)
        if (!ingest->sources[i].is_out_of_reach && ingest->sources[i].breaker.state == BREAKER_CLOSED)
            return false;
    return true;
}

/* A round waits until every healthy source may be called again: hours that only one was asked about have no second
 * opinion. */
static bool is_too_early(const struct ingest *ingest)
{
    int64_t now_mono_ms = clock_mono_ms();

    for (size_t i = 0; i < ingest->source_count; i++) {
        const struct ingest_source *source = &ingest->sources[i];

        if (!source->is_out_of_reach && source->breaker.failures == 0 && source->breaker.state == BREAKER_CLOSED &&
            now_mono_ms < source->next_call_mono_ms)
            return true;
    }
    return false;
}

/* Asks everyone within whose reach the start of what is missing lies; if that is hopeless, asks the others for as far
 * back as they go, as a gap is better than nothing. Returns how many answered. */
static size_t ask_all(struct ingest *ingest, struct arena *arena, const struct ingest_round *round)
{
    size_t answered = 0;

    for (size_t i = 0; i < ingest->source_count; i++) {
        struct ingest_source *source = &ingest->sources[i];

        source->is_out_of_reach = reach_of(source->provider, round->now_ms) > round->last_close_ms;
        reset_round(source);
    }
    if (is_too_early(ingest))
        return 0;
    for (size_t i = 0; i < ingest->source_count; i++) {
        struct ingest_source *source = &ingest->sources[i];
        struct provider_request request = request_of(ingest, source->provider, round->last_close_ms, round->now_ms);

        if (!source->is_out_of_reach)
            ask(ingest, source, &request, arena);
        answered += source->has_answered;
    }
    bool ask_others = answered == 0 && is_hopeless(ingest);
    for (size_t i = 0; ask_others && i < ingest->source_count; i++) {
        struct ingest_source *source = &ingest->sources[i];
        int64_t from_ms = reach_of(source->provider, round->now_ms);
        struct provider_request request = request_of(ingest, source->provider, from_ms, round->now_ms);

        if (source->is_out_of_reach)
            ask(ingest, source, &request, arena);
        answered += source->has_answered;
    }
    return answered;
}

int ingest_collect(struct ingest *ingest, struct arena *arena, const struct ingest_round *round,
                   struct ingest_harvest *harvest)
{
    int64_t from_ms = INT64_MAX, to_ms = INT64_MIN;
    double last_close = round->last_close;

    *harvest = (struct ingest_harvest){.count = 0};
    if (ask_all(ingest, arena, round) == 0)
        return fail_all(ingest);
    for (size_t i = 0; i < ingest->source_count; i++) {
        const struct candle_list *list = &ingest->sources[i].list;

        if (list->count == 0)
            continue;
        if (list->candles[0].open_time_ms < from_ms)
            from_ms = list->candles[0].open_time_ms;
        if (list->candles[list->count - 1].open_time_ms > to_ms)
            to_ms = list->candles[list->count - 1].open_time_ms;
    }
    if (from_ms > to_ms)
        return 0;

    harvest->hours = arena_array(arena, (size_t)((to_ms - from_ms) / MS_PER_HOUR) + 1, sizeof(*harvest->hours));
    for (int64_t at_ms = from_ms; at_ms <= to_ms; at_ms += MS_PER_HOUR) {
        struct ingest_hour *hour = &harvest->hours[harvest->count];

        /* A newest hour that is in doubt waits; an older one has had its time and is passed over. */
        if (!accept_hour(ingest, at_ms, last_close, hour))
            continue;
        last_close = hour->candle.close;
        harvest->count++;
    }
    return 0;
}

/* The earliest hour that a provider can answer for. */
static int64_t reach_of(const struct provider *provider, int64_t now_ms)
{
    if (provider->history_s == 0)
        return INT64_MIN;
    return time_floor(now_ms - provider->history_s * MS_PER_S, MS_PER_HOUR) + 2 * MS_PER_HOUR;
}

static void reset_round(struct ingest_source *source)
{
    source->was_asked = source->has_answered = false;
    source->fetched = source->refused = 0;
    source->list = (struct candle_list){.count = 0};
    source->ticker = (struct ticker){.price = 0};
}

/* Fetches what one source has; a source without a ticker has its newest close for a price. */
static int fetch(struct ingest *ingest, struct ingest_source *source, const struct provider_request *request,
                 struct arena *arena)
{
    const struct provider *provider = source->provider;
    bool wants_hours = request->from_ms < request->to_ms;

    if (wants_hours && provider_fetch(provider, &ingest->context, request, arena, &source->list) < 0)
        return -1;
    if (provider->is_exchange && source->list.count == 0 && request->to_ms - request->from_ms > STALE_AFTER_MS)
        return err_set(E_UPSTREAM, "%s: its answer has no closed candle of the last hours", provider->name);
    /* Who is fetching the past does not need to know the price. */
    if (request->to_ms < request->now_ms - STALE_AFTER_MS)
        return 0;
    if (provider->fetch_ticker != NULL)
        return provider->fetch_ticker(&ingest->context, request->symbol, arena, &source->ticker);
    if (source->list.count > 0) {
        const struct candle *newest = &source->list.candles[source->list.count - 1];

        source->ticker = (struct ticker){.price = newest->close, .market_ms = newest->open_time_ms + MS_PER_HOUR};
    }
    return 0;
}

/* Asks one source if its breaker and its pace allow, and notes what came of it. */
static void ask(struct ingest *ingest, struct ingest_source *source, const struct provider_request *request,
                struct arena *arena)
{
    int64_t start_ms = clock_mono_ms();

    if (start_ms < source->next_call_mono_ms || !breaker_allows(&source->breaker, start_ms))
        return;
    source->was_asked = true;
    source->has_answered = fetch(ingest, source, request, arena) == 0;
    source->fetched = (int64_t)source->list.count;
    source->refused = (int64_t)source->list.refused;
    source->next_call_mono_ms = clock_mono_ms() + source->provider->pause_ms;
    if (source->has_answered) {
        breaker_success(&source->breaker);
        backoff_reset(&source->backoff);
        return;
    }
    source->list.count = 0;
    snprintf(source->error, sizeof(source->error), "%s", err_text());
    breaker_failure(&source->breaker, clock_mono_ms());
    source->next_call_mono_ms += backoff_next_ms(&source->backoff, &ingest->rng);
}

/* Nobody answered: what the first of those that were asked said. It is no failure when none was, for its turn has not
 * come yet. */
static int fail_all(const struct ingest *ingest)
{
    for (size_t i = 0; i < ingest->source_count; i++)
        if (ingest->sources[i].was_asked)
            return err_set(E_UPSTREAM, "%s", ingest->sources[i].error);
    return 0;
}

static const struct candle *find_hour(const struct candle_list *list, int64_t open_time_ms)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->candles[i].open_time_ms == open_time_ms)
            return &list->candles[i];
    return NULL;
}

/* What the sources say about one hour, as one candle; false when they say nothing or cannot be believed. */
static bool accept_hour(struct ingest *ingest, int64_t open_time_ms, double last_close, struct ingest_hour *hour)
{
    const struct candle *candles[INGEST_SOURCES_MAX];
    struct ingest_source *from[INGEST_SOURCES_MAX];
    double closes[INGEST_SOURCES_MAX];
    size_t count = 0;

    for (size_t i = 0; i < ingest->source_count; i++) {
        const struct candle *candle = find_hour(&ingest->sources[i].list, open_time_ms);

        if (candle == NULL)
            continue;
        candles[count] = candle;
        closes[count] = candle->close;
        from[count++] = &ingest->sources[i];
    }
    if (count == 0)
        return false;
    /* A source that is no exchange is the market itself: there is nothing to doubt. */
    struct ingest_verdict verdict = ingest_judge(closes, count, from[0]->provider->is_exchange ? last_close : 0,
                                                 ingest->context.settings->provider_spread_max);
    if (verdict.liar >= 0)
        from[verdict.liar]->refused++;
    if (verdict.best < 0)
        return false;

    const struct ingest_source *source = from[verdict.best];
    const char *dash = strchr(ingest->feed.symbol, '-');
    *hour = (struct ingest_hour){.candle = *candles[verdict.best],
                                 .source = source->list.source != NULL ? source->list.source : source->provider->name,
                                 .quote = source->list.quote != NULL ? source->list.quote : dash + 1,
                                 .source_count = (int)count - (verdict.liar >= 0),
                                 .spread = verdict.spread};
    return true;
}

static double median_of(const double *values, size_t count)
{
    double sorted[INGEST_SOURCES_MAX];

    assert(count <= INGEST_SOURCES_MAX);
    for (size_t i = 0; i < count; i++) {
        size_t j = i;

        for (; j > 0 && sorted[j - 1] > values[i]; j--)
            sorted[j] = sorted[j - 1];
        sorted[j] = values[i];
    }
    return count % 2 == 1 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

static double spread_of(const double *closes, size_t count)
{
    double low = closes[0], high = closes[0];

    for (size_t i = 1; i < count; i++) {
        low = fmin(low, closes[i]);
        high = fmax(high, closes[i]);
    }
    return (high - low) / median_of(closes, count);
}

/* The one that stands apart: furthest from `truth`, and LIAR_FACTOR times as far as the next. -1: none does. */
static int find_liar(const double *closes, size_t count, double truth)
{
    double worst = -1, second = -1;
    int liar = -1;

    for (size_t i = 0; i < count; i++) {
        double distance = fabs(log(closes[i] / truth));

        if (distance > worst) {
            second = worst;
            worst = distance;
            liar = (int)i;
        } else if (distance > second) {
            second = distance;
        }
    }
    return worst > LIAR_FACTOR * second ? liar : -1;
}

struct ingest_verdict ingest_judge(const double *closes, size_t count, double last_close, double spread_max)
{
    struct ingest_verdict verdict = {.best = 0, .liar = -1, .spread = spread_of(closes, count)};
    double honest[INGEST_SOURCES_MAX];
    size_t honest_count = 0;

    if (count == 1) {
        bool is_wild = last_close > 0 && fabs(log(closes[0] / last_close)) > LONE_MOVE_MAX;

        verdict.best = is_wild ? -1 : 0;
        return verdict;
    }
    if (verdict.spread <= spread_max)
        return verdict;
    /* Of three or more the median tells; of two, only the past can. */
    verdict.best = -1;
    if (count > 2 || last_close > 0)
        verdict.liar = find_liar(closes, count, count > 2 ? median_of(closes, count) : last_close);
    if (verdict.liar < 0)
        return verdict;
    for (size_t i = 0; i < count; i++)
        if ((int)i != verdict.liar)
            honest[honest_count++] = closes[i];
    verdict.spread = spread_of(honest, honest_count);
    if (verdict.spread <= spread_max)
        verdict.best = verdict.liar == 0 ? 1 : 0;
    return verdict;
}

/* May these two be stored in one batch? */
static bool is_alike(const struct ingest_hour *a, const struct ingest_hour *b)
{
    return strcmp(a->source, b->source) == 0 && strcmp(a->quote, b->quote) == 0 &&
           a->source_count == b->source_count && memcmp(&a->spread, &b->spread, sizeof(a->spread)) == 0;
}

int ingest_save(struct db *db, const struct feed *feed, const struct ingest_hour *hours, size_t count,
                struct candle_changes *changes)
{
    struct arena *arena = arena_create("ingest.save", SAVE_ARENA_MAX);
    struct candle *candles = arena_array(arena, count + 1, sizeof(*candles));
    int rc = 0;

    for (size_t i = 0; i < count; i++)
        candles[i] = hours[i].candle;
    for (size_t done = 0; rc == 0 && done < count;) {
        const struct ingest_hour *first = &hours[done];
        struct candle_batch batch = {.feed = feed->name,
                                     .interval_s = HOUR_S,
                                     .source = first->source,
                                     .quote = first->quote,
                                     .source_count = first->source_count,
                                     .spread = first->spread,
                                     .known_wall_ms = clock_wall_ms(),
                                     .candles = &candles[done],
                                     .count = 1};

        while (done + batch.count < count && is_alike(first, &hours[done + batch.count]))
            batch.count++;
        rc = candles_save(db, &batch, changes);
        done += batch.count;
    }
    arena_free(&arena);
    return rc;
}

int ingest_save_sources(struct db *db, const struct ingest *ingest)
{
    for (size_t i = 0; i < ingest->source_count; i++) {
        const struct ingest_source *source = &ingest->sources[i];
        struct db_param none = DB_NULL, now = DB_I64(clock_wall_ms());
        bool is_ok = source->has_answered, has_price = source->ticker.price > 0;
        const char *state = is_ok ? "ok" : source->breaker.state == BREAKER_CLOSED ? "failing" : "open";

        if (!source->was_asked)
            continue;
        if (db_exec(db, sql_save_source, NULL, DB_TEXT(ingest->feed.name), DB_TEXT(source->provider->name),
                    DB_TEXT(state), is_ok ? now : none, is_ok ? none : now, DB_TEXT(is_ok ? NULL : source->error),
                    DB_I64(source->fetched), DB_I64(source->refused), DB_I64(is_ok ? 0 : 1),
                    has_price ? DB_F64(source->ticker.price) : none,
                    has_price ? DB_I64(source->ticker.market_ms) : none, DB_END) < 0)
            return err_wrap("while noting the state of %s", source->provider->name);
    }
    return 0;
}
