
/*
 * Every error as application/problem+json (RFC 9457), nginx's own included.
 *
 * Errors end up in nginx's special response handler, whoever found them: a
 * handler of ours that returned a status, the parser, `deny`, `return 503`, an
 * upstream that did not answer. It sends a page of HTML. A header filter
 * recognises that page before it is sent, renders the problem and puts its
 * type and length in the header; a body filter then sends the problem in
 * place of the page. So no `error_page` is needed, and errors found before a
 * server block was even chosen are covered.
 *
 * Bodies of upstreams and of pages that `error_page` names are left alone.
 */


#include "ngx_http_btcf.h"


#define NGX_HTTP_BTCF_INSTANCE_MAX    256
#define NGX_HTTP_BTCF_DETAIL_MAX      64

/* longest code, title and detail of the tables, and the page around them */
#define NGX_HTTP_BTCF_PAGE_MAX        1024

#define NGX_HTTP_BTCF_HEADER_TOO_LARGE  431


struct ngx_http_btcf_problem_s {
    ngx_uint_t                  status;
    ngx_str_t                   code;
    ngx_str_t                   title;
    ngx_str_t                   detail;
};


static ngx_int_t ngx_http_btcf_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_btcf_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_uint_t ngx_http_btcf_is_page(ngx_http_request_t *r);
static const ngx_http_btcf_problem_t *ngx_http_btcf_problem_of(
    ngx_http_request_t *r, ngx_http_btcf_ctx_t *ctx);
static ngx_int_t ngx_http_btcf_problem_header(ngx_http_request_t *r,
    ngx_http_btcf_ctx_t *ctx);
static ngx_int_t ngx_http_btcf_problem_retry(ngx_http_request_t *r,
    ngx_http_btcf_ctx_t *ctx);
static ngx_int_t ngx_http_btcf_render(ngx_http_request_t *r,
    ngx_http_btcf_ctx_t *ctx);
static u_char *ngx_http_btcf_printable(u_char *dst, const u_char *src,
    size_t len, size_t max);


/* in the order of ngx_http_btcf_problem_e */

