/* Birth and death of pub: writer_create, writer_go_live, writer_close.
 *
 * A publisher that starts makes a new file and never repairs an old one: it has no way to know which of the bytes that
 * a dead one left are good, other than those that the reader can check. So: lock out every other writer; allocate the
 * whole file under a temporary name, so that a full tmpfs is an error here and not a SIGBUS later; take over the events
 * and the gate of the old file; let the caller publish every document; and only then state LIVE and rename, so that the name pub.v1
 * never stands for anything but a complete file. The mark on the old file comes last and is a courtesy: workers would
 * find the new one by its inode, a moment later.
 *
 * Generations go on by one number, the floor: the highest that anything reached in any file before. To go on key by key
 * was tried and is wrong: a file whose writer dies before it has published a key again forgets where that key was.
 */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/err.h"
#include "shm/writer_state.h"

#define LOCK_FILE "publish.lock"
#define TMP_PREFIX BTCF_PUB_FILE "."
#define TMP_SUFFIX ".tmp"
#define ARENA_BYTES_MAX ((size_t)64 << 20)
#define DOC_COUNT_LIMIT (UINT32_C(1) << 16)
#define EVENT_COUNT_LIMIT (UINT32_C(1) << 20)

static int take_lock(struct writer *writer, const char *dir);
static int remove_leftovers(const char *dir);
static int make_file(struct writer *writer, const struct writer_options *options);
static void open_old(struct writer *writer, struct btcf_reader *old);
static void inherit_events(struct writer *writer, struct btcf_reader *old);

static int check_options(const struct writer_options *options)
{
    if (options->doc_count_max == 0 || options->doc_count_max > DOC_COUNT_LIMIT || options->doc_bytes_max == 0 ||
        options->event_count == 0 || options->event_count > EVENT_COUNT_LIMIT || options->dist_count_max == 0 ||
        options->dist_count_max > DOC_COUNT_LIMIT)
        return err_set(E_INPUT, "a size of the shared file is zero or out of bounds");
    return 0;
}

int writer_create(struct writer **result, const struct writer_options *options)
{
    if (check_options(options) < 0)
        return -1;

    struct arena *arena = arena_create("shm writer", ARENA_BYTES_MAX);
    struct writer *writer = arena_alloc(arena, sizeof(*writer));
    struct btcf_reader old = {0};

    writer->arena = arena;
    writer->path = arena_printf(arena, "%s/" BTCF_PUB_FILE, options->dir);
    writer->tmp_path = arena_printf(arena, "%s/" TMP_PREFIX "%ld" TMP_SUFFIX, options->dir, (long)getpid());
    writer->lock_fd = -1;
    if (take_lock(writer, options->dir) < 0 || remove_leftovers(options->dir) < 0)
        goto fail;
    open_old(writer, &old);
    if (make_file(writer, options) < 0)
        goto fail;
    inherit_events(writer, &old);
    writer_gate_inherit(writer, &old);
    btcf_reader_close(&old);
    *result = writer;
    return 0;
fail:
    btcf_reader_close(&old);
    writer_close(&writer);
    return err_wrap("while making a shared file in %s", options->dir);
}

