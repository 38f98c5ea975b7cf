/* See edge_files.h.
 *
 * A file is known by its instance, never by its name: the master gives edge.v1 a second name before it puts another file
 * in its place, so one file may have two names, and a moment later a name means another file.
 *
 * Cursors are an array as long as the file's, in memory that the kernel hands out when it is first written: a million rows
 * of which a thousand are used take a thousand cursors.
 */
#include "meter/edge_files.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/arena.h"
#include "core/err.h"
#include "core/log.h"
#include "store/db.h"

#define PATH_SIZE 4096
#define PAGE_ROWS 4000 /* cursors per query */
#define PAGE_BYTES (16 << 20)

static const char sql_add_file[] =
    "INSERT INTO meter_file (instance, drained_ms) VALUES ($1, $2) ON CONFLICT (instance) DO NOTHING";
static const char sql_find_file[] = "SELECT drain FROM meter_file WHERE instance = $1";
/* Columns: kind, row, bank, updated_ms, then enum meter_counter. Index: the primary key. */
static const char sql_load[] =
    "SELECT kind, row, bank, updated_ms, billed_forecast, billed_market, billed_stream, billed_control, units_forecast,"
    " units_market, units_stream, units_control, not_modified, client_errors, server_errors, limited, bytes, latency_us"
    " FROM meter_cursor WHERE instance = $1 AND (kind, row, bank) > ($2::text, $3::bigint, $4::bigint)"
    " ORDER BY kind, row, bank LIMIT $5";
enum { COLUMN_KIND, COLUMN_ROW, COLUMN_BANK, COLUMN_UPDATED, COLUMN_COUNTERS };

static void look_at_current(struct edge_files *files);
static void look_at_old(struct edge_files *files);
static struct edge_file *adopt(struct edge_files *files, const struct btcf_edge *edge, const char *name);
static void file_free(struct edge_file **file);

void edge_files_init(struct edge_files *files, const char *dir)
{
    *files = (struct edge_files){.dir = dir, .refused = BTCF_ATTACH_OK};
}

void edge_files_release(struct edge_files *files)
{
    while (files->count > 0)
        file_free(&files->file[--files->count]);
}

void edge_files_look(struct edge_files *files)
{
    look_at_current(files);
    look_at_old(files);
}

static struct edge_file *find_current(struct edge_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        if (files->file[i]->is_current)
            return files->file[i];
    return NULL;
}

static bool path_of(const struct edge_files *files, const char *name, char path[PATH_SIZE])
{
    return snprintf(path, PATH_SIZE, "%s/%s", files->dir, name) < PATH_SIZE;
}

/* Whether the name still leads to the file that we have mapped. */
static bool is_still_there(const struct edge_files *files, const struct edge_file *file)
{
    char path[PATH_SIZE];
    struct stat st;

    return path_of(files, BTCF_EDGE_FILE, path) && stat(path, &st) == 0 && (uint64_t)st.st_ino == file->edge.inode &&
           (uint64_t)st.st_dev == file->edge.device;
}

static void look_at_current(struct edge_files *files)
{
    struct edge_file *current = find_current(files);
    struct btcf_edge edge = {0};

    if (current != NULL && is_still_there(files, current))
        return;
    if (current != NULL) {
        current->is_current = false;
        snprintf(current->name, sizeof(current->name), BTCF_EDGE_OLD_PREFIX "%s", current->instance);
        log_info("meter.edge_replaced", "%s is drained until its last worker has ended", current->name);
    }
    enum btcf_attach why = btcf_edge_open_readonly(&edge, files->dir);
    if (why == BTCF_ATTACH_OK && (current = adopt(files, &edge, BTCF_EDGE_FILE)) != NULL) {
        current->is_current = true;
        snprintf(current->name, sizeof(current->name), BTCF_EDGE_FILE); /* it may be back after an absence */
    } else if (why != BTCF_ATTACH_OK && why != BTCF_ATTACH_NO_FILE && (int)why != files->refused) {
        log_warn("meter.edge_refused", "%s: %s", BTCF_EDGE_FILE, btcf_attach_text(why));
    }
    files->refused = (int)why;
}

