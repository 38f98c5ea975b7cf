/* qgb: boosted trees for the quantiles of |move|, in units of a running scale.
 *
 *     s[t]    scale per step at t: EWMA of returns divided by the week's pattern (qgb_features.h)
 *     f[t,h]  mean of the pattern's variance factors over the h steps ahead (season.h)
 *     y[t]    = log( |log P[t+h] - log P[t]| / (s[t] sqrt(h f[t,h])) )
 *     Q(y | x[t])  at 12 levels, by boosted trees with one structure for all (math/boost.h), one forest per horizon
 *     quantile(1/2 +- a/2) = +- s[now] sqrt(h f[now,h]) exp( Q_a(y | x[now]) )
 *
 * Three choices carry the result (docs/MODELS.md has the figures). The target is scaled, so trees correct a volatility
 * model instead of having to be one. It is |r|: both tails teach the same number, and drift, which two years cannot show,
 * cannot be learned. It is a logarithm: a leaf then multiplies the curve, and quantiles of a logarithm are logarithms of
 * quantiles.
 *
 * Long horizons overlap: among n rows of h steps only n / h are independent, so trees get fewer and leaves larger with h.
 *
 * A market that stood still would divide by nothing: scales count as at least SCALE_FLOOR of the root mean square of all
 * returns used, and |moves| as at least MOVE_FLOOR scales.
 */
#include <math.h>
#include <stdio.h>

#include "core/err.h"
#include "math/boost.h"
#include "models/plain.h"
#include "models/qgb_features.h"
#include "models/season.h"
#include "models/volatility.h"

#define NAME "qgb"
#define DAY_MS INT64_C(86400000)
#define REFIT_S (INT64_C(30) * 86400)
#define WINDOW_HOURLY 17520
#define WINDOW_DAILY 2000
#define ROWS_MIN_HOURLY 2000
#define ROWS_MIN_DAILY 400
#define SCALE_FLOOR 0.01
#define MOVE_FLOOR 1e-3
#define LEVELS ((QUANTILE_COUNT - 1) / 2)
#define RATE 0.05
#define LEAVES 8
#define ROUNDS_SHORT 60 /* up to a day ahead, on steps below a day */
#define ROUNDS_LONG 30
#define LEAF_ROWS_HOURLY 400
#define LEAF_ROWS_DAILY 100
#define SHARE_SHOWN 0.05

/* Forests follow the struct, one for each horizon that could be fitted, at `offset` bytes from its beginning. */
struct qgb_state {
    struct model_state head;
    struct season season;
    double floor;                     /* of the variance per step */
    uint64_t offset[MODEL_STEPS_MAX]; /* 0: too little history */
    uint64_t length[MODEL_STEPS_MAX]; /* bytes of the forest */
};

extern const struct model model_qgb;

static size_t window_of(const struct model_params *params, int64_t step_ms)
{
    return plain_window(params, step_ms, WINDOW_HOURLY, WINDOW_DAILY);
}

/* `used` is the same for all horizons: the longer ones have fewer rows. */
static struct model_need qgb_need(const struct model_params *params, int64_t step_ms, size_t steps)
{
    size_t lookback = qgb_lookback(step_ms), window = window_of(params, step_ms);
    size_t rows_min = step_ms >= DAY_MS ? ROWS_MIN_DAILY : ROWS_MIN_HOURLY;
    size_t min = lookback + rows_min + steps;

    return (struct model_need){.min = min, .used = lookback + window > min ? lookback + window : min};
}

/* |r| at level a is r at (1 + a) / 2: the upper half of the curve's levels. */
static void make_levels(double *levels)
{
    for (size_t i = 0; i < LEVELS; i++)
        levels[i] = 2.0 * quantile_levels[QUANTILE_MEDIAN + 1 + i] - 1.0;
}

static struct boost_options options_for(int64_t step_ms, const double *levels)
{
    bool is_daily = step_ms >= DAY_MS;

    return (struct boost_options){
        .levels = levels,
        .level_count = LEVELS,
        .rounds = is_daily ? ROUNDS_LONG : ROUNDS_SHORT,
        .leaves = LEAVES,
        .leaf_rows_min = is_daily ? LEAF_ROWS_DAILY : LEAF_ROWS_HOURLY,
        .rate = RATE,
    };
}

/* ---- fit ---- */

/* Rows of a fit: origins first .. first + count - 1 of the series that was cut to what counts. */
struct training {
    const struct series *series;
    const struct qgb_columns *columns;
    const struct season *season;
    size_t first, count;
    double *x; /* count x QGB_WIDTH */
    struct boost_table table;
};

