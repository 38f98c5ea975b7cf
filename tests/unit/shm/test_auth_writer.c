/* What the writer of the gate puts is what its reader finds; a change is one change, nothing is none, a full table an
 * error that says how full. */
#include "shm/auth_writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gate_fixture.h"

static struct shm_fixture fixture;
static struct writer *writer;
static struct btcf_reader reader;
static struct btcf_auth auth;

static int set_up(void **state)
{
    struct writer_options options;

    (void)state;
    shm_fixture_init(&fixture);
    options = gate_options(&fixture);
    memset(&reader, 0, sizeof(reader));
    if (writer_create(&writer, &options) < 0 || writer_go_live(writer) < 0 ||
        btcf_reader_open(&reader, fixture.pub) != BTCF_ATTACH_OK)
        return -1;
    return btcf_auth_attach(&auth, &reader) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    btcf_reader_close(&reader);
    writer_close(&writer);
    shm_fixture_release(&fixture);
    return 0;
}

/* How often `changes` was counted since the last call. */
static uint64_t new_changes(void)
{
    static uint64_t last;
    uint64_t now = btcf_auth_changes(&auth), count = now - last;

    last = now;
    return count;
}

static struct btcf_key find_key(uint32_t n)
{
    struct btcf_key key;

    assert_int_equal(btcf_auth_key(&auth, gate_digest(n).bytes, &key), BTCF_READ_OK);
    return key;
}

static struct btcf_account find_account(uint32_t n)
{
    const struct btcf_account wanted = gate_account(n);
    struct btcf_account by_id, by_number;

    assert_int_equal(btcf_auth_account_find(&auth, wanted.id, &by_id), BTCF_READ_OK);
    assert_int_equal(btcf_auth_account(&auth, n, &by_number), BTCF_READ_OK);
    assert_true(gate_is_same_account(&by_id, &by_number));
    return by_id;
}

static bool is_revoked(uint32_t n)
{
    return btcf_auth_is_revoked(&auth, gate_session(n).bytes);
}

/* ---- keys -------------------------------------------------------------------------------------------------------- */

static void a_key_comes_out_as_it_went_in(void **state)
{
    struct btcf_key key = gate_key(3), there;

    (void)state;
    key.scopes = 0xffff;
    key.flags = BTCF_KEY_ENABLED | BTCF_KEY_TEST;
    key.expires_s = AUTH_TIME_MAX;
    key.id = UINT64_MAX;
    assert_int_equal(writer_put_key(writer, gate_digest(3).bytes, &key, NULL), 0);
    there = find_key(3);
    assert_int_equal(there.id, UINT64_MAX);
    assert_int_equal(there.account, 3);
    assert_int_equal(there.row, 6);
    assert_int_equal(there.flags, BTCF_KEY_ENABLED | BTCF_KEY_TEST);
    assert_int_equal(there.scopes, 0xffff);
    assert_int_equal(there.expires_s, AUTH_TIME_MAX);
    assert_int_equal(there.networks, 0);
    assert_int_equal(btcf_auth_key(&auth, gate_digest(4).bytes, &there), BTCF_READ_ABSENT);
}

static void what_is_put_twice_is_one_change(void **state)
{
    const struct btcf_key key = gate_key(1);
    const struct btcf_networks networks = gate_networks(1);

    (void)state;
    new_changes();
    for (int i = 0; i < 3; i++) {
        gate_put_key(writer, 1);
        gate_put_account(writer, 1);
        gate_put_plan(writer, 1);
        assert_int_equal(writer_put_key(writer, gate_digest(2).bytes, &key, &networks), 0);
        assert_int_equal(writer_revoke_session(writer, gate_session(1).bytes, 100), 0);
    }
    assert_int_equal(new_changes(), 5);
    assert_int_equal(writer_auth_load(writer).keys, 2);
    assert_int_equal(writer_auth_load(writer).networks, 1);
    assert_int_equal(writer_auth_load(writer).revoked, 1);
}

