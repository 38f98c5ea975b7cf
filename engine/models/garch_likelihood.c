/* One loop for thirteen models.
 *
 * A recursion moves a "level" x_t (h, log h or h^(delta/2)) and its derivatives; a law turns (e_t, h_t) into derivatives of
 * its log density by log h and by e; the chain rule joins them. Recursion and law are constants of each instance of the
 * loop, which the compiler makes by inlining (`instance`), so the loop of GARCH-normal holds nothing of the others.
 *
 * Logarithms would be half of the time. What is summed over t as logarithms is therefore first multiplied up, and the
 * logarithm taken when the product leaves the middle of a double's range: the same rounding errors, a twentieth of the calls.
 */
#include "models/garch_likelihood.h"

#include <math.h>

#include "math/skew_t.h"
#include "math/student_t.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define ROOT_2_OVER_PI 0.79788456080286535588
#define HALF_LOG_2_PI 0.91893853320467274178
#define PRODUCT_MIN 1e-100
#define PRODUCT_MAX 1e100

/* sum of logarithms */
struct log_sum {
    double product, sum;
};

ALWAYS_INLINE void log_sum_add(struct log_sum *total, double factor)
{
    total->product *= factor;
    if (!(total->product > PRODUCT_MIN && total->product < PRODUCT_MAX)) {
        total->sum += log(total->product);
        total->product = 1.0;
    }
}

static double log_sum_value(const struct log_sum *total)
{
    return total->sum + log(total->product);
}

/* x_t and its derivatives by the first six slots, and by nu in score. */
struct level {
    double x, d[GARCH_XI];
};

/* One observation as aparch needs it, made before the loop; `side` depends on the sign of e. */
struct power {
    double log_size, size; /* log |e| and |e|^delta */
};

struct aparch_side {
    double factor, by_gamma, log_factor; /* (1 +- gamma)^delta, its relative derivative by gamma, log (1 +- gamma) */
};

/* What a pass computes once. */
struct pass {
    const double *values, *measures, *theta;
    size_t count;
    double mean_square, mean_square_mu;
    struct power *powers;
    double mean_power, mean_power_mu, mean_power_delta;
    struct aparch_side up, down;
    struct student_t student;
    struct skew_t skewed;
};

/* Derivatives of one term of the log-likelihood; by_t_log: what the t laws add to the sum of logarithms. */
struct term {
    double by_log_h, by_e, by_nu, by_xi, rest;
};

bool garch_uses(const struct garch_form *form, size_t slot)
{
    switch (slot) {
    case GARCH_GAMMA:
        return form->recursion != GARCH_PLAIN && form->recursion != GARCH_SCORE;
    case GARCH_DELTA:
        return form->recursion == GARCH_APARCH;
    case GARCH_NU:
        return form->law != GARCH_NORMAL;
    case GARCH_XI:
        return form->law == GARCH_SKEWED;
    default:
        return true;
    }
}

static void measure_squares(struct pass *pass)
{
    double sum = 0.0, square = 0.0;

    for (size_t t = 0; t < pass->count; t++) {
        double e = pass->values[t] - pass->theta[GARCH_MU];

        sum += e;
        square += e * e;
    }
    pass->mean_square = square / (double)pass->count;
    pass->mean_square_mu = -2.0 * sum / (double)pass->count;
}

/* |e|^delta of every observation and what the start rule needs of them. An e of exactly 0 has no slope worth having. */
static void measure_powers(struct pass *pass)
{
    double delta = pass->theta[GARCH_DELTA], sum = 0.0, by_mu = 0.0, by_delta = 0.0;

    for (size_t t = 0; t < pass->count; t++) {
        double e = pass->values[t] - pass->theta[GARCH_MU], size = fabs(e);
        struct power *power = &pass->powers[t];

        if (!(size > 0.0)) {
            *power = (struct power){0};
            continue;
        }
        power->log_size = log(size);
        power->size = exp(delta * power->log_size);
        sum += power->size;
        by_mu += power->size / e;
        by_delta += power->size * power->log_size;
    }
    pass->mean_power = sum / (double)pass->count;
    pass->mean_power_mu = -delta * by_mu / (double)pass->count;
    pass->mean_power_delta = by_delta / (double)pass->count;
}

static struct aparch_side make_side(double sign, double gamma, double delta)
{
    double base = 1.0 + sign * gamma;

