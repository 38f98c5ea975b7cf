/* Charts as SVG text, written one below the other. A chart is a frame (title, axis with units, what it rests on) and marks
 * inside; each knows its place and nothing of the others. Colours are CSS variables, so that dark and light share all
 * shapes. Text is ours or a model's name of the registry; nothing foreign needs escaping.
 */
#include "eval/report.h"

#include <math.h>
#include <string.h>

#include "core/clock.h"
#include "core/str.h"

#define WIDTH 960.0
#define MARGIN_LEFT 70.0
#define MARGIN_RIGHT 170.0
#define PLOT_HEIGHT 220.0
#define CHART_HEIGHT 330.0
#define TOP 90.0
#define COLOURS 14
#define PIT_WIDTH 210.0
#define PIT_HEIGHT 110.0
#define PITS_PER_ROW 4
#define TICKS 5
#define HOUR_S 3600
#define DAY_S 86400
#define PERCENT 100.0
#define HORIZON_TEXT_SIZE 24

static const char style[] =
    "<style>:root{--bg:#fff;--fg:#1b1f24;--dim:#6a737d;--grid:#e1e4e8;--band:#0969da}"
    "@media(prefers-color-scheme:dark){:root{--bg:#0d1117;--fg:#e6edf3;--dim:#8b949e;--grid:#30363d;--band:#58a6ff}}"
    "body{background:var(--bg);color:var(--fg);font:14px/1.5 system-ui,sans-serif;max-width:1000px;margin:2em auto;"
    "padding:0 1em}svg{background:var(--bg);max-width:100%;height:auto}svg text{fill:var(--fg);font:12px system-ui,"
    "sans-serif}svg .t{font-size:15px;font-weight:600}svg .d{fill:var(--dim)}svg .g{stroke:var(--grid);fill:none}"
    "svg .z{stroke:var(--dim);fill:none}svg .b{fill:var(--band);stroke:none}svg .a{stroke:var(--fg);fill:none;"
    "stroke-width:1.3}svg .m{stroke:var(--band);fill:none}table{border-collapse:collapse}td,th{padding:2px 8px;"
    "text-align:right;border-bottom:1px solid var(--grid);font-variant-numeric:tabular-nums}td:first-child,"
    "th:first-child{text-align:left}</style>";

/* Apart in hue and lightness, readable on both grounds. */
static const char *const colours[COLOURS] = {"#0969da", "#d1242f", "#1a9e4b", "#bf8700", "#8250df",
                                             "#0e9aa7", "#e85aad", "#7d8590", "#9a6700", "#4c6ef5",
                                             "#5c940d", "#c2255c", "#20c997", "#495057"};

/* One chart's frame: where values lie on the page. */
struct frame {
    double top;       /* of the plot area */
    double low, high; /* values at its bottom and top */
};

static double y_of(const struct frame *frame, double value)
{
    return frame->top + PLOT_HEIGHT * (frame->high - value) / (frame->high - frame->low);
}

static double plot_width(void)
{
    return WIDTH - MARGIN_LEFT - MARGIN_RIGHT;
}

static const char *horizon_text(int64_t horizon_s, char text[HORIZON_TEXT_SIZE])
{
    struct strbuf buf;

    strbuf_init(&buf, HORIZON_TEXT_SIZE);
    if (horizon_s % DAY_S == 0)
        strbuf_printf(&buf, "%lld d", (long long)(horizon_s / DAY_S));
    else
        strbuf_printf(&buf, "%lld h", (long long)(horizon_s / HOUR_S));
    memcpy(text, buf.ptr, buf.len + 1);
    strbuf_release(&buf);
    return text;
}

static void day_text(int64_t unix_ms, char text[TIME_TEXT_SIZE])
{
    time_format(unix_ms, text);
    text[strlen("2023-04-01")] = '\0';
}

/* The distinct horizons of the cells, in order. */
static size_t horizons_of(const struct report *report, int64_t *horizons_s, size_t max)
{
    size_t count = 0;

    for (size_t i = 0; i < report->cell_count; i++)
        if (count < max && (count == 0 || horizons_s[count - 1] != report->cells[i].horizon_s))
            horizons_s[count++] = report->cells[i].horizon_s;
    return count;
}

