/* Ten rounds of two multiplications; see the header for the paper. */
#include "math/philox.h"

#define ROUNDS 10
#define MULTIPLIER_0 UINT64_C(0xD2511F53)
#define MULTIPLIER_1 UINT64_C(0xCD9E8D57)
#define WEYL_0 UINT32_C(0x9E3779B9) /* the golden ratio */
#define WEYL_1 UINT32_C(0xBB67AE85) /* sqrt(3) - 1 */

static inline void make_block(const uint32_t counter[4], const uint32_t key[2], uint32_t block[4])
{
    uint32_t a = counter[0], b = counter[1], c = counter[2], d = counter[3], k = key[0], l = key[1];

    for (int round = 0; round < ROUNDS; round++) {
        uint64_t left = MULTIPLIER_0 * a, right = MULTIPLIER_1 * c;

        a = (uint32_t)(right >> 32) ^ b ^ k;
        b = (uint32_t)right;
        c = (uint32_t)(left >> 32) ^ d ^ l;
        d = (uint32_t)left;
        k += WEYL_0;
        l += WEYL_1;
    }
    block[0] = a;
    block[1] = b;
    block[2] = c;
    block[3] = d;
}

void philox_block(const uint32_t counter[4], const uint32_t key[2], uint32_t block[4])
{
    make_block(counter, key, block);
}

void philox_fill(const struct philox_stream *stream, uint32_t *words, size_t count)
{
    const uint32_t key[2] = {(uint32_t)stream->seed, (uint32_t)(stream->seed >> 32)};
    uint32_t counter[4] = {0, stream->substream, (uint32_t)stream->stream, (uint32_t)(stream->stream >> 32)};
    uint32_t last[4];
    size_t whole = count / 4;

    for (size_t i = 0; i < whole; i++, counter[0]++)
        make_block(counter, key, words + 4 * i);
    if (count % 4 == 0)
        return;
    make_block(counter, key, last);
    for (size_t i = 4 * whole; i < count; i++)
        words[i] = last[i % 4];
}
