/* The publisher: keeps shared memory equal to the tables. Only committed rows are ever seen here, so every published
 * forecast is a row before it is visible.
 *
 *     publisher_create(&publisher, settings, &watch)   a new file, not visible yet
 *     publisher_look_at_gate(publisher, db)            who may do what (auth_tables.h)
 *     publisher_look(publisher, other_db)              all documents; then the file goes live
 *     publisher_look_at_gate, publisher_look           every publish_poll_ms: cheap when nothing has changed
 *     publisher_beat(publisher)                        as often as you like: one heartbeat a second
 *     publisher_free(&publisher)                       the published file stays
 *
 * The gate may also be looked at while documents are being made, from within a query's wait (db_on_wait) and over another
 * connection, so that a revocation does not wait for them. Now and then the gate needs another file: it is made in that look
 * and goes live with the documents of the next; the one before stays in force until then.
 *
 * For the documents a look compares the change numbers of the tables with those of the last look. When any differs, and at least every
 * PUBLISHER_REBUILD_MS, all documents are rendered again and those whose bytes differ are published: rendering costs
 * a few milliseconds, and no list of dependencies can be wrong. While the database is away nothing is looked at and what
 * is published stays, goes stale and expires by the times that stand in it.
 */
#ifndef PUBLISH_PUBLISHER_H
#define PUBLISH_PUBLISHER_H

#include "core/base.h"
#include "core/settings.h"

struct db;
struct publisher;

/* A change number that was taken before another but committed after it hides once; so look again after this time. */
#define PUBLISHER_REBUILD_MS 30000
#define PUBLISHER_BEAT_MS 1000
#define PUBLISHER_EVENT_COUNT 4096
#define PUBLISHER_DOC_COUNT_MAX 80
#define PUBLISHER_CHANNEL_GATE "gate" /* NOTIFY by the triggers of the tables behind the gate */
#define PUBLISHER_CANDLE_COUNT 120    /* of each interval in its document */

/* Called in the middle of long looks, every few milliseconds; false: the role is to end. */
struct publisher_watch {
    bool (*go_on)(void *ctx);
    void *ctx;
};

/* Takes the lock of the shared directory and makes the new file. E_CONFLICT when another publisher lives. */
int publisher_create(struct publisher **publisher, const struct settings *settings,
                     const struct publisher_watch *watch) BTCF_MUST_CHECK;
void publisher_free(struct publisher **publisher);

/* E_STORE when the database is away: nothing was changed then. */
int publisher_look_at_gate(struct publisher *publisher, struct db *db) BTCF_MUST_CHECK;
/* The same for documents, when the gate is complete. E_CONFLICT when it has not been yet. */
int publisher_look(struct publisher *publisher, struct db *db) BTCF_MUST_CHECK;

/* Heartbeat, at most once a second. E_STORE when a new file was needed and could not be made, E_CONFLICT when somebody has removed or replaced the published file: nothing that
 * this publisher does reaches a new reader then, and only another one can mend it. */
int publisher_beat(struct publisher *publisher) BTCF_MUST_CHECK;

#endif
