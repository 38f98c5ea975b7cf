/* Rows of the table session. A revocation is published for as long as a token of the session could still be shown,
 * which is why token_until_s never goes back.
 */
#include "accounts/session.h"

#include <string.h>

#include "core/err.h"
#include "core/rand.h"

#define COLUMNS "s.id, s.public_id, a.public_id, s.created_ms, s.token_until_s, s.revoked_ms "

/* struct session, in its order. */
static const char sql_lock[] = "SELECT " COLUMNS "FROM session s JOIN account a ON a.id = s.account_id "
                               "WHERE s.public_id = $1 FOR NO KEY UPDATE OF s";
static const char sql_open[] =
    "INSERT INTO session (public_id, account_id, created_ms, token_until_s) VALUES ($1, $2, $3, $4) RETURNING id";
static const char sql_extend[] = "UPDATE session SET token_until_s = greatest(token_until_s, $2) WHERE id = $1";
static const char sql_revoke[] = "UPDATE session SET revoked_ms = $2 WHERE id = $1";

int session_open(const struct actor *actor, const struct user *user, int64_t token_until_s, struct session *session)
{
    char *public_id = arena_alloc(actor->arena, SESSION_ID_LEN + 1);
    struct db_rows rows;

    rand_hex(public_id, SESSION_ID_LEN);
    *session = (struct session){.public_id = public_id,
                                .account = user->public_id,
                                .created_ms = actor->now_ms,
                                .token_until_s = token_until_s};
    if (db_query(actor->db, actor->arena, sql_open, &rows, DB_TEXT(public_id), DB_I64(user->id),
                 DB_I64(actor->now_ms), DB_I64(token_until_s), DB_END) < 0)
        return err_wrap("while opening a session");
    session->id = db_i64(&rows, 0, 0);
    return 0;
}

static int lock(const struct actor *actor, const char *public_id, struct session *session)
{
    struct db_rows rows;

    if (strlen(public_id) != SESSION_ID_LEN || strspn(public_id, "0123456789abcdef") != SESSION_ID_LEN)
        return err_set(E_INPUT, "a session's id has %d hex digits", SESSION_ID_LEN);
    if (db_query(actor->db, actor->arena, sql_lock, &rows, DB_TEXT(public_id), DB_END) < 0)
        return -1;
    if (rows.count == 0)
        return err_set(E_MISSING, "there is no session %s", public_id);
    *session = (struct session){.id = db_i64(&rows, 0, 0),
                                .public_id = db_text(&rows, 0, 1),
                                .account = db_text(&rows, 0, 2),
                                .created_ms = db_i64(&rows, 0, 3),
                                .token_until_s = db_i64(&rows, 0, 4),
                                .revoked_ms = db_i64(&rows, 0, 5)};
    return 0;
}

int session_extend(const struct actor *actor, const struct user *user, const char *public_id, int64_t token_until_s,
                   struct session *session)
{
    if (lock(actor, public_id, session) < 0)
        return -1;
    /* Whose it is, is nobody else's business. */
    if (strcmp(session->account, user->public_id) != 0)
        return err_set(E_MISSING, "there is no session %s", public_id);
    if (session->revoked_ms > 0)
        return err_set(E_DENIED, "the session %s was revoked", public_id);
    if (db_exec(actor->db, sql_extend, NULL, DB_I64(session->id), DB_I64(token_until_s), DB_END) < 0)
        return -1;
    if (token_until_s > session->token_until_s)
        session->token_until_s = token_until_s;
    return 0;
}

int session_revoke(const struct actor *actor, const char *public_id, struct session *session)
{
    if (lock(actor, public_id, session) < 0)
        return -1;
    if (session->revoked_ms > 0)
        return 0;
    if (db_exec(actor->db, sql_revoke, NULL, DB_I64(session->id), DB_I64(actor->now_ms), DB_END) < 0)
        return -1;
    session->revoked_ms = actor->now_ms;
    return audit_write(actor, "session.revoke", "session", session->public_id,
                       audit_detail(actor, "{\"account\": \"%s\"}", session->account));
}