static int64_t close_ms(const struct series *series, size_t point)
{
    return series->end_ms - (int64_t)(series->count - 1 - point) * series->step_ms;
}

static void make_rows(struct arena *arena, struct training *training)
{
    training->x = arena_array(arena, training->count * QGB_WIDTH, sizeof *training->x);
    for (size_t i = 0; i < training->count; i++)
        qgb_row(training->columns, training->first + i, training->x + i * QGB_WIDTH);
    boost_table_make(arena, training->x, training->count, QGB_WIDTH, &training->table);
}

/* Deviation of the `steps` after point i, by the scale and the pattern. */
static double unit_of(const struct training *training, size_t i, size_t steps)
{
    double ahead = season_mean(training->season, close_ms(training->series, i), steps);

    return qgb_scale(training->columns, i) * sqrt((double)steps * ahead);
}

static void fit_horizon(struct arena *arena, struct training *training, size_t steps,
                        const struct boost_options *options, struct boost_forest *forest)
{
    const double *closes = training->series->log_close;
    size_t count = training->series->count - steps - training->first;
    double *y = arena_array(arena, count, sizeof *y);

    for (size_t i = 0; i < training->count; i++) {
        size_t at = training->first + i;

        training->x[i * QGB_WIDTH + QGB_AHEAD] =
            0.5 * log(season_mean(training->season, close_ms(training->series, at), steps));
        if (i < count)
            y[i] = log(fmax(fabs(closes[at + steps] - closes[at]) / unit_of(training, at, steps), MOVE_FLOOR));
    }
    boost_table_column(arena, &training->table, training->x, QGB_AHEAD);
    boost_grow(arena, &training->table, &(struct boost_sample){y, count}, options, forest);
}

static struct qgb_state *make_state(struct arena *arena, const struct model_task *task, size_t points,
                                    size_t forest_bytes)
{
    size_t bytes = sizeof(struct qgb_state);
    struct qgb_state *state;

    state = model_state_make(arena, &model_qgb, task, points, bytes + task->count * forest_bytes);
    for (size_t i = 0; i < task->count; i++) {
        struct model_need need = qgb_need(task->params, task->series->step_ms, task->steps[i]);

        if (points < need.min)
            continue;
        state->offset[i] = bytes + i * forest_bytes;
        state->length[i] = forest_bytes;
    }
    return state;
}

static struct boost_forest *forest_at(const struct qgb_state *state, size_t index)
{
    return (struct boost_forest *)((uintptr_t)state + state->offset[index]);
}

static int qgb_fit(struct arena *arena, const struct model_task *task, struct model_state **result)
{
    struct model_need need = qgb_need(task->params, task->series->step_ms, task->steps[0]);
    double levels[LEVELS];

    if (plain_check_length(NAME, task->series, need, task->steps[0]) < 0)
        return -1;
    struct series recent = series_tail(task->series, need.used);
    struct volatility volatility;
    volatility_make(arena, &recent, &volatility);
    double mean = volatility_mean(volatility.squared, recent.count - 1, recent.count);
    if (!(mean > 0.0))
        return plain_refuse_still(NAME, recent.count);

    make_levels(levels);
    struct boost_options options = options_for(recent.step_ms, levels);
    struct qgb_state *state = make_state(arena, task, recent.count, boost_forest_bytes(&options));
    state->floor = SCALE_FLOOR * SCALE_FLOOR * mean;
    season_learn(&state->season, volatility.range,
                 &(struct season_clock){recent.count, recent.end_ms, recent.step_ms}, recent.count - 1, recent.count);

    struct qgb_market market = {&recent, &state->season, state->floor};
    struct training training = {.series = &recent,
                                .columns = qgb_columns_make(arena, &market),
                                .season = &state->season,
                                .first = qgb_lookback(recent.step_ms) - 1};
    training.count = recent.count - task->steps[0] - training.first;
    make_rows(arena, &training);
    for (size_t i = 0; i < task->count; i++)
        if (state->offset[i] > 0)
            fit_horizon(arena, &training, task->steps[i], &options, forest_at(state, i));
    *result = &state->head;
    return 0;
}

/* ---- forecast ---- */

static int check_horizon(const struct qgb_state *state, size_t index, size_t steps)
{
    const struct model_state *head = &state->head;

    if (index < head->step_count && state->offset[index] > 0)
        return 0;
    return err_set(E_INPUT, "%s needs %zu points of history to look %zu steps ahead and was fitted on %llu", NAME,
                   qgb_need(&head->params, head->step_ms, steps).min, steps, (unsigned long long)head->points);
}

