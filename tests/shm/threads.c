/* The torn-read test with threads in place of processes, for ThreadSanitizer, which sees only one process. Writer and
 * readers share one mapping, since the sanitizer tells memory apart by address.
 *
 *     make tsan       or: build/tsan/tests/shm/threads --publications=200000
 */
#include <pthread.h>
#include <sched.h>

/* Now and then the writer gives way where it has done half of something, so that readers look just then. A prime, so
 * that all places get their turn. */
#define YIELD_EVERY 211
static unsigned place_count;
#define WRITER_AT(place) ((void)(++place_count % YIELD_EVERY == 0 && sched_yield()))

#include "shm_fixture.h"
#include "shm_invariant.h"

#include "gate_invariant.h"

#define READER_COUNT 3
#define ATTACH_EVERY 64

static uint64_t publication_count = 20000;
static struct writer *writer;
static struct gate_board board;
static _Atomic bool is_over;

struct thread {
    pthread_t id;
    uint64_t reads, changed, torn, backwards, busy, gates, gates_wrong;
};

static void check_document(struct thread *thread, struct btcf_reader *reader, uint64_t last_gen[INV_DOC_COUNT])
{
    uint32_t doc = (uint32_t)(thread->reads % INV_DOC_COUNT);
    unsigned body = (unsigned)(thread->reads / INV_DOC_COUNT % BTCF_BODY_COUNT);
    unsigned char buf[INV_BODY_MAX];
    char key[INV_KEY_SIZE];
    struct btcf_doc_meta meta;

    thread->reads++;
    inv_key(key, doc);

    int64_t slot = btcf_reader_find(reader, key, strlen(key));

    if (slot < 0) {
        thread->torn++;
        return;
    }

    enum btcf_read outcome = btcf_reader_meta(reader, (uint32_t)slot, &meta);

    if (outcome == BTCF_READ_OK)
        outcome = btcf_reader_body(reader, (uint32_t)slot, &meta, body, buf);
    if (outcome == BTCF_READ_BUSY) {
        thread->busy++;
        return;
    }
    thread->torn += outcome != BTCF_READ_OK || !inv_is_meta_whole(&meta) ||
                    !inv_is_whole(buf, btcf_body_len(&meta, body), doc, meta.gen, body);
    thread->backwards += meta.gen < last_gen[doc];
    thread->changed += meta.gen > last_gen[doc];
    last_gen[doc] = meta.gen;
}

static void check_rest(struct thread *thread, struct btcf_reader *reader)
{
    uint64_t head = btcf_reader_event_head(reader);
    struct btcf_event_slot event;
    struct btcf_dist_curve curve;
    enum btcf_read outcome = btcf_reader_event(reader, head, &event);

    thread->torn += outcome == BTCF_READ_CORRUPT || (outcome == BTCF_READ_OK && !inv_is_event_whole(&event, head));
    outcome = btcf_reader_dist(reader, "/d/0", 4, &curve);
    thread->torn += outcome == BTCF_READ_CORRUPT || (outcome == BTCF_READ_OK && !inv_is_curve_whole(&curve));
    (void)btcf_reader_epoch(reader);
    (void)btcf_reader_heartbeat(reader);
    (void)btcf_reader_health(reader);
}

static void check_gate_tables(struct thread *thread, const struct btcf_auth *auth)
{
    const char *wrong = gate_check_whole(auth, thread->gates);

    if (wrong == NULL)
        wrong = gate_check_refused(auth, &board, thread->gates);
    if (wrong != NULL)
        fprintf(stderr, "# %s\n", wrong);
    thread->gates_wrong += wrong != NULL;
    thread->gates++;
}

