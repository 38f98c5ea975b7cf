/* NLopt behind a small face; see the header. */
#include "math/optimise.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include <nlopt.h>

#include "core/err.h"

#define WORST 1e300 /* stands for a value that is not finite: NLopt knows no other way to say "not there" */

struct call {
    const struct optimise_problem *problem;
    int evaluations;
    double best_value, best[OPTIMISE_COUNT_MAX]; /* NLopt returns the last point when its budget is spent */
};

static double evaluate(unsigned count, const double *x, double *gradient, void *arg)
{
    struct call *call = arg;
    double value = call->problem->value(call->problem->arg, x, gradient);

    call->evaluations++;
    if (isfinite(value)) {
        if (value < call->best_value) {
            call->best_value = value;
            memcpy(call->best, x, count * sizeof *x);
        }
        return value;
    }
    for (unsigned i = 0; gradient != NULL && i < count; i++)
        gradient[i] = 0.0;
    return WORST;
}

static int run(nlopt_opt opt, const struct optimise_problem *problem, const double *step, double *x,
               struct optimise_result *result)
{
    struct call call = {.problem = problem, .best_value = INFINITY};
    bool good = nlopt_set_min_objective(opt, evaluate, &call) >= 0 &&
                nlopt_set_maxeval(opt, problem->evaluations_max) >= 0 &&
                nlopt_set_ftol_rel(opt, problem->tolerance) >= 0;

    if (problem->lower != NULL)
        good = good && nlopt_set_lower_bounds(opt, problem->lower) >= 0;
    if (problem->upper != NULL)
        good = good && nlopt_set_upper_bounds(opt, problem->upper) >= 0;
    if (step != NULL)
        good = good && nlopt_set_initial_step(opt, step) >= 0;
    if (!good)
        return err_set(E_INPUT, "the optimiser refused its settings");
    nlopt_result outcome = nlopt_optimize(opt, x, &result->value);
    result->evaluations = call.evaluations;
    if (isfinite(call.best_value)) {
        result->value = call.best_value;
        memcpy(x, call.best, problem->count * sizeof *x);
    }
    /* L-BFGS says FAILURE or ROUNDOFF where no step improves any more: the best point is then the answer. */
    result->converged = outcome > 0 && outcome != NLOPT_MAXEVAL_REACHED;
    if (outcome == NLOPT_FAILURE || outcome == NLOPT_ROUNDOFF_LIMITED)
        result->converged = true;
    if (outcome == NLOPT_INVALID_ARGS || outcome == NLOPT_OUT_OF_MEMORY)
        return err_set(E_INPUT, "the optimiser was given a start outside its bounds");
    return 0;
}

static int search(nlopt_algorithm algorithm, const struct optimise_problem *problem, const double *step, double *x,
                  struct optimise_result *result)
{
    assert(problem->count <= OPTIMISE_COUNT_MAX);
    *result = (struct optimise_result){.value = problem->value(problem->arg, x, NULL), .evaluations = 1};
    if (!isfinite(result->value))
        return err_set(E_INPUT, "the function is not finite at the start of the search");
    nlopt_opt opt = nlopt_create(algorithm, (unsigned)problem->count);
    if (opt == NULL)
        return err_set(E_LIMIT, "no memory for the optimiser");
    int status = run(opt, problem, step, x, result);
    nlopt_destroy(opt);
    return status;
}

int optimise_lbfgs(const struct optimise_problem *problem, double *x, struct optimise_result *result)
{
    return search(NLOPT_LD_LBFGS, problem, NULL, x, result);
}

int optimise_simplex(const struct optimise_problem *problem, const double *step, double *x,
                     struct optimise_result *result)
{
    return search(NLOPT_LN_SBPLX, problem, step, x, result);
}
