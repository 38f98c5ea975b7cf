/* Tokens as workers read them: every one is verified by engine/jose, with the key that is published for it. Sessions,
 * rules and a verification by other software are in tests/pg/test_accounts.py.
 *
 * The files are included to reach making keys and signing without a database.
 */
#include "accounts/signing_key.c"
#include "accounts/token.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "jose/claims.h"
#include "jose/jwk.h"
#include "jose/jws.h"

#define ACCOUNT "0123456789abcdef0123456789abcdef"
#define SESSION "fedcba9876543210fedcba9876543210"
#define NOW_S INT64_C(1800000000)

static const struct user user = {.public_id = ACCOUNT, .state = "active", .plan = "free", .role = "user"};
static struct signing_key key;
static struct actor actor = {.now_ms = NOW_S * 1000};
static struct btcf_jwks *keys;
static struct btcf_verifier verifier;
static struct btcf_jws jws;

static bool generate(char pem[SIGNING_KEY_PEM_SIZE], struct fresh_key *fresh)
{
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    bool ok = pkey != NULL && describe(pkey, fresh) && write_pem(pkey, pem);

    EVP_PKEY_free(pkey);
    return ok;
}

static int set_up(void **state)
{
    (void)state;
    struct fresh_key fresh;

    actor.arena = arena_create("test", (size_t)16 << 20);
    if (!generate(key.pem, &fresh))
        return -1;
    memcpy(key.id, fresh.id, sizeof(key.id));
    if (btcf_jwks_parse(fresh.jwk, strlen(fresh.jwk), NULL, &keys) != NULL)
        return -1;
    return btcf_verifier_init(&verifier, keys) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    btcf_verifier_release(&verifier);
    btcf_jwks_free(&keys);
    signing_key_release(&key);
    arena_free(&actor.arena);
    return 0;
}

static struct token issue(bool is_ticket, const char *issuer)
{
    struct token_spec spec = {.issuer = issuer, .is_ticket = is_ticket};
    struct token token = {
        .session = SESSION, .scopes = "read,stream", .issued_s = NOW_S, .expires_s = NOW_S + TOKEN_LIFETIME_S};

    assert_int_equal(sign(&actor, &user, &key, &spec, &token), 0);
    return token;
}

static enum btcf_verdict verify(const struct token *token)
{
    enum btcf_verdict verdict = btcf_jws_parse(&jws, token->text, strlen(token->text));

    return verdict == BTCF_TOKEN_VALID ? btcf_jws_verify(&jws, &verifier) : verdict;
}

static void assert_text(struct btcf_text text, const char *expected)
{
    assert_int_equal(text.len, strlen(expected));
    assert_memory_equal(text.ptr, expected, text.len);
}

static void the_published_key_is_for_es256_and_has_the_id(void **state)
{
    (void)state;
    assert_int_equal(keys->count, 1);
    assert_int_equal(keys->skipped_count, 0);
    assert_false(keys->has_private);
    assert_string_equal(keys->keys[0].alg->name, "ES256");
    assert_int_equal(keys->keys[0].kid_len, SIGNING_KEY_ID_LEN);
    assert_memory_equal(keys->keys[0].kid, key.id, SIGNING_KEY_ID_LEN);
}

static void workers_read_what_was_said(void **state)
{
    (void)state;
    struct token token = issue(false, "btcf");
    struct btcf_claims claims;

    assert_int_equal(verify(&token), BTCF_TOKEN_VALID);
    assert_text(jws.alg, "ES256");
    assert_text(jws.typ, "JWT");
    assert_text(jws.kid, key.id);
    assert_int_equal(btcf_claims_parse(&claims, &jws), BTCF_TOKEN_VALID);
    assert_text(claims.iss, "btcf");
    assert_int_equal(claims.aud_count, 1);
    assert_text(claims.aud[0], "btcf");
    assert_text(claims.sub, ACCOUNT);
    assert_text(claims.sid, SESSION);
    assert_text(claims.scope, "read stream");
    assert_int_equal(claims.jti.len, TOKEN_ID_LEN);
    assert_int_equal(claims.iat_s, NOW_S);
    assert_int_equal(claims.exp_s, NOW_S + TOKEN_LIFETIME_S);
    token_release(&token);
    assert_null(token.text);
}

/* r or s begins with a zero byte in one of 128 signatures, and ASN.1 then has it shorter: of 2,000, sixteen or
 * so. That there are none at all happens once in six million runs. */
