
/*
 * What the files about tokens share: issuers, the keys that they sign with,
 * and the cache of tokens whose signature has been verified.
 *
 * An issuer is configuration: who, with which keys, for which audience. Its
 * key set changes while nginx runs, so it belongs to the worker, in _jwks.
 */


#ifndef _NGX_HTTP_BTCF_TOKEN_H_INCLUDED_
#define _NGX_HTTP_BTCF_TOKEN_H_INCLUDED_


#include "ngx_http_btcf.h"

#include "jose/claims.h"
#include "jose/jws.h"

#include <time.h>


#define NGX_HTTP_BTCF_TOKEN_DIGEST  32


/* a file as it was when it was read: another one, or changed since? */

typedef struct {
    ngx_file_uniq_t             inode;
    dev_t                       device;
    off_t                       size;
    struct timespec             changed;
} ngx_http_btcf_stamp_t;


struct ngx_http_btcf_issuer_s {
    ngx_uint_t                  number;     /* 0: our own engine */
    ngx_str_t                   name;       /* `iss`; len 0: any */
    ngx_str_t                   audience;   /* not ours; len 0: not asked for */
    time_t                      leeway;
    ngx_str_t                   path;       /* of the key file */
    const struct btcf_alg      *alg;        /* of all its keys; or NULL */

    /* as read with the configuration: what workers begin with */
    struct btcf_jwks           *keys;
    ngx_http_btcf_stamp_t       stamp;
};


/*
 * Where the rows of a token's principal were when it was last seen, so that
 * they can be fetched before they are needed. Nobody goes by that alone.
 */

#define NGX_HTTP_BTCF_TOKEN_POOLED  ((uint32_t) -1)

typedef struct {
    uint32_t                    account;    /* its number; or POOLED */
    uint32_t                    row;        /* of usage; or of the pool */
} ngx_http_btcf_token_rows_t;


/*
 * What a good token says, in a form that is judged quickly. Nothing of it
 * depends on the time or on the state of an account: those are looked at for
 * each request.
 */

typedef struct {
    const ngx_http_btcf_issuer_t  *issuer;
    uint64_t                    generation; /* of the keys that verified it */
    int64_t                     exp_s;
    int64_t                     nbf_s;      /* 0: at once */
    int64_t                     iat_s;      /* 0: it does not say */
    uint64_t                    scopes;     /* bits: see _policy */
    ngx_str_t                   user;       /* `sub` */
    ngx_str_t                   session;    /* `sid`, of our own tokens */
    ngx_str_t                   iss;

    /* of our own tokens */
    uint8_t                     account_id[BTCF_ID_SIZE];
    uint8_t                     session_id[BTCF_ID_SIZE];

    /* of a third party's: by which its row is found; 0: not computed yet */
    uint64_t                    pool_hash;

    ngx_http_btcf_token_rows_t  rows;
} ngx_http_btcf_token_t;


/* where the cache has a token, if it has it */

typedef struct {
    ngx_uint_t                  set;
    uint64_t                    tag;
} ngx_http_btcf_token_place_t;


/* _jwks */

ngx_int_t ngx_http_btcf_jwks_init(ngx_cycle_t *cycle,
    const ngx_http_btcf_main_conf_t *mcf);
void ngx_http_btcf_jwks_exit(void);
/* number of the set in use, never used twice; 0: there is none */
uint64_t ngx_http_btcf_jwks_generation(const ngx_http_btcf_issuer_t *issuer);
/* looks for newer keys of our engine first; NULL: there are none */
struct btcf_verifier *ngx_http_btcf_jwks_verifier(
    const ngx_http_btcf_issuer_t *issuer);
void ngx_http_btcf_stamp(ngx_http_btcf_stamp_t *stamp,
    const ngx_file_info_t *fi);

/* _token_verify */

/* TOKEN, TICKET, or why not; texts are valid until the next call */
enum btcf_auth_outcome ngx_http_btcf_token_verify(ngx_http_request_t *r,
    const ngx_str_t *text, ngx_uint_t ticket, ngx_http_btcf_token_t *token);

/* _token_cache */

ngx_int_t ngx_http_btcf_token_cache_init(ngx_cycle_t *cycle,
    const ngx_http_btcf_main_conf_t *mcf);
void ngx_http_btcf_token_cache_exit(void);
/* in this order: what comes later has then been fetched from memory */
void ngx_http_btcf_token_cache_locate(const ngx_str_t *text,
    ngx_http_btcf_token_place_t *place);
/* NULL: there is none, whatever the digest will be */
const ngx_http_btcf_token_rows_t *ngx_http_btcf_token_cache_fetch(
    const ngx_http_btcf_token_place_t *place);
/* these two: valid until the next call of either; NULL: not in the cache */
ngx_http_btcf_token_t *ngx_http_btcf_token_cache_find(
    const ngx_http_btcf_token_place_t *place,
    const u_char digest[NGX_HTTP_BTCF_TOKEN_DIGEST]);
/* `evicted`: set when a token that was still good had to go */
ngx_http_btcf_token_t *ngx_http_btcf_token_cache_insert(
    const ngx_http_btcf_token_place_t *place,
    const u_char digest[NGX_HTTP_BTCF_TOKEN_DIGEST],
    const ngx_http_btcf_token_t *token, ngx_uint_t *evicted);


#endif /* _NGX_HTTP_BTCF_TOKEN_H_INCLUDED_ */