static void scopes_and_expiry_change_in_the_same_entry(void **state)
{
    struct btcf_key key = gate_key(1);

    (void)state;
    gate_put_key(writer, 1);
    new_changes();
    key.scopes = BTCF_SCOPE_READ;
    key.expires_s = 0;
    assert_int_equal(writer_put_key(writer, gate_digest(1).bytes, &key, NULL), 0);
    assert_int_equal(find_key(1).scopes, BTCF_SCOPE_READ);
    assert_int_equal(find_key(1).expires_s, 0);
    assert_int_equal(new_changes(), 1);
    assert_int_equal(writer_auth_load(writer).keys, 1);
}

static void another_account_row_or_list_of_networks_takes_another_entry(void **state)
{
    const struct btcf_networks networks = gate_networks(1), others = gate_networks(2);
    struct btcf_key key = gate_key(1);
    const struct gate_digest held = gate_digest(1);
    const uint8_t *digest = held.bytes;
    uint32_t number;

    (void)state;
    gate_put_key(writer, 1);
    new_changes();
    key.row = 77;
    assert_int_equal(writer_put_key(writer, digest, &key, NULL), 0);
    assert_int_equal(find_key(1).row, 77);
    key.account = 5;
    assert_int_equal(writer_put_key(writer, digest, &key, NULL), 0);
    assert_int_equal(find_key(1).account, 5);
    assert_int_equal(writer_put_key(writer, digest, &key, &networks), 0);
    assert_int_equal(find_key(1).networks, 1);
    assert_int_equal(writer_put_key(writer, digest, &key, &others), 0);
    assert_int_equal(find_key(1).networks, 2);
    assert_int_equal(writer_put_key(writer, digest, &key, NULL), 0);
    assert_int_equal(find_key(1).networks, 0);
    assert_int_equal(new_changes(), 5);
    assert_int_equal(writer_auth_load(writer).keys, 6);
    assert_int_equal(btcf_auth_key_number(&auth, digest, &number), BTCF_READ_OK);
    assert_int_equal(number, 5);
}

static void a_reader_with_an_old_index_word_finds_the_old_entry_whole(void **state)
{
    const struct btcf_networks networks = gate_networks(1);
    struct btcf_key key = gate_key(1), old;
    struct gate_digest digest;
    uint32_t number;

    (void)state;
    assert_int_equal(writer_put_key(writer, gate_digest(1).bytes, &key, &networks), 0);
    assert_int_equal(btcf_auth_key_number(&auth, gate_digest(1).bytes, &number), BTCF_READ_OK);
    key.row = 99;
    assert_int_equal(writer_put_key(writer, gate_digest(1).bytes, &key, NULL), 0);
    for (uint32_t n = 2; n < 8; n++)
        gate_put_key(writer, n);
    assert_int_equal(btcf_auth_key_at(&auth, number, digest.bytes, &old), BTCF_READ_OK);
    assert_memory_equal(digest.bytes, gate_digest(1).bytes, sizeof(digest.bytes));
    assert_int_equal(old.row, 2);
    assert_int_equal(old.networks, 1);
}

static void a_disabled_key_is_one_store_and_stays_disabled(void **state)
{
    struct btcf_key key = gate_key(1);

    (void)state;
    gate_put_key(writer, 1);
    new_changes();
    assert_int_equal(writer_disable_key(writer, gate_digest(1).bytes), 0);
    assert_int_equal(find_key(1).flags & BTCF_KEY_ENABLED, 0);
    assert_int_equal(writer_disable_key(writer, gate_digest(1).bytes), 0);
    assert_int_equal(writer_disable_key(writer, gate_digest(2).bytes), 0);
    assert_int_equal(new_changes(), 1);
    /* What else is said of it does not cost an entry. */
    key.flags = 0;
    key.row = 55;
    assert_int_equal(writer_put_key(writer, gate_digest(1).bytes, &key, NULL), 0);
    assert_int_equal(writer_auth_load(writer).keys, 1);
    key.flags = BTCF_KEY_ENABLED;
    assert_int_equal(writer_put_key(writer, gate_digest(1).bytes, &key, NULL), 0);
    assert_int_equal(find_key(1).flags, BTCF_KEY_ENABLED);
    assert_int_equal(find_key(1).row, 55);
}

