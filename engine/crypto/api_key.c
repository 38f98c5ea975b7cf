/* Three small things: base62, the CRC-32 that typing errors fail, and SHA-256.
 *
 * A key is parsed for every request that carries one, so each part is done the quick way. The CRC takes eight bytes a
 * step ("slicing by 8": Kounavis and Berry, "A systematic approach to building high performance software-based CRC
 * generators", 2005), since x86 has an instruction for CRC-32C only, and scanners for leaked keys know CRC-32. Its
 * tables are written by the compiler: a CRC is linear, so an entry is the exclusive or of the entries of its bits,
 * and only those eight are given for each table. SHA-256 is OpenSSL's low-level one, for the reasons in jose/hash.c.
 *
 * The characters are not judged one by one: each is looked up, and what is not base62 leaves a bit behind that is
 * seen once, at the end. That is quicker than leaving early, and the time says nothing of where a wrong one was.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto/api_key.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <string.h>

#define CHECKED_LEN (BTCF_API_KEY_LEN - BTCF_API_KEY_CHECK_LEN)
#define BASE 62
#define NO 0xff

/* 248 is the largest multiple of 62 that a byte can count to. A byte from there on is drawn again: with its remainder
 * the first digits would be likelier than the last. */
#define BYTES_BELOW (4 * BASE)

static const char digit_of[BASE + 1] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* By byte; above 63 for what is not a digit. */
static const unsigned char value_of[256] = {
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, 0,  1,  2,  3,
    4,  5,  6,  7,  8,  9,  NO, NO, NO, NO, NO, NO, NO, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22,
    23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, NO, NO, NO, NO, NO, NO, 36, 37, 38, 39, 40, 41, 42,
    43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
};

/* Entry n of table k: the register after byte n and k bytes of zero. The eight words are the entries 1, 2, 4 ...
 * 128. */
#define BIT(n, bit, word) ((n) >> (bit)&1 ? (word) : 0u)
#define XOR_OF(n, w0, w1, w2, w3, w4, w5, w6, w7)                                                                    \
    (BIT(n, 0, w0) ^ BIT(n, 1, w1) ^ BIT(n, 2, w2) ^ BIT(n, 3, w3) ^ BIT(n, 4, w4) ^ BIT(n, 5, w5) ^ BIT(n, 6, w6) ^ \
     BIT(n, 7, w7))
#define BEHIND_0(n)                                                                                                  \
    XOR_OF(n, 0x77073096, 0xee0e612c, 0x076dc419, 0x0edb8832, 0x1db71064, 0x3b6e20c8, 0x76dc4190, 0xedb88320)
#define BEHIND_1(n)                                                                                                  \
    XOR_OF(n, 0x191b3141, 0x32366282, 0x646cc504, 0xc8d98a08, 0x4ac21251, 0x958424a2, 0xf0794f05, 0x3b83984b)
#define BEHIND_2(n)                                                                                                  \
    XOR_OF(n, 0x01c26a37, 0x0384d46e, 0x0709a8dc, 0x0e1351b8, 0x1c26a370, 0x384d46e0, 0x709a8dc0, 0xe1351b80)
#define BEHIND_3(n)                                                                                                  \
    XOR_OF(n, 0xb8bc6765, 0xaa09c88b, 0x8f629757, 0xc5b428ef, 0x5019579f, 0xa032af3e, 0x9b14583d, 0xed59b63b)
#define BEHIND_4(n)                                                                                                  \
    XOR_OF(n, 0x3d6029b0, 0x7ac05360, 0xf580a6c0, 0x30704bc1, 0x60e09782, 0xc1c12f04, 0x58f35849, 0xb1e6b092)
#define BEHIND_5(n)                                                                                                  \
    XOR_OF(n, 0xcb5cd3a5, 0x4dc8a10b, 0x9b914216, 0xec53826d, 0x03d6029b, 0x07ac0536, 0x0f580a6c, 0x1eb014d8)
#define BEHIND_6(n)                                                                                                  \
    XOR_OF(n, 0xa6770bb4, 0x979f1129, 0xf44f2413, 0x33ef4e67, 0x67de9cce, 0xcfbd399c, 0x440b7579, 0x8816eaf2)
#define BEHIND_7(n)                                                                                                  \
    XOR_OF(n, 0xccaa009e, 0x4225077d, 0x844a0efa, 0xd3e51bb5, 0x7cbb312b, 0xf9766256, 0x299dc2ed, 0x533b85da)

#define FOUR(entry, n) entry(n), entry((n) + 1), entry((n) + 2), entry((n) + 3)
#define SIXTEEN(entry, n) FOUR(entry, n), FOUR(entry, (n) + 4), FOUR(entry, (n) + 8), FOUR(entry, (n) + 12)
#define SIXTY_FOUR(entry, n)                                                                                         \
    SIXTEEN(entry, n), SIXTEEN(entry, (n) + 16), SIXTEEN(entry, (n) + 32), SIXTEEN(entry, (n) + 48)
#define ALL(entry)                                                                                                   \
    {                                                                                                                \
        SIXTY_FOUR(entry, 0u), SIXTY_FOUR(entry, 64u), SIXTY_FOUR(entry, 128u), SIXTY_FOUR(entry, 192u)              \
    }

