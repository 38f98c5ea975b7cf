/* See chain.h for what is hashed. This file reads rows, computes, and compares; there is one reader of leaves, used
 * both for appending and for verifying, so the two cannot drift apart.
 *
 * What the chain cannot do: whoever owns the database can rewrite all of it, consistently. The head hash stands in
 * every published forecast, so a rewritten chain contradicts what clients have seen; that is the protection.
 */
#include "ledger/chain.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/arena.h"
#include "core/err.h"
#include "core/str.h"
#include "ledger/leaves.h"
#include "ledger/merkle.h"
#include "store/db.h"

#define VERIFY_ARENA_BYTES (64u << 20)
#define VERIFY_PAGE_MAX 200 /* entries looked at per query; LIMIT in SQL_ENTRIES */

const char ledger_genesis[DIGEST_HEX_SIZE] = "0000000000000000000000000000000000000000000000000000000000000000";

static const char SQL_BATCH_FEED[] = "SELECT feed FROM batch WHERE id = $1";
static const char SQL_HEAD_CREATE[] =
    "INSERT INTO ledger_head (feed, seq, hash) VALUES ($1, 0, $2) ON CONFLICT (feed) DO NOTHING";
static const char SQL_HEAD_LOCK[] = "SELECT seq, hash FROM ledger_head WHERE feed = $1 FOR UPDATE";
static const char SQL_HEAD_MOVE[] = "UPDATE ledger_head SET seq = $2, hash = $3 WHERE feed = $1";
static const char SQL_ENTRY_ADD[] =
    "INSERT INTO ledger_entry (feed, seq, batch_id, root, previous, hash, created_wall_ms)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7)";
/* Columns: seq batch_id root previous hash. Index: primary key. */
static const char SQL_ENTRIES[] =
    "SELECT seq, batch_id, root, previous, hash FROM ledger_entry WHERE feed = $1 AND seq > $2 ORDER BY seq LIMIT 200";
static const char SQL_HEAD[] = "SELECT seq, hash FROM ledger_head WHERE feed = $1";

static int load_root(struct db *db, struct arena *arena, int64_t batch_id, char root[DIGEST_HEX_SIZE], size_t *count);
static int verify_page(struct db *db, struct arena *arena, const char *feed, struct ledger_report *report);
static int verify_entry(struct db *db, struct arena *arena, const char *feed, const struct ledger_entry *stored,
                        struct ledger_report *report);
static int verify_head(struct db *db, struct arena *arena, const char *feed, const struct ledger_report *report);

void ledger_entry_seal(const char *feed, struct ledger_entry *entry)
{
    char text[512];
    int len = snprintf(text, sizeof(text), "btcf-ledger-1\n%s\n%" PRId64 "\n%" PRId64 "\n%s\n%s\n", feed, entry->seq,
                       entry->batch_id, entry->root, entry->previous);
    struct digest digest = digest_sha256(text, (size_t)len);
    digest_to_hex(&digest, entry->hash);
}

int ledger_append(struct db *db, struct arena *arena, int64_t batch_id, int64_t wall_ms, struct ledger_entry *entry)
{
    struct db_rows rows;
    if (db_query(db, arena, SQL_BATCH_FEED, &rows, DB_I64(batch_id), DB_END) < 0)
        return err_wrap("while appending batch %" PRId64 " to the ledger", batch_id);
    if (rows.count == 0)
        return err_set(E_MISSING, "there is no batch %" PRId64 " to append to the ledger", batch_id);
    const char *feed = db_text(&rows, 0, 0);

    size_t leaves;
    *entry = (struct ledger_entry){.batch_id = batch_id};
    if (load_root(db, arena, batch_id, entry->root, &leaves) < 0)
        return -1;
    if (leaves == 0)
        return err_set(E_MISSING, "batch %" PRId64 " has no served forecast", batch_id);

    if (db_exec(db, SQL_HEAD_CREATE, NULL, DB_TEXT(feed), DB_TEXT(ledger_genesis), DB_END) < 0 ||
        db_query(db, arena, SQL_HEAD_LOCK, &rows, DB_TEXT(feed), DB_END) < 0)
        return err_wrap("while locking the ledger's head of %s", feed);
    if (rows.count != 1)
        return err_set(E_CORRUPT, "the ledger of %s has no head", feed);
    entry->seq = db_i64(&rows, 0, 0) + 1;
    snprintf(entry->previous, sizeof(entry->previous), "%s", db_text(&rows, 0, 1));
    ledger_entry_seal(feed, entry);

    if (db_exec(db, SQL_ENTRY_ADD, NULL, DB_TEXT(feed), DB_I64(entry->seq), DB_I64(batch_id), DB_TEXT(entry->root),
                DB_TEXT(entry->previous), DB_TEXT(entry->hash), DB_I64(wall_ms), DB_END) < 0 ||
        db_exec(db, SQL_HEAD_MOVE, NULL, DB_TEXT(feed), DB_I64(entry->seq), DB_TEXT(entry->hash), DB_END) < 0)
        return err_wrap("while appending batch %" PRId64 " to the ledger of %s", batch_id, feed);
    return 0;
}

