/* Time text and the calendar, judged by libc where libc knows better, and the clocks that only go forward. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "core/clock.h"

static void the_calendar_agrees_with_libc_over_eight_centuries(void **state)
{
    (void)state;
    for (int64_t day = -146097; day < 146097; day += 1) {
        time_t seconds = (time_t)(day * 86400);
        struct tm expected;
        int64_t year;
        int month, day_of_month;

        gmtime_r(&seconds, &expected);
        time_split_day(day, &year, &month, &day_of_month);
        assert_int_equal(year, expected.tm_year + 1900);
        assert_int_equal(month, expected.tm_mon + 1);
        assert_int_equal(day_of_month, expected.tm_mday);
        assert_int_equal(time_day_of(year, month, day_of_month), day);
    }
}

static void formats_with_milliseconds_only_when_there_are_some(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00Z"},
        {INT64_C(1743462000000), "2025-03-31T23:00:00Z"},
        {INT64_C(1743462000250), "2025-03-31T23:00:00.250Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {INT64_MIN, "0000-01-01T00:00:00Z"},
        {INT64_MAX, "9999-12-31T23:59:59.999Z"},
    };

    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(cases); i++) {
        char text[TIME_TEXT_SIZE];

        time_format(cases[i].ms, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void reads_what_it_writes(void **state)
{
    (void)state;
    for (int64_t ms = -62167219200000; ms < 253402300800000; ms += 86399999 * INT64_C(97)) {
        char text[TIME_TEXT_SIZE];
        int64_t back;

        time_format(ms, text);
        assert_int_equal(time_parse(str_of(text), &back), 0);
        assert_true(back == ms);
    }
}

static void reads_the_forms_that_it_promises(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"2025-03-31", INT64_C(1743379200000)},
        {"2025-03-31 23:00:00Z", INT64_C(1743462000000)},
        {"2025-03-31t23:00:00z", INT64_C(1743462000000)},
        {"2025-04-01T01:00:00+02:00", INT64_C(1743462000000)},
        {"2025-03-31T18:30:00-04:30", INT64_C(1743462000000)},
        {"2025-03-31T23:00:00.25Z", INT64_C(1743462000250)},
        {"2025-03-31T23:00:00.250999999Z", INT64_C(1743462000250)},
        {"2024-02-29", INT64_C(1709164800000)},
        {"1743462000", INT64_C(1743462000000)},
        {"1743462000250", INT64_C(1743462000250)},
        {"0", 0},
    };

    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(cases); i++) {
        int64_t ms = -1;

        assert_int_equal(time_parse(str_of(cases[i].text), &ms), 0);
        assert_true(ms == cases[i].ms);
    }
}

static void refuses_everything_else(void **state)
{
    static const char *const wrong[] = {
        "",
        "2025-",
        "2025-3-31",
        "2025-02-29",
        "2100-02-29",
        "2025-13-01",
        "2025-00-10",
        "2025-01-00",
        "2025-04-31",
        "2025-03-31T",
        "2025-03-31T23:00",
        "2025-03-31T23:00:00",
        "2025-03-31T24:00:00Z",
        "2025-03-31T23:60:00Z",
        "2025-03-31T23:00:60Z",
        "2025-03-31T23:00:00.Z",
        "2025-03-31T23:00:00.1234567890Z",
        "2025-03-31T23:00:00+2:00",
        "2025-03-31T23:00:00+24:00",
        "2025-03-31T23:00:00Zx",
        " 2025-03-31",
        "-1",
        "123456789012345",
        "12a",
    };

    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(wrong); i++) {
        int64_t ms = 42;

        assert_int_equal(time_parse(str_of(wrong[i]), &ms), -1);
        assert_true(ms == 42);
    }
}

static void floors_towards_minus_infinity(void **state)
{
    (void)state;
    assert_true(time_floor(7, 5) == 5);
    assert_true(time_floor(5, 5) == 5);
    assert_true(time_floor(0, 5) == 0);
    assert_true(time_floor(-1, 5) == -5);
    assert_true(time_floor(-5, 5) == -5);
}

static int64_t fixed_ms(void)
{
    return 1234;
}

static void the_wall_clock_can_be_replaced_and_restored(void **state)
{
    (void)state;
    clock_set_wall(fixed_ms);
    assert_true(clock_wall_ms() == 1234);
    clock_set_wall(NULL);
    assert_true(clock_wall_ms() / MS_PER_S - (int64_t)time(NULL) <= 1);
    assert_true(clock_wall_ms() > INT64_C(1700000000000));
}

static void ignore_signal(int number)
{
    (void)number;
}

static void sleeping_takes_its_time_unless_a_signal_comes(void **state)
{
    struct sigaction action = {.sa_handler = ignore_signal};
    struct itimerval soon = {.it_value = {.tv_usec = 20000}};

    (void)state;
    int64_t began = clock_mono_ms();
    assert_true(clock_sleep_ms(30));
    assert_true(clock_mono_ms() - began >= 29);
    assert_true(clock_sleep_ms(0));
    assert_true(clock_sleep_ms(-5));

    sigaction(SIGALRM, &action, NULL);
    began = clock_mono_ms();
    setitimer(ITIMER_REAL, &soon, NULL);
    assert_false(clock_sleep_ms(60000));
    assert_true(clock_mono_ms() - began < 30000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_calendar_agrees_with_libc_over_eight_centuries),
        cmocka_unit_test(formats_with_milliseconds_only_when_there_are_some),
        cmocka_unit_test(reads_what_it_writes),
        cmocka_unit_test(reads_the_forms_that_it_promises),
        cmocka_unit_test(refuses_everything_else),
        cmocka_unit_test(floors_towards_minus_infinity),
        cmocka_unit_test(the_wall_clock_can_be_replaced_and_restored),
        cmocka_unit_test(sleeping_takes_its_time_unless_a_signal_comes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
