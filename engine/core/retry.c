/* Backoff and circuit breaker as small state machines. See the header for the idea and its sources. */
#include "core/retry.h"

#include "core/rand.h"

void backoff_init(struct backoff *backoff, int64_t base_ms, int64_t max_ms)
{
    backoff->base_ms = base_ms > 0 ? base_ms : 1;
    backoff->max_ms = max_ms > backoff->base_ms ? max_ms : backoff->base_ms;
    backoff->attempt = 0;
}

int64_t backoff_next_ms(struct backoff *backoff, struct rng *rng)
{
    int64_t longest_ms = backoff->base_ms;

    /* Doubled step by step and stopped at the maximum, so that no attempt count can overflow it. */
    for (int i = 0; i < backoff->attempt && longest_ms < backoff->max_ms; i++)
        longest_ms = longest_ms > backoff->max_ms / 2 ? backoff->max_ms : longest_ms * 2;
    if (longest_ms < backoff->max_ms)
        backoff->attempt++;
    return (int64_t)rng_below(rng, (uint64_t)longest_ms + 1);
}

void backoff_reset(struct backoff *backoff)
{
    backoff->attempt = 0;
}

void breaker_init(struct breaker *breaker, int failures_max, int64_t open_ms)
{
    *breaker = (struct breaker){
        .state = BREAKER_CLOSED,
        .failures_max = failures_max > 0 ? failures_max : 1,
        .open_ms = open_ms,
    };
}

bool breaker_allows(struct breaker *breaker, int64_t now_ms)
{
    if (breaker->state == BREAKER_CLOSED)
        return true;
    /* Open, or half-open with a probe under way: both wait for the same span. A probe whose process died would
     * otherwise keep the breaker half-open for ever. */
    if (now_ms - breaker->since_ms < breaker->open_ms)
        return false;
    breaker->state = BREAKER_HALF_OPEN;
    breaker->since_ms = now_ms;
    return true;
}

void breaker_success(struct breaker *breaker)
{
    breaker->state = BREAKER_CLOSED;
    breaker->failures = 0;
}

void breaker_failure(struct breaker *breaker, int64_t now_ms)
{
    if (breaker->state == BREAKER_CLOSED && ++breaker->failures < breaker->failures_max)
        return;
    breaker->state = BREAKER_OPEN;
    breaker->since_ms = now_ms;
}

const char *breaker_state_name(enum breaker_state state)
{
    static const char *const names[] = {"closed", "open", "half-open"};

    return (size_t)state < BTCF_LENGTH(names) ? names[state] : "unknown";
}
