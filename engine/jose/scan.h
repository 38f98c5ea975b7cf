/* A strict scanner of one JSON object or array, member by member, without a tree and without allocating.
 *
 *     btcf_scan_init(&scan, text, len);
 *     while (btcf_scan_next(&scan, &member))
 *         ... member.name, member.value ...
 *     if (scan.failed) the text as a whole is refused, whatever was seen before
 *
 * Whatever it accepts is JSON (RFC 8259), and stricter than that: UTF-8, no NUL, no lone surrogate, no name twice in
 * one object, no backslash in a name, integers that fit 64 bits, no more than BTCF_SCAN_DEPTH_MAX levels and
 * BTCF_SCAN_NAMES_MAX names open at a time. Nested values are checked in full and given as they stand; an array may be
 * scanned in turn. A header or the claims of a token are flat, and parsing them into a tree costs more than their HMAC.
 */
#ifndef BTCF_JOSE_SCAN_H
#define BTCF_JOSE_SCAN_H

#include <string.h>

#include "core/base.h"

#define BTCF_SCAN_DEPTH_MAX 8
#define BTCF_SCAN_NAMES_MAX 64

struct btcf_text {
    const char *ptr; /* not NUL-terminated */
    size_t len;
};

enum btcf_kind {
    BTCF_JSON_STRING,
    BTCF_JSON_INTEGER,
    BTCF_JSON_REAL, /* a number with a fraction or an exponent */
    BTCF_JSON_BOOL,
    BTCF_JSON_NULL,
    BTCF_JSON_ARRAY,
    BTCF_JSON_OBJECT,
};

struct btcf_member {
    struct btcf_text name; /* empty in an array */
    enum btcf_kind kind;
    struct btcf_text text; /* of a string, what it means; of all others, how they are written */
    int64_t integer;       /* of an integer; of a real without exponent, its part before the point */
    bool has_exponent;     /* of a real */
};

struct btcf_scan {
    char *at, *end;
    char closer; /* '}' or ']' */
    bool is_first, is_done, failed;
    size_t name_count;
    struct btcf_text names[BTCF_SCAN_NAMES_MAX]; /* of all objects that are open, outermost first */
};

/* `text` is the caller's own copy: strings are unescaped in place, so it can be scanned once only. It outlives all
 * that the scanner gives out. */
void btcf_scan_init(struct btcf_scan *scan, char *text, size_t len);

/* The next member; false at the end, and at the first fault (scan->failed). The end has been seen, with nothing but white
 * space behind it, when it returns false without a fault. */
bool btcf_scan_next(struct btcf_scan *scan, struct btcf_member *member) BTCF_MUST_CHECK;

/* A text of a literal, for tables: names are looked up for every member, so their lengths are known beforehand. */
#define BTCF_TEXT(literal)                                                                                           \
    {                                                                                                                \
        literal, sizeof(literal) - 1                                                                                 \
    }

/* Most names that are compared differ in the first character, and are then not worth a call. */
static inline bool btcf_text_is_equal(struct btcf_text a, struct btcf_text b)
{
    return a.len == b.len && (a.len == 0 || (a.ptr[0] == b.ptr[0] && memcmp(a.ptr, b.ptr, a.len) == 0));
}

/* Whether the text is exactly `expected`, which is NUL-terminated. */
static inline bool btcf_text_is(struct btcf_text text, const char *expected)
{
    return btcf_text_is_equal(text, (struct btcf_text){expected, strlen(expected)});
}

#endif
