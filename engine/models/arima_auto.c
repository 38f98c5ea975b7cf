/* The order of an ARIMA, found step by step (Hyndman & Khandakar 2008).
 *
 * Differences first: D is 1 when the season is strong, then d by repeated KPSS tests. Then from the best of four first
 * orders, one of the neighbours (p, q, P, Q one up or down, alone or in pairs, the mean in or out) replaces it as soon as
 * it has a smaller AICc, until none has. The published method replaces the likelihood of long series by a conditional sum
 * of squares to save time; here the exact one is cheap, so the search only ends each fit early, begins it at the best
 * order's parameters, and then fits the few best orders in full. Models whose roots come within 1% of the unit circle
 * are passed over.
 */
#include <math.h>
#include <string.h>

#include "core/err.h"
#include "models/arima.h"
#include "models/stationarity.h"

#define TRIED_MAX 94   /* orders in one search */
#define FINAL_COUNT 4  /* best ones that are fitted in full */
#define TOLERANCE 1e-6 /* of a fit during the search */
#define ROOTS_BEYOND 1.01
#define SCRATCH_MAX ((size_t)512 << 20)

const struct arima_limits arima_limits_default = {.p_max = 5,
                                                  .q_max = 5,
                                                  .P_max = 2,
                                                  .Q_max = 2,
                                                  .d_max = 2,
                                                  .D_max = 1,
                                                  .allows_mean = true,
                                                  .allows_drift = true};

struct search {
    struct arena
        *scratch; /* emptied before each fit: a hundred of them on a long series would not fit beside each other */
    const struct arima_data *data;
    struct arima_limits limits;
    bool allows_mean; /* of the differenced series */
    struct arima_fit tried[TRIED_MAX];
    size_t tried_count, best; /* best: index, TRIED_MAX when there is none */
};

static bool is_same(const struct arima_order *a, const struct arima_order *b)
{
    return a->p == b->p && a->q == b->q && a->P == b->P && a->Q == b->Q && a->has_mean == b->has_mean;
}

static bool was_tried(const struct search *search, const struct arima_order *order)
{
    for (size_t i = 0; i < search->tried_count; i++)
        if (is_same(&search->tried[i].arima.order, order))
            return true;
    return false;
}

