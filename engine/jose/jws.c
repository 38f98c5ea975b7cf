/* From the token's text to its verdict. What costs least is checked first, and a length before what has the length. */
#include "jose/jws.h"

#include <string.h>

#include "jose/base64url.h"
#include "jose/mac_key.h"

static enum btcf_verdict read_header(struct btcf_jws *jws, size_t header_len);

/* The three parts of a token, by where its two dots are. */
struct parts {
    struct btcf_text header, payload, signature;
};

static bool split(const char *token, size_t len, struct parts *parts)
{
    const char *end = token + len;
    const char *first = memchr(token, '.', len);
    const char *second = first != NULL ? memchr(first + 1, '.', (size_t)(end - first - 1)) : NULL;

    if (second == NULL || memchr(second + 1, '.', (size_t)(end - second - 1)) != NULL)
        return false;
    parts->header = (struct btcf_text){token, (size_t)(first - token)};
    parts->payload = (struct btcf_text){first + 1, (size_t)(second - first - 1)};
    parts->signature = (struct btcf_text){second + 1, (size_t)(end - second - 1)};
    return true;
}

static bool decode(struct btcf_text part, void *bytes, size_t bytes_max, size_t *len)
{
    return btcf_base64url_decode(part.ptr, part.len, bytes, bytes_max, len);
}

enum btcf_verdict btcf_jws_parse(struct btcf_jws *jws, const char *token, size_t len)
{
    struct parts parts;
    size_t header_len;

    if (len > BTCF_TOKEN_MAX)
        return BTCF_TOKEN_TOO_LONG;
    if (!split(token, len, &parts))
        return BTCF_TOKEN_NOT_COMPACT;
    if (parts.header.len * 3 / 4 > BTCF_HEADER_MAX || parts.signature.len * 3 / 4 > BTCF_SIGNATURE_MAX)
        return BTCF_TOKEN_TOO_LONG;
    if (!decode(parts.header, jws->header, sizeof jws->header, &header_len) ||
        !decode(parts.payload, jws->payload, sizeof jws->payload, &jws->payload_len) ||
        !decode(parts.signature, jws->signature, sizeof jws->signature, &jws->signature_len))
        return BTCF_TOKEN_BAD_ENCODING;
    jws->signed_part = token;
    jws->signed_len = parts.header.len + 1 + parts.payload.len;
    return read_header(jws, header_len);
}

bool btcf_verifier_init(struct btcf_verifier *verifier, const struct btcf_jwks *set)
{
    memset(verifier, 0, sizeof *verifier);
    verifier->set = set;
    for (size_t i = 0; i < set->count; i++) {
        const struct btcf_public_key *key = set->keys[i].public_key;

        if (key != NULL && !btcf_public_verifier_init(&verifier->contexts[i], key)) {
            btcf_verifier_release(verifier);
            return false;
        }
    }
    return true;
}

void btcf_verifier_release(struct btcf_verifier *verifier)
{
    for (size_t i = 0; i < BTCF_JWKS_KEYS_MAX; i++)
        btcf_public_verifier_release(&verifier->contexts[i]);
    verifier->set = NULL;
}

enum btcf_verdict btcf_jws_verify(const struct btcf_jws *jws, struct btcf_verifier *verifier)
{
    const struct btcf_jwk *key = btcf_jwks_find(verifier->set, jws->has_kid ? jws->kid.ptr : NULL, jws->kid.len);
    bool is_genuine;

    if (key == NULL)
        return BTCF_TOKEN_UNKNOWN_KEY;
    if (!btcf_alg_is_named(key->alg, jws->alg.ptr, jws->alg.len))
        return BTCF_TOKEN_WRONG_ALG;
    if (key->mac_key != NULL)
        is_genuine =
            btcf_mac_key_verify(key->mac_key, jws->signed_part, jws->signed_len, jws->signature, jws->signature_len);
    else
        is_genuine = btcf_public_verifier_verify(&verifier->contexts[key - verifier->set->keys], jws->signed_part,
                                                 jws->signed_len, jws->signature, jws->signature_len);
    return is_genuine ? BTCF_TOKEN_VALID : BTCF_TOKEN_BAD_SIGNATURE;
}

static bool is_forbidden(struct btcf_text name)
{
    static const struct btcf_text names[] = {BTCF_TEXT("crit"), BTCF_TEXT("b64"), BTCF_TEXT("zip"), BTCF_TEXT("enc"),
                                             BTCF_TEXT("jwk"),  BTCF_TEXT("jku"), BTCF_TEXT("x5u"), BTCF_TEXT("x5c")};

    for (size_t i = 0; i < BTCF_LENGTH(names); i++)
        if (btcf_text_is_equal(name, names[i]))
            return true;
    return false;
}

static bool take_text(const struct btcf_member *member, const char *name, bool *is_there, struct btcf_text *text)
{
    if (!btcf_text_is(member->name, name))
        return true;
    *is_there = true;
    *text = member->text;
    return member->kind == BTCF_JSON_STRING;
}

static enum btcf_verdict read_header(struct btcf_jws *jws, size_t header_len)
{
    struct btcf_scan scan;
    struct btcf_member member;
    bool has_alg = false;

    jws->has_kid = jws->has_typ = false;
    jws->kid = jws->typ = (struct btcf_text){"", 0};
    btcf_scan_init(&scan, jws->header, header_len);
    if (scan.closer == ']')
        return BTCF_TOKEN_BAD_HEADER;
    while (btcf_scan_next(&scan, &member)) {
        if (is_forbidden(member.name))
            return BTCF_TOKEN_FORBIDDEN_HEADER;
        if (member.kind == BTCF_JSON_ARRAY || member.kind == BTCF_JSON_OBJECT)
            return BTCF_TOKEN_BAD_HEADER;
        if (!take_text(&member, "alg", &has_alg, &jws->alg) || !take_text(&member, "kid", &jws->has_kid, &jws->kid) ||
            !take_text(&member, "typ", &jws->has_typ, &jws->typ))
            return BTCF_TOKEN_BAD_HEADER;
    }
    return scan.failed || !has_alg ? BTCF_TOKEN_BAD_HEADER : BTCF_TOKEN_VALID;
}
