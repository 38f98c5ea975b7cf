
/*
 * Table of contents: which directives there are, what they inherit, and where
 * the module hangs in nginx. No logic: each entry names the file that has it.
 *
 * docs/DIRECTIVES.md documents the table below; t/ checks that the two agree.
 */


#include "ngx_http_btcf.h"


static void *ngx_http_btcf_create_main_conf(ngx_conf_t *cf);
static char *ngx_http_btcf_init_main_conf(ngx_conf_t *cf, void *conf);
static void *ngx_http_btcf_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_btcf_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static char *ngx_http_btcf_set_document(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_btcf_set_handler(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_btcf_set_health(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_int_t ngx_http_btcf_init(ngx_conf_t *cf);
static ngx_int_t ngx_http_btcf_init_module(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_btcf_init_process(ngx_cycle_t *cycle);
static void ngx_http_btcf_exit_process(ngx_cycle_t *cycle);


static ngx_conf_enum_t  ngx_http_btcf_stale_modes[] = {
    { ngx_string("serve"), NGX_HTTP_BTCF_STALE_SERVE },
    { ngx_string("error"), NGX_HTTP_BTCF_STALE_ERROR },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_btcf_routes[] = {
    { ngx_string("forecast"), BTCF_ROUTE_FORECAST },
    { ngx_string("market"), BTCF_ROUTE_MARKET },
    { ngx_string("status"), BTCF_ROUTE_STATUS },
    { ngx_string("static"), BTCF_ROUTE_STATIC },
    { ngx_string("control"), BTCF_ROUTE_CONTROL },
    { ngx_string("other"), BTCF_ROUTE_OTHER },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_btcf_auth_modes[] = {
    { ngx_string("off"), NGX_HTTP_BTCF_AUTH_OFF },
    { ngx_string("optional"), NGX_HTTP_BTCF_AUTH_OPTIONAL },
    { ngx_string("required"), NGX_HTTP_BTCF_AUTH_REQUIRED },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_btcf_limit_modes[] = {
    { ngx_string("off"), NGX_HTTP_BTCF_LIMIT_OFF },
    { ngx_string("on"), NGX_HTTP_BTCF_LIMIT_ON },
    { ngx_string("dry_run"), NGX_HTTP_BTCF_LIMIT_DRY_RUN },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_btcf_limit_headers_modes[] = {
    { ngx_string("off"), NGX_HTTP_BTCF_HEADERS_OFF },
    { ngx_string("draft"), NGX_HTTP_BTCF_HEADERS_DRAFT },
    { ngx_string("legacy"), NGX_HTTP_BTCF_HEADERS_LEGACY },
    { ngx_string("both"), NGX_HTTP_BTCF_HEADERS_BOTH },
    { ngx_null_string, 0 }
};


/* in alphabetical order */

static ngx_command_t  ngx_http_btcf_commands[] = {

    { ngx_string("btcf_auth"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_HTTP_LMT_CONF
                        |NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_btcf_loc_conf_t, policy.auth),
      ngx_http_btcf_auth_modes },

    { ngx_string("btcf_auth_max_stale"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_HTTP_LMT_CONF
                        |NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_btcf_loc_conf_t, policy.max_stale),
      NULL },

    { ngx_string("btcf_body_min_rate"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_btcf_loc_conf_t, body.min_rate),
      NULL },

    { ngx_string("btcf_body_timeout"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_btcf_loc_conf_t, body.timeout),
      NULL },

    { ngx_string("btcf_cors"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_HTTP_LMT_CONF
                        |NGX_CONF_1MORE,
      ngx_http_btcf_set_cors,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("btcf_cost"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_HTTP_LMT_CONF
                        |NGX_CONF_TAKE1,
      ngx_http_btcf_set_cost,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("btcf_document"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE1,
      ngx_http_btcf_set_document,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("btcf_edge"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_btcf_set_edge,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("btcf_forecasts"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_btcf_set_handler,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      ngx_http_btcf_forecasts_handler },

    { ngx_string("btcf_health"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_btcf_set_health,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("btcf_jwks_file"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_HTTP_LMT_CONF
                        |NGX_CONF_1MORE,
      ngx_http_btcf_jwks_file,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("btcf_limit"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_HTTP_LMT_CONF
                        |NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_btcf_loc_conf_t, limit.mode),
      ngx_http_btcf_limit_modes },

    { ngx_string("btcf_limit_address"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_HTTP_LMT_CONF
                        |NGX_CONF_1MORE,
      ngx_http_btcf_set_limit_address,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("btcf_limit_failures"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_HTTP_LMT_CONF
                        |NGX_CONF_1MORE,
      ngx_http_btcf_set_limit_failures,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("btcf_limit_headers"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_HTTP_LMT_CONF
                        |NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_btcf_loc_conf_t, limit.headers),
      ngx_http_btcf_limit_headers_modes },

    { ngx_string("btcf_metrics"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_btcf_set_handler,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      ngx_http_btcf_metrics_handler },

    { ngx_string("btcf_plan"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_HTTP_LMT_CONF
                        |NGX_CONF_TAKE1,
      ngx_http_set_complex_value_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_btcf_loc_conf_t, policy.plan),
      NULL },

    { ngx_string("btcf_problem"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_btcf_loc_conf_t, problem),
      NULL },

    { ngx_string("btcf_query"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_btcf_set_handler,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      ngx_http_btcf_query_handler },

    { ngx_string("btcf_request_id"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_btcf_loc_conf_t, request_id),
      NULL },

    { ngx_string("btcf_require"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_HTTP_LMT_CONF
                        |NGX_CONF_1MORE,
      ngx_http_btcf_set_require,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("btcf_require_scope"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_HTTP_LMT_CONF
                        |NGX_CONF_1MORE,
      ngx_http_btcf_set_scopes,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("btcf_route"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_btcf_loc_conf_t, route),
      ngx_http_btcf_routes },

    { ngx_string("btcf_shm_dir"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_btcf_main_conf_t, shm_dir),
      NULL },

    { ngx_string("btcf_stale"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_btcf_loc_conf_t, stale),
      ngx_http_btcf_stale_modes },

    { ngx_string("btcf_stream"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_btcf_set_handler,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      ngx_http_btcf_stream_handler },

    { ngx_string("btcf_stream_heartbeat"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_btcf_loc_conf_t, stream.heartbeat),
      NULL },

    { ngx_string("btcf_stream_lifetime"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_btcf_loc_conf_t, stream.lifetime),
      NULL },

    { ngx_string("btcf_stream_max"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_btcf_main_conf_t, stream.max),
      NULL },

    { ngx_string("btcf_stream_tick"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_btcf_main_conf_t, stream.tick),
      NULL },

    { ngx_string("btcf_subrequests"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_btcf_loc_conf_t, subrequests),
      NULL },

    { ngx_string("btcf_token"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_HTTP_LMT_CONF
                        |NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_btcf_loc_conf_t, token.own),
      NULL },

    { ngx_string("btcf_token_cache"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_btcf_main_conf_t, token.cache),
      NULL },

    { ngx_string("btcf_token_issuer"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_btcf_token_issuer,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_btcf_module_ctx = {
    ngx_http_btcf_add_variables,           /* preconfiguration */
    ngx_http_btcf_init,                    /* postconfiguration */

    ngx_http_btcf_create_main_conf,        /* create main configuration */
    ngx_http_btcf_init_main_conf,          /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_btcf_create_loc_conf,         /* create location configuration */
    ngx_http_btcf_merge_loc_conf           /* merge location configuration */
};


ngx_module_t  ngx_http_btcf_module = {
    NGX_MODULE_V1,
    &ngx_http_btcf_module_ctx,             /* module context */
    ngx_http_btcf_commands,                /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_http_btcf_init_module,             /* init module */
    ngx_http_btcf_init_process,            /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_btcf_exit_process,            /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static void *
ngx_http_btcf_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_btcf_main_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_btcf_main_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     conf->shm_dir = { 0, NULL };
     *     conf->segment = { 0, NULL };
     *     conf->edge = { 0 };
     *     conf->metrics = NULL;
     *     conf->stream.guests = NULL;
     */

    if (ngx_http_btcf_token_create_main(cf, &conf->token) != NGX_OK) {
        return NULL;
    }

    ngx_http_btcf_stream_create_main(&conf->stream);

    return conf;
}


static char *
ngx_http_btcf_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_btcf_main_conf_t *mcf = conf;

    size_t  size;

    if (mcf->shm_dir.data == NULL) {
        ngx_str_set(&mcf->shm_dir, "/run/btcf");
    }

    if (ngx_conf_full_name(cf->cycle, &mcf->shm_dir, 0) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    size = mcf->shm_dir.len + sizeof("/" BTCF_PUB_FILE);

    mcf->segment.data = ngx_pnalloc(cf->pool, size);
    if (mcf->segment.data == NULL) {
        return NGX_CONF_ERROR;
    }

    mcf->segment.len = ngx_sprintf(mcf->segment.data, "%V/" BTCF_PUB_FILE "%Z",
                                   &mcf->shm_dir)
                       - mcf->segment.data - 1;

    if (ngx_http_btcf_token_init_main(cf, &mcf->token) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    return ngx_http_btcf_stream_init_main(cf, &mcf->stream);
}


static void *
ngx_http_btcf_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_btcf_loc_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_btcf_loc_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     conf->expected = 0;
     *     conf->handler = NULL;
     */

    ngx_http_btcf_policy_create(&conf->policy);
    ngx_http_btcf_limit_create(&conf->limit);
    ngx_http_btcf_body_create(&conf->body);
    ngx_http_btcf_token_create(&conf->token);
    ngx_http_btcf_stream_create(&conf->stream);

    conf->problem = NGX_CONF_UNSET;
    conf->request_id = NGX_CONF_UNSET;
    conf->subrequests = NGX_CONF_UNSET;
    conf->stale = NGX_CONF_UNSET_UINT;
    conf->route = NGX_CONF_UNSET_UINT;

    return conf;
}


static char *
ngx_http_btcf_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_btcf_loc_conf_t *prev = parent;
    ngx_http_btcf_loc_conf_t *conf = child;

    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    /* the block of an `if` or `limit_except` serves what is around it */

    if (clcf->noname && clcf->handler == NULL) {
        conf->handler = prev->handler;
        conf->expected = prev->expected;
        clcf->handler = conf->handler;
    }

    ngx_conf_merge_value(conf->problem, prev->problem, 0);
    ngx_conf_merge_value(conf->request_id, prev->request_id, 0);
    ngx_conf_merge_value(conf->subrequests, prev->subrequests, 0);
    ngx_conf_merge_uint_value(conf->stale, prev->stale,
                              NGX_HTTP_BTCF_STALE_SERVE);
    ngx_conf_merge_uint_value(conf->route, prev->route,
                              NGX_HTTP_BTCF_ROUTE_UNSET);

    if (ngx_http_btcf_policy_merge(cf, &prev->policy, &conf->policy)
        != NGX_CONF_OK
        || ngx_http_btcf_limit_merge(cf, &prev->limit, &conf->limit)
           != NGX_CONF_OK
        || ngx_http_btcf_body_merge(cf, &prev->body, &conf->body)
           != NGX_CONF_OK
        || ngx_http_btcf_token_merge(cf, &prev->token, &conf->token)
           != NGX_CONF_OK
        || ngx_http_btcf_stream_merge(cf, &prev->stream, &conf->stream)
           != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_btcf_set_document(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_btcf_loc_conf_t *lcf = conf;

    ngx_str_t                 *value;
    ngx_http_core_loc_conf_t  *clcf;

    value = cf->args->elts;

    if (cf->args->nelts == 2) {
        if (ngx_strcmp(value[1].data, "expected") != 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\"", &value[1]);
            return NGX_CONF_ERROR;
        }

        lcf->expected = 1;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler) {
        return "conflicts with another handler of this location";
    }

    lcf->handler = ngx_http_btcf_document_handler;
    clcf->handler = lcf->handler;

    return NGX_CONF_OK;
}


static char *
ngx_http_btcf_set_handler(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_btcf_loc_conf_t *lcf = conf;

    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler) {
        return "conflicts with another handler of this location";
    }

    lcf->handler = (ngx_http_handler_pt) cmd->post;
    clcf->handler = lcf->handler;

    return NGX_CONF_OK;
}


static char *
ngx_http_btcf_set_health(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_btcf_loc_conf_t *lcf = conf;

    ngx_str_t                 *value;
    ngx_http_core_loc_conf_t  *clcf;

    value = cf->args->elts;
    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler) {
        return "conflicts with another handler of this location";
    }

    if (ngx_strcmp(value[1].data, "live") == 0) {
        lcf->handler = ngx_http_btcf_live_handler;

    } else if (ngx_strcmp(value[1].data, "ready") == 0) {
        lcf->handler = ngx_http_btcf_ready_handler;

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid parameter \"%V\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    clcf->handler = lcf->handler;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_btcf_init(ngx_conf_t *cf)
{
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_ACCESS_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_btcf_access_handler;

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_LOG_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_btcf_meter_handler;

    if (ngx_http_btcf_body_init(cf) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_btcf_problem_init(cf);
}


/* The master, before it forks; but `nginx -t` must leave no trace. */

static ngx_int_t
ngx_http_btcf_init_module(ngx_cycle_t *cycle)
{
    ngx_http_btcf_main_conf_t  *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_btcf_module);

    if (mcf == NULL || ngx_test_config) {
        return NGX_OK;
    }

    if (ngx_http_btcf_meter_open(cycle, mcf) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_btcf_stream_open(cycle, mcf);
}


static ngx_int_t
ngx_http_btcf_init_process(ngx_cycle_t *cycle)
{
    const ngx_http_btcf_main_conf_t  *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_btcf_module);

    if (mcf == NULL
        || (ngx_process != NGX_PROCESS_WORKER
            && ngx_process != NGX_PROCESS_SINGLE))
    {
        return NGX_OK;
    }

    if (ngx_http_btcf_id_init(cycle) != NGX_OK
        || ngx_http_btcf_segment_init(cycle, mcf) != NGX_OK
        || ngx_http_btcf_token_init(cycle, mcf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_btcf_stream_init(cycle, mcf);

    return NGX_OK;
}


static void
ngx_http_btcf_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_btcf_stream_exit();
    ngx_http_btcf_token_exit();
    ngx_http_btcf_segment_exit();
}
