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
#include "models/moves.h"
#include "models/plain.h"
#include "models/qgb_features.h"

#define NAME "qgb"
#define DAY_MS INT64_C(86400000)
#define REFIT_S (INT64_C(30) * 86400)
#define WINDOW_HOURLY 17520
#define WINDOW_DAILY 2000
#define ROWS_MIN_HOURLY 2000
#define ROWS_MIN_DAILY 400
#define SCALE_FLOOR 0.01
#define MOVE_FLOOR 1e-3
#define RATE 0.05
#define LEAVES 8
#define STRIDE_HOURLY 2 /* neighbouring origins teach nearly the same: every second one counts */
#define SHARE_SHOWN 0.05

/* How forests grow, by the distance that they look ahead: the last line of the step's table that begins at or below it. */
struct regime {
    size_t steps;
    size_t rounds;
    double leaf_share; /* least part of all rows in a leaf */
};
static const struct regime regimes_hourly[] = {{1, 60, 0.05}, {12, 60, 0.10}};
static const struct regime regimes_daily[] = {{1, 40, 0.05}, {3, 20, 0.15}};
#define LEAF_ROWS_MIN 20

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

static const struct regime *regime_for(int64_t step_ms, size_t steps)
{
    const struct regime *table = step_ms >= DAY_MS ? regimes_daily : regimes_hourly;
    size_t at = step_ms >= DAY_MS ? BTCF_LENGTH(regimes_daily) : BTCF_LENGTH(regimes_hourly);

    while (at > 1 && table[at - 1].steps > steps)
        at--;
    return &table[at - 1];
}

static struct boost_options options_for(int64_t step_ms, size_t steps, size_t rows, const double *levels)
{
    const struct regime *regime = regime_for(step_ms, steps);
    size_t leaf_rows = (size_t)(regime->leaf_share * (double)rows);

    return (struct boost_options){
        .levels = levels,
        .level_count = MOVE_LEVELS,
        .rounds = regime->rounds,
        .leaves = LEAVES,
        .leaf_rows_min = leaf_rows > LEAF_ROWS_MIN ? leaf_rows : LEAF_ROWS_MIN,
        .rate = RATE,
    };
}

static struct boost_forest *forest_at(const struct qgb_state *state, size_t index)
{
    return (struct boost_forest *)((uintptr_t)state + state->offset[index]);
}

/* ---- fit ---- */

static double mean_square(const struct series *series)
{
    double sum = 0.0;

    for (size_t i = 1; i < series->count; i++) {
        double move = series->log_close[i] - series->log_close[i - 1];

        sum += move * move;
    }
    return sum / (double)(series->count - 1);
}

/* Rows of a fit: row i is the origin at point first + i x stride of the series, which was cut to what counts. */
struct training {
    const struct series *series;
    const struct qgb_columns *columns;
    const struct season *season;
    size_t first, stride, rows;
    double *x; /* rows x QGB_WIDTH */
    struct boost_table table;
};

/* As many rows as the shortest horizon has outcomes for. */
static void make_rows(struct arena *arena, struct training *training, size_t steps)
{
    size_t last = training->series->count - 1 - steps;

    training->rows = (last - training->first) / training->stride + 1;
    training->x = arena_array(arena, training->rows * QGB_WIDTH, sizeof *training->x);
    for (size_t i = 0; i < training->rows; i++)
        qgb_row(training->columns, training->first + i * training->stride, training->x + i * QGB_WIDTH);
    boost_table_make(arena, training->x, training->rows, QGB_WIDTH, &training->table);
}

/* Outcomes of the rows that have one, and for all rows the column that knows the horizon. Returns how many there are. */
static size_t make_outcomes(struct training *training, size_t steps, double *y)
{
    const struct series *series = training->series;
    size_t count = 0;

    for (size_t i = 0; i < training->rows; i++) {
        size_t at = training->first + i * training->stride;
        int64_t origin_ms = series->end_ms - (int64_t)(series->count - 1 - at) * series->step_ms;
        double ahead = season_mean(training->season, origin_ms, steps);

        training->x[i * QGB_WIDTH + QGB_AHEAD] = 0.5 * log(ahead);
        if (at + steps >= series->count)
            continue;
        double unit = qgb_scale(training->columns, at) * sqrt((double)steps * ahead);
        double move = fabs(series->log_close[at + steps] - series->log_close[at]);
        y[count++] = log(fmax(move / unit, MOVE_FLOOR));
    }
    return count;
}

