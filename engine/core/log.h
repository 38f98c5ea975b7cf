/* One JSON line per event on standard error (or the file that standard error is), written with one write(2).
 *
 *     log_info("candle.stored", "%s closed at %.2f", symbol, close);
 *   {"time":"...","level":"info","role":"ingest","pid":7,"event":"candle.stored","message":"...","job":"42"}
 *
 * `event` is a stable dotted name to search for. Correlation ids (job, request, batch) are set once for the work at
 * hand and then stand in every line. Never log secrets; never log and return an error as well.
 */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include "core/base.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

#define LOG_LINE_MAX 4096
#define LOG_CONTEXT_COUNT_MAX 4

/* `role` (a literal) is written in each line. */
void log_init(const char *role, enum log_level level);
/* "debug", "info", "warn", "error"; -1 with E_INPUT otherwise. */
int log_parse_level(const char *text, enum log_level *level) BTCF_MUST_CHECK;

/* Sets a correlation id until it is set again; NULL value removes it. Both are copied (31 and 63 bytes at most). */
void log_context_set(const char *name, const char *value);

/* Text lines instead of JSON, for a person at a terminal: "12:00:01 info  ingest  candle.stored  ...". */
void log_use_text(bool text);

void log_write(enum log_level level, const char *event, const char *fmt, ...) BTCF_PRINTF(3, 4);

#define log_debug(event, ...) log_write(LOG_DEBUG, event, __VA_ARGS__)
#define log_info(event, ...) log_write(LOG_INFO, event, __VA_ARGS__)
#define log_warn(event, ...) log_write(LOG_WARN, event, __VA_ARGS__)
#define log_error(event, ...) log_write(LOG_ERROR, event, __VA_ARGS__)

/* Writes the error frame, its kind in a field of its own, with what was being done. The place where an error ends. */
void log_failure(const char *event, const char *doing);

#endif
