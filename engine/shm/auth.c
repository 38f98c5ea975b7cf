/* Reading the tables of the gate without trusting them, without locks and, but for the double buffers of plans and
 * networks, without a second look.
 *
 * What makes one look enough: an index word is stored after its entry is complete, an entry is never given to somebody
 * else while the file lives, and of a key's entry one word alone ever changes. So whatever word a reader has got hold
 * of leads to a whole entry, and the entry's state is all old or all new. docs/SHM.md has the argument in full.
 *
 * Keys and sessions that nobody knows are the cheapest: one cache line. What is damaged is CORRUPT, or revoked, or not
 * allowed, and never "absent" where that would open a door.
 */
#include "shm/auth.h"

#include <string.h>

#include "shm/btcf_seq.h"
#include "shm/crc32c.h"
#include "shm/file.h"

#define TAG_SHIFT 32
#define EXPIRES_SHIFT 32
#define SCOPES_SHIFT 16
#define PLAN_SHIFT 16
#define FLAGS_SHIFT 8
#define UNTIL_SHIFT 8
#define NETWORK_BITS_MAX 128

/* ---- attaching --------------------------------------------------------------------------------------------------- */

static bool is_power_of_two(uint32_t n)
{
    return n != 0 && (n & (n - 1)) == 0;
}

/* Entries and count of the section; NULL when it is not as it must be. */
static const void *find_entries(const struct btcf_reader *reader, uint32_t kind, uint32_t stride, uint32_t *count)
{
    const struct btcf_section_shape shape = {kind, stride, 0};
    struct btcf_section section;

    if (!btcf_section_find(reader->base, reader->size, &shape, &section) || section.count == 0)
        return NULL;
    *count = section.count;
    return reader->base + section.offset;
}

static const struct btcf_index_bucket *find_buckets(const struct btcf_reader *reader, uint32_t kind, uint32_t *count)
{
    const void *buckets = find_entries(reader, kind, sizeof(struct btcf_index_bucket), count);

    return buckets != NULL && is_power_of_two(*count) ? (const struct btcf_index_bucket *)buckets : NULL;
}

bool btcf_auth_attach(struct btcf_auth *auth, const struct btcf_reader *reader)
{
    struct btcf_auth found = {0};
    uint32_t one;

    memset(auth, 0, sizeof(*auth));
    if (reader->base == NULL)
        return false;
    found.header = (const struct btcf_auth_header *)find_entries(reader, BTCF_SECTION_AUTH,
                                                                 sizeof(struct btcf_auth_header), &one);
    found.key_index = find_buckets(reader, BTCF_SECTION_KEY_INDEX, &found.key_buckets);
    found.account_index = find_buckets(reader, BTCF_SECTION_ACCOUNT_INDEX, &found.account_buckets);
    found.revoked = find_buckets(reader, BTCF_SECTION_REVOKED, &found.revoked_buckets);
    found.keys = (const struct btcf_key_entry *)find_entries(reader, BTCF_SECTION_KEY, sizeof(struct btcf_key_entry),
                                                             &found.key_count);
    found.accounts = (const struct btcf_account_entry *)find_entries(
        reader, BTCF_SECTION_ACCOUNT, sizeof(struct btcf_account_entry), &found.account_count);
    found.plans = (const struct btcf_plan_slot *)find_entries(reader, BTCF_SECTION_PLAN,
                                                              sizeof(struct btcf_plan_slot), &found.plan_count);
    found.networks = (const struct btcf_network_slot *)find_entries(
        reader, BTCF_SECTION_NETWORK, sizeof(struct btcf_network_slot), &found.network_count);
    if (found.header == NULL || found.key_index == NULL || found.account_index == NULL || found.revoked == NULL ||
        found.keys == NULL || found.accounts == NULL || found.plans == NULL || found.networks == NULL)
        return false;
    *auth = found;
    return true;
}

uint64_t btcf_auth_changes(const struct btcf_auth *auth)
{
    if (auth->header == NULL)
        return 0;
    /* Who sees the count sees the change before it, and none of the look-ups after this is made before it. Partner: the
     * release store in the writer's count_change. */
    return atomic_load_explicit(&auth->header->changes, memory_order_acquire);
}

/* ---- the index --------------------------------------------------------------------------------------------------- */

