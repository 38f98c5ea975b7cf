/* ETS: the gradient against differences, forms and units, the variances against simulation, series that no form can follow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/arena.h"
#include "core/err.h"
#include "core/rand.h"
#include "models/ets.h"
#include "near.h"

#define ARENA_MAX ((size_t)64 << 20)
#define POINTS 120
#define PERIOD 4
#define PATHS 40000
#define AHEAD 9

static const char *const forms[] = {"ANN",  "AAN", "AAdN", "MNN",  "MAN", "MAdN", "ANA", "AAA",
                                    "AAdA", "MNA", "MAA",  "MAdA", "MNM", "MAM",  "MAdM"};
static struct arena *arena;

static int begin(void **state)
{
    (void)state;
    arena = arena_create("test", ARENA_MAX);
    err_clear();
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

/* A model of the form with ordinary parameters. */
static struct ets ordinary(const char *text)
{
    static const double times[PERIOD] = {0.8, 1.1, 1.3, 0.8}, added[PERIOD] = {-20.0, 10.0, 30.0, -20.0};
    struct ets ets = {.alpha = 0.4, .phi = 1.0, .first = {.level = 100.0}};

    assert_int_equal(ets_parse(text, PERIOD, &ets.form), 0);
    if (ets.form.has_trend) {
        ets.beta = 0.02;
        ets.first.slope = 0.5;
    }
    if (ets.form.is_damped)
        ets.phi = 0.9;
    if (ets.form.season != ETS_SEASON_NONE) {
        ets.gamma = 0.2;
        memcpy(ets.first.season, ets.form.season == ETS_SEASON_TIMES ? times : added, sizeof times);
    }
    return ets;
}

/* One value of the model from its states, which move on. */
static double draw(const struct ets *ets, struct ets_states *now, size_t t, double shock)
{
    double *season = &now->season[t % ets->form.period], drift = ets->phi * now->slope, carried = now->level + drift;
    bool is_times = ets->form.season == ETS_SEASON_TIMES;
    double forecast = is_times ? carried * *season : carried + *season;
    double error = ets->form.is_relative ? forecast * shock : shock;

    now->level = carried + ets->alpha * (is_times ? error / *season : error);
    now->slope = drift + ets->beta * (is_times ? error / *season : error);
    *season += ets->gamma * (is_times ? error / carried : error);
    return forecast + error;
}

static double *draw_values(const struct ets *ets, size_t count, double deviation, uint64_t seed)
{
    double *values = arena_array(arena, count, sizeof *values);
    struct ets_states now = ets->first;
    struct rng rng;

    rng_init(&rng, seed);
    for (size_t t = 0; t < count; t++)
        values[t] = draw(ets, &now, t, deviation * rng_normal(&rng));
    return values;
}

static double deviance(const struct ets *ets, const double *values)
{
    struct ets_run run;

    assert_true(ets_filter(ets, values, POINTS, ets_trace_make(arena, POINTS), &run));
    return run.deviance;
}

static double slope_at(const struct ets *ets, double *place, const double *values)
{
    double was = *place, step = 1e-5 * fmax(1.0, fabs(was)), high, low;

    *place = was + step;
    high = deviance(ets, values);
    *place = was - step;
    low = deviance(ets, values);
    *place = was;
    return (high - low) / (2.0 * step);
}

