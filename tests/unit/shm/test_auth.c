/* The reader of the gate: what it finds, and that it fails closed on everything that is damaged or made by an enemy. */
#include "shm/auth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gate_fixture.h"
#include "shm/file.h"

#define KEY_COUNT 6u

static struct shm_fixture fixture;
static unsigned char *bytes; /* a file of which every byte may be changed */
static size_t size;
static struct btcf_reader reader;
static struct btcf_auth auth;

static int set_up(void **state)
{
    struct writer_options options;
    const struct btcf_networks networks = gate_networks(1);
    struct writer *writer;

    (void)state;
    shm_fixture_init(&fixture);
    options = gate_options(&fixture);
    gate_must(writer_create(&writer, &options));
    for (uint32_t n = 0; n < KEY_COUNT; n++) {
        const struct btcf_key key = gate_key(n);

        gate_put_account(writer, n);
        gate_must(writer_put_key(writer, gate_digest(n).bytes, &key, n == 1 ? &networks : NULL));
    }
    gate_put_plan(writer, 0);
    gate_put_plan(writer, 3);
    gate_must(writer_revoke_session(writer, gate_session(0).bytes, 100));
    gate_must(writer_go_live(writer));
    writer_close(&writer);
    bytes = shm_load(fixture.pub, &size);
    memset(&reader, 0, sizeof(reader));
    if (btcf_reader_attach(&reader, bytes, size) != BTCF_ATTACH_OK)
        return -1;
    return btcf_auth_attach(&auth, &reader) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    free(bytes);
    shm_fixture_release(&fixture);
    return 0;
}

/* The same place, to be written to. */
static void *at(const void *place)
{
    return bytes + ((const unsigned char *)place - bytes);
}

static enum btcf_read read_key(uint32_t n)
{
    struct btcf_key key;

    return btcf_auth_key(&auth, gate_digest(n).bytes, &key);
}

/* ---- attaching --------------------------------------------------------------------------------------------------- */

static void without_a_file_nothing_is_found_and_every_session_is_revoked(void **state)
{
    const struct btcf_auth none = {0};
    struct btcf_account account;
    struct btcf_plan plan;
    struct btcf_key key;
    struct btcf_reader closed = {0};

    (void)state;
    assert_false(btcf_auth_attach(&auth, &closed));
    assert_memory_equal(&auth, &none, sizeof(none));
    assert_int_equal(btcf_auth_key(&auth, gate_digest(0).bytes, &key), BTCF_READ_ABSENT);
    assert_int_equal(btcf_auth_account(&auth, 0, &account), BTCF_READ_ABSENT);
    assert_int_equal(btcf_auth_account_find(&auth, gate_account(0).id, &account), BTCF_READ_ABSENT);
    assert_int_equal(btcf_auth_plan(&auth, 0, &plan), BTCF_READ_ABSENT);
    assert_int_equal(btcf_auth_plan_find(&auth, "plan0", 5, &plan), BTCF_READ_ABSENT);
    assert_int_equal(btcf_auth_changes(&auth), 0);
    assert_true(btcf_auth_is_revoked(&auth, gate_session(5).bytes));
    assert_false(btcf_auth_network_allows(&auth, 1, gate_session(5).bytes));
}

/* Each of the gate's sections in turn becomes one that we do not know. */
static void a_gate_that_lacks_a_section_is_none(void **state)
{
    struct btcf_header *header = (struct btcf_header *)bytes;
    int needed = 0;

    (void)state;
    for (uint32_t i = 0; i < header->section_count; i++) {
        uint32_t kind = header->sections[i].kind;

        if (kind < BTCF_SECTION_AUTH || kind == BTCF_SECTION_REVOKED_UNTIL)
            continue;
        header->sections[i].kind = 900;
        assert_false(btcf_auth_attach(&auth, &reader));
        assert_null(auth.header);
        header->sections[i].kind = kind;
        header->sections[i].stride++;
        assert_false(btcf_auth_attach(&auth, &reader));
        header->sections[i].stride--;
        header->sections[i].count = 0;
        assert_false(btcf_auth_attach(&auth, &reader));
        header->sections[i].count = UINT32_MAX;
        assert_false(btcf_auth_attach(&auth, &reader));
        tear_down(NULL);
        assert_int_equal(set_up(NULL), 0);
        header = (struct btcf_header *)bytes;
        needed++;
    }
    assert_int_equal(needed, 8);
}

static void an_index_must_be_a_power_of_two(void **state)
{
    struct btcf_header *header = (struct btcf_header *)bytes;

    (void)state;
    for (uint32_t i = 0; i < header->section_count; i++)
        if (header->sections[i].kind == BTCF_SECTION_KEY_INDEX)
            header->sections[i].count = 3;
    assert_false(btcf_auth_attach(&auth, &reader));
}

