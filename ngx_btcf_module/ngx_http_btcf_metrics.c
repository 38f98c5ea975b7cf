
/*
 * Content: Prometheus text (exposition format 0.0.4).
 *
 * A scrape adds up the blocks of all process slots, whichever worker answers
 * it; each counter is read atomically, their set is no snapshot. A histogram's
 * count is made from its buckets, so it always equals the bucket of +Inf.
 * Labels are closed sets: route, status code, outcome, horizon.
 *
 * What the engine says about itself lies in the segment as a document of the
 * same format, and is appended.
 */


#include "ngx_http_btcf.h"


/* the longest line, with room to spare, and how many there can be */
#define NGX_HTTP_BTCF_LINE_MAX   160
#define NGX_HTTP_BTCF_LINES_MAX                                               \
    (BTCF_METRIC_ROUTES                                                       \
     * (BTCF_METRIC_STATUSES + BTCF_METRIC_BUCKETS + 3)                       \
     + BTCF_METRIC_AUTHS + BTCF_METRIC_LIMITS                                 \
     + NGX_HTTP_BTCF_HORIZONS + 128)


typedef struct {
    const char                 *name;
    const char                 *label;      /* or NULL */
    const char                 *help;       /* NULL: the family goes on */
    size_t                      offset;     /* in the metric block */
} ngx_http_btcf_counter_t;


static u_char *ngx_http_btcf_metrics_head(u_char *p, const char *name,
    const char *type, const char *help);
static uint64_t ngx_http_btcf_metrics_sum(
    const ngx_http_btcf_main_conf_t *mcf, size_t offset);
static u_char *ngx_http_btcf_metrics_requests(u_char *p,
    const ngx_http_btcf_main_conf_t *mcf);
static u_char *ngx_http_btcf_metrics_latency(u_char *p,
    const ngx_http_btcf_main_conf_t *mcf);
static u_char *ngx_http_btcf_metrics_bytes(u_char *p,
    const ngx_http_btcf_main_conf_t *mcf);
static u_char *ngx_http_btcf_metrics_counters(u_char *p,
    const ngx_http_btcf_main_conf_t *mcf);
static u_char *ngx_http_btcf_metrics_outcomes(u_char *p,
    const ngx_http_btcf_main_conf_t *mcf);
static u_char *ngx_http_btcf_metrics_gauges(u_char *p,
    const ngx_http_btcf_main_conf_t *mcf);
static u_char *ngx_http_btcf_metrics_ages(u_char *p);
static u_char *ngx_http_btcf_metrics_seconds(u_char *p, uint64_t us);


#define ngx_http_btcf_counter(member)                                         \
    offsetof(struct btcf_metric_block, member)


static ngx_http_btcf_counter_t  ngx_http_btcf_counters[] = {

    { "btcf_document_lookups_total", "outcome=\"fresh\"",
      "Documents looked up, by what was found.",
      ngx_http_btcf_counter(doc_fresh) },

    { "btcf_document_lookups_total", "outcome=\"stale\"", NULL,
      ngx_http_btcf_counter(doc_stale) },

    { "btcf_document_lookups_total", "outcome=\"expired\"", NULL,
      ngx_http_btcf_counter(doc_expired) },

    { "btcf_document_lookups_total", "outcome=\"absent\"", NULL,
      ngx_http_btcf_counter(doc_absent) },

    { "btcf_segment_copies_total", NULL,
      "Documents copied out of the segment.",
      ngx_http_btcf_counter(copies) },

    { "btcf_segment_copy_retries_total", NULL,
      "Copies begun again because a publication came between.",
      ngx_http_btcf_counter(copy_retries) },

    { "btcf_segment_copy_busy_total", NULL,
      "Copies given up; the last good one was served.",
      ngx_http_btcf_counter(copy_busy) },

    { "btcf_segment_copy_corrupt_total", NULL,
      "Copies refused by bounds or checksum; the last good one was served.",
      ngx_http_btcf_counter(copy_corrupt) },

    { "btcf_segment_remaps_total", NULL,
      "Segments attached.",
      ngx_http_btcf_counter(remaps) },

    { "btcf_segment_remaps_refused_total", NULL,
      "Segments refused when they were to be attached.",
      ngx_http_btcf_counter(remap_refused) },

    { "btcf_token_lookups_total", "outcome=\"hit\"",
      "Tokens looked up among those that were verified.",
      ngx_http_btcf_counter(token_hits) },

    { "btcf_token_lookups_total", "outcome=\"miss\"", NULL,
      ngx_http_btcf_counter(token_misses) },

    { "btcf_token_evictions_total", NULL,
      "Verified tokens given up before they expired.",
      ngx_http_btcf_counter(token_evictions) },

    { "btcf_keyset_refused_total", NULL,
      "Key sets that could not be used; the ones in use stayed.",
      ngx_http_btcf_counter(keyset_refused) },

    { "btcf_streams_opened_total", NULL,
      "Streams opened.",
      ngx_http_btcf_counter(streams_opened) },

    { "btcf_streams_refused_total", NULL,
      "Streams refused because too many were open.",
      ngx_http_btcf_counter(streams_refused) },

    { "btcf_streams_dropped_total", NULL,
      "Streams ended because their reader was too slow.",
      ngx_http_btcf_counter(streams_dropped) },

    { "btcf_stream_events_total", "outcome=\"sent\"",
      "Events that streams were to carry, by what became of them.",
      ngx_http_btcf_counter(stream_events) },

    { "btcf_stream_events_total", "outcome=\"coalesced\"", NULL,
      ngx_http_btcf_counter(stream_coalesced) },

    { "btcf_usage_unattributed_total", NULL,
      "Billable answers for which edge had no row: btcf_edge is too small.",
      ngx_http_btcf_counter(usage_unattributed) },

    { "btcf_pool_full_total", NULL,
      "Requests of principals for which the pool had no entry.",
      ngx_http_btcf_counter(pool_full) },

    { "btcf_body_timeouts_total", NULL,
      "Request bodies that came too slowly.",
      ngx_http_btcf_counter(body_timeouts) }
};


