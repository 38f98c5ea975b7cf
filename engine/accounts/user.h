/* Accounts: whose keys and tokens they are. Changes reach every worker within a second.
 *
 * An account is found by its public id (32 hex digits, the `sub` of its tokens) or by its address. Addresses are kept
 * in lower case as a whole: nobody who matters tells them apart by case, and an attacker would.
 */
#ifndef ACCOUNTS_USER_H
#define ACCOUNTS_USER_H

#include "accounts/audit.h"

#define USER_ID_LEN 32
#define USER_EMAIL_MAX 254 /* RFC 5321, as corrected by erratum 1690 of RFC 3696 */
#define USERS_LISTED_MAX 10000

struct user {
    int64_t id; /* of the row; never shown */
    const char *public_id;
    int64_t number, row; /* places in pub and edge */
    const char *email;
    const char *role;  /* "user", "admin" */
    const char *plan;  /* a name */
    const char *state; /* "active", "suspended", "deleted" */
    int64_t tokens_valid_after_s;
    int64_t created_ms;
    int64_t key_count; /* that work */
};

/* The address in the arena as it is kept. E_INPUT says what is wrong with it. A domain need not have a dot. */
int user_parse_email(struct arena *arena, const char *text, const char **email) BTCF_MUST_CHECK;

bool user_is_active(const struct user *user);
bool user_is_admin(const struct user *user);

/* What this user may have of a plan's scopes: all of them, but USER_ADMIN_SCOPE only in the role admin. */
#define USER_ADMIN_SCOPE "admin"
const char *user_bound_scopes(struct arena *arena, const struct user *user, const char *plan_scopes);

/* Makes an account. E_CONFLICT when the address has one, E_MISSING when there is no such plan. */
int user_add(const struct actor *actor, const char *email, const char *plan, bool is_admin,
             struct user *user) BTCF_MUST_CHECK;

/* By id or address. E_INPUT when it is neither, E_MISSING. */
int user_find(const struct actor *actor, const char *who, struct user *user) BTCF_MUST_CHECK;
/* The same, and no other transaction changes the account, its plan or its number of keys before this one ends. */
int user_lock(const struct actor *actor, const char *who, struct user *user) BTCF_MUST_CHECK;
/* The oldest first, at most USERS_LISTED_MAX. */
int user_list(const struct actor *actor, struct user **users, size_t *count) BTCF_MUST_CHECK;
/* Whether there is any account at all. */
int user_count_any(const struct actor *actor, bool *has_any) BTCF_MUST_CHECK;

/* Of a locked user, which afterwards says what holds. Suspended: keys and tokens are refused, and valid again when it
 * is resumed. E_DENIED for an account that was deleted. Doing it again changes nothing. */
int user_suspend(const struct actor *actor, struct user *user) BTCF_MUST_CHECK;
int user_resume(const struct actor *actor, struct user *user) BTCF_MUST_CHECK;
/* Every token issued until now is refused from now on. */
int user_logout(const struct actor *actor, struct user *user) BTCF_MUST_CHECK;
/* Keys stay, also when there are more than the new plan has; what their scopes allow is bounded by the plan. */
int user_set_plan(const struct actor *actor, struct user *user, const char *plan) BTCF_MUST_CHECK;

#endif
