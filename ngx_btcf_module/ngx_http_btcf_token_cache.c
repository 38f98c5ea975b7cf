
/*
 * A worker's cache of tokens whose signature is known to be good.
 *
 * Verifying a signature costs a hundred microseconds, looking up the SHA-256
 * of the token less than one. What is kept is what the signature vouches for,
 * never whether the token is still welcome: expiry, account and session are
 * looked at for each request, and the caller compares the generation of the
 * keys, so nothing here is ever flushed.
 *
 * A look-up waits for memory more than for anything else: the entry, and the
 * rows of whom it names, lie in no cache of the processor when there are many.
 * So where to look does not come from the digest but from the last characters
 * of the token, which are there before it is hashed, and the fetches run while
 * the hash is computed:
 *
 *     locate    tail -> set and tag     begins to fetch the set's tags,
 *                                       while the address is judged
 *     fetch     tag -> entry, rows      begins to fetch those
 *     find      digest                  is it really this token?
 *
 * Whatever the tail led to, the digest of the whole text alone decides.
 *
 * Memory is bounded: sets of eight entries. A full set gives up what has
 * expired, else what was used least recently. Only tokens with a good
 * signature get in, so a client cannot push out the tokens of others with
 * forged ones. The tail is the end of a signature, so of somebody who has many
 * good tokens, too, it does not choose the set: nobody can choose a signature,
 * and the hash of it is keyed by a number of the worker's, so nobody can sort
 * those that they have by the set that they go to.
 *
 * The token itself is not kept: a core file of a worker has no credentials
 * from here.
 */


#include "ngx_http_btcf_token.h"

#include <sys/mman.h>
#include <sys/random.h>


#define NGX_HTTP_BTCF_TOKEN_WAYS      8
#define NGX_HTTP_BTCF_CACHE_LINE      64

/* of a token, from which its place comes: 12 bytes of its signature */
#define NGX_HTTP_BTCF_TOKEN_TAIL      (2 * sizeof(uint64_t))

/* user, session and issuer together; what is longer is verified each time */
#define NGX_HTTP_BTCF_TOKEN_TEXT_MAX  BTCF_SUBJECT_MAX


typedef struct {
    u_char                      digest[NGX_HTTP_BTCF_TOKEN_DIGEST];
    uint32_t                    used;       /* the clock at its last use */
    uint32_t                    reserved;
    ngx_http_btcf_token_t       token;
    u_char                      text[NGX_HTTP_BTCF_TOKEN_TEXT_MAX];
} __attribute__((aligned(NGX_HTTP_BTCF_CACHE_LINE)))
ngx_http_btcf_token_entry_t;


/* two cache lines; the rows are those that the entry had when it was found */

typedef struct {
    uint64_t                    tags[NGX_HTTP_BTCF_TOKEN_WAYS]; /* 0: free */
    ngx_http_btcf_token_rows_t  rows[NGX_HTTP_BTCF_TOKEN_WAYS];
} ngx_http_btcf_token_set_t;


typedef struct {
    ngx_http_btcf_token_set_t    *sets;
    ngx_http_btcf_token_entry_t  *entries;
    ngx_uint_t                    mask;     /* sets, a power of two, less 1 */
    size_t                        size;
    uint32_t                      clock;
    uint64_t                      seed[2];  /* the second one is odd */
} ngx_http_btcf_token_cache_t;


static ngx_uint_t ngx_http_btcf_token_way(const uint64_t *tags, uint64_t tag);
static ngx_uint_t ngx_http_btcf_token_victim(
    const ngx_http_btcf_token_place_t *place);


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

    if (getrandom(cache->seed, sizeof(cache->seed), 0)
        != (ssize_t) sizeof(cache->seed))
    {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "btcf: getrandom() failed");
        return NGX_ERROR;
    }

    cache->seed[1] |= 1;
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


/*
 * Multiplications by an odd number lose nothing, so different tails have
 * different tags: two good tokens share one only if 96 bits of their
 * signatures agree, and would then take turns in one entry.
 */

void
ngx_http_btcf_token_cache_locate(const ngx_str_t *text,
    ngx_http_btcf_token_place_t *place)
{
    size_t                        len;
    uint64_t                      tail[2], hash;
    ngx_http_btcf_token_set_t    *set;
    ngx_http_btcf_token_cache_t  *cache;

    cache = &ngx_http_btcf_token_cache;

    ngx_memzero(tail, sizeof(tail));

    len = ngx_min(text->len, NGX_HTTP_BTCF_TOKEN_TAIL);
    ngx_memcpy(tail, text->data + text->len - len, len);

    hash = (tail[0] ^ cache->seed[0]) * cache->seed[1];
    hash = (hash ^ (hash >> 32) ^ tail[1]) * cache->seed[1];
    hash ^= hash >> 32;

    place->set = (ngx_uint_t) hash & cache->mask;
    place->tag = hash ? hash : 1;

    set = &cache->sets[place->set];

    __builtin_prefetch(set->tags);
    __builtin_prefetch(set->rows);
}


