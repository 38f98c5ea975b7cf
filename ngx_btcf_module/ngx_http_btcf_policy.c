
/*
 * What a location asks of those who come, and the judgement of it:
 *
 *     btcf_auth           whether a credential is needed
 *     btcf_require_scope  what it must allow, all of it
 *     btcf_require        variables that must say yes
 *     btcf_plan           the plan of principals that have no account
 *
 * As with nginx's own lists, what a location says about scopes or variables
 * replaces what it would inherit.
 */


#include "ngx_http_btcf.h"


#define NGX_HTTP_BTCF_MAX_STALE     (24 * 60 * 60 * 1000)

/* what a request without a credential may do, where it may come at all */
#define NGX_HTTP_BTCF_GUEST_SCOPES  (BTCF_SCOPE_READ|BTCF_SCOPE_STREAM)


typedef struct {
    ngx_http_complex_value_t    value;
    ngx_uint_t                  status;     /* when it says no */
} ngx_http_btcf_require_t;


static ngx_http_btcf_problem_e ngx_http_btcf_refusal(
    enum btcf_auth_outcome outcome);
static ngx_int_t ngx_http_btcf_judge_scopes(ngx_http_request_t *r,
    ngx_http_btcf_principal_t *principal, uint64_t needed);
static ngx_int_t ngx_http_btcf_judge_require(ngx_http_request_t *r,
    const ngx_http_btcf_principal_t *principal, const ngx_array_t *require);


/* in the order of enum btcf_auth_outcome, from BTCF_AUTH_MISSING on */

static const ngx_http_btcf_problem_e  ngx_http_btcf_refusals[] = {
    NGX_HTTP_BTCF_UNAUTHENTICATED,      /* BTCF_AUTH_MISSING */
    NGX_HTTP_BTCF_INVALID_CREDENTIAL,   /* BTCF_AUTH_MALFORMED */
    NGX_HTTP_BTCF_INVALID_CREDENTIAL,   /* BTCF_AUTH_UNKNOWN */
    NGX_HTTP_BTCF_INVALID_CREDENTIAL,   /* BTCF_AUTH_EXPIRED */
    NGX_HTTP_BTCF_INVALID_CREDENTIAL,   /* BTCF_AUTH_REVOKED */
    NGX_HTTP_BTCF_INVALID_CREDENTIAL,   /* BTCF_AUTH_BAD_TOKEN */
    NGX_HTTP_BTCF_TWO_CREDENTIALS,      /* BTCF_AUTH_TWO */
    NGX_HTTP_BTCF_WRONG_NETWORK,        /* BTCF_AUTH_NETWORK */
    NGX_HTTP_BTCF_INSUFFICIENT_SCOPE,   /* BTCF_AUTH_SCOPE */
    NGX_HTTP_BTCF_AUTH_UNAVAILABLE      /* BTCF_AUTH_UNAVAILABLE */
};


static const ngx_str_t  ngx_http_btcf_free_plan = ngx_string("free");

/* worker-global: where the plan of those without an account was found last */
static uint32_t  ngx_http_btcf_default_number;


void
ngx_http_btcf_policy_create(ngx_http_btcf_policy_conf_t *conf)
{
    /*
     * set by ngx_pcalloc():
     *
     *     conf->scopes = 0;
     *     conf->plan = NULL;
     */

    conf->auth = NGX_CONF_UNSET_UINT;
    conf->max_stale = NGX_CONF_UNSET_MSEC;
    conf->scoped = NGX_CONF_UNSET;
    conf->require = NGX_CONF_UNSET_PTR;
    conf->cors = NGX_CONF_UNSET_PTR;
}


char *
ngx_http_btcf_policy_merge(ngx_conf_t *cf, ngx_http_btcf_policy_conf_t *prev,
    ngx_http_btcf_policy_conf_t *conf)
{
    ngx_conf_merge_uint_value(conf->auth, prev->auth, NGX_HTTP_BTCF_AUTH_OFF);
    ngx_conf_merge_msec_value(conf->max_stale, prev->max_stale,
                              NGX_HTTP_BTCF_MAX_STALE);
    ngx_conf_merge_ptr_value(conf->require, prev->require, NULL);
    ngx_conf_merge_ptr_value(conf->cors, prev->cors, NULL);

    if (conf->plan == NULL) {
        conf->plan = prev->plan;
    }

    if (conf->scoped == NGX_CONF_UNSET) {
        conf->scopes = prev->scopes;

    } else if (conf->scopes && conf->auth == NGX_HTTP_BTCF_AUTH_OFF) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"btcf_require_scope\" asks for nothing"
                      " where \"btcf_auth\" is off");
        return NGX_CONF_ERROR;
    }

    ngx_conf_merge_value(conf->scoped, prev->scoped, 0);

    return NGX_CONF_OK;
}


void
ngx_http_btcf_policy_guest(ngx_http_btcf_principal_t *principal,
    const ngx_http_btcf_policy_conf_t *policy)
{
    if (policy->auth == NGX_HTTP_BTCF_AUTH_REQUIRED) {
        principal->outcome = BTCF_AUTH_MISSING;
        return;
    }

    principal->outcome = BTCF_AUTH_GUEST;
    principal->scopes = NGX_HTTP_BTCF_GUEST_SCOPES;
}