static void every_signature_has_its_64_bytes_and_is_right(void **state)
{
    (void)state;
    size_t short_count = 0;

    for (int i = 0; i < 2000; i++) {
        struct token token = issue(false, "btcf");

        assert_int_equal(verify(&token), BTCF_TOKEN_VALID);
        assert_int_equal(jws.signature_len, 2 * COORDINATE_SIZE);
        short_count += jws.signature[0] == 0 || jws.signature[COORDINATE_SIZE] == 0;
        token_release(&token);
    }
    assert_true(short_count > 0);
}

static void another_key_does_not_sign_for_it(void **state)
{
    (void)state;
    struct signing_key mine = key;
    struct fresh_key fresh;

    assert_true(generate(key.pem, &fresh));
    struct token token = issue(false, "btcf");
    key = mine;
    assert_int_equal(verify(&token), BTCF_TOKEN_BAD_SIGNATURE);
    token_release(&token);
}

static void refuses_claims_that_do_not_fit(void **state)
{
    (void)state;
    char issuer[2000];
    struct token_spec spec = {.issuer = issuer};
    struct token token = {.session = SESSION, .scopes = "read"};

    memset(issuer, 'x', sizeof(issuer) - 1);
    issuer[sizeof(issuer) - 1] = '\0';
    assert_int_equal(sign(&actor, &user, &key, &spec, &token), -1);
    assert_int_equal(err_kind(), E_INPUT);
    token_release(&token);
}

static void a_key_that_is_none_is_an_error(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "x", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"};
    struct token_spec spec = {.issuer = "btcf"};

    for (size_t i = 0; i < BTCF_LENGTH(texts); i++) {
        struct signing_key other = {.id = "x"};
        struct token token = {.session = SESSION, .scopes = "read"};

        snprintf(other.pem, sizeof(other.pem), "%s", texts[i]);
        assert_int_equal(sign(&actor, &user, &other, &spec, &token), -1);
        assert_int_equal(err_kind(), E_STORE);
        assert_null(token.text);
    }
}

static void a_released_key_is_wiped(void **state)
{
    (void)state;
    static const struct signing_key wiped;
    struct signing_key copy = key;

    assert_non_null(strstr(copy.pem, "PRIVATE KEY"));
    signing_key_release(&copy);
    assert_memory_equal(&copy, &wiped, sizeof(copy));
}

static void tokens_and_tickets_are_told_apart(void **state)
{
    (void)state;
    struct btcf_claims claims;

    for (int is_ticket = 0; is_ticket < 2; is_ticket++) {
        struct token token = issue(is_ticket == 1, "https://btcf.example/\"quoted\"");
        struct btcf_claims_policy policy = {.iss = "https://btcf.example/\"quoted\"",
                                            .aud = is_ticket == 1 ? "btcf:stream" : "btcf"};

        assert_int_equal(verify(&token), BTCF_TOKEN_VALID);
        assert_int_equal(btcf_claims_parse(&claims, &jws), BTCF_TOKEN_VALID);
        assert_int_equal(btcf_claims_check(&claims, &policy, NOW_S), BTCF_TOKEN_VALID);
        assert_int_equal(btcf_claims_check(&claims, &policy, NOW_S + TOKEN_LIFETIME_S), BTCF_TOKEN_EXPIRED);
        policy.aud = is_ticket == 1 ? "btcf" : "btcf:stream";
        assert_int_equal(btcf_claims_check(&claims, &policy, NOW_S), BTCF_TOKEN_WRONG_AUDIENCE);
        token_release(&token);
    }
}

static void two_tokens_are_never_the_same(void **state)
{
    (void)state;
    struct token first = issue(false, "btcf"), second = issue(false, "btcf");

    assert_string_not_equal(first.text, second.text);
    assert_true(strcspn(first.text, ".") == strcspn(second.text, "."));
    token_release(&first);
    token_release(&second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_key_is_for_es256_and_has_the_id),
        cmocka_unit_test(workers_read_what_was_said),
        cmocka_unit_test(every_signature_has_its_64_bytes_and_is_right),
        cmocka_unit_test(another_key_does_not_sign_for_it),
        cmocka_unit_test(refuses_claims_that_do_not_fit),
        cmocka_unit_test(a_key_that_is_none_is_an_error),
        cmocka_unit_test(a_released_key_is_wiped),
        cmocka_unit_test(tokens_and_tickets_are_told_apart),
        cmocka_unit_test(two_tokens_are_never_the_same),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
