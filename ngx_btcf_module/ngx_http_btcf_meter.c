
/*
 * Log phase: counts every request into this process's block of `edge`, and
 * what somebody used into the row of their key.
 *
 * A block has one writer, so counting needs no locked instruction. Blocks go
 * by process slot: after a reload the draining and the new worker share a
 * worker number, never a slot. A worker that takes over a slot goes on with
 * its counters, so the sums only grow, through reloads and crashes. Rows are
 * shared by all workers, and are added to atomically.
 *
 * Billed is an answer that went out whole. That nginx has finished with the
 * request says little: it finishes also with clients that have gone. So a body
 * filter watches for the last buffer, and in the log phase nothing may be left
 * of the answer: not in the request, not in its connection, and no error in
 * either. What the kernel has taken counts as sent; nobody here can know more.
 *
 * The file is made by the master of every configuration cycle, and belongs to
 * that cycle's pool. When it cannot be (no such directory), an anonymous
 * mapping takes its place: limits and /metrics still work, only the engine
 * cannot see, and nothing is billed.
 */


#include "ngx_http_btcf.h"


static void ngx_http_btcf_meter_close(void *data);
static ngx_uint_t ngx_http_btcf_meter_bucket(uint64_t us);
static void ngx_http_btcf_meter_outcome(struct btcf_metric_block *block,
    ngx_http_btcf_outcome_e outcome);
static void ngx_http_btcf_meter_use(ngx_http_request_t *r,
    ngx_http_btcf_ctx_t *ctx, struct btcf_metric_block *block,
    uint64_t latency_us);
static void ngx_http_btcf_meter_quota(const ngx_http_btcf_ctx_t *ctx,
    uint64_t units);
static ngx_uint_t ngx_http_btcf_meter_status(ngx_http_request_t *r);
static ngx_uint_t ngx_http_btcf_is_whole(ngx_http_request_t *r,
    const ngx_http_btcf_ctx_t *ctx);
static enum btcf_usage_class ngx_http_btcf_usage_class(ngx_http_request_t *r);


/* btcf_edge keys=4096 accounts=4096 principals=4096 addresses=65536 */

char *
ngx_http_btcf_set_edge(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_btcf_main_conf_t *mcf = conf;

    size_t       len;
    uint32_t    *count;
    ngx_int_t    n;
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "keys=", 5) == 0) {
            count = &mcf->edge_options.keys;
            len = 5;

        } else if (ngx_strncmp(value[i].data, "accounts=", 9) == 0) {
            count = &mcf->edge_options.accounts;
            len = 9;

        } else if (ngx_strncmp(value[i].data, "principals=", 11) == 0) {
            count = &mcf->edge_options.principals;
            len = 11;

        } else if (ngx_strncmp(value[i].data, "addresses=", 10) == 0) {
            count = &mcf->edge_options.addresses;
            len = 10;

        } else {
            goto invalid;
        }

        n = ngx_atoi(value[i].data + len, value[i].len - len);

        if (*count) {
            return "is duplicate";
        }

        if (n <= 0 || n > (ngx_int_t) BTCF_EDGE_ROWS_MAX) {
            goto invalid;
        }

        *count = (uint32_t) n;
    }

    return NGX_CONF_OK;

invalid:

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid parameter \"%V\"",
                       &value[i]);

    return NGX_CONF_ERROR;
}


ngx_int_t
ngx_http_btcf_meter_open(ngx_cycle_t *cycle, ngx_http_btcf_main_conf_t *mcf)
{
    enum btcf_attach           why;
    ngx_pool_cleanup_t        *cln;
    struct btcf_edge_options  *options;

    cln = ngx_pool_cleanup_add(cycle->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    options = &mcf->edge_options;
    options->dir = (char *) mcf->shm_dir.data;
    options->build = NGX_HTTP_BTCF_VERSION;

    why = btcf_edge_open(&mcf->edge, options);

    if (why != BTCF_ATTACH_OK) {
        ngx_log_error(NGX_LOG_WARN, cycle->log,
                      why == BTCF_ATTACH_SYSTEM ? ngx_errno : 0,
                      "btcf: \"%V/" BTCF_EDGE_FILE "\" cannot be used: %s;"
                      " counting without the engine",
                      &mcf->shm_dir, btcf_attach_text(why));

        why = btcf_edge_open_anonymous(&mcf->edge, options);
    }

    if (why != BTCF_ATTACH_OK) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "btcf: no memory for counters and limits");
        return NGX_ERROR;
    }

    mcf->metrics = mcf->edge.metrics;

    cln->handler = ngx_http_btcf_meter_close;
    cln->data = mcf;

    return NGX_OK;
}


