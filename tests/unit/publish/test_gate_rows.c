/* What rows of the gate become, and which are refused: limits, and one step above and below them. */
#include "publish/gate_rows.c"

#include <libpq-fe.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define COLUMNS_MAX 10
#define DIGEST_TEXT "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define ID_TEXT "00112233445566778899aabbccddeeff"

/* One row of texts, NULL for SQL's null. */
static struct db_rows row_of(const char *const values[COLUMNS_MAX])
{
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc columns[COLUMNS_MAX] = {{.name = (char[]){"c"}}};
    for (int i = 0; i < COLUMNS_MAX; i++) {
        columns[i] = columns[0];
        columns[i].columnid = i;
    }
    assert_int_equal(PQsetResultAttrs(result, COLUMNS_MAX, columns), 1);
    for (int i = 0; i < COLUMNS_MAX; i++) {
        char *value = values[i] != NULL ? strdup(values[i]) : NULL;
        assert_int_equal(PQsetvalue(result, 0, i, value, value != NULL ? (int)strlen(value) : -1), 1);
        free(value);
    }
    return (struct db_rows){.count = 1, .columns = COLUMNS_MAX, .result = result};
}

/* A sound key but for the named column. */
static int read_key(int column, const char *value, struct gate_key *key)
{
    const char *values[COLUMNS_MAX] = {DIGEST_TEXT, "7",           "3",          "11", "t",
                                       "f",         "read,stream", "4000000000", "",   "AbcdefABCDEF"};
    values[column] = value;
    struct db_rows rows = row_of(values);
    int result = gate_key(&rows, 0, key);
    PQclear(rows.result);
    return result;
}

static int read_account(int column, const char *value, struct btcf_account *account)
{
    const char *values[COLUMNS_MAX] = {ID_TEXT, "5", "6", "t", "f", "2", "1000", "0", "f", NULL};
    values[column] = value;
    struct db_rows rows = row_of(values);
    int result = gate_account(&rows, 0, account);
    PQclear(rows.result);
    return result;
}

static int read_plan(int column, const char *value, struct btcf_plan *plan)
{
    const char *values[COLUMNS_MAX] = {"free", "1", "2", "60", NULL, "1000", "2", "read", NULL, NULL};
    values[column] = value;
    struct db_rows rows = row_of(values);
    int result = gate_plan(&rows, 0, plan);
    PQclear(rows.result);
    return result;
}

static void a_key_is_what_its_row_says(void **state)
{
    (void)state;
    struct gate_key key;
    assert_int_equal(read_key(5, "t", &key), 0);
    assert_true(key.is_active && !key.has_networks);
    assert_int_equal(key.digest[31], 0x1f);
    assert_int_equal(key.key.id, 7);
    assert_int_equal(key.key.account, 3);
    assert_int_equal(key.key.row, 11);
    assert_int_equal(key.key.flags, BTCF_KEY_ENABLED | BTCF_KEY_TEST);
    assert_int_equal(key.key.scopes, BTCF_SCOPE_READ | BTCF_SCOPE_STREAM);
    assert_int_equal(key.key.expires_s, 4000000000);
    assert_int_equal(read_key(4, "f", &key), 0);
    assert_false(key.is_active);
}

static void a_time_before_1970_has_passed_and_is_not_never(void **state)
{
    (void)state;
    struct gate_key key;
    static const struct {
        const char *text;
        int64_t expires_s;
    } cases[] = {{NULL, 0},
                 {"0", 1},
                 {"-5", 1},
                 {"1", 1},
                 {"4294967235", 4294967235},
                 {"4294967236", 4294967235},
                 {"9223372036854775807", 4294967235}};
    for (size_t i = 0; i < BTCF_LENGTH(cases); i++) {
        assert_int_equal(read_key(7, cases[i].text, &key), 0);
        assert_int_equal(key.key.expires_s, cases[i].expires_s);
    }
}

static void scopes_that_are_not_known_are_not_granted(void **state)
{
    (void)state;
    struct gate_key key;
    assert_int_equal(read_key(6, "everything,read,READ,", &key), 0);
    assert_int_equal(key.key.scopes, BTCF_SCOPE_READ);
    assert_int_equal(read_key(6, "", &key), 0);
    assert_int_equal(key.key.scopes, 0);
}

