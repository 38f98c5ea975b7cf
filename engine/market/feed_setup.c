/* Setting up a feed. Choosing looks at the outside; making a feed is one transaction, so a killed start leaves the old
 * feed active or the new one complete, nothing between.
 */
#include "market/feed_setup.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/err.h"
#include "core/log.h"
#include "core/settings.h"
#include "core/str.h"
#include "market/candles.h"
#include "market/provider.h"
#include "market/simulator.h"
#include "store/db.h"

#define ARENA_MAX (256 << 20)
#define HOUR_S 3600
#define COPY_HOURS 2000               /* hours of one step, between two progress reports */
#define PROBE_HOURS 3                 /* asked for to find out whether an exchange answers */
#define LIVE_OUTAGE_MAX_MS MS_PER_DAY /* a live feed that was alive this long ago stays live */
#define REASON_SIZE 128

static const char sql_replay_number[] =
    "SELECT coalesce(max(substr(feed, 8)::bigint), 0) + 1 FROM feed WHERE feed ~ '^replay:[0-9]+$'";
static const char sql_first_candle[] = "SELECT min(open_time) FROM candle WHERE feed = $1 AND interval_s = 3600";

enum mode { MODE_LIVE, MODE_REPLAY, MODE_SIMULATE };

struct choice {
    enum mode mode;
    struct archive_series series; /* row_count 0: nothing imported */
    char reason[REASON_SIZE];     /* why not a better one; "" when it is what was asked for */
};

static int choose(const struct feed_setup *setup, struct choice *choice);
static int find_same(const struct feed_setup *setup, const struct feed *planned, struct feed *feed);
static int plan(const struct feed_setup *setup, const struct choice *choice, struct feed *feed);
static int resume(const struct feed_setup *setup, const struct feed *planned, struct feed *feed);
static int make(const struct feed_setup *setup, const struct choice *choice, struct feed *feed);
static int back_fill_live(const struct feed_setup *setup, const struct choice *choice, const struct feed *feed);

int feed_setup(const struct feed_setup *setup, struct feed *feed)
{
    struct choice choice = {.mode = MODE_LIVE};
    struct feed planned;

    if (choose(setup, &choice) < 0 || plan(setup, &choice, &planned) < 0)
        return err_wrap("while choosing where candles come from");
    int found = find_same(setup, &planned, feed);
    if (found < 0 || db_begin(setup->db) < 0)
        return -1;
    if (found == 0)
        *feed = planned;

    int rc = found == 1 ? resume(setup, &planned, feed) : make(setup, &choice, feed);
    if (rc == 0 && choice.mode == MODE_LIVE)
        rc = back_fill_live(setup, &choice, feed);
    if (rc == 0)
        rc = db_commit(setup->db);
    db_rollback(setup->db);
    return rc < 0 ? err_wrap("while setting up the feed %s", feed->name) : 0;
}

/* 1 with the feed that was made from the same things, 0 when there is none. */
static int find_same(const struct feed_setup *setup, const struct feed *planned, struct feed *feed)
{
    if (feed_load_by_origin(setup->db, planned->symbol, planned->origin, feed) == 0)
        return 1;
    if (err_kind() != E_MISSING)
        return -1;
    err_clear();
    return 0;
}

static int choose_series_or_none(const struct feed_setup *setup, struct archive_series *series)
{
    if (archive_choose(setup->db, setup->settings->symbol, series) == 0)
        return 0;
    if (err_kind() != E_MISSING)
        return -1;
    err_clear();
    *series = (struct archive_series){.row_count = 0};
    return 0;
}

/* Does any of the configured exchanges answer? If not, reason says what the last of them said. */
static bool is_live_reachable(const struct feed_setup *setup, char reason[REASON_SIZE])
{
    struct provider_context context = {.settings = setup->settings, .https = setup->https};
    int64_t now_ms = clock_wall_ms(), hour_ms = time_floor(now_ms, MS_PER_HOUR);
    struct provider_request request = {.symbol = setup->settings->symbol,
                                       .interval_s = HOUR_S,
                                       .from_ms = hour_ms - PROBE_HOURS * MS_PER_HOUR,
                                       .to_ms = hour_ms,
                                       .now_ms = now_ms};
    struct str names = str_of(setup->settings->providers);

    while (names.ptr != NULL) {
        struct str name = str_cut(&names, ',');
        char text[REASON_SIZE];
        snprintf(text, sizeof(text), "%.*s", (int)name.len, name.ptr);
        const struct provider *provider = provider_find(text);
        struct candle_list list = {.count = 0};

        if (provider == NULL || !provider->is_exchange)
            continue;
        struct arena *arena = arena_create("feed.probe", ARENA_MAX);
        int rc = provider_fetch(provider, &context, &request, arena, &list);
        arena_free(&arena);
        if (rc == 0 && list.count > 0)
            return true;
        snprintf(reason, REASON_SIZE, "%s", rc < 0 ? err_text() : "has no candles");
        log_warn("feed.no_answer", "%s", rc < 0 ? err_text() : reason); /* the feed's note is public: not there */
        err_clear();
    }
    return false;
}

