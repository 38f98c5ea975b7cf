/* See queue.h for the states. Every transition is one UPDATE whose WHERE clause states what must still be true; when no
 * row matches, the world has moved on and the caller is told.
 *
 * Claiming uses FOR UPDATE SKIP LOCKED, so that workers do not queue up behind one another for the first row.
 */
#include "jobs/queue.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/arena.h"
#include "core/rand.h"
#include "core/retry.h"
#include "core/str.h"
#include "store/db.h"

static const char SQL_ADD[] =
    "INSERT INTO job (kind, lane, unique_key, payload, priority, attempts_max, run_at_ms, created_ms)"
    " VALUES ($1, $2, $3, $4::jsonb, $5, $6, $7, $8) ON CONFLICT (kind, unique_key) WHERE unique_key IS NOT NULL"
    " DO NOTHING";
static const char SQL_NOTIFY[] = "SELECT pg_notify('" QUEUE_CHANNEL "', $1)";

/* Columns: id fence attempts attempts_max lease_until_ms kind lane payload. Index: job_claim. */
static const char SQL_CLAIM[] =
    "UPDATE job SET state = 'running', attempts = attempts + 1, fence = fence + 1, worker = $2,"
    " lease_until_ms = $3::bigint + $4::bigint, progress = NULL"
    " WHERE id = (SELECT id FROM job WHERE state = 'queued' AND lane = $1 AND run_at_ms <= $3::bigint"
    " ORDER BY priority DESC, run_at_ms, id LIMIT 1 FOR UPDATE SKIP LOCKED)"
    " RETURNING id, fence, attempts::bigint, attempts_max::bigint, lease_until_ms, kind, lane, payload::text";

static const char SQL_EXTEND[] =
    "UPDATE job SET lease_until_ms = $3, progress = CASE WHEN $4::float8 < 0 THEN progress ELSE $4::float8 END"
    " WHERE id = $1 AND fence = $2 AND state = 'running'";
static const char SQL_GUARD[] = "SELECT 1 FROM job WHERE id = $1 AND fence = $2 AND state = 'running' FOR UPDATE";
static const char SQL_COMPLETE[] =
    "UPDATE job SET state = 'done', finished_ms = $3, progress = 1, lease_until_ms = NULL, last_error = NULL"
    " WHERE id = $1 AND fence = $2 AND state = 'running'";
static const char SQL_PUT_BACK[] =
    "UPDATE job SET state = 'queued', run_at_ms = $3, lease_until_ms = NULL, last_error = $4"
    " WHERE id = $1 AND fence = $2 AND state = 'running'";
static const char SQL_HAND_BACK[] =
    "UPDATE job SET state = 'queued', run_at_ms = $3, lease_until_ms = NULL, attempts = attempts - 1"
    " WHERE id = $1 AND fence = $2 AND state = 'running'";
static const char SQL_BURY[] =
    "UPDATE job SET state = 'dead', finished_ms = $3, lease_until_ms = NULL, last_error = $4"
    " WHERE id = $1 AND fence = $2 AND state = 'running'";
/* Index: job_lease. */
static const char SQL_RECLAIM[] =
    "UPDATE job SET state = CASE WHEN attempts >= attempts_max THEN 'dead' ELSE 'queued' END,"
    " finished_ms = CASE WHEN attempts >= attempts_max THEN $1::bigint END, run_at_ms = $1::bigint,"
    " lease_until_ms = NULL, last_error = 'the worker ' || coalesce(worker, '?') || ' died or let its lease run out'"
    " WHERE id IN (SELECT id FROM job WHERE state = 'running' AND (lease_until_ms < $1::bigint"
    " OR worker = $2) FOR UPDATE SKIP LOCKED)";

static void copy_ascii(char *to, size_t size, const char *from);
static int lost(const struct job *job);

int queue_add(struct db *db, const struct job_request *request, int64_t now_ms, bool *added)
{
    int64_t affected = 0;
    int attempts_max = request->attempts_max > 0 ? request->attempts_max : QUEUE_ATTEMPTS_MAX;
    if (db_exec(db, SQL_ADD, &affected, DB_TEXT(request->kind), DB_TEXT(request->lane), DB_TEXT(request->unique_key),
                DB_TEXT(request->payload != NULL ? request->payload : "{}"), DB_I64(request->priority),
                DB_I64(attempts_max), DB_I64(request->run_at_ms), DB_I64(now_ms), DB_END) < 0)
        return err_wrap("while adding a job of kind %s", request->kind);
    if (added != NULL)
        *added = affected > 0;
    if (affected > 0 && db_exec(db, SQL_NOTIFY, NULL, DB_TEXT(request->lane), DB_END) < 0)
        return err_wrap("while announcing a job of kind %s", request->kind);
    return 0;
}

