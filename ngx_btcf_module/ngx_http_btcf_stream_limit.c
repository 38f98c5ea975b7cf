
/*
 * How many streams, and for how long.
 *
 *     a worker     btcf_stream_max, all clients together: 503
 *     an account   its plan's streams, over all workers: 429
 *     an address   the same for guests, of the plan for guests: 429
 *
 * Places are claims (shm/claim.h) in the account's limit row, or in a table of
 * addresses that the workers of a configuration share: what a killed worker
 * held is forgotten by itself.
 *
 * Once a second each stream is asked for its right to exist, by the tables of
 * the gate as they are then, not as they were when it began.
 */


#include "ngx_http_btcf_stream.h"

#include <sys/mman.h>


#define NGX_HTTP_BTCF_GUEST_SETS    2048
#define NGX_HTTP_BTCF_GUEST_SIZE                                              \
    (NGX_HTTP_BTCF_GUEST_SETS * sizeof(struct btcf_addr_set))

/* what the hash of an address is for: see _limit */
#define NGX_HTTP_BTCF_FOR_STREAMS   3


static ngx_uint_t ngx_http_btcf_stream_plan(ngx_http_request_t *r,
    const ngx_http_btcf_principal_t *principal, struct btcf_plan *plan);
static struct btcf_claim ngx_http_btcf_stream_place(ngx_http_request_t *r,
    const ngx_http_btcf_principal_t *principal);
static void ngx_http_btcf_stream_unmap(void *data);


ngx_int_t
ngx_http_btcf_stream_open(ngx_cycle_t *cycle, ngx_http_btcf_main_conf_t *mcf)
{
    void                *p;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(cycle->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    p = mmap(NULL, NGX_HTTP_BTCF_GUEST_SIZE, PROT_READ|PROT_WRITE,
             MAP_SHARED|MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "btcf: mmap() failed");
        return NGX_ERROR;
    }

    mcf->stream.guests = p;

    cln->handler = ngx_http_btcf_stream_unmap;
    cln->data = p;

    return NGX_OK;
}


ngx_int_t
ngx_http_btcf_stream_admit(ngx_http_request_t *r,
    ngx_http_btcf_stream_t *stream)
{
    struct btcf_plan      plan;
    ngx_http_btcf_ctx_t  *ctx;

    if (ngx_http_btcf_stream_is_full()) {
        return ngx_http_btcf_problem(r, NGX_HTTP_BTCF_STREAMS_FULL, NULL);
    }

    ctx = ngx_http_btcf_find_ctx(r);

    if (ctx->principal.outcome == BTCF_AUTH_OFF) {
        return NGX_OK;
    }

    if (!ngx_http_btcf_stream_plan(r, &ctx->principal, &plan)) {
        return ngx_http_btcf_problem(r, NGX_HTTP_BTCF_AUTH_UNAVAILABLE, NULL);
    }

    stream->claim = ngx_http_btcf_stream_place(r, &ctx->principal);

    if (!btcf_claim_take(&stream->claim, plan.streams_max,
                         ngx_http_btcf_stream_now()))
    {
        return ngx_http_btcf_problem(r, NGX_HTTP_BTCF_STREAM_LIMIT, NULL);
    }

    return NGX_OK;
}


ngx_uint_t
ngx_http_btcf_stream_may_go_on(ngx_http_btcf_stream_t *stream,
    ngx_str_t *reason)
{
    uint64_t                          changes;
    struct btcf_plan                  plan;
    ngx_http_request_t               *r;
    const struct btcf_auth           *auth;
    const ngx_http_btcf_loc_conf_t   *lcf;
    const ngx_http_btcf_principal_t  *principal;

    r = stream->request;
    principal = &ngx_http_btcf_find_ctx(r)->principal;

    if (principal->outcome == BTCF_AUTH_OFF) {
        return 1;
    }

    btcf_claim_keep(&stream->claim, ngx_http_btcf_stream_now());

    if (!ngx_http_btcf_still_valid(r, principal)) {
        if (principal->expires && principal->expires <= ngx_time()) {
            ngx_str_set(reason, "credential-expired");

        } else {
            ngx_str_set(reason, "credential-revoked");
        }

        return 0;
    }

    /* nobody's plan has changed, and no plan */

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_btcf_module);
    auth = ngx_http_btcf_segment_auth(lcf->policy.max_stale);
    changes = auth ? btcf_auth_changes(auth) : 0;

    if (changes == stream->reviewed) {
        return 1;
    }

    if (!ngx_http_btcf_stream_plan(r, principal, &plan)) {
        return 1;
    }

    stream->reviewed = changes;

    if ((lcf->policy.scopes & BTCF_SCOPE_STREAM & ~(uint64_t) plan.scopes)
        || btcf_claim_yield(&stream->claim, plan.streams_max,
                            ngx_http_btcf_stream_now()))
    {
        ngx_str_set(reason, "plan");
        return 0;
    }

    return 1;
}


uint64_t
ngx_http_btcf_stream_now(void)
{
    return (uint64_t) ngx_current_msec / 1000;
}


/* The plan as it is now. An account may have got another since it came. */

static ngx_uint_t
ngx_http_btcf_stream_plan(ngx_http_request_t *r,
    const ngx_http_btcf_principal_t *principal, struct btcf_plan *plan)
{
    uint8_t                          id[BTCF_ID_SIZE];
    uint32_t                         number;
    struct btcf_account              account;
    const struct btcf_auth          *auth;
    const ngx_http_btcf_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_btcf_module);
    auth = ngx_http_btcf_segment_auth(lcf->policy.max_stale);

    if (!ngx_http_btcf_is_known(principal)) {
        ngx_http_btcf_plan_guest(auth, plan);
        return 1;
    }

    if (auth == NULL) {
        return 0;
    }

    number = principal->plan;

    if (principal->issuer.len == 0
        && btcf_id_parse((char *) principal->user.data, principal->user.len,
                         id))
    {
        if (btcf_auth_account_find(auth, id, &account) != BTCF_READ_OK) {
            return 0;
        }

        number = account.plan;
    }

    return btcf_auth_plan(auth, number, plan) == BTCF_READ_OK;
}


/*
 * Where the stream is counted: with its account, else with its address. With
 * no edge there is nothing to key the hash of an address with, and no count.
 */

static struct btcf_claim
ngx_http_btcf_stream_place(ngx_http_request_t *r,
    const ngx_http_btcf_principal_t *principal)
{
    struct btcf_claim                 claim;
    const ngx_http_btcf_main_conf_t  *mcf;

    ngx_memzero(&claim, sizeof(struct btcf_claim));

    if (principal->limit) {
        claim.word = &principal->limit->streams;
        return claim;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_btcf_module);

    if (mcf->edge.base == NULL) {
        return claim;
    }

    return btcf_claim_find(mcf->stream.guests, NGX_HTTP_BTCF_GUEST_SETS,
                           ngx_http_btcf_limit_hash(r,
                                                  NGX_HTTP_BTCF_FOR_STREAMS),
                           ngx_http_btcf_stream_now());
}


static void
ngx_http_btcf_stream_unmap(void *data)
{
    (void) munmap(data, NGX_HTTP_BTCF_GUEST_SIZE);
}
