/* The parsers of engine/jose against jansson and OpenSSL: whatever we accept they accept, with the same values. The first
 * byte chooses: s scanner, c claims, h header, b base64url, k key set, t token.
 */
#include <assert.h>
#include <jansson.h>
#include <math.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "jose/base64url.h"
#include "jose/claims.h"
#include "jose/jwk.h"
#include "jose/jws.h"
#include "jose/scan.h"

#define INPUT_MAX 6000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Large, and made anew by each parse. */
static struct btcf_jws jws;

static void check_text(struct btcf_text ours, const json_t *theirs)
{
    assert(json_is_string(theirs));
    assert(json_string_length(theirs) == ours.len && memcmp(json_string_value(theirs), ours.ptr, ours.len) == 0);
}

static void check_number(const struct btcf_member *ours, const json_t *theirs)
{
    if (ours->kind == BTCF_JSON_INTEGER) {
        assert(json_is_integer(theirs) && json_integer_value(theirs) == ours->integer);
        return;
    }
    assert(json_is_real(theirs));
    double value = json_real_value(theirs);
    if (!ours->has_exponent) /* theirs is rounded, ours cut off */
        assert(fabs(value - (double)ours->integer) <= 1 + fabs(value) * 1e-15);
}

static void check_value(const struct btcf_member *ours, const json_t *theirs)
{
    assert(theirs != NULL);
    switch (ours->kind) {
    case BTCF_JSON_STRING:
        check_text(ours->text, theirs);
        break;
    case BTCF_JSON_INTEGER:
    case BTCF_JSON_REAL:
        check_number(ours, theirs);
        break;
    case BTCF_JSON_BOOL:
        assert(json_is_boolean(theirs) && json_is_true(theirs) == btcf_text_is(ours->text, "true"));
        break;
    case BTCF_JSON_NULL:
        assert(json_is_null(theirs));
        break;
    case BTCF_JSON_ARRAY:
        assert(json_is_array(theirs));
        break;
    case BTCF_JSON_OBJECT:
        assert(json_is_object(theirs));
        break;
    }
}

static json_t *load(const void *text, size_t len)
{
    return json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
}

static const json_t *find(const json_t *object, struct btcf_text name)
{
    return json_object_getn(object, name.ptr, name.len);
}

static void fuzz_scan(const uint8_t *data, size_t size)
{
    json_t *theirs = load(data, size);
    char *text = malloc(size + 1);
    struct btcf_scan scan;
    struct btcf_member member;
    size_t count = 0;

    memcpy(text, data, size);
    btcf_scan_init(&scan, text, size);
    while (btcf_scan_next(&scan, &member)) {
        if (theirs != NULL)
            check_value(&member, scan.closer == '}' ? find(theirs, member.name) : json_array_get(theirs, count));
        count++;
    }
    if (!scan.failed) {
        assert(theirs != NULL);
        assert(count == (scan.closer == '}' ? json_object_size(theirs) : json_array_size(theirs)));
    }
    free(text);
    json_decref(theirs);
}

static void check_claim(struct btcf_text ours, const json_t *object, const char *name)
{
    const json_t *theirs = json_object_get(object, name);

    if (ours.ptr != NULL)
        check_text(ours, theirs);
    else
        assert(theirs == NULL);
}

static void check_instant(bool has, int64_t instant_s, const json_t *object, const char *name)
{
    const json_t *theirs = json_object_get(object, name);

    assert(has == (theirs != NULL));
    assert(!has || fabs(json_number_value(theirs) - (double)instant_s) <= 1);
}

static void check_claims(const struct btcf_claims *claims, const json_t *theirs)
{
    const json_t *aud = json_object_get(theirs, "aud");

    check_claim(claims->iss, theirs, "iss");
    check_claim(claims->sub, theirs, "sub");
    check_claim(claims->sid, theirs, "sid");
    check_claim(claims->jti, theirs, "jti");
    check_claim(claims->scope, theirs, "scope");
    check_claim(claims->client_id, theirs, "client_id");
    check_instant(claims->has_exp, claims->exp_s, theirs, "exp");
    check_instant(claims->has_nbf, claims->nbf_s, theirs, "nbf");
    check_instant(claims->has_iat, claims->iat_s, theirs, "iat");
    if (json_is_string(aud)) {
        assert(claims->aud_count == 1);
        check_text(claims->aud[0], aud);
        return;
    }
    assert(claims->aud_count == json_array_size(aud));
    for (size_t i = 0; i < claims->aud_count; i++)
        check_text(claims->aud[i], json_array_get(aud, i));
}