/* ---- damage ------------------------------------------------------------------------------------------------------ */

static void every_flipped_bit_of_a_key_is_noticed(void **state)
{
    struct btcf_key_entry *entry = at(&auth.keys[2]);

    (void)state;
    for (size_t i = 0; i < sizeof(*entry) * 8; i++) {
        ((unsigned char *)entry)[i / 8] ^= (unsigned char)(1 << i % 8);
        assert_int_equal(read_key(2), BTCF_READ_CORRUPT);
        assert_int_equal(read_key(1), BTCF_READ_OK);
        ((unsigned char *)entry)[i / 8] ^= (unsigned char)(1 << i % 8);
    }
    assert_int_equal(read_key(2), BTCF_READ_OK);
}

static void every_flipped_bit_of_an_account_is_noticed(void **state)
{
    struct btcf_account_entry *entry = at(&auth.accounts[2]);
    struct btcf_account account;

    (void)state;
    for (size_t i = 0; i < sizeof(*entry) * 8; i++) {
        ((unsigned char *)entry)[i / 8] ^= (unsigned char)(1 << i % 8);
        assert_int_equal(btcf_auth_account(&auth, 2, &account), BTCF_READ_CORRUPT);
        assert_int_equal(btcf_auth_account_find(&auth, gate_account(2).id, &account), BTCF_READ_CORRUPT);
        ((unsigned char *)entry)[i / 8] ^= (unsigned char)(1 << i % 8);
    }
    assert_int_equal(btcf_auth_account(&auth, 2, &account), BTCF_READ_OK);
}

static void every_flipped_bit_of_a_plan_or_a_list_is_noticed(void **state)
{
    unsigned char *plan = at(&auth.plans[3].plan[1]), *list = at(&auth.networks[0].networks[1]);
    struct btcf_networks networks;
    struct btcf_plan copy;

    (void)state;
    for (size_t i = 0; i < sizeof(copy) * 8; i++) {
        plan[i / 8] ^= (unsigned char)(1 << i % 8);
        assert_int_equal(btcf_auth_plan(&auth, 3, &copy), BTCF_READ_CORRUPT);
        assert_int_equal(btcf_auth_plan_find(&auth, "plan3", 5, &copy), BTCF_READ_CORRUPT);
        assert_int_equal(btcf_auth_plan_find(&auth, "plan0", 5, &copy), BTCF_READ_OK);
        plan[i / 8] ^= (unsigned char)(1 << i % 8);
    }
    for (size_t i = 0; i < sizeof(networks) * 8; i++) {
        list[i / 8] ^= (unsigned char)(1 << i % 8);
        assert_int_equal(btcf_auth_networks(&auth, 1, &networks), BTCF_READ_CORRUPT);
        list[i / 8] ^= (unsigned char)(1 << i % 8);
    }
    assert_int_equal(btcf_auth_networks(&auth, 1, &networks), BTCF_READ_OK);
}

static void numbers_beyond_the_tables_open_no_door(void **state)
{
    struct btcf_index_bucket *index = at(auth.key_index);
    struct btcf_account account;
    struct btcf_plan plan;
    struct gate_digest digest = gate_digest(50);
    uint64_t hash;

    (void)state;
    memcpy(&hash, digest.bytes, sizeof(hash));
    for (uint32_t low = 0; low < 3; low++) {
        const uint64_t words[] = {0, auth.key_count + 1, UINT32_MAX};

        for (uint32_t bucket = 0; bucket < auth.key_buckets; bucket++)
            index[bucket].word[7] = (hash >> 32 << 32) | words[low];
        assert_int_equal(read_key(50), BTCF_READ_CORRUPT);
    }
    assert_int_equal(btcf_auth_account(&auth, auth.account_count, &account), BTCF_READ_ABSENT);
    assert_int_equal(btcf_auth_account(&auth, UINT32_MAX, &account), BTCF_READ_ABSENT);
    assert_int_equal(btcf_auth_plan(&auth, auth.plan_count, &plan), BTCF_READ_ABSENT);
    assert_int_equal(btcf_auth_plan(&auth, UINT32_MAX, &plan), BTCF_READ_ABSENT);
    assert_false(btcf_auth_network_allows(&auth, auth.network_count + 1, digest.bytes));
    assert_false(btcf_auth_network_allows(&auth, UINT32_MAX, digest.bytes));
    assert_false(btcf_auth_network_allows(&auth, 2, digest.bytes)); /* within the table, and never filled */
}

