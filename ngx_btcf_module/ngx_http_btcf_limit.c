
/*
 * How often may they? Rates and quotas, decided in shared memory by
 * engine/shm/limit.c; this file says whose word is asked, at what rate, and
 * what becomes of a refusal.
 *
 *     what                      charged                    by
 *     failed credentials        one for each               address
 *     guests                    the request's cost         address
 *     locations with `all`      the request's cost         address, as well
 *     keys, tokens, tickets     the request's cost         account
 *
 * A main request is charged once, whatever it is redirected to; and what was
 * refused is not looked at again, so that an `error_page` can be served.
 *
 * The clock is read once per request, by the access handler, and not taken
 * from the event loop: its kept time may be some milliseconds old, and by the
 * real clock that much more would be admitted (shm/limit.h).
 */


#include "ngx_http_btcf.h"

#include <time.h>


/* what an address is limited for: the last word of its hash's key */
#define NGX_HTTP_BTCF_FOR_FAILURES   1
#define NGX_HTTP_BTCF_FOR_LIMIT      2      /* xor the plan's checksum */


static ngx_uint_t ngx_http_btcf_limit_mode(
    const ngx_http_btcf_loc_conf_t *lcf);
static ngx_int_t ngx_http_btcf_limit_guest(ngx_http_request_t *r,
    ngx_http_btcf_ctx_t *ctx);
static ngx_int_t ngx_http_btcf_limit_known(ngx_http_request_t *r,
    ngx_http_btcf_ctx_t *ctx);
static struct btcf_take ngx_http_btcf_limit_take(_Atomic uint64_t *tat_ns,
    const struct btcf_rate *rate, uint64_t now_ns, uint64_t cost);
static ngx_int_t ngx_http_btcf_limit_quota(ngx_http_request_t *r,
    ngx_http_btcf_ctx_t *ctx);
static ngx_int_t ngx_http_btcf_limit_settle(ngx_http_request_t *r,
    ngx_http_btcf_ctx_t *ctx, enum btcf_limit_outcome refusal);
static ngx_int_t ngx_http_btcf_limit_refuse(ngx_http_request_t *r,
    ngx_http_btcf_ctx_t *ctx, enum btcf_limit_outcome outcome);
static ngx_uint_t ngx_http_btcf_limit_cost(ngx_http_request_t *r);
static struct btcf_rate ngx_http_btcf_limit_rate(
    const struct btcf_plan *plan);


/*
 * Before the credential is looked at: an address that has failed too often
 * is refused when it sends another one, so a flood of forged credentials costs
 * no cryptography. Guests of the same address are not refused for it.
 */

ngx_int_t
ngx_http_btcf_limit_address(ngx_http_request_t *r, ngx_http_btcf_ctx_t *ctx)
{
    ngx_str_t                         text;
    struct btcf_take                  take;
    const struct btcf_rate           *rate;
    const ngx_http_btcf_loc_conf_t   *lcf;
    const ngx_http_btcf_main_conf_t  *mcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_btcf_module);

    if (r != r->main || r->err_status || ctx->charged) {
        return NGX_OK;
    }

    rate = lcf->limit.failures;

    if (rate->period_ns && lcf->policy.auth != NGX_HTTP_BTCF_AUTH_OFF) {
        mcf = ngx_http_get_module_main_conf(r, ngx_http_btcf_module);

        take = btcf_address_take(&mcf->edge,
                       ngx_http_btcf_limit_hash(r, NGX_HTTP_BTCF_FOR_FAILURES),
                       rate, ctx->started_us * 1000, 0);

        if (!take.admitted
            && ngx_http_btcf_credential(r, &text)
               != NGX_HTTP_BTCF_CREDENTIAL_NONE)
        {
            ctx->take = take;

            if (ngx_http_btcf_limit_settle(r, ctx, BTCF_LIMIT_ADDRESS)
                != NGX_OK)
            {
                return NGX_DECLINED;
            }
        }
    }

    ctx->units = ngx_http_btcf_limit_cost(r);
    ctx->by_document = (lcf->limit.cost == NULL
                        && lcf->limit.units == NGX_CONF_UNSET_UINT);

    if (lcf->limit.everybody
        && ctx->units
        && ngx_http_btcf_limit_mode(lcf) != NGX_HTTP_BTCF_LIMIT_OFF)
    {
        return ngx_http_btcf_limit_guest(r, ctx);
    }

    return NGX_OK;
}


