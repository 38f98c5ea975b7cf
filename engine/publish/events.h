/* The event ring: compares what is shown with what was announced last, and announces the difference. */
#ifndef PUBLISH_EVENTS_H
#define PUBLISH_EVENTS_H

#include "core/base.h"
#include "publish/window.h"

struct writer;

/* What was announced last. All zeros: nothing, and the first look announces nothing either, because the ring of the
 * file before may hold it already. */
struct announced {
    bool begun;
    int64_t batch_id, price_at;
    int64_t candle_open_time[WINDOW_INTERVAL_COUNT];
    char feed[FEED_NAME_SIZE], feed_state[16], status[16];
};

/* Events that cannot be written are logged and lost: documents are the truth, events are the bell. */
void events_announce(const struct window *window, struct announced *announced, struct writer *writer);

#endif
