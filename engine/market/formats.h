/* The shapes in which candles come as text, told apart by their header or, where there is none, by their column count.
 *
 *     native          time,open,high,low,close,volume            with or without that header; so is Bitstamp's, with
 *                                                                "timestamp" for "time"
 *     binance         1736640000000,94500.5,...,0                12 columns, ms or (2025 on) us, header or none
 *     kraken          1736640000,94500.5,94750,94300.1,94610.2,312.53,4821       7 columns, no header
 *     cryptodatadownload   a line with an address, then unix,date,symbol,open,high,low,close,Volume BTC,Volume USD
 *
 * Pure: bytes in, candle out. Times are recognised row by row: RFC 3339, or unix s, ms, us by their magnitude, because
 * files that were glued together change their unit in the middle.
 */
#ifndef MARKET_FORMATS_H
#define MARKET_FORMATS_H

#include "core/base.h"
#include "core/str.h"
#include "market/candle.h"

#define FORMAT_COLUMNS_MAX 16

/* Which column holds what; -1: not there. */
struct format {
    const char *name;  /* also the source of its candles when the user names none */
    const char *quote; /* what its prices are in when the user does not say; NULL: the symbol's own */
    int columns;
    int time, open, high, low, close, volume;
    int volume_other; /* a second volume column; the smaller one is in the base currency */
    int header_count; /* lines in front of the first row that are not rows */
};

enum row_fault { ROW_OK, ROW_COLUMNS, ROW_TIME, ROW_NUMBER };

/* From the first lines of a file. False when no known format fits. */
bool format_detect(const struct str *lines, size_t count, struct format *format);

/* Reads one row. Nothing is checked but its form: see candle_check. */
enum row_fault format_parse_row(const struct format *format, struct str line, struct candle *candle);

/* Does a row of this format end with a column that the candle does not use? Then a missing line end hides nothing. */
bool format_has_tail(const struct format *format);

#endif
