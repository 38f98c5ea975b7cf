/* The reader against files that lie: every field that it follows is set to what an attacker would choose, with the
 * checksums made right again, so that only the bounds checks stand between the field and the memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shm/crc32c.h"
#include "shm/file.h"
#include "shm_fixture.h"

static struct shm_fixture fixture;
static unsigned char
    *bytes; /* a copy of a good file, in memory of exactly its size: sanitizers see every step beyond */
static size_t size;
static struct btcf_reader reader;

static int set_up(void **state)
{
    struct writer_options options;
    struct writer *writer;
    struct writer_doc doc = shm_doc("/a", "fresh", "stale");
    struct btcf_dist_curve curve = {.level_count = 2};
    struct writer_event event = {BTCF_EVENT_PRICE, 1, 2, "event", 5, 0};

    (void)state;
    shm_fixture_init(&fixture);
    options = shm_options(&fixture);
    if (writer_create(&writer, &options) < 0 || writer_publish(writer, &doc) < 0 ||
        writer_publish_dist(writer, "/a", &curve) < 0 || writer_event(writer, &event, NULL) < 0 ||
        writer_go_live(writer) < 0)
        return -1;
    writer_close(&writer);
    bytes = shm_load(fixture.pub, &size);
    memset(&reader, 0, sizeof(reader));
    return btcf_reader_attach(&reader, bytes, size) == BTCF_ATTACH_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    btcf_reader_close(&reader);
    free(bytes);
    shm_fixture_release(&fixture);
    return 0;
}

static struct btcf_header *header(void)
{
    return (struct btcf_header *)bytes;
}

static struct btcf_section *section(uint32_t kind)
{
    for (uint32_t i = 0; i < header()->section_count; i++)
        if (header()->sections[i].kind == kind)
            return &header()->sections[i];
    fail();
    return NULL;
}

static struct btcf_doc_slot *slot(void)
{
    int64_t i = btcf_reader_find(&reader, "/a", 2);

    assert_true(i >= 0);
    return (struct btcf_doc_slot *)(bytes + section(BTCF_SECTION_DOC)->offset) + i;
}

static struct btcf_doc_meta *meta(void)
{
    return &slot()->meta[slot()->gen & 1];
}

static void seal_header(void)
{
    header()->crc = btcf_header_crc(bytes, header()->header_size);
}

static void seal_meta(void)
{
    meta()->crc = btcf_crc32c(0, meta(), offsetof(struct btcf_doc_meta, crc));
}

static void expect_attach(enum btcf_attach expected)
{
    struct btcf_reader other = {0};
    enum btcf_attach why = btcf_reader_attach(&other, bytes, size);

    if (why != expected)
        fail_msg("\"%s\" instead of \"%s\"", btcf_attach_text(why), btcf_attach_text(expected));
    if (why != BTCF_ATTACH_OK)
        assert_null(other.base);
}

static void an_unattached_reader_finds_nothing(void **state)
{
    struct btcf_reader none = {0};
    struct btcf_dist_curve curve;
    struct btcf_event_slot event;
    struct btcf_doc_meta copy;

    (void)state;
    assert_int_equal(btcf_reader_find(&none, "/a", 2), -1);
    assert_int_equal(btcf_reader_meta(&none, 0, &copy), BTCF_READ_ABSENT);
    assert_int_equal(btcf_reader_dist(&none, "/a", 2, &curve), BTCF_READ_ABSENT);
    assert_int_equal(btcf_reader_event(&none, 1, &event), BTCF_READ_ABSENT);
    assert_int_equal(btcf_reader_event_head(&none), 0);
    assert_int_equal(btcf_reader_epoch(&none), 0);
    assert_int_equal(btcf_reader_heartbeat(&none), 0);
    assert_int_equal(btcf_reader_health(&none), 0);
    assert_false(btcf_reader_is_retired(&none));
    assert_true(btcf_reader_is_outdated(&none, fixture.pub));
    btcf_reader_close(&none);
}

