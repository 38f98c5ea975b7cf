/* Clocks and time text. The calendar is computed, never asked of libc: gmtime_r would do, but reads the environment's
 * time zone files on first use and knows nothing of strict parsing.
 */
#include "core/clock.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#define YEAR_0_MS (INT64_C(-62167219200) * 1000)
#define YEAR_9999_MS (INT64_C(253402300799) * 1000 + 999)

static int64_t (*wall_replacement)(void);

static int64_t read_clock_ms(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * MS_PER_S + now.tv_nsec / 1000000;
}

int64_t clock_wall_ms(void)
{
    return wall_replacement != NULL ? wall_replacement() : read_clock_ms(CLOCK_REALTIME);
}

int64_t clock_mono_ms(void)
{
    return read_clock_ms(CLOCK_MONOTONIC);
}

int64_t clock_mono_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

bool clock_sleep_ms(int64_t ms)
{
    if (ms <= 0)
        return true;
    struct timespec span = {.tv_sec = (time_t)(ms / MS_PER_S), .tv_nsec = (long)(ms % MS_PER_S) * 1000000};
    return nanosleep(&span, NULL) == 0 || errno != EINTR;
}

void clock_set_wall(int64_t (*wall_ms)(void))
{
    wall_replacement = wall_ms;
}

int64_t time_floor(int64_t value, int64_t step)
{
    int64_t rest = value % step;

    return value - (rest < 0 ? rest + step : rest);
}

void time_split_day(int64_t day, int64_t *year, int *month, int *day_of_month)
{
    int64_t z = day + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;

    *day_of_month = (int)(doy - (153 * mp + 2) / 5 + 1);
    *month = (int)(mp < 10 ? mp + 3 : mp - 9);
    *year = yoe + era * 400 + (*month <= 2);
}

int64_t time_day_of(int64_t year, int month, int day_of_month)
{
    int64_t y = year - (month <= 2);
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day_of_month - 1;
    int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

    return era * 146097 + doe - 719468;
}

void time_format(int64_t unix_ms, char text[TIME_TEXT_SIZE])
{
    if (unix_ms < YEAR_0_MS)
        unix_ms = YEAR_0_MS;
    if (unix_ms > YEAR_9999_MS)
        unix_ms = YEAR_9999_MS;

    int64_t day = time_floor(unix_ms, MS_PER_DAY) / MS_PER_DAY;
    int64_t rest = unix_ms - day * MS_PER_DAY;
    int64_t year;
    int month, day_of_month;

    time_split_day(day, &year, &month, &day_of_month);
    int len = snprintf(text, TIME_TEXT_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d", (int)year, month, day_of_month,
                       (int)(rest / MS_PER_HOUR), (int)(rest / 60000 % 60), (int)(rest / 1000 % 60));
    if (rest % 1000 != 0)
        len += snprintf(text + len, TIME_TEXT_SIZE - (size_t)len, ".%03d", (int)(rest % 1000));
    snprintf(text + len, TIME_TEXT_SIZE - (size_t)len, "Z");
}

/* Exactly `width` digits at *text; moves behind them. */
static bool take_digits(struct str *text, size_t width, int *value)
{
    if (text->len < width)
        return false;
    *value = 0;
    for (size_t i = 0; i < width; i++) {
        int digit = text->ptr[i] - '0';

        if (digit < 0 || digit > 9)
            return false;
        *value = *value * 10 + digit;
    }
    text->ptr += width;
    text->len -= width;
    return true;
}

static bool take_char(struct str *text, char c)
{
    if (text->len == 0 || text->ptr[0] != c)
        return false;
    text->ptr++;
    text->len--;
    return true;
}

/* ".250": one to nine digits, of which three count. */
static bool take_fraction(struct str *text, int *ms)
{
    int digit, scale = 100, count = 0;

    *ms = 0;
    if (!take_char(text, '.'))
        return true;
    for (; text->len > 0 && text->ptr[0] >= '0' && text->ptr[0] <= '9' && count < 9; count++) {
        if (!take_digits(text, 1, &digit))
            return false;
        *ms += digit * scale;
        scale /= 10;
    }
    return count > 0;
}

static bool take_offset(struct str *text, int *minutes)
{
    int hour, minute;

    *minutes = 0;
    if (take_char(text, 'Z') || take_char(text, 'z'))
        return true;
    int sign = take_char(text, '+') ? 1 : take_char(text, '-') ? -1 : 0;
    if (sign == 0 || !take_digits(text, 2, &hour) || !take_char(text, ':') || !take_digits(text, 2, &minute) ||
        hour > 23 || minute > 59)
        return false;
    *minutes = sign * (hour * 60 + minute);
    return true;
}

static int parse_unix(struct str text, int64_t *unix_ms)
{
    int64_t value;

    if (text.len > 14 || str_parse_i64(text, &value) < 0 || value < 0)
        return -1;
    *unix_ms = text.len >= 12 ? value : value * MS_PER_S;
    return 0;
}

int time_parse(struct str text, int64_t *unix_ms)
{
    int year, month, day, hour = 0, minute = 0, second = 0, ms = 0, offset_min = 0;
    static const int month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    if (text.len < 5 || text.ptr[4] != '-')
        return parse_unix(text, unix_ms);
    if (!take_digits(&text, 4, &year) || !take_char(&text, '-') || !take_digits(&text, 2, &month) ||
        !take_char(&text, '-') || !take_digits(&text, 2, &day))
        return -1;
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (month < 1 || month > 12 || day < 1 || day > month_days[month - 1] + (month == 2 && is_leap))
        return -1;
    if (text.len > 0) {
        if (!take_char(&text, 'T') && !take_char(&text, 't') && !take_char(&text, ' '))
            return -1;
        if (!take_digits(&text, 2, &hour) || !take_char(&text, ':') || !take_digits(&text, 2, &minute) ||
            !take_char(&text, ':') || !take_digits(&text, 2, &second) || !take_fraction(&text, &ms) ||
            !take_offset(&text, &offset_min) || text.len > 0 || hour > 23 || minute > 59 || second > 59)
            return -1;
    }
    *unix_ms = time_day_of(year, month, day) * MS_PER_DAY + hour * MS_PER_HOUR +
               (minute - offset_min) * INT64_C(60000) + second * MS_PER_S + ms;
    return 0;
}
