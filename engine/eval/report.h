/* A backtest as a page that a person can read: skill and coverage by horizon, PIT histograms, fans against what came.
 *
 * One file without anything outside it, as HTML (with the score table) or as SVG alone, in the reader's light or dark
 * colours. Every figure says how many forecasts it rests on, and how many independent ones.
 */
#ifndef EVAL_REPORT_H
#define EVAL_REPORT_H

#include "core/base.h"
#include "eval/summary.h"

struct strbuf;

#define REPORT_FAN_POINTS_MAX 160
/* The bands of a fan: ends of 50%, 80%, 95% and the median. */
#define REPORT_FAN_LINES 7

/* One model at one horizon. */
struct report_cell {
    const char *model;
    int64_t horizon_s;
    struct summary summary;
};

/* What was forecast for successive targets at one horizon, and what came. */
struct report_fan {
    int64_t horizon_s;
    size_t count;
    int64_t target_ms[REPORT_FAN_POINTS_MAX];             /* ascending */
    double line[REPORT_FAN_LINES][REPORT_FAN_POINTS_MAX]; /* prices, from the lowest level to the highest */
    double actual[REPORT_FAN_POINTS_MAX];
};

struct report {
    const char *title; /* "BTC: 1h candles, origins every 6 h" */
    int64_t from_ms, to_ms;
    const char *baseline; /* what skill is over */
    const char *subject;  /* the model whose PIT and fans are shown */
    size_t cell_count;
    const struct report_cell *cells; /* by horizon, ascending */
    size_t fan_count;
    const struct report_fan *fans;
};

/* `is_html`: a page; else one SVG image. */
void report_render(struct strbuf *buf, const struct report *report, bool is_html);

#endif