static const struct report_cell *cell_of(const struct report *report, const char *model, int64_t horizon_s)
{
    for (size_t i = 0; i < report->cell_count; i++)
        if (report->cells[i].horizon_s == horizon_s && strcmp(report->cells[i].model, model) == 0)
            return &report->cells[i];
    return NULL;
}

/* Title, note and a grid of TICKS lines with their values. */
static void begin_chart(struct strbuf *buf, const struct frame *frame, const char *title, const char *note)
{
    strbuf_printf(buf, "<text class=\"t\" x=\"0\" y=\"%.1f\">%s</text><text class=\"d\" x=\"0\" y=\"%.1f\">%s</text>",
                  frame->top - 34, title, frame->top - 16, note);
    for (int i = 0; i <= TICKS; i++) {
        double value = frame->low + (frame->high - frame->low) * i / TICKS, y = y_of(frame, value);

        strbuf_printf(buf,
                      "<path class=\"g\" d=\"M%.1f %.1fh%.1f\"/><text class=\"d\" text-anchor=\"end\" x=\"%.1f\" "
                      "y=\"%.1f\">%.*f</text>",
                      MARGIN_LEFT, y, plot_width(), MARGIN_LEFT - 8, y + 4, fabs(frame->high) < 1000.0, value);
    }
}

static void add_legend(struct strbuf *buf, double top, size_t place, const char *text)
{
    double y = top + 14.0 * (double)place;

    strbuf_printf(
        buf,
        "<rect x=\"%.1f\" y=\"%.1f\" width=\"10\" height=\"10\" fill=\"%s\"/><text x=\"%.1f\" y=\"%.1f\">%s</text>",
        WIDTH - MARGIN_RIGHT + 16, y, colours[place % COLOURS], WIDTH - MARGIN_RIGHT + 32, y + 9, text);
}

/* Names under the plot, one for each horizon, with the number of forecasts. */
static void add_horizons(struct strbuf *buf, const struct frame *frame, const struct report *report,
                         const int64_t *horizons_s, size_t count)
{
    char text[HORIZON_TEXT_SIZE];

    for (size_t h = 0; h < count; h++) {
        const struct report_cell *cell = cell_of(report, report->subject, horizons_s[h]);
        double x = MARGIN_LEFT + plot_width() * ((double)h + 0.5) / (double)count;

        strbuf_printf(buf, "<text text-anchor=\"middle\" x=\"%.1f\" y=\"%.1f\">%s</text>", x,
                      frame->top + PLOT_HEIGHT + 18, horizon_text(horizons_s[h], text));
        if (cell != NULL)
            strbuf_printf(
                buf, "<text class=\"d\" text-anchor=\"middle\" x=\"%.1f\" y=\"%.1f\">n %zu, independent %.0f</text>",
                x, frame->top + PLOT_HEIGHT + 34, cell->summary.n, cell->summary.n_effective);
    }
}

/* The models in the order in which they first appear at the first horizon. */
static size_t models_of(const struct report *report, const char **names, size_t max)
{
    size_t count = 0;

    for (size_t i = 0; i < report->cell_count; i++) {
        size_t k = 0;

        while (k < count && strcmp(names[k], report->cells[i].model) != 0)
            k++;
        if (k == count && count < max)
            names[count++] = report->cells[i].model;
    }
    return count;
}

/* Where the m-th of `count` models stands beside the others at the h-th horizon. */
static double mark_x(size_t h, size_t horizon_count, size_t m, size_t count)
{
    double group = plot_width() / (double)horizon_count;

    return MARGIN_LEFT + group * ((double)h + 0.15 + 0.7 * ((double)m + 0.5) / (double)count);
}

#define LIST_MAX 40