static void fuzz_claims(const uint8_t *data, size_t size)
{
    struct btcf_claims claims;
    struct btcf_claims_policy policy = {.aud = "a", .leeway_s = 1000};

    memcpy(jws.payload, data, size);
    jws.payload_len = size;
    jws.has_typ = false;
    if (btcf_claims_parse(&claims, &jws) != BTCF_TOKEN_VALID)
        return;
    json_t *theirs = load(data, size);
    assert(json_is_object(theirs));
    check_claims(&claims, theirs);
    if (btcf_claims_check(&claims, &policy, 1000) == BTCF_TOKEN_VALID)
        assert(claims.has_exp && claims.exp_s > 1000 - BTCF_LEEWAY_MAX_S);
    (void)btcf_claims_has_scope(&claims, "a");
    json_decref(theirs);
}

/* OpenSSL's base64 made base64url; the length of the text. */
static size_t encode(const uint8_t *data, size_t size, char *text)
{
    size_t len = (size_t)EVP_EncodeBlock((unsigned char *)text, data, (int)size);

    while (len > 0 && text[len - 1] == '=')
        len--;
    for (size_t i = 0; i < len; i++)
        text[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
    return len;
}

static void fuzz_header(const uint8_t *data, size_t size)
{
    char token[INPUT_MAX * 2];
    size_t len = encode(data, size, token);

    token[len++] = '.';
    token[len++] = '.';
    if (btcf_jws_parse(&jws, token, len) != BTCF_TOKEN_VALID)
        return;
    json_t *theirs = load(data, size);
    assert(json_is_object(theirs));
    check_text(jws.alg, json_object_get(theirs, "alg"));
    assert(jws.has_kid == (json_object_get(theirs, "kid") != NULL));
    if (jws.has_kid)
        check_text(jws.kid, json_object_get(theirs, "kid"));
    assert(json_object_get(theirs, "crit") == NULL && json_object_get(theirs, "jwk") == NULL);
    json_decref(theirs);
}

static void fuzz_base64url(const uint8_t *data, size_t size)
{
    unsigned char bytes[INPUT_MAX];
    char text[INPUT_MAX * 2];
    size_t len;

    if (btcf_base64url_decode((const char *)data, size, bytes, sizeof bytes, &len)) {
        assert(len <= BTCF_BASE64URL_SIZE(size));
        assert(encode(bytes, len, text) == size && memcmp(text, data, size) == 0);
    }
    size_t text_len = encode(data, size, text);
    assert(btcf_base64url_decode(text, text_len, bytes, sizeof bytes, &len));
    assert(len == size && memcmp(bytes, data, size) == 0);
}

static void fuzz_keys(const uint8_t *data, size_t size)
{
    struct btcf_jwks *set;
    struct btcf_verifier verifier;

    if (btcf_jwks_parse((const char *)data, size, NULL, &set) != NULL)
        return;
    assert(set->count >= 1 && set->count <= BTCF_JWKS_KEYS_MAX);
    for (size_t i = 0; i < set->count; i++) {
        const struct btcf_jwk *key = &set->keys[i];

        assert(key->alg != NULL && (key->mac_key == NULL) != (key->public_key == NULL));
        assert((key->mac_key != NULL) == (key->alg->family == BTCF_HMAC));
        assert(!key->has_kid || btcf_jwks_find(set, key->kid, key->kid_len) == key);
    }
    assert(btcf_verifier_init(&verifier, set));
    btcf_verifier_release(&verifier);
    btcf_jwks_free(&set);
}

static void fuzz_token(const uint8_t *data, size_t size)
{
    static const char keys[] = "{\"kty\":\"oct\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}";
    struct btcf_jwks *set;
    struct btcf_verifier verifier;

    if (btcf_jws_parse(&jws, (const char *)data, size) != BTCF_TOKEN_VALID)
        return;
    const char *why = btcf_jwks_parse(keys, strlen(keys), NULL, &set);
    assert(why == NULL && btcf_verifier_init(&verifier, set));
    if (btcf_jws_verify(&jws, &verifier) == BTCF_TOKEN_VALID)
        assert(btcf_text_is(jws.alg, "HS256") && jws.signature_len == 32);
    btcf_verifier_release(&verifier);
    btcf_jwks_free(&set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct {
        char letter;
        void (*run)(const uint8_t *data, size_t size);
    } parsers[] = {{'s', fuzz_scan},      {'c', fuzz_claims}, {'h', fuzz_header},
                   {'b', fuzz_base64url}, {'k', fuzz_keys},   {'t', fuzz_token}};

    if (size == 0 || size > INPUT_MAX)
        return 0;
    for (size_t i = 0; i < BTCF_LENGTH(parsers); i++)
        if (data[0] == (uint8_t)parsers[i].letter)
            parsers[i].run(data + 1, size - 1);
    return 0;
}
