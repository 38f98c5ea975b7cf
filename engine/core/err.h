/* The one road that errors travel in the engine: a kind, a sentence, and the trail added on the way up.
 *
 *     if (file == NULL)
 *         return err_set(E_INPUT, "cannot open %s: %s", path, strerror(errno));      deepest: what is wrong
 *     ...
 *     if (candles_load(...) < 0)
 *         return err_wrap("while importing %s", path);                               each caller that knows more
 *
 * Functions that can fail return int (0 or -1; some return a count >= 0) and are BTCF_MUST_CHECK. The frame is the
 * process's own (roles are single-threaded): it holds the last error until err_clear or the next err_set. Say it
 * where it happens, log it where it ends; never both.
 */
#ifndef CORE_ERR_H
#define CORE_ERR_H

#include "core/base.h"

enum err_kind {
    E_NONE,
    E_INPUT,    /* the caller gave something wrong: file, field, argument */
    E_AUTH,     /* who are you? */
    E_DENIED,   /* we know who you are; no */
    E_MISSING,  /* no such thing */
    E_CONFLICT, /* the state has moved on, or a duplicate */
    E_LIMIT,    /* a named limit was reached */
    E_TIMEOUT,  /* a deadline passed */
    E_UPSTREAM, /* an exchange, mail server or other service misbehaved */
    E_STORE,    /* PostgreSQL or the file system is not available */
    E_CORRUPT,  /* our own data does not make sense */
};

/* Longest text of the frame, trail included; what does not fit is cut at the outer end, never the cause. */
#define ERR_TEXT_MAX 1024

/* Starts a new error. Always returns -1, so that `return err_set(...)` reads well. */
int err_set(enum err_kind kind, const char *fmt, ...) BTCF_PRINTF(2, 3);

/* Adds what the caller knows: "while importing x.csv: line 3: high is below low". Keeps the kind. Returns -1. */
int err_wrap(const char *fmt, ...) BTCF_PRINTF(1, 2);

/* Kind and text of the last error; E_NONE and "" when there is none. The text is valid until the next err_ call. */
enum err_kind err_kind(void);
const char *err_text(void);

/* "input", "store", ...: the stable lower-case name used in logs and metrics. */
const char *err_kind_name(enum err_kind kind);

void err_clear(void);

#endif
