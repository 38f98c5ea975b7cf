/* Tokens that we issue: compact JWTs, signed with the active key. What workers ask of them is engine/jose and the
 * gate's.
 *
 *     header  {"alg": "ES256", "kid": ..., "typ": "JWT"}
 *     claims  {"iss": "btcf", "aud": "btcf", "sub": account, "sid": session, "scope": "read stream", "iat", "exp", "jti"}
 *
 * A ticket opens one event stream from a browser, which can send no header; it stands in the URL, so it lives for
 * TOKEN_TICKET_S only and serves for nothing else: its "aud" is "btcf:stream" (BTCF_AUDIENCE_STREAM, jose/claims.h).
 */
#ifndef ACCOUNTS_TOKEN_H
#define ACCOUNTS_TOKEN_H

#include "accounts/audit.h"
#include "accounts/session.h"
#include "accounts/signing_key.h"
#include "accounts/user.h"

#define TOKEN_LIFETIME_S INT64_C(900)
#define TOKEN_TICKET_S INT64_C(30)
#define TOKEN_TICKET_SCOPE "stream"
#define TOKEN_ID_LEN 32

struct token_spec {
    const char *issuer;
    const char *scopes;  /* with commas; NULL: all that the user may have, for a ticket "stream" */
    const char *session; /* public id; NULL: a new one */
    int64_t lifetime_s;  /* 1 to SIGNING_KEY_TOKEN_MAX_S; a ticket has its own */
    bool is_ticket;
};

struct token {
    char *text; /* the secret. Release it: it is wiped */
    const char *session, *scopes;
    int64_t issued_s, expires_s;
};

/* Issues a token to a locked user. It is dated after tokens_valid_after_s, which is at most a second from now, so
 * that it is good right after a logout. E_DENIED for an account that is not active and a scope that it cannot
 * have. */
int token_issue(const struct actor *actor, const struct user *user, const struct signing_key *key,
                const struct token_spec *spec, struct token *token) BTCF_MUST_CHECK;
void token_release(struct token *token);

#endif
