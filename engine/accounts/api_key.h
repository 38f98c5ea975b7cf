/* API keys as rows: made, listed, ended, replaced. What a key looks like is crypto/api_key.h; what is kept is its
 * digest.
 *
 * A key's scopes are among those of its account's plan, and stay bounded by it when the plan changes. account.write
 * is never in a key, since whoever finds one must not be able to take the account over; admin only for accounts of
 * the role admin, and only when asked for. A plan may say that keys must expire.
 *
 *     made -----> active ----- revoke ----------------> revoked
 *                   |  \------ its expiry passes -----> expired       (the row says so when the next key is made)
 *                   \--------- rotate: a new key; this one expires at the end of the overlap
 */
#ifndef ACCOUNTS_API_KEY_H
#define ACCOUNTS_API_KEY_H

#include "accounts/audit.h"
#include "accounts/user.h"
#include "crypto/api_key.h"

#define API_KEY_NAME_MAX 64
#define API_KEY_OVERLAP_MAX_S INT64_C(2592000) /* 30 days */
#define API_KEYS_LISTED_MAX 10000

struct api_key {
    int64_t id;
    const char *public_id, *account; /* public ids */
    const char *name;                /* the user's own word for it */
    bool is_test;
    const char *scopes, *networks;               /* "read,stream"; "" for networks: from anywhere */
    int64_t expires_s;                           /* 0: never */
    const char *state;                           /* "active", "expired", "revoked" */
    const char *replaced_by;                     /* public id, or NULL */
    int64_t row;                                 /* in edge */
    int64_t created_ms, revoked_ms, last_used_s; /* 0: not yet */
};

/* What a new key is to be. */
struct api_key_spec {
    const char *name;
    bool is_test;
    const char *scopes;   /* NULL: all that it may have, but admin */
    const char *networks; /* of network_parse_list */
    int64_t expires_s;    /* 0: as late as the plan allows */
};

/* Makes a key for a locked user and writes it to `text`, the only time that it is ever seen. E_DENIED for an account
 * that is not active and for a scope that it cannot have, E_LIMIT for one key too many, E_INPUT for an expiry that
 * the plan does not allow. The caller wipes the text. */
int api_key_create(const struct actor *actor, const struct user *user, const struct api_key_spec *spec,
                   struct api_key *key, char text[BTCF_API_KEY_LEN + 1]) BTCF_MUST_CHECK;

/* Makes a key like an active one (name, scopes, networks, length of life); that one is valid for overlap_s more.
 * E_CONFLICT when it is not active, has been rotated, or when the key that it replaced is still valid: two keys at a
 * time are enough. */
int api_key_rotate(const struct actor *actor, const char *public_id, int64_t overlap_s, struct api_key *key,
                   char text[BTCF_API_KEY_LEN + 1]) BTCF_MUST_CHECK;

/* Ends a key. One that is not valid any more stays as it is. */
int api_key_revoke(const struct actor *actor, const char *public_id, struct api_key *key) BTCF_MUST_CHECK;

/* E_INPUT when the text is no id, E_MISSING. A whole key is refused with the id that it has. */
int api_key_find(const struct actor *actor, const char *public_id, struct api_key *key) BTCF_MUST_CHECK;

/* Of one account, or of all (NULL), the oldest first. Ended ones only when `with_ended`. */
int api_key_list(const struct actor *actor, const struct user *user, bool with_ended, struct api_key **keys,
                 size_t *count) BTCF_MUST_CHECK;

#endif