static void fit_horizon(struct arena *arena, struct training *training, size_t steps, struct boost_forest *forest)
{
    double *y = arena_array(arena, training->rows, sizeof *y), levels[MOVE_LEVELS];
    size_t count = make_outcomes(training, steps, y);

    moves_levels(levels);
    struct boost_options options = options_for(training->series->step_ms, steps, count, levels);
    boost_table_column(arena, &training->table, training->x, QGB_AHEAD);
    boost_grow(arena, &training->table, &(struct boost_sample){y, count}, &options, forest);
}

static size_t forest_bytes(int64_t step_ms, size_t steps)
{
    struct boost_options options = options_for(step_ms, steps, 0, NULL);

    return boost_forest_bytes(&options);
}

static struct qgb_state *make_state(struct arena *arena, const struct model_task *task, size_t points)
{
    int64_t step_ms = task->series->step_ms;
    size_t bytes = sizeof(struct qgb_state);

    for (size_t i = 0; i < task->count; i++)
        bytes += forest_bytes(step_ms, task->steps[i]);
    struct qgb_state *state = model_state_make(arena, &model_qgb, task, points, bytes);
    size_t offset = sizeof *state;
    for (size_t i = 0; i < task->count; i++) {
        state->length[i] = forest_bytes(step_ms, task->steps[i]);
        if (points >= qgb_need(task->params, step_ms, task->steps[i]).min)
            state->offset[i] = offset;
        offset += state->length[i];
    }
    return state;
}

static int qgb_fit(struct arena *arena, const struct model_task *task, struct model_state **result)
{
    struct model_need need = qgb_need(task->params, task->series->step_ms, task->steps[0]);

    if (plain_check_length(NAME, task->series, need, task->steps[0]) < 0)
        return -1;
    struct series recent = series_tail(task->series, need.used);
    double mean = mean_square(&recent);
    if (!(mean > 0.0))
        return plain_refuse_still(NAME, recent.count);

    struct qgb_state *state = make_state(arena, task, recent.count);
    state->floor = SCALE_FLOOR * SCALE_FLOOR * mean;
    moves_season(arena, &recent, &state->season);
    struct qgb_market market = {&recent, &state->season, state->floor};
    struct training training = {.series = &recent,
                                .columns = qgb_columns_make(arena, &market),
                                .season = &state->season,
                                .first = qgb_lookback(recent.step_ms) - 1,
                                .stride = recent.step_ms >= DAY_MS ? 1 : STRIDE_HOURLY};
    make_rows(arena, &training, task->steps[0]);
    for (size_t i = 0; i < task->count; i++)
        if (state->offset[i] > 0)
            fit_horizon(arena, &training, task->steps[i], forest_at(state, i));
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
    double sizes[MOVE_LEVELS];

    if (check_horizon(state, index, steps) < 0)
        return -1;
    boost_predict(forest_at(state, index), x, sizes);
    for (size_t i = 0; i < MOVE_LEVELS; i++)
        sizes[i] = exp(sizes[i]);
    return moves_curve(sizes, unit, curve) < 0 ? err_wrap(NAME) : 0;
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

static bool qgb_is_whole(const struct model_state *head)
{
    const struct qgb_state *state = (const struct qgb_state *)head;

    if (head->bytes < sizeof *state || !(state->floor > 0.0) || !isfinite(state->floor) ||
        !season_is_whole(&state->season))
        return false;
    for (size_t i = 0; i < head->step_count; i++) {
        if (state->offset[i] == 0)
            continue;
        if (state->offset[i] < sizeof *state || state->offset[i] % sizeof(double) != 0 ||
            state->offset[i] > head->bytes || state->length[i] > head->bytes - state->offset[i] ||
            !boost_forest_is_whole(forest_at(state, i), state->length[i], QGB_WIDTH, MOVE_LEVELS))
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
