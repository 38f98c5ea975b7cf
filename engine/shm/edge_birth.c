/* Birth of edge.v1, and what goes on in it from the file before.
 *
 * Limits are promises to others, so they go on: the words of accounts by their number, of principals by their hash, of
 * addresses by the bits of theirs that name a set. The last works because the seed of the hashes goes on as well, and
 * because the number of sets is a power of two that only grows: what lay in set i of n belongs to one of the sets i,
 * i + n, i + 2n ... of the new file, and is copied to all of them, since a cell does not say to which. The copies that
 * nobody meets free themselves when their time has passed.
 *
 * Usage does not go on: it would be billed twice. The file before keeps it, under a name of its own, for the meter.
 *
 * While the copy is made, and until the workers of the old configuration have ended, two files limit at once: at most
 * one burst more of each account is admitted then. To stop the old workers first would fail requests instead.
 */
#include "shm/edge_birth.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shm/btcf_seq.h"

#define EDGE_MODE 0660u

const struct btcf_section_shape btcf_edge_shapes[BTCF_EDGE_SECTION_COUNT] = {
    [BTCF_EDGE_METRIC] = {BTCF_SECTION_METRIC, sizeof(struct btcf_metric_block), 0},
    [BTCF_EDGE_LIMIT] = {BTCF_SECTION_LIMIT, sizeof(struct btcf_limit_row), 0},
    [BTCF_EDGE_USAGE] = {BTCF_SECTION_USAGE, sizeof(struct btcf_usage_row), 0},
    [BTCF_EDGE_POOL] = {BTCF_SECTION_POOL, sizeof(struct btcf_pool_entry), 0},
    [BTCF_EDGE_ADDR] = {BTCF_SECTION_ADDR, sizeof(struct btcf_addr_set), 0},
};

/* Entries of each section. */
struct room {
    uint32_t count[BTCF_EDGE_SECTION_COUNT];
};

static uint32_t asked_or_default(uint32_t asked, uint32_t fallback)
{
    uint32_t count = asked == 0 ? fallback : asked;

    return count > BTCF_EDGE_ROWS_MAX ? BTCF_EDGE_ROWS_MAX : count;
}

static struct room room_asked_for(const struct btcf_edge_options *options)
{
    uint32_t keys = asked_or_default(options->keys, BTCF_EDGE_KEYS);
    uint32_t accounts = asked_or_default(options->accounts, BTCF_EDGE_ACCOUNTS);
    uint32_t principals = asked_or_default(options->principals, BTCF_EDGE_PRINCIPALS);
    uint32_t addresses = asked_or_default(options->addresses, BTCF_EDGE_ADDRESSES);

    return (struct room){
        .count = {
            [BTCF_EDGE_METRIC] = BTCF_METRIC_BLOCKS,
            [BTCF_EDGE_LIMIT] = accounts,
            [BTCF_EDGE_USAGE] = keys + accounts,
            [BTCF_EDGE_POOL] = btcf_power_of_two_from(principals < BTCF_POOL_WAYS ? BTCF_POOL_WAYS : principals),
            [BTCF_EDGE_ADDR] = btcf_power_of_two_from((addresses + BTCF_ADDR_WAYS - 1) / BTCF_ADDR_WAYS),
        }};
}

static struct room room_in(const struct btcf_edge *edge)
{
    return (struct room){.count = {
                             [BTCF_EDGE_METRIC] = BTCF_METRIC_BLOCKS,
                             [BTCF_EDGE_LIMIT] = edge->limit_count,
                             [BTCF_EDGE_USAGE] = edge->usage_count,
                             [BTCF_EDGE_POOL] = edge->pool_count,
                             [BTCF_EDGE_ADDR] = edge->address_sets,
                         }};
}

static bool is_of_this_boot(const struct btcf_edge *edge)
{
    uint8_t boot_id[16];

    btcf_boot_id(boot_id);
    return memcmp(edge->header->boot_id, boot_id, sizeof(boot_id)) == 0;
}

bool btcf_edge_fits(const struct btcf_edge *edge, const struct btcf_edge_options *options)
{
    struct room asked = room_asked_for(options), present = room_in(edge);

    for (int i = 0; i < BTCF_EDGE_SECTION_COUNT; i++)
        if (present.count[i] < asked.count[i])
            return false;
    return edge->header->minor >= BTCF_ABI_MINOR && is_of_this_boot(edge);
}

