/* Claims are written with core/json, header and signature with libjwt, once for each token.
 *
 * Version 1.10 of it, Debian's, writes "JWT" over the header's typ whenever it encodes: so it is the audience that tells
 * access tokens and tickets apart (docs/DECISIONS/0012). Tokens are never read with it, that is engine/jose.
 */
#include "accounts/token.h"

#include <errno.h>
#include <jwt.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "accounts/list.h"
#include "accounts/plan.h"
#include "core/clock.h"
#include "core/err.h"
#include "core/json.h"
#include "core/rand.h"
#include "core/str.h"
#include "jose/claims.h"

#define CLAIMS_SIZE ((size_t)1024) /* their NUL included */

static int check_scopes(const struct actor *actor, const struct user *user, const char *wanted, const char **scopes)
{
    struct plan plan;

    if (plan_find(actor, user->plan, &plan) < 0)
        return -1;
    const char *allowed = user_bound_scopes(actor->arena, user, plan.scopes);

    *scopes = wanted == NULL ? allowed : list_tidy(actor->arena, wanted);
    const char *foreign = list_filter(actor->arena, *scopes, allowed, false);
    if (foreign[0] != '\0')
        return err_set(E_DENIED, "not for this account: %.80s; it may have %s", foreign, allowed);
    return (*scopes)[0] != '\0' ? 0 : err_set(E_INPUT, "a token without a scope is of no use");
}

/* The claim has blanks where our lists have commas (RFC 8693, 4.2). */
static const char *scope_claim(const struct actor *actor, const char *scopes)
{
    char *claim = arena_strdup(actor->arena, scopes);

    for (char *c = claim; *c != '\0'; c++)
        if (*c == ',')
            *c = ' ';
    return claim;
}

static void write_claims(struct strbuf *out, const struct user *user, const struct token_spec *spec,
                         const char *scope, const struct token *token)
{
    char id[TOKEN_ID_LEN + 1];
    struct json json;

    rand_hex(id, TOKEN_ID_LEN);
    json_init(&json, out);
    json_open(&json, '{');
    json_put_text(&json, "iss", spec->issuer);
    json_put_text(&json, "aud", spec->is_ticket ? BTCF_AUDIENCE_STREAM : BTCF_AUDIENCE);
    json_put_text(&json, "sub", user->public_id);
    json_put_text(&json, "sid", token->session);
    json_put_text(&json, "scope", scope);
    json_put_i64(&json, "iat", token->issued_s);
    json_put_i64(&json, "exp", token->expires_s);
    json_put_text(&json, "jti", id);
    json_close(&json, '}');
}

/* libjwt's functions return an errno, but the one that encodes, which sets it. */
static int encode(const struct signing_key *key, const char *claims, char **text)
{
    jwt_t *jwt = NULL;
    int error = jwt_new(&jwt);

    if (error == 0)
        error = jwt_add_header(jwt, "kid", key->id);
    if (error == 0)
        error = jwt_add_grants_json(jwt, claims);
    if (error == 0)
        error = jwt_set_alg(jwt, JWT_ALG_ES256, (const unsigned char *)key->pem, (int)strlen(key->pem));
    if (error == 0 && (*text = jwt_encode_str(jwt)) == NULL)
        error = errno;
    jwt_free(jwt);
    return *text != NULL ? 0 : err_set(E_STORE, "libjwt cannot sign: %s", strerror(error));
}

static int sign(const struct actor *actor, const struct user *user, const struct signing_key *key,
                const struct token_spec *spec, struct token *token)
{
    struct strbuf claims;

    strbuf_init(&claims, CLAIMS_SIZE);
    write_claims(&claims, user, spec, scope_claim(actor, token->scopes), token);
    int rc = strbuf_failed(&claims) ? err_set(E_INPUT, "the claims of the token are too long")
                                    : encode(key, claims.ptr, &token->text);
    strbuf_release(&claims);
    return rc;
}

int token_issue(const struct actor *actor, const struct user *user, const struct signing_key *key,
                const struct token_spec *spec, struct token *token)
{
    const char *wanted = spec->scopes == NULL && spec->is_ticket ? TOKEN_TICKET_SCOPE : spec->scopes;
    int64_t lifetime_s = spec->is_ticket ? TOKEN_TICKET_S : spec->lifetime_s;
    int64_t now_s = actor->now_ms / MS_PER_S;
    struct session session;

    if (!user_is_active(user))
        return err_set(E_DENIED, "the account %s is %s", user->public_id, user->state);
    if (lifetime_s < 1 || lifetime_s > SIGNING_KEY_TOKEN_MAX_S)
        return err_set(E_INPUT, "a token lives for 1 to %lld seconds", (long long)SIGNING_KEY_TOKEN_MAX_S);
    *token = (struct token){.issued_s = now_s > user->tokens_valid_after_s ? now_s : user->tokens_valid_after_s + 1};
    token->expires_s = token->issued_s + lifetime_s;
    if (check_scopes(actor, user, wanted, &token->scopes) < 0)
        return -1;
    int rc = spec->session == NULL ? session_open(actor, user, token->expires_s, &session)
                                   : session_extend(actor, user, spec->session, token->expires_s, &session);
    if (rc < 0)
        return -1;
    token->session = session.public_id;
    const char *detail =
        audit_detail(actor, "{\"account\": \"%s\", \"scopes\": \"%s\", \"expires_s\": %lld, \"ticket\": %s}",
                     user->public_id, token->scopes, (long long)token->expires_s, spec->is_ticket ? "true" : "false");
    if (audit_write(actor, "token.issue", "session", token->session, detail) < 0)
        return -1;
    return sign(actor, user, key, spec, token);
}

void token_release(struct token *token)
{
    if (token->text != NULL) {
        OPENSSL_cleanse(token->text, strlen(token->text));
        free(token->text);
    }
    token->text = NULL;
}
