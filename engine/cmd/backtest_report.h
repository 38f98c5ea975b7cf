/* The report of a backtest (eval/report.h): its fans collected row by row, its file written at the end. */
#ifndef CMD_BACKTEST_REPORT_H
#define CMD_BACKTEST_REPORT_H

#include "core/arena.h"
#include "core/base.h"
#include "eval/backtest.h"
#include "eval/report.h"
#include "eval/score_table.h"

struct backtest_fans {
    const struct backtest_plan *plan;
    size_t origin_count, subject; /* the ensemble, or the first model */
    struct report_fan *fans;      /* one per horizon */
};

/* Memory is the arena's. */
void backtest_fans_init(struct arena *arena, struct backtest_fans *fans, const struct backtest_plan *plan);
void backtest_fans_add(struct backtest_fans *fans, const struct backtest_row *row);

/* E_INPUT unless the name ends in .html or .svg. */
int backtest_report_check(const char *path) BTCF_MUST_CHECK;

/* Writes the report; `table` is sorted by horizon. */
int backtest_report_write(struct arena *arena, const char *path, const struct backtest_fans *fans,
                          const struct score_table_row *table, size_t count) BTCF_MUST_CHECK;

#endif
