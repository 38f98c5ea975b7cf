/* A feed: one world of candles with a market clock of its own (live, replay:<n>, simulate:<seed>, sandbox).
 *
 * Market time of a running feed is market0 + (wall - wall0) * speed, never beyond `end`; of a paused one, market0.
 * Live feeds have speed 1 and market time = wall time.
 */
#ifndef MARKET_FEED_H
#define MARKET_FEED_H

#include "core/base.h"

struct arena;
struct db;

#define FEED_NAME_SIZE 48
/* The world of test keys: made once for each release (work/sandbox.c), its clock stands still. */
#define FEED_SANDBOX "sandbox:" BTCF_VERSION
#define FEED_ORIGIN_SIZE 256
#define FEED_NOTE_SIZE 256

struct feed {
    char name[FEED_NAME_SIZE], symbol[32], provider[32], state[16];
    int64_t market0_ms, wall0_ms;
    int64_t begin_ms, end_ms; /* INT64_MIN / INT64_MAX when open */
    double speed;
    bool degraded;
    char origin[FEED_ORIGIN_SIZE]; /* what it was made from; see market/feed_setup.h */
    char note[FEED_NOTE_SIZE];     /* one sentence for people */
};

int64_t feed_market_ms(const struct feed *feed, int64_t wall_ms);
/* Wall time at which the feed's clock will show (or showed) `market_ms`. */
int64_t feed_wall_ms(const struct feed *feed, int64_t market_ms);

/* The feed that is being served for `symbol`; E_MISSING when there is none yet. */
int feed_load_active(struct db *db, const char *symbol, struct feed *feed) BTCF_MUST_CHECK;
/* The feed that was made from `origin`, served or not; the latest when there are several. E_MISSING when there is none. */
int feed_load_by_origin(struct db *db, const char *symbol, const char *origin, struct feed *feed) BTCF_MUST_CHECK;
/* Inserts or replaces the row and makes it the only active one of its symbol: two statements, so call it inside a
 * transaction. */
int feed_activate(struct db *db, const struct feed *feed) BTCF_MUST_CHECK;
/* Stops the clock where it stands, starts it again from there, or marks the end of a history. Pausing what is paused and
 * resuming what runs change nothing; an ended feed stays ended. E_MISSING when there is no such feed. */
int feed_pause(struct db *db, const char *name, int64_t wall_ms) BTCF_MUST_CHECK;
int feed_resume(struct db *db, const char *name, int64_t wall_ms) BTCF_MUST_CHECK;
int feed_end(struct db *db, const char *name) BTCF_MUST_CHECK;
/* Sets a running feed's clock to `market_ms` at `wall_ms`: after a crash the clock has gone on without candles. */
int feed_set_clock(struct db *db, const char *name, int64_t market_ms, int64_t wall_ms) BTCF_MUST_CHECK;

#endif
