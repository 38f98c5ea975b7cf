/* Frisch-Newton with preprocessing; see the header.
 *
 * The dual of quantile regression is a linear programme with bounds,
 *
 *     minimise -y'a   subject to   X'a = (1 - t) X'1,   0 <= a <= 1,
 *
 * whose multipliers are -beta. It is solved by Mehrotra's predictor and corrector (1992, SIAM J. Optimization 2, 575-601) in
 * logarithmic barrier form: about 15 iterations, each one weighted least squares of `width` unknowns. Notation is that of
 * Portnoy & Koenker, section 3: x = a, s = 1 - a, z and w the multipliers of the two bounds.
 *
 * Preprocessing: a fit on a strided sample tells most signs of the residuals. Rows far above the quantile enter the loss as
 * one sum, as do those far below; only the rows between are regressed, and afterwards every glued sign is checked. Wrong ones
 * are let in and the fit repeated, so the answer is that of the whole problem.
 */
#include "math/quantile_regression.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/err.h"
#include "math/linear.h"
#include "math/quantile.h"

#define WIDTH_MAX QUANTILE_REGRESSION_WIDTH_MAX
#define ITERATIONS_MAX 60
#define GAP 1e-10          /* duality gap, relative to sum |y|, at which the interior point stops */
#define STEP_SHARE 0.99995 /* of the way to the nearest bound */
#define WHOLE_ROWS 1500    /* problems up to this size are solved without preprocessing */
#define BAND_SHARE 0.5     /* of (rows width)^(2/3): rows kept on each side of the quantile; half of the sample */
#define REPAIRS_MAX 8

/* The working arrays of one interior point, each of `rows`. */
struct point {
    double *x, *s, *z, *w, *q, *r, *rhs, *dx, *dz, *dw;
};

/* Step lengths in the primal and in the dual. */
struct steps {
    double primal, dual;
};

static struct point point_make(struct arena *arena, size_t rows)
{
    double *room = arena_array(arena, rows * 10, sizeof *room);

    return (struct point){room,
                          room + rows,
                          room + 2 * rows,
                          room + 3 * rows,
                          room + 4 * rows,
                          room + 5 * rows,
                          room + 6 * rows,
                          room + 7 * rows,
                          room + 8 * rows,
                          room + 9 * rows};
}