/* ---- what goes on ------------------------------------------------------------------------------------------------ */

static void copy_word(_Atomic uint64_t *to, const _Atomic uint64_t *from)
{
    /* Relaxed: each word means something by itself, and nobody sees the new file yet. */
    atomic_store_explicit(to, atomic_load_explicit(from, memory_order_relaxed), memory_order_relaxed);
}

/* Open streams are not taken over: those of the old workers end in the old file. */
static void carry_limit(struct btcf_limit_row *to, const struct btcf_limit_row *from, bool has_times)
{
    if (has_times)
        copy_word(&to->tat_ns, &from->tat_ns);
    copy_word(&to->day, &from->day);
    copy_word(&to->month, &from->month);
    copy_word(&to->limited, &from->limited);
}

static void carry_entry(struct btcf_edge *edge, const struct btcf_pool_entry *from, bool has_times)
{
    /* Partner: the release store of the length in btcf_pool_find. */
    uint32_t subject_len = atomic_load_explicit(&from->subject_len, memory_order_acquire);
    uint64_t hash = atomic_load_explicit(&from->hash, memory_order_relaxed);
    uint32_t set = (uint32_t)hash & (edge->pool_count / BTCF_POOL_WAYS - 1);
    struct btcf_pool_entry *to = &edge->pool[set * BTCF_POOL_WAYS], *end = to + BTCF_POOL_WAYS;
    char subject[BTCF_SUBJECT_MAX];

    if (hash == 0 || subject_len == 0 || subject_len > BTCF_SUBJECT_MAX)
        return; /* free, or claimed by a process that died then */
    while (to < end && atomic_load_explicit(&to->hash, memory_order_relaxed) != 0)
        to++;
    if (to == end)
        return;
    btcf_words_load(subject, from->subject, sizeof(subject));
    btcf_words_store(to->subject, subject, sizeof(subject));
    carry_limit(&to->limit, &from->limit, has_times);
    copy_word(&to->usage.last_used_s, &from->usage.last_used_s);
    atomic_store_explicit(&to->subject_len, subject_len, memory_order_relaxed);
    atomic_store_explicit(&to->hash, hash, memory_order_relaxed);
}

/* Tables only grow, so all that the file before had has a place in the new one. */
static void carry_over(struct btcf_edge *edge, const struct btcf_edge *before)
{
    bool has_times = is_of_this_boot(before);

    for (uint32_t i = 0; i < before->limit_count; i++)
        carry_limit(&edge->limits[i], &before->limits[i], has_times);
    for (uint32_t i = 0; i < before->pool_count; i++)
        carry_entry(edge, &before->pool[i], has_times);
    if (!has_times || before->address_sets == 0)
        return;
    for (uint32_t i = 0; i < edge->address_sets; i++)
        for (unsigned way = 0; way < BTCF_ADDR_WAYS; way++)
            copy_word(&edge->addresses[i].cell[way], &before->addresses[i & (before->address_sets - 1)].cell[way]);
}

/* ---- birth ------------------------------------------------------------------------------------------------------- */

static uint64_t place_sections(struct btcf_section sections[BTCF_EDGE_SECTION_COUNT], const struct room *room)
{
    uint64_t end = btcf_round_up(sizeof(struct btcf_header), BTCF_PAGE_SIZE);

    for (int i = 0; i < BTCF_EDGE_SECTION_COUNT; i++)
        end = btcf_section_place(&sections[i], end, &btcf_edge_shapes[i], room->count[i]);
    return end;
}

/* Everything of a new file but its name. */
static enum btcf_attach fill(struct btcf_edge *edge, struct btcf_file *file,
                             const struct btcf_header_options *options, const struct btcf_edge *before)
{
    struct btcf_header *header = (struct btcf_header *)file->base;

    if (btcf_header_fill(file, options) < 0)
        return BTCF_ATTACH_SYSTEM;
    /* Partner: the acquire load of state in btcf_header_check. What is copied below is not ordered by it: nobody else
     * knows the file until it gets its name. */
    atomic_store_explicit(&header->state, BTCF_STATE_LIVE, memory_order_release);

    enum btcf_attach why = btcf_edge_attach(edge, file);

    if (why == BTCF_ATTACH_OK && before != NULL)
        carry_over(edge, before);
    return why;
}

