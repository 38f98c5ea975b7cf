/* The calibrations of all horizons along a walk: what was forecast waits here until its outcome is known.
 *
 *     struct lessons *lessons = lessons_create(horizons_s, count);
 *     for each origin, in order:
 *         lessons_learn(lessons, &known)                       known: the series cut at the origin
 *         options.calibrations = lessons_calibrations(lessons)
 *         ... issue ...
 *         lessons_note(lessons, origin_ms, &issue.members[i])     for each horizon
 *
 * Causal by construction: an outcome is read out of the series that ends at the origin, so none can be learned that was
 * not known there. The live engine needs none of this: its rows wait in the database.
 */
#ifndef EVAL_LESSONS_H
#define EVAL_LESSONS_H

#include "core/base.h"
#include "eval/calibrate.h"
#include "eval/issue.h"

struct lessons;
struct series;

/* Forecasts that may wait per horizon: hourly origins, a year ahead. */
#define LESSONS_WAITING_MAX 8760

struct lessons *lessons_create(const int64_t *horizons_s, size_t count);
void lessons_free(struct lessons **lessons);

/* Keeps a copy of the members' curves until their target. `origin_ms` ascends; members of a horizon that was not named
 * at creation are passed over. E_LIMIT when too many wait. */
int lessons_note(struct lessons *lessons, int64_t origin_ms, const struct issue_members *members) BTCF_MUST_CHECK;

/* Learns everything that was noted and whose target has closed in `known`. */
int lessons_learn(struct lessons *lessons, const struct series *known) BTCF_MUST_CHECK;

/* `count` of them, as at creation; valid until lessons_free. */
struct calibration *lessons_calibrations(struct lessons *lessons);

#endif
