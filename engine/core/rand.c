/* Seeded and system randomness. See the header for the sources. */
#include "core/rand.h"

#include <math.h>
#include <stdlib.h>
#include <sys/random.h>

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void rng_init(struct rng *rng, uint64_t seed)
{
    for (size_t i = 0; i < BTCF_LENGTH(rng->s); i++)
        rng->s[i] = splitmix64(&seed);
}

static uint64_t rotate_left(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

uint64_t rng_next(struct rng *rng)
{
    uint64_t *s = rng->s;
    uint64_t result = rotate_left(s[0] + s[3], 23) + s[0];
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

double rng_uniform(struct rng *rng)
{
    return (double)(rng_next(rng) >> 11) * 0x1.0p-53;
}

uint64_t rng_below(struct rng *rng, uint64_t bound)
{
    uint64_t threshold = -bound % bound;

    for (;;) { /* ends with probability above 1/2 in each turn */
        unsigned __int128 product = (unsigned __int128)rng_next(rng) * bound;

        if ((uint64_t)product >= threshold)
            return (uint64_t)(product >> 64);
    }
}

double rng_normal(struct rng *rng)
{
    for (;;) { /* accepts pi/4 of the points */
        double u = 2 * rng_uniform(rng) - 1, v = 2 * rng_uniform(rng) - 1;
        double square = u * u + v * v;

        if (square > 0 && square < 1)
            return u * sqrt(-2 * log(square) / square);
    }
}

void rand_bytes(void *bytes, size_t len)
{
    unsigned char *at = bytes;

    while (len > 0) {
        ssize_t got = getrandom(at, len, 0);

        if (got < 0)
            abort();
        at += got;
        len -= (size_t)got;
    }
}

void rand_hex(char *text, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char byte = 0;

    for (size_t i = 0; i < len; i++) {
        if (i % 2 == 0)
            rand_bytes(&byte, 1);
        text[i] = digits[i % 2 == 0 ? byte >> 4 : byte & 15];
    }
    text[len] = '\0';
}
