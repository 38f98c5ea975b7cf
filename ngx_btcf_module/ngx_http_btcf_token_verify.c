
/*
 * From the text of a token to what it says, if its issuer has signed it. The
 * parsing and the cryptography are engine/jose; this file chooses the keys and
 * knows what the claims mean to us.
 *
 * Claims are read before the signature is verified, because `iss` chooses the
 * keys, and because a token that has expired or is meant for somebody else is
 * not worth a verification. Nothing of them is believed before. At most one
 * signature is verified: whoever signed it, it is with one key or not at all.
 */


#include "ngx_http_btcf_token.h"


#define NGX_HTTP_BTCF_TICKET_LIFE  30   /* s from iat to exp, at most */


static enum btcf_verdict ngx_http_btcf_token_check(
    const ngx_http_btcf_issuer_t *issuer, const struct btcf_claims *claims,
    ngx_uint_t ticket);
static const ngx_http_btcf_issuer_t *ngx_http_btcf_token_issuer_of(
    ngx_http_request_t *r, const struct btcf_claims *claims,
    ngx_uint_t ticket);
static void ngx_http_btcf_token_prefetch_row(ngx_http_request_t *r,
    const struct btcf_claims *claims, ngx_http_btcf_token_t *token);
static enum btcf_verdict ngx_http_btcf_token_read(ngx_http_request_t *r,
    const struct btcf_claims *claims, ngx_uint_t ticket,
    ngx_http_btcf_token_t *token);
static enum btcf_verdict ngx_http_btcf_token_read_own(
    const struct btcf_claims *claims, ngx_uint_t ticket,
    ngx_http_btcf_token_t *token);
static ngx_uint_t ngx_http_btcf_token_is_name(const ngx_str_t *text,
    u_char least);
static enum btcf_auth_outcome ngx_http_btcf_token_refused(
    ngx_http_request_t *r, enum btcf_verdict verdict);


/* of the token that is being verified: 8 KiB, begun anew by each */
static struct btcf_jws  ngx_http_btcf_jws;


enum btcf_auth_outcome
ngx_http_btcf_token_verify(ngx_http_request_t *r, const ngx_str_t *text,
    ngx_uint_t ticket, ngx_http_btcf_token_t *token)
{
    struct btcf_jws               *jws;
    enum btcf_verdict              verdict;
    struct btcf_claims             claims;
    struct btcf_verifier          *verifier;
    const ngx_http_btcf_issuer_t  *issuer;

    jws = &ngx_http_btcf_jws;
    issuer = NULL;

    verdict = btcf_jws_parse(jws, (char *) text->data, text->len);

    if (verdict == BTCF_TOKEN_VALID) {
        verdict = btcf_claims_parse(&claims, jws);
    }

    if (verdict == BTCF_TOKEN_VALID) {
        issuer = ngx_http_btcf_token_issuer_of(r, &claims, ticket);
        verdict = issuer ? ngx_http_btcf_token_check(issuer, &claims, ticket)
                         : BTCF_TOKEN_WRONG_ISSUER;
    }

    if (verdict != BTCF_TOKEN_VALID) {
        return ngx_http_btcf_token_refused(r, verdict);
    }

    verifier = ngx_http_btcf_jwks_verifier(issuer);
    if (verifier == NULL) {
        return BTCF_AUTH_UNAVAILABLE;
    }

    token->pool_hash = 0;
    ngx_memzero(&token->rows, sizeof(ngx_http_btcf_token_rows_t));

    if (issuer->number) {
        ngx_http_btcf_token_prefetch_row(r, &claims, token);
    }

    verdict = btcf_jws_verify(jws, verifier);

    if (verdict == BTCF_TOKEN_VALID) {
        token->issuer = issuer;
        token->generation = ngx_http_btcf_jwks_generation(issuer);
        verdict = ngx_http_btcf_token_read(r, &claims, ticket, token);
    }

    if (verdict != BTCF_TOKEN_VALID) {
        return ngx_http_btcf_token_refused(r, verdict);
    }

    return ticket ? BTCF_AUTH_TICKET : BTCF_AUTH_TOKEN;
}


/* NULL: nobody whose tokens are accepted here. Only we give out tickets. */

static const ngx_http_btcf_issuer_t *
ngx_http_btcf_token_issuer_of(ngx_http_request_t *r,
    const struct btcf_claims *claims, ngx_uint_t ticket)
{
    ngx_uint_t                        i;
    const ngx_str_t                  *own;
    ngx_http_btcf_issuer_t          **issuer;
    const ngx_http_btcf_loc_conf_t   *lcf;
    const ngx_http_btcf_main_conf_t  *mcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_btcf_module);
    mcf = ngx_http_get_module_main_conf(r, ngx_http_btcf_module);

    own = &mcf->token.own->name;

    if (claims->iss.len == own->len
        && ngx_memcmp(claims->iss.ptr, own->data, own->len) == 0)
    {
        return lcf->token.own ? mcf->token.own : NULL;
    }

    if (ticket || lcf->token.issuers == NULL) {
        return NULL;
    }

    issuer = lcf->token.issuers->elts;

    for (i = 0; i < lcf->token.issuers->nelts; i++) {

        if (issuer[i]->name.len == 0
            || (issuer[i]->name.len == claims->iss.len
                && ngx_memcmp(issuer[i]->name.data, claims->iss.ptr,
                              claims->iss.len)
                   == 0))
        {
            return issuer[i];
        }
    }

    return NULL;
}


