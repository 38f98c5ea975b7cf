/* The ensemble's table of members.
 *
 * Chosen on two stretches of the development data, targets 2020-01 to 2023-03 and 2023-04 to 2025-03, for what holds in
 * both (docs/MODELS.md has the tables and what lost):
 *   to 3 d   the three that read realised volatility: log-linear, quantile regression, boosted trees
 *            (with too little history for any of them, the two naive models with a shape stand in)
 *   beyond   the trees lose (too few independent windows to learn from), and the two unconditional walks steady the rest
 * Equal weights: online weights (BOA, Wintenberger 2017), by quantile or not, gained at most 0.1% in one stretch and lost
 * as much in the other. Everything is mirrored about zero drift: the drift of a window is noise that the next window does
 * not keep.
 */
#include "eval/combine.h"

#include <string.h>

#include "core/err.h"

#define DAY_S INT64_C(86400)

struct stretch {
    int64_t horizon_max_s;
    size_t count;
    struct combine_weight members[COMBINE_MEMBERS_MAX];
};

static const struct stretch stretches[] = {
    {3 * DAY_S,
     5,
     {{"har-log", 1.0 / 3.0}, {"qr-vol", 1.0 / 3.0}, {"qgb", 1.0 / 3.0}, {"rw-emp", 0.0}, {"ewma-emp", 0.0}}},
    {INT64_MAX, 4, {{"rw-gauss", 0.25}, {"rw-emp", 0.25}, {"har-log", 0.25}, {"qr-vol", 0.25}}},
};

const struct combine_weight *combine_members(int64_t horizon_s, size_t *count)
{
    size_t i = 0;

    while (horizon_s > stretches[i].horizon_max_s)
        i++;
    *count = stretches[i].count;
    return stretches[i].members;
}

static const struct combine_answer *answer_of(const struct combine_answer *answers, size_t count, const char *model)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(answers[i].model, model) == 0 && answers[i].curve != NULL && !answers[i].is_left_out)
            return &answers[i];
    return NULL;
}

int combine_ensemble(int64_t horizon_s, const struct combine_answer *answers, size_t count,
                     struct combine_result *result)
{
    const struct quantile_curve *curves[COMBINE_MEMBERS_MAX];
    double weights[COMBINE_MEMBERS_MAX], total = 0.0;
    size_t member_count;
    const struct combine_weight *members = combine_members(horizon_s, &member_count);

    *result = (struct combine_result){0};
    for (int is_stand_in = 0; is_stand_in < 2 && result->weight_count == 0; is_stand_in++)
        for (size_t i = 0; i < member_count; i++) {
            const struct combine_answer *answer = answer_of(answers, count, members[i].model);

            if (answer == NULL || (members[i].weight > 0.0) == (is_stand_in == 1))
                continue;
            curves[result->weight_count] = answer->curve;
            weights[result->weight_count] = is_stand_in ? 1.0 : members[i].weight;
            result->weights[result->weight_count] = members[i];
            total += weights[result->weight_count++];
        }
    for (size_t i = 0; i < result->weight_count; i++)
        result->weights[i].weight = weights[i] / total;
    return combine_curves(curves, weights, result->weight_count, &result->curve);
}

int combine_curves(const struct quantile_curve *const *curves, const double *weights, size_t count,
                   struct quantile_curve *combined)
{
    double total = 0.0;

    if (count == 0)
        return err_set(E_INPUT, "none of the ensemble's members could answer");
    *combined = (struct quantile_curve){{0.0}};
    for (size_t member = 0; member < count; member++) {
        struct quantile_curve curve = *curves[member];

        if (quantile_curve_finish(&curve, false) < 0)
            return -1;
        total += weights[member];
        for (size_t i = 0; i < QUANTILE_COUNT; i++)
            combined->log_return[i] += weights[member] * curve.log_return[i];
    }
    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        combined->log_return[i] /= total;
    return quantile_curve_finish(combined, true); /* mirroring is linear: once here is each of them before */
}
