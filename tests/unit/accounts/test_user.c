/* Addresses: how they are kept, and what is none. Rows are tested in tests/pg/test_accounts.py. */
#include "accounts/user.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/err.h"

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

static void assert_kept(const char *text, const char *expected)
{
    const char *email;

    assert_int_equal(user_parse_email(arena, text, &email), 0);
    assert_string_equal(email, expected);
}

static void assert_refused(const char *text)
{
    const char *email;

    assert_int_equal(user_parse_email(arena, text, &email), -1);
    assert_int_equal(err_kind(), E_INPUT);
}

static void keeps_lower_case(void **state)
{
    (void)state;
    assert_kept("Ann.Lee+News@Example.ORG", "ann.lee+news@example.org");
    assert_kept("operator@localhost", "operator@localhost");
    assert_kept("o'neil_{x}!#$%&*/=?^`|~-@a-b.c1", "o'neil_{x}!#$%&*/=?^`|~-@a-b.c1");
}

static void knows_the_longest(void **state)
{
    (void)state;
    char text[400];

    snprintf(text, sizeof(text), "%064d@x", 0);
    assert_kept(text, text);
    snprintf(text, sizeof(text), "%065d@x", 0);
    assert_refused(text);
    snprintf(text, sizeof(text), "a@%063d.%063d.%063d.%060d", 0, 0, 0, 0);
    assert_int_equal(strlen(text), USER_EMAIL_MAX);
    assert_kept(text, text);
    snprintf(text, sizeof(text), "ab@%063d.%063d.%063d.%060d", 0, 0, 0, 0);
    assert_refused(text);
    snprintf(text, sizeof(text), "a@%064d", 0);
    assert_refused(text);
}

static void refuses_what_is_none(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",      "ann",   "@",     "ann@",    "@b",         "a@b@c",      ".a@b",        "a.@b",  "a..b@c",
        "a b@c", "a@b c", "a@.b",  "a@b.",    "a@b..c",     "a@-b",       "a@b-",        "a@b_c", "\"a\"@b",
        "a,b@c", "<a>@b", "a\t@b", "a\x7f@b", "\xc3\xa4@b", "a@\xc3\xa4", "a@[1.2.3.4]", "a\n@b"};

    for (size_t i = 0; i < BTCF_LENGTH(texts); i++)
        assert_refused(texts[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_lower_case),
        cmocka_unit_test(knows_the_longest),
        cmocka_unit_test(refuses_what_is_none),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
