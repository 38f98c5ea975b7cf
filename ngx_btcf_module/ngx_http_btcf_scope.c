
/*
 * Scopes: a set of them is a word of bits.
 *
 * The names of shm/auth.h have their bits for ever, since keys in the segment
 * hold them. Other names, which only tokens of third parties can hold, get the
 * bits above, in the order in which the configuration first asks for them. A
 * scope that nobody asks for has no bit and is forgotten.
 */


#include "ngx_http_btcf.h"


#define NGX_HTTP_BTCF_SCOPES_MAX  64


static uint64_t ngx_http_btcf_scope_bit(const ngx_http_btcf_main_conf_t *mcf,
    const ngx_str_t *name);
static const ngx_str_t *ngx_http_btcf_scope_name(
    const ngx_http_btcf_main_conf_t *mcf, ngx_uint_t bit, ngx_str_t *builtin);
static uint64_t ngx_http_btcf_add_scope(ngx_conf_t *cf, ngx_str_t *name);


uint64_t
ngx_http_btcf_scope_bits(ngx_http_request_t *r, const u_char *text,
    size_t len)
{
    u_char                           *p, *last;
    uint64_t                          bits;
    ngx_str_t                         name;
    const ngx_http_btcf_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_btcf_module);

    bits = 0;
    p = (u_char *) text;
    last = p + len;

    while (p < last) {
        name.data = p;

        while (p < last && *p != ' ') {
            p++;
        }

        name.len = p - name.data;
        bits |= ngx_http_btcf_scope_bit(mcf, &name);

        p++;
    }

    return bits;
}


ngx_int_t
ngx_http_btcf_scope_names(ngx_http_request_t *r, uint64_t bits,
    ngx_str_t *names)
{
    u_char                           *p;
    size_t                            len;
    ngx_str_t                         builtin;
    ngx_uint_t                        i;
    const ngx_str_t                  *name;
    const ngx_http_btcf_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_btcf_module);

    len = 0;

    for (i = 0; i < NGX_HTTP_BTCF_SCOPES_MAX; i++) {
        name = (bits >> i & 1) ? ngx_http_btcf_scope_name(mcf, i, &builtin)
                               : NULL;
        len += name ? name->len + 1 : 0;
    }

    p = ngx_pnalloc(r->pool, len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    names->data = p;

    for (i = 0; i < NGX_HTTP_BTCF_SCOPES_MAX; i++) {
        name = (bits >> i & 1) ? ngx_http_btcf_scope_name(mcf, i, &builtin)
                               : NULL;

        if (name) {
            p = ngx_cpymem(p, name->data, name->len);
            *p++ = ' ';
        }
    }

    names->len = len ? len - 1 : 0;

    return NGX_OK;
}


static uint64_t
ngx_http_btcf_scope_bit(const ngx_http_btcf_main_conf_t *mcf,
    const ngx_str_t *name)
{
    uint64_t          bit;
    ngx_str_t        *scope;
    ngx_uint_t        i;

    bit = btcf_scope_bit((char *) name->data, name->len);

    if (bit || mcf->scopes == NULL) {
        return bit;
    }

    scope = mcf->scopes->elts;

    for (i = 0; i < mcf->scopes->nelts; i++) {
        if (scope[i].len == name->len
            && ngx_memcmp(scope[i].data, name->data, name->len) == 0)
        {
            return (uint64_t) 1 << (BTCF_SCOPES_MAX + i);
        }
    }

    return 0;
}


static const ngx_str_t *
ngx_http_btcf_scope_name(const ngx_http_btcf_main_conf_t *mcf, ngx_uint_t bit,
    ngx_str_t *builtin)
{
    const char  *name;
    ngx_str_t   *scope;

    if (bit < BTCF_SCOPES_MAX) {
        name = btcf_scope_name((uint32_t) 1 << bit);
        if (name == NULL) {
            return NULL;
        }

        builtin->data = (u_char *) name;
        builtin->len = ngx_strlen(name);

        return builtin;
    }

    if (mcf->scopes == NULL || bit - BTCF_SCOPES_MAX >= mcf->scopes->nelts) {
        return NULL;
    }

    scope = mcf->scopes->elts;

    return &scope[bit - BTCF_SCOPES_MAX];
}


/* btcf_require_scope name ... | off */

char *
ngx_http_btcf_set_scopes(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_btcf_loc_conf_t *lcf = conf;

    uint64_t     bit;
    ngx_str_t   *value;
    ngx_uint_t   i;

    if (lcf->policy.scoped != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    lcf->policy.scoped = 1;
    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        return NGX_CONF_OK;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        bit = ngx_http_btcf_add_scope(cf, &value[i]);
        if (bit == 0) {
            return NGX_CONF_ERROR;
        }

        lcf->policy.scopes |= bit;
    }

    return NGX_CONF_OK;
}


static uint64_t
ngx_http_btcf_add_scope(ngx_conf_t *cf, ngx_str_t *name)
{
    uint64_t                    bit;
    ngx_str_t                  *scope;
    ngx_uint_t                  i;
    ngx_http_btcf_main_conf_t  *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_btcf_module);

    bit = ngx_http_btcf_scope_bit(mcf, name);
    if (bit) {
        return bit;
    }

    /* RFC 6749, section 3.3 */

    for (i = 0; i < name->len; i++) {
        if (name->data[i] <= 0x20 || name->data[i] >= 0x7f
            || name->data[i] == '"' || name->data[i] == '\\')
        {
            break;
        }
    }

    if (name->len == 0 || i < name->len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid scope \"%V\"", name);
        return 0;
    }

    if (mcf->scopes == NULL) {
        mcf->scopes = ngx_array_create(cf->pool, 4, sizeof(ngx_str_t));
        if (mcf->scopes == NULL) {
            return 0;
        }
    }

    if (mcf->scopes->nelts == NGX_HTTP_BTCF_SCOPES_MAX - BTCF_SCOPES_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "too many scopes");
        return 0;
    }

    scope = ngx_array_push(mcf->scopes);
    if (scope == NULL) {
        return 0;
    }

    *scope = *name;

    return (uint64_t) 1 << (BTCF_SCOPES_MAX + mcf->scopes->nelts - 1);
}
