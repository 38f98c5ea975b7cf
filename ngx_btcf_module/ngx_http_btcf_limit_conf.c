
/*
 * What the configuration says of limits: costs, rates by address, and what
 * failed credentials are allowed. _limit acts on it; the sizes of the shared
 * tables are read in _meter, and how headers look in _module.
 */


#include "ngx_http_btcf.h"


#define NGX_HTTP_BTCF_RATE_MAX       1000000

/* failed credentials, when nothing is configured: ten a minute */
#define NGX_HTTP_BTCF_FAILURE_NS     (6 * NGX_HTTP_BTCF_NS)
#define NGX_HTTP_BTCF_FAILURE_BURST  20


static char *ngx_http_btcf_set_rate(ngx_conf_t *cf, struct btcf_plan *plan,
    ngx_uint_t *all);
static ngx_int_t ngx_http_btcf_parse_rate(const ngx_str_t *text,
    uint64_t *period_ns);


static const struct btcf_rate  ngx_http_btcf_failures = {
    .period_ns = NGX_HTTP_BTCF_FAILURE_NS,
    .burst = NGX_HTTP_BTCF_FAILURE_BURST
};


void
ngx_http_btcf_limit_create(ngx_http_btcf_limit_conf_t *conf)
{
    conf->mode = NGX_CONF_UNSET_UINT;
    conf->headers = NGX_CONF_UNSET_UINT;
    conf->units = NGX_CONF_UNSET_UINT;
    conf->cost = NGX_CONF_UNSET_PTR;
    conf->address = NGX_CONF_UNSET_PTR;
    conf->everybody = NGX_CONF_UNSET_UINT;
    conf->failures = NGX_CONF_UNSET_PTR;
}


char *
ngx_http_btcf_limit_merge(ngx_conf_t *cf, ngx_http_btcf_limit_conf_t *prev,
    ngx_http_btcf_limit_conf_t *conf)
{
    /* a cost is one directive: what it sets is inherited together */

    if (conf->cost == NGX_CONF_UNSET_PTR) {
        conf->units = prev->units;
    }

    ngx_conf_merge_ptr_value(conf->cost, prev->cost, NULL);

    if (conf->address == NGX_CONF_UNSET_PTR) {
        conf->everybody = prev->everybody;
    }

    ngx_conf_merge_ptr_value(conf->address, prev->address, NULL);
    ngx_conf_init_uint_value(conf->everybody, 0);

    ngx_conf_merge_ptr_value(conf->failures, prev->failures,
                             (struct btcf_rate *) &ngx_http_btcf_failures);

    ngx_conf_merge_uint_value(conf->mode, prev->mode,
                              NGX_HTTP_BTCF_LIMIT_AUTO);
    ngx_conf_merge_uint_value(conf->headers, prev->headers,
                              NGX_HTTP_BTCF_HEADERS_BOTH);

    return NGX_CONF_OK;
}


/* btcf_cost N, or $variable: units = UNSET says that there is none. */

