/* What the writer publishes is what the reader reads; limits are errors and never cut anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shm_fixture.h"

static struct shm_fixture fixture;
static struct writer *writer;
static struct btcf_reader reader;

static int set_up(void **state)
{
    struct writer_options options;

    (void)state;
    shm_fixture_init(&fixture);
    options = shm_options(&fixture);
    memset(&reader, 0, sizeof(reader));
    if (writer_create(&writer, &options) < 0 || writer_go_live(writer) < 0)
        return -1;
    return btcf_reader_open(&reader, fixture.pub) == BTCF_ATTACH_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    btcf_reader_close(&reader);
    writer_close(&writer);
    shm_fixture_release(&fixture);
    return 0;
}

static void publish(const struct writer_doc *doc)
{
    if (writer_publish(writer, doc) < 0)
        fail_msg("%s", err_text());
}

static uint32_t slot_of(const char *key)
{
    int64_t slot = btcf_reader_find(&reader, key, strlen(key));

    assert_true(slot >= 0);
    return (uint32_t)slot;
}

static void check_body(const char *key, unsigned body, const char *expected)
{
    struct btcf_doc_meta meta;
    unsigned char buf[2048];
    uint32_t slot = slot_of(key);

    assert_int_equal(btcf_reader_meta(&reader, slot, &meta), BTCF_READ_OK);
    assert_int_equal(btcf_body_len(&meta, body), strlen(expected));
    assert_int_equal(btcf_reader_body(&reader, slot, &meta, body, buf), BTCF_READ_OK);
    assert_int_equal(memcmp(buf, expected, strlen(expected)), 0);
}

static void a_document_comes_out_as_it_went_in(void **state)
{
    struct writer_doc doc = shm_doc("/v1/forecasts/1d", "{\"stale\":false}", "{\"stale\":true}");
    struct btcf_doc_meta meta;
    uint32_t slot;

    (void)state;
    doc.fresh_gz = shm_text("gzip of fresh");
    doc.stale_gz = shm_text("and of stale, which is longer");
    publish(&doc);
    check_body(doc.key, 0, "{\"stale\":false}");
    check_body(doc.key, BTCF_BODY_STALE, "{\"stale\":true}");
    check_body(doc.key, BTCF_BODY_GZIP, "gzip of fresh");
    check_body(doc.key, BTCF_BODY_STALE | BTCF_BODY_GZIP, "and of stale, which is longer");

    slot = slot_of(doc.key);
    assert_int_equal(btcf_reader_meta(&reader, slot, &meta), BTCF_READ_OK);
    assert_int_equal(meta.published_ms, 1700000000123);
    assert_int_equal(meta.modified_s, 1700000000);
    assert_int_equal(meta.stale_at_ms, 1700000001000);
    assert_int_equal(meta.expires_at_ms, 1700000002000);
    assert_int_equal(meta.cost_units, 3);
    assert_int_equal(meta.flags, 0);
    assert_int_equal(meta.variant[BTCF_VARIANT_FRESH].etag, 0x1111);
    assert_int_equal(meta.variant[BTCF_VARIANT_STALE].etag, 0x2222);
    assert_int_equal(reader.slots[slot].doc_class, BTCF_DOC_FORECAST);
}

static void without_a_stale_form_both_variants_are_the_fresh_one(void **state)
{
    struct writer_doc doc = shm_doc("/openapi.json", "{}", "");
    struct btcf_doc_meta meta;

    (void)state;
    doc.fresh_gz = shm_text("zipped");
    publish(&doc);
    check_body(doc.key, BTCF_BODY_STALE, "{}");
    check_body(doc.key, BTCF_BODY_STALE | BTCF_BODY_GZIP, "zipped");
    assert_int_equal(btcf_reader_meta(&reader, slot_of(doc.key), &meta), BTCF_READ_OK);
    assert_int_equal(meta.flags, BTCF_DOC_SAME_STALE);
    assert_int_equal(meta.variant[BTCF_VARIANT_STALE].etag, 0x1111);
}

static void each_publication_adds_one_to_generation_and_epoch(void **state)
{
    struct writer_doc doc = shm_doc("/a", "x", "y");
    uint64_t epoch = btcf_reader_epoch(&reader);
    char text[16];

    (void)state;
    for (uint64_t gen = 1; gen <= 5; gen++) {
        snprintf(text, sizeof(text), "version %d", (int)gen);
        doc.fresh = shm_text(text);
        publish(&doc);
        assert_int_equal(btcf_reader_gen(&reader, slot_of("/a")), gen);
        assert_int_equal(btcf_reader_epoch(&reader), epoch + gen);
        check_body("/a", 0, text);
    }
}

static void the_version_before_stays_readable_until_the_next_but_one(void **state)
{
    struct writer_doc doc = shm_doc("/a", "first", "");
    struct btcf_doc_meta first;
    unsigned char buf[16];

    (void)state;
    publish(&doc);
    assert_int_equal(btcf_reader_meta(&reader, slot_of("/a"), &first), BTCF_READ_OK);
    doc.fresh = shm_text("second");
    publish(&doc);
    assert_memory_equal(reader.bodies + first.variant[0].body_off, "first", 5);
    assert_int_equal(btcf_reader_body(&reader, slot_of("/a"), &first, 0, buf), BTCF_READ_BUSY);
}

static void bodies_that_fill_the_room_fit_and_one_byte_more_is_refused(void **state)
{
    const size_t room = 1024 + BTCF_BODY_COUNT * BTCF_DOC_ALIGN; /* what is promised, and padding for four */
    struct writer_doc doc = shm_doc("/big", "", "");
    char bytes[2048], quarter[257];

    (void)state;
    memset(bytes, 'b', sizeof(bytes));
    memset(quarter, 'q', sizeof(quarter));
    quarter[256] = '\0';
    doc.fresh = (struct writer_body){bytes, 1024};
    publish(&doc);
    doc.fresh = doc.fresh_gz = doc.stale = doc.stale_gz = (struct writer_body){quarter, 256};
    publish(&doc);
    for (unsigned body = 0; body < BTCF_BODY_COUNT; body++)
        check_body("/big", body, quarter);

    doc = shm_doc("/big", "", "");
    doc.fresh = (struct writer_body){bytes, room + 1};
    assert_int_equal(writer_publish(writer, &doc), -1);
    assert_int_equal(err_kind(), E_LIMIT);
    assert_non_null(strstr(err_text(), "/big"));
    assert_int_equal(btcf_reader_gen(&reader, slot_of("/big")), 2);
    check_body("/big", 0, quarter);
}