static ngx_str_t  ngx_http_btcf_metrics_type =
    ngx_string("text/plain; version=0.0.4; charset=utf-8");
static ngx_str_t  ngx_http_btcf_metrics_key = ngx_string("/metrics");


ngx_int_t
ngx_http_btcf_metrics_handler(ngx_http_request_t *r)
{
    u_char                           *p;
    size_t                            size;
    ngx_int_t                         rc;
    ngx_str_t                         text, *engine;
    ngx_http_btcf_ctx_t              *ctx;
    ngx_http_btcf_doc_t              *doc;
    const ngx_http_btcf_main_conf_t  *mcf;

    rc = ngx_http_btcf_begin(r, &ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    ctx->route = BTCF_ROUTE_METRICS;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_btcf_module);

    engine = NULL;
    size = NGX_HTTP_BTCF_LINES_MAX * NGX_HTTP_BTCF_LINE_MAX;

    doc = ngx_http_btcf_segment_doc(&ngx_http_btcf_metrics_key);

    if (doc && doc->doc_class == BTCF_DOC_INTERNAL && !doc->retired) {
        if (ngx_http_btcf_hold(ctx, doc) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        engine = &doc->body[0][0].body;
        size += engine->len;
    }

    p = ngx_pnalloc(r->pool, size);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    text.data = p;

    p = ngx_http_btcf_metrics_gauges(p, mcf);
    p = ngx_http_btcf_metrics_ages(p);
    p = ngx_http_btcf_metrics_requests(p, mcf);
    p = ngx_http_btcf_metrics_latency(p, mcf);
    p = ngx_http_btcf_metrics_bytes(p, mcf);
    p = ngx_http_btcf_metrics_outcomes(p, mcf);
    p = ngx_http_btcf_metrics_counters(p, mcf);

    if (engine) {
        p = ngx_cpymem(p, engine->data, engine->len);
    }

    text.len = p - text.data;

    return ngx_http_btcf_send_text(r, &ngx_http_btcf_metrics_type, &text);
}


static u_char *
ngx_http_btcf_metrics_head(u_char *p, const char *name, const char *type,
    const char *help)
{
    return ngx_sprintf(p, "# HELP %s %s\n# TYPE %s %s\n", name, help, name,
                       type);
}


/* One counter over all process slots. */

static uint64_t
ngx_http_btcf_metrics_sum(const ngx_http_btcf_main_conf_t *mcf, size_t offset)
{
    uint64_t           sum;
    ngx_uint_t         i;
    _Atomic uint64_t  *counter;

    sum = 0;

    for (i = 0; i < BTCF_METRIC_BLOCKS; i++) {
        counter = (_Atomic uint64_t *) ((u_char *) &mcf->metrics[i] + offset);
        sum += atomic_load_explicit(counter, memory_order_relaxed);
    }

    return sum;
}


static u_char *
ngx_http_btcf_metrics_requests(u_char *p,
    const ngx_http_btcf_main_conf_t *mcf)
{
    uint64_t    n;
    ngx_uint_t  route, status;

    p = ngx_http_btcf_metrics_head(p, "btcf_http_requests_total", "counter",
                                   "Requests answered, by route and status;"
                                   " code 0 is any other status.");

    for (route = 0; route < BTCF_METRIC_ROUTES; route++) {
        for (status = 0; status < BTCF_METRIC_STATUSES; status++) {

            n = ngx_http_btcf_metrics_sum(mcf,
                              ngx_http_btcf_counter(requests[route][status]));

            /* a pair that has never been seen has no line yet */

            if (n) {
                p = ngx_sprintf(p, "btcf_http_requests_total"
                                "{route=\"%s\",code=\"%ui\"} %uL\n",
                                btcf_route_name((enum btcf_route) route),
                                (ngx_uint_t) btcf_status_codes[status], n);
            }
        }
    }

    return p;
}


static u_char *
ngx_http_btcf_metrics_latency(u_char *p,
    const ngx_http_btcf_main_conf_t *mcf)
{
    uint64_t     n;
    const char  *name;
    ngx_uint_t   route, i;

    p = ngx_http_btcf_metrics_head(p, "btcf_http_request_duration_seconds",
                                   "histogram",
                                   "Time from the handler's first look at a"
                                   " request to its last byte sent.");

    for (route = 0; route < BTCF_METRIC_ROUTES; route++) {
        name = btcf_route_name((enum btcf_route) route);
        n = 0;

        for (i = 0; i < BTCF_METRIC_BUCKETS; i++) {
            n += ngx_http_btcf_metrics_sum(mcf,
                                   ngx_http_btcf_counter(latency[route][i]));

            p = ngx_sprintf(p, "btcf_http_request_duration_seconds_bucket"
                            "{route=\"%s\",le=\"", name);

            if (i == BTCF_METRIC_BUCKETS - 1) {
                p = ngx_cpymem(p, "+Inf", 4);

            } else {
                p = ngx_http_btcf_metrics_seconds(p,
                                                  btcf_latency_bounds_us[i]);
            }

            p = ngx_sprintf(p, "\"} %uL\n", n);
        }

        p = ngx_sprintf(p, "btcf_http_request_duration_seconds_sum"
                        "{route=\"%s\"} ", name);
        p = ngx_http_btcf_metrics_seconds(p, ngx_http_btcf_metrics_sum(mcf,
                                 ngx_http_btcf_counter(latency_sum_us[route])));
        p = ngx_sprintf(p, "\nbtcf_http_request_duration_seconds_count"
                        "{route=\"%s\"} %uL\n", name, n);
    }

    return p;
}


static u_char *
ngx_http_btcf_metrics_bytes(u_char *p, const ngx_http_btcf_main_conf_t *mcf)
{
    ngx_uint_t  route;

    p = ngx_http_btcf_metrics_head(p, "btcf_http_response_bytes_total",
                                   "counter",
                                   "Bytes sent to clients, headers included.");

    for (route = 0; route < BTCF_METRIC_ROUTES; route++) {
        p = ngx_sprintf(p, "btcf_http_response_bytes_total{route=\"%s\"} %uL\n",
                        btcf_route_name((enum btcf_route) route),
                        ngx_http_btcf_metrics_sum(mcf,
                                     ngx_http_btcf_counter(bytes_sent[route])));
    }

    return p;
}


static u_char *
ngx_http_btcf_metrics_counters(u_char *p,
    const ngx_http_btcf_main_conf_t *mcf)
{
    size_t                    n;
    ngx_uint_t                i;
    ngx_http_btcf_counter_t  *counter;

    n = sizeof(ngx_http_btcf_counters) / sizeof(ngx_http_btcf_counters[0]);

    for (i = 0; i < n; i++) {
        counter = &ngx_http_btcf_counters[i];

        if (counter->help) {
            p = ngx_http_btcf_metrics_head(p, counter->name, "counter",
                                           counter->help);
        }

        p = ngx_sprintf(p, "%s%s%s%s %uL\n", counter->name,
                        counter->label ? "{" : "",
                        counter->label ? counter->label : "",
                        counter->label ? "}" : "",
                        ngx_http_btcf_metrics_sum(mcf, counter->offset));
    }

    return p;
}


/* Of credentials and of limits: each outcome has its line from the start. */

static u_char *
ngx_http_btcf_metrics_outcomes(u_char *p,
    const ngx_http_btcf_main_conf_t *mcf)
{
    ngx_uint_t  i;

    p = ngx_http_btcf_metrics_head(p, "btcf_auth_total", "counter",
                                   "Requests by what became of their"
                                   " credential.");

    for (i = 0; i <= BTCF_AUTH_UNAVAILABLE; i++) {
        p = ngx_sprintf(p, "btcf_auth_total{outcome=\"%s\"} %uL\n",
                        btcf_auth_name((enum btcf_auth_outcome) i),
                        ngx_http_btcf_metrics_sum(mcf,
                                              ngx_http_btcf_counter(auth[i])));
    }

    p = ngx_http_btcf_metrics_head(p, "btcf_limit_total", "counter",
                                   "Requests by what the limiter said.");

    for (i = 0; i <= BTCF_LIMIT_ADDRESS_DRY_RUN; i++) {
        p = ngx_sprintf(p, "btcf_limit_total{outcome=\"%s\"} %uL\n",
                        btcf_limit_name((enum btcf_limit_outcome) i),
                        ngx_http_btcf_metrics_sum(mcf,
                                             ngx_http_btcf_counter(limit[i])));
    }

    return p;
}


/* As this worker sees the segment; streams are those of all workers. */

static u_char *
ngx_http_btcf_metrics_gauges(u_char *p, const ngx_http_btcf_main_conf_t *mcf)
{
    uint64_t                        opened, closed;
    ngx_http_btcf_segment_state_t   state;

    ngx_http_btcf_segment_state(&state);

    p = ngx_http_btcf_metrics_head(p, "btcf_build_info", "gauge",
                                   "Always 1; what is running.");
    p = ngx_sprintf(p, "btcf_build_info{version=\"%s\",nginx=\"%s\","
                    "abi=\"%d.%d\"} 1\n",
                    NGX_HTTP_BTCF_VERSION, NGINX_VERSION,
                    BTCF_ABI_MAJOR, BTCF_ABI_MINOR);

    p = ngx_http_btcf_metrics_head(p, "btcf_segment_up", "gauge",
                                   "1 while a segment is attached.");
    p = ngx_sprintf(p, "btcf_segment_up %ui\n", state.attached);

    p = ngx_http_btcf_metrics_head(p, "btcf_engine_up", "gauge",
                                   "1 while the segment's writer beats.");
    p = ngx_sprintf(p, "btcf_engine_up %ui\n", state.beating);

    p = ngx_http_btcf_metrics_head(p, "btcf_degraded", "gauge",
                                   "1 while the engine says degraded.");
    p = ngx_sprintf(p, "btcf_degraded %d\n",
                    (state.health & BTCF_HEALTH_DEGRADED) != 0);

    /* closed first: what opens and closes between the two is not below 0 */

    closed = ngx_http_btcf_metrics_sum(mcf,
                                       ngx_http_btcf_counter(streams_closed));
    opened = ngx_http_btcf_metrics_sum(mcf,
                                       ngx_http_btcf_counter(streams_opened));

    p = ngx_http_btcf_metrics_head(p, "btcf_streams", "gauge",
                                   "Open streams.");
    p = ngx_sprintf(p, "btcf_streams %uL\n",
                    opened > closed ? opened - closed : 0);

    return p;
}


/* How old it is what this worker believes and gives out. */

static u_char *
ngx_http_btcf_metrics_ages(u_char *p)
{
    int64_t                         now_ms;
    ngx_str_t                       key;
    ngx_uint_t                      i;
    ngx_http_btcf_doc_t            *doc;
    ngx_http_btcf_segment_state_t   state;

    ngx_http_btcf_segment_state(&state);

    p = ngx_http_btcf_metrics_head(p, "btcf_auth_age_seconds", "gauge",
                                   "Time since the engine last kept the"
                                   " tables of keys and accounts.");

    if (state.attached) {
        p = ngx_sprintf(p, "btcf_auth_age_seconds %L\n",
                        ngx_max(state.silent_ms, 0) / 1000);
    }

    p = ngx_http_btcf_metrics_head(p, "btcf_forecast_age_seconds", "gauge",
                                   "Time since the forecast was published.");

    now_ms = ngx_http_btcf_now_ms();

    for (i = 0; i < NGX_HTTP_BTCF_HORIZONS; i++) {
        key = ngx_http_btcf_forecast_keys[i];
        doc = ngx_http_btcf_segment_doc(&key);

        if (doc && !doc->retired) {
            key.data += sizeof("/v1/forecasts/") - 1;
            key.len -= sizeof("/v1/forecasts/") - 1;

            p = ngx_sprintf(p, "btcf_forecast_age_seconds{horizon=\"%V\"} "
                            "%L\n",
                            &key, (now_ms - doc->published_ms) / 1000);
        }
    }

    return p;
}


/* Microseconds as decimal seconds, without trailing zeros. */

static u_char *
ngx_http_btcf_metrics_seconds(u_char *p, uint64_t us)
{
    p = ngx_sprintf(p, "%uL.%06uL", us / 1000000, us % 1000000);

    while (p[-1] == '0') {
        p--;
    }

    if (p[-1] == '.') {
        p--;
    }

    return p;
}
