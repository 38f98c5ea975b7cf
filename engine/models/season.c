/* The pattern of the week; see the header.
 *
 * Why deviations and not variances: a crash of 10% in one hour is 1000 times an ordinary squared hour, so for years the mean
 * of squares would remember in which hour of the week it happened; of deviations it is 30 times. Why in units of the week
 * before: a year of high volatility would else outvote three quiet ones. Why shrunk: 26 weeks give a cell 26 draws whose
 * mean has a standard error near 15%, while hour-of-day times weekend, 48 numbers, explain most of what there is.
 */
#include "models/season.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define WEEK_MS INT64_C(604800000)
#define DAY_MS INT64_C(86400000)
#define WEEKS_MIN 4
#define SHRINK_WEEKS 26.0 /* the coarse pattern counts as this many weeks of data */
#define FACTOR_MIN 0.1
#define FACTOR_MAX 10.0

/* Sums of relative deviations: by cell, by hour of the day, of workdays and weekends, of all. */
struct tally {
    double cell[SEASON_CELLS_MAX], cell_n[SEASON_CELLS_MAX];
};

static size_t cell_of(const struct season *season, int64_t close_ms)
{
    int64_t in_week =
        (close_ms - 1) % WEEK_MS; /* a step belongs to the hour in which it ran, not in which it closed */

    return (size_t)((in_week < 0 ? in_week + WEEK_MS : in_week) / season->step_ms);
}

static void make_flat(struct season *season, int64_t step_ms)
{
    bool divides = step_ms > 0 && WEEK_MS % step_ms == 0 && WEEK_MS / step_ms <= SEASON_CELLS_MAX;

    *season =
        (struct season){.cells = divides ? (uint32_t)(WEEK_MS / step_ms) : 1, .step_ms = divides ? step_ms : WEEK_MS};
    for (size_t i = 0; i < SEASON_CELLS_MAX; i++)
        season->factor[i] = 1.0;
}

/* Each deviation relative to the mean one of the week before it. */
static void count_week(const struct season *season, const double *variances, const struct season_clock *clock,
                       size_t from, size_t as_of, struct tally *tally)
{
    size_t week = season->cells;
    double level = 0.0;

    for (size_t i = from; i < from + week; i++)
        level += sqrt(variances[i]);
    for (size_t i = from + week; i <= as_of; i++) {
        double deviation = sqrt(variances[i]);
        size_t cell = cell_of(season, clock->end_ms - (int64_t)(clock->count - 1 - i) * clock->step_ms);

        if (level > 0.0) {
            tally->cell[cell] += deviation * (double)week / level;
            tally->cell_n[cell] += 1.0;
        }
        level += deviation - sqrt(variances[i - week]);
    }
}

/* 1970-01-01 was a Thursday: days 2 and 3 of the week that began then are Saturday and Sunday. */
static bool is_weekend(size_t cell, size_t per_day)
{
    return cell / per_day == 2 || cell / per_day == 3;
}

/* Mean of the cells at this time of day and on this kind of day, all weeks together. */
static double coarse(const struct tally *tally, size_t cells, size_t cell)
{
    size_t per_day = cells / 7;
    double sum = 0.0, n = 0.0;

    for (size_t day = 0; day < 7; day++) {
        size_t other = day * per_day + cell % per_day;

        if (is_weekend(other, per_day) == is_weekend(cell, per_day)) {
            sum += tally->cell[other];
            n += tally->cell_n[other];
        }
    }
    return n > 0.0 ? sum / n : 1.0;
}

void season_learn(struct season *season, const double *variances, const struct season_clock *clock, size_t as_of,
                  size_t window)
{
    struct tally tally;
    double total = 0.0;

    assert(as_of < clock->count);
    make_flat(season, clock->step_ms);
    size_t from = as_of + 1 > window ? as_of + 1 - window : 0;
    if (season->cells < 7 || season->cells % 7 != 0 || as_of + 1 - from < (WEEKS_MIN + 1) * (size_t)season->cells)
        return;
    memset(&tally, 0, sizeof tally);
    count_week(season, variances, clock, from, as_of, &tally);
    for (size_t c = 0; c < season->cells; c++) {
        double mean =
            (tally.cell[c] + SHRINK_WEEKS * coarse(&tally, season->cells, c)) / (tally.cell_n[c] + SHRINK_WEEKS);

        season->factor[c] = fmin(fmax(mean * mean, FACTOR_MIN), FACTOR_MAX);
        total += season->factor[c];
    }
    for (size_t c = 0; c < season->cells; c++)
        season->factor[c] *= (double)season->cells / total;
}

double season_at(const struct season *season, int64_t close_ms)
{
    return season->factor[season->cells == 1 ? 0 : cell_of(season, close_ms)];
}

double season_mean(const struct season *season, int64_t origin_ms, size_t steps)
{
    double sum = 0.0;

    if (season->cells == 1)
        return 1.0;
    for (size_t i = 1; i <= steps; i++)
        sum += season_at(season, origin_ms + (int64_t)i * season->step_ms);
    return sum / (double)steps;
}

bool season_is_whole(const struct season *season)
{
    if (season->cells < 1 || season->cells > SEASON_CELLS_MAX || season->step_ms != WEEK_MS / season->cells)
        return false;
    for (size_t i = 0; i < season->cells; i++)
        if (!(season->factor[i] > 0.0) || !isfinite(season->factor[i]))
            return false;
    return true;
}