static void a_section_must_lie_inside_the_file(void **state)
{
    const uint64_t outside[] = {UINT64_MAX - 63, UINT64_MAX - 4095, (uint64_t)size, (uint64_t)size - 64};

    (void)state;
    for (uint32_t i = 0; i < header()->section_count; i++) {
        struct btcf_section good = header()->sections[i];

        for (size_t k = 0; k < BTCF_LENGTH(outside); k++) {
            header()->sections[i].offset = outside[k];
            seal_header();
            expect_attach(BTCF_ATTACH_BAD_SECTIONS);
        }
        header()->sections[i] = good;
        header()->sections[i].size = UINT64_MAX;
        seal_header();
        expect_attach(BTCF_ATTACH_BAD_SECTIONS);
        header()->sections[i] = good;
    }
    seal_header();
    expect_attach(BTCF_ATTACH_OK);
}

static void a_section_must_not_lie_over_the_header_or_off_its_alignment(void **state)
{
    struct btcf_section *doc = section(BTCF_SECTION_DOC);
    uint64_t good = doc->offset;

    (void)state;
    doc->offset = 64;
    seal_header();
    expect_attach(BTCF_ATTACH_BAD_SECTIONS);
    doc->offset = good + 8;
    seal_header();
    expect_attach(BTCF_ATTACH_BAD_SECTIONS);
}

static void entries_must_fit_into_their_section(void **state)
{
    const uint32_t kinds[] = {BTCF_SECTION_DOC, BTCF_SECTION_DIST, BTCF_SECTION_EVENT, BTCF_SECTION_BODY};

    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(kinds); i++) {
        struct btcf_section good = *section(kinds[i]);

        section(kinds[i])->count = UINT32_C(1) << 31;
        seal_header();
        expect_attach(BTCF_ATTACH_BAD_SECTIONS);
        *section(kinds[i]) = good;
        section(kinds[i])->stride = good.stride + 8;
        seal_header();
        expect_attach(BTCF_ATTACH_BAD_SECTIONS);
        *section(kinds[i]) = good;
    }
}

static void the_directory_must_have_a_power_of_two_and_the_ring_an_entry(void **state)
{
    (void)state;
    section(BTCF_SECTION_DOC)->count -= 1;
    seal_header();
    expect_attach(BTCF_ATTACH_BAD_SECTIONS);
    section(BTCF_SECTION_DOC)->count = 0;
    seal_header();
    expect_attach(BTCF_ATTACH_BAD_SECTIONS);
    section(BTCF_SECTION_DOC)->count = reader.slot_count;
    section(BTCF_SECTION_EVENT)->count = 0;
    seal_header();
    expect_attach(BTCF_ATTACH_BAD_SECTIONS);
}

static void sizes_of_the_header_are_bounded(void **state)
{
    const uint32_t sizes[] = {0, 255, 257, 1281, BTCF_HEADER_SIZE_MAX + 32, UINT32_MAX, UINT32_MAX - 31};

    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(sizes); i++) {
        header()->header_size = sizes[i];
        expect_attach(BTCF_ATTACH_BAD_SECTIONS);
    }
    header()->header_size = sizeof(struct btcf_header);
    header()->section_count = BTCF_SECTIONS_MAX + 1;
    seal_header();
    expect_attach(BTCF_ATTACH_BAD_SECTIONS);
}

static void expect_corrupt_body_range(uint32_t off, uint32_t len)
{
    struct btcf_doc_meta good = *meta(), copy;
    unsigned char buf[64];

    meta()->variant[0].body_off = off;
    meta()->variant[0].body_len = len;
    seal_meta();
    assert_int_equal(btcf_reader_meta(&reader, (uint32_t)btcf_reader_find(&reader, "/a", 2), &copy),
                     BTCF_READ_CORRUPT);
    expect_attach(BTCF_ATTACH_BAD_CONTENT);
    /* Even a caller that ignores the outcome gets nothing copied. */
    copy = *meta();
    assert_int_equal(btcf_reader_body(&reader, (uint32_t)btcf_reader_find(&reader, "/a", 2), &copy, 0, buf),
                     BTCF_READ_CORRUPT);
    *meta() = good;
}

static void bodies_must_lie_inside_their_section(void **state)
{
    uint32_t end = (uint32_t)section(BTCF_SECTION_BODY)->size;

    (void)state;
    expect_corrupt_body_range(end, 1);
    expect_corrupt_body_range(end - 64, 65);
    expect_corrupt_body_range(UINT32_MAX - 63, 64);
    expect_corrupt_body_range(0, UINT32_MAX);
    expect_corrupt_body_range(8, 5);
    expect_corrupt_body_range(1, 5);
    expect_attach(BTCF_ATTACH_OK);
}