static double dot(const double *a, const double *b, size_t count)
{
    double sum = 0.0;

    for (size_t i = 0; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}

/* out = X beta. */
static void apply(const struct quantile_problem *problem, const double *beta, double *out)
{
    memset(out, 0, problem->rows * sizeof *out);
    for (size_t k = 0; k < problem->width; k++)
        for (size_t i = 0; i < problem->rows; i++)
            out[i] += beta[k] * problem->columns[k][i];
}

/* Solves (X' diag(q) X) d = X' v; q NULL for ones. `scratch` has a row's length. */
static int solve(const struct quantile_problem *problem, const double *q, const double *v, double *scratch, double *d)
{
    double normal[WIDTH_MAX * WIDTH_MAX];
    size_t width = problem->width, rows = problem->rows;

    for (size_t k = 0; k < width; k++) {
        const double *column = problem->columns[k];

        for (size_t i = 0; i < rows; i++)
            scratch[i] = q != NULL ? q[i] * column[i] : column[i];
        for (size_t m = k; m < width; m++)
            normal[k * width + m] = dot(scratch, problem->columns[m], rows);
        d[k] = dot(column, v, rows);
    }
    return linear_solve_spd(normal, width, d);
}

/* Largest share of (dx, ds = -dx) and (dz, dw) that keeps all of them positive. */
static struct steps step_lengths(const struct point *p, size_t rows)
{
    double primal = INFINITY, dual = INFINITY;

    for (size_t i = 0; i < rows; i++) {
        double room = p->dx[i] < 0.0 ? -p->x[i] / p->dx[i] : p->s[i] / p->dx[i];
        double z = p->dz[i] < 0.0 ? -p->z[i] / p->dz[i] : INFINITY,
               w = p->dw[i] < 0.0 ? -p->w[i] / p->dw[i] : INFINITY;

        primal = p->dx[i] != 0.0 && room < primal ? room : primal;
        dual = z < dual ? z : dual;
        dual = w < dual ? w : dual;
    }
    return (struct steps){fmin(STEP_SHARE * primal, 1.0), fmin(STEP_SHARE * dual, 1.0)};
}

/* The affine direction: straight for the optimum. */
static int predict(const struct quantile_problem *problem, struct point *p, double *dy)
{
    for (size_t i = 0; i < problem->rows; i++) {
        p->q[i] = 1.0 / (p->z[i] / p->x[i] + p->w[i] / p->s[i]);
        p->r[i] = p->z[i] - p->w[i];
        p->rhs[i] = p->q[i] * p->r[i];
    }
    if (solve(problem, p->q, p->rhs, p->dx, dy) < 0)
        return -1;
    apply(problem, dy, p->dx);
    for (size_t i = 0; i < problem->rows; i++) {
        p->dx[i] = p->q[i] * (p->dx[i] - p->r[i]);
        p->dz[i] = -p->z[i] * (1.0 + p->dx[i] / p->x[i]);
        p->dw[i] = -p->w[i] * (1.0 - p->dx[i] / p->s[i]);
    }
    return 0;
}

/* Mehrotra's aim for the barrier: small when the affine step would get far. */
static double barrier(const struct point *p, size_t rows, struct steps steps)
{
    double now = 0.0, then = 0.0;

    for (size_t i = 0; i < rows; i++) {
        now += p->z[i] * p->x[i] + p->w[i] * p->s[i];
        then += (p->z[i] + steps.dual * p->dz[i]) * (p->x[i] + steps.primal * p->dx[i]) +
                (p->w[i] + steps.dual * p->dw[i]) * (p->s[i] - steps.primal * p->dx[i]);
    }
    double ratio = then / now;
    return now * ratio * ratio * ratio / (2.0 * (double)rows);
}

/* Bends the affine direction towards the central path, with the second-order terms that it left out. */
static int correct(const struct quantile_problem *problem, struct point *p, double mu, double *dy)
{
    size_t rows = problem->rows;

    for (size_t i = 0; i < rows; i++) {
        double bend = (p->dx[i] * p->dz[i] - mu) / p->x[i] + (p->dx[i] * p->dw[i] + mu) / p->s[i];

        p->r[i] += bend;
        p->rhs[i] = p->q[i] * p->r[i];
        /* dz and dw keep the products until they are made anew below. */
        p->dz[i] *= p->dx[i];
        p->dw[i] *= -p->dx[i];
    }
    if (solve(problem, p->q, p->rhs, p->dx, dy) < 0)
        return -1;
    apply(problem, dy, p->dx);
    for (size_t i = 0; i < rows; i++) {
        p->dx[i] = p->q[i] * (p->dx[i] - p->r[i]);
        p->dz[i] = (mu - p->z[i] * p->dx[i] - p->dz[i]) / p->x[i] - p->z[i];
        p->dw[i] = (mu + p->w[i] * p->dx[i] - p->dw[i]) / p->s[i] - p->w[i];
    }
    return 0;
}

/* Feasible to begin with: a = 1 - t throughout, multipliers from least squares. `beta` receives -y of the dual. */
static int begin(const struct quantile_problem *problem, double level, struct point *p, double *beta)
{
    double floor = 0.0;
    size_t rows = problem->rows;

    if (solve(problem, NULL, problem->y, p->rhs, beta) < 0)
        return err_wrap("while the columns of a quantile regression were looked at");
    apply(problem, beta, p->r);
    for (size_t i = 0; i < rows; i++) {
        p->r[i] = p->r[i] - problem->y[i]; /* c - A'y with c = -y and y = -beta */
        floor += fabs(p->r[i]);
    }
    /* Multipliers must be positive: how far from zero is a matter of the problem's scale. */
    floor = 0.1 * floor / (double)rows + 1e-300;
    for (size_t i = 0; i < rows; i++) {
        p->x[i] = 1.0 - level;
        p->s[i] = level;
        p->z[i] = fmax(p->r[i], 0.0) + floor;
        p->w[i] = fmax(-p->r[i], 0.0) + floor;
    }
    return 0;
}

static double gap_of(const struct point *p, size_t rows)
{
    return dot(p->x, p->z, rows) + dot(p->s, p->w, rows);
}

static void advance(struct point *p, size_t rows, struct steps steps)
{
    for (size_t i = 0; i < rows; i++) {
        p->x[i] += steps.primal * p->dx[i];
        p->s[i] -= steps.primal * p->dx[i];
        p->z[i] += steps.dual * p->dz[i];
        p->w[i] += steps.dual * p->dw[i];
    }
}

/* The whole problem at once. */
static int interior_point(struct arena *arena, const struct quantile_problem *problem, double level, double *beta)
{
    size_t rows = problem->rows;
    double size = 0.0, dy[WIDTH_MAX];
    struct point p = point_make(arena, rows);

    for (size_t i = 0; i < rows; i++)
        size += fabs(problem->y[i]);
    if (begin(problem, level, &p, beta) < 0)
        return -1;
    for (int i = 0; i < ITERATIONS_MAX && gap_of(&p, rows) > GAP * size; i++) {
        if (predict(problem, &p, dy) < 0)
            break; /* as near to the optimum as the arithmetic goes */
        struct steps steps = step_lengths(&p, rows);
        if (fmin(steps.primal, steps.dual) < 1.0) {
            if (correct(problem, &p, barrier(&p, rows, steps), dy) < 0)
                break;
            steps = step_lengths(&p, rows);
        }
        advance(&p, rows, steps);
        for (size_t k = 0; k < problem->width; k++)
            beta[k] -= steps.dual * dy[k];
    }
    err_clear();
    return 0;
}

/* The problem that is solved in place of the whole one: rows near the quantile, and the sums of those far below and far
 * above. `side` says of each row where it went. */
struct reduced {
    signed char *side; /* -1: glued below, 0: kept, 1: glued above */
    double *columns[WIDTH_MAX], *y;
};

static struct reduced reduced_make(struct arena *arena, const struct quantile_problem *problem)
{
    struct reduced reduced = {.side = arena_array(arena, problem->rows, 1),
                              .y = arena_array(arena, problem->rows + 2, sizeof *reduced.y)};

    for (size_t k = 0; k < problem->width; k++)
        reduced.columns[k] = arena_array(arena, problem->rows + 2, sizeof *reduced.columns[k]);
    return reduced;
}

/* Puts the kept rows together, the glued ones behind them. */
static struct quantile_problem reduce(const struct quantile_problem *problem, struct reduced *reduced)
{
    size_t kept = 0;

    for (size_t i = 0; i < problem->rows; i++)
        if (reduced->side[i] == 0) {
            reduced->y[kept] = problem->y[i];
            for (size_t k = 0; k < problem->width; k++)
                reduced->columns[k][kept] = problem->columns[k][i];
            kept++;
        }
    for (int side = -1; side <= 1; side += 2) {
        reduced->y[kept] = 0.0;
        for (size_t k = 0; k < problem->width; k++)
            reduced->columns[k][kept] = 0.0;
        for (size_t i = 0; i < problem->rows; i++)
            if (reduced->side[i] == side) {
                reduced->y[kept] += problem->y[i];
                for (size_t k = 0; k < problem->width; k++)
                    reduced->columns[k][kept] += problem->columns[k][i];
            }
        kept++;
    }
    return (struct quantile_problem){
        .rows = kept, .width = problem->width, .columns = (const double *const *)reduced->columns, .y = reduced->y};
}

/* Fits every rows/sample-th row. */
static int fit_sample(struct arena *arena, const struct quantile_problem *problem, double level, size_t sample,
                      double *beta)
{
    struct reduced reduced = reduced_make(arena, problem);

    for (size_t j = 0; j < sample; j++) {
        size_t i = j * problem->rows / sample;

        reduced.y[j] = problem->y[i];
        for (size_t k = 0; k < problem->width; k++)
            reduced.columns[k][j] = problem->columns[k][i];
    }
    const struct quantile_problem part = {
        .rows = sample, .width = problem->width, .columns = (const double *const *)reduced.columns, .y = reduced.y};
    return interior_point(arena, &part, level, beta);
}

/* Residuals in units of how much a wrong beta would move them: the sum of the row's |x|. */
static void scaled_residuals(const struct quantile_problem *problem, const double *beta, double *out)
{
    for (size_t i = 0; i < problem->rows; i++) {
        double size = 0.0, u = problem->y[i];

        for (size_t k = 0; k < problem->width; k++) {
            size += fabs(problem->columns[k][i]);
            u -= beta[k] * problem->columns[k][i];
        }
        out[i] = size > 0.0 ? u / size : u;
    }
}

/* Keeps the rows whose residual has a rank within `band` of the level's. */
static void take_sides(const struct quantile_problem *problem, double level, size_t band, const double *residuals,
                       double *scratch, signed char *side)
{
    double share = (double)band / (double)problem->rows, bounds[2];
    const double levels[2] = {fmax(level - share, 0.0), fmin(level + share, 1.0)};

    memcpy(scratch, residuals, problem->rows * sizeof *scratch);
    quantiles_select(scratch, problem->rows, levels, 2, bounds);
    for (size_t i = 0; i < problem->rows; i++)
        side[i] = (signed char)((residuals[i] > bounds[1]) - (residuals[i] < bounds[0]));
}

/* Lets the glued rows in whose residual has the wrong sign; returns how many. */
static size_t repair(size_t rows, const double *residuals, signed char *side)
{
    size_t wrong = 0;

    for (size_t i = 0; i < rows; i++)
        if ((double)side[i] * residuals[i] < 0.0) {
            side[i] = 0;
            wrong++;
        }
    return wrong;
}

static int preprocessed(struct arena *arena, const struct quantile_problem *problem, double level, double *beta)
{
    size_t rows = problem->rows;
    size_t band = (size_t)(BAND_SHARE * pow((double)(rows * problem->width), 2.0 / 3.0));
    double *residuals = arena_array(arena, rows, sizeof *residuals),
           *scratch = arena_array(arena, rows, sizeof *scratch);
    struct reduced reduced = reduced_make(arena, problem);

    if (fit_sample(arena, problem, level, 2 * band, beta) < 0)
        return -1;
    scaled_residuals(problem, beta, residuals);
    take_sides(problem, level, band, residuals, scratch, reduced.side);
    for (int i = 0; i < REPAIRS_MAX; i++) {
        struct quantile_problem part = reduce(problem, &reduced);

        if (interior_point(arena, &part, level, beta) < 0)
            return -1;
        scaled_residuals(problem, beta, residuals);
        if (repair(rows, residuals, reduced.side) == 0)
            return 0;
    }
    return interior_point(arena, problem, level, beta);
}

int quantile_regression(struct arena *arena, const struct quantile_problem *problem, double level, double *beta)
{
    assert(problem->width >= 1 && problem->width <= WIDTH_MAX && problem->rows > problem->width);
    if (problem->rows <= WHOLE_ROWS)
        return interior_point(arena, problem, level, beta);
    return preprocessed(arena, problem, level, beta);
}

double quantile_loss(const struct quantile_problem *problem, double level, const double *beta)
{
    double sum = 0.0;

    for (size_t i = 0; i < problem->rows; i++) {
        double u = problem->y[i];

        for (size_t k = 0; k < problem->width; k++)
            u -= beta[k] * problem->columns[k][i];
        sum += u * (level - (u < 0.0));
    }
    return sum / (double)problem->rows;
}
