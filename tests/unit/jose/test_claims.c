/* Claims: their shapes, and each rule of btcf_claims_check at its boundary. */
#include "jose/claims.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "token.h"

#define NOW INT64_C(1700000000)

static struct btcf_jws jws;
static struct btcf_claims claims;

static enum btcf_verdict parse_under(const char *header, const char *payload)
{
    const char *token = token_hs256(header, payload, strlen(payload));

    assert_int_equal(btcf_jws_parse(&jws, token, strlen(token)), BTCF_TOKEN_VALID);
    return btcf_claims_parse(&claims, &jws);
}

static enum btcf_verdict parse(const char *payload)
{
    return parse_under("{\"alg\":\"HS256\"}", payload);
}

static enum btcf_verdict check(const char *payload, const struct btcf_claims_policy *policy)
{
    enum btcf_verdict verdict = parse(payload);

    return verdict == BTCF_TOKEN_VALID ? btcf_claims_check(&claims, policy, NOW) : verdict;
}

static void reads_the_claims_it_knows(void **state)
{
    (void)state;
    assert_int_equal(parse_under("{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}",
                                 "{\"iss\":\"https:\\/\\/a\",\"sub\":\"u1\",\"sid\":\"s1\",\"jti\":\"j1\",\"scope\":"
                                 "\"read write\",\"client_id\":\"c1\",\"aud\":[\"x\",\"y\"],\"exp\":3,\"nbf\":1.9,"
                                 "\"iat\":2,\"other\":{\"nested\":[1,{\"a\":null}]}}"),
                     BTCF_TOKEN_VALID);
    assert_true(btcf_text_is(claims.typ, "at+jwt"));
    assert_true(btcf_text_is(claims.iss, "https://a"));
    assert_true(btcf_text_is(claims.sub, "u1"));
    assert_true(btcf_text_is(claims.sid, "s1"));
    assert_true(btcf_text_is(claims.jti, "j1"));
    assert_true(btcf_text_is(claims.scope, "read write"));
    assert_true(btcf_text_is(claims.client_id, "c1"));
    assert_int_equal(claims.aud_count, 2);
    assert_true(btcf_text_is(claims.aud[0], "x") && btcf_text_is(claims.aud[1], "y"));
    assert_true(claims.has_exp && claims.has_nbf && claims.has_iat);
    assert_true(claims.exp_s == 3 && claims.nbf_s == 1 && claims.iat_s == 2);
}

static void absent_claims_are_absent(void **state)
{
    (void)state;
    assert_int_equal(parse("{}"), BTCF_TOKEN_VALID);
    assert_null(claims.iss.ptr);
    assert_null(claims.sub.ptr);
    assert_null(claims.typ.ptr);
    assert_int_equal(claims.aud_count, 0);
    assert_false(claims.has_exp || claims.has_nbf || claims.has_iat);
    assert_int_equal(parse("{\"sub\":\"\"}"), BTCF_TOKEN_VALID);
    assert_non_null(claims.sub.ptr);
    assert_int_equal(claims.sub.len, 0);
}

static void refuses_payloads_that_are_not_claims(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "Payload",
                                      "[]",
                                      "[{\"exp\":1}]",
                                      "null",
                                      "{\"exp\":1",
                                      "{\"exp\":1}{}",
                                      "{\"exp\":1,\"exp\":1}",
                                      "{\"exp\":1,\"x\":{\"a\":1,\"a\":1}}",
                                      "{\"exp\":1,\"e\\u0078p\":2}",
                                      "{\"sub\":\"\\u0000\"}",
                                      "{\"sub\":\"\xff\"}"};

    for (size_t i = 0; i < BTCF_LENGTH(bad); i++)
        if (parse(bad[i]) != BTCF_TOKEN_BAD_CLAIMS)
            fail_msg("accepted %s", bad[i]);
}

static void refuses_known_claims_of_another_kind(void **state)
{
    (void)state;
    static const char *const texts[] = {"iss", "sub", "sid", "jti", "scope", "client_id"};
    static const char *const instants[] = {"exp", "nbf", "iat"};
    static const char *const not_texts[] = {"1", "null", "true", "[]", "{}", "[\"a\"]"};
    static const char *const not_instants[] = {
        "\"1\"", "null", "true", "[]", "-1", "-0.5", "1e9", "1.5e1", "{}", "253402300800", "253402300800.5"};
    char payload[64];

    for (size_t i = 0; i < BTCF_LENGTH(texts); i++)
        for (size_t j = 0; j < BTCF_LENGTH(not_texts); j++) {
            snprintf(payload, sizeof payload, "{\"%s\":%s}", texts[i], not_texts[j]);
            assert_int_equal(parse(payload), BTCF_TOKEN_BAD_CLAIMS);
        }
    for (size_t i = 0; i < BTCF_LENGTH(instants); i++)
        for (size_t j = 0; j < BTCF_LENGTH(not_instants); j++) {
            snprintf(payload, sizeof payload, "{\"%s\":%s}", instants[i], not_instants[j]);
            assert_int_equal(parse(payload), BTCF_TOKEN_BAD_CLAIMS);
        }
    assert_int_equal(parse("{\"exp\":0,\"nbf\":253402300799}"), BTCF_TOKEN_VALID);
}

