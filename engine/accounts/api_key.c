/* The rules of api_key.h, and the rows that follow from them.
 *
 * Limits are checked under the lock of the account's row (user_lock), so that two commands at once cannot both make
 * the last key. Keys whose time has passed are noted as ended whenever a key is made: nobody else needs to know,
 * since a worker looks at the expiry itself, but their usage rows are wanted back.
 */
#include "accounts/api_key.h"

#include <string.h>

#include "accounts/list.h"
#include "accounts/plan.h"
#include "accounts/usage_row.h"
#include "core/clock.h"
#include "core/err.h"

#define S_PER_DAY INT64_C(86400)
#define EXPIRES_MAX_S INT64_C(4294967295) /* 32 bits in pub */
#define NEVER_IN_A_KEY "account.write"
#define ENDED_AT_ONCE 100
#define ID_DIGITS "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

/* struct api_key, in its order. $1 is the time in seconds. */
#define COLUMNS                                                                                                      \
    "k.id, k.public_id, a.public_id, k.name, k.is_test, array_to_string(k.scopes, ','), "                            \
    "array_to_string(k.networks, ','), k.expires_s, "                                                                \
    "CASE WHEN k.expires_s <= $1 AND (k.revoked_ms IS NULL OR k.revoked_ms >= k.expires_s * 1000) THEN 'expired' "   \
    "ELSE k.state END, r.public_id, k.row, k.created_ms, k.revoked_ms, k.last_used_s "                               \
    "FROM api_key k JOIN account a ON a.id = k.account_id LEFT JOIN api_key r ON r.id = k.replaced_by "

static const char sql_find[] = "SELECT " COLUMNS "WHERE k.public_id = $2";
static const char sql_lock[] = "SELECT " COLUMNS "WHERE k.public_id = $2 FOR NO KEY UPDATE OF k";
static const char sql_list[] =
    "SELECT " COLUMNS "WHERE ($2 = 0 OR k.account_id = $2) "
    "AND ($3 OR (k.state = 'active' AND (k.expires_s IS NULL OR k.expires_s > $1))) ORDER BY k.id LIMIT $4";
/* One that has been rotated does not count: it is on its way out. */
static const char sql_count[] = "SELECT count(*) FROM api_key WHERE account_id = $1 AND state = 'active' "
                                "AND replaced_by IS NULL AND (expires_s IS NULL OR expires_s > $2)";
static const char sql_insert[] =
    "INSERT INTO api_key (public_id, account_id, name, is_test, digest, scopes, networks, expires_s, row, created_ms) "
    "VALUES ($1, $2, $3, $4, $5, string_to_array($6, ','), string_to_array($7, ','), nullif($8, 0), $9, $10) "
    "RETURNING id";
static const char sql_revoke[] = "UPDATE api_key SET state = 'revoked', revoked_ms = $2 WHERE id = $1";
static const char sql_replace[] =
    "UPDATE api_key SET replaced_by = $2, expires_s = least(expires_s, $3) WHERE id = $1";
static const char sql_has_predecessor[] =
    "SELECT public_id FROM api_key WHERE replaced_by = $1 AND state = 'active' AND expires_s > $2";
/* Notes what has expired: revoked_ms is then the expiry itself. The index api_key_expiry has them in order. */
static const char sql_end_expired[] =
    "WITH due AS (SELECT id FROM api_key WHERE state = 'active' AND expires_s <= $1 ORDER BY expires_s LIMIT $2 "
    "FOR UPDATE SKIP LOCKED), ended AS (UPDATE api_key k SET state = 'revoked', revoked_ms = k.expires_s * 1000 "
    "FROM due WHERE k.id = due.id RETURNING k.public_id, k.row, k.expires_s), freed AS (UPDATE usage_row u "
    "SET free_at_ms = ended.expires_s * 1000 + $3 FROM ended WHERE u.row = ended.row) "
    "INSERT INTO audit (at_ms, actor, action, object) SELECT $4, 'role:accounts', 'key.expire', 'key:' || public_id "
    "FROM ended";

/* --- rules --- */

/* ASCII's controls, and those that UTF-8 writes as 0xc2 and a byte below 0xa0: a list of keys is read on a
 * terminal. */
static bool has_control(const char *name)
{
    for (const unsigned char *c = (const unsigned char *)name; *c != '\0'; c++)
        if (*c < 0x20 || *c == 0x7f || (*c == 0xc2 && c[1] < 0xa0))
            return true;
    return false;
}

