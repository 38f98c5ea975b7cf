/* See gate_rows.h. What a row says is checked here once more, because shared memory has narrower types than the tables
 * have: a value that does not fit must not become another one.
 *
 * Reads go through cursors: a result of a million rows would otherwise lie in memory twice.
 */
#include "publish/gate_rows.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/err.h"
#include "core/str.h"
#include "crypto/digest.h"
#include "shm/auth_writer.h"

#define NS_PER_S 1e9
#define ADDRESS_BITS 128
#define IPV4_OFFSET_BITS 96 /* of an IPv4 address within ::ffff:a.b.c.d */
#define PERIOD_MAX_NS 9e18  /* fits 64 bits with a sign */

/* New since the snapshot ($1 its xmax, $2 what was running then). */
#define NEW_ROWS                                                                                                     \
    "(changed >= $1::xid8 AND changed < pg_snapshot_xmax(pg_current_snapshot())"                                     \
    " OR changed = ANY($2::xid8[]))"
/* ORDER BY .. LIMIT 1 rather than EXISTS: it makes the index the only sensible way, whatever the statistics say. Tables
 * without an index on `changed` have a few dozen rows. */
#define ANY_NEW(table, and)                                                                                          \
    "coalesce((SELECT true FROM " table " WHERE changed >= $1::xid8"                                                 \
    " AND changed < pg_snapshot_xmax(pg_current_snapshot())" and                                                     \
        " ORDER BY changed LIMIT 1), false)"                                                                         \
        " OR coalesce((SELECT true FROM " table " WHERE changed = ANY($2::xid8[])" and                               \
        " ORDER BY changed LIMIT 1), false)"

/* Columns: struct gate_look. The installation's id goes along with a copy of a database; server, timeline and oid tell
 * the copy from the original. */
static const char SQL_LOOK[] =
    "SELECT encode(substr(sha256(convert_to(concat_ws(' ', (SELECT id FROM installation),"
    " (SELECT system_identifier FROM pg_control_system()), (SELECT timeline_id FROM pg_control_checkpoint()),"
    " (SELECT oid FROM pg_database WHERE datname = current_database())), 'UTF8')), 1, 16), 'hex'),"
    " pg_snapshot_xmin(pg_current_snapshot()), pg_snapshot_xmax(pg_current_snapshot()),"
    " ARRAY(SELECT pg_snapshot_xip(pg_current_snapshot())),"
    " " ANY_NEW("plan", "") ", " ANY_NEW("account", "") ", " ANY_NEW("api_key", "") ", " ANY_NEW(
        "session", " AND revoked_ms IS NOT NULL") ", " ANY_NEW("signing_key", "");

/* Columns: struct gate_count. */
static const char SQL_COUNT[] =
    "SELECT (SELECT count(*) FROM api_key WHERE state = 'active' AND (expires_s IS NULL OR expires_s > $1)),"
    " (SELECT coalesce(max(number) + 1, 0) FROM account),"
    " (SELECT count(*) FROM session WHERE revoked_ms IS NOT NULL AND token_until_s > $1),"
    " (SELECT count(*) FROM api_key WHERE state = 'active' AND networks <> '{}'"
    " AND (expires_s IS NULL OR expires_s > $1))";

#define PLAN_COLUMNS                                                                                                 \
    "name, number, rate_per_s, burst, quota_day, quota_month, streams_max, array_to_string(scopes, ',')"
#define ACCOUNT_COLUMNS                                                                                              \
    "a.public_id, a.number, a.row, a.state = 'active', a.role = 'admin', p.number, a.tokens_valid_after_s,"          \
    " a.blocked_until_s, a.blocked_period = 'month'"
#define KEY_COLUMNS                                                                                                               \
    "encode(k.digest, 'hex'), k.id, a.number, k.row, k.state = 'active', k.is_test, array_to_string(k.scopes, ','), k.expires_s," \
    " array_to_string(k.networks, ','), k.public_id"
#define CURSOR(name) "DECLARE " name " NO SCROLL CURSOR FOR SELECT "
#define FETCH(name) "FETCH 2000 FROM " name /* how many rows are in memory at once */

