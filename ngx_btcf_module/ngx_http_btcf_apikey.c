
/*
 * Judges an API key: its form and checksum, which cost nobody a look-up; then
 * the entry of its digest, and the account that it belongs to.
 *
 * A key that is disabled, one whose account is, and one that never was are
 * refused alike, so that an answer says nothing about what exists. What
 * cannot be looked up, because the tables are absent, damaged or too old, is
 * not refused but unavailable: the client did nothing wrong.
 *
 * A look-up waits for memory more than for anything else: index, entry and
 * account lead to each other, and with many keys and connections they lie in
 * no cache of the processor. So each worker remembers, by the id that stands
 * in a key's text, where a good one led to. That is fetched as soon as the
 * request has a key, and what it names while the key is hashed:
 *
 *     expect     id -> hint             while the address is judged
 *     apikey     hint -> all tables     while the key is hashed and checked
 *
 * Nobody goes by what is remembered: it may be another's.
 */


#include "ngx_http_btcf.h"

#include "crypto/api_key.h"


/* places that a worker remembers, a power of two */
#define NGX_HTTP_BTCF_APIKEY_HINTS  8192


/* 16 bytes, so that none lies in two cache lines */

typedef struct {
    uint32_t                    hash;       /* to the bucket of the index */
    uint32_t                    number;     /* of the key's entry */
    uint32_t                    account;
    uint32_t                    row;
} ngx_http_btcf_apikey_hint_t;


static ngx_http_btcf_apikey_hint_t *ngx_http_btcf_apikey_hint(
    const ngx_str_t *text);
static void ngx_http_btcf_apikey_prefetch(ngx_http_request_t *r,
    const struct btcf_auth *auth, const ngx_http_btcf_apikey_hint_t *hint);
static enum btcf_auth_outcome ngx_http_btcf_apikey_judge(
    ngx_http_request_t *r, const struct btcf_auth *auth,
    const struct btcf_api_key *parsed, ngx_http_btcf_apikey_hint_t *hint,
    ngx_http_btcf_principal_t *principal);
static ngx_uint_t ngx_http_btcf_network_allows(ngx_http_request_t *r,
    const struct btcf_auth *auth, uint32_t networks);


/* worker-global: what one connection found serves all; zeroed is harmless */
static ngx_http_btcf_apikey_hint_t
    ngx_http_btcf_apikey_hints[NGX_HTTP_BTCF_APIKEY_HINTS]
    __attribute__((aligned(sizeof(ngx_http_btcf_apikey_hint_t))));


void
ngx_http_btcf_apikey_expect(const ngx_str_t *text)
{
    if (text && text->len == BTCF_API_KEY_LEN) {
        __builtin_prefetch(ngx_http_btcf_apikey_hint(text), 1);
    }
}


ngx_int_t
ngx_http_btcf_apikey(ngx_http_request_t *r, const ngx_str_t *text,
    ngx_http_btcf_principal_t *principal)
{
    struct btcf_api_key              parsed;
    const struct btcf_auth          *auth;
    const ngx_http_btcf_loc_conf_t  *lcf;
    ngx_http_btcf_apikey_hint_t     *hint;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_btcf_module);
    auth = ngx_http_btcf_segment_auth(lcf->policy.max_stale);
    hint = NULL;

    /*
     * The digest first: what it leads to comes from memory while the checksum
     * is computed. Nothing is looked at before that has been found good.
     */

    if (auth && text->len == BTCF_API_KEY_LEN) {
        hint = ngx_http_btcf_apikey_hint(text);
        ngx_http_btcf_apikey_prefetch(r, auth, hint);

        btcf_api_key_digest((char *) text->data, parsed.digest);
        btcf_auth_key_prefetch(auth, btcf_auth_key_hash(parsed.digest));
    }

    if (!btcf_api_key_check((char *) text->data, text->len, &parsed)) {
        principal->outcome = BTCF_AUTH_MALFORMED;
        return NGX_OK;
    }

    principal->outcome = auth ? ngx_http_btcf_apikey_judge(r, auth, &parsed,
                                                           hint, principal)
                              : BTCF_AUTH_UNAVAILABLE;

    return NGX_OK;
}


