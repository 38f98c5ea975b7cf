/* The fingerprint of Nemec et al., "The Return of Coppersmith's Attack" (CCS 2017), section 2.3, worked out from its
 * definition instead of from a table of masks. */
#include "jose/roca.h"

#define GENERATOR 65537u

/* Those small primes modulo which 65537 does not generate every residue, so that they tell something. */
static const unsigned primes[] = {11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157};

static unsigned remainder_of(const unsigned char *number, size_t len, unsigned prime)
{
    unsigned remainder = 0;

    for (size_t i = 0; i < len; i++)
        remainder = (remainder << 8 | number[i]) % prime;
    return remainder;
}

static bool is_power_of_generator(unsigned residue, unsigned prime)
{
    unsigned power = 1;

    for (unsigned i = 0; i < prime; i++) {
        if (power == residue)
            return true;
        power = power * (GENERATOR % prime) % prime;
    }
    return false;
}

bool btcf_roca_is_weak(const unsigned char *modulus, size_t len)
{
    for (size_t i = 0; i < BTCF_LENGTH(primes); i++)
        if (!is_power_of_generator(remainder_of(modulus, len, primes[i]), primes[i]))
            return false;
    return true;
}
