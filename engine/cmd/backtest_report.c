/* Fans show the last targets of the walk: the newest REPORT_FAN_POINTS_MAX origins. */
#include "cmd/backtest_report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/err.h"
#include "core/str.h"
#include "models/series.h"

#define REPORT_BYTES_MAX ((size_t)16 << 20)
#define PATH_SIZE 4096

/* Levels .025 .1 .25 .5 .75 .9 .975: the ends of 95, 80 and 50%, and the median. */
static const size_t fan_levels[REPORT_FAN_LINES] = {2, 4, 7, 12, 17, 20, 22};

void backtest_fans_init(struct arena *arena, struct backtest_fans *fans, const struct backtest_plan *plan)
{
    *fans = (struct backtest_fans){.plan = plan, .origin_count = backtest_origin_count(plan)};
    fans->fans = arena_array(arena, plan->horizon_count, sizeof *fans->fans);
    for (size_t i = 0; i < plan->model_count; i++)
        if (strcmp(plan->models[i], ISSUE_ENSEMBLE) == 0)
            fans->subject = i;
}

void backtest_fans_add(struct backtest_fans *fans, const struct backtest_row *row)
{
    struct report_fan *fan = &fans->fans[row->horizon];

    if (row->model != fans->subject || row->origin + REPORT_FAN_POINTS_MAX < fans->origin_count ||
        fan->count == REPORT_FAN_POINTS_MAX)
        return;
    fan->horizon_s = row->forecast->horizon_s;
    fan->target_ms[fan->count] = row->target_ms;
    fan->actual[fan->count] = row->actual;
    for (size_t i = 0; i < REPORT_FAN_LINES; i++)
        fan->line[i][fan->count] = row->forecast->price[fan_levels[i]];
    fan->count++;
}

static bool ends_in(const char *path, const char *ending)
{
    size_t len = strlen(path), ending_len = strlen(ending);

    return len > ending_len && strcmp(path + len - ending_len, ending) == 0;
}

int backtest_report_check(const char *path)
{
    if (ends_in(path, ".html") || ends_in(path, ".svg"))
        return 0;
    return err_set(E_INPUT, "--report: %s must end in .html or .svg", path);
}

/* Under another name first: the file is whole or not there. */
static int write_file(const char *path, const struct strbuf *text)
{
    char partial[PATH_SIZE];
    int len = snprintf(partial, sizeof partial, "%s.new", path);

    if (len < 0 || (size_t)len >= sizeof partial)
        return err_set(E_INPUT, "--report: the path is longer than %d bytes", PATH_SIZE);
    FILE *file = fopen(partial, "we");
    if (file == NULL)
        return err_set(E_STORE, "--report: cannot make %s: %s", partial, strerror(errno));
    bool is_written = fwrite(text->ptr, 1, text->len, file) == text->len;
    is_written = fclose(file) == 0 && is_written;
    if (is_written && rename(partial, path) == 0)
        return 0;
    err_set(E_STORE, "--report: cannot write %s: %s", path, strerror(errno));
    unlink(partial);
    return -1;
}

int backtest_report_write(struct arena *arena, const char *path, const struct backtest_fans *fans,
                          const struct score_table_row *table, size_t count)
{
    const struct backtest_plan *plan = fans->plan;
    struct report_cell *cells = arena_array(arena, count > 0 ? count : 1, sizeof *cells);
    struct strbuf text;

    for (size_t i = 0; i < count; i++)
        cells[i] = (struct report_cell){table[i].model, table[i].horizon_s, table[i].summary};
    const struct report report = {.title =
                                      arena_printf(arena, "BTC forecasts: %lld h candles, an origin every %lld h",
                                                   (long long)(plan->series->step_ms / MS_PER_HOUR),
                                                   (long long)(plan->step_ms / MS_PER_HOUR)),
                                  .from_ms = plan->from_ms,
                                  .to_ms = plan->to_ms < plan->series->end_ms ? plan->to_ms : plan->series->end_ms,
                                  .baseline = ISSUE_BASELINE,
                                  .subject = plan->models[fans->subject],
                                  .cell_count = count,
                                  .cells = cells,
                                  .fan_count = plan->horizon_count,
                                  .fans = fans->fans};
    strbuf_init(&text, REPORT_BYTES_MAX);
    report_render(&text, &report, ends_in(path, ".html"));
    int rc = strbuf_failed(&text) ? err_set(E_LIMIT, "--report: larger than %zu bytes", REPORT_BYTES_MAX)
                                  : write_file(path, &text);
    strbuf_release(&text);
    return rc;
}
