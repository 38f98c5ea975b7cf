
/*
 * Configuration: whose tokens are accepted where.
 *
 * Our own engine is one issuer, known to all of http; whether its tokens are
 * accepted is a matter of the location. Third parties are named, one
 * btcf_jwks_file each, at any level; a level that names some does not inherit
 * those outside of it, as with nginx's own lists.
 *
 * A token says by `iss` who issued it, and that chooses the keys. So where
 * several are accepted their names must be told apart; where one alone is, it
 * may go without a name and then vouches for any `iss`.
 *
 * Key files are read here for the first time: what cannot be used is an error
 * of the configuration, with the line that names it.
 */


#include "ngx_http_btcf_token.h"


#define NGX_HTTP_BTCF_LEEWAY         30     /* s, of third parties */
#define NGX_HTTP_BTCF_OWN_LEEWAY     5      /* s: our own clocks */

#define NGX_HTTP_BTCF_TOKENS         4096
#define NGX_HTTP_BTCF_TOKENS_MIN     64
#define NGX_HTTP_BTCF_TOKENS_MAX     1048576


static char *ngx_http_btcf_issuer_parameters(ngx_conf_t *cf,
    ngx_http_btcf_issuer_t *issuer);
static ngx_int_t ngx_http_btcf_issuer_parameter(const ngx_str_t *value,
    ngx_http_btcf_issuer_t *issuer);
static char *ngx_http_btcf_issuer_read(ngx_conf_t *cf,
    ngx_http_btcf_issuer_t *issuer);
static void ngx_http_btcf_issuer_cleanup(void *data);
static char *ngx_http_btcf_issuer_compare(ngx_conf_t *cf,
    const ngx_http_btcf_issuer_t *issuer,
    const ngx_http_btcf_issuer_t *other);


ngx_int_t
ngx_http_btcf_token_create_main(ngx_conf_t *cf,
    ngx_http_btcf_token_main_conf_t *conf)
{
    ngx_http_btcf_issuer_t  *own;

    own = ngx_pcalloc(cf->pool, sizeof(ngx_http_btcf_issuer_t));
    if (own == NULL) {
        return NGX_ERROR;
    }

    own->leeway = NGX_CONF_UNSET;

    conf->own = own;
    conf->cache = NGX_CONF_UNSET;

    return ngx_array_init(&conf->issuers, cf->pool, 4,
                          sizeof(ngx_http_btcf_issuer_t *));
}


char *
ngx_http_btcf_token_init_main(ngx_conf_t *cf,
    ngx_http_btcf_token_main_conf_t *conf)
{
    ngx_conf_init_value(conf->cache, NGX_HTTP_BTCF_TOKENS);
    ngx_conf_init_value(conf->own->leeway, NGX_HTTP_BTCF_OWN_LEEWAY);

    if (conf->own->name.data == NULL) {
        ngx_str_set(&conf->own->name, "btcf");
    }

    if (conf->cache < NGX_HTTP_BTCF_TOKENS_MIN
        || conf->cache > NGX_HTTP_BTCF_TOKENS_MAX)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"btcf_token_cache\" must be between %d and %d",
                           NGX_HTTP_BTCF_TOKENS_MIN, NGX_HTTP_BTCF_TOKENS_MAX);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


void
ngx_http_btcf_token_create(ngx_http_btcf_token_conf_t *conf)
{
    /*
     * set by ngx_pcalloc():
     *
     *     conf->issuers = NULL;
     */

    conf->own = NGX_CONF_UNSET;
}


char *
ngx_http_btcf_token_merge(ngx_conf_t *cf, ngx_http_btcf_token_conf_t *prev,
    ngx_http_btcf_token_conf_t *conf)
{
    ngx_uint_t                  i, j;
    ngx_http_btcf_issuer_t    **issuer;
    ngx_http_btcf_main_conf_t  *mcf;

    ngx_conf_merge_value(conf->own, prev->own, 1);

    if (conf->issuers == NULL) {
        conf->issuers = prev->issuers;
    }

    if (conf->issuers == NULL) {
        return NGX_CONF_OK;
    }

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_btcf_module);

    issuer = conf->issuers->elts;

    for (i = 0; i < conf->issuers->nelts; i++) {

        if (conf->own
            && issuer[i]->name.len == mcf->token.own->name.len
            && ngx_strncmp(issuer[i]->name.data, mcf->token.own->name.data,
                           issuer[i]->name.len)
               == 0)
        {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "issuer \"%V\" of \"btcf_jwks_file\" is our own: "
                          "rename one, or set \"btcf_token off\"",
                          &issuer[i]->name);
            return NGX_CONF_ERROR;
        }

        for (j = 0; j < i; j++) {
            if (ngx_http_btcf_issuer_compare(cf, issuer[i], issuer[j])
                != NGX_CONF_OK)
            {
                return NGX_CONF_ERROR;
            }
        }
    }

    return NGX_CONF_OK;
}


/* btcf_token_issuer name [leeway=time] */

char *
ngx_http_btcf_token_issuer(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_btcf_main_conf_t *mcf = conf;

    ngx_str_t               *value;
    ngx_http_btcf_issuer_t  *own;

    own = mcf->token.own;

    if (own->name.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 0) {
        return "needs a name";
    }

    own->name = value[1];

    return ngx_http_btcf_issuer_parameters(cf, own);
}


/*
 * btcf_jwks_file path [issuer=url] [audience=name] [algorithm=name]
 *                     [leeway=time]
 */

