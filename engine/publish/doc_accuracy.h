/* How forecasts fared: /v1/accuracy, a line for each horizon and model over the scoring window, and
 * /v1/accuracy/{horizon}, everything that is known, for each window. Pure.
 */
#ifndef PUBLISH_DOC_ACCURACY_H
#define PUBLISH_DOC_ACCURACY_H

#include "core/base.h"
#include "core/str.h"
#include "market/feed.h"
#include "publish/view.h"

#define ACCURACY_KEY "/v1/accuracy"
#define ACCURACY_KEY_SIZE 32

/* "/v1/accuracy/1d". */
void accuracy_key(int64_t horizon_s, char key[ACCURACY_KEY_SIZE]);

void doc_accuracy_render(const struct feed *feed, const struct accuracy_view *lines, size_t count,
                         struct strbuf *out);
void doc_accuracy_horizon_render(const struct feed *feed, const struct accuracy_view *lines, size_t count,
                                 int64_t horizon_s, struct strbuf *out);

#endif
