/* The regularised incomplete beta function by its continued fraction (DLMF 8.17.22), evaluated with Lentz's method as
 * modified by Thompson and Barnett (1986); on the side of the mean where the fraction converges fast, else through the
 * symmetry I_x(a, b) = 1 - I_1-x(b, a). Quantiles by bisection: slow and certain, and they are needed a few hundred
 * times per scoreboard.
 */
#include "math/beta.h"

#include <math.h>

#define FRACTION_TERMS_MAX 2000
#define FRACTION_TOLERANCE 1e-15
#define LENTZ_TINY 1e-300
#define BISECTIONS_MAX 200

static double away_from_zero(double x)
{
    return fabs(x) < LENTZ_TINY ? LENTZ_TINY : x;
}

/* Numerator d_k of the fraction's k-th term, k >= 1. */
static double fraction_numerator(int k, double x, double a, double b)
{
    double m = k / 2;

    if (k % 2 == 0)
        return m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
    return -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
}

static double continued_fraction(double x, double a, double b)
{
    double over = 1.0, under = 0.0, fraction = 1.0;

    for (int k = 0; k <= FRACTION_TERMS_MAX; k++) {
        double numerator = k == 0 ? 1.0 : fraction_numerator(k, x, a, b);

        under = 1.0 / away_from_zero(1.0 + numerator * under);
        over = away_from_zero(1.0 + numerator / over);
        fraction *= over * under;
        if (k > 0 && fabs(over * under - 1.0) < FRACTION_TOLERANCE)
            break;
    }
    return fraction - 1.0;
}

static double front(double x, double a, double b)
{
    return exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
}

double beta_cdf(double x, double a, double b)
{
    if (!(x > 0.0))
        return x <= 0.0 ? 0.0 : NAN;
    if (x >= 1.0)
        return 1.0;
    if (x <= (a + 1.0) / (a + b + 2.0))
        return front(x, a, b) * continued_fraction(x, a, b) / a;
    return 1.0 - front(x, a, b) * continued_fraction(1.0 - x, b, a) / b;
}

double beta_quantile(double p, double a, double b)
{
    double low = 0.0, high = 1.0;

    for (int i = 0; i < BISECTIONS_MAX && high - low > 1e-16; i++) {
        double middle = low + (high - low) / 2.0;

        if (beta_cdf(middle, a, b) < p)
            low = middle;
        else
            high = middle;
    }
    return low + (high - low) / 2.0;
}

double student_tail(double t, double freedom)
{
    double both = beta_cdf(freedom / (freedom + t * t), freedom / 2.0, 0.5);

    return t >= 0.0 ? both / 2.0 : 1.0 - both / 2.0;
}

double student_quantile_upper(double tail, double freedom)
{
    if (tail > 0.5)
        return -student_quantile_upper(1.0 - tail, freedom);
    double x = beta_quantile(2.0 * tail, freedom / 2.0, 0.5);
    return sqrt(freedom * (1.0 - x) / x);
}

void binomial_interval(double hits, double trials, double level, double *low, double *high)
{
    double side = (1.0 - level) / 2.0;

    *low = hits > 0.0 ? beta_quantile(side, hits, trials - hits + 1.0) : 0.0;
    *high = hits < trials ? beta_quantile(1.0 - side, hits + 1.0, trials - hits) : 1.0;
}