char *
ngx_http_btcf_jwks_file(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_btcf_loc_conf_t *lcf = conf;

    ngx_str_t                  *value;
    ngx_http_btcf_issuer_t     *issuer, **all, **here;
    ngx_http_btcf_main_conf_t  *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_btcf_module);

    if (lcf->token.issuers == NULL) {
        lcf->token.issuers = ngx_array_create(cf->pool, 2,
                                           sizeof(ngx_http_btcf_issuer_t *));
        if (lcf->token.issuers == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    issuer = ngx_pcalloc(cf->pool, sizeof(ngx_http_btcf_issuer_t));
    all = ngx_array_push(&mcf->token.issuers);
    here = ngx_array_push(lcf->token.issuers);

    if (issuer == NULL || all == NULL || here == NULL) {
        return NGX_CONF_ERROR;
    }

    *all = issuer;
    *here = issuer;

    value = cf->args->elts;

    issuer->number = mcf->token.issuers.nelts;
    issuer->path = value[1];
    issuer->leeway = NGX_CONF_UNSET;

    if (ngx_http_btcf_issuer_parameters(cf, issuer) != NGX_CONF_OK
        || ngx_conf_full_name(cf->cycle, &issuer->path, 1) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    ngx_conf_init_value(issuer->leeway, NGX_HTTP_BTCF_LEEWAY);

    return ngx_http_btcf_issuer_read(cf, issuer);
}


static char *
ngx_http_btcf_issuer_parameters(ngx_conf_t *cf, ngx_http_btcf_issuer_t *issuer)
{
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_http_btcf_issuer_parameter(&value[i], issuer) != NGX_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\"", &value[i]);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


/*
 * Only third parties have a key file, and with it a name and algorithm; and
 * whom our own tokens are for is not a choice.
 */

static ngx_int_t
ngx_http_btcf_issuer_parameter(const ngx_str_t *value,
    ngx_http_btcf_issuer_t *issuer)
{
    ngx_str_t  text;

    text.data = (u_char *) ngx_strchr(value->data, '=');
    if (text.data == NULL) {
        return NGX_ERROR;
    }

    text.data++;
    text.len = value->data + value->len - text.data;

    if (text.len == 0) {
        return NGX_ERROR;
    }

    if (ngx_strncmp(value->data, "leeway=", 7) == 0) {
        issuer->leeway = ngx_parse_time(&text, 1);

        return (issuer->leeway == (time_t) NGX_ERROR
                || issuer->leeway > BTCF_LEEWAY_MAX_S) ? NGX_ERROR : NGX_OK;
    }

    if (issuer->number == 0) {
        return NGX_ERROR;
    }

    if (ngx_strncmp(value->data, "audience=", 9) == 0) {
        issuer->audience = text;
        return NGX_OK;
    }

    if (ngx_strncmp(value->data, "issuer=", 7) == 0) {
        issuer->name = text;
        return NGX_OK;
    }

    if (ngx_strncmp(value->data, "algorithm=", 10) == 0) {
        issuer->alg = btcf_alg_find((char *) text.data, text.len);
        return issuer->alg ? NGX_OK : NGX_ERROR;
    }

    return NGX_ERROR;
}


static char *
ngx_http_btcf_issuer_read(ngx_conf_t *cf, ngx_http_btcf_issuer_t *issuer)
{
    const char          *why;
    ngx_file_info_t      fi;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_http_btcf_issuer_cleanup;
    cln->data = issuer;

    if (ngx_file_info(issuer->path.data, &fi) == NGX_FILE_ERROR
        || access((char *) issuer->path.data, R_OK) == -1)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "key file \"%V\" cannot be read", &issuer->path);
        return NGX_CONF_ERROR;
    }

    ngx_http_btcf_stamp(&issuer->stamp, &fi);

    why = btcf_jwks_load((char *) issuer->path.data, issuer->alg,
                         &issuer->keys);
    if (why) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "key file \"%V\" cannot be used: %s",
                           &issuer->path, why);
        return NGX_CONF_ERROR;
    }

    if (issuer->keys->skipped_count) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "%uz keys of \"%V\" are left out, the first "
                           "because %s", issuer->keys->skipped_count,
                           &issuer->path, issuer->keys->first_skipped);
    }

    if (issuer->keys->has_private && issuer->keys->keys[0].public_key) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "key file \"%V\" has private keys, which verifying "
                           "does not need", &issuer->path);
    }

    return NGX_CONF_OK;
}


/* The master never leaves by exit_process: keys go with their cycle. */

static void
ngx_http_btcf_issuer_cleanup(void *data)
{
    ngx_http_btcf_issuer_t *issuer = data;

    btcf_jwks_free(&issuer->keys);
}


static char *
ngx_http_btcf_issuer_compare(ngx_conf_t *cf,
    const ngx_http_btcf_issuer_t *issuer, const ngx_http_btcf_issuer_t *other)
{
    if (issuer->name.len == 0 || other->name.len == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"btcf_jwks_file\" needs \"issuer=\" where there are "
                      "several: \"%V\" and \"%V\"",
                      &other->path, &issuer->path);
        return NGX_CONF_ERROR;
    }

    if (issuer->name.len == other->name.len
        && ngx_strncmp(issuer->name.data, other->name.data, issuer->name.len)
           == 0)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "issuer \"%V\" has two key files: \"%V\" and \"%V\"",
                      &issuer->name, &other->path, &issuer->path);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}
