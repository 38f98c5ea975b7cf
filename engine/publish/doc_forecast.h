/* The forecast documents: /v1/forecasts/{horizon}, and /v1/forecasts, which holds exactly their bytes. docs/API.md
 * lists every field. Pure.
 */
#ifndef PUBLISH_DOC_FORECAST_H
#define PUBLISH_DOC_FORECAST_H

#include "core/base.h"
#include "core/str.h"
#include "market/feed.h"
#include "publish/parts.h"
#include "publish/view.h"
#include "shm/btcf_abi.h"

#define FORECAST_LIST_KEY "/v1/forecasts"
#define FORECAST_KEY_SIZE 32

/* Everything that one forecast document says. baseline and accuracy may be NULL. */
struct forecast_page {
    const struct feed *feed;
    const struct batch_view *batch;
    const struct forecast_view *forecast, *baseline;
    const struct accuracy_view *accuracy; /* of the served model over live and walk-forward scores together */
    struct deadlines deadlines;
};

/* "/v1/forecasts/1d". */
void forecast_key(int64_t horizon_s, char key[FORECAST_KEY_SIZE]);
/* "1d", or NULL for a horizon that is not published. */
const char *horizon_name(int64_t horizon_s);

void doc_forecast_render(const struct forecast_page *page, bool stale, struct strbuf *out);

/* {"forecasts":[a,b,...]} of ready documents. */
void doc_forecast_list_render(const struct str *documents, size_t count, struct strbuf *out);

/* The curve as numbers, for questions that a worker answers itself. */
void doc_forecast_curve(const struct forecast_page *page, struct btcf_dist_curve *curve);

/* Data of the stream event that announces the forecast; shorter than BTCF_EVENT_DATA_MAX. */
void doc_forecast_event_render(const struct forecast_page *page, struct strbuf *out);

#endif
