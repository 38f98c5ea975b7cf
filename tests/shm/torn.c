/* Several reader processes check an invariant that a torn read must break, while one writer process after the other
 * publishes as fast as it can and is killed with SIGKILL: in the middle of a document, at random, before and after the
 * rename of its birth. Every restart takes the production path of birth; readers re-attach as workers do.
 *
 *     build/tests/shm/torn --reads=100000000 --kills=1000 --readers=3
 *
 * A read is one document copied anew with its meta data and one of its bodies, every byte of which is then compared with
 * what document, generation and body demand. "Torn" counts every copy that the reader declared good and that is not, and
 * every checksum that fails: in this test nobody damages anything, so a bad checksum is a tear that the generations did
 * not notice. As a control each reader also takes some copies without looking at the generation again and counts how
 * many of those are torn: were there none over a long run, the test would show nothing.
 */
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

enum place { BORN, BEFORE_RENAME, AFTER_RENAME, PUBLISHING, FILLING, FILLED, GATE_FILLING, GATE_FILLED, PLACE_COUNT };

static void note_place(enum place place);
#define WRITER_AT(place) note_place(place)

#include "shm_fixture.h"
#include "shm_invariant.h"

#include "gate_invariant.h"

#define READER_MAX 16
#define STALL_LIMIT_S 60
#define ATTACH_EVERY 256 /* reads between two looks for a new file */
#define CONTROL_EVERY 16
#define RANDOM_DELAY_NS 2000000
#define SIDE_EVERY 8 /* reads per event and curve read */

/* Plain in the reader that counts; copied to the board and back as shared words. */
struct tally {
    uint64_t reads, changed, torn, backwards, retries, busy, attaches, sides, controls, control_torn, gates,
        gates_wrong;
};

/* What the processes tell each other; a page that is none of the files under test. */
static struct board {
    _Atomic uint32_t place; /* of the writer: enum place */
    _Atomic uint32_t trap;  /* where it shall stop and wait to be killed: enum place, or PLACE_COUNT for nowhere */
    _Atomic int32_t trap_after; /* visits to that place before it does */
    _Atomic uint32_t is_trapped, is_over;
    _Atomic uint64_t publications, used_up;
    struct gate_board gate;
    struct tally tallies[READER_MAX];
} * board;

static struct options {
    uint64_t reads, kills;
    unsigned readers;
} options = {.reads = 400000, .kills = 60, .readers = 3};

static struct shm_fixture fixture;

/* ---- the writer -------------------------------------------------------------------------------------------------- */

static void note_place(enum place place)
{
    /* Release: the data stores before it are older than the note, also in the eyes of who looks after our death. */
    atomic_store_explicit(&board->place, place, memory_order_release);
    if (atomic_load_explicit(&board->trap, memory_order_relaxed) != place ||
        atomic_fetch_sub_explicit(&board->trap_after, 1, memory_order_relaxed) > 0)
        return;
    atomic_store(&board->is_trapped, 1);
    for (;;)
        pause();
}

/* One file, until a table of the gate is used up. */
static void write_one_file(void)
{
    const struct writer_options sizes = inv_options(fixture.dir);
    struct writer *writer;

    note_place(BORN);
    if (writer_create(&writer, &sizes) < 0 || gate_fill(writer) < 0) {
        fprintf(stderr, "# %s\n", err_text());
        _exit(1);
    }
    for (uint32_t doc = 0; doc < INV_DOC_COUNT; doc++)
        inv_publish(writer, doc);
    if (writer_go_live(writer) < 0) {
        fprintf(stderr, "# %s\n", err_text());
        _exit(1);
    }
    for (uint64_t n = 0; gate_step(writer, &board->gate) == 0; n++) {
        note_place(PUBLISHING);
        inv_publish(writer, (uint32_t)(n % INV_DOC_COUNT));
        if (n % SIDE_EVERY == 0) {
            note_place(PUBLISHING);
            inv_publish_event(writer);
            inv_publish_dist(writer, n);
            writer_beat(writer);
        }
        atomic_fetch_add_explicit(&board->publications, 1, memory_order_relaxed);
    }
    if (err_kind() != E_LIMIT) {
        fprintf(stderr, "# %s\n", err_text());
        _exit(1);
    }
    atomic_fetch_add_explicit(&board->used_up, 1, memory_order_relaxed);
    writer_close(&writer);
}