int queue_claim(struct db *db, struct arena *arena, const struct queue_claimant *claimant, int64_t now_ms,
                struct job *job)
{
    struct db_rows rows;
    if (db_query(db, arena, SQL_CLAIM, &rows, DB_TEXT(claimant->lane), DB_TEXT(claimant->worker), DB_I64(now_ms),
                 DB_I64(claimant->lease_ms), DB_END) < 0)
        return err_wrap("while claiming a job of lane %s", claimant->lane);
    if (rows.count == 0)
        return 0;
    *job = (struct job){
        .id = db_i64(&rows, 0, 0),
        .fence = db_i64(&rows, 0, 1),
        .attempts = db_i64(&rows, 0, 2),
        .attempts_max = db_i64(&rows, 0, 3),
        .lease_until_ms = db_i64(&rows, 0, 4),
        .kind = db_text(&rows, 0, 5),
        .lane = db_text(&rows, 0, 6),
        .payload = db_text(&rows, 0, 7),
    };
    return 1;
}

int queue_extend(struct db *db, struct job *job, int64_t now_ms, int64_t lease_ms, double progress)
{
    int64_t affected = 0;
    if (db_exec(db, SQL_EXTEND, &affected, DB_I64(job->id), DB_I64(job->fence), DB_I64(now_ms + lease_ms),
                DB_F64(progress), DB_END) < 0)
        return err_wrap("while extending the lease of job %" PRId64, job->id);
    if (affected == 0)
        return lost(job);
    job->lease_until_ms = now_ms + lease_ms;
    return 0;
}

int queue_guard(struct db *db, const struct job *job)
{
    int64_t affected = 0;
    if (db_exec(db, SQL_GUARD, &affected, DB_I64(job->id), DB_I64(job->fence), DB_END) < 0)
        return err_wrap("while checking the fence of job %" PRId64, job->id);
    return affected == 0 ? lost(job) : 0;
}

int queue_complete(struct db *db, const struct job *job, int64_t now_ms)
{
    int64_t affected = 0;
    if (db_exec(db, SQL_COMPLETE, &affected, DB_I64(job->id), DB_I64(job->fence), DB_I64(now_ms), DB_END) < 0)
        return err_wrap("while completing job %" PRId64, job->id);
    return affected == 0 ? lost(job) : 0;
}

bool queue_is_retryable(enum err_kind kind)
{
    switch (kind) {
    case E_TIMEOUT:
    case E_UPSTREAM:
    case E_STORE:
    case E_LIMIT:
    case E_CONFLICT:
        return true;
    case E_NONE:
    case E_INPUT:
    case E_AUTH:
    case E_DENIED:
    case E_MISSING:
    case E_CORRUPT:
        return false;
    }
    return false;
}

int queue_fail(struct db *db, const struct job *job, struct rng *rng, int64_t now_ms, const char **state)
{
    bool again = queue_is_retryable(err_kind()) && job->attempts < job->attempts_max;
    char text[QUEUE_ERROR_TEXT_MAX];
    copy_ascii(text, sizeof(text), err_text());

    struct backoff backoff;
    backoff_init(&backoff, QUEUE_RETRY_BASE_MS, QUEUE_RETRY_MAX_MS);
    backoff.attempt = (int)job->attempts - 1;
    int64_t at_ms = again ? now_ms + backoff_next_ms(&backoff, rng) : now_ms;
    if (db_exec(db, again ? SQL_PUT_BACK : SQL_BURY, NULL, DB_I64(job->id), DB_I64(job->fence), DB_I64(at_ms),
                DB_TEXT(text), DB_END) < 0)
        return err_wrap("while storing the failure of job %" PRId64, job->id);
    if (state != NULL)
        *state = again ? "queued" : "dead";
    return 0;
}

int queue_hand_back(struct db *db, const struct job *job, int64_t now_ms)
{
    if (db_exec(db, SQL_HAND_BACK, NULL, DB_I64(job->id), DB_I64(job->fence), DB_I64(now_ms), DB_END) < 0)
        return err_wrap("while handing back job %" PRId64, job->id);
    return 0;
}

int queue_reclaim(struct db *db, const char *worker, int64_t now_ms, int64_t *count)
{
    if (db_exec(db, SQL_RECLAIM, count, DB_I64(now_ms), DB_TEXT(worker), DB_END) < 0)
        return err_wrap("while looking for jobs without a living worker");
    return 0;
}

/* An error's text may quote anything, and a cut through a character would make PostgreSQL refuse the row. */
static void copy_ascii(char *to, size_t size, const char *from)
{
    size_t i = 0;
    for (; from[i] != '\0' && i < size - 1; i++)
        to[i] = from[i] >= ' ' && from[i] <= '~' ? from[i] : '?';
    to[i] = '\0';
}

static int lost(const struct job *job)
{
    return err_set(E_CONFLICT, "job %" PRId64 " (%s) is no longer ours: its lease ran out", job->id, job->kind);
}
