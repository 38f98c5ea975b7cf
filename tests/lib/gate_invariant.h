/* Tables of the gate in which every number follows from another one: what a torn read must break.
 *
 *   key       id chooses account, row and networks and stands in the upper half of the expiry, whose whole chooses the
 *             scopes: neither half of a state nor the state of one entry with the rest of another goes unnoticed
 *   account   tokens_valid_after chooses plan and flags, blocked_until its period
 *   plan      one number chooses all others
 *   session   number r is revoked before the board says r, and forgotten when the board says r + GATE_KEPT + 1; they all
 *             crowd into four buckets, which therefore run over
 *   short key number j is enabled, and disabled before the board says j; from then on it is never good again
 *
 * Include it behind shm_invariant.h, which says where the writer is.
 */
#ifndef TESTS_LIB_GATE_INVARIANT_H
#define TESTS_LIB_GATE_INVARIANT_H

#include "../../engine/shm/auth_writer.c"

#define GATE_KEYS 64u
#define GATE_ACCOUNTS 16u
#define GATE_PLANS 4u
#define GATE_KEPT 32u
#define GATE_NEVER 0x80000000u /* sessions from here on are not revoked */
#define GATE_SHORT 0x40000000u /* digests of the short keys */

/* What the writer tells the readers, beside the file. */
struct gate_board {
    _Atomic uint64_t steps;        /* done */
    _Atomic uint32_t revoked_upto; /* 0: none */
    _Atomic uint32_t disabled_upto;
};

static inline void gate_fill_bytes(uint8_t *bytes, size_t size, uint64_t seed)
{
    for (size_t i = 0; i < size; i += sizeof(seed)) {
        uint64_t word = inv_mix(inv_mix(seed) + i);

        memcpy(bytes + i, &word, sizeof(word));
    }
}

static inline void gate_session_id(uint8_t id[BTCF_ID_SIZE], uint32_t number)
{
    uint32_t bucket = number % 4;

    gate_fill_bytes(id, BTCF_ID_SIZE, number);
    memcpy(id, &number, sizeof(number));
    memcpy(id + 4, &bucket, sizeof(bucket));
}

static inline struct btcf_networks gate_networks_of(uint64_t id)
{
    struct btcf_networks networks = {.count = 1 + (uint32_t)(id / 2 % BTCF_NETWORKS_MAX)};

    for (uint32_t i = 0; i < networks.count; i++) {
        gate_fill_bytes(networks.network[i].address, 16, id + i);
        networks.network[i].bits = 128;
    }
    return networks;
}

static inline struct btcf_key gate_key_of(uint64_t id, uint64_t version)
{
    uint32_t expires = (uint32_t)(id << 16) | (uint32_t)(version & 0xffff);
    uint16_t scopes = (uint16_t)inv_mix(expires);

    return (struct btcf_key){.id = id,
                             .account = (uint32_t)inv_mix(id),
                             .row = (uint32_t)(inv_mix(id) >> 32),
                             .flags = BTCF_KEY_ENABLED | (scopes % 2 != 0 ? BTCF_KEY_TEST : 0),
                             .scopes = scopes,
                             .expires_s = expires};
}

static inline struct btcf_account gate_account_of(uint32_t number, uint64_t version)
{
    uint32_t valid_after = (uint32_t)inv_mix(version), until = (uint32_t)inv_mix(version + 1) | 1;
    struct btcf_account account = {.number = number,
                                   .row = (uint32_t)inv_mix(version + 2),
                                   .flags = BTCF_ACCOUNT_ENABLED | (valid_after >> 31 ? BTCF_ACCOUNT_ADMIN : 0),
                                   .plan = valid_after % BTCF_PLANS_MAX,
                                   .tokens_valid_after_s = valid_after,
                                   .blocked_until_s = until,
                                   .blocked_period = until / 2 % 2 != 0 ? BTCF_PERIOD_DAY : BTCF_PERIOD_MONTH};

    gate_fill_bytes(account.id, sizeof(account.id), ~(uint64_t)number);
    return account;
}

static inline struct btcf_plan gate_plan_of(uint16_t number, uint64_t version)
{
    return (struct btcf_plan){.number = number,
                              .scopes = (uint16_t)inv_mix(version + 1),
                              .name = {'p'},
                              .period_ns = inv_mix(version + 2),
                              .burst = 1,
                              .streams_max = (uint32_t)inv_mix(version + 3),
                              .quota_day = version,
                              .quota_month = inv_mix(version + 4)};
}

/* ---- the writer -------------------------------------------------------------------------------------------------- */

