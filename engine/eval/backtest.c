/* The plan of a walk: what can be walked, where its origins lie, and the lines of its file. */
#include "eval/backtest.h"

#include <inttypes.h>
#include <string.h>

#include "core/err.h"
#include "core/str.h"
#include "models/series.h"

#define MS 1000

static int check_models(const struct backtest_plan *plan)
{
    if (plan->model_count < 1 || plan->model_count > BACKTEST_MODELS_MAX)
        return err_set(E_INPUT, "a backtest has 1 to %d models, not %zu", BACKTEST_MODELS_MAX, plan->model_count);
    for (size_t i = 0; i < plan->model_count; i++) {
        if (strcmp(plan->models[i], ISSUE_ENSEMBLE) != 0 && model_find(plan->models[i]) == NULL)
            return err_set(E_INPUT, "there is no model \"%s\"", plan->models[i]);
        for (size_t k = 0; k < i; k++)
            if (strcmp(plan->models[i], plan->models[k]) == 0)
                return err_set(E_INPUT, "the model \"%s\" is named twice", plan->models[i]);
    }
    return 0;
}

static int check_horizons(const struct backtest_plan *plan)
{
    int64_t step_s = plan->series->step_ms / MS;

    if (plan->horizon_count < 1 || plan->horizon_count > ISSUE_HORIZONS_MAX)
        return err_set(E_INPUT, "a backtest has 1 to %d horizons, not %zu", ISSUE_HORIZONS_MAX, plan->horizon_count);
    for (size_t i = 0; i < plan->horizon_count; i++) {
        if (plan->horizons_s[i] <= 0 || plan->horizons_s[i] % step_s != 0)
            return err_set(E_INPUT, "a horizon of %" PRId64 " s is no multiple of the candles' %" PRId64 " s",
                           plan->horizons_s[i], step_s);
        if (plan->horizons_s[i] >= ISSUE_BARS_FROM_S && plan->horizons_s[i] % ISSUE_BAR_S != 0)
            return err_set(E_INPUT, "a horizon of %" PRId64 " s is no multiple of 24 hours, as long ones must be",
                           plan->horizons_s[i]);
        if (i > 0 && plan->horizons_s[i] <= plan->horizons_s[i - 1])
            return err_set(E_INPUT, "horizons must ascend, each once");
    }
    return 0;
}

/* Close of the first point at or after from. */
static int64_t first_origin_ms(const struct backtest_plan *plan)
{
    const struct series *series = plan->series;
    int64_t begin_ms = series->end_ms - (int64_t)(series->count - 1) * series->step_ms;

    if (plan->from_ms <= begin_ms)
        return begin_ms;
    int64_t points = (plan->from_ms - begin_ms + series->step_ms - 1) / series->step_ms;
    return begin_ms + points * series->step_ms;
}

/* The last origin that has an actual at the shortest horizon, or lies before `to`. */
static int64_t end_origin_ms(const struct backtest_plan *plan)
{
    int64_t known_ms = plan->series->end_ms - plan->horizons_s[0] * MS + 1;

    return plan->to_ms < known_ms ? plan->to_ms : known_ms;
}

static bool has_ensemble(const struct backtest_plan *plan)
{
    for (size_t i = 0; i < plan->model_count; i++)
        if (strcmp(plan->models[i], ISSUE_ENSEMBLE) == 0)
            return true;
    return false;
}

static int64_t warmup_step_ms(const struct backtest_plan *plan)
{
    return plan->step_ms > BACKTEST_WARMUP_STEP_S * MS ? plan->step_ms : BACKTEST_WARMUP_STEP_S * MS;
}

size_t backtest_warmup_count(const struct backtest_plan *plan)
{
    int64_t begin_ms = plan->series->end_ms - (int64_t)(plan->series->count - 1) * plan->series->step_ms;
    int64_t room_ms = first_origin_ms(plan) - begin_ms, span_ms = BACKTEST_WARMUP_S * MS;

    if (!has_ensemble(plan) || warmup_step_ms(plan) % plan->series->step_ms != 0)
        return 0;
    return (size_t)((room_ms < span_ms ? room_ms : span_ms) / warmup_step_ms(plan));
}

int64_t backtest_record_ms(const struct backtest_plan *plan, size_t at)
{
    int64_t first_ms = first_origin_ms(plan);
    int64_t number = (int64_t)at - (int64_t)backtest_warmup_count(plan);

    return first_ms + number * (number < 0 ? warmup_step_ms(plan) : plan->step_ms);
}

size_t backtest_origin_count(const struct backtest_plan *plan)
{
    int64_t first_ms = first_origin_ms(plan), end_ms = end_origin_ms(plan);

    return end_ms > first_ms ? (size_t)((end_ms - first_ms + plan->step_ms - 1) / plan->step_ms) : 0;
}

int backtest_check(const struct backtest_plan *plan)
{
    if (check_models(plan) < 0 || check_horizons(plan) < 0)
        return -1;
    if (plan->step_ms <= 0 || plan->step_ms % plan->series->step_ms != 0)
        return err_set(E_INPUT, "a step of %" PRId64 " s is no multiple of the candles' %" PRId64 " s",
                       plan->step_ms / MS, plan->series->step_ms / MS);
    if (plan->from_ms >= plan->to_ms)
        return err_set(E_INPUT, "from must lie before to");
    if (backtest_origin_count(plan) == 0)
        return err_set(E_INPUT, "no origin between from and to has both candles before it and an actual after it");
    return 0;
}

void backtest_csv_header(struct strbuf *buf)
{
    strbuf_add_text(buf, "model,origin,horizon_s,origin_price,target,actual");
    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        strbuf_printf(buf, ",q%g", quantile_levels[i]);
    strbuf_add_char(buf, '\n');
}

void backtest_csv_row(struct strbuf *buf, const struct backtest_row *row)
{
    strbuf_printf(buf, "%s,%" PRId64 ",%" PRId64 ",%.12g,%" PRId64 ",%.12g", row->forecast->model,
                  row->origin_ms / MS, row->forecast->horizon_s, row->origin_price, row->target_ms / MS, row->actual);
    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        strbuf_printf(buf, ",%.12g", row->forecast->price[i]);
    strbuf_add_char(buf, '\n');
}