static void write_until_killed(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;)
        write_one_file();
}

/* ---- the readers ------------------------------------------------------------------------------------------------- */

struct seat {
    struct btcf_reader reader;
    struct btcf_auth auth;
    struct tally tally;
    unsigned number;
    int64_t slots[INV_DOC_COUNT];
    uint64_t last_gen[INV_DOC_COUNT], last_curve, last_event;
    uint64_t turn;
};

static void complain(struct seat *seat, uint64_t *counter, const char *what, uint64_t gen)
{
    ++*counter;
    fprintf(stderr, "# reader %u: %s at generation %" PRIu64 "\n", seat->number, what, gen);
}

/* As the worker's timer does it. A file that is refused although nobody damages any is reported as torn. */
static void attach_if_outdated(struct seat *seat)
{
    char key[INV_KEY_SIZE];

    if (!btcf_reader_is_outdated(&seat->reader, fixture.pub))
        return;

    enum btcf_attach why = btcf_reader_open(&seat->reader, fixture.pub);

    if (why == BTCF_ATTACH_RETIRED || why == BTCF_ATTACH_NO_FILE)
        return; /* replaced between open and check, or before the first birth */
    if (why != BTCF_ATTACH_OK) {
        complain(seat, &seat->tally.torn, btcf_attach_text(why), 0);
        return;
    }
    seat->tally.attaches++;
    if (!btcf_auth_attach(&seat->auth, &seat->reader))
        complain(seat, &seat->tally.gates_wrong, "a live file lacks the gate", 0);
    for (uint32_t doc = 0; doc < INV_DOC_COUNT; doc++) {
        inv_key(key, doc);
        seat->slots[doc] = btcf_reader_find(&seat->reader, key, strlen(key));
        if (seat->slots[doc] < 0)
            complain(seat, &seat->tally.torn, "a live file lacks a document", 0);
    }
}

static void check_document(struct seat *seat, uint32_t doc, const struct btcf_doc_meta *meta, unsigned body,
                           const unsigned char *buf)
{
    if (!inv_is_meta_whole(meta) || !inv_is_whole(buf, btcf_body_len(meta, body), doc, meta->gen, body))
        complain(seat, &seat->tally.torn, "a document is torn", meta->gen);
    if (meta->gen < seat->last_gen[doc])
        complain(seat, &seat->tally.backwards, "a document went backwards", meta->gen);
    seat->tally.changed += meta->gen != seat->last_gen[doc];
    seat->last_gen[doc] = meta->gen;
    seat->tally.reads++;
}

static void read_document(struct seat *seat)
{
    uint32_t doc = (uint32_t)(seat->turn % INV_DOC_COUNT);
    unsigned body = (unsigned)(seat->turn / INV_DOC_COUNT % BTCF_BODY_COUNT);
    unsigned char buf[INV_BODY_MAX];
    struct btcf_doc_meta meta;
    enum btcf_read outcome = btcf_reader_meta(&seat->reader, (uint32_t)seat->slots[doc], &meta);

    if (outcome == BTCF_READ_OK)
        outcome = btcf_reader_body(&seat->reader, (uint32_t)seat->slots[doc], &meta, body, buf);
    if (outcome == BTCF_READ_OK)
        check_document(seat, doc, &meta, body, buf);
    else if (outcome != BTCF_READ_BUSY)
        complain(seat, &seat->tally.torn, outcome == BTCF_READ_CORRUPT ? "bad checksum" : "absent", meta.gen);
}

/* The same copy without the second look at the generation: what a careless reader would do. */
static void read_carelessly(struct seat *seat)
{
    uint32_t doc = (uint32_t)(seat->turn % INV_DOC_COUNT);
    const struct btcf_doc_slot *slot = &seat->reader.slots[seat->slots[doc]];
    unsigned char buf[INV_BODY_MAX];
    uint64_t gen = btcf_gen_load(&slot->gen);
    struct btcf_doc_meta meta;

    btcf_words_load(&meta, &slot->meta[gen & 1], sizeof(meta));
    seat->tally.controls++;
    if (meta.gen == gen && meta.variant[0].body_len <= INV_BODY_MAX) {
        btcf_words_load(buf, seat->reader.bodies + meta.variant[0].body_off, meta.variant[0].body_len);
        if (inv_is_whole(buf, meta.variant[0].body_len, doc, gen, 0))
            return;
    }
    seat->tally.control_torn++;
}

