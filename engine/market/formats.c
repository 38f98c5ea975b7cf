/* Formats: a header names its columns, so whatever has a header is read by name; what has none is known by its count.
 *
 * The number parser has a fast path because an import is mostly parsing prices: digits that fit in 53 bits, scaled by a
 * power of ten that is itself exact (10^22 at most), give the correctly rounded double with one division (Clinger, "How
 * to read floating point numbers accurately", 1990). Everything else goes the slow, equally exact way.
 */
#include "market/formats.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#include "core/clock.h"

#define US_DIGITS_MIN 15 /* microseconds have 16 digits from 2001 on */
#define US_DIGITS_MAX 17

static const struct format native = {.name = "file",
                                     .columns = 6,
                                     .time = 0,
                                     .open = 1,
                                     .high = 2,
                                     .low = 3,
                                     .close = 4,
                                     .volume = 5,
                                     .volume_other = -1};
static const struct format kraken = {.name = "kraken",
                                     .columns = 7,
                                     .time = 0,
                                     .open = 1,
                                     .high = 2,
                                     .low = 3,
                                     .close = 4,
                                     .volume = 5,
                                     .volume_other = -1};
static const struct format binance = {.name = "binance",
                                      .quote = "USDT",
                                      .columns = 12,
                                      .time = 0,
                                      .open = 1,
                                      .high = 2,
                                      .low = 3,
                                      .close = 4,
                                      .volume = 5,
                                      .volume_other = -1};
static const struct format *const headerless[] = {&native, &kraken, &binance};

/* Column names as files spell them, lower case, in order of preference within a role. */
enum role { TIME, OPEN, HIGH, LOW, CLOSE, VOLUME, VOLUME_OTHER, ROLE_COUNT };
static const struct {
    enum role role;
    const char *name;
} names[] = {
    {TIME, "unix"},
    {TIME, "time"},
    {TIME, "timestamp"},
    {TIME, "open_time"},
    {TIME, "open time"},
    {TIME, "date"},
    {OPEN, "open"},
    {HIGH, "high"},
    {LOW, "low"},
    {CLOSE, "close"},
    {VOLUME, "volume"},
    {VOLUME, "volume btc"},
    {VOLUME, "volume_(btc)"},
    {VOLUME_OTHER, "volume usd"},
    {VOLUME_OTHER, "volume usdt"},
    {VOLUME_OTHER, "volume_(currency)"},
};

static bool parse_header(struct str line, struct format *format);
static bool is_comment(struct str line);
static bool is_names_only(struct str line);
static int split(struct str line, struct str *fields);

bool format_detect(const struct str *lines, size_t count, struct format *format)
{
    size_t votes[BTCF_LENGTH(headerless)] = {0}, best = 0;

    /* A header stands first, or behind the comments; deeper down it would be a row among rows. */
    for (size_t i = 0; i < count; i++) {
        if (parse_header(lines[i], format)) {
            format->header_count = (int)i + 1;
            return true;
        }
        if (is_names_only(lines[i]))
            return false; /* columns in an order that we do not know: guessing would swap prices */
        if (!is_comment(lines[i]))
            break;
    }
    /* Without one the majority decides, so that one broken row in front cannot. */
    for (size_t i = 0; i < count; i++) {
        struct str fields[FORMAT_COLUMNS_MAX];
        int columns = split(lines[i], fields);

        for (size_t j = 0; j < BTCF_LENGTH(headerless); j++)
            votes[j] += columns == headerless[j]->columns;
    }
    for (size_t j = 1; j < BTCF_LENGTH(headerless); j++)
        if (votes[j] > votes[best])
            best = j;
    *format = *headerless[best];
    return votes[best] > 0;
}

bool format_has_tail(const struct format *format)
{
    int last = format->columns - 1;

    return last != format->volume && last != format->volume_other && last != format->close;
}

/* Lines that exchanges and download sites put in front of a header: an address, or something behind a '#'. */
static bool is_comment(struct str line)
{
    return line.len == 0 || line.ptr[0] == '#' || str_has_prefix(line, "http");
}

static struct str trim(struct str field)
{
    while (field.len > 0 && (field.ptr[0] == ' ' || field.ptr[0] == '\t')) {
        field.ptr++;
        field.len--;
    }
    while (field.len > 0 && (field.ptr[field.len - 1] == ' ' || field.ptr[field.len - 1] == '\t'))
        field.len--;
    if (field.len >= 2 && field.ptr[0] == '"' && field.ptr[field.len - 1] == '"')
        return (struct str){field.ptr + 1, field.len - 2};
    return field;
}

