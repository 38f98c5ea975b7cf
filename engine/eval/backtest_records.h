/* Where the curves of a record lie; shared by the two phases of a walk and nobody else. */
#ifndef EVAL_BACKTEST_RECORDS_H
#define EVAL_BACKTEST_RECORDS_H

#include "core/base.h"
#include "eval/backtest.h"

struct backtest_layout {
    size_t horizon_count;
    size_t single_count;
    const char *singles[BACKTEST_MODELS_MAX + 1]; /* the wanted ones but for the ensemble, the baseline last */
    size_t member_count;                          /* slots per horizon; 0 when the ensemble is not wanted */
};

struct backtest_layout backtest_layout_of(const struct backtest_plan *plan);

/* Index of a curve in the record; the model is one of the layout's. */
size_t backtest_single_at(const struct backtest_layout *layout, size_t horizon, const char *model);
size_t backtest_member_at(const struct backtest_layout *layout, size_t horizon, size_t member);

/* Who has slot `member` at this horizon: the baseline has the last. NULL: nobody. */
const char *backtest_member_name(int64_t horizon_s, size_t member);

#endif
