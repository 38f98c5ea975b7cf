/* A walk-forward over several processes, with progress, a CSV file, a score table and a report. */
#ifndef CMD_BACKTEST_JOB_H
#define CMD_BACKTEST_JOB_H

#include "core/arena.h"
#include "core/base.h"
#include "eval/backtest.h"

#define BACKTEST_WORKERS_MAX 16

struct backtest_job {
    struct backtest_plan plan; /* checked */
    int64_t interval_s;
    const char *out;     /* CSV file to make; NULL: none */
    const char *report;  /* .html or .svg file to make; NULL: none */
    size_t worker_count; /* 1..BACKTEST_WORKERS_MAX */
};

/* Walks, writes the files, prints the table on standard output and progress on standard error when that is a terminal.
 * Whatever ends it on the way leaves OUT.partial, from which the same command goes on; an older result stays as it was
 * until the new one is whole. */
int backtest_job_run(struct arena *arena, const struct backtest_job *job) BTCF_MUST_CHECK;

#endif
