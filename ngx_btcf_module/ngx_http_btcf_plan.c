
/*
 * Plans as this worker knows them, and the days and months that quotas are
 * counted by.
 *
 * A plan is read from the segment for every request, because a change must be
 * in force at once, and because that costs two cache lines. What is kept here
 * is its text for RateLimit-Policy, together with the plan that it was rendered
 * from: as long as they are the same bytes, it is not rendered again.
 */


#include "ngx_http_btcf.h"


#define NGX_HTTP_BTCF_DAY_S       86400


typedef struct {
    struct btcf_plan            plan;
    ngx_str_t                   text;
    u_char                      data[NGX_HTTP_BTCF_POLICY_MAX];
} ngx_http_btcf_rendered_t;


static u_char *ngx_http_btcf_policy_item(u_char *p, const char *name,
    const char *suffix);


/* by number; the last is for plans that are not from the segment */

static ngx_http_btcf_rendered_t  ngx_http_btcf_rendered[BTCF_PLANS_MAX + 1];

static uint32_t  ngx_http_btcf_guest_number;

static ngx_http_btcf_periods_t  ngx_http_btcf_current;


/* As in the database that `btcf migrate` makes. */

static const struct btcf_plan  ngx_http_btcf_guest = {
    .number = BTCF_PLANS_MAX,
    .name = "guest",
    .period_ns = NGX_HTTP_BTCF_NS,
    .burst = 30,
    .streams_max = 1
};


void
ngx_http_btcf_plan_guest(const struct btcf_auth *auth, struct btcf_plan *plan)
{
    if (auth) {
        if (btcf_auth_plan(auth, ngx_http_btcf_guest_number, plan)
            == BTCF_READ_OK
            && ngx_strcmp(plan->name, "guest") == 0)
        {
            return;
        }

        if (btcf_auth_plan_find(auth, "guest", sizeof("guest") - 1, plan)
            == BTCF_READ_OK)
        {
            ngx_http_btcf_guest_number = plan->number;
            return;
        }
    }

    *plan = ngx_http_btcf_guest;
}


/*
 * "premium";q=200;w=10, "premium-day";q=50000;w=86400, "premium-month";q=...
 *
 * The burst is the quota of the window in which it is earned back. A month
 * has no window, since months differ in length.
 */

const ngx_str_t *
ngx_http_btcf_plan_policy(const struct btcf_plan *plan)
{
    u_char                      *p;
    uint64_t                     window;
    ngx_http_btcf_rendered_t  *rendered;

    rendered = &ngx_http_btcf_rendered[ngx_min(plan->number, BTCF_PLANS_MAX)];

    if (rendered->text.data
        && ngx_memcmp(&rendered->plan, plan, sizeof(struct btcf_plan)) == 0)
    {
        return &rendered->text;
    }

    rendered->plan = *plan;
    p = rendered->data;

    if (plan->period_ns) {
        window = (plan->burst * plan->period_ns + NGX_HTTP_BTCF_NS - 1)
                 / NGX_HTTP_BTCF_NS;

        p = ngx_http_btcf_policy_item(p, plan->name, "");
        p = ngx_sprintf(p, "%uD;w=%uL", plan->burst, window);
    }

    if (plan->quota_day) {
        p = ngx_cpymem(p, ", ", p == rendered->data ? 0 : 2);
        p = ngx_http_btcf_policy_item(p, plan->name, "-day");
        p = ngx_sprintf(p, "%uL;w=%d", plan->quota_day, NGX_HTTP_BTCF_DAY_S);
    }

    if (plan->quota_month) {
        p = ngx_cpymem(p, ", ", p == rendered->data ? 0 : 2);
        p = ngx_http_btcf_policy_item(p, plan->name, "-month");
        p = ngx_sprintf(p, "%uL", plan->quota_month);
    }

    rendered->text.data = rendered->data;
    rendered->text.len = p - rendered->data;

    return &rendered->text;
}


static u_char *
ngx_http_btcf_policy_item(u_char *p, const char *name, const char *suffix)
{
    return ngx_sprintf(p, "\"%s%s\";q=", name, suffix);
}


/* Of the time that nginx keeps: a period that begins a moment late is fine. */

const ngx_http_btcf_periods_t *
ngx_http_btcf_periods(void)
{
    int64_t                   now_s;
    ngx_http_btcf_periods_t  *current;

    current = &ngx_http_btcf_current;
    now_s = ngx_time();

    if (now_s < current->day_end_s
        && now_s >= current->day_end_s - NGX_HTTP_BTCF_DAY_S)
    {
        return current;
    }

    current->day = btcf_period_number(BTCF_PERIOD_DAY, now_s);
    current->month = btcf_period_number(BTCF_PERIOD_MONTH, now_s);
    current->day_end_s = btcf_period_end_s(BTCF_PERIOD_DAY, now_s);
    current->month_end_s = btcf_period_end_s(BTCF_PERIOD_MONTH, now_s);

    return current;
}
