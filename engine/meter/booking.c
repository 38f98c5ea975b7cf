/* See booking.h. The SQL takes columns as arrays, so a transaction is a handful of statements however many rows it has.
 *
 * Sums are capped below 2^63: counters of edge are hostile, and one row that overflowed a bigint would have all the
 * others' usage refused for ever. Rows go in in the order of their keys, so that the meters of two machines, which may
 * write usage of the same accounts, do not lock each other out.
 */
#include "meter/booking.h"

#include <string.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/err.h"
#include "meter/edge_files.h"
#include "meter/quota.h"
#include "shm/limit.h"
#include "store/db.h"

/* Two of them still fit a bigint. */
#define CAP "4000000000000000000"
/* last_used_s of a key moves by steps of a minute: a key in use would otherwise be a row written at every poll. */
#define LAST_USED_STEP_S "60"
#define DAY_S (MS_PER_DAY / MS_PER_S)

static const char sql_fence[] =
    "UPDATE meter_file SET drain = drain + 1, drained_ms = $3 WHERE instance = $1 AND drain = $2";

/* Columns: row, account, key. Index: the primary key. */
static const char sql_owners[] =
    "SELECT r.row, r.account_id, coalesce(r.key_id, 0) FROM usage_row r"
    " WHERE r.row = ANY($1::bigint[]::integer[]) AND r.account_id IS NOT NULL ORDER BY r.row";
enum { OWNER_ROW, OWNER_ACCOUNT, OWNER_KEY };

#define COUNTER_COLUMNS(X)                                                                                           \
    X(billed_forecast)                                                                                               \
    X(billed_market)                                                                                                 \
    X(billed_stream)                                                                                                 \
    X(billed_control)                                                                                                \
    X(units_forecast)                                                                                                \
    X(units_market)                                                                                                  \
    X(units_stream)                                                                                                  \
    X(units_control)                                                                                                 \
    X(not_modified)                                                                                                  \
    X(client_errors)                                                                                                 \
    X(server_errors)                                                                                                 \
    X(limited)                                                                                                       \
    X(bytes)                                                                                                         \
    X(latency_us)
#define LISTED(column) ", " #column
#define REPLACED(column) ", " #column " = excluded." #column

static const char sql_cursors[] = "INSERT INTO meter_cursor (instance, kind, updated_ms, row, bank" COUNTER_COLUMNS(
    LISTED) ")"
            " SELECT $1::text, $2::text, $3::bigint, * FROM unnest($4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],"
            " $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[],"
            " $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[], $19::bigint[])"
            " ON CONFLICT (instance, kind, row, bank) DO UPDATE SET updated_ms = excluded.updated_ms" COUNTER_COLUMNS(
                REPLACED);

static const char sql_usage[] =
    "INSERT INTO usage AS u (account_id, key_id, day, class, billed, units)"
    " SELECT account_id, key_id, day, class, least(sum(billed), " CAP "), least(sum(units), " CAP ")"
    " FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[])"
    " AS g (account_id, key_id, day, class, billed, units) GROUP BY 1, 2, 3, 4 ORDER BY 1, 3, 2, 4"
    " ON CONFLICT (account_id, day, key_id, class) DO UPDATE SET billed = least(u.billed + excluded.billed, " CAP "),"
    " units = least(u.units + excluded.units, " CAP ")";

static const char sql_other[] =
    "INSERT INTO usage_other AS u (account_id, key_id, day, not_modified, client_errors, server_errors, limited, bytes,"
    " latency_us) SELECT account_id, key_id, day, least(sum(a), " CAP "), least(sum(b), " CAP "), least(sum(c), " CAP
    "),"
    " least(sum(d), " CAP "), least(sum(e), " CAP "), least(sum(f), " CAP ") FROM unnest($1::bigint[], $2::bigint[],"
    " $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[])"
    " AS g (account_id, key_id, day, a, b, c, d, e, f) GROUP BY 1, 2, 3 ORDER BY 1, 3, 2"
    " ON CONFLICT (account_id, day, key_id) DO UPDATE SET"
    " not_modified = least(u.not_modified + excluded.not_modified, " CAP "),"
    " client_errors = least(u.client_errors + excluded.client_errors, " CAP "),"
    " server_errors = least(u.server_errors + excluded.server_errors, " CAP "),"
    " limited = least(u.limited + excluded.limited, " CAP "), bytes = least(u.bytes + excluded.bytes, " CAP "),"
    " latency_us = least(u.latency_us + excluded.latency_us, " CAP ")";

static const char sql_totals[] =
    "WITH g AS (SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[])"
    " AS g (account_id, day, month, units))"
    " INSERT INTO usage_total AS t (account_id, period, number, units)"
    " SELECT account_id, period, number, least(sum(units), " CAP ") FROM"
    " (SELECT account_id, 'day' AS period, day AS number, units FROM g"
    " UNION ALL SELECT account_id, 'month', month, units FROM g) AS both_periods GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    " ON CONFLICT (account_id, period, number) DO UPDATE SET units = least(t.units + excluded.units, " CAP ")";

