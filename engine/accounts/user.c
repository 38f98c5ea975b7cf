/* Rows of the table account. Its number and its usage row are given once, here, and never change. */
#include "accounts/user.h"

#include <ctype.h>
#include <string.h>

#include "accounts/list.h"
#include "accounts/plan.h"
#include "accounts/usage_row.h"
#include "core/clock.h"
#include "core/err.h"
#include "core/rand.h"
#include "core/str.h"

#define LOCAL_MAX 64
#define LABEL_MAX 63
#define COLUMNS                                                                                                      \
    "id, public_id, number, row, email, role, plan, state, tokens_valid_after_s, created_ms, "                       \
    "(SELECT count(*) FROM api_key k WHERE k.account_id = account.id AND k.state = 'active' "                        \
    "AND (k.expires_s IS NULL OR k.expires_s > $1))"

/* struct user, in its order. */
static const char sql_find[] = "SELECT " COLUMNS " FROM account WHERE public_id = $2 OR email = $3";
static const char sql_lock[] =
    "SELECT " COLUMNS " FROM account WHERE public_id = $2 OR email = $3 FOR NO KEY UPDATE OF account";
static const char sql_list[] = "SELECT " COLUMNS " FROM account ORDER BY id LIMIT $2";
static const char sql_any[] = "SELECT EXISTS (SELECT 1 FROM account)";
static const char sql_add[] =
    "INSERT INTO account (public_id, number, row, email, role, plan, created_ms) "
    "SELECT $1, coalesce(max(number) + 1, 0), $2, $3, $4, $5, $6 FROM account RETURNING id, number";
static const char sql_set_state[] = "UPDATE account SET state = $2 WHERE id = $1";
static const char sql_logout[] = "UPDATE account SET tokens_valid_after_s = $2 WHERE id = $1";
static const char sql_set_plan[] = "UPDATE account SET plan = $2 WHERE id = $1";

static bool is_local_char(char c)
{
    return c > ' ' && c < 0x7f && strchr("\"(),:;<>@[\\]", c) == NULL;
}

static bool is_local_part(struct str text)
{
    if (text.len == 0 || text.len > LOCAL_MAX || text.ptr[0] == '.' || text.ptr[text.len - 1] == '.')
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (!is_local_char(text.ptr[i]) || (text.ptr[i] == '.' && text.ptr[i - 1] == '.'))
            return false;
    return true;
}

static bool is_label(struct str text)
{
    if (text.len == 0 || text.len > LABEL_MAX || text.ptr[0] == '-' || text.ptr[text.len - 1] == '-')
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (!isalnum((unsigned char)text.ptr[i]) && text.ptr[i] != '-')
            return false;
    return true;
}

static bool is_domain(struct str text)
{
    if (text.ptr == NULL)
        return false;
    while (text.ptr != NULL)
        if (!is_label(str_cut(&text, '.')))
            return false;
    return true;
}

