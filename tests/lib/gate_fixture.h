/* Keys, accounts, plans and sessions that follow from a number, for tests of the gate's tables. */
#ifndef TESTS_LIB_GATE_FIXTURE_H
#define TESTS_LIB_GATE_FIXTURE_H

#include "shm/auth_writer.h"
#include "shm_fixture.h"

#define GATE_EXPIRES_S 1900000000

static inline uint64_t gate_mix(uint64_t x)
{
    x = (x + UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 29) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 32;
}

/* As random as SHA-256 for the purpose. */
static inline void gate_bytes(uint8_t *bytes, size_t size, uint64_t seed)
{
    for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
        uint64_t word = gate_mix(seed * 64 + i);

        memcpy(bytes + i, &word, sizeof(word));
    }
}

struct gate_digest {
    uint8_t bytes[BTCF_DIGEST_SIZE];
};

static inline struct gate_digest gate_digest(uint32_t n)
{
    struct gate_digest digest;

    gate_bytes(digest.bytes, sizeof(digest.bytes), n);
    return digest;
}

struct gate_id {
    uint8_t bytes[BTCF_ID_SIZE];
};

static inline struct gate_id gate_session(uint32_t n)
{
    struct gate_id id;

    gate_bytes(id.bytes, sizeof(id.bytes), UINT64_C(1) << 40 | n);
    return id;
}

static inline struct btcf_key gate_key(uint32_t n)
{
    return (struct btcf_key){.id = 1000 + n,
                             .account = n,
                             .row = 2 * n,
                             .flags = BTCF_KEY_ENABLED,
                             .scopes = BTCF_SCOPE_READ | BTCF_SCOPE_HISTORY,
                             .expires_s = GATE_EXPIRES_S + n};
}

static inline struct btcf_account gate_account(uint32_t n)
{
    struct btcf_account account = {.number = n,
                                   .row = 2 * n + 1,
                                   .flags = BTCF_ACCOUNT_ENABLED,
                                   .plan = n % BTCF_PLANS_MAX,
                                   .tokens_valid_after_s = 1700000000 + n};

    gate_bytes(account.id, sizeof(account.id), UINT64_C(1) << 41 | n);
    return account;
}

static inline bool gate_is_same_account(const struct btcf_account *a, const struct btcf_account *b)
{
    return memcmp(a->id, b->id, sizeof(a->id)) == 0 && a->number == b->number && a->row == b->row &&
           a->flags == b->flags && a->plan == b->plan && a->tokens_valid_after_s == b->tokens_valid_after_s &&
           a->blocked_until_s == b->blocked_until_s && a->blocked_period == b->blocked_period;
}

static inline struct btcf_plan gate_plan(uint16_t n)
{
    struct btcf_plan plan = {.number = n,
                             .scopes = BTCF_SCOPE_READ | BTCF_SCOPE_STREAM,
                             .period_ns = 1000000 + n,
                             .burst = 10,
                             .streams_max = 2,
                             .quota_day = 100,
                             .quota_month = 1000};

    snprintf(plan.name, sizeof(plan.name), "plan%u", n);
    return plan;
}

/* 10.n.0.0/16 and 2001:db8:n::/48. */
static inline struct btcf_networks gate_networks(uint8_t n)
{
    return (struct btcf_networks){
        .count = 2,
        .network = {{.address = {[10] = 0xff, [11] = 0xff, [12] = 10, [13] = n}, .bits = 112},
                    {.address = {0x20, 0x01, 0x0d, 0xb8, 0, n}, .bits = 48}}};
}

/* Sizes that a test fills in no time. */
static inline struct writer_options gate_options(const struct shm_fixture *fixture)
{
    struct writer_options options = shm_options(fixture);

    options.auth = (struct writer_auth_options){.keys = 16, .accounts = 8, .revoked = 8, .networks = 4};
    return options;
}

static inline void gate_must(int status)
{
    if (status < 0) {
        fprintf(stderr, "%s\n", err_text());
        abort();
    }
}

static inline void gate_put_key(struct writer *writer, uint32_t n)
{
    const struct btcf_key key = gate_key(n);

    gate_must(writer_put_key(writer, gate_digest(n).bytes, &key, NULL));
}

static inline void gate_put_account(struct writer *writer, uint32_t n)
{
    const struct btcf_account account = gate_account(n);

    gate_must(writer_put_account(writer, &account));
}

static inline void gate_put_plan(struct writer *writer, uint16_t n)
{
    const struct btcf_plan plan = gate_plan(n);

    gate_must(writer_put_plan(writer, &plan));
}

#endif