static void an_index_that_is_full_everywhere_ends_the_search(void **state)
{
    struct btcf_index_bucket *keys = at(auth.key_index), *accounts = at(auth.account_index);
    struct btcf_index_bucket *revoked = at(auth.revoked);
    struct btcf_account account;

    (void)state;
    for (uint32_t i = 0; i < auth.key_buckets * BTCF_INDEX_BUCKET; i++)
        keys[i / BTCF_INDEX_BUCKET].word[i % BTCF_INDEX_BUCKET] = BTCF_INDEX_GONE;
    for (uint32_t i = 0; i < auth.account_buckets * BTCF_INDEX_BUCKET; i++)
        accounts[i / BTCF_INDEX_BUCKET].word[i % BTCF_INDEX_BUCKET] = 0x100000001;
    for (uint32_t i = 0; i < auth.revoked_buckets * BTCF_INDEX_BUCKET; i++)
        revoked[i / BTCF_INDEX_BUCKET].word[i % BTCF_INDEX_BUCKET] = BTCF_INDEX_GONE;
    assert_int_equal(read_key(2), BTCF_READ_CORRUPT);
    assert_int_equal(btcf_auth_account_find(&auth, gate_account(2).id, &account), BTCF_READ_CORRUPT);
    assert_true(btcf_auth_is_revoked(&auth, gate_session(9).bytes));
}

static void an_entry_that_is_not_published_is_absent(void **state)
{
    struct btcf_key_entry *key = at(&auth.keys[2]);
    struct btcf_account_entry *account = at(&auth.accounts[2]);
    struct btcf_account copy;

    (void)state;
    key->state = 0;
    account->state = 0;
    assert_int_equal(btcf_auth_account(&auth, 2, &copy), BTCF_READ_ABSENT);
    assert_int_equal(btcf_auth_account_find(&auth, gate_account(2).id, &copy), BTCF_READ_ABSENT);
    assert_int_equal(read_key(2), BTCF_READ_ABSENT);
}

static void a_plan_whose_contents_make_no_sense_is_corrupt(void **state)
{
    struct btcf_plan *plan = at(&auth.plans[3].plan[1]), good = *plan, copy;

    (void)state;
    plan->burst = 0, plan->crc = btcf_plan_crc(plan);
    assert_int_equal(btcf_auth_plan(&auth, 3, &copy), BTCF_READ_CORRUPT);
    *plan = good, plan->number = 4, plan->crc = btcf_plan_crc(plan);
    assert_int_equal(btcf_auth_plan(&auth, 3, &copy), BTCF_READ_CORRUPT);
    *plan = good, memset(plan->name, 'x', sizeof(plan->name)), plan->crc = btcf_plan_crc(plan);
    assert_int_equal(btcf_auth_plan(&auth, 3, &copy), BTCF_READ_CORRUPT);
    *plan = good;
    assert_int_equal(btcf_auth_plan(&auth, 3, &copy), BTCF_READ_OK);
}

/* ---- looking up -------------------------------------------------------------------------------------------------- */

static void a_plan_is_found_by_its_whole_name_alone(void **state)
{
    struct btcf_plan plan;

    (void)state;
    assert_int_equal(btcf_auth_plan_find(&auth, "plan3", 5, &plan), BTCF_READ_OK);
    assert_int_equal(plan.number, 3);
    assert_int_equal(btcf_auth_plan_find(&auth, "plan3", 4, &plan), BTCF_READ_ABSENT);
    assert_int_equal(btcf_auth_plan_find(&auth, "plan33", 6, &plan), BTCF_READ_ABSENT);
    assert_int_equal(btcf_auth_plan_find(&auth, "", 0, &plan), BTCF_READ_ABSENT);
    assert_int_equal(btcf_auth_plan_find(&auth, "plan3, and then more than fits", 30, &plan), BTCF_READ_ABSENT);
}

static void set_network(struct btcf_networks *networks, const char *prefix, uint8_t bits)
{
    memset(networks, 0, sizeof(*networks));
    networks->count = 1;
    memcpy(networks->network[0].address, prefix, 16);
    networks->network[0].bits = bits;
    networks->crc = btcf_networks_crc(networks);
}

static bool allows(const char *address)
{
    return btcf_auth_network_allows(&auth, 1, (const uint8_t *)address);
}

