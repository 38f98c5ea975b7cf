/* See auth_tables.h. gate_rows.c knows the tables of the database, shm/auth_writer.h those in shared memory; here one
 * becomes the other.
 *
 *     look: anything new?  --no-->  done, one statement
 *           | yes
 *           one snapshot { which tables? for each: cursor, page, put, page, put ... }  then the position
 *
 * The position is stored after the rows, so whoever dies in between repeats some of them. The tempting alternative, a
 * NOTIFY that names the row, loses what is notified while nobody listens; here a notification only says "look now".
 */
#include "publish/auth_tables.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/err.h"
#include "core/log.h"
#include "core/metrics.h"
#include "shm/auth.h"
#include "shm/auth_writer.h"
#include "shm/reader.h"

#define ARENA_BYTES_MAX (64u << 20) /* a page of rows is about one MB */
#define RUNNING_BYTES_MAX (1u << 20)
#define KEYS_PER_NETWORK 8 /* most keys may be used from anywhere */
#define NETWORKS_MIN 64
#define HEADROOM_SHIFT 2 /* a quarter more than is needed now */
#define PATH_SIZE 4096

static const uint8_t no_database[BTCF_ID_SIZE];

static int load(struct auth_tables *tables, struct db *db, bool is_first);
static int begin_first(struct auth_tables *tables, struct db *db, struct gate_look *look, bool *is_full);
static int load_tables(struct auth_tables *tables, struct db *db, const struct gate_look *look, bool is_full);
static int load_table(struct auth_tables *tables, struct db *db, enum gate_table table, bool is_full);
static int put_page(struct auth_tables *tables, const struct db_rows *rows, enum gate_table table);
static int put_plan(struct auth_tables *tables, const struct db_rows *rows, size_t i);
static int put_account(struct auth_tables *tables, const struct db_rows *rows, size_t i);
static int put_key(struct auth_tables *tables, const struct db_rows *rows, size_t i);
static int put_session(struct auth_tables *tables, const struct db_rows *rows, size_t i);
static int make_room(struct auth_tables *tables, struct db *db);
static int grow(uint32_t *capacity, int64_t needed);
static void remember(struct auth_tables *tables, const struct gate_snapshot *snapshot);

void auth_tables_init(struct auth_tables *tables, const struct settings *settings,
                      const struct auth_tables_watch *watch)
{
    uint32_t networks = (uint32_t)settings->gate_keys_max / KEYS_PER_NETWORK;
    *tables = (struct auth_tables){.watch = *watch,
                                   .capacity = {.keys = (uint32_t)settings->gate_keys_max,
                                                .accounts = (uint32_t)settings->gate_accounts_max,
                                                .revoked = (uint32_t)settings->gate_sessions_max,
                                                .networks = networks > NETWORKS_MIN ? networks : NETWORKS_MIN}};
    tables->arena = arena_create("publisher.gate", ARENA_BYTES_MAX);
    strbuf_init(&tables->running, RUNNING_BYTES_MAX);
}

void auth_tables_release(struct auth_tables *tables)
{
    arena_free(&tables->arena);
    strbuf_release(&tables->running);
}

static void at_least(uint32_t *capacity, uint32_t needed)
{
    if (*capacity < needed)
        *capacity = needed;
}

struct writer_auth_options auth_tables_capacity(struct auth_tables *tables, const char *dir)
{
    struct btcf_reader old = {0};
    struct btcf_auth auth;
    char path[PATH_SIZE];
    snprintf(path, sizeof(path), "%s/" BTCF_PUB_FILE, dir);
    if (btcf_reader_open(&old, path) == BTCF_ATTACH_OK && btcf_auth_attach(&auth, &old)) {
        at_least(&tables->capacity.keys, auth.key_count);
        at_least(&tables->capacity.accounts, auth.account_count);
        at_least(&tables->capacity.revoked, auth.header->revoked_capacity);
        at_least(&tables->capacity.networks, auth.network_count);
    }
    btcf_reader_close(&old);
    return tables->capacity;
}

void auth_tables_begin(struct auth_tables *tables, struct writer *writer)
{
    struct gate_snapshot from = gate_snapshot_from(writer_auth_position(writer));
    tables->writer = writer;
    tables->is_loaded = false;
    remember(tables, &from);
    if (writer_auth_refusal(writer) != NULL)
        log_warn("publish.gate_refused", "the tables of the file before are not taken over: %s",
                 writer_auth_refusal(writer));
}