static void the_gradient_is_that_of_differences_for_every_form(void **state)
{
    (void)state;
    for (size_t f = 0; f < BTCF_LENGTH(forms); f++) {
        struct ets ets = ordinary(forms[f]);
        double *values = draw_values(&ets, POINTS, ets.form.is_relative ? 0.03 : 3.0, 7 + f);
        struct ets_trace *trace = ets_trace_make(arena, POINTS);
        struct ets_gradient gradient;
        struct ets_run run;

        ets.alpha += 0.05; /* away from the top */
        assert_true(ets_filter(&ets, values, POINTS, trace, &run));
        ets_differentiate(&ets, values, POINTS, trace, &run, &gradient);
        const struct {
            double *place, got;
        } all[] = {
            {&ets.alpha, gradient.alpha},
            {&ets.beta, gradient.beta},
            {&ets.gamma, gradient.gamma},
            {&ets.phi, gradient.phi},
            {&ets.first.level, gradient.first.level},
            {&ets.first.slope, gradient.first.slope},
            {&ets.first.season[1], gradient.first.season[1]},
        };
        size_t count = ets.form.season == ETS_SEASON_NONE ? 6 : 7;
        for (size_t i = 0; i < count; i++) {
            if (i == 2 && ets.form.season == ETS_SEASON_NONE) /* gamma means nothing there */
                continue;
            double wanted = slope_at(&ets, all[i].place, values);
            assert_near(all[i].got, wanted, 2e-5 * fmax(1.0, fabs(wanted)));
        }
        arena_reset(arena);
    }
}

static void names_fifteen_forms_and_refuses_others(void **state)
{
    static const char *const wrong[] = {"",    "A",    "AN",  "ANM",  "AAM", "AAdM",
                                        "MMN", "ANdN", "ZZZ", "ANNN", "ann", "AAd"};
    struct ets_form form;
    char name[ETS_NAME_BYTES];

    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(forms); i++) {
        char plain[ETS_NAME_BYTES];
        size_t len = 0;

        assert_int_equal(ets_parse(forms[i], 12, &form), 0);
        ets_name(&form, name);
        for (const char *c = name + 3; *c != '\0'; c++) /* "ETS(M,Ad,M)" without what frames it */
            if (strchr("(),", *c) == NULL)
                plain[len++] = *c;
        plain[len] = '\0';
        assert_string_equal(plain, forms[i]);
    }
    for (size_t i = 0; i < BTCF_LENGTH(wrong); i++) {
        assert_int_equal(ets_parse(wrong[i], 12, &form), -1);
        assert_int_equal(err_kind(), E_INPUT);
        err_clear();
    }
}

static void a_fit_finds_the_parameters_that_made_the_values(void **state)
{
    struct ets made = ordinary("MNM");
    double *values = draw_values(&made, 2000, 0.01, 3);
    struct ets_data data;
    struct ets_fit fit;

    (void)state;
    assert_int_equal(ets_prepare(arena, values, 2000, PERIOD, &data), 0);
    assert_int_equal(ets_estimate(&data, &made.form, &fit), 0);
    assert_true(fit.converged);
    assert_near(fit.ets.alpha, made.alpha, 0.06);
    assert_near(fit.ets.gamma, made.gamma, 0.06);
    assert_close(fit.ets.first.level, 100.0, 0.02);
    assert_close(sqrt(fit.sigma2), 0.01, 0.05);
}

static void the_choice_is_no_worse_than_what_made_the_values_and_sees_the_season(void **state)
{
    static const struct {
        const char *form;
        double deviation;
    } cases[] = {{"ANN", 3.0}, {"AAN", 3.0}, {"ANA", 3.0}, {"AAA", 3.0}, {"MNM", 0.02}, {"MAM", 0.02}};

    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(cases); i++) {
        struct ets made = ordinary(cases[i].form);
        double *values = draw_values(&made, 400, cases[i].deviation, 11);
        struct ets_data data;
        struct ets_fit fit, same;

        assert_int_equal(ets_prepare(arena, values, 400, PERIOD, &data), 0);
        assert_int_equal(ets_choose(&data, &fit), 0);
        assert_int_equal(ets_estimate(&data, &made.form, &same), 0);
        assert_true(fit.aicc <= same.aicc);
        if (made.form.season != ETS_SEASON_NONE)
            assert_int_equal(fit.ets.form.season, made.form.season);
        arena_reset(arena);
    }
}

