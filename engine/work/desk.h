/* A worker's desk: claim, do, settle; one job at a time. When there is none, plan. The role around it connects, waits and beats.
 */
#ifndef WORK_DESK_H
#define WORK_DESK_H

#include "core/base.h"
#include "core/rand.h"
#include "core/settings.h"
#include "work/keep.h"

struct arena;
struct db;

#define DESK_LEASE_MS 60000  /* of a claim; jobs that take longer extend it */
#define DESK_RECLAIM_MS 5000 /* pause between two looks for jobs whose worker died */

/* The first block is the caller's: texts are borrowed, db may be NULL until the first round. */
struct desk {
    struct db *db;
    const struct settings *settings;
    const char *lane;
    const char *worker; /* unique among all workers of the database, and the same again after a restart */
    void (*beat)(void *ctx);
    bool (*should_stop)(void *ctx);
    void *ctx;

    struct arena *arena; /* emptied at each round */
    struct keep keep;    /* from job to job */
    struct rng rng;      /* jitter */
    bool has_begun;      /* jobs of a predecessor were taken back */
    int64_t reclaim_mono_ms;
};

void desk_init(struct desk *desk);
void desk_release(struct desk *desk);

/* 1: a job was done or has failed and was settled, look again at once; 0: nothing to do; -1: the database is away. */
int desk_round(struct desk *desk) BTCF_MUST_CHECK;

#endif
