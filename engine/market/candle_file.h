/* The good candles of a file in any known format (market/formats.h), one after the other; the bad rows are counted by
 * reason, reported with their line numbers, and passed over. Order is the file's; each time comes once, the first wins.
 */
#ifndef MARKET_CANDLE_FILE_H
#define MARKET_CANDLE_FILE_H

#include "core/base.h"
#include "market/candle.h"

/* Why a row was passed over: what is wrong with its line, or with the candle in it. */
enum row_reason {
    ROW_REASON_LONG,
    ROW_REASON_CUT,
    ROW_REASON_COLUMNS,
    ROW_REASON_TIME,
    ROW_REASON_NUMBER,
    ROW_REASON_DUPLICATE,
    ROW_REASON_CANDLE, /* + enum candle_fault */
    ROW_REASON_COUNT = ROW_REASON_CANDLE + CANDLE_TOO_OLD + 1,
};
const char *row_reason_text(int reason);

struct candle_file;

struct candle_file_options {
    const char *path; /* "-": standard input */
    int64_t interval_s;
    int64_t now_ms;                                              /* candles that close later are in the future */
    void (*on_bad)(void *arg, int64_t line, const char *reason); /* may be NULL */
    void *arg;
};

struct candle_file_stats {
    const char *format, *quote; /* quote NULL: the symbol's own */
    int64_t lines, good, bad, bad_by_reason[ROW_REASON_COUNT];
    int64_t bytes_read, bytes_total; /* total -1: a pipe */
};

/* E_INPUT: cannot be opened, or holds no format that we know. */
int candle_file_open(struct candle_file **file, const struct candle_file_options *options) BTCF_MUST_CHECK;
void candle_file_close(struct candle_file **file);

/* 1: *candle is the next one; 0: there are no more; -1: reading failed. */
int candle_file_next(struct candle_file *file, struct candle *candle) BTCF_MUST_CHECK;
void candle_file_stats(const struct candle_file *file, struct candle_file_stats *stats);

#endif