static void a_body_may_reach_the_last_byte_of_its_section(void **state)
{
    uint32_t end = (uint32_t)section(BTCF_SECTION_BODY)->size;
    struct btcf_doc_meta copy;
    unsigned char buf[64];
    uint32_t i = (uint32_t)btcf_reader_find(&reader, "/a", 2);

    (void)state;
    meta()->variant[0].body_off = end - 64;
    meta()->variant[0].body_len = 64;
    meta()->variant[0].body_crc = btcf_crc32c(0, bytes + section(BTCF_SECTION_BODY)->offset + end - 64, 64);
    seal_meta();
    assert_int_equal(btcf_reader_meta(&reader, i, &copy), BTCF_READ_OK);
    assert_int_equal(btcf_reader_body(&reader, i, &copy, 0, buf), BTCF_READ_OK);
}

static void a_flipped_bit_in_a_body_is_noticed_by_read_and_by_attach(void **state)
{
    struct btcf_doc_meta copy;
    unsigned char buf[64];
    uint32_t i = (uint32_t)btcf_reader_find(&reader, "/a", 2);

    (void)state;
    bytes[section(BTCF_SECTION_BODY)->offset + meta()->variant[0].body_off] ^= 4;
    assert_int_equal(btcf_reader_meta(&reader, i, &copy), BTCF_READ_OK);
    assert_int_equal(btcf_reader_body(&reader, i, &copy, 0, buf), BTCF_READ_CORRUPT);
    assert_int_equal(btcf_reader_body(&reader, i, &copy, BTCF_BODY_STALE, buf), BTCF_READ_OK);
    assert_int_equal(reader.corrupt, 1);
    expect_attach(BTCF_ATTACH_BAD_CONTENT);
}

/* But one: bit 0 of generation 1 makes it 0, and then the document says that it was never published. */
static void every_flipped_bit_of_slot_and_meta_is_refused_at_attach(void **state)
{
    unsigned char *used = (unsigned char *)slot();
    size_t meta_offset = (size_t)((unsigned char *)meta() - used);
    const struct {
        size_t begin, len;
    } parts[] = {{0, 8}, {8, 8}, {16, 2}, {24, 2}, {meta_offset, sizeof(struct btcf_doc_meta)}};

    (void)state;
    for (size_t part = 0; part < BTCF_LENGTH(parts); part++)
        for (size_t bit = parts[part].begin * 8; bit < (parts[part].begin + parts[part].len) * 8; bit++) {
            used[bit / 8] ^= (unsigned char)(1u << bit % 8);
            expect_attach(bit == 64 ? BTCF_ATTACH_OK : BTCF_ATTACH_BAD_CONTENT);
            used[bit / 8] ^= (unsigned char)(1u << bit % 8);
        }
    expect_attach(BTCF_ATTACH_OK);
}

static void a_key_longer_than_its_field_is_not_followed(void **state)
{
    (void)state;
    slot()->key_len = UINT16_MAX;
    assert_int_equal(btcf_reader_find(&reader, "/a", 2), -1);
    expect_attach(BTCF_ATTACH_BAD_CONTENT);
}

static void a_directory_without_a_free_slot_ends_the_search(void **state)
{
    struct btcf_doc_slot *slots = (struct btcf_doc_slot *)(bytes + section(BTCF_SECTION_DOC)->offset);

    (void)state;
    for (uint32_t i = 0; i < reader.slot_count; i++)
        slots[i].hash = 77;
    assert_int_equal(btcf_reader_find(&reader, "/b", 2), -1);
}

static void a_curve_with_too_many_levels_or_a_flipped_bit_is_corrupt(void **state)
{
    struct btcf_dist_slot *dist = (struct btcf_dist_slot *)(bytes + section(BTCF_SECTION_DIST)->offset);
    struct btcf_dist_curve *curve = &dist->curve[dist->gen & 1], copy;

    (void)state;
    curve->value[3] ^= 1;
    assert_int_equal(btcf_reader_dist(&reader, "/a", 2, &copy), BTCF_READ_CORRUPT);
    expect_attach(BTCF_ATTACH_BAD_CONTENT);
    curve->value[3] ^= 1;
    curve->level_count = BTCF_DIST_LEVELS_MAX + 1;
    curve->crc = 0;
    curve->crc = btcf_crc32c(0, curve, sizeof(*curve));
    assert_int_equal(btcf_reader_dist(&reader, "/a", 2, &copy), BTCF_READ_CORRUPT);
}