/* A walk along the words that may belong to a hash. */
struct probe {
    const struct btcf_index_bucket *buckets;
    uint32_t mask, bucket, word, tag;
    int tried;
    bool has_seen_free;
};

static uint64_t first_word(const uint8_t *bytes)
{
    uint64_t word;

    memcpy(&word, bytes, sizeof(word)); /* little-endian, as this machine is (btcf_abi.h) */
    return word;
}

static struct probe begin_probe(const struct btcf_index_bucket *buckets, uint32_t count, uint64_t hash)
{
    return (struct probe){.buckets = buckets,
                          .mask = count - 1,
                          .bucket = (uint32_t)hash & (count - 1),
                          .tag = (uint32_t)(hash >> TAG_SHIFT)};
}

/* The number in the next word whose tag agrees. ABSENT: there is no more. CORRUPT: no writer of ours lets as many buckets
 * run full. */
static enum btcf_read next_candidate(struct probe *probe, uint32_t *number)
{
    for (; probe->tried < BTCF_INDEX_PROBES_MAX; probe->tried++) {
        const struct btcf_index_bucket *bucket = &probe->buckets[probe->bucket];

        while (probe->word < BTCF_INDEX_BUCKET) {
            /* Partner: the release store of the word in the writer's insert: the entry that it names is complete. */
            uint64_t word = atomic_load_explicit(&bucket->word[probe->word++], memory_order_acquire);

            if (word == 0)
                probe->has_seen_free = true;
            else if (word >> TAG_SHIFT == probe->tag && word != BTCF_INDEX_GONE) {
                *number = (uint32_t)word - 1;
                return BTCF_READ_OK;
            }
        }
        if (probe->has_seen_free)
            return BTCF_READ_ABSENT;
        probe->bucket = (probe->bucket + 1) & probe->mask;
        probe->word = 0;
    }
    return BTCF_READ_CORRUPT;
}

/* ---- keys -------------------------------------------------------------------------------------------------------- */

uint64_t btcf_auth_seal(uint64_t state)
{
    return state | (btcf_crc32c(0, &state, sizeof(state)) & 0xff);
}

static bool is_sealed(uint64_t state)
{
    return btcf_auth_seal(state & ~UINT64_C(0xff)) == state;
}

uint32_t btcf_key_crc(const struct btcf_key_entry *entry)
{
    struct btcf_key_entry copy;

    memcpy(&copy, entry, sizeof(copy));
    atomic_init(&copy.state, 0);
    copy.crc = 0;
    return btcf_crc32c(0, &copy, sizeof(copy));
}

/* Whether two digests are equal, by looking at all of both; volatile, so that the compiler cannot stop early either. */
static bool is_same_digest(const uint8_t *a, const uint8_t *b)
{
    volatile uint64_t difference = 0;

    for (size_t i = 0; i < BTCF_DIGEST_SIZE; i += BTCF_WORD_SIZE)
        difference |= first_word(a + i) ^ first_word(b + i);
    return difference == 0;
}

enum btcf_read btcf_auth_key_at(const struct btcf_auth *auth, uint32_t number, uint8_t digest[BTCF_DIGEST_SIZE],
                                struct btcf_key *key)
{
    struct btcf_key_entry entry;

    if (number >= auth->key_count)
        return BTCF_READ_CORRUPT;

    /* Partner: the release store of state in the writer. Who came here through the index needs it no more. */
    uint64_t state = atomic_load_explicit(&auth->keys[number].state, memory_order_acquire);

    if (state == 0)
        return BTCF_READ_ABSENT;
    btcf_words_load(&entry, &auth->keys[number], sizeof(entry));
    if (!is_sealed(state) || btcf_key_crc(&entry) != entry.crc)
        return BTCF_READ_CORRUPT;
    memcpy(digest, entry.digest, BTCF_DIGEST_SIZE);
    *key = (struct btcf_key){.id = entry.id,
                             .account = entry.account,
                             .row = entry.row,
                             .flags = (uint32_t)(state >> FLAGS_SHIFT) & 0xff,
                             .scopes = (uint16_t)(state >> SCOPES_SHIFT),
                             .expires_s = (int64_t)(state >> EXPIRES_SHIFT),
                             .networks = entry.networks,
                             .number = number};
    return BTCF_READ_OK;
}

static enum btcf_read find_key(const struct btcf_auth *auth, const uint8_t *digest, uint32_t *number,
                               struct btcf_key *key)
{
    struct probe probe = begin_probe(auth->key_index, auth->key_buckets, first_word(digest));
    uint8_t there[BTCF_DIGEST_SIZE];

