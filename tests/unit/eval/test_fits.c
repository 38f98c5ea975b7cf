/* Fitted states: one for each refit instant, the same whoever asks and however much history is loaded; bounded memory;
 * and nothing after the instant in them. The model here learns the mean square of its returns, and counts its fits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "core/arena.h"
#include "core/err.h"
#include "eval/fits.h"
#include "models/series.h"
#include "walk.h"

#define ARENA_MAX ((size_t)256 << 20)
#define POINTS 4000
#define NEED_MIN 100
#define NEED_USED 500
#define WEEK_S INT64_C(604800)
#define HOURS_MS(n) ((int64_t)(n)*WALK_HOUR_MS)

static struct arena *arena;
static struct fits *fits;
static int fit_count;

struct mean_square {
    struct model_state head;
    double value;
};

static struct model_need need_of(const struct model_params *params, int64_t step_ms, size_t steps)
{
    (void)params;
    (void)step_ms;
    (void)steps;
    return (struct model_need){NEED_MIN, NEED_USED};
}

static int fit_mean_square(struct arena *scratch, const struct model_task *task, struct model_state **state);

static const struct model mean_square = {
    .name = "mean-square", .state_version = 1, .refit_s = WEEK_S, .need = need_of, .fit = fit_mean_square};

static int fit_mean_square(struct arena *scratch, const struct model_task *task, struct model_state **state)
{
    struct series recent = series_tail(task->series, NEED_USED);

    fit_count++;
    if (task->series->count < NEED_MIN)
        return err_set(E_INPUT, "too few points of history");
    struct mean_square *made = model_state_make(scratch, &mean_square, task, NEED_USED, sizeof *made);
    for (size_t i = 1; i < recent.count; i++)
        made->value += pow(recent.log_close[i] - recent.log_close[i - 1], 2.0);
    *state = &made->head;
    return 0;
}

static int begin(void **state)
{
    (void)state;
    arena = arena_create("test", ARENA_MAX);
    fits = fits_create(FITS_BYTES_MAX);
    fit_count = 0;
    err_clear();
    return 0;
}

static int end(void **state)
{
    (void)state;
    fits_free(&fits);
    arena_free(&arena);
    return 0;
}

static struct series market(void)
{
    return walk_series(arena, walk_closes(arena, POINTS, 1), POINTS, WALK_HOUR_MS);
}

/* The state for the series' end. */
static const struct model_state *get(const struct series *series, int64_t step_ms, enum fits_policy policy)
{
    static const size_t steps[] = {1, 4};
    const struct fits_request request = {
        .model = &mean_square, .series = series, .step_ms = step_ms, .steps = steps, .count = 2, .policy = policy};
    const struct model_state *state = NULL;

    return fits_get(fits, &request, &state) < 0 ? NULL : state;
}

static void refit_instants_are_multiples_since_1970_whoever_asks(void **state)
{
    static const struct model plain = {.name = "plain"};

    (void)state;
    assert_int_equal(fits_instant(&mean_square, 0), 0);
    assert_int_equal(fits_instant(&mean_square, WEEK_S * 1000 - 1), 0);
    assert_int_equal(fits_instant(&mean_square, WEEK_S * 1000), WEEK_S * 1000);
    assert_int_equal(fits_instant(&mean_square, -1), -WEEK_S * 1000);
    assert_int_equal(fits_instant(&plain, 12345), 12345);
}

static void one_fit_serves_every_origin_until_the_next_instant(void **state)
{
    struct series series = market();
    const struct model_state *last = NULL;
    int changes = 0;

    (void)state;
    for (size_t count = 2000; count <= 2000 + 3 * 168; count += 6) {
        struct series known = series_head(&series, count);
        const struct model_state *now = get(&known, WALK_HOUR_MS, FITS_EXACT);

        assert_non_null(now);
        assert_int_equal(now->fitted_ms, fits_instant(&mean_square, known.end_ms));
        changes += last != NULL && now->fitted_ms != last->fitted_ms;
        last = now;
    }
    assert_int_equal(changes, 3);
    assert_int_equal(fit_count, 4);
}

static void the_state_is_the_same_whoever_asks_and_however_much_is_loaded(void **state)
{
    struct series series = market(), early = series_head(&series, 2000), later = series_head(&series, 2005);
    struct series tail = series_tail(&early, NEED_USED + 168);
    struct mean_square first;

    (void)state;
    memcpy(&first, get(&early, WALK_HOUR_MS, FITS_EXACT), sizeof first);
    assert_memory_equal(&first, get(&later, WALK_HOUR_MS, FITS_EXACT), sizeof first);
    fits_free(&fits);
    fits = fits_create(FITS_BYTES_MAX);
    assert_memory_equal(&first, get(&tail, WALK_HOUR_MS, FITS_EXACT), sizeof first);
    assert_int_equal(fit_count, 2);
}

