/* Random numbers without a state: Philox4x32-10 (Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as
 * 1, 2, 3", SC'11). A block of four words is a keyed permutation of its counter, so the n-th draw of any stream is known
 * without the ones before it: a simulation can skip, split and repeat, and gives the same bytes everywhere.
 */
#ifndef MATH_PHILOX_H
#define MATH_PHILOX_H

#include "core/base.h"

/* The block of this counter under this key, as published. */
void philox_block(const uint32_t counter[4], const uint32_t key[2], uint32_t block[4]);

/* `count` words of the stream: blocks 0, 1, 2, ... of counter {n, substream, stream low, stream high} under the seed. What is
 * asked for is always the head of one and the same sequence. */
struct philox_stream {
    uint64_t seed, stream;
    uint32_t substream;
};
void philox_fill(const struct philox_stream *stream, uint32_t *words, size_t count);

#endif
