/* A made-up market for tests of models: hourly closes whose volatility moves, always the same ones. */
#ifndef TESTS_WALK_H
#define TESTS_WALK_H

#include <math.h>
#include <stdlib.h>

#include "core/arena.h"
#include "core/rand.h"
#include "models/series.h"

#define WALK_HOUR_MS INT64_C(3600000)
#define WALK_BEGIN_MS INT64_C(1577836800000) /* 2020-01-01 */

/* `count` closes from 10,000 on; the log return's scale swings slowly between 0.2% and 1%. */
static inline double *walk_closes(struct arena *arena, size_t count, uint64_t seed)
{
    double *closes = arena_array(arena, count, sizeof *closes), level = log(10000.0);
    struct rng rng;

    rng_init(&rng, seed);
    for (size_t i = 0; i < count; i++) {
        level += (0.006 + 0.004 * sin((double)i / 300.0)) * rng_normal(&rng);
        closes[i] = exp(level);
    }
    return closes;
}

/* A series of these closes, without gaps. Ends the test program when the closes are refused. */
static inline struct series walk_series(struct arena *arena, const double *closes, size_t count, int64_t step_ms)
{
    int64_t *times = arena_array(arena, count, sizeof *times);
    struct series_source source = {.count = count, .open_ms = times, .close = closes};
    struct series series;

    for (size_t i = 0; i < count; i++)
        times[i] = WALK_BEGIN_MS + (int64_t)i * step_ms;
    if (series_make(arena, &source, step_ms, &series) < 0)
        abort();
    return series;
}

#endif
