/* SHA-256, HMAC-SHA-256, comparison in constant time, and hex: OpenSSL behind five functions.
 *
 * OpenSSL refusing to hash (out of memory, a broken provider configuration) ends the process: nothing useful can be
 * done by a program that cannot hash, and the supervisor starts it again.
 */
#ifndef CRYPTO_DIGEST_H
#define CRYPTO_DIGEST_H

#include "core/base.h"
#include "core/str.h"

#define DIGEST_SIZE 32
#define DIGEST_HEX_SIZE (2 * DIGEST_SIZE + 1)

struct digest {
    unsigned char bytes[DIGEST_SIZE];
};

/* One part of a message that is hashed without being glued together first. */
struct digest_part {
    const void *bytes; /* may be NULL when len is 0 */
    size_t len;
};

/* FIPS 180-4. */
struct digest digest_sha256(const void *bytes, size_t len);
/* SHA-256 of the parts, one behind the other. */
struct digest digest_sha256_parts(const struct digest_part *parts, size_t count);

/* RFC 2104 with SHA-256. */
struct digest digest_hmac(struct digest_part key, const void *bytes, size_t len);

/* Equality in a time that depends on `len` only: for secrets. */
bool digest_is_equal(const void *a, const void *b, size_t len);

/* 64 lower-case digits and a NUL. */
void digest_to_hex(const struct digest *digest, char hex[DIGEST_HEX_SIZE]);
/* Exactly 64 hex digits of either case. 0, or -1 without an error frame. */
int digest_parse_hex(struct str hex, struct digest *digest) BTCF_MUST_CHECK;

#endif
