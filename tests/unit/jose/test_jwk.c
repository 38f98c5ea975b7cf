/* Key files: each rule of jwk.h, and what a set makes of the keys of RFC 7515, RFC 7517 and RFC 8037. */
#include "jose/jwk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/stat.h>

#include "jose/mac_key.h"
#include "jose/public_key.h"
#include "scratch.h"

#define EC_X "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\""
#define EC_Y "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\""
#define EC_KEY "\"kty\":\"EC\",\"crv\":\"P-256\"," EC_X "," EC_Y
#define ED_KEY "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\""
#define RSA_N                                                                                                         \
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-"  \
    "pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2Cap" \
    "Hg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h" \
    "4FRWyuXpoQ"
#define RSA_KEY "\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"" RSA_N "\""
#define K32 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define OCT_KEY "\"kty\":\"oct\",\"k\":\"" K32 "\""

static struct btcf_jwks *set;

static int forget_set(void **state)
{
    (void)state;
    btcf_jwks_free(&set);
    return 0;
}

static const char *parse(const char *text)
{
    btcf_jwks_free(&set);
    return btcf_jwks_parse(text, strlen(text), NULL, &set);
}

static const char *parse_for(const char *text, const char *alg)
{
    btcf_jwks_free(&set);
    return btcf_jwks_parse(text, strlen(text), btcf_alg_find(alg, strlen(alg)), &set);
}

/* The algorithm of a single key, or "" when it is not usable. */
static const char *alg_of(const char *text)
{
    return parse(text) == NULL ? set->keys[0].alg->name : "";
}

static void a_key_without_alg_has_the_one_that_follows_from_its_kind(void **state)
{
    (void)state;
    assert_string_equal(alg_of("{" EC_KEY "}"), "ES256");
    assert_non_null(set->keys[0].public_key);
    assert_null(set->keys[0].mac_key);
    assert_string_equal(alg_of("{" ED_KEY "}"), "EdDSA");
    assert_string_equal(alg_of("{" RSA_KEY "}"), "RS256");
    assert_string_equal(alg_of("{" OCT_KEY "}"), "HS256");
    assert_non_null(set->keys[0].mac_key);
    assert_null(set->keys[0].public_key);
}

static void a_key_with_alg_has_that_one(void **state)
{
    (void)state;
    assert_string_equal(alg_of("{" RSA_KEY ",\"alg\":\"PS512\"}"), "PS512");
    assert_string_equal(alg_of("{" ED_KEY ",\"alg\":\"Ed25519\"}"), "EdDSA");
    assert_string_equal(alg_of("{" ED_KEY ",\"alg\":\"EdDSA\"}"), "EdDSA");
    assert_string_equal(alg_of("{" OCT_KEY ",\"alg\":\"HS256\"}"), "HS256");
    assert_string_equal(alg_of("{" OCT_KEY ",\"alg\":\"HS384\"}"), ""); /* too short for it */
}

static void an_alg_that_does_not_fit_the_key_makes_it_unusable(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{" EC_KEY ",\"alg\":\"ES384\"}",     "{" EC_KEY ",\"alg\":\"ES521\"}",  "{" EC_KEY ",\"alg\":\"RS256\"}",
        "{" EC_KEY ",\"alg\":\"HS256\"}",     "{" EC_KEY ",\"alg\":\"EdDSA\"}",  "{" ED_KEY ",\"alg\":\"ES256\"}",
        "{" RSA_KEY ",\"alg\":\"HS256\"}",    "{" RSA_KEY ",\"alg\":\"ES256\"}", "{" OCT_KEY ",\"alg\":\"RS256\"}",
        "{" OCT_KEY ",\"alg\":\"A256GCM\"}",  "{" OCT_KEY ",\"alg\":\"none\"}",  "{" OCT_KEY ",\"alg\":\"\"}",
        "{" OCT_KEY ",\"alg\":null}",         "{" OCT_KEY ",\"alg\":7}",         "{" OCT_KEY ",\"alg\":\"hs256\"}",
        "{" RSA_KEY ",\"alg\":\"RSA-OAEP\"}",
    };

    for (size_t i = 0; i < BTCF_LENGTH(bad); i++)
        if (parse(bad[i]) == NULL)
            fail_msg("accepted %s", bad[i]);
}

static void the_callers_algorithm_holds_within_kind_and_family(void **state)
{
    (void)state;
    assert_null(parse_for("{" RSA_KEY "}", "PS384"));
    assert_string_equal(set->keys[0].alg->name, "PS384");
    assert_null(parse_for("{" RSA_KEY ",\"alg\":\"PS256\"}", "PS384"));
    assert_string_equal(set->keys[0].alg->name, "PS384");
    assert_non_null(parse_for("{" RSA_KEY ",\"alg\":\"RS256\"}", "PS256"));
    assert_non_null(parse_for("{" RSA_KEY "}", "HS256"));
    assert_non_null(parse_for("{" EC_KEY "}", "ES384"));
    assert_non_null(parse_for("{" EC_KEY "}", "EdDSA"));
    assert_non_null(parse_for("{" OCT_KEY "}", "HS512"));
    assert_non_null(parse_for("{" OCT_KEY ",\"alg\":\"A256GCM\"}", "HS256"));
    assert_null(parse_for("{\"keys\":[{" EC_KEY "},{" RSA_KEY "}]}", "RS512"));
    assert_int_equal(set->count, 1);
    assert_int_equal(set->skipped_count, 1);
}

