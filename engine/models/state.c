/* States of models: made, taken apart into bytes and put together again, and the two ways to ask a model. */
#include <string.h>

#include "core/err.h"
#include "models/model.h"
#include "models/series.h"

#define FNV_OFFSET UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

/* Fowler-Noll-Vo 1a, 64 bits (draft-eastlake-fnv): names the training data, secures nothing. */
static uint64_t hash_of(const double *values, size_t count)
{
    const unsigned char *bytes = (const unsigned char *)values;
    uint64_t hash = FNV_OFFSET;

    for (size_t i = 0; i < count * sizeof *values; i++)
        hash = (hash ^ bytes[i]) * FNV_PRIME;
    return hash;
}

void *model_state_make(struct arena *arena, const struct model *model, const struct model_task *task, size_t points,
                       size_t bytes)
{
    struct model_state *state = arena_alloc(arena, bytes);
    const struct series *series = task->series;
    size_t used = points < series->count ? points : series->count;

    memset(state, 0, bytes);
    state->bytes = bytes;
    state->version = model->state_version;
    state->params = *task->params;
    state->step_ms = series->step_ms;
    state->fitted_ms = series->end_ms;
    state->points = used;
    state->data_hash = used == 0 ? 0 : hash_of(series->close + series->count - used, used);
    state->step_count = (uint32_t)task->count;
    for (size_t i = 0; i < task->count; i++)
        state->steps[i] = (uint32_t)task->steps[i];
    return state;
}

int model_state_load(struct arena *arena, const struct model *model, const void *bytes, size_t len,
                     struct model_state **state)
{
    struct model_state head;

    if (len < sizeof head)
        return err_set(E_INPUT, "%s: a state of %zu bytes is too short", model->name, len);
    memcpy(&head, bytes, sizeof head);
    if (head.bytes != len || head.version != model->state_version || head.step_count > MODEL_STEPS_MAX ||
        head.step_ms <= 0)
        return err_set(E_INPUT, "%s: a state of %zu bytes, version %u, is not one of version %u", model->name, len,
                       head.version, model->state_version);
    *state = arena_alloc(arena, len);
    memcpy(*state, bytes, len);
    if (model->is_whole != NULL && !model->is_whole(*state))
        return err_set(E_INPUT, "%s: a stored state is damaged", model->name);
    return 0;
}

size_t model_state_index(const struct model_state *state, size_t steps)
{
    size_t i = 0;

    while (i < state->step_count && state->steps[i] != steps)
        i++;
    return i;
}

void model_answer_refuse(struct arena *arena, struct model_answer *answer)
{
    answer->refusal = arena_strdup(arena, err_text());
    err_clear();
}

int model_ask(struct arena *arena, const struct model *model, const struct series *series,
              const struct model_params *params, size_t steps, struct quantile_curve *curve)
{
    struct model_state *state;
    struct model_answer answer;
    struct model_task task = {.series = series, .params = params, .steps = &steps, .count = 1};

    if (model->fit(arena, &task, &state) < 0)
        return -1;
    model->forecast(arena, state, &task, &answer);
    if (answer.refusal != NULL)
        return err_set(E_INPUT, "%s", answer.refusal);
    *curve = answer.curve;
    return 0;
}
