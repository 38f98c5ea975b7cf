/* Places in the tables of edge.v1, where workers count: which are taken, and by whom.
 *
 * A place belongs to one API key, or to one account for what it asks with tokens. It is the lowest one that is free,
 * since the tables have an end. It is free again USAGE_ROW_REST_MS after it was given back: until then the meter may
 * find something in it that its last owner has used, and usage must never change hands.
 *
 * Two transactions never get the same place: a free one is locked as it is taken, and the end of the table is
 * moved under a lock of its own, which is held until the commit.
 */
#ifndef ACCOUNTS_USAGE_ROW_H
#define ACCOUNTS_USAGE_ROW_H

#include "accounts/audit.h"

#define USAGE_ROW_REST_MS                                                                                            \
    INT64_C(172800000) /* two days: longer than any meter may be away without losing a day bank */

/* Takes a place, which has no owner yet: there is a circle of references otherwise. */
int usage_row_take(const struct actor *actor, int64_t *row) BTCF_MUST_CHECK;
/* Says whose it is. key_id 0: the account's, for its tokens. */
int usage_row_assign(const struct actor *actor, int64_t row, int64_t account_id, int64_t key_id) BTCF_MUST_CHECK;
/* Gives it back as of `ended_ms`. */
int usage_row_release(const struct actor *actor, int64_t row, int64_t ended_ms) BTCF_MUST_CHECK;

/* Keeps every other transaction from giving out a new number (of a row, account or plan) until this one ends. */
int usage_row_lock_numbers(const struct actor *actor) BTCF_MUST_CHECK;

#endif
