/* Files of other makes: newer minors must be read, everything else must be refused for the right reason, and a worker
 * that is refused keeps what it has.
 *
 * The newer minor is made by hand, byte by byte as docs/SHM.md allows a later writer to do it: a larger header with room
 * for more sections, sections that we have never heard of before and between ours, another version of a section that we
 * know, and values in reserved bytes. That is what an old worker will meet in an upgrade.
 */
#include <stdarg.h>

#include "gate_fixture.h"
#include "shm/crc32c.h"
#include "shm/edge.h"
#include "shm/file.h"

#define NEW_HEADER_SIZE (256 + 128 * sizeof(struct btcf_section))
#define UNKNOWN_KIND 900
#define SECTION_SHIFT 4096 /* by which the newer file's sections lie further behind */

static struct shm_fixture fixture;
static unsigned char *good; /* a file as today's writer makes it */
static size_t good_size;
static int test_count, failed_count;

static void check(bool holds, const char *fmt, ...) BTCF_PRINTF(2, 3);

static void check(bool holds, const char *fmt, ...)
{
    va_list args;

    printf("%sok %d - ", holds ? "" : "not ", ++test_count);
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    putchar('\n');
    failed_count += !holds;
}

static bool reads_document(struct btcf_reader *reader)
{
    int64_t slot = btcf_reader_find(reader, "/v1/forecasts/1d", 16);
    unsigned char buf[64];
    struct btcf_doc_meta meta;

    return slot >= 0 && btcf_reader_meta(reader, (uint32_t)slot, &meta) == BTCF_READ_OK &&
           btcf_body_len(&meta, 0) == 5 && btcf_reader_body(reader, (uint32_t)slot, &meta, 0, buf) == BTCF_READ_OK &&
           memcmp(buf, "fresh", 5) == 0;
}

static bool reads_gate(const struct btcf_reader *reader)
{
    struct btcf_auth auth;
    struct btcf_account account;
    struct btcf_plan plan;
    struct btcf_key key;

    return btcf_auth_attach(&auth, reader) && btcf_auth_key(&auth, gate_digest(1).bytes, &key) == BTCF_READ_OK &&
           key.id == 1001 && btcf_auth_account(&auth, key.account, &account) == BTCF_READ_OK && account.plan == 1 &&
           btcf_auth_plan(&auth, account.plan, &plan) == BTCF_READ_OK && strcmp(plan.name, "plan1") == 0 &&
           btcf_auth_is_revoked(&auth, gate_session(1).bytes) && !btcf_auth_is_revoked(&auth, gate_session(2).bytes);
}

static void make_good_file(void)
{
    const struct writer_options options = gate_options(&fixture);
    struct writer_doc doc = shm_doc("/v1/forecasts/1d", "fresh", "stale");
    struct writer_event event = {BTCF_EVENT_PRICE, 1, 2, "event", 5, 0};
    struct btcf_dist_curve curve = {.level_count = 2};
    struct writer *writer;

    if (writer_create(&writer, &options) < 0 || writer_publish(writer, &doc) < 0 ||
        writer_publish_dist(writer, doc.key, &curve) < 0 || writer_event(writer, &event, NULL) < 0 ||
        writer_go_live(writer) < 0) {
        printf("Bail out! %s\n", err_text());
        exit(1);
    }
    gate_put_account(writer, 1);
    gate_put_key(writer, 1);
    gate_put_plan(writer, 1);
    gate_must(writer_revoke_session(writer, gate_session(1).bytes, 100));
    writer_set_auth_position(writer, 4711);
    writer_close(&writer);
    good = shm_load(fixture.pub, &good_size);
}

static void seal(unsigned char *bytes)
{
    struct btcf_header *header = (struct btcf_header *)bytes;

    header->crc = btcf_header_crc(bytes, header->header_size);
}

/* ---- a newer minor ----------------------------------------------------------------------------------------------- */

