/* Which files of counters there are, as nginx masters come, replace them and go. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "meter/edge_files.h"
#include "shm_fixture.h"

#define ROWS 16

static struct shm_fixture fixture;
static struct edge_files files;

static int set_up(void **state)
{
    (void)state;
    shm_fixture_init(&fixture);
    edge_files_init(&files, fixture.dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    edge_files_release(&files);
    shm_fixture_release(&fixture);
    return 0;
}

/* A master that wants room for so many keys. */
static struct btcf_edge open_edge(uint32_t keys)
{
    struct btcf_edge edge = {0};
    const struct btcf_edge_options options = {.dir = fixture.dir, .build = "test", .keys = keys, .accounts = keys};

    assert_int_equal(btcf_edge_open(&edge, &options), BTCF_ATTACH_OK);
    return edge;
}

static void instance_text(const struct btcf_edge *edge, char text[EDGE_INSTANCE_SIZE])
{
    for (size_t i = 0; i < 16; i++)
        snprintf(text + 2 * i, 3, "%02x", edge->header->instance[i]);
}

static void an_empty_directory_has_none(void **state)
{
    (void)state;
    edge_files_look(&files);
    assert_int_equal(files.count, 0);
    files.dir = "/nowhere";
    edge_files_look(&files);
    assert_int_equal(files.count, 0);
}

static void the_current_file_is_held_once(void **state)
{
    struct btcf_edge edge = open_edge(ROWS);

    (void)state;
    edge_files_look(&files);
    edge_files_look(&files);
    assert_int_equal(files.count, 1);
    assert_true(files.file[0]->is_current);
    assert_int_equal(edge_file_places(files.file[0]), edge.usage_count + edge.pool_count);
    assert_int_equal(files.file[0]->rows[edge.usage_count - 1].value[1][METER_LATENCY_US], 0);
    btcf_edge_close(&edge);
}

static void a_replaced_file_is_kept_under_its_other_name(void **state)
{
    struct btcf_edge first = open_edge(ROWS), second;
    char instance[EDGE_INSTANCE_SIZE], path[PATH_MAX];

    (void)state;
    instance_text(&first, instance);
    edge_files_look(&files);
    second = open_edge(1000 * ROWS);
    edge_files_look(&files);
    assert_int_equal(files.count, 2);
    assert_false(files.file[0]->is_current);
    assert_true(files.file[1]->is_current);
    assert_string_equal(files.file[0]->instance, instance);
    snprintf(path, sizeof(path), "%s/%s", fixture.dir, files.file[0]->name);
    assert_int_equal(access(path, F_OK), 0);

    assert_true(edge_files_unlink(&files, files.file[0]));
    assert_int_equal(access(path, F_OK), -1);
    struct edge_file *gone = files.file[0];
    edge_files_forget(&files, &gone);
    assert_null(gone);
    edge_files_look(&files);
    assert_int_equal(files.count, 1);
    assert_true(files.file[0]->is_current);
    btcf_edge_close(&first);
    btcf_edge_close(&second);
}

static void old_files_are_found_by_who_comes_later(void **state)
{
    struct btcf_edge first = open_edge(ROWS), second = open_edge(1000 * ROWS);
    char instance[EDGE_INSTANCE_SIZE];

    (void)state;
    instance_text(&first, instance);
    edge_files_look(&files);
    edge_files_look(&files);
    assert_int_equal(files.count, 2);
    assert_true(files.file[0]->is_current);
    assert_false(files.file[1]->is_current);
    assert_string_equal(files.file[1]->instance, instance);
    btcf_edge_close(&first);
    btcf_edge_close(&second);
}

