/* /v1/ledger/...: what a stranger needs to check the ledger without us.
 *
 *     entries              the chain: seq, root, previous, hash. hash is SHA-256 over the five lines of ledger/chain.h
 *     entries/{seq}        with the canonical text of every served forecast: the leaves of the Merkle tree
 *     forecasts/{id}       one leaf, and the siblings on its way to the root (RFC 6962)
 *
 * Only the active feed's ledger is shown: other worlds on the same database are nobody's business.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "core/clock.h"
#include "core/err.h"
#include "core/json.h"
#include "ledger/chain.h"
#include "ledger/leaves.h"
#include "ledger/merkle.h"
#include "market/feed.h"
#include "store/db.h"

#define LIST_DEFAULT 50
#define LIST_MAX 500
#define CACHE_ENTRY "public, max-age=86400, immutable" /* an entry never changes */
#define CACHE_LIST "public, max-age=10"

/* Columns: seq batch issued_at root previous hash created. Index: primary key, backwards. */
static const char SQL_LIST[] =
    "SELECT l.seq, l.batch_id, b.issued_at, l.root, l.previous, l.hash, l.created_wall_ms FROM ledger_entry l"
    " JOIN batch b ON b.id = l.batch_id WHERE l.feed = $1 AND l.seq < $2 ORDER BY l.seq DESC LIMIT $3";
/* The same columns. Index: unique public_id, unique batch_id. */
static const char SQL_OF_FORECAST[] =
    "SELECT l.seq, l.batch_id, b.issued_at, l.root, l.previous, l.hash, l.created_wall_ms FROM forecast f"
    " JOIN ledger_entry l ON l.batch_id = f.batch_id JOIN batch b ON b.id = l.batch_id"
    " WHERE f.public_id = $1 AND f.feed = $2 AND f.served";

/* What every handler begins with. */
static int begin(struct api *api, struct db **db, struct feed *feed)
{
    if (api_db(api, db) < 0)
        return err_wrap("while answering about the ledger");
    return feed_load_active(*db, api->settings->symbol, feed);
}

static void put_entry(struct json *json, const struct db_rows *rows, size_t i)
{
    json_put_i64(json, "seq", db_i64(rows, i, 0));
    json_put_i64(json, "batch", db_i64(rows, i, 1));
    json_key(json, "issued_at");
    json_time(json, db_i64(rows, i, 2));
    json_put_text(json, "root", db_text(rows, i, 3));
    json_put_text(json, "previous", db_text(rows, i, 4));
    json_put_text(json, "hash", db_text(rows, i, 5));
    json_key(json, "created_at");
    json_time(json, db_i64(rows, i, 6));
}

/* A number in [least, most] out of a text that a client sent. */
static int parse_number(const char *name, const char *text, int64_t least, int64_t most, int64_t *value)
{
    if (str_parse_i64(str_of(text), value) < 0 || *value < least || *value > most)
        return err_set(E_INPUT, "%s takes a whole number from %" PRId64 " to %" PRId64 ", not \"%.32s\"", name, least,
                       most, text);
    return 0;
}

static int parse_list(const struct http_request *request, int64_t *before, int64_t *limit)
{
    const char *cursor = http_query_param(request, "cursor"), *count = http_query_param(request, "limit");

    *before = INT64_MAX;
    *limit = LIST_DEFAULT;
    if (count != NULL && parse_number("limit", count, 1, LIST_MAX, limit) < 0)
        return -1;
    if (cursor == NULL)
        return 0;
    /* "s<seq>": opaque to clients, who hand back what they were given */
    if (cursor[0] != 's' || str_parse_i64(str_of(cursor + 1), before) < 0 || *before < 1)
        return err_set(E_INPUT, "cursor is none that this has given out");
    return 0;
}

int ledger_list(void *ctx, const struct http_request *request, struct http_response *response)
{
    struct db *db;
    struct feed feed;
    struct db_rows rows;
    struct json json;
    int64_t before, limit;

    if (parse_list(request, &before, &limit) < 0 || begin(ctx, &db, &feed) < 0 ||
        db_query(db, request->arena, SQL_LIST, &rows, DB_TEXT(feed.name), DB_I64(before), DB_I64(limit), DB_END) < 0)
        return -1;
    json_init(&json, &response->body);
    json_open(&json, '{');
    json_put_text(&json, "feed", feed.name);
    json_key(&json, "entries");
    json_open(&json, '[');
    for (size_t i = 0; i < rows.count; i++) {
        json_open(&json, '{');
        put_entry(&json, &rows, i);
        json_close(&json, '}');
    }
    json_close(&json, ']');
    json_key(&json, "next_cursor");
    if (rows.count == (size_t)limit && db_i64(&rows, rows.count - 1, 0) > 1) {
        char next[32];

        snprintf(next, sizeof next, "s%" PRId64, db_i64(&rows, rows.count - 1, 0));
        json_text(&json, next);
    } else {
        json_none(&json);
    }
    json_close(&json, '}');
    http_response_header(response, "Cache-Control", CACHE_LIST);
    return 0;
}

