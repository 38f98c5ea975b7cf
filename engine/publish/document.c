/* See document.h. Compression happens once here, at level 9, so that no worker ever compresses: a kilobyte costs some
 * tens of microseconds, once per publication instead of once per request.
 */
#include "publish/document.h"

#include <assert.h>
#include <zlib.h>

#include "core/err.h"
#include "crypto/digest.h"

#define GZIP_LEVEL 9
#define GZIP_WINDOW_BITS (15 + 16) /* 16: a gzip frame instead of zlib's */
#define GZIP_MEMORY_LEVEL 9

static struct writer_body body_of(const struct strbuf *buf);

void document_init(struct document *doc)
{
    strbuf_init(&doc->fresh, DOCUMENT_BYTES_MAX);
    strbuf_init(&doc->stale, DOCUMENT_BYTES_MAX);
}

void document_release(struct document *doc)
{
    strbuf_release(&doc->fresh);
    strbuf_release(&doc->stale);
}

int document_publish(const struct document *doc, struct writer *writer)
{
    if (strbuf_failed(&doc->fresh) || strbuf_failed(&doc->stale))
        return err_set(E_LIMIT, "%s is longer than %u bytes", doc->key, DOCUMENT_BYTES_MAX);

    struct strbuf fresh_gz, stale_gz;
    strbuf_init(&fresh_gz, DOCUMENT_BYTES_MAX);
    strbuf_init(&stale_gz, DOCUMENT_BYTES_MAX);
    document_gzip(doc->fresh.ptr, doc->fresh.len, &fresh_gz);
    document_gzip(doc->stale.ptr, doc->stale.len, &stale_gz);
    struct writer_doc version = {
        .key = doc->key,
        .doc_class = doc->doc_class,
        .type = doc->type,
        .published_ms = doc->published_ms,
        .stale_at_ms = doc->stale_at_ms,
        .expires_at_ms = doc->expires_at_ms,
        .cost_units = doc->cost_units,
        .fresh = body_of(&doc->fresh),
        .fresh_gz = body_of(&fresh_gz),
        .stale = body_of(&doc->stale),
        .stale_gz = body_of(&stale_gz),
        .etag_fresh = document_etag(doc->fresh.ptr, doc->fresh.len),
        .etag_stale = document_etag(doc->stale.ptr, doc->stale.len),
    };
    if (doc->stale.len == 0)
        version.etag_stale = version.etag_fresh;
    int result = writer_publish(writer, &version);
    strbuf_release(&fresh_gz);
    strbuf_release(&stale_gz);
    return result < 0 ? err_wrap("while publishing %s", doc->key) : 0;
}

uint64_t document_etag(const void *bytes, size_t len)
{
    struct digest digest = digest_sha256(bytes, len);
    uint64_t etag = 0;
    for (int i = 0; i < 8; i++)
        etag = etag << 8 | digest.bytes[i];
    return etag;
}

void document_gzip(const void *bytes, size_t len, struct strbuf *out)
{
    if (len == 0)
        return;
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)bytes, .avail_in = (uInt)len};
    int result =
        deflateInit2(&stream, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW_BITS, GZIP_MEMORY_LEVEL, Z_DEFAULT_STRATEGY);
    assert(result == Z_OK);
    unsigned char chunk[16384];
    do {
        stream.next_out = chunk;
        stream.avail_out = sizeof(chunk);
        result = deflate(&stream, Z_FINISH);
        strbuf_add(out, chunk, sizeof(chunk) - stream.avail_out);
    } while (result == Z_OK);
    assert(result == Z_STREAM_END);
    deflateEnd(&stream);
    if (strbuf_failed(out) || out->len >= len)
        strbuf_reset(out);
}

static struct writer_body body_of(const struct strbuf *buf)
{
    return (struct writer_body){buf->ptr, buf->len};
}
