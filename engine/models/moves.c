/* Rows for regressions of the size of moves; see the header.
 *
 * Windows are Corsi's cascade (2009, J. of Financial Econometrics 7, 174-196): hour, quarter of a day, day, week and month in
 * a market that never closes; on days each about four times the one before, to a year, without which forecasts of weeks
 * follow every burst too far.
 */
#include "models/moves.h"

#include <assert.h>
#include <math.h>

#include "core/err.h"
#include "models/volatility.h"

#define DAY_MS INT64_C(86400000)
#define SEASON_WEEKS_HOURLY 52
#define SEASON_WEEKS_DAILY 156

static const size_t windows_hourly[MOVE_MEASURES] = {1, 6, 24, 168, 720};
static const size_t windows_daily[MOVE_MEASURES] = {1, 4, 14, 60, 365};

static const size_t *windows_of(int64_t step_ms)
{
    return step_ms >= DAY_MS ? windows_daily : windows_hourly;
}

static size_t first_of(int64_t step_ms)
{
    return windows_of(step_ms)[MOVE_MEASURES - 1] + VOLATILITY_MEMORY;
}

struct model_need moves_need(int64_t step_ms, size_t steps, size_t rows_min, size_t window)
{
    size_t before = first_of(step_ms) + steps;

    return (struct model_need){.min = before + (rows_min < window ? rows_min : window), .used = before + window};
}

void moves_season(struct arena *arena, const struct series *recent, struct season *season)
{
    struct volatility volatility;
    const struct season_clock clock = {recent->count, recent->end_ms, recent->step_ms};
    size_t weeks = recent->step_ms >= DAY_MS ? SEASON_WEEKS_DAILY : SEASON_WEEKS_HOURLY;

    volatility_make(arena, recent, &volatility);
    /* What the first points stand for hangs on where the series begins: they do not vote. */
    size_t window = weeks * (size_t)(7 * DAY_MS / recent->step_ms);
    size_t known = recent->count > VOLATILITY_MEMORY ? recent->count - VOLATILITY_MEMORY : 1;
    season_learn(season, volatility.range, &clock, recent->count - 1, window < known ? window : known);
}

static int64_t close_of(const struct series *series, size_t i)
{
    return series->end_ms - (int64_t)(series->count - 1 - i) * series->step_ms;
}

/* Variances with the pattern of the week taken out, and the pattern's running sums. */
static double *adjusted(struct arena *arena, const struct series *recent, const struct season *season, double *sums)
{
    struct volatility volatility;
    double *values = arena_array(arena, recent->count, sizeof *values);

    volatility_make(arena, recent, &volatility);
    for (size_t i = 0; i < recent->count; i++) {
        double factor = season_at(season, close_of(recent, i));

        values[i] = volatility.range[i] / factor;
        sums[i + 1] = sums[i] + factor;
    }
    return values;
}

void moves_make(struct arena *arena, const struct series *recent, const struct season *season, struct moves *moves)
{
    size_t count = recent->count;
    double *sums = arena_array(arena, count + 1, sizeof *sums);
    const double *values = adjusted(arena, recent, season, sums), *longest = NULL;

    *moves = (struct moves){.recent = *recent, .season = *season, .season_sums = sums};
    moves->first = first_of(recent->step_ms);
    for (size_t k = MOVE_MEASURES; k-- > 0;) {
        double *measure = arena_array(arena, count, sizeof *measure);

        volatility_means(values, count, windows_of(recent->step_ms)[k], measure);
        for (size_t i = 0; i < count; i++) {
            measure[i] = sqrt(measure[i]);
            if (longest != NULL)
                measure[i] = fmin(fmax(measure[i], longest[i] / MOVE_SPREAD), longest[i] * MOVE_SPREAD);
        }
        longest = k == MOVE_MEASURES - 1 ? measure : longest;
        moves->measures[k] = measure;
    }
}

static bool makes_row(const struct moves *moves, size_t origin, size_t steps)
{
    return !moves->recent.is_filled[origin] && !moves->recent.is_filled[origin + steps] &&
           moves->measures[MOVE_MEASURES - 1][origin] > 0.0;
}

void moves_rows(struct arena *arena, const struct moves *moves, size_t steps, size_t window, struct move_rows *rows)
{
    const struct series *recent = &moves->recent;
    size_t end = recent->count > steps ? recent->count - steps : 0, count = 0;
    size_t from = end > moves->first + window ? end - window : moves->first;
    size_t room = end > from ? end - from : 1;
    double *sizes = arena_array(arena, room, sizeof *sizes), *measures[MOVE_MEASURES];

    for (size_t k = 0; k < MOVE_MEASURES; k++)
        measures[k] = arena_array(arena, room, sizeof *measures[k]);
    for (size_t i = from; i < end; i++) {
        if (!makes_row(moves, i, steps))
            continue;
        double scale = sqrt(moves->season_sums[i + steps + 1] - moves->season_sums[i + 1]);
        sizes[count] = fabs(recent->log_close[i + steps] - recent->log_close[i]) / scale;
        for (size_t k = 0; k < MOVE_MEASURES; k++)
            measures[k][count] = moves->measures[k][i];
        count++;
    }
    *rows = (struct move_rows){.count = count, .sizes = sizes};
    for (size_t k = 0; k < MOVE_MEASURES; k++)
        rows->measures[k] = measures[k];
}

int moves_now(const struct moves *moves, size_t steps, struct move_now *now)
{
    size_t last = moves->recent.count - 1;

    for (size_t k = 0; k < MOVE_MEASURES; k++)
        now->measures[k] = moves->measures[k][last];
    now->scale = sqrt((double)steps * season_mean(&moves->season, moves->recent.end_ms, steps));
    if (now->measures[MOVE_MEASURES - 1] > 0.0)
        return 0;
    return err_set(E_INPUT, "the closes of the last %zu points stand still", moves->first - VOLATILITY_MEMORY);
}

void moves_levels(double levels[MOVE_LEVELS])
{
    for (size_t i = 0; i < MOVE_LEVELS; i++)
        levels[i] = 2.0 * quantile_levels[QUANTILE_MEDIAN + 1 + i] - 1.0;
}

int moves_curve(const double sizes[MOVE_LEVELS], double scale, struct quantile_curve *curve)
{
    double *values = curve->log_return;

    values[QUANTILE_MEDIAN] = 0.0;
    for (size_t i = 0; i < MOVE_LEVELS; i++) {
        double size = fmax(sizes[i], 0.0) * scale;

        values[QUANTILE_MEDIAN + 1 + i] = size;
        values[QUANTILE_MEDIAN - 1 - i] = -size;
    }
    if (quantile_curve_finish(curve, true) < 0)
        return -1;
    return values[QUANTILE_COUNT - 1] > 0.0 ? 0 : err_set(E_INPUT, "closes that stand still have no distribution");
}
