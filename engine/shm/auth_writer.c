/* Changing the tables of the gate, in place and while workers read them. auth_birth.c makes them.
 *
 * Every change comes down to one store that counts: the state word of an entry that is there, or the index word that
 * leads to an entry just filled, or the generation of a plan. What readers must not see mixed is therefore never spread
 * over two words that change: a key whose networks, account or row change gets a new entry, and the index word is turned
 * from the old one to the new one. The old entry stays as it is, for the reader that has just read the old word, and is
 * used for nothing else as long as the file lives.
 *
 * As in writer.c nothing of shared memory is read back but what this writer itself has put there.
 */
#include "shm/auth_writer.h"

#include <assert.h>
#include <string.h>

#include "core/err.h"
#include "shm/btcf_seq.h"
#include "shm/writer_state.h"

#define STATE_FLAGS_MAX 0xffu
#define SWEEP_BUCKETS 4096u /* looked at by one call of writer_forget_sessions: 64 bytes each */

/* ---- what all tables need ---------------------------------------------------------------------------------------- */

static int check_gate(const struct writer *writer)
{
    return writer->gate.header != NULL ? 0 : err_set(E_MISSING, "the shared file was made without a gate");
}

static int check_time(int64_t time_s, const char *what)
{
    if (time_s < 0 || time_s > AUTH_TIME_MAX)
        return err_set(E_INPUT, "%s of %lld is no time that the gate can hold", what, (long long)time_s);
    return 0;
}

static int say_full(const char *table, uint64_t needed, uint32_t capacity)
{
    return err_set(E_LIMIT, "the gate's table of %s is too small: %llu entries are needed, %u fit", table,
                   (unsigned long long)needed, capacity);
}

static void count_change(struct gate *gate)
{
    /* Who sees the count sees the change. Partner: the acquire load in btcf_auth_changes. */
    atomic_store_explicit(&gate->header->changes, ++gate->changes, memory_order_release);
}

/* Stores the word if it is another, and says whether it was. */
static bool change_word(_Atomic uint64_t *word, uint64_t value)
{
    if (atomic_load_explicit(word, memory_order_relaxed) == value)
        return false;
    /* Everything that was stored before for this entry is seen by whoever sees the word. Partners: the acquire loads of
     * states and index words in auth.c. */
    atomic_store_explicit(word, value, memory_order_release);
    return true;
}

/* The first word with one of two values on the way of a search that begins at that bucket; NULL when there is none. Two
 * values, because a free place in REVOKED may also be one that was taken once. */
static _Atomic uint64_t *find_word(struct btcf_index_bucket *buckets, uint32_t count, uint32_t from,
                                   const uint64_t wanted[2])
{
    for (uint32_t i = 0; i < BTCF_INDEX_PROBES_MAX; i++) {
        struct btcf_index_bucket *bucket = &buckets[(from + i) & (count - 1)];

        for (int word = 0; word < BTCF_INDEX_BUCKET; word++) {
            uint64_t there = atomic_load_explicit(&bucket->word[word], memory_order_relaxed);

            if (there == wanted[0] || there == wanted[1])
                return &bucket->word[word];
        }
    }
    return NULL;
}

static uint64_t hash_of(const uint8_t *bytes)
{
    uint64_t hash;

    memcpy(&hash, bytes, sizeof(hash));
    return hash;
}

static uint64_t index_word(uint64_t hash, uint32_t number)
{
    return hash >> 32 << 32 | (number + UINT64_C(1));
}

/* The place in the index for `number`: the word that names `old_number`, or a free one when that is negative. */
static _Atomic uint64_t *find_place(struct btcf_index_bucket *buckets, uint32_t count, uint64_t hash,
                                    int64_t old_number)
{
    uint64_t word = old_number < 0 ? 0 : index_word(hash, (uint32_t)old_number);

    return find_word(buckets, count, (uint32_t)hash, (const uint64_t[2]){word, word});
}

/* ---- keys -------------------------------------------------------------------------------------------------------- */

static uint64_t key_state(const struct btcf_key *key)
{
    return btcf_auth_seal((uint64_t)key->expires_s << 32 | (uint64_t)key->scopes << 16 | (uint64_t)key->flags << 8);
}

