/* Forecast documents: every field of the contract, both variants, the list, the event, the curve. */
#include "publish/doc_forecast.h"

#include <setjmp.h>
#include <stdarg.h>

#include "models/model.h"

#include "example.h"

#include <cmocka.h>

#define TEXT_MAX 65536

struct fixture {
    struct feed feed;
    struct forecast_view forecasts[2];
    struct batch_view batch;
    struct accuracy_view accuracy;
    struct forecast_page page;
    struct strbuf text;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    struct fixture *f = &fixture;
    f->feed = example_feed("live", 1);
    f->forecasts[0] = example_forecast("ensemble", "ensemble", 86400);
    f->forecasts[1] = example_forecast("rw-gauss", "baseline", 86400);
    f->forecasts[0].served = true;
    f->batch = example_batch(f->forecasts, 2);
    f->accuracy = example_accuracy("ensemble", "all", 86400);
    f->page = (struct forecast_page){
        .feed = &f->feed,
        .batch = &f->batch,
        .forecast = &f->forecasts[0],
        .baseline = &f->forecasts[1],
        .accuracy = &f->accuracy,
        .deadlines = deadlines_of(&f->feed, ISSUED_AT, f->forecasts[0].target_at, PUBLISH_CADENCE_MS, WALL_AT)};
    strbuf_init(&f->text, TEXT_MAX);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    strbuf_release(&((struct fixture *)*state)->text);
    return 0;
}

static json_t *render(struct fixture *f, bool stale)
{
    strbuf_reset(&f->text);
    doc_forecast_render(&f->page, stale, &f->text);
    json_t *root = parse(&f->text);
    assert_non_null(root);
    return root;
}

static void every_field_of_the_contract_is_there(void **state)
{
    static const char *const names[] = {"id",
                                        "symbol",
                                        "horizon",
                                        "issued_at",
                                        "data_as_of",
                                        "target_at",
                                        "expires_at",
                                        "origin_price",
                                        "median",
                                        "mean",
                                        "quantiles",
                                        "intervals",
                                        "prob_up",
                                        "volatility",
                                        "model.name",
                                        "model.version",
                                        "model.weights",
                                        "model.trained_at",
                                        "baseline.quantiles",
                                        "skill.crps_vs_baseline",
                                        "skill.window",
                                        "skill.n",
                                        "coverage",
                                        "method",
                                        "stale",
                                        "degraded",
                                        "sources",
                                        "ledger.seq",
                                        "ledger.hash",
                                        "feed.name",
                                        "notice",
                                        "published_at",
                                        "stale_at"};
    json_t *root = render(*state, false);
    for (size_t i = 0; i < BTCF_LENGTH(names); i++) {
        if (member(root, names[i]) == NULL)
            fail_msg("there is no %s", names[i]);
    }
    json_decref(root);
}

static void market_and_wall_times_are_told_apart(void **state)
{
    json_t *root = render(*state, false);
    assert_string_equal(text_of(root, "issued_at"), "2025-03-31T23:00:00Z");
    assert_string_equal(text_of(root, "target_at"), "2025-04-01T23:00:00Z");
    assert_string_equal(text_of(root, "published_at"), "2027-01-15T08:00:00.250Z");
    assert_string_equal(text_of(root, "stale_at"), "2027-01-15T09:15:00Z");
    assert_string_equal(text_of(root, "expires_at"), "2027-01-16T08:00:00Z");
    json_decref(root);
}

static void quantiles_carry_their_levels_as_names(void **state)
{
    json_t *root = render(*state, false);
    json_t *quantiles = member(root, "quantiles");
    assert_int_equal(json_object_size(quantiles), VIEW_LEVEL_COUNT);
    assert_float_equal(json_number_value(json_object_get(quantiles, "0.005")), 50000, 1e-9);
    assert_float_equal(json_number_value(json_object_get(quantiles, "0.5")), 62000, 1e-9);
    assert_float_equal(json_number_value(json_object_get(quantiles, "0.975")), 72000, 1e-9);
    assert_float_equal(json_number_value(json_object_get(quantiles, "0.995")), 74000, 1e-9);
    assert_float_equal(number_of(root, "median"), 62000, 1e-9);
    assert_float_equal(number_of(root, "mean"), 62001.24, 1e-9);
    json_decref(root);
}