int auth_tables_look(struct auth_tables *tables, struct db *db)
{
    arena_reset(tables->arena);
    struct gate_look look;
    if (!tables->is_loaded)
        return load(tables, db, true);
    if (gate_look(db, tables->arena, &tables->seen, &look) < 0)
        return -1;
    bool is_other = memcmp(look.database, writer_auth_database(tables->writer), sizeof(look.database)) != 0;
    if (is_other || tables->seen.xmin > look.snapshot.xmax) {
        log_warn("publish.gate_replaced", "the database is another one, or an older state of itself");
        tables->is_distrusted = true;
        return AUTH_TABLES_RENEW;
    }
    if (gate_look_has_news(&look))
        return load(tables, db, false);
    remember(tables, &look.snapshot);
    return 0;
}

void auth_tables_tidy(struct auth_tables *tables)
{
    writer_forget_sessions(tables->writer, clock_wall_ms() / MS_PER_S);
}

/* One snapshot for all tables: a key never comes without its account. */
static int load(struct auth_tables *tables, struct db *db, bool is_first)
{
    struct gate_look look;
    int64_t began_ms = clock_mono_ms();
    bool is_full = false;
    if (gate_begin(db) < 0)
        return err_wrap("while reading the gate");
    int result = gate_look(db, tables->arena, &tables->seen, &look);
    if (result == 0 && is_first)
        result = begin_first(tables, db, &look, &is_full);
    if (result == 0)
        result = load_tables(tables, db, &look, is_full);
    if (result == 0)
        result = db_commit(db);
    if (result != 0) {
        db_rollback(db);
        return result < 0 ? err_wrap("while publishing the gate") : result;
    }
    remember(tables, &look.snapshot);
    tables->is_loaded = true;
    tables->is_distrusted = false;
    struct writer_auth_load held = writer_auth_load(tables->writer);
    if (is_first)
        log_info("publish.gate_loaded", "%s in %" PRId64 " ms: %u keys, accounts up to number %u",
                 is_full ? "loaded" : "taken over", clock_mono_ms() - began_ms, held.keys, held.accounts);
    return 0;
}

/* Do the tables that the new file took over belong to this database? If not it begins empty, and large enough. */
static int begin_first(struct auth_tables *tables, struct db *db, struct gate_look *look, bool *is_full)
{
    uint64_t position = writer_auth_position(tables->writer);
    if (tables->is_distrusted || position == 0 || position > look->snapshot.xmax)
        writer_claim_auth(tables->writer, no_database);
    *is_full = !writer_claim_auth(tables->writer, look->database);
    tables->has_new_signing_keys = true;
    metric_add(METRIC_gate_loads_total, *is_full ? 1 : 0);
    return *is_full ? make_room(tables, db) : 0;
}

static int load_tables(struct auth_tables *tables, struct db *db, const struct gate_look *look, bool is_full)
{
    static const enum gate_table order[] = {GATE_PLANS, GATE_ACCOUNTS, GATE_KEYS, GATE_SESSIONS};
    for (size_t i = 0; i < BTCF_LENGTH(order); i++) {
        if (!is_full && !look->changed[order[i]])
            continue;
        int result = load_table(tables, db, order[i], is_full);
        if (result != 0)
            return result;
    }
    if (look->changed[GATE_SIGNING_KEYS])
        tables->has_new_signing_keys = true;
    return 0;
}

static int load_table(struct auth_tables *tables, struct db *db, enum gate_table table, bool is_full)
{
    struct arena *arena = arena_create("publisher.gate_page", ARENA_BYTES_MAX);
    struct db_rows rows = {0};
    int result = gate_open(db, arena, table, is_full ? NULL : &tables->seen, clock_wall_ms() / MS_PER_S);
    while (result == 0) {
        arena_reset(arena);
        if (gate_fetch(db, arena, table, &rows) < 0)
            result = -1;
        else if (rows.count == 0)
            break;
        else if (!tables->watch.go_on(tables->watch.ctx))
            result = err_set(E_TIMEOUT, "told to stop");
        else
            result = put_page(tables, &rows, table);
    }
    arena_free(&arena);
    return result;
}

static int put_page(struct auth_tables *tables, const struct db_rows *rows, enum gate_table table)
{
    static int (*const put[GATE_TABLE_COUNT])(struct auth_tables *, const struct db_rows *, size_t) = {
        [GATE_PLANS] = put_plan, [GATE_ACCOUNTS] = put_account, [GATE_KEYS] = put_key, [GATE_SESSIONS] = put_session};
    for (size_t i = 0; i < rows->count; i++) {
        int result = put[table](tables, rows, i);
        if (result < 0 && err_kind() == E_CORRUPT) {
            log_failure("publish.gate_row", "publishing the gate");
            err_clear();
            result = 0;
        }
        if (result != 0)
            return result;
    }
    metric_add(METRIC_gate_rows_total, (int64_t)rows->count);
    return 0;
}

