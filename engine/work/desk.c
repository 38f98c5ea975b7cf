/* See desk.h. A job's failure ends here: it is logged with its trail and handed to the queue, which knows what deserves
 * another try. It is never a failure of the round.
 */
#include "work/desk.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/err.h"
#include "core/log.h"
#include "core/metrics.h"
#include "jobs/queue.h"
#include "store/db.h"
#include "work/work.h"

static int reclaim(struct desk *desk);
static void do_job(struct desk *desk, struct job *job);
static void settle_failure(struct desk *desk, const struct job *job);
static void hand_back(struct desk *desk, const struct job *job);

void desk_init(struct desk *desk)
{
    uint64_t seed;
    rand_bytes(&seed, sizeof(seed));
    rng_init(&desk->rng, seed);
    desk->arena = arena_create("worker.job", WORK_ARENA_BYTES);
    keep_init(&desk->keep);
}

void desk_release(struct desk *desk)
{
    keep_release(&desk->keep);
    arena_free(&desk->arena);
}

int desk_round(struct desk *desk)
{
    const char *lane = desk->lane;
    struct queue_claimant claimant = {.lane = lane, .worker = desk->worker, .lease_ms = DESK_LEASE_MS};
    struct job job;
    arena_reset(desk->arena);
    if (reclaim(desk) < 0)
        return -1;
    /* What is there goes before what might be due: a forecast that waits is in the queue with its candle. */
    int claimed = queue_claim(desk->db, desk->arena, &claimant, clock_wall_ms(), &job);
    if (claimed == 0 && work_plan(desk->db, desk->arena, desk->settings, lane, clock_wall_ms()) < 0)
        return -1;
    if (claimed == 0)
        claimed = queue_claim(desk->db, desk->arena, &claimant, clock_wall_ms(), &job);
    if (claimed > 0)
        do_job(desk, &job);
    if (claimed == 0 && keep_refresh(&desk->keep, desk->db) < 0)
        return -1;
    return claimed;
}

/* Who begins under a name takes back what its namesake held: that one was killed. */
static int reclaim(struct desk *desk)
{
    int64_t now_mono_ms = clock_mono_ms(), count = 0;
    if (desk->has_begun && now_mono_ms - desk->reclaim_mono_ms < DESK_RECLAIM_MS)
        return 0;
    if (queue_reclaim(desk->db, desk->has_begun ? NULL : desk->worker, clock_wall_ms(), &count) < 0)
        return -1;
    desk->has_begun = true;
    desk->reclaim_mono_ms = now_mono_ms;
    if (count > 0)
        log_warn("job.reclaimed", "%" PRId64 " jobs had lost their worker", count);
    return 0;
}

static void do_job(struct desk *desk, struct job *job)
{
    char id[24];
    snprintf(id, sizeof(id), "%" PRId64, job->id);
    log_context_set("job", id);
    const struct work_kind *kind = work_find(job->kind);
    struct work work = {.db = desk->db,
                        .arena = desk->arena,
                        .settings = desk->settings,
                        .job = job,
                        .keep = &desk->keep,
                        .beat = desk->beat,
                        .should_stop = desk->should_stop,
                        .ctx = desk->ctx};
    int result = kind != NULL ? kind->run(&work) : err_set(E_INPUT, "there is no kind of job called %s", job->kind);
    if (result < 0 && desk->should_stop(desk->ctx))
        hand_back(desk, job);
    else if (result < 0)
        settle_failure(desk, job);
    else
        metric_add(METRIC_jobs_done_total, 1);
    log_context_set("job", NULL);
}

/* When the failure cannot be stored either, the lease runs out and the job comes back by itself. */
static void settle_failure(struct desk *desk, const struct job *job)
{
    const char *state = "left to its lease";
    log_failure("job.failed", job->kind);
    metric_add(METRIC_jobs_failed_total, 1);
    db_rollback(desk->db);
    if (db_is_open(desk->db) && queue_fail(desk->db, job, &desk->rng, clock_wall_ms(), &state) < 0)
        log_failure("job.failed", "storing the failure");
    log_info("job.settled", "%s, attempt %" PRId64 " of %" PRId64 ", is now %s", job->kind, job->attempts,
             job->attempts_max, state);
    err_clear();
}

/* Told to stop in the middle: no fault of the job's. */
static void hand_back(struct desk *desk, const struct job *job)
{
    db_rollback(desk->db);
    log_info("job.handed_back", "%s: %s", job->kind, err_text());
    if (db_is_open(desk->db) && queue_hand_back(desk->db, job, clock_wall_ms()) < 0)
        log_failure("job.failed", "handing a job back");
    err_clear();
}