static void *read_until_over(void *arg)
{
    struct thread *thread = arg;
    uint64_t last_gen[INV_DOC_COUNT] = {0};
    struct btcf_reader reader = {0};
    struct btcf_auth auth = {0};

    for (uint64_t turn = 0; !atomic_load(&is_over); turn++) {
        if (turn % ATTACH_EVERY == 0) { /* the whole check at attach runs against the writer too */
            thread->torn += btcf_reader_attach(&reader, writer->file.base, writer->file.size) != BTCF_ATTACH_OK;
            thread->gates_wrong += !btcf_auth_attach(&auth, &reader);
        }
        check_document(thread, &reader, last_gen);
        check_rest(thread, &reader);
        check_gate_tables(thread, &auth);
    }
    return NULL;
}

static int publish_all(void)
{
    for (uint64_t n = 0; n < publication_count; n++) {
        if (gate_step(writer, &board) < 0)
            return -1;
        inv_publish(writer, (uint32_t)(n % INV_DOC_COUNT));
        inv_publish_event(writer);
        inv_publish_dist(writer, n);
        writer_beat(writer);
        writer_set_health(writer, n & 7);
    }
    return 0;
}

static int report(const struct thread *threads)
{
    struct thread sum = {0};

    for (int i = 0; i < READER_COUNT; i++) {
        sum.reads += threads[i].reads;
        sum.changed += threads[i].changed;
        sum.torn += threads[i].torn;
        sum.backwards += threads[i].backwards;
        sum.busy += threads[i].busy;
        sum.gates += threads[i].gates;
        sum.gates_wrong += threads[i].gates_wrong;
    }

    const struct {
        const char *what;
        bool holds;
    } tests[] = {
        {"no read is torn", sum.torn == 0},
        {"no generation goes backwards", sum.backwards == 0},
        {"readers see new generations", sum.changed > READER_COUNT},
        {"nothing in the gate is torn or lost, and what was taken away stays away",
         sum.gates_wrong == 0 && sum.gates > READER_COUNT},
        {"the writer has made all its changes", atomic_load(&board.steps) == publication_count},
    };
    int failed = 0;

    printf("# %" PRIu64 " publications, %" PRIu64 " reads by %d threads, %" PRIu64 " of a new generation, %" PRIu64
           " busy\n# as many changes of the gate, %" PRIu64
           " looks at it, last revoked session %u, last disabled key %u\n",
           publication_count, sum.reads, READER_COUNT, sum.changed, sum.busy, sum.gates,
           atomic_load(&board.revoked_upto), atomic_load(&board.disabled_upto));
    printf("1..%zu\n", BTCF_LENGTH(tests));
    for (size_t i = 0; i < BTCF_LENGTH(tests); i++) {
        printf("%sok %zu - %s\n", tests[i].holds ? "" : "not ", i + 1, tests[i].what);
        failed += !tests[i].holds;
    }
    return failed == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct thread threads[READER_COUNT] = {0};
    struct shm_fixture fixture;

    if (argc > 1 && sscanf(argv[1], "--publications=%" SCNu64, &publication_count) != 1) {
        fprintf(stderr, "usage: threads [--publications=N]\n");
        return 2;
    }
    shm_fixture_init(&fixture);

    struct writer_options options = inv_options(fixture.dir);

    /* All in one file: entries that are used up must not run out. */
    options.auth.keys += (uint32_t)publication_count / 4;
    options.auth.networks += (uint32_t)publication_count / 32;
    if (writer_create(&writer, &options) < 0 || gate_fill(writer) < 0) {
        fprintf(stderr, "%s\n", err_text());
        return 1;
    }
    for (uint32_t doc = 0; doc < INV_DOC_COUNT; doc++)
        inv_publish(writer, doc);
    if (writer_go_live(writer) < 0) {
        fprintf(stderr, "%s\n", err_text());
        return 1;
    }
    for (unsigned i = 0; i < READER_COUNT; i++)
        if (pthread_create(&threads[i].id, NULL, read_until_over, &threads[i]) != 0)
            return 1;
    if (publish_all() < 0)
        printf("Bail out! %s\n", err_text());
    atomic_store(&is_over, true);
    for (unsigned i = 0; i < READER_COUNT; i++)
        pthread_join(threads[i].id, NULL);
    writer_close(&writer);
    shm_fixture_release(&fixture);
    return report(threads);
}
