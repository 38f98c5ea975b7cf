/* The vectors of RFC 4648 section 10, and what our own reader makes of every length. */
#include "crypto/base64url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "core/rand.h"
#include "jose/base64url.h"

static void encodes_the_vectors_of_the_rfc(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *text;
    } vectors[] = {{"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
                   {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xef\xff", "--__"}};

    for (size_t i = 0; i < BTCF_LENGTH(vectors); i++) {
        char text[16];

        base64url_encode(vectors[i].bytes, strlen(vectors[i].bytes), text);
        assert_string_equal(text, vectors[i].text);
    }
}

static void writes_what_the_strict_reader_reads_at_every_length(void **state)
{
    (void)state;
    for (size_t len = 0; len <= 100; len++) {
        unsigned char bytes[100], again[100];
        char text[BASE64URL_LEN(100) + 1];
        size_t again_len;

        rand_bytes(bytes, len);
        base64url_encode(bytes, len, text);
        assert_int_equal(strlen(text), BASE64URL_LEN(len));
        assert_true(btcf_base64url_decode(text, strlen(text), again, sizeof(again), &again_len));
        assert_int_equal(again_len, len);
        assert_memory_equal(again, bytes, len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodes_the_vectors_of_the_rfc),
        cmocka_unit_test(writes_what_the_strict_reader_reads_at_every_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
