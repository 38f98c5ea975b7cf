/* Walk-forward: at each of many origins, forecast as if it were then, and score with what came.
 *
 * In two phases. First every origin by itself, in any order and by any number of processes: the curves as the models made
 * them (backtest_raw), a record of fixed size per origin. Then all origins in order, by one process: what was
 * learned by the origin combines and widens the ensemble (eval/lessons.h), and everything is scored (backtest_judge). The
 * first phase is nearly all of the work and can be taken up again after any interruption; the second sees the past only.
 *
 * Nothing after an origin is ever visible to a model or to the calibration: each gets the series cut there.
 *
 * A single model works on the series' own steps at every horizon, which is what the scorer's base does too: 7 d on
 * hourly candles are 168 steps. The ensemble works as it is served: 24-hour bars from ISSUE_BARS_FROM_S on. When it is
 * wanted, warm-up origins before `from` teach it; they are not scored.
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
/* Warm-up: one origin a day (or every step_ms, when that is longer) for a year before `from`, where history allows. */
#define BACKTEST_WARMUP_S INT64_C(31536000)
#define BACKTEST_WARMUP_STEP_S INT64_C(86400)

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
    size_t origin, horizon, model; /* numbers: of the scored origin, and indices into the plan's lists */
    int64_t origin_ms, target_ms;
    double origin_price, actual;
    const struct issue_forecast *forecast; /* valid during the call only */
    struct summary_row score;              /* its baseline is ISSUE_BASELINE on the series' own steps */
};

/* E_INPUT when the plan cannot be walked, or holds no origin; the text says what to change. */
int backtest_check(const struct backtest_plan *plan) BTCF_MUST_CHECK;

/* Origins of a checked plan that are scored. */
size_t backtest_origin_count(const struct backtest_plan *plan);
/* Origins before them; 0 when the ensemble is not wanted. */
size_t backtest_warmup_count(const struct backtest_plan *plan);
/* Instant of record `at`: the warm-up origins, then the scored ones. */
int64_t backtest_record_ms(const struct backtest_plan *plan, size_t at);

/* ---- the first phase ---------------------------------------------------------------------------------------------- */

/* One process's means: scratch memory and fitted states. */
struct backtest_walk;

struct backtest_walk *backtest_walk_create(const struct backtest_plan *plan);
void backtest_walk_free(struct backtest_walk **walk);

/* Curves in a record. */
size_t backtest_curve_count(const struct backtest_plan *plan);

/* Makes record `at`: backtest_curve_count curves, those that were refused with NaN in them. Each refusal of a wanted
 * model is told, if `refusal` is not NULL. The bits do not depend on which records the walk made before. */
void backtest_raw(struct backtest_walk *walk, size_t at, struct quantile_curve *record,
                  void (*refusal)(void *arg, const struct issue_refusal *refusal), void *arg);

/* ---- the second phase --------------------------------------------------------------------------------------------- */

struct backtest_records {
    const void *base; /* record 0's curves; warm-up and scored origins, all of them made */
    size_t stride;    /* bytes from one to the next */
};

/* Rows come in order of origin, horizon, model; a forecast without an actual in the series is none. `row` returns -1 to
 * end the walk. `refused`, when not NULL, becomes the number of forecasts that have an actual and could not be made. */
int backtest_judge(const struct backtest_plan *plan, const struct backtest_records *records, size_t *refused,
                   int (*row)(void *arg, const struct backtest_row *row), void *arg) BTCF_MUST_CHECK;

/* The table that the scorer reads: a header line, and a line per row. Prices have 12 significant digits. */
void backtest_csv_header(struct strbuf *buf);
void backtest_csv_row(struct strbuf *buf, const struct backtest_row *row);

#endif
