/* What lies in the shop window: every document with the tag of its last published version, so that equal bytes are
 * not published twice and readers keep their copies.
 */
#ifndef PUBLISH_SHELF_H
#define PUBLISH_SHELF_H

#include "core/base.h"
#include "publish/document.h"

#define SHELF_DOC_COUNT_MAX 96

struct shelf {
    struct writer *writer; /* borrowed */
    size_t count;
    struct {
        char key[BTCF_DOC_KEY_MAX + 1];
        uint64_t etag_fresh, etag_stale;
        int64_t stale_at_ms, expires_at_ms;
    } items[SHELF_DOC_COUNT_MAX];
};

void shelf_init(struct shelf *shelf, struct writer *writer);

/* Publishes the document if it differs from what lies there; *changed (may be NULL) tells. E_LIMIT when it does not fit
 * or the shelf is full. */
int shelf_put(struct shelf *shelf, const struct document *doc, bool *changed) BTCF_MUST_CHECK;

/* Takes the document away: readers get 404. Nothing when it is not there. */
int shelf_remove(struct shelf *shelf, const char *key) BTCF_MUST_CHECK;

#endif