static void an_audience_is_a_text_or_up_to_8_texts(void **state)
{
    (void)state;
    assert_int_equal(parse("{\"aud\":\"x\"}"), BTCF_TOKEN_VALID);
    assert_int_equal(claims.aud_count, 1);
    assert_int_equal(parse("{\"aud\":[]}"), BTCF_TOKEN_VALID);
    assert_int_equal(claims.aud_count, 0);
    assert_int_equal(parse("{\"aud\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\"]}"), BTCF_TOKEN_VALID);
    assert_int_equal(claims.aud_count, BTCF_AUDIENCES_MAX);
    assert_int_equal(parse("{\"aud\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]}"),
                     BTCF_TOKEN_BAD_CLAIMS);
    assert_int_equal(parse("{\"aud\":[\"x\",1]}"), BTCF_TOKEN_BAD_CLAIMS);
    assert_int_equal(parse("{\"aud\":[[\"x\"]]}"), BTCF_TOKEN_BAD_CLAIMS);
    assert_int_equal(parse("{\"aud\":{\"x\":1}}"), BTCF_TOKEN_BAD_CLAIMS);
    assert_int_equal(parse("{\"aud\":null}"), BTCF_TOKEN_BAD_CLAIMS);
}

/* One instant, NOW + offset. */
static enum btcf_verdict check_instant(const char *name, int64_t offset, int64_t leeway_s)
{
    char payload[96];
    struct btcf_claims_policy policy = {.leeway_s = leeway_s};

    snprintf(payload, sizeof payload, "{\"%s\":%lld%s}", name, (long long)(NOW + offset),
             strcmp(name, "exp") == 0 ? "" : ",\"exp\":1900000000");
    return check(payload, &policy);
}

static void exp_is_required_and_is_the_first_second_that_is_too_late(void **state)
{
    (void)state;
    struct btcf_claims_policy policy = {.leeway_s = 0};

    assert_int_equal(check("{}", &policy), BTCF_TOKEN_NO_EXP);
    assert_int_equal(check_instant("exp", 1, 0), BTCF_TOKEN_VALID);
    assert_int_equal(check_instant("exp", 0, 0), BTCF_TOKEN_EXPIRED);
    assert_int_equal(check_instant("exp", -29, 30), BTCF_TOKEN_VALID);
    assert_int_equal(check_instant("exp", -30, 30), BTCF_TOKEN_EXPIRED);
}

static void nbf_and_iat_are_the_first_second_that_is_not_too_early(void **state)
{
    (void)state;
    static const char *const names[] = {"nbf", "iat"};

    for (size_t i = 0; i < BTCF_LENGTH(names); i++) {
        assert_int_equal(check_instant(names[i], 0, 0), BTCF_TOKEN_VALID);
        assert_int_equal(check_instant(names[i], 1, 0), BTCF_TOKEN_NOT_YET);
        assert_int_equal(check_instant(names[i], 30, 30), BTCF_TOKEN_VALID);
        assert_int_equal(check_instant(names[i], 31, 30), BTCF_TOKEN_NOT_YET);
    }
}

static void leeway_is_never_more_than_a_minute_nor_less_than_none(void **state)
{
    (void)state;
    assert_int_equal(check_instant("exp", -59, 60), BTCF_TOKEN_VALID);
    assert_int_equal(check_instant("exp", -59, 1000000), BTCF_TOKEN_VALID);
    assert_int_equal(check_instant("exp", -60, 1000000), BTCF_TOKEN_EXPIRED);
    assert_int_equal(check_instant("exp", -60, INT64_MAX), BTCF_TOKEN_EXPIRED);
    assert_int_equal(check_instant("nbf", 61, INT64_MAX), BTCF_TOKEN_NOT_YET);
    assert_int_equal(check_instant("exp", 1, INT64_MIN), BTCF_TOKEN_VALID);
    assert_int_equal(check_instant("exp", 0, INT64_MIN), BTCF_TOKEN_EXPIRED);
}

static void the_issuer_is_the_one_asked_for(void **state)
{
    (void)state;
    struct btcf_claims_policy policy = {.iss = "https://a"};

    assert_int_equal(check("{\"iss\":\"https://a\",\"exp\":1900000000}", &policy), BTCF_TOKEN_VALID);
    assert_int_equal(check("{\"iss\":\"https://a/\",\"exp\":1900000000}", &policy), BTCF_TOKEN_WRONG_ISSUER);
    assert_int_equal(check("{\"iss\":\"https://\",\"exp\":1900000000}", &policy), BTCF_TOKEN_WRONG_ISSUER);
    assert_int_equal(check("{\"exp\":1900000000}", &policy), BTCF_TOKEN_WRONG_ISSUER);
}

