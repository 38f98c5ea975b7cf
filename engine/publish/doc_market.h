/* Prices and candles: /v1/price and /v1/candles/{1h,4h,1d}. Pure. */
#ifndef PUBLISH_DOC_MARKET_H
#define PUBLISH_DOC_MARKET_H

#include "core/base.h"
#include "core/str.h"
#include "market/feed.h"
#include "publish/parts.h"
#include "publish/view.h"

#define PRICE_KEY "/v1/price"
/* Older than this, in market time against the newest, and a provider's last price is no part of the consensus. */
#define PRICE_AGE_MAX_MS (INT64_C(10) * 60 * MS_PER_S)

/* The median of the providers' recent last prices, or the newest 1h close when there are none. */
struct price_view {
    double price;      /* 0: nothing is known */
    int64_t at;        /* market time of the newest part */
    bool is_consensus; /* false: a close */
    size_t source_count;
    struct {
        const char *source, *quote; /* quote: "" when not known */
    } sources[VIEW_PROVIDERS_MAX];
};

struct price_view price_of(const struct provider_view *providers, size_t count, const struct candles_view *hourly);

void doc_price_render(const struct feed *feed, const struct price_view *price, const struct deadlines *deadlines,
                      bool stale, struct strbuf *out);
void doc_price_event_render(const struct feed *feed, const struct price_view *price, struct strbuf *out);

void doc_candles_render(const struct feed *feed, const struct candles_view *candles,
                        const struct deadlines *deadlines, bool stale, struct strbuf *out);
/* The newest candle alone. */
void doc_candle_event_render(const struct feed *feed, const struct candles_view *candles, struct strbuf *out);

#endif