static void kid_selects_exactly_one_key(void **state)
{
    (void)state;
    assert_null(parse("{\"keys\":[{" EC_KEY ",\"kid\":\"a\"},{" ED_KEY ",\"kid\":\"ab\"},{" RSA_KEY "}]}"));
    assert_ptr_equal(btcf_jwks_find(set, "a", 1), &set->keys[0]);
    assert_ptr_equal(btcf_jwks_find(set, "ab", 2), &set->keys[1]);
    assert_null(btcf_jwks_find(set, "abc", 3));
    assert_null(btcf_jwks_find(set, "", 0));
    assert_null(btcf_jwks_find(set, NULL, 0));
    assert_null(parse("{" EC_KEY ",\"kid\":\"a\"}"));
    assert_ptr_equal(btcf_jwks_find(set, NULL, 0), &set->keys[0]);
    assert_null(btcf_jwks_find(set, "b", 1));
}

static void leaves_out_keys_that_are_not_for_us_and_says_why(void **state)
{
    (void)state;
    static const char *const others[] = {
        "{" EC_KEY ",\"use\":\"enc\"}",
        "{" EC_KEY ",\"use\":null}",
        "{" EC_KEY ",\"key_ops\":[\"sign\"]}",
        "{" EC_KEY ",\"key_ops\":[]}",
        "{" EC_KEY ",\"key_ops\":\"verify\"}",
        "{\"kty\":\"EC\",\"crv\":\"secp256k1\"," EC_X "," EC_Y "}",
        "{\"kty\":\"EC\",\"crv\":\"P-384\"," EC_X "," EC_Y "}",
        "{\"kty\":\"EC\",\"crv\":\"P-256\"," EC_X ",\"y\":\"" K32 "\"}",
        "{\"kty\":\"EC\",\"crv\":\"P-256\"," EC_X "}",
        "{\"kty\":\"EC\",\"crv\":\"Ed25519\"," EC_X "," EC_Y "}",
        "{\"kty\":\"OKP\",\"crv\":\"P-256\"," EC_X "," EC_Y "}",
        "{\"kty\":\"OKP\",\"crv\":\"X25519\"," EC_X "}",
        "{\"kty\":\"new\"}",
        "{\"kty\":7}",
        "{}",
        "7",
        "{\"kty\":\"RSA\",\"e\":\"AQ\",\"n\":\"" RSA_N "\"}",
        "{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"" K32 "\"}",
        "{\"kty\":\"RSA\",\"e\":\"AQAB\"}",
        "{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"" RSA_N "=\"}",
        "{" EC_KEY ",\"kid\":7}",
    };
    char text[2048];

    for (size_t i = 0; i < BTCF_LENGTH(others); i++) {
        snprintf(text, sizeof text, "{\"keys\":[%s,{" ED_KEY ",\"use\":\"sig\",\"key_ops\":[\"sign\",\"verify\"]}]}",
                 others[i]);
        const char *why = parse(text);
        if (why != NULL)
            fail_msg("%s: %s", others[i], why);
        if (set->count != 1 || set->skipped_count != 1 || set->first_skipped == NULL)
            fail_msg("took %s", others[i]);
        assert_string_equal(set->keys[0].alg->name, "EdDSA");
    }
}

static void secrets_are_as_long_as_their_hash(void **state)
{
    (void)state;
    assert_non_null(parse("{\"kty\":\"oct\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}")); /* 31 */
    assert_null(parse("{\"kty\":\"oct\",\"k\":\"" K32 "\"}"));
    assert_non_null(parse("{\"kty\":\"oct\",\"k\":\"\"}"));
    assert_non_null(parse("{\"kty\":\"oct\"}"));
    assert_non_null(parse("{\"kty\":\"oct\",\"k\":\"" K32 "=\"}"));
}

static void refuses_sets_that_contradict_themselves(void **state)
{
    (void)state;
    assert_non_null(parse("{\"keys\":[{" EC_KEY ",\"kid\":\"a\"},{" ED_KEY ",\"kid\":\"a\"}]}"));
    assert_non_null(parse("{\"keys\":[{" EC_KEY "},{" OCT_KEY "}]}"));
    assert_non_null(parse("{\"keys\":[{" OCT_KEY ",\"kid\":\"a\"},{" RSA_KEY ",\"kid\":\"b\"}]}"));
    assert_null(parse("{\"keys\":[{" EC_KEY ",\"kid\":\"a\"},{" ED_KEY ",\"kid\":\"a\",\"use\":\"enc\"}]}"));
}

