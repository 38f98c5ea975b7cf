/* Lines of a file or pipe, whatever is in it, in memory that does not grow: a line longer than LINE_LEN_MAX is read over
 * and reported as one long line, be it a gigabyte. LF and CRLF end a line; a byte order mark at the start is dropped. */
#ifndef MARKET_LINES_H
#define MARKET_LINES_H

#include "core/base.h"
#include "core/str.h"

#define LINE_LEN_MAX 4096

enum line_kind {
    LINE_END,     /* there are no more */
    LINE_WHOLE,   /* text, without its end */
    LINE_UNENDED, /* the last one, which has no line end: it may have been cut short */
    LINE_LONG,    /* passed over; no text */
};

struct line {
    enum line_kind kind;
    struct str text; /* borrowed until the next call */
    int64_t number;  /* 1, 2, ... */
};

struct lines;

/* "-" is standard input. E_INPUT when it cannot be opened, or is a directory. */
int lines_open(struct lines **lines, const char *path) BTCF_MUST_CHECK;
void lines_close(struct lines **lines);

/* E_STORE when reading fails. After LINE_END every further call says LINE_END. */
int lines_next(struct lines *lines, struct line *line) BTCF_MUST_CHECK;

/* How far reading is, and how long the file is (-1: a pipe). */
int64_t lines_bytes_read(const struct lines *lines);
int64_t lines_bytes_total(const struct lines *lines);

#endif
