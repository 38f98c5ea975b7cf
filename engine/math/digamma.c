/* psi(x) = psi(x + 1) - 1/x up to where the asymptotic series (DLMF 5.11.2) is exact to the last digit. */
#include "math/digamma.h"

#include <math.h>

#define ASYMPTOTIC_FROM 12.0

double digamma(double x)
{
    double sum = 0.0;

    if (!(x > 0.0))
        return NAN;
    for (; x < ASYMPTOTIC_FROM; x += 1.0)
        sum -= 1.0 / x;
    double square = 1.0 / (x * x);
    /* B_2k / (2k): 1/12, -1/120, 1/252, -1/240, 1/132, -691/32760, 1/12. */
    double series =
        square * (1.0 / 12.0 -
                  square * (1.0 / 120.0 -
                            square * (1.0 / 252.0 -
                                      square * (1.0 / 240.0 - square * (1.0 / 132.0 - square * (691.0 / 32760.0 -
                                                                                                square / 12.0))))));
    return sum + log(x) - 0.5 / x - series;
}