static void
ngx_http_btcf_meter_close(void *data)
{
    ngx_http_btcf_main_conf_t *mcf = data;

    btcf_edge_close(&mcf->edge);
    mcf->metrics = NULL;
}


/* More processes than blocks: the last block is shared, and may lose a few. */

struct btcf_metric_block *
ngx_http_btcf_meter_block(const ngx_http_btcf_main_conf_t *mcf)
{
    return &mcf->metrics[ngx_min(ngx_process_slot, BTCF_METRIC_BLOCKS - 1)];
}


ngx_int_t
ngx_http_btcf_meter_handler(ngx_http_request_t *r)
{
    uint64_t                          us;
    enum btcf_route                   route;
    ngx_time_t                       *tp;
    ngx_msec_int_t                    ms;
    ngx_http_btcf_ctx_t              *ctx;
    struct btcf_metric_block         *block;
    const ngx_http_btcf_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_btcf_module);
    block = ngx_http_btcf_meter_block(mcf);
    ctx = ngx_http_btcf_find_ctx(r);
    route = ngx_http_btcf_route(r);

    if (ctx && ctx->started_us) {
        us = (ctx->answered_us ? ctx->answered_us : ngx_http_btcf_now_us())
             - ctx->started_us;

    } else {
        tp = ngx_timeofday();
        ms = (ngx_msec_int_t) ((tp->sec - r->start_sec) * 1000
                               + (ngx_msec_int_t) (tp->msec - r->start_msec));
        us = (uint64_t) ngx_max(ms, 0) * 1000;
    }

    btcf_count(&block->requests[route][btcf_status_index(
                   (uint32_t) ngx_http_btcf_meter_status(r))], 1);
    btcf_count(&block->latency[route][ngx_http_btcf_meter_bucket(us)], 1);
    btcf_count(&block->latency_sum_us[route], us);
    btcf_count(&block->bytes_sent[route], (uint64_t) r->connection->sent);

    if (ctx && ctx->outcome != NGX_HTTP_BTCF_DOC_NONE) {
        ngx_http_btcf_meter_outcome(block, ctx->outcome);
    }

    if (ctx && r == r->main && !ctx->metered) {
        ctx->metered = 1;
        ngx_http_btcf_meter_use(r, ctx, block, us);
    }

    return NGX_OK;
}


/* Called by the body filter with what there is of the answer. */

void
ngx_http_btcf_meter_body(ngx_http_btcf_ctx_t *ctx, const ngx_chain_t *in)
{
    for ( /* void */ ; in; in = in->next) {
        if (in->buf->last_buf) {
            ctx->complete = 1;
        }
    }
}


static void
ngx_http_btcf_meter_use(ngx_http_request_t *r, ngx_http_btcf_ctx_t *ctx,
    struct btcf_metric_block *block, uint64_t latency_us)
{
    struct btcf_use                   use;
    const ngx_http_btcf_principal_t  *principal;

    principal = &ctx->principal;

    btcf_count(&block->auth[principal->outcome], 1);
    btcf_count(&block->limit[ctx->limit_outcome], 1);

    if (!ngx_http_btcf_is_known(principal)
        && principal->outcome != BTCF_AUTH_SCOPE)
    {
        return;
    }