/* Gives key k another identity when `version` says so, else another state. */
static inline int gate_step_key(struct writer *writer, uint32_t k, uint64_t version, bool is_other)
{
    uint8_t digest[BTCF_DIGEST_SIZE];
    struct btcf_key key;

    gate_fill_bytes(digest, sizeof(digest), k);
    if (is_other || btcf_auth_key(&writer->gate.view, digest, &key) != BTCF_READ_OK)
        key.id = version;

    const struct btcf_networks networks = gate_networks_of(key.id);

    key = gate_key_of(key.id, version);
    return writer_put_key(writer, digest, &key, key.id % 2 != 0 ? &networks : NULL);
}

static inline int gate_step_account(struct writer *writer, uint32_t number, uint64_t version)
{
    const struct btcf_account account = gate_account_of(number, version);

    return writer_put_account(writer, &account);
}

static inline int gate_step_plan(struct writer *writer, uint16_t number, uint64_t version)
{
    const struct btcf_plan plan = gate_plan_of(number, version);

    if (version / 8 % 16 == 15)
        return writer_remove_plan(writer, number);
    return writer_put_plan(writer, &plan);
}

static inline int gate_step_session(struct writer *writer, struct gate_board *board, uint32_t number)
{
    uint8_t id[BTCF_ID_SIZE];

    gate_session_id(id, number);
    if (writer_revoke_session(writer, id, number) < 0)
        return -1;
    atomic_store_explicit(&board->revoked_upto, number, memory_order_release);
    if (number > GATE_KEPT)
        (void)writer_forget_sessions(writer, number - GATE_KEPT);
    return 0;
}

static inline int gate_step_short_key(struct writer *writer, struct gate_board *board, uint32_t number,
                                      bool is_enabled)
{
    const struct btcf_key key = gate_key_of(number, number);
    uint8_t digest[BTCF_DIGEST_SIZE];

    gate_fill_bytes(digest, sizeof(digest), GATE_SHORT | number);
    if (is_enabled)
        return writer_put_key(writer, digest, &key, NULL);
    if (writer_disable_key(writer, digest) < 0)
        return -1;
    atomic_store_explicit(&board->disabled_upto, number, memory_order_release);
    return 0;
}

/* One change, the next one in a cycle of eight. -1 when a table is used up: then another file is due. */
static inline int gate_step(struct writer *writer, struct gate_board *board)
{
    uint64_t n = atomic_load_explicit(&board->steps, memory_order_relaxed) + 1;
    uint32_t turn = (uint32_t)(n / 8) + 1; /* from 1 on */
    int status = 0;

    switch (n % 8) {
    case 0:
    case 1:
        status = gate_step_key(writer, turn % GATE_KEYS, n, n % 8 == 1 && turn % 4 == 0);
        break;
    case 2:
        status = gate_step_account(writer, turn % GATE_ACCOUNTS, n);
        break;
    case 3:
        status = gate_step_plan(writer, (uint16_t)(turn % GATE_PLANS), n);
        break;
    case 4:
        status = gate_step_session(writer, board, turn);
        break;
    case 5:
        status = gate_step_short_key(writer, board, turn, true);
        break;
    case 6:
        status = turn > 4 ? gate_step_short_key(writer, board, turn - 4, false) : 0;
        break;
    default:
        writer_set_auth_position(writer, n);
    }
    if (status == 0)
        atomic_store_explicit(&board->steps, n, memory_order_relaxed);
    return status;
}

/* Before a file is live: what readers may expect in it always, as far as it was not taken over. */
static inline int gate_fill(struct writer *writer)
{
    if (writer_auth_refusal(writer) != NULL)
        return err_set(E_CORRUPT, "the gate was not taken over: %s", writer_auth_refusal(writer));
    if (writer_auth_load(writer).accounts > 0)
        return 0;
    for (uint32_t k = 0; k < GATE_KEYS; k++)
        if (gate_step_key(writer, k, k, true) < 0)
            return -1;
    for (uint32_t number = 0; number < GATE_ACCOUNTS; number++)
        if (gate_step_account(writer, number, number) < 0)
            return -1;
    return 0;
}

/* ---- the readers: NULL, or what is wrong ------------------------------------------------------------------------- */

