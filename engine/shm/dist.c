/* Evaluates quantile curves; the rules are in dist.h. Pure functions: a worker calls them on its private copy. */
#include "shm/dist.h"

#include <math.h>
#include <string.h>

double btcf_dist_double(uint64_t bits)
{
    double value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

uint64_t btcf_dist_bits(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

/* Negated comparisons are meant: they also refuse NaN. */
static bool load_points(struct btcf_dist *dist, const struct btcf_dist_curve *curve)
{
    for (uint32_t i = 0; i < curve->level_count; i++) {
        double level = btcf_dist_double(curve->level[i]);
        double value = btcf_dist_double(curve->value[i]);

        if (!(level > (i == 0 ? 0 : dist->level[i - 1]) && level < 1))
            return false;
        if (!(value > 0 && value < (double)INFINITY))
            return false;
        dist->level[i] = level;
        dist->log_value[i] = log(value);
        if (i > 0 && dist->log_value[i] < dist->log_value[i - 1])
            return false;
    }
    return true;
}

bool btcf_dist_init(struct btcf_dist *dist, const struct btcf_dist_curve *curve)
{
    uint32_t n = curve->level_count;

    memset(dist, 0, sizeof(*dist));
    if (n < 2 || n > BTCF_DIST_LEVELS_MAX || !load_points(dist, curve))
        return false;

    const double *p = dist->level;
    const double *x = dist->log_value;

    dist->count = n;
    dist->scale_low = (x[1] - x[0]) / log(p[1] / p[0]);
    dist->scale_high = (x[n - 1] - x[n - 2]) / log((1 - p[n - 2]) / (1 - p[n - 1]));
    /* Levels so near each other that their difference is lost (1e-300 and 2e-300 are both 1 away from 1) have no slope. */
    if (!isfinite(dist->scale_low) || !isfinite(dist->scale_high))
        return false;
    dist->scale_low = fmin(dist->scale_low, BTCF_DIST_TAIL_SCALE_MAX);
    dist->scale_high = fmin(dist->scale_high, BTCF_DIST_TAIL_SCALE_MAX);
    return true;
}

/* Number of values in ascending `list` that are <= x. */
static uint32_t count_up_to(const double *list, uint32_t count, double x)
{
    uint32_t low = 0, high = count;

    while (low < high) {
        uint32_t middle = (low + high) / 2;

        if (list[middle] <= x)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

double btcf_dist_below(const struct btcf_dist *dist, double price)
{
    const double *p = dist->level;
    const double *x = dist->log_value;
    uint32_t last = dist->count - 1;
    double at;

    if (isnan(price))
        return price;
    if (price <= 0)
        return 0;
    at = log(price);

    uint32_t i = count_up_to(x, dist->count, at);

    if (i == 0)
        return dist->scale_low > 0 ? p[0] * exp((at - x[0]) / dist->scale_low) : 0;
    if (i > last)
        return dist->scale_high > 0 ? 1 - (1 - p[last]) * exp(-(at - x[last]) / dist->scale_high) : 1;
    /* x[i - 1] <= at < x[i], so the difference below is not zero. */
    return p[i - 1] + (p[i] - p[i - 1]) * (at - x[i - 1]) / (x[i] - x[i - 1]);
}

double btcf_dist_quantile(const struct btcf_dist *dist, double p_wanted)
{
    const double *p = dist->level;
    const double *x = dist->log_value;
    uint32_t last = dist->count - 1;

    if (!(p_wanted > 0 && p_wanted < 1))
        return (double)NAN;
    if (p_wanted <= p[0])
        return exp(x[0] + dist->scale_low * log(p_wanted / p[0]));
    if (p_wanted >= p[last])
        return exp(x[last] - dist->scale_high * log((1 - p_wanted) / (1 - p[last])));

    /* p[i - 1] <= p_wanted < p[i]; the outermost levels were dealt with above. */
    uint32_t i = count_up_to(p, dist->count, p_wanted);

    return exp(x[i - 1] + (x[i] - x[i - 1]) * (p_wanted - p[i - 1]) / (p[i] - p[i - 1]));
}

/* Of the stretch between levels i - 1 and i, up to `at`: the integral of exp(x) dF, F linear in x. */
static double stretch_mean(const struct btcf_dist *dist, uint32_t i, double at)
{
    double from = dist->log_value[i - 1], to = dist->log_value[i];
    double mass = dist->level[i] - dist->level[i - 1];

    if (to <= at && to - from < 1e-12)
        return mass * exp(to); /* a jump, or as good as one */
    return mass * (exp(fmin(to, at)) - exp(from)) / (to - from);
}

/* Sums from the low tail upwards, stretch by stretch. */
double btcf_dist_mean_below(const struct btcf_dist *dist, double price)
{
    const double *x = dist->log_value;
    uint32_t last = dist->count - 1;
    double at, sum;

    if (isnan(price))
        return price;
    if (price <= 0)
        return 0;
    at = log(price);
    if (at < x[0])
        return dist->scale_low > 0 ? btcf_dist_below(dist, price) * price / (1 + dist->scale_low) : 0;
    sum = dist->level[0] * exp(x[0]) / (1 + dist->scale_low);
    for (uint32_t i = 1; i <= last && x[i - 1] <= at; i++)
        sum += stretch_mean(dist, i, at);
    if (at < x[last])
        return sum;

    double tail = (1 - dist->level[last]) * exp(x[last]) / (1 - dist->scale_high);

    if (isinf(price) || !(dist->scale_high > 0))
        return sum + tail;
    return sum + tail - (1 - btcf_dist_below(dist, price)) * price / (1 - dist->scale_high);
}

bool btcf_dist_in_tail(const struct btcf_dist *dist, double price)
{
    double at = log(price);

    return at < dist->log_value[0] || at > dist->log_value[dist->count - 1];
}

struct btcf_dist_risk btcf_dist_risk(const struct btcf_dist *dist, double origin_price, double level, bool is_long)
{
    double price = btcf_dist_quantile(dist, is_long ? 1 - level : level);
    double mass = btcf_dist_below(dist, price), mean = btcf_dist_mean_below(dist, price);
    struct btcf_dist_risk risk = {.price = price, .in_tail = btcf_dist_in_tail(dist, price)};

    if (is_long) {
        risk.at_risk = origin_price - price;
        risk.shortfall = origin_price - mean / mass;
    } else {
        risk.at_risk = price - origin_price;
        risk.shortfall = (btcf_dist_mean_below(dist, (double)INFINITY) - mean) / (1 - mass) - origin_price;
    }
    if (!isfinite(risk.shortfall) || risk.shortfall < risk.at_risk)
        risk.shortfall = risk.at_risk;
    return risk;
}