static int check_key(const struct writer *writer, const struct btcf_key *key, const struct btcf_networks *networks)
{
    if (check_gate(writer) < 0 || check_time(key->expires_s, "an expiry") < 0)
        return -1;
    if (key->flags > STATE_FLAGS_MAX)
        return err_set(E_INPUT, "a key's flags of %u", key->flags);
    if (networks != NULL && (networks->count == 0 || networks->count > BTCF_NETWORKS_MAX))
        return err_set(E_LIMIT, "a key's list of %u networks, 1 to %d are allowed", networks->count,
                       BTCF_NETWORKS_MAX);
    return 0;
}

static bool has_networks(const struct gate *gate, uint32_t slot, const struct btcf_networks *networks)
{
    struct btcf_networks there;

    if (slot == 0 || networks == NULL)
        return slot == 0 && networks == NULL;
    return btcf_auth_networks(&gate->view, slot, &there) == BTCF_READ_OK && there.count == networks->count &&
           memcmp(there.network, networks->network, there.count * sizeof(there.network[0])) == 0;
}

/* Whether the entry differs from what is wanted in its state at most. */
static bool is_same_key(const struct gate *gate, uint32_t number, const struct btcf_key *key,
                        const struct btcf_networks *networks)
{
    const struct btcf_key_entry *entry = &gate->keys[number];

    return entry->id == key->id && entry->account == key->account && entry->row == key->row &&
           has_networks(gate, entry->networks, networks);
}

/* Fills the next network slot; returns what an entry says to name it. */
static uint32_t fill_networks(struct gate *gate, const struct btcf_networks *networks)
{
    struct btcf_network_slot *slot = &gate->networks[gate->load.networks];
    struct btcf_networks copy = {.count = networks->count};

    memcpy(copy.network, networks->network, networks->count * sizeof(copy.network[0]));
    copy.crc = btcf_networks_crc(&copy);
    btcf_words_store(&slot->networks[btcf_gen_begin(1)], &copy, sizeof(copy));
    btcf_gen_commit(&slot->gen, 1);
    return ++gate->load.networks;
}

static void fill_key(struct gate *gate, const uint8_t *digest, const struct btcf_key *key,
                     const struct btcf_networks *networks)
{
    struct btcf_key_entry entry = {.account = key->account, .row = key->row, .id = key->id};
    struct btcf_key_entry *place = &gate->keys[gate->load.keys++];

    memcpy(entry.digest, digest, sizeof(entry.digest));
    entry.networks = networks == NULL ? 0 : fill_networks(gate, networks);
    entry.crc = btcf_key_crc(&entry);
    btcf_words_store(place, &entry, sizeof(entry));
    WRITER_AT(GATE_FILLING);
    (void)change_word(&place->state, key_state(key));
}

/* Gives the key a new entry and lets the index lead to it: in place of the old one, or in a free word when that is negative. */
static int insert_key(struct writer *writer, const uint8_t *digest, const struct btcf_key *key,
                      const struct btcf_networks *networks, int64_t old_number)
{
    struct gate *gate = &writer->gate;
    const struct writer_auth_load *load = &gate->load;
    uint64_t hash = hash_of(digest);
    _Atomic uint64_t *place = find_place(gate->key_index, gate->view.key_buckets, hash, old_number);

    if (load->keys == load->capacity.keys)
        return say_full("keys", load->keys + UINT64_C(1), load->capacity.keys);
    if (networks != NULL && load->networks == load->capacity.networks)
        return say_full("networks", load->networks + UINT64_C(1), load->capacity.networks);
    if (place == NULL)
        return say_full("keys (by its index)", load->keys + UINT64_C(1), load->capacity.keys);

    uint32_t number = load->keys;

    fill_key(gate, digest, key, networks);
    WRITER_AT(GATE_FILLED);
    (void)change_word(place, index_word(hash, number));
    count_change(gate);
    return 0;
}

