/* Tags and compression of a document, and the shelf that publishes only what changed, over a real shared file. */
#include "publish/document.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <zlib.h>

#include "core/err.h"
#include "publish/shelf.h"
#include "scratch.h"
#include "shm/reader.h"

#include <cmocka.h>

#define TEXT_MAX 65536

static void equal_bytes_have_equal_tags(void **state)
{
    (void)state;
    assert_true(document_etag("abc", 3) == UINT64_C(0xba7816bf8f01cfea)); /* FIPS 180-4's example, first 8 bytes */
    assert_true(document_etag("abd", 3) != document_etag("abc", 3));
}

static void gzip_reads_back_and_is_the_same_every_time(void **state)
{
    (void)state;
    struct strbuf text, one, other;
    strbuf_init(&text, TEXT_MAX);
    strbuf_init(&one, TEXT_MAX);
    strbuf_init(&other, TEXT_MAX);
    for (int i = 0; i < 200; i++)
        strbuf_printf(&text, "{\"quantile\":%d}", i);
    document_gzip(text.ptr, text.len, &one);
    document_gzip(text.ptr, text.len, &other);
    assert_true(one.len > 0 && one.len < text.len);
    assert_int_equal(one.len, other.len);
    assert_memory_equal(one.ptr, other.ptr, one.len);

    unsigned char back[TEXT_MAX];
    z_stream stream = {
        .next_in = (Bytef *)one.ptr, .avail_in = (uInt)one.len, .next_out = back, .avail_out = sizeof(back)};
    assert_int_equal(inflateInit2(&stream, 31), Z_OK);
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    inflateEnd(&stream);
    assert_int_equal(stream.total_out, text.len);
    assert_memory_equal(back, text.ptr, text.len);
    strbuf_release(&text);
    strbuf_release(&one);
    strbuf_release(&other);
}

static void what_gzip_does_not_make_smaller_stays_as_it_is(void **state)
{
    (void)state;
    struct strbuf out;
    strbuf_init(&out, TEXT_MAX);
    document_gzip("{}", 2, &out);
    assert_int_equal(out.len, 0);
    document_gzip("", 0, &out);
    assert_int_equal(out.len, 0);
    strbuf_release(&out);
}

static struct writer *make_writer(const char *dir)
{
    struct writer *writer;
    struct writer_options options = {.dir = dir,
                                     .build = "test",
                                     .doc_count_max = 8,
                                     .doc_bytes_max = 16384,
                                     .event_count = 16,
                                     .dist_count_max = 8,
                                     .mode = 0640};
    if (writer_create(&writer, &options) < 0)
        fail_msg("%s", err_text());
    return writer;
}

static void the_shelf_publishes_only_what_changed(void **state)
{
    (void)state;
    char dir[SCRATCH_SIZE];
    scratch_create(dir);
    struct writer *writer = make_writer(dir);
    struct shelf shelf;
    struct document doc = {.key = "/v1/price", .doc_class = BTCF_DOC_MARKET, .stale_at_ms = 1};
    bool changed;
    shelf_init(&shelf, writer);
    document_init(&doc);
    strbuf_add_text(&doc.fresh, "{\"price\":1}");
    assert_int_equal(shelf_put(&shelf, &doc, &changed), 0);
    assert_true(changed);
    assert_int_equal(shelf_put(&shelf, &doc, &changed), 0);
    assert_false(changed);
    doc.stale_at_ms = 2;
    assert_int_equal(shelf_put(&shelf, &doc, &changed), 0);
    assert_true(changed);
    strbuf_add_char(&doc.fresh, ' ');
    assert_int_equal(shelf_put(&shelf, &doc, &changed), 0);
    assert_true(changed);
    assert_int_equal(shelf_remove(&shelf, "/v1/price"), 0);
    assert_int_equal(shelf_remove(&shelf, "/v1/price"), 0);
    assert_int_equal(shelf_put(&shelf, &doc, &changed), 0);
    assert_true(changed);
    document_release(&doc);
    writer_close(&writer);
    scratch_remove(dir);
}

static void a_document_that_was_cut_is_refused(void **state)
{
    (void)state;
    char dir[SCRATCH_SIZE];
    scratch_create(dir);
    struct writer *writer = make_writer(dir);
    struct document doc = {.key = "/v1/price", .doc_class = BTCF_DOC_MARKET};
    document_init(&doc);
    for (size_t i = 0; i <= DOCUMENT_BYTES_MAX; i++)
        strbuf_add_char(&doc.fresh, 'x');
    assert_int_equal(document_publish(&doc, writer), -1);
    assert_int_equal(err_kind(), E_LIMIT);
    document_release(&doc);
    writer_close(&writer);
    scratch_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_bytes_have_equal_tags),
        cmocka_unit_test(gzip_reads_back_and_is_the_same_every_time),
        cmocka_unit_test(what_gzip_does_not_make_smaller_stays_as_it_is),
        cmocka_unit_test(the_shelf_publishes_only_what_changed),
        cmocka_unit_test(a_document_that_was_cut_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
