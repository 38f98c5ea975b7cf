/* The job queue against a real PostgreSQL. Run by tests/pg/test_queue.py, which gives the address of a fresh database in
 * BTCF_DATABASE_URL. Times are handed in, so no test waits.
 */
#include "jobs/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/rand.h"
#include "store/db.h"

#include <cmocka.h>

#define NOW INT64_C(1800000000000)
#define LEASE_MS 1000

static struct db *db, *other;
static struct arena *arena;
static struct rng rng;

static void must(int result)
{
    if (result < 0)
        fail_msg("%s", err_text());
}

static int connect_all(void **state)
{
    (void)state;
    const char *url = getenv("BTCF_DATABASE_URL");
    rng_init(&rng, 1);
    arena = arena_create("test", 8 << 20);
    return url != NULL && db_open(&db, url, "test", 5000) == 0 && db_open(&other, url, "other", 5000) == 0 ? 0 : -1;
}

static int disconnect_all(void **state)
{
    (void)state;
    db_close(&db);
    db_close(&other);
    arena_free(&arena);
    return 0;
}

static int empty(void **state)
{
    (void)state;
    arena_reset(arena);
    return db_script(db, "TRUNCATE job RESTART IDENTITY");
}

static bool add(const char *kind, const char *key, int priority)
{
    bool added;
    struct job_request request = {.kind = kind, .lane = "fast", .unique_key = key, .priority = priority};
    must(queue_add(db, &request, NOW, &added));
    return added;
}

static bool claim(struct db *from, int64_t now_ms, struct job *job)
{
    struct queue_claimant claimant = {.lane = "fast", .worker = "test", .lease_ms = LEASE_MS};
    int result = queue_claim(from, arena, &claimant, now_ms, job);
    must(result);
    return result > 0;
}

static const char *state_of(int64_t id)
{
    static const char sql[] = "SELECT state FROM job WHERE id = $1";
    struct db_rows rows;
    must(db_query(db, arena, sql, &rows, DB_I64(id), DB_END));
    return db_text(&rows, 0, 0);
}

static void a_key_is_taken_once_for_ever(void **state)
{
    (void)state;
    struct job job;
    assert_true(add("a", "k", 0));
    assert_false(add("a", "k", 0));
    assert_true(add("b", "k", 0));
    assert_true(add("a", NULL, 0));
    assert_true(add("a", NULL, 0));
    assert_true(claim(db, NOW, &job));
    must(queue_complete(db, &job, NOW));
    assert_false(add("a", "k", 0));
}

static void a_job_added_in_a_transaction_that_fails_was_never_there(void **state)
{
    (void)state;
    struct job job;
    must(db_begin(db));
    assert_true(add("a", "k", 0));
    db_rollback(db);
    assert_false(claim(db, NOW, &job));
    assert_true(add("a", "k", 0));
}

static void claims_go_by_priority_then_age(void **state)
{
    (void)state;
    struct job job;
    add("old", NULL, 0);
    add("young", NULL, 0);
    add("urgent", NULL, 5);
    assert_true(claim(db, NOW, &job));
    assert_string_equal(job.kind, "urgent");
    assert_true(claim(db, NOW, &job));
    assert_string_equal(job.kind, "old");
    assert_int_equal(job.attempts, 1);
    assert_true(claim(db, NOW, &job));
    assert_string_equal(job.kind, "young");
    assert_false(claim(db, NOW, &job));
}

static void another_lane_and_a_later_time_are_left_alone(void **state)
{
    (void)state;
    struct job job;
    struct job_request heavy = {.kind = "a", .lane = "heavy"};
    struct job_request later = {.kind = "b", .lane = "fast", .run_at_ms = NOW + 10};
    must(queue_add(db, &heavy, NOW, NULL));
    must(queue_add(db, &later, NOW, NULL));
    assert_false(claim(db, NOW, &job));
    assert_true(claim(db, NOW + 10, &job));
    assert_string_equal(job.kind, "b");
}

static void a_row_that_is_being_claimed_is_skipped(void **state)
{
    (void)state;
    struct job first, second;
    add("a", NULL, 0);
    add("b", NULL, 0);
    must(db_begin(db));
    assert_true(claim(db, NOW, &first));
    assert_true(claim(other, NOW, &second));
    must(db_commit(db));
    assert_string_equal(first.kind, "a");
    assert_string_equal(second.kind, "b");
}

static void who_lost_the_lease_cannot_write(void **state)
{
    (void)state;
    struct job slow, quick;
    int64_t count;
    add("a", NULL, 0);
    assert_true(claim(db, NOW, &slow));
    must(queue_reclaim(db, NULL, NOW + LEASE_MS, &count));
    assert_int_equal(count, 0);
    must(queue_reclaim(db, NULL, NOW + LEASE_MS + 1, &count));
    assert_int_equal(count, 1);
    assert_true(claim(other, NOW + LEASE_MS + 1, &quick));
    assert_true(quick.fence > slow.fence);
    assert_int_equal(queue_guard(db, &slow), -1);
    assert_int_equal(err_kind(), E_CONFLICT);
    assert_int_equal(queue_complete(db, &slow, NOW), -1);
    assert_int_equal(queue_extend(db, &slow, NOW, LEASE_MS, 0.5), -1);
    must(queue_complete(other, &quick, NOW));
    assert_string_equal(state_of(quick.id), "done");
}

