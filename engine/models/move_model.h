/* A model of the size of moves, all but what it learns: its state, its walk over horizons, its refusals.
 *
 * A state holds the pattern of the week and, for each horizon, `learned_count` numbers that the method made of the rows. A
 * horizon with too little history, or whose rows the method refused, is refused at each forecast.
 */
#ifndef MODELS_MOVE_MODEL_H
#define MODELS_MOVE_MODEL_H

#include "models/moves.h"

struct move_method {
    const struct model *model;
    size_t window_hourly, window_daily; /* rows */
    size_t learned_count;               /* numbers per horizon */
    /* From rows (half of MOVE_ROWS_MIN at least, or of the window) to numbers, all finite. */
    int (*learn)(struct arena *arena, const struct move_rows *rows, bool is_daily, double *learned) BTCF_MUST_CHECK;
    /* Quantiles of the size, in units of now->scale, at moves_levels(). */
    void (*sizes)(const double *learned, const struct move_now *now, double sizes[MOVE_LEVELS]);
};

#define MOVE_ROWS_MIN 250

/* The functions of struct model, each with the method in front. */
struct model_need move_model_need(const struct move_method *method, const struct model_params *params,
                                  int64_t step_ms, size_t steps);
int move_model_fit(const struct move_method *method, struct arena *arena, const struct model_task *task,
                   struct model_state **state) BTCF_MUST_CHECK;
void move_model_forecast(const struct move_method *method, struct arena *arena, const struct model_state *state,
                         const struct model_task *task, struct model_answer *answers);
bool move_model_is_whole(const struct move_method *method, const struct model_state *state);

/* The numbers of the state's horizon `index`, or NULL when it has none. */
const double *move_model_learned(const struct move_method *method, const struct model_state *state, size_t index);

#endif
