
/*
 * What the files of the module share: configuration, request context, a
 * worker's copy of a document, and the prototypes between siblings.
 *
 * Rules that every file keeps:
 *   - configuration is immutable after the merge: request code holds it
 *     through const pointers only;
 *   - what belongs to one request lives in its context, which is found again
 *     after an internal redirect;
 *   - only ngx_http_btcf_segment.c looks into the segment; everybody else
 *     gets private copies from it, valid while a reference is held.
 */


#ifndef _NGX_HTTP_BTCF_H_INCLUDED_
#define _NGX_HTTP_BTCF_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "shm/auth.h"
#include "shm/btcf_abi.h"
#include "shm/dist.h"
#include "shm/edge.h"
#include "shm/limit.h"
#include "shm/reader.h"


#define NGX_HTTP_BTCF_VERSION       "0.1.0"

#define NGX_HTTP_BTCF_HORIZONS      8
#define NGX_HTTP_BTCF_DOCS_MAX      (NGX_HTTP_BTCF_HORIZONS + 1)

/* variables that say who asked */
#define NGX_HTTP_BTCF_WHO           9

#define NGX_HTTP_BTCF_ID_LEN        32
#define NGX_HTTP_BTCF_ID_MAX        64
#define NGX_HTTP_BTCF_TRACE_LEN     55
#define NGX_HTTP_BTCF_TAG_LEN       sizeof("\"0123456789abcdef-gz\"")
#define NGX_HTTP_BTCF_DATE_LEN                                               \
    sizeof("Mon, 28 Sep 1970 06:00:00 GMT")

/* what Retry-After says when nothing better is known, in seconds */
#define NGX_HTTP_BTCF_RETRY_AFTER   5

/* max-age of a document that never goes stale, in seconds */
#define NGX_HTTP_BTCF_TIMELESS_AGE  60

#define NGX_HTTP_BTCF_NS            UINT64_C(1000000000)

/* the most units that one request can cost */
#define NGX_HTTP_BTCF_COST_MAX      1000000

/* btcf_stale */
#define NGX_HTTP_BTCF_STALE_SERVE   0
#define NGX_HTTP_BTCF_STALE_ERROR   1

/* btcf_auth */
#define NGX_HTTP_BTCF_AUTH_OFF      0
#define NGX_HTTP_BTCF_AUTH_OPTIONAL 1
#define NGX_HTTP_BTCF_AUTH_REQUIRED 2

/* btcf_limit; AUTO: on where btcf_auth is */
#define NGX_HTTP_BTCF_LIMIT_OFF     0
#define NGX_HTTP_BTCF_LIMIT_ON      1
#define NGX_HTTP_BTCF_LIMIT_DRY_RUN 2
#define NGX_HTTP_BTCF_LIMIT_AUTO    3

/* btcf_limit_headers */
#define NGX_HTTP_BTCF_HEADERS_OFF   0
#define NGX_HTTP_BTCF_HEADERS_DRAFT 1
#define NGX_HTTP_BTCF_HEADERS_LEGACY  2
#define NGX_HTTP_BTCF_HEADERS_BOTH  3

/* longest RateLimit-Policy: three names with suffixes, five numbers */
#define NGX_HTTP_BTCF_POLICY_MAX                                             \
    (3 * (BTCF_PLAN_NAME_MAX + sizeof("\"-month\";q=;w=, ")) + 5 * NGX_INT64_LEN)

/* route of a location that names none: decided by what it serves */
#define NGX_HTTP_BTCF_ROUTE_UNSET   BTCF_METRIC_ROUTES


#if (nginx_version >= 1023000)
#define ngx_http_btcf_last_header(h)  (h)->next = NULL
#else
#define ngx_http_btcf_last_header(h)
#endif


/* outcome of a look-up, $btcf_doc */

typedef enum {
    NGX_HTTP_BTCF_DOC_NONE = 0,
    NGX_HTTP_BTCF_DOC_FRESH,
    NGX_HTTP_BTCF_DOC_STALE,
    NGX_HTTP_BTCF_DOC_EXPIRED,
    NGX_HTTP_BTCF_DOC_ABSENT
} ngx_http_btcf_outcome_e;


/* errors with a meaning of their own; anything else goes by its status */

