/* API keys as text: what they look like, how typing errors show, how they are made. libcrypto only; linked into
 * nginx, which is why names begin with btcf_.
 *
 *     btcf_live_3kTMd09VhWq2_Zq8h...43 characters...Yw1s4Gh2k
 *     |         |            |                       |
 *     kind      id, 12       secret, 43              checksum, 6
 *
 * Base62 (digits, upper case, lower case: in this order). The id is public and names the key in lists and logs. The
 * secret is 43 random digits: 256 bits. The checksum is the CRC-32 (IEEE 802.3) of everything before it as a number
 * in base62, so that a typing error is refused before anything is looked up, and scanners for leaked secrets find
 * keys without false alarms. What is stored is the SHA-256 of the whole text: with 256 random bits nothing slower is
 * needed.
 */
#ifndef BTCF_CRYPTO_API_KEY_H
#define BTCF_CRYPTO_API_KEY_H

#include "core/base.h"

#define BTCF_API_KEY_PREFIX_LEN 10 /* "btcf_live_" or "btcf_test_" */
#define BTCF_API_KEY_ID_LEN 12
#define BTCF_API_KEY_SECRET_LEN 43
#define BTCF_API_KEY_CHECK_LEN 6
#define BTCF_API_KEY_LEN                                                                                             \
    (BTCF_API_KEY_PREFIX_LEN + BTCF_API_KEY_ID_LEN + 1 + BTCF_API_KEY_SECRET_LEN + BTCF_API_KEY_CHECK_LEN)

struct btcf_api_key {
    bool is_test;
    const char *id; /* BTCF_API_KEY_ID_LEN characters, into the text */
    unsigned char digest[32];
};

/* Form and checksum; then the digest. False, and nothing to be told apart, for any other text. */
bool btcf_api_key_parse(const char *text, size_t len, struct btcf_api_key *key) BTCF_MUST_CHECK;

/* The two halves of it, for who wants to fetch what the digest leads to while the checksum is computed: form and checksum
 * (sets all but the digest), and the digest of a text that is BTCF_API_KEY_LEN long. */
bool btcf_api_key_check(const char *text, size_t len, struct btcf_api_key *key) BTCF_MUST_CHECK;
void btcf_api_key_digest(const char *text, unsigned char digest[32]);

/* Makes a new key: BTCF_API_KEY_LEN characters and a NUL. False when the system has no random bytes. The caller wipes
 * the text (OPENSSL_cleanse) when it has been shown. */
bool btcf_api_key_make(bool is_test, char text[BTCF_API_KEY_LEN + 1]) BTCF_MUST_CHECK;

#endif
