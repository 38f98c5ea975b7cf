/* See drain.h. The scan walks the places of a file, usage rows first, then principals; what has grown since its cursor goes
 * into a booking, and a full booking into the database. The cursors in memory move only after the commit.
 */
#include "meter/drain.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/err.h"
#include "core/log.h"
#include "core/metrics.h"
#include "meter/booking.h"
#include "meter/counters.h"
#include "meter/edge_files.h"
#include "meter/principal.h"
#include "meter/quota.h"
#include "store/db.h"

#define ARENA_BYTES (64 << 20)
#define DAY_S (MS_PER_DAY / MS_PER_S)

struct meter {
    struct edge_files files;
    struct arena *arena; /* of the booking at hand */
    struct growth growth[BOOKING_MAX];
    bool has_purged;
};

/* One walk of one file, or the part of it that fits a call. */
struct scan {
    struct meter *meter;
    struct db *db;
    struct edge_file *file;
    struct booking booking;
    int64_t now_ms; /* wall clock */
    unsigned bookings, clamped;
    uint32_t clamped_place; /* the last one, for the log */
};

static const char sql_touch[] = "UPDATE meter_file SET drained_ms = $2 WHERE instance = $1";
static const char sql_remove[] = "DELETE FROM meter_file WHERE instance = $1";
static const char sql_purge[] = "DELETE FROM meter_file WHERE drained_ms < $1";

static int drain_file(struct meter *meter, struct db *db, struct edge_file *file);
static int walk(struct scan *scan);
static int end_sweep(struct scan *scan);
static int retire(struct meter *meter, struct db *db, struct edge_file *file);
static int purge(struct meter *meter, struct db *db);
static int flush(struct scan *scan);
static void look_at(struct scan *scan, uint32_t place);

struct meter *meter_create(const char *shm_dir)
{
    struct meter *meter = calloc(1, sizeof(*meter));

    if (meter == NULL)
        abort(); /* out of memory: the supervisor starts us again */
    edge_files_init(&meter->files, shm_dir);
    meter->arena = arena_create("meter.booking", ARENA_BYTES);
    return meter;
}

void meter_free(struct meter **meter)
{
    if (*meter == NULL)
        return;
    edge_files_release(&(*meter)->files);
    arena_free(&(*meter)->arena);
    free(*meter);
    *meter = NULL;
}

void meter_forget(struct meter *meter)
{
    for (size_t i = 0; i < meter->files.count; i++)
        meter->files.file[i]->is_loaded = false;
}

uint32_t meter_waiting(const struct meter *meter)
{
    uint32_t waiting = 0;

    for (size_t i = 0; i < meter->files.count; i++)
        waiting += meter->files.file[i]->waiting;
    return waiting;
}

int meter_drain(struct meter *meter, struct db *db)
{
    int more = 0;

    edge_files_look(&meter->files);
    /* Downwards: a file that retires gives its place in the array to the last one. */
    for (size_t i = meter->files.count; i-- > 0;) {
        int result = drain_file(meter, db, meter->files.file[i]);

        if (result < 0)
            return -1;
        more |= result;
    }
    if (quota_check_blocked(db, clock_wall_ms() / MS_PER_S) < 0 || (more == 0 && purge(meter, db) < 0))
        return -1;
    metric_set(METRIC_usage_rows_waiting, meter_waiting(meter));
    return more;
}

/* 1 when the walk has not come to its end. */
static int drain_file(struct meter *meter, struct db *db, struct edge_file *file)
{
    struct scan scan = {.meter = meter, .db = db, .file = file, .booking = {.growth = meter->growth}};

    scan.now_ms = clock_wall_ms();
    if (!file->is_loaded && edge_file_load(file, db, scan.now_ms) < 0)
        return -1;
    if (file->position == 0) {
        file->began_s = scan.now_ms / MS_PER_S;
        file->waiting_next = 0;
        file->waiting_units = 0;
        /* Asked before anything is read: what is read after it is all there will ever be. */
        file->is_final = !file->is_current && btcf_edge_is_final(&file->edge);
        file->is_sweep = (file->is_final && file->final_ms == 0) || file->swept_ms == 0 ||
                         clock_mono_ms() - file->swept_ms >= METER_SWEEP_MS;
    }
    int result = walk(&scan);
    if (scan.clamped > 0) {
        metric_add(METRIC_usage_clamped_total, scan.clamped);
        log_error("meter.counters_not_believed",
                  "%u counters of edge %s went back or grew faster than they can, the last at place %u", scan.clamped,
                  file->instance, scan.clamped_place);
    }
    arena_reset(meter->arena);
    if (result < 0 || file->position != 0)
        return result < 0 ? -1 : 1;
    file->scanned_s = file->began_s;
    return file->is_sweep ? end_sweep(&scan) : 0;
}

