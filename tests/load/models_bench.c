/* What models cost, in milliseconds: the best and the median of many rounds.
 *
 *     models_bench fit ESTIMATOR SERIES ROUNDS [ORDER [PERIOD]]      one estimate, as `btcf fit` makes it
 *     models_bench update CANDLES STEP_S STEPS ROUNDS                each registered model: a fit, a forecast from that state
 *     models_bench trees ROWS WIDTH ROUNDS                           boosted trees for fifteen quantiles, bins made anew
 *
 * STEPS are horizons in steps of the candles, with commas. Reading files is not counted. Lines are "name best median", for
 * update "name fit best median", where fit is the time of one refit; a model that refuses is left out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cmd/number_column.h"
#include "core/arena.h"
#include "core/err.h"
#include "core/rand.h"
#include "math/boost.h"
#include "models/estimate.h"
#include "models/model.h"
#include "models/series.h"

#define ARENA_MAX ((size_t)2 << 30)
#define ROUNDS_MAX 10000

static struct arena *arena;

static double now_ms(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static int fail(void)
{
    fprintf(stderr, "models_bench: %s\n", err_text());
    return 1;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void print_times(double *times, size_t rounds)
{
    qsort(times, rounds, sizeof *times, compare);
    printf("%.6f %.6f\n", times[0], times[rounds / 2]);
}

static size_t rounds_of(const char *text)
{
    size_t rounds = (size_t)strtoull(text, NULL, 10);

    return rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
}

static int bench_fit(int argc, char **argv)
{
    const struct estimator *estimator = estimator_find(argv[2]);
    const struct estimate_options options = {.order = argc > 5 && argv[5][0] != '\0' ? argv[5] : NULL,
                                             .period = argc > 6 ? (size_t)strtoull(argv[6], NULL, 10) : 1};
    size_t rounds = rounds_of(argv[4]);
    double *times = calloc(rounds, sizeof *times);
    struct number_column column;
    struct estimate estimate;

    if (estimator == NULL || times == NULL) {
        fprintf(stderr, "models_bench: no estimator %s\n", argv[2]);
        return 1;
    }
    if (number_column_load(&column, argv[3], NULL) < 0)
        return fail();
    for (size_t i = 0; i < rounds; i++) {
        arena_reset(arena);
        double begin = now_ms();
        if (estimator->run(arena, column.values, column.count, &options, &estimate) < 0)
            return fail();
        times[i] = now_ms() - begin;
    }
    printf("%s ", estimator->name);
    print_times(times, rounds);
    number_column_release(&column);
    free(times);
    return 0;
}

/* The file's columns stay allocated until the program ends: the series refers to them. */
static int load_candles(const char *path, int64_t step_ms, struct series *series)
{
    static const char *const names[] = {"time", "open", "high", "low", "close", "volume"};
    static struct number_column columns[BTCF_LENGTH(names)];

    for (size_t i = 0; i < BTCF_LENGTH(names); i++)
        if (number_column_load(&columns[i], path, names[i]) < 0)
            return -1;
    int64_t *times = calloc(columns[0].count, sizeof *times);
    if (times == NULL)
        return err_set(E_LIMIT, "no memory");
    for (size_t i = 0; i < columns[0].count; i++)
        times[i] = (int64_t)columns[0].values[i] * 1000;
    const struct series_source source = {.count = columns[0].count,
                                         .open_ms = times,
                                         .open = columns[1].values,
                                         .high = columns[2].values,
                                         .low = columns[3].values,
                                         .close = columns[4].values,
                                         .volume = columns[5].values};
    static struct arena *kept; /* outlives the rounds */
    kept = arena_create("series", ARENA_MAX);
    int status = series_make(kept, &source, step_ms, series);
    free(times);
    return status;
}