/* `all` takes the present time as $1, `changed` a snapshot. */
static const struct {
    const char *all, *changed, *fetch;
} statements[GATE_TABLE_COUNT] = {
    [GATE_PLANS] = {CURSOR("gate_plans") PLAN_COLUMNS " FROM plan WHERE $1::bigint IS NOT NULL",
                    CURSOR("gate_plans") PLAN_COLUMNS " FROM plan WHERE " NEW_ROWS, FETCH("gate_plans")},
    [GATE_ACCOUNTS] = {CURSOR("gate_accounts") ACCOUNT_COLUMNS
                       " FROM account a JOIN plan p ON p.name = a.plan WHERE $1::bigint IS NOT NULL",
                       CURSOR("gate_accounts") ACCOUNT_COLUMNS " FROM (SELECT * FROM account WHERE " NEW_ROWS
                                                               ") a JOIN plan p ON p.name = a.plan",
                       FETCH("gate_accounts")},
    [GATE_KEYS] = {CURSOR("gate_keys") KEY_COLUMNS
                   " FROM api_key k JOIN account a ON a.id = k.account_id"
                   " WHERE k.state = 'active' AND (k.expires_s IS NULL OR k.expires_s > $1)",
                   CURSOR("gate_keys") KEY_COLUMNS " FROM (SELECT * FROM api_key WHERE " NEW_ROWS
                                                   ") k JOIN account a ON a.id = k.account_id",
                   FETCH("gate_keys")},
    [GATE_SESSIONS] = {CURSOR("gate_sessions") "public_id, token_until_s FROM session"
                                               " WHERE revoked_ms IS NOT NULL AND token_until_s > $1",
                       CURSOR("gate_sessions") "public_id, token_until_s FROM session"
                                               " WHERE revoked_ms IS NOT NULL AND " NEW_ROWS,
                       FETCH("gate_sessions")},
};

/* A private half has no business here; should one ever stand in the column, it ends here. */
static const char SQL_SIGNING_KEYS[] =
    "SELECT (public_jwk - '{d,p,q,dp,dq,qi,oth,k}'::text[]"
    " || jsonb_build_object('kid', kid, 'alg', algorithm, 'use', 'sig'))::text"
    " FROM signing_key WHERE state IN ('next', 'active', 'retired') ORDER BY created_ms, kid";

static const char *xid_text(struct arena *arena, uint64_t xid);
static uint16_t parse_scopes(const char *names);
static int parse_networks(const char *texts, struct btcf_networks *networks);
static int parse_network(struct str text, struct btcf_network *network);
static bool is_number(int64_t value);
static int64_t clamp(int64_t time_s, int64_t min_s);

struct gate_snapshot gate_snapshot_from(uint64_t xmin)
{
    return (struct gate_snapshot){.xmin = xmin, .xmax = xmin, .running = "{}"};
}

int gate_look(struct db *db, struct arena *arena, const struct gate_snapshot *seen, struct gate_look *look)
{
    struct db_rows rows;
    memset(look, 0, sizeof(*look));
    if (db_query(db, arena, SQL_LOOK, &rows, DB_TEXT(xid_text(arena, seen->xmax)), DB_TEXT(seen->running), DB_END) <
        0)
        return err_wrap("while looking for changes of the gate");
    const char *database = db_text(&rows, 0, 0);
    if (database == NULL || !btcf_id_parse(database, strlen(database), look->database))
        return err_set(E_CORRUPT, "the database does not say who it is");
    look->snapshot = (struct gate_snapshot){.xmin = (uint64_t)db_i64(&rows, 0, 1),
                                            .xmax = (uint64_t)db_i64(&rows, 0, 2),
                                            .running = arena_strdup(arena, db_text(&rows, 0, 3))};
    for (size_t i = 0; i < GATE_TABLE_COUNT; i++)
        look->changed[i] = db_bool(&rows, 0, 4 + i);
    return 0;
}

bool gate_look_has_news(const struct gate_look *look)
{
    for (size_t i = 0; i < GATE_TABLE_COUNT; i++)
        if (look->changed[i])
            return true;
    return false;
}

