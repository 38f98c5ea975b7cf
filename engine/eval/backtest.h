/* Walk-forward: at each of many origins, forecast as if it were then, and score with what came.
 *
 * Nothing after an origin is ever visible to a model: each call gets the series cut there (models/model.h). Work is
 * numbered by origin, so that it can be split over processes and put together in order; every part gives the same bits
 * alone or with others.
 *
 * A single model works on the series' own steps at every horizon, which is what the scorer's base does too: 7 d on
 * hourly candles are 168 steps. The ensemble works as it is served: 24-hour bars from ISSUE_BARS_FROM_S on.
 */
#ifndef EVAL_BACKTEST_H
#define EVAL_BACKTEST_H

#include "core/arena.h"
#include "core/base.h"
#include "eval/issue.h"
#include "eval/summary.h"

struct series;
struct strbuf;

#define BACKTEST_MODELS_MAX 32

struct backtest_plan {
    const struct series *series;
    int64_t from_ms, to_ms;    /* origins lie in [from, to): the first point of the grid at or after from, */
    int64_t step_ms;           /* then every step; a multiple of the series' step */
    const int64_t *horizons_s; /* each a multiple of the series' step, ascending */
    size_t horizon_count;
    const char *models[BACKTEST_MODELS_MAX]; /* names, ISSUE_ENSEMBLE among them */
    size_t model_count;
    uint64_t seed;
};

/* One forecast whose actual is known. */
struct backtest_row {
    size_t origin, horizon, model; /* numbers: of the origin, and indices into the plan's lists */
    int64_t origin_ms, target_ms;
    double origin_price, actual;
    const struct issue_forecast *forecast; /* valid during the call only */
    struct summary_row score;              /* its baseline is ISSUE_BASELINE on the series' own steps */
};

struct backtest_sink {
    int (*row)(void *arg, const struct backtest_row *row); /* in order of origin, horizon, model; -1 ends the walk */
    /* A forecast that a model could not make; origins without enough history say so here. */
    void (*refusal)(void *arg, const struct issue_refusal *refusal);
    void (*origin_done)(void *arg); /* after each origin, for progress; may be NULL */
    void *arg;
};

/* E_INPUT when the plan cannot be walked, or holds no origin; the text says what to change. */
int backtest_check(const struct backtest_plan *plan) BTCF_MUST_CHECK;

/* Origins of a checked plan. */
size_t backtest_origin_count(const struct backtest_plan *plan);

/* Walks the origins first..last-1. A forecast without an actual in the series is not made. -1 when the sink said so or
 * a forecast could not be scored. */
int backtest_run(const struct backtest_plan *plan, size_t first, size_t last,
                 const struct backtest_sink *sink) BTCF_MUST_CHECK;

/* The table that the scorer reads: a header line, and a line per row. Prices have 12 significant digits. */
void backtest_csv_header(struct strbuf *buf);
void backtest_csv_row(struct strbuf *buf, const struct backtest_row *row);

#endif