/* A master died after it had given the file its second name, and before it put another in its place. */
static void a_current_file_with_two_names_is_one_file(void **state)
{
    struct btcf_edge edge = open_edge(ROWS);
    char instance[EDGE_INSTANCE_SIZE], path[PATH_MAX];

    (void)state;
    instance_text(&edge, instance);
    snprintf(path, sizeof(path), "%s/" BTCF_EDGE_OLD_PREFIX "%s", fixture.dir, instance);
    assert_int_equal(link(fixture.edge, path), 0);
    edge_files_look(&files);
    assert_int_equal(files.count, 1);
    assert_true(files.file[0]->is_current);
    btcf_edge_close(&edge);
}

static void a_file_that_is_none_is_left_alone(void **state)
{
    FILE *file = fopen(fixture.edge, "w");

    (void)state;
    assert_non_null(file);
    fputs("not a file of counters", file);
    fclose(file);
    edge_files_look(&files);
    edge_files_look(&files);
    assert_int_equal(files.count, 0);
}

static void a_file_whose_name_is_gone_is_still_drained(void **state)
{
    struct btcf_edge edge = open_edge(ROWS);

    (void)state;
    edge_files_look(&files);
    assert_int_equal(unlink(fixture.edge), 0);
    edge_files_look(&files);
    assert_int_equal(files.count, 1);
    assert_false(files.file[0]->is_current);
    assert_false(btcf_edge_is_final(&files.file[0]->edge));
    btcf_edge_close(&edge);
    assert_true(btcf_edge_is_final(&files.file[0]->edge));
    assert_true(edge_files_unlink(&files, files.file[0]));
}

static void a_file_that_was_away_for_a_while_is_the_current_one_again(void **state)
{
    struct btcf_edge edge = open_edge(ROWS);
    char path[PATH_MAX];

    (void)state;
    snprintf(path, sizeof(path), "%s/elsewhere", fixture.dir);
    edge_files_look(&files);
    assert_int_equal(rename(fixture.edge, path), 0);
    edge_files_look(&files);
    assert_int_equal(files.count, 1);
    assert_false(files.file[0]->is_current);
    assert_int_equal(rename(path, fixture.edge), 0);
    edge_files_look(&files);
    assert_int_equal(files.count, 1);
    assert_true(files.file[0]->is_current);
    btcf_edge_close(&edge);
}

static void a_copy_takes_the_place_of_its_original(void **state)
{
    struct btcf_edge edge = open_edge(ROWS);
    char command[2 * PATH_MAX];
    struct stat st;

    (void)state;
    edge_files_look(&files);
    snprintf(command, sizeof(command), "cd %s && cp -p edge.v1 copy && mv copy edge.v1", fixture.dir);
    assert_int_equal(system(command), 0);
    edge_files_look(&files);
    assert_int_equal(files.count, 1);
    assert_true(files.file[0]->is_current);
    assert_false(files.file[0]->is_loaded);
    assert_int_equal(stat(fixture.edge, &st), 0);
    assert_int_equal(files.file[0]->edge.inode, st.st_ino);
    btcf_edge_close(&edge);
}

/* Whoever forgot its cursors would count it again when it comes back. */
static void a_file_that_still_has_a_name_is_not_given_up(void **state)
{
    struct btcf_edge edge = open_edge(ROWS);
    char path[PATH_MAX];

    (void)state;
    snprintf(path, sizeof(path), "%s/elsewhere", fixture.dir);
    edge_files_look(&files);
    assert_int_equal(rename(fixture.edge, path), 0);
    edge_files_look(&files);
    assert_false(edge_files_unlink(&files, files.file[0]));
    assert_int_equal(unlink(path), 0);
    assert_true(edge_files_unlink(&files, files.file[0]));
    btcf_edge_close(&edge);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_empty_directory_has_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_current_file_is_held_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_replaced_file_is_kept_under_its_other_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(old_files_are_found_by_who_comes_later, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_current_file_with_two_names_is_one_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_is_none_is_left_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_was_away_for_a_while_is_the_current_one_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_copy_takes_the_place_of_its_original, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_still_has_a_name_is_not_given_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_whose_name_is_gone_is_still_drained, set_up, tear_down),
    };

    log_init("test", LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