static void bench_model(const struct model *model, const struct model_task *task, size_t rounds, double *times)
{
    struct model_answer answers[MODEL_STEPS_MAX];
    struct model_state *state, *kept;
    double begin = now_ms();

    arena_reset(arena);
    if (model->fit(arena, task, &state) < 0) {
        err_clear();
        return;
    }
    double fit = now_ms() - begin;
    kept = malloc(state->bytes); /* as a cache or a row would keep it */
    if (kept == NULL)
        return;
    memcpy(kept, state, state->bytes);
    for (size_t i = 0; i < rounds; i++) {
        arena_reset(arena);
        begin = now_ms();
        model->forecast(arena, kept, task, answers);
        times[i] = now_ms() - begin;
    }
    free(kept);
    printf("%s %.6f ", model->name, fit);
    print_times(times, rounds);
}

static int bench_update(char **argv)
{
    static const struct model_params params = {.seed = 1};
    struct series series;
    size_t steps[MODEL_STEPS_MAX], count = 0, rounds = rounds_of(argv[5]);
    double *times = calloc(rounds, sizeof *times);

    if (times == NULL || load_candles(argv[2], strtoll(argv[3], NULL, 10) * 1000, &series) < 0)
        return fail();
    for (char *text = strtok(argv[4], ","); text != NULL && count < MODEL_STEPS_MAX; text = strtok(NULL, ","))
        steps[count++] = (size_t)strtoull(text, NULL, 10);
    const struct model_task task = {&series, &params, steps, count};
    for (size_t m = 0; models[m] != NULL; m++)
        bench_model(models[m], &task, rounds, times);
    free(times);
    return 0;
}

/* Forests as large as qgb grows them: 60 trees of 8 leaves on numbers by chance, the first of which decides the scale. */
static int bench_trees(char **argv)
{
    static const double levels[] = {.025, .05, .1, .2, .25, .3, .4, .5, .6, .7, .75, .8, .9, .95, .975};
    const struct boost_options options = {.levels = levels,
                                          .level_count = BTCF_LENGTH(levels),
                                          .rounds = 60,
                                          .leaves = 8,
                                          .leaf_rows_min = 50,
                                          .rate = 0.05,
                                          .is_two_sided = true};
    size_t rows = (size_t)strtoull(argv[2], NULL, 10), width = (size_t)strtoull(argv[3], NULL, 10);
    size_t rounds = rounds_of(argv[4]);
    double *times = calloc(rounds, sizeof *times), *x = calloc(rows * width, sizeof *x), *y = calloc(rows, sizeof *y);
    struct rng rng;

    if (times == NULL || x == NULL || y == NULL || rows > BOOST_ROWS_MAX || width > BOOST_WIDTH_MAX)
        return 1;
    rng_init(&rng, 1);
    for (size_t row = 0; row < rows; row++) {
        for (size_t i = 0; i < width; i++)
            x[row * width + i] = rng_uniform(&rng);
        y[row] = (1.0 + x[row * width]) * rng_normal(&rng);
    }
    for (size_t i = 0; i < rounds; i++) {
        arena_reset(arena);
        double begin = now_ms();
        struct boost_forest *forest = arena_alloc(arena, boost_forest_bytes(&options));
        struct boost_table table;
        boost_table_make(arena, x, rows, width, &table);
        boost_grow(arena, &table, &(struct boost_sample){y, rows}, &options, forest);
        times[i] = now_ms() - begin;
    }
    printf("trees ");
    print_times(times, rounds);
    free(times);
    free(x);
    free(y);
    return 0;
}

int main(int argc, char **argv)
{
    arena = arena_create("bench", ARENA_MAX);
    if (argc >= 5 && strcmp(argv[1], "fit") == 0)
        return bench_fit(argc, argv);
    if (argc == 6 && strcmp(argv[1], "update") == 0)
        return bench_update(argv);
    if (argc == 5 && strcmp(argv[1], "trees") == 0)
        return bench_trees(argv);
    fprintf(stderr, "usage: models_bench fit ESTIMATOR SERIES ROUNDS [ORDER [PERIOD]]\n"
                    "       models_bench update CANDLES STEP_S STEPS ROUNDS\n"
                    "       models_bench trees ROWS WIDTH ROUNDS\n");
    return 2;
}