static const char sql_last_used[] =
    "UPDATE api_key AS k SET last_used_s = g.used_s FROM (SELECT key_id, max(used_s) AS used_s"
    " FROM unnest($1::bigint[], $2::bigint[]) AS g (key_id, used_s) GROUP BY key_id) AS g"
    " WHERE k.id = g.key_id AND coalesce(k.last_used_s, 0) + " LAST_USED_STEP_S " <= g.used_s";

static const char sql_principals[] =
    "INSERT INTO usage_principal AS u (principal, day, class, billed, units)"
    " SELECT principal, day, class, least(sum(billed), " CAP "), least(sum(units), " CAP ")"
    " FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[])"
    " AS g (principal, day, class, billed, units) GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    " ON CONFLICT (principal, day, class) DO UPDATE SET billed = least(u.billed + excluded.billed, " CAP "),"
    " units = least(u.units + excluded.units, " CAP ")";

static const char *const class_names[BTCF_USAGE_CLASSES] = {
    [BTCF_USAGE_FORECAST] = "forecast",
    [BTCF_USAGE_MARKET] = "market",
    [BTCF_USAGE_STREAM] = "stream",
    [BTCF_USAGE_CONTROL] = "control",
};

/* Growth by class: lines of usage and usage_principal, as columns. */
struct lines {
    size_t count;
    int64_t *account_id, *key_id, *day, *month, *billed, *units;
    const char **class_name, **principal;
};

static int save_all(struct db *db, struct arena *arena, struct edge_file *file, struct booking *booking,
                    int64_t now_ms, size_t *saved);
static int find_owners(struct db *db, struct arena *arena, struct booking *booking, size_t *owned);
static int save_fence(struct db *db, const struct edge_file *file, int64_t now_ms);
static int save_cursors(struct db *db, struct arena *arena, const struct edge_file *file,
                        const struct booking *booking, int64_t now_ms);
static int save_rows(struct db *db, struct arena *arena, const struct booking *booking, int64_t now_ms);
static int save_principals(struct db *db, struct arena *arena, const struct booking *booking);

int booking_save(struct db *db, struct arena *arena, struct edge_file *file, struct booking *booking, int64_t now_ms,
                 size_t *saved)
{
    *saved = 0;
    if (db_begin(db) < 0 || save_all(db, arena, file, booking, now_ms, saved) < 0 || db_commit(db) < 0) {
        db_rollback(db);
        *saved = 0;
        return err_wrap("while writing usage of edge %s", file->instance);
    }
    if (*saved > 0)
        file->drain++;
    return 0;
}

static int save_all(struct db *db, struct arena *arena, struct edge_file *file, struct booking *booking,
                    int64_t now_ms, size_t *saved)
{
    struct booking owned = *booking;

    if (!booking->is_pool && find_owners(db, arena, booking, &owned.count) < 0)
        return -1;
    if (owned.count == 0)
        return 0;
    if (save_fence(db, file, now_ms) < 0 || save_cursors(db, arena, file, &owned, now_ms) < 0 ||
        (booking->is_pool ? save_principals(db, arena, &owned) : save_rows(db, arena, &owned, now_ms)) < 0)
        return -1;
    *saved = owned.count;
    return 0;
}

/* One field of all growths as an array; `offset` is that of an int64_t or uint64_t in struct growth. */
static int64_t *column(struct arena *arena, const struct booking *booking, size_t offset)
{
    int64_t *values = arena_array(arena, booking->count, sizeof(*values));

    for (size_t i = 0; i < booking->count; i++)
        memcpy(&values[i], (const char *)&booking->growth[i] + offset, sizeof(values[i]));
    return values;
}

#define COLUMN(field) DB_I64_ARRAY(column(arena, booking, offsetof(struct growth, field)), booking->count)

/* Both are ascending, so one walk joins them. What belongs to nobody goes to the end. */
static int find_owners(struct db *db, struct arena *arena, struct booking *booking, size_t *owned)
{
    struct growth *nobodys = arena_array(arena, booking->count, sizeof(*nobodys));
    size_t nobodys_count = 0, at = 0;
    struct db_rows rows;

    *owned = 0;
    if (db_query(db, arena, sql_owners, &rows, COLUMN(place), DB_END) < 0)
        return err_wrap("while looking for the owners of rows");
    for (size_t i = 0; i < booking->count; i++) {
        struct growth *growth = &booking->growth[i];

        while (at < rows.count && db_i64(&rows, at, OWNER_ROW) < growth->place)
            at++;
        if (at == rows.count || db_i64(&rows, at, OWNER_ROW) != growth->place) {
            nobodys[nobodys_count++] = *growth;
            continue;
        }
        growth->account_id = db_i64(&rows, at, OWNER_ACCOUNT);
        growth->key_id = db_i64(&rows, at, OWNER_KEY);
        booking->growth[(*owned)++] = *growth;
    }
    memcpy(booking->growth + *owned, nobodys, nobodys_count * sizeof(*nobodys));
    return 0;
}

