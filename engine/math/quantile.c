/* Quantiles by partial sorting: quickselect for a whole list of ranks at once.
 *
 * Each partition step splits the values and the list of wanted ranks; a part in which no rank is wanted is never looked
 * at again. The work is about n log2(ranks) instead of n log2(n). Median-of-three pivots make sorted input cheap; a
 * part that was split too often without getting small is sorted by libc, so no input makes this quadratic. Nothing is
 * random: equal input gives equal output, bit for bit.
 */
#include "math/quantile.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#define PART_SMALL 24 /* sorted by insertion */
#define DEPTH_MAX 48  /* splits of one value before libc takes over */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void insertion_sort(double *values, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        double value = values[i];
        size_t hole = i;

        for (; hole > 0 && values[hole - 1] > value; hole--)
            values[hole] = values[hole - 1];
        values[hole] = value;
    }
}

static double median_of_three(double a, double b, double c)
{
    double low = a < b ? a : b, high = a < b ? b : a;

    return c < low ? low : c > high ? high : c;
}

/* Moves the values below the pivot to the front (Lomuto's scheme, written without a branch on the data: random values
 * would mispredict every second one). Returns how many there are. */
static size_t partition_below(double *values, size_t count, double pivot)
{
    size_t cut = 0;

    for (size_t i = 0; i < count; i++) {
        double value = values[i];

        values[i] = values[cut];
        values[cut] = value;
        cut += value < pivot;
    }
    return cut;
}

/* The same for values not above the pivot. */
static size_t partition_upto(double *values, size_t count, double pivot)
{
    size_t cut = 0;

    for (size_t i = 0; i < count; i++) {
        double value = values[i];

        values[i] = values[cut];
        values[cut] = value;
        cut += value <= pivot;
    }
    return cut;
}

/* Part of the values that begins at rank `base`, and the ranks wanted in it, ascending. */
struct part {
    double *values;
    size_t base, count;
    const size_t *ranks;
    size_t rank_count;
};

/* Drops the first `count` values of the part and the ranks in them. */
static struct part part_after(struct part part, size_t count)
{
    while (part.rank_count > 0 && part.ranks[0] < part.base + count) {
        part.ranks++;
        part.rank_count--;
    }
    part.values += count;
    part.base += count;
    part.count -= count;
    return part;
}

static struct part part_before(struct part part, size_t count)
{
    size_t ranks = 0;

    while (ranks < part.rank_count && part.ranks[ranks] < part.base + count)
        ranks++;
    part.count = count;
    part.rank_count = ranks;
    return part;
}

static void select_ranks(struct part part, int depth)
{
    while (part.rank_count > 0) {
        if (part.count <= PART_SMALL) {
            insertion_sort(part.values, part.count);
            return;
        }
        if (depth++ >= DEPTH_MAX) {
            qsort(part.values, part.count, sizeof *part.values, compare_doubles);
            return;
        }
        double pivot = median_of_three(part.values[0], part.values[part.count / 2], part.values[part.count - 1]);
        size_t cut = partition_below(part.values, part.count, pivot);
        if (cut > 0)
            select_ranks(part_before(part, cut), depth);
        else /* the pivot is the least: its equals, all in place now, are done with */
            cut = partition_upto(part.values, part.count, pivot);
        part = part_after(part, cut);
    }
}

double quantile_sorted(const double *sorted, size_t count, double level)
{
    double position = (double)(count - 1) * level;
    size_t rank = (size_t)floor(position);

    if (rank + 1 >= count)
        return sorted[count - 1];
    return sorted[rank] + (position - (double)rank) * (sorted[rank + 1] - sorted[rank]);
}

void quantiles_select(double *values, size_t count, const double *levels, size_t level_count, double *results)
{
    size_t ranks[2 * QUANTILE_LEVELS_MAX], rank_count = 0;

    assert(count >= 1);
    assert(level_count <= QUANTILE_LEVELS_MAX);
    for (size_t i = 0; i < level_count; i++) {
        size_t rank = (size_t)floor((double)(count - 1) * levels[i]);

        for (size_t wanted = rank; wanted <= rank + 1 && wanted < count; wanted++)
            if (rank_count == 0 || ranks[rank_count - 1] < wanted)
                ranks[rank_count++] = wanted;
    }
    select_ranks((struct part){values, 0, count, ranks, rank_count}, 0);
    for (size_t i = 0; i < level_count; i++)
        results[i] = quantile_sorted(values, count, levels[i]);
}
