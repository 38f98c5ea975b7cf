/* What a new file takes over from the gate of the old one: everything that is in force, nothing that is used up, and
 * nothing at all when one byte of it is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gate_fixture.h"
#include "shm/btcf_seq.h"
#include "shm/file.h"

#define KEY_COUNT 6u

static const uint8_t database[16] = {0xda, 0x7a};
static struct shm_fixture fixture;
static struct writer *writer;
static struct btcf_reader reader;
static struct btcf_auth auth;

/* A file with something in every table, whose writer is dead. */
static int set_up(void **state)
{
    struct writer_options options;
    const struct btcf_networks networks = gate_networks(1);
    struct btcf_key key = gate_key(1);

    (void)state;
    shm_fixture_init(&fixture);
    options = gate_options(&fixture);
    memset(&reader, 0, sizeof(reader));
    gate_must(writer_create(&writer, &options));
    assert_false(writer_claim_auth(writer, database));
    for (uint32_t n = 0; n < KEY_COUNT; n++) {
        gate_put_account(writer, n);
        gate_put_key(writer, n);
    }
    gate_must(writer_put_key(writer, gate_digest(1).bytes, &key, &networks));
    gate_put_plan(writer, 0);
    gate_put_plan(writer, 3);
    for (uint32_t n = 0; n < 3; n++)
        gate_must(writer_revoke_session(writer, gate_session(n).bytes, 100 + n));
    gate_must(writer_go_live(writer));
    writer_set_auth_position(writer, 4711);
    writer_close(&writer);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    btcf_reader_close(&reader);
    writer_close(&writer);
    shm_fixture_release(&fixture);
    return 0;
}

static void bear(const struct writer_auth_options *capacity)
{
    struct writer_options options = gate_options(&fixture);

    if (capacity != NULL)
        options.auth = *capacity;
    gate_must(writer_create(&writer, &options));
}

static void attach(void)
{
    gate_must(writer_go_live(writer));
    assert_int_equal(btcf_reader_open(&reader, fixture.pub), BTCF_ATTACH_OK);
    assert_true(btcf_auth_attach(&auth, &reader));
}

static void check_tables(void)
{
    struct btcf_networks networks;
    struct btcf_account account;
    struct btcf_plan plan;
    struct btcf_key key;

    for (uint32_t n = 0; n < KEY_COUNT; n++) {
        const struct btcf_account wanted = gate_account(n);

        assert_int_equal(btcf_auth_key(&auth, gate_digest(n).bytes, &key), BTCF_READ_OK);
        assert_int_equal(key.id, 1000 + n);
        assert_int_equal(key.account, n);
        assert_int_equal(key.row, 2 * n);
        assert_int_equal(key.scopes, gate_key(n).scopes);
        assert_int_equal(key.expires_s, GATE_EXPIRES_S + n);
        assert_int_equal(key.networks != 0, n == 1);
        assert_int_equal(btcf_auth_account(&auth, n, &account), BTCF_READ_OK);
        assert_true(gate_is_same_account(&account, &wanted));
        assert_int_equal(btcf_auth_account_find(&auth, wanted.id, &account), BTCF_READ_OK);
    }
    assert_int_equal(btcf_auth_key(&auth, gate_digest(1).bytes, &key), BTCF_READ_OK);
    assert_int_equal(btcf_auth_networks(&auth, key.networks, &networks), BTCF_READ_OK);
    assert_int_equal(networks.network[0].address[13], 1);
    assert_int_equal(btcf_auth_plan(&auth, 3, &plan), BTCF_READ_OK);
    assert_string_equal(plan.name, "plan3");
    assert_int_equal(btcf_auth_plan(&auth, 1, &plan), BTCF_READ_ABSENT);
    for (uint32_t n = 0; n < 4; n++)
        assert_int_equal(btcf_auth_is_revoked(&auth, gate_session(n).bytes), n < 3);
}

static void everything_in_force_goes_on(void **state)
{
    (void)state;
    bear(NULL);
    assert_null(writer_auth_refusal(writer));
    assert_int_equal(writer_auth_position(writer), 4711);
    assert_memory_equal(writer_auth_database(writer), database, sizeof(database));
    assert_true(writer_claim_auth(writer, database));
    attach();
    check_tables();
}