    return (struct aparch_side){.factor = pow(base, delta), .by_gamma = sign * delta / base, .log_factor = log(base)};
}

static struct level start_linear(const struct pass *pass, bool has_gamma)
{
    const double *theta = pass->theta;
    double m = pass->mean_square, weight = theta[GARCH_ALPHA] + theta[GARCH_BETA];

    if (has_gamma)
        weight += 0.5 * theta[GARCH_GAMMA];
    return (struct level){.x = theta[GARCH_OMEGA] + weight * m,
                          .d = {[GARCH_MU] = weight * pass->mean_square_mu,
                                [GARCH_OMEGA] = 1.0,
                                [GARCH_ALPHA] = m,
                                [GARCH_GAMMA] = has_gamma ? 0.5 * m : 0.0,
                                [GARCH_BETA] = m}};
}

static struct level start_exponential(const struct pass *pass)
{
    return (struct level){.x = log(pass->mean_square), .d = {[GARCH_MU] = pass->mean_square_mu / pass->mean_square}};
}

static struct level start_power(const struct pass *pass)
{
    const struct aparch_side *up = &pass->up, *down = &pass->down;
    double alpha = pass->theta[GARCH_ALPHA], m = pass->mean_power;
    double half = 0.5 * (up->factor + down->factor), weight = alpha * half + pass->theta[GARCH_BETA];
    double half_gamma = 0.5 * (up->factor * up->by_gamma + down->factor * down->by_gamma);
    double half_delta = 0.5 * (up->factor * up->log_factor + down->factor * down->log_factor);

    return (struct level){.x = pass->theta[GARCH_OMEGA] + weight * m,
                          .d = {[GARCH_MU] = weight * pass->mean_power_mu,
                                [GARCH_OMEGA] = 1.0,
                                [GARCH_ALPHA] = half * m,
                                [GARCH_GAMMA] = alpha * half_gamma * m,
                                [GARCH_BETA] = m,
                                [GARCH_DELTA] = weight * pass->mean_power_delta + alpha * half_delta * m}};
}

static struct level start_level(struct pass *pass, enum garch_recursion recursion)
{
    if (recursion == GARCH_APARCH) {
        measure_powers(pass);
        pass->up = make_side(-1.0, pass->theta[GARCH_GAMMA], pass->theta[GARCH_DELTA]);
        pass->down = make_side(1.0, pass->theta[GARCH_GAMMA], pass->theta[GARCH_DELTA]);
        return start_power(pass);
    }
    measure_squares(pass);
    if (recursion == GARCH_SCORE)
        return (struct level){.x = pass->mean_square, .d = {[GARCH_MU] = pass->mean_square_mu}};
    return recursion == GARCH_EGARCH ? start_exponential(pass) : start_linear(pass, recursion == GARCH_GJR);
}

ALWAYS_INLINE void advance_linear(struct level *level, const double *theta, double e, bool has_gamma)
{
    double alpha = theta[GARCH_ALPHA], beta = theta[GARCH_BETA], square = e * e;

    if (has_gamma) {
        double fallen = e < 0.0 ? square : 0.0;

        alpha += e < 0.0 ? theta[GARCH_GAMMA] : 0.0;
        level->d[GARCH_GAMMA] = beta * level->d[GARCH_GAMMA] + fallen;
    }
    level->d[GARCH_MU] = beta * level->d[GARCH_MU] - 2.0 * alpha * e;
    level->d[GARCH_OMEGA] = beta * level->d[GARCH_OMEGA] + 1.0;
    level->d[GARCH_ALPHA] = beta * level->d[GARCH_ALPHA] + square;
    level->d[GARCH_BETA] = beta * level->d[GARCH_BETA] + level->x;
    level->x = theta[GARCH_OMEGA] + alpha * square + beta * level->x;
}

/* `over` is 1 / sqrt(h). z moves with mu directly and, through h, with everything. */
ALWAYS_INLINE void advance_exponential(struct level *level, const double *theta, double e, double over)
{
    double z = e * over, size = fabs(z);
    double by_z = theta[GARCH_ALPHA] + (z < 0.0 ? -theta[GARCH_GAMMA] : theta[GARCH_GAMMA]);
    double keep = theta[GARCH_BETA] - 0.5 * by_z * z;

    level->d[GARCH_MU] = keep * level->d[GARCH_MU] - by_z * over;
    level->d[GARCH_OMEGA] = keep * level->d[GARCH_OMEGA] + 1.0;
    level->d[GARCH_ALPHA] = keep * level->d[GARCH_ALPHA] + z;
    level->d[GARCH_GAMMA] = keep * level->d[GARCH_GAMMA] + size - ROOT_2_OVER_PI;
    level->d[GARCH_BETA] = keep * level->d[GARCH_BETA] + level->x;
    level->x = theta[GARCH_OMEGA] + theta[GARCH_ALPHA] * z + theta[GARCH_GAMMA] * (size - ROOT_2_OVER_PI) +
               theta[GARCH_BETA] * level->x;
}

