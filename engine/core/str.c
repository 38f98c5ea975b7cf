/* Slices, capped buffers and strict numbers. Nothing here knows what the text means. */
#include "core/str.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STRBUF_SIZE_FIRST 256
#define NUMBER_LEN_MAX 63
#define WORD_LEN_MAX 63

struct str str_of(const char *text)
{
    return (struct str){text, strlen(text)};
}

bool str_equal(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool str_is(struct str a, const char *text)
{
    return str_equal(a, str_of(text));
}

bool str_has_prefix(struct str text, const char *prefix)
{
    size_t len = strlen(prefix);

    return text.len >= len && memcmp(text.ptr, prefix, len) == 0;
}

struct str str_cut(struct str *text, char separator)
{
    struct str head = *text;
    const char *at = text->len == 0 ? NULL : memchr(text->ptr, separator, text->len);

    if (at == NULL) {
        *text = (struct str){NULL, 0};
        return head;
    }
    head.len = (size_t)(at - text->ptr);
    text->len -= head.len + 1;
    text->ptr = at + 1;
    return head;
}

int str_parse_i64(struct str text, int64_t *value)
{
    bool negative = text.len > 0 && text.ptr[0] == '-';
    int64_t sum = 0;

    if (text.len == (size_t)negative)
        return -1;
    for (size_t i = (size_t)negative; i < text.len; i++) {
        int digit = text.ptr[i] - '0';

        if (digit < 0 || digit > 9)
            return -1;
        /* Summed on the negative side, where one more value fits. */
        if (__builtin_mul_overflow(sum, 10, &sum) || __builtin_sub_overflow(sum, digit, &sum))
            return -1;
    }
    if (!negative && __builtin_sub_overflow((int64_t)0, sum, &sum))
        return -1;
    *value = sum;
    return 0;
}

/* [-]digits[.digits][e[+-]digits], at least one digit in front of the exponent. */
static bool is_decimal(struct str text)
{
    size_t i = 0, digits = 0;

    if (i < text.len && text.ptr[i] == '-')
        i++;
    for (; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++)
        digits++;
    if (i < text.len && text.ptr[i] == '.')
        for (i++; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++)
            digits++;
    if (digits == 0)
        return false;
    if (i == text.len)
        return true;
    if (text.ptr[i] != 'e' && text.ptr[i] != 'E')
        return false;
    i++;
    if (i < text.len && (text.ptr[i] == '+' || text.ptr[i] == '-'))
        i++;
    if (i == text.len)
        return false;
    for (; i < text.len; i++)
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
    return true;
}

int str_parse_double(struct str text, double *value)
{
    char copy[NUMBER_LEN_MAX + 1];

    if (text.len == 0 || text.len > NUMBER_LEN_MAX || !is_decimal(text))
        return -1;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';

    double parsed = strtod(copy, NULL);
    if (!isfinite(parsed))
        return -1;
    *value = parsed;
    return 0;
}

/* One row at a time: row[j] is the distance of a's first i characters to b's first j. */
size_t str_distance(const char *a, const char *b)
{
    size_t row[WORD_LEN_MAX + 1];
    size_t a_len = strlen(a), b_len = strlen(b);

    if (a_len > WORD_LEN_MAX || b_len > WORD_LEN_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 0; i < a_len; i++) {
        size_t diagonal = row[0];

        row[0] = i + 1;
        for (size_t j = 0; j < b_len; j++) {
            size_t replaced = diagonal + (a[i] != b[j]);
            size_t shifted = (row[j] < row[j + 1] ? row[j] : row[j + 1]) + 1;

            diagonal = row[j + 1];
            row[j + 1] = replaced < shifted ? replaced : shifted;
        }
    }
    return row[b_len];
}

void strbuf_init(struct strbuf *buf, size_t size_max)
{
    *buf = (struct strbuf){.size = STRBUF_SIZE_FIRST < size_max ? STRBUF_SIZE_FIRST : size_max, .size_max = size_max};
    buf->ptr = malloc(buf->size);
    if (buf->ptr == NULL || size_max == 0)
        abort();
    buf->ptr[0] = '\0';
}

void strbuf_release(struct strbuf *buf)
{
    free(buf->ptr);
    *buf = (struct strbuf){0};
}

void strbuf_reset(struct strbuf *buf)
{
    buf->len = 0;
    buf->failed = false;
    buf->ptr[0] = '\0';
}

bool strbuf_failed(const struct strbuf *buf)
{
    return buf->failed;
}

/* Makes room for `len` more bytes and the NUL. False, and the buffer marked failed, when that passes the cap. */
static bool strbuf_reserve(struct strbuf *buf, size_t len)
{
    if (len >= buf->size_max - buf->len) {
        buf->failed = true;
        return false;
    }
    size_t need = buf->len + len + 1;
    if (need <= buf->size)
        return true;

    size_t size = buf->size;
    while (size < need)
        size = size > buf->size_max / 2 ? buf->size_max : size * 2;
    buf->ptr = realloc(buf->ptr, size);
    if (buf->ptr == NULL)
        abort();
    buf->size = size;
    return true;
}

void strbuf_add(struct strbuf *buf, const void *bytes, size_t len)
{
    if (len == 0 || !strbuf_reserve(buf, len))
        return;
    memcpy(buf->ptr + buf->len, bytes, len);
    buf->len += len;
    buf->ptr[buf->len] = '\0';
}

void strbuf_add_text(struct strbuf *buf, const char *text)
{
    strbuf_add(buf, text, strlen(text));
}

void strbuf_add_char(struct strbuf *buf, char c)
{
    strbuf_add(buf, &c, 1);
}

void strbuf_vprintf(struct strbuf *buf, const char *fmt, va_list args)
{
    va_list again;

    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (len < 0 || !strbuf_reserve(buf, (size_t)len))
        return;
    vsnprintf(buf->ptr + buf->len, (size_t)len + 1, fmt, args);
    buf->len += (size_t)len;
}

void strbuf_printf(struct strbuf *buf, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    strbuf_vprintf(buf, fmt, args);
    va_end(args);
}