/* Trimmed fields; returns how many, FORMAT_COLUMNS_MAX + 1 for too many. */
static int split(struct str line, struct str *fields)
{
    int count = 0;

    while (line.ptr != NULL) {
        if (count == FORMAT_COLUMNS_MAX)
            return FORMAT_COLUMNS_MAX + 1;
        fields[count++] = trim(str_cut(&line, ','));
    }
    return count;
}

static bool is_names_only(struct str line)
{
    struct str fields[FORMAT_COLUMNS_MAX];
    int count = split(line, fields);

    if (count < native.columns || count > FORMAT_COLUMNS_MAX)
        return false;
    for (int i = 0; i < count; i++)
        if (fields[i].len == 0 || (fields[i].ptr[0] >= '0' && fields[i].ptr[0] <= '9') || fields[i].ptr[0] == '-')
            return false;
    return true;
}

static bool is_name(struct str field, const char *name)
{
    return field.len == strlen(name) && strncasecmp(field.ptr, name, field.len) == 0;
}

static int find_role(const struct str *fields, int count, enum role role)
{
    for (size_t i = 0; i < BTCF_LENGTH(names); i++)
        for (int j = 0; names[i].role == role && j < count; j++)
            if (is_name(fields[j], names[i].name))
                return j;
    return -1;
}

static bool parse_header(struct str line, struct format *format)
{
    struct str fields[FORMAT_COLUMNS_MAX];
    int count = split(line, fields), at[ROLE_COUNT];

    if (count > FORMAT_COLUMNS_MAX)
        return false;
    for (int role = 0; role < ROLE_COUNT; role++)
        at[role] = find_role(fields, count, (enum role)role);
    for (int role = TIME; role <= VOLUME; role++)
        if (at[role] < 0)
            return false;
    *format = count == binance.columns ? binance : native;
    if (at[VOLUME_OTHER] >= 0)
        format->name = "cryptodatadownload";
    format->columns = count;
    format->time = at[TIME];
    format->open = at[OPEN];
    format->high = at[HIGH];
    format->low = at[LOW];
    format->close = at[CLOSE];
    format->volume = at[VOLUME];
    format->volume_other = at[VOLUME_OTHER];
    return true;
}

static bool parse_number(struct str text, double *value)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    uint64_t digits = 0;
    size_t i = 0, fraction = 0;

    for (; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++)
        digits = digits * 10 + (uint64_t)(text.ptr[i] - '0');
    size_t seen = i;
    if (i < text.len && text.ptr[i] == '.')
        for (i++; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++, fraction++)
            digits = digits * 10 + (uint64_t)(text.ptr[i] - '0');
    seen += fraction;
    /* 18 digits cannot overflow 64 bits; what they add up to must be an integer that a double holds. */
    if (i != text.len || seen == 0 || seen > 18 || digits > (UINT64_C(1) << 53))
        return str_parse_double(text, value) == 0;
    *value = (double)digits / powers[fraction];
    return true;
}

/* As time_parse, and microseconds, and a whole number of seconds that a spreadsheet wrote as "1325317920.0". */
static bool parse_time(struct str text, int64_t *unix_ms)
{
    int64_t us;

    if (text.len > 2 && memcmp(text.ptr + text.len - 2, ".0", 2) == 0)
        text.len -= 2;
    if (text.len < US_DIGITS_MIN || text.len > US_DIGITS_MAX || str_parse_i64(text, &us) < 0)
        return time_parse(text, unix_ms) == 0;
    *unix_ms = us / 1000;
    return us % 1000 == 0; /* no candle opens between two milliseconds */
}

enum row_fault format_parse_row(const struct format *format, struct str line, struct candle *candle)
{
    struct str fields[FORMAT_COLUMNS_MAX];
    double other;

    if (split(line, fields) != format->columns)
        return ROW_COLUMNS;
    if (!parse_time(fields[format->time], &candle->open_time_ms))
        return ROW_TIME;
    if (!parse_number(fields[format->open], &candle->open) || !parse_number(fields[format->high], &candle->high) ||
        !parse_number(fields[format->low], &candle->low) || !parse_number(fields[format->close], &candle->close) ||
        !parse_number(fields[format->volume], &candle->volume))
        return ROW_NUMBER;
    if (format->volume_other < 0)
        return ROW_OK;
    /* The download site's two volume columns have changed places over the years; a bitcoin has cost more than a dollar
     * in all of them, so the smaller one counts bitcoins. */
    if (!parse_number(fields[format->volume_other], &other))
        return ROW_NUMBER;
    candle->volume = fmin(candle->volume, other);
    return ROW_OK;
}
