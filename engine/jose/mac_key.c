/* HMAC over struct btcf_hash: H(secret ^ opad, H(secret ^ ipad, message)), both first blocks hashed once per key. */
#include "jose/mac_key.h"

#include <openssl/crypto.h>
#include <string.h>

#define INNER_PAD 0x36
#define OUTER_PAD 0x5c

static void begin(struct btcf_hash *hash, unsigned bits, const unsigned char *secret, size_t secret_len,
                  unsigned char pad);

const char *btcf_mac_key_init(struct btcf_mac_key *key, const struct btcf_alg *alg, const unsigned char *secret,
                              size_t secret_len)
{
    unsigned char digest[BTCF_HASH_SIZE_MAX];
    unsigned bits = alg->hash_bits;

    if (secret_len < btcf_hash_size(bits))
        return "the secret is shorter than the hash";
    if (secret_len > BTCF_MAC_SECRET_MAX)
        return "the secret is longer than 1024 bytes";
    if (secret_len > btcf_hash_block_size(bits)) {
        struct btcf_hash hash;

        btcf_hash_init(&hash, bits);
        btcf_hash_update(&hash, secret, secret_len);
        btcf_hash_final(&hash, digest);
        OPENSSL_cleanse(&hash, sizeof hash);
        secret = digest;
        secret_len = btcf_hash_size(bits);
    }
    key->alg = alg;
    begin(&key->inner, bits, secret, secret_len, INNER_PAD);
    begin(&key->outer, bits, secret, secret_len, OUTER_PAD);
    OPENSSL_cleanse(digest, sizeof digest);
    return NULL;
}

void btcf_mac_key_release(struct btcf_mac_key *key)
{
    OPENSSL_cleanse(key, sizeof *key);
}

bool btcf_mac_key_verify(const struct btcf_mac_key *key, const void *message, size_t len, const unsigned char *tag,
                         size_t tag_len)
{
    size_t size = btcf_hash_size(key->alg->hash_bits);
    unsigned char expected[BTCF_HASH_SIZE_MAX];
    struct btcf_hash hash = key->inner;

    if (tag_len != size)
        return false;
    btcf_hash_update(&hash, message, len);
    btcf_hash_final(&hash, expected);
    hash = key->outer;
    btcf_hash_update(&hash, expected, size);
    btcf_hash_final(&hash, expected);

    bool is_equal = CRYPTO_memcmp(expected, tag, size) == 0;
    /* What is left on the stack would be the right signature for a forged token. */
    OPENSSL_cleanse(expected, sizeof expected);
    return is_equal;
}

/* The state after the first block: the secret, filled up with zeros, in the pattern. */
static void begin(struct btcf_hash *hash, unsigned bits, const unsigned char *secret, size_t secret_len,
                  unsigned char pad)
{
    unsigned char block[BTCF_HASH_BLOCK_MAX];

    memset(block, pad, sizeof block);
    for (size_t i = 0; i < secret_len; i++)
        block[i] = (unsigned char)(block[i] ^ secret[i]);
    btcf_hash_init(hash, bits);
    btcf_hash_update(hash, block, btcf_hash_block_size(bits));
    OPENSSL_cleanse(block, sizeof block);
}