/*
 * Whether it is an access token or a ticket is said by the audience of ours,
 * and by nothing else. One that names a second audience is none that we have
 * issued.
 */

static enum btcf_verdict
ngx_http_btcf_token_check(const ngx_http_btcf_issuer_t *issuer,
    const struct btcf_claims *claims, ngx_uint_t ticket)
{
    struct btcf_claims_policy  policy;

    ngx_memzero(&policy, sizeof(struct btcf_claims_policy));

    policy.leeway_s = issuer->leeway;

    if (issuer->audience.len) {
        policy.aud = (char *) issuer->audience.data;
    }

    if (issuer->number == 0) {
        if (claims->aud_count != 1) {
            return BTCF_TOKEN_WRONG_AUDIENCE;
        }

        policy.aud = ticket ? BTCF_AUDIENCE_STREAM : BTCF_AUDIENCE;
    }

    return btcf_claims_check(claims, &policy, (int64_t) ngx_time());
}


/*
 * The row of whom it is said to be from: it comes from memory while the
 * signature is verified, and is not looked at before.
 */

static void
ngx_http_btcf_token_prefetch_row(ngx_http_request_t *r,
    const struct btcf_claims *claims, ngx_http_btcf_token_t *token)
{
    struct btcf_pool_name             name;
    const ngx_http_btcf_main_conf_t  *mcf;

    /* nobody's forgery shall have us hash more than what a name may be */

    if (claims->iss.len + claims->sub.len > BTCF_SUBJECT_MAX) {
        return;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_btcf_module);

    name.issuer = claims->iss.ptr;
    name.issuer_len = claims->iss.len;
    name.subject = claims->sub.ptr;
    name.subject_len = claims->sub.len;

    token->pool_hash = btcf_pool_prefetch(&mcf->edge, &name);
}


static enum btcf_verdict
ngx_http_btcf_token_read(ngx_http_request_t *r,
    const struct btcf_claims *claims, ngx_uint_t ticket,
    ngx_http_btcf_token_t *token)
{
    token->exp_s = claims->exp_s;
    token->nbf_s = claims->has_nbf ? claims->nbf_s : 0;
    token->iat_s = claims->has_iat ? claims->iat_s : 0;
    token->scopes = 0;

    if (claims->scope.ptr) {
        token->scopes = ngx_http_btcf_scope_bits(r,
                                                 (u_char *) claims->scope.ptr,
                                                 claims->scope.len);
    }

    token->user.data = (u_char *) claims->sub.ptr;
    token->user.len = claims->sub.len;
    token->iss.data = (u_char *) claims->iss.ptr;
    token->iss.len = claims->iss.len;
    token->session.data = (u_char *) claims->sid.ptr;
    token->session.len = claims->sid.len;

    if (token->issuer->number == 0) {
        return ngx_http_btcf_token_read_own(claims, ticket, token);
    }

    /* a session of somebody else's means nothing to us */
    token->session.len = 0;

    /* issuer and subject name the principal, with a space between them */

    return (ngx_http_btcf_token_is_name(&token->user, ' ')
            && ngx_http_btcf_token_is_name(&token->iss, ' ' + 1))
           ? BTCF_TOKEN_VALID : BTCF_TOKEN_BAD_CLAIMS;
}


/*
 * Ours name an account, a session and when they were issued, in full: without
 * these they could not be revoked.
 */

static enum btcf_verdict
ngx_http_btcf_token_read_own(const struct btcf_claims *claims,
    ngx_uint_t ticket, ngx_http_btcf_token_t *token)
{
    if (!btcf_id_parse(claims->sub.ptr, claims->sub.len, token->account_id)
        || !btcf_id_parse(claims->sid.ptr, claims->sid.len, token->session_id)
        || !claims->has_iat)
    {
        return BTCF_TOKEN_BAD_CLAIMS;
    }

    if (ticket
        && claims->exp_s - claims->iat_s > NGX_HTTP_BTCF_TICKET_LIFE)
    {
        return BTCF_TOKEN_BAD_CLAIMS;
    }

    return BTCF_TOKEN_VALID;
}


/*
 * Names go into logs and into what upstreams are sent: nothing in them may end
 * a line or a header.
 */

static ngx_uint_t
ngx_http_btcf_token_is_name(const ngx_str_t *text, u_char least)
{
    size_t  i;

    for (i = 0; i < text->len; i++) {
        if (text->data[i] < least || text->data[i] == 0x7f) {
            return 0;
        }
    }

    return text->len != 0;
}


/* Which of them it was is for the operator, not for the client. */

static enum btcf_auth_outcome
ngx_http_btcf_token_refused(ngx_http_request_t *r, enum btcf_verdict verdict)
{
    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "btcf: token refused: %s", btcf_verdict_text(verdict));

    switch (verdict) {

    case BTCF_TOKEN_TOO_LONG:
    case BTCF_TOKEN_NOT_COMPACT:
    case BTCF_TOKEN_BAD_ENCODING:
    case BTCF_TOKEN_BAD_HEADER:
    case BTCF_TOKEN_FORBIDDEN_HEADER:
        return BTCF_AUTH_MALFORMED;

    case BTCF_TOKEN_EXPIRED:
        return BTCF_AUTH_EXPIRED;

    default:
        return BTCF_AUTH_BAD_TOKEN;
    }
}
