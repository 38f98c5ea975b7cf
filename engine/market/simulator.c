/* One hour is twelve steps of five minutes that share one draw of the t distribution's mixing variable, so the hour's
 * return is t with DEGREES degrees of freedom exactly, and high and low come from a path, not from a formula.
 */
#include "market/simulator.h"

#include <math.h>

#include "core/clock.h"
#include "market/candle.h"

#define PRICE_FIRST 60000.0
#define STEPS 12
#define DEGREES 5
/* 55 % a year, in hours; arch and garch are of the size that hourly Bitcoin returns give. */
#define VARIANCE_MEAN (0.55 * 0.55 / 8760.0)
#define ARCH 0.06
#define GARCH 0.92
#define VARIANCE_MAX (100 * VARIANCE_MEAN)
#define VOLUME_MEAN 400.0
#define CENTS 100.0

/* Square root of (degrees - 2) / chi-squared(degrees): times a standard normal, a t draw of variance one. */
static double mixing(struct rng *rng)
{
    double sum = 0;

    for (int i = 0; i < DEGREES; i++) {
        double normal = rng_normal(rng);

        sum += normal * normal;
    }
    return sqrt((DEGREES - 2) / fmax(sum, 0.05));
}

static double to_cents(double price)
{
    return fmax(round(price * CENTS), 1.0) / CENTS;
}

void simulator_init(struct simulator *simulator, uint64_t seed, int64_t begin_ms)
{
    rng_init(&simulator->rng, seed);
    simulator->next_open_ms = begin_ms;
    simulator->price = PRICE_FIRST;
    simulator->variance = VARIANCE_MEAN;
}

void simulator_next(struct simulator *simulator, struct candle *candle)
{
    double scale = sqrt(simulator->variance / STEPS) * mixing(&simulator->rng);
    double open = simulator->price, price = open, high = open, low = open;

    for (int i = 0; i < STEPS; i++) {
        price = to_cents(price * exp(scale * rng_normal(&simulator->rng)));
        high = fmax(high, price);
        low = fmin(low, price);
    }
    double move = log(price / open);
    double volume = VOLUME_MEAN * exp(0.4 * rng_normal(&simulator->rng)) * (0.5 + fabs(move) / sqrt(VARIANCE_MEAN));

    *candle = (struct candle){.open_time_ms = simulator->next_open_ms,
                              .open = open,
                              .high = high,
                              .low = low,
                              .close = price,
                              .volume = round(volume * 1e4) / 1e4};
    simulator->price = price;
    simulator->next_open_ms += MS_PER_HOUR;
    simulator->variance =
        fmin(VARIANCE_MEAN * (1 - ARCH - GARCH) + ARCH * move * move + GARCH * simulator->variance, VARIANCE_MAX);
}
