/* The common part of the three naive models; see the header. */
#include "models/plain.h"

#include "core/err.h"

#define DAY_MS INT64_C(86400000)

int plain_fit(struct arena *arena, const struct model *model, const struct model_task *task,
              struct model_state **state)
{
    *state = model_state_make(arena, model, task, 0, sizeof **state);
    (*state)->step_count = 0;
    return 0;
}

void plain_forecast(struct arena *arena, const struct model_state *state, const struct model_task *task,
                    plain_one *one, struct model_answer *answers)
{
    for (size_t i = 0; i < task->count; i++) {
        answers[i] = (struct model_answer){0};
        if (one(arena, state, task->series, task->steps[i], &answers[i].curve) < 0)
            model_answer_refuse(arena, &answers[i]);
    }
}

size_t plain_window(const struct model_params *params, int64_t step_ms, size_t hourly, size_t daily)
{
    if (params->window > 0)
        return params->window;
    return step_ms >= DAY_MS ? daily : hourly;
}

int plain_check_length(const char *model, const struct series *series, struct model_need need, size_t steps)
{
    if (series->count >= need.min)
        return 0;
    return err_set(E_INPUT, "%s needs %zu points of history to look %zu steps ahead and has %zu", model, need.min,
                   steps, series->count);
}

int plain_refuse_still(const char *model, size_t count)
{
    return err_set(E_INPUT, "%s: the last %zu closes stand still", model, count);
}

int plain_check_width(const char *model, const struct quantile_curve *curve, size_t count)
{
    return curve->log_return[QUANTILE_COUNT - 1] > curve->log_return[0] ? 0 : plain_refuse_still(model, count);
}
