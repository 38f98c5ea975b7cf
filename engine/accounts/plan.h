/* Plans: what an account may do, how fast and how much, and what that costs. Workers know a change within a
 * second. */
#ifndef ACCOUNTS_PLAN_H
#define ACCOUNTS_PLAN_H

#include "accounts/audit.h"

#define PLAN_RATE_MAX 1e6
#define PLAN_RATE_MIN 0.001
#define PLAN_BURST_MAX INT64_C(1000000)
#define PLAN_REFILL_MAX_S 31536000.0 /* burst / rate: a limiter that remembers more than a year is a mistake */
#define PLAN_QUOTA_MAX INT64_C(1000000000000000)
#define PLAN_STREAMS_MAX INT64_C(100000)
#define PLAN_KEYS_MAX INT64_C(100000)
#define PLAN_KEY_AGE_MAX_DAYS INT64_C(3650)
#define PLAN_PRICE_MAX_CENTS INT64_C(100000000)

struct plan {
    const char *name;  /* lower case, at most 15 characters */
    int64_t number;    /* in pub; given once, by us */
    double rate_per_s; /* units; 0: no limit */
    int64_t burst;
    int64_t quota_day, quota_month; /* units; 0: none */
    int64_t streams_max, keys_max;
    int64_t key_age_max_days; /* 0: keys need not expire */
    const char *scopes;       /* "read,stream": the most that a key or token may have */
    int64_t price_month_cents;
};

/* E_MISSING names it. */
int plan_find(const struct actor *actor, const char *name, struct plan *plan) BTCF_MUST_CHECK;
/* By number. */
int plan_list(const struct actor *actor, struct plan **plans, size_t *count) BTCF_MUST_CHECK;

/* Changes the plan of that name, or makes it, with the next free number. E_INPUT names what is out of bounds, E_LIMIT
 * when there are no numbers left. */
int plan_save(const struct actor *actor, struct plan *plan) BTCF_MUST_CHECK;

#endif