static void a_disabled_key_that_nobody_knows_takes_no_entry(void **state)
{
    struct btcf_key key = gate_key(1);

    (void)state;
    key.flags = 0;
    new_changes();
    assert_int_equal(writer_put_key(writer, gate_digest(1).bytes, &key, NULL), 0);
    assert_int_equal(writer_auth_load(writer).keys, 0);
    assert_int_equal(new_changes(), 0);
}

static void a_full_table_of_keys_is_an_error_with_both_sizes(void **state)
{
    struct btcf_key key = gate_key(16), there;

    (void)state;
    for (uint32_t n = 0; n < 16; n++)
        gate_put_key(writer, n);
    assert_int_equal(writer_put_key(writer, gate_digest(16).bytes, &key, NULL), -1);
    assert_int_equal(err_kind(), E_LIMIT);
    assert_non_null(strstr(err_text(), "keys is too small: 17 entries are needed, 16 fit"));
    assert_int_equal(btcf_auth_key(&auth, gate_digest(16).bytes, &there), BTCF_READ_ABSENT);
    for (uint32_t n = 0; n < 16; n++)
        assert_int_equal(find_key(n).id, 1000 + n);
    /* What needs no entry goes on. */
    assert_int_equal(writer_disable_key(writer, gate_digest(7).bytes), 0);
    assert_int_equal(find_key(7).flags, 0);
}

static void a_full_table_of_networks_uses_up_no_key(void **state)
{
    (void)state;
    for (uint32_t n = 0; n < 5; n++) {
        const struct btcf_key key = gate_key(n);
        const struct btcf_networks networks = gate_networks((uint8_t)n);

        assert_int_equal(writer_put_key(writer, gate_digest(n).bytes, &key, &networks), n < 4 ? 0 : -1);
    }
    assert_int_equal(err_kind(), E_LIMIT);
    assert_non_null(strstr(err_text(), "networks is too small: 5 entries are needed, 4 fit"));
    assert_int_equal(writer_auth_load(writer).keys, 4);
}

static void keys_that_make_no_sense_are_refused(void **state)
{
    struct btcf_networks networks = gate_networks(1);
    struct btcf_key key = gate_key(1);

    (void)state;
    key.expires_s = AUTH_TIME_MAX + 1;
    assert_int_equal(writer_put_key(writer, gate_digest(1).bytes, &key, NULL), -1);
    key.expires_s = -1;
    assert_int_equal(writer_put_key(writer, gate_digest(1).bytes, &key, NULL), -1);
    key = gate_key(1);
    key.flags = 256;
    assert_int_equal(writer_put_key(writer, gate_digest(1).bytes, &key, NULL), -1);
    assert_int_equal(err_kind(), E_INPUT);
    key = gate_key(1);
    networks.count = 0;
    assert_int_equal(writer_put_key(writer, gate_digest(1).bytes, &key, &networks), -1);
    networks.count = BTCF_NETWORKS_MAX + 1;
    assert_int_equal(writer_put_key(writer, gate_digest(1).bytes, &key, &networks), -1);
    assert_int_equal(err_kind(), E_LIMIT);
    networks.count = BTCF_NETWORKS_MAX;
    assert_int_equal(writer_put_key(writer, gate_digest(1).bytes, &key, &networks), 0);
}