static void a_full_directory_refuses_new_keys_and_serves_the_old(void **state)
{
    const char *const keys[] = {"/1", "/2", "/3", "/4"};
    struct writer_doc doc = shm_doc("/5", "5", "");

    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(keys); i++) {
        struct writer_doc each = shm_doc(keys[i], keys[i], "");

        publish(&each);
    }
    assert_int_equal(writer_publish(writer, &doc), -1);
    assert_int_equal(err_kind(), E_LIMIT);
    assert_int_equal(btcf_reader_find(&reader, "/5", 2), -1);
    doc = shm_doc("/3", "again", "");
    publish(&doc);
    check_body("/1", 0, "/1");
    check_body("/3", 0, "again");
}

static void keys_have_one_to_104_bytes(void **state)
{
    char key[BTCF_DOC_KEY_MAX + 2] = "";
    struct writer_doc doc = shm_doc(key, "x", "");

    (void)state;
    memset(key, 'k', sizeof(key));
    key[BTCF_DOC_KEY_MAX + 1] = '\0';
    assert_int_equal(writer_publish(writer, &doc), -1);
    assert_int_equal(err_kind(), E_LIMIT);
    key[BTCF_DOC_KEY_MAX] = '\0';
    publish(&doc);
    check_body(key, 0, "x");
    key[0] = '\0';
    assert_int_equal(writer_publish(writer, &doc), -1);
    assert_int_equal(btcf_reader_find(&reader, "", 0), -1);
}

static void a_retired_document_says_so_and_an_unknown_one_is_ignored(void **state)
{
    struct writer_doc doc = shm_doc("/a", "x", "");
    struct btcf_doc_meta meta;

    (void)state;
    publish(&doc);
    assert_int_equal(writer_retire_doc(writer, "/a"), 0);
    assert_int_equal(btcf_reader_meta(&reader, slot_of("/a"), &meta), BTCF_READ_OK);
    assert_true((meta.flags & BTCF_DOC_RETIRED) != 0);
    assert_int_equal(btcf_body_len(&meta, 0), 0);
    assert_int_equal(writer_retire_doc(writer, "/unknown"), 0);
    assert_int_equal(btcf_reader_find(&reader, "/unknown", 8), -1);
    publish(&doc);
    check_body("/a", 0, "x");
}

