/* Limits, quotas and usage in words that many processes change at once.
 *
 * The one idea: whatever must be decided together lies in one word and is decided by one compare-and-swap, so there is no
 * lock that a killed worker could keep, and no moment at which a reader sees half of a decision. Where nothing is decided
 * (usage), a plain atomic add does.
 *
 * Nothing here reads a clock: times are the caller's, so that tests can make their own.
 */
#include "shm/limit.h"

#include <string.h>

#include "shm/btcf_seq.h"
#include "shm/siphash.h"

#define DAY_S 86400
#define DAY_SHIFT 40
#define MONTH_SHIFT 48

#define TAG_SHIFT 44
#define TICKS_MASK ((UINT64_C(1) << TAG_SHIFT) - 1)

#define CACHE_LINE 64

#define POOL_IDLE_S (2 * DAY_S)
#define POOL_TOUCH_S 3600
#define POOL_CLAIM_TRIES_MAX 8

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* ---- rates ------------------------------------------------------------------------------------------------------- */

static struct btcf_take unlimited(void)
{
    return (struct btcf_take){.admitted = true, .remaining = UINT64_MAX};
}

/* What a word that says `tat_ns` means for someone who would take `cost` units. */
static struct btcf_take judge(uint64_t tat_ns, const struct btcf_rate *rate, uint64_t now_ns, uint64_t cost)
{
    uint64_t capacity_ns = rate->burst * rate->period_ns;
    uint64_t owed_ns = tat_ns > now_ns ? tat_ns - now_ns : 0;
    struct btcf_take take = {.reset_ns = owed_ns};

    /* Most come to a full bucket: no division for them. */
    if (owed_ns == 0)
        take.remaining = rate->burst;
    else if (owed_ns < capacity_ns)
        take.remaining = (capacity_ns - owed_ns) / rate->period_ns;
    take.admitted = cost <= take.remaining;
    if (take.admitted)
        return take;
    /* Not owed + cost * T > capacity: both sides are below 2^62, a word that lies may not be. */
    take.retry_ns = cost > rate->burst ? UINT64_MAX : owed_ns - (capacity_ns - cost * rate->period_ns);
    return take;
}

struct btcf_take btcf_rate_take(_Atomic uint64_t *tat_ns, const struct btcf_rate *rate, uint64_t now_ns,
                                uint64_t cost)
{
    if (rate->period_ns == 0)
        return unlimited();

    uint64_t tat = atomic_load_explicit(tat_ns, memory_order_relaxed);

    if (cost == 0)
        return judge(tat, rate, now_ns, 1);
    for (int i = 0; i < BTCF_TAKE_TRIES_MAX; i++) {
        struct btcf_take take = judge(tat, rate, now_ns, cost);
        uint64_t next = max_u64(tat, now_ns) + cost * rate->period_ns;

        if (!take.admitted)
            return take;
        /* Relaxed: the word is all that there is; nothing is read because of it. */
        if (atomic_compare_exchange_weak_explicit(tat_ns, &tat, next, memory_order_relaxed, memory_order_relaxed)) {
            take.remaining -= cost;
            take.reset_ns = next - now_ns;
            return take;
        }
    }
    /* So many were faster than us that the next one will be, too. */
    return (struct btcf_take){.retry_ns = rate->period_ns, .reset_ns = tat > now_ns ? tat - now_ns : 0};
}

bool btcf_rate_settle(_Atomic uint64_t *tat_ns, const struct btcf_rate *rate, uint64_t clock_ns)
{
    uint64_t furthest = clock_ns + rate->burst * rate->period_ns;
    uint64_t tat = atomic_load_explicit(tat_ns, memory_order_relaxed);

    /* Who admits writes at most its own time + burst * T, and no time is ahead of the clock: so nobody wrote this under
     * the present rate. A lost race needs no second try: the winner has settled it. */
    return tat > furthest && atomic_compare_exchange_strong_explicit(tat_ns, &tat, furthest, memory_order_relaxed,
                                                                     memory_order_relaxed);
}

/* ---- quotas ------------------------------------------------------------------------------------------------------ */

static unsigned shift_of(enum btcf_period period)
{
    return period == BTCF_PERIOD_DAY ? DAY_SHIFT : MONTH_SHIFT;
}

uint64_t btcf_quota_used(const _Atomic uint64_t *word, enum btcf_period period, uint64_t number)
{
    uint64_t value = atomic_load_explicit(word, memory_order_relaxed);
    unsigned shift = shift_of(period);

    return value >> shift == number ? value & ((UINT64_C(1) << shift) - 1) : 0;
}

