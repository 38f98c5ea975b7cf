/* SCGI in: the bytes that nginx's scgi_pass sends, taken apart. Pure; the specification is "SCGI: A Simple Common Gateway
 * Interface alternative" (Schemenauer 2008).
 *
 *     "<length>:" name NUL value NUL ... "," body        CONTENT_LENGTH comes first, SCGI=1 is there
 *
 * Texts are borrowed from the bytes. The parser is given everything that has arrived so far and starts anew each time: a
 * request is at most SCGI_BYTES_MAX long.
 */
#ifndef HTTP_SCGI_H
#define HTTP_SCGI_H

#include "core/base.h"
#include "core/str.h"

#define SCGI_HEAD_MAX 32768
#define SCGI_PARAMS_MAX 128
#define SCGI_BODY_MAX 65536
#define SCGI_BYTES_MAX (SCGI_HEAD_MAX + SCGI_BODY_MAX + 16)

enum scgi_outcome {
    SCGI_MORE,   /* not all of it has arrived */
    SCGI_WHOLE,  /* the request is complete */
    SCGI_BROKEN, /* these bytes will never be a request, or one beyond the limits; the error frame says why */
};

struct scgi_request {
    size_t count;
    struct str names[SCGI_PARAMS_MAX], values[SCGI_PARAMS_MAX];
    struct str body;
};

enum scgi_outcome scgi_parse(struct str bytes, struct scgi_request *request);

/* The value of a parameter; ptr NULL when it was not sent. Of two the first counts. */
struct str scgi_param(const struct scgi_request *request, const char *name);

#endif
