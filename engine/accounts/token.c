/* Header and claims are written with core/json, signed as they stand (RFC 7515, 7.1).
 *
 * Not with libjwt: version 1.10, Debian's, writes "JWT" over the header's typ whenever it encodes, and refuses any
 * other when it decodes, so that neither at+jwt (RFC 9068) nor a ticket can be made or read with it (docs/DECISIONS/0007).
 */
#include "accounts/token.h"

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
#include "crypto/base64url.h"

#define PART_SIZE ((size_t)1024) /* header or claims, their NUL included */
#define TOKEN_SIZE (2 * BASE64URL_LEN(PART_SIZE) + BASE64URL_LEN(SIGNING_KEY_SIGNATURE_SIZE) + sizeof(".."))

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

static void write_header(struct strbuf *out, const struct signing_key *key, bool is_ticket)
{
    struct json json;

    json_init(&json, out);
    json_open(&json, '{');
    json_put_text(&json, "alg", SIGNING_KEY_ALGORITHM);
    json_put_text(&json, "kid", key->id);
    json_put_text(&json, "typ", is_ticket ? "stream" : "at+jwt");
    json_close(&json, '}');
}

static void write_claims(struct strbuf *out, const struct user *user, const char *issuer, const char *scope,
                         const struct token *token)
{
    char id[TOKEN_ID_LEN + 1];
    struct json json;

    rand_hex(id, TOKEN_ID_LEN);
    json_init(&json, out);
    json_open(&json, '{');
    json_put_text(&json, "iss", issuer);
    json_put_text(&json, "sub", user->public_id);
    json_put_text(&json, "sid", token->session);
    json_put_text(&json, "scope", scope);
    json_put_i64(&json, "iat", token->issued_s);
    json_put_i64(&json, "exp", token->expires_s);
    json_put_text(&json, "jti", id);
    json_close(&json, '}');
}

/* Moves what is in `part` to the end of `text`, in base64url. */
static void add_part(char *text, struct strbuf *part)
{
    base64url_encode(part->ptr, part->len, text + strlen(text));
    strbuf_reset(part);
}

static int sign(const struct actor *actor, const struct user *user, const struct signing_key *key,
                const struct token_spec *spec, struct token *token)
{
    unsigned char signature[SIGNING_KEY_SIGNATURE_SIZE];
    struct strbuf part;

    token->text = calloc(1, TOKEN_SIZE);
    if (token->text == NULL)
        abort();
    strbuf_init(&part, PART_SIZE);
    write_header(&part, key, spec->is_ticket);
    add_part(token->text, &part);
    token->text[strlen(token->text)] = '.';
    write_claims(&part, user, spec->issuer, scope_claim(actor, token->scopes), token);
    bool is_whole = !strbuf_failed(&part);
    add_part(token->text, &part);
    strbuf_release(&part);
    size_t len = strlen(token->text);
    if (!is_whole)
        return err_set(E_INPUT, "the claims of the token are too long");
    if (signing_key_sign(key, token->text, len, signature) < 0)
        return -1;
    token->text[len++] = '.';
    base64url_encode(signature, sizeof(signature), token->text + len);
    return 0;
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
