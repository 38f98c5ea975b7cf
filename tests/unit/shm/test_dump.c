/* The dump shows a sound directory without a problem, and says of a damaged one what is wrong without falling over. */
#include "shm/dump.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gate_fixture.h"
#include "shm/edge.h"

static struct shm_fixture fixture;
static char *text;
static size_t text_len;

static int set_up(void **state)
{
    struct writer_options options;
    struct writer *writer;
    struct writer_doc doc = shm_doc("/v1/forecasts/1d", "fresh", "stale");
    struct writer_event event = {BTCF_EVENT_PRICE, 1, 2, "{\"price\":1}", 11, 0};
    struct btcf_edge edge;

    (void)state;
    shm_fixture_init(&fixture);
    options = gate_options(&fixture);
    if (writer_create(&writer, &options) < 0 || writer_publish(writer, &doc) < 0 ||
        writer_event(writer, &event, NULL) < 0 || writer_go_live(writer) < 0)
        return -1;
    for (uint32_t n = 0; n < 3; n++) {
        gate_put_account(writer, n);
        gate_put_key(writer, n);
    }
    gate_must(writer_disable_key(writer, gate_digest(1).bytes));
    gate_must(writer_revoke_session(writer, gate_session(1).bytes, 100));
    gate_put_plan(writer, 2);
    writer_set_auth_position(writer, 4711);
    writer_close(&writer);
    if (btcf_edge_open(&edge, &(struct btcf_edge_options){.dir = fixture.dir, .build = "test"}) != BTCF_ATTACH_OK)
        return -1;
    btcf_count(&edge.metrics[3].requests[BTCF_ROUTE_FORECAST][btcf_status_index(304)], 41);
    btcf_count(&edge.metrics[4].requests[BTCF_ROUTE_FORECAST][btcf_status_index(304)], 1);
    btcf_edge_close(&edge);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(text);
    text = NULL;
    shm_fixture_release(&fixture);
    return 0;
}

static int dump(void)
{
    free(text);
    text = NULL;

    FILE *out = open_memstream(&text, &text_len);
    int problems = shm_dump(fixture.dir, 1700000000123, out);

    fclose(out);
    return problems;
}

static void damage(const char *path, size_t offset)
{
    size_t size;
    unsigned char *bytes = shm_load(path, &size);

    bytes[offset] ^= 1;
    shm_save(path, bytes, size);
    free(bytes);
}

static void a_sound_directory_has_no_problem(void **state)
{
    (void)state;
    assert_int_equal(dump(), 0);
    assert_non_null(strstr(text, "/v1/forecasts/1d  gen 1  forecast  ok"));
    assert_non_null(strstr(text, "{\"price\":1}"));
    assert_non_null(strstr(text, "42 requests: 304 42"));
    assert_null(strstr(text, "PROBLEM"));
}

static void the_gate_is_counted_and_nobody_is_named(void **state)
{
    (void)state;
    assert_int_equal(dump(), 0);
    assert_non_null(strstr(text, "position   4711"));
    assert_non_null(strstr(text, "keys       3 of 16 entries used, 1 disabled"));
    assert_non_null(strstr(text, "accounts   3 of 8 entries used\n"));
    assert_non_null(strstr(text, "revoked    1 sessions, 8 fit"));
    assert_non_null(
        strstr(text, "plan 2     plan2  999.998/s burst 10  100/day  1000/month  2 streams  read stream"));
}

static void damage_in_the_gate_is_a_problem(void **state)
{
    size_t size;
    unsigned char *bytes = shm_load(fixture.pub, &size);
    const struct gate_digest digest = gate_digest(2);
    const struct btcf_account account = gate_account(0);
    size_t key_at = (size_t)((unsigned char *)memmem(bytes, size, digest.bytes, sizeof(digest.bytes)) - bytes);
    size_t account_at = (size_t)((unsigned char *)memmem(bytes, size, account.id, sizeof(account.id)) - bytes);
    size_t plan_at = (size_t)((unsigned char *)memmem(bytes, size, "plan2", 5) - bytes);

    (void)state;
    free(bytes);
    damage(fixture.pub, key_at);
    assert_int_equal(dump(), 1);
    assert_non_null(strstr(text, "PROBLEM  keys: entries are damaged"));
    damage(fixture.pub, account_at);
    assert_int_equal(dump(), 2);
    assert_non_null(strstr(text, "PROBLEM  accounts: entries are damaged"));
    damage(fixture.pub, plan_at);
    assert_int_equal(dump(), 3);
    assert_non_null(strstr(text, "PROBLEM  plan: its checksum is wrong"));
}

static void missing_files_are_said(void **state)
{
    (void)state;
    shm_fixture_sweep(&fixture, true);
    assert_int_equal(dump(), 2);
    assert_non_null(strstr(text, "there is no such file"));
}

static void a_damaged_body_is_named_and_the_rest_is_shown(void **state)
{
    size_t size;
    unsigned char *bytes = shm_load(fixture.pub, &size);
    unsigned char *body = memmem(bytes, size, "fresh", 5);

    (void)state;
    damage(fixture.pub, (size_t)(body - bytes));
    free(bytes);
    assert_int_equal(dump(), 2);
    assert_non_null(strstr(text, "workers refuse this file"));
    assert_non_null(strstr(text, "PROBLEM  fresh: the body's checksum is wrong"));
    assert_non_null(strstr(text, "{\"price\":1}"));
}

/* Whatever byte of header or directory is hit, the dump ends and finds at least one problem or an equal picture. */
static void no_single_damage_stops_it(void **state)
{
    size_t size;
    unsigned char *good = shm_load(fixture.pub, &size);

    (void)state;
    for (size_t offset = 0; offset < 8192 && offset < size; offset += 3) {
        damage(fixture.pub, offset);
        assert_true(dump() >= 0);
        assert_true(text_len > 0);
        shm_save(fixture.pub, good, size);
    }
    free(good);
}

static void a_file_of_any_length_is_survived(void **state)
{
    size_t size;
    unsigned char *good = shm_load(fixture.pub, &size);
    const size_t lengths[] = {0, 1, 255, 1279, 1280, 4096, size / 2, size - 1};

    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(lengths); i++) {
        shm_save(fixture.pub, good, lengths[i]);
        assert_true(dump() > 0);
        assert_non_null(strstr(text, "shorter"));
    }
    free(good);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_sound_directory_has_no_problem),
        TEST(the_gate_is_counted_and_nobody_is_named),
        TEST(damage_in_the_gate_is_a_problem),
        TEST(missing_files_are_said),
        TEST(a_damaged_body_is_named_and_the_rest_is_shown),
        TEST(no_single_damage_stops_it),
        TEST(a_file_of_any_length_is_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
