#!/usr/bin/python3
"""Prints what scikit-learn's quantile boosting scores on the data of tests/unit/math/test_boost.c.

scikit-learn grows one forest per quantile (HistGradientBoostingRegressor, loss 'quantile', which renews leaves with exact
quantiles as ours does); ours shares one structure. Same rounds, leaves, shrinkage and least rows per leaf. Both see the
same numbers, made from splitmix64 with arithmetic that is exact in both languages. The figures printed here stand in the C
test as SKLEARN_*; run by hand (Debian: python3-sklearn, not needed to build or test btcf). Made with scikit-learn 1.2.1.
"""
import time

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

TRAIN, TEST, WIDTH, SEED = 3000, 4000, 24, 20261123
LEVELS = (.025, .05, .1, .2, .25, .3, .4, .5, .6, .7, .75, .8, .9, .95, .975)
MASK = (1 << 64) - 1


def uniforms(seed, count):
    state, out = seed, np.empty(count)
    for i in range(count):
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        out[i] = ((z ^ (z >> 31)) >> 11) / 9007199254740992.0
    return out


def noise(u):
    """Quantile function of the noise: symmetric, with wide tails."""
    return (u - 0.5) * (1.0 + 8.0 * (2.0 * u - 1.0) * (2.0 * u - 1.0))


def make(rows, numbers):
    cells = numbers[:rows * (WIDTH + 1)].reshape(rows, WIDTH + 1)
    x, u = cells[:, :WIDTH], cells[:, WIDTH]
    scale = 0.5 + x[:, 0] + np.where(x[:, 1] > 0.5, x[:, 2], 0.0)
    return x, scale, scale * noise(u)


def pinball(y, quantiles, level):
    miss = y - quantiles
    return np.mean(np.maximum(level * miss, (level - 1.0) * miss))


numbers = uniforms(SEED, (TRAIN + TEST) * (WIDTH + 1))
x, _, y = make(TRAIN, numbers)
x_test, scale, y_test = make(TEST, numbers[TRAIN * (WIDTH + 1):])
learned = perfect = constant = 0.0
begin = time.monotonic()
for level in LEVELS:
    trees = HistGradientBoostingRegressor(loss='quantile', quantile=level, learning_rate=.05, max_iter=60,
                                          max_leaf_nodes=8, min_samples_leaf=50, max_bins=63, early_stopping=False)
    learned += pinball(y_test, trees.fit(x, y).predict(x_test), level) / len(LEVELS)
    perfect += pinball(y_test, scale * noise(level), level) / len(LEVELS)
    constant += pinball(y_test, np.full(TEST, np.quantile(y, level)), level) / len(LEVELS)
print(f'SKLEARN_LOSS {learned:.9f}\nPERFECT_LOSS {perfect:.9f}\nCONSTANT_LOSS {constant:.9f}')
print(f'{time.monotonic() - begin:.2f} s')