static void a_network_is_as_many_bits_as_it_says(void **state)
{
    struct btcf_networks *networks = at(&auth.networks[0].networks[1]);
    static const char mapped[] = "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\xa8\x11\x80";

    (void)state;
    assert_true(btcf_auth_network_allows(&auth, 0, (const uint8_t *)mapped));
    set_network(networks, mapped, 121); /* 192.168.17.128/25 */
    assert_true(allows("\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\xa8\x11\x80"));
    assert_true(allows("\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\xa8\x11\xff"));
    assert_false(allows("\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\xa8\x11\x7f"));
    assert_false(allows("\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\xa8\x10\x80"));
    set_network(networks, mapped, 128);
    assert_true(allows(mapped));
    assert_false(allows("\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\xa8\x11\x81"));
    set_network(networks, mapped, 96);
    assert_true(allows("\0\0\0\0\0\0\0\0\0\0\xff\xff\x01\x02\x03\x04"));
    assert_false(allows("\x20\x01\0\0\0\0\0\0\0\0\xff\xff\x01\x02\x03\x04"));
    set_network(networks, mapped, 0);
    assert_true(allows("\x20\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0"));
    set_network(networks, mapped, 129);
    assert_false(allows(mapped));
    set_network(networks, mapped, 255);
    assert_false(allows(mapped));
}

static void any_network_of_the_list_will_do(void **state)
{
    (void)state;
    assert_true(allows("\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\x01\x02\x03"));
    assert_true(allows("\x20\x01\x0d\xb8\0\x01\0\0\0\0\0\0\0\0\0\x05"));
    assert_false(allows("\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\x02\x02\x03"));
    assert_false(allows("\x20\x01\x0d\xb8\0\x02\0\0\0\0\0\0\0\0\0\x05"));
}

/* ---- words, ids, scopes ------------------------------------------------------------------------------------------ */

/* CRC-32C of eight zero bytes is 0x8c28b28a, so even a word of nothing but zeros is sealed as one that is not 0. */
static void no_sealed_word_is_zero(void **state)
{
    (void)state;
    assert_int_equal(btcf_auth_seal(0), 0x8a);
    for (uint64_t i = 1; i < 1000; i++)
        assert_int_equal(btcf_auth_seal(gate_mix(i) & ~UINT64_C(0xff)) >> 8, gate_mix(i) >> 8);
}

static void ids_go_to_text_and_back(void **state)
{
    static const char text[] = "00112233445566778899aabbccddeeff";
    uint8_t id[BTCF_ID_SIZE];
    char back[2 * BTCF_ID_SIZE + 1], bad[sizeof(text)];

    (void)state;
    assert_true(btcf_id_parse(text, 32, id));
    assert_int_equal(id[1], 0x11);
    assert_int_equal(id[15], 0xff);
    btcf_id_render(id, back);
    assert_string_equal(back, text);
    assert_false(btcf_id_parse(text, 31, id));
    assert_false(btcf_id_parse(text, 33, id));
    for (int c = 0; c < 256; c++)
        for (size_t i = 0; i < 32; i += 31) {
            memcpy(bad, text, sizeof(bad));
            bad[i] = (char)c;
            assert_int_equal(btcf_id_parse(bad, 32, id), (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'));
        }
}

static void each_scope_has_one_name_and_one_bit(void **state)
{
    uint32_t seen = 0;

    (void)state;
    for (uint32_t bit = 0; bit < BTCF_SCOPES_MAX; bit++) {
        const char *name = btcf_scope_name(1u << bit);

        if (name == NULL)
            continue;
        assert_int_equal(btcf_scope_bit(name, strlen(name)), 1u << bit);
        assert_int_equal(btcf_scope_bit(name, strlen(name) - 1), 0);
        seen |= 1u << bit;
    }
    assert_int_equal(seen, 0xff);
    assert_int_equal(btcf_scope_bit("account", 7), 0);
    assert_int_equal(btcf_scope_bit("READ", 4), 0);
    assert_int_equal(btcf_scope_bit("", 0), 0);
    assert_null(btcf_scope_name(0));
    assert_null(btcf_scope_name(3));
    assert_null(btcf_scope_name(1u << 15));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_a_file_nothing_is_found_and_every_session_is_revoked),
        TEST(a_gate_that_lacks_a_section_is_none),
        TEST(an_index_must_be_a_power_of_two),
        TEST(every_flipped_bit_of_a_key_is_noticed),
        TEST(every_flipped_bit_of_an_account_is_noticed),
        TEST(every_flipped_bit_of_a_plan_or_a_list_is_noticed),
        TEST(numbers_beyond_the_tables_open_no_door),
        TEST(an_index_that_is_full_everywhere_ends_the_search),
        TEST(an_entry_that_is_not_published_is_absent),
        TEST(a_plan_whose_contents_make_no_sense_is_corrupt),
        TEST(a_plan_is_found_by_its_whole_name_alone),
        TEST(a_network_is_as_many_bits_as_it_says),
        TEST(any_network_of_the_list_will_do),
        TEST(no_sealed_word_is_zero),
        TEST(ids_go_to_text_and_back),
        TEST(each_scope_has_one_name_and_one_bit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
