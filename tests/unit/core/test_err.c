/* The error frame: what is kept, what is put in front, what gives way when there is no room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/err.h"

static void keeps_kind_and_text_of_the_last_error(void **state)
{
    (void)state;
    assert_int_equal(err_set(E_INPUT, "first %d", 1), -1);
    assert_int_equal(err_set(E_LIMIT, "second %s", "two"), -1);
    assert_int_equal(err_kind(), E_LIMIT);
    assert_string_equal(err_text(), "second two");
}

static void a_wrap_goes_in_front_and_keeps_the_kind(void **state)
{
    (void)state;
    err_set(E_CORRUPT, "line 3: high is below low");
    assert_int_equal(err_wrap("while importing %s", "x.csv"), -1);
    assert_int_equal(err_wrap("import"), -1);
    assert_int_equal(err_kind(), E_CORRUPT);
    assert_string_equal(err_text(), "import: while importing x.csv: line 3: high is below low");
}

static void its_own_text_may_be_an_argument(void **state)
{
    (void)state;
    err_set(E_STORE, "connection lost");
    err_set(E_STORE, "gave up: %s", err_text());
    assert_string_equal(err_text(), "gave up: connection lost");
}

static void a_long_cause_is_cut_at_its_end(void **state)
{
    char text[2 * ERR_TEXT_MAX];

    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    err_set(E_INPUT, "%s", text);
    assert_int_equal(strlen(err_text()), ERR_TEXT_MAX - 1);
}

/* The trail gives way before the cause does: exactly at the limit and one byte beyond it. */
static void a_trail_without_room_leaves_the_cause_alone(void **state)
{
    char trail[ERR_TEXT_MAX];
    const char *cause = "cause";
    size_t fits = ERR_TEXT_MAX - 1 - strlen(": ") - strlen(cause);

    (void)state;
    memset(trail, 't', sizeof trail - 1);
    trail[fits] = '\0';
    err_set(E_INPUT, "%s", cause);
    err_wrap("%s", trail);
    assert_int_equal(strlen(err_text()), ERR_TEXT_MAX - 1);
    assert_string_equal(err_text() + fits, ": cause");

    trail[fits] = 't';
    trail[fits + 1] = '\0';
    err_set(E_INPUT, "%s", cause);
    err_wrap("%s", trail);
    assert_string_equal(err_text(), cause);
}

static void clear_leaves_no_error(void **state)
{
    (void)state;
    err_set(E_INPUT, "something");
    err_clear();
    assert_int_equal(err_kind(), E_NONE);
    assert_string_equal(err_text(), "");
}

static void every_kind_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int a = E_NONE; a <= E_CORRUPT; a++)
        for (int b = a + 1; b <= E_CORRUPT; b++)
            assert_string_not_equal(err_kind_name((enum err_kind)a), err_kind_name((enum err_kind)b));
    assert_string_equal(err_kind_name(E_CORRUPT), "corrupt");
    assert_string_equal(err_kind_name((enum err_kind)(E_CORRUPT + 1)), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_kind_and_text_of_the_last_error),
        cmocka_unit_test(a_wrap_goes_in_front_and_keeps_the_kind),
        cmocka_unit_test(its_own_text_may_be_an_argument),
        cmocka_unit_test(a_long_cause_is_cut_at_its_end),
        cmocka_unit_test(a_trail_without_room_leaves_the_cause_alone),
        cmocka_unit_test(clear_leaves_no_error),
        cmocka_unit_test(every_kind_has_a_name_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