void
ngx_http_btcf_limit_failure(ngx_http_request_t *r)
{
    ngx_http_btcf_ctx_t              *ctx;
    const ngx_http_btcf_loc_conf_t   *lcf;
    const ngx_http_btcf_main_conf_t  *mcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_btcf_module);
    ctx = ngx_http_btcf_find_ctx(r);

    if (ctx == NULL || lcf->limit.failures->period_ns == 0
        || ctx->principal.outcome == BTCF_AUTH_MISSING)
    {
        return;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_btcf_module);

    (void) btcf_address_take(&mcf->edge,
                       ngx_http_btcf_limit_hash(r, NGX_HTTP_BTCF_FOR_FAILURES),
                       lcf->limit.failures, ctx->started_us * 1000, 1);
}


/* After the credential and the policy: the account, or the guest's address. */

ngx_int_t
ngx_http_btcf_limit_account(ngx_http_request_t *r, ngx_http_btcf_ctx_t *ctx)
{
    const ngx_http_btcf_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_btcf_module);

    if (r != r->main || r->err_status || ctx->charged) {
        return NGX_OK;
    }

    ctx->charged = 1;

    if (ngx_http_btcf_limit_mode(lcf) == NGX_HTTP_BTCF_LIMIT_OFF
        || ctx->units == 0)
    {
        return NGX_OK;
    }

    if (ctx->principal.limit) {
        return ngx_http_btcf_limit_known(r, ctx);
    }

    if (lcf->limit.everybody
        || (lcf->policy.auth == NGX_HTTP_BTCF_AUTH_OFF
            && lcf->limit.address == NULL))
    {
        return NGX_OK;
    }

    return ngx_http_btcf_limit_guest(r, ctx);
}


static ngx_uint_t
ngx_http_btcf_limit_mode(const ngx_http_btcf_loc_conf_t *lcf)
{
    if (lcf->limit.mode != NGX_HTTP_BTCF_LIMIT_AUTO) {
        return lcf->limit.mode;
    }

    return (lcf->policy.auth != NGX_HTTP_BTCF_AUTH_OFF || lcf->limit.address)
           ? NGX_HTTP_BTCF_LIMIT_ON : NGX_HTTP_BTCF_LIMIT_OFF;
}


static ngx_int_t
ngx_http_btcf_limit_guest(ngx_http_request_t *r, ngx_http_btcf_ctx_t *ctx)
{
    uint32_t                          purpose;
    struct btcf_rate                  rate;
    const ngx_http_btcf_loc_conf_t   *lcf;
    const ngx_http_btcf_main_conf_t  *mcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_btcf_module);
    mcf = ngx_http_get_module_main_conf(r, ngx_http_btcf_module);

    if (lcf->limit.address) {
        ctx->plan = *lcf->limit.address;

        if (ctx->plan.period_ns == 0) {
            return NGX_OK;      /* off */
        }

    } else {
        ngx_http_btcf_plan_guest(ngx_http_btcf_segment_auth(
                                     lcf->policy.max_stale),
                                 &ctx->plan);
    }

    /* another rate is another cell: it begins with all of its burst */

    purpose = NGX_HTTP_BTCF_FOR_LIMIT ^ ctx->plan.crc;
    rate = ngx_http_btcf_limit_rate(&ctx->plan);

    ctx->take = btcf_address_take(&mcf->edge,
                                  ngx_http_btcf_limit_hash(r, purpose),
                                  &rate, ctx->started_us * 1000,
                                  ngx_min(ctx->units, rate.burst));

    return ngx_http_btcf_limit_settle(r, ctx, BTCF_LIMIT_ADDRESS);
}


