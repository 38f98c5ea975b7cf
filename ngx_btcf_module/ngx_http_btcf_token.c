
/*
 * Judges a token: ours, a third party's, or a ticket for a stream.
 *
 *     form      is it a token at all?             before anything is hashed
 *     digest    was it verified already?          _token_cache
 *     verify    what does it say, who signed it?  _token_verify
 *     now       expiry; account, session          for every request anew
 *
 * The first three are about the text alone, so their answer may be kept; the
 * last is about the world and is never kept. A revocation is therefore in
 * force with the first request after the segment has it, and flushes nothing.
 *
 * A ticket opens one stream and lives for half a minute. It is never kept, so
 * that no other kind of token can be found in its place, nor it in theirs.
 */


#include "ngx_http_btcf_token.h"

#include "jose/hash.h"


/* bits above those of shm/auth.h */
#define NGX_HTTP_BTCF_FOREIGN_SCOPES  (~(uint64_t) 0 << BTCF_SCOPES_MAX)


static ngx_uint_t ngx_http_btcf_token_has_form(const ngx_str_t *text);
static enum btcf_auth_outcome ngx_http_btcf_token_find(ngx_http_request_t *r,
    const struct btcf_auth *auth, const ngx_str_t *text,
    const ngx_http_btcf_token_place_t *place, ngx_http_btcf_token_t **tokenp);
static void ngx_http_btcf_token_prefetch(ngx_http_request_t *r,
    const struct btcf_auth *auth, const ngx_http_btcf_token_place_t *place);
static ngx_uint_t ngx_http_btcf_token_accepts(
    const ngx_http_btcf_loc_conf_t *lcf, const ngx_http_btcf_issuer_t *issuer);
static enum btcf_auth_outcome ngx_http_btcf_token_judge(ngx_http_request_t *r,
    const struct btcf_auth *auth, ngx_http_btcf_token_t *token,
    ngx_http_btcf_principal_t *principal);
static enum btcf_auth_outcome ngx_http_btcf_token_now(
    const ngx_http_btcf_token_t *token);
static enum btcf_auth_outcome ngx_http_btcf_token_account(
    const struct btcf_auth *auth, ngx_http_btcf_token_t *token,
    struct btcf_account *account);
static enum btcf_auth_outcome ngx_http_btcf_token_own(ngx_http_request_t *r,
    const struct btcf_auth *auth, ngx_http_btcf_token_t *token,
    ngx_http_btcf_principal_t *principal);
static enum btcf_auth_outcome ngx_http_btcf_token_foreign(
    ngx_http_request_t *r, const struct btcf_auth *auth,
    ngx_http_btcf_token_t *token, ngx_http_btcf_principal_t *principal);
static struct btcf_pool_entry *ngx_http_btcf_token_row(
    const struct btcf_edge *edge, ngx_http_btcf_token_t *token);
static ngx_int_t ngx_http_btcf_token_texts(ngx_http_request_t *r,
    const ngx_http_btcf_token_t *token, ngx_http_btcf_principal_t *principal);


/* the one verified last: its texts are those of _token_verify */
static ngx_http_btcf_token_t  ngx_http_btcf_token_verified;


ngx_int_t
ngx_http_btcf_token_init(ngx_cycle_t *cycle,
    const ngx_http_btcf_main_conf_t *mcf)
{
    if (ngx_http_btcf_jwks_init(cycle, mcf) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_btcf_token_cache_init(cycle, mcf);
}


void
ngx_http_btcf_token_exit(void)
{
    ngx_http_btcf_token_cache_exit();
    ngx_http_btcf_jwks_exit();
}


/* A token's place in the cache comes from its end, which is the header's. */

void
ngx_http_btcf_token_expect(const ngx_str_t *value)
{
    ngx_http_btcf_token_place_t  place;

    ngx_http_btcf_token_cache_locate(value, &place);
}


ngx_int_t
ngx_http_btcf_token(ngx_http_request_t *r, const ngx_str_t *text,
    ngx_uint_t ticket, ngx_http_btcf_principal_t *principal)
{
    enum btcf_auth_outcome           outcome;
    ngx_http_btcf_token_t           *token;
    const struct btcf_auth          *auth;
    ngx_http_btcf_token_place_t      place;
    const ngx_http_btcf_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_btcf_module);

    ngx_http_btcf_token_cache_locate(text, &place);

    principal->outcome = BTCF_AUTH_MALFORMED;

    if (!ngx_http_btcf_token_has_form(text)) {
        return NGX_OK;
    }

    principal->outcome = BTCF_AUTH_UNAVAILABLE;

    auth = ngx_http_btcf_segment_auth(lcf->policy.max_stale);
    if (auth == NULL) {
        return NGX_OK;
    }

    token = &ngx_http_btcf_token_verified;

    outcome = ticket ? ngx_http_btcf_token_verify(r, text, 1, token)
                     : ngx_http_btcf_token_find(r, auth, text, &place,
                                                &token);

    if (outcome != BTCF_AUTH_TOKEN && outcome != BTCF_AUTH_TICKET) {
        principal->outcome = outcome;
        return NGX_OK;
    }

    principal->outcome = ngx_http_btcf_token_judge(r, auth, token, principal);

    if (principal->outcome != BTCF_AUTH_TOKEN) {
        return NGX_OK;
    }

    principal->outcome = outcome;

    /* a ticket only opens the stream: its session is what keeps it open */
    principal->expires = ticket ? 0 : (time_t) token->exp_s;
    principal->issued = (time_t) token->iat_s;

    return ngx_http_btcf_token_texts(r, token, principal);
}


