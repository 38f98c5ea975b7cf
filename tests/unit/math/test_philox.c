/* Philox against the vectors that its authors publish with their own implementation (Random123, kat_vectors). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "math/philox.h"
#include "near.h"

#define WORDS 4096

static void makes_the_published_blocks(void **state)
{
    static const struct {
        uint32_t counter[4], key[2], block[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        uint32_t block[4];

        philox_block(known[i].counter, known[i].key, block);
        assert_memory_equal(block, known[i].block, sizeof block);
    }
}

static void a_stream_is_the_blocks_of_its_counters(void **state)
{
    const struct philox_stream stream = {
        .seed = UINT64_C(0xfedcba9876543210), .stream = UINT64_C(0x1122334455667788), .substream = 7};
    const uint32_t key[2] = {0x76543210, 0xfedcba98}, counter[4] = {1, 7, 0x55667788, 0x11223344};
    uint32_t words[8], block[4];

    (void)state;
    philox_fill(&stream, words, 8);
    philox_block(counter, key, block);
    assert_memory_equal(words + 4, block, sizeof block);
}

static void a_shorter_stretch_is_the_head_of_a_longer_one(void **state)
{
    const struct philox_stream stream = {.seed = 5, .stream = 6};
    uint32_t longer[64], shorter[64];

    (void)state;
    philox_fill(&stream, longer, 64);
    for (size_t count = 0; count <= 64; count++) {
        memset(shorter, 0, sizeof shorter);
        philox_fill(&stream, shorter, count);
        assert_memory_equal(shorter, longer, count * sizeof *longer);
        assert_true(count == 64 || shorter[count] == 0); /* and nothing is written behind it */
    }
}

static void streams_differ_by_seed_stream_and_substream(void **state)
{
    const struct philox_stream streams[] = {{1, 1, 1}, {2, 1, 1}, {1, 2, 1}, {1, 1, 2}};
    uint32_t words[4][8];

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        philox_fill(&streams[i], words[i], 8);
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(words[i], words[k], sizeof words[i]);
    }
}

/* Bits are set half of the time, in every place: 5 standard deviations of WORDS coin tosses. */
static void every_bit_is_fair(void **state)
{
    const struct philox_stream stream = {.seed = 1};
    static uint32_t words[WORDS];

    (void)state;
    philox_fill(&stream, words, WORDS);
    for (int bit = 0; bit < 32; bit++) {
        double set = 0.0;

        for (size_t i = 0; i < WORDS; i++)
            set += words[i] >> bit & 1;
        assert_near(set, WORDS / 2.0, 5.0 * 32.0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_the_published_blocks),
        cmocka_unit_test(a_stream_is_the_blocks_of_its_counters),
        cmocka_unit_test(a_shorter_stretch_is_the_head_of_a_longer_one),
        cmocka_unit_test(streams_differ_by_seed_stream_and_substream),
        cmocka_unit_test(every_bit_is_fair),
    };
    return cmocka_run_group_tests_name("math/philox", tests, NULL, NULL);
}