/* The good file as a later minor might write it. */
static unsigned char *make_newer(size_t *size)
{
    *size = good_size + SECTION_SHIFT;

    unsigned char *bytes = calloc(1, *size);
    struct btcf_header *header = (struct btcf_header *)bytes;
    struct btcf_section *sections = (struct btcf_section *)(bytes + offsetof(struct btcf_header, sections));
    const struct btcf_section *old = ((const struct btcf_header *)good)->sections;
    uint32_t count = 0;

    memcpy(bytes, good, offsetof(struct btcf_header, sections));
    memcpy(bytes + SECTION_SHIFT + sizeof(*header), good + sizeof(*header), good_size - sizeof(*header));
    for (uint32_t i = 0; i < ((const struct btcf_header *)good)->section_count; i++) {
        sections[count++] = (struct btcf_section){
            .kind = UNKNOWN_KIND + i, .version = 7, .offset = NEW_HEADER_SIZE, .size = 64, .stride = 3, .count = 1};
        /* A later version of a kind that we know stands in front of the version that we know. */
        sections[count++] = (struct btcf_section){
            .kind = old[i].kind, .version = 2, .offset = NEW_HEADER_SIZE, .size = 64, .stride = 64, .count = 1};
        sections[count] = old[i];
        sections[count++].offset += SECTION_SHIFT;
    }
    header->minor = BTCF_ABI_MINOR + 3;
    header->header_size = NEW_HEADER_SIZE;
    header->section_count = count;
    header->total_size = *size;
    header->reserved0 = 0xffffffff;
    header->reserved1 = 0xffffffff;
    memset(header->reserved2, 0xee, sizeof(header->reserved2));
    seal(bytes);
    return bytes;
}

static void test_newer_minor(void)
{
    struct btcf_reader reader = {0};
    struct btcf_dist_curve curve;
    struct btcf_event_slot event;
    size_t size;
    unsigned char *bytes = make_newer(&size);

    shm_save(fixture.pub, bytes, size);

    enum btcf_attach why = btcf_reader_open(&reader, fixture.pub);

    check(why == BTCF_ATTACH_OK, "a newer minor with a larger header and unknown sections is accepted (%s)",
          btcf_attach_text(why));
    check(reads_document(&reader), "its documents are read");
    check(btcf_reader_dist(&reader, "/v1/forecasts/1d", 16, &curve) == BTCF_READ_OK, "its curves are read");
    check(btcf_reader_event(&reader, 1, &event) == BTCF_READ_OK && event.data_len == 5, "its events are read");
    check(reads_gate(&reader), "its gate is read");
    btcf_reader_close(&reader);
    free(bytes);
}

/* More sections than this make knows how to count: the entry that we need may be any of them. */
static void test_more_sections_than_we_know(void)
{
    const uint32_t extra = BTCF_SECTIONS_MAX;
    struct btcf_reader reader = {0};
    size_t size;
    unsigned char *bytes = make_newer(&size);
    struct btcf_header *header = (struct btcf_header *)bytes;
    struct btcf_section *sections = (struct btcf_section *)(bytes + offsetof(struct btcf_header, sections));

    memmove(sections + extra, sections, header->section_count * sizeof(*sections));
    for (uint32_t i = 0; i < extra; i++)
        sections[i] =
            (struct btcf_section){.kind = UNKNOWN_KIND, .version = 1, .offset = NEW_HEADER_SIZE, .size = 64};
    header->section_count += extra;
    seal(bytes);
    shm_save(fixture.pub, bytes, size);
    check(btcf_reader_open(&reader, fixture.pub) == BTCF_ATTACH_OK && reads_document(&reader),
          "more than %d sections are no obstacle", BTCF_SECTIONS_MAX);
    btcf_reader_close(&reader);
    free(bytes);
}

/* The good file as minor 0 made it: it knew nothing of a gate. */
static void test_before_the_gate(void)
{
    const struct writer_options options = gate_options(&fixture);
    unsigned char *bytes = malloc(good_size);
    struct btcf_header *header = (struct btcf_header *)bytes;
    struct btcf_reader reader = {0};
    struct btcf_auth auth;
    struct writer *writer;
    uint32_t count = 0;

    memcpy(bytes, good, good_size);
    for (uint32_t i = 0; i < header->section_count; i++)
        if (header->sections[i].kind < BTCF_SECTION_AUTH)
            header->sections[count++] = header->sections[i];
    header->section_count = count;
    header->minor = 0;
    seal(bytes);
    shm_save(fixture.pub, bytes, good_size);
    check(btcf_reader_open(&reader, fixture.pub) == BTCF_ATTACH_OK && reads_document(&reader) &&
              !btcf_auth_attach(&auth, &reader) && auth.header == NULL,
          "a file from before the gate is read, and has none");
    btcf_reader_close(&reader);
    check(writer_create(&writer, &options) == 0 && writer_auth_refusal(writer) == NULL &&
              writer_auth_position(writer) == 0,
          "a publisher takes over from it and begins with empty tables");
    writer_close(&writer);
    free(bytes);
}

