/* See the header. */
#include "market/regime.h"

#include <math.h>

#include "core/clock.h"
#include "market/indicator_windows.h"

#define DAY_S (MS_PER_DAY / MS_PER_S)

/* Realised volatility of the n days that end `ago` days before the newest close; NaN when history is too short. */
static double volatility_at(const double *closes, size_t count, size_t n, size_t ago)
{
    return count < n + 1 + ago ? NAN : window_volatility(closes + count - ago - n - 1, n, DAY_S);
}

struct regime regime_of(const double *closes, size_t count)
{
    struct regime regime = {.fast = volatility_at(closes, count, REGIME_FAST, 0),
                            .slow = volatility_at(closes, count, REGIME_SLOW, 0),
                            .fast_rank = NAN};
    size_t lower = 0;
    double highest = 0;

    for (size_t ago = 0; ago < count && ago < REGIME_YEAR; ago++)
        highest = fmax(highest, closes[count - 1 - ago]);
    regime.drawdown = count > 0 ? 1 - closes[count - 1] / highest : NAN;
    for (size_t ago = 1; ago <= REGIME_YEAR; ago++) {
        double then = volatility_at(closes, count, REGIME_FAST, ago);

        if (isnan(then))
            break;
        regime.days++;
        lower += then < regime.fast;
    }
    if (regime.days < REGIME_DAYS_MIN)
        return regime;
    regime.fast_rank = (double)lower / (double)regime.days;
    regime.name = regime.fast_rank < REGIME_NORMAL      ? "calm"
                  : regime.fast_rank < REGIME_TURBULENT ? "normal"
                                                        : "turbulent";
    return regime;
}
