/* The tables of the gate in a new file: their size, and what they take over from the file before.
 *
 * Taking over is putting anew, entry by entry, after each has been checked: so a new file may have other capacities, and
 * begins without what was used up in the old one (disabled keys, entries that others have replaced). What does not stand
 * up condemns all: the position in the database's history is one for all tables, and a table with a hole would never be
 * filled by the changes that come after it. The publisher is then told, and loads everything from the database.
 *
 * A hole shows, because everything is there twice: each entry must be found through the index, and there must be as many
 * index words as entries found. One entry may lack its index word, the one over which its writer died: of the keys, which
 * are used in order, that is the last one.
 */
#include <string.h>

#include "core/err.h"
#include "shm/auth_writer.h"
#include "shm/btcf_seq.h"
#include "shm/writer_state.h"

#define ENTRIES_PER_BUCKET 2u /* on average when the table is full: of eight, so that a second bucket is a rarity */
#define CAPACITY_MAX (UINT32_C(1) << 24)

static uint32_t buckets_for(uint32_t capacity)
{
    uint32_t buckets = 1;

    while (buckets * ENTRIES_PER_BUCKET < capacity)
        buckets *= 2;
    return buckets;
}

int writer_gate_layout(const struct writer_auth_options *options, struct gate_section sections[GATE_SECTION_COUNT])
{
    const uint32_t capacities[] = {options->keys, options->accounts, options->revoked, options->networks};
    const struct gate_section layout[GATE_SECTION_COUNT] = {
        [GATE_AUTH] = {{BTCF_SECTION_AUTH, sizeof(struct btcf_auth_header), 0}, 1},
        [GATE_KEY_INDEX] = {{BTCF_SECTION_KEY_INDEX, sizeof(struct btcf_index_bucket), 0},
                            buckets_for(options->keys)},
        [GATE_KEY] = {{BTCF_SECTION_KEY, sizeof(struct btcf_key_entry), 0}, options->keys},
        [GATE_ACCOUNT_INDEX] = {{BTCF_SECTION_ACCOUNT_INDEX, sizeof(struct btcf_index_bucket), 0},
                                buckets_for(options->accounts)},
        [GATE_ACCOUNT] = {{BTCF_SECTION_ACCOUNT, sizeof(struct btcf_account_entry), 0}, options->accounts},
        [GATE_REVOKED] = {{BTCF_SECTION_REVOKED, sizeof(struct btcf_index_bucket), 0}, buckets_for(options->revoked)},
        [GATE_REVOKED_UNTIL] = {{BTCF_SECTION_REVOKED_UNTIL, sizeof(uint32_t), 0},
                                buckets_for(options->revoked) * BTCF_INDEX_BUCKET},
        [GATE_PLAN] = {{BTCF_SECTION_PLAN, sizeof(struct btcf_plan_slot), 0}, BTCF_PLANS_MAX},
        [GATE_NETWORK] = {{BTCF_SECTION_NETWORK, sizeof(struct btcf_network_slot), 0}, options->networks},
    };
    uint32_t zero_count = 0;

    for (size_t i = 0; i < BTCF_LENGTH(capacities); i++) {
        zero_count += capacities[i] == 0;
        if (capacities[i] > CAPACITY_MAX)
            return err_set(E_INPUT, "a table of the gate of %u entries, at most %u are allowed", capacities[i],
                           CAPACITY_MAX);
    }
    if (zero_count == BTCF_LENGTH(capacities))
        return 0;
    if (zero_count > 0)
        return err_set(E_INPUT, "a table of the gate of no entries");
    memcpy(sections, layout, sizeof(layout));
    return GATE_SECTION_COUNT;
}

