/* See the header. */
#include "models/classical.h"

#include <math.h>

#include "core/err.h"
#include "math/moments.h"
#include "math/normal.h"
#include "models/plain.h"
#include "models/series.h"

#define WINDOW_HOURLY 720
#define WINDOW_DAILY 500
#define WINDOW_MIN 100 /* points without which nothing is worth fitting */
#define DEVIATION_MIN 0.05
#define DEVIATION_MAX 4.0
#define MEAN_MAX 0.5
#define STILL 1e-9 /* deviation of log returns below which a market does not move */
#define MS_PER_YEAR (365.25 * 86400e3)

struct model_need classical_need(const struct model_params *params, int64_t step_ms, size_t steps)
{
    size_t window = plain_window(params, step_ms, WINDOW_HOURLY, WINDOW_DAILY);

    (void)steps;
    return (struct model_need){.min = window < WINDOW_MIN ? window : WINDOW_MIN, .used = window};
}

int classical_window(const char *model, const struct model_task *task, const struct model_params *params,
                     struct series *window)
{
    struct model_need need = classical_need(params, task->series->step_ms, task->steps[0]);
    double square = 0.0;

    if (plain_check_length(model, task->series, need, task->steps[0]) < 0)
        return -1;
    *window = series_tail(task->series, need.used);
    for (size_t t = 1; t < window->count; t++) {
        double move = window->log_close[t] - window->log_close[t - 1];
        square += move * move;
    }
    return sqrt(square / (double)window->count) > STILL ? 0 : plain_refuse_still(model, window->count);
}

int classical_curve(const struct classical_outlook *outlook, bool mirrored, struct quantile_curve *curve)
{
    double root = sqrt(outlook->years), deviation = sqrt(outlook->variance);

    if (!isfinite(outlook->mean) || !isfinite(deviation))
        return err_set(E_INPUT, "the forecast is not finite");
    deviation = fmin(fmax(deviation, DEVIATION_MIN * root), DEVIATION_MAX * root);
    double limit = MEAN_MAX * deviation, mean = fmin(fmax(outlook->mean, -limit), limit);
    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        curve->log_return[i] = mean + deviation * normal_quantile(quantile_levels[i]);
    return quantile_curve_finish(curve, mirrored);
}

size_t classical_reach(const struct model_task *task)
{
    return task->steps[task->count - 1];
}

void classical_answer(struct arena *arena, const struct model_state *state, const struct model_task *task,
                      const struct classical_path *path, struct model_answer *answers)
{
    const struct series *series = task->series;

    for (size_t i = 0; i < task->count; i++) {
        answers[i] = (struct model_answer){0};
        if (path == NULL) {
            answers[i].refusal = arena_strdup(arena, err_text());
            continue;
        }
        size_t at = task->steps[i] - 1;
        const struct classical_outlook outlook = {
            .mean = path->means[at] - series->log_close[series->count - 1],
            .variance = path->variances[at],
            .years = (double)task->steps[i] * (double)series->step_ms / MS_PER_YEAR,
        };
        if (classical_curve(&outlook, state->params.mirrored, &answers[i].curve) < 0)
            model_answer_refuse(arena, &answers[i]);
    }
    if (path == NULL)
        err_clear();
}