static void garbage_after_the_instant_changes_no_bit_of_a_state(void **state)
{
    double *closes = walk_closes(arena, POINTS, 1);
    struct series clean = walk_series(arena, closes, POINTS, WALK_HOUR_MS), known = series_head(&clean, 2000);
    struct mean_square hourly, daily;

    (void)state;
    memcpy(&hourly, get(&known, WALK_HOUR_MS, FITS_EXACT), sizeof hourly);
    size_t instant = series_count_at(&clean, hourly.head.fitted_ms);
    assert_true(instant < 2000);
    struct series day = series_head(&clean, POINTS);
    memcpy(&daily, get(&day, 24 * WALK_HOUR_MS, FITS_EXACT), sizeof daily);
    size_t day_instant = series_count_at(&clean, daily.head.fitted_ms);
    assert_true(day_instant < POINTS);

    fits_free(&fits);
    fits = fits_create(FITS_BYTES_MAX);
    for (size_t i = day_instant; i < POINTS; i++)
        closes[i] = 1e6;
    struct series later = walk_series(arena, closes, POINTS, WALK_HOUR_MS);
    assert_memory_equal(&daily, get(&later, 24 * WALK_HOUR_MS, FITS_EXACT), sizeof daily);
    for (size_t i = instant; i < POINTS; i++)
        closes[i] = 1e6;
    struct series garbled = walk_series(arena, closes, POINTS, WALK_HOUR_MS);
    known = series_head(&garbled, 2000);
    assert_memory_equal(&hourly, get(&known, WALK_HOUR_MS, FITS_EXACT), sizeof hourly);
}

static void bars_are_cut_at_the_instant_too(void **state)
{
    struct series series = market(), known = series_head(&series, POINTS - 17);
    const struct model_state *daily = get(&known, 24 * WALK_HOUR_MS, FITS_EXACT);

    (void)state;
    assert_non_null(daily);
    assert_int_equal(daily->step_ms, 24 * WALK_HOUR_MS);
    assert_int_equal(daily->fitted_ms, fits_instant(&mean_square, known.end_ms));
}

static void a_young_history_refits_daily_until_the_regular_instant_serves(void **state)
{
    struct series series = market();
    size_t regular = series_count_at(&series, fits_instant(&mean_square, series.end_ms - HOURS_MS(POINTS - 400)));
    struct series young = series_tail(&series, POINTS - (regular - (NEED_MIN - 1))), known;

    (void)state;
    /* The instant lies one point too early in this history: too short there, long enough a day later. */
    known = series_head(&young, NEED_MIN + 47);
    const struct model_state *early = get(&known, WALK_HOUR_MS, FITS_EXACT);
    assert_non_null(early);
    assert_int_equal(early->fitted_ms % (FITS_EARLY_S * 1000), 0);
    assert_true(early->fitted_ms > fits_instant(&mean_square, known.end_ms));
    known = series_head(&young, NEED_MIN + 168 + 47);
    assert_int_equal(get(&known, WALK_HOUR_MS, FITS_EXACT)->fitted_ms, fits_instant(&mean_square, known.end_ms));
}

static void a_refusal_is_remembered_for_its_instant(void **state)
{
    struct series series = market(), known = series_head(&series, NEED_MIN - 40);

    (void)state;
    for (int i = 0; i < 5; i++) {
        err_clear();
        assert_null(get(&known, WALK_HOUR_MS, FITS_EXACT));
        assert_int_equal(err_kind(), E_INPUT);
        assert_non_null(strstr(err_text(), "points of history"));
    }
    assert_true(fit_count <= 1);
}

static void the_live_engine_takes_an_older_state_rather_than_fit(void **state)
{
    struct series series = market(), early = series_head(&series, 2000), later = series_head(&series, 2400);
    struct mean_square stored;

    (void)state;
    memcpy(&stored, get(&early, WALK_HOUR_MS, FITS_NEWEST), sizeof stored);
    assert_int_equal(fit_count, 1); /* there was none at all */
    assert_int_equal(get(&later, WALK_HOUR_MS, FITS_NEWEST)->fitted_ms, stored.head.fitted_ms);
    assert_int_equal(fit_count, 1);
    assert_true(get(&later, WALK_HOUR_MS, FITS_EXACT)->fitted_ms > stored.head.fitted_ms);
    assert_true(get(&later, WALK_HOUR_MS, FITS_NEWEST)->fitted_ms > stored.head.fitted_ms);
    /* A state from the future of this origin is no answer. */
    assert_int_equal(get(&early, WALK_HOUR_MS, FITS_NEWEST)->fitted_ms, stored.head.fitted_ms);
}

