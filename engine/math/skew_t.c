/* The skewed t; see the header. P(s Z + m < 0) = 1 / (1 + xi^2), and each half is a stretched half of the symmetric law:
 * distribution and quantiles follow from that.
 */
#include "math/skew_t.h"

#include <math.h>

#include "math/digamma.h"

/* M = E|T| = 2 sqrt(nu-2) / ((nu-1) B(1/2, nu/2)); *by_nu is its derivative. */
static double mean_size(double nu, double *by_nu)
{
    double half = nu / 2.0;
    double log_beta = lgamma(0.5) + lgamma(half) - lgamma(half + 0.5);
    double size = 2.0 * sqrt(nu - 2.0) / (nu - 1.0) * exp(-log_beta);

    *by_nu = size * (0.5 / (nu - 2.0) - 1.0 / (nu - 1.0) - 0.5 * (digamma(half) - digamma(half + 0.5)));
    return size;
}

struct skew_t skew_t_make(double nu, double xi)
{
    struct skew_t law = {.symmetric = student_t_make(nu), .xi = xi};
    double size_nu, size = mean_size(nu, &size_nu), over = 1.0 / xi, square = xi * xi, over_square = over * over;

    law.mean = size * (xi - over);
    law.mean_nu = size_nu * (xi - over);
    law.mean_xi = size * (1.0 + over_square);
    law.scale = sqrt((1.0 - size * size) * (square + over_square) + 2.0 * size * size - 1.0);
    law.scale_nu = size * size_nu * (2.0 - square - over_square) / law.scale;
    law.scale_xi = (1.0 - size * size) * (xi - over_square * over) / law.scale;
    law.log_constant = log(2.0 * law.scale / (xi + over));
    law.log_constant_nu = law.scale_nu / law.scale;
    law.log_constant_xi = law.scale_xi / law.scale - (1.0 - over_square) / (xi + over);
    return law;
}

double skew_t_log_density(const struct skew_t *law, double z, struct skew_t_gradient *gradient)
{
    double y = law->scale * z + law->mean, by_t, by_nu;
    double stretch = y < 0.0 ? law->xi : 1.0 / law->xi;
    double stretch_xi = y < 0.0 ? 1.0 : -1.0 / (law->xi * law->xi);
    double value = law->log_constant + student_t_log_density(&law->symmetric, y * stretch, &by_t, &by_nu);

    if (gradient == NULL)
        return value;
    gradient->z = by_t * stretch * law->scale;
    gradient->nu = law->log_constant_nu + by_nu + by_t * stretch * (law->scale_nu * z + law->mean_nu);
    gradient->xi = law->log_constant_xi + by_t * (stretch * (law->scale_xi * z + law->mean_xi) + y * stretch_xi);
    return value;
}

double skew_t_cdf(const struct skew_t *law, double z)
{
    double square = law->xi * law->xi, y = law->scale * z + law->mean, nu = law->symmetric.nu;

    if (y < 0.0)
        return 2.0 / (1.0 + square) * student_t_cdf(y * law->xi, nu);
    return 1.0 - 2.0 * square / (1.0 + square) * student_t_cdf(-y / law->xi, nu);
}

double skew_t_quantile(const struct skew_t *law, double p)
{
    double square = law->xi * law->xi, nu = law->symmetric.nu, y;

    if (p < 1.0 / (1.0 + square))
        y = student_t_quantile(p * (1.0 + square) / 2.0, nu) / law->xi;
    else
        y = -law->xi * student_t_quantile((1.0 - p) * (1.0 + square) / (2.0 * square), nu);
    return (y - law->mean) / law->scale;
}

double skew_t_xi(double lambda)
{
    return sqrt((1.0 + lambda) / (1.0 - lambda));
}