static void curves_come_out_as_they_went_in_up_to_their_number(void **state)
{
    struct btcf_dist_curve curve = {.level_count = 2, .horizon_s = 3600, .level = {1, 2}, .value = {3, 4}}, copy;

    (void)state;
    assert_int_equal(btcf_reader_dist(&reader, "/a", 2, &copy), BTCF_READ_ABSENT);
    assert_int_equal(writer_publish_dist(writer, "/a", &curve), 0);
    curve.horizon_s = 86400;
    assert_int_equal(writer_publish_dist(writer, "/b", &curve), 0);
    assert_int_equal(writer_publish_dist(writer, "/b", &curve), 0);
    assert_int_equal(btcf_reader_dist(&reader, "/a", 2, &copy), BTCF_READ_OK);
    assert_int_equal(copy.horizon_s, 3600);
    assert_int_equal(copy.gen, 1);
    assert_int_equal(btcf_reader_dist(&reader, "/b", 2, &copy), BTCF_READ_OK);
    assert_int_equal(copy.horizon_s, 86400);
    assert_int_equal(copy.gen, 2);
    assert_memory_equal(copy.value, curve.value, sizeof(copy.value));

    assert_int_equal(writer_publish_dist(writer, "/c", &curve), -1);
    assert_int_equal(err_kind(), E_LIMIT);
    curve.level_count = BTCF_DIST_LEVELS_MAX + 1;
    assert_int_equal(writer_publish_dist(writer, "/a", &curve), -1);
    assert_int_equal(err_kind(), E_LIMIT);
}

static void the_ring_holds_the_newest_events(void **state)
{
    struct btcf_event_slot event;

    (void)state;
    assert_int_equal(btcf_reader_event_head(&reader), 0);
    assert_int_equal(btcf_reader_event_oldest(&reader), 1);
    assert_int_equal(btcf_reader_event(&reader, 0, &event), BTCF_READ_ABSENT);
    for (int i = 1; i <= 10; i++) {
        struct writer_event next = {BTCF_EVENT_CANDLE, i, -i, "0123456789", (size_t)i, 60};

        assert_int_equal(writer_event(writer, &next, NULL), 0);
    }
    assert_int_equal(btcf_reader_event_head(&reader), 10);
    assert_int_equal(btcf_reader_event_oldest(&reader), 7);
    for (uint64_t id = 0; id <= 11; id++) {
        enum btcf_read outcome = btcf_reader_event(&reader, id, &event);

        assert_int_equal(outcome, id >= 7 && id <= 10 ? BTCF_READ_OK : BTCF_READ_ABSENT);
        if (outcome != BTCF_READ_OK)
            continue;
        assert_int_equal(event.id, id);
        assert_int_equal(event.data_len, id);
        assert_int_equal(event.wall_ms, id);
        assert_int_equal(event.market_ms, -(int64_t)id);
        assert_int_equal(event.type, BTCF_EVENT_CANDLE);
        assert_int_equal(event.subject_s, 60);
        assert_int_equal(memcmp(event.data, "0123456789", id), 0);
    }
}

static void events_have_at_most_976_bytes(void **state)
{
    char data[BTCF_EVENT_DATA_MAX + 1] = {1, 2, 3};
    struct writer_event event = {BTCF_EVENT_PRICE, 1, 1, data, sizeof(data), 0};
    struct btcf_event_slot copy;

    (void)state;
    assert_int_equal(writer_event(writer, &event, NULL), -1);
    assert_int_equal(err_kind(), E_LIMIT);
    assert_int_equal(btcf_reader_event_head(&reader), 0);
    event.len = BTCF_EVENT_DATA_MAX;
    assert_int_equal(writer_event(writer, &event, NULL), 0);
    event.len = 0;
    assert_int_equal(writer_event(writer, &event, NULL), 0);
    assert_int_equal(btcf_reader_event(&reader, 1, &copy), BTCF_READ_OK);
    assert_memory_equal(copy.data, data, BTCF_EVENT_DATA_MAX);
    assert_int_equal(btcf_reader_event(&reader, 2, &copy), BTCF_READ_OK);
    assert_int_equal(copy.data_len, 0);
}

static void heartbeat_and_health_are_seen(void **state)
{
    uint64_t before = btcf_reader_heartbeat(&reader);

    (void)state;
    writer_beat(writer);
    writer_beat(writer);
    assert_int_equal(btcf_reader_heartbeat(&reader), before + 2);
    writer_set_health(writer, BTCF_HEALTH_DEGRADED | BTCF_HEALTH_MAINTENANCE);
    assert_int_equal(btcf_reader_health(&reader), BTCF_HEALTH_DEGRADED | BTCF_HEALTH_MAINTENANCE);
    writer_set_health(writer, 0);
    assert_int_equal(btcf_reader_health(&reader), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_document_comes_out_as_it_went_in),
        TEST(without_a_stale_form_both_variants_are_the_fresh_one),
        TEST(each_publication_adds_one_to_generation_and_epoch),
        TEST(the_version_before_stays_readable_until_the_next_but_one),
        TEST(bodies_that_fill_the_room_fit_and_one_byte_more_is_refused),
        TEST(a_full_directory_refuses_new_keys_and_serves_the_old),
        TEST(keys_have_one_to_104_bytes),
        TEST(a_retired_document_says_so_and_an_unknown_one_is_ignored),
        TEST(curves_come_out_as_they_went_in_up_to_their_number),
        TEST(the_ring_holds_the_newest_events),
        TEST(events_have_at_most_976_bytes),
        TEST(heartbeat_and_health_are_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
