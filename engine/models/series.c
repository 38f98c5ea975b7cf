/* Makes the grid that models see out of candles as they are stored, and coarser bars out of a grid.
 *
 * All checks on the input happen here, once, so that models are arithmetic only. Filling is the scorer's rule and not a
 * choice of ours: a step without a candle has the last close. Nothing is interpolated: the next close is the future.
 */
#include "models/series.h"

#include <assert.h>
#include <math.h>

#include "core/err.h"
#include "models/volatility.h"

/* The columns of one grid, writable while it is made. */
struct columns {
    double *open, *high, *low, *close, *log_close, *volume, *realised;
    uint8_t *is_filled;
};

static double *column_make(struct arena *arena, bool wanted, size_t count)
{
    return wanted ? arena_array(arena, count, sizeof(double)) : NULL;
}

static struct series series_of(const struct columns *columns, size_t count, int64_t step_ms, int64_t end_ms)
{
    return (struct series){.step_ms = step_ms,
                           .end_ms = end_ms,
                           .count = count,
                           .close = columns->close,
                           .log_close = columns->log_close,
                           .open = columns->open,
                           .high = columns->high,
                           .low = columns->low,
                           .volume = columns->volume,
                           .realised = columns->realised,
                           .is_filled = columns->is_filled};
}

static bool is_finite_at(const double *column, size_t i)
{
    return column == NULL || isfinite(column[i]);
}

static int check_candle(const struct series_source *source, size_t i, int64_t step_ms)
{
    const int64_t *time = source->open_ms;

    if (!isfinite(source->close[i]) || source->close[i] <= 0.0)
        return err_set(E_INPUT, "candle %zu (opened at %lld ms) has the close %g; it must be finite and positive", i,
                       (long long)time[i], source->close[i]);
    if (!is_finite_at(source->open, i) || !is_finite_at(source->high, i) || !is_finite_at(source->low, i) ||
        !is_finite_at(source->volume, i))
        return err_set(E_INPUT, "candle %zu (opened at %lld ms) has a value that is not finite", i,
                       (long long)time[i]);
    if (i > 0 && time[i] <= time[i - 1])
        return err_set(E_INPUT, "candle %zu (opened at %lld ms) does not come after the one before it (%lld ms)", i,
                       (long long)time[i], (long long)time[i - 1]);
    /* Ascending times make the difference positive, so the remainder is too; overflow needs times no candle has. */
    if (i > 0 && (time[i] - time[0]) % step_ms != 0)
        return err_set(E_INPUT, "candle %zu (opened at %lld ms) is off the grid of %lld ms that begins at %lld ms", i,
                       (long long)time[i], (long long)step_ms, (long long)time[0]);
    return 0;
}

static void put(double *column, size_t at, const double *values, size_t i)
{
    if (column != NULL)
        column[at] = values[i];
}

static void copy_candle(struct columns *to, size_t at, const struct series_source *source, size_t i)
{
    to->close[at] = source->close[i];
    to->log_close[at] = log(source->close[i]);
    put(to->open, at, source->open, i);
    put(to->high, at, source->high, i);
    put(to->low, at, source->low, i);
    put(to->volume, at, source->volume, i);
}

static void fill_step(struct columns *to, size_t at)
{
    double last = to->close[at - 1];

    to->close[at] = last;
    to->log_close[at] = to->log_close[at - 1];
    put(to->open, at, &last, 0);
    put(to->high, at, &last, 0);
    put(to->low, at, &last, 0);
    to->is_filled[at] = 1; /* the volume stays 0 */
}

int series_make(struct arena *arena, const struct series_source *source, int64_t step_ms, struct series *series)
{
    assert(step_ms > 0);
    if (source->count == 0)
        return err_set(E_INPUT, "there is no candle");
    for (size_t i = 0; i < source->count; i++)
        if (check_candle(source, i, step_ms) < 0)
            return -1;

    int64_t first = source->open_ms[0], last = source->open_ms[source->count - 1];
    if ((last - first) / step_ms >= (int64_t)SERIES_POINTS_MAX)
        return err_set(E_LIMIT, "candles from %lld ms to %lld ms span more than %zu steps", (long long)first,
                       (long long)last, SERIES_POINTS_MAX);
    size_t count = (size_t)((last - first) / step_ms) + 1;
    struct columns columns = {.open = column_make(arena, source->open != NULL, count),
                              .high = column_make(arena, source->high != NULL, count),
                              .low = column_make(arena, source->low != NULL, count),
                              .close = column_make(arena, true, count),
                              .log_close = column_make(arena, true, count),
                              .volume = column_make(arena, source->volume != NULL, count),
                              .is_filled = arena_array(arena, count, 1)};
    for (size_t i = 0, at = 0; i < source->count; i++) {
        size_t place = (size_t)((source->open_ms[i] - first) / step_ms);

        while (at < place)
            fill_step(&columns, at++);
        copy_candle(&columns, at++, source, i);
    }
    *series = series_of(&columns, count, step_ms, last + step_ms);
    return 0;
}