/* A live feed is not left for a short outage. */
static int was_live_lately(const struct feed_setup *setup, bool *lately)
{
    int64_t close_ms;

    if (candles_last_close_ms(setup->db, "live", HOUR_S, &close_ms) < 0)
        return -1;
    *lately = close_ms != INT64_MIN && close_ms > clock_wall_ms() - LIVE_OUTAGE_MAX_MS;
    return 0;
}

static int choose(const struct feed_setup *setup, struct choice *choice)
{
    const char *mode = setup->settings->mode;
    bool lately;

    if (choose_series_or_none(setup, &choice->series) < 0 || was_live_lately(setup, &lately) < 0)
        return -1;
    if (strcmp(mode, "live") == 0) {
        choice->mode = MODE_LIVE;
    } else if (strcmp(mode, "simulate") == 0) {
        choice->mode = MODE_SIMULATE;
    } else if (strcmp(mode, "replay") == 0) {
        if (choice->series.row_count == 0)
            return err_set(E_INPUT,
                           "mode replay needs history: import candles of %s first, `btcf import FILE --interval 1h`",
                           setup->settings->symbol);
        choice->mode = MODE_REPLAY;
    } else if (is_live_reachable(setup, choice->reason) || lately) {
        choice->mode = MODE_LIVE;
    } else {
        choice->mode = choice->series.row_count > 0 ? MODE_REPLAY : MODE_SIMULATE;
    }
    return 0;
}

/* First instant of a replay: what the settings say, or replay_days before the end, but with as much history before it as
 * after it when there is little. */
static int replay_start(const struct feed_setup *setup, const struct archive_series *series, int64_t *start_ms)
{
    const struct settings *settings = setup->settings;
    char first[TIME_TEXT_SIZE], end[TIME_TEXT_SIZE];

    if (settings->replay_start[0] == '\0') {
        int64_t middle_ms = series->first_ms + (series->end_ms - series->first_ms) / 2;
        int64_t wanted_ms = series->end_ms - (int64_t)(settings->replay_days * (double)MS_PER_DAY);

        *start_ms = time_floor(wanted_ms > middle_ms ? wanted_ms : middle_ms, MS_PER_HOUR);
        return 0;
    }
    if (time_parse(str_of(settings->replay_start), start_ms) < 0)
        return err_set(E_INPUT, "replay_start: \"%s\" is not a time", settings->replay_start);
    *start_ms = time_floor(*start_ms, MS_PER_HOUR);
    if (*start_ms > series->first_ms && *start_ms < series->end_ms)
        return 0;
    time_format(series->first_ms, first);
    time_format(series->end_ms, end);
    return err_set(E_INPUT, "replay_start: %s lies outside of the imported history, %s to %s", settings->replay_start,
                   first, end);
}

/* What does not fit is cut: a note is for reading. */
BTCF_PRINTF(2, 3) static void set_note(struct feed *feed, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(feed->note, sizeof(feed->note), fmt, args);
    va_end(args);
}

static void plan_live(const struct feed_setup *setup, const struct choice *choice, struct feed *feed)
{
    feed->market0_ms = feed->wall0_ms = clock_wall_ms();
    feed->speed = 1;
    snprintf(feed->name, sizeof(feed->name), "live");
    snprintf(feed->provider, sizeof(feed->provider), "live");
    snprintf(feed->origin, sizeof(feed->origin), "live");
    set_note(feed, "Live prices of %s.", setup->settings->providers);
    if (choice->reason[0] != '\0')
        set_note(feed, "Live prices of %s; at the start no exchange answered.", setup->settings->providers);
}

