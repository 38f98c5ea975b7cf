/* The score table as text: the columns, names and order of the project's scorer, and the score of the 90% interval. */
#ifndef EVAL_SCORE_TABLE_H
#define EVAL_SCORE_TABLE_H

#include "core/base.h"
#include "eval/summary.h"

struct strbuf;

struct score_table_row {
    const char *model;
    int64_t horizon_s;
    struct summary summary;
};

/* Sorts the rows (horizon ascending, then skill descending) and renders one line each under a header:
 * crps, skill, coverage, widths and direction in percent. */
void score_table_render(struct strbuf *buf, struct score_table_row *rows, size_t count);

#endif
