/* Recursive descent over the text itself; every function moves scan->at behind what it read, or returns false, which
 * ends the scan for good. The recursion is as deep as BTCF_SCAN_DEPTH_MAX.
 *
 * Names are compared with those of the same object only. They lie on one small stack: an object remembers how high it was
 * when it began, and lets it fall back at its end. Refusing backslashes in names is what makes their bytes comparable.
 */
#include "jose/scan.h"

#include <string.h>

#define INTEGER_DIGITS_MAX 19
#define NUMBER_SIZE_MAX 40
#define EXPONENT_DIGITS_MAX 2

static bool read_value(struct btcf_scan *scan, struct btcf_member *value, unsigned depth);
static bool read_name(struct btcf_scan *scan, size_t first_name, struct btcf_text *name);
static bool read_string(struct btcf_scan *scan, bool is_unescaped, struct btcf_text *text);
static void skip_space(struct btcf_scan *scan);
static bool take(struct btcf_scan *scan, char c);

void btcf_scan_init(struct btcf_scan *scan, char *text, size_t len)
{
    scan->at = text;
    scan->end = text + len;
    scan->is_first = true;
    scan->is_done = false;
    scan->name_count = 0;
    skip_space(scan);
    scan->closer = take(scan, '{') ? '}' : ']';
    scan->failed = scan->closer == ']' && !take(scan, '[');
}

/* What stands between two members: a comma, or the end of the whole text. */
static bool read_separator(struct btcf_scan *scan)
{
    skip_space(scan);
    if (take(scan, scan->closer)) {
        scan->is_done = true;
        skip_space(scan);
        return scan->at == scan->end;
    }
    bool is_fine = scan->is_first || take(scan, ',');
    scan->is_first = false;
    skip_space(scan);
    return is_fine;
}

bool btcf_scan_next(struct btcf_scan *scan, struct btcf_member *member)
{
    if (scan->failed || scan->is_done)
        return false;
    if (!read_separator(scan))
        scan->failed = true;
    if (scan->failed || scan->is_done)
        return false;
    member->name = (struct btcf_text){"", 0};
    if ((scan->closer == '}' && !read_name(scan, 0, &member->name)) || !read_value(scan, member, 1))
        scan->failed = true;
    return !scan->failed;
}

static void skip_space(struct btcf_scan *scan)
{
    while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\n' || *scan->at == '\r'))
        scan->at++;
}

static bool take(struct btcf_scan *scan, char c)
{
    if (scan->at == scan->end || *scan->at != c)
        return false;
    scan->at++;
    return true;
}

/* "name": and what is known of the object's other names, which begin at first_name. */
static bool read_name(struct btcf_scan *scan, size_t first_name, struct btcf_text *name)
{
    if (!take(scan, '"') || !read_string(scan, false, name) || memchr(name->ptr, '\\', name->len) != NULL)
        return false;
    for (size_t i = first_name; i < scan->name_count; i++)
        if (btcf_text_is_equal(scan->names[i], *name))
            return false;
    if (scan->name_count == BTCF_SCAN_NAMES_MAX)
        return false;
    scan->names[scan->name_count++] = *name;
    skip_space(scan);
    if (!take(scan, ':'))
        return false;
    skip_space(scan);
    return true;
}

/* The rest of an object or array that is not the outermost: checked, not given out. */
static bool skip_members(struct btcf_scan *scan, char closer, unsigned depth)
{
    size_t first_name = scan->name_count;
    struct btcf_member ignored;
    bool is_first = true;

    if (depth > BTCF_SCAN_DEPTH_MAX)
        return false;
    for (skip_space(scan); !take(scan, closer); skip_space(scan)) {
        if (!is_first && !take(scan, ','))
            return false;
        is_first = false;
        skip_space(scan);
        if (closer == '}' && !read_name(scan, first_name, &ignored.name))
            return false;
        if (!read_value(scan, &ignored, depth))
            return false;
    }
    scan->name_count = first_name;
    return true;
}

static size_t count_digits(const char *at, const char *end)
{
    const char *begin = at;

    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return (size_t)(at - begin);
}

