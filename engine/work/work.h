/* Job kinds: what each does, and the table that finds them.
 *
 * A kind is one file here and one row in work/work.c. Its function does the work of one job and completes it in the
 * transaction in which it writes its last rows (queue_complete); returning 0 without having done so is a mistake of
 * ours. On -1 the caller rolls back and decides by the error's kind whether the job is tried again. Kinds are
 * idempotent: a job that is run twice leaves what it would leave once.
 *
 * Jobs are planned, not remembered: work_plan looks at the tables and adds whatever is due, under keys that make
 * adding twice harmless. So a lost notification, a dead worker or a restored backup heals by itself.
 */
#ifndef WORK_WORK_H
#define WORK_WORK_H

#include "core/base.h"
#include "core/settings.h"
#include "jobs/queue.h"

struct arena;
struct db;
struct keep;

#define WORK_ARENA_BYTES (512u << 20)

/* Channels of NOTIFY, all of them hints. */
#define WORK_CHANNEL_CANDLE "candle"     /* from whoever stores candles */
#define WORK_CHANNEL_FORECAST "forecast" /* a batch was committed */
#define WORK_CHANNEL_SCORE "score"       /* scores or accuracy were committed */

/* What a job runs with. The arena lives as long as the job. */
struct work {
    struct db *db;
    struct arena *arena;
    const struct settings *settings;
    struct job *job;
    struct keep *keep;              /* what this process has kept from earlier jobs */
    void (*beat)(void *ctx);        /* long jobs call it at least every second or two */
    bool (*should_stop)(void *ctx); /* long jobs ask now and then, and return E_TIMEOUT */
    void *ctx;
};

struct work_kind {
    const char *name, *lane;
    int (*run)(struct work *work);
};

/* NULL when there is no such kind. */
const struct work_kind *work_find(const char *name);

/* Adds the jobs of a lane that are due by the state of the tables. */
int work_plan(struct db *db, struct arena *arena, const struct settings *settings, const char *lane,
              int64_t now_wall_ms) BTCF_MUST_CHECK;

/* The kinds, one file each. */
int work_forecast(struct work *work) BTCF_MUST_CHECK;
int work_score(struct work *work) BTCF_MUST_CHECK;
int work_accuracy(struct work *work) BTCF_MUST_CHECK;
int work_train(struct work *work) BTCF_MUST_CHECK;
int work_walk_forward(struct work *work) BTCF_MUST_CHECK;
int work_sandbox(struct work *work) BTCF_MUST_CHECK;

/* A field of the job's payload. E_CORRUPT when it is missing or of another type. Texts live in the arena. */
int payload_text(struct work *work, const char *name, const char **value) BTCF_MUST_CHECK;
int payload_i64(struct work *work, const char *name, int64_t *value) BTCF_MUST_CHECK;

#endif
