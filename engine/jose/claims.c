/* Known claims are rows of two tables; a new one is a field and a row. */
#include "jose/claims.h"

#include <string.h>

static const struct {
    struct btcf_text name;
    size_t offset;
} text_claims[] = {
    {BTCF_TEXT("iss"), offsetof(struct btcf_claims, iss)},
    {BTCF_TEXT("sub"), offsetof(struct btcf_claims, sub)},
    {BTCF_TEXT("jti"), offsetof(struct btcf_claims, jti)},
    {BTCF_TEXT("sid"), offsetof(struct btcf_claims, sid)},
    {BTCF_TEXT("scope"), offsetof(struct btcf_claims, scope)},
    {BTCF_TEXT("client_id"), offsetof(struct btcf_claims, client_id)},
};

static const struct {
    struct btcf_text name;
    size_t flag_offset, offset;
} instant_claims[] = {
    {BTCF_TEXT("exp"), offsetof(struct btcf_claims, has_exp), offsetof(struct btcf_claims, exp_s)},
    {BTCF_TEXT("nbf"), offsetof(struct btcf_claims, has_nbf), offsetof(struct btcf_claims, nbf_s)},
    {BTCF_TEXT("iat"), offsetof(struct btcf_claims, has_iat), offsetof(struct btcf_claims, iat_s)},
};

static bool take_claim(struct btcf_claims *claims, const struct btcf_member *member);
static bool is_type(struct btcf_text typ, const char *expected);

enum btcf_verdict btcf_claims_parse(struct btcf_claims *claims, struct btcf_jws *jws)
{
    struct btcf_scan scan;
    struct btcf_member member;

    *claims = (struct btcf_claims){.has_exp = false};
    if (jws->has_typ)
        claims->typ = jws->typ;
    btcf_scan_init(&scan, jws->payload, jws->payload_len);
    if (scan.closer == ']')
        return BTCF_TOKEN_BAD_CLAIMS;
    while (btcf_scan_next(&scan, &member))
        if (!take_claim(claims, &member))
            return BTCF_TOKEN_BAD_CLAIMS;
    return scan.failed ? BTCF_TOKEN_BAD_CLAIMS : BTCF_TOKEN_VALID;
}

static bool is_expected_type(const struct btcf_claims *claims, const char *expected)
{
    if (expected != NULL)
        return claims->typ.ptr != NULL && is_type(claims->typ, expected);
    return claims->typ.ptr == NULL || is_type(claims->typ, "JWT") || is_type(claims->typ, "at+jwt");
}

static bool is_for(const struct btcf_claims *claims, const char *audience)
{
    for (size_t i = 0; i < claims->aud_count; i++)
        if (btcf_text_is(claims->aud[i], audience))
            return true;
    return false;
}

enum btcf_verdict btcf_claims_check(const struct btcf_claims *claims, const struct btcf_claims_policy *policy,
                                    int64_t now_s)
{
    int64_t leeway_s = policy->leeway_s;

    if (leeway_s < 0)
        leeway_s = 0;
    if (leeway_s > BTCF_LEEWAY_MAX_S)
        leeway_s = BTCF_LEEWAY_MAX_S;
    if (!is_expected_type(claims, policy->typ))
        return BTCF_TOKEN_WRONG_TYPE;
    if (policy->iss != NULL && (claims->iss.ptr == NULL || !btcf_text_is(claims->iss, policy->iss)))
        return BTCF_TOKEN_WRONG_ISSUER;
    if (policy->aud != NULL && !is_for(claims, policy->aud))
        return BTCF_TOKEN_WRONG_AUDIENCE;
    if (!claims->has_exp)
        return BTCF_TOKEN_NO_EXP;
    if (now_s >= claims->exp_s + leeway_s)
        return BTCF_TOKEN_EXPIRED;
    if ((claims->has_nbf && now_s < claims->nbf_s - leeway_s) ||
        (claims->has_iat && now_s < claims->iat_s - leeway_s))
        return BTCF_TOKEN_NOT_YET;
    return BTCF_TOKEN_VALID;
}

bool btcf_claims_has_scope(const struct btcf_claims *claims, const char *scope)
{
    if (claims->scope.ptr == NULL)
        return false;
    for (const char *at = claims->scope.ptr, *end = at + claims->scope.len; at < end;) {
        const char *blank = memchr(at, ' ', (size_t)(end - at));
        const char *word_end = blank != NULL ? blank : end;

        if (word_end > at && btcf_text_is((struct btcf_text){at, (size_t)(word_end - at)}, scope))
            return true;
        at = word_end + 1;
    }
    return false;
}

/* One text, or an array of texts (RFC 7519 section 4.1.3). */
static bool take_audience(struct btcf_claims *claims, const struct btcf_member *member)
{
    struct btcf_scan scan;
    struct btcf_member element;

    if (member->kind == BTCF_JSON_STRING) {
        claims->aud[claims->aud_count++] = member->text;
        return true;
    }
    if (member->kind != BTCF_JSON_ARRAY)
        return false;
    btcf_scan_init(&scan, (char *)member->text.ptr, member->text.len);
    while (btcf_scan_next(&scan, &element)) {
        if (element.kind != BTCF_JSON_STRING || claims->aud_count == BTCF_AUDIENCES_MAX)
            return false;
        claims->aud[claims->aud_count++] = element.text;
    }
    return !scan.failed;
}

/* NumericDate: seconds, possibly with a fraction, which is cut off. */
static bool take_instant(const struct btcf_member *member, int64_t *instant_s)
{
    bool is_number = member->kind == BTCF_JSON_INTEGER || (member->kind == BTCF_JSON_REAL && !member->has_exponent);

    if (!is_number || member->integer < 0 || member->integer > BTCF_INSTANT_MAX_S || *member->text.ptr == '-')
        return false;
    *instant_s = member->integer;
    return true;
}

static bool take_claim(struct btcf_claims *claims, const struct btcf_member *member)
{
    char *base = (char *)claims;

    if (btcf_text_is(member->name, "aud"))
        return take_audience(claims, member);
    for (size_t i = 0; i < BTCF_LENGTH(text_claims); i++)
        if (btcf_text_is_equal(member->name, text_claims[i].name)) {
            *(struct btcf_text *)(void *)(base + text_claims[i].offset) = member->text;
            return member->kind == BTCF_JSON_STRING;
        }
    for (size_t i = 0; i < BTCF_LENGTH(instant_claims); i++)
        if (btcf_text_is_equal(member->name, instant_claims[i].name)) {
            *(bool *)(base + instant_claims[i].flag_offset) = true;
            return take_instant(member, (int64_t *)(void *)(base + instant_claims[i].offset));
        }
    return true;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static bool is_same_word(struct btcf_text text, const char *expected)
{
    for (size_t i = 0; i < text.len; i++)
        if (lower(text.ptr[i]) != lower(expected[i])) /* ends at the latest at the NUL, which no text has */
            return false;
    return expected[text.len] == '\0';
}

/* RFC 7515 section 4.1.9: a media type, from which "application/" may be left out. */
static bool is_type(struct btcf_text typ, const char *expected)
{
    static const char prefix[] = "application/";
    size_t prefix_len = sizeof prefix - 1;

    if (typ.len > prefix_len && is_same_word((struct btcf_text){typ.ptr, prefix_len}, prefix))
        typ = (struct btcf_text){typ.ptr + prefix_len, typ.len - prefix_len};
    return is_same_word(typ, expected);
}