static int take_lock(struct writer *writer, const char *dir)
{
    const char *path = arena_printf(writer->arena, "%s/" LOCK_FILE, dir);

    writer->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (writer->lock_fd < 0)
        return err_set(E_STORE, "cannot open %s: %s", path, strerror(errno));
    if (flock(writer->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        return err_set(E_CONFLICT, "another publisher holds %s", path);
    return err_set(E_STORE, "cannot lock %s: %s", path, strerror(errno));
}

static bool is_leftover(const char *name)
{
    size_t len = strlen(name);

    return len > strlen(TMP_PREFIX TMP_SUFFIX) && strncmp(name, TMP_PREFIX, strlen(TMP_PREFIX)) == 0 &&
           strcmp(name + len - strlen(TMP_SUFFIX), TMP_SUFFIX) == 0;
}

/* Files of writers that died between their birth and their rename. We hold the lock, so none of them is in use. */
static int remove_leftovers(const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;

    if (dir == NULL)
        return err_set(E_STORE, "cannot list %s: %s", path, strerror(errno));
    while ((entry = readdir(dir)) != NULL)
        if (is_leftover(entry->d_name))
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
    return 0;
}

enum { DOC, DIST, EVENT, BODY, PUB_SECTION_COUNT };

/* Where everything will lie; the sizes that follow from the options go into the writer. */
struct plan {
    struct btcf_section sections[PUB_SECTION_COUNT + GATE_SECTION_COUNT];
    uint32_t section_count;
    uint64_t file_size;
};

static int make_plan(struct plan *plan, struct writer *writer, const struct writer_options *options)
{
    static const struct btcf_section_shape shapes[PUB_SECTION_COUNT] = {
        [DOC] = {BTCF_SECTION_DOC, sizeof(struct btcf_doc_slot), 0},
        [DIST] = {BTCF_SECTION_DIST, sizeof(struct btcf_dist_slot), 0},
        [EVENT] = {BTCF_SECTION_EVENT, sizeof(struct btcf_event_slot), sizeof(struct btcf_event_ring)},
        [BODY] = {BTCF_SECTION_BODY, 1, 0},
    };

    writer->slot_count = btcf_power_of_two_from(options->doc_count_max * 2);
    writer->doc_count_max = options->doc_count_max;
    writer->dist_count_max = options->dist_count_max;
    writer->event_count = options->event_count;
    /* Each of the four bodies may need padding behind it. */
    writer->buffer_size = btcf_round_up(options->doc_bytes_max, BTCF_DOC_ALIGN) + BTCF_BODY_COUNT * BTCF_DOC_ALIGN;

    uint64_t bodies_size = 2 * writer->buffer_size * options->doc_count_max;

    if (bodies_size > UINT32_MAX)
        return err_set(E_LIMIT, "%u documents of %u bytes need more than the 4 GiB that offsets reach",
                       options->doc_count_max, options->doc_bytes_max);

    uint64_t end = btcf_round_up(sizeof(struct btcf_header), BTCF_PAGE_SIZE);

    end = btcf_section_place(&plan->sections[DOC], end, &shapes[DOC], writer->slot_count);
    end = btcf_section_place(&plan->sections[DIST], end, &shapes[DIST], writer->dist_count_max);
    end = btcf_section_place(&plan->sections[EVENT], end, &shapes[EVENT], writer->event_count);
    end = btcf_section_place(&plan->sections[BODY], end, &shapes[BODY], (uint32_t)bodies_size);

    struct gate_section gate[GATE_SECTION_COUNT];
    int gate_count = writer_gate_layout(&options->auth, gate);

    if (gate_count < 0)
        return -1;
    for (int i = 0; i < gate_count; i++)
        end = btcf_section_place(&plan->sections[PUB_SECTION_COUNT + i], end, &gate[i].shape, gate[i].count);
    plan->section_count = PUB_SECTION_COUNT + (uint32_t)gate_count;
    plan->file_size = end;
    return 0;
}

static void adopt_mapping(struct writer *writer, const struct btcf_section *sections)
{
    unsigned char *base = writer->file.base;

    writer->header = (struct btcf_header *)base;
    memcpy(&writer->hash_seed, writer->header->instance, sizeof(writer->hash_seed));
    writer->slots = (struct btcf_doc_slot *)(base + sections[DOC].offset);
    writer->dists = (struct btcf_dist_slot *)(base + sections[DIST].offset);
    writer->ring = (struct btcf_event_ring *)(base + sections[EVENT].offset);
    writer->events = (struct btcf_event_slot *)(base + sections[EVENT].offset + sizeof(struct btcf_event_ring));
    writer->bodies = base + sections[BODY].offset;
    writer->doc_gens = arena_array(writer->arena, writer->slot_count, sizeof(*writer->doc_gens));
    writer->doc_buffers = arena_array(writer->arena, writer->slot_count, sizeof(*writer->doc_buffers));
    writer->dist_gens = arena_array(writer->arena, writer->dist_count_max, sizeof(*writer->dist_gens));
}

static int make_file(struct writer *writer, const struct writer_options *options)
{
    struct plan plan;

    if (make_plan(&plan, writer, options) < 0)
        return -1;
    if (btcf_file_create(&writer->file, writer->tmp_path, plan.file_size, (uint32_t)options->mode) < 0)
        return err_set(E_STORE, "cannot make %s of %llu bytes: %s", writer->tmp_path,
                       (unsigned long long)plan.file_size, strerror(errno));

    const struct btcf_header_options header = {.magic = BTCF_PUB_MAGIC,
                                               .build = options->build,
                                               .sections = plan.sections,
                                               .section_count = plan.section_count,
                                               .fence = options->fence,
                                               .gen_floor = writer->gen_floor};

    if (btcf_header_fill(&writer->file, &header) < 0)
        return err_set(E_STORE, "no random bytes for the file's identity: %s", strerror(errno));
    adopt_mapping(writer, plan.sections);
    if (plan.section_count > PUB_SECTION_COUNT)
        writer_gate_adopt(writer, plan.sections + PUB_SECTION_COUNT, &options->auth);
    return 0;
}

/* ---- what goes on from the file before --------------------------------------------------------------------------- */

static void inherit_events(struct writer *writer, struct btcf_reader *old)
{
    uint64_t head = btcf_reader_event_head(old);
    uint64_t kept = old->event_count < writer->event_count ? old->event_count : writer->event_count;
    struct btcf_event_slot event;

    writer->ring->first_id = head + 1;
    for (uint64_t id = head > kept ? head - kept + 1 : 1; id <= head; id++) {
        if (btcf_reader_event(old, id, &event) != BTCF_READ_OK)
            continue; /* half-written when its writer died, or damaged: a gap that clients see as one */
        if (writer->ring->first_id > id)
            writer->ring->first_id = id;
        writer_store_event(writer, &event, id);
    }
    writer->event_head = head;
    atomic_store_explicit(&writer->ring->head_id, head, memory_order_relaxed);
}

/* The highest generation that any document or curve has reached, in the old file or in one before it. */
static uint64_t highest_gen(const struct btcf_reader *old)
{
    uint64_t highest = old->header->gen_floor;

    /* Relaxed: the writer of that file is dead, since we hold its lock. */
    for (uint32_t i = 0; i < old->slot_count; i++) {
        uint64_t gen = atomic_load_explicit(&old->slots[i].gen, memory_order_relaxed);

        highest = gen > highest ? gen : highest;
    }
    for (uint32_t i = 0; i < old->dist_count; i++) {
        uint64_t gen = atomic_load_explicit(&old->dists[i].gen, memory_order_relaxed);

        highest = gen > highest ? gen : highest;
    }
    return highest;
}

/* What the new file goes on from. A missing, damaged or foreign old file is no error: everything then begins at 1. */
static void open_old(struct writer *writer, struct btcf_reader *old)
{
    memset(old, 0, sizeof(*old));

    enum btcf_attach why = btcf_reader_open(old, writer->path);

    if (why != BTCF_ATTACH_OK && why != BTCF_ATTACH_NO_FILE)
        writer->gate.refusal = btcf_attach_text(why);
    if (why != BTCF_ATTACH_OK)
        return;
    writer->gen_floor = highest_gen(old);
    writer->epoch = btcf_reader_epoch(old);
    writer->heartbeat = btcf_reader_heartbeat(old);
}

/* ---- going live and dying ---------------------------------------------------------------------------------------- */

static void retire(struct btcf_file *old)
{
    struct btcf_header *header = (struct btcf_header *)old->base;

    if (old->base == NULL)
        return;
    /* Relaxed: a hint to look for the new file, which the rename before it has already made visible. */
    if (memcmp(header->magic, BTCF_PUB_MAGIC, sizeof(header->magic)) == 0 && header->major == BTCF_ABI_MAJOR)
        atomic_store_explicit(&header->state, BTCF_STATE_RETIRED, memory_order_relaxed);
    btcf_file_close(old);
}

int writer_go_live(struct writer *writer)
{
    static const struct btcf_file_options writable = {.is_writable = true, .forbidden_mode = 0};
    struct btcf_file old = {0};

    assert(!writer->is_live);
    atomic_store_explicit(&writer->header->epoch, ++writer->epoch, memory_order_relaxed);
    atomic_store_explicit(&writer->header->heartbeat, ++writer->heartbeat, memory_order_relaxed);
    /* Everything before is seen by whoever sees LIVE. Partner: the acquire load of state in btcf_header_check. */
    atomic_store_explicit(&writer->header->state, BTCF_STATE_LIVE, memory_order_release);

    if (btcf_file_open(&old, writer->path, &writable) != BTCF_ATTACH_OK)
        old.base = NULL; /* none, or not ours to mark: workers then find the new file by its inode */
    WRITER_AT(BEFORE_RENAME);
    if (rename(writer->tmp_path, writer->path) < 0) {
        btcf_file_close(&old);
        return err_set(E_STORE, "cannot rename %s to %s: %s", writer->tmp_path, writer->path, strerror(errno));
    }
    writer->is_live = true;
    WRITER_AT(AFTER_RENAME);
    retire(&old);
    return 0;
}

bool writer_is_in_place(const struct writer *writer)
{
    struct stat named;

    if (!writer->is_live)
        return true;
    return lstat(writer->path, &named) == 0 && (uint64_t)named.st_dev == writer->file.device &&
           (uint64_t)named.st_ino == writer->file.inode;
}

void writer_close(struct writer **writer_variable)
{
    struct writer *writer = *writer_variable;
    struct arena *arena;

    *writer_variable = NULL;
    if (writer == NULL)
        return;
    if (writer->file.base != NULL && !writer->is_live)
        (void)unlink(writer->tmp_path);
    btcf_file_close(&writer->file);
    if (writer->lock_fd >= 0)
        close(writer->lock_fd);
    arena = writer->arena;
    arena_free(&arena);
}
