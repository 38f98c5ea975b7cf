
/*
 * A worker's cache of tokens whose signature is known to be good.
 *
 * Verifying a signature costs a hundred microseconds, looking up the SHA-256
 * of the token less than one. What is kept is what the signature vouches for,
 * never whether the token is still welcome: expiry, account and session are
 * looked at for each request, and the caller compares the generation of the
 * keys, so nothing here is ever flushed.
 *
 * Memory is bounded: sets of eight entries, found by the first bytes of the
 * digest. Their tags fill one cache line, so a look-up touches that and the
 * entry. A full set gives up what has expired, else what was used least
 * recently. Only tokens with a good signature get in, so a client cannot push
 * out the tokens of others with forged ones.
 *
 * The token itself is not kept: a core file of a worker has no credentials
 * from here.
 */


#include "ngx_http_btcf_token.h"

#include <sys/mman.h>


#define NGX_HTTP_BTCF_TOKEN_WAYS      8

/* user, session and issuer together; what is longer is verified each time */
#define NGX_HTTP_BTCF_TOKEN_TEXT_MAX  BTCF_SUBJECT_MAX


typedef struct {
    u_char                      digest[NGX_HTTP_BTCF_TOKEN_DIGEST];
    uint32_t                    used;       /* the clock at its last use */
    uint32_t                    reserved;
    ngx_http_btcf_token_t       token;
    u_char                      text[NGX_HTTP_BTCF_TOKEN_TEXT_MAX];
} ngx_http_btcf_token_entry_t;


typedef struct {
    uint64_t                    tags[NGX_HTTP_BTCF_TOKEN_WAYS]; /* 0: free */
} ngx_http_btcf_token_set_t;


typedef struct {
    ngx_http_btcf_token_set_t    *sets;
    ngx_http_btcf_token_entry_t  *entries;
    ngx_uint_t                    mask;     /* sets, a power of two, less 1 */
    size_t                        size;
    uint32_t                      clock;
} ngx_http_btcf_token_cache_t;


static uint64_t ngx_http_btcf_token_tag(const u_char *digest,
    ngx_uint_t *set);
static ngx_uint_t ngx_http_btcf_token_victim(ngx_uint_t set, uint64_t tag);


/* worker-global: what one worker verified serves all its connections */
static ngx_http_btcf_token_cache_t  ngx_http_btcf_token_cache;


ngx_int_t
ngx_http_btcf_token_cache_init(ngx_cycle_t *cycle,
    const ngx_http_btcf_main_conf_t *mcf)
{
    u_char                       *p;
    ngx_uint_t                    nsets, wanted;
    ngx_http_btcf_token_cache_t  *cache;

    cache = &ngx_http_btcf_token_cache;

    ngx_memzero(cache, sizeof(ngx_http_btcf_token_cache_t));

    wanted = (ngx_uint_t) mcf->token.cache;

    for (nsets = 1; nsets * NGX_HTTP_BTCF_TOKEN_WAYS < wanted; nsets *= 2) {
        /* void */
    }

    cache->mask = nsets - 1;
    cache->size = nsets * (sizeof(ngx_http_btcf_token_set_t)
                           + NGX_HTTP_BTCF_TOKEN_WAYS
                             * sizeof(ngx_http_btcf_token_entry_t));

    /* zeroed by the kernel, and page by page as they are used */

    p = mmap(NULL, cache->size, PROT_READ|PROT_WRITE,
             MAP_PRIVATE|MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "btcf: no memory for %uz bytes of tokens", cache->size);
        cache->size = 0;
        return NGX_ERROR;
    }

    cache->sets = (ngx_http_btcf_token_set_t *) p;
    cache->entries = (ngx_http_btcf_token_entry_t *) (cache->sets + nsets);

    return NGX_OK;
}


void
ngx_http_btcf_token_cache_exit(void)
{
    ngx_http_btcf_token_cache_t  *cache;

    cache = &ngx_http_btcf_token_cache;

    if (cache->size) {
        (void) munmap(cache->sets, cache->size);
    }

    ngx_memzero(cache, sizeof(ngx_http_btcf_token_cache_t));
}


