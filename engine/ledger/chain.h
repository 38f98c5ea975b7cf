/* The ledger: proof that a forecast was published before its outcome was known, and has not been touched since.
 *
 * One entry per issue batch:
 *
 *     leaf(i)  = merkle leaf of the canonical text of served forecast i, by ascending horizon
 *     root     = merkle root over the leaves
 *     hash     = SHA-256("btcf-ledger-1\n" feed "\n" seq "\n" batch "\n" root "\n" previous "\n")
 *     previous = hash of entry seq - 1; 64 zeros before the first
 *
 * The canonical text is built from the stored rows themselves, so that who verifies reads exactly what was hashed.
 * Its lines are, each "name=value\n" and in this order: format (btcf-forecast-1), id, feed, model, model_version,
 * horizon_s, issued_at, target_at, origin_price, quantiles (25, comma-separated), mean, prob_up, volatility, method,
 * weights (PostgreSQL's text of the jsonb), trained_at. Numbers are written with %.17g, which reads back exactly.
 *
 * Scores are not part of it: truth arrives later and lives in another table.
 */
#ifndef LEDGER_CHAIN_H
#define LEDGER_CHAIN_H

#include "core/base.h"
#include "crypto/digest.h"

struct arena;
struct db;
struct strbuf;

#define LEDGER_QUANTILES_MAX 64
#define LEDGER_LEAVES_MAX 64
extern const char ledger_genesis[DIGEST_HEX_SIZE]; /* 64 zeros */

/* A served forecast as it is hashed; texts are borrowed. */
struct ledger_leaf {
    const char *id, *feed, *model, *model_version, *method, *weights;
    int64_t horizon_s, issued_at, target_at, trained_at;
    double origin_price, mean, prob_up, volatility;
    double quantiles[LEDGER_QUANTILES_MAX];
    size_t quantile_count;
};

struct ledger_entry {
    int64_t seq, batch_id;
    char root[DIGEST_HEX_SIZE], previous[DIGEST_HEX_SIZE], hash[DIGEST_HEX_SIZE];
};

/* The canonical text, appended to `out`. */
void ledger_leaf_render(const struct ledger_leaf *leaf, struct strbuf *out);

/* Fills entry->hash from feed and the entry's other fields. */
void ledger_entry_seal(const char *feed, struct ledger_entry *entry);

/* Appends the entry of a batch whose forecasts are stored, in the caller's transaction: the head row is locked until
 * that ends, so entries of one feed queue up. E_MISSING without served forecasts, E_CONFLICT when the batch has an
 * entry already. */
int ledger_append(struct db *db, struct arena *arena, int64_t batch_id, int64_t wall_ms,
                  struct ledger_entry *entry) BTCF_MUST_CHECK;

/* Hex SHA-256 of the closes that a batch was computed from: their little-endian doubles, oldest first. */
void ledger_data_hash(const double *closes, size_t count, char hex[DIGEST_HEX_SIZE]);

struct ledger_report {
    int64_t entries, forecasts; /* that were checked and are right */
    char head[DIGEST_HEX_SIZE];
};

/* Recomputes everything from the rows, from the first entry to the head. E_CORRUPT names the first entry that does not
 * hold and why; the report then tells how far all was well. A feed without entries is right. */
int ledger_verify(struct db *db, const char *feed, struct ledger_report *report) BTCF_MUST_CHECK;

#endif
