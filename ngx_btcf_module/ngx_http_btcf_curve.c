
/*
 * The worker's copies of published quantile curves, made ready for questions.
 *
 * A curve is a few hundred bytes, so each question takes a fresh copy; only
 * the preparation (logarithms, tails) is kept by generation. What cannot be
 * copied (torn three times, wrong CRC, absent from a file that has just been
 * born) leaves the last good copy in service, as with documents: the
 * document's own expiry, which _query asks, then ends it.
 */


#include "ngx_http_btcf.h"


/* those of the sandbox as well */
#define NGX_HTTP_BTCF_CURVES_MAX  (2 * NGX_HTTP_BTCF_HORIZONS)


typedef struct {
    size_t                      len;        /* of the key; 0: free */
    u_char                      key[BTCF_DOC_KEY_MAX];
    ngx_http_btcf_curve_t       curve;
} ngx_http_btcf_curve_entry_t;


static ngx_http_btcf_curve_entry_t *ngx_http_btcf_curve_entry(
    const ngx_str_t *key);


/* worker-global, as the segment is */
static ngx_http_btcf_curve_entry_t  ngx_http_btcf_curves[
    NGX_HTTP_BTCF_CURVES_MAX];


const ngx_http_btcf_curve_t *
ngx_http_btcf_find_curve(const ngx_str_t *key)
{
    enum btcf_read                rc;
    struct btcf_dist              dist;
    struct btcf_reader           *reader;
    struct btcf_dist_curve        fresh;
    ngx_http_btcf_curve_entry_t  *entry;

    reader = ngx_http_btcf_segment_reader();

    entry = ngx_http_btcf_curve_entry(key);
    if (entry == NULL) {
        return NULL;
    }

    rc = reader->base ? btcf_reader_dist(reader, (char *) key->data, key->len,
                                         &fresh)
                      : BTCF_READ_ABSENT;

    if (rc == BTCF_READ_OK
        && (entry->len == 0 || fresh.crc != entry->curve.curve.crc)
        && btcf_dist_init(&dist, &fresh))
    {
        ngx_memcpy(entry->key, key->data, key->len);
        entry->len = key->len;
        entry->curve.curve = fresh;
        entry->curve.dist = dist;
    }

    return entry->len ? &entry->curve : NULL;
}


/* Its own, or a free one. Only names of horizons come here, so they fit. */

static ngx_http_btcf_curve_entry_t *
ngx_http_btcf_curve_entry(const ngx_str_t *key)
{
    ngx_uint_t                    i;
    ngx_http_btcf_curve_entry_t  *entry;

    if (key->len == 0 || key->len > BTCF_DOC_KEY_MAX) {
        return NULL;
    }

    for (i = 0; i < NGX_HTTP_BTCF_CURVES_MAX; i++) {
        entry = &ngx_http_btcf_curves[i];

        if (entry->len == 0
            || (entry->len == key->len
                && ngx_memcmp(entry->key, key->data, key->len) == 0))
        {
            return entry;
        }
    }

    return NULL;
}
