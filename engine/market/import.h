/* Candle files into archive_candle: at the speed of COPY, in bounded memory, and as often as one likes: rows that are
 * there already and equal are left alone. */
#ifndef MARKET_IMPORT_H
#define MARKET_IMPORT_H

#include "core/base.h"
#include "market/candle_file.h"

struct db;

#define IMPORT_NAME_LEN_MAX 32

struct import_report {
    struct candle_file_stats file;
    int64_t inserted, changed, unchanged;
    int64_t first_ms, last_ms; /* open times of the earliest and latest good candle; 0 when there was none */
    int64_t elapsed_ms;
};

struct import_options {
    const char *path;
    const char *symbol;
    int64_t interval_s;
    const char *source; /* NULL: the format's name */
    const char *quote;  /* NULL: the format's, or what stands behind the '-' of the symbol */
    int64_t now_ms;
    void (*on_bad)(void *arg, int64_t line, const char *reason);        /* may be NULL */
    void (*on_progress)(void *arg, const struct import_report *so_far); /* several times a second; may be NULL */
    void *arg;
};

/* E_INPUT for a file or an option that will not do, E_STORE when the database went away: what was stored stays, and
 * another import completes it. Uses the connection for transactions of its own. */
int import_file(struct db *db, const struct import_options *options, struct import_report *report) BTCF_MUST_CHECK;

#endif