void ledger_data_hash(const double *closes, size_t count, char hex[DIGEST_HEX_SIZE])
{
    struct digest digest = digest_sha256(closes, count * sizeof(*closes));
    digest_to_hex(&digest, hex);
}

int ledger_verify(struct db *db, const char *feed, struct ledger_report *report)
{
    struct arena *arena = arena_create("ledger.verify", VERIFY_ARENA_BYTES);
    int result;
    *report = (struct ledger_report){0};
    memcpy(report->head, ledger_genesis, sizeof(report->head));
    /* Ends because every page that is not empty moves report->entries forward. */
    while ((result = verify_page(db, arena, feed, report)) > 0)
        arena_reset(arena);
    if (result == 0)
        result = verify_head(db, arena, feed, report);
    arena_free(&arena);
    return result;
}

/* Root over the stored rows of a batch; *count of them. */
static int load_root(struct db *db, struct arena *arena, int64_t batch_id, char root[DIGEST_HEX_SIZE], size_t *count)
{
    struct ledger_stored stored[LEDGER_LEAVES_MAX];
    struct digest leaves[LEDGER_LEAVES_MAX];
    if (ledger_load_leaves(db, arena, batch_id, stored, count) < 0)
        return -1;
    for (size_t i = 0; i < *count; i++)
        leaves[i] = stored[i].digest;
    struct digest digest = merkle_root(leaves, *count);
    digest_to_hex(&digest, root);
    return 0;
}

/* The entries behind report->entries. 1: there may be more, 0: that was the end. */
static int verify_page(struct db *db, struct arena *arena, const char *feed, struct ledger_report *report)
{
    struct db_rows rows;
    if (db_query(db, arena, SQL_ENTRIES, &rows, DB_TEXT(feed), DB_I64(report->entries), DB_END) < 0)
        return err_wrap("while reading the ledger of %s", feed);
    for (size_t i = 0; i < rows.count; i++) {
        struct ledger_entry stored = {.seq = db_i64(&rows, i, 0), .batch_id = db_i64(&rows, i, 1)};
        snprintf(stored.root, sizeof(stored.root), "%s", db_text(&rows, i, 2));
        snprintf(stored.previous, sizeof(stored.previous), "%s", db_text(&rows, i, 3));
        snprintf(stored.hash, sizeof(stored.hash), "%s", db_text(&rows, i, 4));
        if (verify_entry(db, arena, feed, &stored, report) < 0)
            return -1;
    }
    return rows.count == VERIFY_PAGE_MAX;
}

static int verify_entry(struct db *db, struct arena *arena, const char *feed, const struct ledger_entry *stored,
                        struct ledger_report *report)
{
    size_t leaves;
    struct ledger_entry expected = {.seq = report->entries + 1, .batch_id = stored->batch_id};
    if (stored->seq != expected.seq)
        return err_set(E_CORRUPT, "entry %" PRId64 " of %s is missing", expected.seq, feed);
    if (strcmp(stored->previous, report->head) != 0)
        return err_set(E_CORRUPT, "entry %" PRId64 " of %s does not follow its predecessor", stored->seq, feed);
    if (load_root(db, arena, stored->batch_id, expected.root, &leaves) < 0)
        return -1;
    if (strcmp(stored->root, expected.root) != 0)
        return err_set(E_CORRUPT, "forecasts of entry %" PRId64 " of %s were changed", stored->seq, feed);
    memcpy(expected.previous, report->head, sizeof(expected.previous));
    ledger_entry_seal(feed, &expected);
    if (strcmp(stored->hash, expected.hash) != 0)
        return err_set(E_CORRUPT, "entry %" PRId64 " of %s has a wrong hash", stored->seq, feed);
    report->entries = stored->seq;
    report->forecasts += (int64_t)leaves;
    memcpy(report->head, expected.hash, sizeof(report->head));
    return 0;
}

/* Entries cut off the end leave a chain that holds; only the head row can tell. */
static int verify_head(struct db *db, struct arena *arena, const char *feed, const struct ledger_report *report)
{
    struct db_rows rows;
    if (db_query(db, arena, SQL_HEAD, &rows, DB_TEXT(feed), DB_END) < 0)
        return err_wrap("while reading the ledger's head of %s", feed);
    int64_t seq = rows.count > 0 ? db_i64(&rows, 0, 0) : 0;
    const char *hash = rows.count > 0 ? db_text(&rows, 0, 1) : ledger_genesis;
    if (seq != report->entries || strcmp(hash, report->head) != 0)
        return err_set(E_CORRUPT, "the head of %s says entry %" PRId64 ", the chain ends at %" PRId64, feed, seq,
                       report->entries);
    return 0;
}