/* A publisher of this make is started over the newer one's file, as in a rollback. */
static void test_rollback(void)
{
    const struct writer_options options = gate_options(&fixture);
    struct writer_doc doc = shm_doc("/v1/forecasts/1d", "fresh", "stale");
    struct btcf_reader old = {0}, reader = {0};
    struct writer *writer;
    size_t size;
    unsigned char *bytes = make_newer(&size);

    shm_save(fixture.pub, bytes, size);
    check(btcf_reader_open(&old, fixture.pub) == BTCF_ATTACH_OK && writer_create(&writer, &options) == 0 &&
              writer_publish(writer, &doc) == 0 && writer_go_live(writer) == 0,
          "an older publisher takes over from a newer minor");
    check(btcf_reader_is_retired(&old), "the newer file is marked retired");
    check(btcf_reader_open(&reader, fixture.pub) == BTCF_ATTACH_OK &&
              btcf_reader_gen(&reader, (uint32_t)btcf_reader_find(&reader, doc.key, 16)) == 2 &&
              btcf_reader_event_head(&reader) == 1,
          "generations and events go on across the two");
    check(writer_auth_position(writer) == 4711 && reads_gate(&reader), "and so does the gate");
    btcf_reader_close(&old);
    btcf_reader_close(&reader);
    writer_close(&writer);
    free(bytes);
}

/* ---- files that must be refused ---------------------------------------------------------------------------------- */

/* A worker has the good file mapped; `bytes` take its place. It must be refused and the old mapping must live on. */
static void expect_refused(const unsigned char *bytes, size_t size, enum btcf_attach expected, const char *what)
{
    struct btcf_reader reader = {0};

    shm_save(fixture.pub, good, good_size);
    if (btcf_reader_open(&reader, fixture.pub) != BTCF_ATTACH_OK) {
        check(false, "%s: the good file is refused", what);
        return;
    }
    shm_save(fixture.pub, bytes, size);

    bool is_noticed = btcf_reader_is_outdated(&reader, fixture.pub);
    enum btcf_attach why = btcf_reader_open(&reader, fixture.pub);

    check(why == expected && is_noticed && reads_document(&reader), "%s: %s; the old mapping serves on", what,
          btcf_attach_text(why));
    btcf_reader_close(&reader);
}

/* One header field changed, with the checksum made right unless it is to be wrong. */
static void expect_refused_field(size_t offset, uint64_t value, size_t width, enum btcf_attach expected)
{
    unsigned char *bytes = malloc(good_size);
    char what[64];

    memcpy(bytes, good, good_size);
    memcpy(bytes + offset, &value, width);
    seal(bytes);
    snprintf(what, sizeof(what), "header byte %zu set to %#llx", offset, (unsigned long long)value);
    expect_refused(bytes, good_size, expected, what);
    free(bytes);
}

static void test_foreign_headers(void)
{
    expect_refused_field(offsetof(struct btcf_header, magic), 'X', 1, BTCF_ATTACH_BAD_MAGIC);
    expect_refused_field(offsetof(struct btcf_header, byte_order), 0x04030201, 4, BTCF_ATTACH_BAD_BYTE_ORDER);
    expect_refused_field(offsetof(struct btcf_header, major), BTCF_ABI_MAJOR + 1, 2, BTCF_ATTACH_BAD_MAJOR);
    expect_refused_field(offsetof(struct btcf_header, major), 0, 2, BTCF_ATTACH_BAD_MAJOR);
    expect_refused_field(offsetof(struct btcf_header, layout_hash), 1, 8, BTCF_ATTACH_BAD_LAYOUT);
    expect_refused_field(offsetof(struct btcf_header, state), BTCF_STATE_BUILDING, 4, BTCF_ATTACH_NOT_LIVE);
    expect_refused_field(offsetof(struct btcf_header, state), BTCF_STATE_RETIRED, 4, BTCF_ATTACH_RETIRED);
    expect_refused_field(offsetof(struct btcf_header, state), 77, 4, BTCF_ATTACH_NOT_LIVE);
    expect_refused_field(offsetof(struct btcf_header, section_count), 0, 4, BTCF_ATTACH_BAD_SECTIONS);
    expect_refused_field(offsetof(struct btcf_header, total_size), good_size + 1, 8, BTCF_ATTACH_TOO_SHORT);
}

static void test_truncated(void)
{
    const size_t sizes[] = {0, 1, 63, sizeof(struct btcf_header) - 1, sizeof(struct btcf_header), good_size - 1};
    char what[64];

    for (size_t i = 0; i < BTCF_LENGTH(sizes); i++) {
        snprintf(what, sizeof(what), "the first %zu of %zu bytes", sizes[i], good_size);
        expect_refused(good, sizes[i], BTCF_ATTACH_TOO_SHORT, what);
    }
}

