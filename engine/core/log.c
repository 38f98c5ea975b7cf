/* The log: format into one bounded buffer, one write. A line that does not fit is cut and says so; a log that cannot
 * be written is counted and never stops the work.
 */
#include "core/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/err.h"
#include "core/json.h"
#include "core/metrics.h"

#define CONTEXT_NAME_SIZE 32
#define CONTEXT_VALUE_SIZE 64

static struct {
    const char *role;
    enum log_level level;
    bool text;
    uint64_t lost_count;
    struct {
        char name[CONTEXT_NAME_SIZE], value[CONTEXT_VALUE_SIZE];
    } context[LOG_CONTEXT_COUNT_MAX];
} state = {.role = "btcf", .level = LOG_INFO};

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_init(const char *role, enum log_level level)
{
    state.role = role;
    state.level = level;
}

int log_parse_level(const char *text, enum log_level *level)
{
    for (size_t i = 0; i < BTCF_LENGTH(level_names); i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return 0;
        }
    }
    return err_set(E_INPUT, "log level \"%s\" is not one of debug, info, warn, error", text);
}

void log_use_text(bool text)
{
    state.text = text;
}

void log_context_set(const char *name, const char *value)
{
    size_t free_slot = LOG_CONTEXT_COUNT_MAX;

    for (size_t i = 0; i < LOG_CONTEXT_COUNT_MAX; i++) {
        if (strcmp(state.context[i].name, name) == 0) {
            free_slot = i;
            break;
        }
        if (state.context[i].name[0] == '\0' && free_slot == LOG_CONTEXT_COUNT_MAX)
            free_slot = i;
    }
    if (free_slot == LOG_CONTEXT_COUNT_MAX)
        return; /* more ids than places: the older ones win */
    if (value == NULL) {
        state.context[free_slot].name[0] = '\0';
        return;
    }
    snprintf(state.context[free_slot].name, CONTEXT_NAME_SIZE, "%s", name);
    snprintf(state.context[free_slot].value, CONTEXT_VALUE_SIZE, "%s", value);
}

static void write_line(const struct strbuf *line)
{
    ssize_t done = write(STDERR_FILENO, line->ptr, line->len);

    if (done != (ssize_t)line->len)
        state.lost_count++;
}

static void render_json(struct strbuf *line, enum log_level level, const char *event, const char *kind,
                        const char *text)
{
    struct json json;

    json_init(&json, line);
    json_open(&json, '{');
    json_key(&json, "time");
    json_time(&json, clock_wall_ms());
    json_put_text(&json, "level", level_names[level]);
    json_put_text(&json, "role", state.role);
    json_put_i64(&json, "pid", getpid());
    json_put_text(&json, "event", event);
    if (kind != NULL) {
        json_put_text(&json, "kind", kind);
    }
    for (size_t i = 0; i < LOG_CONTEXT_COUNT_MAX; i++) {
        if (state.context[i].name[0] == '\0')
            continue;
        json_put_text(&json, state.context[i].name, state.context[i].value);
    }
    if (state.lost_count > 0) {
        json_put_i64(&json, "lost_lines", (int64_t)state.lost_count);
    }
    json_put_text(&json, "message", text);
    json_close(&json, '}');
}

static void render_text(struct strbuf *line, enum log_level level, const char *event, const char *text)
{
    char now[TIME_TEXT_SIZE];

    time_format(time_floor(clock_wall_ms(), MS_PER_S), now);
    strbuf_printf(line, "%.8s %-5s %-8s %s  %s", now + 11, level_names[level], state.role, event, text);
}

static void emit(enum log_level level, const char *event, const char *kind, const char *text)
{
    struct strbuf line;

    /* Escaping may double the text; the message itself was cut to half the line below. */
    strbuf_init(&line, LOG_LINE_MAX * 7);
    if (state.text)
        render_text(&line, level, event, text);
    else
        render_json(&line, level, event, kind, text);
    strbuf_add_char(&line, '\n');
    write_line(&line);
    strbuf_release(&line);
}

void log_write(enum log_level level, const char *event, const char *fmt, ...)
{
    char text[LOG_LINE_MAX];
    va_list args;

    if (level < state.level)
        return;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    emit(level, event, NULL, text);
}

void log_failure(const char *event, const char *doing)
{
    char text[LOG_LINE_MAX];

    metric_add(METRIC_failures_total, 1);
    snprintf(text, sizeof text, "%s: %s", doing, err_text());
    emit(LOG_ERROR, event, err_kind_name(err_kind()), text);
}