static void the_unit_of_the_values_changes_nothing_but_their_unit(void **state)
{
    struct ets made = ordinary("MAM");
    double *values = draw_values(&made, POINTS, 0.02, 5), *larger = arena_array(arena, POINTS, sizeof *larger);
    struct ets_data data;
    struct ets_fit fit, scaled;

    (void)state;
    for (size_t t = 0; t < POINTS; t++)
        larger[t] = 1024.0 * values[t];
    for (size_t f = 0; f < BTCF_LENGTH(forms); f++) {
        struct ets_form form;

        assert_int_equal(ets_parse(forms[f], PERIOD, &form), 0);
        assert_int_equal(ets_prepare(arena, values, POINTS, PERIOD, &data), 0);
        assert_int_equal(ets_estimate(&data, &form, &fit), 0);
        assert_int_equal(ets_prepare(arena, larger, POINTS, PERIOD, &data), 0);
        assert_int_equal(ets_estimate(&data, &form, &scaled), 0);
        assert_near(scaled.ets.alpha, fit.ets.alpha, 1e-9);
        assert_close(scaled.last.level, 1024.0 * fit.last.level, 1e-9);
        assert_near(scaled.aicc, fit.aicc + 2.0 * POINTS * log(1024.0), 1e-6);
    }
}

/* Means and variances of simulated paths. */
static void simulate(const struct ets *ets, const struct ets_states *last, double deviation, double *means,
                     double *variances)
{
    struct rng rng;

    rng_init(&rng, 17);
    for (size_t h = 0; h < AHEAD; h++)
        means[h] = variances[h] = 0.0;
    for (size_t path = 0; path < PATHS; path++) {
        struct ets_states now = *last;

        for (size_t h = 0; h < AHEAD; h++) {
            double value = draw(ets, &now, POINTS + h, deviation * rng_normal(&rng));
            means[h] += value / PATHS;
            variances[h] += value * value / PATHS;
        }
    }
    for (size_t h = 0; h < AHEAD; h++)
        variances[h] -= means[h] * means[h];
}

static void means_and_variances_are_those_of_simulated_paths(void **state)
{
    (void)state;
    for (size_t f = 0; f < BTCF_LENGTH(forms); f++) {
        struct ets ets = ordinary(forms[f]);
        double deviation = ets.form.is_relative ? 0.05 : 3.0, means[AHEAD], variances[AHEAD];
        double wanted_means[AHEAD], wanted[AHEAD];
        const struct ets_outlook outlook = {&ets, &ets.first, POINTS, deviation * deviation};

        ets_forecast(arena, &outlook, AHEAD, means, variances);
        simulate(&ets, &ets.first, deviation, wanted_means, wanted);
        for (size_t h = 0; h < AHEAD; h++) {
            assert_near(means[h], wanted_means[h], 5.0 * sqrt(wanted[h] / PATHS) + 1e-3 * wanted_means[h]);
            /* 4 standard errors of a variance; beyond the first season of an M season the formula is an approximation */
            double tolerance = 4.0 * sqrt(2.0 / PATHS);
            assert_close(variances[h], wanted[h],
                         ets.form.season == ETS_SEASON_TIMES && h >= PERIOD ? 0.15 : tolerance);
        }
    }
}

static double hostile_at(size_t kind, size_t t, struct rng *rng)
{
    switch (kind) {
    case 0:
        return t % 2 == 0 ? 100.0 : 101.0;
    case 1:
        return t == 60 ? 1e9 : 100.0 + rng_normal(rng);
    case 2:
        return exp(200.0 * rng_normal(rng));
    case 3:
        return (double)t;
    case 4:
        return t < 100 ? 5.0 : 5.0 + 1e-12 * (double)t;
    case 5:
        return 1e-300 * (double)(1 + t % 5);
    case 6:
        return 1e149 * rng_normal(rng);
    case 7:
        return t == 0 ? 1.0 : 0.0;
    case 8:
        return exp((double)t);
    default:
        return 1e12 + rng_normal(rng);
    }
}