typedef enum {
    NGX_HTTP_BTCF_UNKNOWN_PARAMETER = 0,
    NGX_HTTP_BTCF_INVALID_PARAMETER,
    NGX_HTTP_BTCF_FORECAST_EXPIRED,
    NGX_HTTP_BTCF_FORECAST_STALE,
    NGX_HTTP_BTCF_NO_DATA,
    NGX_HTTP_BTCF_NOT_READY,
    NGX_HTTP_BTCF_UPSTREAM,
    NGX_HTTP_BTCF_SUBREQUEST,
    NGX_HTTP_BTCF_UNAUTHENTICATED,      /* 401: a credential is needed */
    NGX_HTTP_BTCF_INVALID_CREDENTIAL,   /* 401: whatever is wrong with it */
    NGX_HTTP_BTCF_TWO_CREDENTIALS,      /* 400 */
    NGX_HTTP_BTCF_WRONG_NETWORK,        /* 403 */
    NGX_HTTP_BTCF_INSUFFICIENT_SCOPE,   /* 403 */
    NGX_HTTP_BTCF_DENIED,               /* 403: btcf_require */
    NGX_HTTP_BTCF_RATE_LIMITED,         /* 429 */
    NGX_HTTP_BTCF_QUOTA_EXCEEDED,       /* 429 */
    NGX_HTTP_BTCF_ADDRESS_LIMITED,      /* 429 */
    NGX_HTTP_BTCF_AUTH_UNAVAILABLE,     /* 503 */
    NGX_HTTP_BTCF_STREAM_LIMIT,         /* 429 */
    NGX_HTTP_BTCF_BODY_TIMEOUT,         /* 408 */
    NGX_HTTP_BTCF_SANDBOX_ABSENT,       /* 404: not for a test key */
    NGX_HTTP_BTCF_UNKNOWN_SIMULATION,   /* 400 */
    NGX_HTTP_BTCF_SIMULATED,            /* 503: a test key asked for it */
    NGX_HTTP_BTCF_STREAMS_FULL,         /* 503: of a worker */
    NGX_HTTP_BTCF_INVALID_EVENTS,       /* 400 */
    NGX_HTTP_BTCF_INVALID_EVENT_ID,     /* 400 */
    NGX_HTTP_BTCF_ONE_QUESTION,         /* 400 */
    NGX_HTTP_BTCF_INVALID_PRICE,        /* 400 */
    NGX_HTTP_BTCF_INVALID_LEVEL,        /* 400 */
    NGX_HTTP_BTCF_INVALID_SIDE          /* 400 */
} ngx_http_btcf_problem_e;


/* what the streams of all locations have in common */

typedef struct {
    ngx_uint_t                  max;        /* of one worker */
    ngx_msec_t                  tick;
    struct btcf_addr_set       *guests;     /* claims, by address */
} ngx_http_btcf_stream_main_conf_t;


/* whose tokens are accepted: see _issuer */

typedef struct ngx_http_btcf_issuer_s  ngx_http_btcf_issuer_t;

typedef struct {
    ngx_http_btcf_issuer_t     *own;        /* our engine */
    ngx_array_t                 issuers;    /* ngx_http_btcf_issuer_t * */
    ngx_int_t                   cache;      /* verified tokens per worker */
} ngx_http_btcf_token_main_conf_t;


typedef struct {
    ngx_str_t                   shm_dir;
    ngx_str_t                   segment;    /* path of pub, with a NUL */
    struct btcf_edge_options    edge_options;

    /* set by the master before it forks, on a mapping that all share */
    struct btcf_edge            edge;
    struct btcf_metric_block   *metrics;

    ngx_array_t                *scopes;     /* ngx_str_t: see _scope */
    ngx_int_t                   who[NGX_HTTP_BTCF_WHO]; /* see _variable */

    ngx_http_btcf_stream_main_conf_t  stream;
    ngx_http_btcf_token_main_conf_t  token;
} ngx_http_btcf_main_conf_t;


/*
 * Each of these belongs to the file of its name, which creates and merges it.
 * The address of the policy names the policy: a principal that was established
 * under another one is established anew.
 */

typedef struct ngx_http_btcf_cors_s  ngx_http_btcf_cors_t;