static void an_extended_lease_holds(void **state)
{
    (void)state;
    struct job job;
    int64_t count;
    add("a", NULL, 0);
    assert_true(claim(db, NOW, &job));
    must(queue_extend(db, &job, NOW + 900, LEASE_MS, 0.5));
    must(queue_reclaim(db, NULL, NOW + LEASE_MS + 1, &count));
    assert_int_equal(count, 0);
    must(queue_guard(db, &job));
}

static void a_rolled_back_completion_leaves_the_job_running(void **state)
{
    (void)state;
    struct job job;
    add("a", NULL, 0);
    assert_true(claim(db, NOW, &job));
    must(db_begin(db));
    must(queue_complete(db, &job, NOW));
    db_rollback(db);
    assert_string_equal(state_of(job.id), "running");
}

static void a_passing_failure_is_tried_again_until_attempts_are_used_up(void **state)
{
    (void)state;
    struct job job;
    struct job_request request = {.kind = "a", .lane = "fast", .attempts_max = 3};
    const char *now_is;
    must(queue_add(db, &request, NOW, NULL));
    int64_t now_ms = NOW;
    for (int attempt = 1; attempt <= 3; attempt++) {
        assert_true(claim(db, now_ms, &job));
        assert_int_equal(job.attempts, attempt);
        (void)err_set(E_UPSTREAM, "exchange said \"\xff\"");
        must(queue_fail(db, &job, &rng, now_ms, &now_is));
        assert_string_equal(now_is, attempt < 3 ? "queued" : "dead");
        now_ms += QUEUE_RETRY_BASE_MS << attempt; /* no wait is longer than that */
    }
    assert_string_equal(state_of(job.id), "dead");
    assert_false(claim(db, now_ms + QUEUE_RETRY_MAX_MS, &job));
}

static void a_lasting_failure_is_laid_to_rest_at_once(void **state)
{
    (void)state;
    struct job job;
    const char *now_is;
    add("a", NULL, 0);
    assert_true(claim(db, NOW, &job));
    (void)err_set(E_INPUT, "too short");
    must(queue_fail(db, &job, &rng, NOW, &now_is));
    assert_string_equal(now_is, "dead");
    assert_string_equal(err_text(), "too short");
}

static void a_worker_that_dies_every_time_uses_up_the_attempts(void **state)
{
    (void)state;
    struct job job;
    int64_t count, now_ms = NOW;
    struct job_request request = {.kind = "a", .lane = "fast", .attempts_max = 2};
    must(queue_add(db, &request, NOW, NULL));
    for (int i = 0; i < 2; i++) {
        assert_true(claim(db, now_ms, &job));
        now_ms += LEASE_MS + 1;
        must(queue_reclaim(db, NULL, now_ms, &count));
        assert_int_equal(count, 1);
    }
    assert_string_equal(state_of(job.id), "dead");
}

static void handing_back_costs_no_attempt(void **state)
{
    (void)state;
    struct job job;
    add("a", NULL, 0);
    assert_true(claim(db, NOW, &job));
    must(queue_hand_back(db, &job, NOW));
    assert_true(claim(db, NOW, &job));
    assert_int_equal(job.attempts, 1);
}

static void who_begins_takes_back_what_its_namesake_held(void **state)
{
    (void)state;
    struct job job;
    int64_t count;
    add("a", NULL, 0);
    assert_true(claim(db, NOW, &job));
    must(queue_reclaim(db, "somebody else", NOW, &count));
    assert_int_equal(count, 0);
    must(queue_reclaim(db, "test", NOW, &count));
    assert_int_equal(count, 1);
    assert_int_equal(queue_guard(db, &job), -1);
    assert_true(claim(db, NOW, &job));
}

static void adding_wakes_a_waiting_worker(void **state)
{
    (void)state;
    must(db_listen(other, QUEUE_CHANNEL));
    add("a", NULL, 0);
    assert_int_equal(db_wait(other, 5000), 1);
}

#define QUEUE_TEST(name) cmocka_unit_test_setup(name, empty)

int main(void)
{
    const struct CMUnitTest tests[] = {
        QUEUE_TEST(a_key_is_taken_once_for_ever),
        QUEUE_TEST(a_job_added_in_a_transaction_that_fails_was_never_there),
        QUEUE_TEST(claims_go_by_priority_then_age),
        QUEUE_TEST(another_lane_and_a_later_time_are_left_alone),
        QUEUE_TEST(a_row_that_is_being_claimed_is_skipped),
        QUEUE_TEST(who_lost_the_lease_cannot_write),
        QUEUE_TEST(an_extended_lease_holds),
        QUEUE_TEST(a_rolled_back_completion_leaves_the_job_running),
        QUEUE_TEST(a_passing_failure_is_tried_again_until_attempts_are_used_up),
        QUEUE_TEST(a_lasting_failure_is_laid_to_rest_at_once),
        QUEUE_TEST(a_worker_that_dies_every_time_uses_up_the_attempts),
        QUEUE_TEST(handing_back_costs_no_attempt),
        QUEUE_TEST(who_begins_takes_back_what_its_namesake_held),
        QUEUE_TEST(adding_wakes_a_waiting_worker),
    };
    return cmocka_run_group_tests(tests, connect_all, disconnect_all);
}