ALWAYS_INLINE void advance_power(struct level *level, const struct pass *pass, size_t t, double e)
{
    const struct aparch_side *side = e < 0.0 ? &pass->down : &pass->up;
    const struct power *power = &pass->powers[t];
    double alpha = pass->theta[GARCH_ALPHA], beta = pass->theta[GARCH_BETA];
    double news = power->size * side->factor;
    double slope = news > 0.0 ? -pass->theta[GARCH_DELTA] * news / e : 0.0;

    level->d[GARCH_MU] = beta * level->d[GARCH_MU] + alpha * slope;
    level->d[GARCH_OMEGA] = beta * level->d[GARCH_OMEGA] + 1.0;
    level->d[GARCH_ALPHA] = beta * level->d[GARCH_ALPHA] + news;
    level->d[GARCH_GAMMA] = beta * level->d[GARCH_GAMMA] + alpha * news * side->by_gamma;
    level->d[GARCH_BETA] = beta * level->d[GARCH_BETA] + level->x;
    level->d[GARCH_DELTA] = beta * level->d[GARCH_DELTA] + alpha * news * (power->log_size + side->log_factor);
    level->x = pass->theta[GARCH_OMEGA] + alpha * news + beta * level->x;
}

ALWAYS_INLINE void advance_score(struct level *level, const struct pass *pass, size_t t, double e)
{
    double alpha = pass->theta[GARCH_ALPHA], beta = pass->theta[GARCH_BETA], nu = pass->student.nu, h = level->x;
    double measure = pass->measures != NULL ? pass->measures[t] : e * e;
    double over = 1.0 / ((nu - 2.0) * h + measure), share = measure * over, news = (nu + 1.0) * share * h;
    double keep = beta + alpha * (nu + 1.0) * share * share; /* u by h: (nu + 1) (m / ((nu - 2) h + m))^2 */
    double by_mu = pass->measures != NULL ? 0.0 : -2.0 * (nu + 1.0) * (nu - 2.0) * e * h * h * over * over;

    level->d[GARCH_MU] = keep * level->d[GARCH_MU] + alpha * by_mu;
    level->d[GARCH_OMEGA] = keep * level->d[GARCH_OMEGA] + 1.0;
    level->d[GARCH_ALPHA] = keep * level->d[GARCH_ALPHA] + news;
    level->d[GARCH_BETA] = keep * level->d[GARCH_BETA] + h;
    level->d[GARCH_NU] = keep * level->d[GARCH_NU] + alpha * (share * h - news * h * over);
    level->x = pass->theta[GARCH_OMEGA] + alpha * news + beta * h;
}

ALWAYS_INLINE struct term term_normal(double e, double inverse)
{
    double square = e * e * inverse;

    return (struct term){.by_log_h = 0.5 * (square - 1.0), .by_e = -e * inverse, .rest = square};
}

/* `rest` is 1 + z^2 / (nu - 2), whose logarithm is wanted. */
ALWAYS_INLINE struct term term_student(const struct pass *pass, double e, double inverse)
{
    double nu = pass->student.nu, part = e * e * inverse / (nu - 2.0), rest = 1.0 + part;
    double share = (nu + 1.0) * part / rest;

    return (struct term){.by_log_h = 0.5 * (share - 1.0),
                         .by_e = -(nu + 1.0) * e * inverse / ((nu - 2.0) * rest),
                         .by_nu = 0.5 * share / (nu - 2.0),
                         .rest = rest};
}