    if (auth->header == NULL)
        return BTCF_READ_ABSENT;
    for (;;) {
        enum btcf_read outcome = next_candidate(&probe, number);

        if (outcome == BTCF_READ_OK)
            outcome = btcf_auth_key_at(auth, *number, there, key);
        /* ABSENT behind a candidate cannot be: a word is stored after its entry. */
        if (outcome != BTCF_READ_OK || is_same_digest(there, digest))
            return outcome;
    }
}

uint32_t btcf_auth_key_hash(const uint8_t digest[BTCF_DIGEST_SIZE])
{
    return (uint32_t)first_word(digest);
}

void btcf_auth_key_prefetch(const struct btcf_auth *auth, uint32_t hash)
{
    if (auth->header != NULL)
        __builtin_prefetch(&auth->key_index[hash & (auth->key_buckets - 1)]);
}

void btcf_auth_key_prefetch_entry(const struct btcf_auth *auth, uint32_t number)
{
    if (number < auth->key_count)
        __builtin_prefetch(&auth->keys[number]);
}

enum btcf_read btcf_auth_key(const struct btcf_auth *auth, const uint8_t digest[BTCF_DIGEST_SIZE],
                             struct btcf_key *key)
{
    uint32_t number;

    return find_key(auth, digest, &number, key);
}

enum btcf_read btcf_auth_key_number(const struct btcf_auth *auth, const uint8_t digest[BTCF_DIGEST_SIZE],
                                    uint32_t *number)
{
    struct btcf_key key;

    return find_key(auth, digest, number, &key);
}

/* ---- accounts ---------------------------------------------------------------------------------------------------- */

uint32_t btcf_account_crc(const struct btcf_account_entry *entry)
{
    struct btcf_account_entry copy;

    memcpy(&copy, entry, sizeof(copy));
    atomic_init(&copy.state, 0);
    atomic_init(&copy.blocked, 0);
    copy.crc = 0;
    return btcf_crc32c(0, &copy, sizeof(copy));
}

static bool is_blocked_word_good(uint64_t blocked)
{
    uint64_t period = blocked & 0xff;

    return blocked == 0 ||
           (blocked >> UNTIL_SHIFT != 0 && (period == BTCF_PERIOD_DAY || period == BTCF_PERIOD_MONTH));
}

enum btcf_read btcf_auth_account(const struct btcf_auth *auth, uint32_t number, struct btcf_account *account)
{
    struct btcf_account_entry entry;

    if (number >= auth->account_count)
        return BTCF_READ_ABSENT;

    /* Partner: the release store of state in writer_put_account: id, row and blocked are there. */
    uint64_t state = atomic_load_explicit(&auth->accounts[number].state, memory_order_acquire);

    if (state == 0)
        return BTCF_READ_ABSENT;
    btcf_words_load(&entry, &auth->accounts[number], sizeof(entry));

    uint64_t blocked = atomic_load_explicit(&entry.blocked, memory_order_relaxed);

    if (!is_sealed(state) || !is_blocked_word_good(blocked) || btcf_account_crc(&entry) != entry.crc)
        return BTCF_READ_CORRUPT;
    *account = (struct btcf_account){.number = number,
                                     .row = entry.row,
                                     .flags = (uint32_t)(state >> FLAGS_SHIFT) & 0xff,
                                     .plan = (uint32_t)(state >> PLAN_SHIFT) & 0xffff,
                                     .tokens_valid_after_s = (int64_t)(state >> EXPIRES_SHIFT),
                                     .blocked_until_s = (int64_t)(blocked >> UNTIL_SHIFT),
                                     .blocked_period = (enum btcf_period)(blocked & 0xff)};
    memcpy(account->id, entry.id, BTCF_ID_SIZE);
    return BTCF_READ_OK;
}

enum btcf_read btcf_auth_account_find(const struct btcf_auth *auth, const uint8_t id[BTCF_ID_SIZE],
                                      struct btcf_account *account)
{
    struct probe probe = begin_probe(auth->account_index, auth->account_buckets, first_word(id));
    uint32_t number;

