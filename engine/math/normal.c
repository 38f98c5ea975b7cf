/* The normal distribution without a library: libm's erfc for the one direction, Wichura's rational approximations for
 * the other. The three sets of coefficients are those of the paper: the middle, and two stretches of the tail in
 * sqrt(-log(tail probability)).
 */
#include "math/normal.h"

#include <math.h>

#include "core/base.h"

#define CENTRE_HALF_WIDTH 0.425 /* |p - 1/2| up to here uses the first set */
#define CENTRE_SHIFT 0.180625   /* its square */
#define TAIL_NEAR 5.0           /* sqrt(-log p) up to here uses the second set */
#define TAIL_NEAR_SHIFT 1.6

/* Numerator and denominator, lowest power first. */
struct rational {
    double over[8], under[8];
};

static const struct rational centre = {
    {3.3871328727963666080e0, 1.3314166789178437745e+2, 1.9715909503065514427e+3, 1.3731693765509461125e+4,
     4.5921953931549871457e+4, 6.7265770927008700853e+4, 3.3430575583588128105e+4, 2.5090809287301226727e+3},
    {1.0, 4.2313330701600911252e+1, 6.8718700749205790830e+2, 5.3941960214247511077e+3, 2.1213794301586595867e+4,
     3.9307895800092710610e+4, 2.8729085735721942674e+4, 5.2264952788528545610e+3},
};

static const struct rational tail_near = {
    {1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
     1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4},
    {1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1, 1.48103976427480074590e-1,
     1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9},
};

static const struct rational tail_far = {
    {6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1,
     2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7},
    {1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2, 7.86869131145613259100e-4,
     1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15},
};

static double rational_at(const struct rational *rational, double x)
{
    double over = 0.0, under = 0.0;

    for (size_t i = BTCF_LENGTH(rational->over); i-- > 0;) {
        over = over * x + rational->over[i];
        under = under * x + rational->under[i];
    }
    return over / under;
}

double normal_cdf(double x)
{
    return 0.5 * erfc(-x * M_SQRT1_2);
}

double normal_quantile(double p)
{
    if (!(p >= 0.0 && p <= 1.0))
        return NAN;
    double from_half = p - 0.5;
    if (fabs(from_half) <= CENTRE_HALF_WIDTH)
        return from_half * rational_at(&centre, CENTRE_SHIFT - from_half * from_half);

    double tail = from_half < 0.0 ? p : 1.0 - p;
    if (tail <= 0.0)
        return from_half < 0.0 ? -INFINITY : INFINITY;
    double root = sqrt(-log(tail));
    double size = root <= TAIL_NEAR ? rational_at(&tail_near, root - TAIL_NEAR_SHIFT)
                                    : rational_at(&tail_far, root - TAIL_NEAR);
    return from_half < 0.0 ? -size : size;
}
