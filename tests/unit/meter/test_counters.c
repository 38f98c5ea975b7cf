/* Counters of a bank: read while others count, and growth that is believed or not. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "meter/counters.h"
#include "shm/limit.h"

#define DAY_S 86400
#define TODAY 20000
#define ANSWERS_PER_DAY 50
#define DAYS 40000
#define READS_MIN 1000

static void a_bank_is_read_in_the_order_of_its_counters(void **state)
{
    struct btcf_usage_row row = {0};
    struct bank_reading reading;

    (void)state;
    btcf_usage_count(&row, &(struct btcf_use){.now_s = TODAY * DAY_S,
                                              .usage_class = BTCF_USAGE_STREAM,
                                              .status = 200,
                                              .is_whole = true,
                                              .units = 7,
                                              .bytes = 11,
                                              .latency_us = 13});
    btcf_usage_count(&row, &(struct btcf_use){.now_s = TODAY * DAY_S, .status = 429, .bytes = 1});
    assert_true(bank_read(&row.bank[TODAY & 1], &reading));
    assert_int_equal(reading.day, TODAY);
    assert_int_equal(reading.value[METER_BILLED + BTCF_USAGE_STREAM], 1);
    assert_int_equal(reading.value[METER_UNITS + BTCF_USAGE_STREAM], 7);
    assert_int_equal(reading.value[METER_LIMITED], 1);
    assert_int_equal(reading.value[METER_BYTES], 12);
    assert_int_equal(reading.value[METER_LATENCY_US], 13);
    assert_int_equal(reading.value[METER_CLIENT_ERRORS], 0);
}

/* Counts so many answers on each day of one parity, one day after the other. */
static void *count_days(void *arg)
{
    struct btcf_usage_row *row = arg;

    for (int64_t day = 0; day < DAYS; day++)
        for (int i = 0; i < ANSWERS_PER_DAY; i++)
            btcf_usage_count(row, &(struct btcf_use){.now_s = 2 * day * DAY_S, .status = 200, .is_whole = true});
    return NULL;
}

/* What was counted on a day must never be seen under an earlier one: it would be booked there. */
static void growth_is_never_seen_under_a_day_before_its_own(void **state)
{
    struct btcf_usage_row row = {0};
    struct bank_reading reading = {0};
    uint64_t reads = 0, too_many = 0, backwards = 0, last = 0;
    pthread_t counter;

    (void)state;
    assert_int_equal(pthread_create(&counter, NULL, count_days, &row), 0);
    while (reading.value[METER_BILLED] < (uint64_t)DAYS * ANSWERS_PER_DAY) {
        if (!bank_read(&row.bank[0], &reading))
            continue;
        reads++;
        too_many += reading.value[METER_BILLED] > (reading.day / 2 + 1) * ANSWERS_PER_DAY;
        backwards += reading.value[METER_BILLED] < last;
        last = reading.value[METER_BILLED];
    }
    pthread_join(counter, NULL);
    assert_true(reads >= READS_MIN);
    assert_int_equal(too_many, 0);
    assert_int_equal(backwards, 0);
}

static void honest_growth_is_believed_to_the_bound_and_not_beyond(void **state)
{
    static const struct {
        int counter;
        int64_t per_s;
    } bounds[] = {{METER_BILLED + 3, METER_ANSWERS_PER_S_MAX},   {METER_UNITS, METER_UNITS_PER_S_MAX},
                  {METER_UNITS + 3, METER_UNITS_PER_S_MAX},      {METER_LIMITED, METER_ANSWERS_PER_S_MAX},
                  {METER_NOT_MODIFIED, METER_ANSWERS_PER_S_MAX}, {METER_BYTES, METER_BYTES_PER_S_MAX},
                  {METER_LATENCY_US, METER_LATENCY_US_PER_S_MAX}};
    uint64_t before[METER_COUNTERS], now[METER_COUNTERS];
    int64_t growth[METER_COUNTERS];

    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(bounds); i++) {
        int64_t bound = bounds[i].per_s * 100;

        for (int counter = 0; counter < METER_COUNTERS; counter++)
            before[counter] = now[counter] = 5;
        now[bounds[i].counter] += (uint64_t)bound;
        assert_int_equal(counters_grow(before, now, 100, growth), 0);
        assert_int_equal(growth[bounds[i].counter], bound);
        now[bounds[i].counter]++;
        assert_int_equal(counters_grow(before, now, 100, growth), 1);
        assert_int_equal(growth[bounds[i].counter], bound);
        assert_int_equal(growth[METER_BILLED], 0);
    }
}

