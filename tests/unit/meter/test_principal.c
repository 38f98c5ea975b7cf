/* Names of principals as they go into the database. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/arena.h"
#include "meter/principal.h"

static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_create("test", 1 << 16);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static struct btcf_pool_entry entry_of(const char *bytes, size_t len)
{
    struct btcf_pool_entry entry = {.hash = 1, .subject_len = (uint32_t)len};

    memcpy(entry.subject, bytes, len);
    return entry;
}

static void a_plain_name_stays_as_it_is(void **state)
{
    struct btcf_pool_entry entry = entry_of("https://issuer.example user|1~", 30);

    (void)state;
    assert_string_equal(principal_read(&entry, arena), "https://issuer.example user|1~");
}

static void what_the_database_might_refuse_is_escaped(void **state)
{
    struct btcf_pool_entry entry = entry_of("a \0\x1f\x7f\xc3\xa9%\xe2\x82", 10);

    (void)state;
    assert_string_equal(principal_read(&entry, arena), "a %00%1F%7F%C3%A9%25%E2%82");
}

static void two_names_never_become_one(void **state)
{
    struct btcf_pool_entry escaped = entry_of("i %41", 5), plain = entry_of("i A", 3);

    (void)state;
    assert_string_not_equal(principal_read(&escaped, arena), principal_read(&plain, arena));
}

static void a_full_name_ends_with_its_entry(void **state)
{
    char bytes[BTCF_SUBJECT_MAX], text[3 * BTCF_SUBJECT_MAX + 1];
    struct btcf_pool_entry entry;

    (void)state;
    memset(bytes, 0xff, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++)
        memcpy(text + 3 * i, "%FF", 4);
    entry = entry_of(bytes, sizeof(bytes));
    assert_string_equal(principal_read(&entry, arena), text);
}

static void an_entry_without_a_whole_name_has_none(void **state)
{
    struct btcf_pool_entry claimed = entry_of("i s", 0), hostile = entry_of("i s", 3);

    (void)state;
    assert_null(principal_read(&claimed, arena));
    hostile.subject_len = BTCF_SUBJECT_MAX + 1;
    assert_null(principal_read(&hostile, arena));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_plain_name_stays_as_it_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_the_database_might_refuse_is_escaped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(two_names_never_become_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_name_ends_with_its_entry, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_entry_without_a_whole_name_has_none, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