static void numbers_stay_when_the_tables_grow(void **state)
{
    (void)state;
    for (uint32_t size = 64; size <= 4096; size *= 8) {
        const struct writer_auth_options capacity = {size, size, size, size};

        bear(&capacity);
        assert_int_equal(writer_auth_position(writer), 4711);
        assert_int_equal(writer_auth_load(writer).capacity.keys, size);
        attach();
        check_tables();
        writer_close(&writer);
    }
}

static void tables_that_are_too_small_take_nothing(void **state)
{
    const struct writer_auth_options capacity = {.keys = KEY_COUNT - 1, .accounts = 8, .revoked = 8, .networks = 4};

    (void)state;
    bear(&capacity);
    assert_non_null(strstr(writer_auth_refusal(writer), "keys is too small: 6 entries are needed, 5 fit"));
    assert_int_equal(writer_auth_position(writer), 0);
    assert_int_equal(writer_auth_load(writer).keys, 0);
}

static void what_was_used_up_is_left_behind(void **state)
{
    struct btcf_key key = gate_key(0);
    struct btcf_account account = gate_account(2);

    (void)state;
    bear(NULL);
    assert_int_equal(writer_auth_load(writer).keys, KEY_COUNT); /* the first entry of key 1 is not among them */
    gate_must(writer_disable_key(writer, gate_digest(4).bytes));
    for (key.row = 100; key.row < 105; key.row++)
        gate_must(writer_put_key(writer, gate_digest(0).bytes, &key, NULL));
    account.flags = 0;
    gate_must(writer_put_account(writer, &account));
    gate_must(writer_go_live(writer));
    assert_int_equal(writer_auth_load(writer).keys, KEY_COUNT + 5);
    writer_close(&writer);

    bear(NULL);
    assert_null(writer_auth_refusal(writer));
    assert_int_equal(writer_auth_load(writer).keys, KEY_COUNT - 1);
    attach();
    assert_int_equal(btcf_auth_key(&auth, gate_digest(4).bytes, &key), BTCF_READ_ABSENT);
    assert_int_equal(btcf_auth_account_find(&auth, account.id, &account), BTCF_READ_ABSENT);
    assert_int_equal(btcf_auth_key(&auth, gate_digest(0).bytes, &key), BTCF_READ_OK);
    assert_int_equal(key.row, 104);
    /* The number is free for another account now. */
    account = gate_account(7);
    account.number = 2;
    assert_int_equal(writer_put_account(writer, &account), 0);
}

static void the_end_of_a_revocation_is_known_to_the_next_writer(void **state)
{
    (void)state;
    bear(NULL);
    attach();
    assert_int_equal(writer_forget_sessions(writer, 101), 1);
    assert_false(btcf_auth_is_revoked(&auth, gate_session(0).bytes));
    assert_true(btcf_auth_is_revoked(&auth, gate_session(1).bytes));
}

static void tables_of_another_database_are_dropped_when_that_is_known(void **state)
{
    static const uint8_t other[16] = {1};
    struct btcf_key key;

    (void)state;
    bear(NULL);
    assert_false(writer_claim_auth(writer, other));
    assert_int_equal(writer_auth_position(writer), 0);
    assert_int_equal(writer_auth_load(writer).keys, 0);
    assert_int_equal(writer_auth_load(writer).capacity.keys, 16);
    gate_put_key(writer, 9);
    attach();
    assert_int_equal(btcf_auth_key(&auth, gate_digest(0).bytes, &key), BTCF_READ_ABSENT);
    assert_int_equal(btcf_auth_key(&auth, gate_digest(9).bytes, &key), BTCF_READ_OK);
    assert_int_equal(auth.header->key_capacity, 16);
    assert_memory_equal(auth.header->database, other, sizeof(other));
}

static void changes_are_counted_on_across_files(void **state)
{
    uint64_t last = 0;

    (void)state;
    for (int i = 0; i < 4; i++) {
        bear(NULL);
        attach();
        assert_true(btcf_auth_changes(&auth) > last);
        last = btcf_auth_changes(&auth);
        writer_close(&writer);
    }
}

/* ---- damage ------------------------------------------------------------------------------------------------------ */

