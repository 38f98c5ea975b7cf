
/*
 * The keys that tokens are verified with, and how they change.
 *
 * Our engine's keys are the document "/.well-known/jwks.json" of the segment,
 * the very one that is served to the public: a new version is noticed by the
 * timer, and at once when a token has to be verified. A third party's keys are
 * a file (btcf_jwks_file), which the timer looks at twice a second.
 *
 * nginx does not start with a key file that it cannot use (see _issuer). While
 * it runs, keys only give way to better ones: whatever cannot be read or parsed
 * is said once and counted, and the set in use stays. A file is read when it
 * has been left alone for a moment, so that half of it is rarely seen;
 * replacing it by rename is better still.
 *
 * Each set in use has a number that no other set of this worker ever had. The
 * cache of verified tokens is compared with it, so tokens of a set that has
 * gone are verified anew, or refused.
 */


#include "ngx_http_btcf_token.h"


#define NGX_HTTP_BTCF_JWKS_TICK     500     /* ms between looks */
#define NGX_HTTP_BTCF_JWKS_QUIET    100     /* ms without a change */


typedef struct {
    const ngx_http_btcf_issuer_t   *issuer;
    struct btcf_jwks               *set;    /* NULL: none */
    struct btcf_verifier            verifier;
    uint64_t                        generation;
    ngx_http_btcf_stamp_t           stamp;  /* of the file last looked at */
    ngx_http_btcf_doc_t            *doc;    /* last looked at, held */
} ngx_http_btcf_keyset_t;


typedef struct {
    ngx_http_btcf_keyset_t         *sets;   /* by the number of the issuer */
    ngx_uint_t                      nsets;
    uint64_t                        generation;
    struct btcf_metric_block       *metrics;
    ngx_event_t                     timer;
    ngx_connection_t                dummy;  /* for the debug log */
    ngx_log_t                      *log;
} ngx_http_btcf_jwks_t;


static void ngx_http_btcf_jwks_tick(ngx_event_t *ev);
static void ngx_http_btcf_jwks_file_look(ngx_http_btcf_keyset_t *ks);
static void ngx_http_btcf_jwks_doc_look(ngx_http_btcf_keyset_t *ks);
static ngx_uint_t ngx_http_btcf_jwks_is_quiet(
    const ngx_http_btcf_stamp_t *stamp);
static ngx_int_t ngx_http_btcf_jwks_use(ngx_http_btcf_keyset_t *ks,
    struct btcf_jwks *set);
static void ngx_http_btcf_jwks_drop(ngx_http_btcf_keyset_t *ks);
static void ngx_http_btcf_jwks_refused(const ngx_http_btcf_keyset_t *ks,
    ngx_err_t err, const char *why);


/* worker-global: keys belong to the process, not to a request or location */
static ngx_http_btcf_jwks_t  ngx_http_btcf_jwks;

static ngx_str_t  ngx_http_btcf_jwks_key =
    ngx_string("/.well-known/jwks.json");