static ngx_int_t
ngx_http_btcf_limit_known(ngx_http_request_t *r, ngx_http_btcf_ctx_t *ctx)
{
    struct btcf_rate                 rate;
    struct btcf_limit_row           *row;
    const struct btcf_auth          *auth;
    const ngx_http_btcf_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_btcf_module);
    row = ctx->principal.limit;

    /* it was read with the account, but for principals without one */

    if (ctx->plan.number != ctx->principal.plan || ctx->plan.name[0] == '\0') {
        auth = ngx_http_btcf_segment_auth(lcf->policy.max_stale);

        if (auth == NULL
            || btcf_auth_plan(auth, ctx->principal.plan, &ctx->plan)
               != BTCF_READ_OK)
        {
            (void) ngx_http_btcf_problem(r, NGX_HTTP_BTCF_AUTH_UNAVAILABLE,
                                         NULL);
            return NGX_DECLINED;
        }
    }

    rate = ngx_http_btcf_limit_rate(&ctx->plan);

    ctx->take = ngx_http_btcf_limit_take(&row->tat_ns, &rate,
                                         ctx->started_us * 1000,
                                         ngx_min(ctx->units, rate.burst));

    if (!ctx->take.admitted) {
        (void) atomic_fetch_add_explicit(&row->limited, 1,
                                         memory_order_relaxed);
    }

    if (ngx_http_btcf_limit_settle(r, ctx, BTCF_LIMIT_REJECTED) != NGX_OK) {
        return NGX_DECLINED;
    }

    return ngx_http_btcf_limit_quota(r, ctx);
}


/*
 * A refusal for longer than the rate itself can make anybody wait is either a
 * change of plan, or our time is behind: only the clock can tell.
 */

static struct btcf_take
ngx_http_btcf_limit_take(_Atomic uint64_t *tat_ns,
    const struct btcf_rate *rate, uint64_t now_ns, uint64_t cost)
{
    struct timespec   ts;
    struct btcf_take  take;

    take = btcf_rate_take(tat_ns, rate, now_ns, cost);

    if (take.admitted || take.retry_ns <= cost * rate->period_ns) {
        return take;
    }

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    now_ns = (uint64_t) ts.tv_sec * NGX_HTTP_BTCF_NS + (uint64_t) ts.tv_nsec;

    (void) btcf_rate_settle(tat_ns, rate, now_ns);

    return btcf_rate_take(tat_ns, rate, now_ns, cost);
}


/* What the workers have counted, and what the database knows besides. */

static ngx_int_t
ngx_http_btcf_limit_quota(ngx_http_request_t *r, ngx_http_btcf_ctx_t *ctx)
{
    int64_t                           until_s;
    const struct btcf_plan           *plan;
    const struct btcf_limit_row      *row;
    const ngx_http_btcf_periods_t    *now;
    const ngx_http_btcf_principal_t  *principal;

    principal = &ctx->principal;
    row = principal->limit;
    plan = &ctx->plan;
    now = ngx_http_btcf_periods();

    ctx->quota = 0;
    until_s = 0;

    if (plan->quota_month
        && btcf_quota_used(&row->month, BTCF_PERIOD_MONTH, now->month)
           >= plan->quota_month)
    {
        ctx->quota = BTCF_PERIOD_MONTH;
        until_s = now->month_end_s;

    } else if (plan->quota_day
               && btcf_quota_used(&row->day, BTCF_PERIOD_DAY, now->day)
                  >= plan->quota_day)
    {
        ctx->quota = BTCF_PERIOD_DAY;
        until_s = now->day_end_s;
    }

    if (principal->blocked_until_s > ngx_max(ngx_time(), until_s)) {
        ctx->quota = principal->blocked_month ? BTCF_PERIOD_MONTH
                                              : BTCF_PERIOD_DAY;
        until_s = principal->blocked_until_s;
    }

    if (ctx->quota == 0) {
        return NGX_OK;
    }

    ctx->quota_until_s = until_s;

    return ngx_http_btcf_limit_refuse(r, ctx, BTCF_LIMIT_QUOTA);
}