/* The digits before the point; a zero stands alone. */
static bool read_integer(struct btcf_scan *scan, int64_t *integer)
{
    bool is_negative = take(scan, '-');
    size_t count = count_digits(scan->at, scan->end);
    int64_t sum = 0;

    if (count == 0 || count > INTEGER_DIGITS_MAX || (count > 1 && *scan->at == '0'))
        return false;
    /* Downwards, because the range goes one further there. */
    for (; count > 0; count--)
        if (__builtin_mul_overflow(sum, 10, &sum) || __builtin_sub_overflow(sum, *scan->at++ - '0', &sum))
            return false;
    *integer = sum;
    return is_negative || !__builtin_sub_overflow(0, sum, integer);
}

static bool read_fraction(struct btcf_scan *scan)
{
    size_t count = count_digits(scan->at, scan->end);

    scan->at += count;
    return count > 0;
}

/* At most two digits, so that no number is beyond what a double holds. */
static bool read_exponent(struct btcf_scan *scan)
{
    if (!take(scan, '+'))
        (void)take(scan, '-');
    size_t count = count_digits(scan->at, scan->end);

    scan->at += count;
    return count > 0 && count <= EXPONENT_DIGITS_MAX;
}

static bool read_number(struct btcf_scan *scan, struct btcf_member *value)
{
    const char *begin = scan->at;

    value->kind = BTCF_JSON_INTEGER;
    value->has_exponent = false;
    if (!read_integer(scan, &value->integer))
        return false;
    if (take(scan, '.')) {
        value->kind = BTCF_JSON_REAL;
        if (!read_fraction(scan))
            return false;
    }
    if (take(scan, 'e') || take(scan, 'E')) {
        value->kind = BTCF_JSON_REAL;
        value->has_exponent = true;
        if (!read_exponent(scan))
            return false;
    }
    value->text = (struct btcf_text){begin, (size_t)(scan->at - begin)};
    return value->text.len <= NUMBER_SIZE_MAX;
}

static bool read_word(struct btcf_scan *scan, struct btcf_member *value)
{
    static const struct {
        const char *word;
        enum btcf_kind kind;
    } words[] = {{"true", BTCF_JSON_BOOL}, {"false", BTCF_JSON_BOOL}, {"null", BTCF_JSON_NULL}};

    for (size_t i = 0; i < BTCF_LENGTH(words); i++) {
        size_t len = strlen(words[i].word);

        if ((size_t)(scan->end - scan->at) >= len && memcmp(scan->at, words[i].word, len) == 0) {
            value->kind = words[i].kind;
            value->text = (struct btcf_text){scan->at, len};
            scan->at += len;
            return true;
        }
    }
    return false;
}

/* Only strings of the outermost level are given out by their meaning. */
static bool read_value(struct btcf_scan *scan, struct btcf_member *value, unsigned depth)
{
    char *begin = scan->at;

    if (take(scan, '"')) {
        value->kind = BTCF_JSON_STRING;
        return read_string(scan, depth == 1, &value->text);
    }
    if (take(scan, '{') || take(scan, '[')) {
        bool is_object = *begin == '{';

        if (!skip_members(scan, is_object ? '}' : ']', depth + 1))
            return false;
        value->kind = is_object ? BTCF_JSON_OBJECT : BTCF_JSON_ARRAY;
        value->text = (struct btcf_text){begin, (size_t)(scan->at - begin)};
        return true;
    }
    if (begin < scan->end && (*begin == '-' || (*begin >= '0' && *begin <= '9')))
        return read_number(scan, value);
    return read_word(scan, value);
}

static bool read_hex(struct btcf_scan *scan, unsigned *code)
{
    *code = 0;
    if (scan->end - scan->at < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        char c = *scan->at++;
        char lower = (char)(c | 0x20);

        if (c >= '0' && c <= '9')
            *code = *code << 4 | (unsigned)(c - '0');
        else if (lower >= 'a' && lower <= 'f')
            *code = *code << 4 | (unsigned)(lower - 'a' + 10);
        else
            return false;
    }
    return true;
}