static void networks_are_addresses_with_a_prefix(void **state)
{
    (void)state;
    struct gate_key key;
    assert_int_equal(read_key(8, "192.0.2.0/24,2001:db8::/32,198.51.100.7,::/0,0.0.0.0/0", &key), 0);
    assert_true(key.has_networks);
    assert_int_equal(key.networks.count, 5);
    static const uint8_t first[16] = {[10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2};
    assert_memory_equal(key.networks.network[0].address, first, sizeof(first));
    static const int bits[] = {120, 32, 128, 0, 96};
    for (size_t i = 0; i < BTCF_LENGTH(bits); i++)
        assert_int_equal(key.networks.network[i].bits, bits[i]);
    assert_int_equal(key.networks.network[1].address[0], 0x20);
}

static void a_key_with_a_network_that_is_none_is_refused_and_still_has_its_digest(void **state)
{
    (void)state;
    static const char *const wrong[] = {"192.0.2.0/33",
                                        "2001:db8::/129",
                                        "192.0.2.0/-1",
                                        "192.0.2.0/",
                                        "192.0.2.0/8x",
                                        "somewhere",
                                        "10.0.0.0/8,",
                                        ",10.0.0.0/8",
                                        "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb",
                                        "::1,::2,::3,::4,::5,::6,::7,::8,::9"};
    for (size_t i = 0; i < BTCF_LENGTH(wrong); i++) {
        struct gate_key key;
        assert_int_equal(read_key(8, wrong[i], &key), -1);
        assert_int_equal(err_kind(), E_CORRUPT);
        assert_false(key.is_active);
        assert_int_equal(key.digest[31], 0x1f);
    }
    struct gate_key key;
    assert_int_equal(read_key(8, "::1,::2,::3,::4,::5,::6,::7,::8", &key), 0);
}

static void numbers_that_no_file_has_room_for_are_refused(void **state)
{
    (void)state;
    struct gate_key key;
    struct btcf_account account;
    static const char *const wrong[] = {"16777216", "-1", "2147483647"};
    for (size_t i = 0; i < BTCF_LENGTH(wrong); i++) {
        assert_int_equal(read_account(1, wrong[i], &account), -1);
        assert_int_equal(read_account(2, wrong[i], &account), -1);
        assert_int_equal(read_key(2, wrong[i], &key), -1);
        assert_int_equal(read_key(3, wrong[i], &key), -1);
    }
    assert_int_equal(read_account(1, "16777215", &account), 0);
    assert_int_equal(account.number, 16777215);
}

static void an_account_is_what_its_row_says(void **state)
{
    (void)state;
    struct btcf_account account;
    assert_int_equal(read_account(8, "t", &account), 0);
    assert_int_equal(account.flags, BTCF_ACCOUNT_ENABLED);
    assert_int_equal(account.blocked_period, BTCF_PERIOD_MONTH);
    assert_int_equal(account.id[15], 0xff);
    assert_int_equal(account.plan, 2);
    assert_int_equal(account.tokens_valid_after_s, 1000);
    assert_int_equal(read_account(4, "t", &account), 0);
    assert_int_equal(account.flags, BTCF_ACCOUNT_ENABLED | BTCF_ACCOUNT_ADMIN);
    assert_int_equal(account.blocked_period, BTCF_PERIOD_DAY);
    assert_int_equal(read_account(0, "short", &account), -1);
    assert_int_equal(read_account(6, "99999999999", &account), 0);
    assert_int_equal(account.tokens_valid_after_s, 4294967235);
}

static void a_plans_rate_becomes_the_time_of_one_unit(void **state)
{
    (void)state;
    struct btcf_plan plan;
    assert_int_equal(read_plan(2, "2", &plan), 0);
    assert_int_equal(plan.period_ns, 500000000);
    assert_string_equal(plan.name, "free");
    assert_int_equal(plan.quota_day, 0);
    assert_int_equal(plan.quota_month, 1000);
    assert_int_equal(read_plan(2, NULL, &plan), 0);
    assert_int_equal(plan.period_ns, 0);
    assert_int_equal(read_plan(2, "1e12", &plan), 0);
    assert_int_equal(plan.period_ns, 1); /* no limit would be another thing */
    assert_int_equal(read_plan(2, "1e-300", &plan), 0);
    assert_true(plan.period_ns > INT64_C(1000000000000000000));
    assert_int_equal(read_plan(1, "64", &plan), -1);
    assert_int_equal(read_plan(3, "0", &plan), -1);
    assert_int_equal(read_plan(0, "sixteen-and-more", &plan), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_what_its_row_says),
        cmocka_unit_test(a_time_before_1970_has_passed_and_is_not_never),
        cmocka_unit_test(scopes_that_are_not_known_are_not_granted),
        cmocka_unit_test(networks_are_addresses_with_a_prefix),
        cmocka_unit_test(a_key_with_a_network_that_is_none_is_refused_and_still_has_its_digest),
        cmocka_unit_test(numbers_that_no_file_has_room_for_are_refused),
        cmocka_unit_test(an_account_is_what_its_row_says),
        cmocka_unit_test(a_plans_rate_becomes_the_time_of_one_unit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
