/* btcf token issue, revoke, rotate-key. As with keys, the token alone goes to standard output. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "accounts/session.h"
#include "accounts/signing_key.h"
#include "accounts/token.h"
#include "accounts/user.h"
#include "cmd/admin.h"
#include "cmd/token.h"
#include "core/clock.h"
#include "core/err.h"

/* What a verb is asked for, and what came of it. */
struct call {
    const char *user, *lifetime, *session_id;
    struct token_spec spec;
    struct token token;
    struct session session;
    char key_id[SIGNING_KEY_ID_LEN + 1];
};

static int open_key(struct admin *admin, struct signing_key *key)
{
    struct seal_key secret;
    int rc = admin_secret(&admin->actor, &admin->cli.settings, &secret);

    if (rc == 0)
        rc = signing_key_open(&admin->actor, &secret, key);
    OPENSSL_cleanse(&secret, sizeof(secret));
    return rc;
}

static int work_issue(struct admin *admin, void *ctx)
{
    struct call *call = ctx;
    struct signing_key key;
    struct user user;

    if (call->user == NULL)
        return err_set(E_INPUT, "--user says whose token it is: its address or id");
    call->spec.issuer = admin->cli.settings.token_issuer;
    if (call->lifetime != NULL && admin_parse_duration("--lifetime", call->lifetime, &call->spec.lifetime_s) < 0)
        return -1;
    if (user_lock(&admin->actor, call->user, &user) < 0 || open_key(admin, &key) < 0)
        return -1;
    int rc = token_issue(&admin->actor, &user, &key, &call->spec, &call->token);
    signing_key_release(&key);
    return rc;
}

static void print_token(struct admin *admin, void *ctx)
{
    const struct call *call = ctx;
    const struct token *token = &call->token;
    struct json *json = &admin->json;

    if (admin->is_json) {
        json_open(json, '{');
        json_put_text(json, "token", token->text);
        json_put_text(json, "kind", call->spec.is_ticket ? "ticket" : "access");
        json_put_text(json, "session", token->session);
        admin_json_list(json, "scopes", token->scopes);
        admin_json_time(json, "issued_at", token->issued_s * MS_PER_S);
        admin_json_time(json, "expires_at", token->expires_s * MS_PER_S);
        json_close(json, '}');
        return;
    }
    strbuf_printf(&admin->out, "%s\n", token->text);
    fprintf(stderr, "session %s, scopes %s, expires %s\n", token->session, token->scopes,
            admin_time_text(admin->actor.arena, token->expires_s * MS_PER_S));
}

int token_issue_verb(int argc, char **argv)
{
    struct call call = {.spec = {.lifetime_s = TOKEN_LIFETIME_S}};
    const struct cli_option options[] = {
        {.name = "--user", .value = &call.user},
        {.name = "--scopes", .value = &call.spec.scopes},
        {.name = "--lifetime", .value = &call.lifetime},
        {.name = "--session", .value = &call.spec.session},
        {.name = "--ticket", .flag = &call.spec.is_ticket},
        {.name = NULL},
    };
    int rc = admin_run(&(struct admin_call){
        .argc = argc, .argv = argv, .options = options, .work = work_issue, .print = print_token, .ctx = &call});

    token_release(&call.token);
    return rc;
}

static int work_revoke(struct admin *admin, void *ctx)
{
    struct call *call = ctx;

    if (call->session_id == NULL)
        return err_set(E_INPUT, "--session says which one");
    return session_revoke(&admin->actor, call->session_id, &call->session);
}

static void print_revoked(struct admin *admin, void *ctx)
{
    const struct session *session = &((const struct call *)ctx)->session;
    struct json *json = &admin->json;

    if (!admin->is_json) {
        strbuf_printf(&admin->out, "the session %s is revoked\n", session->public_id);
        return;
    }
    json_open(json, '{');
    json_put_text(json, "session", session->public_id);
    json_put_text(json, "account", session->account);
    admin_json_time(json, "revoked_at", session->revoked_ms);
    json_close(json, '}');
}

int token_revoke_verb(int argc, char **argv)
{
    struct call call = {.user = NULL};
    const struct cli_option options[] = {{.name = "--session", .value = &call.session_id}, {.name = NULL}};

    return admin_run(&(struct admin_call){
        .argc = argc, .argv = argv, .options = options, .work = work_revoke, .print = print_revoked, .ctx = &call});
}

static int work_rotate(struct admin *admin, void *ctx)
{
    struct call *call = ctx;
    struct seal_key secret;
    int rc = admin_secret(&admin->actor, &admin->cli.settings, &secret);

    if (rc == 0)
        rc = signing_key_rotate(&admin->actor, &secret, call->key_id);
    OPENSSL_cleanse(&secret, sizeof(secret));
    return rc;
}

static void print_rotated(struct admin *admin, void *ctx)
{
    const struct call *call = ctx;

    if (!admin->is_json) {
        strbuf_printf(&admin->out, "the key %s signs now\n", call->key_id);
        return;
    }
    json_open(&admin->json, '{');
    json_put_text(&admin->json, "active", call->key_id);
    json_close(&admin->json, '}');
}

int token_rotate_key_verb(int argc, char **argv)
{
    const struct cli_option options[] = {{.name = NULL}};
    struct call call = {.user = NULL};

    return admin_run(&(struct admin_call){
        .argc = argc, .argv = argv, .options = options, .work = work_rotate, .print = print_rotated, .ctx = &call});
}
