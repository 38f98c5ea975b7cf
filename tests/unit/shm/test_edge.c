/* edge: adopted when it fits, replaced when it does not, and the tables that its counters are read by. */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "shm/edge.h"
#include "shm_fixture.h"

static struct shm_fixture fixture;

static int set_up(void **state)
{
    (void)state;
    shm_fixture_init(&fixture);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    shm_fixture_release(&fixture);
    return 0;
}

static enum btcf_attach open_in(struct btcf_edge *edge, const char *dir)
{
    return btcf_edge_open(edge, &(struct btcf_edge_options){.dir = dir, .build = "test"});
}

static struct btcf_edge open_edge(void)
{
    struct btcf_edge edge = {0};
    enum btcf_attach why = open_in(&edge, fixture.dir);

    if (why != BTCF_ATTACH_OK)
        fail_msg("%s", btcf_attach_text(why));
    return edge;
}

static void counters_survive_a_second_opening(void **state)
{
    struct btcf_edge first = open_edge();
    struct btcf_edge second;
    struct stat st;

    (void)state;
    btcf_count(&first.metrics[63].requests[BTCF_ROUTE_FORECAST][btcf_status_index(200)], 5);
    second = open_edge();
    assert_int_equal(first.inode, second.inode);
    assert_int_equal(second.metrics[63].requests[BTCF_ROUTE_FORECAST][btcf_status_index(200)], 5);
    assert_int_equal(stat(fixture.edge, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0660);
    assert_int_equal(shm_fixture_sweep(&fixture, false), 1);
    btcf_edge_close(&first);
    btcf_edge_close(&second);
}

static void the_engine_reads_what_workers_count_and_cannot_write(void **state)
{
    struct btcf_edge writer, reader = {0};

    (void)state;
    assert_int_equal(btcf_edge_open_readonly(&reader, fixture.dir), BTCF_ATTACH_NO_FILE);
    assert_null(reader.base);
    writer = open_edge();
    assert_int_equal(btcf_edge_open_readonly(&reader, fixture.dir), BTCF_ATTACH_OK);
    btcf_count(&writer.metrics[0].doc_fresh, 1);
    btcf_count(&writer.metrics[0].doc_fresh, 1);
    assert_int_equal(reader.metrics[0].doc_fresh, 2);
    btcf_edge_close(&reader);
    btcf_edge_close(&writer);
    assert_null(writer.base);
}

static void check_replaced(const unsigned char *bytes, size_t size)
{
    struct btcf_edge edge;

    shm_save(fixture.edge, bytes, size);
    edge = open_edge();
    assert_int_equal(edge.metrics[0].doc_fresh, 0);
    assert_memory_equal(edge.header->magic, BTCF_EDGE_MAGIC, 8);
    assert_int_equal(shm_fixture_sweep(&fixture, false), 1);
    btcf_edge_close(&edge);
}

static void what_does_not_fit_is_replaced_and_old_mappings_live_on(void **state)
{
    struct btcf_edge old = open_edge();
    unsigned char *bytes;
    size_t size;

    (void)state;
    btcf_count(&old.metrics[0].doc_fresh, 7);
    bytes = shm_load(fixture.edge, &size);
    check_replaced(bytes, size / 2);
    check_replaced(bytes, 10);
    bytes[56] ^= 1; /* layout hash */
    check_replaced(bytes, size);
    bytes[56] ^= 1;
    bytes[256 + 16] ^= 1; /* size of the section */
    check_replaced(bytes, size);
    assert_int_equal(old.metrics[0].doc_fresh, 7);
    free(bytes);
    btcf_edge_close(&old);
}

static void a_left_over_temporary_file_is_no_obstacle(void **state)
{
    struct btcf_edge edge;
    char path[160];

    (void)state;
    snprintf(path, sizeof(path), "%s.tmp", fixture.edge);
    shm_save(path, (const unsigned char *)"x", 1);
    edge = open_edge();
    assert_int_equal(shm_fixture_sweep(&fixture, false), 1);
    btcf_edge_close(&edge);
}

static void a_file_that_anybody_may_write_is_not_trusted(void **state)
{
    struct btcf_edge edge = open_edge();
    uint64_t inode = edge.inode;
    struct btcf_edge reader;

    (void)state;
    btcf_edge_close(&edge);
    assert_int_equal(chmod(fixture.edge, 0662), 0);
    assert_int_equal(btcf_edge_open_readonly(&reader, fixture.dir), BTCF_ATTACH_BAD_OWNER);
    edge = open_edge();
    assert_int_not_equal(edge.inode, inode);
    btcf_edge_close(&edge);
}

static void a_missing_directory_is_a_system_error(void **state)
{
    struct btcf_edge edge;

    (void)state;
    assert_int_equal(open_in(&edge, "/nonexistent/btcf"), BTCF_ATTACH_SYSTEM);
}

static void what_cannot_be_made_leaves_nothing(void **state)
{
    char dir[5000];
    struct btcf_edge edge;
    struct rlimit old, small = {.rlim_cur = 1 << 12};

    (void)state;
    memset(dir, 'd', sizeof(dir));
    dir[sizeof(dir) - 1] = '\0';
    assert_int_equal(open_in(&edge, dir), BTCF_ATTACH_SYSTEM);
    assert_int_equal(btcf_edge_open_readonly(&edge, dir), BTCF_ATTACH_SYSTEM);

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);

    enum btcf_attach why = open_in(&edge, fixture.dir);

    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(why, BTCF_ATTACH_SYSTEM);
    assert_int_equal(shm_fixture_sweep(&fixture, false), 0);

    /* A directory under its name cannot be replaced by a rename. */
    assert_int_equal(mkdir(fixture.edge, 0700), 0);
    assert_int_equal(open_in(&edge, fixture.dir), BTCF_ATTACH_SYSTEM);
    assert_int_equal(shm_fixture_sweep(&fixture, false), 1);
    assert_int_equal(rmdir(fixture.edge), 0);
}

