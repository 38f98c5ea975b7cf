/* The models: where each is served, what it has learned, and what it may not. */
#include "publish/doc_models.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "market/candle.h"
#include "publish/document.h"

#include "example.h"

#include <cmocka.h>

static struct strbuf text;

static int set_up(void **state)
{
    (void)state;
    strbuf_init(&text, DOCUMENT_BYTES_MAX);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    strbuf_release(&text);
    return 0;
}

static json_t *model_of(json_t *root, const char *name)
{
    json_t *list = member(root, "models");
    for (size_t i = 0; i < json_array_size(list); i++)
        if (strcmp(text_of(json_array_get(list, i), "name"), name) == 0)
            return json_array_get(list, i);
    return NULL;
}

static void models_are_listed_once_with_where_they_are_served(void **state)
{
    (void)state;
    struct feed feed = example_feed("live", 1);
    struct forecast_view forecasts[] = {
        example_forecast("rw-gauss", "baseline", 3600), example_forecast("ensemble", "ensemble", 3600),
        example_forecast("rw-gauss", "baseline", 86400), example_forecast("ensemble", "ensemble", 86400)};
    forecasts[1].served = forecasts[2].served = true;
    struct batch_view batch = example_batch(forecasts, 4);
    struct records records = {0};
    struct models_page page = {.feed = &feed, .batch = &batch, .records = &records};
    doc_models_render(&page, &text);
    json_t *root = parse(&text);
    assert_int_equal(json_array_size(member(root, "models")), 2);
    json_t *ensemble = model_of(root, "ensemble");
    assert_string_equal(text_of(ensemble, "kind"), "ensemble");
    assert_true(json_is_true(member(ensemble, "horizons.1h.served")));
    assert_true(json_is_false(member(ensemble, "horizons.1d.served")));
    assert_float_equal(number_of(ensemble, "horizons.1h.weights.rw-emp"), 0.25, 1e-9);
    assert_true(json_is_true(member(model_of(root, "rw-gauss"), "horizons.1d.served")));
    assert_true(json_is_null(member(root, "horizons.1h.champion")));
    json_decref(root);
}

/* Two models of which one learned and one refused, what was decided, and what was taught. */
static struct model_view known[] = {{.name = "garch", .summary = "GARCH(1,1)"}, {.name = "qgb", .summary = "trees"}};
static struct version_view versions[] = {{.model = "garch",
                                          .cause = "schedule",
                                          .data_hash = "00ff",
                                          .parameters = "{\"alpha\": 0.1}",
                                          .step_s = 3600,
                                          .fitted_ms = ISSUED_AT,
                                          .trained_from = ISSUED_AT - MS_PER_DAY,
                                          .points = 25,
                                          .fit_ms = 12.5},
                                         {.model = "qgb",
                                          .cause = "schedule",
                                          .data_hash = "",
                                          .parameters = "{}",
                                          .refusal = "too short",
                                          .step_s = 3600,
                                          .fitted_ms = ISSUED_AT}};
static struct verdict_view verdicts[] = {{.kind = "quarantine",
                                          .model = "garch",
                                          .state = "quarantined",
                                          .previous = "ok",
                                          .reason = "worse",
                                          .horizon_s = 3600},
                                         {.kind = "champion",
                                          .model = "ensemble",
                                          .state = "served",
                                          .previous = "rw-gauss",
                                          .reason = "won",
                                          .horizon_s = 3600,
                                          .p = 0.01,
                                          .n = 50,
                                          .n_effective = 50,
                                          .decided_at = ISSUED_AT},
                                         {.kind = "drift",
                                          .model = "ensemble",
                                          .state = "retrain",
                                          .previous = "",
                                          .reason = "lost",
                                          .horizon_s = 3600,
                                          .p = -1,
                                          .decided_at = ISSUED_AT}};
static struct calibration_view calibrations[] = {
    {.horizon_s = 3600, .as_of = ISSUED_AT, .updates = 7, .summary = "{\"width\": 1.1}"}};

static void each_model_says_what_it_has_learned_and_what_keeps_it_out(void **state)
{
    (void)state;
    struct feed feed = example_feed("live", 1);
    struct forecast_view forecasts[] = {example_forecast("garch", "model", 3600)};
    struct batch_view batch = example_batch(forecasts, 1);
    struct records records = {.models = known,
                              .model_count = 2,
                              .versions = versions,
                              .version_count = 2,
                              .verdicts = verdicts,
                              .verdict_count = 3,
                              .calibrations = calibrations,
                              .calibration_count = 1};
    struct refusal_view refusals[] = {{.model = "qgb", .reason = "has 10 points", .horizon_s = 3600}};
    struct models_page page = {
        .feed = &feed, .batch = &batch, .records = &records, .refusals = refusals, .refusal_count = 1};
    doc_models_render(&page, &text);
    json_t *root = parse(&text);
    json_t *garch = model_of(root, "garch"), *qgb = model_of(root, "qgb");
    json_t *trained = json_array_get(member(garch, "trained"), 0);
    assert_string_equal(text_of(garch, "summary"), "GARCH(1,1)");
    assert_float_equal(number_of(trained, "parameters.alpha"), 0.1, 1e-9);
    assert_string_equal(text_of(trained, "trained_at"), "2025-03-31T23:00:00Z");
    assert_true(json_is_null(member(trained, "refusal")));
    assert_string_equal(text_of(garch, "horizons.1h.state"), "quarantined");
    assert_string_equal(text_of(garch, "horizons.1h.reason"), "worse");
    assert_string_equal(text_of(qgb, "horizons.1h.state"), "refused");
    assert_string_equal(text_of(qgb, "horizons.1h.reason"), "has 10 points");
    assert_string_equal(text_of(json_array_get(member(qgb, "trained"), 0), "refusal"), "too short");
    assert_string_equal(text_of(root, "horizons.1h.champion.model"), "ensemble");
    assert_string_equal(text_of(root, "horizons.1h.champion.instead_of"), "rw-gauss");
    assert_string_equal(text_of(root, "horizons.1h.drifted_at"), "2025-03-31T23:00:00Z");
    assert_float_equal(number_of(root, "horizons.1h.calibration.state.width"), 1.1, 1e-9);
    assert_true(json_is_null(member(root, "horizons.4h.calibration")));
    json_decref(root);
}

#define MODELS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MODELS_TEST(models_are_listed_once_with_where_they_are_served),
        MODELS_TEST(each_model_says_what_it_has_learned_and_what_keeps_it_out),
    };
    return cmocka_run_group_tests_name("publish/doc_models", tests, NULL, NULL);
}