ngx_int_t
ngx_http_btcf_policy(ngx_http_request_t *r, ngx_http_btcf_ctx_t *ctx)
{
    ngx_int_t                        rc;
    ngx_http_btcf_principal_t       *principal;
    const ngx_http_btcf_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_btcf_module);
    principal = &ctx->principal;

    if (lcf->policy.auth != NGX_HTTP_BTCF_AUTH_OFF) {

        /* nobody was asked, because the address is over its limit */

        if (principal->outcome == BTCF_AUTH_OFF) {
            return ngx_http_btcf_problem(r, NGX_HTTP_BTCF_ADDRESS_LIMITED,
                                         NULL);
        }

        if (principal->outcome >= BTCF_AUTH_MISSING) {
            return ngx_http_btcf_problem(r,
                                     ngx_http_btcf_refusal(principal->outcome),
                                     NULL);
        }

        rc = ngx_http_btcf_judge_scopes(r, principal, lcf->policy.scopes);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (lcf->policy.require) {
        return ngx_http_btcf_judge_require(r, principal, lcf->policy.require);
    }

    return NGX_OK;
}


static ngx_http_btcf_problem_e
ngx_http_btcf_refusal(enum btcf_auth_outcome outcome)
{
    return ngx_http_btcf_refusals[outcome - BTCF_AUTH_MISSING];
}


/* A guest who may not is told that a credential might help: 401, not 403. */

static ngx_int_t
ngx_http_btcf_judge_scopes(ngx_http_request_t *r,
    ngx_http_btcf_principal_t *principal, uint64_t needed)
{
    if ((needed & ~principal->scopes) == 0) {
        return NGX_OK;
    }

    principal->outcome = ngx_http_btcf_is_known(principal)
                         ? BTCF_AUTH_SCOPE : BTCF_AUTH_MISSING;

    return ngx_http_btcf_problem(r, ngx_http_btcf_refusal(principal->outcome),
                                 NULL);
}


static ngx_int_t
ngx_http_btcf_judge_require(ngx_http_request_t *r,
    const ngx_http_btcf_principal_t *principal, const ngx_array_t *require)
{
    ngx_str_t                 value;
    ngx_uint_t                i;
    ngx_http_btcf_require_t  *one;

    one = require->elts;

    for (i = 0; i < require->nelts; i++) {

        if (ngx_http_complex_value(r, &one[i].value, &value) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        if (value.len && (value.len != 1 || value.data[0] != '0')) {
            continue;
        }

        if (one[i].status == NGX_HTTP_FORBIDDEN) {
            return ngx_http_btcf_problem(r, NGX_HTTP_BTCF_DENIED, NULL);
        }

        return ngx_http_btcf_problem(r, ngx_http_btcf_is_known(principal)
                                        ? NGX_HTTP_BTCF_INVALID_CREDENTIAL
                                        : NGX_HTTP_BTCF_UNAUTHENTICATED,
                                     NULL);
    }

    return NGX_OK;
}


/*
 * An empty name, and one that no plan has, are the operator's mistake, which
 * must not turn into a plan: the caller says "unavailable".
 */

enum btcf_read
ngx_http_btcf_default_plan(ngx_http_request_t *r,
    const struct btcf_auth *auth, struct btcf_plan *plan)
{
    ngx_str_t                        name;
    enum btcf_read                   rc;
    const ngx_http_btcf_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_btcf_module);
    name = ngx_http_btcf_free_plan;

    if (lcf->policy.plan
        && ngx_http_complex_value(r, lcf->policy.plan, &name) != NGX_OK)
    {
        return BTCF_READ_BUSY;
    }

    /* most likely where it was found before; nobody goes by that alone */

    if (btcf_auth_plan(auth, ngx_http_btcf_default_number, plan)
        == BTCF_READ_OK
        && name.len == ngx_strlen(plan->name)
        && ngx_strncmp(name.data, plan->name, name.len) == 0)
    {
        return BTCF_READ_OK;
    }

    rc = btcf_auth_plan_find(auth, (char *) name.data, name.len, plan);

    if (rc == BTCF_READ_OK) {
        ngx_http_btcf_default_number = plan->number;
    }

    return rc;
}


/* btcf_require $variable ... [error=401|403] | off */

char *
ngx_http_btcf_set_require(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_btcf_loc_conf_t *lcf = conf;

    ngx_str_t                         *value;
    ngx_uint_t                         i, n, status;
    ngx_http_btcf_require_t           *one;
    ngx_http_compile_complex_value_t   ccv;

    value = cf->args->elts;
    n = cf->args->nelts;

    if (n == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        if (lcf->policy.require != NGX_CONF_UNSET_PTR) {
            return "is duplicate";
        }

        lcf->policy.require = NULL;
        return NGX_CONF_OK;
    }

    status = NGX_HTTP_FORBIDDEN;

    if (ngx_strncmp(value[n - 1].data, "error=", 6) == 0) {
        n--;
        status = ngx_strcmp(value[n].data + 6, "401") == 0
                 ? NGX_HTTP_UNAUTHORIZED : NGX_HTTP_FORBIDDEN;

        if (n == 1
            || (status == NGX_HTTP_FORBIDDEN
                && ngx_strcmp(value[n].data + 6, "403") != 0))
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\"", &value[n]);
            return NGX_CONF_ERROR;
        }
    }

    if (lcf->policy.require == NULL) {
        return "is duplicate";
    }

    if (lcf->policy.require == NGX_CONF_UNSET_PTR) {
        lcf->policy.require = ngx_array_create(cf->pool, n - 1,
                                             sizeof(ngx_http_btcf_require_t));
        if (lcf->policy.require == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    for (i = 1; i < n; i++) {
        one = ngx_array_push(lcf->policy.require);
        if (one == NULL) {
            return NGX_CONF_ERROR;
        }

        one->status = status;

        ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));
        ccv.cf = cf;
        ccv.value = &value[i];
        ccv.complex_value = &one->value;

        if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}
