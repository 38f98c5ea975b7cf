/* Lists with commas: what is counted, found, filtered and tidied. */
#include "accounts/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_create("test", (size_t)1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static void the_empty_text_is_the_empty_list(void **state)
{
    (void)state;
    assert_int_equal(list_count(""), 0);
    assert_false(list_has("", STR_LIT("read")));
    assert_string_equal(list_tidy(arena, ""), "");
    assert_string_equal(list_filter(arena, "", "read", true), "");
    assert_string_equal(list_filter(arena, "read,jobs", "", false), "read,jobs");
}

static void finds_whole_names_only(void **state)
{
    (void)state;
    assert_true(list_has("account.read,read,jobs", STR_LIT("read")));
    assert_true(list_has("read", STR_LIT("read")));
    assert_false(list_has("account.read,reads", STR_LIT("read")));
    assert_false(list_has("read,jobs", STR_LIT("read,jobs")));
    assert_int_equal(list_count("read,jobs,x"), 3);
}

static void filters_in_order(void **state)
{
    (void)state;
    assert_string_equal(list_filter(arena, "c,a,b", "a,b,c,d", true), "c,a,b");
    assert_string_equal(list_filter(arena, "c,a,b", "b,c", true), "c,b");
    assert_string_equal(list_filter(arena, "c,a,b", "b,c", false), "a");
    assert_string_equal(list_filter(arena, "c,a,b", "x", true), "");
}

static void tidies_blanks_empties_and_repetitions(void **state)
{
    (void)state;
    assert_string_equal(list_tidy(arena, " read , ,stream,,read,"), "read,stream");
    assert_string_equal(list_tidy(arena, ",,"), "");
    assert_string_equal(list_tidy(arena, "a b,a b"), "a b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_empty_text_is_the_empty_list),
        cmocka_unit_test(finds_whole_names_only),
        cmocka_unit_test(filters_in_order),
        cmocka_unit_test(tidies_blanks_empties_and_repetitions),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
