/* The learner: histograms, best-first splits, leaves renewed with exact quantiles.
 *
 * Structure. Friedman's gradient boosting (2001, Annals of Statistics 29, 1189-1232) with the pinball loss summed over all
 * levels. Its gradient in row i is, up to a constant, the number of levels whose quantile y_i exceeds:
 *
 *     up_i = sum over levels l of [y_i > q_l(x_i)]            a coarse PIT: large where the curve lies too low
 *
 * One tree per round is fitted to it by least squares, the leaf with the best split first (Shi 2007; LightGBM: Ke et al.
 * 2017), over histograms of at most 64 bins, the larger child's histogram by subtraction. Growing a tree per level
 * instead costs as many times more and, with a thousand independent rows, mostly fits each level's noise.
 *
 * Where only the scale of a two-sided y changes, up_i averages to the same on both sides of any cut. Such y are split on
 *
 *     out_i = sum over l above the median of [y_i > q_l(x_i)] + sum over l below it of [y_i < q_l(x_i)]
 *
 * as well; a cut's worth is the sum of both, each in units of its own variance.
 *
 * Both are integers, so a bin is one 64-bit word, from above: rows, sum of out, sum of up; filled by one addition. Sums are
 * exact whatever their order, and so is the subtraction.
 *
 * Leaves. As in Friedman's LAD_TreeBoost, each leaf and level gets the exact quantile of the residuals y - q_l(x) of its
 * rows, shrunk by `rate`: the constant that would minimise the pinball loss there. A gradient step of one size for all
 * levels (what second-order libraries do, with a made-up curvature) leaves the tails behind.
 */
#include "math/boost.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/quantile.h"

#define SPLITS_MAX (BOOST_LEAVES_MAX - 1)
#define EDGE_ROWS_MAX 4096 /* rows, evenly spread, whose values place the edges of the bins */
#define CHANNELS 2         /* up and out */
#define CHANNEL_BITS 23    /* hold BOOST_ROWS_MAX x BOOST_LEVELS_MAX */
#define COUNT_SHIFT (CHANNELS * CHANNEL_BITS)
#define CHANNEL_MASK ((UINT64_C(1) << CHANNEL_BITS) - 1)

/* A child below BOOST_LEAVES_MAX is a leaf; above, a split's index + BOOST_LEAVES_MAX, larger than its parent's. */
struct split {
    double threshold; /* x < threshold goes below */
    double gain;
    uint32_t feature;
    uint16_t below, above;
};

struct tree {
    uint64_t leaf_count; /* 1 more than the splits */
    struct split splits[SPLITS_MAX];
};

struct boost_forest {
    uint32_t width, level_count, rounds_max, rounds;
    double numbers[]; /* start: levels; values: rounds_max x leaves x levels; trees: rounds_max */
};

struct candidate {
    double gain; /* 0: none */
    size_t feature, bin;
};

/* A leaf while its tree grows: rows order[begin .. begin + count). */
struct leaf {
    size_t begin, count;
    uint64_t *histogram; /* width x BOOST_BINS_MAX */
    struct candidate best;
    uint16_t *link; /* where its parent names it */
};

struct grower {
    const struct boost_table *table;
    const struct boost_sample *sample;
    const struct boost_options *options;
    struct boost_forest *forest;
    double *quantiles; /* levels x rows: the forest's so far */
    double *residuals; /* scratch: rows */
    uint64_t *words;   /* what each row adds to its bins */
    uint32_t *order, *spare;
    double variances[CHANNELS]; /* over all rows */
    struct leaf leaves[BOOST_LEAVES_MAX];
    size_t leaf_count;
};

/* ---- tables ---- */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Edges between equally filled bins of sorted values; equal values are never parted, so there may be fewer. */
static size_t place_edges(const double *sorted, size_t count, double *edges)
{
    size_t edge_count = 0;

    for (size_t bin = 1; bin < BOOST_BINS_MAX; bin++) {
        size_t at = bin * count / BOOST_BINS_MAX;

        if (at == 0 || !(sorted[at] > sorted[0]) || (edge_count > 0 && !(sorted[at] > edges[edge_count - 1])))
            continue;
        edges[edge_count++] = sorted[at];
    }
    return edge_count;
}

