/* A document on its way into shared memory: one key, two variants of text, and when they stop being true.
 *
 *     struct document doc = {.key = "/v1/price", ...};
 *     document_init(&doc);
 *     render(..., false, &doc.fresh);  render(..., true, &doc.stale);
 *     document_publish(&doc, writer);                         compresses, tags, hands over
 *     document_release(&doc);
 *
 * The entity tag is the first 64 bits of the SHA-256 of the identity body: equal bytes, equal tag, also after a restart.
 */
#ifndef PUBLISH_DOCUMENT_H
#define PUBLISH_DOCUMENT_H

#include "core/base.h"
#include "core/str.h"
#include "shm/writer.h"

/* Room that all four bodies of one document may take: what the publisher creates the file with. */
#define DOCUMENT_BYTES_MAX (192u << 10)

struct document {
    const char *key;
    enum btcf_doc_class doc_class;
    enum btcf_doc_type type;
    int64_t published_ms, stale_at_ms, expires_at_ms; /* wall; 0 in the last two: never */
    uint32_t cost_units;
    struct strbuf fresh, stale; /* an empty stale: the document cannot go stale */
};

void document_init(struct document *doc);
void document_release(struct document *doc);

/* E_LIMIT when a body was cut or does not fit. */
int document_publish(const struct document *doc, struct writer *writer) BTCF_MUST_CHECK;

uint64_t document_etag(const void *bytes, size_t len);

/* zlib level 9 in a gzip frame without a time, so equal bytes give equal bytes. `out` is left empty when the result
 * would not be smaller. */
void document_gzip(const void *bytes, size_t len, struct strbuf *out);

#endif