static int plan_replay(const struct feed_setup *setup, const struct choice *choice, struct feed *feed)
{
    const struct archive_series *series = &choice->series;
    char start[TIME_TEXT_SIZE];

    if (replay_start(setup, series, &feed->market0_ms) < 0)
        return -1;
    time_format(feed->market0_ms, start);
    snprintf(feed->provider, sizeof(feed->provider), "replay");
    snprintf(feed->origin, sizeof(feed->origin),
             "replay %s %s %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64, series->source, series->quote,
             series->interval_s, series->row_count, series->first_ms, series->end_ms, feed->market0_ms);
    set_note(feed, "Imported history (%s, in %s) is replayed from %s.", series->source, series->quote, start);
    if (choice->reason[0] != '\0')
        set_note(feed, "Imported history (%s, in %s) is replayed from %s, as no exchange answered.", series->source,
                 series->quote, start);
    feed->begin_ms = feed->market0_ms;
    feed->end_ms = time_floor(series->end_ms, MS_PER_HOUR);
    feed->degraded = true;
    return 0;
}

static void plan_simulate(const struct feed_setup *setup, const struct choice *choice, struct feed *feed)
{
    int64_t seed = setup->settings->simulate_seed;

    feed->market0_ms = feed->begin_ms = time_floor(clock_wall_ms(), MS_PER_HOUR);
    feed->degraded = true;
    snprintf(feed->name, sizeof(feed->name), "simulate:%" PRId64, seed);
    snprintf(feed->provider, sizeof(feed->provider), "simulate");
    snprintf(feed->origin, sizeof(feed->origin), "simulate %" PRId64, seed);
    set_note(feed, "Prices are simulated (seed %" PRId64 "), not real.", seed);
    if (choice->reason[0] != '\0')
        set_note(feed,
                 "Prices are simulated (seed %" PRId64 "), not real: nothing is imported, and no exchange answered.",
                 seed);
}

/* The feed as it would be made now; replays are numbered when they are made. */
static int plan(const struct feed_setup *setup, const struct choice *choice, struct feed *feed)
{
    *feed = (struct feed){.state = "running",
                          .begin_ms = INT64_MIN,
                          .end_ms = INT64_MAX,
                          .speed = setup->settings->replay_speed,
                          .name = "replay:new"};
    snprintf(feed->symbol, sizeof(feed->symbol), "%s", setup->settings->symbol);
    if (choice->mode == MODE_REPLAY)
        return plan_replay(setup, choice, feed);
    if (choice->mode == MODE_LIVE)
        plan_live(setup, choice, feed);
    else
        plan_simulate(setup, choice, feed);
    return 0;
}

/* The clock goes on from where it stood, at the speed that is wanted now. After a crash it has run on without candles;
 * then it goes back to the newest one. */
static int resume(const struct feed_setup *setup, const struct feed *planned, struct feed *feed)
{
    int64_t now_ms = clock_wall_ms(), close_ms;

    snprintf(feed->note, sizeof(feed->note), "%s", planned->note);
    if (strcmp(feed->state, "ended") != 0) {
        if (candles_last_close_ms(setup->db, feed->name, HOUR_S, &close_ms) < 0)
            return -1;
        feed->market0_ms = feed_market_ms(feed, now_ms);
        if (feed->degraded && close_ms != INT64_MIN && feed->market0_ms >= close_ms + MS_PER_HOUR)
            feed->market0_ms = close_ms;
        feed->wall0_ms = now_ms;
        feed->speed = planned->speed;
        snprintf(feed->state, sizeof(feed->state), "running");
    }
    return feed_activate(setup->db, feed);
}

static void report(const struct feed_setup *setup, const char *what, int64_t done, int64_t total)
{
    if (setup->on_progress != NULL)
        setup->on_progress(setup->arg, what, done, total);
}

/* One step of the archive: the hours from from_ms to end_ms. */
static int copy_step(const struct feed_setup *setup, const struct archive_query *query, const struct feed *feed)
{
    struct arena *arena = arena_create("feed.archive", ARENA_MAX);
    struct candle_changes changes = {0};
    struct candle_batch batch = {.feed = feed->name,
                                 .interval_s = HOUR_S,
                                 .source = query->source,
                                 .quote = query->quote,
                                 .source_count = 1,
                                 .known_wall_ms = clock_wall_ms()};
    struct candle *candles = NULL;
    int rc = archive_load_hours(setup->db, arena, query, &candles, &batch.count);

    batch.candles = candles;
    if (rc == 0 && batch.count > 0)
        rc = candles_save(setup->db, &batch, &changes);
    arena_free(&arena);
    return rc;
}

