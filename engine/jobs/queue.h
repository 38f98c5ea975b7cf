/* The job queue: work that was committed before it was promised, done by whichever worker comes first.
 *
 *     queued --claim--> running --complete--> done
 *        ^                |  \--fail, may be tried again--> queued, later
 *        '--lease ran out-'   \--fail for good, or attempts used up--> dead
 *
 * A claim gives a lease and a fencing number, which grows at every claim. Whoever stalls longer than its lease loses
 * the job to another worker; its late writes are stopped by the fence, which queue_complete and queue_guard check in
 * the transaction that writes:
 *
 *     db_begin; ... the job's own rows ...; queue_complete(db, job); db_commit;        all of it, or nothing
 *
 * Which errors are worth another try is decided here and nowhere else: TIMEOUT, UPSTREAM, STORE, LIMIT and CONFLICT
 * are; INPUT, AUTH, DENIED, MISSING and CORRUPT would fail again the same way.
 *
 * Times are wall milliseconds and come from the caller. NOTIFY on channel QUEUE_CHANNEL is a hint for waiting workers.
 */
#ifndef JOBS_QUEUE_H
#define JOBS_QUEUE_H

#include "core/base.h"
#include "core/err.h"

struct arena;
struct db;
struct rng;

#define QUEUE_CHANNEL "job"
#define QUEUE_RETRY_BASE_MS 1000
#define QUEUE_RETRY_MAX_MS INT64_C(600000)
#define QUEUE_ATTEMPTS_MAX 5 /* when the request names none */
#define QUEUE_ERROR_TEXT_MAX 500

struct job_request {
    const char *kind, *lane;
    const char *unique_key; /* NULL: none. The key of any earlier job of this kind, done ones too, is refused */
    const char *payload;    /* JSON object; NULL: {} */
    int priority;           /* higher first */
    int attempts_max;       /* 0: QUEUE_ATTEMPTS_MAX */
    int64_t run_at_ms;      /* not before; 0: at once */
};

/* A claimed job. Texts live in the arena of the claim. */
struct job {
    int64_t id, fence;
    int64_t attempts, attempts_max; /* attempts counts this one */
    int64_t lease_until_ms;
    const char *kind, *lane, *payload;
};

/* Who asks for work. */
struct queue_claimant {
    const char *lane;
    const char *worker; /* its name, for people */
    int64_t lease_ms;
};

/* Adds a job in the caller's transaction (or at once without one); *added (may be NULL) is false when the key is taken. */
int queue_add(struct db *db, const struct job_request *request, int64_t now_ms, bool *added) BTCF_MUST_CHECK;

/* The next job of a lane whose time has come, by priority then age; no two workers get the same. 1, or 0 when there is
 * none. */
int queue_claim(struct db *db, struct arena *arena, const struct queue_claimant *claimant, int64_t now_ms,
                struct job *job) BTCF_MUST_CHECK;

/* The lease is still ours: extends it to now + lease_ms and stores the progress (0..1; negative leaves it). For long
 * jobs, outside of their transactions. E_CONFLICT when the job was lost. */
int queue_extend(struct db *db, struct job *job, int64_t now_ms, int64_t lease_ms, double progress) BTCF_MUST_CHECK;

/* Locks the job's row until the caller's transaction ends and checks the fence. E_CONFLICT when the job was lost. */
int queue_guard(struct db *db, const struct job *job) BTCF_MUST_CHECK;

/* Done, in the caller's transaction: checks the fence as queue_guard does. */
int queue_complete(struct db *db, const struct job *job, int64_t now_ms) BTCF_MUST_CHECK;

/* True when an error of this kind is worth another try. */
bool queue_is_retryable(enum err_kind kind);

/* Stores the error frame's text and puts the job back with a jittered, growing delay, or lays it to rest. *state (may be
 * NULL) becomes "queued" or "dead". Not in a transaction. The frame is kept. A job that was lost is left alone. */
int queue_fail(struct db *db, const struct job *job, struct rng *rng, int64_t now_ms,
               const char **state) BTCF_MUST_CHECK;

/* Back into the queue at once, the attempt not counted: for a worker that was told to stop. A job that was lost is left
 * alone. */
int queue_hand_back(struct db *db, const struct job *job, int64_t now_ms) BTCF_MUST_CHECK;

/* Jobs whose lease has run out go back into the queue, or to rest when their attempts are used up; *count of them. So do
 * those that `worker` holds, whatever their lease: for a worker that begins and knows that its predecessor of that name is
 * dead. NULL: none. */
int queue_reclaim(struct db *db, const char *worker, int64_t now_ms, int64_t *count) BTCF_MUST_CHECK;

#endif