static void an_event_with_a_length_beyond_its_slot_is_corrupt(void **state)
{
    struct btcf_event_slot *events =
        (struct btcf_event_slot *)(bytes + section(BTCF_SECTION_EVENT)->offset + sizeof(struct btcf_event_ring));
    struct btcf_event_slot copy;

    (void)state;
    assert_int_equal(btcf_reader_event(&reader, 1, &copy), BTCF_READ_OK);
    events[1].data_len = BTCF_EVENT_DATA_MAX + 1;
    assert_int_equal(btcf_reader_event(&reader, 1, &copy), BTCF_READ_CORRUPT);
    events[1].data_len = 4;
    assert_int_equal(btcf_reader_event(&reader, 1, &copy), BTCF_READ_CORRUPT);
    events[1].data_len = 5;
    events[1].data[0] ^= 1;
    assert_int_equal(btcf_reader_event(&reader, 1, &copy), BTCF_READ_CORRUPT);
}

static void slots_and_ids_out_of_range_are_absent(void **state)
{
    struct btcf_doc_meta copy = {0};
    struct btcf_event_slot event;
    unsigned char buf[8];

    (void)state;
    assert_int_equal(btcf_reader_meta(&reader, reader.slot_count, &copy), BTCF_READ_ABSENT);
    assert_int_equal(btcf_reader_meta(&reader, UINT32_MAX, &copy), BTCF_READ_ABSENT);
    assert_int_equal(btcf_reader_body(&reader, reader.slot_count, &copy, 0, buf), BTCF_READ_ABSENT);
    assert_int_equal(btcf_reader_event(&reader, UINT64_MAX, &event), BTCF_READ_ABSENT);
}

static void the_hash_depends_on_seed_and_every_byte_and_is_never_zero(void **state)
{
    (void)state;
    assert_int_not_equal(btcf_doc_hash(1, "/a", 2), btcf_doc_hash(2, "/a", 2));
    assert_int_not_equal(btcf_doc_hash(1, "/a", 2), btcf_doc_hash(1, "/b", 2));
    assert_int_not_equal(btcf_doc_hash(1, "/a", 2), btcf_doc_hash(1, "/a\0", 3));
    /* The seed that makes the empty key's hash zero before it is corrected. */
    assert_int_equal(btcf_doc_hash(UINT64_C(14695981039346656037), "", 0), 1);
}

static void every_reason_has_a_sentence(void **state)
{
    (void)state;
    for (int why = BTCF_ATTACH_OK; why <= BTCF_ATTACH_RETIRED; why++)
        assert_string_not_equal(btcf_attach_text((enum btcf_attach)why), "unknown reason");
    assert_string_equal(btcf_attach_text((enum btcf_attach)(BTCF_ATTACH_RETIRED + 1)), "unknown reason");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_unattached_reader_finds_nothing),
        TEST(a_section_must_lie_inside_the_file),
        TEST(a_section_must_not_lie_over_the_header_or_off_its_alignment),
        TEST(entries_must_fit_into_their_section),
        TEST(the_directory_must_have_a_power_of_two_and_the_ring_an_entry),
        TEST(sizes_of_the_header_are_bounded),
        TEST(bodies_must_lie_inside_their_section),
        TEST(a_body_may_reach_the_last_byte_of_its_section),
        TEST(a_flipped_bit_in_a_body_is_noticed_by_read_and_by_attach),
        TEST(every_flipped_bit_of_slot_and_meta_is_refused_at_attach),
        TEST(a_key_longer_than_its_field_is_not_followed),
        TEST(a_directory_without_a_free_slot_ends_the_search),
        TEST(a_curve_with_too_many_levels_or_a_flipped_bit_is_corrupt),
        TEST(an_event_with_a_length_beyond_its_slot_is_corrupt),
        TEST(slots_and_ids_out_of_range_are_absent),
        TEST(the_hash_depends_on_seed_and_every_byte_and_is_never_zero),
        TEST(every_reason_has_a_sentence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
