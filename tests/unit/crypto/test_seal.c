/* Sealing: what other software has sealed opens, and nothing does that was touched, moved, or sealed with another
 * key. */
#include "crypto/seal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "core/err.h"

#define PLAIN "attack at dawn"
#define CONTEXT "context:1"

/* Sealed with Python's cryptography: the key is 0, 1 .. 31, the nonce 100 .. 111. */
static const char made_elsewhere[] =
    "016465666768696a6b6c6d6e6f296faa071a8276ff4a423b89ad0bf6e2ef961afbfed8a808747be43739d3";

static struct seal_key counting_key(void)
{
    struct seal_key key;

    for (size_t i = 0; i < SEAL_KEY_SIZE; i++)
        key.bytes[i] = (unsigned char)i;
    return key;
}

static size_t from_hex(const char *hex, unsigned char *bytes)
{
    static const char digits[] = "0123456789abcdef";
    size_t len = strlen(hex) / 2;

    for (size_t i = 0; i < len; i++)
        bytes[i] =
            (unsigned char)((strchr(digits, hex[2 * i]) - digits) << 4 | (strchr(digits, hex[2 * i + 1]) - digits));
    return len;
}

static void opens_what_other_software_has_sealed(void **state)
{
    (void)state;
    unsigned char sealed[128];
    struct seal_key key = counting_key();
    size_t len = from_hex(made_elsewhere, sealed);
    char plain[sizeof(PLAIN)] = "";

    assert_int_equal(len, strlen(PLAIN) + SEAL_OVERHEAD);
    assert_int_equal(seal_open(&key, CONTEXT, sealed, len, plain), 0);
    assert_string_equal(plain, PLAIN);
}

static void opens_what_it_has_sealed_at_every_length(void **state)
{
    (void)state;
    struct seal_key key = counting_key();

    for (size_t len = 0; len < 70; len++) {
        unsigned char plain[70], sealed[70 + SEAL_OVERHEAD], again[70];

        memset(plain, (int)len, sizeof(plain));
        seal_close(&key, CONTEXT, plain, len, sealed);
        assert_int_equal(seal_open(&key, CONTEXT, sealed, len + SEAL_OVERHEAD, again), 0);
        assert_memory_equal(again, plain, len);
    }
}

static void never_writes_the_same_twice(void **state)
{
    (void)state;
    unsigned char first[sizeof(PLAIN) + SEAL_OVERHEAD], second[sizeof(PLAIN) + SEAL_OVERHEAD];
    struct seal_key key = counting_key();

    seal_close(&key, CONTEXT, PLAIN, sizeof(PLAIN), first);
    seal_close(&key, CONTEXT, PLAIN, sizeof(PLAIN), second);
    assert_memory_not_equal(first + 1, second + 1, SEAL_NONCE_SIZE);
    assert_memory_not_equal(first + 1 + SEAL_NONCE_SIZE, second + 1 + SEAL_NONCE_SIZE, sizeof(PLAIN));
}

/* Refused as corrupt, with nothing of the secret left in the room. */
static void assert_refused(const struct seal_key *key, const char *context, const unsigned char *sealed, size_t len)
{
    static const char nothing[64];
    char plain[64] = "";

    assert_int_equal(seal_open(key, context, sealed, len, plain), -1);
    assert_int_equal(err_kind(), E_CORRUPT);
    assert_memory_equal(plain, nothing, sizeof(plain));
}

static void refuses_any_bit_that_was_changed(void **state)
{
    (void)state;
    unsigned char sealed[sizeof(PLAIN) + SEAL_OVERHEAD];
    struct seal_key key = counting_key();

    seal_close(&key, CONTEXT, PLAIN, sizeof(PLAIN), sealed);
    for (size_t bit = 0; bit < 8 * sizeof(sealed); bit++) {
        sealed[bit / 8] ^= (unsigned char)(1 << bit % 8);
        assert_refused(&key, CONTEXT, sealed, sizeof(sealed));
        sealed[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
}

static void refuses_another_key_another_context_and_another_length(void **state)
{
    (void)state;
    unsigned char sealed[sizeof(PLAIN) + SEAL_OVERHEAD + 1] = {0};
    struct seal_key key = counting_key(), other = key;

    other.bytes[31] ^= 1;
    seal_close(&key, CONTEXT, PLAIN, sizeof(PLAIN), sealed);
    assert_refused(&other, CONTEXT, sealed, sizeof(sealed) - 1);
    assert_refused(&key, "context:2", sealed, sizeof(sealed) - 1);
    assert_refused(&key, "", sealed, sizeof(sealed) - 1);
    for (size_t len = 0; len <= sizeof(sealed); len++)
        if (len != sizeof(sealed) - 1)
            assert_refused(&key, CONTEXT, sealed, len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_what_other_software_has_sealed),
        cmocka_unit_test(opens_what_it_has_sealed_at_every_length),
        cmocka_unit_test(never_writes_the_same_twice),
        cmocka_unit_test(refuses_any_bit_that_was_changed),
        cmocka_unit_test(refuses_another_key_another_context_and_another_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