static void add_skill(struct strbuf *buf, double top, const struct report *report)
{
    struct frame frame = {.top = top, .low = -10.0, .high = 10.0};
    int64_t horizons_s[LIST_MAX];
    const char *names[LIST_MAX];
    size_t horizon_count = horizons_of(report, horizons_s, LIST_MAX), count = models_of(report, names, LIST_MAX);

    begin_chart(
        buf, &frame, "Skill, percent",
        "CRPS gained over the baseline, with its 95% interval (overlap counted); above zero is better. Cut at 10.");
    strbuf_printf(buf, "<path class=\"z\" d=\"M%.1f %.1fh%.1f\"/>", MARGIN_LEFT, y_of(&frame, 0.0), plot_width());
    for (size_t m = 0; m < count; m++) {
        add_legend(buf, top, m, names[m]);
        for (size_t h = 0; h < horizon_count; h++) {
            const struct report_cell *cell = cell_of(report, names[m], horizons_s[h]);
            double x = mark_x(h, horizon_count, m, count);

            if (cell == NULL || !isfinite(cell->summary.skill))
                continue;
            double low = fmax(PERCENT * cell->summary.skill_95.low, frame.low);
            double high = fmin(PERCENT * cell->summary.skill_95.high, frame.high);
            double skill = fmin(fmax(PERCENT * cell->summary.skill, frame.low), frame.high);
            if (low <= high)
                strbuf_printf(buf, "<path stroke=\"%s\" d=\"M%.1f %.1fV%.1f\"/>", colours[m % COLOURS], x,
                              y_of(&frame, low), y_of(&frame, high));
            strbuf_printf(buf,
                          "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"%s\"><title>%s: %+.2f</title></circle>", x,
                          y_of(&frame, skill), colours[m % COLOURS], names[m], PERCENT * cell->summary.skill);
        }
    }
    add_horizons(buf, &frame, report, horizons_s, horizon_count);
}

static void add_coverage(struct strbuf *buf, double top, const struct report *report)
{
    struct frame frame = {.top = top, .low = 40.0, .high = 100.0};
    const char *const names[] = {report->subject, report->baseline};
    int64_t horizons_s[LIST_MAX];
    size_t horizon_count = horizons_of(report, horizons_s, LIST_MAX);

    begin_chart(
        buf, &frame, "Coverage, percent of outcomes inside",
        "Central 50, 80, 90 and 95% intervals with 95% binomial intervals on the independent ones; the lines are what "
        "they say.");
    for (size_t k = 0; k < SCORE_INTERVAL_COUNT; k++)
        strbuf_printf(buf, "<path class=\"z\" stroke-dasharray=\"4 3\" d=\"M%.1f %.1fh%.1f\"/>", MARGIN_LEFT,
                      y_of(&frame, PERCENT * score_interval_levels[k]), plot_width());
    for (size_t m = 0; m < 2; m++) {
        add_legend(buf, top, m, names[m]);
        for (size_t at = 0; at < horizon_count * SCORE_INTERVAL_COUNT; at++) {
            size_t h = at / SCORE_INTERVAL_COUNT, k = at % SCORE_INTERVAL_COUNT;
            const struct report_cell *cell = cell_of(report, names[m], horizons_s[h]);
            double x = mark_x(h, horizon_count, 2 * k + m, 2 * SCORE_INTERVAL_COUNT);

            if (cell == NULL)
                continue;
            strbuf_printf(buf, "<path stroke=\"%s\" d=\"M%.1f %.1fV%.1f\"/>", colours[m], x,
                          y_of(&frame, fmax(PERCENT * cell->summary.coverage_95[k].low, frame.low)),
                          y_of(&frame, PERCENT * cell->summary.coverage_95[k].high));
            strbuf_printf(buf, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"%s\"/>", x,
                          y_of(&frame, fmax(PERCENT * cell->summary.coverage[k], frame.low)), colours[m]);
        }
    }
    add_horizons(buf, &frame, report, horizons_s, horizon_count);
}

/* One small histogram: ten bars, the dashed line is what uniform would be. */
static void add_pit(struct strbuf *buf, double left, double top, const struct report_cell *cell)
{
    char text[HORIZON_TEXT_SIZE];
    double uniform = (double)cell->summary.n / SUMMARY_PIT_BINS, scale = PIT_HEIGHT / (2.0 * uniform);
    double bar = (PIT_WIDTH - 20.0) / SUMMARY_PIT_BINS;

    strbuf_printf(
        buf, "<text x=\"%.1f\" y=\"%.1f\">%s</text><text class=\"d\" x=\"%.1f\" y=\"%.1f\">n %zu, KS p %.3f</text>",
        left, top - 6, horizon_text(cell->horizon_s, text), left + 50, top - 6, cell->summary.n,
        cell->summary.pit_ks_p);
    for (size_t i = 0; i < SUMMARY_PIT_BINS; i++) {
        double height = fmin((double)cell->summary.pit_bins[i] * scale, PIT_HEIGHT);

        strbuf_printf(buf, "<rect class=\"b\" opacity=\".6\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>",
                      left + bar * (double)i, top + PIT_HEIGHT - height, bar - 2.0, height);
    }
    strbuf_printf(buf, "<path class=\"z\" stroke-dasharray=\"4 3\" d=\"M%.1f %.1fh%.1f\"/>", left,
                  top + PIT_HEIGHT / 2.0, bar * SUMMARY_PIT_BINS);
    strbuf_printf(buf,
                  "<text class=\"d\" x=\"%.1f\" y=\"%.1f\">0</text><text class=\"d\" text-anchor=\"end\" x=\"%.1f\" "
                  "y=\"%.1f\">1</text>",
                  left, top + PIT_HEIGHT + 14, left + bar * SUMMARY_PIT_BINS, top + PIT_HEIGHT + 14);
}

