/* A published quantile curve as a distribution: probability below a price, price at a probability. libc and libm only;
 * linked into nginx.
 *
 * Everything happens in x = ln(price), because that is where the curves are made and where tails look the same at any
 * price. Between two levels the probability is linear in x. Beyond the outermost levels it falls exponentially in x
 * (so as a power of the price), at the rate that the two outermost levels of that side show:
 *
 *     F(x) = p1 * exp((x - x1) / s),         s = (x2 - x1) / ln(p2 / p1)               below the lowest level p1
 *     1 - F(x) = (1 - pn) * exp(-(x - xn) / s),  s = (xn - xm) / ln((1 - pm) / (1 - pn))   above the highest, m = n - 1
 *
 * s counts at most BTCF_DIST_TAIL_SCALE_MAX, as for whoever made the curve (eval/curve.h): from s = 1 on, the price would
 * have no mean. That is continuous, and goes on strictly monotone to 0 and 1 without ever reaching them. Two levels at the same price
 * are a jump: F is the probability of a price at or below x there. Where the two outermost levels of a side are at the
 * same price there is no tail on that side.
 */
#ifndef BTCF_SHM_DIST_H
#define BTCF_SHM_DIST_H

#include "core/base.h"
#include "shm/btcf_abi.h"

#define BTCF_DIST_TAIL_SCALE_MAX 0.5

/* A curve made ready for questions. level ascends strictly inside (0, 1); log_value does not descend. */
struct btcf_dist {
    uint32_t count; /* at least 2 */
    double level[BTCF_DIST_LEVELS_MAX];
    double log_value[BTCF_DIST_LEVELS_MAX];
    double scale_low, scale_high; /* s of the two tails; 0: no tail */
};

/* Makes `dist` of a curve copied from pub. False, and nothing else said, when the curve is not one: fewer than two
 * levels, levels that do not ascend, lie outside (0, 1) or are too near each other to show a rate, prices that descend or are
 * not positive and finite. */
bool btcf_dist_init(struct btcf_dist *dist, const struct btcf_dist_curve *curve) BTCF_MUST_CHECK;

/* Probability, 0 to 1, that the price at target is at or below `price`. 0 for price <= 0; NaN for NaN. */
double btcf_dist_below(const struct btcf_dist *dist, double price);

/* The smallest price that is not exceeded with probability p. NaN unless 0 < p < 1. */
double btcf_dist_quantile(const struct btcf_dist *dist, double p);

/* E[P; P <= price]: the mean of the price over the outcomes at or below `price`, times their probability, so that
 * btcf_dist_mean_below(d, x) / btcf_dist_below(d, x) is the mean of the price given that it ends at or below x, and
 * expected shortfall is made of it (Acerbi & Tasche 2002). In the curve's units; the whole mean for +infinity. */
double btcf_dist_mean_below(const struct btcf_dist *dist, double price);

/* What one unit held (long) or owed (short) from `origin_price` to the target may lose, in the curve's units, losses
 * positive, at a level in [0.5, 1):
 *
 *     long:   at_risk = P0 - Q(1 - level),   shortfall = P0 - E[P | P <= Q(1 - level)]
 *     short:  at_risk = Q(level) - P0,       shortfall = E[P | P >= Q(level)] - P0
 *
 * Where a jump lies at the level and nothing beyond it, the shortfall is the value at risk. */
struct btcf_dist_risk {
    double price; /* Q: what the price ends beyond with probability 1 - level */
    double at_risk, shortfall;
    bool in_tail; /* Q lies beyond the outermost level */
};
struct btcf_dist_risk btcf_dist_risk(const struct btcf_dist *dist, double origin_price, double level, bool is_long);

/* Whether the price lies beyond the outermost levels, where the tail rule speaks. */
bool btcf_dist_in_tail(const struct btcf_dist *dist, double price);

/* Doubles of the ABI are their bits. */
double btcf_dist_double(uint64_t bits);
uint64_t btcf_dist_bits(double value);

#endif
