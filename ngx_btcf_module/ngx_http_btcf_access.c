
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


static ngx_int_t ngx_http_btcf_check(ngx_http_request_t *r,
    ngx_http_btcf_ctx_t *ctx);


/*
 * NGX_OK says that a credential was good, which is what `satisfy any` asks;
 * NGX_DECLINED leaves a guest to the access checks of other modules.
 */

ngx_int_t
ngx_http_btcf_access_handler(ngx_http_request_t *r)
{
    ngx_int_t             rc;
    ngx_http_btcf_ctx_t  *ctx;

    ctx = ngx_http_btcf_get_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->waiting) {
        /* everything was checked before the delay */
        ctx->waiting = 0;
        return NGX_OK;
    }

    if (ctx->started_us == 0) {
        ctx->started_us = ngx_http_btcf_now_us();
    }

    /* before anything is said of the request in a log */

    if (ngx_http_btcf_hide_ticket(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_btcf_identify(r, ctx);
    ngx_http_btcf_apikey_expect(ctx->headers.api_key);

    rc = ngx_http_btcf_cors_preflight(r, ctx);
    if (rc != NGX_DECLINED) {
        return rc;
    }

    rc = ngx_http_btcf_check(r, ctx);

    if (ctx->read) {
        ngx_http_btcf_forget_variables(r, ctx);
    }

    if (rc == NGX_HTTP_UNAUTHORIZED) {
        ctx->challenge = 1;
    }

    return rc;
}


static ngx_int_t
ngx_http_btcf_check(ngx_http_request_t *r, ngx_http_btcf_ctx_t *ctx)
{
    ngx_int_t                         rc;
    const ngx_http_btcf_loc_conf_t   *lcf;
    const ngx_http_btcf_principal_t  *principal;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_btcf_module);

    if (lcf->policy.auth != NGX_HTTP_BTCF_AUTH_OFF) {
        ngx_http_btcf_identify(r, ctx);

        if (ctx->headers.authorization) {
            ngx_http_btcf_token_expect(ctx->headers.authorization);
        }
    }

    if (ngx_http_btcf_limit_address(r, ctx) != NGX_OK) {
        /* nor is the credential looked at later, for a variable or a page */
        ngx_memzero(&ctx->principal, sizeof(ngx_http_btcf_principal_t));
        ctx->principal_policy = &lcf->policy;

        return ngx_http_btcf_problem_status(ctx);
    }

    principal = ngx_http_btcf_authenticate(r);
    if (principal == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_btcf_policy(r, ctx);

    if (rc != NGX_OK
        && principal->outcome >= BTCF_AUTH_MISSING
        && principal->outcome != BTCF_AUTH_SCOPE)
    {
        /* that the tables are not there is no fault of the client */

        if (principal->outcome != BTCF_AUTH_UNAVAILABLE) {
            ngx_http_btcf_limit_failure(r);
        }

        return rc;
    }

    if (ngx_http_btcf_limit_account(r, ctx) != NGX_OK) {
        return ngx_http_btcf_problem_status(ctx);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_btcf_simulate(r, ctx);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    return lcf->policy.auth != NGX_HTTP_BTCF_AUTH_OFF
           && ngx_http_btcf_is_known(principal) ? NGX_OK : NGX_DECLINED;
}


/*
 * Where nobody is asked for a credential, and once the answer is on its way,
 * the principal stays what an earlier location of the request made of it: a
 * page that `error_page` names knows who was refused, and so does the log.
 */

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
        || r->header_sent
        || lcf->policy.auth == NGX_HTTP_BTCF_AUTH_OFF
        || ctx->principal_policy == &lcf->policy)
    {
        return principal;
    }

    if (ctx->read) {
        ngx_http_btcf_forget_variables(r, ctx);
    }

    ngx_memzero(principal, sizeof(ngx_http_btcf_principal_t));
    ctx->principal_policy = &lcf->policy;

    rc = NGX_OK;

    switch (ngx_http_btcf_credential(r, &text)) {

    case NGX_HTTP_BTCF_CREDENTIAL_NONE:
        ngx_http_btcf_policy_guest(principal, &lcf->policy);
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
