/* The fast filter against the definition: autocovariances from psi weights, the whole covariance matrix of a short series, its
 * Cholesky factor. Nothing of the recursions is shared.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/rand.h"
#include "models/arima.h"
#include "near.h"

#define ARENA_MAX ((size_t)8 << 20)
#define COUNT 40
#define AHEAD 3
#define PSI_COUNT 4000

static struct arena *arena;
static double values[COUNT];

/* Orders and coefficients that are tried: an AR, an MA, a mixed one, an MA with a unit root, a season of each kind. */
static const struct arima tried[] = {
    {.order = {.p = 1, .period = 1}, .coefficients = {0.95}},
    {.order = {.p = 3, .period = 1}, .coefficients = {1.15, -0.66, 0.34}},
    {.order = {.q = 2, .period = 1}, .coefficients = {-0.4, 0.3}},
    {.order = {.q = 1, .period = 1}, .coefficients = {-1.0}},
    {.order = {.p = 2, .q = 1, .period = 1}, .coefficients = {0.5, 0.3, -0.7}},
    {.order = {.p = 1, .q = 3, .period = 1}, .coefficients = {-0.6, 0.2, 0.1, 0.4}},
    {.order = {.q = 1, .Q = 1, .period = 12}, .coefficients = {-0.4, -0.55}},
    {.order = {.p = 1, .q = 1, .P = 1, .Q = 1, .period = 4}, .coefficients = {0.6, 0.2, 0.5, -0.3}},
};

static int begin(void **state)
{
    struct rng rng;

    (void)state;
    arena = arena_create("test", ARENA_MAX);
    rng_init(&rng, 12);
    for (size_t t = 0; t < COUNT; t++)
        values[t] = rng_normal(&rng) + (t > 0 ? 0.5 * values[t - 1] : 0.0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

/* Autocovariances 0 .. COUNT + AHEAD - 1 in units of sigma^2, from psi weights. */
static void make_covariances(const struct arma *arma, double *covariances)
{
    double *psi = arena_array(arena, PSI_COUNT, sizeof *psi);

    for (size_t k = 0; k < PSI_COUNT; k++) {
        psi[k] = k == 0 ? 1.0 : k <= arma->q ? arma->theta[k - 1] : 0.0;
        for (size_t i = 0; i < arma->p && i < k; i++)
            psi[k] += arma->phi[i] * psi[k - 1 - i];
    }
    for (size_t lag = 0; lag < COUNT + AHEAD; lag++) {
        covariances[lag] = 0.0;
        for (size_t k = 0; k + lag < PSI_COUNT; k++)
            covariances[lag] += psi[k] * psi[k + lag];
    }
}

/* Lower Cholesky factor of the covariance matrix of `count` values. */
static void factorise(const double *covariances, size_t count, double *factor)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k <= i; k++) {
            double sum = covariances[i - k];

            for (size_t j = 0; j < k; j++)
                sum -= factor[i * count + j] * factor[k * count + j];
            factor[i * count + k] = i == k ? sqrt(sum) : sum / factor[k * count + k];
        }
}

static void whitens_as_the_factor_of_the_covariance_matrix_does(void **state)
{
    double covariances[COUNT + AHEAD], whitened[COUNT], white[COUNT], log_sum;
    double *factor = arena_array(arena, (size_t)COUNT * COUNT, sizeof *factor);
    struct arma *arma = arena_alloc(arena, sizeof *arma);

    (void)state;
    for (size_t m = 0; m < BTCF_LENGTH(tried); m++) {
        const struct arma_series series = {COUNT, values, whitened};
        double expected_sum = 0.0;

        arma_expand(&tried[m], arma);
        make_covariances(arma, covariances);
        factorise(covariances, COUNT, factor);
        struct arma_filter *filter = arma_filter_make(arena, arma->p, arma->q);
        assert_true(arma_whiten(filter, arma, &series, NULL, &log_sum));
        for (size_t t = 0; t < COUNT; t++) {
            white[t] = values[t];
            for (size_t k = 0; k < t; k++)
                white[t] -= factor[t * COUNT + k] * white[k];
            white[t] /= factor[t * COUNT + t];
            expected_sum += 2.0 * log(factor[t * COUNT + t]);
            assert_near(whitened[t], white[t], 1e-8);
        }
        assert_near(log_sum, expected_sum, 1e-8);
    }
}

static void a_second_series_goes_through_the_same_gains(void **state)
{
    double doubled[COUNT], first[COUNT], second[COUNT], log_sum;
    struct arma *arma = arena_alloc(arena, sizeof *arma);

    (void)state;
    for (size_t t = 0; t < COUNT; t++)
        doubled[t] = 2.0 * values[t];
    for (size_t m = 0; m < BTCF_LENGTH(tried); m++) {
        const struct arma_series a = {COUNT, values, first}, b = {COUNT, doubled, second};

        arma_expand(&tried[m], arma);
        struct arma_filter *filter = arma_filter_make(arena, arma->p, arma->q);
        assert_true(arma_whiten(filter, arma, &a, &b, &log_sum));
        for (size_t t = 0; t < COUNT; t++)
            assert_near(second[t], 2.0 * first[t], 1e-12);
    }
}