ALWAYS_INLINE struct term term_skewed(const struct pass *pass, double e, double inverse)
{
    const struct skew_t *law = &pass->skewed;
    double nu = law->symmetric.nu, over = sqrt(inverse), z = e * over, y = law->scale * z + law->mean;
    double stretch = y < 0.0 ? law->xi : 1.0 / law->xi, stretch_xi = y < 0.0 ? 1.0 : -1.0 / (law->xi * law->xi);
    double t = y * stretch, part = t * t / (nu - 2.0), rest = 1.0 + part;
    double by_t = -(nu + 1.0) * t / ((nu - 2.0) * rest), by_z = by_t * stretch * law->scale;

    return (struct term){.by_log_h = -0.5 * (z * by_z + 1.0),
                         .by_e = by_z * over,
                         .by_nu = 0.5 * (nu + 1.0) * part / (rest * (nu - 2.0)) +
                                  by_t * stretch * (law->scale_nu * z + law->mean_nu),
                         .by_xi = by_t * (stretch * (law->scale_xi * z + law->mean_xi) + y * stretch_xi),
                         .rest = rest};
}

/* Sums over the sample; constants of the laws are added at the end. */
struct totals {
    double gradient[GARCH_SLOTS];
    struct log_sum log_h, log_rest;
    double log_h_sum, rest_sum;
};

/* The score of one observation, constants of the laws included. */
static void put_score(double *score, const struct pass *pass, const struct term *term, enum garch_law law)
{
    if (law == GARCH_NORMAL)
        return;
    score[GARCH_NU] += term->by_nu - 0.5 * log(term->rest);
    if (law == GARCH_STUDENT) {
        score[GARCH_NU] += pass->student.log_constant_nu;
    } else {
        score[GARCH_NU] += pass->skewed.symmetric.log_constant_nu + pass->skewed.log_constant_nu;
        score[GARCH_XI] = term->by_xi + pass->skewed.log_constant_xi;
    }
}

/* Adds the derivatives by the first six slots; returns nothing that the caller did not have. */
ALWAYS_INLINE void add_gradient(double *gradient, const struct level *level, const struct term *term,
                                enum garch_recursion recursion, const double scale[2])
{
    double by_x = term->by_log_h * scale[0];

    gradient[GARCH_MU] += by_x * level->d[GARCH_MU] - term->by_e;
    gradient[GARCH_OMEGA] += by_x * level->d[GARCH_OMEGA];
    gradient[GARCH_ALPHA] += by_x * level->d[GARCH_ALPHA];
    if (recursion != GARCH_PLAIN && recursion != GARCH_SCORE)
        gradient[GARCH_GAMMA] += by_x * level->d[GARCH_GAMMA];
    gradient[GARCH_BETA] += by_x * level->d[GARCH_BETA];
    if (recursion == GARCH_APARCH)
        gradient[GARCH_DELTA] += by_x * level->d[GARCH_DELTA] + term->by_log_h * scale[1];
    if (recursion == GARCH_SCORE)
        gradient[GARCH_NU] += by_x * level->d[GARCH_NU];
}

/* 1/h out of the level; scale: derivatives of log h by x, and by delta at fixed x. */
ALWAYS_INLINE double invert(const struct level *level, enum garch_recursion recursion, double delta,
                            struct totals *totals, double scale[2])
{
    scale[1] = 0.0;
    if (recursion == GARCH_EGARCH) {
        scale[0] = 1.0;
        totals->log_h_sum += level->x;
        return exp(-level->x);
    }
    if (recursion == GARCH_APARCH) {
        double log_h = 2.0 / delta * log(level->x);

        scale[0] = 2.0 / (delta * level->x);
        scale[1] = -log_h / delta;
        totals->log_h_sum += log_h;
        return exp(-log_h);
    }
    scale[0] = 1.0 / level->x;
    log_sum_add(&totals->log_h, level->x);
    return scale[0];
}

ALWAYS_INLINE void instance(const struct pass *pass, struct level level, enum garch_recursion recursion,
                            enum garch_law law, struct totals *totals, const struct garch_trace *trace)
{
    double mu = pass->theta[GARCH_MU], delta = pass->theta[GARCH_DELTA], scale[2];

