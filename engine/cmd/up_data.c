/* What lies in the database before the engine starts: the schema, the history that --history names, the feed.
 *
 * A history file is opened before root is given up and read as standard input afterwards: so it may lie where the
 * account cannot go. It is imported again only when its name, size, time or interval has changed, or when the database
 * has no candles; importing twice changes nothing, but reading a large file takes its time.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/up.h"
#include "core/arena.h"
#include "core/clock.h"
#include "market/candle.h"
#include "market/feed.h"
#include "market/feed_setup.h"
#include "market/import.h"
#include "net/https.h"
#include "store/db.h"
#include "store/migrate.h"

#define ARENA_BYTES ((size_t)1 << 20)
#define PROGRESS_EVERY_MS 1000
#define BAD_SHOWN_MAX 5
#define STAMP_SIZE 1024

/* What has been shown so far. */
struct view {
    const char *name;
    int64_t next_progress_ms;
    int bad_shown;
};

int up_data_open(struct up *up)
{
    struct stat info;

    if (up->history == NULL)
        return 0;
    up->history_fd = strcmp(up->history, "-") == 0 ? dup(STDIN_FILENO) : open(up->history, O_RDONLY | O_CLOEXEC);
    if (up->history_fd < 0)
        return err_set(E_INPUT, "cannot read the history %s: %s", up->history, strerror(errno));
    if (fstat(up->history_fd, &info) == 0 && S_ISDIR(info.st_mode))
        return err_set(E_INPUT, "the history %s is a directory; name a file of candles", up->history);
    return 0;
}

/* --- has it been imported? --- */

static void stamp_path(const struct up *up, char path[UP_PATH_SIZE])
{
    snprintf(path, UP_PATH_SIZE, "%s/history", up->settings->state_dir);
}

/* What tells one file from another; false for what has no identity, such as a pipe. */
static bool make_stamp(const struct up *up, char stamp[STAMP_SIZE])
{
    struct stat info;

    if (fstat(up->history_fd, &info) < 0 || !S_ISREG(info.st_mode))
        return false;
    snprintf(stamp, STAMP_SIZE, "%s %s %ju.%ju %jd %jd.%09ld\n", up->settings->symbol, up->history_interval,
             (uintmax_t)info.st_dev, (uintmax_t)info.st_ino, (intmax_t)info.st_size, (intmax_t)info.st_mtim.tv_sec,
             info.st_mtim.tv_nsec);
    return true;
}

static const char sql_has_archive[] = "SELECT 1 FROM archive_candle WHERE symbol = $1 LIMIT 1";

static bool has_candles(struct db *db, const char *symbol)
{
    struct arena *arena = arena_create("up.data", ARENA_BYTES);
    struct db_rows rows;
    bool has = db_query(db, arena, sql_has_archive, &rows, DB_TEXT(symbol), DB_END) == 0 && rows.count > 0;

    arena_free(&arena);
    return has;
}

static bool is_imported(const struct up *up, struct db *db)
{
    char path[UP_PATH_SIZE], stamp[STAMP_SIZE], last[STAMP_SIZE] = "";
    FILE *file;

    stamp_path(up, path);
    file = fopen(path, "re");
    if (file == NULL)
        return false;
    last[fread(last, 1, sizeof last - 1, file)] = '\0';
    fclose(file);
    return make_stamp(up, stamp) && strcmp(stamp, last) == 0 && has_candles(db, up->settings->symbol);
}

/* --- import --- */

static void on_bad(void *arg, int64_t line, const char *reason)
{
    struct view *view = arg;

    if (view->bad_shown < BAD_SHOWN_MAX)
        up_say("history", "%s:%" PRId64 ": %s", view->name, line, reason);
    if (++view->bad_shown == BAD_SHOWN_MAX)
        up_say("history", "further bad rows are only counted");
}

static void on_progress(void *arg, const struct import_report *report)
{
    struct view *view = arg;
    int64_t now_ms = clock_mono_ms();

    if (view->next_progress_ms == 0)
        view->next_progress_ms = now_ms + PROGRESS_EVERY_MS;
    if (now_ms < view->next_progress_ms)
        return;
    view->next_progress_ms = now_ms + PROGRESS_EVERY_MS;
    up_say("history", "%" PRId64 " rows read", report->file.good);
}