/* Number of edges at or below the value. Unused edges are infinite, so six halvings reach every bin without a branch. */
static uint8_t bin_of(const double *edges, double value)
{
    size_t bin = 0;

    for (size_t half = BOOST_BINS_MAX / 2; half > 0; half /= 2)
        bin += value >= edges[bin + half - 1] ? half : 0;
    return (uint8_t)bin;
}

void boost_table_column(struct arena *arena, struct boost_table *table, const double *x, size_t column)
{
    size_t stride = table->rows / EDGE_ROWS_MAX + 1, count = (table->rows + stride - 1) / stride;
    double *sorted = arena_array(arena, count, sizeof *sorted), *edges = table->edges[column];

    for (size_t i = 0; i < count; i++)
        sorted[i] = x[i * stride * table->width + column];
    qsort(sorted, count, sizeof *sorted, compare_doubles);
    table->edge_counts[column] = place_edges(sorted, count, edges);
    for (size_t i = table->edge_counts[column]; i < BOOST_BINS_MAX; i++)
        edges[i] = INFINITY;
    for (size_t row = 0; row < table->rows; row++)
        table->bins[row * table->width + column] = bin_of(edges, x[row * table->width + column]);
}

void boost_table_make(struct arena *arena, const double *x, size_t rows, size_t width, struct boost_table *table)
{
    assert(rows >= 1 && rows <= BOOST_ROWS_MAX);
    assert(width >= 1 && width <= BOOST_WIDTH_MAX);
    *table = (struct boost_table){
        .rows = rows,
        .width = width,
        .bins = arena_alloc(arena, rows * width),
        .edges = arena_array(arena, width, sizeof *table->edges),
        .edge_counts = arena_array(arena, width, sizeof *table->edge_counts),
    };
    for (size_t column = 0; column < width; column++)
        boost_table_column(arena, table, x, column);
}

/* ---- the block of a forest ---- */

static size_t value_count(const struct boost_forest *forest)
{
    return (size_t)forest->rounds_max * BOOST_LEAVES_MAX * forest->level_count;
}

static double *leaf_values(struct boost_forest *forest, size_t round, size_t leaf)
{
    return forest->numbers + (1 + round * BOOST_LEAVES_MAX + leaf) * forest->level_count;
}

static struct tree *tree_at(const struct boost_forest *forest, size_t round)
{
    const double *trees = forest->numbers + forest->level_count + value_count(forest);

    return (struct tree *)(uintptr_t)trees + round;
}

static size_t block_bytes(size_t rounds, size_t level_count)
{
    return sizeof(struct boost_forest) + (1 + rounds * BOOST_LEAVES_MAX) * level_count * sizeof(double) +
           rounds * sizeof(struct tree);
}

size_t boost_forest_bytes(const struct boost_options *options)
{
    return block_bytes(options->rounds, options->level_count);
}

size_t boost_forest_rounds(const struct boost_forest *forest)
{
    return forest->rounds;
}

/* ---- one tree ---- */

static void fill_histogram(const struct grower *grower, const struct leaf *leaf)
{
    size_t width = grower->table->width;

    memset(leaf->histogram, 0, width * BOOST_BINS_MAX * sizeof *leaf->histogram);
    for (size_t i = 0; i < leaf->count; i++) {
        uint32_t row = grower->order[leaf->begin + i];
        const uint8_t *bins = grower->table->bins + row * width;
        for (size_t feature = 0; feature < width; feature++)
            leaf->histogram[feature * BOOST_BINS_MAX + bins[feature]] += grower->words[row];
    }
}

static double channel_of(uint64_t word, size_t channel)
{
    return (double)((word >> (channel * CHANNEL_BITS)) & CHANNEL_MASK);
}

/* With n rows and sum C in the leaf, n1 and C1 below the cut, n2 above, the squared error falls by
 * (C1 - n1 C / n)^2 n / (n1 n2). */