/* The old file as bytes that can be written, with a view of its gate. */
struct old {
    unsigned char *bytes;
    size_t size;
    struct btcf_reader reader;
    struct btcf_auth auth;
};

static void load_old(struct old *old)
{
    memset(old, 0, sizeof(*old));
    old->bytes = shm_load(fixture.pub, &old->size);
    assert_int_equal(btcf_reader_attach(&old->reader, old->bytes, old->size), BTCF_ATTACH_OK);
    assert_true(btcf_auth_attach(&old->auth, &old->reader));
}

static unsigned char *bytes_at(struct old *old, const void *place)
{
    return old->bytes + ((const unsigned char *)place - old->bytes);
}

/* Whether a writer that is born over these bytes takes nothing, and says why. */
static bool is_refused(struct old *old)
{
    shm_save(fixture.pub, old->bytes, old->size);
    bear(NULL);

    bool is_empty = writer_auth_load(writer).keys == 0 && writer_auth_load(writer).accounts == 0 &&
                    writer_auth_load(writer).revoked == 0 && writer_auth_position(writer) == 0;
    bool is_said = writer_auth_refusal(writer) != NULL;

    assert_int_equal(is_empty, is_said);
    writer_close(&writer);
    return is_empty;
}

static void any_flipped_bit_of_an_entry_condemns_all(void **state)
{
    struct old old;
    const struct {
        const void *begin;
        size_t size;
    } places[] = {
        {&(load_old(&old), &old.auth)->keys[2], sizeof(struct btcf_key_entry)},
        {&old.auth.accounts[3], offsetof(struct btcf_account_entry, reserved)},
        {&old.auth.plans[3].plan[1], sizeof(struct btcf_plan)},
        {&old.auth.networks[0].networks[1], sizeof(struct btcf_networks)},
    };

    (void)state;
    for (size_t place = 0; place < BTCF_LENGTH(places); place++)
        for (size_t i = 0; i < places[place].size * 8; i += 3) {
            unsigned char *byte = bytes_at(&old, places[place].begin) + i / 8;

            *byte ^= (unsigned char)(1 << i % 8);
            if (!is_refused(&old))
                fail_msg("place %zu, bit %zu of byte %zu is not noticed", place, i % 8, i / 8);
            *byte ^= (unsigned char)(1 << i % 8);
        }
    assert_false(is_refused(&old));
    free(old.bytes);
}

static void a_lost_index_word_condemns_all(void **state)
{
    struct old old;

    (void)state;
    load_old(&old);
    for (uint32_t i = 0; i < old.auth.key_buckets * BTCF_INDEX_BUCKET; i++) {
        uint64_t word, zero = 0, other;
        unsigned char *place = bytes_at(&old, &old.auth.key_index[0].word[0]) + 8 * i;

        memcpy(&word, place, sizeof(word));
        other = word == 0 ? UINT64_C(0x1234567800000001) : word ^ 1;
        memcpy(place, &other, sizeof(other));
        assert_true(is_refused(&old));
        memcpy(place, &zero, sizeof(zero));
        /* Without a word only the last entry may be: its writer died between the two. */
        if (word != 0 && (uint32_t)word != KEY_COUNT + 1)
            assert_true(is_refused(&old));
        memcpy(place, &word, sizeof(word));
    }
    free(old.bytes);
}

static void an_entry_whose_writer_died_over_it_is_left_out(void **state)
{
    struct btcf_account_entry *account;
    struct old old;
    uint32_t used = KEY_COUNT;
    struct btcf_key_entry *key;

    (void)state;
    load_old(&old);
    key = (struct btcf_key_entry *)bytes_at(&old, &old.auth.keys[used + 1]);
    *key = (struct btcf_key_entry){.id = 1, .account = 2};
    gate_bytes(key->digest, sizeof(key->digest), 99);
    assert_false(is_refused(&old)); /* filled, but for its state */
    key->crc = btcf_key_crc(key);
    key->state = btcf_auth_seal(BTCF_KEY_ENABLED << 8);
    assert_false(is_refused(&old)); /* filled, and no index word */
    key[1] = key[0];
    assert_true(is_refused(&old)); /* two of them: no death makes that */
    memset(key, 0, 2 * sizeof(*key));

    account = (struct btcf_account_entry *)bytes_at(&old, &old.auth.accounts[7]);
    memset(account->id, 7, sizeof(account->id));
    assert_false(is_refused(&old));
    account->crc = btcf_account_crc(account);
    account->state = btcf_auth_seal(BTCF_ACCOUNT_ENABLED << 8);
    assert_false(is_refused(&old));
    account[-1] = account[0];
    account[-1].id[0]++;
    account[-1].crc = btcf_account_crc(&account[-1]);
    assert_true(is_refused(&old));
    free(old.bytes);
}

