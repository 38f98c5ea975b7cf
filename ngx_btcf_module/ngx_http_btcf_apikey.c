
/*
 * Judges an API key: its form and checksum, which cost nobody a look-up; then
 * the entry of its digest, and the account that it belongs to.
 *
 * A key that is disabled, one whose account is, and one that never was are
 * refused alike, so that an answer says nothing about what exists. What
 * cannot be looked up, because the tables are absent, damaged or too old, is
 * not refused but unavailable: the client did nothing wrong.
 */


#include "ngx_http_btcf.h"

#include "crypto/api_key.h"


static enum btcf_auth_outcome ngx_http_btcf_apikey_judge(
    ngx_http_request_t *r, const struct btcf_auth *auth,
    const struct btcf_api_key *parsed, ngx_http_btcf_principal_t *principal);
static ngx_uint_t ngx_http_btcf_network_allows(ngx_http_request_t *r,
    const struct btcf_auth *auth, uint32_t networks);


ngx_int_t
ngx_http_btcf_apikey(ngx_http_request_t *r, const ngx_str_t *text,
    ngx_http_btcf_principal_t *principal)
{
    struct btcf_api_key              parsed;
    const struct btcf_auth          *auth;
    const ngx_http_btcf_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_btcf_module);
    auth = ngx_http_btcf_segment_auth(lcf->policy.max_stale);

    /*
     * The digest first: what it leads to comes from memory while the checksum
     * is computed. Nothing is looked at before that has been found good.
     */

    if (auth && text->len == BTCF_API_KEY_LEN) {
        btcf_api_key_digest((char *) text->data, parsed.digest);
        btcf_auth_key_prefetch(auth, parsed.digest);
    }

    if (!btcf_api_key_check((char *) text->data, text->len, &parsed)) {
        principal->outcome = BTCF_AUTH_MALFORMED;
        return NGX_OK;
    }

    principal->outcome = auth ? ngx_http_btcf_apikey_judge(r, auth, &parsed,
                                                           principal)
                              : BTCF_AUTH_UNAVAILABLE;

    return NGX_OK;
}


static enum btcf_auth_outcome
ngx_http_btcf_apikey_judge(ngx_http_request_t *r,
    const struct btcf_auth *auth, const struct btcf_api_key *parsed,
    ngx_http_btcf_principal_t *principal)
{
    enum btcf_read       rc;
    struct btcf_key      key;
    struct btcf_account  account;

    rc = btcf_auth_key(auth, parsed->digest, &key);

    if (rc == BTCF_READ_OK) {
        ngx_http_btcf_principal_prefetch(r, auth, key.account, key.row);

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
