/* edge: adopted when it fits, replaced when it does not, and the tables that its counters are read by. */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "shm/edge.h"
#include "shm/file.h"
#include "shm/limit.h"
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

/* ---- growth ---- */

#define NAME_SIZE 256
#define S UINT64_C(1000000000)
#define NOW (1000 * S)

static struct btcf_edge open_sized(uint32_t count)
{
    const struct btcf_edge_options options = {.dir = fixture.dir,
                                              .build = "test",
                                              .keys = count,
                                              .accounts = count,
                                              .principals = count,
                                              .addresses = count};
    struct btcf_edge edge = {0};
    enum btcf_attach why = btcf_edge_open(&edge, &options);

    if (why != BTCF_ATTACH_OK)
        fail_msg("%s", btcf_attach_text(why));
    return edge;
}

/* The one old file's name in the directory; ends the test when there is another number of them. */
static void old_name(char name[NAME_SIZE])
{
    DIR *dir = opendir(fixture.dir);
    const struct dirent *entry;
    int count = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL)
        if (strncmp(entry->d_name, BTCF_EDGE_OLD_PREFIX, strlen(BTCF_EDGE_OLD_PREFIX)) == 0) {
            snprintf(name, NAME_SIZE, "%s", entry->d_name);
            count++;
        }
    closedir(dir);
    assert_int_equal(count, 1);
}

static bool take(const struct btcf_edge *edge, uint32_t address)
{
    const struct btcf_rate rate = {.period_ns = 100 * S, .burst = 1};
    uint64_t hash = btcf_address_hash(edge, (const uint8_t *)&address, sizeof(address), 1);

    return btcf_address_take(edge, hash, &rate, NOW, 1).admitted;
}

static void use_up(struct btcf_edge *edge)
{
    struct btcf_pool_entry *entry = btcf_pool_find(edge, "i", 1, "s", 1, 1000000);

    assert_non_null(entry);
    entry->limit.month = 6;
    entry->usage.bank[0].bytes = 7;
    edge->limits[9] = (struct btcf_limit_row){.tat_ns = 1, .day = 2, .month = 3, .limited = 4, .streams = 5};
    edge->usage[9].bank[0].bytes = 8;
    for (uint32_t address = 0; address < 10; address++)
        assert_true(take(edge, address));
}

static void limits_go_on_in_a_larger_file(void **state)
{
    struct btcf_edge small = open_sized(64), large;
    const struct btcf_pool_entry *entry;

    (void)state;
    use_up(&small);
    large = open_sized(640);
    assert_int_equal(large.limit_count, 640);
    assert_int_equal(large.usage_count, 1280);
    assert_int_equal(large.pool_count, 1024);
    assert_int_equal(large.address_sets, 128);
    assert_int_equal(large.limits[9].tat_ns, 1);
    assert_int_equal(large.limits[9].day, 2);
    assert_int_equal(large.limits[9].month, 3);
    assert_int_equal(large.limits[9].limited, 4);
    assert_int_equal(large.limits[9].streams, 0);
    for (uint32_t address = 0; address < 10; address++)
        assert_false(take(&large, address));
    entry = btcf_pool_find(&large, "i", 1, "s", 1, 1000000);
    assert_non_null(entry);
    assert_int_equal(entry->limit.month, 6);
    assert_memory_equal(entry->subject, "i s", 3);
    assert_int_equal(entry->usage.bank[0].bytes, 0);
    assert_int_equal(large.usage[9].bank[0].bytes, 0);
    assert_memory_not_equal(large.header->instance, small.header->instance, 16);
    btcf_edge_close(&small);
    btcf_edge_close(&large);
}

static void the_file_before_stays_until_it_is_drained(void **state)
{
    struct btcf_edge small = open_sized(64), large, old;
    char name[NAME_SIZE];

    (void)state;
    small.usage[9].bank[0].bytes = 8;
    large = open_sized(640);
    old_name(name);
    assert_int_equal(btcf_edge_open_old(&old, fixture.dir, name), BTCF_ATTACH_OK);
    assert_memory_equal(old.header->instance, small.header->instance, 16);
    small.usage[9].bank[0].bytes = 9; /* a worker that has not ended yet */
    assert_int_equal(old.usage[9].bank[0].bytes, 9);
    assert_false(btcf_edge_is_final(&old));
    btcf_edge_close(&small);
    assert_true(btcf_edge_is_final(&old));
    btcf_edge_close(&old);
    btcf_edge_close(&large);
}

static void a_forked_worker_keeps_a_file_from_being_final(void **state)
{
    struct btcf_edge master = open_sized(64), meter;
    int gate[2];
    char byte;

    (void)state;
    assert_int_equal(pipe(gate), 0);

    pid_t worker = fork();

    if (worker == 0) {
        close(gate[1]);
        _exit(read(gate[0], &byte, 1) == 0 ? 0 : 1);
    }
    close(gate[0]);
    btcf_edge_close(&master);
    assert_int_equal(btcf_edge_open_readonly(&meter, fixture.dir), BTCF_ATTACH_OK);
    assert_false(btcf_edge_is_final(&meter));
    assert_int_equal(kill(worker, SIGKILL), 0);
    assert_int_equal(waitpid(worker, NULL, 0), worker);
    assert_true(btcf_edge_is_final(&meter));
    close(gate[1]);
    btcf_edge_close(&meter);
}

static void what_is_large_enough_is_used_on(void **state)
{
    struct btcf_edge large = open_sized(640), small = open_sized(64);

    (void)state;
    assert_int_equal(small.inode, large.inode);
    assert_int_equal(small.limit_count, 640);
    btcf_edge_close(&small);
    btcf_edge_close(&large);
}

