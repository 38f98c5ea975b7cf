/* Where candles come from. A provider is one file (market/<name>.c) that defines `const struct provider provider_<name>`
 * and one line in market/providers.def; an exchange also has the setting provider_url_<name>.
 *
 * A provider delivers what it has, in any order; provider_fetch turns that into candles that can be stored: closed at
 * the market's now, checked, ascending, each time once. Exchanges are not trusted: what fails a check is counted as
 * refused, and an answer of which nothing survives is an error.
 */
#ifndef MARKET_PROVIDER_H
#define MARKET_PROVIDER_H

#include "core/base.h"
#include "market/candle.h"

struct arena;
struct db;
struct feed;
struct https;
struct settings;

#define PROVIDER_BODY_MAX ((size_t)4 << 20) /* of one answer */
#define PROVIDER_CANDLES_MAX 10000          /* in one answer */

/* What a provider may use. */
struct provider_context {
    const struct settings *settings;
    const struct feed *feed;
    struct db *db;       /* replay */
    struct https *https; /* exchanges */
};

struct provider_request {
    const char *symbol; /* "BTC-USD" */
    int64_t interval_s;
    int64_t from_ms, to_ms; /* open times wanted: from <= open < to */
    int64_t now_ms;         /* market time */
};

struct candle_list {
    struct candle *candles; /* in the arena */
    size_t count;
    size_t refused;             /* set by provider_fetch */
    const char *source, *quote; /* NULL: the provider's name, what the symbol is quoted in */
};

struct ticker {
    double price;
    int64_t market_ms;
};

struct provider {
    const char *name;
    bool is_exchange;  /* asked over the network */
    const char *quote; /* of its prices; NULL: the symbol's own */
    int candles_max;   /* most candles of one answer */
    int64_t history_s; /* how far back it can answer; 0: without limit */
    int64_t pause_ms;  /* between two calls: half of the documented rate, or slower */
    int (*fetch_candles)(const struct provider_context *context, const struct provider_request *request,
                         struct arena *arena, struct candle_list *out);
    /* NULL: has none; the newest close serves. */
    int (*fetch_ticker)(const struct provider_context *context, const char *symbol, struct arena *arena,
                        struct ticker *ticker);
};

extern const struct provider *const providers[]; /* ends with NULL */
/* By name, or NULL. */
const struct provider *provider_find(const char *name);

/* Errors: E_UPSTREAM for an answer that makes no sense, E_TIMEOUT, E_STORE; the provider's name is in the text. An
 * empty list is no error here. */
int provider_fetch(const struct provider *provider, const struct provider_context *context,
                   const struct provider_request *request, struct arena *arena,
                   struct candle_list *out) BTCF_MUST_CHECK;

/* For exchanges: GET `base` + `path` and the body of a 200; every other status is E_UPSTREAM. */
int provider_get(const struct provider_context *context, struct arena *arena, const char *base, const char *path,
                 struct str *body) BTCF_MUST_CHECK;

/* Pure: what the exchanges' own files parse, here for their tests and fuzzers. Candles in the order of the answer. */
int coinbase_parse_candles(struct str body, struct arena *arena, struct candle_list *out) BTCF_MUST_CHECK;
int coinbase_parse_ticker(struct str body, double *price) BTCF_MUST_CHECK;
int kraken_parse_candles(struct str body, struct arena *arena, struct candle_list *out) BTCF_MUST_CHECK;
int kraken_parse_ticker(struct str body, double *price) BTCF_MUST_CHECK;

/* Pure: drops unfinished candles and those outside of the request silently, refuses what fails candle_check or repeats
 * a time with other numbers, and sorts the rest. */
void provider_accept(const struct provider_request *request, struct candle_list *list);

#endif