static void keys_that_collide_in_the_index_are_told_apart(void **state)
{
    struct gate_digest digests[12];
    struct btcf_key key;

    (void)state;
    /* The same first eight bytes: the same bucket, the same word but for the number. */
    for (uint32_t n = 0; n < BTCF_LENGTH(digests); n++) {
        digests[n] = gate_digest(n);
        memset(digests[n].bytes, 0x5a, sizeof(uint64_t));
        key = gate_key(n);
        assert_int_equal(writer_put_key(writer, digests[n].bytes, &key, NULL), 0);
    }
    for (uint32_t n = 0; n < BTCF_LENGTH(digests); n++) {
        assert_int_equal(btcf_auth_key(&auth, digests[n].bytes, &key), BTCF_READ_OK);
        assert_int_equal(key.id, 1000 + n);
    }
    key = gate_key(3);
    key.row = 33;
    assert_int_equal(writer_put_key(writer, digests[3].bytes, &key, NULL), 0);
    assert_int_equal(btcf_auth_key(&auth, digests[3].bytes, &key), BTCF_READ_OK);
    assert_int_equal(key.row, 33);
    digests[0].bytes[31] ^= 1;
    assert_int_equal(btcf_auth_key(&auth, digests[0].bytes, &key), BTCF_READ_ABSENT);
}

/* ---- accounts ---------------------------------------------------------------------------------------------------- */

static void an_account_comes_out_as_it_went_in(void **state)
{
    struct btcf_account account = gate_account(7), there;

    (void)state;
    account.flags |= BTCF_ACCOUNT_ADMIN;
    account.plan = BTCF_PLANS_MAX - 1;
    account.tokens_valid_after_s = AUTH_TIME_MAX;
    account.blocked_until_s = AUTH_TIME_MAX;
    account.blocked_period = BTCF_PERIOD_MONTH;
    assert_int_equal(writer_put_account(writer, &account), 0);
    there = find_account(7);
    assert_true(gate_is_same_account(&there, &account));
    assert_int_equal(writer_auth_load(writer).accounts, 8);
}

static void each_word_of_an_account_changes_on_its_own(void **state)
{
    struct btcf_account account = gate_account(2);

    (void)state;
    gate_put_account(writer, 2);
    new_changes();
    account.plan = 9;
    assert_int_equal(writer_put_account(writer, &account), 0);
    assert_int_equal(find_account(2).plan, 9);
    account.row = 1234;
    assert_int_equal(writer_put_account(writer, &account), 0);
    assert_int_equal(find_account(2).row, 1234);
    account.blocked_until_s = 5;
    account.blocked_period = BTCF_PERIOD_DAY;
    assert_int_equal(writer_put_account(writer, &account), 0);
    assert_int_equal(find_account(2).blocked_until_s, 5);
    account.blocked_until_s = 0;
    assert_int_equal(writer_put_account(writer, &account), 0);
    assert_int_equal(find_account(2).blocked_until_s, 0);
    account.flags = 0;
    assert_int_equal(writer_put_account(writer, &account), 0);
    assert_int_equal(find_account(2).flags, 0);
    assert_int_equal(new_changes(), 5);
}

static void number_and_id_of_an_account_belong_together(void **state)
{
    struct btcf_account account = gate_account(2);

    (void)state;
    gate_put_account(writer, 2);
    account.number = 3;
    assert_int_equal(writer_put_account(writer, &account), -1);
    assert_int_equal(err_kind(), E_CONFLICT);
    account = gate_account(4);
    account.number = 2;
    assert_int_equal(writer_put_account(writer, &account), -1);
    assert_int_equal(err_kind(), E_CONFLICT);
    assert_int_equal(find_account(2).row, 5);
}