typedef struct {
    ngx_uint_t                  auth;
    ngx_msec_t                  max_stale;
    ngx_flag_t                  scoped;     /* btcf_require_scope is set */
    uint64_t                    scopes;     /* all of these are needed */
    ngx_array_t                *require;    /* ngx_http_btcf_require_t */
    ngx_http_complex_value_t   *plan;       /* NULL: the default */
    ngx_http_btcf_cors_t       *cors;       /* NULL: off */
} ngx_http_btcf_policy_conf_t;

typedef struct {
    ngx_uint_t                  mode;
    ngx_uint_t                  headers;
    ngx_uint_t                  units;      /* UNSET: what is served knows */
    ngx_http_complex_value_t   *cost;       /* NULL: units */
    struct btcf_plan           *address;    /* NULL: the plan "guest" */
    ngx_uint_t                  everybody;  /* limited by address as well */
    struct btcf_rate           *failures;
} ngx_http_btcf_limit_conf_t;

typedef struct {
    ngx_flag_t                  own;        /* tokens of our engine */
    ngx_array_t                *issuers;    /* ngx_http_btcf_issuer_t * */
} ngx_http_btcf_token_conf_t;

typedef struct {
    ngx_msec_t                  heartbeat;
    ngx_msec_t                  lifetime;
} ngx_http_btcf_stream_conf_t;


typedef struct {
    ngx_msec_t                  timeout;    /* UNSET: by the route */
    size_t                      min_rate;   /* bytes a second */
} ngx_http_btcf_body_conf_t;


typedef struct {
    ngx_http_btcf_policy_conf_t policy;
    ngx_http_btcf_limit_conf_t  limit;
    ngx_http_btcf_body_conf_t   body;
    ngx_http_btcf_token_conf_t  token;
    ngx_http_btcf_stream_conf_t stream;
    ngx_flag_t                  problem;
    ngx_flag_t                  request_id;
    ngx_flag_t                  subrequests;
    ngx_uint_t                  stale;
    ngx_uint_t                  route;
    ngx_flag_t                  expected;   /* btcf_document expected */
    ngx_http_handler_pt         handler;    /* ours, if it is one of ours */
} ngx_http_btcf_loc_conf_t;


/* one body as it goes out, with the tag that names exactly these bytes */

typedef struct {
    ngx_str_t                   body;       /* len 0: there is none */
    ngx_str_t                   etag;
} ngx_http_btcf_body_t;


/*
 * A worker's private copy of one version of a document. It is freed when the
 * last request that refers to it has gone, so its buffers may wait for a slow
 * client as long as they like.
 */

typedef struct {
    ngx_uint_t                  refs;
    uint64_t                    gen;
    int64_t                     stale_at_ms;    /* wall clock, 0: never */
    int64_t                     expires_at_ms;
    int64_t                     published_ms;
    ngx_uint_t                  doc_class;
    ngx_uint_t                  cost;           /* units */
    ngx_uint_t                  retired;        /* unsigned  retired:1; */

    ngx_str_t                   type;
    time_t                      modified[2];    /* [stale] */
    ngx_str_t                   last_modified[2];
    ngx_http_btcf_body_t        body[2][2];     /* [stale][gzip] */

    u_char                      dates[2][NGX_HTTP_BTCF_DATE_LEN];
    u_char                      tags[2][2][NGX_HTTP_BTCF_TAG_LEN];
    u_char                      bytes[1];       /* the bodies */
} ngx_http_btcf_doc_t;


typedef struct ngx_http_btcf_problem_s  ngx_http_btcf_problem_t;
typedef struct ngx_http_btcf_stream_s  ngx_http_btcf_stream_t;


/*
 * Who asks, as far as the request's credential says. Texts point into the
 * request, or into its pool: never into the segment.
 */

