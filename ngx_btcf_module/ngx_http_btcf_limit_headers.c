
/*
 * What the limiter tells the client, on success, 304 and 429:
 *
 *     RateLimit: "premium";r=199;t=1                draft-ietf-httpapi-
 *     RateLimit-Policy: "premium";q=200;w=10, ...   ratelimit-headers
 *     X-RateLimit-Limit: 200                        what most clients know
 *     X-RateLimit-Remaining: 199
 *     X-RateLimit-Reset: 1                          seconds, as t
 *     Retry-After: 1                                on 429: the same instant
 *
 * Of the windows that a plan has, the one with the least remaining is told.
 * This is on the way of every answer: all values lie in one piece of memory,
 * where each number is written once; the old headers point at the digits of
 * the new ones.
 */


#include "ngx_http_btcf.h"


/* a name in quotes with its suffix, what is between numbers, and the numbers */
#define NGX_HTTP_BTCF_TOLD_MAX                                                \
    (BTCF_PLAN_NAME_MAX + sizeof("\"-month\";r=;t=") + 3 * NGX_INT64_LEN)


/* one window as it is told */

typedef struct {
    const char                 *suffix;     /* of the plan's name */
    size_t                      len;
    uint64_t                    limit;
    uint64_t                    remaining;
    uint64_t                    seconds;
} ngx_http_btcf_window_t;


typedef struct {
    ngx_str_t                   rate;       /* has the next two in it */
    ngx_str_t                   remaining;
    ngx_str_t                   seconds;
    ngx_str_t                   policy;
    ngx_str_t                   limit;
} ngx_http_btcf_told_t;


static ngx_uint_t ngx_http_btcf_is_refused(const ngx_http_btcf_ctx_t *ctx);
static ngx_uint_t ngx_http_btcf_window(ngx_http_request_t *r,
    const ngx_http_btcf_ctx_t *ctx, ngx_http_btcf_window_t *window);
static void ngx_http_btcf_window_quota(ngx_http_request_t *r,
    const ngx_http_btcf_ctx_t *ctx, ngx_http_btcf_window_t *window);
static ngx_int_t ngx_http_btcf_tell(ngx_http_request_t *r,
    const struct btcf_plan *plan, const ngx_http_btcf_window_t *window,
    ngx_http_btcf_told_t *told);
static u_char *ngx_http_btcf_told_number(u_char *p, uint64_t n,
    ngx_str_t *digits);
static uint64_t ngx_http_btcf_ceil_s(uint64_t ns);


static const ngx_str_t  ngx_http_btcf_h_ratelimit = ngx_string("RateLimit");
static const ngx_str_t  ngx_http_btcf_h_policy =
    ngx_string("RateLimit-Policy");
static const ngx_str_t  ngx_http_btcf_h_limit =
    ngx_string("X-RateLimit-Limit");
static const ngx_str_t  ngx_http_btcf_h_remaining =
    ngx_string("X-RateLimit-Remaining");
static const ngx_str_t  ngx_http_btcf_h_reset =
    ngx_string("X-RateLimit-Reset");
static const ngx_str_t  ngx_http_btcf_h_retry = ngx_string("Retry-After");