static void a_counter_that_went_back_has_not_grown(void **state)
{
    uint64_t before[METER_COUNTERS] = {[METER_BILLED] = 10, [METER_BYTES] = UINT64_MAX}, now[METER_COUNTERS] = {0};
    int64_t growth[METER_COUNTERS];

    (void)state;
    now[METER_BILLED] = 9;
    now[METER_BYTES] = 3; /* would have grown by 4 in numbers that wrap */
    now[METER_LIMITED] = 2;
    assert_int_equal(counters_grow(before, now, 1, growth), 2);
    assert_int_equal(growth[METER_BILLED], 0);
    assert_int_equal(growth[METER_BYTES], 0);
    assert_int_equal(growth[METER_LIMITED], 2);
}

static void no_growth_exceeds_what_sums_can_take(void **state)
{
    uint64_t before[METER_COUNTERS] = {0}, now[METER_COUNTERS];
    int64_t growth[METER_COUNTERS];

    (void)state;
    memset(now, 0xff, sizeof(now));
    assert_int_equal(counters_grow(before, now, INT64_MAX, growth), METER_COUNTERS);
    for (int i = 0; i < METER_COUNTERS; i++)
        assert_int_equal(growth[i], METER_GROWTH_MAX);
    assert_int_equal(counters_grow(before, now, INT64_MIN, growth), METER_COUNTERS);
    assert_int_equal(growth[METER_BILLED], METER_ANSWERS_PER_S_MAX * METER_ELAPSED_MIN_S);
}

static void a_bank_is_booked_on_its_day_when_that_can_be(void **state)
{
    unsigned clamped = 0;

    (void)state;
    assert_int_equal(bank_day(0, TODAY, TODAY, &clamped), TODAY);
    assert_int_equal(bank_day(1, TODAY - 1, TODAY, &clamped), TODAY - 1);
    assert_int_equal(bank_day(1, TODAY + 1, TODAY, &clamped), TODAY + 1);
    assert_int_equal(bank_day(1, TODAY + 1 - METER_DAYS_BACK_MAX, TODAY, &clamped), TODAY + 1 - METER_DAYS_BACK_MAX);
    assert_int_equal(clamped, 0);
}

static void a_day_that_cannot_be_is_replaced_by_the_latest_that_can(void **state)
{
    static const struct {
        unsigned bank;
        uint64_t day;
        int64_t booked;
    } cases[] = {{0, TODAY + 2, TODAY},
                 {1, TODAY, TODAY - 1},
                 {0, TODAY - METER_DAYS_BACK_MAX, TODAY},
                 {0, 0, TODAY},
                 {1, UINT64_MAX, TODAY - 1}};

    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(cases); i++) {
        unsigned clamped = 0;

        assert_int_equal(bank_day(cases[i].bank, cases[i].day, TODAY, &clamped), cases[i].booked);
        assert_int_equal(clamped, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bank_is_read_in_the_order_of_its_counters),
        cmocka_unit_test(growth_is_never_seen_under_a_day_before_its_own),
        cmocka_unit_test(honest_growth_is_believed_to_the_bound_and_not_beyond),
        cmocka_unit_test(a_counter_that_went_back_has_not_grown),
        cmocka_unit_test(no_growth_exceeds_what_sums_can_take),
        cmocka_unit_test(a_bank_is_booked_on_its_day_when_that_can_be),
        cmocka_unit_test(a_day_that_cannot_be_is_replaced_by_the_latest_that_can),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