static double gain_of(const struct grower *grower, uint64_t total, uint64_t below)
{
    double all = (double)(total >> COUNT_SHIFT), count = (double)(below >> COUNT_SHIFT), gain = 0.0;

    for (size_t channel = 0; channel < CHANNELS; channel++) {
        double excess = channel_of(below, channel) - count * channel_of(total, channel) / all;

        if (grower->variances[channel] > 0.0)
            gain += excess * excess / grower->variances[channel];
    }
    return gain * all / (count * (all - count));
}

/* The best cut of one feature. */
static void try_feature(const struct grower *grower, struct leaf *leaf, uint64_t total, size_t feature)
{
    const uint64_t *words = leaf->histogram + feature * BOOST_BINS_MAX;
    size_t least = grower->options->leaf_rows_min;
    uint64_t below = 0;

    for (size_t bin = 0; bin < grower->table->edge_counts[feature]; bin++) {
        below += words[bin];
        size_t count = (size_t)(below >> COUNT_SHIFT);
        if (count < least || leaf->count - count < least || words[bin] == 0)
            continue;
        double gain = gain_of(grower, total, below);
        if (gain > leaf->best.gain)
            leaf->best = (struct candidate){gain, feature, bin};
    }
}

static void find_best(const struct grower *grower, struct leaf *leaf)
{
    uint64_t total = 0;

    leaf->best = (struct candidate){.gain = grower->options->gain_min};
    for (size_t bin = 0; bin < BOOST_BINS_MAX; bin++)
        total += leaf->histogram[bin];
    if (leaf->count >= 2 * grower->options->leaf_rows_min)
        for (size_t feature = 0; feature < grower->table->width; feature++)
            try_feature(grower, leaf, total, feature);
    if (leaf->best.gain <= grower->options->gain_min)
        leaf->best.gain = 0.0;
}

/* Moves the leaf's rows below the cut to the front, keeping their order. Returns how many there are. */
static size_t part_rows(struct grower *grower, const struct leaf *leaf)
{
    const uint8_t *bins = grower->table->bins + leaf->best.feature;
    uint32_t *order = grower->order + leaf->begin;
    size_t below = 0, above = 0;

    for (size_t i = 0; i < leaf->count; i++) {
        uint32_t row = order[i];
        bool is_below = bins[row * grower->table->width] <= leaf->best.bin;

        order[below] = row;
        grower->spare[above] = row;
        below += is_below;
        above += !is_below;
    }
    memcpy(order + below, grower->spare, above * sizeof *order);
    return below;
}

/* The larger child's histogram is the parent's less the smaller's, and takes its place. */
static void share_histogram(struct grower *grower, struct leaf *low, struct leaf *high, uint64_t *parent)
{
    struct leaf *small = low->count <= high->count ? low : high, *large = small == low ? high : low;
    size_t words = grower->table->width * BOOST_BINS_MAX;

    if (small->histogram == parent) {
        small->histogram = large->histogram;
        large->histogram = parent;
    }
    fill_histogram(grower, small);
    for (size_t i = 0; i < words; i++)
        parent[i] -= small->histogram[i];
}

static void split_leaf(struct grower *grower, struct tree *tree, size_t index)
{
    struct leaf *low = &grower->leaves[index], *high = &grower->leaves[grower->leaf_count];
    size_t at = grower->leaf_count - 1, below = part_rows(grower, low);
    struct split *split = &tree->splits[at];

    *split = (struct split){
        .threshold = grower->table->edges[low->best.feature][low->best.bin],
        .gain = low->best.gain,
        .feature = (uint32_t)low->best.feature,
        .below = (uint16_t)index,
        .above = (uint16_t)grower->leaf_count,
    };
    if (low->link != NULL)
        *low->link = (uint16_t)(at + BOOST_LEAVES_MAX);
    high->begin = low->begin + below;
    high->count = low->count - below;
    low->count = below;
    low->link = &split->below;
    high->link = &split->above;
    grower->leaf_count++;
    share_histogram(grower, low, high, low->histogram);
    find_best(grower, low);
    find_best(grower, high);
}