static int check_name(const char *name)
{
    if (strlen(name) > API_KEY_NAME_MAX)
        return err_set(E_INPUT, "the name of a key has at most %d bytes", API_KEY_NAME_MAX);
    return has_control(name) ? err_set(E_INPUT, "the name of a key has no control characters") : 0;
}

/* What keys of this user may have, at most. */
static const char *allowed_scopes(struct arena *arena, const struct user *user, const struct plan *plan)
{
    return list_filter(arena, user_bound_scopes(arena, user, plan->scopes), NEVER_IN_A_KEY, false);
}

static int fail_scope(const struct user *user, const struct plan *plan, struct str name)
{
    int len = (int)(name.len < 32 ? name.len : 32);

    if (str_is(name, NEVER_IN_A_KEY))
        return err_set(E_DENIED, "the scope " NEVER_IN_A_KEY " is never in a key; tokens have it");
    if (str_is(name, USER_ADMIN_SCOPE) && !user_is_admin(user))
        return err_set(E_DENIED, "the scope " USER_ADMIN_SCOPE " is for accounts of the role admin");
    return err_set(E_DENIED, "the scope \"%.*s\" is not in the plan %s, which has %s", len, name.ptr, plan->name,
                   plan->scopes);
}

/* *scopes is what the key gets. */
static int choose_scopes(const struct actor *actor, const struct user *user, const struct plan *plan,
                         const char *wanted, const char **scopes)
{
    const char *allowed = allowed_scopes(actor->arena, user, plan);

    *scopes = wanted == NULL ? list_filter(actor->arena, allowed, USER_ADMIN_SCOPE, false)
                             : list_tidy(actor->arena, wanted);
    for (struct str rest = str_of(*scopes); rest.ptr != NULL && rest.len > 0;) {
        struct str name = str_cut(&rest, ',');

        if (!list_has(allowed, name))
            return fail_scope(user, plan, name);
    }
    if ((*scopes)[0] == '\0')
        return err_set(E_DENIED, "no scope is left for the key; the plan %s has %s", plan->name, plan->scopes);
    return 0;
}

static int choose_expiry(const struct actor *actor, const struct plan *plan, int64_t wanted_s, int64_t *expires_s)
{
    int64_t now_s = actor->now_ms / MS_PER_S;
    int64_t latest_s = plan->key_age_max_days > 0 ? now_s + plan->key_age_max_days * S_PER_DAY : EXPIRES_MAX_S;

    *expires_s = wanted_s > 0 ? wanted_s : plan->key_age_max_days > 0 ? latest_s : 0;
    if (wanted_s != 0 && wanted_s <= now_s)
        return err_set(E_INPUT, "the key would have expired already");
    if (*expires_s > latest_s && plan->key_age_max_days > 0)
        return err_set(E_INPUT, "keys of the plan %s expire within %lld days", plan->name,
                       (long long)plan->key_age_max_days);
    return *expires_s > EXPIRES_MAX_S ? err_set(E_INPUT, "the key would expire after the year 2105") : 0;
}

static int check_count(const struct actor *actor, const struct user *user, const struct plan *plan)
{
    struct db_rows rows;

    if (db_query(actor->db, actor->arena, sql_count, &rows, DB_I64(user->id), DB_I64(actor->now_ms / MS_PER_S),
                 DB_END) < 0)
        return -1;
    if (db_i64(&rows, 0, 0) < plan->keys_max)
        return 0;
    return err_set(E_LIMIT, "the account has %lld keys, and its plan %s allows %lld; revoke one first",
                   (long long)db_i64(&rows, 0, 0), plan->name, (long long)plan->keys_max);
}

/* --- rows --- */

static void read_key(const struct db_rows *rows, size_t row, struct api_key *key)
{
    *key = (struct api_key){.id = db_i64(rows, row, 0),
                            .public_id = db_text(rows, row, 1),
                            .account = db_text(rows, row, 2),
                            .name = db_text(rows, row, 3),
                            .is_test = db_bool(rows, row, 4),
                            .scopes = db_text(rows, row, 5),
                            .networks = db_text(rows, row, 6),
                            .expires_s = db_i64(rows, row, 7),
                            .state = db_text(rows, row, 8),
                            .replaced_by = db_text(rows, row, 9),
                            .row = db_i64(rows, row, 10),
                            .created_ms = db_i64(rows, row, 11),
                            .revoked_ms = db_i64(rows, row, 12),
                            .last_used_s = db_i64(rows, row, 13)};
}

