/* Gradient-boosted quantile trees: all quantiles of y given x from one forest of small trees.
 *
 *     quantile_l(x) = start_l + sum over trees t of value[t][leaf of x in t][l]          l = one of the levels
 *
 * The structure of a tree serves all levels; only the values of its leaves are per level. Forests are made for a few
 * thousand rows, tens of features and a noisy y: strong shrinkage, leaves with a least number of rows, no depth to speak
 * of. Curves are neither sorted nor checked for sense: that is the caller's business, who knows what y is.
 *
 *     boost_table_make(arena, x, rows, width, &table);          bins, once; several y and a prefix of the rows may use it
 *     forest = arena_alloc(arena, boost_forest_bytes(&options));
 *     boost_grow(arena, &table, &sample, &options, forest);
 *     boost_predict(forest, x_now, quantiles);
 *
 * A forest is one block without pointers of boost_forest_bytes(options) bytes, aligned as a double. Nothing is random and
 * sums that decide are of integers: the same rows give the same bits.
 */
#ifndef MATH_BOOST_H
#define MATH_BOOST_H

#include "core/arena.h"
#include "core/base.h"

#define BOOST_BINS_MAX 64
#define BOOST_LEAVES_MAX 8
#define BOOST_LEVELS_MAX 32
#define BOOST_WIDTH_MAX 64
#define BOOST_ROUNDS_MAX 400
#define BOOST_ROWS_MAX ((size_t)100000)

/* Features cut into at most BOOST_BINS_MAX bins each, of about equally many rows. Bin b holds x with
 * edges[b-1] <= x < edges[b]. */
struct boost_table {
    size_t rows, width;
    uint8_t *bins; /* rows x width */
    double (*edges)[BOOST_BINS_MAX];
    size_t *edge_counts;
};

/* What a forest learns from: y of the first `count` rows of the table. */
struct boost_sample {
    const double *y;
    size_t count;
};

struct boost_options {
    const double *levels; /* ascending, within 0..1 */
    size_t level_count;
    /* Whether splits are also sought where y spreads, not only where it rises. For y on both sides of its centre, whose
     * scale may change while its median does not; a size, which is never negative, rises when it spreads. */
    bool is_two_sided;
    size_t rounds, leaves, leaf_rows_min;
    double rate; /* shrinkage: share of a leaf's quantiles that is believed */
    double
        gain_min; /* least worth of a split: squared error that it takes away, in units of the variance of one row */
};

struct boost_forest;

/* Bins of `rows` x `width` finite features, row-major. rows 1..BOOST_ROWS_MAX, width 1..BOOST_WIDTH_MAX. */
void boost_table_make(struct arena *arena, const double *x, size_t rows, size_t width, struct boost_table *table);

/* Cuts column `column` anew, from the same matrix after that column was changed. */
void boost_table_column(struct arena *arena, struct boost_table *table, const double *x, size_t column);

size_t boost_forest_bytes(const struct boost_options *options);

/* Grows `options->rounds` trees, or stops when no split is worth `gain_min`. The y must be finite; 1 <= sample->count <=
 * table->rows. Scratch comes from the arena, about 8 bytes x (levels + 3) x rows. */
void boost_grow(struct arena *arena, const struct boost_table *table, const struct boost_sample *sample,
                const struct boost_options *options, struct boost_forest *forest);

/* Quantiles for one row of as many features as the table had, at the levels of the options, perhaps crossing. */
void boost_predict(const struct boost_forest *forest, const double *x, double *quantiles);

/* Trees that were grown. */
size_t boost_forest_rounds(const struct boost_forest *forest);

/* How much of the splits' worth came from each feature: shares that sum to 1, or all 0 when there is no split. */
void boost_forest_shares(const struct boost_forest *forest, double *shares);

/* Whether `bytes` bytes from a store are a forest that boost_predict may follow: made for `width` features and
 * `level_count` levels, numbers finite, every path ending in a leaf. */
bool boost_forest_is_whole(const struct boost_forest *forest, size_t bytes, size_t width, size_t level_count);

#endif
