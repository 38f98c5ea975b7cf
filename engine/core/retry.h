/* Trying again without making it worse: how long to wait, and when to stop asking at all.
 *
 * A backoff spreads the retries of many processes (exponential with full jitter: Brooker, "Exponential backoff and
 * jitter", 2015). A breaker stops calling a service that keeps failing and lets one single probe through after a
 * while (Nygard, "Release It!", 2007). Both are pure functions of the clock and the generator that they are handed;
 * neither sleeps nor reads a clock.
 *
 *     closed --failures_max failures in a row--> open --open_ms passed--> half-open: one probe
 *        ^------------------- probe succeeds ------------------------------------'  | probe fails or is lost
 *                                             open <--------------------------------'
 */
#ifndef CORE_RETRY_H
#define CORE_RETRY_H

#include "core/base.h"

struct rng;

struct backoff {
    int64_t base_ms, max_ms; /* bounds of the longest wait before the first and before any later retry; base > 0 */
    int attempt;             /* retries since the last reset */
};

/* base_ms is raised to 1 and max_ms to base_ms when smaller. */
void backoff_init(struct backoff *backoff, int64_t base_ms, int64_t max_ms);

/* Milliseconds to wait before the next try: uniform in [0, min(max_ms, base_ms * 2^attempt)]. Counts the attempt. */
int64_t backoff_next_ms(struct backoff *backoff, struct rng *rng);

/* After a success. */
void backoff_reset(struct backoff *backoff);

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

struct breaker {
    enum breaker_state state;
    int failures_max; /* failures in a row that open it; at least 1 */
    int64_t open_ms;  /* how long it stays open before a probe, and how long a probe may take */
    int failures;
    int64_t since_ms; /* when it opened, or when the probe was let through */
};

void breaker_init(struct breaker *breaker, int failures_max, int64_t open_ms);

/* May a call be made now? In half-open only the first caller gets true; when its answer is not reported within
 * open_ms the next caller becomes the probe. `now_ms` is a clock that never goes back. */
bool breaker_allows(struct breaker *breaker, int64_t now_ms);

/* What came of a call that breaker_allows let through. */
void breaker_success(struct breaker *breaker);
void breaker_failure(struct breaker *breaker, int64_t now_ms);

/* "closed", "open" or "half-open". */
const char *breaker_state_name(enum breaker_state state);

#endif
