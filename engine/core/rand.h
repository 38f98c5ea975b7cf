/* Numbers by chance: a seeded generator for models and jitter, and the kernel's for identifiers.
 *
 * struct rng is xoshiro256++ (Blackman & Vigna, "Scrambled linear pseudorandom number generators", 2021), seeded
 * through splitmix64: the same seed gives the same sequence on every machine. It is never used for secrets.
 */
#ifndef CORE_RAND_H
#define CORE_RAND_H

#include "core/base.h"

struct rng {
    uint64_t s[4];
};

void rng_init(struct rng *rng, uint64_t seed);
uint64_t rng_next(struct rng *rng);
/* Uniform in [0, 1) with 53 bits. */
double rng_uniform(struct rng *rng);
/* Uniform in [0, bound), without bias (Lemire 2019); bound > 0. */
uint64_t rng_below(struct rng *rng, uint64_t bound);
/* Standard normal (polar method of Marsaglia & Bray 1964). */
double rng_normal(struct rng *rng);

/* Fills `bytes` from getrandom(2); ends the process if the kernel refuses, which it does not after boot. */
void rand_bytes(void *bytes, size_t len);
/* `len` hex digits and a NUL: text must have room for len + 1. */
void rand_hex(char *text, size_t len);

#endif