static void grow_tree(struct grower *grower, struct tree *tree)
{
    struct leaf *root = &grower->leaves[0];

    root->begin = 0;
    root->count = grower->sample->count;
    root->link = NULL;
    for (size_t i = 0; i < root->count; i++)
        grower->order[i] = (uint32_t)i;
    fill_histogram(grower, root);
    find_best(grower, root);
    grower->leaf_count = 1;
    while (grower->leaf_count < grower->options->leaves) {
        size_t best = 0;

        for (size_t i = 1; i < grower->leaf_count; i++)
            if (grower->leaves[i].best.gain > grower->leaves[best].best.gain)
                best = i;
        if (!(grower->leaves[best].best.gain > 0.0))
            break;
        split_leaf(grower, tree, best);
    }
    tree->leaf_count = grower->leaf_count;
}

/* ---- rounds ---- */

/* Counts, for each row, the levels of one channel that it passes, and their variance over the rows. */
static void count_channel(struct grower *grower, size_t channel)
{
    size_t rows = grower->sample->count;
    double sum = 0.0, squares = 0.0;

    for (size_t level = 0; level < grower->options->level_count; level++) {
        const double *quantiles = grower->quantiles + level * rows, *y = grower->sample->y;
        bool is_below = channel == 1 && grower->options->levels[level] < 0.5;

        for (size_t i = 0; i < rows; i++)
            grower->words[i] += (uint64_t)(is_below ? y[i] < quantiles[i] : y[i] > quantiles[i])
                                << (channel * CHANNEL_BITS);
    }
    for (size_t i = 0; i < rows; i++) {
        double passed = channel_of(grower->words[i], channel);

        sum += passed;
        squares += passed * passed;
    }
    grower->variances[channel] = fmax(squares / (double)rows - sum / (double)rows * sum / (double)rows, 0.0);
}

static void count_levels(struct grower *grower)
{
    for (size_t i = 0; i < grower->sample->count; i++)
        grower->words[i] = UINT64_C(1) << COUNT_SHIFT;
    count_channel(grower, 0);
    if (grower->options->is_two_sided)
        count_channel(grower, 1);
}

/* Exact quantiles of what the forest leaves over in one leaf, shrunk, and added to the forest. */
static void renew_leaf(struct grower *grower, const struct leaf *leaf, double *values)
{
    const struct boost_options *options = grower->options;
    const uint32_t *order = grower->order + leaf->begin;

    for (size_t level = 0; level < options->level_count; level++) {
        double *quantiles = grower->quantiles + level * grower->sample->count;

        for (size_t i = 0; i < leaf->count; i++)
            grower->residuals[i] = grower->sample->y[order[i]] - quantiles[order[i]];
        quantiles_select(grower->residuals, leaf->count, &options->levels[level], 1, &values[level]);
        values[level] *= options->rate;
        for (size_t i = 0; i < leaf->count; i++)
            quantiles[order[i]] += values[level];
    }
}

static void begin_forest(struct grower *grower)
{
    const struct boost_options *options = grower->options;
    const struct boost_sample *sample = grower->sample;
    double *start = grower->forest->numbers;

    memcpy(grower->residuals, sample->y, sample->count * sizeof *sample->y);
    quantiles_select(grower->residuals, sample->count, options->levels, options->level_count, start);
    for (size_t level = 0; level < options->level_count; level++)
        for (size_t i = 0; i < sample->count; i++)
            grower->quantiles[level * sample->count + i] = start[level];
}

static void check_options(const struct boost_table *table, const struct boost_sample *sample,
                          const struct boost_options *options)
{
    assert(sample->count >= 1 && sample->count <= table->rows);
    assert(options->level_count >= 1 && options->level_count <= BOOST_LEVELS_MAX);
    assert(options->leaves >= 1 && options->leaves <= BOOST_LEAVES_MAX);
    assert(options->rounds <= BOOST_ROUNDS_MAX);
    assert(options->leaf_rows_min >= 1);
}