static void training_out_of_turn_fits_at_the_origin_and_the_live_engine_prefers_what_is_newest(void **state)
{
    struct series series = market(), early = series_head(&series, 2400), later = series_head(&series, 2403);

    (void)state;
    int64_t regular_ms = get(&early, WALK_HOUR_MS, FITS_EXACT)->fitted_ms;
    assert_true(regular_ms < early.end_ms);
    assert_int_equal(get(&early, WALK_HOUR_MS, FITS_AT_ORIGIN)->fitted_ms, early.end_ms);
    assert_int_equal(get(&later, WALK_HOUR_MS, FITS_NEWEST)->fitted_ms, early.end_ms);
    assert_int_equal(get(&later, WALK_HOUR_MS, FITS_EXACT)->fitted_ms, regular_ms);
    assert_int_equal(fit_count, 2);
}

static void stored_bytes_come_back_as_the_state_they_were(void **state)
{
    struct series series = market(), known = series_head(&series, 2000);
    struct mean_square stored;

    (void)state;
    memcpy(&stored, get(&known, WALK_HOUR_MS, FITS_EXACT), sizeof stored);
    fits_free(&fits);
    fits = fits_create(FITS_BYTES_MAX);
    assert_int_equal(fits_put(fits, &mean_square, &stored, sizeof stored), 0);
    assert_memory_equal(get(&known, WALK_HOUR_MS, FITS_EXACT), &stored, sizeof stored);
    assert_int_equal(fit_count, 1);
    assert_int_equal(fits_put(fits, &mean_square, &stored, sizeof stored - 1), -1);
    stored.head.version++;
    assert_int_equal(fits_put(fits, &mean_square, &stored, sizeof stored), -1);
    assert_int_equal(err_kind(), E_INPUT);
}

static void other_horizons_are_another_state(void **state)
{
    static const size_t more[] = {1, 4, 24};
    struct series series = market();
    const struct model_state *known;
    const struct fits_request request = {
        .model = &mean_square, .series = &series, .step_ms = WALK_HOUR_MS, .steps = more, .count = 3};

    (void)state;
    assert_non_null(get(&series, WALK_HOUR_MS, FITS_EXACT));
    assert_int_equal(fits_get(fits, &request, &known), 0);
    assert_int_equal(known->step_count, 3);
    assert_non_null(get(&series, WALK_HOUR_MS, FITS_EXACT)); /* two of the three */
    assert_int_equal(fit_count, 2);
}

static void memory_is_bounded_and_too_large_a_state_is_an_error(void **state)
{
    struct series series = market();

    (void)state;
    fits_free(&fits);
    fits = fits_create(sizeof(struct mean_square)); /* room for one */
    for (size_t count = 1000; count <= POINTS; count += 100) {
        struct series known = series_head(&series, count);

        assert_non_null(get(&known, WALK_HOUR_MS, FITS_EXACT));
        assert_non_null(get(&known, WALK_HOUR_MS, FITS_EXACT));
    }
    assert_in_range(fit_count, 18, 19); /* a fit for each week */
    fits_free(&fits);
    fits = fits_create(sizeof(struct mean_square) - 1);
    assert_null(get(&series, WALK_HOUR_MS, FITS_EXACT));
    assert_int_equal(err_kind(), E_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(refit_instants_are_multiples_since_1970_whoever_asks, begin, end),
        cmocka_unit_test_setup_teardown(one_fit_serves_every_origin_until_the_next_instant, begin, end),
        cmocka_unit_test_setup_teardown(the_state_is_the_same_whoever_asks_and_however_much_is_loaded, begin, end),
        cmocka_unit_test_setup_teardown(garbage_after_the_instant_changes_no_bit_of_a_state, begin, end),
        cmocka_unit_test_setup_teardown(bars_are_cut_at_the_instant_too, begin, end),
        cmocka_unit_test_setup_teardown(a_young_history_refits_daily_until_the_regular_instant_serves, begin, end),
        cmocka_unit_test_setup_teardown(a_refusal_is_remembered_for_its_instant, begin, end),
        cmocka_unit_test_setup_teardown(the_live_engine_takes_an_older_state_rather_than_fit, begin, end),
        cmocka_unit_test_setup_teardown(
            training_out_of_turn_fits_at_the_origin_and_the_live_engine_prefers_what_is_newest, begin, end),
        cmocka_unit_test_setup_teardown(stored_bytes_come_back_as_the_state_they_were, begin, end),
        cmocka_unit_test_setup_teardown(other_horizons_are_another_state, begin, end),
        cmocka_unit_test_setup_teardown(memory_is_bounded_and_too_large_a_state_is_an_error, begin, end),
    };
    return cmocka_run_group_tests_name("eval/fits", tests, NULL, NULL);
}