typedef struct {
    enum btcf_auth_outcome      outcome;
    ngx_str_t                   user;       /* account, or the subject */
    u_char                      account[2 * BTCF_ID_SIZE + 1]; /* text of it */
    ngx_str_t                   key;        /* id of the API key */
    ngx_str_t                   session;
    ngx_str_t                   issuer;
    uint64_t                    scopes;     /* bits: see _scope */
    time_t                      expires;    /* of the credential; 0: never */
    time_t                      issued;     /* of a token */
    uint8_t                     digest[BTCF_DIGEST_SIZE];   /* of a key */
    uint32_t                    plan;       /* number in the segment */
    struct btcf_limit_row      *limit;      /* NULL: by address */
    struct btcf_usage_row      *usage;      /* NULL: nobody to bill */
    int64_t                     blocked_until_s;
    unsigned                    blocked_month:1;
    unsigned                    test:1;     /* answered from the sandbox */
} ngx_http_btcf_principal_t;


/* the request's headers that we look at, found in one pass; NULL: not sent */

typedef struct {
    const ngx_str_t            *authorization;
    const ngx_str_t            *api_key;
    const ngx_str_t            *simulate;
    const ngx_str_t            *origin;
    const ngx_str_t            *preflight;  /* Access-Control-Request-Method */
    ngx_uint_t                  authorizations;
    ngx_uint_t                  api_keys;
} ngx_http_btcf_headers_t;


typedef struct {
    ngx_str_t                       request_id;
    ngx_str_t                       traceparent;
    ngx_http_btcf_headers_t         headers;
    const ngx_http_btcf_problem_t  *problem;
    ngx_str_t                       detail;
    ngx_str_t                       page;       /* rendered problem */
    ngx_uint_t                      ndocs;
    ngx_uint_t                      route;
    uint64_t                        generation;
    ngx_http_btcf_outcome_e         outcome;
    uint64_t                        started_us; /* 0: not by our handler */
    uint64_t                        answered_us; /* 0: when it is logged */
    ngx_http_btcf_stream_t         *stream;     /* NULL: it is none */

    ngx_str_t                       ticket;
    ngx_uint_t                      tickets;    /* that were sent */

    /* whoever it is was established under this policy, and under no other */
    ngx_http_btcf_principal_t       principal;
    const void                     *principal_policy;
    enum btcf_limit_outcome         limit_outcome;
    struct btcf_take                take;       /* what the limiter said */
    struct btcf_plan                plan;       /* as it was then */
    ngx_uint_t                      quota;      /* the period that is over */
    int64_t                         quota_until_s;
    ngx_uint_t                      units;      /* what a 200 costs */
    time_t                          retry_after; /* of the problem; 0: usual */

    unsigned                        traced:1;   /* the client sent a trace */
    unsigned                        identified:1;
    unsigned                        page_sent:1;
    unsigned                        charged:1;  /* once per main request */
    unsigned                        metered:1;
    unsigned                        complete:1; /* the last buffer was seen */
    unsigned                        by_document:1; /* units: its cost */
    unsigned                        body_timed:1; /* by _body */
    unsigned                        challenge:1; /* our 401 */
    unsigned                        bearer:1;   /* a token was sent */
    unsigned                        stale:1;    /* simulated */
    unsigned                        simulated:1;
    unsigned                        waiting:1;  /* for a slow answer */
    unsigned                        preflight:1; /* answered by _cors */
    unsigned                        read:1;     /* a variable of _variable */

    /* from here on nothing is zeroed when the context is made */
    ngx_http_btcf_doc_t            *docs[NGX_HTTP_BTCF_DOCS_MAX]; /* ndocs */
    u_char                          id[NGX_HTTP_BTCF_ID_LEN];
    u_char                          trace[NGX_HTTP_BTCF_TRACE_LEN];
} ngx_http_btcf_ctx_t;


/* what a content handler has decided to send */

typedef struct {
    ngx_str_t                   type;
    ngx_str_t                   etag;
    ngx_str_t                   last_modified;
    time_t                      modified;
    time_t                      max_age;
    ngx_str_t                  *parts;
    ngx_uint_t                  nparts;
    ngx_uint_t                  gzip;           /* unsigned  gzip:1; */
} ngx_http_btcf_answer_t;


typedef struct {
    ngx_uint_t                  attached;       /* unsigned  attached:1; */
    ngx_uint_t                  beating;        /* unsigned  beating:1; */
    int64_t                     silent_ms;      /* since the last sign of life */
    uint64_t                    epoch;
    uint64_t                    health;
} ngx_http_btcf_segment_state_t;