const ngx_http_btcf_token_rows_t *
ngx_http_btcf_token_cache_fetch(const ngx_http_btcf_token_place_t *place)
{
    u_char                       *p, *last;
    ngx_uint_t                    i;
    ngx_http_btcf_token_set_t    *set;
    ngx_http_btcf_token_entry_t  *entry;
    ngx_http_btcf_token_cache_t  *cache;

    cache = &ngx_http_btcf_token_cache;
    set = &cache->sets[place->set];

    i = ngx_http_btcf_token_way(set->tags, place->tag);

    if (i == NGX_HTTP_BTCF_TOKEN_WAYS) {
        return NULL;
    }

    entry = &cache->entries[place->set * NGX_HTTP_BTCF_TOKEN_WAYS + i];

    /* the names are rarely longer than one line */

    p = (u_char *) entry;
    last = entry->text + NGX_HTTP_BTCF_CACHE_LINE;

    for ( /* void */ ; p < last; p += NGX_HTTP_BTCF_CACHE_LINE) {
        __builtin_prefetch(p);
    }

    return &set->rows[i];
}


ngx_http_btcf_token_t *
ngx_http_btcf_token_cache_find(const ngx_http_btcf_token_place_t *place,
    const u_char digest[NGX_HTTP_BTCF_TOKEN_DIGEST])
{
    ngx_uint_t                    i;
    ngx_http_btcf_token_set_t    *set;
    ngx_http_btcf_token_entry_t  *entry;
    ngx_http_btcf_token_cache_t  *cache;

    cache = &ngx_http_btcf_token_cache;
    set = &cache->sets[place->set];

    i = ngx_http_btcf_token_way(set->tags, place->tag);

    if (i == NGX_HTTP_BTCF_TOKEN_WAYS) {
        return NULL;
    }

    entry = &cache->entries[place->set * NGX_HTTP_BTCF_TOKEN_WAYS + i];

    if (ngx_memcmp(entry->digest, digest, NGX_HTTP_BTCF_TOKEN_DIGEST) != 0) {
        return NULL;
    }

    entry->used = ++cache->clock;
    set->rows[i] = entry->token.rows;

    return &entry->token;
}


ngx_http_btcf_token_t *
ngx_http_btcf_token_cache_insert(const ngx_http_btcf_token_place_t *place,
    const u_char digest[NGX_HTTP_BTCF_TOKEN_DIGEST],
    const ngx_http_btcf_token_t *token, ngx_uint_t *evicted)
{
    u_char                       *p;
    uint64_t                     *tag;
    ngx_uint_t                    i;
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
        *evicted = 0;
        return NULL;
    }

    i = ngx_http_btcf_token_victim(place);
    entry = &cache->entries[place->set * NGX_HTTP_BTCF_TOKEN_WAYS + i];
    tag = &cache->sets[place->set].tags[i];

    *evicted = *tag != 0
               && *tag != place->tag
               && entry->token.exp_s > (int64_t) ngx_time();

    *tag = place->tag;
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

    return kept;
}


/* The number of ways when no one has the tag. */

static ngx_uint_t
ngx_http_btcf_token_way(const uint64_t *tags, uint64_t tag)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_BTCF_TOKEN_WAYS; i++) {
        if (tags[i] == tag) {
            break;
        }
    }

    return i;
}


/* The same tail, verified anew; a free entry; an expired one; the oldest. */

static ngx_uint_t
ngx_http_btcf_token_victim(const ngx_http_btcf_token_place_t *place)
{
    time_t                        now;
    uint32_t                      age, oldest;
    uint64_t                     *tags;
    ngx_uint_t                    i, victim;
    ngx_http_btcf_token_entry_t  *entry;
    ngx_http_btcf_token_cache_t  *cache;

    cache = &ngx_http_btcf_token_cache;
    tags = cache->sets[place->set].tags;

    i = ngx_http_btcf_token_way(tags, place->tag);

    if (i < NGX_HTTP_BTCF_TOKEN_WAYS) {
        return i;
    }

    now = ngx_time();
    oldest = 0;
    victim = 0;

    for (i = 0; i < NGX_HTTP_BTCF_TOKEN_WAYS; i++) {
        entry = &cache->entries[place->set * NGX_HTTP_BTCF_TOKEN_WAYS + i];

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