/* Height that the histograms take. */
static double add_pits(struct strbuf *buf, double top, const struct report *report)
{
    size_t place = 0;

    strbuf_printf(
        buf,
        "<text class=\"t\" x=\"0\" y=\"%.1f\">Where outcomes fell in the forecast (PIT), %s</text>"
        "<text class=\"d\" x=\"0\" y=\"%.1f\">Share of outcomes by tenth of the forecast's probability; flat "
        "at the dashed line is right, a hump is too wide, a bowl too narrow.</text>",
        top - 34, report->subject, top - 16);
    for (size_t i = 0; i < report->cell_count; i++) {
        if (strcmp(report->cells[i].model, report->subject) != 0 || report->cells[i].summary.n == 0)
            continue;
        double left = (double)(place % PITS_PER_ROW) * (WIDTH / PITS_PER_ROW);
        double row = (double)(place / PITS_PER_ROW);

        add_pit(buf, left, top + 18.0 + row * (PIT_HEIGHT + 50.0), &report->cells[i]);
        place++;
    }
    return 60.0 + (double)((place + PITS_PER_ROW - 1) / PITS_PER_ROW) * (PIT_HEIGHT + 50.0);
}

static double fan_x(const struct report_fan *fan, size_t i)
{
    return MARGIN_LEFT + plot_width() * (double)i / (double)(fan->count > 1 ? fan->count - 1 : 1);
}

static void add_band(struct strbuf *buf, const struct frame *frame, const struct report_fan *fan, size_t low,
                     const char *opacity)
{
    strbuf_printf(buf, "<path class=\"b\" opacity=\"%s\" d=\"M", opacity);
    for (size_t i = 0; i < fan->count; i++)
        strbuf_printf(buf, "%.1f %.1f ", fan_x(fan, i), y_of(frame, fan->line[low][i]));
    for (size_t i = fan->count; i-- > 0;)
        strbuf_printf(buf, "%.1f %.1f ", fan_x(fan, i), y_of(frame, fan->line[REPORT_FAN_LINES - 1 - low][i]));
    strbuf_add_text(buf, "z\"/>");
}

static void add_line(struct strbuf *buf, const struct frame *frame, const struct report_fan *fan,
                     const double *values, const char *class)
{
    strbuf_printf(buf, "<path class=\"%s\" d=\"M", class);
    for (size_t i = 0; i < fan->count; i++)
        strbuf_printf(buf, "%.1f %.1f ", fan_x(fan, i), y_of(frame, values[i]));
    strbuf_add_text(buf, "\"/>");
}

static void add_fan(struct strbuf *buf, double top, const struct report *report, const struct report_fan *fan)
{
    static const char *const opacities[] = {".15", ".25", ".35"}; /* 95, 80, 50% */
    struct frame frame = {.top = top, .low = fan->actual[0], .high = fan->actual[0]};
    char horizon[HORIZON_TEXT_SIZE], first[TIME_TEXT_SIZE], last[TIME_TEXT_SIZE];
    struct strbuf title;

    for (size_t i = 0; i < fan->count; i++) {
        frame.low = fmin(frame.low, fmin(fan->line[0][i], fan->actual[i]));
        frame.high = fmax(frame.high, fmax(fan->line[REPORT_FAN_LINES - 1][i], fan->actual[i]));
    }
    strbuf_init(&title, 256);
    strbuf_printf(&title, "%s ahead: %s, USD", horizon_text(fan->horizon_s, horizon), report->subject);
    begin_chart(buf, &frame, title.ptr,
                "At each target, the 50, 80 and 95% intervals that were forecast for it; the line is what came.");
    strbuf_release(&title);
    for (size_t k = 0; k < BTCF_LENGTH(opacities); k++)
        add_band(buf, &frame, fan, k, opacities[k]);
    add_line(buf, &frame, fan, fan->line[REPORT_FAN_LINES / 2], "m");
    add_line(buf, &frame, fan, fan->actual, "a");
    day_text(fan->target_ms[0], first);
    day_text(fan->target_ms[fan->count - 1], last);
    strbuf_printf(buf,
                  "<text class=\"d\" x=\"%.1f\" y=\"%.1f\">%s</text><text class=\"d\" text-anchor=\"end\" x=\"%.1f\" "
                  "y=\"%.1f\">%s</text>",
                  MARGIN_LEFT, top + PLOT_HEIGHT + 18, first, MARGIN_LEFT + plot_width(), top + PLOT_HEIGHT + 18,
                  last);
}

