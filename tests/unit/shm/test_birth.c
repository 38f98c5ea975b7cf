/* Birth and death of pub: one writer at a time, nothing left behind, and what goes on from file to file. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include <cmocka.h>

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

static struct writer *begin(void)
{
    struct writer_options options = shm_options(&fixture);
    struct writer *writer = NULL;

    if (writer_create(&writer, &options) < 0)
        fail_msg("%s", err_text());
    return writer;
}

static void publish(struct writer *writer, const char *key, const char *text)
{
    struct writer_doc doc = shm_doc(key, text, "");

    if (writer_publish(writer, &doc) < 0)
        fail_msg("%s", err_text());
}

static uint64_t gen_of(const struct btcf_reader *reader, const char *key)
{
    int64_t slot = btcf_reader_find(reader, key, strlen(key));

    assert_true(slot >= 0);
    return btcf_reader_gen(reader, (uint32_t)slot);
}

static struct btcf_reader attach(void)
{
    struct btcf_reader reader = {0};
    enum btcf_attach why = btcf_reader_open(&reader, fixture.pub);

    if (why != BTCF_ATTACH_OK)
        fail_msg("%s", btcf_attach_text(why));
    return reader;
}

static void refuses_a_second_writer_until_the_first_closes(void **state)
{
    struct writer_options options = shm_options(&fixture);
    struct writer *first = begin(), *second = NULL;

    (void)state;
    assert_int_equal(writer_create(&second, &options), -1);
    assert_int_equal(err_kind(), E_CONFLICT);
    assert_null(second);
    writer_close(&first);
    assert_null(first);
    second = begin();
    writer_close(&second);
}

static void the_file_is_invisible_until_it_goes_live(void **state)
{
    struct writer *writer = begin();
    struct btcf_reader reader = {0};

    (void)state;
    publish(writer, "/a", "1");
    assert_int_equal(btcf_reader_open(&reader, fixture.pub), BTCF_ATTACH_NO_FILE);
    assert_int_equal(writer_go_live(writer), 0);
    reader = attach();
    assert_int_equal(gen_of(&reader, "/a"), 1);
    btcf_reader_close(&reader);
    writer_close(&writer);
}

static void the_file_has_the_mode_asked_for_whatever_the_umask(void **state)
{
    mode_t old = umask(0077);
    struct writer *writer = begin();
    struct stat st;

    (void)state;
    umask(old);
    assert_int_equal(writer_go_live(writer), 0);
    assert_int_equal(stat(fixture.pub, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_true((int64_t)st.st_blocks * 512 >= (int64_t)st.st_size);
    writer_close(&writer);
}

static void a_writer_that_never_went_live_leaves_only_the_lock(void **state)
{
    struct writer *writer = begin();

    (void)state;
    publish(writer, "/a", "1");
    assert_int_equal(shm_fixture_sweep(&fixture, false), 2);
    writer_close(&writer);
    assert_int_equal(shm_fixture_sweep(&fixture, false), 1);
}

static void temporary_files_of_the_dead_are_removed_and_nothing_else(void **state)
{
    const char *const names[] = {"pub.v1.1.tmp", "pub.v1.99999.tmp", "pub.v2.1.tmp", "pub.v1..tmpx", "notes.tmp"};
    char path[160];

    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", fixture.dir, names[i]);
        shm_save(path, (const unsigned char *)"x", 1);
    }

    struct writer *writer = begin();

    for (size_t i = 0; i < BTCF_LENGTH(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", fixture.dir, names[i]);
        assert_int_equal(access(path, F_OK) == 0, i >= 2);
    }
    writer_close(&writer);
}

static void generations_go_on_whenever_their_key_returns(void **state)
{
    struct writer *writer = begin();
    struct btcf_reader reader;

    (void)state;
    for (int i = 0; i < 3; i++)
        publish(writer, "/a", "1");
    publish(writer, "/b", "1");
    assert_int_equal(writer_go_live(writer), 0);
    writer_close(&writer);

    writer = begin();
    publish(writer, "/a", "4");
    assert_int_equal(writer_go_live(writer), 0);
    publish(writer, "/b", "2");
    publish(writer, "/a", "5");
    reader = attach();
    assert_int_equal(gen_of(&reader, "/a"), 5);
    assert_int_equal(gen_of(&reader, "/b"), 4);
    assert_int_equal(reader.header->gen_floor, 3);
    btcf_reader_close(&reader);
    writer_close(&writer);
}

/* Found by tests/shm/torn.c: a writer that dies right after its birth must not make the next one forget. */
static void generations_go_on_through_files_that_never_held_the_key(void **state)
{
    struct writer *writer = begin();
    struct btcf_reader reader;

    (void)state;
    for (int i = 0; i < 9; i++)
        publish(writer, "/a", "1");
    assert_int_equal(writer_go_live(writer), 0);
    writer_close(&writer);
    for (int i = 0; i < 3; i++) {
        writer = begin();
        assert_int_equal(writer_go_live(writer), 0);
        writer_close(&writer);
    }
    writer = begin();
    publish(writer, "/a", "2");
    assert_int_equal(writer_go_live(writer), 0);
    reader = attach();
    assert_int_equal(gen_of(&reader, "/a"), 10);
    btcf_reader_close(&reader);
    writer_close(&writer);
}

