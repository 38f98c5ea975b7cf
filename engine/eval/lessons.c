/* One queue per horizon, a ring of copies in order of origin. The oldest is always the next whose target closes. */
#include "eval/lessons.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "models/series.h"

#define MS 1000
#define MODELS_MAX (COMBINE_MEMBERS_MAX + 1) /* the members and the baseline */

struct waiting {
    int64_t origin_ms;
    size_t count;
    const char *models[MODELS_MAX]; /* literals of the registry */
    struct quantile_curve curves[MODELS_MAX];
};

struct queue {
    size_t first, count;
    struct waiting *ring; /* LESSONS_WAITING_MAX; pages that are never touched cost nothing */
};

struct lessons {
    size_t count;
    struct calibration *calibrations; /* by horizon, as the queues */
    struct queue *queues;
};

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);

    if (memory == NULL)
        abort();
    return memory;
}

struct lessons *lessons_create(const int64_t *horizons_s, size_t count)
{
    struct lessons *lessons = allocate(1, sizeof *lessons);

    lessons->count = count;
    lessons->calibrations = allocate(count, sizeof *lessons->calibrations);
    lessons->queues = allocate(count, sizeof *lessons->queues);
    for (size_t i = 0; i < count; i++) {
        calibration_init(&lessons->calibrations[i], horizons_s[i]);
        lessons->queues[i].ring = allocate(LESSONS_WAITING_MAX, sizeof *lessons->queues[i].ring);
    }
    return lessons;
}

void lessons_free(struct lessons **lessons)
{
    if (*lessons == NULL)
        return;
    for (size_t i = 0; i < (*lessons)->count; i++)
        free((*lessons)->queues[i].ring);
    free((*lessons)->queues);
    free((*lessons)->calibrations);
    free(*lessons);
    *lessons = NULL;
}

int lessons_note(struct lessons *lessons, int64_t origin_ms, const struct issue_members *members)
{
    size_t at = 0;

    while (at < lessons->count && lessons->calibrations[at].horizon_s != members->horizon_s)
        at++;
    if (at == lessons->count)
        return 0;
    struct queue *queue = &lessons->queues[at];
    if (queue->count == LESSONS_WAITING_MAX || members->count > MODELS_MAX)
        return err_set(E_LIMIT, "more than %d forecasts of %d models wait for their outcomes", LESSONS_WAITING_MAX,
                       MODELS_MAX);
    struct waiting *waiting = &queue->ring[(queue->first + queue->count++) % LESSONS_WAITING_MAX];
    waiting->origin_ms = origin_ms;
    waiting->count = members->count;
    for (size_t i = 0; i < members->count; i++) {
        waiting->models[i] = members->models[i];
        waiting->curves[i] = members->curves[i];
    }
    return 0;
}

/* log of the close at `time_ms`, which lies within the series. */
static double log_close_at(const struct series *series, int64_t time_ms)
{
    return series->log_close[series_count_at(series, time_ms) - 1];
}

static int learn_horizon(struct calibration *calibration, struct queue *queue, const struct series *known)
{
    while (queue->count > 0) {
        const struct waiting *waiting = &queue->ring[queue->first];
        int64_t target_ms = waiting->origin_ms + calibration->horizon_s * MS;

        if (target_ms > known->end_ms)
            return 0;
        const struct calibration_outcome outcome = {.origin_ms = waiting->origin_ms,
                                                    .log_return = log_close_at(known, target_ms) -
                                                                  log_close_at(known, waiting->origin_ms),
                                                    .count = waiting->count,
                                                    .models = waiting->models,
                                                    .curves = waiting->curves};
        if (calibration_learn(calibration, &outcome) < 0)
            return -1;
        queue->first = (queue->first + 1) % LESSONS_WAITING_MAX;
        queue->count--;
    }
    return 0;
}

int lessons_learn(struct lessons *lessons, const struct series *known)
{
    for (size_t i = 0; i < lessons->count; i++)
        if (learn_horizon(&lessons->calibrations[i], &lessons->queues[i], known) < 0)
            return -1;
    return 0;
}

struct calibration *lessons_calibrations(struct lessons *lessons)
{
    return lessons->calibrations;
}