char *
ngx_http_btcf_set_cost(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_btcf_loc_conf_t *lcf = conf;

    ngx_int_t                          n;
    ngx_str_t                         *value;
    ngx_http_compile_complex_value_t   ccv;

    if (lcf->limit.cost != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;
    lcf->limit.cost = NULL;

    if (ngx_http_script_variables_count(&value[1]) == 0) {
        n = ngx_atoi(value[1].data, value[1].len);

        if (n == NGX_ERROR || n > NGX_HTTP_BTCF_COST_MAX) {
            return "takes a number of units up to 1000000, or a variable";
        }

        lcf->limit.units = n;

        return NGX_CONF_OK;
    }

    lcf->limit.cost = ngx_pcalloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (lcf->limit.cost == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &value[1];
    ccv.complex_value = lcf->limit.cost;

    return ngx_http_compile_complex_value(&ccv) == NGX_OK ? NGX_CONF_OK
                                                          : NGX_CONF_ERROR;
}


/* btcf_limit_address rate=5r/m burst=5 [name=login] [all], or off */

char *
ngx_http_btcf_set_limit_address(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_btcf_loc_conf_t *lcf = conf;

    ngx_str_t         *value;
    struct btcf_plan  *plan;

    if (lcf->limit.address != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    plan = ngx_pcalloc(cf->pool, sizeof(struct btcf_plan));
    if (plan == NULL) {
        return NGX_CONF_ERROR;
    }

    lcf->limit.address = plan;
    lcf->limit.everybody = 0;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        return NGX_CONF_OK;
    }

    ngx_memcpy(plan->name, "address", sizeof("address"));
    plan->number = BTCF_PLANS_MAX;

    return ngx_http_btcf_set_rate(cf, plan, &lcf->limit.everybody);
}


/* btcf_limit_failures rate=10r/m burst=20, or off */

char *
ngx_http_btcf_set_limit_failures(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_btcf_loc_conf_t *lcf = conf;

    char              *rv;
    ngx_str_t         *value;
    struct btcf_plan   plan;
    struct btcf_rate  *rate;

    if (lcf->limit.failures != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    rate = ngx_pcalloc(cf->pool, sizeof(struct btcf_rate));
    if (rate == NULL) {
        return NGX_CONF_ERROR;
    }

    lcf->limit.failures = rate;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        return NGX_CONF_OK;
    }

    ngx_memzero(&plan, sizeof(struct btcf_plan));

    rv = ngx_http_btcf_set_rate(cf, &plan, NULL);

    rate->period_ns = plan.period_ns;
    rate->burst = plan.burst;

    return rv;
}


/*
 * Parameters of a rate; those after it only where `all` is not NULL. What the
 * rate is made of goes into the checksum, by which its cells are told from
 * others: locations that say the same share them.
 */

static char *
ngx_http_btcf_set_rate(ngx_conf_t *cf, struct btcf_plan *plan,
    ngx_uint_t *all)
{
    ngx_int_t    n;
    ngx_str_t   *value, text;
    ngx_uint_t   i;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "rate=", 5) == 0) {
            text.data = value[i].data + 5;
            text.len = value[i].len - 5;

            if (ngx_http_btcf_parse_rate(&text, &plan->period_ns) == NGX_OK) {
                continue;
            }

        } else if (ngx_strncmp(value[i].data, "burst=", 6) == 0) {
            n = ngx_atoi(value[i].data + 6, value[i].len - 6);

            if (n > 0 && n <= NGX_HTTP_BTCF_RATE_MAX) {
                plan->burst = n;
                continue;
            }

        } else if (all && ngx_strncmp(value[i].data, "name=", 5) == 0) {

            if (value[i].len > 5
                && value[i].len - 5 < BTCF_PLAN_NAME_MAX)
            {
                (void) ngx_cpystrn((u_char *) plan->name, value[i].data + 5,
                                   BTCF_PLAN_NAME_MAX);
                continue;
            }

        } else if (all && ngx_strcmp(value[i].data, "all") == 0) {
            *all = 1;
            continue;
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid parameter \"%V\"",
                           &value[i]);
        return NGX_CONF_ERROR;
    }

    if (plan->period_ns == 0 || plan->burst == 0) {
        return "needs rate= and burst=";
    }

    plan->crc = ngx_crc32_short((u_char *) plan + sizeof(plan->crc),
                                sizeof(struct btcf_plan) - sizeof(plan->crc));

    return NGX_CONF_OK;
}


/* 10r/s, 5r/m, 100r/h */

static ngx_int_t
ngx_http_btcf_parse_rate(const ngx_str_t *text, uint64_t *period_ns)
{
    uint64_t   unit_ns;
    ngx_int_t  n;

    if (text->len < sizeof("1r/s") - 1
        || ngx_strncmp(text->data + text->len - 3, "r/", 2) != 0)
    {
        return NGX_ERROR;
    }

    switch (text->data[text->len - 1]) {

    case 's':
        unit_ns = NGX_HTTP_BTCF_NS;
        break;

    case 'm':
        unit_ns = 60 * NGX_HTTP_BTCF_NS;
        break;

    case 'h':
        unit_ns = 3600 * NGX_HTTP_BTCF_NS;
        break;

    default:
        return NGX_ERROR;
    }

    n = ngx_atoi(text->data, text->len - 3);

    if (n <= 0 || n > NGX_HTTP_BTCF_RATE_MAX) {
        return NGX_ERROR;
    }

    /* rounded up: never more than was asked for */

    *period_ns = (unit_ns + n - 1) / n;

    return NGX_OK;
}