static void every_status_has_its_index_and_strangers_share_the_first(void **state)
{
    (void)state;
    for (uint32_t i = 1; i < BTCF_METRIC_STATUSES; i++) {
        assert_int_equal(btcf_status_index(btcf_status_codes[i]), i);
        if (i > 1)
            assert_true(btcf_status_codes[i] > btcf_status_codes[i - 1]);
    }
    assert_int_equal(btcf_status_index(0), 0);
    assert_int_equal(btcf_status_index(199), 0);
    assert_int_equal(btcf_status_index(418), 0);
    assert_int_equal(btcf_status_index(999), 0);
}

static void latency_bounds_ascend_to_infinity_and_routes_have_names(void **state)
{
    (void)state;
    for (int i = 1; i < BTCF_METRIC_BUCKETS; i++)
        assert_true(btcf_latency_bounds_us[i] > btcf_latency_bounds_us[i - 1]);
    assert_true(btcf_latency_bounds_us[BTCF_METRIC_BUCKETS - 1] == UINT32_MAX);
    for (int i = 0; i < BTCF_METRIC_ROUTES; i++)
        assert_non_null(btcf_route_name((enum btcf_route)i));
    assert_string_equal(btcf_route_name(BTCF_ROUTE_FORECAST), "forecast");
    assert_string_equal(btcf_route_name((enum btcf_route)99), "other");
    for (int i = 0; i < BTCF_METRIC_AUTHS; i++)
        assert_non_null(btcf_auth_name((enum btcf_auth_outcome)i));
    assert_string_equal(btcf_auth_name(BTCF_AUTH_BAD_TOKEN), "bad-token");
    assert_string_equal(btcf_auth_name((enum btcf_auth_outcome)99), "other");
    for (int i = 0; i < BTCF_METRIC_LIMITS; i++)
        assert_non_null(btcf_limit_name((enum btcf_limit_outcome)i));
    assert_string_equal(btcf_limit_name(BTCF_LIMIT_QUOTA_DRY_RUN), "quota-dry-run");
    assert_string_equal(btcf_limit_name((enum btcf_limit_outcome)99), "other");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(counters_survive_a_second_opening),
        TEST(the_engine_reads_what_workers_count_and_cannot_write),
        TEST(what_does_not_fit_is_replaced_and_old_mappings_live_on),
        TEST(a_left_over_temporary_file_is_no_obstacle),
        TEST(a_file_that_anybody_may_write_is_not_trusted),
        TEST(a_missing_directory_is_a_system_error),
        TEST(what_cannot_be_made_leaves_nothing),
        TEST(every_status_has_its_index_and_strangers_share_the_first),
        TEST(latency_bounds_ascend_to_infinity_and_routes_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