void btcf_quota_add(_Atomic uint64_t *word, enum btcf_period period, uint64_t number, uint64_t units)
{
    unsigned shift = shift_of(period);
    /* Half of what fits: so many processes cannot be between this check and their addition that the rest fills up. */
    uint64_t enough = UINT64_C(1) << (shift - 1);
    uint64_t value = atomic_load_explicit(word, memory_order_relaxed);

    units = units > enough ? enough : units;
    for (int i = 0; i < BTCF_TAKE_TRIES_MAX; i++) {
        if (value >> shift == number) {
            /* An addition cannot be lost to a race as an exchange can. Should another begin the next period right here,
             * that one is charged with our units: harmless. */
            if ((value & ((UINT64_C(1) << shift) - 1)) < enough - units / 2)
                atomic_fetch_add_explicit(word, units, memory_order_relaxed);
            return;
        }
        if (value >> shift == number + 1)
            return;
        if (atomic_compare_exchange_weak_explicit(word, &value, number << shift | units, memory_order_relaxed,
                                                  memory_order_relaxed))
            return;
    }
}

/* Days since 1970 of the first day of a month, counted from 1970-01. Years are counted from March, so that the leap day is
 * their last and months have lengths by a formula: (153 m + 2) / 5 days lie before month m. */
static int64_t first_day_of_month(int64_t month)
{
    int64_t since_march_0 = month + INT64_C(1970) * 12 - 2;
    int64_t year = since_march_0 / 12, month_of_year = since_march_0 % 12;

    /* 719468 days lie between 0000-03-01 and 1970-01-01. */
    return year * 365 + year / 4 - year / 100 + year / 400 + (153 * month_of_year + 2) / 5 - 719468;
}

static int64_t month_of_day(int64_t day)
{
    /* A month has 30.44 days on average, and none begins a month's length off that: so this is not too late. */
    int64_t month = day * 100 / 3044;

    month = month > 0 ? month - 1 : 0;
    while (first_day_of_month(month + 1) <= day)
        month++;
    return month;
}

uint64_t btcf_period_number(enum btcf_period period, int64_t now_s)
{
    int64_t day = now_s < 0 ? 0 : now_s / DAY_S;

    return (uint64_t)(period == BTCF_PERIOD_DAY ? day : month_of_day(day));
}

int64_t btcf_period_end_s(enum btcf_period period, int64_t now_s)
{
    int64_t next = (int64_t)btcf_period_number(period, now_s) + 1;

    return (period == BTCF_PERIOD_DAY ? next : first_day_of_month(next)) * DAY_S;
}

/* ---- addresses --------------------------------------------------------------------------------------------------- */

static uint64_t keyed_hash(const struct btcf_edge *edge, uint64_t purpose, const void *bytes, size_t len)
{
    uint64_t seed;

    memcpy(&seed, edge->header->instance, sizeof(seed));
    return btcf_siphash(seed, purpose, bytes, len);
}

uint64_t btcf_address_hash(const struct btcf_edge *edge, const uint8_t *address, size_t len, uint32_t purpose)
{
    return keyed_hash(edge, purpose, address, len);
}

/* The cell to charge, as it was seen: the address's own; else the one with the least time, which is free, or the first to
 * be, and then shared.
 *
 * Times only grow. So as long as a chosen cell is as it was seen, whoever else looks for the same address chooses the same:
 * the compare-and-swap of one of them fails, and it then finds the other's. No address ever has two cells while its set has
 * room. */
static _Atomic uint64_t *choose_cell(struct btcf_addr_set *set, uint64_t tag, uint64_t *seen)
{
    _Atomic uint64_t *least = NULL;

    for (unsigned i = 0; i < BTCF_ADDR_WAYS; i++) {
        uint64_t cell = atomic_load_explicit(&set->cell[i], memory_order_relaxed);

        if (cell >> TAG_SHIFT != tag && least != NULL && (cell & TICKS_MASK) >= (*seen & TICKS_MASK))
            continue;
        *seen = cell;
        least = &set->cell[i];
        if (cell >> TAG_SHIFT == tag)
            break;
    }
    return least;
}

static bool is_untouched(struct btcf_addr_set *set)
{
    uint64_t cells = 0;

    for (unsigned i = 0; i < BTCF_ADDR_WAYS; i++)
        cells |= atomic_load_explicit(&set->cell[i], memory_order_relaxed);
    return cells == 0;
}