    use.now_s = ngx_time();
    use.usage_class = ngx_http_btcf_usage_class(r);
    use.status = (uint32_t) ngx_http_btcf_meter_status(r);
    use.is_head = (r->method == NGX_HTTP_HEAD);
    use.is_whole = ngx_http_btcf_is_whole(r, ctx);
    use.units = principal->test ? 0 : ctx->units;
    use.bytes = (uint64_t) r->connection->sent;
    use.latency_us = latency_us;

    if (principal->usage) {
        (void) btcf_usage_count(principal->usage, &use);
    }

    if (!btcf_usage_is_billed(&use)) {
        return;
    }

    if (principal->usage == NULL) {
        btcf_count(&block->usage_unattributed, 1);
    }

    if (principal->limit && use.units) {
        ngx_http_btcf_meter_quota(ctx, use.units);
    }
}


static void
ngx_http_btcf_meter_quota(const ngx_http_btcf_ctx_t *ctx, uint64_t units)
{
    struct btcf_limit_row          *row;
    const ngx_http_btcf_periods_t  *now;

    row = ctx->principal.limit;
    now = ngx_http_btcf_periods();

    btcf_quota_add(&row->day, BTCF_PERIOD_DAY, now->day, units);
    btcf_quota_add(&row->month, BTCF_PERIOD_MONTH, now->month, units);
}


static ngx_uint_t
ngx_http_btcf_meter_status(ngx_http_request_t *r)
{
    return r->err_status ? r->err_status : r->headers_out.status;
}


static ngx_uint_t
ngx_http_btcf_is_whole(ngx_http_request_t *r, const ngx_http_btcf_ctx_t *ctx)
{
    ngx_connection_t  *c;

    c = r->connection;

    if (ctx->stream) {
        /* paid for by being opened: it has no end that could be missing */
        return r->header_sent;
    }

    return r->header_sent
           && (ctx->complete || r->header_only)
           && r->out == NULL
           && !r->buffered
           && !c->buffered
           && !c->error
           && !c->timedout;
}


static enum btcf_usage_class
ngx_http_btcf_usage_class(ngx_http_request_t *r)
{
    if (ngx_http_btcf_find_ctx(r)->stream) {
        return BTCF_USAGE_STREAM;
    }

    switch (ngx_http_btcf_route(r)) {

    case BTCF_ROUTE_FORECAST:
        return BTCF_USAGE_FORECAST;

    case BTCF_ROUTE_CONTROL:
        return BTCF_USAGE_CONTROL;

    default:
        return BTCF_USAGE_MARKET;
    }
}


/* What the request was about: what served it knows best, then the location. */

enum btcf_route
ngx_http_btcf_route(ngx_http_request_t *r)
{
    ngx_http_btcf_ctx_t             *ctx;
    const ngx_http_btcf_loc_conf_t  *lcf;

    ctx = ngx_http_btcf_find_ctx(r);

    if (ctx && ctx->route < BTCF_METRIC_ROUTES) {
        return (enum btcf_route) ctx->route;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_btcf_module);

    if (lcf->route < BTCF_METRIC_ROUTES) {
        return (enum btcf_route) lcf->route;
    }

    return BTCF_ROUTE_OTHER;
}


static ngx_uint_t
ngx_http_btcf_meter_bucket(uint64_t us)
{
    ngx_uint_t  i;

    for (i = 0; i < BTCF_METRIC_BUCKETS - 1; i++) {
        if (us <= btcf_latency_bounds_us[i]) {
            break;
        }
    }

    return i;
}


static void
ngx_http_btcf_meter_outcome(struct btcf_metric_block *block,
    ngx_http_btcf_outcome_e outcome)
{
    switch (outcome) {

    case NGX_HTTP_BTCF_DOC_FRESH:
        btcf_count(&block->doc_fresh, 1);
        break;

    case NGX_HTTP_BTCF_DOC_STALE:
        btcf_count(&block->doc_stale, 1);
        break;

    case NGX_HTTP_BTCF_DOC_EXPIRED:
        btcf_count(&block->doc_expired, 1);
        break;

    default:
        btcf_count(&block->doc_absent, 1);
    }
}