static const ngx_http_btcf_problem_t  ngx_http_btcf_problems[] = {

    { 400, ngx_string("unknown-parameter"), ngx_string("Bad Request"),
      ngx_string("unknown query parameter") },

    { 400, ngx_string("invalid-parameter"), ngx_string("Bad Request"),
      ngx_string("horizons takes each of 1h, 4h, 12h, 1d, 3d, 7d, 14d, 30d"
                 " at most once, separated by commas; it does not take") },

    { 503, ngx_string("forecast-expired"), ngx_string("Service Unavailable"),
      ngx_string("the last forecast is too old to be given out,"
                 " and no newer one has been published") },

    { 503, ngx_string("forecast-stale"), ngx_string("Service Unavailable"),
      ngx_string("the next forecast is overdue, and this server"
                 " does not give out stale ones") },

    { 503, ngx_string("no-data"), ngx_string("Service Unavailable"),
      ngx_string("the engine has not published this yet") },

    { 503, ngx_string("not-ready"), ngx_string("Service Unavailable"),
      ngx_string("no forecast can be served") },

    { 503, ngx_string("upstream-unavailable"),
      ngx_string("Service Unavailable"),
      ngx_string("the service behind this path does not answer") },

    { 403, ngx_string("subrequest"), ngx_string("Forbidden"),
      ngx_string("not served to a subrequest") },

    { 401, ngx_string("unauthenticated"), ngx_string("Unauthorized"),
      ngx_string("an API key or a bearer token is needed") },

    { 401, ngx_string("invalid-credential"), ngx_string("Unauthorized"),
      ngx_string("the credential is not valid") },

    { 400, ngx_string("two-credentials"), ngx_string("Bad Request"),
      ngx_string("send one credential, not several") },

    { 403, ngx_string("wrong-network"), ngx_string("Forbidden"),
      ngx_string("this key may not be used from this address") },

    { 403, ngx_string("insufficient-scope"), ngx_string("Forbidden"),
      ngx_string("the credential lacks a scope that this needs") },

    { 403, ngx_string("denied"), ngx_string("Forbidden"),
      ngx_string("the credential does not meet a condition of this path") },

    { 429, ngx_string("rate-limited"), ngx_string("Too Many Requests"),
      ngx_string("more requests than the plan allows at once") },

    { 429, ngx_string("quota-exceeded"), ngx_string("Too Many Requests"),
      ngx_string("the plan's quota is used up") },

    { 429, ngx_string("address-limited"), ngx_string("Too Many Requests"),
      ngx_string("too many requests from this address") },

    { 503, ngx_string("auth-unavailable"), ngx_string("Service Unavailable"),
      ngx_string("credentials cannot be checked at the moment") },

    { 429, ngx_string("stream-limit"), ngx_string("Too Many Requests"),
      ngx_string("too many open streams") },

    { 408, ngx_string("body-timeout"), ngx_string("Request Time-out"),
      ngx_string("the request's body came too slowly") },

    { 404, ngx_string("sandbox-absent"), ngx_string("Not Found"),
      ngx_string("the sandbox, which answers test keys,"
                 " has nothing at this path") },

    { 400, ngx_string("unknown-simulation"), ngx_string("Bad Request"),
      ngx_string("Btcf-Simulate takes one of 429, 503, stale, slow;"
                 " it does not take") },

    { 503, ngx_string("unavailable"), ngx_string("Service Unavailable"),
      ngx_string("the server cannot answer this now") },

    { 503, ngx_string("streams-full"), ngx_string("Service Unavailable"),
      ngx_string("this server has as many open streams as it may") },

    { 400, ngx_string("invalid-parameter"), ngx_string("Bad Request"),
      ngx_string("events takes each of price, candle, forecast, status"
                 " at most once, separated by commas; it does not take") },

    { 400, ngx_string("invalid-parameter"), ngx_string("Bad Request"),
      ngx_string("an event's id, sent once and unchanged, is what this takes;"
                 " it does not take") },

    { 400, ngx_string("missing-parameter"), ngx_string("Bad Request"),
      ngx_string("a probability is asked for with one of above=X, below=X,"
                 " between=X,Y, in USD") },

    { 400, ngx_string("invalid-parameter"), ngx_string("Bad Request"),
      ngx_string("above and below take one price in USD, between takes two"
                 " that ascend, with a comma; a price is a plain decimal,"
                 " more than 0 and at most 1000000000000; it is not") },

    { 400, ngx_string("invalid-parameter"), ngx_string("Bad Request"),
      ngx_string("level takes one number from 0.5 to 0.9999;"
                 " it does not take") },

    { 400, ngx_string("invalid-parameter"), ngx_string("Bad Request"),
      ngx_string("side takes long or short, once; it does not take") }
};


/* by status; a status that is not here takes the class's first entry */