void boost_grow(struct arena *arena, const struct boost_table *table, const struct boost_sample *sample,
                const struct boost_options *options, struct boost_forest *forest)
{
    struct grower grower = {.table = table, .sample = sample, .options = options, .forest = forest};

    check_options(table, sample, options);
    memset(forest, 0, boost_forest_bytes(options));
    forest->width = (uint32_t)table->width;
    forest->level_count = (uint32_t)options->level_count;
    forest->rounds_max = (uint32_t)options->rounds;
    grower.quantiles = arena_array(arena, sample->count * options->level_count, sizeof(double));
    grower.residuals = arena_array(arena, sample->count, sizeof(double));
    grower.words = arena_array(arena, sample->count, sizeof(uint64_t));
    grower.order = arena_array(arena, sample->count, sizeof(uint32_t));
    grower.spare = arena_array(arena, sample->count, sizeof(uint32_t));
    for (size_t i = 0; i < options->leaves; i++)
        grower.leaves[i].histogram = arena_array(arena, table->width * BOOST_BINS_MAX, sizeof(uint64_t));
    begin_forest(&grower);
    while (forest->rounds < options->rounds) {
        count_levels(&grower);
        grow_tree(&grower, tree_at(forest, forest->rounds));
        if (grower.leaf_count == 1)
            break;
        for (size_t i = 0; i < grower.leaf_count; i++)
            renew_leaf(&grower, &grower.leaves[i], leaf_values(forest, forest->rounds, i));
        forest->rounds++;
    }
}

/* ---- use ---- */

static size_t leaf_of(const struct tree *tree, const double *x)
{
    size_t at = tree->leaf_count > 1 ? BOOST_LEAVES_MAX : 0;

    while (at >= BOOST_LEAVES_MAX) {
        const struct split *split = &tree->splits[at - BOOST_LEAVES_MAX];

        at = x[split->feature] < split->threshold ? split->below : split->above;
    }
    return at;
}

void boost_predict(const struct boost_forest *forest, const double *x, double *quantiles)
{
    size_t levels = forest->level_count;

    memcpy(quantiles, forest->numbers, levels * sizeof *quantiles);
    for (size_t round = 0; round < forest->rounds; round++) {
        size_t leaf = leaf_of(tree_at(forest, round), x);
        const double *values = forest->numbers + (1 + round * BOOST_LEAVES_MAX + leaf) * levels;

        for (size_t level = 0; level < levels; level++)
            quantiles[level] += values[level];
    }
}

void boost_forest_shares(const struct boost_forest *forest, double *shares)
{
    double total = 0.0;

    memset(shares, 0, forest->width * sizeof *shares);
    for (size_t round = 0; round < forest->rounds; round++) {
        const struct tree *tree = tree_at(forest, round);

        for (size_t i = 0; i + 1 < tree->leaf_count; i++) {
            shares[tree->splits[i].feature] += tree->splits[i].gain;
            total += tree->splits[i].gain;
        }
    }
    for (size_t feature = 0; total > 0.0 && feature < forest->width; feature++)
        shares[feature] /= total;
}

/* A child is a leaf of the tree or a later split, so a path cannot turn back. */
static bool is_child(const struct tree *tree, size_t parent, size_t child)
{
    if (child < BOOST_LEAVES_MAX)
        return child < tree->leaf_count;
    return child - BOOST_LEAVES_MAX > parent && child - BOOST_LEAVES_MAX + 1 < tree->leaf_count;
}

static bool is_tree(const struct tree *tree, size_t width)
{
    if (tree->leaf_count < 1 || tree->leaf_count > BOOST_LEAVES_MAX)
        return false;
    for (size_t i = 0; i + 1 < tree->leaf_count; i++) {
        const struct split *split = &tree->splits[i];

        if (split->feature >= width || !is_child(tree, i, split->below) || !is_child(tree, i, split->above) ||
            !isfinite(split->threshold) || !isfinite(split->gain))
            return false;
    }
    return true;
}

bool boost_forest_is_whole(const struct boost_forest *forest, size_t bytes, size_t width, size_t level_count)
{
    if (bytes < sizeof *forest || forest->width != width || forest->level_count != level_count ||
        forest->rounds_max > BOOST_ROUNDS_MAX || forest->rounds > forest->rounds_max ||
        bytes != block_bytes(forest->rounds_max, level_count))
        return false;
    for (size_t i = 0; i < level_count + value_count(forest); i++)
        if (!isfinite(forest->numbers[i]))
            return false;
    for (size_t round = 0; round < forest->rounds; round++)
        if (!is_tree(tree_at(forest, round), width))
            return false;
    return true;
}