/* What came of ctx->take. A refusal that came before stays on record. */

static ngx_int_t
ngx_http_btcf_limit_settle(ngx_http_request_t *r, ngx_http_btcf_ctx_t *ctx,
    enum btcf_limit_outcome refusal)
{
    if (!ctx->take.admitted) {
        return ngx_http_btcf_limit_refuse(r, ctx, refusal);
    }

    if (ctx->limit_outcome == BTCF_LIMIT_OFF) {
        ctx->limit_outcome = BTCF_LIMIT_PASSED;
    }

    return NGX_OK;
}


/* NGX_OK when it is only marked: each dry run follows what it stands for. */

static ngx_int_t
ngx_http_btcf_limit_refuse(ngx_http_request_t *r, ngx_http_btcf_ctx_t *ctx,
    enum btcf_limit_outcome outcome)
{
    ngx_http_btcf_problem_e          problem;
    const ngx_http_btcf_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_btcf_module);

    if (lcf->limit.mode == NGX_HTTP_BTCF_LIMIT_DRY_RUN) {
        ctx->limit_outcome = outcome + 1;
        return NGX_OK;
    }

    ctx->limit_outcome = outcome;
    ctx->charged = 1;

    problem = outcome == BTCF_LIMIT_REJECTED ? NGX_HTTP_BTCF_RATE_LIMITED
              : outcome == BTCF_LIMIT_QUOTA ? NGX_HTTP_BTCF_QUOTA_EXCEEDED
              : NGX_HTTP_BTCF_ADDRESS_LIMITED;

    (void) ngx_http_btcf_problem(r, problem, NULL);

    return NGX_DECLINED;
}


/* btcf_cost; what is no number costs 1. */

static ngx_uint_t
ngx_http_btcf_limit_cost(ngx_http_request_t *r)
{
    ngx_int_t                        n;
    ngx_str_t                        text;
    const ngx_http_btcf_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_btcf_module);

    if (lcf->limit.cost == NULL) {
        return lcf->limit.units == NGX_CONF_UNSET_UINT ? 1 : lcf->limit.units;
    }

    if (ngx_http_complex_value(r, lcf->limit.cost, &text) != NGX_OK) {
        return 1;
    }

    n = ngx_atoi(text.data, text.len);

    return n == NGX_ERROR ? 1
                          : (ngx_uint_t) ngx_min(n, NGX_HTTP_BTCF_COST_MAX);
}


/*
 * IPv4 by address, IPv6 by /64, since whoever has one address there has all
 * of them. Peers on Unix sockets have none: they are taken for one.
 */

uint64_t
ngx_http_btcf_limit_hash(ngx_http_request_t *r, uint32_t purpose)
{
    size_t                            len;
    uint8_t                          *address;
    struct sockaddr_in               *sin;
    const ngx_http_btcf_main_conf_t  *mcf;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6              *sin6;
#endif

    mcf = ngx_http_get_module_main_conf(r, ngx_http_btcf_module);

    address = NULL;
    len = 0;

    switch (r->connection->sockaddr->sa_family) {

    case AF_INET:
        sin = (struct sockaddr_in *) r->connection->sockaddr;
        address = (uint8_t *) &sin->sin_addr.s_addr;
        len = 4;
        break;

#if (NGX_HAVE_INET6)
    case AF_INET6:
        sin6 = (struct sockaddr_in6 *) r->connection->sockaddr;
        address = sin6->sin6_addr.s6_addr;
        len = 8;

        if (IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr)) {
            address += 12;
            len = 4;
        }

        break;
#endif
    }

    return btcf_address_hash(&mcf->edge, address, len, purpose);
}


static struct btcf_rate
ngx_http_btcf_limit_rate(const struct btcf_plan *plan)
{
    struct btcf_rate  rate;

    rate.period_ns = plan->period_ns;
    rate.burst = plan->burst;

    return rate;
}
