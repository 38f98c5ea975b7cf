/* Text: a borrowed slice (str), a capped growing buffer (strbuf), and strict number parsers.
 *
 * A slice never owns and need not end in NUL. A strbuf always ends in NUL, never grows past the maximum it was
 * given, and remembers that it was asked to: check strbuf_failed once, after the last append.
 */
#ifndef CORE_STR_H
#define CORE_STR_H

#include <stdarg.h>

#include "core/base.h"

struct str {
    const char *ptr;
    size_t len;
};

#define STR_LIT(literal) ((struct str){(literal), sizeof(literal) - 1})

struct str str_of(const char *text);
bool str_equal(struct str a, struct str b);
bool str_is(struct str a, const char *text);
bool str_has_prefix(struct str text, const char *prefix);

/* Cuts `text` at the first `separator`: returns what stands before it and moves *text behind it. Without a separator
 * returns all and leaves *text with ptr NULL, so `while (text.ptr != NULL)` visits every field, empty ones too. */
struct str str_cut(struct str *text, char separator);

/* Strict: the whole slice, no spaces, no sign but '-', no overflow. 0, or -1 without touching the error frame. */
int str_parse_i64(struct str text, int64_t *value);

/* Strict decimal: digits with optional point and exponent; no spaces, hex, infinity or nan; finite result. As above. */
int str_parse_double(struct str text, double *value);

/* Levenshtein's edit distance, for "did you mean": SIZE_MAX when either text is longer than 63 bytes. Up to
 * STR_DISTANCE_MEANT_MAX slips may still be a mistyped word; more is another word. */
#define STR_DISTANCE_MEANT_MAX 2
size_t str_distance(const char *a, const char *b);

struct strbuf {
    char *ptr; /* NUL-terminated, never NULL after init */
    size_t len, size, size_max;
    bool failed; /* an append did not fit below size_max; contents are then cut */
};

/* `size_max` bounds the buffer, its NUL included. The heap is used; out of memory ends the process. */
void strbuf_init(struct strbuf *buf, size_t size_max);
void strbuf_release(struct strbuf *buf);
void strbuf_reset(struct strbuf *buf);
bool strbuf_failed(const struct strbuf *buf);

void strbuf_add(struct strbuf *buf, const void *bytes, size_t len);
void strbuf_add_text(struct strbuf *buf, const char *text);
void strbuf_add_char(struct strbuf *buf, char c);
void strbuf_printf(struct strbuf *buf, const char *fmt, ...) BTCF_PRINTF(2, 3);
void strbuf_vprintf(struct strbuf *buf, const char *fmt, va_list args) BTCF_PRINTF(2, 0);

#endif
