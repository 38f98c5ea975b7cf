/* How the service and its input are: /v1/status, /v1/data-quality. Pure. */
#ifndef PUBLISH_DOC_STATUS_H
#define PUBLISH_DOC_STATUS_H

#include "core/base.h"
#include "core/str.h"
#include "market/feed.h"
#include "publish/parts.h"
#include "publish/view.h"

struct status_page {
    const struct feed *feed;
    const struct batch_view *batch; /* id 0: no forecast yet */
    int64_t newest_candle_at;       /* closing instant of the newest 1h candle; 0: none */
    const struct component_view *components;
    size_t component_count;
    const struct provider_view *providers;
    size_t provider_count;
};

/* "ok", "degraded" or "starting": one word for the whole. */
const char *status_word(const struct status_page *page);

void doc_status_render(const struct status_page *page, struct strbuf *out);
/* Data of the stream event that announces a change of the word. */
void doc_status_event_render(const struct status_page *page, struct strbuf *out);

void doc_quality_render(const struct feed *feed, const struct quality_view *intervals, size_t interval_count,
                        const struct provider_view *providers, size_t provider_count, struct strbuf *out);

#endif