static void accounts_that_make_no_sense_are_refused(void **state)
{
    struct btcf_account account = gate_account(1), bad;

    (void)state;
    bad = account, bad.plan = BTCF_PLANS_MAX;
    assert_int_equal(writer_put_account(writer, &bad), -1);
    bad = account, bad.flags = 256;
    assert_int_equal(writer_put_account(writer, &bad), -1);
    bad = account, memset(bad.id, 0, sizeof(bad.id));
    assert_int_equal(writer_put_account(writer, &bad), -1);
    bad = account, bad.blocked_until_s = 1;
    assert_int_equal(writer_put_account(writer, &bad), -1);
    bad = account, bad.tokens_valid_after_s = AUTH_TIME_MAX + 1;
    assert_int_equal(writer_put_account(writer, &bad), -1);
    assert_int_equal(err_kind(), E_INPUT);
    bad = account, bad.number = 8;
    assert_int_equal(writer_put_account(writer, &bad), -1);
    assert_int_equal(err_kind(), E_LIMIT);
    assert_non_null(strstr(err_text(), "accounts is too small: 9 entries are needed, 8 fit"));
    bad = account, bad.flags = 0;
    new_changes();
    assert_int_equal(writer_put_account(writer, &bad), 0); /* disabled and not there: nothing to do */
    assert_int_equal(new_changes(), 0);
}

/* ---- plans ------------------------------------------------------------------------------------------------------- */

static void plans_are_put_changed_removed_and_put_again(void **state)
{
    struct btcf_plan plan = gate_plan(5), there;

    (void)state;
    assert_int_equal(writer_put_plan(writer, &plan), 0);
    assert_int_equal(btcf_auth_plan(&auth, 5, &there), BTCF_READ_OK);
    assert_memory_equal((unsigned char *)&there + 4, (unsigned char *)&plan + 4, sizeof(plan) - 4);
    for (uint32_t burst = 1; burst < 5; burst++) {
        plan.burst = burst;
        assert_int_equal(writer_put_plan(writer, &plan), 0);
        assert_int_equal(btcf_auth_plan(&auth, 5, &there), BTCF_READ_OK);
        assert_int_equal(there.burst, burst);
    }
    assert_int_equal(btcf_auth_plan_find(&auth, "plan5", 5, &there), BTCF_READ_OK);
    assert_int_equal(writer_remove_plan(writer, 5), 0);
    assert_int_equal(btcf_auth_plan(&auth, 5, &there), BTCF_READ_ABSENT);
    assert_int_equal(btcf_auth_plan_find(&auth, "plan5", 5, &there), BTCF_READ_ABSENT);
    new_changes();
    assert_int_equal(writer_remove_plan(writer, 5), 0);
    assert_int_equal(writer_remove_plan(writer, BTCF_PLANS_MAX), 0);
    assert_int_equal(new_changes(), 0);
    assert_int_equal(writer_put_plan(writer, &plan), 0);
    assert_int_equal(btcf_auth_plan(&auth, 5, &there), BTCF_READ_OK);
    assert_int_equal(there.burst, 4);
}

static void plans_that_make_no_sense_are_refused(void **state)
{
    struct btcf_plan plan = gate_plan(5), bad;

    (void)state;
    bad = plan, bad.number = BTCF_PLANS_MAX;
    assert_int_equal(writer_put_plan(writer, &bad), -1);
    bad = plan, bad.burst = 0;
    assert_int_equal(writer_put_plan(writer, &bad), -1);
    bad = plan, bad.name[0] = '\0';
    assert_int_equal(writer_put_plan(writer, &bad), -1);
    bad = plan, memset(bad.name, 'x', sizeof(bad.name));
    assert_int_equal(writer_put_plan(writer, &bad), -1);
    assert_int_equal(err_kind(), E_INPUT);
}

/* ---- revoked sessions -------------------------------------------------------------------------------------------- */

static void a_revoked_session_is_forgotten_when_its_last_token_is_over(void **state)
{
    (void)state;
    for (uint32_t n = 0; n < 8; n++)
        assert_int_equal(writer_revoke_session(writer, gate_session(n).bytes, 100 + n), 0);
    assert_int_equal(writer_forget_sessions(writer, 100), 0);
    assert_int_equal(writer_forget_sessions(writer, 104), 4);
    for (uint32_t n = 0; n < 9; n++)
        assert_int_equal(is_revoked(n), n >= 4 && n < 8);
    assert_int_equal(writer_auth_load(writer).revoked, 4);
    new_changes();
    assert_int_equal(writer_forget_sessions(writer, 104), 0);
    assert_int_equal(new_changes(), 0);
}

