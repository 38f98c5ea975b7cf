/* The models: what each is, has learned, weighs and may: /v1/models. Pure. */
#ifndef PUBLISH_DOC_MODELS_H
#define PUBLISH_DOC_MODELS_H

#include "core/base.h"
#include "core/str.h"
#include "market/feed.h"
#include "publish/records.h"
#include "publish/view.h"

struct models_page {
    const struct feed *feed;
    const struct batch_view *batch; /* id 0: no forecast yet */
    const struct records *records;
    const struct refusal_view *refusals; /* of the batch */
    size_t refusal_count;
};

void doc_models_render(const struct models_page *page, struct strbuf *out);

#endif
