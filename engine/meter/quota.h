/* Quotas as the database knows them: over all keys, machines and restarts.
 *
 * A worker enforces quotas by itself, on the words of the account in edge, and exactly. What it cannot know is what was
 * used before the file was made, on another machine, or by a plan that was changed since. So an account whose units of the
 * current UTC day or month have reached its plan's quota gets blocked_until_s, the end of that period; the gate's trigger
 * has the publisher tell every worker. A block ends by itself with the period, or when a change of plan lifts it.
 */
#ifndef METER_QUOTA_H
#define METER_QUOTA_H

#include "core/base.h"

struct db;

/* Looks at these accounts (repeated ids do no harm): blocks, or lifts the block, where the totals say so. */
int quota_check(struct db *db, const int64_t *account_ids, size_t count, int64_t now_s) BTCF_MUST_CHECK;

/* Looks at the accounts that are blocked: for blocks that a change of plan lifts. */
int quota_check_blocked(struct db *db, int64_t now_s) BTCF_MUST_CHECK;

#endif
