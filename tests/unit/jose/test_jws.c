/* Compact JWS: the examples of RFC 7515 and RFC 8037, every refusal of the form, and the choice of the key. */
#include "jose/jws.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "token.h"

#define RFC_PAYLOAD "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
#define OCT(kid) "{\"kty\":\"oct\",\"kid\":\"" kid "\",\"k\":\"" TOKEN_ZERO_SECRET_K "\"}"
#define ED_KEY "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"
#define ED_SIGNATURE "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"

static const struct {
    const char *key, *token;
} examples[] = {
    /* RFC 7515 A.1 */
    {"{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
     "\"}",
     "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." RFC_PAYLOAD ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"},
    /* A.2 */
    {"{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPC"
     "JrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexM"
     "dbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9"
     "iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\"}",
     "eyJhbGciOiJSUzI1NiJ9." RFC_PAYLOAD
     ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr"
     "7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi1"
     "2jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlU"
     "PQGe77Rw"},
    /* A.3 */
    {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_t"
     "ue659LNpXW6pCyStikYjKIWI5a0\"}",
     "eyJhbGciOiJFUzI1NiJ9." RFC_PAYLOAD
     ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"},
    /* A.4 */
    {"{\"kty\":\"EC\",\"crv\":\"P-521\",\"x\":\"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSf"
     "S9tsz4qUxcWceqwQGk\",\"y\":\"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3k"
     "yMj2\"}",
     "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34X"
     "O0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn"},
    /* RFC 8037 A.4 */
    {ED_KEY, "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc." ED_SIGNATURE},
};

static struct btcf_jws jws;

static enum btcf_verdict parse(const char *token)
{
    return btcf_jws_parse(&jws, token, strlen(token));
}

/* The verdict over a token, by keys made for this call. */
static enum btcf_verdict verify(const char *keys, const char *token)
{
    struct btcf_jwks *set;
    struct btcf_verifier verifier;
    enum btcf_verdict verdict = parse(token);

    assert_null(btcf_jwks_parse(keys, strlen(keys), NULL, &set));
    assert_true(btcf_verifier_init(&verifier, set));
    for (int again = 0; again < 2 && verdict == BTCF_TOKEN_VALID; again++)
        verdict = btcf_jws_verify(&jws, &verifier);
    btcf_verifier_release(&verifier);
    btcf_jwks_free(&set);
    return verdict;
}

/* The form of a token with this header. */
static enum btcf_verdict parse_header(const char *header)
{
    return parse(token_hs256(header, "x", 1));
}

static void verifies_the_examples_of_the_rfcs(void **state)
{
    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(examples); i++)
        assert_int_equal(verify(examples[i].key, examples[i].token), BTCF_TOKEN_VALID);
}

static void no_example_passes_with_the_key_of_another(void **state)
{
    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(examples); i++)
        for (size_t j = 0; j < BTCF_LENGTH(examples); j++)
            if (i != j)
                assert_int_equal(verify(examples[i].key, examples[j].token), BTCF_TOKEN_WRONG_ALG);
}

static void a_changed_character_anywhere_is_refused(void **state)
{
    (void)state;
    char token[1024];

    for (size_t i = 0; i < strlen(examples[0].token); i++) {
        snprintf(token, sizeof token, "%s", examples[0].token);
        token[i] = token[i] == 'B' ? 'C' : 'B';
        assert_int_not_equal(verify(examples[0].key, token), BTCF_TOKEN_VALID);
    }
}

static void ed25519_has_two_names(void **state)
{
    (void)state;
    /* The signature is over another header, so it fails only there. */
    char token[512], header[64];

    token_encode("{\"alg\":\"Ed25519\"}", 17, header);
    snprintf(token, sizeof token, "%s.eA.%s", header, ED_SIGNATURE);
    assert_int_equal(verify(ED_KEY, token), BTCF_TOKEN_BAD_SIGNATURE);
    token_encode("{\"alg\":\"Ed448\"}", 15, header);
    snprintf(token, sizeof token, "%s.eA.%s", header, ED_SIGNATURE);
    assert_int_equal(verify(ED_KEY, token), BTCF_TOKEN_WRONG_ALG);
}

static void gives_header_and_payload(void **state)
{
    (void)state;
    assert_int_equal(
        parse(token_hs256("{\"typ\":\"JWT\",\"kid\":\"a\\u0062\",\"alg\":\"HS256\",\"x\":1}", "\0\xff", 2)),
        BTCF_TOKEN_VALID);
    assert_true(jws.has_kid && btcf_text_is(jws.kid, "ab"));
    assert_true(jws.has_typ && btcf_text_is(jws.typ, "JWT"));
    assert_true(btcf_text_is(jws.alg, "HS256"));
    assert_int_equal(jws.payload_len, 2);
    assert_memory_equal(jws.payload, "\0\xff", 2);
    assert_int_equal(jws.signature_len, 32);
    assert_int_equal(parse(token_hs256("{\"alg\":\"HS256\"}", "", 0)), BTCF_TOKEN_VALID);
    assert_false(jws.has_kid || jws.has_typ);
    assert_int_equal(jws.payload_len, 0);
}