struct btcf_take btcf_address_take(const struct btcf_edge *edge, uint64_t hash, const struct btcf_rate *rate,
                                   uint64_t now_ns, uint64_t cost)
{
    struct btcf_addr_set *set = &edge->addresses[hash & (edge->address_sets - 1)];
    uint64_t tag = hash >> TAG_SHIFT, cell = 0;

    if (rate->period_ns == 0)
        return unlimited();
    /* Every request with a credential asks whether its address has failed too often; few addresses ever have. */
    if (cost == 0 && is_untouched(set))
        return judge(0, rate, now_ns, 1);
    for (int i = 0; i < BTCF_TAKE_TRIES_MAX; i++) {
        _Atomic uint64_t *word = choose_cell(set, tag, &cell);
        uint64_t tat_ns = (cell & TICKS_MASK) * BTCF_ADDR_TICK_NS;
        struct btcf_take take = judge(tat_ns, rate, now_ns, max_u64(cost, 1));
        uint64_t next_ns = max_u64(tat_ns, now_ns) + cost * rate->period_ns;
        uint64_t ticks = (next_ns + BTCF_ADDR_TICK_NS - 1) / BTCF_ADDR_TICK_NS;
        /* A cell that is still running keeps its owner's tag, also when we share it. */
        uint64_t owner = tat_ns > now_ns ? cell >> TAG_SHIFT : tag;

        if (!take.admitted || cost == 0)
            return take;
        if (atomic_compare_exchange_weak_explicit(word, &cell, owner << TAG_SHIFT | (ticks & TICKS_MASK),
                                                  memory_order_relaxed, memory_order_relaxed)) {
            take.remaining -= cost;
            take.reset_ns = next_ns - now_ns;
            return take;
        }
    }
    return (struct btcf_take){.retry_ns = rate->period_ns};
}

/* ---- third-party principals -------------------------------------------------------------------------------------- */

static uint64_t hash_principal(const struct btcf_edge *edge, const struct btcf_pool_name *name)
{
    /* The issuer's hash is the second half of the key for the subject's: no joint of the two can be shifted. */
    uint64_t hash = keyed_hash(edge, keyed_hash(edge, name->issuer_len, name->issuer, name->issuer_len),
                               name->subject, name->subject_len);

    return hash == 0 ? 1 : hash;
}

/* Makes the entry say whose it is. Compared and not trusted to be there: who claimed it may have died right after, when it
 * still had the name of the one before. Several may write the same bytes at once. */
static void settle_subject(struct btcf_pool_entry *entry, const struct btcf_pool_name *name)
{
    char text[BTCF_SUBJECT_MAX] = "", present[BTCF_SUBJECT_MAX];
    size_t issuer_len = name->issuer_len < sizeof(text) - 1 ? name->issuer_len : sizeof(text) - 1;
    size_t room = sizeof(text) - issuer_len - 1;
    size_t subject_len = name->subject_len < room ? name->subject_len : room;
    uint32_t len = (uint32_t)(issuer_len + 1 + subject_len);

    memcpy(text, name->issuer, issuer_len);
    text[issuer_len] = ' ';
    memcpy(text + issuer_len + 1, name->subject, subject_len);
    if (atomic_load_explicit(&entry->subject_len, memory_order_acquire) == len) {
        btcf_words_load(present, entry->subject, sizeof(present));
        if (memcmp(present, text, sizeof(text)) == 0)
            return;
    }
    atomic_store_explicit(&entry->subject_len, 0, memory_order_relaxed);
    btcf_words_store(entry->subject, text, sizeof(text));
    /* Who sees a length sees all of the subject. Partner: the meter's acquire load, and that of carry_entry. */
    atomic_store_explicit(&entry->subject_len, len, memory_order_release);
}

static bool is_idle(const struct btcf_pool_entry *entry, int64_t now_s)
{
    int64_t last_used_s = (int64_t)atomic_load_explicit(&entry->usage.last_used_s, memory_order_relaxed);

    return last_used_s < now_s - POOL_IDLE_S;
}

/* A process that dies between these stores leaves limits that are not its principal's, until their period is over: at most
 * what was left of somebody who has been idle for two days. */
static bool claim(struct btcf_pool_entry *entry, uint64_t seen, uint64_t hash, int64_t now_s)
{
    if (!atomic_compare_exchange_strong_explicit(&entry->hash, &seen, hash, memory_order_relaxed,
                                                 memory_order_relaxed))
        return false;
    atomic_store_explicit(&entry->usage.last_used_s, (uint64_t)now_s, memory_order_relaxed);
    atomic_store_explicit(&entry->limit.tat_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&entry->limit.day, 0, memory_order_relaxed);
    atomic_store_explicit(&entry->limit.month, 0, memory_order_relaxed);
    return true;
}