int user_parse_email(struct arena *arena, const char *text, const char **email)
{
    struct str domain = str_of(text), local = str_cut(&domain, '@');

    if (strlen(text) > USER_EMAIL_MAX || !is_local_part(local) || !is_domain(domain))
        return err_set(E_INPUT, "\"%.64s\" is not an address such as ann@example.org", text);
    char *copy = arena_strdup(arena, text);
    for (char *c = copy; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    *email = copy;
    return 0;
}

bool user_is_active(const struct user *user)
{
    return strcmp(user->state, "active") == 0;
}

bool user_is_admin(const struct user *user)
{
    return strcmp(user->role, "admin") == 0;
}

const char *user_bound_scopes(struct arena *arena, const struct user *user, const char *plan_scopes)
{
    return user_is_admin(user) ? plan_scopes : list_filter(arena, plan_scopes, USER_ADMIN_SCOPE, false);
}

static void read_user(const struct db_rows *rows, size_t row, struct user *user)
{
    *user = (struct user){.id = db_i64(rows, row, 0),
                          .public_id = db_text(rows, row, 1),
                          .number = db_i64(rows, row, 2),
                          .row = db_i64(rows, row, 3),
                          .email = db_text(rows, row, 4),
                          .role = db_text(rows, row, 5),
                          .plan = db_text(rows, row, 6),
                          .state = db_text(rows, row, 7),
                          .tokens_valid_after_s = db_i64(rows, row, 8),
                          .created_ms = db_i64(rows, row, 9),
                          .key_count = db_i64(rows, row, 10)};
}

static int insert(const struct actor *actor, struct user *user)
{
    struct db_rows rows;

    if (usage_row_take(actor, &user->row) < 0 || usage_row_lock_numbers(actor) < 0)
        return -1;
    if (db_query(actor->db, actor->arena, sql_add, &rows, DB_TEXT(user->public_id), DB_I64(user->row),
                 DB_TEXT(user->email), DB_TEXT(user->role), DB_TEXT(user->plan), DB_I64(actor->now_ms), DB_END) < 0) {
        /* The address is the one thing here that somebody else may have had before. */
        return err_kind() == E_CONFLICT ? err_set(E_CONFLICT, "there is an account of %s already", user->email) : -1;
    }
    user->id = db_i64(&rows, 0, 0);
    user->number = db_i64(&rows, 0, 1);
    return usage_row_assign(actor, user->row, user->id, 0);
}

int user_add(const struct actor *actor, const char *email, const char *plan_name, bool is_admin, struct user *user)
{
    char *public_id = arena_alloc(actor->arena, USER_ID_LEN + 1);
    struct plan plan;

    rand_hex(public_id, USER_ID_LEN);
    *user = (struct user){
        .public_id = public_id, .role = is_admin ? "admin" : "user", .state = "active", .created_ms = actor->now_ms};
    if (user_parse_email(actor->arena, email, &user->email) < 0 || plan_find(actor, plan_name, &plan) < 0)
        return -1;
    user->plan = plan.name;
    if (insert(actor, user) < 0)
        return -1;
    return audit_write(actor, "account.create", "account", user->public_id,
                       audit_detail(actor, "{\"plan\": \"%s\", \"role\": \"%s\"}", user->plan, user->role));
}

static bool is_public_id(const char *text)
{
    return strlen(text) == USER_ID_LEN && strspn(text, "0123456789abcdef") == USER_ID_LEN;
}

static int find(const struct actor *actor, const char *sql, const char *who, struct user *user)
{
    const char *email = NULL;
    struct db_rows rows;

    if (strchr(who, '@') != NULL && user_parse_email(actor->arena, who, &email) < 0)
        return -1;
    if (email == NULL && !is_public_id(who))
        return err_set(E_INPUT, "\"%.64s\" is neither an address nor the id of an account", who);
    if (db_query(actor->db, actor->arena, sql, &rows, DB_I64(actor->now_ms / MS_PER_S),
                 DB_TEXT(email == NULL ? who : NULL), DB_TEXT(email), DB_END) < 0)
        return -1;
    if (rows.count == 0)
        return err_set(E_MISSING, "there is no account %s", who);
    read_user(&rows, 0, user);
    return 0;
}

int user_find(const struct actor *actor, const char *who, struct user *user)
{
    return find(actor, sql_find, who, user);
}

int user_lock(const struct actor *actor, const char *who, struct user *user)
{
    return find(actor, sql_lock, who, user);
}

int user_list(const struct actor *actor, struct user **users, size_t *count)
{
    struct db_rows rows;

    if (db_query(actor->db, actor->arena, sql_list, &rows, DB_I64(actor->now_ms / MS_PER_S), DB_I64(USERS_LISTED_MAX),
                 DB_END) < 0)
        return -1;
    *users = arena_array(actor->arena, rows.count + 1, sizeof(**users));
    *count = rows.count;
    for (size_t i = 0; i < rows.count; i++)
        read_user(&rows, i, &(*users)[i]);
    return 0;
}

int user_count_any(const struct actor *actor, bool *has_any)
{
    struct db_rows rows;

    if (db_query(actor->db, actor->arena, sql_any, &rows, DB_END) < 0)
        return -1;
    *has_any = db_bool(&rows, 0, 0);
    return 0;
}

static int set_state(const struct actor *actor, struct user *user, const char *state, const char *action)
{
    if (strcmp(user->state, "deleted") == 0)
        return err_set(E_DENIED, "the account %s was deleted", user->public_id);
    if (strcmp(user->state, state) == 0)
        return 0;
    if (db_exec(actor->db, sql_set_state, NULL, DB_I64(user->id), DB_TEXT(state), DB_END) < 0)
        return -1;
    user->state = state;
    return audit_write(actor, action, "account", user->public_id, NULL);
}

int user_suspend(const struct actor *actor, struct user *user)
{
    return set_state(actor, user, "suspended", "account.suspend");
}

int user_resume(const struct actor *actor, struct user *user)
{
    return set_state(actor, user, "active", "account.resume");
}

int user_logout(const struct actor *actor, struct user *user)
{
    int64_t now_s = actor->now_ms / MS_PER_S;

    /* A second logout within the second in which a token was issued (token.h dates it one later) must catch it,
     * too. */
    if (now_s <= user->tokens_valid_after_s)
        now_s = user->tokens_valid_after_s + 1;
    if (db_exec(actor->db, sql_logout, NULL, DB_I64(user->id), DB_I64(now_s), DB_END) < 0)
        return -1;
    user->tokens_valid_after_s = now_s;
    return audit_write(actor, "account.logout", "account", user->public_id, NULL);
}

int user_set_plan(const struct actor *actor, struct user *user, const char *plan_name)
{
    struct plan plan;

    if (plan_find(actor, plan_name, &plan) < 0)
        return -1;
    if (strcmp(user->plan, plan.name) == 0)
        return 0;
    if (db_exec(actor->db, sql_set_plan, NULL, DB_I64(user->id), DB_TEXT(plan.name), DB_END) < 0)
        return -1;
    const char *detail = audit_detail(actor, "{\"from\": \"%s\", \"to\": \"%s\"}", user->plan, plan.name);
    user->plan = plan.name;
    return audit_write(actor, "account.plan", "account", user->public_id, detail);
}
