/* Which world is served, and getting it ready: exchanges, imported history, or a simulation.
 *
 * settings.mode says which; "auto" takes the first that can be had of these, and says why:
 *
 *     live       an exchange answers (or answered within the last day: it is not given up for a short outage)
 *     replay     candles of an hour or finer were imported
 *     simulate   always
 *
 * A start that would make a feed from the same things as one that is there (`origin`: the mode, the imported rows, the
 * replay's start, the seed) resumes that one: its clock goes on from where it stood. Anything else makes a new feed,
 * because a ledger never goes on in another world. An ended replay stays ended.
 */
#ifndef MARKET_FEED_SETUP_H
#define MARKET_FEED_SETUP_H

#include "core/base.h"
#include "market/archive.h"
#include "market/feed.h"

struct db;
struct https;
struct settings;

#define FEED_HISTORY_DAYS 600 /* of hours that a simulation begins with and a live feed fetches at first */

struct feed_setup {
    const struct settings *settings;
    struct db *db;
    struct https *https;
    /* Called while it takes long; may be NULL. */
    void (*on_progress)(void *arg, const char *what, int64_t done, int64_t total);
    void *arg;
};

/* Chooses, makes or resumes, and activates; *feed is as stored. E_INPUT when the wanted mode cannot be had: replay
 * without an import, a start outside of the history. */
int feed_setup(const struct feed_setup *setup, struct feed *feed) BTCF_MUST_CHECK;

/* What the origin of a replay says; E_CORRUPT when it is none. */
struct replay_origin {
    char source[ARCHIVE_NAME_SIZE], quote[ARCHIVE_NAME_SIZE];
    int64_t interval_s, row_count, first_ms, end_ms, start_ms;
};
int replay_origin_parse(const char *origin, struct replay_origin *out) BTCF_MUST_CHECK;

#endif
