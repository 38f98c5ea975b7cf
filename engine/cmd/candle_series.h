/* Candle files as one series, for the commands that work on files alone (backtest, fit). */
#ifndef CMD_CANDLE_SERIES_H
#define CMD_CANDLE_SERIES_H

#include "core/arena.h"
#include "core/base.h"
#include "models/series.h"

/* Reads every file (any format that `btcf import` knows), puts their candles together, a later file's over an earlier
 * one's of the same time, and lays them on the grid of `interval_s`, 3600 or 86400. Which interval a file holds is seen
 * from its times. For 1d the files of daily candles count, and hourly ones are made into UTC days only when there is no
 * daily file; for 1h daily files are left out. E_INPUT: "FILE:LINE: what is wrong" for the first bad row, or that no
 * file serves. */
int candle_series_load(struct arena *arena, const char *const *paths, size_t path_count, int64_t interval_s,
                       struct series *series) BTCF_MUST_CHECK;

#endif
