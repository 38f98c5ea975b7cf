/* See events.h. Order within one look: candle, price, forecast, status: causes before effects. */
#include "publish/events.h"

#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/str.h"
#include "market/candle.h"
#include "shm/writer.h"

static void announce(const struct window *window, const struct announced *last, struct writer *writer);
static void announce_forecasts(const struct window *window, struct writer *writer, struct strbuf *data);
static void ring(struct writer *writer, struct writer_event event, struct strbuf *data);
static int64_t newest_open_time(const struct candles_view *candles);

void events_announce(const struct window *window, struct announced *announced, struct writer *writer)
{
    struct status_page status = window_status(window);
    /* Another feed is another world: its first look announces no more than the first of all. */
    if (announced->begun && strcmp(announced->feed, window->feed->name) == 0)
        announce(window, announced, writer);
    announced->begun = true;
    announced->batch_id = window->batch.id;
    announced->price_at = window->price.at;
    for (size_t i = 0; i < WINDOW_INTERVAL_COUNT; i++)
        announced->candle_open_time[i] = newest_open_time(&window->candles[i]);
    snprintf(announced->feed, sizeof(announced->feed), "%s", window->feed->name);
    snprintf(announced->feed_state, sizeof(announced->feed_state), "%s", window->feed->state);
    snprintf(announced->status, sizeof(announced->status), "%s", status_word(&status));
}

static void announce(const struct window *window, const struct announced *last, struct writer *writer)
{
    struct strbuf data;
    strbuf_init(&data, BTCF_EVENT_DATA_MAX + 1);
    for (size_t i = 0; i < WINDOW_INTERVAL_COUNT; i++) {
        int64_t open_time = newest_open_time(&window->candles[i]);
        if (open_time <= last->candle_open_time[i])
            continue;
        int64_t interval_s = window->candles[i].interval_s;
        doc_candle_event_render(window->feed, &window->candles[i], &data);
        ring(writer,
             (struct writer_event){.type = BTCF_EVENT_CANDLE,
                                   .subject_s = (uint32_t)interval_s,
                                   .market_ms = open_time + interval_s * MS_PER_S},
             &data);
    }
    if (window->price.at > last->price_at) {
        doc_price_event_render(window->feed, &window->price, &data);
        ring(writer, (struct writer_event){.type = BTCF_EVENT_PRICE, .market_ms = window->price.at}, &data);
    }
    if (window->batch.id != last->batch_id)
        announce_forecasts(window, writer, &data);
    struct status_page status = window_status(window);
    if (strcmp(status_word(&status), last->status) != 0 || strcmp(window->feed->state, last->feed_state) != 0) {
        doc_status_event_render(&status, &data);
        ring(writer, (struct writer_event){.type = BTCF_EVENT_STATUS, .market_ms = status.newest_candle_at}, &data);
    }
    strbuf_release(&data);
}

static void announce_forecasts(const struct window *window, struct writer *writer, struct strbuf *data)
{
    for (size_t i = 0; i < HORIZON_COUNT; i++) {
        struct forecast_page page;
        if (!window_forecast(window, horizons[i].seconds, &page))
            continue;
        doc_forecast_event_render(&page, data);
        ring(writer,
             (struct writer_event){.type = BTCF_EVENT_FORECAST,
                                   .subject_s = (uint32_t)horizons[i].seconds,
                                   .market_ms = window->batch.issued_at},
             data);
    }
}

/* Writes the event and empties the buffer. */
static void ring(struct writer *writer, struct writer_event event, struct strbuf *data)
{
    event.wall_ms = clock_wall_ms();
    event.data = data->ptr;
    event.len = data->len;
    if (strbuf_failed(data))
        log_error("publish.event_too_long", "an event of type %d is longer than %d bytes", event.type,
                  BTCF_EVENT_DATA_MAX);
    else if (writer_event(writer, &event, NULL) < 0)
        log_failure("publish.failed", "an event");
    strbuf_reset(data);
}

static int64_t newest_open_time(const struct candles_view *candles)
{
    return candles->count > 0 ? candles->rows[candles->count - 1].open_time : 0;
}