ngx_int_t
ngx_http_btcf_limit_headers(ngx_http_request_t *r)
{
    ngx_uint_t                       status, refused;
    ngx_http_btcf_ctx_t             *ctx;
    ngx_http_btcf_told_t             told;
    ngx_http_btcf_window_t           window;
    const ngx_http_btcf_loc_conf_t  *lcf;

    ctx = ngx_http_btcf_find_ctx(r);

    if (ctx == NULL || ctx->limit_outcome == BTCF_LIMIT_OFF) {
        return NGX_OK;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_btcf_module);
    refused = ngx_http_btcf_is_refused(ctx);
    status = r->err_status ? r->err_status : r->headers_out.status;

    if (!refused
        && (lcf->limit.mode == NGX_HTTP_BTCF_LIMIT_DRY_RUN
            || lcf->limit.headers == NGX_HTTP_BTCF_HEADERS_OFF
            || (status >= NGX_HTTP_SPECIAL_RESPONSE
                && status != NGX_HTTP_NOT_MODIFIED)))
    {
        return NGX_OK;
    }

    if (!ngx_http_btcf_window(r, ctx, &window)) {
        return NGX_OK;
    }

    if (ngx_http_btcf_tell(r, &ctx->plan, &window, &told) != NGX_OK) {
        return NGX_ERROR;
    }

    if (lcf->limit.headers & NGX_HTTP_BTCF_HEADERS_DRAFT
        && (!ngx_http_btcf_add_header(r, &ngx_http_btcf_h_ratelimit,
                                      &told.rate)
            || !ngx_http_btcf_add_header(r, &ngx_http_btcf_h_policy,
                                         &told.policy)))
    {
        return NGX_ERROR;
    }

    if (lcf->limit.headers & NGX_HTTP_BTCF_HEADERS_LEGACY
        && (!ngx_http_btcf_add_header(r, &ngx_http_btcf_h_limit, &told.limit)
            || !ngx_http_btcf_add_header(r, &ngx_http_btcf_h_remaining,
                                         &told.remaining)
            || !ngx_http_btcf_add_header(r, &ngx_http_btcf_h_reset,
                                         &told.seconds)))
    {
        return NGX_ERROR;
    }

    if (refused
        && !ngx_http_btcf_add_header(r, &ngx_http_btcf_h_retry, &told.seconds))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_btcf_is_refused(const ngx_http_btcf_ctx_t *ctx)
{
    return ctx->limit_outcome == BTCF_LIMIT_REJECTED
           || ctx->limit_outcome == BTCF_LIMIT_QUOTA
           || ctx->limit_outcome == BTCF_LIMIT_ADDRESS;
}


/* 0 when the plan has no window at all. */

static ngx_uint_t
ngx_http_btcf_window(ngx_http_request_t *r, const ngx_http_btcf_ctx_t *ctx,
    ngx_http_btcf_window_t *window)
{
    ngx_memzero(window, sizeof(ngx_http_btcf_window_t));
    window->suffix = "";

    if (ctx->plan.period_ns) {
        window->limit = ctx->plan.burst;
        window->remaining = ctx->take.remaining;
        window->seconds = ngx_http_btcf_ceil_s(ctx->take.reset_ns);
    }

    if (ngx_http_btcf_is_refused(ctx)
        && ctx->limit_outcome != BTCF_LIMIT_QUOTA)
    {
        window->remaining = 0;
        window->seconds = ngx_max(ngx_http_btcf_ceil_s(ctx->take.retry_ns), 1);
        return 1;
    }

    if (ctx->principal.limit) {
        ngx_http_btcf_window_quota(r, ctx, window);
    }

    return window->limit != 0 || ctx->quota;
}


/* Replaces the window by the one of a quota that has less remaining. */

static void
ngx_http_btcf_window_quota(ngx_http_request_t *r,
    const ngx_http_btcf_ctx_t *ctx, ngx_http_btcf_window_t *window)
{
    int64_t                         until_s;
    uint64_t                        used, units, limit;
    ngx_uint_t                      i, status;
    const ngx_http_btcf_periods_t  *now;

    if (ctx->plan.quota_day == 0 && ctx->plan.quota_month == 0
        && ctx->quota == 0)
    {
        return;
    }

    now = ngx_http_btcf_periods();

    /* what this answer costs is counted when it has been sent */

    status = r->err_status ? r->err_status : r->headers_out.status;
    units = (status < NGX_HTTP_SPECIAL_RESPONSE
             && r->method != NGX_HTTP_HEAD) ? ctx->units : 0;

    for (i = BTCF_PERIOD_DAY; i <= BTCF_PERIOD_MONTH; i++) {

        if (i == BTCF_PERIOD_DAY) {
            limit = ctx->plan.quota_day;
            until_s = now->day_end_s;
            used = btcf_quota_used(&ctx->principal.limit->day,
                                   BTCF_PERIOD_DAY, now->day);
        } else {
            limit = ctx->plan.quota_month;
            until_s = now->month_end_s;
            used = btcf_quota_used(&ctx->principal.limit->month,
                                   BTCF_PERIOD_MONTH, now->month);
        }

        if (ctx->quota == i) {
            until_s = ctx->quota_until_s;
            used = limit;

        } else if (limit == 0
                   || (window->limit
                       && limit - ngx_min(limit, used + units)
                          >= window->remaining))
        {
            continue;
        }

        window->suffix = (i == BTCF_PERIOD_DAY) ? "-day" : "-month";
        window->len = (i == BTCF_PERIOD_DAY) ? 4 : 6;
        window->limit = limit;
        window->remaining = limit - ngx_min(limit, used + units);
        window->seconds = ngx_max(until_s - ngx_time(), 1);

        if (ctx->quota == i) {
            return;
        }
    }
}


static ngx_int_t
ngx_http_btcf_tell(ngx_http_request_t *r, const struct btcf_plan *plan,
    const ngx_http_btcf_window_t *window, ngx_http_btcf_told_t *told)
{
    u_char           *p;
    const ngx_str_t  *policy;

    policy = ngx_http_btcf_plan_policy(plan);

    p = ngx_pnalloc(r->pool, NGX_HTTP_BTCF_TOLD_MAX + policy->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    told->rate.data = p;

    *p++ = '"';

    p = ngx_cpymem(p, plan->name, ngx_strlen(plan->name));
    p = ngx_cpymem(p, window->suffix, window->len);
    p = ngx_cpymem(p, "\";r=", sizeof("\";r=") - 1);
    p = ngx_http_btcf_told_number(p, window->remaining, &told->remaining);
    p = ngx_cpymem(p, ";t=", sizeof(";t=") - 1);
    p = ngx_http_btcf_told_number(p, window->seconds, &told->seconds);

    told->rate.len = p - told->rate.data;

    p = ngx_http_btcf_told_number(p, window->limit, &told->limit);

    /* a copy: the text may be rendered anew while the answer is logged */

    told->policy.data = p;
    told->policy.len = policy->len;

    ngx_memcpy(p, policy->data, policy->len);

    return NGX_OK;
}


static u_char *
ngx_http_btcf_told_number(u_char *p, uint64_t n, ngx_str_t *digits)
{
    digits->data = p;
    p = ngx_http_btcf_number(p, n);
    digits->len = p - digits->data;

    return p;
}


static uint64_t
ngx_http_btcf_ceil_s(uint64_t ns)
{
    return (ns + NGX_HTTP_BTCF_NS - 1) / NGX_HTTP_BTCF_NS;
}
