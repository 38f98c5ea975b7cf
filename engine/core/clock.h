/* Time: the wall clock, the monotonic clock, and RFC 3339 text. All in int64_t milliseconds.
 *
 * Market time is data, not a clock: it lives in store rows (see market/feed.h). Tests may replace the wall clock.
 */
#ifndef CORE_CLOCK_H
#define CORE_CLOCK_H

#include "core/base.h"
#include "core/str.h"

#define TIME_TEXT_SIZE 32
#define MS_PER_S INT64_C(1000)
#define MS_PER_HOUR INT64_C(3600000)
#define MS_PER_DAY INT64_C(86400000)

/* Unix time in milliseconds UTC, from CLOCK_REALTIME or from the replacement. */
int64_t clock_wall_ms(void);

/* Milliseconds that never go back; only differences mean something. For timeouts and intervals. */
int64_t clock_mono_ms(void);
int64_t clock_mono_us(void); /* the same clock, for measuring */

/* Sleeps `ms` or until a signal handler ran. Returns true when the whole time passed. */
bool clock_sleep_ms(int64_t ms);

/* Replaces the wall clock (tests); NULL restores it. */
void clock_set_wall(int64_t (*wall_ms)(void));

/* Writes "2025-03-31T23:00:00Z", or with ".250" before the Z when the milliseconds are not zero.
 * Years 0000 to 9999; other times are written as the nearest bound. */
void time_format(int64_t unix_ms, char text[TIME_TEXT_SIZE]);

/* Reads RFC 3339 ("2025-03-31T23:00:00Z", fraction and numeric offset allowed), a date ("2025-03-31", midnight UTC),
 * unix seconds (up to 11 digits) or unix milliseconds (12 to 14 digits). Strict. 0, or -1 without an error frame. */
int time_parse(struct str text, int64_t *unix_ms);

/* Civil date of a day number since 1970-01-01 and back (proleptic Gregorian; Hinnant, "chrono-compatible low-level
 * date algorithms", 2013). month 1..12, day 1..31. */
void time_split_day(int64_t day, int64_t *year, int *month, int *day_of_month);
int64_t time_day_of(int64_t year, int month, int day_of_month);

/* Rounds towards minus infinity to a multiple of `step`. */
int64_t time_floor(int64_t value, int64_t step);

#endif
