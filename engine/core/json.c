/* The JSON writer. It keeps one small record per open bracket and nothing else. */
#include "core/json.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/utf8.h"

#define NUMBER_SIZE 400 /* DBL_MAX with 17 decimals has 327 characters */

void json_init(struct json *json, struct strbuf *buf)
{
    memset(json, 0, sizeof *json);
    json->buf = buf;
}

/* Called in front of every value: checks that one may stand here and writes the comma between array elements. */
static void before_value(struct json *json)
{
    if (json->depth == 0)
        return;
    if (json->level[json->depth - 1].close == '}') {
        assert(json->level[json->depth - 1].has_key);
        json->level[json->depth - 1].has_key = false;
        return;
    }
    if (json->level[json->depth - 1].has_value)
        strbuf_add_char(json->buf, ',');
    json->level[json->depth - 1].has_value = true;
}

void json_open(struct json *json, char bracket)
{
    assert(json->depth < JSON_DEPTH_MAX);
    before_value(json);
    strbuf_add_char(json->buf, bracket);
    json->level[json->depth].close = bracket == '{' ? '}' : ']';
    json->level[json->depth].has_value = false;
    json->level[json->depth].has_key = false;
    json->depth++;
}

void json_close(struct json *json, char bracket)
{
    assert(json->depth > 0);
    assert(json->level[json->depth - 1].close == bracket);
    assert(!json->level[json->depth - 1].has_key);
    json->depth--;
    strbuf_add_char(json->buf, bracket);
}

static void add_escaped(struct strbuf *buf, const char *text, size_t len);

void json_key(struct json *json, const char *key)
{
    assert(json->depth > 0);
    assert(json->level[json->depth - 1].close == '}');
    assert(!json->level[json->depth - 1].has_key);
    if (json->level[json->depth - 1].has_value)
        strbuf_add_char(json->buf, ',');
    json->level[json->depth - 1].has_value = true;
    json->level[json->depth - 1].has_key = true;
    add_escaped(json->buf, key, strlen(key));
    strbuf_add_char(json->buf, ':');
}

static void add_escaped(struct strbuf *buf, const char *text, size_t len)
{
    strbuf_add_char(buf, '"');
    for (size_t i = 0; i < len;) {
        unsigned char c = (unsigned char)text[i];
        size_t width = utf8_len((const unsigned char *)text + i, len - i);

        if (c == '"' || c == '\\') {
            strbuf_add_char(buf, '\\');
            strbuf_add_char(buf, (char)c);
        } else if (c == '\n') {
            strbuf_add_text(buf, "\\n");
        } else if (c < 0x20 || c == 0x7f) {
            strbuf_printf(buf, "\\u%04x", c);
        } else if (width == 0) {
            strbuf_add_text(buf, "\\ufffd");
        } else {
            strbuf_add(buf, text + i, width);
        }
        i += width == 0 ? 1 : width;
    }
    strbuf_add_char(buf, '"');
}

void json_text_len(struct json *json, const char *text, size_t len)
{
    before_value(json);
    add_escaped(json->buf, text, len);
}

void json_text(struct json *json, const char *text)
{
    if (text == NULL)
        json_none(json);
    else
        json_text_len(json, text, strlen(text));
}

void json_i64(struct json *json, int64_t value)
{
    before_value(json);
    strbuf_printf(json->buf, "%lld", (long long)value);
}

void json_number(struct json *json, double value, int decimals)
{
    char text[NUMBER_SIZE];

    assert(decimals >= 0 && decimals <= 17);
    if (!isfinite(value)) {
        json_none(json);
        return;
    }
    int len = snprintf(text, sizeof text, "%.*f", decimals, value);
    if (decimals > 0) {
        while (text[len - 1] == '0' && text[len - 2] != '.')
            len--;
        text[len] = '\0';
    }
    const char *start = text;
    if (text[0] == '-' && strspn(text + 1, "0.") == (size_t)len - 1)
        start++; /* -0.0 is 0.0 to every reader */
    before_value(json);
    strbuf_add_text(json->buf, start);
}

void json_number_significant(struct json *json, double value, int digits)
{
    assert(digits >= 1 && digits <= 17);
    if (!isfinite(value)) {
        json_none(json);
        return;
    }
    before_value(json);
    strbuf_printf(json->buf, "%.*g", digits, value == 0 ? 0.0 : value);
}

void json_bool(struct json *json, bool value)
{
    before_value(json);
    strbuf_add_text(json->buf, value ? "true" : "false");
}

void json_none(struct json *json)
{
    before_value(json);
    strbuf_add_text(json->buf, "null");
}

void json_put_text(struct json *json, const char *key, const char *text)
{
    json_key(json, key);
    json_text(json, text);
}

void json_put_i64(struct json *json, const char *key, int64_t value)
{
    json_key(json, key);
    json_i64(json, value);
}

void json_put_number(struct json *json, const char *key, double value, int decimals)
{
    json_key(json, key);
    json_number(json, value, decimals);
}

void json_put_bool(struct json *json, const char *key, bool value)
{
    json_key(json, key);
    json_bool(json, value);
}

void json_raw(struct json *json, const char *text, size_t len)
{
    before_value(json);
    strbuf_add(json->buf, text, len);
}

void json_time(struct json *json, int64_t unix_ms)
{
    char text[TIME_TEXT_SIZE];

    before_value(json);
    time_format(unix_ms, text);
    strbuf_add_char(json->buf, '"');
    strbuf_add_text(json->buf, text);
    strbuf_add_char(json->buf, '"');
}