static int check_id(const struct actor *actor, const char *text)
{
    struct btcf_api_key whole;
    size_t len = strlen(text);

    if (btcf_api_key_parse(text, len, &whole))
        return err_set(E_INPUT, "that is a whole key, which should be shown to nobody; its id is %s",
                       arena_strndup(actor->arena, whole.id, BTCF_API_KEY_ID_LEN));
    /* Not repeated: it may be part of a key. */
    return len == BTCF_API_KEY_ID_LEN && strspn(text, ID_DIGITS) == len
               ? 0
               : err_set(E_INPUT, "a key's id has %d letters and digits; `btcf key list` shows them",
                         BTCF_API_KEY_ID_LEN);
}

static int find(const struct actor *actor, const char *sql, const char *public_id, struct api_key *key)
{
    struct db_rows rows;

    if (check_id(actor, public_id) < 0 || db_query(actor->db, actor->arena, sql, &rows,
                                                   DB_I64(actor->now_ms / MS_PER_S), DB_TEXT(public_id), DB_END) < 0)
        return -1;
    if (rows.count == 0)
        return err_set(E_MISSING, "there is no key %s", public_id);
    read_key(&rows, 0, key);
    return 0;
}

int api_key_find(const struct actor *actor, const char *public_id, struct api_key *key)
{
    return find(actor, sql_find, public_id, key);
}

int api_key_list(const struct actor *actor, const struct user *user, bool with_ended, struct api_key **keys,
                 size_t *count)
{
    struct db_rows rows;

    if (db_query(actor->db, actor->arena, sql_list, &rows, DB_I64(actor->now_ms / MS_PER_S),
                 DB_I64(user != NULL ? user->id : 0), DB_BOOL(with_ended), DB_I64(API_KEYS_LISTED_MAX), DB_END) < 0)
        return -1;
    *keys = arena_array(actor->arena, rows.count + 1, sizeof(**keys));
    *count = rows.count;
    for (size_t i = 0; i < rows.count; i++)
        read_key(&rows, i, &(*keys)[i]);
    return 0;
}

static int end_expired(const struct actor *actor)
{
    return db_exec(actor->db, sql_end_expired, NULL, DB_I64(actor->now_ms / MS_PER_S), DB_I64(ENDED_AT_ONCE),
                   DB_I64(USAGE_ROW_REST_MS), DB_I64(actor->now_ms), DB_END);
}

/* The new key's text and digest, its row in edge and its own row. *key has everything else. */
static int insert(const struct actor *actor, const struct user *user, struct api_key *key,
                  char text[BTCF_API_KEY_LEN + 1])
{
    struct btcf_api_key parsed;
    struct db_rows rows;

    if (!btcf_api_key_make(key->is_test, text) || !btcf_api_key_parse(text, BTCF_API_KEY_LEN, &parsed))
        return err_set(E_STORE, "the system has no random numbers");
    key->public_id = arena_strndup(actor->arena, parsed.id, BTCF_API_KEY_ID_LEN);
    if (usage_row_take(actor, &key->row) < 0 ||
        db_query(actor->db, actor->arena, sql_insert, &rows, DB_TEXT(key->public_id), DB_I64(user->id),
                 DB_TEXT(key->name), DB_BOOL(key->is_test), DB_BYTES(parsed.digest, sizeof(parsed.digest)),
                 DB_TEXT(key->scopes), DB_TEXT(key->networks), DB_I64(key->expires_s), DB_I64(key->row),
                 DB_I64(actor->now_ms), DB_END) < 0)
        return -1;
    key->id = db_i64(&rows, 0, 0);
    return usage_row_assign(actor, key->row, user->id, key->id);
}

static int audit_new(const struct actor *actor, const struct api_key *key, const char *action, const char *instead_of)
{
    return audit_write(
        actor, action, "key", key->public_id,
        audit_detail(
            actor,
            "{\"account\": \"%s\", \"test\": %s, \"scopes\": \"%s\", \"networks\": %zu, \"expires_s\": %lld%s%s%s}",
            key->account, key->is_test ? "true" : "false", key->scopes, list_count(key->networks),
            (long long)key->expires_s, instead_of != NULL ? ", \"instead_of\": \"" : "",
            instead_of != NULL ? instead_of : "", instead_of != NULL ? "\"" : ""));
}

static int check_active(const struct user *user)
{
    return user_is_active(user) ? 0 : err_set(E_DENIED, "the account %s is %s", user->public_id, user->state);
}

int api_key_create(const struct actor *actor, const struct user *user, const struct api_key_spec *spec,
                   struct api_key *key, char text[BTCF_API_KEY_LEN + 1])
{
    struct plan plan;