/* An id is random: any part of it tells keys apart, and nobody chooses it. */

static ngx_http_btcf_apikey_hint_t *
ngx_http_btcf_apikey_hint(const ngx_str_t *text)
{
    uint64_t  id;

    ngx_memcpy(&id, text->data + BTCF_API_KEY_PREFIX_LEN, sizeof(id));

    id *= UINT64_C(0x9e3779b97f4a7c15); /* 2^64 / the golden ratio */

    return &ngx_http_btcf_apikey_hints[(id >> 32)
                                       & (NGX_HTTP_BTCF_APIKEY_HINTS - 1)];
}


static void
ngx_http_btcf_apikey_prefetch(ngx_http_request_t *r,
    const struct btcf_auth *auth, const ngx_http_btcf_apikey_hint_t *hint)
{
    btcf_auth_key_prefetch(auth, hint->hash);
    btcf_auth_key_prefetch_entry(auth, hint->number);
    ngx_http_btcf_principal_prefetch(r, auth, hint->account, hint->row);
}


static enum btcf_auth_outcome
ngx_http_btcf_apikey_judge(ngx_http_request_t *r,
    const struct btcf_auth *auth, const struct btcf_api_key *parsed,
    ngx_http_btcf_apikey_hint_t *hint, ngx_http_btcf_principal_t *principal)
{
    enum btcf_read       rc;
    struct btcf_key      key;
    struct btcf_account  account;

    rc = btcf_auth_key(auth, parsed->digest, &key);

    if (rc == BTCF_READ_OK) {
        hint->hash = btcf_auth_key_hash(parsed->digest);
        hint->number = key.number;
        hint->account = key.account;
        hint->row = key.row;

        ngx_http_btcf_apikey_prefetch(r, auth, hint);

        rc = btcf_auth_account(auth, key.account, &account);
    }

    if (rc != BTCF_READ_OK) {
        return (rc == BTCF_READ_ABSENT) ? BTCF_AUTH_UNKNOWN
                                        : BTCF_AUTH_UNAVAILABLE;
    }

    if (!(key.flags & BTCF_KEY_ENABLED)
        || !(account.flags & BTCF_ACCOUNT_ENABLED)
        || !(key.flags & BTCF_KEY_TEST) == parsed->is_test)
    {
        return BTCF_AUTH_UNKNOWN;
    }

    if (key.expires_s && key.expires_s <= (int64_t) ngx_time()) {
        return BTCF_AUTH_EXPIRED;
    }

    if (key.networks
        && !ngx_http_btcf_network_allows(r, auth, key.networks))
    {
        return BTCF_AUTH_NETWORK;
    }

    principal->scopes = key.scopes;

    if (ngx_http_btcf_principal_account(r, auth, &account, key.row, principal)
        != BTCF_READ_OK)
    {
        return BTCF_AUTH_UNAVAILABLE;
    }

    principal->key.data = (u_char *) parsed->id;
    principal->key.len = BTCF_API_KEY_ID_LEN;
    principal->expires = (time_t) key.expires_s;
    ngx_memcpy(principal->digest, parsed->digest, BTCF_DIGEST_SIZE);
    principal->test = parsed->is_test;

    return BTCF_AUTH_KEY;
}


/* The address is the client's as realip has settled it. */

static ngx_uint_t
ngx_http_btcf_network_allows(ngx_http_request_t *r,
    const struct btcf_auth *auth, uint32_t networks)
{
    u_char                address[16];
    struct sockaddr_in   *sin;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6  *sin6;
#endif

    switch (r->connection->sockaddr->sa_family) {

    case AF_INET:
        sin = (struct sockaddr_in *) r->connection->sockaddr;

        ngx_memzero(address, 10);
        ngx_memset(address + 10, 0xff, 2);
        ngx_memcpy(address + 12, &sin->sin_addr, 4);
        break;

#if (NGX_HAVE_INET6)
    case AF_INET6:
        sin6 = (struct sockaddr_in6 *) r->connection->sockaddr;
        ngx_memcpy(address, &sin6->sin6_addr, 16);
        break;
#endif

    default: /* a Unix socket is in no network */
        return 0;
    }

    return btcf_auth_network_allows(auth, networks, address);
}
