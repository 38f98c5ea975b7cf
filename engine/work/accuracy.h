/* The scoreboard: rows of `score` summed up into rows of `accuracy`, per model and horizon, for live and walk-forward
 * scores apart and (origin "all") together. */
#ifndef WORK_ACCURACY_H
#define WORK_ACCURACY_H

#include "core/base.h"

struct work;

/* Brings every line of the feed's scoreboard up to date that has newer scores. In the caller's transaction. */
int accuracy_refresh(struct work *work, const char *feed) BTCF_MUST_CHECK;

#endif
