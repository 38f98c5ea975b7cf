/* btcf import: a file of candles into the store, with the bad rows named and a line of progress. */
#include "cmd/command.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "cmd/cli.h"
#include "core/clock.h"
#include "core/err.h"
#include "core/settings.h"
#include "market/candle.h"
#include "market/import.h"
#include "store/db.h"
#include "store/migrate.h"

#define BAD_SHOWN_MAX 20
#define PROGRESS_TERMINAL_MS 200
#define PROGRESS_LOG_MS 5000
#define PERCENT_SIZE 16

struct session {
    const char *path;
    bool is_terminal, line_open; /* line_open: the cursor stands behind a progress line */
    int64_t bad_shown, next_progress_ms;
};

static int run(int argc, char **argv);
static int import(const struct settings *settings, struct import_options *options);
static void on_bad(void *arg, int64_t line, const char *reason);
static void on_progress(void *arg, const struct import_report *report);
static void end_progress(struct session *session);
static void print_report(const struct session *session, const struct import_report *report);

const struct command command_import = {
    .name = "import",
    .summary = "read candles from a CSV file into the store",
    .usage = "usage: btcf import FILE --interval 1h [--symbol BTC-USD] [--quote USDT] [--source binance]\n"
             "                        [--database-url URL] [--config FILE] [--set NAME=VALUE ...]\n\n"
             "Reads candles in any of these formats and tells them apart by itself:\n"
             "  time,open,high,low,close,volume   with or without that header (also Bitstamp's: timestamp,...)\n"
             "  Binance klines                    12 columns, milliseconds or microseconds\n"
             "  Kraken OHLCVT                     7 columns without a header\n"
             "  CryptoDataDownload                unix,date,symbol,open,high,low,close,Volume BTC,Volume USD\n"
             "Times are those at which candles open: RFC 3339, or unix seconds, milliseconds or microseconds.\n"
             "FILE may be - for standard input. Intervals: 1m 5m 15m 1h 4h 1d.\n\n"
             "A bad row is reported with its line number and passed over; nothing before or after it is lost.\n"
             "Importing the same file again changes nothing.\n",
    .run = run,
};

static int run(int argc, char **argv)
{
    const char *interval = NULL;
    struct import_options options = {.now_ms = clock_wall_ms(), .on_bad = on_bad, .on_progress = on_progress};
    const struct cli_option table[] = {
        {.name = "--interval", .value = &interval},
        {.name = "--symbol", .setting = "symbol"},
        {.name = "--quote", .value = &options.quote},
        {.name = "--source", .value = &options.source},
        {.name = "--database-url", .setting = "database_url"},
        {.name = NULL},
    };
    struct cli cli;

    if (cli_parse(&cli, argc, argv, table) < 0)
        return -1;
    int rc = 0;
    if (cli.word_count != 1 || interval == NULL)
        rc = err_set(E_INPUT, "say which FILE and which --interval: btcf import candles.csv --interval 1h");
    if (rc == 0)
        rc = interval_parse(str_of(interval), &options.interval_s);
    if (rc == 0)
        rc = settings_derive(&cli.settings);
    if (rc == 0) {
        options.path = cli.words[0];
        options.symbol = cli.settings.symbol;
        rc = import(&cli.settings, &options);
    }
    cli_release(&cli);
    return rc;
}

static int import(const struct settings *settings, struct import_options *options)
{
    struct session session = {.path = options->path, .is_terminal = isatty(STDERR_FILENO) == 1};
    struct import_report report;
    struct db *db;
    size_t applied;

    options->arg = &session;
    if (db_open(&db, settings->database_url, "import", settings->database_timeout_ms) < 0)
        return err_wrap("while connecting to the store (is `btcf up` running?)");
    int rc = migrate_up(db, &applied);
    if (rc == 0)
        rc = import_file(db, options, &report);
    db_close(&db);
    end_progress(&session);
    if (rc < 0)
        return -1;
    print_report(&session, &report);
    return EXIT_OK;
}

static void on_bad(void *arg, int64_t line, const char *reason)
{
    struct session *session = arg;

    if (session->bad_shown == BAD_SHOWN_MAX)
        return;
    end_progress(session);
    fprintf(stderr, "%s:%" PRId64 ": %s\n", session->path, line, reason);
    if (++session->bad_shown == BAD_SHOWN_MAX)
        fprintf(stderr, "%s: further bad rows are only counted\n", session->path);
}

static double rows_per_s(const struct import_report *report)
{
    return report->elapsed_ms > 0 ? (double)report->file.good * 1000.0 / (double)report->elapsed_ms : 0.0;
}

static void on_progress(void *arg, const struct import_report *report)
{
    struct session *session = arg;
    int64_t now_ms = clock_mono_ms();
    int64_t pause_ms = session->is_terminal ? PROGRESS_TERMINAL_MS : PROGRESS_LOG_MS;
    char percent[PERCENT_SIZE] = "";

    if (session->next_progress_ms == 0)
        session->next_progress_ms = now_ms + pause_ms;
    if (now_ms < session->next_progress_ms)
        return;
    session->next_progress_ms = now_ms + pause_ms;
    if (report->file.bytes_total > 0)
        snprintf(percent, sizeof(percent), "%.0f%%  ",
                 100.0 * (double)report->file.bytes_read / (double)report->file.bytes_total);
    fprintf(stderr, "%s%s: %s%" PRId64 " rows, %.0f rows/s%s", session->is_terminal ? "\r" : "", session->path,
            percent, report->file.good, rows_per_s(report), session->is_terminal ? "  " : "\n");
    session->line_open = session->is_terminal;
}

/* What is written next starts on a line of its own. */
static void end_progress(struct session *session)
{
    if (session->line_open)
        fputc('\n', stderr);
    session->line_open = false;
}

static void print_report(const struct session *session, const struct import_report *report)
{
    char first[TIME_TEXT_SIZE], last[TIME_TEXT_SIZE];

    printf("%s: format %s, %" PRId64 " rows in %.1f s (%.0f rows/s): %" PRId64 " inserted, %" PRId64
           " changed, %" PRId64 " unchanged, %" PRId64 " bad\n",
           session->path, report->file.format, report->file.good, (double)report->elapsed_ms / 1000.0,
           rows_per_s(report), report->inserted, report->changed, report->unchanged, report->file.bad);
    for (int reason = 0; reason < ROW_REASON_COUNT; reason++)
        if (report->file.bad_by_reason[reason] > 0)
            printf("  %" PRId64 " x %s\n", report->file.bad_by_reason[reason], row_reason_text(reason));
    if (report->file.good == 0)
        return;
    time_format(report->first_ms, first);
    time_format(report->last_ms, last);
    printf("  first candle %s, last %s\n", first, last);
}