    for (size_t t = 0; t < pass->count; t++) {
        double e = pass->values[t] - mu, inverse = invert(&level, recursion, delta, totals, scale);
        struct term term = law == GARCH_NORMAL    ? term_normal(e, inverse)
                           : law == GARCH_STUDENT ? term_student(pass, e, inverse)
                                                  : term_skewed(pass, e, inverse);

        if (law == GARCH_NORMAL)
            totals->rest_sum += term.rest;
        else
            log_sum_add(&totals->log_rest, term.rest);
        totals->gradient[GARCH_NU] += term.by_nu;
        totals->gradient[GARCH_XI] += term.by_xi;
        add_gradient(totals->gradient, &level, &term, recursion, scale);
        if (trace->scores != NULL) {
            double *score = trace->scores + t * GARCH_SLOTS;

            add_gradient(score, &level, &term, recursion, scale);
            put_score(score, pass, &term, law);
        }
        if (trace->variances != NULL)
            trace->variances[t] = 1.0 / inverse;
        if (recursion == GARCH_EGARCH)
            advance_exponential(&level, pass->theta, e, sqrt(inverse));
        else if (recursion == GARCH_APARCH)
            advance_power(&level, pass, t, e);
        else if (recursion == GARCH_SCORE)
            advance_score(&level, pass, t, e);
        else
            advance_linear(&level, pass->theta, e, recursion == GARCH_GJR);
    }
    if (trace->variances != NULL) {
        struct totals unused = {.log_h.product = 1.0};

        trace->variances[pass->count] = 1.0 / invert(&level, recursion, delta, &unused, scale);
    }
}

#define INSTANCES(recursion)                                                                                         \
    case recursion:                                                                                                  \
        if (form->law == GARCH_NORMAL)                                                                               \
            instance(pass, level, recursion, GARCH_NORMAL, totals, trace);                                           \
        else if (form->law == GARCH_STUDENT)                                                                         \
            instance(pass, level, recursion, GARCH_STUDENT, totals, trace);                                          \
        else                                                                                                         \
            instance(pass, level, recursion, GARCH_SKEWED, totals, trace);                                           \
        break;

static void run(const struct garch_form *form, struct pass *pass, struct totals *totals,
                const struct garch_trace *trace)
{
    struct level level = start_level(pass, form->recursion);

    switch (form->recursion) {
        INSTANCES(GARCH_PLAIN)
        INSTANCES(GARCH_GJR)
        INSTANCES(GARCH_EGARCH)
        INSTANCES(GARCH_APARCH)
    case GARCH_SCORE:
        instance(pass, level, GARCH_SCORE, GARCH_STUDENT, totals, trace);
        break;
    }
}

/* The law's constants, into value and gradient. */
static double finish(const struct garch_form *form, const struct pass *pass, struct totals *totals)
{
    double n = (double)pass->count, *gradient = totals->gradient;
    double value = -0.5 * (totals->log_h_sum + log_sum_value(&totals->log_h));

    if (form->law == GARCH_NORMAL)
        return value - n * HALF_LOG_2_PI - 0.5 * totals->rest_sum;
    double rest = log_sum_value(&totals->log_rest), nu = pass->theta[GARCH_NU];
    gradient[GARCH_NU] -= 0.5 * rest;
    value -= 0.5 * (nu + 1.0) * rest;
    if (form->law == GARCH_STUDENT) {
        gradient[GARCH_NU] += n * pass->student.log_constant_nu;
        return value + n * pass->student.log_constant;
    }
    gradient[GARCH_NU] += n * (pass->skewed.symmetric.log_constant_nu + pass->skewed.log_constant_nu);
    gradient[GARCH_XI] += n * pass->skewed.log_constant_xi;
    return value + n * (pass->skewed.symmetric.log_constant + pass->skewed.log_constant);
}

double garch_log_likelihood(const struct garch_form *form, const struct garch_data *data, const double *theta,
                            const struct garch_trace *trace)
{
    struct pass pass = {.values = data->values,
                        .measures = data->measures,
                        .theta = theta,
                        .count = data->count,
                        .powers = (struct power *)(void *)data->scratch};
    struct totals totals = {.log_h.product = 1.0, .log_rest.product = 1.0};

    if (form->law == GARCH_STUDENT)
        pass.student = student_t_make(theta[GARCH_NU]);
    else if (form->law == GARCH_SKEWED)
        pass.skewed = skew_t_make(theta[GARCH_NU], theta[GARCH_XI]);
    for (size_t i = 0; trace->scores != NULL && i < data->count * GARCH_SLOTS; i++)
        trace->scores[i] = 0.0;
    run(form, &pass, &totals, trace);
    double value = finish(form, &pass, &totals);
    for (size_t i = 0; trace->gradient != NULL && i < GARCH_SLOTS; i++)
        trace->gradient[i] = totals.gradient[i];
    return value;
}
