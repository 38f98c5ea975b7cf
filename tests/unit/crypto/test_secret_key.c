/* The installation's secret: its two forms, whose it is, and who wins when several make it at once. */
#include "crypto/secret_key.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/err.h"
#include "scratch.h"

#define MAKERS 8

struct place {
    char dir[SCRATCH_SIZE];
    char path[SCRATCH_SIZE + 16];
};

static int set_up(void **state)
{
    struct place *place = malloc(sizeof(*place));

    if (place == NULL)
        return -1;
    scratch_create(place->dir);
    snprintf(place->path, sizeof(place->path), "%s/secret.key", place->dir);
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;

    scratch_remove(place->dir);
    free(place);
    return 0;
}

static void write_file(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void reads_64_digits_of_lower_case(void **state)
{
    (void)state;
    char text[65];
    struct seal_key key;

    for (size_t i = 0; i < 64; i++)
        text[i] = "0123456789abcdef"[i % 16];
    text[64] = '\0';
    assert_int_equal(secret_key_parse(str_of(text), &key), 0);
    assert_memory_equal(key.bytes, "\x01\x23\x45\x67\x89\xab\xcd\xef\x01", 9);
    assert_int_equal(secret_key_parse((struct str){text, 63}, &key), -1);
    assert_int_equal(secret_key_parse((struct str){text, 0}, &key), -1);
    for (const char *wrong = "AgG /:`@"; *wrong != '\0'; wrong++) {
        char right = text[40];

        text[40] = *wrong;
        assert_int_equal(secret_key_parse(str_of(text), &key), -1);
        assert_int_equal(err_kind(), E_INPUT);
        assert_null(strstr(err_text(), "0123456789"));
        text[40] = right;
    }
}

static void makes_a_file_for_its_owner_alone_and_reads_it_back(void **state)
{
    const struct place *place = *state;
    struct seal_key made, read;
    struct stat info;

    assert_int_equal(secret_key_create(place->path, getuid(), &made), 0);
    assert_int_equal(secret_key_load(place->path, &read), 0);
    assert_memory_equal(&made, &read, sizeof(made));
    assert_int_equal(stat(place->path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    assert_int_equal(info.st_size, 65);
    assert_int_equal(info.st_nlink, 1); /* nothing is left of the other name */
}

static void keeps_the_secret_that_is_there(void **state)
{
    const struct place *place = *state;
    struct seal_key first, second;

    assert_int_equal(secret_key_create(place->path, getuid(), &first), 0);
    assert_int_equal(secret_key_create(place->path, getuid(), &second), 0);
    assert_memory_equal(&first, &second, sizeof(first));
}

static void says_that_there_is_none(void **state)
{
    const struct place *place = *state;
    struct seal_key key;

    assert_int_equal(secret_key_load(place->path, &key), -1);
    assert_int_equal(err_kind(), E_MISSING);
}

static void refuses_a_file_that_others_may_read(void **state)
{
    const struct place *place = *state;
    static const mode_t modes[] = {0640, 0604, 0660, 0610};
    struct seal_key key;

    assert_int_equal(secret_key_create(place->path, getuid(), &key), 0);
    for (size_t i = 0; i < BTCF_LENGTH(modes); i++) {
        assert_int_equal(chmod(place->path, modes[i]), 0);
        assert_int_equal(secret_key_load(place->path, &key), -1);
        assert_int_equal(err_kind(), E_DENIED);
    }
    assert_int_equal(chmod(place->path, 0400), 0);
    assert_int_equal(secret_key_load(place->path, &key), 0);
}

static void refuses_a_file_with_anything_else_in_it(void **state)
{
    const struct place *place = *state;
    static const char digits[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    char text[sizeof(digits) + 2];
    struct seal_key key;

    write_file(place->path, digits, 0600);
    assert_int_equal(secret_key_load(place->path, &key), 0);
    static const char *const wrong[] = {"%.63s", "%s ", "%s\n\n", "%s0", "%.63s\n", "%.0s"};
    for (size_t i = 0; i < BTCF_LENGTH(wrong); i++) {
        /* The formats are the constants above. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(text, sizeof(text), wrong[i], digits);
#pragma GCC diagnostic pop
        write_file(place->path, text, 0600);
        assert_int_equal(secret_key_load(place->path, &key), -1);
        assert_int_equal(err_kind(), E_CORRUPT);
        assert_null(strstr(err_text(), "0011"));
    }
}

static void says_where_it_cannot_be_made(void **state)
{
    const struct place *place = *state;
    char path[SCRATCH_SIZE + 32];
    struct seal_key key;

    snprintf(path, sizeof(path), "%s/none/secret.key", place->dir);
    assert_int_equal(secret_key_create(path, getuid(), &key), -1);
    assert_int_equal(err_kind(), E_STORE);
    assert_non_null(strstr(err_text(), path));
}

/* Each child makes the secret and reports the first byte; all must have the same one. Seven further bytes would say
 * no more: that two different secrets begin alike happens once in 256. So eight of them are compared. */
static void several_at_once_end_up_with_one(void **state)
{
    const struct place *place = *state;
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    for (int i = 0; i < MAKERS; i++) {
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
            struct seal_key key;

            if (secret_key_create(place->path, getuid(), &key) < 0 || write(ends[1], key.bytes, 8) != 8)
                _exit(1);
            _exit(0);
        }
    }
    char first[8], other[8];
    for (int i = 0; i < MAKERS; i++) {
        int status;

        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
        assert_int_equal(read(ends[0], i == 0 ? first : other, 8), 8);
        if (i > 0)
            assert_memory_equal(first, other, 8);
    }
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_64_digits_of_lower_case),
        cmocka_unit_test_setup_teardown(makes_a_file_for_its_owner_alone_and_reads_it_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keeps_the_secret_that_is_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(says_that_there_is_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_a_file_that_others_may_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_a_file_with_anything_else_in_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(says_where_it_cannot_be_made, set_up, tear_down),
        cmocka_unit_test_setup_teardown(several_at_once_end_up_with_one, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
