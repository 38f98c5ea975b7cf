/* All paths take one step, then all the next: a step is one loop over arrays. Long horizons are walked by the first few paths
 * only; their quantiles need no more than a week's weather forecast needs seconds.
 */
#include "models/garch_simulate.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "math/philox.h"
#include "math/quantile.h"

#define PATHS 4096
#define PATHS_FAR 1024
#define PATHS_FARTHEST 512
#define FAR_FROM 48 /* steps up to which all paths go */
#define FARTHEST_FROM 240
#define TWINS_SHARE 2 /* with leverage both twins are walked: half as many pairs */
/* A variance beyond this many times the long-run one is an overflow in the making; no quantile that we ask for lies there. */
#define VARIANCE_MAX 1e6

struct walk {
    const struct garch_outlook *outlook;
    size_t paths, twins; /* twins: 1, or 2 when both are walked */
    double cap;
    uint32_t *words;
    double *variance, *sum; /* paths of the first twins, then of the second */
    double *sorted;
};

static size_t paths_for(size_t steps, size_t twins)
{
    size_t paths = steps <= FAR_FROM ? PATHS : steps <= FARTHEST_FROM ? PATHS_FAR : PATHS_FARTHEST;

    return twins == 1 ? paths : paths / TWINS_SHARE;
}

/* One path's step; z has its sign. */
static inline void move(const struct walk *walk, size_t path, double z, double news, double factor)
{
    const struct garch_bounded *fit = walk->outlook->fit;
    double variance = walk->variance[path], alpha = z < 0.0 ? fit->alpha + fit->gamma : fit->alpha;

    walk->sum[path] += factor * sqrt(variance) * z;
    variance = fit->omega + (alpha * news + fit->beta) * variance;
    walk->variance[path] = variance < walk->cap ? variance : walk->cap;
}

/* A word is an index into the table (its upper 31 bits, scaled) and a sign (its lowest). */
static void step_all(const struct walk *walk, size_t step)
{
    const struct garch_outlook *outlook = walk->outlook;
    struct philox_stream stream = {outlook->seed, outlook->stream, (uint32_t)step};
    double factor = outlook->factors[step];

    philox_fill(&stream, walk->words, walk->paths);
    for (size_t path = 0; path < walk->paths; path++) {
        uint32_t word = walk->words[path];
        size_t at = (size_t)(((uint64_t)(word >> 1) * outlook->size_count) >> 31);
        double size = outlook->sizes[at], news = outlook->news != NULL ? outlook->news[at] : size * size;
        double z = (word & 1) != 0 ? -size : size;

        move(walk, path, z, news, factor);
        if (walk->twins == 2)
            move(walk, walk->paths + path, -z, news, factor);
    }
}

/* Quantiles of a symmetric law out of sizes: level p > 1/2 of the value is level 2p - 1 of the size. */
static void mirror_sizes(double *sizes, size_t count, struct quantile_curve *curve)
{
    double levels[QUANTILE_COUNT - QUANTILE_MEDIAN], values[QUANTILE_COUNT - QUANTILE_MEDIAN];

    for (size_t i = 0; i < BTCF_LENGTH(levels); i++)
        levels[i] = 2.0 * quantile_levels[QUANTILE_MEDIAN + i] - 1.0;
    quantiles_select(sizes, count, levels, BTCF_LENGTH(levels), values);
    curve->log_return[QUANTILE_MEDIAN] = 0.0;
    for (size_t i = 1; i < BTCF_LENGTH(values); i++) {
        curve->log_return[QUANTILE_MEDIAN + i] = values[i];
        curve->log_return[QUANTILE_MEDIAN - i] = -values[i];
    }
}

static void read_curve(const struct walk *walk, struct quantile_curve *curve)
{
    size_t count = walk->paths;

    if (walk->twins == 1) {
        for (size_t i = 0; i < count; i++)
            walk->sorted[i] = fabs(walk->sum[i]);
        mirror_sizes(walk->sorted, count, curve);
        return;
    }
    memcpy(walk->sorted, walk->sum, 2 * count * sizeof *walk->sum);
    quantiles_select(walk->sorted, 2 * count, quantile_levels, QUANTILE_COUNT, curve->log_return);
}

static void one_step_curve(struct arena *arena, const struct garch_outlook *outlook, struct quantile_curve *curve)
{
    double *sizes = arena_array(arena, outlook->size_count, sizeof *sizes);
    double deviation = outlook->factors[0] * sqrt(outlook->variance);

    for (size_t i = 0; i < outlook->size_count; i++)
        sizes[i] = deviation * outlook->sizes[i];
    mirror_sizes(sizes, outlook->size_count, curve);
}

/* Fewer paths go on: the second twins move up beside the first. */
static void thin(struct walk *walk, size_t paths)
{
    if (paths >= walk->paths)
        return;
    if (walk->twins == 2) {
        memmove(walk->sum + paths, walk->sum + walk->paths, paths * sizeof *walk->sum);
        memmove(walk->variance + paths, walk->variance + walk->paths, paths * sizeof *walk->variance);
    }
    walk->paths = paths;
}

void garch_simulate(struct arena *arena, const struct garch_outlook *outlook, const size_t *steps, size_t count,
                    struct quantile_curve *curves)
{
    const struct garch_bounded *fit = outlook->fit;
    double persistence = fit->alpha + 0.5 * fit->gamma + fit->beta, usual = fit->omega / (1.0 - persistence);
    size_t twins = fabs(fit->gamma) > 0.0 ? 2 : 1, walkers = paths_for(1, twins) * twins;
    struct walk walk = {.outlook = outlook,
                        .paths = paths_for(1, twins),
                        .twins = twins,
                        .cap = VARIANCE_MAX * fmax(usual, outlook->variance),
                        .words = arena_array(arena, PATHS, sizeof *walk.words),
                        .variance = arena_array(arena, walkers, sizeof(double)),
                        .sum = arena_array(arena, walkers, sizeof(double)),
                        .sorted = arena_array(arena, walkers, sizeof(double))};

    assert(outlook->size_count >= 1 && outlook->size_count <= GARCH_SIZES_MAX);
    for (size_t i = 0; i < walkers; i++)
        walk.variance[i] = outlook->variance;
    for (size_t h = 0, step = 0; h < count; h++) {
        if (steps[h] == 1) {
            one_step_curve(arena, outlook, &curves[h]);
            continue;
        }
        for (; step < steps[h]; step++) {
            thin(&walk, paths_for(step + 1, twins));
            step_all(&walk, step);
        }
        read_curve(&walk, &curves[h]);
    }
}