/* _segment */

ngx_int_t ngx_http_btcf_segment_init(ngx_cycle_t *cycle,
    const ngx_http_btcf_main_conf_t *mcf);
void ngx_http_btcf_segment_exit(void);
/* the current copy of a document, borrowed until the next call; or NULL */
ngx_http_btcf_doc_t *ngx_http_btcf_segment_doc(const ngx_str_t *key);
void ngx_http_btcf_segment_state(ngx_http_btcf_segment_state_t *state);
void ngx_http_btcf_doc_unref(ngx_http_btcf_doc_t *doc);
/* for events: the reader of the file in use; attached to none: finds nothing */
struct btcf_reader *ngx_http_btcf_segment_reader(void);
/* the tables of the gate; NULL: absent, or older than max_stale (ms) */
const struct btcf_auth *ngx_http_btcf_segment_auth(ngx_msec_t max_stale);

/* _access: the order of the checks, and nothing else */

ngx_int_t ngx_http_btcf_access_handler(ngx_http_request_t *r);
/*
 * Establishes who asks, under the policy of the request's location, charging
 * nothing: for variables in any phase. NULL when out of memory.
 */
const ngx_http_btcf_principal_t *ngx_http_btcf_authenticate(
    ngx_http_request_t *r);

/* _policy: who is asked for, and what they must be allowed to do */

void ngx_http_btcf_policy_create(ngx_http_btcf_policy_conf_t *conf);
char *ngx_http_btcf_policy_merge(ngx_conf_t *cf,
    ngx_http_btcf_policy_conf_t *prev, ngx_http_btcf_policy_conf_t *conf);

/* the principal of a request that has no credential */
void ngx_http_btcf_policy_guest(ngx_http_btcf_principal_t *principal,
    const ngx_http_btcf_policy_conf_t *policy);
/* NGX_OK: they may; else the status to send, its problem left behind */
ngx_int_t ngx_http_btcf_policy(ngx_http_request_t *r,
    ngx_http_btcf_ctx_t *ctx);
/* plan of a principal that has no account; anything but OK: fail closed */
enum btcf_read ngx_http_btcf_default_plan(ngx_http_request_t *r,
    const struct btcf_auth *auth, struct btcf_plan *plan);