/*
 * For streams, which outlive their request's checks. What a key or a token
 * was good for is settled; whether it is still good is looked up again.
 */

ngx_uint_t
ngx_http_btcf_still_valid(ngx_http_request_t *r,
    const ngx_http_btcf_principal_t *principal)
{
    struct btcf_key                  key;
    struct btcf_account              account;
    ngx_http_btcf_token_t            token;
    const struct btcf_auth          *auth;
    const ngx_http_btcf_loc_conf_t  *lcf;

    if (!ngx_http_btcf_is_known(principal)) {
        return principal->outcome <= BTCF_AUTH_GUEST;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_btcf_module);

    auth = ngx_http_btcf_segment_auth(lcf->policy.max_stale);

    if (auth == NULL
        || (principal->expires && principal->expires <= ngx_time()))
    {
        return 0;
    }

    if (principal->outcome == BTCF_AUTH_KEY) {
        return btcf_auth_key(auth, principal->digest, &key) == BTCF_READ_OK
               && (key.flags & BTCF_KEY_ENABLED)
               && (key.expires_s == 0 || key.expires_s > (int64_t) ngx_time())
               && btcf_auth_account(auth, key.account, &account)
                  == BTCF_READ_OK
               && (account.flags & BTCF_ACCOUNT_ENABLED);
    }

    if (principal->session.len == 0) {
        return 1;
    }

    ngx_memzero(&token, sizeof(ngx_http_btcf_token_t));

    token.iat_s = principal->issued;

    return btcf_id_parse((char *) principal->user.data, principal->user.len,
                         token.account_id)
           && btcf_id_parse((char *) principal->session.data,
                            principal->session.len, token.session_id)
           && ngx_http_btcf_token_account(auth, &token, &account)
              == BTCF_AUTH_TOKEN;
}


/* Three parts, of a length that is worth hashing. */

static ngx_uint_t
ngx_http_btcf_token_has_form(const ngx_str_t *text)
{
    u_char  *p, *last;

    if (text->len > BTCF_TOKEN_MAX) {
        return 0;
    }

    last = text->data + text->len;

    /* memchr() looks at 32 bytes at a time; ngx_strlchr() at each of 300 */

    p = memchr(text->data, '.', text->len);
    if (p == NULL) {
        return 0;
    }

    p = memchr(p + 1, '.', last - p - 1);

    return p != NULL && memchr(p + 1, '.', last - p - 1) == NULL;
}


/* From the cache, or verified and then kept. TOKEN, or why there is none. */

static enum btcf_auth_outcome
ngx_http_btcf_token_find(ngx_http_request_t *r, const struct btcf_auth *auth,
    const ngx_str_t *text, const ngx_http_btcf_token_place_t *place,
    ngx_http_btcf_token_t **tokenp)
{
    u_char                           digest[BTCF_HASH_SIZE_MAX];
    ngx_uint_t                       evicted;
    struct btcf_hash                 hash;
    ngx_http_btcf_token_t           *token, *kept;
    enum btcf_auth_outcome           outcome;
    struct btcf_metric_block        *metrics;
    const ngx_http_btcf_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_btcf_module);
    metrics = ngx_http_btcf_meter_block(
                       ngx_http_get_module_main_conf(r, ngx_http_btcf_module));

    ngx_http_btcf_token_prefetch(r, auth, place);

    btcf_hash_init(&hash, 256);
    btcf_hash_update(&hash, text->data, text->len);
    btcf_hash_final(&hash, digest);

    token = ngx_http_btcf_token_cache_find(place, digest);

    if (token
        && token->generation == ngx_http_btcf_jwks_generation(token->issuer)
        && ngx_http_btcf_token_accepts(lcf, token->issuer))
    {
        btcf_count(&metrics->token_hits, 1);

        *tokenp = token;
        return BTCF_AUTH_TOKEN;
    }

    btcf_count(&metrics->token_misses, 1);

    token = &ngx_http_btcf_token_verified;
    outcome = ngx_http_btcf_token_verify(r, text, 0, token);

    *tokenp = token;

    if (outcome != BTCF_AUTH_TOKEN) {
        return outcome;
    }

    kept = ngx_http_btcf_token_cache_insert(place, digest, token, &evicted);

    if (kept) {
        btcf_count(&metrics->token_evictions, evicted);
        *tokenp = kept;
    }

    return outcome;
}


