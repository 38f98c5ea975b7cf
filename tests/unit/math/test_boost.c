/* Boosted quantile trees: known conditional quantiles are found, noise is left alone, a damaged forest is not followed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "math/boost.c"
#include "near.h"

#define ARENA_MAX ((size_t)64 << 20)
#define TRAIN 3000
#define TEST 4000
#define WIDTH 24
#define SEED 20261123
#define LEVEL_COUNT 15

/* Mean pinball losses printed by tests/reference/boost_golden.py, on the numbers that `make_numbers` makes. */
#define SKLEARN_LOSS 0.552117897
#define PERFECT_LOSS 0.543040831
#define CONSTANT_LOSS 0.559801971

static const double levels[LEVEL_COUNT] = {.025, .05, .1, .2, .25, .3, .4, .5, .6, .7, .75, .8, .9, .95, .975};
static struct arena *arena;

static int begin(void **state)
{
    (void)state;
    arena = arena_create("test", ARENA_MAX);
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

/* splitmix64 (Steele, Lea & Flood 2014), the same in the Python script. */
static double uniform(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (double)((z ^ (z >> 31)) >> 11) / 9007199254740992.0;
}

/* Quantile function of the noise: symmetric, with wide tails. */
static double noise(double u)
{
    return (u - 0.5) * (1.0 + 8.0 * (2.0 * u - 1.0) * (2.0 * u - 1.0));
}

static double scale_of(const double *x)
{
    return 0.5 + x[0] + (x[1] > 0.5 ? x[2] : 0.0);
}

struct numbers {
    double *x, *y; /* TRAIN rows, then TEST */
};

static struct numbers make_numbers(void)
{
    struct numbers numbers = {arena_array(arena, (TRAIN + TEST) * WIDTH, sizeof(double)),
                              arena_array(arena, TRAIN + TEST, sizeof(double))};
    uint64_t state = SEED;

    for (size_t row = 0; row < TRAIN + TEST; row++) {
        for (size_t i = 0; i < WIDTH; i++)
            numbers.x[row * WIDTH + i] = uniform(&state);
        numbers.y[row] = scale_of(numbers.x + row * WIDTH) * noise(uniform(&state));
    }
    return numbers;
}

static struct boost_options plain_options(void)
{
    return (struct boost_options){.levels = levels,
                                  .level_count = LEVEL_COUNT,
                                  .rounds = 60,
                                  .leaves = 8,
                                  .leaf_rows_min = 50,
                                  .rate = 0.05,
                                  .is_two_sided = true};
}

static struct boost_forest *grow(const struct numbers *numbers, size_t rows, const struct boost_options *options)
{
    struct boost_forest *forest = arena_alloc(arena, boost_forest_bytes(options));
    struct boost_table table;

    boost_table_make(arena, numbers->x, TRAIN, WIDTH, &table);
    boost_grow(arena, &table, &(struct boost_sample){numbers->y, rows}, options, forest);
    return forest;
}

static double pinball(double y, double quantile, double level)
{
    return fmax(level * (y - quantile), (level - 1.0) * (y - quantile));
}

static void scores_as_well_as_a_forest_per_quantile(void **state)
{
    struct numbers numbers = make_numbers();
    struct boost_options options = plain_options();
    const struct boost_forest *forest = grow(&numbers, TRAIN, &options);
    double loss = 0.0, perfect = 0.0, quantiles[LEVEL_COUNT];

    (void)state;
    for (size_t row = TRAIN; row < TRAIN + TEST; row++) {
        const double *x = numbers.x + row * WIDTH;

        boost_predict(forest, x, quantiles);
        for (size_t i = 0; i < LEVEL_COUNT; i++) {
            loss += pinball(numbers.y[row], quantiles[i], levels[i]) / LEVEL_COUNT / TEST;
            perfect += pinball(numbers.y[row], scale_of(x) * noise(levels[i]), levels[i]) / LEVEL_COUNT / TEST;
        }
    }
    assert_near(perfect, PERFECT_LOSS, 1e-8); /* the two languages see the same numbers */
    assert_true(loss < SKLEARN_LOSS);
    assert_true(loss < (PERFECT_LOSS + CONSTANT_LOSS) / 2.0); /* half of what could be learned */
    assert_true(loss > PERFECT_LOSS);
}

/* One feature of many decides between a calm law and one three times as wide. */
static void finds_known_conditional_quantiles(void **state)
{
    struct numbers numbers = make_numbers();
    struct boost_options options = plain_options();
    double sums[2][LEVEL_COUNT] = {{0.0}}, quantiles[LEVEL_COUNT];
    size_t counts[2] = {0};
    uint64_t seed = 11;

    (void)state;
    for (size_t row = 0; row < TRAIN; row++)
        numbers.y[row] = (numbers.x[row * WIDTH] > 0.5 ? 3.0 : 1.0) * noise(uniform(&seed));
    const struct boost_forest *forest = grow(&numbers, TRAIN, &options);
    for (size_t row = TRAIN; row < TRAIN + TEST; row++) {
        size_t is_wide = numbers.x[row * WIDTH] > 0.5;

        boost_predict(forest, numbers.x + row * WIDTH, quantiles);
        counts[is_wide]++;
        for (size_t i = 0; i < LEVEL_COUNT; i++)
            sums[is_wide][i] += quantiles[i];
    }
    for (size_t i = 0; i < LEVEL_COUNT; i++) {
        double truth = noise(levels[i]);

        assert_near(sums[0][i] / (double)counts[0], truth, 0.1 + 0.15 * fabs(truth));
        assert_near(sums[1][i] / (double)counts[1], 3.0 * truth, 0.3 + 0.2 * fabs(3.0 * truth));
    }
}

static void credits_the_features_that_matter(void **state)
{
    struct numbers numbers = make_numbers();
    struct boost_options options = plain_options();
    double shares[WIDTH], sum = 0.0;

    (void)state;
    for (size_t row = 0; row < TRAIN; row++)
        numbers.y[row] = fabs(numbers.y[row]); /* a change of scale moves all levels the same way */
    options.is_two_sided = false;
    options.rounds = 20;
    boost_forest_shares(grow(&numbers, TRAIN, &options), shares);
    for (size_t i = 0; i < WIDTH; i++)
        sum += shares[i];
    assert_near(sum, 1.0, 1e-12);
    assert_true(shares[0] + shares[1] + shares[2] > 0.75);
    assert_true(shares[0] > 0.2 && shares[1] > 0.05 && shares[2] > 0.05);
}

static void leaves_noise_alone_when_a_split_must_be_worth_something(void **state)
{
    struct numbers numbers = make_numbers();
    struct boost_options options = plain_options();
    double quantiles[LEVEL_COUNT];
    uint64_t seed = 7;

    (void)state;
    for (size_t row = 0; row < TRAIN; row++)
        numbers.y[row] = noise(uniform(&seed));
    options.gain_min = 30.0;
    const struct boost_forest *forest = grow(&numbers, TRAIN, &options);
    assert_int_equal(boost_forest_rounds(forest), 0);
    boost_predict(forest, numbers.x, quantiles);
    for (size_t i = 0; i < LEVEL_COUNT; i++) { /* nothing but the sample's quantiles */
        double expected;

        quantiles_select(numbers.y, TRAIN, &levels[i], 1, &expected);
        assert_near(quantiles[i], expected, 0.0);
    }
    options.gain_min = 0.0;
    assert_int_equal(boost_forest_rounds(grow(&numbers, TRAIN, &options)), options.rounds);
}

static void grows_no_leaf_below_the_least_number_of_rows(void **state)
{
    struct numbers numbers = make_numbers();
    struct boost_options options = plain_options();

    (void)state;
    options.leaf_rows_min = TRAIN / 2 + 1;
    assert_int_equal(boost_forest_rounds(grow(&numbers, TRAIN, &options)), 0);
    options.leaf_rows_min = TRAIN / 3;
    const struct boost_forest *forest = grow(&numbers, TRAIN, &options);
    for (size_t round = 0; round < boost_forest_rounds(forest); round++) {
        size_t rows[BOOST_LEAVES_MAX] = {0};

        assert_true(tree_at(forest, round)->leaf_count <= 3);
        for (size_t row = 0; row < TRAIN; row++)
            rows[leaf_of(tree_at(forest, round), numbers.x + row * WIDTH)]++;
        for (size_t leaf = 0; leaf < tree_at(forest, round)->leaf_count; leaf++)
            assert_true(rows[leaf] >= options.leaf_rows_min);
    }
}

static void looks_at_no_row_beyond_the_sample(void **state)
{
    struct numbers numbers = make_numbers();
    struct boost_options options = plain_options();
    const struct boost_forest *before = grow(&numbers, TRAIN - 500, &options);

    (void)state;
    for (size_t row = TRAIN - 500; row < TRAIN; row++)
        numbers.y[row] = 1e9;
    assert_memory_equal(before, grow(&numbers, TRAIN - 500, &options), boost_forest_bytes(&options));
}

static void equal_rows_give_equal_bits(void **state)
{
    struct numbers numbers = make_numbers();
    struct boost_options options = plain_options();
    const struct boost_forest *first = grow(&numbers, TRAIN, &options);

    (void)state;
    assert_memory_equal(first, grow(&numbers, TRAIN, &options), boost_forest_bytes(&options));
}

/* Features with one value, two values, huge and tiny ones: bins must hold what their edges say. */
static void bins_hold_what_their_edges_say(void **state)
{
    enum { ROWS = 500, COLUMNS = 4 };
    double x[ROWS * COLUMNS];
    struct boost_table table;
    uint64_t seed = 3;

    (void)state;
    for (size_t row = 0; row < ROWS; row++) {
        x[row * COLUMNS] = 4.0;
        x[row * COLUMNS + 1] = row % 3 == 0 ? -1.0 : 1.0;
        x[row * COLUMNS + 2] = (row % 2 == 0 ? 1e300 : -1e-300) * uniform(&seed);
        x[row * COLUMNS + 3] = (double)row;
    }
    boost_table_make(arena, x, ROWS, COLUMNS, &table);
    assert_int_equal(table.edge_counts[0], 0);
    assert_int_equal(table.edge_counts[1], 1);
    assert_int_equal(table.edge_counts[3], BOOST_BINS_MAX - 1);
    for (size_t row = 0; row < ROWS; row++)
        for (size_t column = 0; column < COLUMNS; column++) {
            size_t bin = table.bins[row * COLUMNS + column];

            assert_true(bin <= table.edge_counts[column]);
            assert_true(bin == 0 || x[row * COLUMNS + column] >= table.edges[column][bin - 1]);
            assert_true(bin == table.edge_counts[column] || x[row * COLUMNS + column] < table.edges[column][bin]);
        }
}

static void a_damaged_forest_is_seen(void **state)
{
    struct numbers numbers = make_numbers();
    struct boost_options options = plain_options();

    (void)state;
    options.leaves = BOOST_LEAVES_MAX - 1;
    struct boost_forest *forest = grow(&numbers, TRAIN, &options);
    size_t bytes = boost_forest_bytes(&options);
    struct tree *tree = tree_at(forest, 30);
    const struct tree whole = *tree;

    assert_int_equal(whole.leaf_count, options.leaves);
    assert_true(boost_forest_is_whole(forest, bytes, WIDTH, LEVEL_COUNT));
    assert_false(boost_forest_is_whole(forest, bytes - 8, WIDTH, LEVEL_COUNT));
    assert_false(boost_forest_is_whole(forest, 4, WIDTH, LEVEL_COUNT));
    assert_false(boost_forest_is_whole(forest, bytes, WIDTH - 1, LEVEL_COUNT));
    assert_false(boost_forest_is_whole(forest, bytes, WIDTH, LEVEL_COUNT + 1));
    tree->splits[2].feature = WIDTH;
    assert_false(boost_forest_is_whole(forest, bytes, WIDTH, LEVEL_COUNT));
    *tree = whole;
    tree->splits[2].above = BOOST_LEAVES_MAX + 1; /* back to an earlier split: a path without end */
    assert_false(boost_forest_is_whole(forest, bytes, WIDTH, LEVEL_COUNT));
    *tree = whole;
    tree->splits[2].below = BOOST_LEAVES_MAX - 1; /* a leaf that the tree does not have */
    assert_false(boost_forest_is_whole(forest, bytes, WIDTH, LEVEL_COUNT));
    *tree = whole;
    tree->leaf_count = 0;
    assert_false(boost_forest_is_whole(forest, bytes, WIDTH, LEVEL_COUNT));
    *tree = whole;
    leaf_values(forest, 59, 7)[3] = NAN;
    assert_false(boost_forest_is_whole(forest, bytes, WIDTH, LEVEL_COUNT));
    leaf_values(forest, 59, 7)[3] = 0.0;
    assert_true(boost_forest_is_whole(forest, bytes, WIDTH, LEVEL_COUNT));
    forest->rounds = 61;
    assert_false(boost_forest_is_whole(forest, bytes, WIDTH, LEVEL_COUNT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(scores_as_well_as_a_forest_per_quantile, begin, end),
        cmocka_unit_test_setup_teardown(finds_known_conditional_quantiles, begin, end),
        cmocka_unit_test_setup_teardown(credits_the_features_that_matter, begin, end),
        cmocka_unit_test_setup_teardown(leaves_noise_alone_when_a_split_must_be_worth_something, begin, end),
        cmocka_unit_test_setup_teardown(grows_no_leaf_below_the_least_number_of_rows, begin, end),
        cmocka_unit_test_setup_teardown(looks_at_no_row_beyond_the_sample, begin, end),
        cmocka_unit_test_setup_teardown(equal_rows_give_equal_bits, begin, end),
        cmocka_unit_test_setup_teardown(bins_hold_what_their_edges_say, begin, end),
        cmocka_unit_test_setup_teardown(a_damaged_forest_is_seen, begin, end),
    };
    return cmocka_run_group_tests_name("math/boost", tests, NULL, NULL);
}