static void add_table(struct strbuf *buf, const struct report *report)
{
    char horizon[HORIZON_TEXT_SIZE];

    strbuf_add_text(buf, "<table><tr><th>model</th><th>horizon</th><th>n</th><th>independent</th><th>CRPS %</th>"
                         "<th>skill %</th><th>p</th><th>50</th><th>80</th><th>90</th><th>95</th><th>width 90 %</th>"
                         "<th>interval score 90</th><th>KS p</th></tr>");
    for (size_t i = 0; i < report->cell_count; i++) {
        const struct summary *s = &report->cells[i].summary;

        strbuf_printf(buf,
                      "<tr><td>%s</td><td>%s</td><td>%zu</td><td>%.0f</td><td>%.4f</td><td>%+.2f</td><td>%.3f</td>",
                      report->cells[i].model, horizon_text(report->cells[i].horizon_s, horizon), s->n, s->n_effective,
                      s->crps, PERCENT * s->skill, s->dm_p);
        for (size_t k = 0; k < SCORE_INTERVAL_COUNT; k++)
            strbuf_printf(buf, "<td>%.1f</td>", PERCENT * s->coverage[k]);
        strbuf_printf(buf, "<td>%.2f</td><td>%.2f</td><td>%.3f</td></tr>", s->width_90, s->interval_90, s->pit_ks_p);
    }
    strbuf_add_text(buf, "</table>");
}

static void add_charts(struct strbuf *body, const struct report *report, double *height)
{
    double top = TOP + 60.0;

    add_skill(body, top, report);
    top += CHART_HEIGHT;
    add_coverage(body, top, report);
    top += CHART_HEIGHT;
    top += add_pits(body, top, report);
    for (size_t i = 0; i < report->fan_count; i++, top += CHART_HEIGHT)
        if (report->fans[i].count > 0)
            add_fan(body, top, report, &report->fans[i]);
    *height = top - 40.0;
}

void report_render(struct strbuf *buf, const struct report *report, bool is_html)
{
    char from[TIME_TEXT_SIZE], to[TIME_TEXT_SIZE];
    double height;
    struct strbuf body;

    strbuf_init(&body, buf->size_max);
    add_charts(&body, report, &height);
    day_text(report->from_ms, from);
    day_text(report->to_ms, to);
    if (is_html)
        strbuf_printf(buf,
                      "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" "
                      "content=\"width=device-width\"><title>%s</title>%s<body>",
                      report->title, style);
    strbuf_printf(buf,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"-10 0 %.0f %.0f\" role=\"img\" "
                  "aria-label=\"%s\">%s<rect x=\"-10\" width=\"%.0f\" height=\"%.0f\" style=\"fill:var(--bg)\"/>"
                  "<text class=\"t\" style=\"font-size:20px\" x=\"0\" y=\"30\">%s</text><text class=\"d\" x=\"0\" "
                  "y=\"54\">Walk-forward, origins from %s to %s (UTC). Skill is over %s. Nothing after an origin was "
                  "visible to its forecasts.</text>",
                  WIDTH + 20, height, report->title, is_html ? "" : style, WIDTH + 20, height, report->title, from,
                  to, report->baseline);
    strbuf_add(buf, body.ptr, body.len);
    strbuf_add_text(buf, "</svg>");
    if (is_html) {
        add_table(buf, report);
        strbuf_add_text(buf, "</body></html>\n");
    }
    if (body.failed)
        buf->failed = true;
    strbuf_release(&body);
}
