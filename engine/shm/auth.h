/* Reading the tables of the gate in pub: API keys, accounts, revoked sessions, plans, networks. libc only; linked into
 * nginx and into btcf; fuzzed.
 *
 *     btcf_auth_attach(&auth, &reader);                 whenever a reader has mapped a new file
 *     btcf_auth_key(&auth, digest, &key)                two cache lines
 *     btcf_auth_account(&auth, key.account, &account)   one
 *     btcf_auth_plan(&auth, account.plan, &plan)        two
 *
 * As with documents the file is taken for hostile: numbers are checked against their section, entries against their
 * checksum. A large table is not checked as a whole when it is attached; what is damaged is found when it is looked at,
 * and CORRUPT must fail closed. Nothing here waits, allocates or keeps a pointer into the file beyond `auth` itself.
 */
#ifndef BTCF_SHM_AUTH_H
#define BTCF_SHM_AUTH_H

#include "core/base.h"
#include "shm/btcf_abi.h"
#include "shm/reader.h"

/* Views into the reader's mapping; zeroed: nothing is found. Valid until the reader is closed or opened anew. */
struct btcf_auth {
    const struct btcf_auth_header *header; /* NULL: the file has no gate */
    const struct btcf_index_bucket *key_index, *account_index, *revoked;
    uint32_t key_buckets, account_buckets, revoked_buckets; /* powers of two */
    const struct btcf_key_entry *keys;
    const struct btcf_account_entry *accounts;
    const struct btcf_plan_slot *plans;
    const struct btcf_network_slot *networks;
    uint32_t key_count, account_count, plan_count, network_count;
};

struct btcf_key {
    uint64_t id;
    uint32_t account, row;
    uint32_t flags;    /* BTCF_KEY_ */
    uint16_t scopes;   /* bits of enum btcf_scope */
    int64_t expires_s; /* unix time; 0: never */
    uint32_t networks; /* for btcf_auth_network_allows; 0: from anywhere */
    uint32_t number;   /* of its entry, for btcf_auth_key_prefetch_entry */
};

struct btcf_account {
    uint8_t id[BTCF_ID_SIZE];
    uint32_t number, row;
    uint32_t flags; /* BTCF_ACCOUNT_ */
    uint32_t plan;
    int64_t tokens_valid_after_s;
    int64_t blocked_until_s; /* quota, as the database knows it; 0: not blocked */
    enum btcf_period blocked_period;
};

/* True when the reader's file has all sections of the gate; *auth is zeroed when not. */
bool btcf_auth_attach(struct btcf_auth *auth, const struct btcf_reader *reader);

/* OK and the key, whatever its state says: flags and expiry are the caller's to judge. ABSENT: never was. CORRUPT: fail
 * closed. The digest is compared in a time that does not depend on where it differs. */
enum btcf_read btcf_auth_key(const struct btcf_auth *auth, const uint8_t digest[BTCF_DIGEST_SIZE],
                             struct btcf_key *key) BTCF_MUST_CHECK;

/* Begin to fetch the two cache lines that btcf_auth_key will want, and do not wait for them: the first is known from the
 * digest, or from what was remembered of it; the second only to who found the key before. Any number is harmless. */
uint32_t btcf_auth_key_hash(const uint8_t digest[BTCF_DIGEST_SIZE]);
void btcf_auth_key_prefetch(const struct btcf_auth *auth, uint32_t hash);
void btcf_auth_key_prefetch_entry(const struct btcf_auth *auth, uint32_t number);

/* By number (from a key), and by public id (from a token). */
enum btcf_read btcf_auth_account(const struct btcf_auth *auth, uint32_t number,
                                 struct btcf_account *account) BTCF_MUST_CHECK;
enum btcf_read btcf_auth_account_find(const struct btcf_auth *auth, const uint8_t id[BTCF_ID_SIZE],
                                      struct btcf_account *account) BTCF_MUST_CHECK;

/* One cache line. True also when the table cannot be read: fail closed. */
bool btcf_auth_is_revoked(const struct btcf_auth *auth, const uint8_t session[BTCF_ID_SIZE]) BTCF_MUST_CHECK;