ngx_http_btcf_token_t *
ngx_http_btcf_token_cache_find(
    const u_char digest[NGX_HTTP_BTCF_TOKEN_DIGEST])
{
    uint64_t                      tag, *tags;
    ngx_uint_t                    i, set;
    ngx_http_btcf_token_entry_t  *entry;
    ngx_http_btcf_token_cache_t  *cache;

    cache = &ngx_http_btcf_token_cache;

    tag = ngx_http_btcf_token_tag(digest, &set);
    tags = cache->sets[set].tags;

    for (i = 0; i < NGX_HTTP_BTCF_TOKEN_WAYS; i++) {

        if (tags[i] != tag) {
            continue;
        }

        entry = &cache->entries[set * NGX_HTTP_BTCF_TOKEN_WAYS + i];

        /* the first lines of it are fetched together, not one by one */

        __builtin_prefetch((u_char *) entry + 64);
        __builtin_prefetch((u_char *) entry + 128);
        __builtin_prefetch((u_char *) entry + 192);

        if (ngx_memcmp(entry->digest, digest, NGX_HTTP_BTCF_TOKEN_DIGEST)
            == 0)
        {
            entry->used = ++cache->clock;
            return &entry->token;
        }
    }

    return NULL;
}


ngx_uint_t
ngx_http_btcf_token_cache_insert(
    const u_char digest[NGX_HTTP_BTCF_TOKEN_DIGEST],
    const ngx_http_btcf_token_t *token)
{
    u_char                       *p;
    uint64_t                      tag;
    ngx_uint_t                    i, set, evicted;
    ngx_http_btcf_token_t        *kept;
    ngx_http_btcf_token_entry_t  *entry;
    ngx_http_btcf_token_cache_t  *cache;

    cache = &ngx_http_btcf_token_cache;

    if (token->user.len > NGX_HTTP_BTCF_TOKEN_TEXT_MAX
        || token->session.len > NGX_HTTP_BTCF_TOKEN_TEXT_MAX
        || token->iss.len > NGX_HTTP_BTCF_TOKEN_TEXT_MAX
        || token->user.len + token->session.len + token->iss.len
           > NGX_HTTP_BTCF_TOKEN_TEXT_MAX)
    {
        return 0;
    }

    tag = ngx_http_btcf_token_tag(digest, &set);
    i = ngx_http_btcf_token_victim(set, tag);
    entry = &cache->entries[set * NGX_HTTP_BTCF_TOKEN_WAYS + i];

    evicted = cache->sets[set].tags[i] != 0
              && cache->sets[set].tags[i] != tag
              && entry->token.exp_s > (int64_t) ngx_time();

    cache->sets[set].tags[i] = tag;
    ngx_memcpy(entry->digest, digest, NGX_HTTP_BTCF_TOKEN_DIGEST);
    entry->used = ++cache->clock;

    kept = &entry->token;
    *kept = *token;

    p = entry->text;

    kept->user.data = p;
    p = ngx_cpymem(p, token->user.data, token->user.len);
    kept->session.data = p;
    p = ngx_cpymem(p, token->session.data, token->session.len);
    kept->iss.data = p;
    (void) ngx_cpymem(p, token->iss.data, token->iss.len);

    return evicted;
}


/* The digest is uniform: eight bytes of it make the tag, others the set. */

static uint64_t
ngx_http_btcf_token_tag(const u_char *digest, ngx_uint_t *set)
{
    uint64_t  tag, hash;

    ngx_memcpy(&tag, digest, sizeof(uint64_t));
    ngx_memcpy(&hash, digest + sizeof(uint64_t), sizeof(uint64_t));

    *set = (ngx_uint_t) hash & ngx_http_btcf_token_cache.mask;

    return tag ? tag : 1;
}


/* The same token, verified anew; a free entry; an expired one; the oldest. */

static ngx_uint_t
ngx_http_btcf_token_victim(ngx_uint_t set, uint64_t tag)
{
    time_t                        now;
    uint32_t                      age, oldest;
    uint64_t                     *tags;
    ngx_uint_t                    i, victim;
    ngx_http_btcf_token_entry_t  *entry;
    ngx_http_btcf_token_cache_t  *cache;

    cache = &ngx_http_btcf_token_cache;
    tags = cache->sets[set].tags;

    for (i = 0; i < NGX_HTTP_BTCF_TOKEN_WAYS; i++) {
        if (tags[i] == tag) {
            return i;
        }
    }

    now = ngx_time();
    oldest = 0;
    victim = 0;

    for (i = 0; i < NGX_HTTP_BTCF_TOKEN_WAYS; i++) {
        entry = &cache->entries[set * NGX_HTTP_BTCF_TOKEN_WAYS + i];

        if (tags[i] == 0 || entry->token.exp_s <= (int64_t) now) {
            return i;
        }

        age = cache->clock - entry->used;

        if (age >= oldest) {
            oldest = age;
            victim = i;
        }
    }

    return victim;
}
