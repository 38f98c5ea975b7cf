/* The error frame: one static record per process, because a role is one thread with one thing going on.
 * A wrap puts its words in front, so that the text reads from the outside in:
 * "while importing x.csv: line 3: high is below low".
 */
#include "core/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static struct {
    enum err_kind kind;
    char text[ERR_TEXT_MAX];
} frame;

int err_set(enum err_kind kind, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list args;

    /* Formatted aside first: an argument may be err_text() itself. */
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);

    frame.kind = kind;
    memcpy(frame.text, text, sizeof text);
    return -1;
}

int err_wrap(const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list args;

    va_start(args, fmt);
    int len = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);

    size_t cause_len = strlen(frame.text);
    if (len < 0 || (size_t)len + 2 + cause_len >= sizeof text)
        return -1; /* no room: the cause matters more than the trail */

    memcpy(text + len, ": ", 2);
    memcpy(text + len + 2, frame.text, cause_len + 1);
    memcpy(frame.text, text, sizeof text);
    return -1;
}

enum err_kind err_kind(void)
{
    return frame.kind;
}

const char *err_text(void)
{
    return frame.text;
}

const char *err_kind_name(enum err_kind kind)
{
    static const char *const names[] = {
        "none", "input", "auth", "denied", "missing", "conflict", "limit", "timeout", "upstream", "store", "corrupt",
    };

    return (size_t)kind < BTCF_LENGTH(names) ? names[kind] : "unknown";
}

void err_clear(void)
{
    frame.kind = E_NONE;
    frame.text[0] = '\0';
}
