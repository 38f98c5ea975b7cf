/* Fixed columns, right-aligned; see the header. */
#include "eval/score_table.h"

#include <stdlib.h>

#include "core/str.h"

static int compare_rows(const void *a, const void *b)
{
    const struct score_table_row *x = a, *y = b;

    if (x->horizon_s != y->horizon_s)
        return x->horizon_s < y->horizon_s ? -1 : 1;
    return (x->summary.skill < y->summary.skill) - (x->summary.skill > y->summary.skill);
}

static void render_row(struct strbuf *buf, const struct score_table_row *row)
{
    const struct summary *s = &row->summary;

    strbuf_printf(buf, "%-10s %9lld %6zu %8.4f %7.2f %7.4f", row->model, (long long)row->horizon_s, s->n, s->crps,
                  100.0 * s->skill, s->dm_p);
    for (size_t k = 0; k < SCORE_INTERVAL_COUNT; k++)
        strbuf_printf(buf, " %6.2f", 100.0 * s->coverage[k]);
    strbuf_printf(buf, " %6.2f %8.3f %8.3f %6.3f", 100.0 * s->coverage_error, s->width_90, s->width_90_baseline,
                  s->mase);
    if (s->has_direction)
        strbuf_printf(buf, " %6.1f %6.1f %6.1f", 100.0 * s->direction, 100.0 * s->direction_95.low,
                      100.0 * s->direction_95.high);
    else
        strbuf_printf(buf, " %6s %6s %6s", "-", "-", "-");
    strbuf_printf(buf, " %6.3f %8.3f %9.3f\n", s->pit_ks_p, s->interval_90, s->interval_90_baseline);
}

void score_table_render(struct strbuf *buf, struct score_table_row *rows, size_t count)
{
    qsort(rows, count, sizeof *rows, compare_rows);
    strbuf_printf(buf, "%-10s %9s %6s %8s %7s %7s %6s %6s %6s %6s %6s %8s %8s %6s %6s %6s %6s %6s %8s %9s\n", "model",
                  "horizon_s", "n", "crps", "skill", "dm_p", "cov50", "cov80", "cov90", "cov95", "caverr", "w90",
                  "w90_base", "mase", "dir", "dir_lo", "dir_hi", "ks_p", "is90", "is90_base");
    for (size_t i = 0; i < count; i++)
        render_row(buf, &rows[i]);
}