static void a_later_end_counts_and_an_earlier_one_does_not(void **state)
{
    (void)state;
    assert_int_equal(writer_revoke_session(writer, gate_session(1).bytes, 100), 0);
    assert_int_equal(writer_revoke_session(writer, gate_session(1).bytes, 200), 0);
    assert_int_equal(writer_revoke_session(writer, gate_session(1).bytes, 50), 0);
    assert_int_equal(writer_forget_sessions(writer, 200), 0);
    assert_true(is_revoked(1));
    assert_int_equal(writer_forget_sessions(writer, 201), 1);
    assert_false(is_revoked(1));
}

static void a_full_set_of_revoked_sessions_is_an_error_with_both_sizes(void **state)
{
    (void)state;
    for (uint32_t n = 0; n < 8; n++)
        assert_int_equal(writer_revoke_session(writer, gate_session(n).bytes, 100), 0);
    assert_int_equal(writer_revoke_session(writer, gate_session(8).bytes, 100), -1);
    assert_int_equal(err_kind(), E_LIMIT);
    assert_non_null(strstr(err_text(), "revoked sessions is too small: 9 entries are needed, 8 fit"));
    assert_int_equal(writer_revoke_session(writer, gate_session(7).bytes, 200), 0);
    assert_int_equal(writer_revoke_session(writer, gate_session(9).bytes, AUTH_TIME_MAX + 1), -1);
    assert_int_equal(err_kind(), E_INPUT);
}

static void ids_that_look_like_the_marks_of_the_set_are_ids(void **state)
{
    struct gate_id zero = {{0}}, gone = {{0xff, 0xff, 0xff, 0xff}}, one = {{1}};

    (void)state;
    assert_false(btcf_auth_is_revoked(&auth, zero.bytes));
    assert_false(btcf_auth_is_revoked(&auth, gone.bytes));
    assert_int_equal(writer_revoke_session(writer, zero.bytes, 100), 0);
    assert_int_equal(writer_revoke_session(writer, gone.bytes, 100), 0);
    assert_true(btcf_auth_is_revoked(&auth, zero.bytes));
    assert_true(btcf_auth_is_revoked(&auth, gone.bytes));
    assert_true(btcf_auth_is_revoked(&auth, one.bytes)); /* stands for zero: one id of 2^64 is refused too much */
}

/* All of these begin their search in the same bucket. */
static struct gate_id crowding_session(uint32_t n)
{
    struct gate_id id = gate_session(n);

    memset(id.bytes + 4, 0, 4); /* the half of the word that chooses */
    return id;
}

/* Sessions of one bucket, many more than fit into it, come and go in any order: each is found exactly as long as it is
 * there. */
static void a_bucket_that_ran_over_hides_nothing(void **state)
{
    struct writer_options options = gate_options(&fixture);
    uint32_t until[48] = {0}; /* 0: not there */
    uint32_t now = 1, most = 0;
    uint64_t draw = 1;

    (void)state;
    writer_close(&writer);
    options.auth.revoked = BTCF_LENGTH(until);
    assert_int_equal(writer_create(&writer, &options), 0);
    assert_int_equal(writer_go_live(writer), 0);
    assert_int_equal(btcf_reader_open(&reader, fixture.pub), BTCF_ATTACH_OK);
    assert_true(btcf_auth_attach(&auth, &reader));
    for (int turn = 0; turn < 20000; turn++) {
        uint32_t n = (uint32_t)((draw = gate_mix(draw)) % BTCF_LENGTH(until));
        uint32_t end = now + (uint32_t)(draw >> 32) % (turn % 4096 < 2048 ? 64 : 8), found = 0;

        assert_int_equal(writer_revoke_session(writer, crowding_session(n).bytes, end), 0);
        until[n] = until[n] > end ? until[n] : end;
        if (turn % 2 == 0)
            (void)writer_forget_sessions(writer, ++now);
        for (uint32_t i = 0; i < BTCF_LENGTH(until); i++) {
            until[i] = until[i] < now ? 0 : until[i];
            found += until[i] != 0;
            assert_int_equal(btcf_auth_is_revoked(&auth, crowding_session(i).bytes), until[i] != 0);
        }
        assert_int_equal(found, writer_auth_load(writer).revoked);
        most = most > found ? most : found;
    }
    assert_true(most > 2 * BTCF_INDEX_BUCKET);
}