static inline const char *gate_check_key(const struct btcf_auth *auth, uint32_t k)
{
    uint8_t digest[BTCF_DIGEST_SIZE];
    struct btcf_networks networks;
    struct btcf_key key, wanted;

    gate_fill_bytes(digest, sizeof(digest), k);
    if (btcf_auth_key(auth, digest, &key) != BTCF_READ_OK)
        return "a key is lost or damaged";
    wanted = gate_key_of(key.id, (uint64_t)key.expires_s);
    if (key.account != wanted.account || key.row != wanted.row || key.flags != wanted.flags ||
        key.scopes != wanted.scopes || key.expires_s != wanted.expires_s || (key.networks != 0) != (key.id % 2 != 0))
        return "a key is torn";
    if (key.networks == 0)
        return NULL;

    const struct btcf_networks list = gate_networks_of(key.id);

    if (btcf_auth_networks(auth, key.networks, &networks) != BTCF_READ_OK || networks.count != list.count ||
        memcmp(networks.network, list.network, sizeof(list.network)) != 0)
        return "a key has the networks of another";
    return NULL;
}

static inline bool gate_is_account_whole(const struct btcf_account *account)
{
    uint32_t valid_after = (uint32_t)account->tokens_valid_after_s, until = (uint32_t)account->blocked_until_s;

    return account->plan == valid_after % BTCF_PLANS_MAX &&
           account->flags == (BTCF_ACCOUNT_ENABLED | (valid_after >> 31 ? BTCF_ACCOUNT_ADMIN : 0)) &&
           account->blocked_period == (until / 2 % 2 != 0 ? BTCF_PERIOD_DAY : BTCF_PERIOD_MONTH);
}

static inline const char *gate_check_account(const struct btcf_auth *auth, uint32_t number)
{
    const struct btcf_account wanted = gate_account_of(number, 0);
    struct btcf_account account;

    if (btcf_auth_account(auth, number, &account) != BTCF_READ_OK || !gate_is_account_whole(&account))
        return "an account is lost or torn";
    if (btcf_auth_account_find(auth, wanted.id, &account) != BTCF_READ_OK || account.number != number ||
        !gate_is_account_whole(&account))
        return "an account is not found by its id or torn";
    return NULL;
}

static inline const char *gate_check_plan(const struct btcf_auth *auth, uint16_t number)
{
    struct btcf_plan plan, wanted;
    enum btcf_read outcome = btcf_auth_plan(auth, number, &plan);

    if (outcome != BTCF_READ_OK)
        return outcome == BTCF_READ_CORRUPT ? "a plan is damaged" : NULL;
    wanted = gate_plan_of(number, plan.quota_day);
    wanted.crc = plan.crc;
    return memcmp(&plan, &wanted, sizeof(plan)) == 0 ? NULL : "a plan is torn";
}

/* What must hold in any file, also in one that was replaced meanwhile. */
static inline const char *gate_check_whole(const struct btcf_auth *auth, uint64_t turn)
{
    const char *wrong = gate_check_key(auth, (uint32_t)(turn % GATE_KEYS));
    uint8_t never[BTCF_ID_SIZE];

    gate_session_id(never, GATE_NEVER | (uint32_t)turn);
    if (wrong == NULL)
        wrong = gate_check_account(auth, (uint32_t)(turn % GATE_ACCOUNTS));
    if (wrong == NULL)
        wrong = gate_check_plan(auth, (uint16_t)(turn % GATE_PLANS));
    if (wrong == NULL && btcf_auth_is_revoked(auth, never))
        wrong = "a session is revoked that nobody has revoked";
    return wrong;
}

/* What must hold in the file that is in force: what was taken away stays away. */
static inline const char *gate_check_refused(const struct btcf_auth *auth, const struct gate_board *board,
                                             uint64_t turn)
{
    uint32_t revoked = atomic_load_explicit(&board->revoked_upto, memory_order_acquire);
    uint32_t disabled = atomic_load_explicit(&board->disabled_upto, memory_order_acquire);
    uint32_t back = (uint32_t)(turn % (GATE_KEPT - 8));
    uint8_t digest[BTCF_DIGEST_SIZE], id[BTCF_ID_SIZE];
    struct btcf_key key;

    if (disabled > back) {
        gate_fill_bytes(digest, sizeof(digest), GATE_SHORT | (disabled - back));
        if (btcf_auth_key(auth, digest, &key) == BTCF_READ_OK && (key.flags & BTCF_KEY_ENABLED) != 0)
            return "a disabled key is good again";
    }
    if (revoked <= back)
        return NULL;
    gate_session_id(id, revoked - back);
    if (btcf_auth_is_revoked(auth, id))
        return NULL;
    /* Forgotten by right, if the writer has come so far meanwhile. Partner: the release store of what took its place. */
    btcf_fence_acquire();
    if (atomic_load_explicit(&board->revoked_upto, memory_order_relaxed) > revoked - back + GATE_KEPT)
        return NULL;
    return "a revoked session is good again";
}

#endif