static const uint32_t crc_table[8][256] = {
    ALL(BEHIND_0), ALL(BEHIND_1), ALL(BEHIND_2), ALL(BEHIND_3),
    ALL(BEHIND_4), ALL(BEHIND_5), ALL(BEHIND_6), ALL(BEHIND_7),
};

static uint32_t crc32_ieee(const char *text, size_t len);
static uint64_t number_of(const char *digits, size_t len);
static bool is_base62(const char *text, size_t len);
static bool random_digits(char *text, size_t len);

bool btcf_api_key_parse(const char *text, size_t len, struct btcf_api_key *key)
{
    if (!btcf_api_key_check(text, len, key))
        return false;
    btcf_api_key_digest(text, key->digest);
    return true;
}

bool btcf_api_key_check(const char *text, size_t len, struct btcf_api_key *key)
{
    if (len != BTCF_API_KEY_LEN)
        return false;
    const char *id = text + BTCF_API_KEY_PREFIX_LEN;
    const char *secret = id + BTCF_API_KEY_ID_LEN + 1;
    const char *check = text + CHECKED_LEN;

    if (secret[-1] != '_')
        return false;
    key->is_test = memcmp(text, "btcf_test_", BTCF_API_KEY_PREFIX_LEN) == 0;
    if (!key->is_test && memcmp(text, "btcf_live_", BTCF_API_KEY_PREFIX_LEN) != 0)
        return false;
    if (!is_base62(id, BTCF_API_KEY_ID_LEN) || !is_base62(secret, BTCF_API_KEY_SECRET_LEN + BTCF_API_KEY_CHECK_LEN))
        return false;
    /* In 64 bits, because six digits count higher than a CRC: one checksum has one text. */
    if (number_of(check, BTCF_API_KEY_CHECK_LEN) != crc32_ieee(text, CHECKED_LEN))
        return false;
    key->id = id;
    return true;
}

void btcf_api_key_digest(const char *text, unsigned char digest[32])
{
    SHA256_CTX state;

    SHA256_Init(&state);
    SHA256_Update(&state, text, BTCF_API_KEY_LEN);
    SHA256_Final(digest, &state);
    OPENSSL_cleanse(&state, sizeof(state));
}

bool btcf_api_key_make(bool is_test, char text[BTCF_API_KEY_LEN + 1])
{
    char *id = text + BTCF_API_KEY_PREFIX_LEN;
    char *secret = id + BTCF_API_KEY_ID_LEN + 1;

    memcpy(text, is_test ? "btcf_test_" : "btcf_live_", BTCF_API_KEY_PREFIX_LEN);
    secret[-1] = '_';
    if (!random_digits(id, BTCF_API_KEY_ID_LEN) || !random_digits(secret, BTCF_API_KEY_SECRET_LEN))
        return false;
    uint32_t crc = crc32_ieee(text, CHECKED_LEN);
    for (char *digit = text + BTCF_API_KEY_LEN; digit > text + CHECKED_LEN; crc /= BASE)
        *--digit = digit_of[crc % BASE];
    text[BTCF_API_KEY_LEN] = '\0';
    return true;
}

/* The register begins and ends inverted, and takes the lowest bit first: on a machine of the other byte order the
 * words below would have to be swapped, which the loop over single bytes does not need. */
static uint32_t crc32_ieee(const char *text, size_t len)
{
    uint32_t crc = ~0u;

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    for (; len >= 8; len -= 8, text += 8) {
        uint32_t low, high;

        memcpy(&low, text, 4);
        memcpy(&high, text + 4, 4);
        low ^= crc;
        crc = crc_table[7][low & 255] ^ crc_table[6][low >> 8 & 255] ^ crc_table[5][low >> 16 & 255] ^
              crc_table[4][low >> 24] ^ crc_table[3][high & 255] ^ crc_table[2][high >> 8 & 255] ^
              crc_table[1][high >> 16 & 255] ^ crc_table[0][high >> 24];
    }
#endif
    for (; len > 0; len--, text++)
        crc = crc >> 8 ^ crc_table[0][(crc ^ (unsigned char)*text) & 255];
    return ~crc;
}

static uint64_t number_of(const char *digits, size_t len)
{
    uint64_t number = 0;

    for (size_t i = 0; i < len; i++)
        number = number * BASE + value_of[(unsigned char)digits[i]];
    return number;
}

static bool is_base62(const char *text, size_t len)
{
    unsigned seen = 0;

    for (size_t i = 0; i < len; i++)
        seen |= value_of[(unsigned char)text[i]];
    return seen <= 63;
}

static bool random_digits(char *text, size_t len)
{
    unsigned char bytes[64];
    size_t done = 0;
    bool ok = true;

    while (ok && done < len) {
        ok = RAND_priv_bytes(bytes, sizeof(bytes)) == 1;
        for (size_t i = 0; ok && i < sizeof(bytes) && done < len; i++)
            if (bytes[i] < BYTES_BELOW)
                text[done++] = digit_of[bytes[i] % BASE];
    }
    OPENSSL_cleanse(bytes, sizeof(bytes));
    return ok;
}