/* ---- what is not the tables -------------------------------------------------------------------------------------- */

static void position_and_load_are_told(void **state)
{
    (void)state;
    assert_int_equal(writer_auth_position(writer), 0);
    writer_set_auth_position(writer, UINT64_MAX);
    assert_int_equal(writer_auth_position(writer), UINT64_MAX);
    gate_put_key(writer, 1);
    assert_int_equal(writer_auth_load(writer).keys, 1);
    assert_int_equal(writer_auth_load(writer).capacity.keys, 16);
    assert_int_equal(writer_auth_load(writer).capacity.networks, 4);
    assert_null(writer_auth_refusal(writer));
}

static void a_file_without_a_gate_takes_nothing_and_says_so(void **state)
{
    struct writer_options options = shm_options(&fixture);
    const struct btcf_key key = gate_key(1);
    const struct btcf_account account = gate_account(1);
    const struct btcf_plan plan = gate_plan(1);
    static const uint8_t database[16] = {1};

    (void)state;
    writer_close(&writer);
    assert_int_equal(writer_create(&writer, &options), 0);
    assert_int_equal(writer_put_key(writer, gate_digest(1).bytes, &key, NULL), -1);
    assert_int_equal(writer_put_account(writer, &account), -1);
    assert_int_equal(writer_put_plan(writer, &plan), -1);
    assert_int_equal(writer_remove_plan(writer, 1), -1);
    assert_int_equal(writer_disable_key(writer, gate_digest(1).bytes), -1);
    assert_int_equal(writer_revoke_session(writer, gate_session(1).bytes, 1), -1);
    assert_int_equal(err_kind(), E_MISSING);
    assert_int_equal(writer_forget_sessions(writer, 1), 0);
    assert_false(writer_claim_auth(writer, database));
    assert_int_equal(writer_auth_position(writer), 0);
    assert_int_equal(writer_auth_database(writer)[0], 0);
    writer_set_auth_position(writer, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_key_comes_out_as_it_went_in),
        TEST(what_is_put_twice_is_one_change),
        TEST(scopes_and_expiry_change_in_the_same_entry),
        TEST(another_account_row_or_list_of_networks_takes_another_entry),
        TEST(a_reader_with_an_old_index_word_finds_the_old_entry_whole),
        TEST(a_disabled_key_is_one_store_and_stays_disabled),
        TEST(a_disabled_key_that_nobody_knows_takes_no_entry),
        TEST(a_full_table_of_keys_is_an_error_with_both_sizes),
        TEST(a_full_table_of_networks_uses_up_no_key),
        TEST(keys_that_make_no_sense_are_refused),
        TEST(keys_that_collide_in_the_index_are_told_apart),
        TEST(an_account_comes_out_as_it_went_in),
        TEST(each_word_of_an_account_changes_on_its_own),
        TEST(number_and_id_of_an_account_belong_together),
        TEST(accounts_that_make_no_sense_are_refused),
        TEST(plans_are_put_changed_removed_and_put_again),
        TEST(plans_that_make_no_sense_are_refused),
        TEST(a_revoked_session_is_forgotten_when_its_last_token_is_over),
        TEST(a_later_end_counts_and_an_earlier_one_does_not),
        TEST(a_full_set_of_revoked_sessions_is_an_error_with_both_sizes),
        TEST(ids_that_look_like_the_marks_of_the_set_are_ids),
        TEST(a_bucket_that_ran_over_hides_nothing),
        TEST(position_and_load_are_told),
        TEST(a_file_without_a_gate_takes_nothing_and_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