/* Fits an order that is new; true when it is the best so far. One that cannot be fitted is remembered as the worst. */
static bool try_order(struct search *search, const struct arima_order *order)
{
    if (search->tried_count == TRIED_MAX || was_tried(search, order))
        return false;
    struct arima_fit *fit = &search->tried[search->tried_count];
    const struct arima_fit *start = search->best < TRIED_MAX ? &search->tried[search->best] : NULL;
    arena_reset(search->scratch);
    if (arima_estimate(search->scratch, search->data, order, start, TOLERANCE, fit) < 0) {
        err_clear();
        *fit = (struct arima_fit){.arima = {.order = *order}, .aicc = INFINITY};
    } else if (!arima_roots_beyond(&fit->arima, ROOTS_BEYOND)) {
        fit->aicc = INFINITY;
    }
    search->tried_count++;
    if (!(fit->aicc < INFINITY) || (search->best < TRIED_MAX && fit->aicc >= search->tried[search->best].aicc))
        return false;
    search->best = search->tried_count - 1;
    return true;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The first orders: a rich one, none at all with and without its mean, a plain AR and a plain MA. */
static void try_first(struct search *search, struct arima_order order)
{
    const struct arima_limits *limits = &search->limits;
    const size_t first[][4] = {{2, 2, 1, 1}, {0, 0, 0, 0}, {1, 0, 1, 0}, {0, 1, 0, 1}};

    for (size_t i = 0; i < BTCF_LENGTH(first); i++) {
        order.p = least(first[i][0], limits->p_max);
        order.q = least(first[i][1], limits->q_max);
        order.P = least(first[i][2], limits->P_max);
        order.Q = least(first[i][3], limits->Q_max);
        order.has_mean = search->allows_mean;
        (void)try_order(search, &order);
    }
    order.p = order.q = order.P = order.Q = 0;
    order.has_mean = false;
    (void)try_order(search, &order);
}

/* Moves of (p, q, P, Q), in the order in which they are tried. */
static const int moves[][4] = {{0, 0, -1, 0},  {0, 0, 0, -1}, {0, 0, 1, 0},  {0, 0, 0, 1},
                               {0, 0, -1, -1}, {0, 0, -1, 1}, {0, 0, 1, -1}, {0, 0, 1, 1},
                               {-1, 0, 0, 0},  {0, -1, 0, 0}, {1, 0, 0, 0},  {0, 1, 0, 0},
                               {-1, -1, 0, 0}, {-1, 1, 0, 0}, {1, -1, 0, 0}, {1, 1, 0, 0}};

static bool move_one(size_t *value, int by, size_t max)
{
    if ((by < 0 && *value == 0) || (by > 0 && *value >= max))
        return false;
    *value = by < 0 ? *value - 1 : *value + (size_t)by;
    return true;
}

/* Tries the neighbours of the best order; true as soon as one is better. */
static bool try_neighbours(struct search *search)
{
    const struct arima_order best = search->tried[search->best].arima.order;
    const struct arima_limits *limits = &search->limits;

    for (size_t i = 0; i < BTCF_LENGTH(moves); i++) {
        struct arima_order order = best;

        if (move_one(&order.p, moves[i][0], limits->p_max) && move_one(&order.q, moves[i][1], limits->q_max) &&
            move_one(&order.P, moves[i][2], limits->P_max) && move_one(&order.Q, moves[i][3], limits->Q_max) &&
            try_order(search, &order))
            return true;
    }
    struct arima_order order = best;
    order.has_mean = !best.has_mean;
    return search->allows_mean && try_order(search, &order);
}

/* The best of what was tried, fitted in full. */
static int finish(struct search *search, struct arima_fit *fit)
{
    bool is_found = false;

    for (size_t i = 0; i < FINAL_COUNT; i++) {
        struct arima_fit whole, *start = NULL;

        for (size_t k = 0; k < search->tried_count; k++)
            if (search->tried[k].aicc < INFINITY && (start == NULL || search->tried[k].aicc < start->aicc))
                start = &search->tried[k];
        if (start == NULL)
            break;
        arena_reset(search->scratch);
        int status = arima_estimate(search->scratch, search->data, &start->arima.order, start, 0.0, &whole);
        start->aicc = INFINITY;
        if (status < 0)
            err_clear();
        else if (arima_roots_beyond(&whole.arima, ROOTS_BEYOND) && (!is_found || whole.aicc < fit->aicc)) {
            *fit = whole;
            is_found = true;
        }
    }
    return is_found ? 0 : err_set(E_INPUT, "no ARIMA could be fitted to %zu values", search->data->count);
}

/* d and D of the order. */
static void choose_differences(struct arena *arena, const struct arima_data *data, const struct arima_limits *limits,
                               struct arima_order *order)
{
    double *differenced = arena_array(arena, data->count, sizeof *differenced);

    if (limits->D_max > 0 && order->period > 1 && data->count > 2 * order->period &&
        !is_constant(data->values, data->count) &&
        seasonal_strength(arena, data->values, data->count, order->period) > SEASONAL_STRENGTH_LIMIT)
        order->D = 1;
    size_t count = arima_difference(order, data->values, data->count, differenced);
    order->d = differences_needed(arena, differenced, count, limits->d_max);
}

int arima_choose(struct arena *arena, const struct arima_data *data, size_t period, const struct arima_limits *limits,
                 struct arima_fit *fit)
{
    struct search *search = arena_alloc(arena, sizeof *search);
    struct arima_order order = {.period = period};

    if (data->count < 4)
        return err_set(E_INPUT, "an ARIMA cannot be chosen with %zu values", data->count);
    if (is_constant(data->values, data->count))
        return err_set(E_INPUT, "the %zu values stand still", data->count);
    if (arima_check_order(&order) < 0)
        return -1;
    if (data->count > ARIMA_POINTS_MAX)
        return err_set(E_INPUT, "arima takes at most %d values and has %zu", ARIMA_POINTS_MAX, data->count);
    choose_differences(arena, data, limits, &order);
    *search = (struct search){
        .scratch = arena_create("arima order", SCRATCH_MAX), .data = data, .limits = *limits, .best = TRIED_MAX};
    search->allows_mean = order.d + order.D == 0   ? limits->allows_mean
                          : order.d + order.D == 1 ? limits->allows_drift
                                                   : false;
    struct arima_limits *own = &search->limits;
    own->P_max = period > 1 ? least(own->P_max, data->count / 3 / period) : 0;
    own->Q_max = period > 1 ? least(own->Q_max, data->count / 3 / period) : 0;
    own->p_max = least(own->p_max, data->count / 3);
    own->q_max = least(own->q_max, data->count / 3);
    if (own->P_max > 0)
        own->p_max = least(own->p_max, period - 1);
    if (own->Q_max > 0)
        own->q_max = least(own->q_max, period - 1);
    try_first(search, order);
    while (search->best < TRIED_MAX && try_neighbours(search))
        ;
    int status = finish(search, fit);
    arena_free(&search->scratch);
    return status;
}
