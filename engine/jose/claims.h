/* The claims of a token (RFC 7519): read from a payload, then judged. Who needs a claim to choose the keys (`iss`) may read
 * them before the signature is verified, and believes nothing of them until it is.
 *
 *     verdict = btcf_claims_parse(&claims, &jws);
 *     verdict = btcf_claims_check(&claims, &policy, now_s);
 *
 * Parsing is about shape and does not know the time, so a parsed token may be kept and judged again. Claims that we do not
 * know are checked as JSON and left alone, nested ones too.
 */
#ifndef BTCF_JOSE_CLAIMS_H
#define BTCF_JOSE_CLAIMS_H

#include "core/base.h"
#include "jose/jws.h"

#define BTCF_LEEWAY_MAX_S 60
#define BTCF_AUDIENCES_MAX 8
/* Whom our own tokens are for. Each names exactly one of these, and who takes one asks for exactly that, so that neither
 * kind ever serves for the other (RFC 8725 section 3.12). Part of the published format: they stay as they are. */
#define BTCF_AUDIENCE "btcf"               /* access tokens */
#define BTCF_AUDIENCE_STREAM "btcf:stream" /* tickets */
/* Instants are within the years 1970 to 9999, so that sums with them cannot overflow. */
#define BTCF_INSTANT_MAX_S INT64_C(253402300799)

/* Texts point into the jws; ptr is NULL when the claim is absent. */
struct btcf_claims {
    struct btcf_text typ; /* of the header */
    struct btcf_text iss, sub, jti;
    struct btcf_text sid; /* session */
    struct btcf_text scope, client_id;
    size_t aud_count;
    struct btcf_text aud[BTCF_AUDIENCES_MAX];
    bool has_exp, has_nbf, has_iat;
    int64_t exp_s, nbf_s, iat_s; /* seconds since 1970, fractions cut off */
};

/* What a caller asks of a token; zeroed asks for exp alone. Texts are NUL-terminated, NULL: not asked for. */
struct btcf_claims_policy {
    const char *iss; /* the whole of it */
    const char *aud; /* one of them */
    const char
        *typ; /* without regard to case or to "application/" before it. NULL: none, "JWT" or "at+jwt", so that a
                        token for a special use never serves as an access token */
    int64_t leeway_s; /* for clocks that differ; taken as at most BTCF_LEEWAY_MAX_S, and at least 0 */
};

/* BAD_CLAIMS or VALID. The payload is read in place, so this can be done once per btcf_jws_parse. */
enum btcf_verdict btcf_claims_parse(struct btcf_claims *claims, struct btcf_jws *jws) BTCF_MUST_CHECK;

/* WRONG_TYPE, WRONG_ISSUER, WRONG_AUDIENCE, NO_EXP, EXPIRED, NOT_YET, or VALID: in this order. Valid from nbf and
 * iat (both optional) on, and before exp. `now_s` is within the same years as the instants. */
enum btcf_verdict btcf_claims_check(const struct btcf_claims *claims, const struct btcf_claims_policy *policy,
                                    int64_t now_s) BTCF_MUST_CHECK;

/* Whether `scope` is one of the words of the scope claim, which has blanks between them (RFC 8693 section 4.2). */
bool btcf_claims_has_scope(const struct btcf_claims *claims, const char *scope);

#endif