    if (auth->header == NULL)
        return BTCF_READ_ABSENT;
    for (;;) {
        enum btcf_read outcome = next_candidate(&probe, &number);

        if (outcome != BTCF_READ_OK)
            return outcome;
        if (number >= auth->account_count)
            return BTCF_READ_CORRUPT;
        outcome = btcf_auth_account(auth, number, account);
        if (outcome != BTCF_READ_OK || memcmp(account->id, id, BTCF_ID_SIZE) == 0)
            return outcome;
    }
}

/* ---- revoked sessions -------------------------------------------------------------------------------------------- */

uint64_t btcf_revoked_word(const uint8_t session[BTCF_ID_SIZE])
{
    uint64_t word = first_word(session);

    if (word == BTCF_INDEX_GONE)
        return BTCF_INDEX_GONE + 1;
    return word == 0 ? 1 : word;
}

bool btcf_auth_is_revoked(const struct btcf_auth *auth, const uint8_t session[BTCF_ID_SIZE])
{
    uint64_t wanted = btcf_revoked_word(session);
    uint32_t mask = auth->revoked_buckets - 1;
    uint32_t at = (uint32_t)(wanted >> TAG_SHIFT) & mask;

    if (auth->header == NULL)
        return true;
    for (int i = 0; i < BTCF_INDEX_PROBES_MAX; i++, at = (at + 1) & mask) {
        bool has_free = false;

        for (int word = 0; word < BTCF_INDEX_BUCKET; word++) {
            /* Relaxed: the word is all there is to it. */
            uint64_t there = atomic_load_explicit(&auth->revoked[at].word[word], memory_order_relaxed);

            if (there == wanted)
                return true;
            has_free |= there == 0;
        }
        if (has_free)
            return false;
    }
    return true; /* no writer of ours lets as many buckets run full */
}

/* ---- plans and networks ------------------------------------------------------------------------------------------ */

/* Copies the current one of two buffers of `size` bytes that stand behind a generation. */
static enum btcf_read copy_current(const _Atomic uint64_t *gen_word, const void *buffers, void *copy, size_t size)
{
    for (int i = 0; i < BTCF_READ_TRIES_MAX; i++) {
        uint64_t gen = btcf_gen_load(gen_word);

        if (gen == 0)
            return BTCF_READ_ABSENT;
        btcf_words_load(copy, (const unsigned char *)buffers + (gen & 1) * size, size);
        if (btcf_gen_is_still(gen_word, gen))
            return BTCF_READ_OK;
    }
    return BTCF_READ_BUSY;
}

uint32_t btcf_plan_crc(const struct btcf_plan *plan)
{
    return btcf_crc32c(0, (const unsigned char *)plan + sizeof(plan->crc), sizeof(*plan) - sizeof(plan->crc));
}

enum btcf_read btcf_auth_plan(const struct btcf_auth *auth, uint32_t number, struct btcf_plan *plan)
{
    if (number >= auth->plan_count)
        return BTCF_READ_ABSENT;

    const struct btcf_plan_slot *slot = &auth->plans[number];
    enum btcf_read outcome = copy_current(&slot->gen, slot->plan, plan, sizeof(*plan));

    if (outcome != BTCF_READ_OK)
        return outcome;
    if (plan->crc != btcf_plan_crc(plan) || plan->number != number || plan->name[0] == '\0' ||
        plan->name[BTCF_PLAN_NAME_MAX - 1] != '\0' || plan->burst == 0)
        return BTCF_READ_CORRUPT;
    return BTCF_READ_OK;
}

enum btcf_read btcf_auth_plan_find(const struct btcf_auth *auth, const char *name, size_t len, struct btcf_plan *plan)
{
    enum btcf_read otherwise = BTCF_READ_ABSENT;

    if (len == 0 || len >= BTCF_PLAN_NAME_MAX)
        return BTCF_READ_ABSENT;
    for (uint32_t i = 0; i < auth->plan_count; i++) {
        enum btcf_read outcome = btcf_auth_plan(auth, i, plan);

        if (outcome == BTCF_READ_OK && memcmp(plan->name, name, len) == 0 && plan->name[len] == '\0')
            return BTCF_READ_OK;
        /* It may have been this one. */
        if (outcome != BTCF_READ_OK && outcome != BTCF_READ_ABSENT)
            otherwise = outcome;
    }
    return otherwise;
}

uint32_t btcf_networks_crc(const struct btcf_networks *networks)
{
    return btcf_crc32c(0, (const unsigned char *)networks + sizeof(networks->crc),
                       sizeof(*networks) - sizeof(networks->crc));
}