int writer_put_key(struct writer *writer, const uint8_t digest[BTCF_DIGEST_SIZE], const struct btcf_key *key,
                   const struct btcf_networks *networks)
{
    struct gate *gate = &writer->gate;
    bool is_enabled = (key->flags & BTCF_KEY_ENABLED) != 0;
    uint32_t number;

    if (check_key(writer, key, networks) < 0)
        return -1;

    enum btcf_read found = btcf_auth_key_number(&gate->view, digest, &number);

    if (found != BTCF_READ_OK && found != BTCF_READ_ABSENT)
        return err_set(E_CORRUPT, "somebody has damaged the gate's table of keys");
    if (found == BTCF_READ_ABSENT)
        return is_enabled ? insert_key(writer, digest, key, networks, -1) : 0;
    if (is_enabled && !is_same_key(gate, number, key, networks))
        return insert_key(writer, digest, key, networks, number);
    if (change_word(&gate->keys[number].state, key_state(key)))
        count_change(gate);
    return 0;
}

int writer_disable_key(struct writer *writer, const uint8_t digest[BTCF_DIGEST_SIZE])
{
    struct btcf_key key;

    if (check_gate(writer) < 0)
        return -1;
    if (btcf_auth_key(&writer->gate.view, digest, &key) == BTCF_READ_ABSENT)
        return 0;
    key.flags &= ~BTCF_KEY_ENABLED;
    return writer_put_key(writer, digest, &key, NULL);
}

/* ---- accounts ---------------------------------------------------------------------------------------------------- */

static uint64_t account_state(const struct btcf_account *account)
{
    return btcf_auth_seal((uint64_t)account->tokens_valid_after_s << 32 | (uint64_t)account->plan << 16 |
                          (uint64_t)account->flags << 8);
}

static uint64_t blocked_word(const struct btcf_account *account)
{
    if (account->blocked_until_s == 0)
        return 0;
    return (uint64_t)account->blocked_until_s << 8 | (uint64_t)account->blocked_period;
}

static int check_account(const struct writer *writer, const struct btcf_account *account)
{
    static const uint8_t no_id[BTCF_ID_SIZE];
    const struct writer_auth_load *load = &writer->gate.load;

    if (check_gate(writer) < 0 || check_time(account->tokens_valid_after_s, "a tokens_valid_after") < 0 ||
        check_time(account->blocked_until_s, "a blocked_until") < 0)
        return -1;
    if (account->flags > STATE_FLAGS_MAX || account->plan >= BTCF_PLANS_MAX ||
        memcmp(account->id, no_id, sizeof(no_id)) == 0 ||
        (account->blocked_until_s != 0 && account->blocked_period != BTCF_PERIOD_DAY &&
         account->blocked_period != BTCF_PERIOD_MONTH))
        return err_set(E_INPUT, "account %u: its flags, plan, id or period are none", account->number);
    if (account->number >= load->capacity.accounts)
        return say_full("accounts", account->number + UINT64_C(1), load->capacity.accounts);
    return 0;
}

/* The row with the checksum that goes with it: one word. */
static bool change_row(struct btcf_account_entry *entry, const struct btcf_account *account)
{
    struct btcf_account_entry wanted = {.row = account->row};
    const size_t offset = offsetof(struct btcf_account_entry, row);
    uint64_t there, word;

    _Static_assert(offsetof(struct btcf_account_entry, row) % BTCF_WORD_SIZE == 0 &&
                       offsetof(struct btcf_account_entry, crc) == offsetof(struct btcf_account_entry, row) + 4,
                   "row and crc are one word");
    memcpy(wanted.id, account->id, sizeof(wanted.id));
    wanted.crc = btcf_account_crc(&wanted);
    memcpy(&word, (const unsigned char *)&wanted + offset, sizeof(word));
    btcf_words_load(&there, (unsigned char *)entry + offset, sizeof(there));
    if (there == word)
        return false;
    btcf_words_store((unsigned char *)entry + offset, &word, sizeof(word));
    return true;
}

/* Changes the words of the entry that differ. The state comes last: with it an entry that is new becomes visible. */
static bool change_account(struct btcf_account_entry *entry, const struct btcf_account *account)
{
    bool has_changed = change_row(entry, account);

    has_changed |= change_word(&entry->blocked, blocked_word(account));
    has_changed |= change_word(&entry->state, account_state(account));
    return has_changed;
}

