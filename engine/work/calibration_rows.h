/* What outcomes have taught (eval/calibrate.h), as rows: loaded by who forecasts, moved on by who scores, in the transaction
 * that stores the scores. So each outcome is learned once, in order.
 */
#ifndef WORK_CALIBRATION_ROWS_H
#define WORK_CALIBRATION_ROWS_H

#include "core/base.h"
#include "eval/calibrate.h"
#include "market/candle.h"

struct arena;
struct db;
struct score_due;

/* One for each published horizon, as stored; a fresh one where there is none, or none that this release can read. */
int calibration_rows_load(struct db *db, struct arena *arena, const char *feed,
                          struct calibration calibrations[HORIZON_COUNT]) BTCF_MUST_CHECK;

/* Nobody else learns for this feed before the caller's transaction ends. */
int calibration_rows_lock(struct db *db, const char *feed) BTCF_MUST_CHECK;

/* Stores those that have learned something since `before` (NULL: all), and a verdict for each model that was quarantined
 * or released meanwhile. `now_ms` is market time. */
int calibration_rows_save(struct db *db, const char *feed, const struct calibration *before,
                          const struct calibration *calibrations, int64_t now_ms) BTCF_MUST_CHECK;

/* Learns the outcomes of rows that are ordered by target, horizon and batch; rows of one horizon and batch stand together.
 * Only the ensemble's members and the baseline teach. */
int calibration_rows_learn(struct calibration calibrations[HORIZON_COUNT], const struct score_due *due,
                           size_t count) BTCF_MUST_CHECK;

/* {"width": 1.02, "outcomes": 240}: what was applied to an ensemble's curve. */
const char *calibration_text(struct arena *arena, const struct calibration *calibration);

#endif
