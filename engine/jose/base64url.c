/* The table has a value above 63 for every character outside of the alphabet, so that a group of four is checked with
 * one comparison: what is above the sixth bit survives being or-ed.
 */
#include "jose/base64url.h"

#define NO 0xff

/* By byte. */
static const unsigned char value_of[256] = {
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, 62, NO, NO, 52, 53, 54, 55,
    56, 57, 58, 59, 60, 61, NO, NO, NO, NO, NO, NO, NO, 0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12,
    13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, NO, NO, NO, NO, 63, NO, 26, 27, 28, 29, 30, 31, 32,
    33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
};

static unsigned value(char c)
{
    return value_of[(unsigned char)c];
}

/* The two or three characters behind the last group of four. */
static bool decode_tail(const char *text, size_t tail_len, unsigned char *bytes)
{
    unsigned a = value(text[0]), b = value(text[1]), c = tail_len == 3 ? value(text[2]) : 0;

    if ((a | b | c) > 63)
        return false;
    bytes[0] = (unsigned char)(a << 2 | b >> 4);
    if (tail_len == 2)
        return (b & 15) == 0;
    bytes[1] = (unsigned char)(b << 4 | c >> 2);
    return (c & 3) == 0;
}

bool btcf_base64url_decode(const char *text, size_t text_len, unsigned char *bytes, size_t bytes_max,
                           size_t *bytes_len)
{
    size_t tail_len = text_len % 4;
    size_t len = text_len / 4 * 3 + (tail_len > 1 ? tail_len - 1 : 0);

    if (tail_len == 1 || len > bytes_max)
        return false;
    for (const char *end = text + (text_len - tail_len); text < end; text += 4, bytes += 3) {
        unsigned a = value(text[0]), b = value(text[1]), c = value(text[2]), d = value(text[3]);

        if ((a | b | c | d) > 63)
            return false;
        bytes[0] = (unsigned char)(a << 2 | b >> 4);
        bytes[1] = (unsigned char)(b << 4 | c >> 2);
        bytes[2] = (unsigned char)(c << 6 | d);
    }
    if (tail_len > 0 && !decode_tail(text, tail_len, bytes))
        return false;
    *bytes_len = len;
    return true;
}