static const ngx_http_btcf_problem_t  ngx_http_btcf_statuses[] = {

    { 400, ngx_string("bad-request"), ngx_string("Bad Request"),
      ngx_string("the request could not be understood") },

    { 401, ngx_string("unauthorized"), ngx_string("Unauthorized"),
      ngx_string("a credential is needed") },

    { 403, ngx_string("forbidden"), ngx_string("Forbidden"),
      ngx_string("access is not allowed") },

    { 404, ngx_string("not-found"), ngx_string("Not Found"),
      ngx_string("there is nothing at this path") },

    { 405, ngx_string("method-not-allowed"), ngx_string("Method Not Allowed"),
      ngx_string("only the methods named in Allow work here") },

    { 408, ngx_string("request-timeout"), ngx_string("Request Timeout"),
      ngx_string("the request did not arrive in time") },

    { 409, ngx_string("conflict"), ngx_string("Conflict"),
      ngx_string("the request conflicts with the present state") },

    { 411, ngx_string("length-required"), ngx_string("Length Required"),
      ngx_string("a Content-Length is needed") },

    { 412, ngx_string("precondition-failed"),
      ngx_string("Precondition Failed"),
      ngx_string("a condition in the request headers is false") },

    { 413, ngx_string("content-too-large"), ngx_string("Content Too Large"),
      ngx_string("the body is larger than allowed") },

    { 414, ngx_string("uri-too-long"), ngx_string("URI Too Long"),
      ngx_string("the request line is longer than allowed") },

    { 415, ngx_string("unsupported-media-type"),
      ngx_string("Unsupported Media Type"),
      ngx_string("the type of the body is not supported") },

    { 416, ngx_string("range-not-satisfiable"),
      ngx_string("Range Not Satisfiable"),
      ngx_string("the range lies outside of the content") },

    { 421, ngx_string("misdirected-request"),
      ngx_string("Misdirected Request"),
      ngx_string("this server does not answer for that host") },

    { 429, ngx_string("too-many-requests"), ngx_string("Too Many Requests"),
      ngx_string("the limit of requests is reached") },

    { NGX_HTTP_BTCF_HEADER_TOO_LARGE, ngx_string("header-too-large"),
      ngx_string("Request Header Fields Too Large"),
      ngx_string("the request headers are larger than allowed") },

    { 500, ngx_string("internal-error"), ngx_string("Internal Server Error"),
      ngx_string("the server failed to answer") },

    { 501, ngx_string("not-implemented"), ngx_string("Not Implemented"),
      ngx_string("the server does not know how to do this") },

    { 502, ngx_string("bad-gateway"), ngx_string("Bad Gateway"),
      ngx_string("the service behind this path answered nonsense") },

    { 503, ngx_string("unavailable"), ngx_string("Service Unavailable"),
      ngx_string("the server cannot answer this now") },

    { 504, ngx_string("gateway-timeout"), ngx_string("Gateway Timeout"),
      ngx_string("the service behind this path did not answer in time") },

    { 505, ngx_string("version-not-supported"),
      ngx_string("HTTP Version Not Supported"),
      ngx_string("the HTTP version is not supported") },

    { 507, ngx_string("insufficient-storage"),
      ngx_string("Insufficient Storage"),
      ngx_string("there is no room for the request") }
};


static ngx_str_t  ngx_http_btcf_problem_type =
    ngx_string("application/problem+json");

static ngx_str_t  ngx_http_btcf_h_cache = ngx_string("Cache-Control");
static ngx_str_t  ngx_http_btcf_h_no_store = ngx_string("no-store");
static ngx_str_t  ngx_http_btcf_h_retry = ngx_string("Retry-After");
static ngx_str_t  ngx_http_btcf_h_allow = ngx_string("Allow");
static ngx_str_t  ngx_http_btcf_h_methods = ngx_string("GET, HEAD");


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


ngx_int_t
ngx_http_btcf_problem_init(ngx_conf_t *cf)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_btcf_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_btcf_body_filter;

    return NGX_OK;
}


ngx_int_t
ngx_http_btcf_problem(ngx_http_request_t *r, ngx_http_btcf_problem_e problem,
    const ngx_str_t *detail)
{
    ngx_http_btcf_ctx_t  *ctx;

    ctx = ngx_http_btcf_get_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->problem = &ngx_http_btcf_problems[problem];

    if (detail) {
        ctx->detail = *detail;
    }

    return ctx->problem->status;
}


ngx_str_t
ngx_http_btcf_problem_code(const ngx_http_btcf_ctx_t *ctx)
{
    ngx_str_t  none = ngx_null_string;

    return ctx->problem ? ctx->problem->code : none;
}


ngx_int_t
ngx_http_btcf_problem_status(const ngx_http_btcf_ctx_t *ctx)
{
    return ctx->problem ? (ngx_int_t) ctx->problem->status : NGX_OK;
}