static int walk(struct scan *scan)
{
    struct edge_file *file = scan->file;
    uint32_t places = edge_file_places(file);

    while (file->position < places && scan->bookings < METER_BOOKINGS_MAX) {
        if (file->position == file->edge.usage_count && flush(scan) < 0)
            return -1; /* a booking is of rows or of principals */
        look_at(scan, file->position++);
        if (scan->booking.count > BOOKING_MAX - 2 && flush(scan) < 0)
            return -1;
    }
    if (flush(scan) < 0)
        return -1;
    if (file->position == places)
        file->position = 0;
    return 0;
}

/* ---- what a place has grown ---------------------------------------------------------------------------------------- */

static bool is_due(const struct scan *scan, const struct btcf_usage_row *row, const struct cursor *cursor)
{
    const struct edge_file *file = scan->file;

    if (file->is_sweep)
        return true;
    int64_t used_s = (int64_t)atomic_load_explicit(&row->last_used_s, memory_order_relaxed);
    return !cursor->is_nobodys && used_s >= file->scanned_s - METER_SLACK_S;
}

/* Seconds in which the bank's growth can have come together. */
static int64_t elapsed_s(const struct scan *scan, int64_t updated_ms)
{
    int64_t since_ms = updated_ms > 0 ? updated_ms : scan->file->edge.header->created_unix_ms;

    return (scan->now_ms - since_ms) / MS_PER_S;
}

/* Adds what one bank has grown to the booking. False when it changed under the read. */
static bool take_bank(struct scan *scan, const struct btcf_usage_row *row, const struct cursor *cursor,
                      const struct growth *common)
{
    struct growth *growth = &scan->booking.growth[scan->booking.count];
    unsigned bank = (unsigned)common->bank, clamped;
    struct bank_reading reading;

    if (!bank_read(&row->bank[bank], &reading))
        return false;
    if (memcmp(reading.value, cursor->value[bank], sizeof(reading.value)) == 0)
        return true;
    *growth = *common;
    memcpy(growth->now, reading.value, sizeof(growth->now));
    clamped =
        counters_grow(cursor->value[bank], reading.value, elapsed_s(scan, cursor->updated_ms[bank]), growth->delta);
    growth->day = bank_day(bank, reading.day, scan->now_ms / MS_PER_DAY, &clamped);
    /* What belongs to nobody is judged again in each sweep, and said once. */
    if (clamped > 0 && !cursor->is_nobodys) {
        scan->clamped += clamped;
        scan->clamped_place = (uint32_t)common->place;
    }
    scan->booking.count++;
    return true;
}

static void look_at(struct scan *scan, uint32_t place)
{
    struct edge_file *file = scan->file;
    bool is_pool = place >= file->edge.usage_count;
    uint32_t number = is_pool ? place - file->edge.usage_count : place;
    const struct btcf_usage_row *row = is_pool ? &file->edge.pool[number].usage : &file->edge.usage[number];
    struct cursor *cursor = is_pool ? &file->pool[number] : &file->rows[number];
    struct growth growth = {.place = number};
    size_t count_before = scan->booking.count;

    if (!is_due(scan, row, cursor))
        return;
    scan->booking.is_pool = is_pool;
    growth.used_s = (int64_t)atomic_load_explicit(&row->last_used_s, memory_order_relaxed);
    if (growth.used_s < 0 || growth.used_s > scan->now_ms / MS_PER_S)
        growth.used_s = scan->now_ms / MS_PER_S;
    for (growth.bank = 0; growth.bank < 2; growth.bank++)
        if (!take_bank(scan, row, cursor, &growth))
            file->waiting_next++;
    if (!is_pool || scan->booking.count == count_before)
        return;
    /* After the counters: growth belongs to whom the entry names then, since it is given away only after two idle days. */
    const char *principal = principal_read(&file->edge.pool[number], scan->meter->arena);
    for (size_t i = count_before; i < scan->booking.count; i++)
        scan->booking.growth[i].principal = principal;
    if (principal == NULL) { /* claimed, and not yet named */
        scan->booking.count = count_before;
        file->waiting_next++;
    }
}