static int insert_account(struct gate *gate, const struct btcf_account *account)
{
    struct btcf_account_entry *entry = &gate->accounts[account->number];
    uint64_t hash = hash_of(account->id);
    _Atomic uint64_t *place = find_place(gate->account_index, gate->view.account_buckets, hash, -1);

    if (atomic_load_explicit(&entry->state, memory_order_relaxed) != 0)
        return err_set(E_CONFLICT, "account number %u belongs to another account in this shared file",
                       account->number);
    if (place == NULL)
        return say_full("accounts (by its index)", account->number + UINT64_C(1), gate->load.capacity.accounts);
    btcf_words_store(entry->id, account->id, sizeof(entry->id));
    WRITER_AT(GATE_FILLING);
    (void)change_account(entry, account);
    WRITER_AT(GATE_FILLED);
    (void)change_word(place, index_word(hash, account->number));
    if (gate->load.accounts <= account->number)
        gate->load.accounts = account->number + 1;
    count_change(gate);
    return 0;
}

int writer_put_account(struct writer *writer, const struct btcf_account *account)
{
    struct gate *gate = &writer->gate;
    struct btcf_account there;

    if (check_account(writer, account) < 0)
        return -1;

    enum btcf_read found = btcf_auth_account_find(&gate->view, account->id, &there);

    if (found != BTCF_READ_OK && found != BTCF_READ_ABSENT)
        return err_set(E_CORRUPT, "somebody has damaged the gate's table of accounts");
    if (found == BTCF_READ_ABSENT)
        return (account->flags & BTCF_ACCOUNT_ENABLED) != 0 ? insert_account(gate, account) : 0;
    if (there.number != account->number)
        return err_set(E_CONFLICT, "account number %u has the number %u in this shared file", account->number,
                       there.number);
    if (change_account(&gate->accounts[account->number], account))
        count_change(gate);
    return 0;
}

/* ---- plans ------------------------------------------------------------------------------------------------------- */

int writer_put_plan(struct writer *writer, const struct btcf_plan *plan)
{
    struct gate *gate = &writer->gate;
    struct btcf_plan copy = *plan, there;

    if (check_gate(writer) < 0)
        return -1;
    if (plan->number >= BTCF_PLANS_MAX || plan->burst == 0 || plan->name[0] == '\0' ||
        plan->name[BTCF_PLAN_NAME_MAX - 1] != '\0')
        return err_set(E_INPUT, "plan %u: its number, name or burst is none", plan->number);
    copy.crc = btcf_plan_crc(&copy);
    if (btcf_auth_plan(&gate->view, plan->number, &there) == BTCF_READ_OK && memcmp(&there, &copy, sizeof(copy)) == 0)
        return 0;

    struct btcf_plan_slot *slot = &gate->plans[plan->number];
    uint64_t next = ++gate->plan_gens[plan->number];

    btcf_words_store(&slot->plan[btcf_gen_begin(next)], &copy, sizeof(copy));
    WRITER_AT(GATE_FILLED);
    btcf_gen_commit(&slot->gen, next);
    count_change(gate);
    return 0;
}

int writer_remove_plan(struct writer *writer, uint32_t number)
{
    if (check_gate(writer) < 0)
        return -1;
    /* The generation that comes after the 0 is a new one, so that a reader of the old plan is told. */
    if (number < BTCF_PLANS_MAX && change_word(&writer->gate.plans[number].gen, 0))
        count_change(&writer->gate);
    return 0;
}

/* ---- revoked sessions -------------------------------------------------------------------------------------------- */

/* Beside the word stands when it may be forgotten. */
static _Atomic uint32_t *until_of(const struct gate *gate, const _Atomic uint64_t *word)
{
    return &gate->revoked_until[word - gate->revoked[0].word];
}

