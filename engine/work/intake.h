/* From providers to rows and jobs: every hour that closes is stored together with the job that forecasts from it. The role
 * ingest is a loop around this.
 */
#ifndef WORK_INTAKE_H
#define WORK_INTAKE_H

#include "core/base.h"
#include "market/ingest.h"
#include "market/provider.h"

struct arena;

struct intake {
    struct provider_context context; /* settings, db and https are the caller's */
    struct ingest ingest;            /* with the feed, as intake_load found it */
    int64_t last_close_ms;           /* of the newest stored hour, or where the past is to begin */
    double last_close;               /* 0: nothing is stored */
    int64_t waiting_since;           /* monotonic: since when a replay waits for a forecast; 0: it does not */
    bool is_behind;                  /* more hours are ready to be fetched */
    bool has_answer;                 /* some provider answered in the last round */
};

/* The active feed as it is now, and what is known of it. A feed that someone else activated is taken up. */
int intake_load(struct intake *intake) BTCF_MUST_CHECK;

/* A feed that has just been made or resumed is forecast from at once, when its newest hour is the market's newest. */
int intake_begin(struct intake *intake) BTCF_MUST_CHECK;

/* Live, stores all that has closed; in a replay or simulation the next hour only, once the one before it has been
 * forecast from. Only closes that may still be forecast from get a job. E_UPSTREAM when no provider answers. */
int intake_round(struct intake *intake, struct arena *arena, int64_t now_ms) BTCF_MUST_CHECK;

bool intake_is_live(const struct intake *intake);

#endif