/* The rows of whom the token names, if it is the one that it looks like. */

static void
ngx_http_btcf_token_prefetch(ngx_http_request_t *r,
    const struct btcf_auth *auth, const ngx_http_btcf_token_place_t *place)
{
    u_char                            *p, *last;
    const ngx_http_btcf_main_conf_t   *mcf;
    const ngx_http_btcf_token_rows_t  *rows;

    rows = ngx_http_btcf_token_cache_fetch(place);

    if (rows == NULL) {
        return;
    }

    if (rows->account != NGX_HTTP_BTCF_TOKEN_POOLED) {
        ngx_http_btcf_principal_prefetch(r, auth, rows->account, rows->row);
        return;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_btcf_module);

    if (rows->row >= mcf->edge.pool_count) {
        return;
    }

    p = (u_char *) &mcf->edge.pool[rows->row];

    __builtin_prefetch(p);

    /* past the name, which is for the meter */

    last = p + sizeof(struct btcf_pool_entry);
    p += offsetof(struct btcf_pool_entry, limit);

    for ( /* void */ ; p < last; p += 64) {
        __builtin_prefetch(p, 1);
    }
}


/* Another location may have verified it, with keys that are not for here. */

static ngx_uint_t
ngx_http_btcf_token_accepts(const ngx_http_btcf_loc_conf_t *lcf,
    const ngx_http_btcf_issuer_t *issuer)
{
    ngx_uint_t                i;
    ngx_http_btcf_issuer_t  **accepted;

    if (issuer->number == 0) {
        return lcf->token.own;
    }

    if (lcf->token.issuers == NULL) {
        return 0;
    }

    accepted = lcf->token.issuers->elts;

    for (i = 0; i < lcf->token.issuers->nelts; i++) {
        if (accepted[i] == issuer) {
            return 1;
        }
    }

    return 0;
}


/* What may change while the text stays the same. TOKEN, or why not. */

static enum btcf_auth_outcome
ngx_http_btcf_token_judge(ngx_http_request_t *r, const struct btcf_auth *auth,
    ngx_http_btcf_token_t *token, ngx_http_btcf_principal_t *principal)
{
    enum btcf_auth_outcome  outcome;

    outcome = ngx_http_btcf_token_now(token);

    if (outcome != BTCF_AUTH_TOKEN) {
        return outcome;
    }

    return (token->issuer->number == 0)
           ? ngx_http_btcf_token_own(r, auth, token, principal)
           : ngx_http_btcf_token_foreign(r, auth, token, principal);
}


static enum btcf_auth_outcome
ngx_http_btcf_token_now(const ngx_http_btcf_token_t *token)
{
    int64_t  now, leeway;

    now = (int64_t) ngx_time();
    leeway = token->issuer->leeway;

    if (now >= token->exp_s + leeway) {
        return BTCF_AUTH_EXPIRED;
    }

    if (now < token->nbf_s - leeway || now < token->iat_s - leeway) {
        return BTCF_AUTH_BAD_TOKEN;
    }

    return BTCF_AUTH_TOKEN;
}


/* TOKEN when account and session are in order now. */

static enum btcf_auth_outcome
ngx_http_btcf_token_account(const struct btcf_auth *auth,
    ngx_http_btcf_token_t *token, struct btcf_account *account)
{
    enum btcf_read  rc;

    /* the number was right in the file where it was found */

    rc = btcf_auth_account(auth, token->rows.account, account);

    if (rc != BTCF_READ_OK
        || ngx_memcmp(account->id, token->account_id, BTCF_ID_SIZE) != 0)
    {
        rc = btcf_auth_account_find(auth, token->account_id, account);
    }

    if (rc == BTCF_READ_ABSENT) {
        return BTCF_AUTH_UNKNOWN;
    }

    if (rc != BTCF_READ_OK) {
        return BTCF_AUTH_UNAVAILABLE;
    }

    token->rows.account = account->number;
    token->rows.row = account->row;

    if (!(account->flags & BTCF_ACCOUNT_ENABLED)) {
        return BTCF_AUTH_UNKNOWN;
    }

    if (token->iat_s <= account->tokens_valid_after_s
        || btcf_auth_is_revoked(auth, token->session_id))
    {
        return BTCF_AUTH_REVOKED;
    }

    return BTCF_AUTH_TOKEN;
}