static void wants_exactly_three_parts(void **state)
{
    (void)state;
    static const char *const bad[] = {"",     ".", "a", "e30", "e30.e30", "e30.e30.e30.", "e30.e30.e30.e30",
                                      "....", "{}"};

    for (size_t i = 0; i < BTCF_LENGTH(bad); i++)
        assert_int_equal(parse(bad[i]), BTCF_TOKEN_NOT_COMPACT);
    assert_int_equal(parse(".."), BTCF_TOKEN_BAD_HEADER);
}

static void every_part_is_strict_base64url(void **state)
{
    (void)state;
    static const char *const bad[] = {"eyJhbGciOiJIUzI1NiJ9=.e30.AA", "eyJhbGciOiJIUzI1NiJ9.e31=.AA",
                                      "eyJhbGciOiJIUzI1NiJ9.e30.AB",  "eyJhbGciOiJIUzI1NiJ9.e30.A A",
                                      " eyJhbGciOiJIUzI1NiJ9.e30.AA", "eyJhbGciOiJIUzI1NiJ9.e30.AA\n"};

    for (size_t i = 0; i < BTCF_LENGTH(bad); i++)
        assert_int_equal(parse(bad[i]), BTCF_TOKEN_BAD_ENCODING);
    assert_int_equal(parse("eyJhbGciOiJIUzI1NiJ9.e30.AA"), BTCF_TOKEN_VALID);
}

static void refuses_headers_that_ask_for_more_or_bring_their_key(void **state)
{
    (void)state;
    static const char *const names[] = {"crit", "b64", "zip", "enc", "jwk", "jku", "x5u", "x5c"};
    static const char *const values[] = {"null", "true", "\"x\"", "[]", "[\"exp\"]", "{}"};
    char header[128];

    for (size_t i = 0; i < BTCF_LENGTH(names); i++)
        for (size_t j = 0; j < BTCF_LENGTH(values); j++) {
            snprintf(header, sizeof header, "{\"alg\":\"HS256\",\"%s\":%s}", names[i], values[j]);
            assert_int_equal(parse_header(header), BTCF_TOKEN_FORBIDDEN_HEADER);
        }
}

static void refuses_headers_that_are_not_flat_or_not_strict(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "{}",
        "[]",
        "[\"alg\",\"HS256\"]",
        "null",
        "{\"alg\":\"HS256\"",
        "{\"alg\":\"HS256\"}x",
        "{\"alg\":null}",
        "{\"alg\":256}",
        "{\"alg\":[\"HS256\"]}",
        "{\"Alg\":\"HS256\"}",
        "{\"alg\":\"HS256\",\"alg\":\"HS256\"}",
        "{\"alg\":\"HS256\",\"\\u0061lg\":\"none\"}",
        "{\"alg\":\"HS256\",\"kid\":7}",
        "{\"alg\":\"HS256\",\"typ\":null}",
        "{\"alg\":\"HS256\",\"x\":{}}",
        "{\"alg\":\"HS256\",\"x\":[]}",
        "{'alg':'HS256'}",
    };

    for (size_t i = 0; i < BTCF_LENGTH(bad); i++)
        if (parse_header(bad[i]) != BTCF_TOKEN_BAD_HEADER)
            fail_msg("accepted %s", bad[i]);
}

static void none_is_no_algorithm_in_any_spelling(void **state)
{
    (void)state;
    static const char *const names[] = {"none",   "None",  "NONE", "nOnE",   "",
                                        "HS256 ", "hs256", "HS",   "HS2567", "RS256"};
    char header[64];

    for (size_t i = 0; i < BTCF_LENGTH(names); i++) {
        snprintf(header, sizeof header, "{\"alg\":\"%s\",\"kid\":\"a\"}", names[i]);
        assert_int_equal(verify(OCT("a"), token_hs256(header, "x", 1)), BTCF_TOKEN_WRONG_ALG);
    }
    assert_int_equal(verify(OCT("a"), "eyJhbGciOiJIUzI1NiJ9.eA."), BTCF_TOKEN_BAD_SIGNATURE);
}

static void a_public_key_is_never_a_secret(void **state)
{
    (void)state;
    /* The token is MACed under HS256 and meant for whoever lets the header choose. */
    for (size_t i = 1; i < BTCF_LENGTH(examples); i++)
        assert_int_equal(verify(examples[i].key, token_hs256("{\"alg\":\"HS256\"}", "x", 1)), BTCF_TOKEN_WRONG_ALG);
}

static void kid_finds_its_key_or_the_token_is_refused(void **state)
{
    (void)state;
    static const char keys[] =
        "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"b\",\"k\":\"BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        "AAAA\"}," OCT("a") "]}";

    assert_int_equal(verify(keys, token_hs256("{\"alg\":\"HS256\",\"kid\":\"a\"}", "x", 1)), BTCF_TOKEN_VALID);
    assert_int_equal(verify(keys, token_hs256("{\"alg\":\"HS256\",\"kid\":\"b\"}", "x", 1)),
                     BTCF_TOKEN_BAD_SIGNATURE);
    assert_int_equal(verify(keys, token_hs256("{\"alg\":\"HS256\",\"kid\":\"c\"}", "x", 1)), BTCF_TOKEN_UNKNOWN_KEY);
    assert_int_equal(verify(keys, token_hs256("{\"alg\":\"HS256\",\"kid\":\"\"}", "x", 1)), BTCF_TOKEN_UNKNOWN_KEY);
    assert_int_equal(verify(keys, token_hs256("{\"alg\":\"HS256\"}", "x", 1)), BTCF_TOKEN_UNKNOWN_KEY);
    assert_int_equal(verify(OCT("a"), token_hs256("{\"alg\":\"HS256\"}", "x", 1)), BTCF_TOKEN_VALID);
}