/* The four digits behind \u, and the second half of a pair. No NUL, which would end the text for somebody behind us. */
static bool read_code_point(struct btcf_scan *scan, unsigned *code)
{
    unsigned low;

    if (!read_hex(scan, code) || *code == 0 || (*code >= 0xdc00 && *code <= 0xdfff))
        return false;
    if (*code < 0xd800 || *code > 0xdbff)
        return true;
    if (!take(scan, '\\') || !take(scan, 'u') || !read_hex(scan, &low) || low < 0xdc00 || low > 0xdfff)
        return false;
    *code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
    return true;
}

/* UTF-8 is never longer than the escape it was written as. */
static char *put_code_point(char *out, unsigned code)
{
    if (code < 0x80) {
        *out++ = (char)code;
        return out;
    }
    if (code < 0x800) {
        *out++ = (char)(0xc0 | code >> 6);
    } else {
        if (code < 0x10000) {
            *out++ = (char)(0xe0 | code >> 12);
        } else {
            *out++ = (char)(0xf0 | code >> 18);
            *out++ = (char)(0x80 | (code >> 12 & 0x3f));
        }
        *out++ = (char)(0x80 | (code >> 6 & 0x3f));
    }
    *out++ = (char)(0x80 | (code & 0x3f));
    return out;
}

/* Behind a backslash: what it stands for. */
static bool read_escape(struct btcf_scan *scan, unsigned *code)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";

    if (take(scan, 'u'))
        return read_code_point(scan, code);
    const char *letter = scan->at < scan->end ? memchr(letters, *scan->at, sizeof letters - 1) : NULL;
    if (letter == NULL)
        return false;
    scan->at++;
    *code = (unsigned)meanings[letter - letters];
    return true;
}

/* Bytes of the UTF-8 sequence that begins here (RFC 3629), 0 when it is not one. */
static size_t utf8_size(const unsigned char *at, size_t room)
{
    unsigned char first = at[0];
    size_t size = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;

    if (size == 0 || size > room)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    /* Too long for what it says, half of a pair, beyond the last code point. */
    if ((first == 0xe0 && at[1] < 0xa0) || (first == 0xed && at[1] > 0x9f) || (first == 0xf0 && at[1] < 0x90) ||
        (first == 0xf4 && at[1] > 0x8f))
        return 0;
    return size;
}

/* Whatever a string may have in it as it stands, eight bytes at a time: up to the first quote, backslash, control
 * character or byte above ASCII, or to where fewer than eight are left. In each byte of `found` the highest bit says
 * "this is one"; subtracting borrows from the next byte only where it is one itself, so the lowest such bit is exact.
 * Little-endian, as all that is shared with nginx is. */
static char *skip_plain(char *at, const char *end)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), highest = UINT64_C(0x80) * ones;
    uint64_t bytes;

    for (; (size_t)(end - at) >= sizeof bytes; at += sizeof bytes) {
        memcpy(&bytes, at, sizeof bytes);
        uint64_t control = bytes - 0x20 * ones, quote = (bytes ^ '"' * ones) - ones,
                 backslash = (bytes ^ '\\' * ones) - ones;
        uint64_t found = (control | quote | backslash | bytes) & highest;

        if (found != 0)
            return at + __builtin_ctzll(found) / 8;
    }
    return at;
}

/* Behind the opening quote. Unescaped, it is written over itself; else it is only checked, and stays as it stands. */
static bool read_string(struct btcf_scan *scan, bool is_unescaped, struct btcf_text *text)
{
    char *begin = scan->at, *out = scan->at;

    while (scan->at < scan->end) {
        if (out == scan->at) {
            out = scan->at = skip_plain(scan->at, scan->end);
            if (out == scan->end)
                break;
        }
        unsigned char c = (unsigned char)*scan->at;
        size_t size = 1;

        if (c == '"') {
            *text = (struct btcf_text){begin, (size_t)((is_unescaped ? out : scan->at) - begin)};
            scan->at++;
            return true;
        }
        if (c == '\\') {
            unsigned code;

            scan->at++;
            if (!read_escape(scan, &code))
                return false;
            if (is_unescaped)
                out = put_code_point(out, code);
            continue;
        }
        if (c >= 0x80)
            size = utf8_size((const unsigned char *)scan->at, (size_t)(scan->end - scan->at));
        if (c < 0x20 || size == 0)
            return false;
        if (is_unescaped && out != scan->at)
            memmove(out, scan->at, size);
        out += size;
        scan->at += size;
    }
    return false;
}