static void predicts_the_conditional_mean(void **state)
{
    double covariances[COUNT + AHEAD], whitened[COUNT], means[AHEAD], log_sum;
    const size_t all = COUNT + AHEAD;
    double *factor = arena_array(arena, all * all, sizeof *factor);
    struct arma *arma = arena_alloc(arena, sizeof *arma);

    (void)state;
    for (size_t m = 0; m < BTCF_LENGTH(tried); m++) {
        const struct arma_series series = {COUNT, values, whitened};

        arma_expand(&tried[m], arma);
        make_covariances(arma, covariances);
        factorise(covariances, all, factor);
        struct arma_filter *filter = arma_filter_make(arena, arma->p, arma->q);
        assert_true(arma_whiten(filter, arma, &series, NULL, &log_sum));
        arma_predict(filter, arma, AHEAD, means);
        for (size_t h = 0; h < AHEAD; h++) {
            double mean = 0.0; /* rows of the factor times what was white in the past */

            for (size_t k = 0; k < COUNT; k++)
                mean += factor[(COUNT + h) * all + k] * whitened[k];
            assert_near(means[h], mean, 1e-8);
        }
    }
}

static void the_state_begins_with_the_variance_of_the_series(void **state)
{
    double covariances[COUNT + AHEAD];
    struct arma *arma = arena_alloc(arena, sizeof *arma);

    (void)state;
    for (size_t m = 0; m < BTCF_LENGTH(tried); m++) {
        arma_expand(&tried[m], arma);
        make_covariances(arma, covariances);
        size_t states = arma->p > arma->q + 1 ? arma->p : arma->q + 1;
        double *matrix = arena_array(arena, states * states, sizeof *matrix);
        assert_true(arma_covariance(arma_filter_make(arena, arma->p, arma->q), arma, matrix));
        assert_close(matrix[0], covariances[0], 1e-9);
        /* The last state is phi[r] y[t-1] + theta[r-1] e[t]... its variance is known when there is no AR part. */
        if (arma->p == 0)
            assert_near(matrix[states * states - 1], arma->theta[arma->q - 1] * arma->theta[arma->q - 1], 1e-12);
    }
}

static void refuses_an_ar_part_that_is_not_stationary(void **state)
{
    const struct arima walks[] = {
        {.order = {.p = 1, .period = 1}, .coefficients = {1.0}},
        {.order = {.p = 2, .period = 1}, .coefficients = {0.8, 0.3}},
        {.order = {.P = 1, .period = 4}, .coefficients = {-1.2}},
    };
    double whitened[COUNT], log_sum;
    const struct arma_series series = {COUNT, values, whitened};
    struct arma *arma = arena_alloc(arena, sizeof *arma);

    (void)state;
    for (size_t m = 0; m < BTCF_LENGTH(walks); m++) {
        arma_expand(&walks[m], arma);
        assert_false(arma_whiten(arma_filter_make(arena, arma->p, arma->q), arma, &series, NULL, &log_sum));
    }
}

static void multiplies_seasonal_polynomials_out(void **state)
{
    const struct arima arima = {.order = {.p = 1, .q = 1, .P = 1, .Q = 1, .period = 4},
                                .coefficients = {0.5, 0.3, 0.4, 0.2}};
    const double phi[] = {0.5, 0.0, 0.0, 0.4, -0.2}, theta[] = {0.3, 0.0, 0.0, 0.2, 0.06};
    struct arma *arma = arena_alloc(arena, sizeof *arma);

    (void)state;
    arma_expand(&arima, arma);
    assert_int_equal(arma->p, 5);
    assert_int_equal(arma->q, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_near(arma->phi[i], phi[i], 1e-15);
        assert_near(arma->theta[i], theta[i], 1e-15);
    }
}

static void partial_autocorrelations_become_coefficients(void **state)
{
    const double partial[] = {0.5, -0.3, 0.2};
    double phi[3];

    (void)state;
    arma_from_partial(partial, 3, phi); /* by hand: phi22 = -.3, phi21 = .5 (1 + .3), phi3i = phi2i - .2 phi2(3-i) */
    assert_near(phi[0], 0.65 + 0.2 * 0.3, 1e-15);
    assert_near(phi[1], -0.3 - 0.2 * 0.65, 1e-15);
    assert_near(phi[2], 0.2, 1e-15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(whitens_as_the_factor_of_the_covariance_matrix_does, begin, end),
        cmocka_unit_test_setup_teardown(a_second_series_goes_through_the_same_gains, begin, end),
        cmocka_unit_test_setup_teardown(predicts_the_conditional_mean, begin, end),
        cmocka_unit_test_setup_teardown(the_state_begins_with_the_variance_of_the_series, begin, end),
        cmocka_unit_test_setup_teardown(refuses_an_ar_part_that_is_not_stationary, begin, end),
        cmocka_unit_test_setup_teardown(multiplies_seasonal_polynomials_out, begin, end),
        cmocka_unit_test(partial_autocorrelations_become_coefficients),
    };
    return cmocka_run_group_tests_name("models/arima_filter", tests, NULL, NULL);
}
