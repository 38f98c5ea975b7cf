/* From rows of scores to a row of the scoreboard, with the definitions of the project's scorer. One pass for what is a
 * mean or a count; the three statistics that need more (Diebold-Mariano, the interval of the skill, Kolmogorov-Smirnov)
 * have a function each.
 */
#include "eval/summary.h"

#include <math.h>

#include "core/err.h"
#include "math/beta.h"
#include "math/kolmogorov.h"
#include "math/moments.h"

#define LEVEL 0.95
#define SAME 1e-9         /* differences and medians below this many percent count as none */
#define FREEDOM_MIN 2.0   /* degrees of freedom that a t-test has at least */
#define DIRECTIONS_MIN 30 /* with fewer calls, there is nothing to say about direction */
#define PIT_SUBSAMPLES_MAX 10

static double freedom_of(size_t count, double overlap)
{
    return fmax((double)count / fmax(overlap, 1.0) - 1.0, FREEDOM_MIN);
}

/* Two-sided p-value that both forecasts are equally good (Diebold & Mariano 1995). */
static double diebold_mariano_p(struct arena *arena, const struct summary_row *rows, size_t count, double overlap)
{
    double *differences = arena_array(arena, count, sizeof *differences), largest = 0.0;

    for (size_t i = 0; i < count; i++) {
        differences[i] = rows[i].crps - rows[i].crps_baseline;
        largest = fmax(largest, fabs(differences[i]));
    }
    if (largest < SAME)
        return 1.0;
    double variance = fmax(mean_variance_overlapping(differences, count, overlap), 1e-300 / (double)count);
    double t = mean_of(differences, count) / sqrt(variance);
    return 2.0 * student_tail(fabs(t), freedom_of(count, overlap));
}

/* Of the ratio 1 - mean(a) / mean(b): its first-order error is the mean of (b - a - skill b) / mean(b). */
static struct interval skill_interval(struct arena *arena, const struct summary_row *rows, size_t count,
                                      double overlap, const struct summary *summary)
{
    double *errors = arena_array(arena, count, sizeof *errors);

    for (size_t i = 0; i < count; i++)
        errors[i] = (1.0 - summary->skill) * rows[i].crps_baseline - rows[i].crps;
    double deviation = sqrt(mean_variance_overlapping(errors, count, overlap)) / summary->crps_baseline;
    double half = deviation * student_quantile_upper((1.0 - LEVEL) / 2.0, freedom_of(count, overlap));
    return (struct interval){summary->skill - half, summary->skill + half};
}

/* Mean p-value over the subsamples that take every overlap-th row: they hold independent values. */
static double uniformity_p(struct arena *arena, const struct summary_row *rows, size_t count, double overlap)
{
    size_t stride = overlap > 1.0 ? (size_t)llround(overlap) : 1;
    size_t phases = stride < PIT_SUBSAMPLES_MAX ? stride : PIT_SUBSAMPLES_MAX;
    double *sample = arena_array(arena, count, sizeof *sample), sum = 0.0;

    phases = phases < count ? phases : count;
    for (size_t phase = 0; phase < phases; phase++) {
        size_t taken = 0;

        for (size_t i = phase; i < count; i += stride)
            sample[taken++] = rows[i].pit;
        sum += kolmogorov_uniform_p(arena, sample, taken);
    }
    return sum / (double)phases;
}

/* Share of medians on the right side of the origin price, where both median and outcome are on a side. */
static void judge_direction(const struct summary_row *rows, size_t count, double overlap, struct summary *summary)
{
    size_t calls = 0, right = 0;

    for (size_t i = 0; i < count; i++) {
        double median = rows[i].move - rows[i].median_error;

        if (fabs(median) <= SAME || fabs(rows[i].move) <= 0.0)
            continue;
        calls++;
        right += (median > 0.0) == (rows[i].move > 0.0);
    }
    summary->has_direction = calls > DIRECTIONS_MIN;
    if (!summary->has_direction)
        return;
    double trials = fmax((double)calls / fmax(overlap, 1.0), 1.0);
    summary->direction = (double)right / (double)calls;
    binomial_interval(summary->direction * trials, trials, LEVEL, &summary->direction_95.low,
                      &summary->direction_95.high);
}

static size_t pit_bin(double pit)
{
    double bin = floor(pit * SUMMARY_PIT_BINS);

    return bin >= SUMMARY_PIT_BINS ? SUMMARY_PIT_BINS - 1 : bin > 0.0 ? (size_t)bin : 0;
}

static void add_means(const struct summary_row *rows, size_t count, struct summary *summary)
{
    double n = (double)count, moves = 0.0;

    for (size_t i = 0; i < count; i++) {
        summary->crps += rows[i].crps / n;
        summary->crps_baseline += rows[i].crps_baseline / n;
        summary->width_90 += rows[i].width_90 / n;
        summary->width_90_baseline += rows[i].width_90_baseline / n;
        summary->interval_90 += rows[i].interval_90 / n;
        summary->interval_90_baseline += rows[i].interval_90_baseline / n;
        summary->median_error += fabs(rows[i].median_error) / n;
        moves += fabs(rows[i].move) / n;
        summary->pit_bins[pit_bin(rows[i].pit)]++;
        for (size_t k = 0; k < SCORE_INTERVAL_COUNT; k++)
            summary->covered[k] += rows[i].covered >> k & 1;
    }
    summary->skill = summary->crps_baseline > 0.0 ? 1.0 - summary->crps / summary->crps_baseline : 0.0;
    summary->mase = moves > 0.0 ? summary->median_error / moves : 1.0;
}

static void judge_coverage(struct summary *summary)
{
    for (size_t k = 0; k < SCORE_INTERVAL_COUNT; k++) {
        double share = (double)summary->covered[k] / (double)summary->n;

        summary->coverage[k] = share;
        summary->coverage_error += fabs(share - score_interval_levels[k]) / SCORE_INTERVAL_COUNT;
        binomial_interval(share * summary->n_effective, summary->n_effective, LEVEL, &summary->coverage_95[k].low,
                          &summary->coverage_95[k].high);
    }
}

int summary_make(struct arena *arena, const struct summary_row *rows, size_t count, double overlap,
                 struct summary *summary)
{
    *summary = (struct summary){.n = count};
    if (count == 0)
        return err_set(E_INPUT, "there is no score to sum up");
    for (size_t i = 0; i < count; i++)
        if (!isfinite(rows[i].crps) || !isfinite(rows[i].crps_baseline) || !isfinite(rows[i].pit))
            return err_set(E_INPUT, "score %zu is not finite", i);

    summary->n_effective = fmax((double)count / fmax(overlap, 1.0), 1.0);
    add_means(rows, count, summary);
    judge_coverage(summary);
    judge_direction(rows, count, overlap, summary);
    summary->dm_p = diebold_mariano_p(arena, rows, count, overlap);
    if (summary->crps_baseline > 0.0)
        summary->skill_95 = skill_interval(arena, rows, count, overlap, summary);
    summary->pit_ks_p = uniformity_p(arena, rows, count, overlap);
    return 0;
}