void writer_gate_adopt(struct writer *writer, const struct btcf_section *sections,
                       const struct writer_auth_options *options)
{
    struct gate *gate = &writer->gate;
    unsigned char *base = writer->file.base;
    const struct btcf_reader own = {.base = base, .size = writer->file.size};

    gate->header = (struct btcf_auth_header *)(base + sections[GATE_AUTH].offset);
    gate->key_index = (struct btcf_index_bucket *)(base + sections[GATE_KEY_INDEX].offset);
    gate->keys = (struct btcf_key_entry *)(base + sections[GATE_KEY].offset);
    gate->account_index = (struct btcf_index_bucket *)(base + sections[GATE_ACCOUNT_INDEX].offset);
    gate->accounts = (struct btcf_account_entry *)(base + sections[GATE_ACCOUNT].offset);
    gate->revoked = (struct btcf_index_bucket *)(base + sections[GATE_REVOKED].offset);
    gate->revoked_until = (_Atomic uint32_t *)(base + sections[GATE_REVOKED_UNTIL].offset);
    gate->plans = (struct btcf_plan_slot *)(base + sections[GATE_PLAN].offset);
    gate->networks = (struct btcf_network_slot *)(base + sections[GATE_NETWORK].offset);
    gate->begin = (unsigned char *)gate->header;
    gate->size = sections[GATE_NETWORK].offset + sections[GATE_NETWORK].size - sections[GATE_AUTH].offset;
    gate->load.capacity = *options;
    gate->header->key_capacity = options->keys;
    gate->header->account_capacity = options->accounts;
    gate->header->revoked_capacity = options->revoked;
    gate->header->network_capacity = options->networks;
    (void)btcf_auth_attach(&gate->view, &own); /* it cannot fail: the sections are ours */
}

void writer_gate_wipe(struct writer *writer)
{
    struct gate *gate = &writer->gate;
    struct btcf_auth_header header;

    /* Nobody else sees the file yet, so plain stores will do. */
    btcf_words_load(&header, gate->header, sizeof(header));
    memset(gate->begin, 0, gate->size);
    gate->header->key_capacity = header.key_capacity;
    gate->header->account_capacity = header.account_capacity;
    gate->header->revoked_capacity = header.revoked_capacity;
    gate->header->network_capacity = header.network_capacity;
    gate->load = (struct writer_auth_load){.capacity = gate->load.capacity};
    memset(gate->plan_gens, 0, sizeof(gate->plan_gens));
}

/* ---- taking over ------------------------------------------------------------------------------------------------- */

static int say_damaged(const char *table, uint64_t number)
{
    return err_set(E_CORRUPT, "entry %llu of the table of %s is damaged", (unsigned long long)number, table);
}

static uint32_t count_words(const struct btcf_index_bucket *buckets, uint32_t count)
{
    uint32_t words = 0;

    for (uint32_t i = 0; i < count; i++)
        for (int word = 0; word < BTCF_INDEX_BUCKET; word++)
            words += atomic_load_explicit(&buckets[i].word[word], memory_order_relaxed) != 0;
    return words;
}

static int check_index(const char *table, uint32_t led, const struct btcf_index_bucket *buckets, uint32_t count)
{
    uint32_t words = count_words(buckets, count);

    if (led == words)
        return 0;
    return err_set(E_CORRUPT, "the table of %s has %u entries, and its index %u words", table, led, words);
}

static int take_key(struct writer *writer, const struct btcf_auth *old, const uint8_t *digest,
                    const struct btcf_key *key)
{
    struct btcf_networks networks;

    if (key->networks != 0 && btcf_auth_networks(old, key->networks, &networks) != BTCF_READ_OK)
        return say_damaged("networks", key->networks - 1);
    return writer_put_key(writer, digest, key, key->networks != 0 ? &networks : NULL);
}

/* How many entries are used; -1 with an error frame when there is a free one among them. */
static int64_t count_used_keys(const struct btcf_auth *old)
{
    uint32_t used = 0, last = 0;

    for (uint32_t number = 0; number < old->key_count; number++) {
        if (atomic_load_explicit(&old->keys[number].state, memory_order_relaxed) == 0)
            continue;
        used++;
        last = number;
    }
    if (used > 0 && last != used - 1)
        return say_damaged("keys", last);
    return used;
}

static int take_keys(struct writer *writer, const struct btcf_auth *old)
{
    int64_t used = count_used_keys(old);
    uint8_t digest[BTCF_DIGEST_SIZE];
    uint32_t led = 0, there = 0;
    struct btcf_key key;

    for (uint32_t number = 0; number < used; number++) {
        enum btcf_read outcome = btcf_auth_key_at(old, number, digest, &key);

        if (outcome == BTCF_READ_OK)
            outcome = btcf_auth_key_number(old, digest, &there);
        if (outcome == BTCF_READ_ABSENT && number == used - 1)
            break; /* its writer died over it */
        if (outcome != BTCF_READ_OK)
            return say_damaged("keys", number);
        if (there != number)
            continue; /* the key has another entry since */
        led++;
        if (take_key(writer, old, digest, &key) < 0)
            return -1;
    }
    return used < 0 ? -1 : check_index("keys", led, old->key_index, old->key_buckets);
}

