/* SipHash-2-4 against vectors of its paper and of its authors' reference: key 00..0f, message 00, 01, 02 ... */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shm/siphash.h"

static const uint64_t key0 = UINT64_C(0x0706050403020100), key1 = UINT64_C(0x0f0e0d0c0b0a0908);

static void the_vectors_hold(void **state)
{
    static const struct {
        size_t len;
        uint64_t hash;
    } vectors[] = {
        {0, UINT64_C(0x726fdb47dd0e0e31)},  {1, UINT64_C(0x74f839c593dc67fd)},  {7, UINT64_C(0xab0200f58b01d137)},
        {8, UINT64_C(0x93f5f5799a932462)},  {9, UINT64_C(0x9e0082df0ba9e4b0)},  {15, UINT64_C(0xa129ca6149be45e5)},
        {16, UINT64_C(0x3f2acc7f57c29bdb)}, {63, UINT64_C(0x958a324ceb064572)},
    };
    uint8_t message[64];

    (void)state;
    for (size_t i = 0; i < sizeof(message); i++)
        message[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
        assert_int_equal(btcf_siphash(key0, key1, message, vectors[i].len), vectors[i].hash);
}

static void each_half_of_the_key_matters(void **state)
{
    uint64_t hash = btcf_siphash(key0, key1, "address", 7);

    (void)state;
    assert_int_not_equal(btcf_siphash(key0 ^ 1, key1, "address", 7), hash);
    assert_int_not_equal(btcf_siphash(key0, key1 ^ 1, "address", 7), hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_hold),
        cmocka_unit_test(each_half_of_the_key_matters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