int ledger_show(void *ctx, const struct http_request *request, struct http_response *response)
{
    struct db *db;
    struct feed feed;
    struct db_rows rows;
    struct json json;
    struct ledger_stored leaves[LEDGER_LEAVES_MAX];
    size_t count;
    int64_t seq;

    if (parse_number("seq", http_path_param(request, "seq"), 1, INT64_MAX - 1, &seq) < 0)
        return err_set(E_MISSING, "entries are numbered from 1");
    if (begin(ctx, &db, &feed) < 0 ||
        db_query(db, request->arena, SQL_LIST, &rows, DB_TEXT(feed.name), DB_I64(seq + 1), DB_I64(1), DB_END) < 0)
        return -1;
    if (rows.count == 0 || db_i64(&rows, 0, 0) != seq)
        return err_set(E_MISSING, "there is no entry %" PRId64, seq);
    if (ledger_load_leaves(db, request->arena, db_i64(&rows, 0, 1), leaves, &count) < 0)
        return -1;
    json_init(&json, &response->body);
    json_open(&json, '{');
    json_put_text(&json, "feed", feed.name);
    put_entry(&json, &rows, 0);
    json_key(&json, "forecasts");
    json_open(&json, '[');
    for (size_t i = 0; i < count; i++) {
        json_open(&json, '{');
        json_put_text(&json, "id", leaves[i].id);
        json_put_text(&json, "text", leaves[i].text);
        json_close(&json, '}');
    }
    json_close(&json, ']');
    json_close(&json, '}');
    http_response_header(response, "Cache-Control", CACHE_ENTRY);
    return 0;
}

static void put_path(struct json *json, const struct ledger_stored *leaves, size_t count, size_t at)
{
    struct digest digests[LEDGER_LEAVES_MAX];
    struct merkle_step path[MERKLE_PATH_MAX];

    for (size_t i = 0; i < count; i++)
        digests[i] = leaves[i].digest;
    size_t length = merkle_path(digests, count, at, path);
    json_key(json, "path");
    json_open(json, '[');
    for (size_t i = 0; i < length; i++) {
        char hex[DIGEST_HEX_SIZE];

        digest_to_hex(&path[i].digest, hex);
        json_open(json, '{');
        json_put_text(json, "side", path[i].is_left ? "left" : "right");
        json_put_text(json, "hash", hex);
        json_close(json, '}');
    }
    json_close(json, ']');
}

int ledger_prove(void *ctx, const struct http_request *request, struct http_response *response)
{
    const char *id = http_path_param(request, "id");
    struct db *db;
    struct feed feed;
    struct db_rows rows;
    struct json json;
    struct ledger_stored leaves[LEDGER_LEAVES_MAX];
    size_t count, at = 0;

    if (begin(ctx, &db, &feed) < 0 ||
        db_query(db, request->arena, SQL_OF_FORECAST, &rows, DB_TEXT(id), DB_TEXT(feed.name), DB_END) < 0)
        return -1;
    if (rows.count == 0)
        return err_set(E_MISSING, "no served forecast has this id");
    if (ledger_load_leaves(db, request->arena, db_i64(&rows, 0, 1), leaves, &count) < 0)
        return -1;
    while (at < count && strcmp(leaves[at].id, id) != 0)
        at++;
    if (at == count)
        return err_set(E_CORRUPT, "forecast %s is not among those of its batch", id);
    json_init(&json, &response->body);
    json_open(&json, '{');
    json_put_text(&json, "feed", feed.name);
    put_entry(&json, &rows, 0);
    json_put_text(&json, "id", id);
    json_put_text(&json, "text", leaves[at].text);
    json_put_i64(&json, "index", (int64_t)at);
    json_put_i64(&json, "leaves", (int64_t)count);
    put_path(&json, leaves, count, at);
    json_close(&json, '}');
    http_response_header(response, "Cache-Control", CACHE_ENTRY);
    return 0;
}