static int take_accounts(struct writer *writer, const struct btcf_auth *old)
{
    uint32_t led = 0, unled = 0;
    struct btcf_account account, found;

    for (uint32_t number = 0; number < old->account_count; number++) {
        enum btcf_read outcome = btcf_auth_account(old, number, &account);

        if (outcome == BTCF_READ_ABSENT)
            continue;
        if (outcome == BTCF_READ_OK)
            outcome = btcf_auth_account_find(old, account.id, &found);
        if (outcome == BTCF_READ_ABSENT && unled++ == 0)
            continue; /* its writer died over it */
        if (outcome != BTCF_READ_OK || found.number != number)
            return say_damaged("accounts", number);
        led++;
        if (writer_put_account(writer, &account) < 0)
            return -1;
    }
    return check_index("accounts", led, old->account_index, old->account_buckets);
}

static int take_plans(struct writer *writer, const struct btcf_auth *old)
{
    struct btcf_plan plan;

    for (uint32_t number = 0; number < old->plan_count; number++) {
        enum btcf_read outcome = btcf_auth_plan(old, number, &plan);

        if (outcome == BTCF_READ_ABSENT)
            continue;
        if (outcome != BTCF_READ_OK)
            return say_damaged("plans", number);
        if (writer_put_plan(writer, &plan) < 0)
            return -1;
    }
    return 0;
}

static int take_revoked(struct writer *writer, const struct btcf_auth *old, const struct btcf_reader *reader)
{
    static const struct btcf_section_shape shape = {BTCF_SECTION_REVOKED_UNTIL, sizeof(uint32_t), 0};
    struct btcf_section section;

    if (!btcf_section_find(reader->base, reader->size, &shape, &section) ||
        section.count / BTCF_INDEX_BUCKET != old->revoked_buckets)
        return err_set(E_CORRUPT, "the table of revoked sessions does not say when they end");

    const _Atomic uint32_t *until = (const _Atomic uint32_t *)(reader->base + section.offset);

    for (uint32_t i = 0; i < old->revoked_buckets * BTCF_INDEX_BUCKET; i++) {
        uint32_t bucket = i / BTCF_INDEX_BUCKET;
        uint64_t word = atomic_load_explicit(&old->revoked[bucket].word[i % BTCF_INDEX_BUCKET], memory_order_relaxed);

        if (word == 0 || word == BTCF_INDEX_GONE)
            continue;
        /* Where a search for it would not come by, nobody of ours has put it. */
        if (((bucket - (uint32_t)(word >> 32)) & (old->revoked_buckets - 1)) >= BTCF_INDEX_PROBES_MAX)
            return say_damaged("revoked sessions", i);
        if (writer_revoke_word(&writer->gate, word, atomic_load_explicit(&until[i], memory_order_relaxed)) < 0)
            return -1;
    }
    return 0;
}

void writer_gate_inherit(struct writer *writer, const struct btcf_reader *reader)
{
    struct gate *gate = &writer->gate;
    struct btcf_auth old;

    if (gate->header == NULL || !btcf_auth_attach(&old, reader))
        return;
    if (take_plans(writer, &old) < 0 || take_accounts(writer, &old) < 0 || take_keys(writer, &old) < 0 ||
        take_revoked(writer, &old, reader) < 0) {
        gate->refusal = arena_strdup(writer->arena, err_text());
        err_clear();
        writer_gate_wipe(writer);
    } else {
        btcf_words_load(gate->header->database, old.header->database, sizeof(gate->header->database));
        writer_set_auth_position(writer, atomic_load_explicit(&old.header->position, memory_order_relaxed));
    }
    gate->changes = btcf_auth_changes(&old) + 1;
    atomic_store_explicit(&gate->header->changes, gate->changes, memory_order_relaxed);
}
