/* See shelf.h. A few dozen documents: a linear search is the right size. */
#include "publish/shelf.h"

#include <stdio.h>
#include <string.h>

#include "core/err.h"
#include "core/metrics.h"

static size_t find(const struct shelf *shelf, const char *key);

void shelf_init(struct shelf *shelf, struct writer *writer)
{
    memset(shelf, 0, sizeof(*shelf));
    shelf->writer = writer;
}

int shelf_put(struct shelf *shelf, const struct document *doc, bool *changed)
{
    size_t i = find(shelf, doc->key);
    uint64_t etag_fresh = document_etag(doc->fresh.ptr, doc->fresh.len);
    uint64_t etag_stale = document_etag(doc->stale.ptr, doc->stale.len);
    bool same = i < shelf->count && shelf->items[i].etag_fresh == etag_fresh &&
                shelf->items[i].etag_stale == etag_stale && shelf->items[i].stale_at_ms == doc->stale_at_ms &&
                shelf->items[i].expires_at_ms == doc->expires_at_ms;
    if (changed != NULL)
        *changed = !same;
    if (same)
        return 0;
    if (i == SHELF_DOC_COUNT_MAX)
        return err_set(E_LIMIT, "no room for %s: %d documents are published", doc->key, SHELF_DOC_COUNT_MAX);
    if (document_publish(doc, shelf->writer) < 0)
        return -1;
    metric_add(METRIC_documents_published_total, 1);
    if (i == shelf->count)
        snprintf(shelf->items[shelf->count++].key, sizeof(shelf->items[0].key), "%s", doc->key);
    shelf->items[i].etag_fresh = etag_fresh;
    shelf->items[i].etag_stale = etag_stale;
    shelf->items[i].stale_at_ms = doc->stale_at_ms;
    shelf->items[i].expires_at_ms = doc->expires_at_ms;
    return 0;
}

int shelf_remove(struct shelf *shelf, const char *key)
{
    size_t i = find(shelf, key);
    if (i == shelf->count)
        return 0;
    if (writer_retire_doc(shelf->writer, key) < 0)
        return err_wrap("while taking %s away", key);
    shelf->items[i] = shelf->items[--shelf->count];
    return 0;
}

/* Index of the item, or count when it is not there. */
static size_t find(const struct shelf *shelf, const char *key)
{
    size_t i = 0;
    while (i < shelf->count && strcmp(shelf->items[i].key, key) != 0)
        i++;
    return i;
}