ngx_int_t
ngx_http_btcf_jwks_init(ngx_cycle_t *cycle,
    const ngx_http_btcf_main_conf_t *mcf)
{
    ngx_uint_t                i;
    ngx_http_btcf_jwks_t     *jwks;
    ngx_http_btcf_issuer_t  **issuer;
    ngx_http_btcf_keyset_t   *ks;

    jwks = &ngx_http_btcf_jwks;

    ngx_memzero(jwks, sizeof(ngx_http_btcf_jwks_t));

    jwks->nsets = mcf->token.issuers.nelts + 1;
    jwks->sets = ngx_pcalloc(cycle->pool,
                             jwks->nsets * sizeof(ngx_http_btcf_keyset_t));
    if (jwks->sets == NULL) {
        return NGX_ERROR;
    }

    jwks->metrics = ngx_http_btcf_meter_block(mcf);
    jwks->log = cycle->log;

    jwks->sets[0].issuer = mcf->token.own;

    issuer = mcf->token.issuers.elts;

    for (i = 1; i < jwks->nsets; i++) {
        ks = &jwks->sets[i];

        ks->issuer = issuer[i - 1];
        ks->stamp = issuer[i - 1]->stamp;

        if (ngx_http_btcf_jwks_use(ks, issuer[i - 1]->keys) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    jwks->dummy.fd = (ngx_socket_t) -1;
    jwks->timer.handler = ngx_http_btcf_jwks_tick;
    jwks->timer.data = &jwks->dummy;
    jwks->timer.log = cycle->log;
    jwks->timer.cancelable = 1;

    ngx_http_btcf_jwks_doc_look(&jwks->sets[0]);

    ngx_add_timer(&jwks->timer, NGX_HTTP_BTCF_JWKS_TICK);

    return NGX_OK;
}


void
ngx_http_btcf_jwks_exit(void)
{
    ngx_uint_t               i;
    ngx_http_btcf_jwks_t    *jwks;
    ngx_http_btcf_keyset_t  *ks;

    jwks = &ngx_http_btcf_jwks;

    for (i = 0; i < jwks->nsets; i++) {
        ks = &jwks->sets[i];

        ngx_http_btcf_jwks_drop(ks);

        if (ks->doc) {
            ngx_http_btcf_doc_unref(ks->doc);
        }
    }

    ngx_memzero(jwks, sizeof(ngx_http_btcf_jwks_t));
}


uint64_t
ngx_http_btcf_jwks_generation(const ngx_http_btcf_issuer_t *issuer)
{
    return ngx_http_btcf_jwks.sets[issuer->number].generation;
}


struct btcf_verifier *
ngx_http_btcf_jwks_verifier(const ngx_http_btcf_issuer_t *issuer)
{
    ngx_http_btcf_keyset_t  *ks;

    ks = &ngx_http_btcf_jwks.sets[issuer->number];

    if (issuer->number == 0) {
        ngx_http_btcf_jwks_doc_look(ks);
    }

    return ks->set ? &ks->verifier : NULL;
}


static void
ngx_http_btcf_jwks_tick(ngx_event_t *ev)
{
    ngx_uint_t             i;
    ngx_http_btcf_jwks_t  *jwks;

    jwks = &ngx_http_btcf_jwks;

    ngx_http_btcf_jwks_doc_look(&jwks->sets[0]);

    for (i = 1; i < jwks->nsets; i++) {
        ngx_http_btcf_jwks_file_look(&jwks->sets[i]);
    }

    ngx_add_timer(ev, NGX_HTTP_BTCF_JWKS_TICK);
}


/* What was looked at is not looked at again until it has changed. */

static void
ngx_http_btcf_jwks_file_look(ngx_http_btcf_keyset_t *ks)
{
    const char             *why;
    ngx_file_info_t         fi;
    struct btcf_jwks       *set;
    ngx_http_btcf_stamp_t   stamp;

    ngx_memzero(&stamp, sizeof(ngx_http_btcf_stamp_t));

    if (ngx_file_info(ks->issuer->path.data, &fi) == NGX_FILE_ERROR) {
        if (ks->stamp.inode) {
            ngx_http_btcf_jwks_refused(ks, ngx_errno, "it cannot be found");
        }

        ks->stamp = stamp;
        return;
    }

    ngx_http_btcf_stamp(&stamp, &fi);

    if (ngx_memcmp(&stamp, &ks->stamp, sizeof(ngx_http_btcf_stamp_t)) == 0
        || !ngx_http_btcf_jwks_is_quiet(&stamp))
    {
        return;
    }

    ks->stamp = stamp;

    why = btcf_jwks_load((char *) ks->issuer->path.data, ks->issuer->alg,
                         &set);
    if (why) {
        ngx_http_btcf_jwks_refused(ks, 0, why);
        return;
    }

    if (ngx_http_btcf_jwks_use(ks, set) != NGX_OK) {
        btcf_jwks_free(&set);
        return;
    }

    ngx_log_error(NGX_LOG_NOTICE, ngx_http_btcf_jwks.log, 0,
                  "btcf: key file \"%V\" has changed: %uz keys, %uz left out",
                  &ks->issuer->path, set->count, set->skipped_count);
}


/*
 * A reference to the version last looked at is held, so the same address is
 * the same version. Versions differ without their keys being different: then
 * there is nothing to do, and tokens in the cache remain good.
 */

static void
ngx_http_btcf_jwks_doc_look(ngx_http_btcf_keyset_t *ks)
{
    const char           *why;
    ngx_str_t            *text, *old;
    ngx_uint_t            same;
    struct btcf_jwks     *set;
    ngx_http_btcf_doc_t  *doc;

    doc = ngx_http_btcf_segment_doc(&ngx_http_btcf_jwks_key);

    if (doc == NULL || doc == ks->doc) {
        return;
    }

    text = &doc->body[0][0].body;
    same = 0;

    if (ks->doc) {
        old = &ks->doc->body[0][0].body;

        same = text->len == old->len
               && doc->retired == ks->doc->retired
               && ngx_memcmp(text->data, old->data, text->len) == 0;

        ngx_http_btcf_doc_unref(ks->doc);
    }

    doc->refs++;
    ks->doc = doc;

    if (same) {
        return;
    }

    if (doc->retired) {
        ngx_http_btcf_jwks_drop(ks);
        return;
    }

    why = btcf_jwks_parse((char *) text->data, text->len, NULL, &set);

    if (why) {
        ngx_http_btcf_jwks_refused(ks, 0, why);
        return;
    }

    if (ngx_http_btcf_jwks_use(ks, set) != NGX_OK) {
        btcf_jwks_free(&set);
    }
}


/* Also when the file's clock is ahead of ours. */

static ngx_uint_t
ngx_http_btcf_jwks_is_quiet(const ngx_http_btcf_stamp_t *stamp)
{
    int64_t  age;

    age = ngx_http_btcf_now_ms()
          - ((int64_t) stamp->changed.tv_sec * 1000
             + stamp->changed.tv_nsec / 1000000);

    return age < 0 || age >= NGX_HTTP_BTCF_JWKS_QUIET;
}


/* Takes the set over, unless it fails. */

static ngx_int_t
ngx_http_btcf_jwks_use(ngx_http_btcf_keyset_t *ks, struct btcf_jwks *set)
{
    struct btcf_verifier  verifier;

    if (!btcf_verifier_init(&verifier, set)) {
        ngx_http_btcf_jwks_refused(ks, 0, "there is no memory for its keys");
        return NGX_ERROR;
    }

    ngx_http_btcf_jwks_drop(ks);

    ks->set = set;
    ks->verifier = verifier;
    ks->generation = ++ngx_http_btcf_jwks.generation;

    return NGX_OK;
}


/* The keys that the worker began with belong to the configuration. */

static void
ngx_http_btcf_jwks_drop(ngx_http_btcf_keyset_t *ks)
{
    if (ks->set == NULL) {
        return;
    }

    btcf_verifier_release(&ks->verifier);

    if (ks->set != ks->issuer->keys) {
        btcf_jwks_free(&ks->set);
    }

    ks->set = NULL;
    ks->generation = 0;
}


static void
ngx_http_btcf_jwks_refused(const ngx_http_btcf_keyset_t *ks, ngx_err_t err,
    const char *why)
{
    btcf_count(&ngx_http_btcf_jwks.metrics->keyset_refused, 1);

    ngx_log_error(NGX_LOG_ERR, ngx_http_btcf_jwks.log, err,
                  "btcf: the keys of \"%V\" are not used: %s%s",
                  ks->issuer->path.len ? &ks->issuer->path
                                       : &ngx_http_btcf_jwks_key,
                  why, ks->set ? "; those in use stay" : "");
}


void
ngx_http_btcf_stamp(ngx_http_btcf_stamp_t *stamp, const ngx_file_info_t *fi)
{
    ngx_memzero(stamp, sizeof(ngx_http_btcf_stamp_t));

    stamp->inode = ngx_file_uniq(fi);
    stamp->device = fi->st_dev;
    stamp->size = ngx_file_size(fi);
    stamp->changed = fi->st_mtim;
}
