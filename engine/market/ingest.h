/* From what providers say to candles that may be stored.
 *
 * For a live feed every configured exchange is asked, each behind its own breaker and pace, and an hour is accepted when
 * they agree; the candle stored is that of the first of them in the order of the settings. One exchange that is away, or
 * answers nonsense, is done without. When two disagree by more than provider_spread_max, the one that left the last known
 * close far behind while the other did not is taken for the liar; if that does not tell, the hour is held back until they
 * agree or the next hour has closed. Replay and simulation have one source.
 */
#ifndef MARKET_INGEST_H
#define MARKET_INGEST_H

#include "core/base.h"
#include "core/rand.h"
#include "core/retry.h"
#include "market/candle.h"
#include "market/feed.h"
#include "market/provider.h"

#define INGEST_SOURCES_MAX 8
#define INGEST_ERROR_SIZE 240

struct arena;
struct candle_changes;

/* One provider as this process sees it. */
struct ingest_source {
    const struct provider *provider;
    struct breaker breaker;
    struct backoff backoff;
    int64_t next_call_mono_ms;
    bool was_asked, has_answered; /* in this round */
    int64_t fetched, refused;     /* in this round */
    struct candle_list list;      /* of this round, in the round's arena */
    bool is_out_of_reach;         /* what this round wants is older than it can answer */
    struct ticker ticker;         /* price 0: none */
    char error[INGEST_ERROR_SIZE];
};

struct ingest {
    struct feed feed;
    struct provider_context context;
    struct ingest_source sources[INGEST_SOURCES_MAX];
    size_t source_count;
    struct rng rng;
};

/* An hour that was accepted, and on whose word. */
struct ingest_hour {
    struct candle candle;
    const char *source, *quote;
    int source_count;
    double spread;
};

/* `feed` is copied; context->feed is set to the copy. E_INPUT when the settings name no provider that is known. */
int ingest_init(struct ingest *ingest, const struct feed *feed,
                const struct provider_context *context) BTCF_MUST_CHECK;

/* What is known and wanted at the start of a round. */
struct ingest_round {
    int64_t last_close_ms; /* hours that open from here on are wanted */
    double last_close;     /* 0: none is known */
    int64_t now_ms;        /* market time */
};

struct ingest_harvest {
    struct ingest_hour *hours; /* ascending, in the arena */
    size_t count;
};

/* One round: the hours that are closed by now, at most what one call to a provider gives. Providers that fail are noted
 * in their sources; only when all of them failed is it an error. */
int ingest_collect(struct ingest *ingest, struct arena *arena, const struct ingest_round *round,
                   struct ingest_harvest *harvest) BTCF_MUST_CHECK;

/* Stores hours of the feed in the caller's transaction. */
int ingest_save(struct db *db, const struct feed *feed, const struct ingest_hour *hours, size_t count,
                struct candle_changes *changes) BTCF_MUST_CHECK;

/* Writes provider_state of the sources that were asked in this round. */
int ingest_save_sources(struct db *db, const struct ingest *ingest) BTCF_MUST_CHECK;

/* What to make of one hour: the index of the source to store, or -1 to hold the hour back; the index of one to refuse, or
 * -1; (max - min) / median of the closes that count. */
struct ingest_verdict {
    int best, liar;
    double spread;
};

/* Pure. count >= 1, the preferred source first; last_close 0: none is known; at most INGEST_SOURCES_MAX. */
struct ingest_verdict ingest_judge(const double *closes, size_t count, double last_close, double spread_max);

#endif