/* ---- bookings ------------------------------------------------------------------------------------------------------ */

static struct cursor *cursor_of(const struct scan *scan, const struct growth *growth)
{
    return scan->booking.is_pool ? &scan->file->pool[growth->place] : &scan->file->rows[growth->place];
}

static void take_saved(const struct scan *scan, size_t saved)
{
    int64_t billed = 0;

    for (size_t i = 0; i < saved; i++) {
        const struct growth *growth = &scan->booking.growth[i];
        struct cursor *cursor = cursor_of(scan, growth);

        memcpy(cursor->value[growth->bank], growth->now, sizeof(growth->now));
        cursor->updated_ms[growth->bank] = scan->now_ms;
        cursor->is_nobodys = false;
        for (int kind = 0; kind < BTCF_USAGE_CLASSES; kind++)
            billed += growth->delta[METER_BILLED + kind];
    }
    metric_add(METRIC_usage_answers_total, billed);
}

static void leave_nobodys(const struct scan *scan, size_t saved)
{
    for (size_t i = saved; i < scan->booking.count; i++) {
        const struct growth *growth = &scan->booking.growth[i];

        cursor_of(scan, growth)->is_nobodys = true;
        scan->file->waiting_next++;
        for (int kind = 0; kind < BTCF_USAGE_CLASSES; kind++)
            scan->file->waiting_units += (uint64_t)growth->delta[METER_UNITS + kind];
    }
}

static int flush(struct scan *scan)
{
    size_t saved;

    if (scan->booking.count == 0)
        return 0;
    if (booking_save(scan->db, scan->meter->arena, scan->file, &scan->booking, scan->now_ms, &saved) < 0) {
        scan->file->is_loaded = false;
        return -1;
    }
    take_saved(scan, saved);
    leave_nobodys(scan, saved);
    scan->booking.count = 0;
    scan->bookings++;
    arena_reset(scan->meter->arena);
    return 0;
}

/* ---- the end of a file --------------------------------------------------------------------------------------------- */

static int end_sweep(struct scan *scan)
{
    struct edge_file *file = scan->file;

    if (file->waiting_next > 0 && file->waiting == 0)
        log_warn("meter.rows_of_nobody", "%u usage rows or principals of edge %s wait for an owner",
                 file->waiting_next, file->instance);
    file->waiting = file->waiting_next;
    file->swept_ms = clock_mono_ms();
    if (db_exec(scan->db, sql_touch, NULL, DB_TEXT(file->instance), DB_I64(scan->now_ms), DB_END) < 0)
        return err_wrap("while noting that edge %s is drained", file->instance);
    if (!file->is_final || file->is_stuck)
        return 0;
    if (file->final_ms == 0)
        file->final_ms = file->swept_ms;
    if (file->waiting > 0 && file->swept_ms - file->final_ms < METER_ABANDON_MS)
        return 0;
    if (file->waiting > 0)
        log_error("meter.usage_abandoned", "%u rows of edge %s never got an owner: %" PRIu64 " units are not billed",
                  file->waiting, file->instance, file->waiting_units);
    return retire(scan->meter, scan->db, file);
}

/* The name first. When the rows went first and we died between the two, the next meter would take the file for a new
 * one; dying here leaves rows that nobody needs. */
static int retire(struct meter *meter, struct db *db, struct edge_file *file)
{
    char instance[EDGE_INSTANCE_SIZE];

    if (!edge_files_unlink(&meter->files, file)) {
        file->is_stuck = true;
        return 0;
    }
    log_info("meter.edge_drained", "%s is drained and removed", file->name);
    memcpy(instance, file->instance, sizeof(instance));
    edge_files_forget(&meter->files, &file);
    if (db_exec(db, sql_remove, NULL, DB_TEXT(instance), DB_END) < 0)
        return err_wrap("while removing the cursors of edge %s", instance);
    return 0;
}

/* Once in the life of a process, when every file of ours has been swept, and so touched. */
static int purge(struct meter *meter, struct db *db)
{
    if (meter->has_purged)
        return 0;
    if (db_exec(db, sql_purge, NULL, DB_I64(clock_wall_ms() - METER_FORGET_MS), DB_END) < 0)
        return err_wrap("while removing cursors of files that are gone");
    meter->has_purged = true;
    return 0;
}
