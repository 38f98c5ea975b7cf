/* Sixteen characters at a time where the processor can look up sixteen bytes at once (SSSE3, 2006), and the rest by fours.
 *
 * By fours, the table has a value above 63 for every character outside of the alphabet, so that a group is checked with
 * one comparison: what is above the sixth bit survives being or-ed.
 *
 * By sixteens, a character's upper half chooses what is added to make it its value, because within one row of the ASCII
 * table the alphabet has no gap but for the underscore (W. Mula and D. Lemire, "Faster Base64 Encoding and Decoding Using
 * AVX2 Instructions", 2018). Whether it is of the alphabet at all takes two more look-ups: the upper half gives a bit to
 * each row, the lower half the bits of all rows that have nothing at that column.
 */
#include "jose/base64url.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

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

/* What of a text has been decoded, and where the rest of it goes. */
struct progress {
    const char *text, *end; /* whole groups of four */
    unsigned char *bytes;
    size_t room;
};

#if defined(__x86_64__)

#define STEP_TEXT 16
#define STEP_BYTES 12
#define STEP_STORED 16

/* True when all of them were of the alphabet. Stops where a whole step would not fit: 16 bytes are written for 12. */
__attribute__((target("ssse3"))) static bool decode_sixteens(struct progress *progress)
{
    /* By the upper half: rows 2 to 7 hold the alphabet, 4 and 6 at the same columns. */
    const __m128i row = _mm_setr_epi8(32, 32, 1, 2, 4, 8, 4, 16, 32, 32, 32, 32, 32, 32, 32, 32);
    const __m128i gaps = _mm_setr_epi8(37, 33, 33, 33, 33, 33, 33, 33, 33, 33, 35, 59, 59, 58, 59, 51);
    const __m128i add = _mm_setr_epi8(0, 0, 17, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0);
    const __m128i half = _mm_set1_epi8(15);
    const __m128i packed = _mm_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1);
    __m128i foreign = _mm_setzero_si128();

    while (progress->end - progress->text >= STEP_TEXT && progress->room >= STEP_STORED) {
        __m128i text = _mm_loadu_si128((const __m128i *)(const void *)progress->text);
        __m128i upper = _mm_and_si128(_mm_srli_epi32(text, 4), half);
        __m128i in_gap =
            _mm_and_si128(_mm_shuffle_epi8(row, upper), _mm_shuffle_epi8(gaps, _mm_and_si128(text, half)));
        __m128i underscore = _mm_and_si128(_mm_cmpeq_epi8(text, _mm_set1_epi8('_')), _mm_set1_epi8(33));
        __m128i value = _mm_add_epi8(_mm_add_epi8(text, _mm_shuffle_epi8(add, upper)), underscore);
        /* Six bits each: two to twelve, four to twenty-four, the three bytes of which are then put in order. */
        __m128i twelve = _mm_maddubs_epi16(value, _mm_set1_epi32(0x01400140));
        __m128i bytes = _mm_shuffle_epi8(_mm_madd_epi16(twelve, _mm_set1_epi32(0x00011000)), packed);

        foreign = _mm_or_si128(foreign, in_gap);
        _mm_storeu_si128((__m128i *)(void *)progress->bytes, bytes);
        progress->text += STEP_TEXT;
        progress->bytes += STEP_BYTES;
        progress->room -= STEP_BYTES;
    }
    return _mm_movemask_epi8(_mm_cmpeq_epi8(foreign, _mm_setzero_si128())) == 0xffff;
}

static bool decode_steps(struct progress *progress)
{
    return __builtin_cpu_supports("ssse3") == 0 || decode_sixteens(progress);
}

#else

static bool decode_steps(struct progress *progress)
{
    (void)progress;
    return true;
}

#endif

static bool decode_fours(struct progress *progress)
{
    for (; progress->text < progress->end; progress->text += 4, progress->bytes += 3) {
        unsigned a = value(progress->text[0]), b = value(progress->text[1]), c = value(progress->text[2]),
                 d = value(progress->text[3]);

        if ((a | b | c | d) > 63)
            return false;
        progress->bytes[0] = (unsigned char)(a << 2 | b >> 4);
        progress->bytes[1] = (unsigned char)(b << 4 | c >> 2);
        progress->bytes[2] = (unsigned char)(c << 6 | d);
    }
    return true;
}

bool btcf_base64url_decode(const char *text, size_t text_len, unsigned char *bytes, size_t bytes_max,
                           size_t *bytes_len)
{
    size_t tail_len = text_len % 4;
    size_t len = text_len / 4 * 3 + (tail_len > 1 ? tail_len - 1 : 0);
    struct progress progress = {text, text + (text_len - tail_len), bytes, bytes_max};

    if (tail_len == 1 || len > bytes_max)
        return false;
    if (!decode_steps(&progress) || !decode_fours(&progress))
        return false;
    if (tail_len > 0 && !decode_tail(progress.text, tail_len, progress.bytes))
        return false;
    *bytes_len = len;
    return true;
}