    *key = (struct api_key){.account = user->public_id,
                            .name = spec->name,
                            .is_test = spec->is_test,
                            .networks = spec->networks,
                            .state = "active",
                            .created_ms = actor->now_ms};
    if (check_active(user) < 0 || check_name(spec->name) < 0 || plan_find(actor, user->plan, &plan) < 0 ||
        choose_scopes(actor, user, &plan, spec->scopes, &key->scopes) < 0 ||
        choose_expiry(actor, &plan, spec->expires_s, &key->expires_s) < 0 || end_expired(actor) < 0 ||
        check_count(actor, user, &plan) < 0 || insert(actor, user, key, text) < 0)
        return -1;
    return audit_new(actor, key, "key.create", NULL);
}

int api_key_revoke(const struct actor *actor, const char *public_id, struct api_key *key)
{
    if (find(actor, sql_lock, public_id, key) < 0)
        return -1;
    if (strcmp(key->state, "active") != 0)
        return 0;
    if (db_exec(actor->db, sql_revoke, NULL, DB_I64(key->id), DB_I64(actor->now_ms), DB_END) < 0 ||
        usage_row_release(actor, key->row, actor->now_ms) < 0)
        return -1;
    key->state = "revoked";
    key->revoked_ms = actor->now_ms;
    return audit_write(actor, "key.revoke", "key", key->public_id, NULL);
}

/* --- rotation --- */

static int check_rotatable(const struct actor *actor, const struct api_key *old)
{
    struct db_rows rows;

    if (strcmp(old->state, "active") != 0)
        return err_set(E_CONFLICT, "the key %s is %s; make a new one with `btcf key create`", old->public_id,
                       old->state);
    if (old->replaced_by != NULL)
        return err_set(E_CONFLICT, "the key %s was rotated before; %s is the one after it", old->public_id,
                       old->replaced_by);
    if (db_query(actor->db, actor->arena, sql_has_predecessor, &rows, DB_I64(old->id),
                 DB_I64(actor->now_ms / MS_PER_S), DB_END) < 0)
        return -1;
    if (rows.count == 0)
        return 0;
    return err_set(E_CONFLICT, "the key %s, which %s replaced, is still valid; revoke it first", db_text(&rows, 0, 0),
                   old->public_id);
}

/* As long a life as the old one had, or as the plan allows by now. */
static int64_t life_of(const struct actor *actor, const struct api_key *old, const struct plan *plan)
{
    int64_t life_s = old->expires_s > 0 ? old->expires_s - old->created_ms / MS_PER_S : 0;
    int64_t most_s = plan->key_age_max_days * S_PER_DAY;

    if (most_s > 0 && (life_s == 0 || life_s > most_s))
        life_s = most_s;
    return life_s > 0 ? actor->now_ms / MS_PER_S + life_s : 0;
}

int api_key_rotate(const struct actor *actor, const char *public_id, int64_t overlap_s, struct api_key *key,
                   char text[BTCF_API_KEY_LEN + 1])
{
    struct api_key old;
    struct user user;
    struct plan plan;

    if (overlap_s < 0 || overlap_s > API_KEY_OVERLAP_MAX_S)
        return err_set(E_INPUT, "the overlap is at most %lld days", (long long)(API_KEY_OVERLAP_MAX_S / S_PER_DAY));
    /* The account first, as everywhere: two locks in one order never wait for one another. */
    if (find(actor, sql_find, public_id, &old) < 0 || user_lock(actor, old.account, &user) < 0 ||
        find(actor, sql_lock, public_id, &old) < 0 || check_active(&user) < 0 || check_rotatable(actor, &old) < 0 ||
        plan_find(actor, user.plan, &plan) < 0)
        return -1;
    *key = old;
    key->created_ms = actor->now_ms;
    key->last_used_s = 0;
    const char *kept = list_filter(actor->arena, old.scopes, allowed_scopes(actor->arena, &user, &plan), true);
    if (choose_scopes(actor, &user, &plan, kept, &key->scopes) < 0 ||
        choose_expiry(actor, &plan, life_of(actor, &old, &plan), &key->expires_s) < 0 || end_expired(actor) < 0 ||
        insert(actor, &user, key, text) < 0)
        return -1;
    if (db_exec(actor->db, sql_replace, NULL, DB_I64(old.id), DB_I64(key->id),
                DB_I64(actor->now_ms / MS_PER_S + overlap_s), DB_END) < 0)
        return -1;
    return audit_new(actor, key, "key.rotate", old.public_id);
}
