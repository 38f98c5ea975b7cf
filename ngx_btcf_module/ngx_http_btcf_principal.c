
/*
 * What a principal gets from the account that its credential belongs to, be
 * that an API key or a token of our own: id, plan, scopes, and where in `edge`
 * it is limited and metered.
 *
 * The numbers of rows come from `pub`, whose writer may know more of them than
 * this `edge` has room for. Such an account is limited all the same: its entry
 * is then one of the pool, found by its id. Usage without a row is not lost
 * silently, the meter counts what it could not attribute.
 */


#include "ngx_http_btcf.h"


#define NGX_HTTP_BTCF_ACCOUNT_PREFIX  "account:"


static struct btcf_limit_row *ngx_http_btcf_principal_limit(
    const ngx_http_btcf_main_conf_t *mcf, uint32_t number,
    const ngx_str_t *user);


/*
 * What a known principal touches lies in four tables, and most of it in no
 * cache of the processor when there are many of them. The numbers are known
 * before any of it is needed, so it is fetched at once and not one by one.
 */

void
ngx_http_btcf_principal_prefetch(ngx_http_request_t *r,
    const struct btcf_auth *auth, uint32_t account, uint32_t row)
{
    u_char                           *p;
    const ngx_http_btcf_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_btcf_module);

    if (account < auth->account_count) {
        __builtin_prefetch(&auth->accounts[account]);
    }

    if (account < mcf->edge.limit_count) {
        __builtin_prefetch(&mcf->edge.limits[account], 1);
    }

    if (row < mcf->edge.usage_count) {
        p = (u_char *) &mcf->edge.usage[row];

        __builtin_prefetch(p, 1);
        __builtin_prefetch(p + 64, 1);
        __builtin_prefetch(p + 128, 1);
        __builtin_prefetch(p + 192, 1);
    }
}


enum btcf_read
ngx_http_btcf_principal_account(ngx_http_request_t *r,
    const struct btcf_auth *auth, const struct btcf_account *account,
    uint32_t row, ngx_http_btcf_principal_t *principal)
{
    enum btcf_read                    rc;
    ngx_http_btcf_ctx_t              *ctx;
    const ngx_http_btcf_main_conf_t  *mcf;

    ctx = ngx_http_btcf_find_ctx(r);
    mcf = ngx_http_get_module_main_conf(r, ngx_http_btcf_module);

    rc = btcf_auth_plan(auth, account->plan, &ctx->plan);
    if (rc != BTCF_READ_OK) {
        return rc;
    }

    principal->plan = account->plan;
    principal->scopes &= ctx->plan.scopes;

    if (!(account->flags & BTCF_ACCOUNT_ADMIN)) {
        principal->scopes &= ~(uint64_t) BTCF_SCOPE_ADMIN;
    }

    principal->blocked_until_s = account->blocked_until_s;
    principal->blocked_month = (account->blocked_period == BTCF_PERIOD_MONTH);

    btcf_id_render(account->id, (char *) principal->account);
    principal->user.data = principal->account;
    principal->user.len = 2 * BTCF_ID_SIZE;

    principal->limit = ngx_http_btcf_principal_limit(mcf, account->number,
                                                     &principal->user);
    principal->usage = (row < mcf->edge.usage_count) ? &mcf->edge.usage[row]
                                                     : NULL;

    return BTCF_READ_OK;
}


static struct btcf_limit_row *
ngx_http_btcf_principal_limit(const ngx_http_btcf_main_conf_t *mcf,
    uint32_t number, const ngx_str_t *user)
{
    u_char                   subject[sizeof(NGX_HTTP_BTCF_ACCOUNT_PREFIX)
                                     + 2 * BTCF_ID_SIZE];
    u_char                  *p;
    struct btcf_pool_entry  *entry;

    if (number < mcf->edge.limit_count) {
        return &mcf->edge.limits[number];
    }

    if (mcf->edge.pool_count == 0) {
        return NULL;
    }

    p = ngx_cpymem(subject, NGX_HTTP_BTCF_ACCOUNT_PREFIX,
                   sizeof(NGX_HTTP_BTCF_ACCOUNT_PREFIX) - 1);
    p = ngx_cpymem(p, user->data, user->len);

    /* no issuer of tokens has an empty name, so nobody else is found here */

    entry = btcf_pool_find(&mcf->edge, "", 0, (char *) subject,
                           (size_t) (p - subject), (int64_t) ngx_time());

    return entry ? &entry->limit : NULL;
}
