/* Thin cover over OpenSSL's EVP.
 *
 * EVP_MD_fetch walks the providers and costs more than hashing a kilobyte does, so the algorithm is fetched once per
 * process and kept: the one static here that is not constant, written once and never freed. Contexts are made per
 * call; hashing is nowhere on the path of a request.
 */
#include "crypto/digest.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

static const EVP_MD *sha256(void);
static int hex_value(char c);

struct digest digest_sha256(const void *bytes, size_t len)
{
    return digest_sha256_parts(&(struct digest_part){bytes, len}, 1);
}

struct digest digest_sha256_parts(const struct digest_part *parts, size_t count)
{
    struct digest digest;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert(ctx != NULL);
    int ok = EVP_DigestInit_ex(ctx, sha256(), NULL);
    for (size_t i = 0; i < count; i++)
        ok &= EVP_DigestUpdate(ctx, parts[i].bytes, parts[i].len);
    ok &= EVP_DigestFinal_ex(ctx, digest.bytes, NULL);
    EVP_MD_CTX_free(ctx);
    assert(ok == 1);
    return digest;
}

struct digest digest_hmac(struct digest_part key, const void *bytes, size_t len)
{
    struct digest digest;
    unsigned int size = 0;
    assert(key.len <= INT32_MAX);
    const void *key_bytes = key.len > 0 ? key.bytes : "";
    unsigned char *done = HMAC(sha256(), key_bytes, (int)key.len, bytes, len, digest.bytes, &size);
    assert(done != NULL);
    assert(size == DIGEST_SIZE);
    return digest;
}

bool digest_is_equal(const void *a, const void *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}

void digest_to_hex(const struct digest *digest, char hex[DIGEST_HEX_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < DIGEST_SIZE; i++) {
        hex[2 * i] = digits[digest->bytes[i] >> 4];
        hex[2 * i + 1] = digits[digest->bytes[i] & 15];
    }
    hex[2 * DIGEST_SIZE] = '\0';
}

int digest_parse_hex(struct str hex, struct digest *digest)
{
    if (hex.len != 2 * DIGEST_SIZE)
        return -1;
    for (size_t i = 0; i < DIGEST_SIZE; i++) {
        int high = hex_value(hex.ptr[2 * i]);
        int low = hex_value(hex.ptr[2 * i + 1]);
        if (high < 0 || low < 0)
            return -1;
        digest->bytes[i] = (unsigned char)(high << 4 | low);
    }
    return 0;
}

static const EVP_MD *sha256(void)
{
    static EVP_MD *fetched;
    if (fetched == NULL)
        fetched = EVP_MD_fetch(NULL, "SHA2-256", NULL);
    assert(fetched != NULL);
    return fetched;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}