static void refuses_what_is_not_a_key_set(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "null",
        "{\"keys\":{}}",
        "{\"keys\":[]}",
        "{\"keys\":[{}]}",
        "{\"keys\":[{" EC_KEY "}]",
        "{\"keys\":[{" EC_KEY "}],\"keys\":[{" ED_KEY "}]}",
        "{" EC_KEY ",\"kty\":\"EC\"}",
        "{\"keys\":[{" EC_KEY "}]}x",
    };

    for (size_t i = 0; i < BTCF_LENGTH(bad); i++)
        if (parse(bad[i]) == NULL)
            fail_msg("accepted %s", bad[i]);
}

/* A set of `count` Ed25519 keys. */
static const char *parse_many(int count)
{
    static char text[64 * 1024];
    size_t len = (size_t)snprintf(text, sizeof text, "{\"keys\":[");

    for (int i = 0; i < count; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s{" ED_KEY ",\"kid\":\"%d\"}", i > 0 ? "," : "", i);
    snprintf(text + len, sizeof text - len, "]}");
    return parse(text);
}

static void holds_64_keys_and_no_more(void **state)
{
    (void)state;
    assert_null(parse_many(BTCF_JWKS_KEYS_MAX));
    assert_int_equal(set->count, BTCF_JWKS_KEYS_MAX);
    assert_ptr_equal(btcf_jwks_find(set, "63", 2), &set->keys[63]);
    assert_non_null(parse_many(BTCF_JWKS_KEYS_MAX + 1));
}

static void a_kid_has_128_bytes_and_no_more(void **state)
{
    (void)state;
    char kid[BTCF_KID_MAX + 2], text[512];

    memset(kid, 'k', sizeof kid);
    kid[BTCF_KID_MAX] = '\0';
    snprintf(text, sizeof text, "{" ED_KEY ",\"kid\":\"%s\"}", kid);
    assert_null(parse(text));
    assert_non_null(btcf_jwks_find(set, kid, BTCF_KID_MAX));
    kid[BTCF_KID_MAX] = 'k';
    kid[BTCF_KID_MAX + 1] = '\0';
    snprintf(text, sizeof text, "{" ED_KEY ",\"kid\":\"%s\"}", kid);
    assert_non_null(parse(text));
}

static void says_when_a_file_has_private_parts(void **state)
{
    (void)state;
    assert_null(parse("{" ED_KEY "}"));
    assert_false(set->has_private);
    assert_null(parse("{\"keys\":[{" ED_KEY ",\"d\":\"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A\"}]}"));
    assert_true(set->has_private);
}

static const char *load(const char *path)
{
    btcf_jwks_free(&set);
    return btcf_jwks_load(path, NULL, &set);
}

static void write_file(const char *path, const char *text, size_t spaces)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    for (size_t i = 0; i < spaces; i++)
        fputc(' ', file);
    assert_int_equal(fclose(file), 0);
}

static void loads_files_up_to_the_limit_and_only_regular_ones(void **state)
{
    (void)state;
    static const char text[] = "{" ED_KEY "}";
    char directory[SCRATCH_SIZE], path[SCRATCH_SIZE + 16];

    scratch_create(directory);
    snprintf(path, sizeof path, "%s/keys", directory);
    assert_non_null(load(path));
    write_file(path, text, 0);
    assert_null(load(path));
    write_file(path, text, BTCF_JWKS_FILE_MAX - strlen(text));
    assert_null(load(path));
    write_file(path, text, BTCF_JWKS_FILE_MAX - strlen(text) + 1);
    assert_non_null(load(path));
    assert_non_null(load(directory));
    assert_int_equal(remove(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_non_null(load(path));
    scratch_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_without_alg_has_the_one_that_follows_from_its_kind),
        cmocka_unit_test(a_key_with_alg_has_that_one),
        cmocka_unit_test(an_alg_that_does_not_fit_the_key_makes_it_unusable),
        cmocka_unit_test(the_callers_algorithm_holds_within_kind_and_family),
        cmocka_unit_test(kid_selects_exactly_one_key),
        cmocka_unit_test(leaves_out_keys_that_are_not_for_us_and_says_why),
        cmocka_unit_test(secrets_are_as_long_as_their_hash),
        cmocka_unit_test(refuses_sets_that_contradict_themselves),
        cmocka_unit_test(refuses_what_is_not_a_key_set),
        cmocka_unit_test(holds_64_keys_and_no_more),
        cmocka_unit_test(a_kid_has_128_bytes_and_no_more),
        cmocka_unit_test(says_when_a_file_has_private_parts),
        cmocka_unit_test(loads_files_up_to_the_limit_and_only_regular_ones),
    };
    return cmocka_run_group_tests(tests, NULL, forget_set);
}
