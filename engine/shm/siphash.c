/* SipHash-2-4 in the words of its paper: four words of state, two rounds for each eight bytes, four at the end. */
#include "shm/siphash.h"

#include <string.h>

#define WORD_ROUNDS 2
#define FINAL_ROUNDS 4

struct state {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void mix(struct state *s, unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        s->v0 += s->v1;
        s->v2 += s->v3;
        s->v1 = rotate(s->v1, 13) ^ s->v0;
        s->v3 = rotate(s->v3, 16) ^ s->v2;
        s->v0 = rotate(s->v0, 32) + s->v3;
        s->v2 += s->v1;
        s->v1 = rotate(s->v1, 17) ^ s->v2;
        s->v3 = rotate(s->v3, 21) ^ s->v0;
        s->v2 = rotate(s->v2, 32);
    }
}

static inline void absorb(struct state *s, uint64_t word)
{
    s->v3 ^= word;
    mix(s, WORD_ROUNDS);
    s->v0 ^= word;
}

uint64_t btcf_siphash(uint64_t key0, uint64_t key1, const void *bytes, size_t len)
{
    /* "somepseudorandomlygeneratedbytes" */
    struct state s = {
        .v0 = key0 ^ UINT64_C(0x736f6d6570736575),
        .v1 = key1 ^ UINT64_C(0x646f72616e646f6d),
        .v2 = key0 ^ UINT64_C(0x6c7967656e657261),
        .v3 = key1 ^ UINT64_C(0x7465646279746573),
    };
    const unsigned char *from = (const unsigned char *)bytes;
    uint64_t last = (uint64_t)len << 56, word;

    for (size_t left = len; left >= sizeof(word); left -= sizeof(word), from += sizeof(word)) {
        memcpy(&word, from, sizeof(word));
        absorb(&s, word);
    }
    for (size_t i = 0; i < len % sizeof(word); i++)
        last |= (uint64_t)from[i] << (8 * i);
    absorb(&s, last);
    s.v2 ^= 0xff;
    mix(&s, FINAL_ROUNDS);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