/* Every bit of the header's immutable part and of what is published: refused, for whatever reason comes first. */
static void test_bit_flips(void)
{
    unsigned char *bytes = malloc(good_size);
    const struct btcf_header *header = (const struct btcf_header *)good;
    struct btcf_reader reader = {0};
    unsigned accepted = 0, flips = 0, wrong_reason = 0;

    memcpy(bytes, good, good_size);
    for (size_t bit = 0; bit < header->header_size * 8; bit++) {
        size_t byte = bit / 8;

        if (byte >= offsetof(struct btcf_header, state) && byte < offsetof(struct btcf_header, boot_id))
            continue;
        bytes[byte] ^= (unsigned char)(1u << bit % 8);

        enum btcf_attach why = btcf_reader_attach(&reader, bytes, good_size);

        flips++;
        accepted += why == BTCF_ATTACH_OK;
        wrong_reason += byte >= 96 && why != BTCF_ATTACH_BAD_CHECKSUM;
        bytes[byte] ^= (unsigned char)(1u << bit % 8);
    }
    check(accepted == 0 && wrong_reason == 0, "each of %u flipped bits in the header is refused", flips);

    const unsigned char *body = memmem(good, good_size, "fresh", 5);

    accepted = flips = 0;
    for (size_t bit = 0; bit < 40; bit++) {
        bytes[(size_t)(body - good) + bit / 8] ^= (unsigned char)(1u << bit % 8);
        flips++;
        accepted += btcf_reader_attach(&reader, bytes, good_size) != BTCF_ATTACH_BAD_CONTENT;
        bytes[(size_t)(body - good) + bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    check(accepted == 0, "each of %u flipped bits in a body is refused as damaged content", flips);
    bytes[(size_t)(body - good)] ^= 1;
    expect_refused(bytes, good_size, BTCF_ATTACH_BAD_CONTENT, "a flipped bit in a body");
    free(bytes);
}

static void expect_refused_in_place(enum btcf_attach expected, const char *what)
{
    struct btcf_reader reader = {0};
    enum btcf_attach why = btcf_reader_open(&reader, fixture.pub);

    check(why == expected && reader.base == NULL, "%s: %s", what, btcf_attach_text(why));
}

static void test_what_is_no_file_of_ours(void)
{
    char target[160];

    snprintf(target, sizeof(target), "%s/target", fixture.dir);
    shm_save(target, good, good_size);
    unlink(fixture.pub);
    expect_refused_in_place(BTCF_ATTACH_NO_FILE, "no file");
    if (symlink(target, fixture.pub) == 0)
        expect_refused_in_place(BTCF_ATTACH_NOT_REGULAR, "a symbolic link to a good file");
    unlink(fixture.pub);
    if (mkfifo(fixture.pub, 0640) == 0)
        expect_refused_in_place(BTCF_ATTACH_NOT_REGULAR, "a pipe");
    unlink(fixture.pub);
    if (mkdir(fixture.pub, 0750) == 0)
        expect_refused_in_place(BTCF_ATTACH_NOT_REGULAR, "a directory");
    rmdir(fixture.pub);
    shm_save(fixture.pub, good, good_size);
    if (chmod(fixture.pub, 0660) == 0)
        expect_refused_in_place(BTCF_ATTACH_BAD_OWNER, "a file that its group may write");
    chmod(fixture.pub, 0642);
    expect_refused_in_place(BTCF_ATTACH_BAD_OWNER, "a file that anybody may write");
    unlink(fixture.pub);
    unlink(target);
}

static void test_edge_is_not_pub(void)
{
    struct btcf_edge edge;

    if (btcf_edge_open(&edge, &(struct btcf_edge_options){.dir = fixture.dir, .build = "test"}) == BTCF_ATTACH_OK) {
        btcf_edge_close(&edge);
        chmod(fixture.edge, 0640);
        if (rename(fixture.edge, fixture.pub) == 0)
            expect_refused_in_place(BTCF_ATTACH_BAD_MAGIC, "edge in the place of pub");
    }
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    shm_fixture_init(&fixture);
    make_good_file();
    test_newer_minor();
    test_more_sections_than_we_know();
    test_before_the_gate();
    test_rollback();
    test_foreign_headers();
    test_truncated();
    test_bit_flips();
    test_what_is_no_file_of_ours();
    test_edge_is_not_pub();
    free(good);
    shm_fixture_release(&fixture);
    printf("1..%d\n", test_count);
    return failed_count == 0 ? 0 : 1;
}