static ngx_int_t
ngx_http_btcf_header_filter(ngx_http_request_t *r)
{
    ngx_http_btcf_ctx_t             *ctx;
    const ngx_http_btcf_loc_conf_t  *lcf;

    if (r != r->main || r->header_sent) {
        return ngx_http_next_header_filter(r);
    }

    ctx = ngx_http_btcf_get_ctx(r);

    if (ctx == NULL || ngx_http_btcf_headers(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_btcf_module);

    if (lcf->problem && r->err_status >= NGX_HTTP_BAD_REQUEST
        && ngx_http_btcf_is_page(r)
        && ngx_http_btcf_problem_header(r, ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_next_header_filter(r);
}


/* Sends the problem for the first buffer of the page, and swallows the rest. */

static ngx_int_t
ngx_http_btcf_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_buf_t            *b;
    ngx_chain_t           out, *cl;
    ngx_http_btcf_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_btcf_module);

    if (ctx && r == r->main) {
        ngx_http_btcf_meter_body(ctx, in);
    }

    if (ctx == NULL || ctx->page.len == 0 || r != r->main || in == NULL) {
        return ngx_http_next_body_filter(r, in);
    }

    for (cl = in; cl; cl = cl->next) {
        cl->buf->pos = cl->buf->last;
    }

    if (ctx->page_sent) {
        return NGX_OK;
    }

    ctx->page_sent = 1;

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = ctx->page.data;
    b->last = b->pos + ctx->page.len;
    b->memory = 1;
    b->last_buf = 1;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_next_body_filter(r, &out);
}


/*
 * The page of the special response handler: HTML that has neither a date nor
 * a tag, or nothing at all for a status that nginx has no page for. What a
 * file or an upstream sends as an error page differs in one of these.
 */

static ngx_uint_t
ngx_http_btcf_is_page(ngx_http_request_t *r)
{
    ngx_http_headers_out_t  *out;

    out = &r->headers_out;

    if (out->last_modified_time != -1 || out->etag || out->content_encoding) {
        return 0;
    }

    if (out->content_length_n == 0) {
        return out->content_type.len == 0;
    }

    return out->content_length_n > 0
           && out->content_type_lowcase == NULL
           && out->content_type.len == sizeof("text/html") - 1
           && ngx_strncmp(out->content_type.data, "text/html",
                          sizeof("text/html") - 1)
              == 0;
}


static const ngx_http_btcf_problem_t *
ngx_http_btcf_problem_of(ngx_http_request_t *r, ngx_http_btcf_ctx_t *ctx)
{
    ngx_uint_t                      i, n, status;
    const ngx_http_btcf_problem_t  *table;

    status = r->err_status;

    if (ctx->problem && ctx->problem->status == status) {
        return ctx->problem;
    }

    if ((status == NGX_HTTP_BAD_GATEWAY || status == NGX_HTTP_GATEWAY_TIME_OUT)
        && r->upstream)
    {
        return &ngx_http_btcf_problems[NGX_HTTP_BTCF_UPSTREAM];
    }

    /*
     * nginx's 494 has become 400 by now; it alone keeps the lingering close
     * that was asked for when the header did not fit, because the special
     * response handler takes that away from a plain 400.
     */

    if (status == NGX_HTTP_BAD_REQUEST && r->lingering_close) {
        status = NGX_HTTP_BTCF_HEADER_TOO_LARGE;
    }

    table = ngx_http_btcf_statuses;
    n = sizeof(ngx_http_btcf_statuses) / sizeof(ngx_http_btcf_statuses[0]);

    for (i = 0; i < n; i++) {
        if (table[i].status == status) {
            return &table[i];
        }
    }

    return NULL;
}


static ngx_int_t
ngx_http_btcf_problem_header(ngx_http_request_t *r, ngx_http_btcf_ctx_t *ctx)
{
    ngx_http_headers_out_t         *out;
    const ngx_http_btcf_problem_t  *problem;

    problem = ngx_http_btcf_problem_of(r, ctx);

    if (problem == NULL) {
        return NGX_OK;
    }

    ctx->problem = problem;

    if (ngx_http_btcf_render(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    out = &r->headers_out;

    r->err_status = problem->status;
    out->status = problem->status;
    out->status_line.len = 0;

    if (problem->status == NGX_HTTP_BTCF_HEADER_TOO_LARGE) {
        ngx_str_set(&out->status_line, "431 Request Header Fields Too Large");
    }

    out->content_type = ngx_http_btcf_problem_type;
    out->content_type_len = ngx_http_btcf_problem_type.len;
    out->content_type_lowcase = NULL;
    out->content_length_n = ctx->page.len;

    if (ngx_http_btcf_add_header(r, &ngx_http_btcf_h_cache,
                                 &ngx_http_btcf_h_no_store)
        == NULL)
    {
        return NGX_ERROR;
    }

    if (problem->status == NGX_HTTP_NOT_ALLOWED) {
        return ngx_http_btcf_add_header(r, &ngx_http_btcf_h_allow,
                                        &ngx_http_btcf_h_methods)
               ? NGX_OK : NGX_ERROR;
    }

    return ngx_http_btcf_problem_retry(r, ctx);
}


/* When to come again: what the problem knows, or on a 503 a good guess. */

static ngx_int_t
ngx_http_btcf_problem_retry(ngx_http_request_t *r, ngx_http_btcf_ctx_t *ctx)
{
    time_t     seconds;
    ngx_str_t  text;

    seconds = ctx->retry_after;

    if (seconds == 0
        && ctx->problem->status == NGX_HTTP_SERVICE_UNAVAILABLE)
    {
        seconds = NGX_HTTP_BTCF_RETRY_AFTER;
    }

    if (seconds == 0) {
        return NGX_OK;
    }

    text.data = ngx_pnalloc(r->pool, NGX_TIME_T_LEN);
    if (text.data == NULL) {
        return NGX_ERROR;
    }

    text.len = ngx_sprintf(text.data, "%T", seconds) - text.data;

    return ngx_http_btcf_add_header(r, &ngx_http_btcf_h_retry, &text)
           ? NGX_OK : NGX_ERROR;
}


/*
 * All text comes from the tables but the path, the request id and one word of
 * the query, which is why those may hold printable ASCII only. The query
 * itself never appears: it may hold a ticket.
 */

static ngx_int_t
ngx_http_btcf_render(ngx_http_request_t *r, ngx_http_btcf_ctx_t *ctx)
{
    u_char                         *p, *end;
    ngx_str_t                       path;
    const ngx_http_btcf_problem_t  *problem;

    problem = ctx->problem;

    path = r->unparsed_uri;
    end = ngx_strlchr(path.data, path.data + path.len, '?');

    if (end) {
        path.len = end - path.data;
    }

    p = ngx_pnalloc(r->pool, NGX_HTTP_BTCF_PAGE_MAX);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ctx->page.data = p;

    p = ngx_sprintf(p, "{\"type\":\"urn:btcf:problem:%V\",\"title\":\"%V\","
                    "\"status\":%ui,\"detail\":\"%V",
                    &problem->code, &problem->title, problem->status,
                    &problem->detail);

    if (ctx->detail.data) {
        p = ngx_cpymem(p, " \\\"", 3);
        p = ngx_http_btcf_printable(p, ctx->detail.data, ctx->detail.len,
                                    NGX_HTTP_BTCF_DETAIL_MAX);
        p = ngx_cpymem(p, "\\\"", 2);
    }

    p = ngx_cpymem(p, "\",\"instance\":\"", sizeof("\",\"instance\":\"") - 1);
    p = ngx_http_btcf_printable(p, path.data, path.len,
                                NGX_HTTP_BTCF_INSTANCE_MAX);

    p = ngx_sprintf(p, "\",\"code\":\"%V\",\"request_id\":\"%V\"}\n",
                    &problem->code, &ctx->request_id);

    ctx->page.len = p - ctx->page.data;

    return NGX_OK;
}


/* At most `max` bytes: what JSON or a terminal could trip over becomes %XX. */

static u_char *
ngx_http_btcf_printable(u_char *dst, const u_char *src, size_t len,
    size_t max)
{
    u_char  *last;
    size_t   i;

    last = dst + max;

    for (i = 0; i < len; i++) {
        if (src[i] > 0x20 && src[i] < 0x7f && src[i] != '"' && src[i] != '\\')
        {
            if (dst == last) {
                break;
            }

            *dst++ = src[i];

        } else {
            if (last - dst < 3) {
                break;
            }

            dst = ngx_sprintf(dst, "%%%02Xd", (ngx_int_t) src[i]);
        }
    }

    return dst;
}