static int forecast_one(const struct qgb_state *state, size_t steps, double unit, double *x,
                        struct quantile_curve *curve)
{
    size_t index = model_state_index(&state->head, steps);
    double logs[LEVELS];

    if (check_horizon(state, index, steps) < 0)
        return -1;
    boost_predict(forest_at(state, index), x, logs);
    curve->log_return[QUANTILE_MEDIAN] = 0.0;
    for (size_t i = 0; i < LEVELS; i++) {
        double move = unit * exp(logs[i]);

        curve->log_return[QUANTILE_MEDIAN + 1 + i] = move;
        curve->log_return[QUANTILE_MEDIAN - 1 - i] = -move;
    }
    return quantile_curve_finish(curve, state->head.params.mirrored);
}

static void refuse_all(struct arena *arena, const struct model_task *task, struct model_answer *answers)
{
    const char *reason = arena_strdup(arena, err_text());

    for (size_t i = 0; i < task->count; i++)
        answers[i] = (struct model_answer){.refusal = reason};
    err_clear();
}

static void qgb_forecast(struct arena *arena, const struct model_state *head, const struct model_task *task,
                         struct model_answer *answers)
{
    const struct qgb_state *state = (const struct qgb_state *)head;
    struct series recent = series_tail(task->series, qgb_lookback(task->series->step_ms));
    struct qgb_market market = {&recent, &state->season, state->floor};
    double x[QGB_WIDTH];

    if (plain_check_length(NAME, &recent, (struct model_need){.min = qgb_lookback(recent.step_ms)}, task->steps[0]) <
        0) {
        refuse_all(arena, task, answers);
        return;
    }
    const struct qgb_columns *columns = qgb_columns_make(arena, &market);
    size_t now = recent.count - 1;
    qgb_row(columns, now, x);
    for (size_t i = 0; i < task->count; i++) {
        double ahead = season_mean(&state->season, recent.end_ms, task->steps[i]);
        double unit = qgb_scale(columns, now) * sqrt((double)task->steps[i] * ahead);

        x[QGB_AHEAD] = 0.5 * log(ahead);
        answers[i] = (struct model_answer){0};
        if (forecast_one(state, task->steps[i], unit, x, &answers[i].curve) < 0)
            model_answer_refuse(arena, &answers[i]);
    }
}

/* ---- state ---- */

static bool is_season(const struct season *season)
{
    if (season->cells < 1 || season->cells > SEASON_CELLS_MAX || season->step_ms <= 0)
        return false;
    for (size_t i = 0; i < season->cells; i++)
        if (!(season->factor[i] > 0.0) || !isfinite(season->factor[i]))
            return false;
    return true;
}

static bool qgb_is_whole(const struct model_state *head)
{
    const struct qgb_state *state = (const struct qgb_state *)head;

    if (head->bytes < sizeof *state || !(state->floor > 0.0) || !isfinite(state->floor) || !is_season(&state->season))
        return false;
    for (size_t i = 0; i < head->step_count; i++) {
        if (state->offset[i] == 0)
            continue;
        if (state->offset[i] < sizeof *state || state->offset[i] % sizeof(double) != 0 ||
            state->offset[i] > head->bytes || state->length[i] > head->bytes - state->offset[i] ||
            !boost_forest_is_whole(forest_at(state, i), state->length[i], QGB_WIDTH, LEVELS))
            return false;
    }
    return true;
}

/* Features that decide, per horizon: "24.range1" is the share of the splits' worth that it had 24 steps ahead. */
static size_t qgb_parameters(const struct model_state *head, struct model_parameter *out, size_t max)
{
    const struct qgb_state *state = (const struct qgb_state *)head;
    double shares[QGB_WIDTH];
    size_t count = 0;

    for (size_t i = 0; i < head->step_count; i++) {
        if (state->offset[i] == 0)
            continue;
        boost_forest_shares(forest_at(state, i), shares);
        for (size_t k = 0; k < QGB_WIDTH && count < max; k++)
            if (shares[k] >= SHARE_SHOWN) {
                snprintf(out[count].name, sizeof out->name, "%u.%s", head->steps[i], qgb_feature_names[k]);
                out[count++].value = shares[k];
            }
    }
    return count;
}

const struct model model_qgb = {
    .name = NAME,
    .summary = "boosted quantile trees on moves scaled by volatility and the week's pattern",
    .state_version = 1,
    .refit_s = REFIT_S,
    .need = qgb_need,
    .fit = qgb_fit,
    .forecast = qgb_forecast,
    .parameters = qgb_parameters,
    .is_whole = qgb_is_whole,
};