static void curve_generations_epoch_and_heartbeat_go_on(void **state)
{
    struct btcf_dist_curve curve = {.level_count = 2};
    struct writer *writer = begin();
    struct btcf_reader reader;
    uint64_t epoch, heartbeat;

    (void)state;
    assert_int_equal(writer_publish_dist(writer, "/a", &curve), 0);
    assert_int_equal(writer_publish_dist(writer, "/a", &curve), 0);
    assert_int_equal(writer_go_live(writer), 0);
    writer_beat(writer);
    reader = attach();
    epoch = btcf_reader_epoch(&reader);
    heartbeat = btcf_reader_heartbeat(&reader);
    btcf_reader_close(&reader);
    writer_close(&writer);

    writer = begin();
    assert_int_equal(writer_publish_dist(writer, "/a", &curve), 0);
    assert_int_equal(writer_go_live(writer), 0);
    reader = attach();
    assert_int_equal(btcf_reader_dist(&reader, "/a", 2, &curve), BTCF_READ_OK);
    assert_int_equal(curve.gen, 3);
    assert_true(btcf_reader_epoch(&reader) > epoch);
    assert_true(btcf_reader_heartbeat(&reader) > heartbeat);
    btcf_reader_close(&reader);
    writer_close(&writer);
}

static void add_event(struct writer *writer, const char *text, uint64_t expected_id)
{
    struct writer_event event = {BTCF_EVENT_PRICE, 1, 2, text, strlen(text), 0};
    uint64_t id = 0;

    assert_int_equal(writer_event(writer, &event, &id), 0);
    assert_int_equal(id, expected_id);
}

static void the_ring_and_its_ids_go_on(void **state)
{
    struct writer *writer = begin();
    struct btcf_event_slot event;
    struct btcf_reader reader;

    (void)state;
    for (uint64_t id = 1; id <= 6; id++)
        add_event(writer, "old", id);
    assert_int_equal(writer_go_live(writer), 0);
    writer_close(&writer);

    writer = begin();
    assert_int_equal(writer_go_live(writer), 0);
    reader = attach();
    assert_int_equal(btcf_reader_event_head(&reader), 6);
    assert_int_equal(reader.ring->first_id, 3);
    assert_int_equal(btcf_reader_event_oldest(&reader), 3);
    assert_int_equal(btcf_reader_event(&reader, 2, &event), BTCF_READ_ABSENT);
    for (uint64_t id = 3; id <= 6; id++) {
        assert_int_equal(btcf_reader_event(&reader, id, &event), BTCF_READ_OK);
        assert_int_equal(event.id, id);
        assert_memory_equal(event.data, "old", 3);
    }
    add_event(writer, "new", 7);
    assert_int_equal(btcf_reader_event(&reader, 3, &event), BTCF_READ_ABSENT);
    assert_int_equal(btcf_reader_event(&reader, 7, &event), BTCF_READ_OK);
    btcf_reader_close(&reader);
    writer_close(&writer);
}

static void a_smaller_ring_keeps_the_newest_events(void **state)
{
    struct writer_options options = shm_options(&fixture);
    struct writer *writer = begin();
    struct btcf_event_slot event;
    struct btcf_reader reader;

    (void)state;
    for (uint64_t id = 1; id <= 4; id++)
        add_event(writer, "e", id);
    assert_int_equal(writer_go_live(writer), 0);
    writer_close(&writer);

    options.event_count = 2;
    assert_int_equal(writer_create(&writer, &options), 0);
    assert_int_equal(writer_go_live(writer), 0);
    reader = attach();
    assert_int_equal(btcf_reader_event(&reader, 2, &event), BTCF_READ_ABSENT);
    assert_int_equal(btcf_reader_event(&reader, 3, &event), BTCF_READ_OK);
    assert_int_equal(btcf_reader_event(&reader, 4, &event), BTCF_READ_OK);
    btcf_reader_close(&reader);
    writer_close(&writer);
}

static void a_damaged_old_file_means_a_new_beginning(void **state)
{
    struct writer *writer = begin();
    struct btcf_reader reader;
    unsigned char *bytes;
    size_t size;

    (void)state;
    publish(writer, "/a", "1");
    publish(writer, "/a", "2");
    assert_int_equal(writer_go_live(writer), 0);
    writer_close(&writer);
    bytes = shm_load(fixture.pub, &size);
    bytes[40] ^= 1;
    shm_save(fixture.pub, bytes, size);
    free(bytes);

    writer = begin();
    publish(writer, "/a", "3");
    assert_int_equal(writer_go_live(writer), 0);
    reader = attach();
    assert_int_equal(gen_of(&reader, "/a"), 1);
    btcf_reader_close(&reader);
    writer_close(&writer);
}

