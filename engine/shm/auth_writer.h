/* Writing the tables of the gate in pub: who may do what. Engine only (role publish, tests).
 *
 *     writer_create(&writer, &options)              options.auth has capacities; takes the old file's tables over
 *     writer_claim_auth(writer, database)           true: they are of this database, go on from writer_auth_position
 *     writer_put_account(...) writer_put_key(...) writer_put_plan(...) writer_revoke_session(...)
 *     writer_set_auth_position(writer, position)
 *     writer_go_live(writer), and then the same calls as rows change
 *
 * Every call works before and after the file is live, and says the same thing twice without harm: what does not change
 * costs no store and is not counted as a change. A change is one store that readers see whole or not at all, whatever
 * the table's size; what it costs besides is filling a new entry of 64 bytes. Nothing is ever cut: E_LIMIT, naming the
 * table and both sizes, says that a file with larger capacities is needed. E_MISSING: the file was made without a gate.
 *
 * Entries of keys and networks are used once while a file lives, so a key that gets other networks (or another account
 * or row) uses up another entry, and one that is disabled keeps its own. The next file begins without the refuse.
 */
#ifndef SHM_AUTH_WRITER_H
#define SHM_AUTH_WRITER_H

#include "core/base.h"
#include "shm/auth.h"
#include "shm/writer.h"

/* Times are unix seconds, 0 to this. */
#define AUTH_TIME_MAX INT64_C(0xffffffff)

/* ---- where the tables come from ---- */

/* Says which database the tables are from; before the file is live. True: the tables are of that database, as those taken
 * over from the old file are when it was made from the same. False: the tables are empty (there were none, they were
 * damaged or of another database), and everything has to be put. So claiming zeros first discards what is not to be
 * trusted. When the database cannot be asked, leave this out: what was taken over stays as it is. */
bool writer_claim_auth(struct writer *writer, const uint8_t database[16]);

/* The database that the tables are from; zeros: none. */
const uint8_t *writer_auth_database(const struct writer *writer);

/* Why the old file's tables were not taken over, for the log; NULL when they were, or there was nothing to take. */
const char *writer_auth_refusal(const struct writer *writer);

/* The caller's place in the database's history of changes: everything up to it is in the tables. 0: nothing. Set it after
 * the changes have been put; a writer that dies between leaves an older position, and puts them again. */
uint64_t writer_auth_position(const struct writer *writer);
void writer_set_auth_position(struct writer *writer, uint64_t position);

/* ---- tables ---- */

/* A key that is new must be enabled to get an entry: one that is not is refused in any case. `key->networks` is ignored;
 * `networks` NULL: from anywhere, else 1 to BTCF_NETWORKS_MAX of them (crc is set here). A change of flags, scopes and
 * expiry is one store into the key's entry; any other change gives it a new entry. */
int writer_put_key(struct writer *writer, const uint8_t digest[BTCF_DIGEST_SIZE], const struct btcf_key *key,
                   const struct btcf_networks *networks) BTCF_MUST_CHECK;

/* From now on the key is refused as one that never was. Unknown ones are ignored. */
int writer_disable_key(struct writer *writer, const uint8_t digest[BTCF_DIGEST_SIZE]) BTCF_MUST_CHECK;

/* As writer_put_key; the entry is that of account->number. Flags, plan and tokens_valid_after_s change in one store.
 * E_CONFLICT when the number belongs to another id, or the id to another number: neither changes while a file lives. */
int writer_put_account(struct writer *writer, const struct btcf_account *account) BTCF_MUST_CHECK;

/* Plan plan->number; crc is set here. */
int writer_put_plan(struct writer *writer, const struct btcf_plan *plan) BTCF_MUST_CHECK;
int writer_remove_plan(struct writer *writer, uint32_t number) BTCF_MUST_CHECK;

/* until_s: when the session's last token expires; from then on it may be forgotten. */
int writer_revoke_session(struct writer *writer, const uint8_t session[BTCF_ID_SIZE],
                          int64_t until_s) BTCF_MUST_CHECK;

/* Forgets sessions whose until_s is before now_s, and returns how many. Looks at a part of the set on each call, so that
 * none takes long: call it about once a second. */
uint32_t writer_forget_sessions(struct writer *writer, int64_t now_s);

/* How full the tables are, entries that are used up included, so that the caller can grow in time. */
struct writer_auth_load {
    uint32_t keys, accounts, revoked, networks; /* accounts: the highest number + 1 */
    struct writer_auth_options capacity;
};
struct writer_auth_load writer_auth_load(const struct writer *writer);

#endif