static void the_audience_asked_for_is_one_of_those_named(void **state)
{
    (void)state;
    struct btcf_claims_policy policy = {.aud = "me"};

    assert_int_equal(check("{\"aud\":\"me\",\"exp\":1900000000}", &policy), BTCF_TOKEN_VALID);
    assert_int_equal(check("{\"aud\":[\"you\",\"me\"],\"exp\":1900000000}", &policy), BTCF_TOKEN_VALID);
    assert_int_equal(check("{\"aud\":\"men\",\"exp\":1900000000}", &policy), BTCF_TOKEN_WRONG_AUDIENCE);
    assert_int_equal(check("{\"aud\":[\"you\"],\"exp\":1900000000}", &policy), BTCF_TOKEN_WRONG_AUDIENCE);
    assert_int_equal(check("{\"aud\":[],\"exp\":1900000000}", &policy), BTCF_TOKEN_WRONG_AUDIENCE);
    assert_int_equal(check("{\"exp\":1900000000}", &policy), BTCF_TOKEN_WRONG_AUDIENCE);
}

/* typ NULL: the header has none. */
static enum btcf_verdict check_type(const char *typ, const char *expected)
{
    char header[128];
    struct btcf_claims_policy policy = {.typ = expected};

    snprintf(header, sizeof header, "{\"alg\":\"HS256\"%s%s%s}", typ != NULL ? ",\"typ\":\"" : "",
             typ != NULL ? typ : "", typ != NULL ? "\"" : "");
    assert_int_equal(parse_under(header, "{\"exp\":1900000000}"), BTCF_TOKEN_VALID);
    return btcf_claims_check(&claims, &policy, NOW);
}

static void a_token_for_a_special_use_serves_for_nothing_else(void **state)
{
    (void)state;
    assert_int_equal(check_type(NULL, NULL), BTCF_TOKEN_VALID);
    assert_int_equal(check_type("JWT", NULL), BTCF_TOKEN_VALID);
    assert_int_equal(check_type("jwt", NULL), BTCF_TOKEN_VALID);
    assert_int_equal(check_type("application/at+jwt", NULL), BTCF_TOKEN_VALID);
    assert_int_equal(check_type("stream", NULL), BTCF_TOKEN_WRONG_TYPE);
    assert_int_equal(check_type("", NULL), BTCF_TOKEN_WRONG_TYPE);
    assert_int_equal(check_type("application/", NULL), BTCF_TOKEN_WRONG_TYPE);
    assert_int_equal(check_type("stream", "stream"), BTCF_TOKEN_VALID);
    assert_int_equal(check_type("streams", "stream"), BTCF_TOKEN_WRONG_TYPE);
    assert_int_equal(check_type("strea", "stream"), BTCF_TOKEN_WRONG_TYPE);
    assert_int_equal(check_type("JWT", "stream"), BTCF_TOKEN_WRONG_TYPE);
    assert_int_equal(check_type(NULL, "stream"), BTCF_TOKEN_WRONG_TYPE);
}

static bool has_scope(const char *scopes, const char *scope)
{
    char payload[64];

    snprintf(payload, sizeof payload, "{\"scope\":\"%s\"}", scopes);
    assert_int_equal(parse(payload), BTCF_TOKEN_VALID);
    return btcf_claims_has_scope(&claims, scope);
}

static void a_scope_is_a_whole_word(void **state)
{
    (void)state;
    assert_true(has_scope("read", "read"));
    assert_true(has_scope("a read  b", "read"));
    assert_true(has_scope("a read  b", "b"));
    assert_false(has_scope("reader", "read"));
    assert_false(has_scope("rea", "read"));
    assert_false(has_scope("", "read"));
    assert_false(has_scope("  ", ""));
    assert_int_equal(parse("{}"), BTCF_TOKEN_VALID);
    assert_false(btcf_claims_has_scope(&claims, "read"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_claims_it_knows),
        cmocka_unit_test(absent_claims_are_absent),
        cmocka_unit_test(refuses_payloads_that_are_not_claims),
        cmocka_unit_test(refuses_known_claims_of_another_kind),
        cmocka_unit_test(an_audience_is_a_text_or_up_to_8_texts),
        cmocka_unit_test(exp_is_required_and_is_the_first_second_that_is_too_late),
        cmocka_unit_test(nbf_and_iat_are_the_first_second_that_is_not_too_early),
        cmocka_unit_test(leeway_is_never_more_than_a_minute_nor_less_than_none),
        cmocka_unit_test(the_issuer_is_the_one_asked_for),
        cmocka_unit_test(the_audience_asked_for_is_one_of_those_named),
        cmocka_unit_test(a_token_for_a_special_use_serves_for_nothing_else),
        cmocka_unit_test(a_scope_is_a_whole_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