static void each_part_grows_alone_and_none_shrinks(void **state)
{
    struct btcf_edge edge = open_sized(640);
    struct btcf_edge_options options = {
        .dir = fixture.dir, .build = "test", .keys = 8, .accounts = 8, .principals = 8, .addresses = 10000};

    (void)state;
    btcf_edge_close(&edge);
    assert_int_equal(btcf_edge_open(&edge, &options), BTCF_ATTACH_OK);
    assert_int_equal(edge.address_sets, 2048);
    assert_int_equal(edge.limit_count, 640);
    assert_int_equal(edge.usage_count, 1280);
    assert_int_equal(edge.pool_count, 1024);
    btcf_edge_close(&edge);
}

static void a_master_that_died_before_its_rename_is_no_obstacle(void **state)
{
    struct btcf_edge edge = open_sized(64), old;
    char path[256], name[NAME_SIZE];

    (void)state;
    snprintf(path, sizeof(path), "%s.old-", fixture.edge);
    for (int i = 0; i < 16; i++)
        snprintf(path + strlen(path), 3, "%02x", edge.header->instance[i]);
    assert_int_equal(link(fixture.edge, path), 0);
    btcf_edge_close(&edge);
    edge = open_sized(640);
    old_name(name);
    assert_int_equal(btcf_edge_open_old(&old, fixture.dir, name), BTCF_ATTACH_OK);
    assert_int_equal(old.limit_count, 64);
    btcf_edge_close(&old);
    btcf_edge_close(&edge);
}

static void restamp(struct btcf_header *header)
{
    header->crc = btcf_header_crc(header, header->header_size);
}

static void times_of_another_boot_are_discarded_and_quotas_kept(void **state)
{
    struct btcf_edge edge = open_sized(64);
    uint64_t inode = edge.inode;

    (void)state;
    use_up(&edge);
    edge.header->boot_id[3] ^= 1;
    restamp(edge.header);
    btcf_edge_close(&edge);
    edge = open_sized(64);
    assert_int_not_equal(edge.inode, inode);
    assert_int_equal(edge.limits[9].tat_ns, 0);
    assert_int_equal(edge.limits[9].day, 2);
    assert_int_equal(edge.limits[9].month, 3);
    assert_true(take(&edge, 0));
    btcf_edge_close(&edge);
}

static void a_file_of_the_first_minor_is_replaced_and_not_kept(void **state)
{
    struct btcf_edge edge = open_sized(64), reader;
    uint64_t inode = edge.inode;

    (void)state;
    edge.header->minor = 0;
    edge.header->section_count = 1;
    restamp(edge.header);
    assert_int_equal(btcf_edge_open_readonly(&reader, fixture.dir), BTCF_ATTACH_OK);
    assert_null(reader.usage);
    assert_int_equal(reader.limit_count + reader.usage_count + reader.pool_count + reader.address_sets, 0);
    btcf_edge_close(&reader);
    btcf_edge_close(&edge);
    edge = open_sized(64);
    assert_int_not_equal(edge.inode, inode);
    assert_non_null(edge.usage);
    assert_int_equal(shm_fixture_sweep(&fixture, false), 1);
    btcf_edge_close(&edge);
}

static void counts_that_are_no_powers_of_two_are_refused(void **state)
{
    static const enum btcf_section_kind kinds[] = {BTCF_SECTION_POOL, BTCF_SECTION_ADDR};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct btcf_edge edge = open_sized(64), reader;

        for (int k = 0; k < 5; k++)
            if (edge.header->sections[k].kind == kinds[i])
                edge.header->sections[k].count--;
        restamp(edge.header);
        assert_int_equal(btcf_edge_open_readonly(&reader, fixture.dir), BTCF_ATTACH_BAD_SECTIONS);
        btcf_edge_close(&edge);
        unlink(fixture.edge);
    }
}

static void without_a_directory_there_is_room_all_the_same(void **state)
{
    const struct btcf_edge_options options = {.build = "test"};
    struct btcf_edge edge;

    (void)state;
    assert_int_equal(btcf_edge_open_anonymous(&edge, &options), BTCF_ATTACH_OK);
    assert_int_equal(edge.limit_count, BTCF_EDGE_ACCOUNTS);
    assert_int_equal(edge.usage_count, BTCF_EDGE_KEYS + BTCF_EDGE_ACCOUNTS);
    assert_int_equal(edge.pool_count, BTCF_EDGE_PRINCIPALS);
    assert_int_equal(edge.address_sets * BTCF_ADDR_WAYS, BTCF_EDGE_ADDRESSES);
    assert_true(take(&edge, 1));
    assert_false(take(&edge, 1));
    assert_false(btcf_edge_is_final(&edge));
    btcf_edge_close(&edge);
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
        TEST(limits_go_on_in_a_larger_file),
        TEST(the_file_before_stays_until_it_is_drained),
        TEST(a_forked_worker_keeps_a_file_from_being_final),
        TEST(what_is_large_enough_is_used_on),
        TEST(each_part_grows_alone_and_none_shrinks),
        TEST(a_master_that_died_before_its_rename_is_no_obstacle),
        TEST(times_of_another_boot_are_discarded_and_quotas_kept),
        TEST(a_file_of_the_first_minor_is_replaced_and_not_kept),
        TEST(counts_that_are_no_powers_of_two_are_refused),
        TEST(without_a_directory_there_is_room_all_the_same),
        TEST(every_status_has_its_index_and_strangers_share_the_first),
        TEST(latency_bounds_ascend_to_infinity_and_routes_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