static void a_word_where_no_search_comes_by_condemns_all(void **state)
{
    const struct writer_auth_options capacity = {16, 8, 4096, 4};
    uint64_t word = UINT64_C(1000) << 32 | 5;
    struct old old;

    (void)state;
    bear(&capacity);
    gate_must(writer_go_live(writer));
    writer_close(&writer);
    load_old(&old);
    for (uint32_t bucket = 980; bucket < 1030; bucket++) {
        struct writer_options options = gate_options(&fixture);
        unsigned char *place = bytes_at(&old, &old.auth.revoked[bucket]);

        memcpy(place, &word, sizeof(word));
        shm_save(fixture.pub, old.bytes, old.size);
        gate_must(writer_create(&writer, &options));
        assert_int_equal(writer_auth_refusal(writer) == NULL, bucket >= 1000 && bucket < 1016);
        writer_close(&writer);
        memset(place, 0, sizeof(word));
    }
    free(old.bytes);
}

static void a_file_that_is_refused_as_a_whole_is_said(void **state)
{
    struct old old;

    (void)state;
    load_old(&old);
    old.bytes[offsetof(struct btcf_header, build)] ^= 1;
    assert_true(is_refused(&old));
    bear(NULL);
    assert_string_equal(writer_auth_refusal(writer), btcf_attach_text(BTCF_ATTACH_BAD_CHECKSUM));
    free(old.bytes);
}

static void a_file_without_a_gate_and_no_file_are_nothing_to_say(void **state)
{
    struct writer_options options = shm_options(&fixture);

    (void)state;
    gate_must(writer_create(&writer, &options));
    gate_must(writer_go_live(writer));
    writer_close(&writer);
    bear(NULL);
    assert_null(writer_auth_refusal(writer));
    assert_int_equal(writer_auth_load(writer).keys, 0);
    writer_close(&writer);
    shm_fixture_sweep(&fixture, true);
    bear(NULL);
    assert_null(writer_auth_refusal(writer));
}

static void capacities_are_all_or_none(void **state)
{
    struct writer_options options = gate_options(&fixture);

    (void)state;
    options.auth.networks = 0;
    assert_int_equal(writer_create(&writer, &options), -1);
    assert_int_equal(err_kind(), E_INPUT);
    options.auth = (struct writer_auth_options){(1u << 24) + 1, 1, 1, 1};
    assert_int_equal(writer_create(&writer, &options), -1);
    assert_int_equal(err_kind(), E_INPUT);
    options.auth = (struct writer_auth_options){1, 1, 1, 1};
    assert_int_equal(writer_create(&writer, &options), 0);
    assert_non_null(writer_auth_refusal(writer)); /* too small for what was there */
    gate_put_key(writer, 0);
    gate_put_account(writer, 0);
    attach();
    assert_int_equal(auth.key_buckets, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(everything_in_force_goes_on),
        TEST(numbers_stay_when_the_tables_grow),
        TEST(tables_that_are_too_small_take_nothing),
        TEST(what_was_used_up_is_left_behind),
        TEST(the_end_of_a_revocation_is_known_to_the_next_writer),
        TEST(tables_of_another_database_are_dropped_when_that_is_known),
        TEST(changes_are_counted_on_across_files),
        TEST(any_flipped_bit_of_an_entry_condemns_all),
        TEST(a_lost_index_word_condemns_all),
        TEST(an_entry_whose_writer_died_over_it_is_left_out),
        TEST(a_word_where_no_search_comes_by_condemns_all),
        TEST(a_file_that_is_refused_as_a_whole_is_said),
        TEST(a_file_without_a_gate_and_no_file_are_nothing_to_say),
        TEST(capacities_are_all_or_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
