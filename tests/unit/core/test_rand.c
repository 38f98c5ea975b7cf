/* The generator against the published reference implementation, and the distributions against their moments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "core/rand.h"

#define DRAWS 200000

/* xoshiro256++ 1.0 of its authors, from the state {1, 2, 3, 4}. */
static void follows_the_reference_sequence(void **state)
{
    static const uint64_t expected[] = {41943041, 58720359, UINT64_C(3588806011781223), UINT64_C(3591011842654386)};
    struct rng rng = {{1, 2, 3, 4}};

    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(expected); i++)
        assert_true(rng_next(&rng) == expected[i]);
}

/* splitmix64's first outputs for seed 1234567, as its author's test values give them. */
static void seeds_through_splitmix64(void **state)
{
    struct rng rng;

    (void)state;
    rng_init(&rng, 1234567);
    assert_true(rng.s[0] == UINT64_C(6457827717110365317));
    assert_true(rng.s[1] == UINT64_C(3203168211198807973));
    assert_true(rng.s[2] == UINT64_C(9817491932198370423));
    assert_true(rng.s[3] == UINT64_C(4593380528125082431));
}

static void uniform_numbers_fill_the_unit_interval_evenly(void **state)
{
    struct rng rng;
    double sum = 0, square = 0, low = 1, high = 0;

    (void)state;
    rng_init(&rng, 42);
    for (int i = 0; i < DRAWS; i++) {
        double u = rng_uniform(&rng);

        assert_true(u >= 0 && u < 1);
        sum += u;
        square += u * u;
        low = fmin(low, u);
        high = fmax(high, u);
    }
    /* Five standard errors of the mean (sqrt(1/12/n)) and of the second moment (sqrt(4/45/n)). */
    assert_true(fabs(sum / DRAWS - 0.5) < 5 * sqrt(1.0 / 12 / DRAWS));
    assert_true(fabs(square / DRAWS - 1.0 / 3) < 5 * sqrt(4.0 / 45 / DRAWS));
    assert_true(low < 1e-3 && high > 1 - 1e-3);
}

static void bounded_numbers_have_no_favourites(void **state)
{
    struct rng rng;
    int counts[6] = {0};
    double chi2 = 0;

    (void)state;
    rng_init(&rng, 7);
    for (int i = 0; i < DRAWS; i++)
        counts[rng_below(&rng, 6)]++;
    for (int i = 0; i < 6; i++)
        chi2 += pow(counts[i] - DRAWS / 6.0, 2) / (DRAWS / 6.0);
    assert_true(chi2 < 25.7); /* chi-squared with 5 degrees of freedom, p = 0.0001 */
    for (int i = 0; i < 100; i++)
        assert_true(rng_below(&rng, 1) == 0);
    assert_true(rng_below(&rng, UINT64_MAX) < UINT64_MAX);
}

static void normal_numbers_have_the_moments_of_the_normal(void **state)
{
    struct rng rng;
    double sum = 0, square = 0, fourth = 0;
    int beyond_two = 0;

    (void)state;
    rng_init(&rng, 99);
    for (int i = 0; i < DRAWS; i++) {
        double x = rng_normal(&rng);

        sum += x;
        square += x * x;
        fourth += x * x * x * x;
        beyond_two += fabs(x) > 2;
    }
    assert_true(fabs(sum / DRAWS) < 5 * sqrt(1.0 / DRAWS));
    assert_true(fabs(square / DRAWS - 1) < 5 * sqrt(2.0 / DRAWS));
    assert_true(fabs(fourth / DRAWS - 3) < 5 * sqrt(96.0 / DRAWS));
    assert_true(fabs(beyond_two / (double)DRAWS - 0.0455003) < 5 * sqrt(0.0455 * 0.9545 / DRAWS));
}

static void the_same_seed_gives_the_same_numbers(void **state)
{
    struct rng a, b, c;
    int differences = 0;

    (void)state;
    rng_init(&a, 5);
    rng_init(&b, 5);
    rng_init(&c, 6);
    for (int i = 0; i < 100; i++) {
        uint64_t value = rng_next(&a);

        assert_true(value == rng_next(&b));
        differences += value != rng_next(&c);
    }
    assert_int_equal(differences, 100);
}

static void system_randomness_differs_and_fits(void **state)
{
    unsigned char a[32] = {0}, b[32] = {0};
    char hex[8] = "#######";

    (void)state;
    rand_bytes(a, sizeof a);
    rand_bytes(b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
    rand_hex(hex, 5);
    assert_int_equal(strlen(hex), 5);
    assert_int_equal(strspn(hex, "0123456789abcdef"), 5);
    assert_int_equal(hex[6], '#');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_the_reference_sequence),
        cmocka_unit_test(seeds_through_splitmix64),
        cmocka_unit_test(uniform_numbers_fill_the_unit_interval_evenly),
        cmocka_unit_test(bounded_numbers_have_no_favourites),
        cmocka_unit_test(normal_numbers_have_the_moments_of_the_normal),
        cmocka_unit_test(the_same_seed_gives_the_same_numbers),
        cmocka_unit_test(system_randomness_differs_and_fits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
