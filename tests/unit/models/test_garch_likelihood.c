/* The likelihood of all thirteen forms: its gradient against differences, its scores against its gradient, and GARCH against the
 * formula written plainly.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "core/rand.h"
#include "models/garch_likelihood.h"
#include "near.h"

#define COUNT 400

static double values[COUNT], scratch[2 * COUNT], measures[COUNT];
static struct garch_data data = {.values = values, .count = COUNT, .scratch = scratch};

/* Returns with quiet and loud times. */
static int begin(void **state)
{
    struct rng rng;

    (void)state;
    rng_init(&rng, 17);
    for (size_t t = 0; t < COUNT; t++)
        values[t] = 0.1 + (t / 50 % 2 == 0 ? 0.7 : 1.6) * rng_normal(&rng);
    for (size_t t = 0; t < COUNT; t++)
        measures[t] = (t / 50 % 2 == 0 ? 0.5 : 2.5) * (0.2 + rng_uniform(&rng));
    return 0;
}

static void put_theta(const struct garch_form *form, double *theta)
{
    static const double usual[GARCH_SLOTS] = {0.05, 0.1, 0.12, 0.06, 0.8, 1.4, 5.5, 0.9};
    static const double exponential[GARCH_SLOTS] = {0.05, 0.02, -0.04, 0.2, 0.93, 1.0, 5.5, 0.9};

    memcpy(theta, form->recursion == GARCH_EGARCH ? exponential : usual, sizeof usual);
}

static void for_each_form(void (*check)(const struct garch_form *form))
{
    for (int recursion = GARCH_PLAIN; recursion <= GARCH_APARCH; recursion++)
        for (int law = GARCH_NORMAL; law <= GARCH_SKEWED; law++) {
            const struct garch_form form = {(enum garch_recursion)recursion, (enum garch_law)law};

            check(&form);
        }
    const struct garch_form score = {GARCH_SCORE, GARCH_STUDENT};
    check(&score);
    data.measures = measures; /* ranges instead of squares */
    check(&score);
    data.measures = NULL;
}

static void check_gradient(const struct garch_form *form)
{
    double theta[GARCH_SLOTS], gradient[GARCH_SLOTS];
    const struct garch_trace trace = {.gradient = gradient}, none = {0};

    put_theta(form, theta);
    assert_true(isfinite(garch_log_likelihood(form, &data, theta, &trace)));
    for (size_t i = 0; i < GARCH_SLOTS; i++) {
        double kept = theta[i], step = 1e-6;

        if (!garch_uses(form, i)) {
            assert_near(gradient[i], 0.0, 0.0);
            continue;
        }
        theta[i] = kept + step;
        double up = garch_log_likelihood(form, &data, theta, &none);
        theta[i] = kept - step;
        double slope = (up - garch_log_likelihood(form, &data, theta, &none)) / (2.0 * step);
        theta[i] = kept;
        assert_near(gradient[i], slope, 1e-6 * (10.0 + fabs(slope)));
    }
}

static void the_gradient_is_that_of_the_likelihood(void **state)
{
    (void)state;
    for_each_form(check_gradient);
}

static void check_scores(const struct garch_form *form)
{
    static double scores[COUNT * GARCH_SLOTS];
    double theta[GARCH_SLOTS], gradient[GARCH_SLOTS];
    const struct garch_trace trace = {.gradient = gradient, .scores = scores};

    put_theta(form, theta);
    garch_log_likelihood(form, &data, theta, &trace);
    for (size_t i = 0; i < GARCH_SLOTS; i++) {
        double sum = 0.0;

        for (size_t t = 0; t < COUNT; t++)
            sum += scores[t * GARCH_SLOTS + i];
        assert_near(sum, gradient[i], 1e-10 * (1.0 + fabs(sum)));
    }
}

static void the_scores_add_up_to_the_gradient(void **state)
{
    (void)state;
    for_each_form(check_scores);
}

static void garch_is_the_textbooks_formula(void **state)
{
    const double theta[GARCH_SLOTS] = {0.05, 0.1, 0.12, 0, 0.8, 0, 0, 0};
    const struct garch_form form = {GARCH_PLAIN, GARCH_NORMAL};
    double variances[COUNT + 1], square = 0.0, value = 0.0;
    const struct garch_trace trace = {.variances = variances};

    (void)state;
    for (size_t t = 0; t < COUNT; t++)
        square += (values[t] - 0.05) * (values[t] - 0.05) / COUNT;
    double variance = 0.1 + 0.12 * square + 0.8 * square;
    double got = garch_log_likelihood(&form, &data, theta, &trace);
    for (size_t t = 0; t < COUNT; t++) {
        double e = values[t] - 0.05;

        assert_close(variances[t], variance, 1e-12);
        value -= 0.5 * (log(2.0 * M_PI) + log(variance) + e * e / variance);
        variance = 0.1 + 0.12 * e * e + 0.8 * variance;
    }
    assert_close(variances[COUNT], variance, 1e-12);
    assert_close(got, value, 1e-13);
}

/* aparch with delta = 2 is gjr: alpha (1 - g)^2 on rises, alpha (1 + g)^2 on falls. */
static void aparch_with_delta_two_is_gjr(void **state)
{
    const double power[GARCH_SLOTS] = {0.05, 0.1, 0.12, 0.2, 0.8, 2.0, 4.5, 1.1};
    const double linear[GARCH_SLOTS] = {0.05, 0.1, 0.12 * 0.64, 0.12 * 0.8, 0.8, 2.0, 4.5, 1.1};
    const struct garch_trace none = {0};

    (void)state;
    for (int law = GARCH_NORMAL; law <= GARCH_SKEWED; law++) {
        const struct garch_form aparch = {GARCH_APARCH, (enum garch_law)law}, gjr = {GARCH_GJR, (enum garch_law)law};

        assert_close(garch_log_likelihood(&aparch, &data, power, &none),
                     garch_log_likelihood(&gjr, &data, linear, &none), 1e-12);
    }
}

/* Products that overflow or vanish would make the summed logarithms wrong. */
static void values_of_any_size_have_the_same_likelihood_but_for_the_unit(void **state)
{
    const struct garch_form form = {GARCH_PLAIN, GARCH_STUDENT};
    static double scaled[COUNT];
    const struct garch_data other = {.values = scaled, .count = COUNT, .scratch = scratch};
    const struct garch_trace none = {0};

    (void)state;
    double theta[GARCH_SLOTS] = {0.05, 0.1, 0.12, 0, 0.8, 0, 4.5, 0};
    double usual = garch_log_likelihood(&form, &data, theta, &none);
    for (double unit = 1e-60; unit < 1e61; unit *= 1e20) {
        double moved[GARCH_SLOTS] = {0.05 * unit, 0.1 * unit * unit, 0.12, 0, 0.8, 0, 4.5, 0};

        for (size_t t = 0; t < COUNT; t++)
            scaled[t] = unit * values[t];
        assert_near(garch_log_likelihood(&form, &other, moved, &none), usual - COUNT * log(unit), 1e-9);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_gradient_is_that_of_the_likelihood),
        cmocka_unit_test(the_scores_add_up_to_the_gradient),
        cmocka_unit_test(garch_is_the_textbooks_formula),
        cmocka_unit_test(aparch_with_delta_two_is_gjr),
        cmocka_unit_test(values_of_any_size_have_the_same_likelihood_but_for_the_unit),
    };
    return cmocka_run_group_tests_name("models/garch_likelihood", tests, begin, NULL);
}