static void intervals_are_the_central_quantiles(void **state)
{
    static const struct {
        const char *name, *low, *high;
    } expected[] = {{"50", "0.25", "0.75"}, {"80", "0.1", "0.9"}, {"90", "0.05", "0.95"}, {"95", "0.025", "0.975"}};
    json_t *root = render(*state, false);
    json_t *quantiles = member(root, "quantiles");
    for (size_t i = 0; i < BTCF_LENGTH(expected); i++) {
        json_t *interval = json_object_get(member(root, "intervals"), expected[i].name);
        double low = json_number_value(json_object_get(quantiles, expected[i].low));
        double high = json_number_value(json_object_get(quantiles, expected[i].high));
        assert_float_equal(json_number_value(json_object_get(interval, "low")), low, 1e-9);
        assert_float_equal(json_number_value(json_object_get(interval, "high")), high, 1e-9);
    }
    json_decref(root);
}

static void levels_are_those_of_the_models(void **state)
{
    (void)state;
    assert_int_equal(VIEW_LEVEL_COUNT, QUANTILE_COUNT);
    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        assert_float_equal(view_levels[i], quantile_levels[i], 1e-12);
}

static void skill_and_coverage_are_null_before_the_first_score(void **state)
{
    struct fixture *f = *state;
    f->page.accuracy = NULL;
    json_t *root = render(f, false);
    assert_true(json_is_null(member(root, "skill.crps_vs_baseline")));
    assert_int_equal(json_integer_value(member(root, "skill.n")), 0);
    assert_int_equal(json_object_size(member(root, "coverage")), VIEW_INTERVAL_COUNT);
    assert_true(json_is_null(json_object_get(member(root, "coverage"), "95")));
    json_decref(root);
}

static void skill_and_coverage_come_from_the_scoreboard(void **state)
{
    json_t *root = render(*state, false);
    assert_float_equal(number_of(root, "skill.crps_vs_baseline"), 0.02, 1e-9);
    assert_string_equal(text_of(root, "skill.window"), "365d");
    assert_int_equal(json_integer_value(member(root, "skill.n")), 240);
    assert_float_equal(json_number_value(json_object_get(member(root, "coverage"), "80")), 0.8, 1e-9);
    json_decref(root);
}

static void a_missing_baseline_is_null(void **state)
{
    struct fixture *f = *state;
    f->page.baseline = NULL;
    json_t *root = render(f, false);
    assert_true(json_is_null(member(root, "baseline")));
    json_decref(root);
}

static void the_stale_variant_differs_in_one_word(void **state)
{
    struct fixture *f = *state;
    json_t *fresh = render(f, false), *stale = render(f, true);
    assert_true(json_is_false(member(fresh, "stale")));
    assert_true(json_is_true(member(stale, "stale")));
    json_object_set_new(stale, "stale", json_false());
    assert_true(json_equal(fresh, stale));
    json_decref(fresh);
    json_decref(stale);
}

static void degraded_when_the_feed_or_the_batch_was(void **state)
{
    struct fixture *f = *state;
    json_t *root = render(f, false);
    assert_true(json_is_false(member(root, "degraded")));
    json_decref(root);
    f->batch.degraded = true;
    root = render(f, false);
    assert_true(json_is_true(member(root, "degraded")));
    json_decref(root);
    f->batch.degraded = false;
    f->feed.degraded = true;
    root = render(f, false);
    assert_true(json_is_true(member(root, "degraded")));
    json_decref(root);
}

static void data_that_is_no_market_says_so(void **state)
{
    struct fixture *f = *state;
    json_t *root = render(f, false);
    assert_true(json_is_null(member(root, "notice")));
    assert_string_equal(text_of(root, "feed.kind"), "live");
    json_decref(root);
    f->feed = example_feed("replay:3", 360);
    root = render(f, false);
    assert_string_equal(text_of(root, "feed.kind"), "replay");
    assert_non_null(strstr(text_of(root, "notice"), "not the live market"));
    json_decref(root);
    f->feed = example_feed("simulate:1", 360);
    root = render(f, false);
    assert_string_equal(text_of(root, "feed.kind"), "simulated");
    assert_non_null(strstr(text_of(root, "notice"), "Simulated"));
    json_decref(root);
}

