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
    bool is_unchecked; /* the history was used since it was last compared with the table */
    int64_t refreshed_mono_ms;
};

void keep_init(struct keep *keep);
void keep_release(struct keep *keep);

/* keep->fits with states of the feed: those that are kept already, or, for a feed that is new to this process, the newest
 * ones that may be used at origin_ms. What was kept of another feed is forgotten. */
int keep_states(struct keep *keep, struct db *db, const char *feed, int64_t origin_ms) BTCF_MUST_CHECK;

/* Between two jobs: takes over what has been trained since, and checks the history that is kept, so that no forecast waits for that. At most once in
 * KEEP_REFRESH_MS. */
#define KEEP_REFRESH_MS 1000
int keep_refresh(struct keep *keep, struct db *db) BTCF_MUST_CHECK;

#endif