static const double *advance(const double *column, size_t by)
{
    return column == NULL ? NULL : column + by;
}

struct series series_head(const struct series *series, size_t count)
{
    struct series head = *series;

    assert(count >= 1 && count <= series->count);
    head.end_ms -= (int64_t)(series->count - count) * series->step_ms;
    head.count = count;
    return head;
}

struct series series_tail(const struct series *series, size_t count)
{
    struct series tail = *series;
    size_t skip = count < series->count ? series->count - count : 0;

    assert(count >= 1);
    tail.count -= skip;
    tail.close += skip;
    tail.log_close += skip;
    tail.open = advance(tail.open, skip);
    tail.high = advance(tail.high, skip);
    tail.low = advance(tail.low, skip);
    tail.volume = advance(tail.volume, skip);
    tail.realised = advance(tail.realised, skip);
    tail.is_filled += skip;
    return tail;
}

size_t series_count_at(const struct series *series, int64_t origin_ms)
{
    if (origin_ms >= series->end_ms)
        return series->count;
    /* Rounded up: a point that closes after the origin does not count. */
    int64_t missing = (series->end_ms - origin_ms + series->step_ms - 1) / series->step_ms;
    return missing >= (int64_t)series->count ? 0 : series->count - (size_t)missing;
}

static bool all_filled(const struct series *series, size_t first, size_t last)
{
    while (first <= last && series->is_filled[first])
        first++;
    return first > last;
}

/* One bar out of points[first .. first + per_bar - 1]. */
static void make_bar(struct columns *to, size_t at, const struct series *from, size_t first, size_t per_bar)
{
    size_t last = first + per_bar - 1;
    struct volatility_point point;
    double variance = 0.0;
    size_t seen = 0;

    to->close[at] = from->close[last];
    to->log_close[at] = from->log_close[last];
    put(to->open, at, from->open, first);
    put(to->high, at, from->high, first);
    put(to->low, at, from->low, first);
    for (size_t i = first; i <= last; i++) {
        if (volatility_point(from, i, &point)) {
            variance += point.range;
            seen++;
        }
        if (to->high != NULL)
            to->high[at] = fmax(to->high[at], from->high[i]);
        if (to->low != NULL)
            to->low[at] = fmin(to->low[at], from->low[i]);
        if (to->volume != NULL)
            to->volume[at] += from->volume[i];
    }
    to->realised[at] = seen > 0 ? variance * (double)per_bar / (double)seen : 0.0;
    to->is_filled[at] = all_filled(from, first, last);
}

int series_bars(struct arena *arena, const struct series *series, size_t per_bar, size_t bars_max,
                struct series *bars)
{
    assert(per_bar >= 1 && bars_max >= 1);
    size_t count = series->count / per_bar < bars_max ? series->count / per_bar : bars_max;

    if (count == 0)
        return err_set(E_INPUT, "%zu points do not make one bar of %zu", series->count, per_bar);
    struct columns columns = {.open = column_make(arena, series->open != NULL, count),
                              .high = column_make(arena, series->high != NULL, count),
                              .low = column_make(arena, series->low != NULL, count),
                              .close = column_make(arena, true, count),
                              .log_close = column_make(arena, true, count),
                              .volume = column_make(arena, series->volume != NULL, count),
                              .realised = column_make(arena, true, count),
                              .is_filled = arena_array(arena, count, 1)};
    size_t first = series->count - count * per_bar;
    for (size_t at = 0; at < count; at++)
        make_bar(&columns, at, series, first + at * per_bar, per_bar);
    *bars = series_of(&columns, count, series->step_ms * (int64_t)per_bar, series->end_ms);
    return 0;
}
