/* A session is what a person ends: every token belongs to one. It is known by 128 random bits, the `sid` of its
 * tokens. */
#ifndef ACCOUNTS_SESSION_H
#define ACCOUNTS_SESSION_H

#include "accounts/audit.h"
#include "accounts/user.h"

#define SESSION_ID_LEN 32

struct session {
    int64_t id;
    const char *public_id, *account; /* public ids */
    int64_t created_ms;
    int64_t token_until_s; /* when the last of its tokens expires */
    int64_t revoked_ms;    /* 0: it goes on */
};

/* A new one, whose first token expires at token_until_s. */
int session_open(const struct actor *actor, const struct user *user, int64_t token_until_s,
                 struct session *session) BTCF_MUST_CHECK;

/* One that goes on gets another token. E_INPUT when `public_id` is no id, E_MISSING when this account has no such
 * session, E_DENIED when it was revoked. */
int session_extend(const struct actor *actor, const struct user *user, const char *public_id, int64_t token_until_s,
                   struct session *session) BTCF_MUST_CHECK;

/* Every token of it is refused from now on. One that was revoked before stays as it is. */
int session_revoke(const struct actor *actor, const char *public_id, struct session *session) BTCF_MUST_CHECK;

#endif
