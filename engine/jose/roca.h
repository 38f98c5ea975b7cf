/* Was this RSA modulus made by the flawed generator of CVE-2017-15361 ("ROCA")?
 *
 * Its primes have the form k * M + (65537^a mod M), M the product of the first primes. So modulo each of those small
 * primes the modulus is a power of 65537, which an honest one is only by luck. Over the primes tested here, an honest
 * modulus is taken for a flawed one with a probability below 2^-27.
 */
#ifndef BTCF_JOSE_ROCA_H
#define BTCF_JOSE_ROCA_H

#include "core/base.h"

/* `modulus` is big-endian. */
bool btcf_roca_is_weak(const unsigned char *modulus, size_t len);

#endif
