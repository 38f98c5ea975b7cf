/* Networks: one spelling for each, and every other text refused with a reason. */
#include "accounts/network.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "core/err.h"

static void assert_spelled(const char *text, const char *expected)
{
    char network[NETWORK_TEXT_SIZE];

    assert_int_equal(network_parse(str_of(text), network), 0);
    assert_string_equal(network, expected);
}

static void assert_refused(const char *text, const char *why)
{
    char network[NETWORK_TEXT_SIZE];

    assert_int_equal(network_parse(str_of(text), network), -1);
    assert_int_equal(err_kind(), E_INPUT);
    if (strstr(err_text(), why) == NULL)
        fail_msg("%s: %s", text, err_text());
}

static void spells_a_network_in_one_way(void **state)
{
    (void)state;
    assert_spelled("192.0.2.0/24", "192.0.2.0/24");
    assert_spelled("0.0.0.0/0", "0.0.0.0/0");
    assert_spelled("255.255.255.255/32", "255.255.255.255/32");
    assert_spelled("2001:DB8:0:0::/32", "2001:db8::/32");
    assert_spelled("::/0", "::/0");
    assert_spelled("fe80::/10", "fe80::/10");
    assert_spelled("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128");
}

static void takes_an_address_for_a_network_of_itself(void **state)
{
    (void)state;
    assert_spelled("192.0.2.7", "192.0.2.7/32");
    assert_spelled("::1", "::1/128");
}

static void refuses_bits_behind_the_prefix_and_says_what_was_meant(void **state)
{
    (void)state;
    assert_refused("192.0.2.1/31", "did you mean 192.0.2.0/31?");
    assert_refused("192.0.3.0/23", "did you mean 192.0.2.0/23?");
    assert_refused("128.0.0.0/0", "did you mean 0.0.0.0/0?");
    assert_refused("2001:db8::8000:0:0:1/64", "did you mean 2001:db8::/64?");
    assert_refused("2001:db8:8000::/32", "did you mean 2001:db8::/32?");
}

static void refuses_a_prefix_that_is_no_number_of_bits(void **state)
{
    (void)state;
    static const char *const texts[] = {"10.0.0.0/",   "10.0.0.0/33",  "10.0.0.0/-0",  "10.0.0.0/+8",   "10.0.0.0/08",
                                        "10.0.0.0/8 ", "10.0.0.0/8/8", "10.0.0.0/0x8", "10.0.0.0/1000", "::/129"};

    for (size_t i = 0; i < BTCF_LENGTH(texts); i++)
        assert_refused(texts[i], "the prefix behind");
}

static void refuses_what_is_no_address(void **state)
{
    (void)state;
    static const char *const texts[] = {"",        "/8", "10.0.0/8",     "10.0.0.256",  "10.0.0.0.0", "010.0.0.0/8",
                                        "1::2::3", ":",  "fe80::1%eth0", "example.org", " 10.0.0.1",  "10.0.0.1\n"};

    for (size_t i = 0; i < BTCF_LENGTH(texts); i++)
        assert_refused(texts[i], "is not a network");
}

static void refuses_ipv4_in_the_clothes_of_ipv6(void **state)
{
    (void)state;
    assert_refused("::ffff:192.0.2.0/120", "write it as IPv4");
    assert_refused("::ffff:c000:200", "write it as IPv4");
}

static void takes_eight_of_them(void **state)
{
    (void)state;
    struct arena *arena = arena_create("test", (size_t)1 << 20);
    const char *list;

    assert_int_equal(network_parse_list(arena, "", &list), 0);
    assert_string_equal(list, "");
    assert_int_equal(network_parse_list(arena, "10.0.0.1, ::1/128,10.0.0.1/32", &list), 0);
    assert_string_equal(list, "10.0.0.1/32,::1/128");
    assert_int_equal(
        network_parse_list(arena, "1.0.0.1,1.0.0.2,1.0.0.3,1.0.0.4,1.0.0.5,1.0.0.6,1.0.0.7,1.0.0.8", &list), 0);
    assert_int_equal(
        network_parse_list(arena, "1.0.0.1,1.0.0.2,1.0.0.3,1.0.0.4,1.0.0.5,1.0.0.6,1.0.0.7,1.0.0.8,1.0.0.9", &list),
        -1);
    assert_int_equal(network_parse_list(arena, "10.0.0.1,x", &list), -1);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spells_a_network_in_one_way),
        cmocka_unit_test(takes_an_address_for_a_network_of_itself),
        cmocka_unit_test(refuses_bits_behind_the_prefix_and_says_what_was_meant),
        cmocka_unit_test(refuses_a_prefix_that_is_no_number_of_bits),
        cmocka_unit_test(refuses_what_is_no_address),
        cmocka_unit_test(refuses_ipv4_in_the_clothes_of_ipv6),
        cmocka_unit_test(takes_eight_of_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