enum btcf_read btcf_auth_networks(const struct btcf_auth *auth, uint32_t networks, struct btcf_networks *copy)
{
    if (networks == 0 || networks > auth->network_count)
        return BTCF_READ_CORRUPT;

    const struct btcf_network_slot *slot = &auth->networks[networks - 1];
    enum btcf_read outcome = copy_current(&slot->gen, slot->networks, copy, sizeof(*copy));

    if (outcome != BTCF_READ_OK)
        return outcome == BTCF_READ_ABSENT ? BTCF_READ_CORRUPT : outcome;
    if (copy->crc != btcf_networks_crc(copy) || copy->count == 0 || copy->count > BTCF_NETWORKS_MAX)
        return BTCF_READ_CORRUPT;
    return BTCF_READ_OK;
}

static bool is_inside(const struct btcf_network *network, const uint8_t address[16])
{
    uint32_t whole = network->bits / 8, rest = network->bits % 8;

    if (network->bits > NETWORK_BITS_MAX || memcmp(network->address, address, whole) != 0)
        return false;
    return rest == 0 || (network->address[whole] ^ address[whole]) >> (8 - rest) == 0;
}

bool btcf_auth_network_allows(const struct btcf_auth *auth, uint32_t networks, const uint8_t address[16])
{
    struct btcf_networks copy;

    if (networks == 0)
        return true;
    if (btcf_auth_networks(auth, networks, &copy) != BTCF_READ_OK)
        return false;
    for (uint32_t i = 0; i < copy.count; i++)
        if (is_inside(&copy.network[i], address))
            return true;
    return false;
}

/* ---- ids and scopes ---------------------------------------------------------------------------------------------- */

/* The value of a digit of lower case, 16 or more for anything else. */
static unsigned digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
}

bool btcf_id_parse(const char *text, size_t len, uint8_t id[BTCF_ID_SIZE])
{
    if (len != 2 * BTCF_ID_SIZE)
        return false;
    for (size_t i = 0; i < BTCF_ID_SIZE; i++) {
        unsigned high = digit_of(text[2 * i]), low = digit_of(text[2 * i + 1]);

        if (high > 15 || low > 15)
            return false;
        id[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* Four bytes as eight digits, all at once: the bytes are spread to two each, these hold a nibble each, and what is above 9
 * moves on to the letters. Once for every request of an account, where digit by digit takes four times as long. */
static uint64_t render_word(uint32_t bytes)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t nibbles = bytes;

    nibbles = (nibbles | nibbles << 16) & UINT64_C(0x0000ffff0000ffff);
    nibbles = (nibbles | nibbles << 8) & UINT64_C(0x00ff00ff00ff00ff);
    nibbles = (nibbles >> 4 | nibbles << 8) & (ones * 0x0f);
    return nibbles + ones * '0' + ((nibbles + ones * 6) >> 4 & ones) * ('a' - '0' - 10);
}

void btcf_id_render(const uint8_t id[BTCF_ID_SIZE], char text[2 * BTCF_ID_SIZE + 1])
{
    for (size_t i = 0; i < BTCF_ID_SIZE; i += sizeof(uint32_t)) {
        uint32_t bytes;
        uint64_t digits;

        memcpy(&bytes, id + i, sizeof(bytes)); /* little-endian, as this machine is (btcf_abi.h) */
        digits = render_word(bytes);
        memcpy(text + 2 * i, &digits, sizeof(digits));
    }
    text[2 * BTCF_ID_SIZE] = '\0';
}

static const struct {
    uint32_t bit;
    const char *name;
    size_t len;
} scopes[] = {
#define SCOPE(bit, name, text, help) {1u << (bit), text, sizeof(text) - 1},
    BTCF_SCOPES(SCOPE)
#undef SCOPE
};

uint32_t btcf_scope_bit(const char *name, size_t len)
{
    for (size_t i = 0; i < BTCF_LENGTH(scopes); i++)
        if (scopes[i].len == len && memcmp(scopes[i].name, name, len) == 0)
            return scopes[i].bit;
    return 0;
}

const char *btcf_scope_name(uint32_t bit)
{
    for (size_t i = 0; i < BTCF_LENGTH(scopes); i++)
        if (scopes[i].bit == bit)
            return scopes[i].name;
    return NULL;
}