static void the_list_holds_exactly_the_bytes_of_its_members(void **state)
{
    struct fixture *f = *state;
    doc_forecast_render(&f->page, false, &f->text);
    struct str one = {f->text.ptr, f->text.len};
    struct str documents[] = {one, one};
    struct strbuf list, expected;
    strbuf_init(&list, TEXT_MAX);
    strbuf_init(&expected, TEXT_MAX);
    doc_forecast_list_render(documents, 2, &list);
    strbuf_printf(&expected, "{\"forecasts\":[%s,%s]}", f->text.ptr, f->text.ptr);
    assert_string_equal(list.ptr, expected.ptr);
    strbuf_reset(&list);
    doc_forecast_list_render(documents, 0, &list);
    assert_string_equal(list.ptr, "{\"forecasts\":[]}");
    strbuf_release(&list);
    strbuf_release(&expected);
}

static void the_event_fits_its_slot_with_the_longest_numbers(void **state)
{
    struct fixture *f = *state;
    f->feed = example_feed("replay:1234567890123456789", 360);
    f->batch.origin_price = 123456789012.34;
    for (size_t i = 0; i < VIEW_LEVEL_COUNT; i++)
        f->forecasts[0].quantiles[i] = 123456789012.34;
    doc_forecast_event_render(&f->page, &f->text);
    assert_true(f->text.len < BTCF_EVENT_DATA_MAX);
    json_t *root = parse(&f->text);
    assert_string_equal(text_of(root, "url"), "/v1/forecasts/1d");
    json_decref(root);
}

static void the_curve_is_the_document_in_numbers(void **state)
{
    struct fixture *f = *state;
    struct btcf_dist_curve curve;
    double value;
    doc_forecast_curve(&f->page, &curve);
    assert_int_equal(curve.level_count, VIEW_LEVEL_COUNT);
    assert_int_equal(curve.horizon_s, 86400);
    assert_int_equal(curve.expires_at_ms, f->page.deadlines.expires_at_ms);
    memcpy(&value, &curve.value[12], sizeof(value));
    assert_float_equal(value, 62000, 0);
    memcpy(&value, &curve.level[12], sizeof(value));
    assert_float_equal(value, 0.5, 0);
}

static void keys_are_the_paths_of_the_horizons(void **state)
{
    (void)state;
    char key[FORECAST_KEY_SIZE];
    forecast_key(3600, key);
    assert_string_equal(key, "/v1/forecasts/1h");
    forecast_key(2592000, key);
    assert_string_equal(key, "/v1/forecasts/30d");
    assert_null(horizon_name(7200));
}

#define FORECAST_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FORECAST_TEST(every_field_of_the_contract_is_there),
        FORECAST_TEST(market_and_wall_times_are_told_apart),
        FORECAST_TEST(quantiles_carry_their_levels_as_names),
        FORECAST_TEST(intervals_are_the_central_quantiles),
        FORECAST_TEST(levels_are_those_of_the_models),
        FORECAST_TEST(skill_and_coverage_are_null_before_the_first_score),
        FORECAST_TEST(skill_and_coverage_come_from_the_scoreboard),
        FORECAST_TEST(a_missing_baseline_is_null),
        FORECAST_TEST(the_stale_variant_differs_in_one_word),
        FORECAST_TEST(degraded_when_the_feed_or_the_batch_was),
        FORECAST_TEST(data_that_is_no_market_says_so),
        FORECAST_TEST(the_list_holds_exactly_the_bytes_of_its_members),
        FORECAST_TEST(the_event_fits_its_slot_with_the_longest_numbers),
        FORECAST_TEST(the_curve_is_the_document_in_numbers),
        FORECAST_TEST(keys_are_the_paths_of_the_horizons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
