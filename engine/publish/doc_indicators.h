/* /v1/indicators: technical indicators of each interval. /v1/risk: regime, and what each horizon's curve puts at risk. Pure. */
#ifndef PUBLISH_DOC_INDICATORS_H
#define PUBLISH_DOC_INDICATORS_H

#include "core/base.h"
#include "core/str.h"
#include "market/feed.h"
#include "publish/board.h"
#include "publish/parts.h"
#include "publish/view.h"

#define INDICATORS_KEY "/v1/indicators"
#define RISK_KEY "/v1/risk"

/* `life`: when the newest 1h candle goes stale. */
void doc_indicators_render(const struct feed *feed, const struct board *board, const struct deadlines *life,
                           bool stale, struct strbuf *out);

struct risk_page {
    const struct feed *feed;
    const struct board *board;
    const struct batch_view *batch; /* id 0: no forecasts yet; the term structure is empty then */
    struct deadlines life;
};

void doc_risk_render(const struct risk_page *page, bool stale, struct strbuf *out);

#endif