static void the_old_file_is_marked_and_its_readers_are_told(void **state)
{
    struct writer *writer = begin();
    struct btcf_reader reader;

    (void)state;
    assert_int_equal(writer_go_live(writer), 0);
    writer_close(&writer);
    reader = attach();
    assert_false(btcf_reader_is_outdated(&reader, fixture.pub));
    assert_false(btcf_reader_is_retired(&reader));

    writer = begin();
    assert_false(btcf_reader_is_outdated(&reader, fixture.pub));
    assert_int_equal(writer_go_live(writer), 0);
    assert_true(btcf_reader_is_retired(&reader));
    assert_true(btcf_reader_is_outdated(&reader, fixture.pub));
    assert_int_equal(btcf_reader_open(&reader, fixture.pub), BTCF_ATTACH_OK);
    assert_false(btcf_reader_is_outdated(&reader, fixture.pub));
    btcf_reader_close(&reader);
    writer_close(&writer);
}

static void a_missing_directory_is_told_with_its_name(void **state)
{
    struct writer_options options = shm_options(&fixture);
    struct writer *writer = NULL;

    (void)state;
    options.dir = "/nonexistent/btcf";
    assert_int_equal(writer_create(&writer, &options), -1);
    assert_int_equal(err_kind(), E_STORE);
    assert_non_null(strstr(err_text(), "/nonexistent/btcf"));
    assert_null(writer);
}

static void a_name_that_cannot_be_taken_is_an_error_and_the_old_thing_stays(void **state)
{
    struct writer_options options = shm_options(&fixture);
    struct writer *writer = begin();
    char path[160];

    (void)state;
    assert_int_equal(mkdir(fixture.pub, 0700), 0);
    assert_int_equal(writer_go_live(writer), -1);
    assert_int_equal(err_kind(), E_STORE);
    assert_non_null(strstr(err_text(), fixture.pub));
    writer_close(&writer);
    assert_int_equal(rmdir(fixture.pub), 0);
    assert_int_equal(shm_fixture_sweep(&fixture, true), 1); /* the lock */

    snprintf(path, sizeof(path), "%s/publish.lock", fixture.dir);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(writer_create(&writer, &options), -1);
    assert_int_equal(err_kind(), E_STORE);
    assert_non_null(strstr(err_text(), "publish.lock"));
    assert_int_equal(rmdir(path), 0);
}

static void sizes_of_zero_or_beyond_offsets_are_refused(void **state)
{
    struct writer_options options = shm_options(&fixture);
    struct writer *writer = NULL;

    (void)state;
    options.doc_count_max = 0;
    assert_int_equal(writer_create(&writer, &options), -1);
    assert_int_equal(err_kind(), E_INPUT);
    options.doc_count_max = 1024;
    options.doc_bytes_max = 4u << 20;
    assert_int_equal(writer_create(&writer, &options), -1);
    assert_int_equal(err_kind(), E_LIMIT);
    assert_int_equal(shm_fixture_sweep(&fixture, false), 1); /* the lock */
}

/* A limit on file size stands in for a full tmpfs: posix_fallocate fails at the same place, at birth. */
static void a_file_that_cannot_be_allocated_is_an_error_that_leaves_nothing(void **state)
{
    struct writer_options options = shm_options(&fixture);
    struct writer *writer = NULL;
    struct rlimit old, small = {.rlim_cur = 1 << 16};

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    options.doc_bytes_max = 1u << 16;

    int result = writer_create(&writer, &options);

    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(result, -1);
    assert_int_equal(err_kind(), E_STORE);
    assert_non_null(strstr(err_text(), "File too large"));
    assert_int_equal(shm_fixture_sweep(&fixture, false), 1); /* the lock */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(refuses_a_second_writer_until_the_first_closes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_file_is_invisible_until_it_goes_live, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_file_has_the_mode_asked_for_whatever_the_umask, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_writer_that_never_went_live_leaves_only_the_lock, set_up, tear_down),
        cmocka_unit_test_setup_teardown(temporary_files_of_the_dead_are_removed_and_nothing_else, set_up, tear_down),
        cmocka_unit_test_setup_teardown(generations_go_on_whenever_their_key_returns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(generations_go_on_through_files_that_never_held_the_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(curve_generations_epoch_and_heartbeat_go_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_ring_and_its_ids_go_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_smaller_ring_keeps_the_newest_events, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_damaged_old_file_means_a_new_beginning, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_old_file_is_marked_and_its_readers_are_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_missing_directory_is_told_with_its_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_name_that_cannot_be_taken_is_an_error_and_the_old_thing_stays, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(sizes_of_zero_or_beyond_offsets_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_cannot_be_allocated_is_an_error_that_leaves_nothing, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