/* A header of exactly `size` bytes. */
static enum btcf_verdict parse_header_of(size_t size)
{
    char header[BTCF_HEADER_MAX + 16];
    int fill = (int)(size - strlen("{\"alg\":\"HS256\",\"x\":\"\"}"));

    assert_int_equal(snprintf(header, sizeof header, "{\"alg\":\"HS256\",\"x\":\"%0*d\"}", fill, 0), size);
    return parse_header(header);
}

static void a_header_has_1024_bytes_and_no_more(void **state)
{
    (void)state;
    assert_int_equal(parse_header_of(BTCF_HEADER_MAX - 1), BTCF_TOKEN_VALID);
    assert_int_equal(parse_header_of(BTCF_HEADER_MAX), BTCF_TOKEN_VALID);
    assert_int_equal(parse_header_of(BTCF_HEADER_MAX + 1), BTCF_TOKEN_TOO_LONG);
    assert_int_equal(parse_header_of(BTCF_HEADER_MAX + 2), BTCF_TOKEN_TOO_LONG);
}

/* A token of exactly `size` bytes, whose signature has 32. */
static enum btcf_verdict parse_token_of(size_t size)
{
    static const char begin[] = "eyJhbGciOiJIUzI1NiJ9.";
    char token[BTCF_TOKEN_MAX + 8];

    memset(token, 'A', sizeof token);
    memcpy(token, begin, strlen(begin));
    token[size - 44] = '.';
    return btcf_jws_parse(&jws, token, size);
}

static void a_token_has_8192_bytes_and_no_more(void **state)
{
    (void)state;
    assert_int_equal(parse_token_of(BTCF_TOKEN_MAX - 1), BTCF_TOKEN_VALID);
    assert_int_equal(parse_token_of(BTCF_TOKEN_MAX), BTCF_TOKEN_VALID);
    assert_int_equal(parse_token_of(BTCF_TOKEN_MAX + 1), BTCF_TOKEN_TOO_LONG);
}

/* A signature of exactly `size` zeros. */
static enum btcf_verdict parse_signature_of(size_t size)
{
    static const unsigned char zeros[BTCF_SIGNATURE_MAX + 8];
    char token[4096] = "eyJhbGciOiJIUzI1NiJ9.eA.";

    token_encode(zeros, size, token + strlen(token));
    return parse(token);
}

static void a_signature_has_1024_bytes_and_no_more(void **state)
{
    (void)state;
    assert_int_equal(parse_signature_of(BTCF_SIGNATURE_MAX), BTCF_TOKEN_VALID);
    assert_int_equal(parse_signature_of(BTCF_SIGNATURE_MAX + 1), BTCF_TOKEN_TOO_LONG);
}

static void every_verdict_has_a_text_of_its_own(void **state)
{
    (void)state;
    for (int i = 0; i < BTCF_TOKEN_VERDICT_COUNT; i++) {
        assert_true(strlen(btcf_verdict_sentence(i)) > 0);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(btcf_verdict_text(i), btcf_verdict_text(j));
    }
    assert_string_equal(btcf_verdict_text(BTCF_TOKEN_VALID), "valid");
    assert_string_equal(btcf_verdict_text(BTCF_TOKEN_BAD_SIGNATURE), "bad-signature");
    assert_string_equal(btcf_verdict_text(BTCF_TOKEN_VERDICT_COUNT), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verifies_the_examples_of_the_rfcs),
        cmocka_unit_test(no_example_passes_with_the_key_of_another),
        cmocka_unit_test(a_changed_character_anywhere_is_refused),
        cmocka_unit_test(ed25519_has_two_names),
        cmocka_unit_test(gives_header_and_payload),
        cmocka_unit_test(wants_exactly_three_parts),
        cmocka_unit_test(every_part_is_strict_base64url),
        cmocka_unit_test(refuses_headers_that_ask_for_more_or_bring_their_key),
        cmocka_unit_test(refuses_headers_that_are_not_flat_or_not_strict),
        cmocka_unit_test(none_is_no_algorithm_in_any_spelling),
        cmocka_unit_test(a_public_key_is_never_a_secret),
        cmocka_unit_test(kid_finds_its_key_or_the_token_is_refused),
        cmocka_unit_test(a_header_has_1024_bytes_and_no_more),
        cmocka_unit_test(a_token_has_8192_bytes_and_no_more),
        cmocka_unit_test(a_signature_has_1024_bytes_and_no_more),
        cmocka_unit_test(every_verdict_has_a_text_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
