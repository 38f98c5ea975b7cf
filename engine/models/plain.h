/* What the models without parameters share: a state without content, one horizon after the other, words for refusals. */
#ifndef MODELS_PLAIN_H
#define MODELS_PLAIN_H

#include "core/arena.h"
#include "core/base.h"
#include "models/model.h"
#include "models/series.h"

/* Makes the curve of one horizon; -1 with an error is a refusal. */
typedef int plain_one(struct arena *arena, const struct model_state *state, const struct series *series, size_t steps,
                      struct quantile_curve *curve);

/* The `fit` of a model that learns nothing: a state that only holds the caller's wishes, good for any horizon. */
int plain_fit(struct arena *arena, const struct model *model, const struct model_task *task,
              struct model_state **state) BTCF_MUST_CHECK;

/* The `forecast` of a model that makes each horizon by itself. */
void plain_forecast(struct arena *arena, const struct model_state *state, const struct model_task *task,
                    plain_one *one, struct model_answer *answers);

/* The window that was asked for, else the one for bars of a day and longer, else the one for shorter ones. */
size_t plain_window(const struct model_params *params, int64_t step_ms, size_t hourly, size_t daily);

/* E_INPUT when the series has fewer points than `need.min`; the text says how many there are and must be. */
int plain_check_length(const char *model, const struct series *series, struct model_need need,
                       size_t steps) BTCF_MUST_CHECK;

/* Closes that (nearly) all stand still are a dead source, no forecast: E_INPUT, always -1. */
int plain_refuse_still(const char *model, size_t count);

/* The same when the curve made of `count` closes has no width. */
int plain_check_width(const char *model, const struct quantile_curve *curve, size_t count) BTCF_MUST_CHECK;

#endif