static void read_event_and_curve(struct seat *seat)
{
    uint64_t head = btcf_reader_event_head(&seat->reader);
    struct btcf_event_slot event;
    struct btcf_dist_curve curve;
    enum btcf_read outcome = btcf_reader_event(&seat->reader, head, &event);

    if (head < seat->last_event)
        complain(seat, &seat->tally.backwards, "the ring went backwards", head);
    seat->last_event = head;
    if (outcome == BTCF_READ_CORRUPT || (outcome == BTCF_READ_OK && !inv_is_event_whole(&event, head)))
        complain(seat, &seat->tally.torn, "an event is torn", head);

    outcome = btcf_reader_dist(&seat->reader, "/d/0", 4, &curve);
    if (outcome == BTCF_READ_CORRUPT || (outcome == BTCF_READ_OK && !inv_is_curve_whole(&curve)))
        complain(seat, &seat->tally.torn, "a curve is torn", 0);
    if (outcome == BTCF_READ_OK && curve.gen < seat->last_curve)
        complain(seat, &seat->tally.backwards, "a curve went backwards", curve.gen);
    if (outcome == BTCF_READ_OK)
        seat->last_curve = curve.gen;
    seat->tally.sides++;
}

static void read_gate(struct seat *seat)
{
    const char *wrong = gate_check_whole(&seat->auth, seat->turn / SIDE_EVERY);
    const char *good_again = gate_check_refused(&seat->auth, &board->gate, seat->turn / SIDE_EVERY);

    if (wrong != NULL)
        complain(seat, &seat->tally.gates_wrong, wrong, 0);
    /* In a file that has been replaced what was refused since is not, until this reader's next look for another. */
    if (good_again != NULL && !btcf_reader_is_outdated(&seat->reader, fixture.pub))
        complain(seat, &seat->tally.gates_wrong, good_again, 0);
    seat->tally.gates++;
}

static void read_until_over(unsigned number)
{
    struct seat seat = {.number = number, .turn = number};

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (atomic_load_explicit(&board->is_over, memory_order_relaxed) == 0) {
        if (seat.turn++ % ATTACH_EVERY == 0 || seat.reader.base == NULL || btcf_reader_is_retired(&seat.reader))
            attach_if_outdated(&seat);
        if (seat.reader.base == NULL) {
            sched_yield();
            continue;
        }
        read_document(&seat);
        if (seat.turn % CONTROL_EVERY == 0)
            read_carelessly(&seat);
        if (seat.turn % SIDE_EVERY == 0) {
            read_event_and_curve(&seat);
            read_gate(&seat);
        }
        seat.tally.retries = seat.reader.retries;
        seat.tally.busy = seat.reader.busy;
        btcf_words_store(&board->tallies[number], &seat.tally, sizeof(seat.tally));
    }
    btcf_reader_close(&seat.reader);
    _exit(0);
}

/* ---- the killer -------------------------------------------------------------------------------------------------- */

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static struct tally sum_up(void)
{
    struct tally sum = {0};

    for (unsigned i = 0; i < options.readers; i++) {
        struct tally one;

        btcf_words_load(&one, &board->tallies[i], sizeof(one));
        sum.reads += one.reads;
        sum.changed += one.changed;
        sum.torn += one.torn;
        sum.backwards += one.backwards;
        sum.retries += one.retries;
        sum.busy += one.busy;
        sum.attaches += one.attaches;
        sum.sides += one.sides;
        sum.controls += one.controls;
        sum.control_torn += one.control_torn;
        sum.gates += one.gates;
        sum.gates_wrong += one.gates_wrong;
    }
    return sum;
}

static uint64_t total_reads(void)
{
    const struct tally sum = sum_up();

    return sum.reads;
}

static pid_t start(void (*run)(unsigned), unsigned argument)
{
    pid_t pid = fork();

    if (pid == 0) {
        run(argument);
        _exit(1);
    }
    if (pid < 0) {
        perror("fork");
        exit(1);
    }
    return pid;
}

