/* Made-up hours, marked as such wherever they go: GARCH(1,1) variance (Bollerslev 1986) with Student-t moves, so that
 * the charts look alive and the models have something to find. Pure: the same seed and beginning give the same candles.
 */
#ifndef MARKET_SIMULATOR_H
#define MARKET_SIMULATOR_H

#include "core/base.h"
#include "core/rand.h"

struct candle;

struct simulator {
    struct rng rng;
    int64_t next_open_ms;
    double price;    /* of the last trade */
    double variance; /* of the next hour's log return */
};

/* `begin_ms` is the open time of the first hour. */
void simulator_init(struct simulator *simulator, uint64_t seed, int64_t begin_ms);
void simulator_next(struct simulator *simulator, struct candle *candle);

#endif