static struct btcf_pool_entry *find_or_claim(struct btcf_pool_entry *set, uint64_t hash, int64_t now_s)
{
    for (int try = 0; try < POOL_CLAIM_TRIES_MAX; try++) {
        struct btcf_pool_entry *free_entry = NULL;
        uint64_t free_hash = 0;

        for (unsigned i = 0; i < BTCF_POOL_WAYS; i++) {
            uint64_t seen = atomic_load_explicit(&set[i].hash, memory_order_relaxed);

            if (seen == hash)
                return &set[i];
            if (free_entry == NULL && (seen == 0 || is_idle(&set[i], now_s))) {
                free_entry = &set[i];
                free_hash = seen;
            }
        }
        if (free_entry == NULL)
            return NULL;
        /* Lost: to another principal, or to another worker with ours. Look again. */
        if (claim(free_entry, free_hash, hash, now_s))
            return free_entry;
    }
    return NULL;
}

/* Whoever has just been found must not be taken for idle before the answer has been counted. */
static void touch(struct btcf_pool_entry *entry, int64_t now_s)
{
    if ((int64_t)atomic_load_explicit(&entry->usage.last_used_s, memory_order_relaxed) < now_s - POOL_TOUCH_S)
        atomic_store_explicit(&entry->usage.last_used_s, (uint64_t)now_s, memory_order_relaxed);
}

static struct btcf_pool_entry *set_of(const struct btcf_edge *edge, uint64_t hash)
{
    return &edge->pool[(hash & (edge->pool_count / BTCF_POOL_WAYS - 1)) * BTCF_POOL_WAYS];
}

uint64_t btcf_pool_prefetch(const struct btcf_edge *edge, const struct btcf_pool_name *name)
{
    uint64_t hash = hash_principal(edge, name);

    if (edge->pool_count == 0)
        return hash;

    /* Entries are claimed from the first on, so that most principals have the first one of their set. */
    const char *first = (const char *)set_of(edge, hash);

    for (size_t at = 0; at <= sizeof(struct btcf_pool_entry); at += CACHE_LINE)
        __builtin_prefetch(first + at);
    return hash;
}

struct btcf_pool_entry *btcf_pool_find_hashed(const struct btcf_edge *edge, const struct btcf_pool_name *name,
                                              uint64_t hash, int64_t now_s)
{
    struct btcf_pool_entry *entry = edge->pool_count == 0 ? NULL : find_or_claim(set_of(edge, hash), hash, now_s);

    if (entry == NULL)
        return NULL;
    settle_subject(entry, name);
    touch(entry, now_s);
    return entry;
}

struct btcf_pool_entry *btcf_pool_find(const struct btcf_edge *edge, const char *issuer, size_t issuer_len,
                                       const char *subject, size_t subject_len, int64_t now_s)
{
    const struct btcf_pool_name name = {issuer, subject, issuer_len, subject_len};

    return btcf_pool_find_hashed(edge, &name, hash_principal(edge, &name), now_s);
}

bool btcf_pool_is_still(struct btcf_pool_entry *entry, uint64_t hash, int64_t now_s)
{
    touch(entry, now_s);
    /* After the touch: who finds the principal there now finds it in use, too. */
    return atomic_load_explicit(&entry->hash, memory_order_acquire) == hash;
}

/* ---- usage ------------------------------------------------------------------------------------------------------- */

/* Release: who sees the growth sees the day that it belongs to. Partner: the acquire loads of the meter. */
static void add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_release);
}

static _Atomic uint64_t *unbilled_counter(struct btcf_usage_bank *bank, const struct btcf_use *use)
{
    if (use->status == 429)
        return &bank->limited;
    if (use->status >= 500)
        return &bank->server_errors;
    if (use->status >= 400 || use->status < 200)
        return &bank->client_errors;
    if (use->status >= 300 || use->is_head)
        return &bank->not_modified;
    return &bank->client_errors; /* did not go out whole */
}

bool btcf_usage_is_billed(const struct btcf_use *use)
{
    return use->status >= 200 && use->status < 300 && use->is_whole && !use->is_head;
}

bool btcf_usage_count(struct btcf_usage_row *row, const struct btcf_use *use)
{
    uint64_t day = (uint64_t)(use->now_s / DAY_S);
    struct btcf_usage_bank *bank = &row->bank[day & 1];
    bool is_billed = btcf_usage_is_billed(use);

    /* Acquire and release: a worker that found the day already there passes on what it saw. */
    if (atomic_load_explicit(&bank->day, memory_order_acquire) != day)
        atomic_store_explicit(&bank->day, day, memory_order_release);
    if (is_billed) {
        add(&bank->billed[use->usage_class], 1);
        add(&bank->units[use->usage_class], use->units);
    } else {
        add(unbilled_counter(bank, use), 1);
    }
    add(&bank->bytes, use->bytes);
    add(&bank->latency_us, use->latency_us);
    if (atomic_load_explicit(&row->last_used_s, memory_order_relaxed) != (uint64_t)use->now_s)
        atomic_store_explicit(&row->last_used_s, (uint64_t)use->now_s, memory_order_relaxed);
    return is_billed;
}