static void say_imported(const char *name, const struct import_report *report)
{
    char first[TIME_TEXT_SIZE], last[TIME_TEXT_SIZE];

    time_format(report->first_ms, first);
    time_format(report->last_ms, last);
    up_say("history", "%s: %" PRId64 " rows from %.10s to %.10s, %" PRId64 " new, %" PRId64 " bad (%.1f s)", name,
           report->file.good, first, last, report->inserted + report->changed, report->file.bad,
           (double)report->elapsed_ms / 1000);
}

/* More bad rows than good ones: most likely hourly candles were promised and others came. */
static int refuse_mostly_bad(const struct up *up, const struct import_report *report)
{
    if (report->file.bad <= report->file.good)
        return 0;
    return err_set(E_INPUT,
                   "of the rows of %s only %" PRId64 " are candles of %s and %" PRId64
                   " are not; name the right length "
                   "with --interval (1m 5m 15m 1h 4h 1d)",
                   up->history, report->file.good, up->history_interval, report->file.bad);
}

static int import(const struct up *up, struct db *db)
{
    char path[UP_PATH_SIZE], stamp[STAMP_SIZE];
    const char *slash = strrchr(up->history, '/');
    struct view view = {.name = slash != NULL ? slash + 1 : up->history};
    struct import_options options = {.path = "-",
                                     .symbol = up->settings->symbol,
                                     .now_ms = clock_wall_ms(),
                                     .on_bad = on_bad,
                                     .on_progress = on_progress,
                                     .arg = &view};
    struct import_report report;

    if (interval_parse(str_of(up->history_interval), &options.interval_s) < 0)
        return err_wrap("--interval");
    if (dup2(up->history_fd, STDIN_FILENO) < 0)
        return err_set(E_STORE, "cannot read %s: %s", up->history, strerror(errno));
    if (import_file(db, &options, &report) < 0)
        return err_wrap("while importing %s", up->history);
    say_imported(view.name, &report);
    if (refuse_mostly_bad(up, &report) < 0)
        return -1;
    stamp_path(up, path);
    return make_stamp(up, stamp) ? up_write_file(path, stamp) : 0;
}

static int import_history(const struct up *up, struct db *db)
{
    if (up->history == NULL)
        return 0;
    if (is_imported(up, db)) {
        up_say("history", "%s has been imported already", up->history);
        return 0;
    }
    return import(up, db);
}

/* --- schema and feed --- */

static int migrate(struct db *db)
{
    size_t applied = 0;

    if (migrate_up(db, &applied) < 0)
        return err_wrap("while bringing the schema up to date");
    if (applied > 0)
        up_say("schema", "%zu migration%s applied", applied, applied == 1 ? "" : "s");
    return 0;
}

static bool is_cancelled(void *arg)
{
    (void)arg;
    return proc_should_stop();
}

static void on_feed_progress(void *arg, const char *what, int64_t done, int64_t total)
{
    struct view *view = arg;
    int64_t now_ms = clock_mono_ms();

    if (now_ms < view->next_progress_ms)
        return;
    view->next_progress_ms = now_ms + PROGRESS_EVERY_MS;
    up_say("feed", "%s: %" PRId64 " of %" PRId64, what, done, total);
}

static int set_up_feed(const struct up *up, struct db *db)
{
    struct view view = {.next_progress_ms = clock_mono_ms() + PROGRESS_EVERY_MS};
    struct feed_setup setup = {.settings = up->settings,
                               .db = db,
                               .https = https_create(is_cancelled, NULL),
                               .on_progress = on_feed_progress,
                               .arg = &view};
    struct feed feed;
    int result = feed_setup(&setup, &feed);

    https_free(&setup.https);
    if (result < 0)
        return err_wrap("while choosing where candles come from");
    up_say("feed", "%s: %s", feed.name, feed.note);
    return 0;
}

int up_data_prepare(struct up *up)
{
    struct db *db;

    if (db_open(&db, up->settings->database_url, "up", up->settings->database_timeout_ms) < 0)
        return err_wrap("while connecting to the database");
    int result = migrate(db);
    if (result == 0)
        result = import_history(up, db);
    if (result == 0)
        result = set_up_feed(up, db);
    db_close(&db);
    if (result == 0)
        up_key_prepare(up);
    return result;
}

void up_data_pause(const struct up *up)
{
    struct feed feed;
    struct db *db;

    if (db_open(&db, up->settings->database_url, "up", up->settings->database_timeout_ms) == 0) {
        if (feed_load_active(db, up->settings->symbol, &feed) < 0 || feed_pause(db, feed.name, clock_wall_ms()) < 0)
            up_say("feed", "its clock could not be stopped: %s", err_text());
        db_close(&db);
    }
    err_clear();
}
