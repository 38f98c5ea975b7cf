/* The served forecasts of a batch as the texts that the ledger hashes, read from their rows. There is one reader, used for
 * appending, for verifying and for proofs, so that these cannot drift apart.
 */
#ifndef LEDGER_LEAVES_H
#define LEDGER_LEAVES_H

#include "core/base.h"
#include "crypto/digest.h"
#include "ledger/chain.h"

struct arena;
struct db;

/* One leaf as it is stored. */
struct ledger_stored {
    const char *id;   /* of the forecast */
    const char *text; /* canonical (ledger/chain.h), NUL-terminated, in the arena */
    struct digest digest;
};

/* By ascending horizon, at most LEDGER_LEAVES_MAX; E_LIMIT when there are more. A batch without any, or no such batch, has
 * none. */
int ledger_load_leaves(struct db *db, struct arena *arena, int64_t batch_id, struct ledger_stored *leaves,
                       size_t *count) BTCF_MUST_CHECK;

#endif