static int put_plan(struct auth_tables *tables, const struct db_rows *rows, size_t i)
{
    struct btcf_plan plan;
    if (gate_plan(rows, i, &plan) < 0)
        return -1;
    return writer_put_plan(tables->writer, &plan);
}

/* An account never changes its number. Where two disagree, tables and database have parted. */
static int put_account(struct auth_tables *tables, const struct db_rows *rows, size_t i)
{
    struct btcf_account account;
    if (gate_account(rows, i, &account) < 0)
        return -1;
    if (writer_put_account(tables->writer, &account) == 0)
        return 0;
    if (err_kind() == E_CONFLICT) {
        tables->is_distrusted = true;
        return AUTH_TABLES_RENEW;
    }
    return err_kind() == E_LIMIT ? grow(&tables->capacity.accounts, (int64_t)account.number + 1) : -1;
}

static int put_key(struct auth_tables *tables, const struct db_rows *rows, size_t i)
{
    struct gate_key key;
    bool is_sound = gate_key(rows, i, &key) == 0;
    if (!is_sound || !key.is_active) {
        if (writer_disable_key(tables->writer, key.digest) < 0)
            return -1;
        return is_sound ? 0 : -1;
    }
    if (writer_put_key(tables->writer, key.digest, &key.key, key.has_networks ? &key.networks : NULL) == 0)
        return 0;
    if (err_kind() != E_LIMIT)
        return -1;
    struct writer_auth_load held = writer_auth_load(tables->writer);
    bool lacks_networks = held.keys < held.capacity.keys && held.networks >= held.capacity.networks;
    return grow(lacks_networks ? &tables->capacity.networks : &tables->capacity.keys, 0);
}

static int put_session(struct auth_tables *tables, const struct db_rows *rows, size_t i)
{
    struct gate_session session;
    if (gate_session(rows, i, &session) < 0)
        return -1;
    if (writer_revoke_session(tables->writer, session.id, session.until_s) == 0)
        return 0;
    return err_kind() == E_LIMIT ? grow(&tables->capacity.revoked, 0) : -1;
}

/* Before a full load, so that it is not begun in vain. */
static int make_room(struct auth_tables *tables, struct db *db)
{
    struct gate_count count;
    struct writer_auth_options there = writer_auth_load(tables->writer).capacity;
    if (gate_count(db, tables->arena, clock_wall_ms() / MS_PER_S, &count) < 0)
        return -1;
    const struct {
        uint32_t there, *wanted;
        int64_t needed;
    } table[] = {{there.keys, &tables->capacity.keys, count.keys},
                 {there.accounts, &tables->capacity.accounts, count.accounts},
                 {there.revoked, &tables->capacity.revoked, count.sessions},
                 {there.networks, &tables->capacity.networks, count.networks}};
    bool fits = true;
    for (size_t i = 0; i < BTCF_LENGTH(table); i++) {
        int64_t wanted = table[i].needed + (table[i].needed >> HEADROOM_SHIFT);
        if (table[i].needed <= table[i].there)
            continue;
        at_least(table[i].wanted, (uint32_t)(wanted < GATE_CAPACITY_MAX ? wanted : GATE_CAPACITY_MAX));
        fits = fits && *table[i].wanted <= table[i].there; /* at the most that a file may have, what fits is loaded */
    }
    return fits ? 0 : AUTH_TABLES_RENEW;
}

/* To twice its size, or to what is needed. The error frame says which table is full. */
static int grow(uint32_t *capacity, int64_t needed)
{
    int64_t wanted = 2 * (int64_t)*capacity > needed ? 2 * (int64_t)*capacity : needed;
    if (*capacity >= GATE_CAPACITY_MAX)
        return -1;
    *capacity = (uint32_t)(wanted < GATE_CAPACITY_MAX ? wanted : GATE_CAPACITY_MAX);
    log_info("publish.gate_grows", "%s", err_text());
    err_clear();
    return AUTH_TABLES_RENEW;
}

/* A position that is older than the tables does no harm, so it need not be stored with them at once. */
static void remember(struct auth_tables *tables, const struct gate_snapshot *snapshot)
{
    strbuf_reset(&tables->running);
    strbuf_add_text(&tables->running, snapshot->running);
    tables->seen = *snapshot;
    tables->seen.running = tables->running.ptr;
    if (strbuf_failed(&tables->running))
        tables->seen = gate_snapshot_from(snapshot->xmin);
    writer_set_auth_position(tables->writer, snapshot->xmin);
}