char *ngx_http_btcf_set_require(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* _scope */

/*
 * The bits of names separated by spaces: those of shm/auth.h, and above them
 * those that the configuration names. What nobody asks for has no bit.
 */
uint64_t ngx_http_btcf_scope_bits(ngx_http_request_t *r, const u_char *text,
    size_t len);
/* their names, separated by spaces, in the request's pool */
ngx_int_t ngx_http_btcf_scope_names(ngx_http_request_t *r, uint64_t bits,
    ngx_str_t *names);
char *ngx_http_btcf_set_scopes(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* _principal */

/*
 * Gives the principal what belongs to an account: its id, plan, limit row, and
 * the usage row of that number. BTCF_READ_OK, or fail closed. `scopes` are
 * those of the credential; the plan's bound them.
 */
void ngx_http_btcf_principal_prefetch(ngx_http_request_t *r,
    const struct btcf_auth *auth, uint32_t account, uint32_t row);
enum btcf_read ngx_http_btcf_principal_account(ngx_http_request_t *r,
    const struct btcf_auth *auth, const struct btcf_account *account,
    uint32_t row, ngx_http_btcf_principal_t *principal);
/* a key, a token or a ticket was good */
#define ngx_http_btcf_is_known(principal)                                     \
    ((principal)->outcome >= BTCF_AUTH_KEY                                    \
     && (principal)->outcome <= BTCF_AUTH_TICKET)

/* _cors */

/* NGX_HTTP_NO_CONTENT: a preflight request, answered; else NGX_DECLINED */
ngx_int_t ngx_http_btcf_cors_preflight(ngx_http_request_t *r,
    ngx_http_btcf_ctx_t *ctx);
ngx_int_t ngx_http_btcf_cors_headers(ngx_http_request_t *r,
    ngx_http_btcf_ctx_t *ctx);
char *ngx_http_btcf_set_cors(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* _headers: those that every answer gets; called by the header filter */

ngx_int_t ngx_http_btcf_headers(ngx_http_request_t *r,
    ngx_http_btcf_ctx_t *ctx);

/* _simulate: NGX_OK: go on; NGX_AGAIN: later; or the status to send */

ngx_int_t ngx_http_btcf_simulate(ngx_http_request_t *r,
    ngx_http_btcf_ctx_t *ctx);

/* _credential: finds the credential and says of what kind it is */

typedef enum {
    NGX_HTTP_BTCF_CREDENTIAL_NONE = 0,
    NGX_HTTP_BTCF_CREDENTIAL_KEY,
    NGX_HTTP_BTCF_CREDENTIAL_TOKEN,
    NGX_HTTP_BTCF_CREDENTIAL_TICKET,
    NGX_HTTP_BTCF_CREDENTIAL_MALFORMED,
    NGX_HTTP_BTCF_CREDENTIAL_TWO
} ngx_http_btcf_credential_e;

ngx_http_btcf_credential_e ngx_http_btcf_credential(ngx_http_request_t *r,
    ngx_str_t *text);

/* _ticket: takes it out of the request line, into the context */

ngx_int_t ngx_http_btcf_hide_ticket(ngx_http_request_t *r,
    ngx_http_btcf_ctx_t *ctx);

/* _apikey: this one will be judged soon, NULL: none will be */
void ngx_http_btcf_apikey_expect(const ngx_str_t *text);

/*
 * _apikey, _token: judge it. principal->outcome says what came of it; NGX_OK
 * unless out of memory. Both fail closed.
 */

ngx_int_t ngx_http_btcf_apikey(ngx_http_request_t *r, const ngx_str_t *text,
    ngx_http_btcf_principal_t *principal);
ngx_int_t ngx_http_btcf_token(ngx_http_request_t *r, const ngx_str_t *text,
    ngx_uint_t ticket, ngx_http_btcf_principal_t *principal);
/* a header that most likely ends with a token: begins to fetch what is next */
void ngx_http_btcf_token_expect(const ngx_str_t *value);
/* whether the session, account and expiry still hold: for open streams */
ngx_uint_t ngx_http_btcf_still_valid(ngx_http_request_t *r,
    const ngx_http_btcf_principal_t *principal);

/* workers only */
ngx_int_t ngx_http_btcf_token_init(ngx_cycle_t *cycle,
    const ngx_http_btcf_main_conf_t *mcf);
void ngx_http_btcf_token_exit(void);

/* _issuer */

ngx_int_t ngx_http_btcf_token_create_main(ngx_conf_t *cf,
    ngx_http_btcf_token_main_conf_t *conf);
char *ngx_http_btcf_token_init_main(ngx_conf_t *cf,
    ngx_http_btcf_token_main_conf_t *conf);
void ngx_http_btcf_token_create(ngx_http_btcf_token_conf_t *conf);
char *ngx_http_btcf_token_merge(ngx_conf_t *cf,
    ngx_http_btcf_token_conf_t *prev, ngx_http_btcf_token_conf_t *conf);
char *ngx_http_btcf_token_issuer(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_btcf_jwks_file(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* _stream, _stream_open, _stream_limit */

ngx_int_t ngx_http_btcf_stream_handler(ngx_http_request_t *r);
void ngx_http_btcf_stream_create(ngx_http_btcf_stream_conf_t *conf);
char *ngx_http_btcf_stream_merge(ngx_conf_t *cf,
    ngx_http_btcf_stream_conf_t *prev, ngx_http_btcf_stream_conf_t *conf);
void ngx_http_btcf_stream_create_main(ngx_http_btcf_stream_main_conf_t *conf);
char *ngx_http_btcf_stream_init_main(ngx_conf_t *cf,
    ngx_http_btcf_stream_main_conf_t *conf);
/* in the master, before it forks */
ngx_int_t ngx_http_btcf_stream_open(ngx_cycle_t *cycle,
    ngx_http_btcf_main_conf_t *mcf);
void ngx_http_btcf_stream_init(ngx_cycle_t *cycle,
    const ngx_http_btcf_main_conf_t *mcf);
void ngx_http_btcf_stream_exit(void);

/* _limit: NGX_OK, or NGX_DECLINED with the problem left with the request */

ngx_int_t ngx_http_btcf_limit_address(ngx_http_request_t *r,
    ngx_http_btcf_ctx_t *ctx);
void ngx_http_btcf_limit_failure(ngx_http_request_t *r);
ngx_int_t ngx_http_btcf_limit_account(ngx_http_request_t *r,
    ngx_http_btcf_ctx_t *ctx);
char *ngx_http_btcf_set_limit_address(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_btcf_set_limit_failures(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_btcf_set_cost(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
/* called by the header filter, once per answer of a main request */
ngx_int_t ngx_http_btcf_limit_headers(ngx_http_request_t *r);
/* keyed hash of the client's address (IPv6: its /64), for one purpose */
uint64_t ngx_http_btcf_limit_hash(ngx_http_request_t *r, uint32_t purpose);
void ngx_http_btcf_limit_create(ngx_http_btcf_limit_conf_t *conf);
char *ngx_http_btcf_limit_merge(ngx_conf_t *cf,
    ngx_http_btcf_limit_conf_t *prev, ngx_http_btcf_limit_conf_t *conf);

/* _body */

void ngx_http_btcf_body_create(ngx_http_btcf_body_conf_t *conf);
char *ngx_http_btcf_body_merge(ngx_conf_t *cf,
    ngx_http_btcf_body_conf_t *prev, ngx_http_btcf_body_conf_t *conf);
ngx_int_t ngx_http_btcf_body_init(ngx_conf_t *cf);

/* _plan */

/* the UTC day and month that it is, and when the next ones begin */

typedef struct {
    uint64_t                    day;
    uint64_t                    month;
    int64_t                     day_end_s;
    int64_t                     month_end_s;
} ngx_http_btcf_periods_t;

const ngx_http_btcf_periods_t *ngx_http_btcf_periods(void);
/* the plan "guest"; a built-in one when there is none, or no segment */
void ngx_http_btcf_plan_guest(const struct btcf_auth *auth,
    struct btcf_plan *plan);
/* text of RateLimit-Policy, valid until the next call */
const ngx_str_t *ngx_http_btcf_plan_policy(const struct btcf_plan *plan);

/* _document */

ngx_int_t ngx_http_btcf_document_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_btcf_begin(ngx_http_request_t *r,
    ngx_http_btcf_ctx_t **ctxp);
/* the document of a path: for a test key, that of the sandbox; or NULL */
ngx_http_btcf_doc_t *ngx_http_btcf_find_doc(const ngx_http_btcf_ctx_t *ctx,
    const ngx_str_t *path);
/* the name that find_doc looks for; `text` holds a key of the sandbox */
ngx_int_t ngx_http_btcf_doc_key(const ngx_http_btcf_ctx_t *ctx,
    const ngx_str_t *path, u_char text[BTCF_DOC_KEY_MAX], ngx_str_t *key);
/* NGX_OK and which variant is true, or the status of the problem left behind */
ngx_int_t ngx_http_btcf_judge(ngx_http_request_t *r,
    ngx_http_btcf_ctx_t *ctx, const ngx_http_btcf_doc_t *doc,
    ngx_uint_t *stale);
ngx_http_btcf_outcome_e ngx_http_btcf_doc_outcome(
    const ngx_http_btcf_doc_t *doc, int64_t now_ms);
ngx_int_t ngx_http_btcf_serve(ngx_http_request_t *r,
    ngx_http_btcf_ctx_t *ctx, ngx_http_btcf_doc_t *doc);
ngx_int_t ngx_http_btcf_answer(ngx_http_request_t *r,
    const ngx_http_btcf_answer_t *answer);
ngx_int_t ngx_http_btcf_hold(ngx_http_btcf_ctx_t *ctx,
    ngx_http_btcf_doc_t *doc);
time_t ngx_http_btcf_max_age(const ngx_http_btcf_doc_t *doc, int64_t now_ms);
ngx_int_t ngx_http_btcf_send_text(ngx_http_request_t *r, ngx_str_t *type,
    ngx_str_t *text);
ngx_table_elt_t *ngx_http_btcf_add_header(ngx_http_request_t *r,
    const ngx_str_t *key, const ngx_str_t *value);

/* stands for "encoded already": see _document */
extern ngx_table_elt_t  ngx_http_btcf_identity;

/* _forecasts */

extern const ngx_str_t  ngx_http_btcf_forecast_keys[NGX_HTTP_BTCF_HORIZONS];
ngx_int_t ngx_http_btcf_forecasts_handler(ngx_http_request_t *r);
/* of a text, on top of the hash of those before it: a name, no defence */
uint64_t ngx_http_btcf_hash(uint64_t hash, const ngx_str_t *text);

/* _query, _curve */

#define NGX_HTTP_BTCF_FORECAST_PREFIX  (sizeof("/v1/forecasts/") - 1)

typedef struct {
    struct btcf_dist_curve      curve;
    struct btcf_dist            dist;       /* of it, ready for questions */
} ngx_http_btcf_curve_t;

ngx_int_t ngx_http_btcf_query_handler(ngx_http_request_t *r);
/* the last good curve of a forecast's document; NULL: there was never one */
const ngx_http_btcf_curve_t *ngx_http_btcf_find_curve(const ngx_str_t *key);

#define ngx_http_btcf_same(a, b)                                              \
    ((a)->len == (b)->len && ngx_memcmp((a)->data, (b)->data, (a)->len) == 0)

/* _conditional */

ngx_uint_t ngx_http_btcf_accepts_gzip(ngx_http_request_t *r);
/* NGX_OK: send it; or NGX_HTTP_NOT_MODIFIED, NGX_HTTP_PRECONDITION_FAILED */
ngx_int_t ngx_http_btcf_conditional(ngx_http_request_t *r,
    const ngx_http_btcf_answer_t *answer);

/* _request */

ngx_http_btcf_ctx_t *ngx_http_btcf_find_ctx(ngx_http_request_t *r);
ngx_http_btcf_ctx_t *ngx_http_btcf_get_ctx(ngx_http_request_t *r);
void ngx_http_btcf_identify(ngx_http_request_t *r, ngx_http_btcf_ctx_t *ctx);
void ngx_http_btcf_trace(ngx_http_btcf_ctx_t *ctx);
ngx_int_t ngx_http_btcf_id_init(ngx_cycle_t *cycle);
/* writes the digits, NGX_INT64_LEN at most; ngx_sprintf() takes a while */
u_char *ngx_http_btcf_number(u_char *p, uint64_t n);
int64_t ngx_http_btcf_now_ms(void);
uint64_t ngx_http_btcf_now_us(void);

/* _problem */

ngx_int_t ngx_http_btcf_problem_init(ngx_conf_t *cf);
/* leaves the problem with the request; returns its status */
ngx_int_t ngx_http_btcf_problem(ngx_http_request_t *r,
    ngx_http_btcf_problem_e problem, const ngx_str_t *detail);
ngx_str_t ngx_http_btcf_problem_code(const ngx_http_btcf_ctx_t *ctx);
/* its status; NGX_OK when none was left */
ngx_int_t ngx_http_btcf_problem_status(const ngx_http_btcf_ctx_t *ctx);

/* _health, _metrics, _meter, _variable */

ngx_int_t ngx_http_btcf_live_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_btcf_ready_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_btcf_metrics_handler(ngx_http_request_t *r);
char *ngx_http_btcf_set_edge(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
ngx_int_t ngx_http_btcf_meter_open(ngx_cycle_t *cycle,
    ngx_http_btcf_main_conf_t *mcf);
struct btcf_metric_block *ngx_http_btcf_meter_block(
    const ngx_http_btcf_main_conf_t *mcf);
ngx_int_t ngx_http_btcf_meter_handler(ngx_http_request_t *r);
void ngx_http_btcf_meter_body(ngx_http_btcf_ctx_t *ctx,
    const ngx_chain_t *in);
enum btcf_route ngx_http_btcf_route(ngx_http_request_t *r);
ngx_int_t ngx_http_btcf_add_variables(ngx_conf_t *cf);
/* what was read of them may have changed: they are asked anew */
void ngx_http_btcf_forget_variables(ngx_http_request_t *r,
    ngx_http_btcf_ctx_t *ctx);


extern ngx_module_t  ngx_http_btcf_module;


#endif /* _NGX_HTTP_BTCF_H_INCLUDED_ */
