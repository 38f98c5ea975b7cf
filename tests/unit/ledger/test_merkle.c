/* The tree hash against the reference vectors of Certificate Transparency (RFC 6962's own test data). */
#include "ledger/merkle.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define INPUT_COUNT 8
static const struct {
    const char *bytes;
    size_t len;
} inputs[INPUT_COUNT] = {
    {"", 0},
    {"\x00", 1},
    {"\x10", 1},
    {"\x20\x21", 2},
    {"\x30\x31", 2},
    {"\x40\x41\x42\x43", 4},
    {"\x50\x51\x52\x53\x54\x55\x56\x57", 8},
    {"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f", 16},
};

/* Root over the first 1, 2, ... 8 inputs. */
static const char *const roots[INPUT_COUNT] = {
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
};

static void roots_match_the_reference(void **state)
{
    (void)state;
    struct digest leaves[INPUT_COUNT];
    char hex[DIGEST_HEX_SIZE];
    for (size_t i = 0; i < INPUT_COUNT; i++) {
        leaves[i] = merkle_leaf(inputs[i].bytes, inputs[i].len);
        struct digest root = merkle_root(leaves, i + 1);
        digest_to_hex(&root, hex);
        assert_string_equal(hex, roots[i]);
    }
}

static void the_empty_tree_is_the_hash_of_nothing(void **state)
{
    (void)state;
    struct digest root = merkle_root(NULL, 0), expected = digest_sha256("", 0);
    assert_true(digest_is_equal(&root, &expected, DIGEST_SIZE));
}

static void every_leafs_path_leads_to_the_root_and_to_no_other(void **state)
{
    (void)state;
    struct digest leaves[33];
    for (size_t i = 0; i < 33; i++)
        leaves[i] = merkle_leaf(&i, sizeof(i));
    for (size_t count = 1; count <= 33; count++) {
        struct digest root = merkle_root(leaves, count);
        for (size_t i = 0; i < count; i++) {
            struct merkle_step path[MERKLE_PATH_MAX];
            size_t length = merkle_path(leaves, count, i, path);
            struct digest reached = merkle_follow(leaves[i], path, length);
            assert_true(digest_is_equal(&reached, &root, DIGEST_SIZE));
            reached = merkle_follow(merkle_leaf("another", 7), path, length);
            assert_false(digest_is_equal(&reached, &root, DIGEST_SIZE));
        }
    }
}

static void order_of_leaves_matters(void **state)
{
    (void)state;
    struct digest leaves[2] = {merkle_leaf("a", 1), merkle_leaf("b", 1)};
    struct digest swapped[2] = {leaves[1], leaves[0]};
    struct digest one = merkle_root(leaves, 2), other = merkle_root(swapped, 2);
    assert_false(digest_is_equal(&one, &other, DIGEST_SIZE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roots_match_the_reference),
        cmocka_unit_test(the_empty_tree_is_the_hash_of_nothing),
        cmocka_unit_test(every_leafs_path_leads_to_the_root_and_to_no_other),
        cmocka_unit_test(order_of_leaves_matters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
