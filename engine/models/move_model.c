/* State, horizons and refusals of the models of the size of moves; see the header. */
#include "models/move_model.h"

#include <math.h>
#include <string.h>

#include "core/err.h"
#include "models/plain.h"

#define DAY_MS INT64_C(86400000)

struct move_state {
    struct model_state head;
    struct season season;
    double horizons[]; /* of each horizon: 1 when it was learned, and the numbers */
};

static size_t stride_of(const struct move_method *method)
{
    return method->learned_count + 1;
}

static size_t bytes_of(const struct move_method *method, size_t horizon_count)
{
    return sizeof(struct move_state) + horizon_count * stride_of(method) * sizeof(double);
}

struct model_need move_model_need(const struct move_method *method, const struct model_params *params,
                                  int64_t step_ms, size_t steps)
{
    size_t window = plain_window(params, step_ms, method->window_hourly, method->window_daily);

    return moves_need(step_ms, steps, MOVE_ROWS_MIN, window);
}

static int learn_horizon(struct arena *arena, const struct move_method *method, const struct model_task *task,
                         size_t at, const struct moves *moves, double *horizon)
{
    const struct series *series = task->series;
    struct model_need need = move_model_need(method, task->params, series->step_ms, task->steps[at]);
    size_t window = plain_window(task->params, series->step_ms, method->window_hourly, method->window_daily);
    struct move_rows rows;

    if (plain_check_length(method->model->name, series, need, task->steps[at]) < 0)
        return -1;
    moves_rows(arena, moves, task->steps[at], window, &rows);
    if (rows.count < (window < MOVE_ROWS_MIN ? window : MOVE_ROWS_MIN) / 2)
        return plain_refuse_still(method->model->name, moves->recent.count);
    if (method->learn(arena, &rows, series->step_ms >= DAY_MS, horizon + 1) < 0)
        return -1;
    horizon[0] = 1.0;
    return 0;
}

int move_model_fit(const struct move_method *method, struct arena *arena, const struct model_task *task,
                   struct model_state **state)
{
    struct model_need need =
        move_model_need(method, task->params, task->series->step_ms, task->steps[task->count - 1]);
    struct series recent = series_tail(task->series, need.used);
    size_t learned = 0;
    struct move_state *made =
        model_state_make(arena, method->model, task, recent.count, bytes_of(method, task->count));
    struct moves moves;

    moves_season(arena, &recent, &made->season);
    moves_make(arena, &recent, &made->season, &moves);
    for (size_t i = 0; i < task->count; i++)
        if (learn_horizon(arena, method, task, i, &moves, made->horizons + i * stride_of(method)) == 0)
            learned++;
        else if (i + 1 < task->count || learned > 0)
            err_clear(); /* the forecast will say so */
    *state = &made->head;
    return learned > 0 ? 0 : -1;
}

const double *move_model_learned(const struct move_method *method, const struct model_state *state, size_t index)
{
    const struct move_state *learned = (const struct move_state *)(const void *)state;
    const double *horizon = learned->horizons + index * stride_of(method);

    return index < state->step_count && horizon[0] > 0.0 ? horizon + 1 : NULL;
}

static int answer(const struct move_method *method, const double *learned, const struct moves *moves, size_t steps,
                  struct quantile_curve *curve)
{
    double sizes[MOVE_LEVELS];
    struct move_now now;

    if (learned == NULL)
        return err_set(E_INPUT, "%s could not learn from the history for %zu steps", method->model->name, steps);
    if (moves_now(moves, steps, &now) < 0)
        return err_wrap("%s", method->model->name);
    method->sizes(learned, &now, sizes);
    if (moves_curve(sizes, now.scale, curve) < 0)
        return err_wrap("%s", method->model->name);
    return 0;
}

void move_model_forecast(const struct move_method *method, struct arena *arena, const struct model_state *state,
                         const struct model_task *task, struct model_answer *answers)
{
    const struct move_state *learned = (const struct move_state *)(const void *)state;
    /* As many points as the measures of the last one hang on, so that running sums begin at the same place always. */
    struct series recent = series_tail(task->series, moves_need(task->series->step_ms, 1, 0, 0).used);
    struct moves moves;

    moves_make(arena, &recent, &learned->season, &moves);
    for (size_t i = 0; i < task->count; i++) {
        size_t index = model_state_index(state, task->steps[i]);

        answers[i] = (struct model_answer){0};
        if (answer(method, move_model_learned(method, state, index), &moves, task->steps[i], &answers[i].curve) < 0)
            model_answer_refuse(arena, &answers[i]);
    }
}

bool move_model_is_whole(const struct move_method *method, const struct model_state *state)
{
    const struct move_state *learned = (const struct move_state *)(const void *)state;

    if (state->bytes != bytes_of(method, state->step_count) || !season_is_whole(&learned->season))
        return false;
    for (size_t i = 0; i < state->step_count * stride_of(method); i++)
        if (!isfinite(learned->horizons[i]))
            return false;
    return true;
}