/* A validated copy. plan->name is NUL-terminated. */
enum btcf_read btcf_auth_plan(const struct btcf_auth *auth, uint32_t number, struct btcf_plan *plan) BTCF_MUST_CHECK;
/* By name, for configuration; looks at all of them. */
enum btcf_read btcf_auth_plan_find(const struct btcf_auth *auth, const char *name, size_t len,
                                   struct btcf_plan *plan) BTCF_MUST_CHECK;

/* Whether an address (IPv4 as ::ffff:a.b.c.d) is in one of the key's networks. `networks` as in struct btcf_key; 0 is
 * yes. False when they cannot be read. */
bool btcf_auth_network_allows(const struct btcf_auth *auth, uint32_t networks,
                              const uint8_t address[16]) BTCF_MUST_CHECK;

/* Grows with every change of the gate, so that answers may be cached against it: one load, to be made before the look-ups
 * that it is to vouch for. Compare it only within one attachment. */
uint64_t btcf_auth_changes(const struct btcf_auth *auth);

/* 32 hex digits of lower case to and from an id. False for anything else. */
bool btcf_id_parse(const char *text, size_t len, uint8_t id[BTCF_ID_SIZE]) BTCF_MUST_CHECK;
void btcf_id_render(const uint8_t id[BTCF_ID_SIZE], char text[2 * BTCF_ID_SIZE + 1]);

/* ---- for the writer and the dump ---- */

/* A state word with its check byte, which must be 0 on the way in. Never 0. */
uint64_t btcf_auth_seal(uint64_t state);
/* Checksums of private copies, as the ABI defines them. */
uint32_t btcf_key_crc(const struct btcf_key_entry *entry);
uint32_t btcf_account_crc(const struct btcf_account_entry *entry);
uint32_t btcf_plan_crc(const struct btcf_plan *plan);
uint32_t btcf_networks_crc(const struct btcf_networks *networks);
/* The word that stands for a session in REVOKED. */
uint64_t btcf_revoked_word(const uint8_t session[BTCF_ID_SIZE]);
/* The key in the entry of that number, with its digest, whether or not the index leads there. */
enum btcf_read btcf_auth_key_at(const struct btcf_auth *auth, uint32_t number, uint8_t digest[BTCF_DIGEST_SIZE],
                                struct btcf_key *key) BTCF_MUST_CHECK;
/* The number of the entry to which the index leads. */
enum btcf_read btcf_auth_key_number(const struct btcf_auth *auth, const uint8_t digest[BTCF_DIGEST_SIZE],
                                    uint32_t *number) BTCF_MUST_CHECK;
/* A validated copy of a key's networks; `networks` as in struct btcf_key. */
enum btcf_read btcf_auth_networks(const struct btcf_auth *auth, uint32_t networks,
                                  struct btcf_networks *copy) BTCF_MUST_CHECK;

/* ---- scopes ---- */

/* A name keeps its bit for ever. */
#define BTCF_SCOPES(SCOPE)                                                                                           \
    SCOPE(0, READ, "read", "forecasts, prices, candles and all other public documents")                              \
    SCOPE(1, STREAM, "stream", "events as they happen")                                                              \
    SCOPE(2, HISTORY, "history", "what was known and forecast earlier")                                              \
    SCOPE(3, ACCOUNT_READ, "account.read", "one's own account, keys and usage")                                      \
    SCOPE(4, ACCOUNT_WRITE, "account.write", "change one's own account; never in an API key")                        \
    SCOPE(5, JOBS, "jobs", "start and watch backtests and training")                                                 \
    SCOPE(6, WEBHOOKS, "webhooks", "webhooks and alerts")                                                            \
    SCOPE(7, ADMIN, "admin", "administer the service; accounts with the role admin alone")

enum btcf_scope {
#define SCOPE(bit, name, text, help) BTCF_SCOPE_##name = 1u << (bit),
    BTCF_SCOPES(SCOPE)
#undef SCOPE
};

/* The bit of a scope's name, 0 when there is none. */
uint32_t btcf_scope_bit(const char *name, size_t len);
/* The name of one bit, NULL when it has none. */
const char *btcf_scope_name(uint32_t bit);

#endif