int gate_count(struct db *db, struct arena *arena, int64_t now_s, struct gate_count *count)
{
    struct db_rows rows;
    if (db_query(db, arena, SQL_COUNT, &rows, DB_I64(now_s), DB_END) < 0)
        return err_wrap("while counting what the gate holds");
    *count = (struct gate_count){.keys = db_i64(&rows, 0, 0),
                                 .accounts = db_i64(&rows, 0, 1),
                                 .sessions = db_i64(&rows, 0, 2),
                                 .networks = db_i64(&rows, 0, 3)};
    return 0;
}

int gate_begin(struct db *db)
{
    return db_script(db, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
}

int gate_open(struct db *db, struct arena *arena, enum gate_table table, const struct gate_snapshot *seen,
              int64_t now_s)
{
    if (seen == NULL)
        return db_exec(db, statements[table].all, NULL, DB_I64(now_s), DB_END);
    return db_exec(db, statements[table].changed, NULL, DB_TEXT(xid_text(arena, seen->xmax)), DB_TEXT(seen->running),
                   DB_END);
}

int gate_fetch(struct db *db, struct arena *arena, enum gate_table table, struct db_rows *rows)
{
    return db_query(db, arena, statements[table].fetch, rows, DB_END);
}

int gate_plan(const struct db_rows *rows, size_t i, struct btcf_plan *plan)
{
    const char *name = db_text(rows, i, 0);
    double rate_per_s = db_f64(rows, i, 2);
    int64_t number = db_i64(rows, i, 1), burst = db_i64(rows, i, 3), streams_max = db_i64(rows, i, 6);
    *plan = (struct btcf_plan){.number = (uint16_t)number,
                               .scopes = parse_scopes(db_text(rows, i, 7)),
                               .burst = (uint32_t)burst,
                               .streams_max = (uint32_t)streams_max,
                               .quota_day = (uint64_t)db_i64(rows, i, 4),
                               .quota_month = (uint64_t)db_i64(rows, i, 5)};
    if (number < 0 || number >= BTCF_PLANS_MAX || strlen(name) >= BTCF_PLAN_NAME_MAX || burst < 1 || streams_max < 0)
        return err_set(E_CORRUPT, "the plan %s cannot be published", name);
    memcpy(plan->name, name, strlen(name));
    /* No limit is 0, so a rate beyond one unit in a nanosecond must not round to it. */
    if (!db_is_null(rows, i, 2))
        plan->period_ns = (uint64_t)fmin(fmax(round(NS_PER_S / rate_per_s), 1), PERIOD_MAX_NS);
    return 0;
}

int gate_account(const struct db_rows *rows, size_t i, struct btcf_account *account)
{
    const char *id = db_text(rows, i, 0);
    int64_t number = db_i64(rows, i, 1), row = db_i64(rows, i, 2), plan = db_i64(rows, i, 5);
    *account = (struct btcf_account){
        .number = (uint32_t)number,
        .row = (uint32_t)row,
        .plan = (uint32_t)plan,
        .flags = (db_bool(rows, i, 3) ? BTCF_ACCOUNT_ENABLED : 0) | (db_bool(rows, i, 4) ? BTCF_ACCOUNT_ADMIN : 0),
        .tokens_valid_after_s = clamp(db_i64(rows, i, 6), 0),
        .blocked_until_s = clamp(db_i64(rows, i, 7), 0),
        .blocked_period = db_bool(rows, i, 8) ? BTCF_PERIOD_MONTH : BTCF_PERIOD_DAY,
    };
    if (!btcf_id_parse(id, strlen(id), account->id) || !is_number(number) || !is_number(row) ||
        plan >= BTCF_PLANS_MAX)
        return err_set(E_CORRUPT, "the account %s cannot be published", id);
    return 0;
}

int gate_key(const struct db_rows *rows, size_t i, struct gate_key *key)
{
    const char *id = db_text(rows, i, 9), *networks = db_text(rows, i, 8);
    int64_t account = db_i64(rows, i, 2), row = db_i64(rows, i, 3);
    struct digest digest;
    memset(key, 0, sizeof(*key));
    if (digest_parse_hex(str_of(db_text(rows, i, 0)), &digest) < 0)
        return err_set(E_CORRUPT, "the key %s has no digest", id);
    memcpy(key->digest, digest.bytes, sizeof(key->digest));
    key->is_active = db_bool(rows, i, 4);
    key->has_networks = networks[0] != '\0';
    key->key = (struct btcf_key){.id = (uint64_t)db_i64(rows, i, 1),
                                 .account = (uint32_t)account,
                                 .row = (uint32_t)row,
                                 .scopes = parse_scopes(db_text(rows, i, 6)),
                                 .flags = BTCF_KEY_ENABLED | (db_bool(rows, i, 5) ? BTCF_KEY_TEST : 0),
                                 .expires_s = db_is_null(rows, i, 7) ? 0 : clamp(db_i64(rows, i, 7), 1)};
    if (!is_number(account) || !is_number(row) ||
        (key->has_networks && parse_networks(networks, &key->networks) < 0)) {
        key->is_active = false;
        return err_set(E_CORRUPT, "the key %s cannot be published", id);
    }
    return 0;
}

int gate_session(const struct db_rows *rows, size_t i, struct gate_session *session)
{
    const char *id = db_text(rows, i, 0);
    session->until_s = clamp(db_i64(rows, i, 1), 0) + GATE_SESSION_GRACE_S;
    if (!btcf_id_parse(id, strlen(id), session->id))
        return err_set(E_CORRUPT, "the session %s cannot be published", id);
    return 0;
}

int gate_signing_keys(struct db *db, struct arena *arena, struct db_rows *rows)
{
    if (db_query(db, arena, SQL_SIGNING_KEYS, rows, DB_END) < 0)
        return err_wrap("while loading the keys that sign tokens");
    return 0;
}

static const char *xid_text(struct arena *arena, uint64_t xid)
{
    return arena_printf(arena, "%" PRIu64, xid);
}

/* Names that a later release knows are no error: what we do not know we do not grant. */
static uint16_t parse_scopes(const char *names)
{
    uint32_t bits = 0;
    for (struct str rest = str_of(names); rest.ptr != NULL;) {
        struct str name = str_cut(&rest, ',');
        bits |= btcf_scope_bit(name.ptr, name.len);
    }
    return (uint16_t)bits;
}

/* "192.0.2.0/24,2001:db8::/32,198.51.100.7" */
static int parse_networks(const char *texts, struct btcf_networks *networks)
{
    for (struct str rest = str_of(texts); rest.ptr != NULL;) {
        struct str text = str_cut(&rest, ',');
        if (networks->count == BTCF_NETWORKS_MAX || parse_network(text, &networks->network[networks->count]) < 0)
            return -1;
        networks->count++;
    }
    return 0;
}

static int parse_network(struct str text, struct btcf_network *network)
{
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    char address[INET6_ADDRSTRLEN];
    struct str host = str_cut(&text, '/');
    if (host.len >= sizeof(address))
        return -1;
    memcpy(address, host.ptr, host.len);
    address[host.len] = '\0';
    bool is_ipv4 = inet_pton(AF_INET, address, network->address + sizeof(mapped)) == 1;
    if (is_ipv4)
        memcpy(network->address, mapped, sizeof(mapped));
    else if (inet_pton(AF_INET6, address, network->address) != 1)
        return -1;
    int64_t bits_max = is_ipv4 ? ADDRESS_BITS - IPV4_OFFSET_BITS : ADDRESS_BITS, bits = bits_max;
    if (text.ptr != NULL && (str_parse_i64(text, &bits) < 0 || bits < 0 || bits > bits_max))
        return -1;
    network->bits = (uint8_t)(bits + ADDRESS_BITS - bits_max);
    return 0;
}

/* Of an entry or a usage row. */
static bool is_number(int64_t value)
{
    return value >= 0 && value < GATE_CAPACITY_MAX;
}

/* Shared memory has 32 bits for a time, enough until 2106. */
static int64_t clamp(int64_t time_s, int64_t min_s)
{
    int64_t max_s = AUTH_TIME_MAX - GATE_SESSION_GRACE_S;
    return time_s < min_s ? min_s : time_s > max_s ? max_s : time_s;
}