/* The archive's hours that close at or before `end_ms`, in steps, as a series of minutes may be long. */
static int copy_archive(const struct feed_setup *setup, const struct archive_series *series, const struct feed *feed,
                        int64_t end_ms)
{
    const int64_t step_ms = COPY_HOURS * MS_PER_HOUR;
    int64_t first_ms = time_floor(series->first_ms, MS_PER_HOUR);

    for (int64_t from_ms = first_ms; from_ms < end_ms; from_ms += step_ms) {
        struct archive_query query = {.symbol = feed->symbol,
                                      .source = series->source,
                                      .quote = series->quote,
                                      .interval_s = series->interval_s,
                                      .from_ms = from_ms,
                                      .end_ms = from_ms + step_ms < end_ms ? from_ms + step_ms : end_ms};

        if (copy_step(setup, &query, feed) < 0)
            return -1;
        report(setup, "hours of history", (query.end_ms - first_ms) / MS_PER_HOUR, (end_ms - first_ms) / MS_PER_HOUR);
    }
    return 0;
}

static int make_simulation(const struct feed_setup *setup, struct feed *feed)
{
    struct arena *arena = arena_create("feed.simulate", ARENA_MAX);
    struct candle_changes changes = {0};
    struct candle_batch batch = {.feed = feed->name,
                                 .interval_s = HOUR_S,
                                 .source = "simulate",
                                 .quote = "USD",
                                 .source_count = 1,
                                 .known_wall_ms = clock_wall_ms(),
                                 .count = FEED_HISTORY_DAYS * 24};
    struct candle *candles = arena_array(arena, batch.count, sizeof(*candles));
    struct simulator simulator;

    simulator_init(&simulator, (uint64_t)setup->settings->simulate_seed,
                   feed->begin_ms - FEED_HISTORY_DAYS * MS_PER_DAY);
    for (size_t i = 0; i < batch.count; i++)
        simulator_next(&simulator, &candles[i]);
    batch.candles = candles;
    int rc = candles_save(setup->db, &batch, &changes);
    arena_free(&arena);
    report(setup, "hours of simulated history", (int64_t)batch.count, (int64_t)batch.count);
    return rc;
}

static int number_replay(const struct feed_setup *setup, struct feed *feed)
{
    struct arena *arena = arena_create("feed.number", ARENA_MAX);
    struct db_rows rows;
    int rc = db_query(setup->db, arena, sql_replay_number, &rows, DB_END);

    if (rc == 0)
        snprintf(feed->name, sizeof(feed->name), "replay:%" PRId64, db_i64(&rows, 0, 0));
    arena_free(&arena);
    return rc;
}

static int make(const struct feed_setup *setup, const struct choice *choice, struct feed *feed)
{
    int rc = 0;

    if (choice->mode == MODE_REPLAY)
        rc = number_replay(setup, feed);
    if (rc == 0)
        rc = feed_activate(setup->db, feed);
    if (rc == 0 && choice->mode == MODE_REPLAY)
        rc = copy_archive(setup, &choice->series, feed, feed->market0_ms);
    if (rc == 0 && choice->mode == MODE_SIMULATE)
        rc = make_simulation(setup, feed);
    if (rc < 0)
        return -1;
    /* The clock starts when the feed is ready, not when making it began. */
    feed->wall0_ms = clock_wall_ms();
    if (choice->mode == MODE_LIVE)
        feed->market0_ms = feed->wall0_ms;
    return feed_activate(setup->db, feed);
}

/* Imported hours from before the first one that the live feed knows. */
static int back_fill_live(const struct feed_setup *setup, const struct choice *choice, const struct feed *feed)
{
    const struct archive_series *series = &choice->series;
    struct arena *arena = arena_create("feed.first", ARENA_MAX);
    struct db_rows rows;
    int64_t end_ms = time_floor(clock_wall_ms(), MS_PER_HOUR);
    int rc = db_query(setup->db, arena, sql_first_candle, &rows, DB_TEXT(feed->name), DB_END);

    if (rc == 0 && !db_is_null(&rows, 0, 0))
        end_ms = db_i64(&rows, 0, 0);
    arena_free(&arena);
    if (rc < 0 || series->row_count == 0 || series->first_ms >= end_ms)
        return rc;
    return copy_archive(setup, series, feed, end_ms);
}

int replay_origin_parse(const char *origin, struct replay_origin *out)
{
    char rest;
    int count =
        sscanf(origin, "replay %32s %32s %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 "%c", out->source,
               out->quote, &out->interval_s, &out->row_count, &out->first_ms, &out->end_ms, &out->start_ms, &rest);

    return count == 7 ? 0 : err_set(E_CORRUPT, "\"%.80s\" is not the origin of a replay", origin);
}
