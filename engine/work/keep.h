/* What a worker process keeps from one job to the next. Nothing of it is needed, all of it saves time: a process that has
 * just begun makes the same forecasts, a little later.
 */
#ifndef WORK_KEEP_H
#define WORK_KEEP_H

#include "core/base.h"
#include "market/feed.h"
#include "work/state_rows.h"

struct db;
struct fits;
struct history_cache;

struct keep {
    struct history_cache *history;
    struct fits *fits; /* of `feed` */
    char feed[FEED_NAME_SIZE];
    struct state_slots slots;
};

void keep_init(struct keep *keep);
void keep_release(struct keep *keep);

/* keep->fits with the newest states that are stored for the feed and may be used at origin_ms. What was kept of another
 * feed is forgotten. */
int keep_states(struct keep *keep, struct db *db, const char *feed, int64_t origin_ms) BTCF_MUST_CHECK;

#endif
