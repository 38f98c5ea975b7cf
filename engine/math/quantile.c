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

/* Hoare's partition: afterwards values[0..cut-1] <= pivot <= values[cut..count-1] and 0 < cut < count. */
static size_t partition(double *values, size_t count)
{
    double pivot = median_of_three(values[0], values[count / 2], values[count - 1]);
    size_t left = 0, right = count - 1;

    for (;;) {
        while (values[left] < pivot)
            left++;
        while (values[right] > pivot)
            right--;
        if (left >= right)
            return left > 0 ? left : 1;
        double swap = values[left];
        values[left++] = values[right];
        values[right--] = swap;
    }
}

/* Part of the values that begins at rank `base`, and the ranks wanted in it, ascending. */
struct part {
    double *values;
    size_t base, count;
    const size_t *ranks;
    size_t rank_count;
};

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
        size_t cut = partition(part.values, part.count), below = 0;
        while (below < part.rank_count && part.ranks[below] < part.base + cut)
            below++;
        select_ranks((struct part){part.values, part.base, cut, part.ranks, below}, depth);
        part.values += cut;
        part.base += cut;
        part.count -= cut;
        part.ranks += below;
        part.rank_count -= below;
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
