
/*
 * What the client says about what it has and what it can read: conditional
 * requests (RFC 9110, section 13) and Accept-Encoding (section 12.5.3).
 *
 * nginx's own not-modified filter wants If-None-Match and If-Modified-Since
 * both to hold, where the RFC lets the tag alone decide; so our answers are
 * settled here. Both functions only read.
 */


#include "ngx_http_btcf.h"


/* q-values in thousandths; not named at all */
#define NGX_HTTP_BTCF_Q_UNSET  -1


static ngx_uint_t ngx_http_btcf_tag_matches(const ngx_str_t *list,
    const ngx_str_t *etag, ngx_uint_t weak);
static u_char *ngx_http_btcf_skip_space(u_char *p, u_char *last);
static u_char *ngx_http_btcf_next_coding(u_char *p, u_char *last,
    ngx_str_t *name, ngx_int_t *q);
static ngx_int_t ngx_http_btcf_qvalue(u_char *p, u_char *last);


ngx_int_t
ngx_http_btcf_conditional(ngx_http_request_t *r,
    const ngx_http_btcf_answer_t *answer)
{
    time_t               since;
    ngx_http_headers_in_t  *in;

    in = &r->headers_in;

    if (in->if_match) {
        if (!ngx_http_btcf_tag_matches(&in->if_match->value, &answer->etag, 0))
        {
            return NGX_HTTP_PRECONDITION_FAILED;
        }

    } else if (in->if_unmodified_since) {
        since = ngx_parse_http_time(in->if_unmodified_since->value.data,
                                    in->if_unmodified_since->value.len);

        if (since != NGX_ERROR && since < answer->modified) {
            return NGX_HTTP_PRECONDITION_FAILED;
        }
    }

    if (in->if_none_match) {
        return ngx_http_btcf_tag_matches(&in->if_none_match->value,
                                         &answer->etag, 1)
               ? NGX_HTTP_NOT_MODIFIED : NGX_OK;
    }

    if (in->if_modified_since) {
        since = ngx_parse_http_time(in->if_modified_since->value.data,
                                    in->if_modified_since->value.len);

        if (since != NGX_ERROR && since >= answer->modified) {
            return NGX_HTTP_NOT_MODIFIED;
        }
    }

    return NGX_OK;
}


/*
 * gzip when it is allowed and identity is not liked better. An identity that
 * is not named is acceptable, but "gzip" asks for gzip; "*" stands for what is
 * not named.
 */

ngx_uint_t
ngx_http_btcf_accepts_gzip(ngx_http_request_t *r)
{
#if (NGX_HTTP_GZIP)

    u_char     *p, *last;
    ngx_int_t   q, gzip, identity, any;
    ngx_str_t   name;

    if (r->headers_in.accept_encoding == NULL) {
        return 0;
    }

    p = r->headers_in.accept_encoding->value.data;
    last = p + r->headers_in.accept_encoding->value.len;

    gzip = NGX_HTTP_BTCF_Q_UNSET;
    identity = NGX_HTTP_BTCF_Q_UNSET;
    any = NGX_HTTP_BTCF_Q_UNSET;

    while (p < last) {
        p = ngx_http_btcf_next_coding(p, last, &name, &q);

        if (name.len == 4
            && ngx_strncasecmp(name.data, (u_char *) "gzip", 4) == 0)
        {
            gzip = q;

        } else if (name.len == 6
                   && ngx_strncasecmp(name.data, (u_char *) "x-gzip", 6) == 0)
        {
            gzip = q;

        } else if (name.len == 8
                   && ngx_strncasecmp(name.data, (u_char *) "identity", 8)
                      == 0)
        {
            identity = q;

        } else if (name.len == 1 && name.data[0] == '*') {
            any = q;
        }
    }

    if (gzip == NGX_HTTP_BTCF_Q_UNSET) {
        gzip = any;
    }

    return gzip > 0 && gzip >= identity;

#else

    return 0;

#endif
}


/* "*", or a list of tags; tags may hold commas, and lists empty elements. */

static ngx_uint_t
ngx_http_btcf_tag_matches(const ngx_str_t *list, const ngx_str_t *etag,
    ngx_uint_t weak)
{
    u_char      *p, *last, *start;
    ngx_uint_t   is_weak;

    p = list->data;
    last = p + list->len;

    if (list->len == 1 && *p == '*') {
        return 1;
    }

    while (p < last) {
        p = ngx_http_btcf_skip_space(p, last);

        is_weak = (last - p > 2 && p[0] == 'W' && p[1] == '/');

        if (is_weak) {
            p += 2;
        }

        if (p == last || *p != '"') {
            return 0;
        }

        for (start = p++; p < last && *p != '"'; p++) {
            /* void */
        }

        if (p++ == last) {
            return 0;
        }

        if ((weak || !is_weak)
            && (size_t) (p - start) == etag->len
            && ngx_memcmp(start, etag->data, etag->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


/* past blanks and the commas between elements */

static u_char *
ngx_http_btcf_skip_space(u_char *p, u_char *last)
{
    while (p < last && (*p == ' ' || *p == '\t' || *p == ',')) {
        p++;
    }

    return p;
}


/* Takes one element of the list, `name [;q=...]`, and returns its end. */

static u_char *
ngx_http_btcf_next_coding(u_char *p, u_char *last, ngx_str_t *name,
    ngx_int_t *q)
{
    u_char  *end, *param;

    p = ngx_http_btcf_skip_space(p, last);

    end = ngx_strlchr(p, last, ',');
    if (end == NULL) {
        end = last;
    }

    param = ngx_strlchr(p, end, ';');

    *q = param ? ngx_http_btcf_qvalue(param, end) : 1000;

    if (param == NULL) {
        param = end;
    }

    while (param > p && (param[-1] == ' ' || param[-1] == '\t')) {
        param--;
    }

    name->data = p;
    name->len = param - p;

    return end;
}


/* `; q=0.123` in thousandths. What cannot be read counts as 0: not wanted. */

static ngx_int_t
ngx_http_btcf_qvalue(u_char *p, u_char *last)
{
    ngx_int_t   q, scale;

    for (p++; p < last && (*p == ' ' || *p == '\t'); p++) {
        /* void */
    }

    if (last - p < 3 || (p[0] | 0x20) != 'q' || p[1] != '='
        || (p[2] != '0' && p[2] != '1'))
    {
        return 0;
    }

    q = (p[2] - '0') * 1000;
    p += 3;

    if (p < last && *p == '.') {
        p++;

        for (scale = 100; p < last && *p >= '0' && *p <= '9'; p++) {
            q += (*p - '0') * scale;
            scale /= 10;
        }
    }

    return ngx_min(q, 1000);
}