int writer_revoke_word(struct gate *gate, uint64_t word, uint32_t until_s)
{
    uint32_t from = (uint32_t)(word >> 32);
    _Atomic uint64_t *place =
        find_word(gate->revoked, gate->view.revoked_buckets, from, (const uint64_t[2]){word, word});

    if (place != NULL) {
        if (atomic_load_explicit(until_of(gate, place), memory_order_relaxed) < until_s)
            atomic_store_explicit(until_of(gate, place), until_s, memory_order_relaxed);
        return 0;
    }
    place = find_word(gate->revoked, gate->view.revoked_buckets, from, (const uint64_t[2]){0, BTCF_INDEX_GONE});
    if (place == NULL || gate->load.revoked == gate->load.capacity.revoked)
        return say_full("revoked sessions", gate->load.revoked + UINT64_C(1), gate->load.capacity.revoked);
    /* First, so that a writer that takes the file over never finds a word without its time. */
    atomic_store_explicit(until_of(gate, place), until_s, memory_order_relaxed);
    WRITER_AT(GATE_FILLED);
    (void)change_word(place, word);
    gate->load.revoked++;
    count_change(gate);
    return 0;
}

int writer_revoke_session(struct writer *writer, const uint8_t session[BTCF_ID_SIZE], int64_t until_s)
{
    if (check_gate(writer) < 0 || check_time(until_s, "a session's end") < 0)
        return -1;
    return writer_revoke_word(&writer->gate, btcf_revoked_word(session), (uint32_t)until_s);
}

/* Forgets what is over in one bucket. A word of a bucket that has a free one becomes free: no search ever went past this
 * bucket. In a full one it must not, since words behind it may be looked for from here. */
static uint32_t sweep_bucket(const struct gate *gate, struct btcf_index_bucket *bucket, int64_t now_s)
{
    uint64_t gone = BTCF_INDEX_GONE;
    uint32_t count = 0;

    for (int i = 0; i < BTCF_INDEX_BUCKET; i++)
        if (atomic_load_explicit(&bucket->word[i], memory_order_relaxed) == 0)
            gone = 0;
    for (int i = 0; i < BTCF_INDEX_BUCKET; i++) {
        uint64_t word = atomic_load_explicit(&bucket->word[i], memory_order_relaxed);

        if (word == 0 || word == BTCF_INDEX_GONE ||
            atomic_load_explicit(until_of(gate, &bucket->word[i]), memory_order_relaxed) >= now_s)
            continue;
        (void)change_word(&bucket->word[i], gone);
        count++;
    }
    return count;
}

uint32_t writer_forget_sessions(struct writer *writer, int64_t now_s)
{
    struct gate *gate = &writer->gate;
    uint32_t forgotten = 0;

    if (gate->header == NULL || gate->load.revoked == 0)
        return 0;
    for (uint32_t i = 0; i < SWEEP_BUCKETS && i < gate->view.revoked_buckets; i++) {
        gate->sweep = (gate->sweep + 1) & (gate->view.revoked_buckets - 1);
        forgotten += sweep_bucket(gate, &gate->revoked[gate->sweep], now_s);
    }
    gate->load.revoked -= forgotten;
    if (forgotten > 0)
        count_change(gate);
    return forgotten;
}

/* ---- where the tables come from ---------------------------------------------------------------------------------- */

bool writer_claim_auth(struct writer *writer, const uint8_t database[16])
{
    struct btcf_auth_header *header = writer->gate.header;

    assert(!writer->is_live);
    if (header == NULL)
        return false;
    if (memcmp(header->database, database, sizeof(header->database)) == 0)
        return true;
    writer_gate_wipe(writer);
    memcpy(header->database, database, sizeof(header->database));
    return false;
}

const uint8_t *writer_auth_database(const struct writer *writer)
{
    static const uint8_t none[sizeof(((struct btcf_auth_header *)0)->database)];

    return writer->gate.header == NULL ? none : writer->gate.header->database;
}

const char *writer_auth_refusal(const struct writer *writer)
{
    return writer->gate.refusal;
}

uint64_t writer_auth_position(const struct writer *writer)
{
    if (writer->gate.header == NULL)
        return 0;
    return atomic_load_explicit(&writer->gate.header->position, memory_order_relaxed);
}

void writer_set_auth_position(struct writer *writer, uint64_t position)
{
    /* A writer that takes the file over and finds the position finds the changes before it. Release against the compiler
     * alone: the next writer begins when this one is dead. */
    if (writer->gate.header != NULL)
        atomic_store_explicit(&writer->gate.header->position, position, memory_order_release);
}

struct writer_auth_load writer_auth_load(const struct writer *writer)
{
    return writer->gate.load;
}