static void run_writer(unsigned unused)
{
    (void)unused;
    write_until_killed();
}

/* Waits until the condition holds; the test fails loudly when nothing moves for a long time. */
#define AWAIT(condition)                                                                                             \
    do {                                                                                                             \
        double give_up_s = now_s() + STALL_LIMIT_S;                                                                  \
        while (!(condition)) {                                                                                       \
            if (now_s() > give_up_s) {                                                                               \
                printf("Bail out! waited %d s in vain for: %s\n", STALL_LIMIT_S, #condition);                        \
                exit(1);                                                                                             \
            }                                                                                                        \
            nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);                                                   \
        }                                                                                                            \
    } while (0)

/* Of every twenty kills: eleven in the middle of a document, one before and one after the rename, three in the middle of
 * a change of the gate, four anywhere. */
static void set_trap(uint64_t kill_number)
{
    static const enum place places[20] = {FILLING,     FILLING,       PLACE_COUNT, FILLING,     GATE_FILLED,
                                          FILLING,     PLACE_COUNT,   FILLING,     FILLING,     GATE_FILLING,
                                          FILLING,     BEFORE_RENAME, FILLING,     PLACE_COUNT, FILLING,
                                          GATE_FILLED, AFTER_RENAME,  FILLING,     FILLING,     PLACE_COUNT};
    enum place place = places[kill_number % BTCF_LENGTH(places)];

    atomic_store(&board->is_trapped, 0);
    /* Which of the four bodies, and how far from the last kill, changes from kill to kill. */
    atomic_store(&board->trap_after,
                 place >= FILLING && place < PLACE_COUNT ? (int32_t)(inv_mix(kill_number) % 101) : 0);
    atomic_store(&board->trap, place);
}

/* Kills the writer where the trap catches it, or anywhere, and starts the next one. Returns where it died. */
static enum place kill_once(pid_t *writer, uint64_t kill_number)
{
    uint64_t before = board->publications;
    int status;

    set_trap(kill_number);
    if (board->trap == BEFORE_RENAME || board->trap == AFTER_RENAME) {
        /* The living writer is past its birth: this kill takes it anywhere, the next one is caught being born. */
        kill(*writer, SIGKILL);
        waitpid(*writer, &status, 0);
        *writer = start(run_writer, 0);
    }
    if (board->trap == PLACE_COUNT) {
        AWAIT(board->publications > before);
        nanosleep(&(struct timespec){.tv_nsec = (long)(inv_mix(kill_number) % RANDOM_DELAY_NS)}, NULL);
    } else {
        AWAIT(board->is_trapped != 0);
    }
    kill(*writer, SIGKILL);
    waitpid(*writer, &status, 0);

    enum place place = (enum place)board->place;

    atomic_store(&board->trap, PLACE_COUNT);
    *writer = start(run_writer, 0);
    return place;
}

static void kill_and_wait(uint64_t died_at[PLACE_COUNT])
{
    pid_t writer = start(run_writer, 0);
    uint64_t before;
    int status;

    for (uint64_t kills = 0; kills < options.kills; kills++) {
        /* Spread the kills over the reads. */
        AWAIT(total_reads() >= kills * (options.reads / options.kills));
        died_at[kill_once(&writer, kills)]++;
    }
    for (before = total_reads(); before < options.reads; before = total_reads())
        AWAIT(total_reads() > before);
    kill(writer, SIGKILL);
    waitpid(writer, &status, 0);
}