/* From here to the end of the transaction nobody else writes this file's cursors: they wait for the row, and then find
 * another number in it. */
static int save_fence(struct db *db, const struct edge_file *file, int64_t now_ms)
{
    int64_t affected = 0;

    if (db_exec(db, sql_fence, &affected, DB_TEXT(file->instance), DB_I64(file->drain), DB_I64(now_ms), DB_END) < 0)
        return -1;
    if (affected != 1)
        return err_set(E_CONFLICT, "another meter has written the cursors of edge %s", file->instance);
    return 0;
}

static int save_cursors(struct db *db, struct arena *arena, const struct edge_file *file,
                        const struct booking *booking, int64_t now_ms)
{
    return db_exec(db, sql_cursors, NULL, DB_TEXT(file->instance), DB_TEXT(booking->is_pool ? "pool" : "row"),
                   DB_I64(now_ms), COLUMN(place), COLUMN(bank), COLUMN(now[0]), COLUMN(now[1]), COLUMN(now[2]),
                   COLUMN(now[3]), COLUMN(now[4]), COLUMN(now[5]), COLUMN(now[6]), COLUMN(now[7]), COLUMN(now[8]),
                   COLUMN(now[9]), COLUMN(now[10]), COLUMN(now[11]), COLUMN(now[12]), COLUMN(now[13]), DB_END);
}
_Static_assert(METER_COUNTERS == 14, "save_cursors and sql_cursors name every counter");

static void lines_of(struct arena *arena, const struct booking *booking, struct lines *lines)
{
    size_t count_max = booking->count * BTCF_USAGE_CLASSES;
    int64_t **numbers[] = {&lines->account_id, &lines->key_id, &lines->day,
                           &lines->month,      &lines->billed, &lines->units};

    lines->count = 0;
    for (size_t i = 0; i < BTCF_LENGTH(numbers); i++)
        *numbers[i] = arena_array(arena, count_max, sizeof(int64_t));
    lines->class_name = arena_array(arena, count_max, sizeof(char *));
    lines->principal = arena_array(arena, count_max, sizeof(char *));
    for (size_t i = 0; i < booking->count; i++) {
        const struct growth *growth = &booking->growth[i];

        for (int kind = 0; kind < BTCF_USAGE_CLASSES; kind++) {
            size_t line = lines->count;

            if (growth->delta[METER_BILLED + kind] == 0 && growth->delta[METER_UNITS + kind] == 0)
                continue;
            lines->account_id[line] = growth->account_id;
            lines->key_id[line] = growth->key_id;
            lines->day[line] = growth->day;
            lines->month[line] = (int64_t)btcf_period_number(BTCF_PERIOD_MONTH, growth->day * DAY_S);
            lines->billed[line] = growth->delta[METER_BILLED + kind];
            lines->units[line] = growth->delta[METER_UNITS + kind];
            lines->class_name[line] = class_names[kind];
            lines->principal[line] = growth->principal;
            lines->count++;
        }
    }
}
_Static_assert(BOOKING_MAX *BTCF_USAGE_CLASSES <= DB_ARRAY_COUNT_MAX, "the lines of a booking fit an array");

#define LINES(field) DB_I64_ARRAY(lines.field, lines.count)

static int save_rows(struct db *db, struct arena *arena, const struct booking *booking, int64_t now_ms)
{
    struct lines lines;

    lines_of(arena, booking, &lines);
    if (db_exec(db, sql_usage, NULL, LINES(account_id), LINES(key_id), LINES(day),
                DB_TEXT_ARRAY(lines.class_name, lines.count), LINES(billed), LINES(units), DB_END) < 0 ||
        db_exec(db, sql_totals, NULL, LINES(account_id), LINES(day), LINES(month), LINES(units), DB_END) < 0 ||
        db_exec(db, sql_other, NULL, COLUMN(account_id), COLUMN(key_id), COLUMN(day),
                COLUMN(delta[METER_NOT_MODIFIED]), COLUMN(delta[METER_CLIENT_ERRORS]),
                COLUMN(delta[METER_SERVER_ERRORS]), COLUMN(delta[METER_LIMITED]), COLUMN(delta[METER_BYTES]),
                COLUMN(delta[METER_LATENCY_US]), DB_END) < 0 ||
        db_exec(db, sql_last_used, NULL, COLUMN(key_id), COLUMN(used_s), DB_END) < 0)
        return -1;
    return quota_check(db, lines.account_id, lines.count, now_ms / MS_PER_S);
}

static int save_principals(struct db *db, struct arena *arena, const struct booking *booking)
{
    struct lines lines;

    lines_of(arena, booking, &lines);
    return db_exec(db, sql_principals, NULL, DB_TEXT_ARRAY(lines.principal, lines.count), LINES(day),
                   DB_TEXT_ARRAY(lines.class_name, lines.count), LINES(billed), LINES(units), DB_END);
}