static enum btcf_auth_outcome
ngx_http_btcf_token_own(ngx_http_request_t *r, const struct btcf_auth *auth,
    ngx_http_btcf_token_t *token, ngx_http_btcf_principal_t *principal)
{
    struct btcf_account     account;
    enum btcf_auth_outcome  outcome;

    outcome = ngx_http_btcf_token_account(auth, token, &account);

    if (outcome != BTCF_AUTH_TOKEN) {
        return outcome;
    }

    principal->scopes = token->scopes;

    if (ngx_http_btcf_principal_account(r, auth, &account, account.row,
                                        principal)
        != BTCF_READ_OK)
    {
        return BTCF_AUTH_UNAVAILABLE;
    }

    return BTCF_AUTH_TOKEN;
}


/*
 * Somebody else's user: no account of ours, so a plan by configuration, and
 * limits by a row that is found by name. The plan bounds our own scopes; those
 * that only the configuration names are the issuer's to give. Nobody else makes
 * administrators.
 */

static enum btcf_auth_outcome
ngx_http_btcf_token_foreign(ngx_http_request_t *r,
    const struct btcf_auth *auth, ngx_http_btcf_token_t *token,
    ngx_http_btcf_principal_t *principal)
{
    ngx_http_btcf_ctx_t              *ctx;
    struct btcf_pool_entry           *entry;
    const ngx_http_btcf_main_conf_t  *mcf;

    ctx = ngx_http_btcf_find_ctx(r);
    mcf = ngx_http_get_module_main_conf(r, ngx_http_btcf_module);

    if (ngx_http_btcf_default_plan(r, auth, &ctx->plan) != BTCF_READ_OK) {
        return BTCF_AUTH_UNAVAILABLE;
    }

    principal->plan = ctx->plan.number;
    principal->scopes = token->scopes
                        & (ctx->plan.scopes | NGX_HTTP_BTCF_FOREIGN_SCOPES)
                        & ~(uint64_t) BTCF_SCOPE_ADMIN;

    entry = ngx_http_btcf_token_row(&mcf->edge, token);

    if (entry == NULL) {
        btcf_count(&ngx_http_btcf_meter_block(mcf)->pool_full, 1);
        return BTCF_AUTH_TOKEN;
    }

    principal->limit = &entry->limit;
    principal->usage = &entry->usage;

    return BTCF_AUTH_TOKEN;
}


/* A token in the cache knows where its row was: the set is not searched. */

static struct btcf_pool_entry *
ngx_http_btcf_token_row(const struct btcf_edge *edge,
    ngx_http_btcf_token_t *token)
{
    int64_t                  now;
    struct btcf_pool_name    name;
    struct btcf_pool_entry  *entry;

    now = (int64_t) ngx_time();

    if (token->rows.account == NGX_HTTP_BTCF_TOKEN_POOLED) {
        entry = &edge->pool[token->rows.row];

        if (btcf_pool_is_still(entry, token->pool_hash, now)) {
            return entry;
        }
    }

    name.issuer = (char *) token->iss.data;
    name.issuer_len = token->iss.len;
    name.subject = (char *) token->user.data;
    name.subject_len = token->user.len;

    if (token->pool_hash == 0) {
        token->pool_hash = btcf_pool_prefetch(edge, &name);
    }

    entry = btcf_pool_find_hashed(edge, &name, token->pool_hash, now);

    if (entry) {
        token->rows.account = NGX_HTTP_BTCF_TOKEN_POOLED;
        token->rows.row = (uint32_t) (entry - edge->pool);
    }

    return entry;
}


/* The cache may give the token up before the request has ended: a copy. */

static ngx_int_t
ngx_http_btcf_token_texts(ngx_http_request_t *r,
    const ngx_http_btcf_token_t *token, ngx_http_btcf_principal_t *principal)
{
    u_char  *p;

    p = ngx_pnalloc(r->pool,
                    token->user.len + token->session.len + token->iss.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    principal->user.data = p;
    principal->user.len = token->user.len;
    p = ngx_cpymem(p, token->user.data, token->user.len);

    principal->session.data = p;
    principal->session.len = token->session.len;
    p = ngx_cpymem(p, token->session.data, token->session.len);

    principal->issuer.data = p;
    principal->issuer.len = token->iss.len;
    (void) ngx_cpymem(p, token->iss.data, token->iss.len);

    return NGX_OK;
}