static struct edge_file *find_instance(const struct edge_files *files, const char *instance)
{
    for (size_t i = 0; i < files->count; i++)
        if (strcmp(files->file[i]->instance, instance) == 0)
            return files->file[i];
    return NULL;
}

static void look_at_old(struct edge_files *files)
{
    DIR *dir = opendir(files->dir);

    if (dir == NULL)
        return; /* there is no edge.v1 either, and that has been said */
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        struct btcf_edge edge = {0};

        if (strncmp(entry->d_name, BTCF_EDGE_OLD_PREFIX, strlen(BTCF_EDGE_OLD_PREFIX)) != 0 ||
            strlen(entry->d_name) >= EDGE_NAME_SIZE ||
            find_instance(files, entry->d_name + strlen(BTCF_EDGE_OLD_PREFIX)) != NULL)
            continue;
        if (btcf_edge_open_old(&edge, files->dir, entry->d_name) == BTCF_ATTACH_OK)
            adopt(files, &edge, entry->d_name);
    }
    closedir(dir);
}

/* Memory of zeros that costs nothing before it is written. */
static struct cursor *map_cursors(uint32_t count)
{
    void *memory = mmap(NULL, (size_t)count * sizeof(struct cursor), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

static void format_instance(const uint8_t instance[16], char text[EDGE_INSTANCE_SIZE])
{
    for (size_t i = 0; i < 16; i++)
        snprintf(text + 2 * i, 3, "%02x", instance[i]);
}

/* Takes the mapping over. The file that has this instance already, when there is one: then the mapping is closed. NULL, and
 * closed, when it holds no usage or there is no room. */
static struct edge_file *adopt(struct edge_files *files, const struct btcf_edge *edge, const char *name)
{
    struct edge_file *file = calloc(1, sizeof(*file));

    if (file == NULL)
        abort(); /* out of memory: the supervisor starts us again */
    file->edge = *edge;
    snprintf(file->name, sizeof(file->name), "%s", name);
    format_instance(edge->header->instance, file->instance);
    struct edge_file *held = find_instance(files, file->instance);
    if (held != NULL && held->edge.inode != edge->inode)
        edge_files_forget(files, &held); /* somebody has put a copy in its place: the cursors are the same */
    if (held == NULL && edge->usage != NULL && files->count < EDGE_FILES_MAX) {
        file->rows = map_cursors(edge->usage_count);
        file->pool = map_cursors(edge->pool_count);
    }
    if (file->rows == NULL || file->pool == NULL) {
        file_free(&file);
        return held;
    }
    files->file[files->count++] = file;
    log_info("meter.edge_found", "%s, instance %s, %u rows and %u principals", name, file->instance,
             edge->usage_count, edge->pool_count);
    return file;
}

static void file_free(struct edge_file **file)
{
    struct edge_file *gone = *file;

    if (gone->rows != NULL)
        munmap(gone->rows, gone->edge.usage_count * sizeof(struct cursor));
    if (gone->pool != NULL)
        munmap(gone->pool, gone->edge.pool_count * sizeof(struct cursor));
    btcf_edge_close(&gone->edge);
    free(gone);
    *file = NULL;
}

bool edge_files_unlink(const struct edge_files *files, const struct edge_file *file)
{
    char path[PATH_SIZE];
    struct stat st;

    if (!path_of(files, file->name, path))
        return false;
    if (unlink(path) < 0 && errno != ENOENT) {
        log_warn("meter.edge_stays", "%s: %s", path, strerror(errno));
        return false;
    }
    if (fstat(file->edge.lock_fd, &st) == 0 && st.st_nlink == 0)
        return true;
    log_warn("meter.edge_stays", "%s has another name by which it may be found again", path);
    return false;
}

void edge_files_forget(struct edge_files *files, struct edge_file **file)
{
    for (size_t i = 0; i < files->count; i++)
        if (files->file[i] == *file)
            files->file[i] = files->file[--files->count];
    file_free(file);
}

uint32_t edge_file_places(const struct edge_file *file)
{
    return file->edge.usage_count + file->edge.pool_count;
}

/* ---- cursors ------------------------------------------------------------------------------------------------------- */

static struct cursor *cursor_at(struct edge_file *file, const char *kind, int64_t row)
{
    if (strcmp(kind, "pool") == 0)
        return row < file->edge.pool_count ? &file->pool[row] : NULL;
    return row < file->edge.usage_count ? &file->rows[row] : NULL;
}

static void take_rows(struct edge_file *file, const struct db_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        struct cursor *cursor = cursor_at(file, db_text(rows, i, COLUMN_KIND), db_i64(rows, i, COLUMN_ROW));
        int64_t bank = db_i64(rows, i, COLUMN_BANK);

        if (cursor == NULL)
            continue; /* written by hand: the file has no such row */
        cursor->updated_ms[bank] = db_i64(rows, i, COLUMN_UPDATED);
        for (size_t counter = 0; counter < METER_COUNTERS; counter++)
            cursor->value[bank][counter] = (uint64_t)db_i64(rows, i, COLUMN_COUNTERS + counter);
    }
}

static int load_cursors(struct edge_file *file, struct db *db, struct arena *arena)
{
    struct db_rows rows = {.count = PAGE_ROWS};
    char kind[sizeof("pool")] = ""; /* the last row seen: rows themselves live as long as a page */
    int64_t row = -1, bank = -1;

    while (rows.count == PAGE_ROWS) {
        arena_reset(arena);
        if (db_query(db, arena, sql_load, &rows, DB_TEXT(file->instance), DB_TEXT(kind), DB_I64(row), DB_I64(bank),
                     DB_I64(PAGE_ROWS), DB_END) < 0)
            return -1;
        take_rows(file, &rows);
        if (rows.count == 0)
            break;
        snprintf(kind, sizeof(kind), "%s", db_text(&rows, rows.count - 1, COLUMN_KIND));
        row = db_i64(&rows, rows.count - 1, COLUMN_ROW);
        bank = db_i64(&rows, rows.count - 1, COLUMN_BANK);
    }
    return 0;
}

int edge_file_load(struct edge_file *file, struct db *db, int64_t now_ms)
{
    struct arena *arena = arena_create("meter.load", PAGE_BYTES);
    struct db_rows rows;
    int result = -1;

    /* All zeros again: private pages that are given back read as zeros. */
    madvise(file->rows, file->edge.usage_count * sizeof(struct cursor), MADV_DONTNEED);
    madvise(file->pool, file->edge.pool_count * sizeof(struct cursor), MADV_DONTNEED);
    if (db_exec(db, sql_add_file, NULL, DB_TEXT(file->instance), DB_I64(now_ms), DB_END) < 0 ||
        db_query(db, arena, sql_find_file, &rows, DB_TEXT(file->instance), DB_END) < 0)
        goto out;
    if (rows.count == 0) {
        err_set(E_CONFLICT, "the row of %s in meter_file has just been removed", file->instance);
        goto out;
    }
    /* The number before the cursors: whatever a predecessor's transaction still changes, it raises the number first, and
     * ours will be refused. The other way round its growth would be counted twice. */
    file->drain = db_i64(&rows, 0, 0);
    if (load_cursors(file, db, arena) < 0)
        goto out;
    file->is_loaded = true;
    file->position = 0;
    file->swept_ms = 0;
    result = 0;
out:
    arena_free(&arena);
    return result < 0 ? err_wrap("while loading the cursors of edge %s", file->instance) : 0;
}