/* Gives the file before a second name, for the meter. A link first and the rename after it, because then edge.v1 is
 * never missing; a master that died between the two left a link that is this one. */
static bool keep_for_the_meter(const char *path, const struct btcf_edge *before)
{
    const uint8_t *instance = before->header->instance;
    char old_path[BTCF_EDGE_PATH_MAX];
    int len;

    if (before->usage == NULL)
        return true;
    len = snprintf(old_path, sizeof(old_path), "%s.old-", path);
    for (size_t i = 0; i < sizeof(before->header->instance) && len < (int)sizeof(old_path) - 2; i++)
        len += snprintf(old_path + len, sizeof(old_path) - (size_t)len, "%02x", instance[i]);
    return link(path, old_path) == 0 || errno == EEXIST;
}

static struct room larger_of(struct room a, struct room b)
{
    for (int i = 0; i < BTCF_EDGE_SECTION_COUNT; i++)
        a.count[i] = a.count[i] > b.count[i] ? a.count[i] : b.count[i];
    return a;
}

enum btcf_attach btcf_edge_make(struct btcf_edge *edge, const char *path, const struct btcf_edge_options *options,
                                const struct btcf_edge *before)
{
    struct btcf_section sections[BTCF_EDGE_SECTION_COUNT];
    struct btcf_header_options header = {.magic = BTCF_EDGE_MAGIC,
                                         .build = options->build,
                                         .sections = sections,
                                         .section_count = BTCF_EDGE_SECTION_COUNT};
    struct room room = room_asked_for(options);
    char tmp_path[BTCF_EDGE_PATH_MAX];
    struct btcf_file file;
    enum btcf_attach why;

    if (before != NULL) {
        room = larger_of(room, room_in(before));
        header.seed = before->header->instance;
    }
    if (snprintf(tmp_path, sizeof(tmp_path), "%s.tmp", path) >= (int)sizeof(tmp_path)) {
        errno = ENAMETOOLONG;
        return BTCF_ATTACH_SYSTEM;
    }
    unlink(tmp_path); /* of a master that died here; there is one master per directory */
    if (btcf_file_create(&file, tmp_path, place_sections(sections, &room), EDGE_MODE) < 0)
        return BTCF_ATTACH_SYSTEM;
    *edge = (struct btcf_edge){.base = file.base, .size = file.size, .lock_fd = -1};
    why = fill(edge, &file, &header, before);
    if (why == BTCF_ATTACH_OK && btcf_edge_take_lock(edge, tmp_path, true) &&
        (before == NULL || keep_for_the_meter(path, before)) && rename(tmp_path, path) == 0)
        return BTCF_ATTACH_OK;

    int saved_errno = errno;

    btcf_edge_close(edge);
    unlink(tmp_path);
    errno = saved_errno;
    return BTCF_ATTACH_SYSTEM;
}

enum btcf_attach btcf_edge_open_anonymous(struct btcf_edge *edge, const struct btcf_edge_options *options)
{
    struct btcf_section sections[BTCF_EDGE_SECTION_COUNT];
    const struct btcf_header_options header = {.magic = BTCF_EDGE_MAGIC,
                                               .build = options->build,
                                               .sections = sections,
                                               .section_count = BTCF_EDGE_SECTION_COUNT};
    struct room room = room_asked_for(options);
    struct btcf_file file = {.size = place_sections(sections, &room)};
    void *base = mmap(NULL, (size_t)file.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    memset(edge, 0, sizeof(*edge));
    if (base == MAP_FAILED)
        return BTCF_ATTACH_SYSTEM;
    file.base = (unsigned char *)base;

    enum btcf_attach why = fill(edge, &file, &header, NULL);

    if (why != BTCF_ATTACH_OK) {
        int saved_errno = errno;

        btcf_file_close(&file);
        memset(edge, 0, sizeof(*edge));
        errno = saved_errno;
    }
    return why;
}
