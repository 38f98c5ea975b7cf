/* SipHash-2-4, the keyed hash of what strangers choose: addresses and subjects. libc only; linked into nginx.
 *
 * A hash without a secret could be computed outside, and a table then be filled at one place. The hashes of pub (document
 * keys, digests, ids) need none: nobody outside chooses what is stored there.
 */
#ifndef BTCF_SHM_SIPHASH_H
#define BTCF_SHM_SIPHASH_H

#include "core/base.h"

/* SipHash-2-4 (Aumasson and Bernstein, 2012) of `len` bytes under a key of 128 bits given as two little-endian words.
 * The vectors of its paper hold. */
uint64_t btcf_siphash(uint64_t key0, uint64_t key1, const void *bytes, size_t len);

#endif
