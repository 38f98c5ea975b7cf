/* From files of candles to a series. Unlike an import, which passes bad rows over, a bad row ends it: a measurement on
 * a damaged file is no measurement.
 */
#include "cmd/candle_series.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/err.h"
#include "market/candle_file.h"

#define HOUR_S INT64_C(3600)
#define DAY_S INT64_C(86400)
/* 2100-01-01. History has no "now": results must not hang on this machine's clock. */
#define NEVER_MS INT64_C(4102444800000)
#define CANDLES_FIRST 4096 /* room that a growing list begins with */

/* The candles of all files of one interval so far. On the heap: it grows. */
struct pile {
    struct candle *candles;
    size_t count, size;
};

struct bad_row {
    int64_t line;
    const char *reason; /* NULL: none so far */
};

static void note_bad(void *arg, int64_t line, const char *reason)
{
    struct bad_row *bad = arg;

    if (bad->reason == NULL)
        *bad = (struct bad_row){line, reason};
}

static void pile_add(struct pile *pile, const struct candle *candle)
{
    if (pile->count == pile->size) {
        pile->size = pile->size > 0 ? pile->size * 2 : CANDLES_FIRST;
        pile->candles = reallocarray(pile->candles, pile->size, sizeof *pile->candles);
        if (pile->candles == NULL)
            abort();
    }
    pile->candles[pile->count++] = *candle;
}

static int read_all(struct candle_file *file, const char *path, const struct bad_row *bad, struct pile *pile)
{
    struct candle candle;

    for (;;) {
        int got = candle_file_next(file, &candle);

        if (bad->reason != NULL)
            return err_set(E_INPUT, "%s:%" PRId64 ": %s", path, bad->line, bad->reason);
        if (got <= 0)
            return got;
        pile_add(pile, &candle);
    }
}

static int read_file(const char *path, struct pile *pile)
{
    struct bad_row bad = {0};
    struct candle_file_options options = {
        .path = path, .interval_s = HOUR_S, .now_ms = NEVER_MS, .on_bad = note_bad, .arg = &bad};
    struct candle_file *file;

    if (candle_file_open(&file, &options) < 0)
        return -1;
    int rc = read_all(file, path, &bad, pile);
    candle_file_close(&file);
    if (rc == 0 && pile->count < 2)
        rc = err_set(E_INPUT, "%s: holds %zu candles; two are the least that show an interval", path, pile->count);
    return rc;
}

/* Within one file every time comes once, so no two are equal. */
static int compare_candles(const void *a, const void *b)
{
    const struct candle *x = a, *y = b;

    return (x->open_time_ms > y->open_time_ms) - (x->open_time_ms < y->open_time_ms);
}

/* Merges one sorted pile into another; of equal times the newer one's candle is kept. */
static void pile_merge(struct pile *pile, struct pile *newer)
{
    struct pile merged = {0};
    size_t i = 0, k = 0;

    while (i < pile->count || k < newer->count) {
        bool take_newer =
            i == pile->count || (k < newer->count && newer->candles[k].open_time_ms <= pile->candles[i].open_time_ms);

        if (take_newer && i < pile->count && newer->candles[k].open_time_ms == pile->candles[i].open_time_ms)
            i++;
        pile_add(&merged, take_newer ? &newer->candles[k++] : &pile->candles[i++]);
    }
    free(pile->candles);
    free(newer->candles);
    *pile = merged;
    *newer = (struct pile){0};
}

static int make_series(struct arena *arena, const struct pile *pile, int64_t interval_s, struct series *series)
{
    int64_t *time = arena_array(arena, pile->count, sizeof *time);
    double *columns = arena_array(arena, pile->count * 5, sizeof *columns);
    struct series_source source = {.count = pile->count,
                                   .open_ms = time,
                                   .open = columns,
                                   .high = columns + pile->count,
                                   .low = columns + 2 * pile->count,
                                   .close = columns + 3 * pile->count,
                                   .volume = columns + 4 * pile->count};

    for (size_t i = 0; i < pile->count; i++) {
        const struct candle *candle = &pile->candles[i];
        const double values[] = {candle->open, candle->high, candle->low, candle->close, candle->volume};

        time[i] = candle->open_time_ms;
        for (size_t c = 0; c < BTCF_LENGTH(values); c++)
            columns[c * pile->count + i] = values[c];
    }
    return series_make(arena, &source, interval_s * MS_PER_S, series);
}

/* Hours into UTC days, the last one whole. */
static int make_days(struct arena *arena, const struct pile *hours, struct series *series)
{
    struct series fine;

    if (make_series(arena, hours, HOUR_S, &fine) < 0)
        return -1;
    size_t count = series_count_at(&fine, time_floor(fine.end_ms, MS_PER_DAY));
    if (count == 0)
        return err_set(E_INPUT, "the hourly candles do not reach the end of one UTC day");
    fine = series_head(&fine, count);
    return series_bars(arena, &fine, DAY_S / HOUR_S, fine.count, series);
}

static int64_t interval_of(const struct pile *pile)
{
    int64_t least_ms = INT64_MAX;

    for (size_t i = 1; i < pile->count; i++) {
        int64_t distance_ms = llabs(pile->candles[i].open_time_ms - pile->candles[i - 1].open_time_ms);

        least_ms = distance_ms < least_ms ? distance_ms : least_ms;
    }
    return least_ms / MS_PER_S;
}

static int load_piles(const char *const *paths, size_t path_count, struct pile *hours, struct pile *days)
{
    for (size_t i = 0; i < path_count; i++) {
        struct pile pile = {0};
        int rc = read_file(paths[i], &pile);

        qsort(pile.candles, pile.count, sizeof *pile.candles, compare_candles);
        int64_t interval_s = interval_of(&pile);
        if (rc == 0 && interval_s != HOUR_S && interval_s < DAY_S)
            rc = err_set(E_INPUT, "%s: holds candles of %" PRId64 " s; 1h and 1d are what models work on", paths[i],
                         interval_s);
        if (rc < 0) {
            free(pile.candles);
            return -1;
        }
        pile_merge(interval_s == HOUR_S ? hours : days, &pile);
    }
    return 0;
}

int candle_series_load(struct arena *arena, const char *const *paths, size_t path_count, int64_t interval_s,
                       struct series *series)
{
    struct pile hours = {0}, days = {0};
    int rc = load_piles(paths, path_count, &hours, &days);

    if (rc == 0 && interval_s == HOUR_S)
        rc = hours.count > 0 ? make_series(arena, &hours, HOUR_S, series)
                             : err_set(E_INPUT, "no --candles file holds 1h candles");
    else if (rc == 0)
        rc = days.count > 0 ? make_series(arena, &days, DAY_S, series) : make_days(arena, &hours, series);
    free(hours.candles);
    free(days.candles);
    return rc;
}
