
/*
 * Who? May they? How often? This file orders the checks of a request and does
 * nothing else; each check is in the file of its name.
 *
 *     1. a preflight request that btcf_cors answers       _cors
 *     2. the address: is it over its limit already?       _limit
 *     3. the credential, if there is one: who is it?      _credential, then
 *                                                         _apikey or _token
 *     4. the policy: may they?                            _policy
 *     5. the account's rate, then its quota               _limit
 *     6. what a test key asked to be simulated            _simulate
 *
 * The address comes first, so that a flood of forged credentials is stopped
 * before any of them is looked at. It is charged for guests and for failed
 * credentials; whoever is known is charged by account, and so are requests
 * that the policy refuses.
 *
 * What was established holds for one policy, named by the address of its
 * configuration: after an internal redirect into another location everything
 * is asked anew, but for charging, which happens once per request.
 */


#include "ngx_http_btcf.h"


static ngx_int_t ngx_http_btcf_refuse(ngx_http_request_t *r,
    ngx_http_btcf_ctx_t *ctx);


/* in the order of enum btcf_auth_outcome, from BTCF_AUTH_MISSING on */

static const ngx_http_btcf_problem_e  ngx_http_btcf_refusals[] = {
    NGX_HTTP_BTCF_UNAUTHENTICATED,
    NGX_HTTP_BTCF_INVALID_CREDENTIAL,
    NGX_HTTP_BTCF_INVALID_CREDENTIAL,
    NGX_HTTP_BTCF_INVALID_CREDENTIAL,
    NGX_HTTP_BTCF_INVALID_CREDENTIAL,
    NGX_HTTP_BTCF_INVALID_CREDENTIAL,
    NGX_HTTP_BTCF_TWO_CREDENTIALS,
    NGX_HTTP_BTCF_WRONG_NETWORK,
    NGX_HTTP_BTCF_INSUFFICIENT_SCOPE,
    NGX_HTTP_BTCF_AUTH_UNAVAILABLE
};


/*
 * NGX_OK says that a credential was good, which is what `satisfy any` asks;
 * NGX_DECLINED leaves a guest to the access checks of other modules.
 */

ngx_int_t
ngx_http_btcf_access_handler(ngx_http_request_t *r)
{
    ngx_http_btcf_ctx_t              *ctx;
    const ngx_http_btcf_loc_conf_t   *lcf;
    const ngx_http_btcf_principal_t  *principal;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_btcf_module);

    ctx = ngx_http_btcf_get_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->started_us == 0) {
        ctx->started_us = ngx_http_btcf_now_us();
    }

    if (ngx_http_btcf_limit_address(r, ctx) != NGX_OK) {
        return ngx_http_btcf_problem_status(ctx);
    }

    principal = ngx_http_btcf_authenticate(r);
    if (principal == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (lcf->policy.auth != NGX_HTTP_BTCF_AUTH_OFF
        && principal->outcome >= BTCF_AUTH_MISSING)
    {
        return ngx_http_btcf_refuse(r, ctx);
    }

    if (ngx_http_btcf_limit_account(r, ctx) != NGX_OK) {
        return ngx_http_btcf_problem_status(ctx);
    }

    return principal->outcome > BTCF_AUTH_GUEST ? NGX_OK : NGX_DECLINED;
}


const ngx_http_btcf_principal_t *
ngx_http_btcf_authenticate(ngx_http_request_t *r)
{
    ngx_int_t                        rc;
    ngx_str_t                        text;
    ngx_http_btcf_ctx_t             *ctx;
    ngx_http_btcf_principal_t       *principal;
    const ngx_http_btcf_loc_conf_t  *lcf;

    ctx = ngx_http_btcf_get_ctx(r);
    if (ctx == NULL) {
        return NULL;
    }

    principal = &ctx->principal;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_btcf_module);

    if (r != r->main
        || lcf->policy.auth == NGX_HTTP_BTCF_AUTH_OFF
        || ctx->principal_policy == &lcf->policy)
    {
        return principal;
    }

    ngx_memzero(principal, sizeof(ngx_http_btcf_principal_t));
    ctx->principal_policy = &lcf->policy;

    rc = NGX_OK;

    switch (ngx_http_btcf_credential(r, &text)) {

    case NGX_HTTP_BTCF_CREDENTIAL_NONE:
        principal->outcome = (lcf->policy.auth == NGX_HTTP_BTCF_AUTH_REQUIRED)
                             ? BTCF_AUTH_MISSING : BTCF_AUTH_GUEST;
        break;

    case NGX_HTTP_BTCF_CREDENTIAL_KEY:
        rc = ngx_http_btcf_apikey(r, &text, principal);
        break;

    case NGX_HTTP_BTCF_CREDENTIAL_TOKEN:
        rc = ngx_http_btcf_token(r, &text, 0, principal);
        break;

    case NGX_HTTP_BTCF_CREDENTIAL_TICKET:
        rc = ngx_http_btcf_token(r, &text, 1, principal);
        break;

    case NGX_HTTP_BTCF_CREDENTIAL_TWO:
        principal->outcome = BTCF_AUTH_TWO;
        break;

    default: /* NGX_HTTP_BTCF_CREDENTIAL_MALFORMED */
        principal->outcome = BTCF_AUTH_MALFORMED;
    }

    return rc == NGX_OK ? principal : NULL;
}


/* That the tables are not there is no fault of the client: not charged. */

static ngx_int_t
ngx_http_btcf_refuse(ngx_http_request_t *r, ngx_http_btcf_ctx_t *ctx)
{
    enum btcf_auth_outcome  outcome;

    outcome = ctx->principal.outcome;

    if (outcome != BTCF_AUTH_UNAVAILABLE) {
        ngx_http_btcf_limit_failure(r);
    }

    return ngx_http_btcf_problem(r,
                         ngx_http_btcf_refusals[outcome - BTCF_AUTH_MISSING],
                         NULL);
}