static int report(const struct tally *sum, const uint64_t died_at[PLACE_COUNT], double elapsed_s)
{
    uint64_t kills = 0;
    int failed = 0;

    for (int place = 0; place < PLACE_COUNT; place++)
        kills += died_at[place];
    printf("# %" PRIu64 " reads by %u processes in %.1f s, %.0f per s; %" PRIu64 " of them found a new generation\n",
           sum->reads, options.readers, elapsed_s, (double)sum->reads / elapsed_s, sum->changed);
    printf("# %" PRIu64 " publications, %.0f per s; %" PRIu64 " times a reader attached to a new file\n",
           (uint64_t)board->publications, (double)board->publications / elapsed_s, sum->attaches);
    uint64_t died_in_gate = died_at[GATE_FILLING] + died_at[GATE_FILLED];

    printf("# %" PRIu64 " kills: %" PRIu64 " between first data store and generation store, %" PRIu64
           " before and %" PRIu64 " after the rename, %" PRIu64 " in a change of the gate, %" PRIu64 " elsewhere\n",
           kills, died_at[FILLING], died_at[BEFORE_RENAME], died_at[AFTER_RENAME], died_in_gate,
           kills - died_at[FILLING] - died_at[BEFORE_RENAME] - died_at[AFTER_RENAME] - died_in_gate);
    printf("# %" PRIu64 " changes of the gate, %" PRIu64 " looks at it, %" PRIu64
           " files used up; last revoked session %u, last disabled key %u\n",
           (uint64_t)board->gate.steps, sum->gates, (uint64_t)board->used_up, board->gate.revoked_upto,
           board->gate.disabled_upto);
    printf("# torn %" PRIu64 ", backwards %" PRIu64 ", retries %" PRIu64 " (%.4f %%), found busy %" PRIu64
           " (%.4f %%)\n",
           sum->torn, sum->backwards, sum->retries, 100.0 * (double)sum->retries / (double)sum->reads, sum->busy,
           100.0 * (double)sum->busy / (double)sum->reads);
    printf("# %" PRIu64 " reads of event and curve; control: %" PRIu64 " of %" PRIu64 " careless copies were torn\n",
           sum->sides, sum->control_torn, sum->controls);

    const struct {
        const char *what;
        bool holds;
    } tests[] = {
        {"no read is torn", sum->torn == 0},
        {"no generation goes backwards", sum->backwards == 0},
        {"the readers read as often as they were asked to", sum->reads >= options.reads},
        {"the writer was killed as often as asked for", kills == options.kills},
        {"at least half of the kills hit a half-written document", died_at[FILLING] * 2 >= options.kills},
        {"every reader follows the writers from file to file", sum->attaches > options.readers},
        {"readers see new generations", sum->changed > options.kills},
        {"nothing in the gate is torn or lost, and what was taken away stays away",
         sum->gates_wrong == 0 && sum->gates > options.readers},
        {"writers die in the middle of changes of the gate", died_in_gate * 10 >= options.kills},
    };

    printf("1..%zu\n", BTCF_LENGTH(tests));
    for (size_t i = 0; i < BTCF_LENGTH(tests); i++) {
        printf("%sok %zu - %s\n", tests[i].holds ? "" : "not ", i + 1, tests[i].what);
        failed += !tests[i].holds;
    }
    return failed == 0 ? 0 : 1;
}

static void parse_options(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (sscanf(argv[i], "--reads=%" SCNu64, &options.reads) != 1 &&
            sscanf(argv[i], "--kills=%" SCNu64, &options.kills) != 1 &&
            sscanf(argv[i], "--readers=%u", &options.readers) != 1) {
            fprintf(stderr, "usage: torn [--reads=N] [--kills=N] [--readers=N]\n");
            exit(2);
        }
    if (options.kills == 0 || options.readers == 0 || options.readers > READER_MAX) {
        fprintf(stderr, "at least one kill, 1 to %d readers\n", READER_MAX);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    uint64_t died_at[PLACE_COUNT] = {0};
    pid_t readers[READER_MAX];
    struct tally sum;
    int failed_readers = 0, status;

    setvbuf(stdout, NULL, _IOLBF, 0);
    parse_options(argc, argv);
    board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (board == MAP_FAILED)
        return 1;
    atomic_store(&board->trap, PLACE_COUNT);
    shm_fixture_init(&fixture);

    double begin_s = now_s();

    for (unsigned i = 0; i < options.readers; i++)
        readers[i] = start(read_until_over, i);
    kill_and_wait(died_at);
    atomic_store(&board->is_over, 1);
    for (unsigned i = 0; i < options.readers; i++) {
        waitpid(readers[i], &status, 0);
        failed_readers += status != 0;
    }
    sum = sum_up();
    shm_fixture_release(&fixture);
    status = report(&sum, died_at, now_s() - begin_s);
    if (failed_readers > 0)
        printf("# %d readers died\n", failed_readers);
    return failed_readers > 0 ? 1 : status;
}
