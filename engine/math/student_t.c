/* The standardised t; see the header. */
#include "math/student_t.h"

#include <math.h>

#include "math/beta.h"
#include "math/digamma.h"

#define NEWTON_MAX 60
#define NEWTON_TOLERANCE 1e-10

struct student_t student_t_make(double nu)
{
    double half = nu / 2.0;

    return (struct student_t){
        .nu = nu,
        .log_constant = lgamma(half + 0.5) - lgamma(half) - 0.5 * log(M_PI * (nu - 2.0)),
        .log_constant_nu = 0.5 * (digamma(half + 0.5) - digamma(half) - 1.0 / (nu - 2.0)),
    };
}

double student_t_log_density(const struct student_t *law, double z, double *by_z, double *by_nu)
{
    double room = law->nu - 2.0, part = z * z / room, rest = log1p(part);

    if (by_z != NULL)
        *by_z = -(law->nu + 1.0) * z / (room + z * z);
    if (by_nu != NULL)
        *by_nu = law->log_constant_nu - 0.5 * rest + 0.5 * (law->nu + 1.0) * part / ((1.0 + part) * room);
    return law->log_constant - 0.5 * (law->nu + 1.0) * rest;
}

/* One unit here is this many of the textbook's t. */
static double unit(double nu)
{
    return sqrt(nu / (nu - 2.0));
}

double student_t_cdf(double z, double nu)
{
    return student_tail(-z * unit(nu), nu);
}

double student_t_quantile(double p, double nu)
{
    return student_quantile_upper(1.0 - p, nu) / unit(nu);
}

/* The upper tail is convex and falls, so Newton's steps from the left never overshoot: each quantile starts at the one
 * before it. */
void student_t_halves(double nu, double *values, size_t count)
{
    struct student_t law = student_t_make(nu);
    double z = 0.0;

    for (size_t i = 0; i < count; i++) {
        double wanted = 0.5 * (1.0 - ((double)i + 0.5) / (double)count);

        for (int step = 0; step < NEWTON_MAX; step++) {
            double move = (student_tail(z * unit(nu), nu) - wanted) / exp(student_t_log_density(&law, z, NULL, NULL));

            z += move;
            if (fabs(move) <= NEWTON_TOLERANCE * z)
                break;
        }
        values[i] = z;
    }
}
