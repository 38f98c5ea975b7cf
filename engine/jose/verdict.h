/* What came of a token: one word for every way in which it can be refused.
 *
 * The names are stable: logs, metrics, tests and scripts count on them. They say nothing that a client should not know
 * either, but which of them it is told is the caller's business.
 */
#ifndef BTCF_JOSE_VERDICT_H
#define BTCF_JOSE_VERDICT_H

/* VERDICT(name, stable text, sentence) */
#define BTCF_VERDICTS(VERDICT)                                                                                       \
    VERDICT(VALID, "valid", "the token is good")                                                                     \
    VERDICT(TOO_LONG, "too-long", "the token, its header or its signature is longer than we read")                   \
    VERDICT(NOT_COMPACT, "not-compact", "it is not three parts with a dot between them")                             \
    VERDICT(BAD_ENCODING, "bad-encoding", "a part is not strict base64url")                                          \
    VERDICT(BAD_HEADER, "bad-header", "the header is not a flat JSON object with a text as its alg")                 \
    VERDICT(FORBIDDEN_HEADER, "forbidden-header", "the header has a member that we refuse")                          \
    VERDICT(UNKNOWN_KEY, "unknown-key", "no key, or not exactly one, is the one it names")                           \
    VERDICT(WRONG_ALG, "wrong-alg", "it names another algorithm than its key has")                                   \
    VERDICT(BAD_SIGNATURE, "bad-signature", "the signature is not that of the key")                                  \
    VERDICT(BAD_CLAIMS, "bad-claims", "the payload is not claims, or one has the wrong shape")                       \
    VERDICT(NO_EXP, "no-exp", "it never expires")                                                                    \
    VERDICT(EXPIRED, "expired", "it has expired")                                                                    \
    VERDICT(NOT_YET, "not-yet", "it is not valid yet, or was issued in the future")                                  \
    VERDICT(WRONG_TYPE, "wrong-type", "it is a token for another use")                                               \
    VERDICT(WRONG_ISSUER, "wrong-issuer", "somebody else issued it")                                                 \
    VERDICT(WRONG_AUDIENCE, "wrong-audience", "it is meant for somebody else")

enum btcf_verdict {
#define VERDICT(name, text, sentence) BTCF_TOKEN_##name,
    BTCF_VERDICTS(VERDICT)
#undef VERDICT
        BTCF_TOKEN_VERDICT_COUNT,
};

/* "expired": the stable text; "it has expired": the sentence. */
const char *btcf_verdict_text(enum btcf_verdict verdict);
const char *btcf_verdict_sentence(enum btcf_verdict verdict);

#endif