static void hostile_values_get_finite_numbers_or_a_reason(void **state)
{
    double values[POINTS];

    (void)state;
    for (size_t kind = 0; kind < 10; kind++)
        for (size_t count = 1; count <= POINTS; count = count < 30 ? count + 1 : count + 45) {
            double means[AHEAD], variances[AHEAD];
            struct ets_data data;
            struct ets_fit fit;
            struct rng rng;

            rng_init(&rng, kind);
            for (size_t t = 0; t < count; t++)
                values[t] = hostile_at(kind, t, &rng);
            err_clear();
            if (ets_prepare(arena, values, count, PERIOD, &data) < 0 || ets_choose(&data, &fit) < 0) {
                assert_int_equal(err_kind(), E_INPUT);
                assert_true(strlen(err_text()) > 0);
                arena_reset(arena);
                continue;
            }
            const struct ets_outlook outlook = {&fit.ets, &fit.last, count, fit.sigma2};
            ets_forecast(arena, &outlook, AHEAD, means, variances);
            assert_true(isfinite(fit.aicc) && isfinite(fit.sigma2) && fit.sigma2 >= 0.0);
            for (size_t h = 0; h < AHEAD; h++)
                assert_true(isfinite(means[h]) && isfinite(variances[h]) && variances[h] >= 0.0);
            arena_reset(arena);
        }
}

static void refuses_what_is_not_a_number_stands_still_or_is_too_short(void **state)
{
    double values[POINTS];
    struct ets_form form;
    struct ets_data data;
    struct ets_fit fit;

    (void)state;
    for (size_t t = 0; t < POINTS; t++)
        values[t] = 7.0;
    assert_int_equal(ets_prepare(arena, values, POINTS, 1, &data), -1);
    assert_non_null(strstr(err_text(), "stand still"));
    values[3] = NAN;
    assert_int_equal(ets_prepare(arena, values, POINTS, 1, &data), -1);
    assert_non_null(strstr(err_text(), "value 4 of 120"));
    values[3] = INFINITY;
    assert_int_equal(ets_prepare(arena, values, POINTS, 1, &data), -1);
    assert_int_equal(ets_prepare(arena, values, 3, 1, &data), -1);

    values[3] = -1.0; /* M needs values above zero; a season needs two cycles */
    assert_int_equal(ets_prepare(arena, values, POINTS, 1, &data), 0);
    assert_int_equal(ets_parse("MNN", 1, &form), 0);
    assert_int_equal(ets_estimate(&data, &form, &fit), -1);
    assert_non_null(strstr(err_text(), "above zero"));
    assert_int_equal(ets_prepare(arena, values, 2 * PERIOD - 1, PERIOD, &data), 0);
    assert_int_equal(ets_parse("ANA", PERIOD, &form), 0);
    assert_int_equal(ets_estimate(&data, &form, &fit), -1);
    assert_non_null(strstr(err_text(), "two whole cycles"));
    err_clear();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_gradient_is_that_of_differences_for_every_form, begin, end),
        cmocka_unit_test_setup_teardown(names_fifteen_forms_and_refuses_others, begin, end),
        cmocka_unit_test_setup_teardown(a_fit_finds_the_parameters_that_made_the_values, begin, end),
        cmocka_unit_test_setup_teardown(the_choice_is_no_worse_than_what_made_the_values_and_sees_the_season, begin,
                                        end),
        cmocka_unit_test_setup_teardown(the_unit_of_the_values_changes_nothing_but_their_unit, begin, end),
        cmocka_unit_test_setup_teardown(means_and_variances_are_those_of_simulated_paths, begin, end),
        cmocka_unit_test_setup_teardown(hostile_values_get_finite_numbers_or_a_reason, begin, end),
        cmocka_unit_test_setup_teardown(refuses_what_is_not_a_number_stands_still_or_is_too_short, begin, end),
    };
    return cmocka_run_group_tests_name("models/ets", tests, NULL, NULL);
}
